/** By which flow the NOTIFYs of a subscription go back (RFC 5626 §5.3, RFC 3581 §4). */

import type { FlowId } from '../../turn.ts'
import type { SipRequest } from '../sip/message.ts'
import { isSipUri } from '../sip/uri.ts'
import type { SubscriptionRecord } from './subscription.ts'

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
