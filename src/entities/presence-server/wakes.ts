/**
 * The wakes by which the Presence Server learns that something it shows or obeys has changed, or changes at a time:
 * registrations, accounts, settings, documents, what is published until then.
 */

import { policiesWake, resourceWake } from '../../protocols/sip-events/notifier.ts'
import type { Instant, Output } from '../../turn.ts'

/** Whose wakes these are. */
export const owner = 'presence-server'

export const presenceWakes = {
  /** A source of a presentity's presence, such as his registration. */
  sourceChanged: (presentity: string, now: Instant): Output => resourceWake('presence', presentity, now, owner),
  /** A setting that decides about watchers of everybody, such as `presence.defaultHandling`. */
  policiesChanged: (now: Instant): Output => policiesWake(now, owner),
  /** The documents of a presentity that say who may see him, or the time at which they say something else. */
  rulesChanged: (presentity: string, at: Instant): Output => ({
    kind: 'wake',
    entity: owner,
    at,
    token: `rules ${presentity}`,
  }),
  /** Something published or stored has ended by its `until` (OP-11). */
  elementsEnd: (presentity: string, at: Instant): Output => ({
    kind: 'wake',
    entity: owner,
    at,
    token: `ends ${presentity}`,
  }),
  /** An account has been made or removed. */
  userChanged: (presentity: string, now: Instant): Output => ({
    kind: 'wake',
    entity: owner,
    at: now,
    token: `user ${presentity}`,
  }),
} as const
