/**
 * URIs that name users and hosts: sip and sips (RFC 3261 §19.1), tel (RFC 3966); any other scheme is carried, not
 * understood. IPv6 by RFC 5954.
 */

import {
  classes,
  consistsOf,
  consistsOfOrEscaped,
  DIGIT,
  HEX,
  HOST,
  normalizeEscapes,
  PASSWORD,
  URI_HEADER,
  USER,
} from './characters.ts'
import { ParseError } from './errors.ts'
import { Params } from './params.ts'

export type SipUri = {
  readonly scheme: 'sip' | 'sips'
  /** As written, escapes kept. */
  readonly user: string | undefined
  readonly password: string | undefined
  /** Lower case; an IPv6 address in brackets. */
  readonly host: string
  readonly port: number | undefined
  readonly params: Params
  /** Without the question mark. */
  readonly headers: string
}
export type TelUri = {
  readonly scheme: 'tel'
  /** As written, visual separators kept. */
  readonly number: string
  readonly params: Params
}
export type OtherUri = { readonly scheme: string; readonly opaque: string }
export type Uri = SipUri | TelUri | OtherUri

/**
 * Reads one URI that fills `text`.
 * @throws ParseError (400)
 */
export function parseUri(text: string): Uri {
  // The schemes in use are told by their letters; any other is read by RFC 3986 §3.1.
  if ((text.charCodeAt(0) | 32) === 115 && (text.charCodeAt(1) | 32) === 105 && (text.charCodeAt(2) | 32) === 112) {
    if (text.charCodeAt(3) === 58) return parseSipUri(text, 'sip', 4)
    if ((text.charCodeAt(3) | 32) === 115 && text.charCodeAt(4) === 58) return parseSipUri(text, 'sips', 5)
  }
  if (/^tel:/i.test(text)) return parseTelUri(text)
  const colon = text.indexOf(':')
  if (colon < 1 || !/^[a-z][a-z0-9+.-]*$/i.test(text.slice(0, colon))) throw new ParseError('URI without scheme')
  const opaque = text.slice(colon + 1)
  if (opaque === '' || !/^[!#-;=?-Z[\]_a-z~]+$/.test(opaque)) {
    throw new ParseError('character not allowed in a URI', { position: colon + 1 })
  }
  return { scheme: text.slice(0, colon).toLowerCase(), opaque }
}

function parseSipUri(text: string, scheme: 'sip' | 'sips', start: number): SipUri {
  let user: string | undefined
  let password: string | undefined
  const at = text.indexOf('@', start)
  if (at !== -1) {
    const colon = text.indexOf(':', start)
    const userEnd = colon !== -1 && colon < at ? colon : at
    if (userEnd === start) throw new ParseError('URI with an empty user', { position: start })
    if (!consistsOfOrEscaped(text, USER, start, userEnd)) {
      throw new ParseError('character not allowed in the user of a URI', { position: start })
    }
    user = text.slice(start, userEnd)
    if (userEnd < at) {
      if (!consistsOfOrEscaped(text, PASSWORD, userEnd + 1, at)) {
        throw new ParseError('character not allowed in the password of a URI', { position: userEnd + 1 })
      }
      password = text.slice(userEnd + 1, at)
    }
    start = at + 1
  }
  const hostEnd = endOfHost(text, start)
  const host = lowerCaseHost(text, start, hostEnd)
  let end = hostEnd
  let port: number | undefined
  if (text.charCodeAt(end) === 58) {
    const portStart = ++end
    while (end < text.length && isDigit(text.charCodeAt(end))) end++
    port = parsePort(text, portStart, end)
  }
  const question = text.indexOf('?', end)
  const paramsEnd = question === -1 ? text.length : question
  const params = end === paramsEnd ? Params.noneInUri : Params.parseInUri(text.slice(end, paramsEnd))
  let headers = ''
  if (question !== -1) {
    headers = text.slice(question + 1)
    checkUriHeaders(headers, question + 1)
  }
  return { scheme, user, password, host, port, params, headers }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

/** The position after the host that starts at `start`: a name, an IPv4 address, or an IPv6 address in brackets. */
export function endOfHost(text: string, start: number): number {
  let at = start
  if (text.charCodeAt(at) === 91) {
    const bracket = text.indexOf(']', at)
    if (bracket === -1) throw new ParseError('IPv6 address without closing bracket', { position: at })
    return bracket + 1
  }
  while (at < text.length && (classes[text.charCodeAt(at)] ?? 0) & HOST) at++
  return at
}

/**
 * The host between `start` and `end`, checked and in lower case.
 * @throws ParseError
 */
export function lowerCaseHost(text: string, start: number, end: number): string {
  if (start === end) throw new ParseError('host missing', { position: start })
  let host = text.slice(start, end)
  if (host.charCodeAt(0) === 91) {
    // RFC 5118 §4.10: the grammar of RFC 3261 allowed one colon too many before an IPv4 part.
    if (host.includes(':::')) host = host.replace(/:::(?=[\d.]+\]$)/, '::')
    if (parseIpv6(host.slice(1, -1)) === undefined) throw new ParseError('not an IPv6 address', { position: start })
  } else if (host.charCodeAt(0) === 45 || host.charCodeAt(0) === 46 || host.includes('..')) {
    throw new ParseError('not a host name', { position: start })
  }
  for (let at = 0; at < host.length; at++) {
    const code = host.charCodeAt(at)
    if (code >= 65 && code <= 90) return host.toLowerCase()
  }
  return host
}

/**
 * The port between `start` and `end`.
 * @throws ParseError unless a number from 0 to 65535
 */
export function parsePort(text: string, start: number, end: number): number {
  let port = 0
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (!isDigit(code)) throw new ParseError('not a port', { position: start })
    port = port * 10 + code - 48
    if (port > 65535) throw new ParseError('port above 65535', { position: start })
  }
  if (start === end) throw new ParseError('port missing', { position: start })
  return port
}

