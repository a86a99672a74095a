/** Who may subscribe to a list (RFC 4662 §4.4, RLS-18). */

import type { Subscriber } from '../../protocols/sip-events/event-package.ts'
import type { Turn } from '../../turn.ts'
import type { DocumentAddress } from '../xdms/documents.ts'
import type { ListContext } from './context.ts'

/** Whether there is such a list, and he may subscribe to it. */
export function mayRead(uri: string, watcher: Subscriber, { documents }: ListContext, turn: Turn): boolean {
  const place = documents.placeOf(turn.db, uri)
  return place !== undefined && mayReadAt(place, watcher, turn)
}

/**
 * The same of the list that stands there: its owner may, and where the operator has opened lists anybody with an identity;
 * lists of the global tree are for everybody.
 */
export function mayReadAt({ xui }: DocumentAddress, { identities }: Subscriber, { settings }: Turn): boolean {
  if (identities.length === 0) return false
  return xui === '' || identities.includes(xui) || settings.lists.openTo === 'everybody'
}
