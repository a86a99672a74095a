/**
 * The timers of RFC 3261 appendix A (table 4) as values, and the queues in which running timers wait.
 *
 * A SIP element runs many timers of few durations. Timers of one duration end in the order in which they began, so each
 * duration has a queue, and starting, stopping and finding the next one to end all take constant time. A timer is its
 * owner's own fields: running one allocates nothing.
 */

/** Round-trip estimate T1, longest retransmission interval T2, longest life of a message in the network T4. */
export type TimerValues = {
  readonly t1Ms: number
  readonly t2Ms: number
  readonly t4Ms: number
  /** How long an INVITE may ring between provisional responses (RFC 3261 §16.6 step 11: more than three minutes). */
  readonly timerCMs: number
  /** A 100 leaves when the user has said nothing about an INVITE for this long (RFC 3261 §17.2.1). */
  readonly tryingMs: number
  /** How long opening a connection may take. */
  readonly connectMs: number
  /** How long a peer may take from the first to the last byte of a message on a connection. */
  readonly messageMs: number
  /** How long a pong may take (RFC 5626 §4.4.1). */
  readonly pongMs: number
}

/** RFC 3261 appendix A; RFC 5626 §4.4.1. */
export const defaultTimerValues: TimerValues = {
  t1Ms: 500,
  t2Ms: 4000,
  t4Ms: 5000,
  timerCMs: 185_000,
  tryingMs: 200,
  connectMs: 5000,
  messageMs: 32_000,
  pongMs: 10_000,
}

/** The lengths derived from T1, T2 and T4. */
export type TimerLengths = TimerValues & {
  /** Timers B, F, H, J (unreliable), L and M: 64*T1. */
  readonly transactionMs: number
  /** Timer D: at least 32 s on unreliable transports whatever our T1, since the peer's T1 is not known (§17.1.1.2). */
  readonly timerDMs: number
  /** How long Timer E takes to be reset to T2: no 100 to a non-INVITE on UDP before, always one after (RFC 4320 §4.1). */
  readonly quietMs: number
}

export function timerLengths(values: Partial<TimerValues> = {}): TimerLengths {
  const all = { ...defaultTimerValues, ...values }
  let quietMs = 0
  for (let intervalMs = all.t1Ms; intervalMs < all.t2Ms; intervalMs *= 2) quietMs += intervalMs
  return { ...all, transactionMs: 64 * all.t1Ms, timerDMs: Math.max(32_000, 64 * all.t1Ms), quietMs }
}

/** What a queue needs of its members. `queue` is -1 while no timer runs. */
export interface Timed {
  deadline: number
  queue: number
  previousTimed: Timed | undefined
  nextTimed: Timed | undefined
}

/** One queue per duration; retransmission intervals grow, so each step has its own. */
export const timerQueue = {
  /** Timer A, by step: T1, 2*T1, 4*T1... */
  inviteRetransmission: 0,
  /** Timers E and G, by step: T1, 2*T1, ... T2. */
  retransmission: 8,
  /** Timers B, F, H when they end before the next retransmission. */
  timeout: 16,
  /** Timers D, L, M, and B, F, H on reliable transports. */
  transaction: 17,
  /** Timer I. */
  network: 18,
  /** Timer C. */
  ringing: 19,
  /** The 200 ms before a 100 to an INVITE. */
  trying: 20,
  /** The time before a 100 to a non-INVITE. */
  quiet: 21,
  connect: 22,
  message: 23,
  pong: 24,
  /** Timer J. */
  answered: 25,
} as const

const queues = 26

export class Timers<T extends Timed> {
  readonly #first: (T | undefined)[] = new Array(queues).fill(undefined)
  readonly #last: (T | undefined)[] = new Array(queues).fill(undefined)
  /** How many timers run. */
  size = 0

  /** Starts the owner's one timer, or starts it anew, to end at the instant `deadline`. */
  start(owner: T, queue: number, deadline: number): void {
    if (owner.queue >= 0) this.stop(owner)
    owner.queue = queue
    owner.deadline = deadline
    // Only a late call of `due` makes a deadline that is earlier than its queue's last: the walk is short.
    let previous = this.#last[queue]
    while (previous && previous.deadline > deadline) previous = previous.previousTimed as T | undefined
    const next = previous ? (previous.nextTimed as T | undefined) : this.#first[queue]
    owner.previousTimed = previous
    owner.nextTimed = next
    if (previous) previous.nextTimed = owner
    else this.#first[queue] = owner
    if (next) next.previousTimed = owner
    else this.#last[queue] = owner
    this.size++
  }

  stop(owner: T): void {
    const queue = owner.queue
    if (queue < 0) return
    const { previousTimed, nextTimed } = owner
    if (previousTimed) previousTimed.nextTimed = nextTimed
    else this.#first[queue] = nextTimed as T | undefined
    if (nextTimed) nextTimed.previousTimed = previousTimed
    else this.#last[queue] = previousTimed as T | undefined
    owner.previousTimed = undefined
    owner.nextTimed = undefined
    owner.queue = -1
    this.size--
  }

  /** When the next timer ends; undefined when none runs. */
  deadline(): number | undefined {
    return this.#next()?.deadline
  }

  /** Stops and returns a timer that has ended by `now`, in order of time; undefined when there is none. */
  due(now: number): T | undefined {
    const owner = this.#next()
    if (!owner || owner.deadline > now) return undefined
    this.stop(owner)
    return owner
  }

  #next(): T | undefined {
    let next: T | undefined
    for (let queue = 0; queue < queues; queue++) {
      const owner = this.#first[queue]
      if (owner && (!next || owner.deadline < next.deadline)) next = owner
    }
    return next
  }
}
