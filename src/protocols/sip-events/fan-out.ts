/**
 * How a change reaches N subscribers (RFC 6665 §4.2.2): it raises the revision of the resource and wakes the notifier, which
 * walks the subscriptions in bounded turns. A subscription is due as long as its own revision is lower, so nothing needs to be
 * marked or remembered when a NOTIFY has to wait for the answer to the one before, or for the interval of the package; changes
 * in between become one NOTIFY, and a restart continues where it was.
 */

import type { Instant, Output, Turn } from '../../turn.ts'
import type { SipResponse } from '../sip/message.ts'
import { currentTag, holds } from './condition.ts'
import { decide } from './decide.ts'
import { end } from './end.ts'
import { hasNews, isLeg, keep, recordOfLeg, toHolder } from './legs.ts'
import { notifyRequest, requireFields } from './notify.ts'
import { leastIntervalMs, longestIntervalMs, notified, rateParameters, ratesAnswered, rateWake } from './rate.ts'
import type { EventService } from './service.ts'
import {
  type ResourceRecord,
  type Subscription,
  type SubscriptionRecord,
  setExtras,
  subscriberOf,
} from './subscription.ts'
import { isSuppressed } from './suppression.ts'
import { fanOutToken, legsToken, notifyToken, rateToken, serveToken, wakeAt } from './wakes.ts'
import { tell, watcherOf } from './watcher.ts'

/**
 * What subscribers of `resource` are told has changed. They are told in later turns; nothing is written if there are none.
 */
export function resourceChanged(service: EventService, resource: string, turn: Turn): Output[] {
  const key = [service.name, resource]
  const kept = turn.db.get(service.tables.resources, key)
  if (kept === undefined) return []
  turn.db.put(service.tables.resources, key, { ...kept, revision: kept.revision + 1, unserved: false })
  const legs = kept.legs ?? 0
  const outputs: Output[] = []
  if (kept.subscriptions > legs) outputs.push(wakeAt(turn.now, fanOutToken(service.name, resource)))
  if (legs > 0) outputs.push(wakeAt(turn.now, legsToken(service.name, resource)))
  return outputs
}

/** Tells the subscribers of a resource of its revision, from the one with tag `from` on, as many as one turn may. */
export function fanOut(service: EventService, resource: string, from: string | undefined, turn: Turn): Output[] {
  const kept = turn.db.get(service.tables.resources, [service.name, resource])
  if (kept === undefined) return []
  const pass = newPass(service, resource, kept.revision, turn)
  const { notificationsPerTurn } = service.limits
  const prefix = [service.name, resource]
  // Everything asked for is read at once, so no more is asked for than one turn can use.
  const range = {
    prefix,
    limit: notificationsPerTurn + 1,
    ...(from === undefined ? {} : { from: [...prefix, from] }),
  }
  let seen = 0
  for (const [key, record] of turn.db.range(service.tables.subscriptions, range)) {
    const id = key[2] as string
    if (seen++ === notificationsPerTurn) {
      pass.outputs.push(wakeAt(turn.now, fanOutToken(service.name, resource, id)))
      break
    }
    if (record.revision < kept.revision) serve(pass, id, record, turn)
  }
  return finish(pass, kept, turn)
}

/** Tells the holders of legs of a resource of its revision, from the one with id `from` on, as many as one turn may. */
export function fanOutToLegs(service: EventService, resource: string, from: string | undefined, turn: Turn): Output[] {
  const kept = turn.db.get(service.tables.resources, [service.name, resource])
  if (kept === undefined) return []
  const pass = newPass(service, resource, kept.revision, turn)
  const { notificationsPerTurn } = service.limits
  const prefix = [service.name, resource]
  const range = { prefix, limit: notificationsPerTurn + 1, ...(from === undefined ? {} : { from: [...prefix, from] }) }
  let seen = 0
  for (const [key, leg] of turn.db.range(service.tables.legs, range)) {
    const id = key[2] as string
    if (seen++ === notificationsPerTurn) {
      pass.outputs.push(wakeAt(turn.now, legsToken(service.name, resource, id)))
      break
    }
    if (leg.revision < kept.revision) serve(pass, id, recordOfLeg(leg), turn)
  }
  return finish(pass, kept, turn, legsToken(service.name, resource))
}

