/**
 * A second UDVM, written from RFC 3320 §8 and §9 and RFC 4896 alone, the slow and obvious way: one octet, one operand, one
 * instruction after the other. It judges the machine in src, which it shares no line with, and reads what goes over the wire.
 */

import { createHash } from 'node:crypto'

export interface SecondState {
  readonly value: Buffer
  readonly address: number
  readonly instruction: number
  readonly minimumAccessLength: number
  /** Hexadecimal. */
  readonly identifier: string
}

export interface SecondResult {
  /** Undefined when nothing was output. */
  readonly output: Buffer | undefined
  readonly cycles: number
  readonly created: readonly SecondState[]
  readonly returnedParameters: number
  readonly requestedFeedback: number
}

export interface SecondOptions {
  readonly memorySize: number
  readonly cyclesPerBit: number
  readonly version: number
  readonly outputLimit: number
  /** States to be found by partial identifiers; undefined for none, or for more than one. */
  find(partial: Buffer): SecondState | undefined
}

export function secondState(value: Uint8Array, address: number, instruction: number, minimum: number): SecondState {
  const head = Buffer.alloc(8)
  for (const [at, word] of [value.length, address, instruction, minimum].entries())
    head.writeUInt16BE(word & 0xffff, 2 * at)
  const identifier = createHash('sha1').update(head).update(value).digest('hex')
  return { value: Buffer.from(value), address, instruction, minimumAccessLength: minimum, identifier }
}

/** Decompresses one message, its header included. Throws an Error whatever is wrong. */
export function secondDecompress(message: Buffer, options: SecondOptions): SecondResult {
  return new Machine(message, options).run()
}

class Machine {
  readonly m: Buffer
  readonly options: SecondOptions
  readonly memory: Buffer
  readonly output: number[] = []
  hasOutput = false
  at = 0
  bit = 0
  orderBefore = 0
  pc = 0
  cycles = 0
  most = 0

  constructor(message: Buffer, options: SecondOptions) {
    this.m = message
    this.options = options
    this.memory = Buffer.alloc(Math.max(0, Math.min(65536, options.memorySize)))
  }

  fail(why: string): never {
    throw new Error(why)
  }

  header(): void {
    const m = this.m
    if ((m[0] ?? 0) < 0xf8) this.fail('no SigComp')
    let at = 1
    if (m[0]! & 4) at += (m[1] ?? this.fail('short')) < 128 ? 1 : 1 + (m[1]! & 127)
    const kind = m[0]! & 3
    let state: SecondState | undefined
    if (kind > 0) {
      const length = 3 + 3 * kind
      if (at + length > m.length) this.fail('short')
      const partial = m.subarray(at, at + length)
      state = this.find(partial)
      at += length
      if (state.address + state.value.length > this.memory.length) this.fail('state too large')
      state.value.copy(this.memory, state.address)
      this.memory.fill(0, 0, 32)
      this.pc = state.instruction
      this.word(6, length)
      this.word(8, state.value.length)
    } else {
      if (at + 2 > m.length) this.fail('short')
      const length = (m[at]! << 4) | (m[at + 1]! >> 4)
      const destination = m[at + 1]! & 15
      if (destination === 0) this.fail('invalid code location')
      at += 2
      if (at + length > m.length) this.fail('short')
      const to = 64 * (destination + 1)
      if (to + length > this.memory.length) this.fail('bytecode too large')
      m.copy(this.memory, to, at, at + length)
      this.pc = to
      at += length
    }
    this.word(0, this.memory.length & 0xffff)
    this.word(2, this.options.cyclesPerBit)
    this.word(4, this.options.version)
    this.at = at
    this.most = (1000 + 8 * at) * this.options.cyclesPerBit
  }

  find(partial: Buffer): SecondState {
    const state = this.options.find(partial)
    if (state === undefined || state.minimumAccessLength > partial.length) this.fail('no such state')
    return state
  }

  word(address: number, value?: number): number {
    if (address + 1 >= this.memory.length) this.fail('segfault')
    if (value !== undefined) this.memory.writeUInt16BE(value & 0xffff, address)
    return this.memory.readUInt16BE(address)
  }

