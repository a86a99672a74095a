/**
 * Bindings that have ended, kept for a minute so that whoever watches the registration learns how each contact was lost
 * (RFC 3680 §4.7.1: the terminated state lasts until it has been notified).
 */

import { limits } from '../../limits.ts'
import { notifierTables } from '../../protocols/sip-events/subscription.ts'
import { type Instant, type Output, type Transaction, table } from '../../turn.ts'
import type { Binding } from './bindings.ts'

/** Why a contact is no longer bound (RFC 3680 §4.7.1). */
export type EndEvent = 'expired' | 'unregistered' | 'rejected' | 'deactivated'

export interface EndedBinding {
  readonly binding: Binding
  readonly event: EndEvent
  readonly endedAt: Instant
  /** The revision of the registration that tells of it. */
  readonly revision: number
}

/** Keyed [address-of-record]; oldest first. */
const endedBindings = table<readonly EndedBinding[]>('ended-bindings', 'soft')

/** The registrar's wakes to forget ended bindings have this word and the address-of-record as their token. */
export const FORGETTING = 'ended'

/** Longer than any interval between two notifications of a registration. */
const KEPT_MS = 60_000

/** Where the registrar's notifier keeps those who watch registrations. */
const watchers = notifierTables('registrar')

/** The number under which those who watch a registration will be told of what changes now; undefined when nobody watches. */
export function nextRevision(db: Transaction, aor: string): number | undefined {
  const watched = db.get(watchers.resources, ['reg', aor])
  return watched === undefined ? undefined : watched.revision + 1
}

/** Bindings of an address-of-record that ended after this revision and are still known, oldest first. */
export function endedSince(db: Transaction, aor: string, revision: number): readonly EndedBinding[] {
  return (db.get(endedBindings, [aor]) ?? []).filter(ended => ended.revision > revision)
}

/**
 * Notes that bindings have ended, if anybody watches; the oldest beyond the limit are forgotten at once. Returns the wake to
 * forget these.
 */
export function noteEnded(
  db: Transaction,
  aor: string,
  bindings: readonly Binding[],
  event: EndEvent,
  now: Instant,
): Output[] {
  const revision = bindings.length === 0 ? undefined : nextRevision(db, aor)
  if (revision === undefined) return []
  const known = [
    ...(db.get(endedBindings, [aor]) ?? []),
    ...bindings.map(binding => ({ binding, event, endedAt: now, revision })),
  ]
  db.put(endedBindings, [aor], known.slice(-limits.endedBindingsPerUser))
  return [forgetAt(aor, now + KEPT_MS)]
}

/** Forgets what ended long enough ago. */
export function forgetEnded(db: Transaction, aor: string, now: Instant): Output[] {
  const known = db.get(endedBindings, [aor])
  if (known === undefined) return []
  const kept = known.filter(({ endedAt }) => endedAt + KEPT_MS > now)
  if (kept.length === 0) {
    db.delete(endedBindings, [aor])
    return []
  }
  if (kept.length < known.length) db.put(endedBindings, [aor], kept)
  return [forgetAt(aor, kept[0]!.endedAt + KEPT_MS)]
}

function forgetAt(aor: string, at: Instant): Output {
  return { kind: 'wake', entity: 'registrar', at, token: `${FORGETTING} ${aor}` }
}
