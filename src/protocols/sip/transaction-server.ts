/**
 * Server transactions (RFC 3261 §17.2, with RFC 6026 §7.1 for INVITE and RFC 4320 §4 for all others): two state machines
 * as tables, one sentence of the standard per transition, and the record of one running transaction.
 */

import { type Timed, type TimerLengths, type Timers, timerQueue } from './timers.ts'

export type ServerState = 'trying' | 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated'

export type ServerEvent =
  | 'request again'
  | 'ACK'
  | '100 from user'
  | '1xx from user'
  | '2xx from user'
  | '300-699 from user'
  | '408 from user'
  | 'silence'
  | 'timer G'
  | 'timer H'
  | 'timer I'
  | 'timer L'
  | 'no answer'

export type ServerAction =
  | 'send response'
  | 'send last response'
  | 'send 100'
  | 'ACK to user'
  | 'answer for the user'
  | 'say nothing more'
  | 'start G'
  | 'start H'
  | 'start I'
  | 'start J'
  | 'start L'
  | 'wait for the answer'

type ServerTransition = { readonly to: ServerState; readonly actions: readonly ServerAction[] }
type ServerMachine = { readonly [S in ServerState]?: { readonly [E in ServerEvent]?: ServerTransition } }

/** Figure 7 of RFC 3261 as replaced by figure 5 of RFC 6026. A transport error changes no state (RFC 6026 §7.1). */
export const inviteServerMachine: ServerMachine = {
  proceeding: {
    // §17.2.1: "MUST generate a 100 (Trying) response unless it knows that the TU will generate a [...] response within 200 ms"
    silence: { to: 'proceeding', actions: ['send 100', 'wait for the answer'] },
    // "If a request retransmission is received while in the "Proceeding" state, the most recent provisional response [...] MUST be [sent]"
    'request again': { to: 'proceeding', actions: ['send last response'] },
    // "So long as the server transaction is in the "Proceeding" state, each of these MUST be passed to the transport layer"
    '100 from user': { to: 'proceeding', actions: ['send response', 'wait for the answer'] },
    '1xx from user': { to: 'proceeding', actions: ['send response', 'wait for the answer'] },
    // RFC 6026 §7.1: "the state machine MUST transition to the "Accepted" state and set Timer L to 64*T1"
    '2xx from user': { to: 'accepted', actions: ['send response', 'start L'] },
    // "the response MUST be passed to the transport layer for transmission, and the state machine MUST enter the "Completed" state."
    '300-699 from user': { to: 'completed', actions: ['send response', 'start H', 'start G'] },
    '408 from user': { to: 'completed', actions: ['send response', 'start H', 'start G'] },
    // The user never answered: no requirement; a 408 ends what would never end (§21.4.9).
    'no answer': { to: 'completed', actions: ['answer for the user', 'start H', 'start G'] },
  },
  completed: {
    // "if a request retransmission is received, the server SHOULD pass the response to the transport for retransmission"
    'request again': { to: 'completed', actions: ['send last response'] },
    // "If timer G fires, the response is passed to the transport layer once more [...] timer G is set to fire in MIN(2*T1, T2)"
    'timer G': { to: 'completed', actions: ['send last response', 'start G'] },
    // "If timer H fires [...] the ACK was never received [...] MUST transition to the "Terminated" state"
    'timer H': { to: 'terminated', actions: [] },
    // "If an ACK is received [...] the server transaction MUST transition to the "Confirmed" state."
    ACK: { to: 'confirmed', actions: ['start I'] },
  },
  confirmed: {
    // "The purpose of the "Confirmed" state is to absorb any additional ACK messages that arrive"
    ACK: { to: 'confirmed', actions: [] },
    'timer I': { to: 'terminated', actions: [] },
  },
  accepted: {
    // RFC 6026 §7.1: "any retransmissions of the INVITE [...] will be absorbed by the machine without changing its state"
    'request again': { to: 'accepted', actions: [] },
    // RFC 6026 §7.1: "Any retransmission of the 2xx response passed from the TU [...] MUST be passed to the transport layer"
    '2xx from user': { to: 'accepted', actions: ['send response'] },
    // RFC 6026 §7.1: "Any ACKs received [...] MUST be passed directly to the TU and not absorbed."
    ACK: { to: 'accepted', actions: ['ACK to user'] },
    'timer L': { to: 'terminated', actions: [] },
  },
}

/** Figure 8 of RFC 3261 (§17.2.2). What is "Completed" and came by UDP is remembered by answered-requests. */
export const nonInviteServerMachine: ServerMachine = {
  trying: {
    // "Once in the "Trying" state, any further request retransmissions are discarded."
    'request again': { to: 'trying', actions: [] },
    // RFC 4320 §4.1: "MUST respond [...] with a Status-Code of 100 if it has not otherwise responded after [Timer E is reset to T2]"
    silence: { to: 'proceeding', actions: ['send 100', 'wait for the answer'] },
    // "if the TU passes a provisional response [...] MUST enter the "Proceeding" state. The response MUST be [sent]"
    '100 from user': { to: 'proceeding', actions: ['send response', 'wait for the answer'] },
    // "If the TU passes a final response [...] MUST enter the "Completed" state"
    '2xx from user': { to: 'completed', actions: ['send response', 'start J'] },
    '300-699 from user': { to: 'completed', actions: ['send response', 'start J'] },
    // RFC 4320 §4.2: "MUST NOT send a response with Status-Code of 408 [...] will not send a final response at all". The client
    // has given up by then; its last retransmissions are still absorbed.
    '408 from user': { to: 'completed', actions: ['say nothing more', 'start J'] },
    'no answer': { to: 'completed', actions: ['say nothing more', 'start J'] },
  },
  proceeding: {
    // "If a retransmission of the request is received while in the "Proceeding" state, the most recently sent provisional response MUST be [sent]"
    'request again': { to: 'proceeding', actions: ['send last response'] },
    '100 from user': { to: 'proceeding', actions: ['send response'] },
    '2xx from user': { to: 'completed', actions: ['send response', 'start J'] },
    '300-699 from user': { to: 'completed', actions: ['send response', 'start J'] },
    '408 from user': { to: 'completed', actions: ['say nothing more', 'start J'] },
    'no answer': { to: 'completed', actions: ['say nothing more', 'start J'] },
  },
}