/** What one subscriber of `resource` is told has changed, and nobody else. He is told in a later turn. */
export function subscriptionChanged(service: EventService, resource: string, id: string, turn: Turn): Output[] {
  const key = [service.name, resource]
  const kept = turn.db.get(service.tables.resources, key)
  if (kept === undefined) return []
  // If he is the only one, whoever had to wait is woken.
  const unserved = kept.unserved && kept.subscriptions > 1
  turn.db.put(service.tables.resources, key, { ...kept, revision: kept.revision + 1, unserved })
  return [wakeAt(turn.now, serveToken(service.name, resource, id))]
}

/** Tells one subscriber of the revision of the resource, if he does not know it. */
export function serveOne(service: EventService, resource: string, id: string, turn: Turn): Output[] {
  const kept = turn.db.get(service.tables.resources, [service.name, resource])
  const record = turn.db.get(service.tables.subscriptions, [service.name, resource, id])
  if (kept === undefined || record === undefined || record.revision >= kept.revision) return []
  const pass = newPass(service, resource, kept.revision, turn)
  serve(pass, id, record, turn)
  return finish(pass, kept, turn, serveToken(service.name, resource, id))
}

/** RFC 6446 §7.2: a subscriber may have been told nothing for as long as he wished. */
export function keepRate(service: EventService, resource: string, id: string, turn: Turn): Output[] {
  const key = [service.name, resource, id]
  const record = turn.db.get(service.tables.subscriptions, key)
  const rates = record?.extras?.rates
  if (record === undefined || rates === undefined || record.expiresAt <= turn.now) return []
  const longestMs = longestIntervalMs(rates, turn.now)
  if (longestMs === Number.POSITIVE_INFINITY) return []
  if (record.notifiedAt + longestMs > turn.now) return rateWake(service, resource, id, record, turn)
  const kept = turn.db.get(service.tables.resources, [service.name, resource])
  if (kept === undefined) return []
  const pass = newPass(service, resource, kept.revision, turn)
  serve(pass, id, record, turn, true)
  const outputs = finish(pass, kept, turn, serveToken(service.name, resource, id))
  // Whoever has been told is woken for anyway.
  if (pass.sent === 0) outputs.push(wakeAt(turn.now + longestMs, rateToken(service.name, resource, id)))
  return outputs
}

