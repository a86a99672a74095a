/**
 * The raw presence document of a presentity: his sources gathered and composed (PS-86, RFC 3856 §3). What a watcher gets of
 * it is for `view.ts`.
 */

import { limits } from '../../limits.ts'
import type { Instant, Turn } from '../../turn.ts'
import type { DocumentReader } from '../xdms/document-reader.ts'
import { type CheckedSource, type ComposeOptions, type Composition, compose } from './compose.ts'
import type { PresenceContext } from './context.ts'
import { permanentSource } from './permanent-presence.ts'
import { currentPublications } from './publications.ts'

/** What is told of a presentity to those who may see everything, and when that changes by itself. */
export function presenceDocument(presentity: string, turn: Turn, context: PresenceContext): Composition {
  const sources = presenceSources(presentity, turn, context.documents)
  const state = context.registrationState(turn.db, presentity, turn.now)
  // Of somebody who is not registered the registrar says nothing: it cannot tell one who has left from one who never comes.
  return compose(presentity, sources, state === 'active' ? { state } : undefined, {
    ...composeOptions(turn.now),
    softOverridesHard: turn.settings.presence.softOverridesHard,
  })
}

/** What devices have published, and what the presentity has stored for good (PS-86, PS-121). */
export function presenceSources(presentity: string, turn: Turn, documents: DocumentReader): CheckedSource[] {
  const sources = currentPublications(turn.db, presentity, turn.now).map(
    ({ id, publication: { document, since, publishedAt, summary } }): CheckedSource => ({
      key: id,
      kind: 'soft',
      bytes: document,
      since,
      publishedAt,
      summary,
    }),
  )
  const permanent = permanentSource(presentity, turn, documents)
  if (permanent !== undefined) sources.push(permanent)
  return sources
}

/** What is told of a presentity of whom nothing is known, octet for octet; also of one who hides that way (PS-100, PS-124). */
export function unavailableDocument(presentity: string, now: Instant): Uint8Array {
  return compose(presentity, [], undefined, composeOptions(now)).bytes
}

function composeOptions(now: Instant): ComposeOptions {
  return { now, maximumOctets: limits.composedOctets }
}