function checkUriHeaders(headers: string, position: number): void {
  for (const header of headers.split('&')) {
    const equals = header.indexOf('=')
    const valid =
      equals > 0 &&
      consistsOfOrEscaped(header, URI_HEADER, 0, equals) &&
      consistsOfOrEscaped(header, URI_HEADER, equals + 1, header.length)
    if (!valid) throw new ParseError('header field not allowed in a URI', { position })
  }
}

/** RFC 3966 §3: a global number begins with a plus sign; a local one says with phone-context where it means something. */
function parseTelUri(text: string): TelUri {
  const semicolon = text.indexOf(';')
  const number = text.slice(4, semicolon === -1 ? text.length : semicolon)
  const isGlobal = number.startsWith('+')
  if (!(isGlobal ? /^\+[-.()]*\d[-.()\d]*$/ : /^[-.()]*[\da-f*#][-.()\da-f*#]*$/i).test(number)) {
    throw new ParseError('not a telephone number', { position: 4 })
  }
  const params = semicolon === -1 ? Params.noneInUri : Params.parseInUri(text.slice(semicolon))
  if (!isGlobal && !params.has('phone-context')) {
    throw new ParseError('local telephone number without phone-context', { position: 4 })
  }
  return { scheme: 'tel', number, params }
}

export function isSipUri(uri: Uri): uri is SipUri {
  return uri.scheme === 'sip' || uri.scheme === 'sips'
}

export function isTelUri(uri: Uri): uri is TelUri {
  return uri.scheme === 'tel'
}

/** The URI as text. */
export function formatUri(uri: Uri): string {
  if (isSipUri(uri)) {
    const userInfo =
      uri.user === undefined ? '' : uri.password === undefined ? `${uri.user}@` : `${uri.user}:${uri.password}@`
    const port = uri.port === undefined ? '' : `:${uri.port}`
    const headers = uri.headers === '' ? '' : `?${uri.headers}`
    return `${uri.scheme}:${userInfo}${uri.host}${port}${uri.params.toString()}${headers}`
  }
  if (isTelUri(uri)) return `tel:${uri.number}${uri.params.toString()}`
  return `${uri.scheme}:${(uri as OtherUri).opaque}`
}

/**
 * Whether two URIs are equivalent (RFC 3261 §19.1.4 with the IPv6 comparison of RFC 5954 §4.2, RFC 3966 §5 for tel); for
 * other schemes, whether they are the same text.
 */
export function sameUri(a: Uri, b: Uri): boolean {
  if (a.scheme !== b.scheme) return false
  if (isSipUri(a) && isSipUri(b)) {
    return (
      sameEscaped(a.user, b.user) &&
      sameEscaped(a.password, b.password) &&
      sameHost(a.host, b.host) &&
      a.port === b.port &&
      sameUriParameters(a.params, b.params) &&
      sameUriHeaders(a.headers, b.headers)
    )
  }
  if (isTelUri(a) && isTelUri(b)) return sameTel(a, b)
  return (a as OtherUri).opaque === (b as OtherUri).opaque
}

function sameEscaped(a: string | undefined, b: string | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && normalizeEscapes(a) === normalizeEscapes(b))
}

/** Whether two hosts, in lower case, are the same name or the same address. */
function sameHost(a: string, b: string): boolean {
  if (a === b) return true
  if (a.charCodeAt(0) !== 91 || b.charCodeAt(0) !== 91) return false
  const left = parseIpv6(a.slice(1, -1))
  const right = parseIpv6(b.slice(1, -1))
  return left !== undefined && right !== undefined && left.every((group, at) => group === right[at])
}

/** These appear in both URIs or in neither; any other parameter counts only where both have it. */
const parametersThatMustMatch = ['user', 'ttl', 'method', 'maddr', 'transport']

function sameUriParameters(a: Params, b: Params): boolean {
  if (a.toString() === b.toString()) return true
  for (const name of parametersThatMustMatch) if (a.has(name) !== b.has(name)) return false
  for (const [name] of a) {
    const other = b.getAsWritten(name)
    if (other !== undefined && lowerCase(other) !== lowerCase(a.getAsWritten(name)!)) return false
  }
  return true
}

function lowerCase(text: string): string {
  return normalizeEscapes(text).toLowerCase()
}

/** Header components are never ignored; their order does not count. */
function sameUriHeaders(a: string, b: string): boolean {
  if (a === b) return true
  const left = uriHeaders(a)
  const right = uriHeaders(b)
  return left.length === right.length && left.every((header, at) => header === right[at])
}

function uriHeaders(headers: string): string[] {
  return headers
    .split('&')
    .map(header => {
      const equals = header.indexOf('=')
      return `${normalizeEscapes(header.slice(0, equals)).toLowerCase()}=${normalizeEscapes(header.slice(equals + 1))}`
    })
    .sort()
}

function sameTel(a: TelUri, b: TelUri): boolean {
  if (digits(a.number) !== digits(b.number)) return false
  return telParameters(a.params) === telParameters(b.params)
}

/** A number without visual separators (RFC 3966 §5.1.1). */
function digits(number: string): string {
  return number.replace(/[-.()]/g, '').toLowerCase()
}

function telParameters(params: Params): string {
  return [...params]
    .map(([name, value]) => `${name.toLowerCase()}=${value.startsWith('+') ? digits(value) : value.toLowerCase()}`)
    .sort()
    .join(';')
}

/**
 * The canonical text that identifies a user (RFC 3261 §10.3 step 5): `sip:alice@box.example`. Scheme sip, into which sips
 * folds; user with only those escapes that must be; host in lower case; no port, password, parameters or headers. For tel,
 * digits without visual separators.
 */
export function addressOfRecord(uri: Uri): string {
  if (isSipUri(uri)) {
    const host = uri.host.charCodeAt(0) === 91 ? canonicalIpv6Host(uri.host) : uri.host
    if (uri.user === undefined) return `sip:${host}`
    return `sip:${normalizeEscapes(uri.user)}@${host}`
  }
  if (isTelUri(uri)) {
    const context = uri.number.startsWith('+') ? undefined : uri.params.getAsWritten('phone-context')
    return `tel:${digits(uri.number)}${context === undefined ? '' : `;phone-context=${lowerCase(context)}`}`
  }
  return formatUri(uri)
}

function canonicalIpv6Host(host: string): string {
  const groups = parseIpv6(host.slice(1, -1))
  return groups === undefined ? host : `[${groups.map(group => group.toString(16)).join(':')}]`
}

/** The eight groups of an IPv6 address (RFC 5954 §4.1, RFC 4291 §2.2), or undefined if `text` is none. */
export function parseIpv6(text: string): number[] | undefined {
  const gap = text.indexOf('::')
  if (gap === -1) {
    const groups = ipv6Groups(text, true)
    return groups?.length === 8 ? groups : undefined
  }
  if (text.indexOf('::', gap + 1) !== -1) return undefined
  const before = text.slice(0, gap)
  const after = text.slice(gap + 2)
  const left = before === '' ? [] : ipv6Groups(before, false)
  const right = after === '' ? [] : ipv6Groups(after, true)
  if (left === undefined || right === undefined || left.length + right.length > 7) return undefined
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]
}

function ipv6Groups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  const groups: number[] = []
  const parts = text.split(':')
  for (const [at, part] of parts.entries()) {
    if (mayEndInIpv4 && at === parts.length - 1 && part.includes('.')) {
      const octets = parseIpv4(part)
      if (octets === undefined) return undefined
      groups.push(octets[0]! * 256 + octets[1]!, octets[2]! * 256 + octets[3]!)
    } else {
      if (part.length < 1 || part.length > 4 || !consistsOf(part, HEX)) return undefined
      groups.push(Number.parseInt(part, 16))
    }
  }
  return groups
}

/** The four octets of an IPv4 address, or undefined if `text` is none. */
export function parseIpv4(text: string): number[] | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const octets: number[] = []
  for (const part of parts) {
    if (part.length < 1 || part.length > 3 || !consistsOf(part, DIGIT) || Number(part) > 255) return undefined
    octets.push(Number(part))
  }
  return octets
}