/** What one turn of NOTIFYs about one resource has come to. */
export interface Pass {
  readonly service: EventService
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

export function newPass(service: EventService, resource: string, revision: number, turn: Turn): Pass {
  return {
    service,
    resource,
    revision,
    intervalMs: service.eventPackage.minNotifyIntervalMs?.(turn) ?? 0,
    shared: new Map(),
    outputs: [],
    sent: 0,
    next: Number.POSITIVE_INFINITY,
    unserved: false,
  }
}

/**
 * Brings one subscription that is due up to date: tells its holder, ends it if the decision says so, or leaves it for later.
 * `isForced`: he wants to be told even if there is nothing new.
 */
export function serve(pass: Pass, id: string, stored: SubscriptionRecord, turn: Turn, isForced = false): void {
  const { service, resource } = pass
  const decision = decide(service, resource, subscriberOf(stored), turn, pass.shared)
  if (decision !== 'active' && decision !== 'pending') {
    const subscription = { package: service.name, resource, id, record: { ...stored } }
    pass.outputs.push(...end(service, subscription, decision, turn, decision))
    pass.sent++
    return
  }
  const isTransition = decision !== stored.state
  const mustTell = isTransition || stored.revision < 0
  // Changes of the resource are nothing to someone who may not see it (RFC 3857 §4.7.1).
  if (decision === 'pending' && !mustTell) return
  if (!mustTell && stored.extras?.suppression !== undefined && isWithheld(pass, id, stored, turn)) return
  if (turn.inProgress(notifyToken(service.name, resource, id))) {
    pass.unserved = true
    return
  }
  if (!mustTell && !isForced) {
    const mayTellAt = stored.notifiedAt + intervalMs(pass, stored, turn)
    if (mayTellAt > turn.now && !service.eventPackage.isUrgent?.(resource, id, turn)) {
      pass.next = Math.min(pass.next, mayTellAt)
      return
    }
  }
  const record = { ...stored, state: decision }
  if (isTransition) record.event = decision === 'active' ? 'approved' : 'subscribe'
  const occasion = { full: mustTell, isForced, isReportable: isTransition || record.extras?.isUntold === true }
  send(pass, { package: service.name, resource, id, record }, occasion, turn)
  if (isTransition) {
    pass.outputs.push(...tell(service, resource, watcherOf(id, record, decision, record.event), turn))
  }
}

/** Whether his own state keeps a subscriber from being told; what a document had to leave for the next follows all the same. */
function isWithheld({ service, resource, shared }: Pass, id: string, stored: SubscriptionRecord, turn: Turn): boolean {
  return isSuppressed(service, stored, shared, turn) && !service.eventPackage.isUrgent?.(resource, id, turn)
}

function intervalMs({ service, resource, intervalMs: least }: Pass, record: SubscriptionRecord, turn: Turn): number {
  const { eventPackage } = service
  const agreed = Math.max(least, leastIntervalMs(record.extras?.rates))
  if (eventPackage.subscriberIntervalMs === undefined) return agreed
  return Math.max(agreed, eventPackage.subscriberIntervalMs(resource, subscriberOf(record), turn))
}

/** Why a NOTIFY is to be made. */
export interface Sending {
  /** Everything is to be said. */
  readonly full: boolean
  /** Something is to be said even if there is nothing new. */
  readonly isForced?: boolean
  /** A NOTIFY goes even if its subscriber knows the state: then without a body (RFC 5839 §6.2). */
  readonly isReportable: boolean
}

/** Sends a NOTIFY for a live subscription, unless there is nothing to say, and stores what it has told. */
export function send(pass: Pass, subscription: Subscription, sending: Sending, turn: Turn): void {
  const { record, resource, id } = subscription
  const { service, revision, shared } = pass
  const { eventPackage } = service
  if (isLeg(record)) {
    if (!hasNews(service, subscription, { full: sending.full, revision, shared }, turn)) return
    record.notifiedAt = turn.now
    record.revision = revision
    pass.sent++
    keep(service, subscription, turn)
    pass.outputs.push(...toHolder(service, resource, id, turn.now))
    return
  }
  const isKnown = record.extras?.condition !== undefined && isStillKnown(pass, subscription, turn)
  if (isKnown && !sending.isReportable) {
    if (record.revision < 0) {
      turn.db.put(service.tables.subscriptions, [service.name, resource, id], { ...record, revision })
    }
    return
  }
  const body = isKnown || record.state !== 'active' ? undefined : bodyOf(pass, subscription, sending, turn)
  if (body === 'unchanged') return
  record.notifiedAt = turn.now
  record.revision = revision
  pass.sent++
  const headers = [...requireFields(eventPackage)]
  const tag = currentTag(service, subscription, shared, turn, body?.entityTag)
  if (tag !== undefined) headers.push(['SIP-ETag', tag])
  const left = Math.max(0, Math.ceil((record.expiresAt - turn.now) / 1000))
  const contact = service.contact(resource, record, turn)
  const state = `${record.state};expires=${left}${rateParameters(record.extras?.rates)}`
  const request = notifyRequest(subscription, state, contact, body, turn.now, headers)
  if (record.extras !== undefined) {
    const { rates } = record.extras
    setExtras(record, { rates: rates && notified(rates, turn.now), isUntold: undefined })
  }
  keep(service, subscription, turn)
  pass.outputs.push({
    kind: 'request',
    request,
    token: notifyToken(service.name, resource, id),
    flow: record.flow,
  })
  if (record.extras !== undefined) pass.outputs.push(...rateWake(service, resource, id, record, turn))
  if (body?.outputs !== undefined) pass.outputs.push(...body.outputs)
}

/** A condition that does not hold any more is forgotten: should the state be that of the tag again, the subscriber will not know. */
function isStillKnown({ service, shared }: Pass, subscription: Subscription, turn: Turn): boolean {
  if (holds(service, subscription, shared, turn)) return true
  setExtras(subscription.record, { condition: undefined })
  return false
}

function bodyOf(
  { service, revision, shared }: Pass,
  subscription: Subscription,
  { full, isForced = false }: Sending,
  turn: Turn,
): ReturnType<EventService['eventPackage']['body']> {
  const { eventPackage } = service
  const body = eventPackage.body(subscription, turn, { full, isForced, revision, shared })
  if (body !== 'unchanged' || !isForced) return body
  return eventPackage.body(subscription, turn, { full: true, isForced, revision, shared })
}

/** Notes in the store and in the timetable what a pass has left for later; `again` is the wake of one that was for one alone. */
export function finish(pass: Pass, kept: ResourceRecord, turn: Turn, again?: string): Output[] {
  const { service, resource, outputs } = pass
  if (pass.unserved && !kept.unserved) {
    const key = [service.name, resource]
    // Ending a subscription may have rewritten the record meanwhile.
    const current = turn.db.get(service.tables.resources, key)
    if (current !== undefined) turn.db.put(service.tables.resources, key, { ...current, unserved: true })
  }
  if (pass.next < Number.POSITIVE_INFINITY)
    outputs.push(wakeAt(pass.next, again ?? fanOutToken(service.name, resource)))
  return outputs
}

/** The statuses of a NOTIFY that end its subscription (RFC 6665 §4.2.2); 408 is also what a silent peer gives. */
const endingStatuses: ReadonlySet<number> = new Set([
  404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604,
])

/** The final response to the NOTIFY that was under way for a subscription. */
export function notifyAnswered(
  service: EventService,
  resource: string,
  id: string,
  response: SipResponse,
  turn: Turn,
): Output[] {
  const { status } = response
  if (endingStatuses.has(status)) {
    const record = turn.db.get(service.tables.subscriptions, [service.name, resource, id])
    if (record === undefined) return []
    const subscription = { package: service.name, resource, id, record }
    return end(service, subscription, status === 408 ? 'timeout' : 'deactivated', turn)
  }
  const changed =
    status < 300 && response.hasHeader('Event') ? ratesAnswered(service, resource, id, response, turn) : []
  const retryAfter = status >= 300 ? Number.parseInt(response.header('Retry-After') ?? '', 10) : Number.NaN
  if (retryAfter > 0) return retryLater(service, resource, id, retryAfter, turn)
  if (status >= 300) {
    // Who has just refused is not told again at once, even if there is news.
    const later = noteFailure(service, resource, id, turn)
    if (later.length > 0) return later
  }
  return service.latest.get(resource, turn.db)?.unserved
    ? [...changed, ...serveOne(service, resource, id, turn)]
    : changed
}

/** The peer lives, but has not taken what it was sent. If it must be told everything anew, it is after a while. */
function noteFailure(service: EventService, resource: string, id: string, turn: Turn): Output[] {
  const key = [service.name, resource, id]
  const record = turn.db.get(service.tables.subscriptions, key)
  if (record === undefined) return []
  const subscription = { package: service.name, resource, id, record: { ...record } }
  if (!service.eventPackage.notifyFailed?.(subscription)) return []
  const mustTellAll = subscription.record.revision < 0
  const pauseMs = mustTellAll ? pauseAfterFailure(subscription, service.timeoutMs, turn.now) : 0
  turn.db.put(service.tables.subscriptions, key, subscription.record)
  return mustTellAll ? [wakeAt(turn.now + pauseMs, serveToken(service.name, resource, id))] : []
}

/** Twice as long with each failure that follows upon another: whoever cannot be reached may stay so until his subscription ends. */
function pauseAfterFailure(subscription: Subscription, leastMs: number, now: Instant): number {
  const { count, at } = subscription.record.extras?.failed ?? { count: 0, at: 0 }
  const pauseMs = (failures: number) => Math.min(leastMs * 2 ** (failures - 1), 1_800_000)
  const failures = count > 0 && now < at + 2 * pauseMs(count) ? Math.min(count + 1, 10) : 1
  setExtras(subscription.record, { failed: { count: failures, at: now } })
  return pauseMs(failures)
}

/** RFC 6665 §4.2.2 with RFC 3261 §20.33: the peer lives and asks for time. Until then others' changes reach him as usual. */
function retryLater(service: EventService, resource: string, id: string, seconds: number, turn: Turn): Output[] {
  const key = [service.name, resource, id]
  const record = turn.db.get(service.tables.subscriptions, key)
  if (record === undefined) return []
  turn.db.put(service.tables.subscriptions, key, { ...record, revision: -1 })
  return [wakeAt(turn.now + Math.min(seconds, 3600) * 1000, serveToken(service.name, resource, id))]
}
