/**
 * The Universal Decompressor Virtual Machine (RFC 3320 §8 and §9, with the corrections of RFC 4896). One machine serves
 * one message after the other; it allocates nothing per instruction, and neither its cycles nor its memory can be exceeded.
 */

import { DecompressionFailure, type Reason } from './failure.ts'
import {
  type RequestedFeedback,
  type ReturnedParameters,
  readRequestedFeedback,
  readReturnedParameters,
} from './feedback.ts'
import { sha1 } from './sha1.ts'
import { localPriority, type StateItem } from './state.ts'

/** What a run is given. */
export interface Program {
  /** UDVM memory in octets, at most 65536 (RFC 3320 §7). */
  readonly memorySize: number
  readonly cyclesPerBit: number
  readonly version: number
  /** The state item that the header named and the length of its identifier there, or else the uploaded bytecode. */
  readonly state: StateItem | undefined
  readonly partialIdentifierLength: number
  readonly bytecode: Uint8Array
  /** Where uploaded bytecode goes and begins. */
  readonly destination: number
  /** The whole message, and where what follows its header begins. */
  readonly message: Uint8Array
  readonly headerLength: number
  /** Octets of output allowed; RFC 3320 §9.4.8 has 65536. */
  readonly outputLimit: number
  /** Octets of a state value worth keeping: what is longer is cut to any state memory (RFC 3320 §6.2 step 2). */
  readonly stateLimit: number
  /** The state item of a partial identifier; throws STATE_NOT_FOUND or ID_NOT_UNIQUE. */
  access(partial: Uint8Array): StateItem
}

/** A state to create, or to free, once the message is known to belong to a compartment. */
export type StateRequest =
  | {
      readonly kind: 'create'
      readonly value: Uint8Array
      readonly address: number
      readonly instruction: number
      readonly minimumAccessLength: number
      readonly priority: number
    }
  | { readonly kind: 'free'; readonly identifier: Uint8Array }

/** What came of a message. */
export interface Decompressed {
  /** Undefined when the message has output nothing, not even an empty string (RFC 3320 §9.4.8). */
  readonly output: Uint8Array | undefined
  /** UDVM cycles used. */
  readonly cycles: number
  readonly requests: readonly StateRequest[]
  readonly requestedFeedback: RequestedFeedback | undefined
  readonly returnedParameters: ReturnedParameters | undefined
}

/** RFC 3320 §6.2: four requests to create and four to free. */
const mostRequests = 4
/**
 * SHA-1 instructions in one message. A hash of nothing costs one cycle and a thousand times the work of another
 * instruction: more than a decompressor can have a use for is taken for an attempt to keep us busy.
 */
const mostHashes = 256
const largestMemory = 65536

/** A request as the instruction left it: values are read when the message ends (RFC 3320 §9.4.6, §9.4.7). */
interface Pending {
  readonly free: boolean
  readonly a: number
  readonly b: number
  readonly c: number
  readonly d: number
  readonly e: number
}

export class Udvm {
  readonly #memory = new Uint8Array(largestMemory)
  #output = new Uint8Array(2048)
  #sortKeys: Uint32Array | undefined
  #sortValues: Uint16Array | undefined
  #size = 0
  #pc = 0
  #instruction = 0
  #cycles = 0
  #cycleLimit = 0
  #cyclesPerBit = 16
  #outputLength = 0
  #hasOutput = false
  #message: Uint8Array = this.#memory
  /** Next octet of the message, and how many of its bits are gone. */
  #at = 0
  #bit = 0
  #lastBitOrder = 0

  /** Cycles used by the last run. */
  get cycles(): number {
    return this.#cycles
  }

  /** Decompresses one message. Throws `DecompressionFailure` and nothing else. */
  run(program: Program): Decompressed {
    this.#start(program)
    try {
      this.#load(program)
      return this.#execute(program)
    } catch (error) {
      const failure = error instanceof DecompressionFailure ? error : new DecompressionFailure('INTERNAL_ERROR')
      if (this.#instruction >= 0) {
        failure.programCounter = this.#instruction & 0xffff
        failure.opcode = this.#instruction < this.#size ? this.#memory[this.#instruction]! : 0
      }
      throw failure
    }
  }

