/** Permanent presence state, or hard state: what a presentity has said until further notice (RFC 4827, PS-120..123). */

import type { Output, Turn } from '../../turn.ts'
import type { DocumentReader } from '../xdms/document-reader.ts'
import { pidfManipulation } from '../xdms/presence-xdms/pidf-manipulation.ts'
import { type CheckedSource, summaryOf } from './compose.ts'
import type { PresenceContext } from './context.ts'
import { endsToken } from './publish.ts'

/** One more source of composition, which never expires; undefined when there is none that can be read. */
export function permanentSource(presentity: string, turn: Turn, documents: DocumentReader): CheckedSource | undefined {
  const found = documents.of(turn.db, pidfManipulation.auid, presentity)
  // The one document has two names, and a server elsewhere may know either (DEC-04).
  const stored = found === 'unavailable' ? undefined : found[0]
  if (stored === undefined) return undefined
  const { body, modifiedAt } = stored
  const summary = summaryOf(body)
  // The oldest of all, so that it keeps its ids whoever publishes the same.
  return summary && { key: 'permanent', kind: 'hard', bytes: body, since: 0, publishedAt: modifiedAt, summary }
}

/** It has changed: tells those who watch, now and when something in it ends (PS-121, OP-11). */
export function permanentPresenceChanged(presentity: string, turn: Turn, context: PresenceContext): Output[] {
  const outputs = context.presenceChanged(presentity, turn)
  const until = permanentSource(presentity, turn, context.documents)?.summary.until
  if (until) outputs.push({ kind: 'wake', at: Math.max(until, turn.now), token: endsToken(presentity) })
  return outputs
}
