/** How much of what costs a subscriber holds: who fills a resource up, or has everything filtered, keeps everybody else out. */

import type { Table, Turn } from '../../turn.ts'
import { serviceUnavailable } from '../sip/errors.ts'
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

/**
 * Notes in a table of subscriptions that have something costly, keyed [...of, id], that this is one or is none. Throws 503 when `of`
 * has as many as there may be.
 */
export function noteOne(
  table: Table<null>,
  of: readonly string[],
  id: string,
  isOne: boolean,
  most: number,
  { db }: Turn,
): void {
  const key = [...of, id]
  const isNoted = db.get(table, key) !== undefined
  if (isNoted === isOne) return
  if (!isOne) db.delete(table, key)
  else if ([...db.range(table, { prefix: of, limit: most })].length === most) throw serviceUnavailable(60)
  else db.put(table, key, null)
}
