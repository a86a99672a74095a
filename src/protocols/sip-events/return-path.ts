/** By which flow the NOTIFYs of a subscription go back (RFC 3261 §12.2.1.1, RFC 5626 §5.3, RFC 3581 §4). */

import type { FlowId } from '../../turn.ts'
import { numericAddress } from '../sip/flow.ts'
import type { SipRequest } from '../sip/message.ts'
import { parseNameAddr } from '../sip/name-addr.ts'
import { isSipUri, type Uri } from '../sip/uri.ts'
import type { SubscriptionRecord } from './subscription.ts'

/**
 * The flow NOTIFYs take: that of the SUBSCRIBE, where it leads to the first hop of the route, or to the subscriber if there is
 * no route. A connection is the only way back to most clients; over UDP, one that sends from another port than it listens on
 * says so by leaving out rport (RFC 3581 §4) and must be reached at its Contact. Undefined: as RFC 3263 leads.
 */
export function flowOf(request: SipRequest): FlowId | undefined {
  const { flow, source, contacts } = request
  if (flow === '') return undefined
  const [hop] = request.headers('Record-Route')
  if (hop !== undefined) {
    const { uri } = parseNameAddr(hop)
    // A name may be that of whoever the request came from: he has asked to stay on the path, and this is his flow.
    return source === undefined || (isSipUri(uri) && numericAddress(uri.host) === undefined) || leadsTo(source, uri)
      ? flow
      : undefined
  }
  // A proxy stands between that does not want to stay on the path.
  if (request.headers('Via').length > 1) return undefined
  if (source?.transport !== 'udp' || request.topVia.params.has('rport')) return flow
  const contact = contacts === '*' ? undefined : contacts[0]
  return contact !== undefined && leadsTo(source, contact.uri) ? flow : undefined
}

/** Whether a URI names the address that a request came from; over UDP also the port, while a connection comes from any. */
function leadsTo({ transport, address, port }: NonNullable<SipRequest['source']>, uri: Uri): boolean {
  return isSipUri(uri) && numericAddress(uri.host) === address && (transport !== 'udp' || (uri.port ?? 5060) === port)
}

export function transportOf(request: SipRequest): SubscriptionRecord['transport'] {
  if (request.uri.startsWith('sips:')) return 'sips'
  return request.source?.transport ?? 'udp'
}
