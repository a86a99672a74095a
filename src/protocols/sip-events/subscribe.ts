/** SUBSCRIBE outside a dialog (RFC 6665 §4.2.1.1): a new subscription, or a fetch (§4.4.3). */

import type { Output, Turn } from '../../turn.ts'
import { dialogAsServer } from '../sip/dialog.ts'
import { serviceUnavailable } from '../sip/errors.ts'
import type { SipRequest } from '../sip/message.ts'
import { accept, granted } from './accept.ts'
import { currentTag, holds, suppressIfMatch } from './condition.ts'
import { takesDeflate } from './content-coding.ts'
import { indexFilters, noteFilters } from './filters.ts'
import { countHeld } from './held.ts'
import { notifyRequest, requireFields } from './notify.ts'
import { ratesOf } from './rate.ts'
import { tellAll, update } from './refresh.ts'
import { acceptedType, checkBodyType, checkSupported, senderOf } from './request.ts'
import { flowOf, transportOf } from './return-path.ts'
import type { EventService } from './service.ts'
import { notSubscribed, type Subscription, type SubscriptionRecord, setExtras } from './subscription.ts'
import { indexSuppression, noteSuppression } from './suppression.ts'
import { endWaiting, wait } from './waiting.ts'
import { expireToken, wakeAt } from './wakes.ts'
import { tell, watcherOf } from './watcher.ts'

/**
 * Creates a subscription, unless the same SUBSCRIBE has before: answers 200 and notifies at once.
 *
 * Throws what the package throws, usually 404 or 403; 423, 406, 415, 400 without a usable Contact, and 503 when there are too many.
 */
export function create(request: SipRequest, service: EventService, eventId: string | undefined, turn: Turn): Output[] {
  const { contentTypes, contentTypeIfNamed } = service.eventPackage
  const resource = service.eventPackage.resource(request, turn)
  checkSupported(request, service.eventPackage.requiredOptions ?? [])
  const subscriber = senderOf(request, turn)
  const state = service.eventPackage.authorize(resource, subscriber, turn)
  const seconds = granted(request, service, turn)
  const contentType = acceptedType(request, contentTypes, contentTypeIfNamed)
  checkBodyType(request, service.eventPackage.subscribeContentTypes ?? [])
  const { callId, fromTag = '' } = request
  const cseq = String(request.cseq.number)
  // The tag is the same whenever the same SUBSCRIBE comes again, so that one repeated after a restart of ours creates nothing.
  // COMPAT(libpurple): two of its users come with one Call-ID and From tag, so the subscriber is part of what is the same.
  const same = [callId, fromTag, cseq, service.name, resource, eventId ?? '', subscriber.identities[0] ?? '']
  const id = subscriptionId(turn.fingerprint('subscribe', ...same))
  const key = [service.name, resource, id]
  const record: SubscriptionRecord = {
    state,
    event: 'subscribe',
    subscriber: subscriber.identities[0] ?? '',
    alias: subscriber.identities[1],
    displayName: subscriber.displayName,
    dialog: dialogAsServer(request, id),
    flow: flowOf(request),
    transport: transportOf(request),
    eventId,
    contentType,
    deflates: takesDeflate(request),
    createdAt: turn.now,
    expiresAt: turn.now + seconds * 1000,
    notifiedAt: turn.now,
    revision: 0,
    version: 0,
    extras: undefined,
  }
  const subscription = { package: service.name, resource, id, record }
  setExtras(record, {
    rates: ratesOf(request.header('Event'), service, seconds, undefined, turn),
    condition: suppressIfMatch(request),
    isPrivate: subscriber.isPrivate || undefined,
    isCompact: request.wasCompact || undefined,
  })
  noteFilters(service, subscription, request)
  noteSuppression(service, subscription, request, turn)
  service.eventPackage.accepted?.(subscription, request, turn)
  if (seconds === 0) return fetch(request, service, subscription, turn)
  const existing = turn.db.get(service.tables.subscriptions, key)
  if (existing !== undefined)
    return update(request, service, { ...subscription, record: existing }, existing.dialog, turn)

  const kept = turn.db.get(service.tables.resources, [service.name, resource]) ?? notSubscribed
  if (kept.subscriptions >= service.limits.subscriptionsPerResource || !countHeld(service, record.subscriber, 1, turn))
    throw serviceUnavailable(60)
  turn.db.put(service.tables.resources, [service.name, resource], {
    ...kept,
    subscriptions: kept.subscriptions + 1,
  })
  if (record.extras?.filters !== undefined) indexFilters(service, subscription, turn)
  indexSuppression(service, subscription, turn)
  const outputs: Output[] = [accept(request, service, subscription, seconds, turn)]
  outputs.push(...tellAll(service, subscription, kept, request, turn))
  outputs.push(wakeAt(record.expiresAt, expireToken(service.name, resource, id)))
  if (state === 'pending') outputs.push(...endWaiting(service, resource, record.subscriber, 'giveup', turn))
  outputs.push(...tell(service, resource, watcherOf(id, record, state, 'subscribe'), turn))
  return outputs
}

/**
 * Names a subscription, and is our tag in its dialog (RFC 3261 §19.3): the 64 bits of a fingerprint in letters and digits, since
 * it goes with every NOTIFY and every answer, in entity-tags and in Content-IDs. It is still one of 2**57 to somebody who compares
 * tags without case (§7.3.1).
 */
function subscriptionId(fingerprint: string): string {
  let id = ''
  for (let rest = BigInt(`0x${fingerprint.slice(1)}`); id.length < 11; rest /= 62n)
    id += lettersAndDigits[Number(rest % 62n)]
  return id
}

const lettersAndDigits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** RFC 6665 §4.4.3: one NOTIFY and nothing kept; who is not yet decided upon is remembered as waiting (RFC 3857 §4.7.1). */
function fetch(request: SipRequest, service: EventService, subscription: Subscription, turn: Turn): Output[] {
  const { resource, id, record } = subscription
  const { eventPackage } = service
  const outputs = [
    accept(request, service, subscription, 0, turn),
    ...(eventPackage.subscribed?.(subscription, request, turn) ?? []),
  ]
  const shared = new Map<string, unknown>()
  const isKnown = holds(service, subscription, shared, turn)
  const tag = currentTag(service, subscription, shared, turn)
  const revision = turn.db.get(service.tables.resources, [service.name, resource])?.revision ?? 0
  const body =
    record.state === 'active' && !isKnown
      ? eventPackage.body(subscription, turn, { full: true, revision, shared })
      : undefined
  outputs.push({
    kind: 'request',
    request: notifyRequest(
      subscription,
      'terminated;reason=timeout',
      service.contact(resource, record, turn),
      body === 'unchanged' ? undefined : body,
      turn.now,
      tag === undefined ? requireFields(eventPackage) : [...requireFields(eventPackage), ['SIP-ETag', tag]],
    ),
    token: `fetch ${id}`,
    flow: record.flow,
  })
  outputs.push(...(eventPackage.ended?.(subscription, turn) ?? []))
  if (record.state === 'pending') outputs.push(...wait(service, subscription, turn))
  return outputs
}
