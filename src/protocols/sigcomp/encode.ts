/** Writes a text as our decompressor reads it: literals and matches in what it has in memory by then (see README.md). */

import {
  deltaCodes,
  deltaGroups,
  lengthBase,
  loadSymbol,
  longestMatch,
  shortestMatch,
  symbolCodes,
  symbolGroups,
} from './codes.ts'

/** A state that the message loads before its text. */
export interface Load {
  readonly identifier: Uint8Array
  /** From where in the state's value, and which octets these are. */
  readonly begin: number
  readonly bytes: Uint8Array
}

const hashBits = 12
const head = new Int32Array(1 << hashBits)
/** The largest window: what the largest UDVM memory could hold is more than any distance reaches. */
const windowSize = 16384
const previous = new Int32Array(windowSize)
const window = new Uint8Array(windowSize)
/** Bits that the text up to each place takes as literals. */
const literalBits = new Uint32Array(windowSize + 1)
const out = new Uint8Array(windowSize * 2)
const longestChain = 24
const farthest = 7168

let outLength = 0
let held = 0
let heldBits = 0

/** What `find` found: bits saved over literals, and the match itself. */
let foundGain = 0
let foundLength = 0
let foundDistance = 0

/** Octets that base, loads and text may have together. */
export const encodingLimit = windowSize - 8

/** UDVM cycles of the instructions that a load, a literal and a match take, without one for each octet they bring. */
const loadCycles = 30
const literalCycles = 4 + symbolGroups.length
const matchCycles = 8 + symbolGroups.length + deltaGroups.length
/** Cycles of what comes before and after, and of output, copy and hash of each octet of the text. */
const fixedCycles = 120
const cyclesOfOctet = 3

let cycles = 0

/**
 * Compresses `text`. `base` is the text of the state that the header names. Returns what follows the header, beginning with
 * two octets for the control word, and the UDVM cycles it takes, without those of keeping a state.
 */
export function encode(
  text: Uint8Array,
  base: Uint8Array,
  loads: readonly Load[],
): { readonly body: Uint8Array; readonly cycles: number } {
  outLength = 0
  held = 0
  heldBits = 0
  put(0, 16)
  cycles = fixedCycles + cyclesOfOctet * text.length
  let start = base.length
  window.set(base, 0)
  for (const { identifier, begin, bytes } of loads) {
    put(symbolCodes[loadSymbol]! >> 5, symbolCodes[loadSymbol]! & 31)
    put(begin, 16)
    put(bytes.length, 16)
    for (let i = 0; i < 6; i++) put(identifier[i]!, 8)
    window.set(bytes, start)
    start += bytes.length
    cycles += loadCycles + bytes.length
  }
  window.set(text, start)
  const end = start + text.length
  head.fill(-1)
  const indexed = index(0, Math.max(0, start - farthest), start)
  literalBits[start] = 0
  for (let at = start; at < end; at++) literalBits[at + 1] = literalBits[at]! + (symbolCodes[window[at]!]! & 31)
  encodeText(start, end, indexed)
  // Ones are no symbol's code by themselves.
  if (heldBits > 0) put((1 << (8 - heldBits)) - 1, 8 - heldBits)
  return { body: out.slice(0, outLength), cycles }
}

function encodeText(start: number, end: number, firstFree: number): void {
  let indexed = firstFree
  let distance = 0
  let at = start
  while (at < end) {
    indexed = index(indexed, 0, at)
    find(at, end, distance)
    if (foundGain <= 0) {
      putSymbol(window[at++]!)
      cycles += literalCycles
      continue
    }
    const gain = foundGain
    const length = foundLength
    const from = foundDistance
    // A literal first, where a better match begins right after it.
    if (at + 1 < end && length < 64) {
      indexed = index(indexed, 0, at + 1)
      find(at + 1, end, distance)
      if (foundGain > gain) {
        putSymbol(window[at++]!)
        cycles += literalCycles
        continue
      }
    }
    putSymbol(length + lengthBase)
    const delta = deltaCodes[(from - distance) & 0xffff]!
    put(delta >> 5, delta & 31)
    distance = from
    at += length
    cycles += matchCycles + length
  }
}

/** Finds the match at `at` that saves most. */
function find(at: number, end: number, distance: number): void {
  foundGain = 0
  const most = Math.min(end - at, longestMatch)
  if (distance > 0 && distance <= at) consider(at, distance, distance, most)
  if (most < 3) return
  let from = head[hash(at)]!
  for (let tries = longestChain; from >= 0 && tries > 0; tries--) {
    const far = at - from
    if (far > farthest) break
    if (foundGain === 0 || window[from + foundLength] === window[at + foundLength] || foundLength >= most)
      consider(at, far, distance, most)
    if (foundLength >= most && foundGain > 0) break
    from = previous[from]!
  }
}

function consider(at: number, far: number, distance: number, most: number): void {
  const from = at - far
  let length = 0
  while (length < most && window[from + length] === window[at + length]) length++
  if (length < shortestMatch) return
  const symbol = symbolCodes[length + lengthBase]! & 31
  const gain = literalBits[at + length]! - literalBits[at]! - symbol - (deltaCodes[(far - distance) & 0xffff]! & 31)
  if (gain <= foundGain) return
  foundGain = gain
  foundLength = length
  foundDistance = far
}

function hash(at: number): number {
  return (Math.imul((window[at]! << 16) | (window[at + 1]! << 8) | window[at + 2]!, 0x9e3779b1) >>> (32 - hashBits)) | 0
}

/** Puts the places from `from`, or `least` if that is later, to `to` into the chains; returns what is next. */
function index(from: number, least: number, to: number): number {
  let at = Math.max(from, least)
  for (; at < to; at++) {
    const key = hash(at)
    previous[at] = head[key]!
    head[key] = at
  }
  return at
}

function putSymbol(symbol: number): void {
  const code = symbolCodes[symbol]!
  put(code >> 5, code & 31)
}

function put(value: number, bits: number): void {
  held = (held << bits) | value
  heldBits += bits
  while (heldBits >= 8) {
    heldBits -= 8
    out[outLength++] = held >> heldBits
  }
  held &= (1 << heldBits) - 1
}
