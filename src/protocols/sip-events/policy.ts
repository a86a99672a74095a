/** What changes of policy do to subscriptions that live or wait (RFC 5025 §3.2.1, RFC 3857 §4.7.1). */

import type { Output, Turn } from '../../turn.ts'
import { decide } from './decide.ts'
import { end } from './end.ts'
import { resourceChanged } from './fan-out.ts'
import { recordOfLeg } from './legs.ts'
import type { EventService } from './service.ts'
import { subscriberOf } from './subscription.ts'
import { endWaiting } from './waiting.ts'
import { policiesToken, policyToken, wakeAt } from './wakes.ts'

/** What may be told to whom has changed: every subscription is decided upon anew, and the waiting ones with them. */
export function policyChanged(service: EventService, resource: string, turn: Turn): Output[] {
  const outputs: Output[] = []
  const exists = service.eventPackage.exists?.(resource, turn) ?? true
  for (const [key, waiting] of turn.db.range(service.tables.waiting, { prefix: [service.name, resource] })) {
    const subscriber = key[2] as string
    const decision = exists ? decide(service, resource, subscriberOf({ subscriber, ...waiting }), turn) : 'noresource'
    if (decision === 'pending') continue
    const event = decision === 'active' ? 'approved' : decision
    outputs.push(...endWaiting(service, resource, subscriber, event, turn))
  }
  if (exists) {
    outputs.push(...resourceChanged(service, resource, turn))
    return outputs
  }
  return [...outputs, ...endAll(service, resource, turn)]
}

/** The resource is gone: its subscriptions end, as many as one turn may. */
function endAll(service: EventService, resource: string, turn: Turn): Output[] {
  const outputs: Output[] = []
  const range = { prefix: [service.name, resource], limit: service.limits.notificationsPerTurn }
  for (const [key, record] of turn.db.range(service.tables.subscriptions, range)) {
    const subscription = { package: service.name, resource, id: key[2] as string, record }
    outputs.push(...end(service, subscription, 'noresource', turn, 'noresource'))
  }
  for (const [key, leg] of turn.db.range(service.tables.legs, range)) {
    const subscription = { package: service.name, resource, id: key[2] as string, record: recordOfLeg(leg) }
    outputs.push(...end(service, subscription, 'noresource', turn, 'noresource'))
  }
  const isMore = turn.db.get(service.tables.resources, [service.name, resource]) !== undefined
  if (isMore) outputs.push(wakeAt(turn.now, policyToken(service.name, resource)))
  return outputs
}

/**
 * A policy of the whole box has changed: wakes for every resource of a package that has subscriptions, then for every one with
 * waiting watchers; as many as one turn may, beginning where the one before stopped.
 */
export function policiesChanged(
  service: EventService,
  kind: 'subscribed' | 'waiting',
  resource: string,
  subscriber: string,
  turn: Turn,
): Output[] {
  const { notificationsPerTurn } = service.limits
  const records = kind === 'waiting' ? service.tables.waiting : service.tables.resources
  const prefix = [service.name]
  const from = subscriber === '' ? [service.name, resource] : [service.name, resource, subscriber]
  const range = { prefix, from, limit: notificationsPerTurn + 1 }
  const outputs = new Map<string, Output>()
  let seen = 0
  for (const [key] of turn.db.range<unknown>(records, range)) {
    const [, of, watcher] = key as readonly [string, string, string?]
    if (seen++ === notificationsPerTurn) {
      return [...outputs.values(), wakeAt(turn.now, policiesToken(service.name, kind, of, watcher))]
    }
    outputs.set(of, wakeAt(turn.now, policyToken(service.name, of)))
  }
  if (kind === 'subscribed') outputs.set('', wakeAt(turn.now, policiesToken(service.name, 'waiting')))
  return [...outputs.values()]
}
