/**
 * The decompressor that we upload: LZ77 with static prefix codes over one state that the header names, up to any number of
 * states that the message loads, and what has been decompressed. See README.md for the format of its messages.
 */

import { assemble } from './assembler.ts'
import { deltaGroups, flushSymbol, type Group, lengthBase, loadSymbol, symbolGroups } from './codes.ts'
import { StateItem } from './state.ts'

/** Where uploaded bytecode goes: the lowest address there is (RFC 3320 §7.3), and its number in the header. */
export const uploadAddress = 128
export const uploadDestination = 1
/** Where the code that is kept begins: a jump lies before it. */
export const codeAddress = 131

/** Memory cells; the first is a useful value that says how long the state was that the header named. */
const cells = {
  next: 8,
  symbol: 10,
  symbolOctet: 11,
  delta: 12,
  distance: 14,
  parameters: 16,
  listLength: 18,
  sharedIdentifier: 19,
  loadBegin: 72,
  loadLength: 74,
  loadIdentifier: 76,
  start: 82,
  control: 84,
  saved: 86,
  returned: 88,
  access: 90,
} as const

/**
 * Where what tells of us is put: announced states behind the identifier of the shared state, which the code puts behind octet and
 * version; or all of it at a place of its own, when the text is shared with nobody.
 */
const announcedBehindShared = 39
const unsharedParameters = 48
/** The cell that says where to decompress to, relative to the code. */
const lengthAddress = cells.next

/** Bits of the control word's lower octet. */
export const controlSave = 6
export const controlReturn = 16
/** The same without a shared state. */
export const controlReturnUnshared = 48
/** In its upper octet: the Q-bit of requested feedback (RFC 3320 §9.4.9). */
export const controlRequest = 4

const source = (codeLength: number): string => `
  ADD ($next, codeAddress)
  INPUT-BYTES (2, control, end)
  LOAD (listLength, 5120)         ; one identifier of 20 octets
:again
  LOAD (start, $next)
:loop
  INPUT-HUFFMAN (symbol, end, ${huffman(symbolGroups)})
  COMPARE ($symbol, ${loadSymbol}, literal, load, other)
:literal
  COPY-LITERAL (symbolOctet, 1, $next)
  JUMP (loop)
:other
  COMPARE ($symbol, ${flushSymbol}, match, flush, match)
:match
  SUBTRACT ($symbol, ${lengthBase})
  INPUT-HUFFMAN (delta, end, ${huffman(deltaGroups)})
  ADD ($distance, $delta)
  COPY-OFFSET ($distance, $symbol, $next)
  JUMP (loop)
:load
  INPUT-BYTES (10, loadBegin, end)
  STATE-ACCESS (loadIdentifier, 6, $loadBegin, $loadLength, $next, loaded)
:loaded
  ADD ($next, $loadLength)
  JUMP (again)
:flush
  SUBTRACT ($next, $start)
  OUTPUT ($start, $next)
  LOAD (next, $start)
  JUMP (loop)
:end
  SUBTRACT ($next, $start)
  OUTPUT ($start, $next)
  COPY ($start, $next, text)
  LOAD (textLength, $next)
  ADD ($next, 8)
  SHA-1 (textLength, $next, sharedIdentifier)
  MULTILOAD (saved, 3, $control, $control, $control)
  RSHIFT ($saved, 4)
  ADD ($saved, ${codeLength})
  AND ($returned, ${controlReturnUnshared})
  AND ($access, ${controlSave})
  STATE-FREE (loadIdentifier, 6)
  END-MESSAGE (control, $returned, $saved, codeAddress, codeAddress, $access, 0)
:textLength
  BYTE (0, 0, 0, 0, 0, 0, 0, 6)   ; length, address, instruction and minimum access length of the shared state
:text
`

const program = assembleProgram()

/** The code as it is kept; the length of the last text is in it at `textLengthAt`. */
export const code: Uint8Array = program.bytes
export const textLengthAt = program.labels.get('textLength')! - codeAddress

/** The same as a state that every endpoint of ours has and announces, so that nobody has to upload it to us. */
export const codeState = new StateItem(code, codeAddress, codeAddress, 6)

/** What the parts of an upload, before and after the code, are. */
export interface Introduction {
  /** First octet and version of returned parameters (RFC 3320 §9.4.9). */
  readonly parametersOctet: number
  readonly version: number
  /** Six octets each of at most two states to announce. */
  readonly announced: readonly Uint8Array[]
  /** Whether the text is shared too; then what is told stands where the decompressor adds that. */
  readonly isShared: boolean
}

/** Bytecode to upload: the code, run after what tells of us. */
export function uploadWithCode(introduction: Introduction): Uint8Array {
  const after = codeAddress + code.length
  const told = assemble(
    `${introductionSource(introduction)}
  LOAD (${lengthAddress}, ${code.length})
  JUMP (${codeAddress})
:announced
  ${announcedSource(introduction)}`,
    after,
  ).bytes
  const jump = assemble(`JUMP (${after})`, uploadAddress).bytes
  if (jump.length !== codeAddress - uploadAddress) throw new Error('the jump has another length')
  return Buffer.concat([jump, code, told])
}

/**
 * Bytecode to upload, and the number of the place it goes to: what tells of us, then a state that the peer has, of our code and
 * a text.
 *
 * COMPAT(tshark): it goes on behind STATE-ACCESS instead of where the state says. So a jump stands there, and the place lies
 * behind the state, as long as there is one (test/interop/tshark.test.ts).
 */
export function uploadWithState(
  introduction: Introduction,
  identifier: Uint8Array,
  stateLength: number,
): { readonly bytes: Uint8Array; readonly destination: number } {
  const destination = Math.min(15, Math.ceil((codeAddress + stateLength) / 64) - 1)
  const { bytes } = assemble(
    `${introductionSource(introduction)}
  LOAD (${lengthAddress}, ${stateLength})
  STATE-ACCESS (state, 6, 0, 0, 0, 0)
  JUMP (${codeAddress})
:state
  BYTE (${Array.from(identifier.subarray(0, 6)).join(', ')})
:announced
  ${announcedSource(introduction)}`,
    64 * (destination + 1),
  )
  return { bytes, destination }
}

function introductionSource({ parametersOctet, version, announced, isShared }: Introduction): string {
  const length = 7 * announced.length
  const to = isShared ? announcedBehindShared : unsharedParameters + 2
  return `LOAD (${isShared ? cells.parameters : unsharedParameters}, ${parametersOctet * 256 + version})
  ${length === 0 ? '' : `COPY (announced, ${length}, ${to})`}`
}

function announcedSource({ announced }: Introduction): string {
  return announced.map(identifier => `BYTE (6, ${Array.from(identifier.subarray(0, 6)).join(', ')})`).join('\n')
}

function huffman(groups: readonly Group[]): string {
  return [groups.length, ...groups.map(({ bits, lower, upper, uncompressed }) => [bits, lower, upper, uncompressed])]
    .flat()
    .join(', ')
}

/** The code says how long it is itself. */
function assembleProgram() {
  let length = 128
  for (;;) {
    const program = assemble(source(length), codeAddress, { ...cells, codeAddress })
    if (program.bytes.length === length) return program
    length = program.bytes.length
  }
}
