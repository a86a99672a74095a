/** How many subscriptions one subscriber holds, for notifiers that bound that: who fills a resource up keeps everybody else out. */

import type { Turn } from '../../turn.ts'
import type { EventService } from './service.ts'

/** Counts one more (1) or less (-1) of a subscriber's; false, with nothing counted, when he has as many as he may. */
export function countHeld({ tables, limits }: EventService, subscriber: string, change: 1 | -1, { db }: Turn): boolean {
  const most = limits.subscriptionsPerSubscriber
  // Those who are nobody in particular are not one.
  if (most === undefined || subscriber === '') return true
  const held = (db.get(tables.held, [subscriber]) ?? 0) + change
  if (held > most) return false
  if (held > 0) db.put(tables.held, [subscriber], held)
  else db.delete(tables.held, [subscriber])
  return true
}
