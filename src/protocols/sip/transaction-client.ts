/**
 * Client transactions (RFC 3261 §17.1, with the Accepted state of RFC 6026 §7.2): two state machines as tables, one
 * sentence of the standard per transition, and the record of one running transaction.
 */

import { type Timed, type TimerLengths, type Timers, timerQueue } from './timers.ts'

export type ClientState = 'calling' | 'trying' | 'proceeding' | 'accepted' | 'completed' | 'terminated'

export type ClientEvent =
  | '1xx'
  | '2xx'
  | '300-699'
  | 'timer A'
  | 'timer B'
  | 'timer C'
  | 'timer D'
  | 'timer E'
  | 'timer F'
  | 'timer M'
  | 'transport error'

export type ClientAction =
  | 'send request'
  | 'send ACK'
  | 'response to user'
  | 'timeout to user'
  | 'transport failure to user'
  | 'ringing too long'
  | 'start A'
  | 'start B'
  | 'start C'
  | 'start D'
  | 'start E'
  | 'start E at T2'
  | 'start F'
  | 'start M'

export type ClientTransition = { readonly to: ClientState; readonly actions: readonly ClientAction[] }
type ClientMachine = { readonly [S in ClientState]?: { readonly [E in ClientEvent]?: ClientTransition } }

/** Figure 5 of RFC 3261 as replaced by figure 5 of RFC 6026. */
export const inviteClientMachine: ClientMachine = {
  calling: {
    // "When timer A fires, the client transaction MUST retransmit the request [...] and MUST reset the timer with a value of 2*T1."
    'timer A': { to: 'calling', actions: ['send request', 'start A'] },
    // "If [...] still in the "Calling" state when timer B fires, the client transaction SHOULD inform the TU that a timeout has occurred."
    'timer B': { to: 'terminated', actions: ['timeout to user'] },
    // "it transitions to the "Proceeding" state [...] the provisional response MUST be passed to the TU."
    '1xx': { to: 'proceeding', actions: ['start C', 'response to user'] },
    // RFC 6026 §7.2: "it MUST transition to the "Accepted" state, pass the 2xx response to the TU, and set Timer M to 64*T1"
    '2xx': { to: 'accepted', actions: ['start M', 'response to user'] },
    // "MUST pass the received response up to the TU, and [...] MUST generate an ACK request [...] SHOULD start timer D"
    '300-699': { to: 'completed', actions: ['send ACK', 'start D', 'response to user'] },
    // §17.1.4: "SHOULD inform the TU that a transport failure has occurred, and [...] transition directly to the "Terminated" state"
    'transport error': { to: 'terminated', actions: ['transport failure to user'] },
  },
  proceeding: {
    // "Any further provisional responses MUST be passed up to the TU while in the "Proceeding" state." §16.7 step 2: resets timer C.
    '1xx': { to: 'proceeding', actions: ['start C', 'response to user'] },
    '2xx': { to: 'accepted', actions: ['start M', 'response to user'] },
    '300-699': { to: 'completed', actions: ['send ACK', 'start D', 'response to user'] },
    // §16.8: "If the client transaction has received a provisional response, the proxy MUST generate a CANCEL"; §9.1: then 64*T1 more.
    'timer C': { to: 'proceeding', actions: ['ringing too long'] },
    // Not in the figure, where nothing is sent in this state: a peer whose connection has ended is not waited for.
    'transport error': { to: 'terminated', actions: ['transport failure to user'] },
  },
  accepted: {
    // RFC 6026 §7.2: "A 2xx response received while in the "Accepted" state MUST be passed to the TU and the machine remains"
    '2xx': { to: 'accepted', actions: ['response to user'] },
    // RFC 6026 §7.2: "When Timer M fires [...] the machine MUST transition to the "Terminated" state."
    'timer M': { to: 'terminated', actions: [] },
    'transport error': { to: 'accepted', actions: [] },
  },
  completed: {
    // "Any retransmissions of the final response [...] MUST cause the ACK to be re-passed [...] MUST NOT be passed up to the TU."
    '300-699': { to: 'completed', actions: ['send ACK'] },
    // "If timer D fires [...] MUST move to the terminated state."
    'timer D': { to: 'terminated', actions: [] },
    // The user has its final response already, so it is not told of the ACK's failure (RFC 6026 §7.2: state need not be kept).
    'transport error': { to: 'terminated', actions: [] },
  },
}

