/**
 * What an event package declares to the notifier (RFC 6665 §5.4): names, durations, body types, and how it authorizes and
 * describes a resource. The notifier knows no package; a package knows no dialog.
 */

import type { Instant, Output, Transaction, Turn } from '../../turn.ts'
import type { SipRequest } from '../sip/message.ts'
import type { Subscription } from './subscription.ts'
import type { WatcherEvent, WatcherStatus } from './subscription-state.ts'
import type { Suppression } from './suppression.ts'

/** Who subscribes, as authentication has established it (RFC 3325; RFC 5025 §3.1.1.2). */
export interface Subscriber {
  /** Asserted addresses-of-record, at most one of a kind (sip, tel), the first being the principal one; none: anonymous. */
  readonly identities: readonly string[]
  readonly displayName: string | undefined
  /** Whether those he watches are not to learn who he is (RFC 3325 §7); what he may see is decided by his identity all the same. */
  readonly isPrivate?: boolean
}

export interface NotifyBody {
  readonly contentType: string
  readonly body: Uint8Array
  /** What making it asks for besides. */
  readonly outputs?: readonly Output[]
  /** As the package's `entityTag` is now, where making the body has shown that. */
  readonly entityTag?: string | undefined
}

/** Why a NOTIFY is about to be made. */
export interface Occasion {
  /** True when everything is to be said: in answer to a SUBSCRIBE, after a failed NOTIFY, or after a restart. */
  readonly full: boolean
  /** True when a NOTIFY is to be sent even if there is nothing new, which then is what it says. */
  readonly isForced?: boolean
  /** The revision of the resource that the subscriber is told of by this NOTIFY; he knows `subscription.record.revision`. */
  readonly revision: number
  /** For what a package wants to make once for all NOTIFYs about one resource in one turn, under keys of its own. */
  readonly shared: Map<string, unknown>
}

/** One subscription as watcher information shows it (RFC 3858 §3). */
export interface Watcher {
  /** Unique among the subscriptions of the box; a token. */
  readonly id: string
  /** Address-of-record; empty when anonymous, or when he does not want it known. */
  readonly uri: string
  readonly displayName: string | undefined
  readonly status: WatcherStatus
  readonly event: WatcherEvent
  readonly subscribedAt: Instant
  /** When the subscription ends; undefined once it has, and while that is for its holder to say. */
  readonly expiresAt: Instant | undefined
}

export interface EventPackage {
  /** The token of the Event header field, templates included: `presence`, `presence.winfo`. */
  readonly name: string
  /** Templates are not listed in Allow-Events (RFC 6665 §4.4.4). */
  readonly isTemplate?: boolean
  /** What NOTIFYs can carry; the first is meant when SUBSCRIBE has no Accept (RFC 6665 §5.4.5). */
  readonly contentTypes: readonly string[]
  /** One of these that is sent only to who names it, and then, with equal q, before the others (RFC 5263 §4.3). */
  readonly contentTypeIfNamed?: string
  /** What SUBSCRIBE may carry (RFC 6665 §5.4.3); none unless given. */
  readonly subscribeContentTypes?: readonly string[]
  /**
   * The one name of a resource, as `resource` gives it, that a filter may call so (RFC 4660 §3.3.2). With it SUBSCRIBE may bring
   * filters, which are kept in `extras.filters`; the package applies them (`filterOf`).
   */
  filterTarget?(uri: string): string
  /** Takes filters that suppress notifications by the subscriber's own state (`suppression.ts`). */
  readonly suppression?: Suppression
  /** Option tags without which nobody can read the NOTIFYs: 421 to who does not support them, Require towards who does. */
  readonly requiredOptions?: readonly string[]
  /** Lifetime of a subscription that asks for none (RFC 6665 §5.4.4). */
  readonly defaultExpiresSeconds: number
  /** Bounds of what is granted; the settings may decide, so it is asked each time. Without it there are none. */
  expiresBounds?(turn: Turn): {
    readonly minSeconds: number
    readonly maxSeconds: number
    readonly defaultSeconds?: number
  }
  /** Shortest time between two NOTIFYs of one subscription that a change has caused (RFC 6665 §5.4.10); without it 0. */
  minNotifyIntervalMs?(turn: Turn): number
  /** A longer such time for one subscriber; without it the same for all. */
  subscriberIntervalMs?(resource: string, subscriber: Subscriber, turn: Turn): number
  /** Whether one subscription is to be told without regard to such times; without it never. */
  isUrgent?(resource: string, id: string, turn: Turn): boolean
  /** How long a subscription that ended before it was decided upon stays known as `waiting` (RFC 3857 §4.7.1); without it not at all. */
  readonly waitingMs?: number

