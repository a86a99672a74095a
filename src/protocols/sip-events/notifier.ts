/**
 * The notifier of RFC 6665 §4.2 for any event packages: accepts, refreshes and ends subscriptions, and sends every subscriber
 * one NOTIFY after another until he knows the latest revision of the resource.
 *
 * How a change reaches N subscribers: it raises the revision of the resource and wakes the notifier, which walks the
 * subscriptions in bounded turns. A subscription is due as long as its own revision is lower, so nothing needs to be marked or
 * remembered when a NOTIFY has to wait for the answer to the one before, or for the interval of the package; changes in
 * between become one NOTIFY, and a restart continues where it was.
 */

import type { EntityName, Instant, Output, Transaction, Turn } from '../../turn.ts'
import {
  badEvent,
  badRequest,
  callOrTransactionDoesNotExist,
  forbidden,
  serverInternalError,
  serviceUnavailable,
} from '../sip/errors.ts'
import { type HeaderField, respond, type SipRequest, type SipResponse } from '../sip/message.ts'
import { readTag } from '../sip/name-addr.ts'
import { addressOfRecord, formatUri, isSipUri } from '../sip/uri.ts'
import type { EventPackage, Watcher } from './event-package.ts'
import { contactOf, notifyRequest, resourceOfContact } from './notify.ts'
import { acceptedType, checkBodyType, eventOf, grantedExpires, refusalOf, senderOf } from './request.ts'
import {
  type NotifierTables,
  notifierTables,
  type ResourceRecord,
  type Subscription,
  type SubscriptionRecord,
  subscriberOf,
  type WaitingRecord,
} from './subscription.ts'
import { type TerminationReason, transition } from './subscription-state.ts'

export interface NotifierLimits {
  /** Subscriptions looked at, and so NOTIFYs made, in one turn; the rest of a fan-out follows in the next. */
  readonly notificationsPerTurn: number
  /** Subscriptions to one resource; a further one is answered 503 with Retry-After. */
  readonly subscriptionsPerResource: number
  /** Waiting watchers of one resource; a further one is forgotten at once, as if given up. */
  readonly waitingPerResource: number
  /** Pause between turns of NOTIFYs after a restart. */
  readonly restartPaceMs: number
}

export const defaultNotifierLimits: NotifierLimits = {
  notificationsPerTurn: 50,
  subscriptionsPerResource: 10_000,
  waitingPerResource: 200,
  restartPaceMs: 100,
}

export interface NotifierOptions {
  /** The entity that owns it: names its tables and marks its Contact. Never changes. */
  readonly owner: string
  readonly packages: readonly EventPackage[]
  /** Host and port by which subscribers reach us over a transport, for Contact: `192.0.2.1:5060`. */
  readonly address: (transport: SubscriptionRecord['transport'], turn: Turn) => string
  readonly limits?: Partial<NotifierLimits>
  /** RFC 3261 T1; a NOTIFY without answer is given up after 64 of it. */
  readonly t1Ms?: number
}

/** The statuses of a NOTIFY that end its subscription (RFC 6665 §4.2.2); 408 is also what a silent peer gives. */
const endingStatuses: ReadonlySet<number> = new Set([
  404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604,
])

const notSubscribed: ResourceRecord = { subscriptions: 0, revision: 0, unserved: false }

/** What one turn of NOTIFYs about one resource has come to. */
interface Pass {
  readonly eventPackage: EventPackage
  readonly resource: string
  readonly revision: number
  readonly intervalMs: number
  readonly shared: Map<string, unknown>
  readonly outputs: Output[]
  sent: number
  /** When the first of those that must wait for the interval may be told. */
  next: Instant
  /** Whether somebody must wait for the answer to an earlier NOTIFY. */
  unserved: boolean
}

export class Notifier {
  /** For Allow-Events (RFC 6665 §4.4.4). */
  readonly allowEvents: readonly string[]
  readonly #owner: string
  readonly #packages = new Map<string, EventPackage>()
  readonly #address: NotifierOptions['address']
  readonly #limits: NotifierLimits
  readonly #timeoutMs: number
  readonly #tables: NotifierTables

  constructor(options: NotifierOptions) {
    this.#owner = options.owner
    for (const eventPackage of options.packages) this.#packages.set(eventPackage.name, eventPackage)
    this.allowEvents = options.packages.filter(({ isTemplate }) => !isTemplate).map(({ name }) => name)
    this.#address = options.address
    this.#limits = { ...defaultNotifierLimits, ...options.limits }
    this.#timeoutMs = 64 * (options.t1Ms ?? 500)
    this.#tables = notifierTables(options.owner)
  }

  /** Adds a package that itself needs the notifier, such as watcher information. */
  add(eventPackage: EventPackage): void {
    this.#packages.set(eventPackage.name, eventPackage)
  }

