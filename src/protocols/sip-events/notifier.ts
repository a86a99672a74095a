/**
 * The notifier of RFC 6665 §4.2 for any event packages: accepts, refreshes and ends subscriptions, and sends every subscriber
 * one NOTIFY after another until he knows the latest revision of the resource.
 */

import type { Filter } from '../../documents/simple-filter.ts'
import type { Output, Transaction, Turn } from '../../turn.ts'
import { badEvent } from '../sip/errors.ts'
import type { SipRequest, SipResponse } from '../sip/message.ts'
import { endThoseOf } from './departed.ts'
import { end, expire, legWanted } from './end.ts'
import type { EventPackage, Subscriber, Watcher } from './event-package.ts'
import {
  fanOut,
  fanOutToLegs,
  keepRate,
  notifyAnswered,
  resourceChanged,
  serveOne,
  subscriptionChanged,
} from './fan-out.ts'
import { type LegHolder, type ResourceState, recordOfLeg, stateOfLeg, type Telling } from './legs.ts'
import { contactOf } from './notify.ts'
import { policiesChanged, policyChanged } from './policy.ts'
import { refresh } from './refresh.ts'
import { eventOf } from './request.ts'
import { afterRestart } from './restart.ts'
import { defaultNotifierLimits, type EventService, LatestResource, type NotifierLimits } from './service.ts'
import { create } from './subscribe.ts'
import { type NotifierTables, notifierTables, type SubscriptionRecord } from './subscription.ts'
import type { TerminationReason } from './subscription-state.ts'
import { giveUp } from './waiting.ts'
import { departedToken, policiesToken, restartToken, subscriberToken, wakeAt } from './wakes.ts'
import { waitingWatcher, watcherOf } from './watcher.ts'
import { isSuppressing, subscriberChanged } from './withheld.ts'

export { departedWake, legWake, policiesWake, policyWake, resourceWake } from './wakes.ts'
export type { LegHolder, NotifierLimits, ResourceState, Telling }

export interface NotifierOptions {
  /** The entity that owns it, by which its tables are called. Never changes. */
  readonly owner: string
  /** What its Contact is marked with, in every NOTIFY; the owner's name by default. */
  readonly mark?: string
  readonly packages: readonly EventPackage[]
  /** Event packages that others serve for the same resources: Allow-Events names these too (RFC 6665 §4.4.4). */
  readonly servedBeside?: readonly string[]
  /** Host and port by which subscribers reach us over a transport, for Contact: `192.0.2.1:5060`. */
  readonly address: (transport: SubscriptionRecord['transport'], turn: Turn) => string
  /** Further parameters of our Contact for a subscriber whose next hop, towards us, is this URI or name-addr (RFC 3486 §5). */
  readonly contactParameters?: (nextHop: string) => string
  /** The entity that holds legs here. */
  readonly holder?: LegHolder | undefined
  readonly limits?: Partial<NotifierLimits>
  /** RFC 3261 T1; a NOTIFY without answer is given up after 64 of it. */
  readonly t1Ms?: number
}

export class Notifier {
  readonly #options: NotifierOptions
  readonly #tables: NotifierTables
  readonly #limits: NotifierLimits
  readonly #services = new Map<string, EventService>()
  #allowEvents: readonly string[] = []
  /** The revision of the table of those who have notifications suppressed under which it was empty. */
  #nobodySuppresses: number | undefined

  constructor(options: NotifierOptions) {
    this.#options = options
    this.#tables = notifierTables(options.owner)
    this.#limits = { ...defaultNotifierLimits, ...options.limits }
    for (const eventPackage of options.packages) this.add(eventPackage)
    this.#allowEvents = [...this.#allowEvents, ...(options.servedBeside ?? [])]
  }

  /** For Allow-Events (RFC 6665 §4.4.4). */
  get allowEvents(): readonly string[] {
    return this.#allowEvents
  }

