/** Who may subscribe to a list (RFC 4662 §4.4, RLS-18). */

import type { Subscriber } from '../../protocols/sip-events/event-package.ts'
import type { Turn } from '../../turn.ts'
import type { ListContext } from './context.ts'

/** Its owner, and where the operator has opened lists anybody with an identity; lists of the global tree are for everybody. */
export function mayRead(uri: string, { identities }: Subscriber, { documents }: ListContext, turn: Turn): boolean {
  const place = documents.placeOf(turn.db, uri)
  if (place === undefined || identities.length === 0) return false
  return place.xui === '' || identities.includes(place.xui) || turn.settings.lists.openTo === 'everybody'
}
