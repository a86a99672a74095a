/** An event package in service: what the notifier knows and keeps for it. Everything that handles subscriptions is given one. */

import type { FilterBounds } from '../../documents/simple-filter.ts'
import type { Transaction, Turn } from '../../turn.ts'
import type { EventPackage } from './event-package.ts'
import type { LegHolder } from './legs.ts'
import type { NotifierTables, ResourceRecord, SubscriptionRecord } from './subscription.ts'

export interface EventService {
  readonly eventPackage: EventPackage
  /** The package's name, first element of all keys. */
  readonly name: string
  readonly tables: NotifierTables
  readonly limits: NotifierLimits
  /** What was read last of the resources, which hundreds of answers to a fan-out ask for. */
  readonly latest: LatestResource
  /** 64*T1: how long a NOTIFY is tried. */
  readonly timeoutMs: number
  /** What our Contacts are marked with. */
  readonly mark: string
  /** Who holds legs here. */
  readonly holder: LegHolder | undefined
  /** For Allow-Events (RFC 6665 §4.4.4). */
  allowEvents(): readonly string[]
  /** Our Contact in the dialog of a subscription. */
  contact(resource: string, record: SubscriptionRecord, turn: Turn): string
}

export interface NotifierLimits {
  /** Subscriptions looked at, and so NOTIFYs made, in one turn; the rest of a fan-out follows in the next. */
  readonly notificationsPerTurn: number
  /** Subscriptions to one resource; a further one is answered 503 with Retry-After. */
  readonly subscriptionsPerResource: number
  /** Subscriptions of one subscriber; a further one is answered 503 with Retry-After. Without it they are not counted. */
  readonly subscriptionsPerSubscriber?: number
  /** Waiting watchers of one resource; a further one is forgotten at once, as if given up. */
  readonly waitingPerResource: number
  /** Shortest time after which a subscriber who wishes it is told something although nothing has changed (RFC 6446 §7.3). */
  readonly leastForcedMs: number
  /**
   * Of the filters of one subscription; and subscriptions with filters of one subscriber to one resource, since every change is
   * filtered for each of them: a further one is answered 503 with Retry-After.
   */
  readonly filter: FilterBounds & { readonly subscriptions: number }
  /** Pause between turns of NOTIFYs after a restart. */
  readonly restartPaceMs: number
}

export const defaultNotifierLimits: NotifierLimits = {
  notificationsPerTurn: 50,
  subscriptionsPerResource: 10_000,
  waitingPerResource: 200,
  leastForcedMs: 10_000,
  filter: {
    xml: { bytes: 16_384, depth: 16, nodes: 1_024, attributes: 32, nameLength: 256 },
    filters: 16,
    expressions: 64,
    expressionCharacters: 1_024,
    subscriptions: 16,
  },
  restartPaceMs: 100,
}

/** The last record of a resource that was read, good for as long as no resource changes. */
export class LatestResource {
  readonly #tables: NotifierTables
  readonly #name: string
  #revision = -1
  #resource = ''
  #record: ResourceRecord | undefined

  constructor(tables: NotifierTables, name: string) {
    this.#tables = tables
    this.#name = name
  }

  get(resource: string, db: Transaction): ResourceRecord | undefined {
    const { resources } = this.#tables
    const revision = db.revision(resources)
    if (revision !== this.#revision || resource !== this.#resource) {
      this.#record = db.get(resources, [this.#name, resource])
      this.#revision = revision
      this.#resource = resource
    }
    return this.#record
  }
}
