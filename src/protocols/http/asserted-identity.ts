/**
 * Who a request is for, as one network element tells another (AP-02 to AP-06): `X-3GPP-Asserted-Identity` and
 * `X-XCAP-Asserted-Identity`, quoted URIs separated by commas. Believed only of those the operator has named (AP-04).
 */

import { ParseError } from '../sip/errors.ts'
import { addressOfRecord, parseUri } from '../sip/uri.ts'
import { isWithin } from './address-range.ts'
import { badRequest, forbidden } from './errors.ts'
import type { HttpRequest } from './message.ts'

/** Whom the operator believes: addresses or ranges of them, and host names that certificates prove, separated by commas. */
export interface Trusted {
  readonly trusted: string
  readonly trustedNames: string
}

/** Who is a user here. */
export interface Users {
  /** The user that an identifier means; undefined when it means none. */
  userOf(identifier: string): string | undefined
  isUser(user: string): boolean
}

/** The header fields that assert a user, by the address-of-record; both names are in use (XDM-62). */
export function assertedIdentity(user: string): Readonly<Record<string, string>> {
  // AP-06: with the number as well when that is the user's name.
  const number = /^sips?:(\+\d+)@/.exec(user)?.[1]
  const value = number === undefined ? `"${user}"` : `"${user}", "tel:${number}"`
  return { 'X-3GPP-Asserted-Identity': value, 'X-XCAP-Asserted-Identity': value }
}

/** Whom another server asserts; nobody when there are no identities. */
export interface AssertedSender {
  /** The first of the identities that is a user here, else the first. */
  readonly user: string | undefined
  /** Canonical URIs, any of which may be meant by rules (PS-76). */
  readonly identities: readonly string[]
}

/**
 * The sender whom another server asserts, such as an Aggregation Proxy. Throws 403 when the request does not come from one that
 * is trusted, 400 when the header is malformed.
 */
export function assertedSender(
  request: HttpRequest,
  { trusted, trustedNames }: Trusted,
  { userOf, isUser }: Users,
): AssertedSender {
  const { address, names = [] } = request.source
  const isTrusted = listed(trusted).some(range => isWithin(address, range))
  if (!isTrusted && !listed(trustedNames.toLowerCase()).some(name => names.includes(name)))
    throw forbidden('Only servers that are trusted may ask here')
  const value = request.headers['x-3gpp-asserted-identity'] ?? request.headers['x-xcap-asserted-identity']
  if (value === undefined) return { user: undefined, identities: [] }
  const uris = identities(value).map(canonical)
  if (uris.length === 0) throw badRequest('The asserted identity is not a list of quoted URIs')
  const users = uris.map(userOf).filter(user => user !== undefined && isUser(user))
  return { user: users[0] ?? uris[0], identities: uris }
}

/** As rules are compared: another spelling would not be the one that a rule blocks. Throws 400 when it is no URI. */
function canonical(uri: string): string {
  try {
    return addressOfRecord(parseUri(uri))
  } catch (error) {
    throw error instanceof ParseError ? badRequest(`The asserted identity is none: ${error.message}`) : error
  }
}

/** The URIs of a list of identities (AP-06); none when it is malformed. */
export function identities(value: string): string[] {
  const list = /^\s*"[^"]+"(?:\s*,\s*"[^"]+")*\s*$/
  // COMPAT(xcap): proxies are known that leave out the quotes.
  const bare = /^\s*[^\s",]+\s*$/
  if (list.test(value)) return [...value.matchAll(/"([^"]+)"/g)].map(match => match[1]!)
  return bare.test(value) ? [value.trim()] : []
}

function listed(text: string): string[] {
  return text === '' ? [] : text.split(',').map(part => part.trim())
}
