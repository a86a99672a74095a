/**
 * The publications of a presentity as the Event State Compositor keeps them (RFC 3903 §6): soft state per entity-tag, one
 * source of composition each (PS-86).
 */

import type { PidfSummary } from '../../documents/published-pidf.ts'
import { type Instant, type Transaction, table } from '../../turn.ts'

export interface Publication {
  readonly entityTag: string
  /** The tag before, by which a request that comes again is known; empty for the first. */
  readonly previousTag: string
  readonly document: Uint8Array
  readonly summary: PidfSummary
  /** When the publication began. */
  readonly since: Instant
  /** When the document was published; refreshing it does not count. */
  readonly publishedAt: Instant
  /** What the last answer granted; 0 once removed. */
  readonly lifetimeSeconds: number
  readonly expiresAt: Instant
}

/** Keyed [presentity, publication]. A removed one stays, empty, until its request cannot come again. */
const publications = table<Publication>('publications', 'soft')

/** As stored: it may have been removed or have expired. */
export function storedPublication(db: Transaction, presentity: string, id: string): Publication | undefined {
  return db.get(publications, [presentity, id])
}

/** Whether a publication is in force: neither removed nor expired. */
export function isCurrent(publication: Publication, now: Instant): boolean {
  return publication.lifetimeSeconds > 0 && publication.expiresAt > now
}

/** The publications of a presentity that are in force, by their ids. */
export function currentPublications(
  db: Transaction,
  presentity: string,
  now: Instant,
): { readonly id: string; readonly publication: Publication }[] {
  const found: { readonly id: string; readonly publication: Publication }[] = []
  for (const [key, publication] of db.range(publications, { prefix: [presentity] })) {
    if (isCurrent(publication, now)) found.push({ id: key[1] as string, publication })
  }
  return found
}

export function putPublication(db: Transaction, presentity: string, id: string, publication: Publication): void {
  db.put(publications, [presentity, id], publication)
}

export function deletePublication(db: Transaction, presentity: string, id: string): void {
  db.delete(publications, [presentity, id])
}

/** How many publications are in force. Walks them all, so it is for people, not for turns. */
export function countPublications(db: Transaction, now: Instant): number {
  let count = 0
  for (const [, publication] of db.range(publications, {})) if (isCurrent(publication, now)) count++
  return count
}