  octet(): number {
    if (this.pc >= this.memory.length) this.fail('segfault')
    return this.memory[this.pc++]!
  }

  literal(): number {
    const n = this.octet()
    if (n < 0b10000000) return n
    if (n < 0b11000000) return ((n & 0b111111) << 8) + this.octet()
    if (n === 0b11000000) return (this.octet() << 8) + this.octet()
    return this.fail('literal')
  }

  /** Address of a reference operand. */
  reference(): number {
    const n = this.octet()
    if (n < 0b10000000) return 2 * n
    if (n < 0b11000000) return 2 * (((n & 0b111111) << 8) + this.octet())
    if (n === 0b11000000) return (this.octet() << 8) + this.octet()
    return this.fail('reference')
  }

  multitype(): number {
    const n = this.octet()
    if (n >> 6 === 0b00) return n
    if (n >> 6 === 0b01) return this.word(2 * (n & 0b111111))
    if (n >> 5 === 0b111) return 65504 + (n & 0b11111)
    if (n >> 5 === 0b110) return this.word(((n & 0b11111) << 8) + this.octet())
    if (n >> 5 === 0b101) return ((n & 0b11111) << 8) + this.octet()
    if (n >> 4 === 0b1001) return 61440 + ((n & 0b1111) << 8) + this.octet()
    if (n >> 3 === 0b10001) return 2 ** ((n & 7) + 8)
    if (n >> 1 === 0b1000011) return 2 ** ((n & 1) + 6)
    if (n === 0b10000000) return (this.octet() << 8) + this.octet()
    if (n === 0b10000001) return this.word((this.octet() << 8) + this.octet())
    return this.fail('multitype')
  }

  spend(cycles: number): void {
    this.cycles += cycles
    if (this.cycles > this.most) this.fail('cycles')
  }

  /** The addresses of `length` octets from `from` on (§8.4). */
  *places(from: number, length: number): Generator<number> {
    let at = from
    for (let n = 0; n < length; n++) {
      if (at >= this.memory.length) this.fail('segfault')
      yield at
      at = (at + 1) & 0xffff
      if (at === this.word(66)) at = this.word(64)
    }
  }

  bytes(from: number, length: number): Buffer {
    return Buffer.from([...this.places(from, length)].map(place => this.memory[place]!))
  }

  put(to: number, bytes: Uint8Array): void {
    const [left, right] = bytes.length === 0 ? [0, 0] : [this.word(64), this.word(66)]
    let at = to
    for (const value of bytes) {
      if (at >= this.memory.length) this.fail('segfault')
      this.memory[at] = value
      at = (at + 1) & 0xffff
      if (at === right) at = left
    }
  }

  /** Copies octet by octet, so that what was just copied may be copied again; returns the place after the last. */
  copy(from: number, length: number, to: number): number {
    if (length === 0) return to
    const [left, right] = [this.word(64), this.word(66)]
    const after = (at: number): number => (((at + 1) & 0xffff) === right ? left : (at + 1) & 0xffff)
    let [a, b] = [from, to]
    for (let n = 0; n < length; n++) {
      if (a >= this.memory.length || b >= this.memory.length) this.fail('segfault')
      this.memory[b] = this.memory[a]!
      ;[a, b] = [after(a), after(b)]
    }
    return b
  }

  push(value: number): void {
    const stack = this.word(70)
    const fill = this.word(stack)
    this.word((stack + 2 * fill + 2) & 0xffff, value)
    this.word(stack, fill + 1)
  }

  pop(): number {
    const stack = this.word(70)
    const fill = this.word(stack)
    if (fill === 0) this.fail('stack underflow')
    this.word(stack, fill - 1)
    return this.word((stack + 2 * (fill - 1) + 2) & 0xffff)
  }

  order(): number {
    const order = this.word(68)
    if (order > 7) this.fail('bit order')
    if ((order & 1) !== this.orderBefore) {
      this.orderBefore = order & 1
      this.wholeOctet()
    }
    return order
  }

  wholeOctet(): void {
    if (this.bit > 0) {
      this.bit = 0
      this.at++
    }
  }

  get bitsLeft(): number {
    return 8 * (this.m.length - this.at) - this.bit
  }

