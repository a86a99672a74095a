/**
 * Conditional notification (RFC 5839): a subscriber who knows the state of a resource says so by its entity-tag, and is not
 * told it again.
 */

import type { Turn } from '../../turn.ts'
import { badRequest } from '../sip/errors.ts'
import type { SipRequest } from '../sip/message.ts'
import type { EventService } from './service.ts'
import type { Subscription, SubscriptionRecord } from './subscription.ts'

/** The condition of a SUBSCRIBE: an entity-tag, or `*`. Throws 400 when it is not a single one (§5.2). */
export function suppressIfMatch(request: SipRequest): string | undefined {
  const text = request.header('Suppress-If-Match')
  if (text === undefined) return undefined
  if (text === '' || /[\s,]/.test(text) || request.headers('Suppress-If-Match').length > 1) {
    throw badRequest('One Entity-Tag Expected in Suppress-If-Match')
  }
  return text
}

/** Whether the condition of a subscription holds: the state that its subscriber would be told now is the one he knows (§6.1). */
export function holds(
  service: EventService,
  subscription: Subscription,
  shared: Map<string, unknown>,
  turn: Turn,
): boolean {
  const condition = subscription.record.extras?.condition
  if (condition === undefined) return false
  if (condition === '*') return true
  return (
    condition === currentTag(service, subscription, shared, turn) &&
    service.eventPackage.isBehind?.(subscription, turn) !== true
  )
}

/** The entity-tag of what the subscriber would be told now, or was told last; undefined when that is nothing. `known`: what the package says of it. */
export function currentTag(
  service: EventService,
  subscription: Subscription,
  shared: Map<string, unknown>,
  turn: Turn,
  known?: string,
): string | undefined {
  const { record } = subscription
  // Who is not yet let in is told nothing: a state as well, that is one of all resources (§6.1).
  if (record.state !== 'active') return tagWith(record.state, record, turn)
  const { entityTag } = service.eventPackage
  const tag = known ?? (entityTag ? entityTag(subscription, turn, shared) : revisionTag(service, subscription, turn))
  return tag && tagWith(tag, record, turn)
}

/** What a subscriber knows is what there was to tell at a revision, which none but he is told under this tag. */
function revisionTag({ name, tables }: EventService, { resource, id }: Subscription, { db }: Turn): string {
  return `${id}.${db.get(tables.resources, [name, resource])?.revision ?? 0}`
}

/** The tag tells header fields of the NOTIFY as well, such as the type and coding of its body (§4), and what it was filtered by. */
function tagWith(tag: string, { contentType, deflates, eventId, extras }: SubscriptionRecord, turn: Turn): string {
  const filtered =
    extras?.filters === undefined ? '' : `.${turn.fingerprint('filters', JSON.stringify(extras.filters))}`
  const told = `.${contentType}${deflates ? 'd' : ''}${filtered}${eventId === undefined ? '' : `.${eventId}`}`
  return told === '.0' ? tag : tag + told
}
