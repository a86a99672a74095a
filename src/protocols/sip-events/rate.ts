/**
 * Rate control (RFC 6446): how often a subscriber wants to be notified, at most and at least. Agreed upon by parameters of Event
 * in SUBSCRIBE and in the 200 to a NOTIFY, and told in Subscription-State.
 */

import type { Instant, Output, Turn } from '../../turn.ts'
import { ParseError } from '../sip/errors.ts'
import type { SipResponse } from '../sip/message.ts'
import { Params } from '../sip/params.ts'
import type { EventService } from './service.ts'
import type { SubscriptionExtras, SubscriptionRecord } from './subscription.ts'
import { rateToken, serveToken, wakeAt } from './wakes.ts'

/** Notifications per second; what is undefined is not agreed upon. */
export interface Rates {
  readonly max?: number | undefined
  readonly min?: number | undefined
  readonly adaptiveMin?: number | undefined
}

/** What is agreed with a subscriber whose latest SUBSCRIBE asked for a rate; only he may change it in a 200 to NOTIFY (§5.2). */
export interface AgreedRates extends Rates {
  /** For `adaptiveMin`: NOTIFYs counted in the period that began at `since`, and in the one before. */
  readonly counted?: { readonly since: Instant; readonly before: number; readonly now: number } | undefined
}

/**
 * The rates that an Event header field asks for; undefined when it has no such parameter. One that is not of the grammar is
 * left out (§9.2).
 */
export function requestedRates(event: string | undefined): Rates | undefined {
  const semicolon = event?.indexOf(';') ?? -1
  if (event === undefined || semicolon === -1) return undefined
  const params = Params.parse(event.slice(semicolon))
  const rates = {
    max: rateOf(params.get('max-rate')) ?? rateOfInterval(params.get('min-interval') ?? params.get('throttle')),
    min: rateOf(params.get('min-rate')),
    adaptiveMin: rateOf(params.get('adaptive-min-rate')),
  }
  return rates.max === undefined && rates.min === undefined && rates.adaptiveMin === undefined ? undefined : rates
}

/** §9.2: up to two digits, and up to ten behind the point; not zero. */
function rateOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,2}(?:\.[0-9]{1,10})?$/.test(text)) return undefined
  return Number(text) || undefined
}

/** COMPAT(OMA Presence SIMPLE 2.0 clients): drafts of the RFC gave the shortest interval in seconds instead (DEC-05). */
function rateOfInterval(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,9}$/.test(text)) return undefined
  return Number(text) === 0 ? undefined : 1 / Number(text)
}

export interface RateBounds {
  /** What is left of the subscription: in that time at least one NOTIFY may be sent (§6.3). */
  readonly expiresSeconds: number
  /** Shortest time between two NOTIFYs by our own policy (§6.2). */
  readonly leastIntervalMs: number
  /** Shortest time after which we send a NOTIFY that has nothing new to say (§7.3). */
  readonly leastForcedMs: number
}

/** What we agree to (§6.3, §7.3, §8.3, §9). */
export function agreedRates(requested: Rates, bounds: RateBounds, earlier?: AgreedRates): AgreedRates {
  const { expiresSeconds, leastIntervalMs, leastForcedMs } = bounds
  const longest = 1 / Math.max(1, expiresSeconds)
  const max =
    requested.max === undefined
      ? undefined
      : Math.max(longest, leastIntervalMs > 0 ? Math.min(requested.max, 1000 / leastIntervalMs) : requested.max)
  const ceiling = Math.min(max ?? Number.POSITIVE_INFINITY, 1000 / leastForcedMs)
  const adaptiveMin = requested.adaptiveMin && Math.min(requested.adaptiveMin, ceiling)
  // A minimum that the adaptive one exceeds anyway does not count (§9).
  const isIdle = adaptiveMin !== undefined && (requested.min ?? 0) >= requested.adaptiveMin!
  const min = requested.min === undefined || isIdle ? undefined : Math.min(requested.min, ceiling)
  return { max, min, adaptiveMin, counted: adaptiveMin === undefined ? undefined : earlier?.counted }
}

/** The parameters that Subscription-State says them with (§5.3). */
export function rateParameters(rates: AgreedRates | undefined): string {
  if (rates === undefined) return ''
  const { max, min, adaptiveMin } = rates
  return `${written('max-rate', max)}${written('min-rate', min)}${written('adaptive-min-rate', adaptiveMin)}`
}

function written(name: string, rate: number | undefined): string {
  if (rate === undefined) return ''
  const digits = Math.min(99.9999999999, Math.max(1e-10, rate)).toFixed(10)
  return `;${name}=${digits.replace(/\.?0+$/, '')}`
}

/** Shortest time between two NOTIFYs that a change causes. */
export function leastIntervalMs(rates: AgreedRates | undefined): number {
  return rates?.max === undefined ? 0 : Math.ceil(1000 / rates.max)
}

