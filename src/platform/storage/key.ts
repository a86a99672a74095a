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

const scratch = new DataView(new ArrayBuffer(8))

/** Appends the encoded key to `prefix`. Throws StoreError for an element that is neither string nor number, and for NaN. */
export function encodeKey(prefix: string, key: Key): string {
  let text = prefix
  for (let i = 0; i < key.length; i++) {
    const part = key[i]
    if (typeof part === 'string') text += `(${isPlain(part) ? part : escapeText(part)}\0`
    else if (typeof part === 'number') text += encodeNumber(part)
    else throw new StoreError('unsupported', `a key holds strings and numbers, not ${typeof part}`)
  }
  return text
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

function escapeText(text: string): string {
  let escaped = ''
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 2) escaped += String.fromCharCode(1, code + 1)
    else if (code < 0x80) escaped += text[i]
    else if (code < 0x800) escaped += String.fromCharCode(0xc0 | (code >> 6), 0x80 | (code & 63))
    else escaped += String.fromCharCode(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
  }
  return escaped
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

function encodeNumber(value: number): string {
  if (value >= largeFrom || value <= -largeFrom) return encodeLarge(value)
  const whole = Math.floor(value)
  if (whole === value) return whole < 0 ? encodeNegative(whole) : encodePositive(whole)
  if (Number.isNaN(value)) throw new StoreError('unsupported', 'a key cannot hold NaN')
  return (
    (whole < 0 ? encodeNegative(whole) : encodePositive(whole)) +
    String.fromCharCode(fractionMark) +
    double(value, value < 0)
  )
}

function encodePositive(value: number): string {
  if (value < two32) {
    if (value === 0) return '\x18'
    if (value < 0x100) return String.fromCharCode(0x19, value)
    if (value < 0x10000) return String.fromCharCode(0x1a, value >>> 8, value & 255)
    if (value < 0x1000000) return String.fromCharCode(0x1b, value >>> 16, (value >>> 8) & 255, value & 255)
    return String.fromCharCode(0x1c, value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)
  }
  const high = Math.floor(value / two32)
  const length = high < 0x100 ? 5 : high < 0x10000 ? 6 : 7
  return String.fromCharCode(zeroTag + length) + octets(high, length - 4) + octets(value % two32, 4)
}

/** The octets are those of -value - 1, inverted; their count gives the tag. */
function encodeNegative(value: number): string {
  const rest = -1 - value
  let length = 1
  for (let span = 256; rest >= span; span *= 256) length++
  const high = Math.floor(rest / two32)
  const tag = String.fromCharCode(zeroTag - length)
  return length <= 4 ? tag + octets(~rest, length) : tag + octets(~high, length - 4) + octets(~(rest % two32), 4)
}

function encodeLarge(value: number): string {
  return String.fromCharCode(value < 0 ? largeNegativeTag : largePositiveTag) + double(value, value < 0)
}

/** The low `count` octets (at most 4) of a whole number, high first. */
function octets(value: number, count: number): string {
  let text = ''
  for (let shift = (count - 1) * 8; shift >= 0; shift -= 8) text += String.fromCharCode((value >>> shift) & 255)
  return text
}

function double(value: number, inverted: boolean): string {
  scratch.setFloat64(0, value)
  const mask = inverted ? 255 : 0
  let text = ''
  for (let i = 0; i < 8; i++) text += String.fromCharCode(scratch.getUint8(i) ^ mask)
  return text
}

function readDouble(text: string, at: number, inverted: boolean): number {
  const mask = inverted ? 255 : 0
  for (let i = 0; i < 8; i++) scratch.setUint8(i, text.charCodeAt(at + i) ^ mask)
  return scratch.getFloat64(0)
}
