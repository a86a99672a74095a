/**
 * Whether and how a watcher may see a presentity (RFC 5025 §3.2.1, PS-70). Until rules documents exist, one setting decides
 * for everybody but the presentity himself.
 */

import type { Subscriber } from '../../protocols/sip-events/event-package.ts'
import type { Handling } from '../../settings.ts'
import type { Turn } from '../../turn.ts'

/** The sub-handling of a watcher. A presentity always sees himself (PS-93); who has no identity sees nobody (DEC-07, PS-77). */
export function presenceHandling(presentity: string, watcher: Subscriber, turn: Turn): Handling {
  if (watcher.identities.includes(presentity)) return 'allow'
  if (watcher.identities.length === 0) return 'block'
  return turn.settings.presence.defaultHandling
}
