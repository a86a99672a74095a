/**
 * A subscription as the notifier keeps it: the dialog it lives in (RFC 3261 §12), who holds it, until when, and what has been
 * told so far. One record per subscription, rewritten by every NOTIFY, so it stays small.
 */

import type { Filter } from '../../documents/simple-filter.ts'
import type { SuppressionFilter } from '../../documents/suppression-filter.ts'
import { type FlowId, type Instant, type Table, table } from '../../turn.ts'
import type { Dialog } from '../sip/dialog.ts'
import type { Dialect } from './dialect.ts'
import type { Subscriber } from './event-package.ts'
import type { LegRecord } from './legs.ts'
import type { AgreedRates } from './rate.ts'
import type { WatcherEvent } from './subscription-state.ts'

/** Every field is always present, so that all records have one shape. */
export interface SubscriptionRecord {
  state: 'active' | 'pending'
  /** What led to the state. */
  event: WatcherEvent
  /** Principal address-of-record of the subscriber; empty when anonymous. */
  subscriber: string
  /** Another identity asserted with it, such as a tel URI. */
  alias: string | undefined
  displayName: string | undefined

  dialog: Dialog
  /** The flow NOTIFYs take, when the subscriber is to be reached by the one his SUBSCRIBE came by. */
  flow: FlowId | undefined
  /** How the SUBSCRIBE came, which our Contact repeats. */
  transport: 'udp' | 'tcp' | 'tls' | 'sips'
  /** The `id` of Event, with which it is echoed (RFC 6665 §4.5.2). */
  eventId: string | undefined
  /** Place of the negotiated type in the package's list. */
  contentType: number
  /** Whether bodies may be sent deflated (RFC 3261 §20.2). */
  deflates: boolean

  createdAt: Instant
  expiresAt: Instant
  /** When the last NOTIFY was made. */
  notifiedAt: Instant
  /** The revision of the resource it told of; -1 when the subscriber must be told everything anew. */
  revision: number
  /** The package's own counter, such as the version of a document. */
  version: number
  /** What only few subscriptions have. */
  extras: SubscriptionExtras | undefined
}

/** What a subscription has that uses a feature of which most make no use; others do not pay for it. Plain data. */
export interface SubscriptionExtras {
  /** What is agreed on the rate of NOTIFYs (RFC 6446). */
  readonly rates?: AgreedRates | undefined
  /** The entity-tag that the subscriber says he knows, or `*` (RFC 5839 §5.2); as long as that is what he would be told. */
  readonly condition?: string | undefined
  /** True while the NOTIFY that answers a SUBSCRIBE outside a dialog is to come, which no condition suppresses. */
  readonly isUntold?: boolean | undefined
  /** True when watcher information is not to say who the subscriber is. */
  readonly isPrivate?: true | undefined
  /** Whether he writes header names in their compact forms, and is written to with them. */
  readonly isCompact?: boolean | undefined
  /** NOTIFYs in a row that he has not taken, and when that was last. */
  readonly failed?: { readonly count: number; readonly at: Instant } | undefined
  /** In which spelling NOTIFYs are told, when not in that of the standard. */
  readonly dialect?: Dialect | undefined
  /** What he wants to be told, and when (RFC 4660). */
  readonly filters?: readonly Filter[] | undefined
  /** While he is himself in one of these states, he is not told of changes (PS-138). */
  readonly suppression?: readonly SuppressionFilter[] | undefined
  /** The package's own. */
  readonly own?: unknown
}

export interface Subscription {
  readonly package: string
  readonly resource: string
  /** Our dialog tag. */
  readonly id: string
  /** A copy, which the notifier stores after the package has seen it. */
  readonly record: SubscriptionRecord
}

/** What the notifier keeps per resource, as long as someone subscribes to it. */
export interface ResourceRecord {
  /** Legs included. */
  readonly subscriptions: number
  /** How many of them are legs (`legs.ts`); undefined in what was written before there were any. */
  readonly legs: number | undefined
  /** Grows with every change of what subscribers may be told. */
  readonly revision: number
  /** True when somebody could not be told of this revision because a NOTIFY to him was in progress. */
  readonly unserved: boolean
}

export const notSubscribed: ResourceRecord = { subscriptions: 0, legs: 0, revision: 0, unserved: false }

/** A subscription that ended before it was decided upon (RFC 3857 §4.7.1); at most one per resource and subscriber. */
export interface WaitingRecord {
  readonly id: string
  readonly displayName: string | undefined
  readonly alias: string | undefined
  readonly isPrivate?: true
  readonly createdAt: Instant
  readonly until: Instant
}

export interface NotifierTables {
  /** Keyed [package, resource, our dialog tag]. */
  readonly subscriptions: Table<SubscriptionRecord>
  /** Keyed [package, resource, id]. */
  readonly legs: Table<LegRecord>
  /** Keyed [package, resource]. */
  readonly resources: Table<ResourceRecord>
  /** Keyed [package, resource, address-of-record of the subscriber]. */
  readonly waiting: Table<WaitingRecord>
  /** Subscriptions with `extras.suppression`: keyed [package, address-of-record of the subscriber, resource, our dialog tag]. */
  readonly suppressing: Table<null>
  /** Subscriptions with `extras.filters`: keyed [package, resource, address-of-record of the subscriber, our dialog tag]. */
  readonly filtering: Table<null>
  /** How many subscriptions somebody holds, where that is bounded: keyed [address-of-record of the subscriber]. */
  readonly held: Table<number>
}

/** The tables of one notifier; those of another entity have other names. */
export function notifierTables(owner: string): NotifierTables {
  return {
    subscriptions: table(`${owner} subscriptions`, 'soft'),
    legs: table(`${owner} legs`, 'soft'),
    resources: table(`${owner} subscribed resources`, 'soft'),
    waiting: table(`${owner} waiting watchers`, 'soft'),
    suppressing: table(`${owner} suppressing`, 'soft'),
    filtering: table(`${owner} filtering`, 'soft'),
    held: table(`${owner} held`, 'soft'),
  }
}

export function subscriberOf(record: Pick<SubscriptionRecord, 'subscriber' | 'alias' | 'displayName'>): Subscriber {
  const { subscriber, alias, displayName } = record
  const identities = subscriber === '' ? [] : alias === undefined ? [subscriber] : [subscriber, alias]
  return { identities, displayName }
}

/** Keeps something of the package's own for one subscription; undefined keeps nothing. */
export function setOwn({ record }: Subscription, own: unknown): void {
  setExtras(record, { own })
}

/** Changes some extras; those that are undefined are no longer kept. */
export function setExtras(record: SubscriptionRecord, change: SubscriptionExtras): void {
  const extras = { ...record.extras, ...change }
  const kept = Object.entries(extras).filter(([, value]) => value !== undefined)
  record.extras = kept.length === 0 ? undefined : Object.fromEntries(kept)
}