/**
 * Figure 6 of RFC 3261 (§17.1.2.2), with Timer K zero whatever the transport. The "Completed" state "exists to buffer any
 * additional response retransmissions"; without it these match no transaction and are dropped and counted just the same
 * (RFC 6026 §7.2), and a notifier need not remember each of its requests for another five seconds.
 */
export const nonInviteClientMachine: ClientMachine = {
  trying: {
    // "If timer E fires while still in this state, the timer is reset, but this time with a value of MIN(2*T1, T2)."
    'timer E': { to: 'trying', actions: ['send request', 'start E'] },
    // "If Timer F fires [...] SHOULD inform the TU about the timeout, and then it SHOULD enter the "Terminated" state."
    'timer F': { to: 'terminated', actions: ['timeout to user'] },
    // "the response MUST be passed to the TU, and then the client transaction SHOULD move to the "Proceeding" state"
    '1xx': { to: 'proceeding', actions: ['response to user'] },
    // "the response MUST be passed to the TU, and the client transaction MUST transition to the "Completed" state"
    '2xx': { to: 'terminated', actions: ['response to user'] },
    '300-699': { to: 'terminated', actions: ['response to user'] },
    'transport error': { to: 'terminated', actions: ['transport failure to user'] },
  },
  proceeding: {
    // "If Timer E fires while in the "Proceeding" state, the request MUST be [retransmitted], and Timer E MUST be reset with a value of T2"
    'timer E': { to: 'proceeding', actions: ['send request', 'start E at T2'] },
    'timer F': { to: 'terminated', actions: ['timeout to user'] },
    '1xx': { to: 'proceeding', actions: ['response to user'] },
    '2xx': { to: 'terminated', actions: ['response to user'] },
    '300-699': { to: 'terminated', actions: ['response to user'] },
    'transport error': { to: 'terminated', actions: ['transport failure to user'] },
  },
}

/** What both machines do when "the TU initiates a new client transaction". */
const inviteClientStart: readonly ClientAction[] = ['send request', 'start B', 'start A']
const nonInviteClientStart: readonly ClientAction[] = ['send request', 'start F', 'start E']

const nothing: readonly ClientAction[] = []

export class ClientTransaction<Owner> implements Timed {
  readonly kind = 'client'
  deadline = 0
  queue = -1
  previousTimed: Timed | undefined = undefined
  nextTimed: Timed | undefined = undefined

  state: ClientState
  /** The branch of the request's Via; with ` CANCEL` behind it for a CANCEL, which shares its INVITE's branch (§17.1.3). */
  readonly key: string
  readonly method: string
  readonly flow: string
  readonly reliable: boolean
  /** Whose request this is an attempt at; kept until no response can concern it any more. */
  owner: Owner | undefined
  /** The request as sent, for retransmission; the ACK once there is one. */
  bytes: Buffer | undefined
  /** True once any response has come: a timeout is then no reason to try the next server (RFC 3263 §4.3). */
  answered = false
  #endsAt = 0
  #intervalMs = 0
  #step = 0
  #endsSoon = false

  constructor(key: string, method: string, flow: string, reliable: boolean, owner: Owner | undefined, bytes: Buffer) {
    this.key = key
    this.method = method
    this.flow = flow
    this.reliable = reliable
    this.owner = owner
    this.bytes = bytes
    this.state = method === 'INVITE' ? 'calling' : 'trying'
  }

