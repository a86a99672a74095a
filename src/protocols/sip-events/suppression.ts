/**
 * Suppression of notifications (OMA Presence SIMPLE 2.0, PS-138): while a subscriber is himself in a state that his filters name, he
 * is not told of changes. What answers a SUBSCRIBE, and changes of the subscription, he is told always. When his state is another
 * he is told what there is by then; until then he is one who does not know the latest revision.
 */

import {
  readSuppressionFilters,
  type SuppressionFilter,
  suppressionContentType,
} from '../../documents/suppression-filter.ts'
import type { Turn } from '../../turn.ts'
import { notAcceptableHere } from '../sip/errors.ts'
import type { SipRequest } from '../sip/message.ts'
import { bodiesOf } from './bodies.ts'
import type { Subscriber } from './event-package.ts'
import { readable } from './filters.ts'
import { noteOne } from './held.ts'
import type { EventService } from './service.ts'
import { type Subscription, type SubscriptionRecord, setExtras, subscriberOf } from './subscription.ts'

/** What a package knows of its subscribers themselves. */
export interface Suppression {
  /** Whether there is a state of this subscriber to compare with. */
  isKnown(subscriber: Subscriber, turn: Turn): boolean
  /** Whether that state is one that the filters name. `shared`: as in `Occasion`. */
  holds(
    filters: readonly SuppressionFilter[],
    subscriber: Subscriber,
    turn: Turn,
    shared: Map<string, unknown>,
  ): boolean
}

/**
 * Keeps the filters that a SUBSCRIBE brings in place of earlier ones; one without leaves them as they are. Throws 488 for such as
 * we cannot apply, 413 for a document that is too large.
 */
export function noteSuppression(
  service: EventService,
  { record }: Subscription,
  request: SipRequest,
  turn: Turn,
): void {
  const { suppression } = service.eventPackage
  if (suppression === undefined || request.body.length === 0) return
  const [first, second] = bodiesOf(request, suppressionContentType)
  if (first === undefined) return
  if (second !== undefined) throw notAcceptableHere('Filter sets are two')
  const bounds = service.limits.filter
  const filters = readable(first.body, bounds, () => readSuppressionFilters(first.body, bounds))
  if (filters.length > 0 && !suppression.isKnown(subscriberOf(record), turn))
    throw notAcceptableHere('Filter is about presence of the watcher that is not here')
  setExtras(record, { suppression: filters.length === 0 ? undefined : filters })
}

/**
 * Notes under whose name a subscription has such filters, or that it has none. Throws 503 when its subscriber has too many such to
 * this resource.
 */
export function indexSuppression({ name, tables, limits }: EventService, subscription: Subscription, turn: Turn): void {
  const { resource, id, record } = subscription
  const has = record.extras?.suppression !== undefined
  noteOne(tables.suppressing, [name, record.subscriber, resource], id, has, limits.filter.subscriptions, turn)
}

/** Whether a subscriber is not to be told of changes now. */
export function isSuppressed(
  { eventPackage }: EventService,
  record: SubscriptionRecord,
  shared: Map<string, unknown>,
  turn: Turn,
): boolean {
  const filters = record.extras?.suppression
  return filters !== undefined && eventPackage.suppression?.holds(filters, subscriberOf(record), turn, shared) === true
}
