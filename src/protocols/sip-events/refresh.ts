/** SUBSCRIBE within a dialog (RFC 6665 §4.2.1.4, §4.1.2.3, RFC 3261 §12.2.2): refreshes or ends the subscription that it is about. */

import type { Output, Turn } from '../../turn.ts'
import { type Dialog, receivedInDialog } from '../sip/dialog.ts'
import { callOrTransactionDoesNotExist, forbidden } from '../sip/errors.ts'
import type { SipRequest } from '../sip/message.ts'
import { addressOfRecord, formatUri, isSipUri } from '../sip/uri.ts'
import { accept, granted } from './accept.ts'
import { holds, suppressIfMatch } from './condition.ts'
import { takesDeflate } from './content-coding.ts'
import { end } from './end.ts'
import { newPass, send } from './fan-out.ts'
import { indexFilters, noteFilters } from './filters.ts'
import { resourceOfContact } from './notify.ts'
import { ratesOf, rateWake } from './rate.ts'
import { acceptedType, checkBodyType, checkSupported, refusalOf, senderOf } from './request.ts'
import { flowOf } from './return-path.ts'
import type { EventService } from './service.ts'
import {
  notSubscribed,
  type ResourceRecord,
  type Subscription,
  type SubscriptionRecord,
  setExtras,
} from './subscription.ts'
import { indexSuppression, noteSuppression } from './suppression.ts'
import { expireToken, notifyToken, serveToken, wakeAt } from './wakes.ts'
import { tell, watcherOf } from './watcher.ts'

/**
 * Finds the subscription by its tags. Throws 481 when there is none, 500 for a CSeq that is too low, 403 when the dialog is
 * used for another subscription (`others` are all packages), and what `update` throws.
 */
export function refresh(
  request: SipRequest,
  service: EventService,
  others: Iterable<EventService>,
  eventId: string | undefined,
  turn: Turn,
): Output[] {
  const id = request.toTag!
  for (const resource of resourcesOf(request, service, turn)) {
    const record = turn.db.get(service.tables.subscriptions, [service.name, resource, id])
    if (record === undefined || record.dialog.callId !== request.callId) continue
    if (record.eventId !== eventId) throw forbidden('Dialog Sharing Not Supported')
    const dialog = receivedInDialog(record.dialog, request, true)
    return update(request, service, { package: service.name, resource, id, record }, dialog, turn)
  }
  for (const other of others) {
    if (other === service) continue
    for (const resource of resourcesOf(request, other, turn)) {
      const record = turn.db.get(other.tables.subscriptions, [other.name, resource, id])
      // RFC 6665 §4.5.2: a second usage of a dialog may be refused so.
      if (record?.dialog.callId === request.callId) throw forbidden('Dialog Sharing Not Supported')
    }
  }
  throw callOrTransactionDoesNotExist()
}

/** Resources that a request within a dialog may be about, as its Request-URI should, its To must, and its Request-URI might tell. */
function* resourcesOf(request: SipRequest, service: EventService, turn: Turn): Iterable<string> {
  const uri = request.requestUri
  const told = isSipUri(uri) ? resourceOfContact(uri, turn.settings.domain, service.mark) : undefined
  if (told !== undefined) yield told
  // COMPAT(libpurple): addresses a refresh to the address-of-record instead of our Contact.
  const to = addressOfRecord(request.to.uri)
  if (to !== told) yield to
  // A list has parameters, which our Contact leaves to To.
  const written = formatUri(request.to.uri)
  if (written !== to && written !== told) yield written
  let addressed: string
  try {
    addressed = service.eventPackage.resource(request, turn)
  } catch (error) {
    refusalOf(error)
    return
  }
  if (addressed !== to && addressed !== told && addressed !== written) yield addressed
}

/**
 * Extends, shortens or ends a subscription whose dialog has come to `dialog`, and notifies. Throws 403 for somebody else's
 * request, and what an initial SUBSCRIBE may be refused with.
 */