  #start(program: Program): void {
    this.#size = Math.min(largestMemory, Math.max(0, program.memorySize))
    this.#instruction = -1
    this.#cycles = 0
    this.#cyclesPerBit = program.cyclesPerBit
    this.#cycleLimit = (1000 + 8 * program.headerLength) * program.cyclesPerBit
    this.#outputLength = 0
    this.#hasOutput = false
    this.#message = program.message
    this.#at = program.headerLength
    this.#bit = 0
    this.#lastBitOrder = 0
  }

  /** Initializes the memory (RFC 3320 §7.2, §7.3). */
  #load(program: Program): void {
    const memory = this.#memory
    memory.fill(0, 0, this.#size)
    const { state } = program
    if (state !== undefined) {
      if (state.address + state.value.length > this.#size) fail('SEGFAULT')
      memory.set(state.value, state.address)
      memory.fill(0, 0, 32)
      this.#pc = state.instruction
    } else {
      if (program.destination + program.bytecode.length > this.#size) fail('BYTECODES_TOO_LARGE')
      memory.set(program.bytecode, program.destination)
      this.#pc = program.destination
    }
    if (this.#size < 32) fail('SEGFAULT')
    this.#write(0, this.#size & 0xffff)
    this.#write(2, program.cyclesPerBit)
    this.#write(4, program.version)
    this.#write(6, state === undefined ? 0 : program.partialIdentifierLength)
    this.#write(8, state === undefined ? 0 : state.value.length & 0xffff)
  }

  /** Runs until END-MESSAGE. Cases are in the order of their opcodes (RFC 3320 §9, Figure 11). */
  #execute(program: Program): Decompressed {
    const memory = this.#memory
    const pending: Pending[] = []
    let creations = 0
    let frees = 0
    let hashes = 0
    for (;;) {
      const start = this.#pc
      this.#instruction = start
      if (start >= this.#size) fail('SEGFAULT')
      this.#pc = start + 1
      switch (memory[start]!) {
        case 0: // DECOMPRESSION-FAILURE
          this.#spend(1)
          fail('USER_REQUESTED')
          break
        case 1: {
          const to = this.#reference()
          const a = this.#read(to)
          const b = this.#multitype()
          this.#spend(1)
          this.#write(to, a & b)
          break
        }
        case 2: {
          const to = this.#reference()
          const a = this.#read(to)
          const b = this.#multitype()
          this.#spend(1)
          this.#write(to, a | b)
          break
        }
        case 3: {
          const to = this.#reference()
          const a = this.#read(to)
          this.#spend(1)
          this.#write(to, ~a & 0xffff)
          break
        }
        case 4: {
          const to = this.#reference()
          const a = this.#read(to)
          const b = this.#multitype()
          this.#spend(1)
          this.#write(to, b > 15 ? 0 : (a << b) & 0xffff)
          break
        }
        case 5: {
          const to = this.#reference()
          const a = this.#read(to)
          const b = this.#multitype()
          this.#spend(1)
          this.#write(to, b > 15 ? 0 : a >> b)
          break
        }
        case 6: {
          const to = this.#reference()
          const a = this.#read(to)
          const b = this.#multitype()
          this.#spend(1)
          this.#write(to, (a + b) & 0xffff)
          break
        }
        case 7: {
          const to = this.#reference()
          const a = this.#read(to)
          const b = this.#multitype()
          this.#spend(1)
          this.#write(to, (a - b) & 0xffff)
          break
        }
        case 8: {
          const to = this.#reference()
          const a = this.#read(to)
          const b = this.#multitype()
          this.#spend(1)
          this.#write(to, Math.imul(a, b) & 0xffff)
          break
        }
        case 9: {
          const to = this.#reference()
          const a = this.#read(to)
          const b = this.#multitype()
          this.#spend(1)
          if (b === 0) fail('DIV_BY_ZERO')
          this.#write(to, Math.floor(a / b))
          break
        }
        case 10: {
          const to = this.#reference()
          const a = this.#read(to)
          const b = this.#multitype()
          this.#spend(1)
          if (b === 0) fail('DIV_BY_ZERO')
          this.#write(to, a % b)
          break
        }
        case 11: // SORT-ASCENDING
        case 12: // SORT-DESCENDING
          this.#sort(memory[start] === 12)
          break
        case 13: {
          const position = this.#multitype()
          const length = this.#multitype()
          const destination = this.#multitype()
          this.#spend(++hashes > mostHashes ? Number.POSITIVE_INFINITY : 1 + length)
          this.#put(destination, sha1(this.#bytes(position, length)))
          break
        }
        case 14: {
          const address = this.#multitype()
          const value = this.#multitype()
          this.#spend(1)
          this.#write(address, value)
          break
        }
        case 15:
          this.#multiload(start)
          break
        case 16: {
          const value = this.#multitype()
          this.#spend(1)
          this.#push(value)
          break
        }
        case 17: {
          const address = this.#multitype()
          this.#spend(1)
          this.#write(address, this.#pop())
          break
        }
        case 18: {
          const position = this.#multitype()
          const length = this.#multitype()
          const destination = this.#multitype()
          this.#spend(1 + length)
          this.#copy(position, length, destination)
          break
        }
        case 19: {
          const position = this.#multitype()
          const length = this.#multitype()
          const reference = this.#reference()
          const destination = this.#read(reference)
          this.#spend(1 + length)
          if (length > 0) this.#write(reference, this.#copy(position, length, destination))
          break
        }
        case 20: {
          const offset = this.#multitype()
          const length = this.#multitype()
          const reference = this.#reference()
          const destination = this.#read(reference)
          this.#spend(1 + length)
          if (length > 0) this.#write(reference, this.#copy(this.#backwards(destination, offset), length, destination))
          break
        }
        case 21: {
          const address = this.#multitype()
          const length = this.#multitype()
          let value = this.#multitype()
          const offset = this.#multitype()
          this.#spend(1 + length)
          const left = this.#read(64)
          const right = this.#read(66)
          const size = this.#size
          let to = address
          for (let n = 0; n < length; n++) {
            if (to >= size) fail('SEGFAULT')
            memory[to] = value
            value += offset
            to = (to + 1) & 0xffff
            if (to === right) to = left
          }
          break
        }
        case 22: {
          const address = this.#address(start)
          this.#spend(1)
          this.#pc = address
          break
        }
        case 23: {
          const a = this.#multitype()
          const b = this.#multitype()
          const less = this.#address(start)
          const equal = this.#address(start)
          const greater = this.#address(start)
          this.#spend(1)
          this.#pc = a < b ? less : a === b ? equal : greater
          break
        }
        case 24: {
          const address = this.#address(start)
          this.#spend(1)
          this.#push(this.#pc)
          this.#pc = address
          break
        }
        case 25:
          this.#spend(1)
          this.#pc = this.#pop()
          break
        case 26: {
          const n = this.#literal()
          this.#spend(1 + n)
          const j = this.#multitype()
          let address = 0
          for (let i = 0; i < n; i++) {
            const each = this.#address(start)
            if (i === j) address = each
          }
          if (j >= n) fail('SWITCH_VALUE_TOO_HIGH')
          this.#pc = address
          break
        }
        case 27: {
          const value = this.#multitype()
          const position = this.#multitype()
          const length = this.#multitype()
          const otherwise = this.#address(start)
          this.#spend(1 + length)
          if (frameCheckSequence(this.#bytes(position, length)) !== value) this.#pc = otherwise
          break
        }
        case 28: {
          const length = this.#multitype()
          const destination = this.#multitype()
          const otherwise = this.#address(start)
          this.#spend(1 + length)
          // A fraction of an octet is gone even when there is not enough after it (RFC 4896 §3.1).
          if (this.#bit > 0) {
            this.#bit = 0
            this.#at++
          }
          if (length > this.#message.length - this.#at) this.#pc = otherwise
          else {
            this.#put(destination, this.#message.subarray(this.#at, this.#at + length))
            this.#at += length
            this.#cycleLimit += 8 * length * this.#cyclesPerBit
          }
          break
        }
        case 29: {
          const length = this.#multitype()
          const destination = this.#multitype()
          const otherwise = this.#address(start)
          this.#spend(1)
          const order = this.#bitOrder()
          if (length > 16) fail('TOO_MANY_BITS_REQUESTED')
          if (length > (this.#message.length - this.#at) * 8 - this.#bit) this.#pc = otherwise
          else {
            this.#write(destination, this.#bits(length, (order & 1) !== 0, (order & 4) !== 0))
            this.#cycleLimit += length * this.#cyclesPerBit
          }
          break
        }
        case 30:
          this.#inputHuffman(start)
          break
        case 31:
          this.#stateAccess(program)
          break
        case 32: {
          const length = this.#multitype()
          const address = this.#multitype()
          const instruction = this.#multitype()
          const accessLength = this.#multitype()
          const priority = this.#multitype()
          this.#spend(1 + length)
          if (accessLength < 6 || accessLength > 20) fail('INVALID_STATE_ID_LENGTH')
          if (priority === localPriority) fail('INVALID_STATE_PRIORITY')
          if (++creations > mostRequests) fail('TOO_MANY_STATE_REQUESTS')
          pending.push({ free: false, a: length, b: address, c: instruction, d: accessLength, e: priority })
          break
        }
        case 33: {
          const identifier = this.#multitype()
          const length = this.#multitype()
          this.#spend(1)
          if (length < 6 || length > 20) fail('INVALID_STATE_ID_LENGTH')
          if (++frees > mostRequests) fail('TOO_MANY_STATE_REQUESTS')
          pending.push({ free: true, a: identifier, b: length, c: 0, d: 0, e: 0 })
          break
        }
        case 34: {
          const position = this.#multitype()
          const length = this.#multitype()
          this.#spend(1 + length)
          this.#append(position, length, program.outputLimit)
          break
        }
        case 35: {
          const feedback = this.#multitype()
          const parameters = this.#multitype()
          const length = this.#multitype()
          const address = this.#multitype()
          const instruction = this.#multitype()
          const accessLength = this.#multitype()
          const priority = this.#multitype()
          this.#spend(1 + length)
          if (accessLength >= 6 && accessLength <= 20 && priority !== localPriority) {
            if (++creations > mostRequests) fail('TOO_MANY_STATE_REQUESTS')
            pending.push({ free: false, a: length, b: address, c: instruction, d: accessLength, e: priority })
          }
          return this.#end(pending, feedback, parameters, program.stateLimit)
        }
        default:
          fail('INVALID_OPCODE')
      }
    }
  }

  /** END-MESSAGE: what is asked for is read from the memory as it is now (RFC 4896 §4.1). */
  #end(pending: readonly Pending[], feedback: number, parameters: number, stateLimit: number): Decompressed {
    const requests = pending.map((request): StateRequest => {
      if (request.free) return { kind: 'free', identifier: this.#bytes(request.a, request.b).slice() }
      // All of it must lie within the memory, also what is not kept.
      const value = this.#bytes(request.b, request.a)
      return {
        kind: 'create',
        value: value.slice(0, stateLimit),
        address: request.b,
        instruction: request.c,
        minimumAccessLength: request.d,
        priority: request.e,
      }
    })
    const memory = this.#memory.subarray(0, this.#size)
    const requestedFeedback = feedback === 0 ? undefined : readRequestedFeedback(memory, feedback)
    const returnedParameters = parameters === 0 ? undefined : readReturnedParameters(memory, parameters)
    if (feedback !== 0 && requestedFeedback === undefined) fail('SEGFAULT')
    if (parameters !== 0 && returnedParameters === undefined) fail('SEGFAULT')
    return {
      output: this.#hasOutput ? Buffer.from(this.#output.subarray(0, this.#outputLength)) : undefined,
      cycles: this.#cycles,
      requests,
      requestedFeedback,
      returnedParameters,
    }
  }

  #spend(cycles: number): void {
    if (this.#cycles + cycles > this.#cycleLimit)
      throw new DecompressionFailure('CYCLES_EXHAUSTED', Uint8Array.of(this.#cyclesPerBit))
    this.#cycles += cycles
  }

  /** The 2-octet word at an address. */
  #read(address: number): number {
    if (address + 1 >= this.#size) fail('SEGFAULT')
    return (this.#memory[address]! << 8) | this.#memory[address + 1]!
  }

  #write(address: number, value: number): void {
    if (address + 1 >= this.#size) fail('SEGFAULT')
    this.#memory[address] = value >> 8
    this.#memory[address + 1] = value
  }

  /** One octet of the instruction. */
  #fetch(): number {
    if (this.#pc >= this.#size) fail('SEGFAULT')
    return this.#memory[this.#pc++]!
  }

  /** A literal operand (RFC 3320 §8.5, Figure 8). */
  #literal(): number {
    const first = this.#fetch()
    if (first < 0x80) return first
    if (first < 0xc0) return ((first & 0x3f) << 8) | this.#fetch()
    if (first !== 0xc0) fail('INVALID_OPERAND')
    return (this.#fetch() << 8) | this.#fetch()
  }

  /** The address that a reference operand names (Figure 9). */
  #reference(): number {
    const first = this.#fetch()
    if (first < 0x80) return 2 * first
    if (first < 0xc0) return 2 * (((first & 0x3f) << 8) | this.#fetch())
    if (first !== 0xc0) fail('INVALID_OPERAND')
    return (this.#fetch() << 8) | this.#fetch()
  }

  /** The value of a multitype operand (Figure 10). */
  #multitype(): number {
    const first = this.#fetch()
    if (first < 0x40) return first
    if (first < 0x80) return this.#read(2 * (first & 0x3f))
    return this.#longMultitype(first)
  }

  #longMultitype(first: number): number {
    if (first >= 0xe0) return first + 65504 - 0xe0
    if (first >= 0xc0) return this.#read(((first & 0x1f) << 8) | this.#fetch())
    if (first >= 0xa0) return ((first & 0x1f) << 8) | this.#fetch()
    if (first >= 0x90) return (((first & 0x0f) << 8) | this.#fetch()) + 61440
    if (first >= 0x88) return 1 << ((first & 7) + 8)
    if (first >= 0x86) return 64 << (first & 1)
    if (first >= 0x82) fail('INVALID_OPERAND')
    const word = (this.#fetch() << 8) | this.#fetch()
    return first === 0x80 ? word : this.#read(word)
  }

  /** An address operand: relative to the instruction (RFC 3320 §8.5). */
  #address(instruction: number): number {
    return (instruction + this.#multitype()) & 0xffff
  }

  #push(value: number): void {
    const stack = this.#read(70)
    const fill = this.#read(stack)
    this.#write((stack + 2 * fill + 2) & 0xffff, value)
    // Written last, over a value pushed onto stack_fill itself (RFC 4896 §3.4).
    this.#write(stack, (fill + 1) & 0xffff)
  }

  #pop(): number {
    const stack = this.#read(70)
    const fill = this.#read(stack)
    if (fill === 0) fail('STACK_UNDERFLOW')
    this.#write(stack, fill - 1)
    return this.#read((stack + 2 * (fill - 1) + 2) & 0xffff)
  }

  /** Whether `length` octets from `from` are in a row: no wrapping at byte_copy_right, no end of memory. */
  #isStraight(from: number, length: number, right: number): boolean {
    const end = from + length
    return end <= this.#size && end <= 0xffff && !(right > from && right <= end)
  }

  /** Byte copying (RFC 3320 §8.4, RFC 4896 §4). Returns where the next octet would go. */
  #copy(from: number, length: number, to: number): number {
    if (length === 0) return to
    const memory = this.#memory
    const left = this.#read(64)
    const right = this.#read(66)
    const size = this.#size
    if (this.#isStraight(from, length, right) && this.#isStraight(to, length, right)) {
      if (to <= from || to >= from + length) memory.copyWithin(to, from, from + length)
      else for (let i = 0; i < length; i++) memory[to + i] = memory[from + i]!
      return to + length
    }
    for (let i = 0; i < length; i++) {
      if (from >= size || to >= size) fail('SEGFAULT')
      memory[to] = memory[from]!
      from = (from + 1) & 0xffff
      if (from === right) from = left
      to = (to + 1) & 0xffff
      if (to === right) to = left
    }
    return to
  }

  /** Byte copies octets into the memory. */
  #put(to: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const memory = this.#memory
    const left = this.#read(64)
    const right = this.#read(66)
    const size = this.#size
    if (this.#isStraight(to, bytes.length, right)) {
      memory.set(bytes, to)
      return
    }
    for (let i = 0; i < bytes.length; i++) {
      if (to >= size) fail('SEGFAULT')
      memory[to] = bytes[i]!
      to = (to + 1) & 0xffff
      if (to === right) to = left
    }
  }

  /** Octets byte copied out of the memory; valid until the memory changes. */
  #bytes(from: number, length: number): Uint8Array {
    if (length === 0) return this.#memory.subarray(0, 0)
    const memory = this.#memory
    const left = this.#read(64)
    const right = this.#read(66)
    const size = this.#size
    if (this.#isStraight(from, length, right)) return memory.subarray(from, from + length)
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) {
      if (from >= size) fail('SEGFAULT')
      bytes[i] = memory[from]!
      from = (from + 1) & 0xffff
      if (from === right) from = left
    }
    return bytes
  }

  /** `offset` addresses to the left of `from`, jumping from byte_copy_left to byte_copy_right - 1 (RFC 3320 §9.2.6). */
  #backwards(from: number, offset: number): number {
    const left = this.#read(64)
    const right = this.#read(66)
    let at = from
    let rest = offset
    for (;;) {
      const stop = left <= at ? left : 0
      if (rest <= at - stop) return at - rest
      rest -= at - stop + 1
      if (stop === left) {
        at = (right - 1) & 0xffff
        // From here the way is a circle, gone round by division: an offset costs no cycles.
        rest %= at >= left ? at - left + 1 : at + 1 + 0x10000 - left
      } else at = 0xffff
    }
  }

  #append(position: number, length: number, limit: number): void {
    if (this.#outputLength + length > limit) fail('OUTPUT_OVERFLOW')
    const bytes = this.#bytes(position, length)
    const end = this.#outputLength + length
    if (end > this.#output.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#output.length))
      larger.set(this.#output.subarray(0, this.#outputLength))
      this.#output = larger
    }
    this.#output.set(bytes, this.#outputLength)
    this.#outputLength = end
    this.#hasOutput = true
  }

  /** SORT-ASCENDING and SORT-DESCENDING, stable (RFC 3320 §9.1.3). */
  #sort(descending: boolean): void {
    const start = this.#multitype()
    const lists = this.#multitype()
    const length = this.#multitype()
    this.#spend(1 + length * ((length < 2 ? 0 : 32 - Math.clz32(length - 1)) + lists))
    if (lists === 0 || length === 0) return
    if (start + 2 * lists * length > this.#size) fail('SEGFAULT')
    this.#sortKeys ??= new Uint32Array(largestMemory / 2)
    this.#sortValues ??= new Uint16Array(largestMemory / 2)
    const keys = this.#sortKeys.subarray(0, length)
    const values = this.#sortValues
    for (let i = 0; i < length; i++) {
      const word = this.#read(start + 2 * i)
      keys[i] = (descending ? 0xffff - word : word) * 65536 + i
    }
    keys.sort()
    for (let list = 0; list < lists; list++) {
      const base = start + 2 * list * length
      for (let i = 0; i < length; i++) values[i] = this.#read(base + 2 * (keys[i]! & 0xffff))
      for (let i = 0; i < length; i++) this.#write(base + 2 * i, values[i]!)
    }
  }

  /** MULTILOAD, step by step (RFC 3320 §9.2.2, RFC 4896 §3.2). */
  #multiload(start: number): void {
    const address = this.#multitype()
    const n = this.#literal()
    this.#spend(1 + n)
    if (n === 0) return
    // Where the instruction ends does not depend on the values, so it is known before the first is written.
    const first = this.#pc
    for (let i = 0; i < n; i++) this.#skipMultitype()
    const end = this.#pc
    if (address < end && address + 2 * n > start) fail('MULTILOAD_OVERWRITTEN')
    this.#pc = first
    for (let i = 0; i < n; i++) this.#write(address + 2 * i, this.#multitype())
  }

  #skipMultitype(): void {
    const first = this.#fetch()
    if (first < 0x80 || first >= 0xe0 || (first >= 0x86 && first < 0x90)) return
    if (first >= 0x82 && first < 0x86) fail('INVALID_OPERAND')
    this.#pc += first >= 0x90 ? 1 : 2
  }

  /** The input_bit_order register; drops a fraction of an octet when P has changed (RFC 3320 §8.2). */
  #bitOrder(): number {
    const order = this.#read(68)
    if (order > 7) fail('BAD_INPUT_BITORDER')
    const changed = (order & 1) !== this.#lastBitOrder
    if (changed) {
      this.#lastBitOrder = order & 1
      if (this.#bit > 0) {
        this.#bit = 0
        this.#at++
      }
    }
    return order
  }

  /** The next `n` bits, which are there, up to 16. `lowFirst`: P, `reversed`: F or H. */
  #bits(n: number, lowFirst: boolean, reversed: boolean): number {
    if (n === 0) return 0
    const message = this.#message
    const at = this.#at
    const last = message.length - 1
    const a = message[at]!
    const b = at < last ? message[at + 1]! : 0
    const c = at + 1 < last ? message[at + 2]! : 0
    const mask = (1 << n) - 1
    const value = lowFirst
      ? ((a | (b << 8) | (c << 16)) >> this.#bit) & mask
      : (((a << 16) | (b << 8) | c) >> (24 - this.#bit - n)) & mask
    const bit = this.#bit + n
    this.#at = at + (bit >> 3)
    this.#bit = bit & 7
    // Low bits first leaves the first bit received lowest; otherwise it is highest.
    return lowFirst === reversed ? value : reverse(value, n)
  }

  /** INPUT-HUFFMAN (RFC 3320 §9.4.4): all operands are read, whether or not they come to matter. */
  #inputHuffman(start: number): void {
    const destination = this.#multitype()
    const otherwise = this.#address(start)
    const n = this.#literal()
    this.#spend(1 + n)
    if (n === 0) return
    const order = this.#bitOrder()
    const lowFirst = (order & 1) !== 0
    const reversed = (order & 2) !== 0
    const length = this.#message.length
    let total = 0
    let code = 0
    let taken = 0
    let result = -1
    let short = false
    for (let j = 0; j < n; j++) {
      const bits = this.#multitype()
      const lower = this.#multitype()
      const upper = this.#multitype()
      const uncompressed = this.#multitype()
      total += bits
      if (total > 16) fail('TOO_MANY_BITS_REQUESTED')
      if (result >= 0 || short) continue
      if (bits > (length - this.#at) * 8 - this.#bit) {
        short = true
        continue
      }
      code = (code << bits) | this.#bits(bits, lowFirst, reversed)
      taken += bits
      if (code >= lower && code <= upper) result = (code + uncompressed - lower) & 0xffff
    }
    if (short) this.#pc = otherwise
    else if (result < 0) fail('HUFFMAN_NO_MATCH')
    else this.#write(destination, result)
    this.#cycleLimit += taken * this.#cyclesPerBit
  }

  /** STATE-ACCESS (RFC 3320 §9.4.5). */
  #stateAccess(program: Program): void {
    const identifier = this.#multitype()
    const identifierLength = this.#multitype()
    const begin = this.#multitype()
    const length = this.#multitype()
    const address = this.#multitype()
    const instruction = this.#multitype()
    // What it costs may depend on the state; what is asked of the store must be paid for first.
    this.#spend(1 + length)
    if (identifierLength < 6 || identifierLength > 20) fail('INVALID_STATE_ID_LENGTH')
    const partial = this.#bytes(identifier, identifierLength)
    const item = program.access(partial)
    if (length === 0) {
      if (begin !== 0) fail('INVALID_STATE_PROBE')
      this.#spend(item.value.length)
    }
    const count = length === 0 ? item.value.length : length
    if (begin + count > item.value.length) throw new DecompressionFailure('STATE_TOO_SHORT', Uint8Array.from(partial))
    this.#put(address === 0 ? item.address : address, item.value.subarray(begin, begin + count))
    const next = instruction === 0 ? item.instruction : instruction
    if (next !== 0) this.#pc = next
  }
}

function fail(reason: Reason): never {
  throw new DecompressionFailure(reason)
}

/** The lowest `n` bits in the opposite order. */
function reverse(value: number, n: number): number {
  let reversed = 0
  for (let i = 0; i < n; i++) reversed |= ((value >> i) & 1) << (n - 1 - i)
  return reversed
}

const checkTable = Uint16Array.from({ length: 256 }, (_, octet) => {
  let value = octet
  for (let i = 0; i < 8; i++) value = value & 1 ? (value >> 1) ^ 0x8408 : value >> 1
  return value
})

/** The FCS of RFC 1662 appendix C.2 as `pppfcs16` returns it, before PPP complements it (RFC 4465 §2.9). */
function frameCheckSequence(bytes: Uint8Array): number {
  let value = 0xffff
  for (let i = 0; i < bytes.length; i++) value = (value >> 8) ^ checkTable[(value ^ bytes[i]!) & 255]!
  return value
}
