/** What was withheld from subscribers by their own state (`suppression.ts`) and is told when that is another. */

import type { Output, Transaction, Turn } from '../../turn.ts'
import { serveOne } from './fan-out.ts'
import type { EventService } from './service.ts'
import { subscriberToken, wakeAt } from './wakes.ts'

/** Whether somebody has subscriptions with such filters. */
export function isSuppressing({ name, tables }: EventService, subscriber: string, db: Transaction): boolean {
  for (const _ of db.range(tables.suppressing, { prefix: [name, subscriber], limit: 1 })) return true
  return false
}

/** The state of a subscriber has changed: he is told what was withheld, unless it still is. As many as one turn may. */
export function subscriberChanged(
  service: EventService,
  subscriber: string,
  from: readonly string[],
  turn: Turn,
): Output[] {
  const { notificationsPerTurn } = service.limits
  const prefix = [service.name, subscriber]
  const range = { prefix, from: [...prefix, ...from], limit: notificationsPerTurn + 1 }
  const outputs: Output[] = []
  let seen = 0
  for (const [key] of turn.db.range(service.tables.suppressing, range)) {
    const [, , resource, id] = key as readonly [string, string, string, string]
    if (seen++ === notificationsPerTurn)
      return [...outputs, wakeAt(turn.now, subscriberToken(service.name, subscriber, resource, id))]
    outputs.push(...serveOne(service, resource, id, turn))
  }
  return outputs
}
