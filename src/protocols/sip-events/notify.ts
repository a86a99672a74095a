/**
 * NOTIFY requests (RFC 6665 §4.2.2) within the dialog of a subscription (RFC 3261 §12.2.1.1), and the URI by which the
 * subscriber reaches that dialog: a GRUU of the notifier (RFC 6665 §4.5.1) that tells the resource.
 */

import { type HeaderField, SipRequest } from '../sip/message.ts'
import type { SipUri } from '../sip/uri.ts'
import type { NotifyBody } from './event-package.ts'
import type { Subscription, SubscriptionRecord } from './subscription.ts'

/** `state` is the value of Subscription-State; `contact` the field of the notifier. The CSeq is the record's. */
export function notifyRequest(
  subscription: Subscription,
  state: string,
  contact: string,
  content: NotifyBody | undefined,
): SipRequest {
  const { record } = subscription
  const fields: HeaderField[] = []
  const uri = addRoutes(record, fields)
  fields.push(
    ['From', `${record.local};tag=${subscription.id}`],
    ['To', record.remote],
    ['Call-ID', record.callId],
    ['CSeq', `${record.localCseq} NOTIFY`],
    ['Max-Forwards', '70'],
    ['Contact', contact],
    ['Event', record.eventId === undefined ? subscription.package : `${subscription.package};id=${record.eventId}`],
    ['Subscription-State', state],
  )
  if (content === undefined) return new SipRequest('NOTIFY', uri, fields)
  fields.push(['Content-Type', content.contentType])
  return new SipRequest('NOTIFY', uri, fields, content.body)
}

/** Adds Route and returns the Request-URI: the remote target, or a strict router's URI with the target last (RFC 3261 §12.2.1.1). */
function addRoutes({ target, routes }: SubscriptionRecord, fields: HeaderField[]): string {
  if (routes === undefined) return target
  const comma = routes.indexOf('>')
  const first = routes.slice(routes.indexOf('<') + 1, comma)
  if (/;lr(?:[;=]|$)/i.test(first)) {
    fields.push(['Route', routes])
    return target
  }
  const rest = routes.slice(comma + 1).replace(/^[^,]*,?\s*/, '')
  fields.push(['Route', rest === '' ? `<${target}>` : `${rest}, <${target}>`])
  return first
}

/**
 * Contact of the notifier for one dialog: `<sip:alice@192.0.2.1:5060;gr=presence-server>`. The user part is that of a resource
 * in our domain, else the whole resource, escaped; `owner` is the entity.
 */
export function contactOf(
  resource: string,
  transport: SubscriptionRecord['transport'],
  address: string,
  domain: string,
  owner: string,
): string {
  const scheme = transport === 'sips' ? 'sips' : 'sip'
  const parameter = transport === 'tcp' || transport === 'tls' ? `;transport=${transport}` : ''
  return `<${scheme}:${userOf(resource, domain)}@${address}${parameter};gr=${owner}>`
}

/** The resource that a URI made by `contactOf` tells; undefined for any other. */
export function resourceOfContact(uri: SipUri, domain: string, owner: string): string | undefined {
  if (uri.user === undefined || uri.params.get('gr') !== owner) return undefined
  if (!/^[a-z]+%3A/i.test(uri.user)) return `sip:${uri.user}@${domain}`
  try {
    return decodeURIComponent(uri.user)
  } catch {
    return undefined
  }
}

function userOf(resource: string, domain: string): string {
  const at = resource.length - domain.length - 1
  const isInDomain = resource.startsWith('sip:') && resource.charCodeAt(at) === 64 && resource.endsWith(domain)
  return isInDomain ? resource.slice(4, at) : encodeURIComponent(resource)
}
