/** The Via header field (RFC 3261 §20.42): the path a request took, which its responses take back. */

import { classes, skipWhitespace, TOKEN } from './characters.ts'
import { ParseError } from './errors.ts'
import { Params } from './params.ts'
import { endOfHost, lowerCaseHost, parsePort } from './uri.ts'

export type Via = {
  /** Upper case, such as `UDP`. */
  readonly transport: string
  /** Lower case; an IPv6 address in brackets. */
  readonly host: string
  readonly port: number | undefined
  readonly params: Params
}

/**
 * Reads one Via value that fills `text`; whitespace may surround its slashes and colon.
 * @throws ParseError (400)
 */
export function parseVia(text: string): Via {
  let at = text.startsWith('SIP/2.0/') ? 8 : readProtocol(text)
  at = skipWhitespace(text, at)
  const transportStart = at
  while (at < text.length && (classes[text.charCodeAt(at)] ?? 0) & TOKEN) at++
  const transport = upperCaseTransport(text.slice(transportStart, at))
  const hostStart = skipWhitespace(text, at)
  if (transport === '' || hostStart === at) throw new ParseError('Via without transport', { position: at })
  const hostEnd = endOfHost(text, hostStart)
  const host = lowerCaseHost(text, hostStart, hostEnd)
  at = skipWhitespace(text, hostEnd)
  let port: number | undefined
  if (text.charCodeAt(at) === 58) {
    at = skipWhitespace(text, at + 1)
    const portStart = at
    while (at < text.length && text.charCodeAt(at) >= 48 && text.charCodeAt(at) <= 57) at++
    port = parsePort(text, portStart, at)
    at = skipWhitespace(text, at)
  }
  return { transport, host, port, params: at === text.length ? Params.none : Params.parse(text.slice(at)) }
}

/**
 * Passes `SIP / 2.0 /` in any case and returns the position after it. Any version will do: a request of version 7.0 is
 * answered too (RFC 4475 §3.1.2.16).
 */
function readProtocol(text: string): number {
  const protocol = /^[ \t]*SIP[ \t]*\/[ \t]*\d+\.\d+[ \t]*\//i.exec(text)
  if (!protocol) throw new ParseError('Via of another protocol than SIP')
  return protocol[0].length
}

function upperCaseTransport(text: string): string {
  return text === 'UDP' || text === 'TCP' || text === 'TLS' ? text : text.toUpperCase()
}

/** Whether who added this Via wants responses, and by its side of a dialog requests, in SigComp (RFC 3486 §5). */
export function asksForCompression({ params }: Via): boolean {
  return params.get('comp')?.toLowerCase() === 'sigcomp'
}

/** The value as text. */
export function formatVia(via: Via): string {
  const port = via.port === undefined ? '' : `:${via.port}`
  return `SIP/2.0/${via.transport} ${via.host}${port}${via.params.toString()}`
}
