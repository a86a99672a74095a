/** Writes a text as our decompressor reads it: literals and matches in what it has in memory by then (see README.md). */

import {
  deltaCodes,
  deltaGroups,
  flushSymbol,
  lengthBase,
  loadSymbol,
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
let window = new Uint8Array(0)
let previous = new Int32Array(0)
/** Bits that the text up to each place takes as literals. */
let literalBits = new Uint32Array(0)
let out = new Uint8Array(0)
const longestChain = 24
const farthest = 7168

let outLength = 0
let held = 0
let heldBits = 0

/** Where the text begins in the window, and how much of it the peer's memory holds before it begins again from there. */
let start = 0
let capacity = 0
/** Where the lap around that memory began that is being written. */
let lap = 0

/** What `find` found: bits saved over literals, and the match itself. */
let foundGain = 0
let foundLength = 0
let foundDistance = 0

/** UDVM cycles of the instructions that a load, a literal, a match and a lap take, without one for each octet they bring. */
const loadCycles = 30
const literalCycles = 4 + symbolGroups.length
const matchCycles = 10 + symbolGroups.length + deltaGroups.length
const lapCycles = 8 + symbolGroups.length
/** Cycles of what comes before and after, and of output, copy and hash of each octet of the text. */
const fixedCycles = 120
const cyclesOfOctet = 3

let mostMatched = 0
let cycles = 0

/**
 * Compresses `text`. `base` is the text of the state that the header names, `textCapacity` how many octets of text the peer's
 * memory has room for at once, `longest` how many one match brings at most. Returns what follows the header, beginning with two
 * octets for the control word, and the UDVM cycles it takes, without those of keeping a state.
 */
export function encode(
  text: Uint8Array,
  base: Uint8Array,
  loads: readonly Load[],
  textCapacity: number,
  longest: number,
): { readonly body: Uint8Array; readonly cycles: number } {
  mostMatched = longest
  outLength = 0
  held = 0
  heldBits = 0
  start = base.length
  for (const { bytes } of loads) start += bytes.length
  makeRoom(start + text.length)
  put(0, 16)
  cycles = fixedCycles + cyclesOfOctet * text.length
  let filled = base.length
  window.set(base, 0)
  for (const { identifier, begin, bytes } of loads) {
    putSymbol(loadSymbol)
    put(begin, 16)
    put(bytes.length, 16)
    for (let i = 0; i < 6; i++) put(identifier[i]!, 8)
    window.set(bytes, filled)
    filled += bytes.length
    cycles += loadCycles + bytes.length
  }
  window.set(text, start)
  const end = start + text.length
  head.fill(-1)
  const indexed = index(0, Math.max(0, start - farthest), start)
  literalBits[start] = 0
  for (let at = start; at < end; at++) literalBits[at + 1] = literalBits[at]! + (symbolCodes[window[at]!]! & 31)
  capacity = textCapacity
  lap = start
  encodeText(end, indexed)
  // Ones are no symbol's code by themselves.
  if (heldBits > 0) put((1 << (8 - heldBits)) - 1, 8 - heldBits)
  return { body: out.slice(0, outLength), cycles }
}

/** The memory from the base on as the peer has it at the end, and how much of the text it has output last. */
export function memoryAfter(
  text: Uint8Array,
  base: Uint8Array,
  loads: readonly Load[],
  textCapacity: number,
): { readonly memory: Uint8Array; readonly last: number } {
  const before = [base, ...loads.map(({ bytes }) => bytes)]
  const memory = Buffer.concat([...before, text.subarray(0, Math.min(text.length, textCapacity))])
  const from = memory.length - Math.min(text.length, textCapacity)
  const laps = text.length === 0 ? 0 : Math.ceil(text.length / textCapacity) - 1
  // Each lap is written over the one before it, the last one in part.
  for (let lap = 1; lap <= laps; lap++) memory.set(text.subarray(lap * textCapacity, (lap + 1) * textCapacity), from)
  const last = text.length - laps * textCapacity
  memory.copyWithin(0, from, from + last)
  return { memory, last }
}

function makeRoom(length: number): void {
  if (window.length > length) return
  const size = Math.max(8192, 2 * length)
  window = new Uint8Array(size)
  previous = new Int32Array(size)
  literalBits = new Uint32Array(size)
  out = new Uint8Array(2 * size + 64)
}

function encodeText(end: number, firstFree: number): void {
  let indexed = firstFree
  let distance = 0
  let at = start
  while (at < end) {
    if (at === lap + capacity) {
      putSymbol(flushSymbol)
      cycles += lapCycles
      lap = at
    }
    const stop = Math.min(end, lap + capacity)
    indexed = index(indexed, 0, at)
    find(at, stop, distance)
    if (foundGain <= 0) {
      putSymbol(window[at++]!)
      cycles += literalCycles
      continue
    }
    const gain = foundGain
    const length = foundLength
    const from = foundDistance
    // A literal first, where a better match begins right after it.
    if (at + 1 < stop && length < 64) {
      indexed = index(indexed, 0, at + 1)
      find(at + 1, stop, distance)
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

/** Finds the match at `at` that saves most and goes no further than `stop`. `distance` is that of the match before. */
function find(at: number, stop: number, distance: number): void {
  foundGain = 0
  const most = Math.min(stop - at, mostMatched)
  const isFirstLap = lap === start
  if (distance !== 0) {
    const from = isFirstLap ? at - distance : placeAt(at, distance)
    if (from >= 0 && from < at) consider(at, from, distance, most)
  }
  if (most < 3) return
  let from = head[hash(at)]!
  for (let tries = longestChain; from >= 0 && tries > 0; tries--) {
    const far = at - from
    if (far > farthest + capacity) break
    if (foundGain === 0 || window[from + foundLength] === window[at + foundLength] || foundLength >= most)
      consider(at, from, distance, most)
    if (foundLength >= most && foundGain > 0) break
    from = previous[from]!
  }
}

/** The place in the window that is this far from `at` in the peer's memory; -1 when that has nothing to copy from. */
function placeAt(at: number, distance: number): number {
  const far = (distance << 16) >> 16
  const address = at - lap + start - far
  if (address < start) return address
  return far > 0 ? lap + address - start : address < start + capacity ? lap - capacity + address - start : -1
}

function consider(at: number, from: number, last: number, limit: number): void {
  // How far it is in the peer's memory, and how far one may go there before something else stands than in the window.
  let far = at - from
  let most = limit
  if (lap !== start && from < lap) {
    if (from < start) {
      far -= lap - start
      most = Math.min(most, start - from)
    } else if (from > at - capacity) {
      far -= capacity
      most = Math.min(most, lap - from)
    } else return
  }
  let length = 0
  while (length < most && window[from + length] === window[at + length]) length++
  if (length < shortestMatch) return
  const symbol = symbolCodes[length + lengthBase]! & 31
  const delta = deltaCodes[(far - last) & 0xffff]! & 31
  if (delta === 0) return
  const gain = literalBits[at + length]! - literalBits[at]! - symbol - delta
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
