/**
 * Legs: subscriptions that another entity of the box holds for somebody, as a Resource List Server does for who subscribes to a
 * list (RFC 4662 §4, "virtual subscriptions"). A leg is decided upon, paced, counted and shown to the owner like any other
 * subscription, by the same code; only that its news wake its holder, who then reads the state, in place of a NOTIFY.
 */

import type { Filter } from '../../documents/simple-filter.ts'
import type { EntityName, Instant, Output, Turn } from '../../turn.ts'
import type { Dialog } from '../sip/dialog.ts'
import { decide } from './decide.ts'
import type { NotifyBody, Occasion, Subscriber } from './event-package.ts'
import type { EventService } from './service.ts'
import { notSubscribed, type Subscription, type SubscriptionRecord, setExtras } from './subscription.ts'
import { legToken } from './wakes.ts'
import { tell, watcherOf } from './watcher.ts'

/** The entity that holds legs with a notifier, and what it wants of them. */
export interface LegHolder {
  readonly entity: EntityName
  /** For whom the leg with this id is held; undefined: for nobody, or no longer. */
  subscriber(packageName: string, resource: string, id: string, turn: Turn): Subscriber | undefined
}

/** A leg as it is kept: ten thousand lists of fifty are half a million of these, so there is nothing in it that could be read elsewhere. */
export interface LegRecord {
  /** Place in `statuses`. */
  readonly status: number
  readonly subscriber: string
  readonly alias: string | undefined
  readonly displayName: string | undefined
  readonly isPrivate?: true
  readonly createdAt: Instant
  readonly notifiedAt: Instant
  readonly revision: number
  readonly version: number
}

const statuses = [
  { state: 'active', event: 'subscribe' },
  { state: 'active', event: 'approved' },
  { state: 'pending', event: 'subscribe' },
] as const

/** A leg has no dialog; this one stands where code for all subscriptions wants one. */
const noDialog: Dialog = {
  callId: '',
  localTag: '',
  remoteTag: '',
  localUri: '',
  remoteUri: '',
  localSequence: undefined,
  remoteSequence: undefined,
  remoteTarget: '',
  routeSet: [],
  secure: false,
}

export function isLeg(record: SubscriptionRecord): boolean {
  return record.dialog === noDialog
}

/** A leg as a subscription, which lasts as long as its holder wants it. */
export function recordOfLeg(leg: LegRecord): SubscriptionRecord {
  const { status, isPrivate, ...kept } = leg
  return { ...blank, ...statuses[status]!, ...kept, extras: isPrivate && { isPrivate } }
}

const blank: SubscriptionRecord = {
  state: 'active',
  event: 'subscribe',
  subscriber: '',
  alias: undefined,
  displayName: undefined,
  dialog: noDialog,
  flow: undefined,
  transport: 'udp',
  eventId: undefined,
  contentType: 0,
  deflates: false,
  createdAt: 0,
  expiresAt: Number.POSITIVE_INFINITY,
  notifiedAt: 0,
  revision: 0,
  version: 0,
  extras: undefined,
}

/** Stores a subscription where its kind is kept. */
export function keep(service: EventService, { resource, id, record }: Subscription, turn: Turn): void {
  const key = [service.name, resource, id]
  if (!isLeg(record)) {
    turn.db.put(service.tables.subscriptions, key, record)
    return
  }
  const { subscriber, alias, displayName, createdAt, notifiedAt, revision, version } = record
  const status = statuses.findIndex(({ state, event }) => state === record.state && event === record.event)
  turn.db.put(service.tables.legs, key, {
    status,
    subscriber,
    alias,
    displayName,
    ...(record.extras?.isPrivate && { isPrivate: true }),
    createdAt,
    notifiedAt,
    revision,
    version,
  })
}

/** Whether there is something to tell the holder of a leg. */
export function hasNews({ eventPackage }: EventService, leg: Subscription, occasion: Occasion, turn: Turn): boolean {
  if (leg.record.state !== 'active') return true
  return eventPackage.hasNews?.(leg, turn, occasion) ?? eventPackage.body(leg, turn, occasion) !== 'unchanged'
}

/** The wake by which the holder of a leg learns that there is news of it, or that it has ended. */
export function toHolder(service: EventService, resource: string, id: string, now: Instant): Output[] {
  if (service.holder === undefined) return []
  return [{ kind: 'wake', at: now, entity: service.holder.entity, token: legToken(service.name, resource, id) }]
}

