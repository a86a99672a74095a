/**
 * Character classes and the small lexical pieces of SIP: tokens, quoted strings, percent escapes, lists
 * (RFC 3261 §25.1).
 */

import { ParseError } from './errors.ts'

export const TOKEN = 1
export const DIGIT = 2
export const HEX = 4
/** What a user part may hold: unreserved and user-unreserved, without the percent sign. */
export const USER = 8
/** What a password may hold, without the percent sign. */
export const PASSWORD = 16
/** What the name or value of a URI parameter may hold, without the percent sign. */
export const URI_PARAMETER = 32
/** What the headers of a URI may hold, without the percent sign. */
export const URI_HEADER = 64
/** Letters, digits, and `-` `.` `_`: host names, with the underscore that names in use carry. */
export const HOST = 128

/** Classes of each octet; a character above U+007F has none. */
export const classes: Uint8Array = characterClasses()

function characterClasses(): Uint8Array {
  const table = new Uint8Array(256)
  const add = (characters: string, bits: number) => {
    for (const character of characters) table[character.charCodeAt(0)]! |= bits
  }
  const digits = '0123456789'
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
  add(digits, TOKEN | DIGIT | HEX | USER | PASSWORD | URI_PARAMETER | URI_HEADER | HOST)
  add(letters, TOKEN | USER | PASSWORD | URI_PARAMETER | URI_HEADER | HOST)
  add('abcdefABCDEF', HEX)
  add("-_.!~*'()", USER | PASSWORD | URI_PARAMETER | URI_HEADER)
  add("-.!%*_+`'~", TOKEN)
  add('&=+$,;?/', USER)
  add('&=+$,', PASSWORD)
  add('[]/:&+$', URI_PARAMETER)
  add('[]/?:+$', URI_HEADER)
  add('-._', HOST)
  return table
}

/** Whether every character of `text` from `start` to `end` is of one of `bits`; true for nothing at all. */
export function consistsOf(text: string, bits: number, start = 0, end = text.length): boolean {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code > 127 || (classes[code]! & bits) === 0) return false
  }
  return true
}

/** `consistsOf`, with percent escapes of two hexadecimal digits allowed as well. */
export function consistsOfOrEscaped(text: string, bits: number, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code > 127) return false
    if ((classes[code]! & bits) !== 0) continue
    if (code !== 37 || at + 2 >= end || !isHex(text.charCodeAt(at + 1)) || !isHex(text.charCodeAt(at + 2))) return false
    at += 2
  }
  return true
}

function isHex(code: number): boolean {
  return code < 128 && (classes[code]! & HEX) !== 0
}

/** Whether `text` is a token of at least one character. */
export function isToken(text: string): boolean {
  return text.length > 0 && consistsOf(text, TOKEN)
}

/** Space or horizontal tab; values are unfolded before anyone reads them, so no line ends are left. */
export function isWhitespace(code: number): boolean {
  return code === 32 || code === 9
}

/** The first position at or after `at` that holds no whitespace. */
export function skipWhitespace(text: string, at: number, end = text.length): number {
  while (at < end && isWhitespace(text.charCodeAt(at))) at++
  return at
}

/**
 * The position after the quoted string that opens at `at`.
 * @throws ParseError when it never closes
 */
export function endOfQuotedString(text: string, at: number): number {
  // Searching is several times faster than looking at each character, and most have no backslash.
  const close = text.indexOf('"', at + 1)
  const backslash = text.indexOf('\\', at + 1)
  if (close !== -1 && (backslash === -1 || backslash > close)) return close + 1
  for (let next = at + 1; next < text.length; next++) {
    const code = text.charCodeAt(next)
    if (code === 34) return next + 1
    if (code === 92) next++
  }
  throw new ParseError('quoted string without its closing quote', { position: at })
}

/** The content of a quoted string given with its quotes; anything else comes back as it is. */
export function unquote(text: string): string {
  if (text.length < 2 || text.charCodeAt(0) !== 34) return text
  const content = text.slice(1, -1)
  if (!content.includes('\\')) return content
  let plain = ''
  for (let at = 0; at < content.length; at++) {
    if (content[at] === '\\' && at + 1 < content.length) at++
    plain += content[at]
  }
  return plain
}

/** `text` as a quoted string. */
export function quote(text: string): string {
  if (!text.includes('"') && !text.includes('\\')) return `"${text}"`
  let quoted = '"'
  for (const character of text) quoted += character === '"' || character === '\\' ? `\\${character}` : character
  return `${quoted}"`
}

/** Percent escapes decoded as UTF-8; octets that are no UTF-8 stay escaped, so that different texts stay different. */
export function percentDecode(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text.replace(/%[0-7][0-9a-f]/gi, escaped => String.fromCharCode(Number.parseInt(escaped.slice(1), 16)))
  }
}

/**
 * `text` with the escapes undone that change nothing (RFC 3261 §19.1.4: those of unreserved characters), and the others in
 * upper case. A reserved character and its escape stay different.
 */
export function normalizeEscapes(text: string): string {
  if (!text.includes('%')) return text
  return text.replace(/%[0-9a-f]{2}/gi, escaped => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
    return /[-_.!~*'()a-z0-9]/i.test(character) ? character : escaped.toUpperCase()
  })
}

/** `text` with every character outside `bits` percent escaped as UTF-8. */
export function percentEncode(text: string, bits: number): string {
  if (consistsOf(text, bits)) return text
  let escaped = ''
  for (const octet of Buffer.from(text, 'utf8')) {
    escaped +=
      octet < 128 && (classes[octet]! & bits) !== 0
        ? String.fromCharCode(octet)
        : `%${octet < 16 ? '0' : ''}${octet.toString(16).toUpperCase()}`
  }
  return escaped
}

/**
 * The position of the first comma of `text`, at or after `start`, outside quoted strings and angle brackets; -1 if none.
 * A quote or bracket that never closes reaches to the end.
 */
export function indexOfComma(text: string, start = 0): number {
  if (text.indexOf(',', start) === -1) return -1
  let inBrackets = false
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 44 && !inBrackets) return at
    if (code === 34 && !inBrackets) {
      for (at++; at < text.length && text.charCodeAt(at) !== 34; at++) if (text.charCodeAt(at) === 92) at++
    } else if (code === 60) inBrackets = true
    else if (code === 62) inBrackets = false
  }
  return -1
}

/** The values of a comma-separated list, trimmed; empty ones are left out. */
export function splitList(text: string): string[] {
  let comma = indexOfComma(text)
  if (comma === -1) return text === '' ? [] : [text]
  const values: string[] = []
  let start = 0
  for (;;) {
    const value = text.slice(start, comma === -1 ? text.length : comma).trim()
    if (value !== '') values.push(value)
    if (comma === -1) return values
    start = comma + 1
    comma = indexOfComma(text, start)
  }
}
