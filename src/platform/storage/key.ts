/**
 * Keys as compact octets whose order is the order of `Key` in turn.ts: element by element, a key before its extensions,
 * numbers before strings, numbers by value, strings by UTF-16 code unit.
 *
 * The octets are held as a string of characters 0..255, which V8 stores one octet each and which compares, hashes and
 * concatenates faster than a Buffer. Per element:
 * - string: 0x28, its code units each as in UTF-8 (so a surrogate takes three octets and order is by code unit; plain
 *   ASCII stays as it is; U+0000 becomes 01 01 and U+0001 becomes 01 02), 0x00;
 * - whole number: a tag 0x11..0x1f that grows with sign and length, then 0 to 7 octets, high first;
 * - other number below 2^53: the whole number below it, 0xff, then the number as an IEEE double, inverted when negative;
 * - number from 2^53: 0x10 (negative) or 0x20, then the IEEE double likewise.
 */

import type { Key } from '../../turn.ts'
import { StoreError } from './error.ts'

const stringTag = 0x28
const zeroTag = 0x18
const largeNegativeTag = 0x10
const largePositiveTag = 0x20
/** Larger than every tag, so that whole numbers come before the fractions above them. */
const fractionMark = 0xff
const two32 = 2 ** 32
const largeFrom = 2 ** 53

let out = Buffer.allocUnsafeSlow(1024)
let outView = new DataView(out.buffer)

/** The key behind `prefix`, encoded. Throws StoreError for an element that is neither string nor number, and for NaN. */
export function encodeKey(prefix: string, key: Key): string {
  let at = 0
  for (; at < prefix.length; at++) out[at] = prefix.charCodeAt(at)
  for (let i = 0; i < key.length; i++) {
    const part = key[i]
    if (typeof part === 'string') at = writeString(part, at)
    else if (typeof part === 'number') at = writeNumber(part, at)
    else throw new StoreError('unsupported', `a key holds strings and numbers, not ${typeof part}`)
  }
  // One conversion makes a flat string; concatenation would make a tree that is flattened when it is first looked up.
  return out.toString('latin1', 0, at)
}

/** The first text after every key that begins with the elements of this encoded key. */
export function afterPrefix(encoded: string): string {
  return `${encoded}\xff`
}

/** The first text after this encoded key itself. */
export function afterKey(encoded: string): string {
  return `${encoded}\0`
}

/** Reads the key that begins at `at`. */
export function decodeKey(text: string, at: number): Key {
  const key: (string | number)[] = []
  let position = at
  while (position < text.length) {
    const tag = text.charCodeAt(position)
    if (tag === stringTag) {
      const end = text.indexOf('\0', position)
      const part = text.slice(position + 1, end)
      key.push(isPlain(part) ? part : readEscaped(part))
      position = end + 1
    } else if (tag === largeNegativeTag || tag === largePositiveTag) {
      key.push(readDouble(text, position + 1, tag === largeNegativeTag))
      position += 9
    } else {
      const length = tag < zeroTag ? zeroTag - tag : tag - zeroTag
      const mask = tag < zeroTag ? 255 : 0
      let value = 0
      for (let i = 1; i <= length; i++) value = value * 256 + (text.charCodeAt(position + i) ^ mask)
      if (tag < zeroTag) value = -1 - value
      position += length + 1
      if (text.charCodeAt(position) === fractionMark) {
        value = readDouble(text, position + 1, tag < zeroTag)
        position += 9
      }
      key.push(value)
    }
  }
  return key
}

/** True when every code unit is 0x02..0x7f: then the text is its own encoding. */
function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 2 || code > 0x7f) return false
  }
  return true
}

/** Each of the functions that write at `at` returns where it ended. */
function writeString(text: string, at: number): number {
  reserve(at, text.length * 3 + 2)
  out[at++] = stringTag
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code >= 2 && code < 0x80) out[at++] = code
    else at = writeEscaped(code, at)
  }
  out[at++] = 0
  return at
}

function writeEscaped(code: number, at: number): number {
  if (code < 2) {
    out[at++] = 1
    out[at++] = code + 1
  } else if (code < 0x800) {
    out[at++] = 0xc0 | (code >> 6)
    out[at++] = 0x80 | (code & 63)
  } else {
    out[at++] = 0xe0 | (code >> 12)
    out[at++] = 0x80 | ((code >> 6) & 63)
    out[at++] = 0x80 | (code & 63)
  }
  return at
}

function readEscaped(escaped: string): string {
  let text = ''
  for (let i = 0; i < escaped.length; i++) {
    const code = escaped.charCodeAt(i)
    if (code === 1) text += String.fromCharCode(escaped.charCodeAt(++i) - 1)
    else if (code < 0x80) text += escaped[i]
    else if (code < 0xe0) text += String.fromCharCode(((code & 31) << 6) | (escaped.charCodeAt(++i) & 63))
    else {
      const middle = escaped.charCodeAt(++i) & 63
      text += String.fromCharCode(((code & 15) << 12) | (middle << 6) | (escaped.charCodeAt(++i) & 63))
    }
  }
  return text
}

function writeNumber(value: number, at: number): number {
  reserve(at, 18)
  if (value >= largeFrom || value <= -largeFrom) {
    out[at++] = value < 0 ? largeNegativeTag : largePositiveTag
    return writeDouble(value, at)
  }
  if (Number.isNaN(value)) throw new StoreError('unsupported', 'a key cannot hold NaN')
  const whole = Math.floor(value)
  const next = writeWhole(whole, at)
  if (whole === value) return next
  out[next] = fractionMark
  return writeDouble(value, next + 1)
}

/** The octets of a negative number are those of -1 - value, inverted. */
function writeWhole(value: number, at: number): number {
  const mask = value < 0 ? 255 : 0
  const rest = value < 0 ? -1 - value : value
  let length = value < 0 ? 1 : 0
  for (let span = 256 ** length; rest >= span; span *= 256) length++
  out[at++] = value < 0 ? zeroTag - length : zeroTag + length
  const high = Math.floor(rest / two32)
  for (let i = length - 1; i >= 0; i--) {
    out[at++] = (i < 4 ? rest >>> (i * 8) : high >>> ((i - 4) * 8)) ^ mask
  }
  return at
}

function writeDouble(value: number, at: number): number {
  outView.setFloat64(at, value)
  if (value < 0) for (let i = 0; i < 8; i++) out[at + i] = ~out[at + i]!
  return at + 8
}

function readDouble(text: string, at: number, inverted: boolean): number {
  const mask = inverted ? 255 : 0
  for (let i = 0; i < 8; i++) out[i] = text.charCodeAt(at + i) ^ mask
  return outView.getFloat64(0)
}

function reserve(at: number, more: number): void {
  if (at + more <= out.length) return
  const larger = Buffer.allocUnsafeSlow((at + more) * 2)
  out.copy(larger, 0, 0, at)
  out = larger
  outView = new DataView(out.buffer)
}
