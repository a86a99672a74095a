/** Subscriptions as watchers (RFC 3858 §3), for the packages that want to know of them. */

import type { Output, Turn } from '../../turn.ts'
import type { Watcher } from './event-package.ts'
import type { EventService } from './service.ts'
import type { SubscriptionRecord, WaitingRecord } from './subscription.ts'

export function watcherOf(
  id: string,
  record: SubscriptionRecord,
  status: Watcher['status'],
  event: Watcher['event'],
): Watcher {
  const isPrivate = record.extras?.isPrivate === true
  return {
    id,
    uri: isPrivate ? '' : record.subscriber,
    displayName: isPrivate ? undefined : record.displayName,
    status,
    event,
    subscribedAt: record.createdAt,
    // A leg lasts as long as its holder wants.
    expiresAt: status === 'terminated' || !Number.isFinite(record.expiresAt) ? undefined : record.expiresAt,
  }
}

export function waitingWatcher(subscriber: string, waiting: WaitingRecord): Watcher {
  return {
    id: waiting.id,
    uri: waiting.isPrivate ? '' : subscriber,
    displayName: waiting.isPrivate ? undefined : waiting.displayName,
    status: 'waiting',
    event: 'timeout',
    subscribedAt: waiting.createdAt,
    expiresAt: undefined,
  }
}

/** Tells the package that a watcher of one of its resources has come to another state. */
export function tell(service: EventService, resource: string, watcher: Watcher, turn: Turn): Output[] {
  return service.eventPackage.watcherChanged?.(resource, watcher, turn) ?? []
}