  nextBit(lowFirst: boolean): number {
    const octet = this.m[this.at]!
    const value = lowFirst ? (octet >> this.bit) & 1 : (octet >> (7 - this.bit)) & 1
    this.bit++
    if (this.bit === 8) this.wholeOctet()
    return value
  }

  /** So many bits as a number; the first is the highest, or if `reversed` the lowest. */
  bits(count: number, order: number, reversed: boolean): number {
    let value = 0
    for (let n = 0; n < count; n++) {
      const bit = this.nextBit((order & 1) !== 0)
      value = reversed ? value + bit * 2 ** n : 2 * value + bit
    }
    return value
  }

  run(): SecondResult {
    this.header()
    const creations: number[][] = []
    let frees = 0
    let hashes = 0
    for (;;) {
      const here = this.pc
      const target = (): number => (here + this.multitype()) & 0xffff
      const opcode = this.octet()
      switch (opcode) {
        case 0:
          return this.fail('asked for')
        case 1:
        case 2:
        case 4:
        case 5:
        case 6:
        case 7:
        case 8:
        case 9:
        case 10: {
          const to = this.reference()
          const a = this.word(to)
          const b = this.multitype()
          this.spend(1)
          if ((opcode === 9 || opcode === 10) && b === 0) this.fail('division by zero')
          const results: Record<number, () => number> = {
            1: () => a & b,
            2: () => a | b,
            4: () => Number((BigInt(a) << BigInt(b)) & 0xffffn),
            5: () => Number(BigInt(a) >> BigInt(b)),
            6: () => a + b,
            7: () => a - b,
            8: () => Number((BigInt(a) * BigInt(b)) & 0xffffn),
            9: () => Math.floor(a / b),
            10: () => a % b,
          }
          this.word(to, results[opcode]!())
          break
        }
        case 3: {
          const to = this.reference()
          const a = this.word(to)
          this.spend(1)
          this.word(to, 0xffff - a)
          break
        }
        case 11:
        case 12:
          this.sort(opcode === 12)
          break
        case 13: {
          const [position, length, to] = [this.multitype(), this.multitype(), this.multitype()]
          if (++hashes > 256) this.fail('too many hashes')
          this.spend(1 + length)
          this.put(to, createHash('sha1').update(this.bytes(position, length)).digest())
          break
        }
        case 14: {
          const [to, value] = [this.multitype(), this.multitype()]
          this.spend(1)
          this.word(to, value)
          break
        }
        case 15: {
          const to = this.multitype()
          const n = this.literal()
          this.spend(1 + n)
          const first = this.pc
          // Where the instruction ends is found by reading over the operands; only their form matters.
          for (let i = 0; i < n; i++) this.pass()
          if (n > 0 && to < this.pc && to + 2 * n > here) this.fail('multiload overwrites itself')
          this.pc = first
          for (let i = 0; i < n; i++) this.word(to + 2 * i, this.multitype())
          break
        }
        case 16: {
          const value = this.multitype()
          this.spend(1)
          this.push(value)
          break
        }
        case 17: {
          const to = this.multitype()
          this.spend(1)
          this.word(to, this.pop())
          break
        }
        case 18: {
          const [position, length, to] = [this.multitype(), this.multitype(), this.multitype()]
          this.spend(1 + length)
          this.copy(position, length, to)
          break
        }
        case 19:
        case 20: {
          const [first, length, reference] = [this.multitype(), this.multitype(), this.reference()]
          const to = this.word(reference)
          this.spend(1 + length)
          const from = opcode === 19 || length === 0 ? first : this.backwards(to, first)
          if (length > 0) this.word(reference, this.copy(from, length, to))
          break
        }
        case 21: {
          const [to, length, start, offset] = [this.multitype(), this.multitype(), this.multitype(), this.multitype()]
          this.spend(1 + length)
          const values = Buffer.alloc(length)
          for (let i = 0; i < length; i++) values[i] = (start + i * offset) & 255
          const [left, right] = [this.word(64), this.word(66)]
          let at = to
          for (const value of values) {
            if (at >= this.memory.length) this.fail('segfault')
            this.memory[at] = value
            at = (at + 1) & 0xffff
            if (at === right) at = left
          }
          break
        }
        case 22: {
          const to = target()
          this.spend(1)
          this.pc = to
          break
        }
        case 23: {
          const [a, b, less, equal, greater] = [this.multitype(), this.multitype(), target(), target(), target()]
          this.spend(1)
          this.pc = a < b ? less : a > b ? greater : equal
          break
        }
        case 24: {
          const to = target()
          this.spend(1)
          this.push(this.pc)
          this.pc = to
          break
        }
        case 25:
          this.spend(1)
          this.pc = this.pop()
          break
        case 26: {
          const n = this.literal()
          this.spend(1 + n)
          const j = this.multitype()
          const all: number[] = []
          for (let i = 0; i < n; i++) all.push(target())
          if (j >= n) this.fail('switch')
          this.pc = all[j]!
          break
        }
        case 27: {
          const [value, position, length, otherwise] = [this.multitype(), this.multitype(), this.multitype(), target()]
          this.spend(1 + length)
          if (crc(this.bytes(position, length)) !== value) this.pc = otherwise
          break
        }
        case 28: {
          const [length, to, otherwise] = [this.multitype(), this.multitype(), target()]
          this.spend(1 + length)
          this.wholeOctet()
          if (length > this.m.length - this.at) this.pc = otherwise
          else {
            this.put(to, this.m.subarray(this.at, this.at + length))
            this.at += length
            this.most += 8 * length * this.options.cyclesPerBit
          }
          break
        }
        case 29: {
          const [length, to, otherwise] = [this.multitype(), this.multitype(), target()]
          this.spend(1)
          const order = this.order()
          if (length > 16) this.fail('too many bits')
          if (length > this.bitsLeft) this.pc = otherwise
          else {
            this.word(to, this.bits(length, order, (order & 4) !== 0))
            this.most += length * this.options.cyclesPerBit
          }
          break
        }
        case 30:
          this.huffman(target)
          break
        case 31: {
          const [position, partial, begin, length, to, instruction] = [1, 2, 3, 4, 5, 6].map(() =>
            this.multitype(),
          ) as [number, number, number, number, number, number]
          this.spend(1 + length)
          if (partial < 6 || partial > 20) this.fail('identifier length')
          const state = this.find(this.bytes(position, partial))
          if (length === 0) {
            if (begin !== 0) this.fail('state probe')
            this.spend(state.value.length)
          }
          const count = length === 0 ? state.value.length : length
          if (begin + count > state.value.length) this.fail('state too short')
          this.put(to === 0 ? state.address : to, state.value.subarray(begin, begin + count))
          const next = instruction === 0 ? state.instruction : instruction
          if (next !== 0) this.pc = next
          break
        }
        case 32: {
          const request = [1, 2, 3, 4, 5].map(() => this.multitype())
          this.spend(1 + request[0]!)
          this.creation(creations, request)
          break
        }
        case 33: {
          const [position, length] = [this.multitype(), this.multitype()]
          this.spend(1)
          if (length < 6 || length > 20) this.fail('identifier length')
          if (++frees > 4) this.fail('too many requests')
          this.freed.push([position, length])
          break
        }
        case 34: {
          const [position, length] = [this.multitype(), this.multitype()]
          this.spend(1 + length)
          if (this.output.length + length > this.options.outputLimit) this.fail('output')
          for (const octet of this.bytes(position, length)) this.output.push(octet)
          this.hasOutput = true
          break
        }
        case 35: {
          const [requestedFeedback, returnedParameters, ...request] = [1, 2, 3, 4, 5, 6, 7].map(() => this.multitype())
          this.spend(1 + request[0]!)
          // Another minimum access length, or the priority of local state, says that there is none to create (§9.4.9).
          if (request[3]! >= 6 && request[3]! <= 20 && request[4] !== 65535) this.creation(creations, request)
          return this.end(creations, requestedFeedback!, returnedParameters!)
        }
        default:
          this.fail('no instruction')
      }
    }
  }

