/**
 * The two prefix codes of our compressed messages, as groups of INPUT-HUFFMAN (RFC 3320 §9.4.4): symbols, which are octets,
 * a state to load, or match lengths; and changes of the match distance. Chosen by counting over presence traffic.
 */

/** The symbol that loads a state, and the one that outputs and begins again; octets are themselves, a match of n is n + `lengthBase`. */
export const loadSymbol = 256
export const flushSymbol = 257
export const lengthBase = 255
export const shortestMatch = 3

/** `count` values from `first` on have codes of `bits` bits. Ascending in bits; a value listed twice has the shorter code. */
export interface Range {
  readonly bits: number
  readonly first: number
  readonly count: number
}

/** The load symbol has eight bits, so that the octets after it lie on an octet boundary. */
const symbolRanges: readonly Range[] = [
  { bits: 5, first: 97, count: 6 },
  { bits: 6, first: 32, count: 3 },
  { bits: 6, first: 44, count: 15 },
  { bits: 6, first: 258, count: 9 },
  { bits: 7, first: 103, count: 20 },
  { bits: 8, first: 59, count: 32 },
  { bits: 8, first: 256, count: 2 },
  { bits: 9, first: 267, count: 36 },
  { bits: 14, first: 303, count: 374 },
  { bits: 16, first: 0, count: 256 },
]
const deltaRanges: readonly Range[] = [
  { bits: 3, first: 0, count: 1 },
  { bits: 9, first: 65536 - 32, count: 64 },
  { bits: 13, first: 65536 - 2048, count: 4096 },
  { bits: 16, first: 65536 - 7168, count: 14336 },
]

/** One group of INPUT-HUFFMAN: `bits` are those in addition to the group before. */
export interface Group {
  readonly bits: number
  readonly lower: number
  readonly upper: number
  readonly uncompressed: number
}

/** The code of each value: `code << 5 | bits`, 0 where it has none. */
export type CodeTable = Uint32Array

export const { groups: symbolGroups, table: symbolCodes } = prefixCode(symbolRanges, 2048)
export const { groups: deltaGroups, table: deltaCodes } = prefixCode(deltaRanges, 65536)

/** The longest match that has a symbol. */
export const longestMatch =
  symbolRanges.reduce((most, { first, count }) => Math.max(most, first + count - 1), 0) - lengthBase

/** Numbers the codes of each length in order. Of the codes of up to seven bits none is all ones: these pad the last octet. */
export function prefixCode(ranges: readonly Range[], size: number): { groups: Group[]; table: CodeTable } {
  const table = new Uint32Array(size)
  const groups: Group[] = []
  let [code, length] = [0, 0]
  for (const { bits, first, count } of ranges) {
    code *= 2 ** (bits - length)
    if (code + count > 2 ** bits) throw new Error('codes run out')
    groups.push({ bits: bits - length, lower: code, upper: code + count - 1, uncompressed: first })
    for (let i = 0; i < count; i++) {
      const value = (first + i) & 0xffff
      if (table[value] === 0) table[value] = ((code + i) << 5) | bits
    }
    code += count
    length = bits
  }
  return { groups, table }
}
