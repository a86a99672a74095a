/**
 * A URI with a display name and header parameters, as From, To, Contact, Route and Path carry it: name-addr or addr-spec
 * (RFC 3261 §20.10, §20.20, §25.1).
 */

import { classes, endOfQuotedString, isWhitespace, quote, skipWhitespace, TOKEN, unquote } from './characters.ts'
import { ParseError } from './errors.ts'
import { Params } from './params.ts'
import { formatUri, parseUri, type Uri } from './uri.ts'

export type NameAddr = {
  /** Unquoted. */
  readonly displayName: string | undefined
  readonly uri: Uri
  /** Those of the header field, not of the URI. */
  readonly params: Params
}

/**
 * Reads one value that fills `text`. Without angle brackets, parameters belong to the header field (RFC 3261 §20).
 * @throws ParseError (400)
 */
export function parseNameAddr(text: string): NameAddr {
  split(text)
  const displayName = displayEnd === 0 ? undefined : readDisplayName(text, displayEnd)
  const end = paramsStart
  const uriText = text.slice(uriStart, uriEnd)
  if (displayEnd === -1) checkBareUri(uriText)
  const uri = parseUri(uriText)
  return { displayName, uri, params: end === text.length ? Params.none : Params.parse(text.slice(end)) }
}

/** The tag of a From or To value, without reading the rest of it; undefined when there is none. */
export function readTag(text: string): string | undefined {
  split(text)
  return paramsStart === text.length ? undefined : Params.parse(text.slice(paramsStart)).get('tag')
}

/** The value as text, always with angle brackets. */
export function formatNameAddr(value: NameAddr): string {
  const name = value.displayName === undefined ? '' : `${quote(value.displayName)} `
  return `${name}<${formatUri(value.uri)}>${value.params.toString()}`
}

// Where `split` found the parts. displayEnd is 0 for no display name and -1 for a URI without angle brackets.
let displayEnd = 0
let uriStart = 0
let uriEnd = 0
let paramsStart = 0

function split(text: string): void {
  const start = skipWhitespace(text, 0)
  let at = start
  if (text.charCodeAt(at) === 34) at = skipWhitespace(text, endOfQuotedString(text, at))
  const open = text.indexOf('<', at)
  if (open === -1) {
    if (at !== start) throw new ParseError('display name without a URI', { position: at })
    splitBare(text, start)
    return
  }
  const close = text.indexOf('>', open)
  if (close === -1) throw new ParseError('URI without closing bracket', { position: open })
  displayEnd = skipWhitespace(text, 0, open) === open ? 0 : open
  uriStart = open + 1
  uriEnd = close
  paramsStart = skipWhitespace(text, close + 1)
  if (paramsStart < text.length && text.charCodeAt(paramsStart) !== 59) {
    throw new ParseError('address followed by junk', { position: paramsStart })
  }
}

function splitBare(text: string, start: number): void {
  displayEnd = -1
  uriStart = start
  const semicolon = text.indexOf(';', start)
  paramsStart = semicolon === -1 ? text.length : semicolon
  uriEnd = paramsStart
  while (uriEnd > uriStart && isWhitespace(text.charCodeAt(uriEnd - 1))) uriEnd--
}

/** RFC 3261 §20: a URI that holds a comma or question mark must stand in angle brackets. */
function checkBareUri(text: string): void {
  if (text.includes(',') || text.includes('?')) {
    throw new ParseError('URI with comma or question mark outside angle brackets')
  }
}

/** A quoted string, or tokens. COMPAT(many phones): unquoted letters beyond ASCII pass; other characters do not (RFC 4475 §3.1.2.15). */
function readDisplayName(text: string, end: number): string | undefined {
  if (end === -1) return undefined
  const name = text.slice(0, end).trim()
  if (name.charCodeAt(0) !== 34) {
    for (let at = 0; at < name.length; at++) {
      const code = name.charCodeAt(at)
      if (code < 128 && !isWhitespace(code) && (classes[code]! & TOKEN) === 0) {
        throw new ParseError('character not allowed in a display name without quotes', { position: at })
      }
    }
    return name
  }
  if (endOfQuotedString(name, 0) !== name.length) throw new ParseError('display name followed by junk')
  return unquote(name)
}
