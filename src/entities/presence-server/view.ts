/**
 * What one watcher is sent: the composed document as authorization lets him see it (PS-111). Watchers with equal permission
 * share one view, made once per turn.
 */

import { pidfContentType } from '../../documents/pidf.ts'
import type { NotifyBody, Occasion } from '../../protocols/sip-events/event-package.ts'
import { type Subscription, subscriberOf } from '../../protocols/sip-events/subscription.ts'
import type { Turn } from '../../turn.ts'
import { presenceHandling } from './authorize.ts'
import type { PresenceContext } from './context.ts'
import { presenceDocument, unavailableDocument } from './presence-document.ts'

/** Which view a subscription was sent last, in its `version`. */
const COMPOSED = 1
const UNAVAILABLE = 2

/**
 * The body of a presence NOTIFY. Who is politely blocked gets what is told of a user who is not there, and then nothing more:
 * a user who is not there does not change (PS-100, RFC 5025 §3.2.1).
 */
export function presenceView(
  subscription: Subscription,
  turn: Turn,
  occasion: Occasion,
  context: PresenceContext,
): NotifyBody | 'unchanged' {
  const { resource, record } = subscription
  if (presenceHandling(resource, subscriberOf(record), turn) === 'polite-block') {
    if (record.version === UNAVAILABLE && !occasion.full) return 'unchanged'
    record.version = UNAVAILABLE
    return once(occasion, 'unavailable', () => unavailableDocument(resource, turn.now))
  }
  record.version = COMPOSED
  return once(occasion, 'composed', () => presenceDocument(resource, turn, context).bytes)
}

function once({ shared }: Occasion, view: string, make: () => Uint8Array): NotifyBody {
  let made = shared.get(view) as NotifyBody | undefined
  if (made === undefined) {
    made = { contentType: pidfContentType, body: make() }
    shared.set(view, made)
  }
  return made
}
