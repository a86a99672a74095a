/** The end of a subscription (RFC 6665 §4.2.1.4, §4.4.1). */

import type { Output, Turn } from '../../turn.ts'
import { decide } from './decide.ts'
import { countHeld } from './held.ts'
import { beginLeg, isLeg, recordOfLeg, toHolder } from './legs.ts'
import { notifyRequest, requireFields } from './notify.ts'
import type { EventService } from './service.ts'
import { type Subscription, subscriberOf } from './subscription.ts'
import { type TerminationReason, transition } from './subscription-state.ts'
import { wait } from './waiting.ts'
import { expireToken, wakeAt } from './wakes.ts'
import { tell, watcherOf } from './watcher.ts'

/**
 * Ends a subscription by an event of the state machine. With `reason` its holder is told, at once, even while an earlier
 * NOTIFY is under way: without it he knows, or cannot be reached. `isWished`: he has asked for it.
 */
export function end(
  service: EventService,
  subscription: Subscription,
  event: TerminationReason,
  turn: Turn,
  reason?: TerminationReason,
  isWished = false,
): Output[] {
  const { resource, id, record } = subscription
  const { db } = turn
  const isHeld = isLeg(record)
  db.delete<unknown>(isHeld ? service.tables.legs : service.tables.subscriptions, [service.name, resource, id])
  if (!isHeld) countHeld(service, record.subscriber, -1, turn)
  if (record.extras?.filters !== undefined)
    db.delete(service.tables.filtering, [service.name, resource, record.subscriber, id])
  if (record.extras?.suppression !== undefined)
    db.delete(service.tables.suppressing, [service.name, record.subscriber, resource, id])
  const outputs: Output[] = []
  if (reason !== undefined && isHeld) {
    outputs.push(...toHolder(service, resource, id, turn.now))
  } else if (reason !== undefined) {
    const last = { ...subscription, record: { ...record } }
    const contact = service.contact(resource, record, turn)
    outputs.push({
      kind: 'request',
      request: notifyRequest(
        last,
        `terminated;reason=${reason}`,
        contact,
        service.eventPackage.lastBody?.(last, turn, isWished),
        turn.now,
        requireFields(service.eventPackage),
      ),
      token: `end ${id}`,
      flow: record.flow,
    })
  }
  outputs.push(...(service.eventPackage.ended?.(subscription, turn) ?? []))
  const key = [service.name, resource]
  const kept = db.get(service.tables.resources, key)
  if (kept !== undefined && kept.subscriptions > 1) {
    db.put(service.tables.resources, key, {
      ...kept,
      subscriptions: kept.subscriptions - 1,
      legs: (kept.legs ?? 0) - (isHeld ? 1 : 0),
    })
  } else {
    db.delete(service.tables.resources, key)
    service.eventPackage.unwatched?.(resource, db)
  }
  const isUndecided = transition(record.state, event) === 'waiting' && service.eventPackage.waitingMs !== undefined
  // The decision may have been taken while its holder could not be told.
  if (isUndecided && decide(service, resource, subscriberOf(record), turn) === 'pending') {
    outputs.push(...wait(service, subscription, turn))
  } else {
    outputs.push(...tell(service, resource, watcherOf(id, record, 'terminated', event), turn))
  }
  return outputs
}

/** RFC 6665 §4.2.1.4: a subscription nobody has refreshed ends. */
export function expire(service: EventService, resource: string, id: string, turn: Turn): Output[] {
  const record = turn.db.get(service.tables.subscriptions, [service.name, resource, id])
  if (record === undefined) return []
  if (record.expiresAt > turn.now) return [wakeAt(record.expiresAt, expireToken(service.name, resource, id))]
  const subscription = { package: service.name, resource, id, record }
  // A box that was off for long does not tell people what they have known since.
  const isNews = turn.now - record.expiresAt < service.timeoutMs
  return end(service, subscription, 'timeout', turn, isNews ? 'timeout' : undefined)
}

/** The holder of a leg wants it, or no longer. */
export function legWanted(service: EventService, resource: string, id: string, turn: Turn): Output[] {
  const leg = turn.db.get(service.tables.legs, [service.name, resource, id])
  if (leg === undefined) return beginLeg(service, resource, id, turn)
  if (service.holder?.subscriber(service.name, resource, id, turn) !== undefined) return []
  return end(service, { package: service.name, resource, id, record: recordOfLeg(leg) }, 'timeout', turn)
}
