/**
 * The first message to a peer of whom nothing is known: with bytecode that is good for this message only, the least that reads
 * literals, matches and the static dictionaries. A request that is yet to be challenged leaves nothing behind, so that what a
 * first message brings along should be short, and the bytecode that stays comes with the next.
 */

import { assemble } from './assembler.ts'
import { uploadAddress, uploadDestination } from './bytecode.ts'
import { type CodeTable, type Group, prefixCode, type Range } from './codes.ts'
import { presenceDictionary, presenceDictionaryStrings, sipDictionary, sipDictionaryStrings } from './dictionaries.ts'

/** Symbols of this code: the lengths of matches are themselves, an octet is itself and `literal`. */
const literal = 256
const shortestMatch = 3
/** So that a comparison with the longest, which is one octet of bytecode, tells matches from literals. */
const longestMatch = 63

/** For what most headers are made of; and, where a text has other octets or repeats itself at length, for anything. */
const lean: readonly Range[] = [
  { bits: 6, first: 3, count: 17 },
  { bits: 7, first: literal + 32, count: 91 },
  { bits: 11, first: 20, count: longestMatch - 19 },
]
const general: readonly Range[] = [
  { bits: 6, first: 3, count: 17 },
  { bits: 7, first: literal + 44, count: 42 },
  { bits: 7, first: literal + 97, count: 26 },
  { bits: 8, first: literal + 32, count: 12 },
  { bits: 11, first: 20, count: longestMatch - 19 },
  { bits: 14, first: literal, count: 256 },
]

interface Code {
  readonly groups: readonly Group[]
  readonly table: CodeTable
}

const codes: readonly Code[] = [prefixCode(lean, 512), prefixCode(general, 512)]

/** Octets of the end of each dictionary's strings, where those used most are; multiples of this many, so that few programs arise. */
const step = 256
/** Octets of memory at least that are left beside dictionaries and text: the bytecode and what lies before it. */
const beside = 256
const fewestDictionary = 512

/** The message for a text; undefined when it does not fit into so much UDVM memory, or has no room for a dictionary. */
export function firstMessage(text: Uint8Array, memorySize: number, hasDocument: boolean): Uint8Array | undefined {
  const room = memorySize - beside - gap.length - text.length
  const sip = Math.min(sipDictionaryStrings, room - (room % step))
  const rest = room - sip
  const presence = hasDocument ? Math.min(presenceDictionaryStrings, rest - (rest % step)) : 0
  if (sip < fewestDictionary) return undefined
  const parts = [
    presenceDictionary.value.subarray(presenceDictionaryStrings - presence, presenceDictionaryStrings),
    sipDictionary.value.subarray(sipDictionaryStrings - sip, sipDictionaryStrings),
  ]
  const window = Buffer.concat([...parts, gap, text])
  const start = window.length - text.length
  // The text begins at a power of two where it can: that is one octet of bytecode, three times.
  const place = start + beside <= 4096 && 4096 + text.length <= memorySize ? 4096 : start + beside
  const bits = 32 - Math.clz32(Math.max(start, 2048))
  const matches = longestMatches(window, start, 2 ** bits - 1)
  for (const code of codes) {
    const body = encodeShortest(window, start, matches, code.table, bits)
    if (body === undefined) continue
    const bytecode = program(parts[0]!.length, parts[1]!.length, place, bits, code)
    const length = bytecode.length
    const head = Uint8Array.of(0xf8, length >> 4, ((length & 15) << 4) | uploadDestination)
    return Buffer.concat([head, bytecode, body])
  }
  return undefined
}

/** The octet between dictionaries and text. */
const gap = new Uint8Array(1)
const programs = new Map<string, Uint8Array>()

/** Cells: the symbol, whose lower octet is a literal; the distance; where the next octet goes. */
const cells = { symbol: 10, octet: 11, distance: 12, next: 14 } as const

