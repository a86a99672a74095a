/** Who is no user any more is told nothing more: his subscriptions end, and he is told that (RFC 6665 §4.1.3, `rejected`). */

import type { Output, Turn } from '../../turn.ts'
import { end } from './end.ts'
import type { EventService } from './service.ts'
import { departedToken, wakeAt } from './wakes.ts'

/** Looked at in one turn. Users go seldom, so that nobody keeps account of whose subscriptions there are. */
const subscriptionsPerTurn = 500

/** Ends the subscriptions of somebody to resources of a package, from the one with this key on. */
export function endThoseOf(
  service: EventService,
  subscriber: string,
  from: readonly [resource: string, id: string],
  turn: Turn,
): Output[] {
  const { name, tables } = service
  const outputs: Output[] = []
  let seen = 0
  const range = { prefix: [name], from: [name, ...from], limit: subscriptionsPerTurn + 1 }
  for (const [key, record] of turn.db.range(tables.subscriptions, range)) {
    const [, resource, id] = key as readonly [string, string, string]
    if (seen++ === subscriptionsPerTurn)
      return [...outputs, wakeAt(turn.now, departedToken(name, subscriber, resource, id))]
    if (record.subscriber === subscriber)
      outputs.push(...end(service, { package: name, resource, id, record }, 'rejected', turn, 'rejected'))
  }
  return outputs
}
