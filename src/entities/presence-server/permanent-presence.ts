/** Permanent presence state, or hard state: what a presentity has said until further notice (RFC 4827, PS-120..123). */

import { pidfParts } from '../../documents/pidf-parts.ts'
import type { XmlElement } from '../../documents/xml/tree.ts'
import type { Output, Turn } from '../../turn.ts'
import type { DocumentReader } from '../xdms/document-reader.ts'
import { pidfManipulation } from '../xdms/presence-xdms/pidf-manipulation.ts'
import { type CheckedSource, summaryOf } from './compose.ts'
import type { PresenceContext } from './context.ts'
import { type Withheld, withheldFrom } from './rules/filter.ts'
import { presenceWakes } from './wakes.ts'

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

/**
 * How far a presentity lets somebody else set what he is permanently: `perm-handling` and the transformations of his publication
 * rules (PS-112, decided so: the texts of the OMA say no more than the name). Returns what of a change goes beyond, if anything
 * does; undefined when nothing may be set.
 */
export function permanentPresenceCheck(
  presentity: string,
  writer: readonly string[],
  turn: Turn,
  { authorization }: Pick<PresenceContext, 'authorization'>,
): PermanentPresenceCheck | undefined | 'unavailable' {
  const outcome = authorization.publication(presentity, { identities: writer }, turn, 'permanent')
  if (outcome === 'unavailable') return outcome
  if (outcome.handling !== 'allow') return undefined
  const { permissions } = outcome
  return (before, after) => {
    const [old, next] = [before, after].map(root => root && pidfParts(root))
    if (old !== undefined && next !== undefined && old.entity !== next.entity) return 'entity'
    const had = (old === undefined ? [] : withheldFrom(old, permissions)).sort(byText)
    const has = (next === undefined ? [] : withheldFrom(next, permissions)).sort(byText)
    for (let at = 0; at < Math.max(had.length, has.length); at++) {
      const [first, second] = [had[at], has[at]]
      if (first?.text === second?.text) continue
      // In their order, the lesser of the two is the one that the other document does not have.
      return (second === undefined || (first !== undefined && first.text < second.text) ? first! : second).name
    }
    return undefined
  }
}

type PermanentPresenceCheck = (before: XmlElement | undefined, after: XmlElement | undefined) => string | undefined

function byText(a: Withheld, b: Withheld): number {
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0
}

/** It has changed: tells those who watch, now and when something in it ends (PS-121, OP-11). */
export function permanentPresenceChanged(presentity: string, turn: Turn, context: PresenceContext): Output[] {
  const outputs = context.presenceChanged(presentity, turn)
  const until = permanentSource(presentity, turn, context.documents)?.summary.until
  if (until) outputs.push(presenceWakes.elementsEnd(presentity, Math.max(until, turn.now)))
  return outputs
}