const nothing: readonly ServerAction[] = []

export class ServerTransaction<Request> implements Timed {
  readonly kind = 'server'
  deadline = 0
  queue = -1
  previousTimed: Timed | undefined = undefined
  nextTimed: Timed | undefined = undefined

  state: ServerState
  /** Branch, sent-by and method (§17.2.3). */
  readonly key: string
  readonly invite: boolean
  readonly reliable: boolean
  /** Where responses go: the flow the request came by, or the one its Via asks for (§18.2.2). */
  flow: string
  /** Kept while the stack itself may have to answer it: until the user's final response. */
  request: Request | undefined
  /**
   * The octets of the last response sent, one a character, for retransmission: of an INVITE, or a 100. As text, since a small
   * Buffer keeps alive the whole allocation it shares with others that are long gone.
   */
  lastResponse: string | undefined = undefined
  /** To tag of the last response: an RFC 2543 ACK must carry it, a CANCEL's 200 should. */
  toTag: string | undefined = undefined
  /** What tells its request from others (§8.2.2.2); see merged-requests. */
  mergeDigest = 0
  mergeCheck = 0
  /** True when another transaction had this request first. */
  merged = false
  #endsAt = 0
  #intervalMs = 0
  #step = 0

  constructor(key: string, invite: boolean, flow: string, reliable: boolean, request: Request) {
    this.key = key
    this.invite = invite
    this.flow = flow
    this.reliable = reliable
    this.request = request
    this.state = invite ? 'proceeding' : 'trying'
  }

  /** Begins the transaction: the user has the request, and some time to answer. */
  start(now: number, timers: Timers<Timed>, lengths: TimerLengths): void {
    if (this.invite) timers.start(this, timerQueue.trying, now + lengths.tryingMs)
    else {
      this.#endsAt = now + lengths.transactionMs
      timers.start(this, timerQueue.quiet, now + lengths.quietMs)
    }
  }

  /** Makes the transition for an event: starts and stops timers and returns what its owner is to do, in order. */
  on(event: ServerEvent, now: number, timers: Timers<Timed>, lengths: TimerLengths): readonly ServerAction[] {
    const machine = this.invite ? inviteServerMachine : nonInviteServerMachine
    const transition = machine[this.state]?.[event]
    if (!transition) return nothing
    this.state = transition.to
    for (const action of transition.actions) this.#startTimer(action, now, timers, lengths)
    if (this.state === 'terminated') timers.stop(this)
    return transition.actions
  }

  /** Which timer it is that has ended. */
  ended(): ServerEvent {
    switch (this.state) {
      case 'accepted':
        return 'timer L'
      case 'confirmed':
        return 'timer I'
      case 'completed':
        return this.deadline >= this.#endsAt ? 'timer H' : 'timer G'
      default:
        return this.lastResponse !== undefined ? 'no answer' : 'silence'
    }
  }

  /** True while the user's final response is still to come. */
  get unanswered(): boolean {
    return this.state === 'trying' || this.state === 'proceeding'
  }

  #startTimer(action: ServerAction, now: number, timers: Timers<Timed>, lengths: TimerLengths): void {
    switch (action) {
      case 'wait for the answer':
        // An INVITE rings as long as its user says so at least as often as Timer C; others end with the client's Timer F.
        if (this.invite) timers.start(this, timerQueue.ringing, now + lengths.timerCMs + lengths.transactionMs)
        else timers.start(this, timerQueue.timeout, this.#endsAt)
        break
      case 'start H':
        this.#endsAt = now + lengths.transactionMs
        if (this.reliable) timers.start(this, timerQueue.transaction, this.#endsAt)
        break
      case 'start G': {
        if (this.reliable) break
        this.#intervalMs = this.#intervalMs === 0 ? lengths.t1Ms : Math.min(2 * this.#intervalMs, lengths.t2Ms)
        const at = now + this.#intervalMs
        if (at >= this.#endsAt) timers.start(this, timerQueue.timeout, this.#endsAt)
        else timers.start(this, timerQueue.retransmission + Math.min(this.#step++, 7), at)
        break
      }
      case 'start I':
        // Timers I and J are zero on reliable transports: the transaction ends at once.
        if (this.reliable) this.state = 'terminated'
        else timers.start(this, timerQueue.network, now + lengths.t4Ms)
        break
      case 'start J':
        if (this.reliable) this.state = 'terminated'
        timers.stop(this)
        break
      case 'start L':
        timers.start(this, timerQueue.transaction, now + lengths.transactionMs)
        break
    }
  }
}

/** The event that the user's response with this status is. */
export function userResponseEvent(status: number): ServerEvent {
  if (status === 100) return '100 from user'
  if (status === 408) return '408 from user'
  return status < 200 ? '1xx from user' : status < 300 ? '2xx from user' : '300-699 from user'
}