  readonly freed: number[][] = []

  creation(creations: number[][], request: readonly number[]): void {
    const [, , , minimum, priority] = request as [number, number, number, number, number]
    if (minimum < 6 || minimum > 20) this.fail('identifier length')
    if (priority === 65535) this.fail('priority')
    if (creations.length === 4) this.fail('too many requests')
    creations.push([...request])
  }

  end(creations: readonly number[][], requestedFeedback: number, returnedParameters: number): SecondResult {
    const created = creations.map(([length, address, instruction, minimum]) =>
      secondState(this.bytes(address!, length!), address!, instruction!, minimum!),
    )
    for (const [position, length] of this.freed) this.bytes(position!, length!)
    if (requestedFeedback > 0 && this.feedbackEnd(requestedFeedback) > this.memory.length) this.fail('feedback')
    if (returnedParameters > 0 && this.parametersEnd(returnedParameters) > this.memory.length) this.fail('parameters')
    const output = this.hasOutput ? Buffer.from(this.output) : undefined
    return { output, cycles: this.cycles, created, requestedFeedback, returnedParameters }
  }

  /** Where a requested feedback field ends (§9.4.9, Figure 12). */
  feedbackEnd(at: number): number {
    const wantsItem = ((this.memory[at] ?? 0) & 0b100) !== 0
    if (!wantsItem) return at + 1
    const item = this.memory[at + 1] ?? 0
    return at + 2 + (item < 128 ? 0 : item & 127)
  }

