/**
 * What SUBSCRIBE and PUBLISH say about an event package: Event, Expires, Accept and body (RFC 6665 §8.2.1, §4.2.1.1; RFC 3903
 * §6), and who says it (RFC 3325, RFC 5876).
 */

import type { Turn } from '../../turn.ts'
import {
  badExtension,
  extensionRequired,
  intervalTooBrief,
  notAcceptable,
  SipRefusal,
  unsupportedMediaType,
} from '../sip/errors.ts'
import type { SipRequest } from '../sip/message.ts'
import { parseNameAddr } from '../sip/name-addr.ts'
import { Params } from '../sip/params.ts'
import { addressOfRecord, isSipUri } from '../sip/uri.ts'
import { areBodiesTaken, isOptional } from './bodies.ts'
import { contentCodings } from './content-coding.ts'
import type { Subscriber } from './event-package.ts'

/** Event of a request: the type, compared octet by octet, and `id` (RFC 6665 §8.2.1); undefined when missing or doubled. */
export function eventOf(request: SipRequest): { readonly name: string; readonly id: string | undefined } | undefined {
  const text = request.header('Event')
  if (text === undefined || request.headers('Event').length > 1) return undefined
  const semicolon = text.indexOf(';')
  if (semicolon === -1) return { name: text, id: undefined }
  return { name: text.slice(0, semicolon).trimEnd(), id: Params.parse(text.slice(semicolon)).get('id') }
}

export interface ExpiresBounds {
  readonly defaultSeconds: number
  readonly minSeconds: number
  readonly maxSeconds: number
}

/**
 * The lifetime granted, in seconds: what is asked for or the default, shortened to the maximum, never lengthened; 0 stays 0
 * (RFC 3903 §6 step 4, RFC 6665 §4.2.1.1). Throws 423 when more than 0, less than an hour and less than the minimum is asked for.
 */
export function grantedExpires(request: SipRequest, bounds: ExpiresBounds): number {
  const requested = request.expires ?? bounds.defaultSeconds
  if (requested > 0 && requested < bounds.minSeconds && requested < 3600) throw intervalTooBrief(bounds.minSeconds)
  return Math.min(requested, bounds.maxSeconds)
}

/**
 * The place in `offered` of the type to send, by Accept: highest q first, then the order of `offered`; without Accept the
 * first (RFC 3261 §20.1, RFC 6665 §5.4.5). `ifNamed`, one of them, must be named, and then goes before others of equal q.
 * Throws 406 when none is acceptable.
 */
export function acceptedType(request: SipRequest, offered: readonly string[], ifNamed?: string): number {
  const text = request.header('Accept')
  if (text === undefined || text === offered[0]) return 0
  let best = -1
  let bestQ = 0
  const ranges = request.headers('Accept').map(parseMediaRange)
  for (let at = 0; at < offered.length; at++) {
    const isIfNamed = offered[at] === ifNamed
    const q = isIfNamed ? (ranges.find(({ range }) => range === ifNamed)?.q ?? 0) : qualityOf(offered[at]!, ranges)
    if (q > bestQ || (isIfNamed && q === bestQ && q > 0)) {
      best = at
      bestQ = q
    }
  }
  if (best === -1) throw notAcceptable()
  return best
}

/** Whether Accept names a type itself, and not as one that is not taken (RFC 3261 §20.1). */
export function namesType(request: SipRequest, type: string): boolean {
  return request.headers('Accept').some(text => {
    const { range, q } = parseMediaRange(text)
    return range === type && q > 0
  })
}

interface MediaRange {
  readonly range: string
  readonly q: number
}

function parseMediaRange(text: string): MediaRange {
  const semicolon = text.indexOf(';')
  const range = (semicolon === -1 ? text : text.slice(0, semicolon)).trim().toLowerCase()
  if (semicolon === -1) return { range, q: 1 }
  const q = Number(Params.parse(text.slice(semicolon)).get('q') ?? 1)
  return { range, q: Number.isNaN(q) ? 1 : q }
}