  /** Adds a package, such as one that itself needs the notifier. */
  add(eventPackage: EventPackage): void {
    const { owner, mark = owner, address, holder, contactParameters, t1Ms = 500 } = this.#options
    this.#services.set(eventPackage.name, {
      eventPackage,
      name: eventPackage.name,
      tables: this.#tables,
      latest: new LatestResource(this.#tables, eventPackage.name),
      limits: this.#limits,
      timeoutMs: 64 * t1Ms,
      mark,
      holder,
      allowEvents: () => this.#allowEvents,
      contact: (resource, { transport, dialog }, turn) => {
        const parameters = contactParameters?.(dialog.routeSet[0] ?? dialog.remoteTarget)
        const { domain } = turn.settings
        return contactOf(resource, transport, address(transport, turn), domain, mark, dialog.localUri, parameters)
      },
    })
    if (!eventPackage.isTemplate) this.#allowEvents = [...this.#allowEvents, eventPackage.name]
  }

  /**
   * Handles SUBSCRIBE (RFC 6665 §4.2.1): 200 and at once a NOTIFY.
   *
   * Throws 489, and what the package throws: usually 404 or 403; 423, 406, 415, 400 without a usable Contact, 503 when there
   * are too many; within a dialog also 481, 403 and 500.
   */
  subscribe(request: SipRequest, turn: Turn): Output[] {
    const event = eventOf(request)
    const service = event && this.#services.get(event.name)
    if (event === undefined || service === undefined) throw badEvent(this.#allowEvents)
    if (request.toTag !== undefined) return refresh(request, service, this.#services.values(), event.id, turn)
    return create(request, service, event.id, turn)
  }

  /** A response to a NOTIFY. */
  response(token: string, response: SipResponse, turn: Turn): Output[] {
    // The last NOTIFY of a subscription, and that of a fetch, leave nothing behind that an answer could change.
    const [kind, packageName = '', resource = '', id = ''] = token.split(' ')
    const service = this.#services.get(packageName)
    if (kind !== 'notify' || service === undefined || response.status < 200) return []
    return notifyAnswered(service, resource, id, response, turn)
  }

  /** A wake this notifier asked for, or another entity by those of `wakes.ts`; `words` are those of its token. */
  wake(token: string, turn: Turn, words: readonly string[] = token.split(' ')): Output[] {
    if (token === 'policies') return this.#everyPackage(name => policiesToken(name, 'subscribed'), turn)
    const [kind, packageName = '', resource = '', third = '', fourth = ''] = words
    if (kind === 'departed') return this.#everyPackage(name => departedToken(name, packageName), turn)
    const service = this.#services.get(packageName)
    if (service === undefined) return []
    switch (kind) {
      case 'departed-from':
        return endThoseOf(service, resource, [third, fourth], turn)
      case 'fan-out':
        return fanOut(service, resource, third || undefined, turn)
      case 'rate':
        return keepRate(service, resource, third, turn)
      case 'legs':
        return fanOutToLegs(service, resource, third || undefined, turn)
      case 'leg':
        return legWanted(service, resource, third, turn)
      case 'serve':
        return serveOne(service, resource, third, turn)
      case 'resource':
        return resourceChanged(service, resource, turn)
      case 'subscriber':
        return subscriberChanged(service, resource, third === '' ? [] : [third, fourth], turn)
      case 'expire':
        return expire(service, resource, third, turn)
      case 'giveup':
        return giveUp(service, resource, third, turn)
      case 'policy':
        return policyChanged(service, resource, turn)
      case 'policies':
        return policiesChanged(service, third === 'waiting' ? third : 'subscribed', resource, fourth, turn)
      case 'restart':
        return afterRestart(service, Number(fourth), resource || undefined, third || undefined, turn)
      default:
        return []
    }
  }

  /** The box has restarted: whoever may have missed a NOTIFY gets another one, a few at a time. */
  start(turn: Turn): Output[] {
    return this.#everyPackage(name => restartToken(name, turn.now), turn)
  }

  /** What subscribers of `resource` are told has changed. They are notified in later turns; nothing is written if there are none. */
  notifyResource(packageName: string, resource: string, turn: Turn): Output[] {
    const service = this.#services.get(packageName)
    return service === undefined ? [] : resourceChanged(service, resource, turn)
  }

  /** What one subscriber is told has changed, and nobody else: who else is asked for has no news of it. */
  notifySubscription(packageName: string, resource: string, id: string, turn: Turn): Output[] {
    const service = this.#services.get(packageName)
    return service === undefined ? [] : subscriptionChanged(service, resource, id, turn)
  }

  /** The state of somebody has changed, by which he may have had notifications to himself suppressed: he is told in a later turn. */
  subscriberChanged(subscriber: string, turn: Turn): Output[] {
    // Few use it, and every PUBLISH asks.
    const revision = turn.db.revision(this.#tables.suppressing)
    if (this.#nobodySuppresses === revision) return []
    const tokens: Output[] = []
    for (const service of this.#services.values())
      if (isSuppressing(service, subscriber, turn.db))
        tokens.push(wakeAt(turn.now, subscriberToken(service.name, subscriber)))
    if (tokens.length === 0 && [...turn.db.range(this.#tables.suppressing, { limit: 1 })].length === 0)
      this.#nobodySuppresses = revision
    return tokens
  }

  /** Ends one subscription; its holder is told why. */
  terminate(packageName: string, resource: string, id: string, reason: TerminationReason, turn: Turn): Output[] {
    const record = turn.db.get(this.#tables.subscriptions, [packageName, resource, id])
    const service = this.#services.get(packageName)
    if (record === undefined || service === undefined) return []
    return end(service, { package: packageName, resource, id, record }, reason, turn, reason)
  }

  /** The filters of a subscription (RFC 4660). */
  filters(packageName: string, resource: string, id: string, db: Transaction): readonly Filter[] {
    return db.get(this.#tables.subscriptions, [packageName, resource, id])?.extras?.filters ?? []
  }

  /** Whether a leg stands. */
  hasLeg(packageName: string, resource: string, id: string, db: Transaction): boolean {
    return db.get(this.#tables.legs, [packageName, resource, id]) !== undefined
  }

  /** The revision that the next `notifyResource` will bring; undefined when nobody subscribes. */
  nextRevision(packageName: string, resource: string, db: Transaction): number | undefined {
    const kept = db.get(this.#tables.resources, [packageName, resource])
    return kept === undefined ? undefined : kept.revision + 1
  }

  /** Every subscription to a resource, the waiting ones last (RFC 3857 §4.7). */
  *watchers(packageName: string, resource: string, db: Transaction): Iterable<Watcher> {
    const prefix = [packageName, resource]
    for (const [key, record] of db.range(this.#tables.subscriptions, { prefix })) {
      yield watcherOf(key[2] as string, record, record.state, record.event)
    }
    for (const [key, leg] of db.range(this.#tables.legs, { prefix })) {
      const record = recordOfLeg(leg)
      yield watcherOf(key[2] as string, record, record.state, record.event)
    }
    for (const [key, record] of db.range(this.#tables.waiting, { prefix })) {
      yield waitingWatcher(key[2] as string, record)
    }
  }

  /** What a leg of somebody's tells now; it need not stand yet. */
  stateFor(
    packageName: string,
    resource: string,
    id: string,
    subscriber: Subscriber,
    telling: Telling,
    turn: Turn,
  ): ResourceState | undefined {
    const service = this.#services.get(packageName)
    return service && stateOfLeg(service, resource, id, subscriber, telling, turn)
  }

  /** How many subscriptions there are, legs aside, by package. Walks the subscribed resources, so it is for people, not for turns. */
  counts(db: Transaction): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const name of this.#services.keys()) counts[name] = 0
    for (const [key, { subscriptions, legs = 0 }] of db.range(this.#tables.resources, {})) {
      const name = key[0] as string
      counts[name] = (counts[name] ?? 0) + subscriptions - legs
    }
    return counts
  }

  #everyPackage(token: (name: string) => string, turn: Turn): Output[] {
    return [...this.#services.keys()].map(name => wakeAt(turn.now, token(name)))
  }
}
