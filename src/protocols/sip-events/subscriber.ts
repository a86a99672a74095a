/**
 * The subscriber of RFC 6665 §4.1 for any event package: keeps subscriptions alive, takes their NOTIFYs, and begins anew where
 * the notifier or the network has ended one.
 */

import type { EntityName, Instant, Output, Turn } from '../../turn.ts'
import {
  answeredInDialog,
  type Dialog,
  dialogAsServer,
  isRepeated,
  receivedInDialog,
  requestInDialog,
} from '../sip/dialog.ts'
import { answerChallenge } from '../sip/digest.ts'
import { badEvent, badRequest, callOrTransactionDoesNotExist, ParseError } from '../sip/errors.ts'
import { type HeaderField, respond, SipRequest, type SipResponse } from '../sip/message.ts'
import { Params } from '../sip/params.ts'
import { isSipUri, parseUri } from '../sip/uri.ts'
import { areBodiesTaken } from './bodies.ts'
import { leastSequence } from './notify.ts'
import { checkBodyType, eventOf } from './request.ts'
import {
  backoffSeconds,
  retrySeconds,
  type SubscriberRecord,
  type SubscriberTables,
  subscriberTables,
} from './subscriber-record.ts'

/** What a subscription is to, and who asks. */
export interface Subject {
  /** Request-URI and To of the first SUBSCRIBE. */
  readonly target: string
  /** Address-of-record of who subscribes, for From; and what he is called. */
  readonly from: string
  readonly displayName?: string | undefined
  /** Route values of the first SUBSCRIBE, and its Max-Forwards; unless given none, and 70. */
  readonly routes?: readonly string[]
  readonly maxForwards?: number
  /** Value of Event. */
  readonly event: string
  readonly accept: string
  readonly expiresSeconds: number
  /** Further fields, such as P-Asserted-Identity. */
  readonly headers: readonly HeaderField[]
  readonly body?: { readonly contentType: string; readonly bytes: Uint8Array } | undefined
  /** Answers digest challenges; without them a challenge is a refusal. */
  readonly credentials?: { readonly username: string; readonly password: string } | undefined
}

export interface SubscriberOptions {
  /** The entity that owns it: names its tables and marks its Contact. Never changes. */
  readonly owner: EntityName
  /** Host and port by which notifiers reach us. */
  readonly address: (transport: 'udp' | 'tcp' | 'tls' | 'sips') => string
  /** What a subscription with this key is to; undefined when it is no longer wanted. A key has no spaces. */
  subject(key: string, turn: Turn): Subject | undefined
  /** A NOTIFY has come. `isAll`: it answers a SUBSCRIBE, and tells all there is. */
  notified(key: string, request: SipRequest, isAll: boolean, turn: Turn): Output[]
  /** There is no subscription any more, or none has come about. It is tried again in its time, unless it is `isRefused`. */
  lost(key: string, why: string, isRefused: boolean, turn: Turn): Output[]
  /** RFC 3261 T1: Timer N is 64 of it (RFC 6665 §4.1.2.1). */
  readonly t1Ms?: number
}

export class Subscriber {
  readonly #options: SubscriberOptions
  readonly #tables: SubscriberTables
  readonly #timerN: number

  constructor(options: SubscriberOptions) {
    this.#options = options
    this.#tables = subscriberTables(options.owner)
    this.#timerN = 64 * (options.t1Ms ?? 500)
  }

  /** What is kept of a subscription; undefined when there is none. */
  record(key: string, turn: Pick<Turn, 'db'>): SubscriberRecord | undefined {
    return turn.db.get(this.#tables.subscriptions, [key])
  }

  /** Begins a subscription, unless there is one, or one is waited for. */
  subscribe(key: string, turn: Turn): Output[] {
    return this.record(key, turn) === undefined ? this.#begin(key, 0, turn) : []
  }