/** The most specific range that covers the type decides (RFC 3261 §20.1, as in HTTP). */
function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  const major = `${type.slice(0, type.indexOf('/'))}/*`
  const range =
    ranges.find(({ range }) => range === type) ??
    ranges.find(({ range }) => range === major) ??
    ranges.find(({ range }) => range === '*/*')
  return range?.q ?? 0
}

/**
 * Checks that the body, if there is one, is of a type in `accepted` and of no encoding; one that is not, and may be ignored, is
 * as if it were not there. Throws 415 with Accept and, for an encoding, Accept-Encoding (RFC 3261 §8.2.3).
 */
export function checkBodyType(request: SipRequest, accepted: readonly string[]): void {
  if (request.body.length === 0) return
  const encoding = request.header('Content-Encoding')
  const isEncoded = encoding !== undefined && encoding.toLowerCase() !== 'identity'
  if (!isEncoded && areBodiesTaken(request, accepted)) return
  if (!isOptional(request.header('Content-Disposition')))
    throw unsupportedMediaType(accepted, isEncoded ? contentCodings : undefined)
  request.body = noBody
}

const noBody = new Uint8Array(0)

/** Throws 420 when Require names an option that is not in `supported` (RFC 3261 §8.2.2.3). */
export function checkRequire(request: SipRequest, supported: readonly string[]): void {
  if (!request.hasHeader('Require')) return
  const unsupported = request.headers('Require').filter(option => !supported.includes(option.toLowerCase()))
  if (unsupported.length > 0) throw badExtension(unsupported)
}

/** Throws 421 when the sender does not support an option that he needs here (RFC 3261 §8.2.4, RFC 4662 §4.1). */
export function checkSupported(request: SipRequest, needed: readonly string[]): void {
  if (needed.length === 0) return
  const supported = [...request.headers('Supported'), ...request.headers('Require')].map(tag => tag.toLowerCase())
  if (!needed.every(option => supported.includes(option))) throw extensionRequired(needed)
}

/**
 * Who sent a request: P-Asserted-Identity as the routing before us left it, of which at most one sip or sips and one tel URI
 * count (RFC 3325 §9.1); without it From, where users need not prove who they are; else nobody. The display name is that of
 * the asserted identity, else that of From (GSMA RCS 3 §6.6.1).
 */
export function senderOf(request: SipRequest, turn: Turn): Subscriber {
  const privacy = wantsPrivacy(request) ? { isPrivate: true } : {}
  if (request.hasHeader('P-Asserted-Identity')) {
    const identities: string[] = []
    let displayName: string | undefined
    for (const text of request.headers('P-Asserted-Identity')) {
      const value = parseNameAddr(text)
      const { scheme } = value.uri
      if (scheme !== 'sip' && scheme !== 'sips' && scheme !== 'tel') continue
      displayName ??= value.displayName
      const identity = addressOfRecord(value.uri)
      const kind = identity.slice(0, 4)
      if (!identities.some(other => other.startsWith(kind))) identities.push(identity)
    }
    return { identities, displayName: displayName || request.from.displayName || undefined, ...privacy }
  }
  if (turn.settings.auth.required) return { identities: [], displayName: undefined }
  const { uri, displayName } = request.from
  return { identities: [addressOfRecord(uri)], displayName: displayName || undefined, ...privacy }
}

/** Whether the sender asks that others do not learn who he is (RFC 3323 §4.1.1.3, §4.2; RFC 3325 §7). */
function wantsPrivacy(request: SipRequest): boolean {
  if (isSipUri(request.from.uri) && request.from.uri.host === 'anonymous.invalid') return true
  if (!request.hasHeader('Privacy')) return false
  return request.headers('Privacy').some(value =>
    value
      .toLowerCase()
      .split(/[;\s]+/)
      .includes('id'),
  )
}

/** The refusal that a decision was, when it was one; anything else passes on. */
export function refusalOf(error: unknown): SipRefusal {
  if (error instanceof SipRefusal) return error
  throw error
}
