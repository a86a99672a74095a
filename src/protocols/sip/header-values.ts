/** Values of header fields that are neither addresses nor lists: Call-ID, CSeq, seconds, media types (RFC 3261 §20). */

import { isToken } from './characters.ts'
import { ParseError } from './errors.ts'
import { Params } from './params.ts'

/** RFC 3261 §20.8: word, or word@word; here any text without whitespace. @throws ParseError */
export function checkedCallId(text: string): string {
  if (text === '' || text.includes(' ') || text.includes('\t')) throw new ParseError('Call-ID malformed')
  return text
}

/** `number method` (RFC 3261 §20.16); the number is below 2**31 (§8.1.1.5). @throws ParseError */
export function parseCseq(text: string): { number: number; method: string } {
  let number = 0
  let at = 0
  for (; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48
    if (digit < 0 || digit > 9) break
    number = number * 10 + digit
    if (number >= 2 ** 31) throw new ParseError('CSeq number not below 2**31')
  }
  const method = text.slice(at).trimStart()
  if (at === 0 || at + method.length === text.length || !isToken(method)) throw new ParseError('CSeq malformed')
  return { number, method }
}

/** Digits only, at most 2**32-1 (RFC 3261 §20.19); undefined for anything else. */
export function parseDeltaSeconds(text: string): number | undefined {
  if (text === '') return undefined
  let seconds = 0
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48
    if (digit < 0 || digit > 9) return undefined
    seconds = Math.min(seconds * 10 + digit, 2 ** 32 - 1)
  }
  return seconds
}

/**
 * `type/subtype;parameters` of Content-Type or Accept (RFC 3261 §20.15), in lower case.
 * @throws ParseError
 */
export function parseMediaType(text: string): { type: string; params: Params } {
  const semicolon = text.indexOf(';')
  const type = (semicolon === -1 ? text : text.slice(0, semicolon)).trim().toLowerCase()
  if (!/^[-.!%*_+`'~\w]+\s*\/\s*[-.!%*_+`'~\w]+$/.test(type)) throw new ParseError('media type malformed')
  const params = semicolon === -1 ? Params.none : Params.parse(text.slice(semicolon))
  return { type: type.replace(/\s/g, ''), params }
}