/** The time after which a NOTIFY is due although nothing has changed (§7.2, §8.4); infinite when none ever is. */
export function longestIntervalMs(rates: AgreedRates, now: Instant): number {
  const { max, min, adaptiveMin } = rates
  let seconds = min === undefined ? Number.POSITIVE_INFINITY : 1 / min
  if (adaptiveMin !== undefined) {
    const timeout = countedIn(rates, now) / (adaptiveMin ** 2 * periodSeconds(adaptiveMin))
    seconds = Math.min(seconds, Math.max(timeout, max === undefined ? 0 : 1 / max))
  }
  return Math.ceil(seconds * 1000)
}

/** The rates after a NOTIFY, which is counted. */
export function notified(rates: AgreedRates, now: Instant): AgreedRates {
  const { adaptiveMin } = rates
  if (adaptiveMin === undefined) return rates
  const { since, before, now: count } = windowAt(rates, adaptiveMin, now)
  return { ...rates, counted: { since, before, now: count + 1 } }
}

/** §8.4: several times as long as the interval that is wished for. */
function periodSeconds(adaptiveMin: number): number {
  return periods / adaptiveMin
}

const periods = 10

/** NOTIFYs within the last period: those of the running one, and of the one before as many as fall to what of it still counts. */
function countedIn(rates: AgreedRates, now: Instant): number {
  const { adaptiveMin } = rates
  const { since, before, now: count } = windowAt(rates, adaptiveMin!, now)
  const elapsed = (now - since) / (periodSeconds(adaptiveMin!) * 1000)
  return before * (1 - elapsed) + count
}

/** The periods as they stand at `now`; at first a history of having kept the rate is assumed (§8.2 step 1). */
function windowAt(rates: AgreedRates, adaptiveMin: number, now: Instant): NonNullable<AgreedRates['counted']> {
  const { counted } = rates
  const periodMs = periodSeconds(adaptiveMin) * 1000
  if (counted === undefined) return { since: now, before: periods, now: 0 }
  const passed = Math.floor((now - counted.since) / periodMs)
  if (passed === 0) return counted
  return { since: counted.since + passed * periodMs, before: passed === 1 ? counted.now : 0, now: 0 }
}

/** What a SUBSCRIBE that is granted `seconds` leaves of the rates: those it asks for, or none. */
export function ratesOf(
  event: string | undefined,
  service: EventService,
  seconds: number,
  extras: SubscriptionExtras | undefined,
  turn: Turn,
): AgreedRates | undefined {
  const requested = requestedRates(event)
  return requested && agreedRates(requested, boundsOf(service, seconds, turn), extras?.rates)
}

function boundsOf(service: EventService, expiresSeconds: number, turn: Turn): RateBounds {
  const leastIntervalMs = service.eventPackage.minNotifyIntervalMs?.(turn) ?? 0
  return { expiresSeconds, leastIntervalMs, leastForcedMs: Math.max(leastIntervalMs, service.limits.leastForcedMs) }
}

/** A wake for the NOTIFY that is due when nothing changes until then; none when none is. */
export function rateWake(
  service: EventService,
  resource: string,
  id: string,
  { extras, notifiedAt }: SubscriptionRecord,
  turn: Turn,
): Output[] {
  if (extras?.rates === undefined) return []
  const at = notifiedAt + longestIntervalMs(extras.rates, turn.now)
  return at === Number.POSITIVE_INFINITY ? [] : [wakeAt(at, rateToken(service.name, resource, id))]
}

/** RFC 6446 §5.2: the 200 to a NOTIFY says of the rates, and says them all, what its Event says. Throws nothing. */
export function ratesAnswered(
  service: EventService,
  resource: string,
  id: string,
  response: SipResponse,
  turn: Turn,
): Output[] {
  const event = response.header('Event')
  if (event === undefined || event.split(';', 1)[0]!.trim() !== service.name) return []
  const key = [service.name, resource, id]
  const record = turn.db.get(service.tables.subscriptions, key)
  if (record?.extras?.rates === undefined) return []
  const requested = readRates(event)
  if (requested === 'unreadable') return []
  const seconds = Math.max(1, Math.ceil((record.expiresAt - turn.now) / 1000))
  const rates = agreedRates(requested ?? {}, boundsOf(service, seconds, turn), record.extras.rates)
  const changed = { ...record, extras: { ...record.extras, rates } }
  turn.db.put(service.tables.subscriptions, key, changed)
  // What had to wait may be told earlier now.
  return [...rateWake(service, resource, id, changed, turn), wakeAt(turn.now, serveToken(service.name, resource, id))]
}

function readRates(event: string): Rates | undefined | 'unreadable' {
  try {
    return requestedRates(event)
  } catch (error) {
    if (error instanceof ParseError) return 'unreadable'
    throw error
  }
}