  /** The address-of-record or other URI, as canonical text, that a SUBSCRIBE outside a dialog is about. Throws notFound(). */
  resource(request: SipRequest, turn: Turn): string
  /** Whether the resource still exists; asked when policies change. Without it, always. */
  exists?(resource: string, turn: Turn): boolean
  /** The decision as it stands now; asked again before every NOTIFY. Throws forbidden() to refuse or end the subscription. */
  authorize(resource: string, subscriber: Subscriber, turn: Turn, shared?: Map<string, unknown>): 'active' | 'pending'
  /**
   * The body for an active subscription. `undefined`: a NOTIFY without one. `unchanged`, only if not `occasion.full`: what
   * this subscriber may know is as it was, so nothing is sent. May write `subscription.record.version` and, with
   * `setOwn`, what it keeps for this subscription alone.
   */
  body(subscription: Subscription, turn: Turn, occasion: Occasion): NotifyBody | undefined | 'unchanged'
  /**
   * Whether `body` would tell a leg (`legs.ts`) something: its holder makes what he tells later. Writes of the subscription
   * what `body` would. Without it `body` is asked.
   */
  hasNews?(leg: Subscription, turn: Turn, occasion: Occasion): boolean
  /**
   * The entity-tag (RFC 5839 §6.1) of the whole state that an active subscription would be told now, without telling it: no
   * other state of this resource has the same. Without it, one that holds within a subscription: of the revision.
   */
  entityTag?(subscription: Subscription, turn: Turn, shared: Map<string, unknown>): string | undefined
  /**
   * Whether the entity-tag is that of what the last NOTIFY has told, and there is news since, which the next one would add to
   * it. Without it there never is.
   */
  isBehind?(subscription: Subscription, turn: Turn): boolean
  /** The body of the NOTIFY that ends a subscription, by its subscriber's wish or otherwise; without it none. */
  lastBody?(subscription: Subscription, turn: Turn, isWished: boolean): NotifyBody | undefined

  /**
   * A NOTIFY was refused without ending the subscription: its body has not arrived. May change the subscription with `setOwn`,
   * or by a `revision` of -1 have everything told anew, and then returns true.
   */
  notifyFailed?(subscription: Subscription): boolean

  /**
   * A SUBSCRIBE, be it a fetch, is to be accepted: what it asks for beyond the common may be kept, with `setOwn` or otherwise,
   * before a condition of it is looked at. May throw a refusal.
   */
  accepted?(subscription: Subscription, request: SipRequest, turn: Turn): void
  /**
   * A SUBSCRIBE, the first or a later one, has been accepted. With this hook the NOTIFY it causes is made in a turn after what
   * the hook asks for. May throw a refusal.
   */
  subscribed?(subscription: Subscription, request: SipRequest, turn: Turn): Output[]
  /** A subscription has ended, be it a fetch. */
  ended?(subscription: Subscription, turn: Turn): Output[]
  /** A subscription of this package has come to another state, transient ones left out (RFC 3857 §4.7.2). */
  watcherChanged?(resource: string, watcher: Watcher, turn: Turn): Output[]
  /** The last subscription to this resource has ended. */
  unwatched?(resource: string, db: Transaction): void
}
