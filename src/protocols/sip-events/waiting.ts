/** Watchers whose subscription ended before anybody decided upon it (RFC 3857 §4.7.1). */

import type { Output, Turn } from '../../turn.ts'
import type { Watcher } from './event-package.ts'
import type { EventService } from './service.ts'
import type { Subscription, WaitingRecord } from './subscription.ts'
import { giveUpToken, wakeAt } from './wakes.ts'
import { tell, waitingWatcher, watcherOf } from './watcher.ts'

/** Remembers a subscription that ended undecided; an older one of the same watcher gives way (RFC 3857 §4.7.1). */
export function wait(service: EventService, subscription: Subscription, turn: Turn): Output[] {
  const { resource, id, record } = subscription
  const { waitingMs } = service.eventPackage
  if (waitingMs === undefined || record.subscriber === '') return []
  const outputs = endWaiting(service, resource, record.subscriber, 'giveup', turn)
  let others = 0
  const range = { prefix: [service.name, resource], limit: service.limits.waitingPerResource }
  for (const _ of turn.db.range(service.tables.waiting, range)) others++
  if (others === service.limits.waitingPerResource) {
    outputs.push(...tell(service, resource, watcherOf(id, record, 'terminated', 'giveup'), turn))
    return outputs
  }
  const waiting: WaitingRecord = {
    id,
    displayName: record.displayName,
    alias: record.alias,
    ...(record.extras?.isPrivate && { isPrivate: true }),
    createdAt: record.createdAt,
    until: turn.now + waitingMs,
  }
  turn.db.put(service.tables.waiting, [service.name, resource, record.subscriber], waiting)
  outputs.push(
    ...tell(service, resource, waitingWatcher(record.subscriber, waiting), turn),
    wakeAt(waiting.until, giveUpToken(service.name, resource, record.subscriber)),
  )
  return outputs
}

/** A waiting watcher has been decided upon, has come again, or has waited long enough. */
export function endWaiting(
  service: EventService,
  resource: string,
  subscriber: string,
  event: 'approved' | 'rejected' | 'giveup' | 'noresource',
  turn: Turn,
): Output[] {
  const key = [service.name, resource, subscriber]
  const waiting = turn.db.get(service.tables.waiting, key)
  if (waiting === undefined) return []
  turn.db.delete(service.tables.waiting, key)
  const watcher: Watcher = {
    ...waitingWatcher(subscriber, waiting),
    status: 'terminated',
    event,
    expiresAt: undefined,
  }
  return tell(service, resource, watcher, turn)
}

/** A waiting entry may have waited long enough. */
export function giveUp(service: EventService, resource: string, subscriber: string, turn: Turn): Output[] {
  const waiting = turn.db.get(service.tables.waiting, [service.name, resource, subscriber])
  if (waiting === undefined) return []
  if (waiting.until > turn.now) {
    return [wakeAt(waiting.until, giveUpToken(service.name, resource, subscriber))]
  }
  return endWaiting(service, resource, subscriber, 'giveup', turn)
}