  /**
   * Handles SUBSCRIBE (RFC 6665 §4.2.1): 200 and at once a NOTIFY.
   *
   * Throws 489, and what the package throws: usually 404 or 403; 423, 406, 415, 400 without a usable Contact, 503 when there
   * are too many; within a dialog also 481, 403 and 500.
   */
  subscribe(request: SipRequest, turn: Turn): Output[] {
    const event = eventOf(request)
    const eventPackage = event && this.#packages.get(event.name)
    if (event === undefined || eventPackage === undefined) throw badEvent(this.allowEvents)
    if (request.toTag !== undefined) return this.#refresh(request, eventPackage, event.id, turn)
    return this.#create(request, eventPackage, event.id, turn)
  }

  /** The final response to a NOTIFY. */
  response(token: string, response: SipResponse, turn: Turn): Output[] {
    if (response.status < 200) return []
    // The last NOTIFY of a subscription, and that of a fetch, leave nothing behind that an answer could change.
    const [kind, packageName, resource, id] = token.split(' ')
    const eventPackage = this.#packages.get(packageName ?? '')
    if (kind !== 'notify' || eventPackage === undefined || resource === undefined || id === undefined) return []
    const { status } = response
    if (endingStatuses.has(status)) {
      const record = turn.db.get(this.#tables.subscriptions, [eventPackage.name, resource, id])
      if (record === undefined) return []
      const subscription = { package: eventPackage.name, resource, id, record }
      return this.#end(eventPackage, subscription, status === 408 ? 'timeout' : 'deactivated', turn)
    }
    const retryAfter = status >= 300 ? Number.parseInt(response.header('Retry-After') ?? '', 10) : Number.NaN
    if (retryAfter > 0) return this.#retryLater(eventPackage, resource, id, retryAfter, turn)
    const kept = turn.db.get(this.#tables.resources, [eventPackage.name, resource])
    if (!kept?.unserved) return []
    const record = turn.db.get(this.#tables.subscriptions, [eventPackage.name, resource, id])
    if (record === undefined || record.revision >= kept.revision) return []
    const pass = this.#newPass(eventPackage, resource, kept.revision, turn)
    this.#serve(pass, id, record, turn)
    return this.#finish(pass, kept, turn)
  }

  /** A wake this notifier asked for, or another entity by `resourceWake` or `policyWake`. */
  wake(token: string, turn: Turn): Output[] {
    const [kind, first = '', second = '', third, fourth] = token.split(' ')
    if (kind === 'restart') return this.#afterRestart(Number(first), second, third, fourth, turn)
    if (kind === 'policies') return this.#policiesChanged(first, second, third, turn)
    const eventPackage = this.#packages.get(first)
    if (eventPackage === undefined) return []
    if (kind === 'notify') return this.#fanOut(eventPackage, second, third, turn)
    if (kind === 'resource') return this.notifyResource(first, second, turn)
    if (kind === 'policy') return this.#policyChanged(eventPackage, second, turn)
    if (kind === 'expire' && third !== undefined) return this.#expire(eventPackage, second, third, turn)
    if (kind === 'giveup' && third !== undefined) return this.#giveUp(eventPackage, second, third, turn)
    return []
  }

  /** The box has restarted: whoever may have missed a NOTIFY gets another one, a few at a time. */
  start(turn: Turn): Output[] {
    return [wakeAt(turn.now, `restart ${turn.now}`)]
  }

  /** What subscribers of `resource` are told has changed. Notifies them in later turns; nothing is written if there are none. */
  notifyResource(packageName: string, resource: string, turn: Turn): Output[] {
    const key = [packageName, resource]
    const kept = turn.db.get(this.#tables.resources, key)
    if (kept === undefined) return []
    turn.db.put(this.#tables.resources, key, { ...kept, revision: kept.revision + 1, unserved: false })
    return [wakeAt(turn.now, `notify ${packageName} ${resource}`)]
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
    for (const [key, record] of db.range(this.#tables.waiting, { prefix }))
      yield waitingWatcher(key[2] as string, record)
  }

  /** How many subscriptions there are, by package. Walks the subscribed resources, so it is for people, not for turns. */
  counts(db: Transaction): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const name of this.#packages.keys()) counts[name] = 0
    for (const [key, { subscriptions }] of db.range(this.#tables.resources, {})) {
      const name = key[0] as string
      counts[name] = (counts[name] ?? 0) + subscriptions
    }
    return counts
  }

  /** RFC 6665 §4.2.1.1. */
  #create(request: SipRequest, eventPackage: EventPackage, eventId: string | undefined, turn: Turn): Output[] {
    const resource = eventPackage.resource(request, turn)
    const subscriber = senderOf(request, turn)
    const state = eventPackage.authorize(resource, subscriber, turn)
    const seconds = this.#granted(request, eventPackage, turn)
    const contentType = acceptedType(request, eventPackage.contentTypes)
    checkBodyType(request, eventPackage.subscribeContentTypes ?? [])
    const { callId } = request
    const cseq = request.cseq.number
    const fromTag = request.fromTag ?? ''
    // The tag is the same whenever the same SUBSCRIBE comes again, so that one repeated after a restart of ours creates nothing.
    const id = turn.fingerprint('subscribe', callId, fromTag, String(cseq), eventPackage.name, resource, eventId ?? '')
    const key = [eventPackage.name, resource, id]
    const record: SubscriptionRecord = {
      state,
      event: 'subscribe',
      subscriber: subscriber.identities[0] ?? '',
      alias: subscriber.identities[1],
      displayName: subscriber.displayName,
      callId,
      remote: request.header('From')!,
      local: request.header('To')!,
      target: targetOf(request),
      routes: recordRoutes(request),
      flow: flowOf(request),
      transport: transportOf(request),
      eventId,
      contentType,
      remoteCseq: cseq,
      localCseq: 0,
      createdAt: turn.now,
      expiresAt: turn.now + seconds * 1000,
      notifiedAt: turn.now,
      revision: 0,
      version: 0,
    }
    const subscription = { package: eventPackage.name, resource, id, record }
    if (seconds === 0) return this.#fetch(request, eventPackage, subscription, turn)
    const existing = turn.db.get(this.#tables.subscriptions, key)
    if (existing !== undefined) return this.#update(request, eventPackage, resource, id, existing, turn)

    const kept = turn.db.get(this.#tables.resources, [eventPackage.name, resource]) ?? notSubscribed
    if (kept.subscriptions >= this.#limits.subscriptionsPerResource) throw serviceUnavailable(60)
    turn.db.put(this.#tables.resources, [eventPackage.name, resource], {
      ...kept,
      subscriptions: kept.subscriptions + 1,
    })
    const outputs: Output[] = [this.#accept(request, subscription, seconds, turn)]
    const pass = this.#newPass(eventPackage, resource, kept.revision, turn)
    this.#send(pass, subscription, true, turn)
    outputs.push(...pass.outputs, wakeAt(record.expiresAt, expireToken(eventPackage.name, resource, id)))
    if (state === 'pending')
      outputs.push(...this.#endWaiting(eventPackage, resource, record.subscriber, 'giveup', turn))
    outputs.push(...this.#tell(eventPackage, resource, watcherOf(id, record, state, 'subscribe'), turn))
    return outputs
  }

  /** RFC 6665 §4.4.3: one NOTIFY and nothing kept; who is not yet decided upon is remembered as waiting (RFC 3857 §4.7.1). */
  #fetch(request: SipRequest, eventPackage: EventPackage, subscription: Subscription, turn: Turn): Output[] {
    const { resource, id, record } = subscription
    const outputs = [this.#accept(request, subscription, 0, turn)]
    const revision = turn.db.get(this.#tables.resources, [eventPackage.name, resource])?.revision ?? 0
    const body =
      record.state === 'active'
        ? eventPackage.body(subscription, turn, { full: true, revision, shared: new Map() })
        : undefined
    record.localCseq = 1
    outputs.push({
      kind: 'request',
      request: notifyRequest(
        subscription,
        'terminated;reason=timeout',
        this.#contact(resource, record, turn),
        body === 'unchanged' ? undefined : body,
      ),
      token: `fetch ${id}`,
      flow: record.flow,
    })
    if (record.state === 'pending') outputs.push(...this.#wait(eventPackage, subscription, turn))
    return outputs
  }

  /** A SUBSCRIBE within a dialog (RFC 6665 §4.2.1.4, RFC 3261 §12.2.2). */
  #refresh(request: SipRequest, eventPackage: EventPackage, eventId: string | undefined, turn: Turn): Output[] {
    const id = request.toTag!
    for (const resource of this.#resourcesOf(request, eventPackage, turn)) {
      const record = turn.db.get(this.#tables.subscriptions, [eventPackage.name, resource, id])
      if (record === undefined || record.callId !== request.callId || readTag(record.remote) !== request.fromTag)
        continue
      if (record.eventId !== eventId) throw forbidden('Dialog Sharing Not Supported')
      return this.#update(request, eventPackage, resource, id, record, turn)
    }
    for (const other of this.#packages.values()) {
      if (other === eventPackage) continue
      for (const resource of this.#resourcesOf(request, other, turn)) {
        const record = turn.db.get(this.#tables.subscriptions, [other.name, resource, id])
        // RFC 6665 §4.5.2: a second usage of a dialog may be refused so.
        if (record?.callId === request.callId) throw forbidden('Dialog Sharing Not Supported')
      }
    }
    throw callOrTransactionDoesNotExist()
  }

  /** Resources that a request within a dialog may be about, as its Request-URI should, its To must, and its Request-URI might tell. */
  *#resourcesOf(request: SipRequest, eventPackage: EventPackage, turn: Turn): Iterable<string> {
    const uri = request.requestUri
    const told = isSipUri(uri) ? resourceOfContact(uri, turn.settings.domain, this.#owner) : undefined
    if (told !== undefined) yield told
    // COMPAT(libpurple): addresses a refresh to the address-of-record instead of our Contact.
    const to = addressOfRecord(request.to.uri)
    if (to !== told) yield to
    let addressed: string
    try {
      addressed = eventPackage.resource(request, turn)
    } catch (error) {
      refusalOf(error)
      return
    }
    if (addressed !== to && addressed !== told) yield addressed
  }

  #update(
    request: SipRequest,
    eventPackage: EventPackage,
    resource: string,
    id: string,
    stored: SubscriptionRecord,
    turn: Turn,
  ): Output[] {
    const cseq = request.cseq.number
    if (cseq < stored.remoteCseq) throw serverInternalError()
    const subscriber = senderOf(request, turn)
    if ((subscriber.identities[0] ?? '') !== stored.subscriber) throw forbidden('Subscription of Another')
    const state = eventPackage.authorize(resource, subscriber, turn)
    const seconds = this.#granted(request, eventPackage, turn)
    checkBodyType(request, eventPackage.subscribeContentTypes ?? [])
    const record: SubscriptionRecord = {
      ...stored,
      flow: flowOf(request),
      remoteCseq: cseq,
      contentType: acceptedType(request, eventPackage.contentTypes),
      expiresAt: turn.now + seconds * 1000,
    }
    // RFC 3261 §12.2.2: SUBSCRIBE refreshes the remote target.
    if (request.hasHeader('Contact')) record.target = targetOf(request)
    const subscription = { package: eventPackage.name, resource, id, record }
    const outputs: Output[] = [this.#accept(request, subscription, seconds, turn)]
    if (seconds === 0) {
      outputs.push(...this.#end(eventPackage, subscription, 'timeout', turn, 'timeout'))
      return outputs
    }
    // A wake at or before the end of every subscription is always pending: one that only lasts longer needs no other.
    if (record.expiresAt < stored.expiresAt)
      outputs.push(wakeAt(record.expiresAt, expireToken(eventPackage.name, resource, id)))
    const kept = turn.db.get(this.#tables.resources, [eventPackage.name, resource]) ?? notSubscribed
    if (state !== record.state) {
      record.state = state
      record.event = state === 'active' ? 'approved' : 'subscribe'
      outputs.push(...this.#tell(eventPackage, resource, watcherOf(id, record, state, record.event), turn))
    }
    if (turn.inProgress(notifyToken(eventPackage.name, resource, id))) {
      // The answer to the NOTIFY that is under way brings the next one.
      record.revision = -1
      turn.db.put(this.#tables.subscriptions, [eventPackage.name, resource, id], record)
      turn.db.put(this.#tables.resources, [eventPackage.name, resource], { ...kept, unserved: true })
      return outputs
    }
    const pass = this.#newPass(eventPackage, resource, kept.revision, turn)
    this.#send(pass, subscription, true, turn)
    outputs.push(...pass.outputs)
    return outputs
  }

  #granted(request: SipRequest, eventPackage: EventPackage, turn: Turn): number {
    const bounds = eventPackage.expiresBounds?.(turn)
    return grantedExpires(request, {
      defaultSeconds: bounds?.defaultSeconds ?? eventPackage.defaultExpiresSeconds,
      minSeconds: bounds?.minSeconds ?? 0,
      maxSeconds: bounds?.maxSeconds ?? 0xffff_ffff,
    })
  }

  /** RFC 6665 §4.2.1.1 and RFC 3261 §12.1.1: 200, never 202 (RFC 6665 §8.3.1). */
  #accept(request: SipRequest, subscription: Subscription, seconds: number, turn: Turn): Output {
    const headers: HeaderField[] = []
    if (request.hasHeader('Record-Route')) {
      for (const route of request.headers('Record-Route')) headers.push(['Record-Route', route])
    }
    headers.push(
      ['Contact', this.#contact(subscription.resource, subscription.record, turn)],
      ['Expires', String(seconds)],
      ['Allow-Events', this.allowEvents.join(', ')],
    )
    return {
      kind: 'respond',
      transaction: request.transaction,
      response: respond(request, 200, { toTag: subscription.id, headers }),
    }
  }

  #contact(resource: string, { transport }: SubscriptionRecord, turn: Turn): string {
    return contactOf(resource, transport, this.#address(transport, turn), turn.settings.domain, this.#owner)
  }

  #newPass(eventPackage: EventPackage, resource: string, revision: number, turn: Turn): Pass {
    return {
      eventPackage,
      resource,
      revision,
      intervalMs: eventPackage.minNotifyIntervalMs?.(turn) ?? 0,
      shared: new Map(),
      outputs: [],
      sent: 0,
      next: Number.POSITIVE_INFINITY,
      unserved: false,
    }
  }

  /** Tells the subscribers of a resource of its revision, from the one with tag `from` on, as many as one turn may. */
  #fanOut(eventPackage: EventPackage, resource: string, from: string | undefined, turn: Turn): Output[] {
    const kept = turn.db.get(this.#tables.resources, [eventPackage.name, resource])
    if (kept === undefined) return []
    const pass = this.#newPass(eventPackage, resource, kept.revision, turn)
    const { notificationsPerTurn } = this.#limits
    const prefix = [eventPackage.name, resource]
    // Everything asked for is read at once, so no more is asked for than one turn can use.
    const range = {
      prefix,
      limit: notificationsPerTurn + 1,
      ...(from === undefined ? {} : { from: [...prefix, from] }),
    }
    let seen = 0
    for (const [key, record] of turn.db.range(this.#tables.subscriptions, range)) {
      const id = key[2] as string
      if (seen++ === notificationsPerTurn) {
        pass.outputs.push(wakeAt(turn.now, notifyToken(eventPackage.name, resource, id)))
        break
      }
      if (record.revision < kept.revision) this.#serve(pass, id, record, turn)
    }
    return this.#finish(pass, kept, turn)
  }

  /** Notes in the store and in the timetable what a pass has left for later. */
  #finish(pass: Pass, kept: ResourceRecord, turn: Turn): Output[] {
    const { eventPackage, resource, outputs } = pass
    if (pass.unserved && !kept.unserved) {
      const key = [eventPackage.name, resource]
      // Ending a subscription may have rewritten the record meanwhile.
      const current = turn.db.get(this.#tables.resources, key)
      if (current !== undefined) turn.db.put(this.#tables.resources, key, { ...current, unserved: true })
    }
    if (pass.next < Number.POSITIVE_INFINITY) outputs.push(wakeAt(pass.next, `notify ${eventPackage.name} ${resource}`))
    return outputs
  }

  /** Brings one subscription that is due up to date: tells its holder, ends it if the decision says so, or leaves it for later. */
  #serve(pass: Pass, id: string, stored: SubscriptionRecord, turn: Turn): void {
    const { eventPackage, resource } = pass
    const decision = this.#decide(pass, stored, turn)
    if (decision !== 'active' && decision !== 'pending') {
      const subscription = { package: eventPackage.name, resource, id, record: { ...stored } }
      pass.outputs.push(...this.#end(eventPackage, subscription, decision, turn, decision))
      pass.sent++
      return
    }
    const isTransition = decision !== stored.state
    const mustTell = isTransition || stored.revision < 0
    // Changes of the resource are nothing to someone who may not see it (RFC 3857 §4.7.1).
    if (decision === 'pending' && !mustTell) return
    if (turn.inProgress(notifyToken(eventPackage.name, resource, id))) {
      pass.unserved = true
      return
    }
    if (!mustTell && stored.notifiedAt + pass.intervalMs > turn.now) {
      pass.next = Math.min(pass.next, stored.notifiedAt + pass.intervalMs)
      return
    }
    const record = { ...stored, state: decision }
    if (isTransition) record.event = decision === 'active' ? 'approved' : 'subscribe'
    this.#send(pass, { package: eventPackage.name, resource, id, record }, mustTell, turn)
    if (isTransition) {
      pass.outputs.push(...this.#tell(eventPackage, resource, watcherOf(id, record, decision, record.event), turn))
    }
  }

  /** The package's decision on a subscription as things are now (RFC 5025 §3.2.1 for how a change is told). */
  #decide(pass: Pass, record: SubscriptionRecord, turn: Turn): 'active' | 'pending' | 'rejected' | 'noresource' {
    try {
      return pass.eventPackage.authorize(pass.resource, subscriberOf(record), turn, pass.shared)
    } catch (error) {
      return refusalOf(error).status === 404 ? 'noresource' : 'rejected'
    }
  }

  /** Sends a NOTIFY for a live subscription and stores what it has told. */
  #send(pass: Pass, subscription: Subscription, full: boolean, turn: Turn): void {
    const { record, resource, id } = subscription
    const { eventPackage, revision, shared } = pass
    const body =
      record.state === 'active' ? eventPackage.body(subscription, turn, { full, revision, shared }) : undefined
    if (body === 'unchanged') return
    record.localCseq++
    record.notifiedAt = turn.now
    record.revision = revision
    turn.db.put(this.#tables.subscriptions, [eventPackage.name, resource, id], record)
    const left = Math.max(0, Math.ceil((record.expiresAt - turn.now) / 1000))
    pass.sent++
    pass.outputs.push({
      kind: 'request',
      request: notifyRequest(
        subscription,
        `${record.state};expires=${left}`,
        this.#contact(resource, record, turn),
        body,
      ),
      token: notifyToken(eventPackage.name, resource, id),
      flow: record.flow,
    })
  }

  /**
   * Ends a subscription by an event of the state machine. With `reason` its holder is told, at once, even while an earlier
   * NOTIFY is under way: without it he knows, or cannot be reached.
   */
  #end(
    eventPackage: EventPackage,
    subscription: Subscription,
    event: TerminationReason,
    turn: Turn,
    reason?: TerminationReason,
  ): Output[] {
    const { resource, id, record } = subscription
    const { db } = turn
    db.delete(this.#tables.subscriptions, [eventPackage.name, resource, id])
    const outputs: Output[] = []
    if (reason !== undefined) {
      const last = { ...subscription, record: { ...record, localCseq: record.localCseq + 1 } }
      const contact = this.#contact(resource, record, turn)
      outputs.push({
        kind: 'request',
        request: notifyRequest(last, `terminated;reason=${reason}`, contact, undefined),
        token: `end ${id}`,
        flow: record.flow,
      })
    }
    const key = [eventPackage.name, resource]
    const kept = db.get(this.#tables.resources, key)
    if (kept !== undefined && kept.subscriptions > 1) {
      db.put(this.#tables.resources, key, { ...kept, subscriptions: kept.subscriptions - 1 })
    } else {
      db.delete(this.#tables.resources, key)
      eventPackage.unwatched?.(resource, db)
    }
    const isUndecided = transition(record.state, event) === 'waiting' && eventPackage.waitingMs !== undefined
    // The decision may have been taken while its holder could not be told.
    if (isUndecided && this.#decide(this.#newPass(eventPackage, resource, 0, turn), record, turn) === 'pending') {
      outputs.push(...this.#wait(eventPackage, subscription, turn))
    } else {
      outputs.push(...this.#tell(eventPackage, resource, watcherOf(id, record, 'terminated', event), turn))
    }
    return outputs
  }

  /** Remembers a subscription that ended undecided; an older one of the same watcher gives way (RFC 3857 §4.7.1). */
  #wait(eventPackage: EventPackage, subscription: Subscription, turn: Turn): Output[] {
    const { resource, id, record } = subscription
    const { waitingMs } = eventPackage
    if (waitingMs === undefined || record.subscriber === '') return []
    const outputs = this.#endWaiting(eventPackage, resource, record.subscriber, 'giveup', turn)
    let others = 0
    const range = { prefix: [eventPackage.name, resource], limit: this.#limits.waitingPerResource }
    for (const _ of turn.db.range(this.#tables.waiting, range)) others++
    if (others === this.#limits.waitingPerResource) {
      outputs.push(...this.#tell(eventPackage, resource, watcherOf(id, record, 'terminated', 'giveup'), turn))
      return outputs
    }
    const waiting: WaitingRecord = {
      id,
      displayName: record.displayName,
      alias: record.alias,
      createdAt: record.createdAt,
      until: turn.now + waitingMs,
    }
    turn.db.put(this.#tables.waiting, [eventPackage.name, resource, record.subscriber], waiting)
    outputs.push(
      ...this.#tell(eventPackage, resource, waitingWatcher(record.subscriber, waiting), turn),
      wakeAt(waiting.until, `giveup ${eventPackage.name} ${resource} ${record.subscriber}`),
    )
    return outputs
  }

  /** A waiting watcher has been decided upon, has come again, or has waited long enough. */
  #endWaiting(
    eventPackage: EventPackage,
    resource: string,
    subscriber: string,
    event: 'approved' | 'rejected' | 'giveup' | 'noresource',
    turn: Turn,
  ): Output[] {
    const key = [eventPackage.name, resource, subscriber]
    const waiting = turn.db.get(this.#tables.waiting, key)
    if (waiting === undefined) return []
    turn.db.delete(this.#tables.waiting, key)
    const watcher: Watcher = {
      ...waitingWatcher(subscriber, waiting),
      status: 'terminated',
      event,
      expiresAt: undefined,
    }
    return this.#tell(eventPackage, resource, watcher, turn)
  }

  #tell(eventPackage: EventPackage, resource: string, watcher: Watcher, turn: Turn): Output[] {
    return eventPackage.watcherChanged?.(resource, watcher, turn) ?? []
  }

  /** RFC 6665 §4.2.1.4: a subscription nobody has refreshed ends. */
  #expire(eventPackage: EventPackage, resource: string, id: string, turn: Turn): Output[] {
    const record = turn.db.get(this.#tables.subscriptions, [eventPackage.name, resource, id])
    if (record === undefined) return []
    if (record.expiresAt > turn.now) return [wakeAt(record.expiresAt, expireToken(eventPackage.name, resource, id))]
    const subscription = { package: eventPackage.name, resource, id, record }
    // A box that was off for long does not tell people what they have known since.
    const isNews = turn.now - record.expiresAt < this.#timeoutMs
    return this.#end(eventPackage, subscription, 'timeout', turn, isNews ? 'timeout' : undefined)
  }

  #giveUp(eventPackage: EventPackage, resource: string, subscriber: string, turn: Turn): Output[] {
    const waiting = turn.db.get(this.#tables.waiting, [eventPackage.name, resource, subscriber])
    if (waiting === undefined) return []
    if (waiting.until > turn.now) {
      return [wakeAt(waiting.until, `giveup ${eventPackage.name} ${resource} ${subscriber}`)]
    }
    return this.#endWaiting(eventPackage, resource, subscriber, 'giveup', turn)
  }

  /** RFC 6665 §4.2.2 with RFC 3261 §20.33: the peer lives and asks for time. Until then others' changes reach him as usual. */
  #retryLater(eventPackage: EventPackage, resource: string, id: string, seconds: number, turn: Turn): Output[] {
    const key = [eventPackage.name, resource, id]
    const record = turn.db.get(this.#tables.subscriptions, key)
    if (record === undefined) return []
    turn.db.put(this.#tables.subscriptions, key, { ...record, revision: -1 })
    return [wakeAt(turn.now + Math.min(seconds, 3600) * 1000, `notify ${eventPackage.name} ${resource}`)]
  }

  /** What may be told to whom has changed: every subscription is decided upon anew, and the waiting ones with them. */
  #policyChanged(eventPackage: EventPackage, resource: string, turn: Turn): Output[] {
    const outputs: Output[] = []
    const exists = eventPackage.exists?.(resource, turn) ?? true
    const pass = this.#newPass(eventPackage, resource, 0, turn)
    for (const [key, waiting] of turn.db.range(this.#tables.waiting, { prefix: [eventPackage.name, resource] })) {
      const subscriber = key[2] as string
      const decision = exists ? this.#decideWaiting(pass, subscriber, waiting, turn) : 'noresource'
      if (decision === 'pending') continue
      const event = decision === 'active' ? 'approved' : decision
      outputs.push(...this.#endWaiting(eventPackage, resource, subscriber, event, turn))
    }
    if (exists) {
      outputs.push(...this.notifyResource(eventPackage.name, resource, turn))
      return outputs
    }
    return [...outputs, ...this.#endAll(eventPackage, resource, turn)]
  }

  #decideWaiting(pass: Pass, subscriber: string, waiting: WaitingRecord, turn: Turn) {
    try {
      const { alias, displayName } = waiting
      return pass.eventPackage.authorize(
        pass.resource,
        subscriberOf({ subscriber, alias, displayName }),
        turn,
        pass.shared,
      )
    } catch (error) {
      return refusalOf(error).status === 404 ? 'noresource' : 'rejected'
    }
  }

  /** The resource is gone: its subscriptions end, as many as one turn may. */
  #endAll(eventPackage: EventPackage, resource: string, turn: Turn): Output[] {
    const outputs: Output[] = []
    const range = { prefix: [eventPackage.name, resource], limit: this.#limits.notificationsPerTurn }
    for (const [key, record] of turn.db.range(this.#tables.subscriptions, range)) {
      const subscription = { package: eventPackage.name, resource, id: key[2] as string, record }
      outputs.push(...this.#end(eventPackage, subscription, 'noresource', turn, 'noresource'))
    }
    const isMore = turn.db.get(this.#tables.resources, [eventPackage.name, resource]) !== undefined
    if (isMore) outputs.push(wakeAt(turn.now, policyToken(eventPackage.name, resource)))
    return outputs
  }

  /** A policy of the whole box has changed: wakes for every resource that has subscriptions, then for every one with waiting watchers. */
  #policiesChanged(table: string, packageName: string, resource: string | undefined, turn: Turn): Output[] {
    const isWaiting = table === 'waiting'
    const records = isWaiting ? this.#tables.waiting : this.#tables.resources
    const from = resource === undefined ? {} : { from: [packageName, resource] }
    const outputs = new Map<string, Output>()
    let seen = 0
    const { notificationsPerTurn } = this.#limits
    for (const [key] of turn.db.range<unknown>(records, { ...from, limit: notificationsPerTurn + 1 })) {
      const [name, of] = key as readonly [string, string]
      if (seen++ === notificationsPerTurn) {
        const next = `policies ${isWaiting ? 'waiting' : 'resources'} ${name} ${of}`
        return [...outputs.values(), wakeAt(turn.now, next)]
      }
      outputs.set(`${name} ${of}`, wakeAt(turn.now, policyToken(name, of)))
    }
    if (!isWaiting) outputs.set('', wakeAt(turn.now, 'policies waiting'))
    return [...outputs.values()]
  }

  /**
   * Looks through all subscriptions after a restart. A NOTIFY younger than 64*T1 may never have left, or its retransmissions
   * ended with the process: its subscriber is told again. Others that are due had been left for an answer or an interval.
   */
  #afterRestart(
    restartedAt: Instant,
    packageName: string,
    resource: string | undefined,
    id: string | undefined,
    turn: Turn,
  ): Output[] {
    const { notificationsPerTurn, restartPaceMs } = this.#limits
    const from = resource === undefined || id === undefined ? {} : { from: [packageName, resource, id] }
    const outputs: Output[] = []
    let sent = 0
    let seen = 0
    let pass: Pass | undefined
    let kept: ResourceRecord = notSubscribed
    const finish = () => {
      if (pass === undefined) return
      outputs.push(...this.#finish(pass, kept, turn))
      sent += pass.sent
    }
    for (const [key, record] of turn.db.range(this.#tables.subscriptions, {
      ...from,
      limit: notificationsPerTurn + 1,
    })) {
      const [name, of, tag] = key as readonly [string, string, string]
      if (seen++ === notificationsPerTurn) {
        finish()
        const pause = sent > 0 ? restartPaceMs : 0
        return [...outputs, wakeAt(turn.now + pause, `restart ${restartedAt} ${name} ${of} ${tag}`)]
      }
      if (pass?.resource !== of || pass.eventPackage.name !== name) {
        finish()
        pass = undefined
        const eventPackage = this.#packages.get(name)
        if (eventPackage === undefined) continue
        kept = turn.db.get(this.#tables.resources, [name, of]) ?? notSubscribed
        pass = this.#newPass(eventPackage, of, kept.revision, turn)
      }
      if (record.expiresAt <= turn.now) continue
      const isRecent = record.notifiedAt <= restartedAt && record.notifiedAt >= restartedAt - this.#timeoutMs
      if (isRecent) this.#serve(pass, tag, { ...record, revision: -1 }, turn)
      else if (record.revision < kept.revision) this.#serve(pass, tag, record, turn)
    }
    finish()
    return outputs
  }
}

/** The wake by which another entity says that what subscribers of a resource are told has changed. */
export function resourceWake(packageName: string, resource: string, at: Instant, entity: EntityName): Output {
  return { kind: 'wake', entity, at, token: `resource ${packageName} ${resource}` }
}

/** The wake by which it is said that who may subscribe to a resource has changed, or that the resource has come or gone. */
export function policyWake(packageName: string, resource: string, at: Instant, entity: EntityName): Output {
  return { kind: 'wake', entity, at, token: policyToken(packageName, resource) }
}

/** The wake by which it is said that a policy of the whole box has changed. */
export function policiesWake(at: Instant, entity: EntityName): Output {
  return { kind: 'wake', entity, at, token: 'policies resources' }
}

function policyToken(packageName: string, resource: string): string {
  return `policy ${packageName} ${resource}`
}

function notifyToken(packageName: string, resource: string, id: string): string {
  return `notify ${packageName} ${resource} ${id}`
}

function expireToken(packageName: string, resource: string, id: string): string {
  return `expire ${packageName} ${resource} ${id}`
}

function wakeAt(at: Instant, token: string): Output {
  return { kind: 'wake', at, token }
}

/** Contact of a SUBSCRIBE (RFC 3261 §12.1.1): one sip or sips URI. Throws 400. */
function targetOf(request: SipRequest): string {
  const { contacts } = request
  if (contacts === '*' || contacts.length !== 1) throw badRequest('One Contact Expected')
  const { uri } = contacts[0]!
  if (!isSipUri(uri)) throw badRequest('Contact Not a SIP URI')
  return formatUri(uri)
}

function recordRoutes(request: SipRequest): string | undefined {
  if (!request.hasHeader('Record-Route')) return undefined
  return request.headers('Record-Route').join(', ')
}

/**
 * The flow NOTIFYs take: that of the SUBSCRIBE, unless a proxy stands between that does not want to stay on the path. A
 * connection is the only way back to most clients; over UDP, one that sends from another port than it listens on says so by
 * leaving out rport (RFC 3581 §4) and must be reached at its Contact.
 */
function flowOf(request: SipRequest): string | undefined {
  if (request.flow === '') return undefined
  const isDirect = request.headers('Via').length === 1
  if (!isDirect && !request.hasHeader('Record-Route')) return undefined
  if (request.source === undefined || request.source.transport !== 'udp' || !isDirect) return request.flow
  if (request.topVia.params.has('rport')) return request.flow
  const { contacts, source } = request
  const uri = contacts === '*' ? undefined : contacts[0]?.uri
  if (uri === undefined || !isSipUri(uri)) return undefined
  return uri.host === source.address && (uri.port ?? 5060) === source.port ? request.flow : undefined
}

function transportOf(request: SipRequest): SubscriptionRecord['transport'] {
  if (request.uri.startsWith('sips:')) return 'sips'
  return request.source?.transport ?? 'udp'
}

function watcherOf(
  id: string,
  record: SubscriptionRecord,
  status: Watcher['status'],
  event: Watcher['event'],
): Watcher {
  return {
    id,
    uri: record.subscriber,
    displayName: record.displayName,
    status,
    event,
    subscribedAt: record.createdAt,
    expiresAt: status === 'terminated' ? undefined : record.expiresAt,
  }
}

function waitingWatcher(subscriber: string, waiting: WaitingRecord): Watcher {
  return {
    id: waiting.id,
    uri: subscriber,
    displayName: waiting.displayName,
    status: 'waiting',
    event: 'timeout',
    subscribedAt: waiting.createdAt,
    expiresAt: undefined,
  }
}
