/** Permanent presence state, or hard state: what a presentity has said until further notice (RFC 4827, PS-120..123). */

import type { Output, Turn } from '../../turn.ts'
import { permanentPresence } from '../xdms/presence-xdms/pidf-manipulation.ts'
import { type CheckedSource, summaryOf } from './compose.ts'
import type { PresenceContext } from './context.ts'
import { endsToken } from './publish.ts'

/** One more source of composition, which never expires; undefined when there is none that can be read. */
export function permanentSource(presentity: string, turn: Turn): CheckedSource | undefined {
  const stored = permanentPresence(turn.db, presentity)
  if (stored === undefined) return undefined
  const { body, modifiedAt } = stored
  const summary = summaryOf(body)
  // The oldest of all, so that it keeps its ids whoever publishes the same.
  return summary && { key: 'permanent', kind: 'hard', bytes: body, since: 0, publishedAt: modifiedAt, summary }
}

/** It has changed: tells those who watch, now and when something in it ends (PS-121, OP-11). */
export function permanentPresenceChanged(presentity: string, turn: Turn, context: PresenceContext): Output[] {
  const outputs = context.presenceChanged(presentity, turn)
  const until = permanentSource(presentity, turn)?.summary.until
  if (until) outputs.push({ kind: 'wake', at: Math.max(until, turn.now), token: endsToken(presentity) })
  return outputs
}
