/** Subscribers to presence who have notifications suppressed by their own presence (OMA Presence SIMPLE 2.0, PS-138). */

import { parsePidf } from '../../documents/pidf-parts.ts'
import { suppresses } from '../../documents/suppression-filter.ts'
import { limits } from '../../limits.ts'
import type { Subscriber } from '../../protocols/sip-events/event-package.ts'
import type { Suppression } from '../../protocols/sip-events/suppression.ts'
import type { PresenceContext } from './context.ts'
import { once } from './once.ts'
import { composedLimits } from './partial.ts'
import { presenceDocument } from './presence-document.ts'

/** What somebody's filters compare with: all that he says of himself, for it is his own. */
export function ownState(context: PresenceContext): Suppression {
  const self = ({ identities: [principal = ''] }: Subscriber) => principal
  return {
    isKnown: (subscriber, { db }) => context.isUser(db, self(subscriber)),
    holds(filters, subscriber, turn, shared) {
      const user = self(subscriber)
      if (!context.isUser(turn.db, user)) return false
      const own = once(shared, `self ${user}`, () => {
        return parsePidf(presenceDocument(user, turn, context).bytes, composedLimits).root
      })
      return suppresses(filters, own, limits.filter.steps)
    },
  }
}