function program(presence: number, sip: number, start: number, bits: number, code: Code): Uint8Array {
  const key = `${presence} ${sip} ${start} ${bits} ${codes.indexOf(code)}`
  const known = programs.get(key)
  if (known !== undefined) return known
  const groups = code.groups.flatMap(({ bits, lower, upper, uncompressed }) => [bits, lower, upper, uncompressed])
  const identifier = (bytes: Uint8Array): string => `BYTE (${Array.from(bytes.subarray(0, 6)).join(', ')})`
  const { bytes } = assemble(
    `
  LOAD (next, ${start - 1})       ; the first literal is none: it goes between the dictionaries and the text
  ${presence === 0 ? '' : `STATE-ACCESS (presence, 6, ${presenceDictionaryStrings - presence}, ${presence}, ${start - 1 - sip - presence}, 0)`}
  STATE-ACCESS (sip, 6, ${sipDictionaryStrings - sip}, ${sip}, ${start - 1 - sip}, 0)
:literal
  COPY-LITERAL (octet, 1, $next)
:loop
  INPUT-HUFFMAN (symbol, end, ${[code.groups.length, ...groups].join(', ')})
  COMPARE ($symbol, ${longestMatch}, match, match, literal)
:match
  INPUT-BITS (${bits}, distance, end)
  COPY-OFFSET ($distance, $symbol, $next)
  JUMP (loop)
:sip
  ${identifier(sipDictionary.identifier)}
:presence
  ${presence === 0 ? '' : identifier(presenceDictionary.identifier)}
:end
  SUBTRACT ($next, ${start})
  OUTPUT (${start}, $next)
  BYTE (35)                       ; END-MESSAGE; its operands are the zeros that follow in memory
`,
    uploadAddress,
    cells,
  )
  if (uploadAddress + bytes.length + 7 > start - 1 - sip - presence)
    throw new Error('the dictionary lies over the bytecode')
  if (programs.size > 64) programs.clear()
  programs.set(key, bytes)
  return bytes
}

/** Length and distance of the longest match at each place of the text. */
interface Matches {
  readonly lengths: Uint16Array
  readonly distances: Uint16Array
}

const hashBits = 12
const mostTries = 64

function longestMatches(window: Uint8Array, start: number, farthest: number): Matches {
  const end = window.length
  const lengths = new Uint16Array(end - start)
  const distances = new Uint16Array(end - start)
  const head = new Int32Array(1 << hashBits).fill(-1)
  const previous = new Int32Array(end)
  for (let at = Math.max(0, start - farthest); at + 2 < end; at++) {
    const key =
      Math.imul((window[at]! << 16) | (window[at + 1]! << 8) | window[at + 2]!, 0x9e3779b1) >>> (32 - hashBits)
    if (at >= start) {
      const most = Math.min(longestMatch, end - at)
      let longest = shortestMatch - 1
      for (let from = head[key]!, tries = mostTries; from >= at - farthest && from >= 0 && tries > 0; tries--) {
        let length = 0
        while (length < most && window[from + length] === window[at + length]) length++
        if (length > longest) {
          longest = length
          distances[at - start] = at - from
        }
        from = previous[from]!
      }
      if (longest >= shortestMatch) lengths[at - start] = longest
    }
    previous[at] = head[key]!
    head[key] = at
  }
  return { lengths, distances }
}

/** The shortest way to write the text; undefined when the code has no symbol for one of its octets. */
function encodeShortest(
  window: Uint8Array,
  start: number,
  { lengths, distances }: Matches,
  table: CodeTable,
  distanceBits: number,
): Uint8Array | undefined {
  const count = lengths.length
  // Backwards: bits from each place to the end, and the length of the step taken there.
  const costs = new Float64Array(count + 1)
  const steps = new Uint8Array(count)
  for (let at = count - 1; at >= 0; at--) {
    const octet = table[literal + window[start + at]!]! & 31
    let least = octet === 0 ? Number.POSITIVE_INFINITY : octet + costs[at + 1]!
    let step = 1
    for (let length = shortestMatch; length <= lengths[at]!; length++) {
      const symbol = table[length]! & 31
      if (symbol === 0) continue
      const cost = symbol + distanceBits + costs[at + length]!
      if (cost >= least) continue
      least = cost
      step = length
    }
    costs[at] = least
    steps[at] = step
  }
  if (costs[0] === Number.POSITIVE_INFINITY) return undefined
  const out = new Uint8Array(Math.ceil(costs[0]! / 8))
  let bit = 0
  const put = (value: number, bits: number): void => {
    for (let i = bits - 1; i >= 0; i--, bit++) out[bit >> 3]! |= ((value >> i) & 1) << (7 - (bit & 7))
  }
  for (let at = 0; at < count; at += steps[at]!) {
    const length = steps[at]!
    const code = table[length === 1 ? literal + window[start + at]! : length]!
    put(code >> 5, code & 31)
    if (length > 1) put(distances[at]!, distanceBits)
  }
  // Ones are no symbol's code by themselves.
  while (bit < 8 * out.length) put(1, 1)
  return out
}