export function update(
  request: SipRequest,
  service: EventService,
  { resource, id, record: stored }: Subscription,
  dialog: Dialog,
  turn: Turn,
): Output[] {
  const subscriber = senderOf(request, turn)
  if ((subscriber.identities[0] ?? '') !== stored.subscriber) throw forbidden('Subscription of Another')
  checkSupported(request, service.eventPackage.requiredOptions ?? [])
  const state = service.eventPackage.authorize(resource, subscriber, turn)
  const seconds = granted(request, service, turn)
  const { contentTypes, contentTypeIfNamed } = service.eventPackage
  checkBodyType(request, service.eventPackage.subscribeContentTypes ?? [])
  const record: SubscriptionRecord = {
    ...stored,
    dialog,
    flow: flowOf(request),
    contentType: acceptedType(request, contentTypes, contentTypeIfNamed),
    deflates: takesDeflate(request),
    expiresAt: turn.now + seconds * 1000,
  }
  const subscription = { package: service.name, resource, id, record }
  setExtras(record, {
    rates: ratesOf(request.header('Event'), service, seconds, stored.extras, turn),
    condition: suppressIfMatch(request),
    isCompact: request.wasCompact || undefined,
  })
  noteFilters(service, subscription, request)
  noteSuppression(service, subscription, request, turn)
  service.eventPackage.accepted?.(subscription, request, turn)
  const isKnown = holds(service, subscription, new Map(), turn)
  if (!isKnown) setExtras(record, { condition: undefined })
  // The same SUBSCRIBE that made the subscription, come again, is answered as before.
  const isQuiet = isKnown && state === stored.state && request.toTag !== undefined
  const outputs: Output[] = [accept(request, service, subscription, seconds, turn, isQuiet ? 204 : 200)]
  if (request.body.length > 0) {
    indexFilters(service, subscription, turn)
    indexSuppression(service, subscription, turn)
  }
  if (seconds === 0) {
    outputs.push(...end(service, subscription, 'timeout', turn, isQuiet ? undefined : 'timeout', true))
    return outputs
  }
  // A wake at or before the end of every subscription is always pending: one that only lasts longer needs no other.
  if (record.expiresAt < stored.expiresAt)
    outputs.push(wakeAt(record.expiresAt, expireToken(service.name, resource, id)))
  const kept = turn.db.get(service.tables.resources, [service.name, resource]) ?? notSubscribed
  if (state !== record.state) {
    record.state = state
    record.event = state === 'active' ? 'approved' : 'subscribe'
    outputs.push(...tell(service, resource, watcherOf(id, record, state, record.event), turn))
  }
  if (isQuiet) {
    record.revision = kept.revision
    turn.db.put(service.tables.subscriptions, [service.name, resource, id], record)
    outputs.push(...(service.eventPackage.subscribed?.(subscription, request, turn) ?? []))
    outputs.push(...rateWake(service, resource, id, record, turn))
  } else outputs.push(...tellAll(service, subscription, kept, request, turn))
  return outputs
}

/** The NOTIFY that a SUBSCRIBE causes, which says everything (RFC 6665 §4.2.1.2). */
export function tellAll(
  service: EventService,
  subscription: Subscription,
  kept: ResourceRecord,
  request: SipRequest,
  turn: Turn,
): Output[] {
  const { eventPackage } = service
  const { resource, id, record } = subscription
  if (eventPackage.subscribed !== undefined) {
    record.revision = -1
    if (record.extras?.condition !== undefined)
      setExtras(record, { isUntold: request.toTag === undefined || undefined })
    turn.db.put(service.tables.subscriptions, [service.name, resource, id], record)
    const outputs = eventPackage.subscribed(subscription, request, turn)
    return [...outputs, wakeAt(turn.now, serveToken(service.name, resource, id))]
  }
  if (turn.inProgress(notifyToken(service.name, resource, id))) {
    // The answer to the NOTIFY that is under way brings the next one.
    record.revision = -1
    turn.db.put(service.tables.subscriptions, [service.name, resource, id], record)
    turn.db.put(service.tables.resources, [service.name, resource], { ...kept, unserved: true })
    return []
  }
  const pass = newPass(service, resource, kept.revision, turn)
  send(pass, subscription, { full: true, isReportable: true }, turn)
  return pass.outputs
}