  /** Begins the transaction: starts its timers and returns what its owner is to do, in order. */
  start(now: number, timers: Timers<Timed>, lengths: TimerLengths): readonly ClientAction[] {
    const actions = this.method === 'INVITE' ? inviteClientStart : nonInviteClientStart
    this.#startTimers(actions, now, timers, lengths)
    return actions
  }

  /** Makes the transition for an event: starts and stops timers and returns what its owner is to do, in order. */
  on(event: ClientEvent, now: number, timers: Timers<Timed>, lengths: TimerLengths): readonly ClientAction[] {
    const machine = this.method === 'INVITE' ? inviteClientMachine : nonInviteClientMachine
    const transition = machine[this.state]?.[event]
    if (!transition) return nothing
    this.state = transition.to
    this.#startTimers(transition.actions, now, timers, lengths)
    if (this.state === 'terminated') timers.stop(this)
    return transition.actions
  }

  /** Which timer it is that has ended. */
  ended(): ClientEvent {
    const last = this.deadline >= this.#endsAt
    switch (this.state) {
      case 'calling':
        return last ? 'timer B' : 'timer A'
      case 'accepted':
        return 'timer M'
      case 'completed':
        return 'timer D'
      default:
        return this.method === 'INVITE' ? 'timer C' : last ? 'timer F' : 'timer E'
    }
  }

  /** After a CANCEL an INVITE waits 64*T1 for its final response and no longer (RFC 3261 §9.1). */
  endSoon(now: number, timers: Timers<Timed>, lengths: TimerLengths): void {
    this.#endsSoon = true
    timers.start(this, timerQueue.transaction, now + lengths.transactionMs)
  }

  #startTimers(actions: readonly ClientAction[], now: number, timers: Timers<Timed>, lengths: TimerLengths): void {
    for (const action of actions) {
      switch (action) {
        case 'start B':
        case 'start F':
          this.#endsAt = now + lengths.transactionMs
          if (this.reliable) timers.start(this, timerQueue.transaction, this.#endsAt)
          break
        case 'start A':
          this.#intervalMs = this.#intervalMs === 0 ? lengths.t1Ms : 2 * this.#intervalMs
          this.#startRetransmission(timerQueue.inviteRetransmission, now, timers)
          break
        case 'start E':
          this.#intervalMs = this.#intervalMs === 0 ? lengths.t1Ms : Math.min(2 * this.#intervalMs, lengths.t2Ms)
          this.#startRetransmission(timerQueue.retransmission, now, timers)
          break
        case 'start E at T2':
          this.#intervalMs = lengths.t2Ms
          this.#startRetransmission(timerQueue.retransmission, now, timers)
          break
        case 'start C':
          if (!this.#endsSoon) timers.start(this, timerQueue.ringing, now + lengths.timerCMs)
          break
        case 'start D':
          this.#startTimerD(lengths.timerDMs, now, timers)
          break
        case 'start M':
          timers.start(this, timerQueue.transaction, now + lengths.transactionMs)
          break
      }
    }
  }

  /** Timers A and E run on unreliable transports only (§17.1.1.2, §17.1.2.2), and not beyond Timers B and F. */
  #startRetransmission(queue: number, now: number, timers: Timers<Timed>): void {
    if (this.reliable) return
    const at = now + this.#intervalMs
    if (at >= this.#endsAt) timers.start(this, timerQueue.timeout, this.#endsAt)
    else timers.start(this, queue + Math.min(this.#step++, 7), at)
  }

  /** Timer D is zero on reliable transports: the transaction ends at once. */
  #startTimerD(lengthMs: number, now: number, timers: Timers<Timed>): void {
    if (this.reliable) this.state = 'terminated'
    else timers.start(this, timerQueue.transaction, now + lengthMs)
  }
}

/** The event that a response with this status is. */
export function responseEvent(status: number): ClientEvent {
  return status < 200 ? '1xx' : status < 300 ? '2xx' : '300-699'
}