  /** Ends a subscription. The notifier may go on for a moment, and is answered 481. */
  unsubscribe(key: string, turn: Turn): Output[] {
    const record = this.record(key, turn)
    if (record === undefined) return []
    this.#forget(key, record, turn)
    if (record.dialog === undefined) return []
    const { request } = requestInDialog(record.dialog, 'SUBSCRIBE', [
      ['Contact', this.#contact(record.target)],
      ['Event', record.event],
      ['Expires', '0'],
    ])
    // Of one that has come about again meanwhile the end may be under way at the same time.
    return [{ kind: 'request', request, token: `unsubscribe ${key} ${record.callId}` }]
  }

  /** Asks for everything anew, where the last NOTIFY did not tell enough. */
  refresh(key: string, turn: Turn): Output[] {
    const record = this.record(key, turn)
    if (record?.dialog === undefined || turn.inProgress(`subscribe ${key} ${record.callId}`)) return []
    const subject = this.#options.subject(key, turn)
    return subject === undefined ? this.unsubscribe(key, turn) : this.#send(key, record, subject, [], turn)
  }

  /** The final response to a SUBSCRIBE (RFC 6665 §4.1.2.1). */
  response(token: string, response: SipResponse, turn: Turn): Output[] {
    const [kind, key = '', callId] = token.split(' ')
    const record = this.record(key, turn)
    const { status } = response
    if (kind !== 'subscribe' || record === undefined || record.callId !== callId || status < 200) return []
    if (status < 300) return this.#accepted(key, record, response, turn)
    const subject = this.#options.subject(key, turn)
    if (subject === undefined) return this.unsubscribe(key, turn)
    if ((status === 401 || status === 407) && subject.credentials !== undefined && !record.hasProved)
      return this.#prove(key, record, subject, response, turn)
    const minExpires = Number.parseInt(response.header('Min-Expires') ?? '', 10)
    if (status === 423 && minExpires > record.askedSeconds && minExpires <= 2_147_483)
      return this.#send(key, { ...record, askedSeconds: minExpires }, subject, [], turn)
    const retryAfter = Number.parseInt(response.header('Retry-After') ?? '', 10)
    if (record.dialog !== undefined) {
      // §4.1.2.2: the notifier does not know the dialog any more.
      if (status === 481) return this.#again(key, record, { afterSeconds: 0, why: '481' }, turn)
      // "the original subscription is still considered valid": it is refreshed again while it lasts.
      if (!endsUsage(status)) {
        const leftMs = record.until - turn.now
        const pauseMs = (retryAfter > 0 ? retryAfter : backoffSeconds(record.failures)) * 1000
        const nextAt = turn.now + Math.min(pauseMs, Math.max(leftMs, 0))
        return [this.#put(key, { ...record, failures: record.failures + 1, nextAt }, turn)]
      }
    }
    const afterSeconds = retryAfter > 0 ? retryAfter : refusesForGood(status) ? 3600 : backoffSeconds(record.failures)
    return this.#again(key, record, { afterSeconds, why: `${status}` }, turn)
  }

  /**
   * NOTIFY (RFC 6665 §4.1.3). Throws 481 for a subscription that is not ours, 489 for another package, 500 out of order, 400
   * without a Subscription-State, 415 for a state of a kind that was not asked for.
   */
  notify(request: SipRequest, turn: Turn): Output[] {
    const key = turn.db.get(this.#tables.dialogs, [request.callId])
    const record = key === undefined ? undefined : this.record(key, turn)
    if (key === undefined || record === undefined || request.toTag !== record.localTag)
      throw callOrTransactionDoesNotExist()
    const event = record.event.split(';', 1)[0]!
    if (eventOf(request)?.name !== event) throw badEvent([event])
    const state = stateOf(request)
    // §4.1.2.4: the first NOTIFY makes the dialog, be it before the response; there is one to a SUBSCRIBE.
    const first = record.dialog === undefined ? dialogAsServer(request, record.localTag) : undefined
    const dialog = first ?? receivedInDialog(record.dialog!, request, true)
    const answer: Output = { kind: 'respond', transaction: request.transaction, response: respond(request, 200) }
    if (first === undefined && isRepeated(record.dialog!, request)) return [answer]
    const accepted = this.#options.subject(key, turn)?.accept.split(', ') ?? []
    if (state.name === 'terminated') {
      // What ends ends, whatever it brings.
      const isTaken = accepted.includes('*/*') || areBodiesTaken(request, accepted)
      const told = isTaken ? this.#options.notified(key, request, record.awaitsAll, turn) : []
      const afterSeconds = retrySeconds(state.reason, state.retryAfter, record.failures)
      const why = state.reason ?? 'terminated'
      return [answer, ...told, ...this.#again(key, record, { afterSeconds, why }, turn)]
    }
    if (!accepted.includes('*/*')) checkBodyType(request, accepted)
    const kept: SubscriberRecord = {
      ...record,
      dialog: { ...dialog, localSequence: record.sequence },
      state: state.name === 'pending' ? 'pending' : 'active',
      // What lasts longer than was asked for would not be refreshed, and so not be missed (§4.1.2.1).
      ...lasting(record, Math.min(state.expires ?? record.askedSeconds, record.askedSeconds), turn.now),
      awaitsAll: false,
    }
    const wake = this.#put(key, kept, turn)
    return [answer, wake, ...this.#options.notified(key, request, record.awaitsAll, turn)]
  }

  /** A wake this subscriber asked for. */
  wake(token: string, turn: Turn): Output[] {
    const [kind, key = '', callId] = token.split(' ')
    const record = this.record(key, turn)
    if (kind !== 'subscription' || record === undefined || record.callId !== callId) return []
    if (turn.inProgress(`subscribe ${key} ${callId}`)) return []
    const subject = this.#options.subject(key, turn)
    if (subject === undefined) return this.unsubscribe(key, turn)
    if (record.nextAt > turn.now) return []
    if (record.state === 'waiting') {
      this.#forget(key, record, turn)
      return this.#begin(key, record.failures, turn)
    }
    // Timer N (§4.1.2.1), and the end of a subscription that could not be refreshed.
    if (record.until <= turn.now) {
      const afterSeconds = backoffSeconds(record.failures)
      return this.#again(key, record, { afterSeconds, why: 'no NOTIFY' }, turn)
    }
    if (subject.target !== record.target) return [...this.unsubscribe(key, turn), ...this.#begin(key, 0, turn)]
    const failures = record.state === 'active' && !record.awaitsAll ? 0 : record.failures
    return this.#send(key, { ...record, event: subject.event, hasProved: false, failures }, subject, [], turn)
  }

  #begin(key: string, failures: number, turn: Turn): Output[] {
    const subject = this.#options.subject(key, turn)
    if (subject === undefined) return []
    const record: SubscriberRecord = {
      state: 'asked',
      target: subject.target,
      event: subject.event,
      callId: turn.random.token(20),
      localTag: turn.random.token(12),
      sequence: 0,
      dialog: undefined,
      until: turn.now + this.#timerN,
      nextAt: turn.now + this.#timerN,
      askedSeconds: subject.expiresSeconds,
      awaitsAll: true,
      hasProved: false,
      failures,
    }
    turn.db.put(this.#tables.dialogs, [record.callId], key)
    return this.#send(key, record, subject, [], turn)
  }

  /** Sends a SUBSCRIBE, within the dialog if there is one. */
  #send(key: string, record: SubscriberRecord, subject: Subject, proof: readonly HeaderField[], turn: Turn): Output[] {
    const { target, from, displayName, event, accept, headers, body } = subject
    const fields: HeaderField[] = [
      ['Contact', this.#contact(record.target)],
      ['Event', event],
      ['Accept', accept],
      ['Expires', String(record.askedSeconds)],
      ...headers,
      ...proof,
    ]
    if (body !== undefined) fields.push(['Content-Type', body.contentType])
    const least = Math.max(leastSequence(turn.now), record.sequence + 1)
    let request: SipRequest
    let dialog: Dialog | undefined
    if (record.dialog === undefined) {
      request = new SipRequest(
        'SUBSCRIBE',
        target,
        [
          ...(subject.routes ?? []).map(route => ['Route', route] as const),
          ['Max-Forwards', String(subject.maxForwards ?? 70)],
          ['From', `${nameAddr(from, displayName)};tag=${record.localTag}`],
          ['To', `<${target}>`],
          ['Call-ID', record.callId],
          ['CSeq', `${least} SUBSCRIBE`],
          ...fields,
        ],
        body?.bytes,
      )
    } else ({ request, dialog } = requestInDialog(record.dialog, 'SUBSCRIBE', fields, body?.bytes, least))
    // An answer that a restart has swallowed is missed then.
    const nextAt = dialog === undefined ? record.until : turn.now + this.#timerN + 1000
    const kept = { ...record, sequence: request.cseq.number, dialog, awaitsAll: true, nextAt }
    return [{ kind: 'request', request, token: `subscribe ${key} ${record.callId}` }, this.#put(key, kept, turn)]
  }

  #prove(key: string, record: SubscriberRecord, subject: Subject, response: SipResponse, turn: Turn): Output[] {
    const [from, to] =
      response.status === 401 ? ['WWW-Authenticate', 'Authorization'] : ['Proxy-Authenticate', 'Proxy-Authorization']
    try {
      const value = answerChallenge(response.headers(from!), {
        ...subject.credentials!,
        method: 'SUBSCRIBE',
        uri: record.dialog === undefined ? subject.target : requestInDialog(record.dialog, 'SUBSCRIBE').request.uri,
        cnonce: turn.random.token(12),
        nonceCount: 1,
        ...(subject.body === undefined ? {} : { body: subject.body.bytes }),
      })
      return this.#send(key, { ...record, hasProved: true }, subject, [[to!, value]], turn)
    } catch (error) {
      if (!(error instanceof ParseError)) throw error
      return this.#again(key, record, { afterSeconds: 3600, why: 'a challenge that cannot be answered' }, turn)
    }
  }

  #accepted(key: string, record: SubscriberRecord, response: SipResponse, turn: Turn): Output[] {
    // Before the first NOTIFY there is no subscription yet, and Timer N goes on.
    if (record.dialog === undefined) return []
    const seconds = Math.min(response.expires ?? record.askedSeconds, record.askedSeconds)
    const kept: SubscriberRecord = {
      ...record,
      dialog: answeredInDialog(record.dialog, response),
      ...lasting(record, seconds, turn.now),
    }
    return [this.#put(key, kept, turn)]
  }

  /** There is no subscription any more; there will be one after a while, or never. */
  #again(
    key: string,
    record: SubscriberRecord,
    { afterSeconds, why }: { afterSeconds: number | undefined; why: string },
    turn: Turn,
  ): Output[] {
    turn.db.delete(this.#tables.dialogs, [record.callId])
    const lost = this.#options.lost(key, why, afterSeconds === undefined, turn)
    if (afterSeconds === undefined) {
      this.#forget(key, record, turn)
      return lost
    }
    // Of two that end at once the second waits: a notifier that ends each one at once is not asked without a pause.
    const seconds = afterSeconds === 0 && record.failures > 0 ? backoffSeconds(record.failures) : afterSeconds
    const jitterMs = seconds === 0 ? 0 : turn.random.below(seconds * 100 + 1)
    const until = turn.now + seconds * 1000 + jitterMs
    const kept: SubscriberRecord = {
      ...record,
      state: 'waiting',
      dialog: undefined,
      until,
      nextAt: until,
      failures: Math.min(record.failures + 1, 100),
    }
    return [...lost, this.#put(key, kept, turn)]
  }

  /** Keeps a record, and is woken when something is to be done. */
  #put(key: string, record: SubscriberRecord, turn: Turn): Output {
    turn.db.put(this.#tables.subscriptions, [key], record)
    return { kind: 'wake', at: record.nextAt, token: `subscription ${key} ${record.callId}` }
  }

  #forget(key: string, { callId }: SubscriberRecord, turn: Turn): void {
    turn.db.delete(this.#tables.subscriptions, [key])
    turn.db.delete(this.#tables.dialogs, [callId])
  }

  /** NOTIFYs come by the transport by which the notifier is asked, so that what is to be secret stays so. */
  #contact(target: string): string {
    const { owner, address } = this.#options
    const uri = parseUri(target)
    if (isSipUri(uri) && uri.scheme === 'sips') return `<sips:${owner}@${address('sips')};gr=${owner}>`
    const named = isSipUri(uri) ? uri.params.get('transport')?.toLowerCase() : undefined
    const transport = named === 'tcp' || named === 'tls' ? named : 'udp'
    const parameter = transport === 'udp' ? '' : `;transport=${transport}`
    return `<sip:${owner}@${address(transport)}${parameter};gr=${owner}>`
  }
}

/** A name-addr of an address-of-record. */
export function nameAddr(address: string, displayName: string | undefined): string {
  return displayName ? `"${displayName.replace(/["\\]/g, '\\$&')}" <${address}>` : `<${address}>`
}

/** A subscription that lasts for so long is refreshed ten minutes before its end, or half-way through a short one. */
function lasting(
  { askedSeconds }: SubscriberRecord,
  seconds: number,
  now: Instant,
): Pick<SubscriberRecord, 'until' | 'nextAt'> {
  const aheadSeconds = Math.min(600, Math.floor(Math.min(seconds, askedSeconds) / 2))
  return { until: now + seconds * 1000, nextAt: now + (seconds - aheadSeconds) * 1000 }
}

/** Answers to a refresh that end the subscription (§4.1.2.2). */
function endsUsage(status: number): boolean {
  const ends = [404, 405, 410, 416, 489, 501, 604]
  return ends.includes(status) || (status >= 480 && status <= 485)
}

/** What another attempt soon would not change; the others are troubles that pass. */
function refusesForGood(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 480 && status !== 481 && status !== 491
}

interface State {
  readonly name: string
  readonly reason: string | undefined
  readonly expires: number | undefined
  readonly retryAfter: number | undefined
}

/** Subscription-State (RFC 6665 §8.4). Throws 400 without one. */
function stateOf(request: SipRequest): State {
  const text = request.header('Subscription-State')
  if (text === undefined) throw badRequest('Subscription-State Missing')
  const semicolon = text.indexOf(';')
  const params = semicolon === -1 ? Params.none : Params.parse(text.slice(semicolon))
  const seconds = (name: string): number | undefined => {
    const value = params.get(name)
    return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined
  }
  return {
    name: (semicolon === -1 ? text : text.slice(0, semicolon)).trim().toLowerCase(),
    reason: params.get('reason')?.toLowerCase(),
    expires: seconds('expires'),
    retryAfter: seconds('retry-after'),
  }
}
