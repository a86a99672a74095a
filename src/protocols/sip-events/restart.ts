/** What the notifier does when the box has started again. */

import type { Instant, Output, Turn } from '../../turn.ts'
import { finish, newPass, type Pass, serve } from './fan-out.ts'
import type { EventService } from './service.ts'
import { notSubscribed, type ResourceRecord } from './subscription.ts'
import { restartToken, wakeAt } from './wakes.ts'

/**
 * Looks through all subscriptions of a package, from the one with tag `from` to `resource` on, a few in each turn. A NOTIFY
 * younger than 64*T1 may never have left, or its retransmissions ended with the process: its subscriber is told again. Others
 * that are due had been left for an answer or an interval.
 */
export function afterRestart(
  service: EventService,
  restartedAt: Instant,
  resource: string | undefined,
  from: string | undefined,
  turn: Turn,
): Output[] {
  const { notificationsPerTurn, restartPaceMs } = service.limits
  const prefix = [service.name]
  const begin = resource === undefined || from === undefined ? prefix : [service.name, resource, from]
  const range = { prefix, from: begin, limit: notificationsPerTurn + 1 }
  const outputs: Output[] = []
  let sent = 0
  let seen = 0
  let pass: Pass | undefined
  let kept: ResourceRecord = notSubscribed
  const finishPass = () => {
    if (pass === undefined) return
    outputs.push(...finish(pass, kept, turn))
    sent += pass.sent
  }
  for (const [key, record] of turn.db.range(service.tables.subscriptions, range)) {
    const [, of, id] = key as readonly [string, string, string]
    if (seen++ === notificationsPerTurn) {
      finishPass()
      const pauseMs = sent > 0 ? restartPaceMs : 0
      return [...outputs, wakeAt(turn.now + pauseMs, restartToken(service.name, restartedAt, of, id))]
    }
    if (pass === undefined || pass.resource !== of) {
      finishPass()
      kept = turn.db.get(service.tables.resources, [service.name, of]) ?? notSubscribed
      pass = newPass(service, of, kept.revision, turn)
    }
    if (record.expiresAt <= turn.now) continue
    const isRecent = record.notifiedAt <= restartedAt && record.notifiedAt >= restartedAt - service.timeoutMs
    if (isRecent) serve(pass, id, { ...record, revision: -1 }, turn)
    else if (record.revision < kept.revision) serve(pass, id, record, turn)
  }
  finishPass()
  return outputs
}
