/** The event package `presence` (RFC 3856 §6). */

import { pidfContentType } from '../../documents/pidf.ts'
import { pidfDiffContentType } from '../../documents/pidf-diff.ts'
import { simpleFilterContentType } from '../../documents/simple-filter.ts'
import { suppressionContentType } from '../../documents/suppression-filter.ts'
import { limits } from '../../limits.ts'
import { forbidden, notFound } from '../../protocols/sip/errors.ts'
import { mixedType } from '../../protocols/sip-events/bodies.ts'
import type { EventPackage, Watcher } from '../../protocols/sip-events/event-package.ts'
import type { Output, Turn } from '../../turn.ts'
import type { PresenceContext } from './context.ts'
import { ownState } from './own-state.ts'
import { partialRefused } from './partial.ts'
import { noteWhatIsTaken } from './reference.ts'
import { forgetTold, presenceHasNews, presenceTag, presenceView } from './view.ts'
import { filterTarget } from './watcher-filter.ts'

/** What a SUBSCRIBE may carry. */
export const subscribeContentTypes: readonly string[] = [simpleFilterContentType, suppressionContentType, mixedType]

/** `watcherChanged` is told of every watcher that comes to another state. */
export function presencePackage(
  context: PresenceContext,
  watcherChanged: (presentity: string, watcher: Watcher, turn: Turn) => Output[],
): EventPackage {
  return {
    name: 'presence',
    contentTypes: [pidfContentType, pidfDiffContentType],
    contentTypeIfNamed: pidfDiffContentType,
    defaultExpiresSeconds: 3600,
    waitingMs: limits.waitingWatcherMs,
    expiresBounds({ settings }) {
      const { subscriptionDefaultSeconds, subscriptionMinSeconds, subscriptionMaxSeconds } = settings.presence
      return {
        defaultSeconds: subscriptionDefaultSeconds,
        minSeconds: subscriptionMinSeconds,
        maxSeconds: subscriptionMaxSeconds,
      }
    },
    minNotifyIntervalMs: ({ settings }) => settings.presence.minNotifyIntervalSeconds * 1000,
    subscriberIntervalMs: (presentity, subscriber, turn) =>
      context.authorization.outcome(presentity, subscriber, turn).notification.intervalMs,
    resource(request, turn) {
      const presentity = context.userOf(request.requestUri)
      if (presentity === undefined || !context.isUser(turn.db, presentity)) throw notFound()
      return presentity
    },
    exists: (presentity, turn) => context.isUser(turn.db, presentity),
    authorize(presentity, subscriber, turn) {
      switch (context.authorization.outcome(presentity, subscriber, turn).handling) {
        case 'block':
          throw forbidden()
        case 'confirm':
          return 'pending'
        case 'polite-block':
        case 'allow':
          return 'active'
      }
    },
    body: (subscription, turn, occasion) => presenceView(subscription, turn, occasion, context),
    hasNews: (leg, turn, occasion) => presenceHasNews(leg, turn, occasion, context),
    subscribeContentTypes,
    filterTarget,
    suppression: ownState(context),
    accepted(subscription, request) {
      noteWhatIsTaken(subscription, request)
      if (request.body.length > 0) forgetTold(subscription)
    },
    entityTag: (subscription, turn, shared) => presenceTag(subscription, turn, shared, context),
    notifyFailed: partialRefused,
    watcherChanged,
    // No `lastBody`: who ends a subscription is spared the state, as RFC 6665 §4.1.2.3 lets a notifier do (against RFC 5263 §4.4).
  }
}
