/** Where the NOTIFYs of a subscription go: what its SUBSCRIBE says of target, route and flow (RFC 3261 §12.1.1, RFC 5626 §5). */

import type { FlowId } from '../../turn.ts'
import { badRequest } from '../sip/errors.ts'
import type { SipRequest } from '../sip/message.ts'
import { formatUri, isSipUri } from '../sip/uri.ts'
import type { SubscriptionRecord } from './subscription.ts'

/** Contact of a SUBSCRIBE (RFC 3261 §12.1.1): one sip or sips URI. Throws 400. */
export function targetOf(request: SipRequest): string {
  const { contacts } = request
  if (contacts === '*' || contacts.length !== 1) throw badRequest('One Contact Expected')
  const { uri } = contacts[0]!
  if (!isSipUri(uri)) throw badRequest('Contact Not a SIP URI')
  return formatUri(uri)
}

export function recordRoutes(request: SipRequest): string | undefined {
  if (!request.hasHeader('Record-Route')) return undefined
  return request.headers('Record-Route').join(', ')
}

/**
 * The flow NOTIFYs take: that of the SUBSCRIBE, unless a proxy stands between that does not want to stay on the path. A
 * connection is the only way back to most clients; over UDP, one that sends from another port than it listens on says so by
 * leaving out rport (RFC 3581 §4) and must be reached at its Contact.
 */
export function flowOf(request: SipRequest): FlowId | undefined {
  if (request.flow === '') return undefined
  const isDirect = request.headers('Via').length === 1
  if (!isDirect && !request.hasHeader('Record-Route')) return undefined
  if (request.source === undefined || request.source.transport !== 'udp' || !isDirect) return request.flow
  if (request.topVia.params.has('rport')) return request.flow
  const { contacts, source } = request
  const uri = contacts === '*' ? undefined : contacts[0]?.uri
  if (uri === undefined || !isSipUri(uri)) return undefined
  return uri.host === source.address && (uri.port ?? 5060) === source.port ? request.flow : undefined
}

export function transportOf(request: SipRequest): SubscriptionRecord['transport'] {
  if (request.uri.startsWith('sips:')) return 'sips'
  return request.source?.transport ?? 'udp'
}
