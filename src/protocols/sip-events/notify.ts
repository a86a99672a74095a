/**
 * NOTIFY requests (RFC 6665 §4.2.2) within the dialog of a subscription (RFC 3261 §12.2.1.1), and the URI by which the
 * subscriber reaches that dialog: a GRUU of the notifier (RFC 6665 §4.5.1) that tells the resource.
 */

import type { Instant } from '../../turn.ts'
import { requestInDialog } from '../sip/dialog.ts'
import type { HeaderField, SipRequest } from '../sip/message.ts'
import type { SipUri } from '../sip/uri.ts'
import { deflated } from './content-coding.ts'
import { eventType } from './dialect.ts'
import type { EventPackage, NotifyBody } from './event-package.ts'
import type { Subscription, SubscriptionRecord } from './subscription.ts'

/**
 * The next NOTIFY for a subscription, whose dialog it moves on. `state` is the value of Subscription-State, `contact` the field
 * of the notifier, `required` what `requireFields` says of the package.
 */
export function notifyRequest(
  subscription: Subscription,
  state: string,
  contact: string,
  content: NotifyBody | undefined,
  now: Instant,
  required: readonly HeaderField[] = [],
): SipRequest {
  const { record } = subscription
  const event = eventType(subscription.package, record.extras?.dialect)
  const headers: HeaderField[] = [
    ['Contact', contact],
    ['Event', record.eventId === undefined ? event : `${event};id=${record.eventId}`],
    ['Subscription-State', state],
    ...required,
  ]
  let body = content?.body
  if (content !== undefined) headers.push(['Content-Type', content.contentType])
  if (body !== undefined && record.deflates && body.length >= deflateFromOctets) {
    body = deflated(body)
    headers.push(['Content-Encoding', 'deflate'])
  }
  const { request, dialog } = requestInDialog(record.dialog, 'NOTIFY', headers, body, leastSequence(now))
  record.dialog = dialog
  if (record.extras?.isCompact) request.isCompact = true
  return request
}

/** Require, where a package cannot do without (RFC 3261 §20.32, RFC 4662 §4.1). */
export function requireFields({ requiredOptions }: EventPackage): readonly HeaderField[] {
  return requiredOptions === undefined ? [] : [['Require', requiredOptions.join(', ')]]
}

/** What is shorter does not get much shorter. */
const deflateFromOctets = 300

/**
 * CSeq grows with the clock, a second a step, however little is sent: so that it goes on growing when a power cut has taken
 * the latest numbers with it, and when a request that made a dialog comes again after its end (PS-41). It starts in 2020 and
 * stays below 2**31 until 2088 (RFC 3261 §8.1.1.5).
 */
export function leastSequence(now: Instant): number {
  return Math.floor((now - Date.UTC(2020, 0)) / 1000)
}

/**
 * Contact of the notifier for one dialog: `<sip:alice@192.0.2.1:5060;gr=ps>`. The user part is that of a resource in our domain,
 * with the parameters of the resource unless `local`, what To is in this dialog, tells them; else it is the whole resource,
 * escaped. `mark` tells the entity. `parameters` are further ones of the URI.
 */
export function contactOf(
  resource: string,
  transport: SubscriptionRecord['transport'],
  address: string,
  domain: string,
  mark: string,
  local: string,
  parameters = '',
): string {
  const scheme = transport === 'sips' ? 'sips' : 'sip'
  const parameter = transport === 'tcp' || transport === 'tls' ? `;transport=${transport}` : ''
  return `<${scheme}:${userOf(resource, domain, local)}@${address}${parameter};gr=${mark}${parameters}>`
}

/** The resource that a URI made by `contactOf` tells, without parameters where To has them; undefined for any other. */
export function resourceOfContact(uri: SipUri, domain: string, mark: string): string | undefined {
  if (uri.user === undefined || uri.params.get('gr') !== mark) return undefined
  const { user } = uri
  const parameters = /%3B/i.exec(user)?.index ?? user.length
  try {
    if (/^[a-z]+%3A/i.test(user)) return decodeURIComponent(user)
    // What an address has escaped in its user part is no semicolon, which may stand there as it is.
    return `sip:${user.slice(0, parameters)}@${domain}${decodeURIComponent(user.slice(parameters))}`
  } catch {
    return undefined
  }
}

function userOf(resource: string, domain: string, local: string): string {
  const at = resource.startsWith('sip:') ? resource.indexOf('@') : -1
  const end = at + 1 + domain.length
  const isInDomain = at !== -1 && resource.startsWith(domain, at + 1)
  if (isInDomain && resource.length === end) return resource.slice(4, at)
  // A list of a user has a parameter behind his address.
  if (isInDomain && resource.charCodeAt(end) === 59)
    return resource.slice(4, at) + (isIn(local, resource) ? '' : encodeURIComponent(resource.slice(end)))
  return encodeURIComponent(resource)
}

/** Whether a name-addr without display name has this URI, written as it is. */
function isIn(nameAddr: string, uri: string): boolean {
  return nameAddr.length === uri.length + 2 && nameAddr.startsWith(uri, 1)
}