  /** Where returned parameters end (Figure 13): the octet after the last identifier is read, and is none's length. */
  parametersEnd(at: number): number {
    let end = at + 2
    for (let length = this.memory[end] ?? 0; length >= 6 && length <= 20; length = this.memory[end] ?? 0)
      end += 1 + length
    return end + 1
  }

  pass(): void {
    const n = this.octet()
    if (n < 0x80 || n >= 0xe0 || (n >= 0x86 && n < 0x90)) return
    if (n > 0x81 && n < 0x86) this.fail('multitype')
    this.pc += n >= 0x90 ? 1 : 2
  }

  huffman(target: () => number): void {
    const to = this.multitype()
    const otherwise = target()
    const n = this.literal()
    this.spend(1 + n)
    if (n === 0) return
    const order = this.order()
    const rows: number[][] = []
    let sum = 0
    for (let i = 0; i < n; i++) {
      rows.push([this.multitype(), this.multitype(), this.multitype(), this.multitype()])
      sum += rows[i]![0]!
      if (sum > 16) this.fail('too many bits')
    }
    let code = 0
    let taken = 0
    for (const [bits, lower, upper, uncompressed] of rows as [number, number, number, number][]) {
      if (bits > this.bitsLeft) {
        this.most += taken * this.options.cyclesPerBit
        this.pc = otherwise
        return
      }
      code = code * 2 ** bits + this.bits(bits, order, (order & 2) !== 0)
      taken += bits
      if (code < lower || code > upper) continue
      this.word(to, code + uncompressed - lower)
      this.most += taken * this.options.cyclesPerBit
      return
    }
    this.fail('no match')
  }

  /** One address to the left after the other (§9.2.6). */
  backwards(from: number, offset: number): number {
    const [left, right] = [this.word(64), this.word(66)]
    let at = from
    for (let n = 0; n < offset; n++) at = at === left ? (right - 1) & 0xffff : (at - 1) & 0xffff
    return at
  }

  sort(descending: boolean): void {
    const [start, lists, length] = [this.multitype(), this.multitype(), this.multitype()]
    this.spend(1 + length * ((length < 2 ? 0 : Math.ceil(Math.log2(length))) + lists))
    if (lists === 0 || length === 0) return
    if (start + 2 * lists * length > this.memory.length) this.fail('segfault')
    const columns = Array.from({ length: lists }, (_, list) =>
      Array.from({ length }, (_, i) => this.word(start + 2 * (list * length + i))),
    )
    const order = Array.from({ length }, (_, i) => i)
    const [keys] = columns as [number[]]
    order.sort((a, b) => (descending ? keys[b]! - keys[a]! : keys[a]! - keys[b]!) || a - b)
    for (const [list, column] of columns.entries())
      for (const [i, from] of order.entries()) this.word(start + 2 * (list * length + i), column[from]!)
  }
}

/** RFC 1662 appendix C, bit by bit. */
function crc(bytes: Uint8Array): number {
  let value = 0xffff
  for (const octet of bytes) {
    value ^= octet
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >> 1) ^ 0x8408 : value >> 1
  }
  return value
}
