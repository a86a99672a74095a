/**
 * Whom a request is for, before anything is asked of it: what the router needs to choose between the box itself, the entities
 * that serve its users, and the proxy.
 */

import type { SipRequest } from '../../protocols/sip/message.ts'
import { parseNameAddr } from '../../protocols/sip/name-addr.ts'
import { isSipUri, type SipUri } from '../../protocols/sip/uri.ts'
import { isGruu } from './gruu.ts'
import type { Home } from './home.ts'
import { isRouteToken } from './record-route.ts'

/**
 * - `box`: the domain or an address of ours without a user; OPTIONS and REGISTER are answered here.
 * - `user`: a user of ours as a whole, whom entities such as the Presence Server may answer for.
 * - `instance`: one device of a user, named by its GRUU, for the proxy; or an entity of ours whose Contact it is.
 * - `elsewhere`: to be passed on, along Route or by a Request-URI that is not ours; always for the proxy.
 */
export type Recipient = 'box' | 'user' | 'instance' | 'elsewhere'

/** Reads the Request-URI and Route; Route values of ours at the top are passed over (RFC 3261 §16.4). Throws ParseError. */
export function recipientOf(request: SipRequest, home: Home): Recipient {
  const uri = request.requestUri
  if (!isSipUri(uri) || !home.isOurs(uri) || isOwnRoute(uri)) return 'elsewhere'
  if (request.hasHeader('Route') && !request.headers('Route').every(value => leadsHere(value, home))) return 'elsewhere'
  if (uri.user === undefined) return 'box'
  return isGruu(uri) ? 'instance' : 'user'
}

/** Whether a Request-URI is one we have put into Record-Route: a strict router has sent the request (RFC 3261 §16.4). */
export function isOwnRoute(uri: SipUri): boolean {
  return uri.params.has('lr') || isRouteToken(uri.user)
}

/** Whether a Route value is ours. Throws ParseError. */
export function leadsHere(value: string, home: Home): boolean {
  const { uri } = parseNameAddr(value)
  return isSipUri(uri) && home.isOurs(uri)
}