/** Makes a leg that its holder wants, if there is none; undefined when it is there or may not be. `end` is for who no longer wants it. */
export function beginLeg(service: EventService, resource: string, id: string, turn: Turn): Output[] {
  const subscriber = service.holder?.subscriber(service.name, resource, id, turn)
  const key = [service.name, resource, id]
  if (subscriber === undefined || turn.db.get(service.tables.legs, key) !== undefined) return []
  if (service.eventPackage.exists?.(resource, turn) === false) return []
  const decision = decide(service, resource, subscriber, turn)
  if (decision !== 'active' && decision !== 'pending') return []
  const kept = turn.db.get(service.tables.resources, [service.name, resource]) ?? notSubscribed
  if (kept.subscriptions >= service.limits.subscriptionsPerResource) return []
  const { identities, displayName } = subscriber
  const record: SubscriptionRecord = {
    ...blank,
    state: decision,
    subscriber: identities[0] ?? '',
    alias: identities[1],
    displayName,
    createdAt: turn.now,
    notifiedAt: turn.now,
    revision: kept.revision,
    extras: subscriber.isPrivate ? { isPrivate: true } : undefined,
  }
  turn.db.put(service.tables.resources, [service.name, resource], {
    ...kept,
    subscriptions: kept.subscriptions + 1,
    legs: (kept.legs ?? 0) + 1,
  })
  const subscription = { package: service.name, resource, id, record }
  // What its holder is about to show counts as told: who may see nothing of a change must not learn of the first one either.
  hasNews(service, subscription, { full: true, revision: kept.revision, shared: new Map() }, turn)
  keep(service, subscription, turn)
  return tell(service, resource, watcherOf(id, record, decision, 'subscribe'), turn)
}

/** How somebody is to be told of a resource. */
export interface Telling {
  /** For packages that number their documents. */
  readonly version: number
  /** Where he takes partial state or has a filter: what the package has kept of what he was told before, and whether all is to be said. */
  readonly before?: { readonly own: unknown; readonly full: boolean } | undefined
  /** Whether he takes partial state (`contentTypeIfNamed`). */
  readonly takesPartial?: boolean
  /** What he is told it through (RFC 4660); of a package that takes filters. */
  readonly filter?: Filter | undefined
}

/** What somebody is told of a resource: all of it while he may know it, and otherwise why he is told nothing. */
export interface ResourceState {
  readonly state: 'active' | 'pending' | 'terminated'
  /** Of `terminated` (RFC 6665 §4.1.3). */
  readonly reason: 'rejected' | 'noresource' | 'giveup' | undefined
  /** `unchanged`: his filter leaves nothing that he does not know. */
  readonly body: NotifyBody | undefined | 'unchanged'
  /** What the package keeps of it, for who takes partial state or has a filter. */
  readonly own?: unknown
}

/** What the leg with this id tells now; it need not stand yet. */
export function stateOfLeg(
  service: EventService,
  resource: string,
  id: string,
  subscriber: Subscriber,
  { version, before, takesPartial = false, filter }: Telling,
  turn: Turn,
): ResourceState {
  const { eventPackage } = service
  const ended = (reason: ResourceState['reason']): ResourceState => ({ state: 'terminated', reason, body: undefined })
  if (eventPackage.exists?.(resource, turn) === false) return ended('noresource')
  const decision = decide(service, resource, subscriber, turn)
  if (decision === 'pending') return { state: decision, reason: undefined, body: undefined }
  if (decision !== 'active') return ended(decision)
  const kept = turn.db.get(service.tables.resources, [service.name, resource]) ?? notSubscribed
  const isFull = kept.subscriptions >= service.limits.subscriptionsPerResource
  if (isFull && turn.db.get(service.tables.legs, [service.name, resource, id]) === undefined) return ended('giveup')
  const { identities, displayName } = subscriber
  const record: SubscriptionRecord = {
    ...blank,
    subscriber: identities[0] ?? '',
    alias: identities[1],
    displayName,
    version,
  }
  const { contentTypes, contentTypeIfNamed } = eventPackage
  if (takesPartial && contentTypeIfNamed !== undefined) {
    record.contentType = contentTypes.indexOf(contentTypeIfNamed)
    record.notifiedAt = turn.now
  }
  const isKept = record.contentType > 0 || filter !== undefined
  // The filter was found to be for this resource, whatever it is for by its own words.
  const filters = filter && [{ ...filter, uri: undefined, domain: undefined }]
  if (isKept) setExtras(record, { own: before?.own, filters })
  const body = eventPackage.body({ package: service.name, resource, id, record }, turn, {
    full: !isKept || (before?.full ?? true),
    isForced: filter === undefined,
    revision: kept.revision,
    shared: new Map(),
  })
  return { state: 'active', reason: undefined, body, own: record.extras?.own }
}
