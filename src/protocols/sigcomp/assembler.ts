/** Assembles UDVM mnemonics into bytecode (RFC 3320 §8.5, §9; the notation of RFC 4464 without its expressions). */

/** Operand types in order: # literal, $ reference, % multitype, @ address; what follows a bar repeats to the end. */
const signatures: Readonly<Record<string, string>> = {
  'DECOMPRESSION-FAILURE': '',
  AND: '$%',
  OR: '$%',
  NOT: '$',
  LSHIFT: '$%',
  RSHIFT: '$%',
  ADD: '$%',
  SUBTRACT: '$%',
  MULTIPLY: '$%',
  DIVIDE: '$%',
  REMAINDER: '$%',
  'SORT-ASCENDING': '%%%',
  'SORT-DESCENDING': '%%%',
  'SHA-1': '%%%',
  LOAD: '%%',
  MULTILOAD: '%#|%',
  PUSH: '%',
  POP: '%',
  COPY: '%%%',
  'COPY-LITERAL': '%%$',
  'COPY-OFFSET': '%%$',
  MEMSET: '%%%%',
  JUMP: '@',
  COMPARE: '%%@@@',
  CALL: '@',
  RETURN: '',
  SWITCH: '#%|@',
  CRC: '%%%@',
  'INPUT-BYTES': '%%@',
  'INPUT-BITS': '%%@',
  'INPUT-HUFFMAN': '%@#|%%%%',
  'STATE-ACCESS': '%%%%%%',
  'STATE-CREATE': '%%%%%',
  'STATE-FREE': '%%',
  OUTPUT: '%%',
  'END-MESSAGE': '%%%%%%%',
}
const opcodes = new Map(Object.keys(signatures).map((mnemonic, opcode) => [mnemonic, opcode]))

export interface Assembled {
  readonly bytes: Uint8Array
  /** Addresses of labels. */
  readonly labels: ReadonlyMap<string, number>
}

/**
 * Assembles a program that lies at `origin`. One statement a line, `;` begins a comment: `:label`, `MNEMONIC (operand, ...)`
 * or `BYTE (value, ...)`. An operand is a number, a label or one of `names`; `$` before it means the word in memory there.
 * Throws for a program it does not understand.
 */
export function assemble(source: string, origin: number, names: Readonly<Record<string, number>> = {}): Assembled {
  const statements = source
    .split('\n')
    .map(line => line.replace(/;.*/, '').trim())
    .filter(line => line !== '')
  let labels = new Map<string, number>()
  // The length of an operand depends on its value, which depends on labels: until nothing moves any more.
  for (let pass = 0; pass < 16; pass++) {
    const found = new Map<string, number>()
    const bytes: number[] = []
    const resolve = (operand: string): number => {
      const value =
        names[operand] ?? labels.get(operand) ?? (pass === 0 && /^[a-z]/.test(operand) ? origin : Number(operand))
      if (!Number.isInteger(value) || value < 0) throw new Error(`what is ${operand}?`)
      return value
    }
    for (const statement of statements) {
      if (statement.startsWith(':')) found.set(statement.slice(1), origin + bytes.length)
      else appendStatement(statement, bytes, origin + bytes.length, resolve)
    }
    const settled = [...found].every(([name, address]) => labels.get(name) === address)
    labels = found
    if (settled && pass > 0) return { bytes: Uint8Array.from(bytes), labels }
  }
  throw new Error('the program does not settle')
}

function appendStatement(
  statement: string,
  bytes: number[],
  start: number,
  resolve: (operand: string) => number,
): void {
  const parts = /^([A-Z0-9-]+)\s*(?:\((.*)\))?$/.exec(statement)
  if (parts === null) throw new Error(`not a statement: ${statement}`)
  const mnemonic = parts[1]!
  const operands = (parts[2] ?? '').split(',').map(operand => operand.trim())
  if (operands.length === 1 && operands[0] === '') operands.pop()
  if (mnemonic === 'BYTE') {
    bytes.push(...operands.map(resolve))
    return
  }
  const signature = signatures[mnemonic]
  if (signature === undefined) throw new Error(`no instruction: ${mnemonic}`)
  const [fixed, repeated] = signature.split('|') as [string, string?]
  bytes.push(opcodes.get(mnemonic)!)
  for (const [i, operand] of operands.entries()) {
    const type = i < fixed.length ? fixed[i] : repeated?.[(i - fixed.length) % repeated.length]
    const isReference = operand.startsWith('$')
    const value = resolve(isReference ? operand.slice(1) : operand)
    if (type === '#') bytes.push(...literal(value))
    else if (type === '$' && isReference) bytes.push(...reference(value))
    else if (type === '%') bytes.push(...(isReference ? multitypeReference(value) : multitype(value)))
    else if (type === '@') bytes.push(...multitype((value - start) & 0xffff))
    else throw new Error(`operand ${i + 1} of ${statement}`)
  }
  if (operands.length < fixed.length) throw new Error(`too few operands: ${statement}`)
}

function literal(value: number): number[] {
  if (value < 128) return [value]
  return value < 16384 ? [0x80 | (value >> 8), value & 255] : [0xc0, value >> 8, value & 255]
}

function reference(address: number): number[] {
  if (address % 2 === 0 && address < 256) return [address / 2]
  if (address % 2 === 0 && address < 32768) return [0x80 | (address >> 9), (address >> 1) & 255]
  return [0xc0, address >> 8, address & 255]
}

function multitypeReference(address: number): number[] {
  if (address % 2 === 0 && address < 128) return [0x40 | (address / 2)]
  return address < 8192 ? [0xc0 | (address >> 8), address & 255] : [0x81, address >> 8, address & 255]
}

function multitype(value: number): number[] {
  if (value < 64) return [value]
  if (value >= 65504) return [value - 65504 + 0xe0]
  const power = Math.log2(value)
  if (Number.isInteger(power)) return [0x80 + power]
  if (value < 8192) return [0xa0 | (value >> 8), value & 255]
  return value >= 61440 ? [0x90 | ((value - 61440) >> 8), value & 255] : [0x80, value >> 8, value & 255]
}
