/**
 * The loop between the machine and the appliance: inputs go in as they come, everything that came in one turn of the event
 * loop shares one commit, what is released afterwards is transmitted, and one timer stands for the earliest deadline.
 */

import type { HttpAnswer } from '../protocols/http/message.ts'
import type { Flow } from '../protocols/sip/flow.ts'
import type { DnsRecord } from '../protocols/sip/locate.ts'
import type { Instant } from '../turn.ts'
import type { Clock } from './clock.ts'
import type { TransportUser } from './transport/transport.ts'

/** The appliance, as the loop sees it. */
export interface Looped<Batch, Transmit> {
  receive(bytes: Buffer, flow: Flow, now: Instant): void
  connected(connection: string, flow: Flow, now: Instant): void
  disconnected(flowOrConnection: string, reason: string, now: Instant): void
  resolved(query: string, records: readonly DnsRecord[] | undefined, now: Instant): void
  answered(token: string, answer: HttpAnswer, now: Instant): void
  expire(now: Instant): void
  deadline(): Instant | undefined
  /** Whether something waits for `commit`. */
  pending(): boolean
  commit(now: Instant): Promise<Batch>
  release(batch: Batch, now: Instant): Transmit[]
}

export interface LoopOptions<Batch, Transmit> {
  readonly appliance: Looped<Batch, Transmit>
  readonly clock: Clock
  readonly transmit: (transmits: readonly Transmit[]) => void
  /** The store has failed: nothing since its last success is kept, and the process must end. */
  readonly failed: (error: unknown) => void
  /** What a peer has sent has met a fault of ours below the turns; it is dropped, and the box goes on. */
  readonly faulted: (error: unknown) => void
}

/** Longest time a timer of Node.js can wait. */
const longestTimerMs = 2 ** 31 - 1

export class Loop<Batch, Transmit> implements TransportUser {
  readonly #appliance: Looped<Batch, Transmit>
  readonly #clock: Clock
  readonly #transmit: (transmits: readonly Transmit[]) => void
  readonly #failed: (error: unknown) => void
  readonly #faulted: (error: unknown) => void
  #scheduled = false
  #committing = false
  #timer: NodeJS.Timeout | undefined
  #timerAt: Instant = Number.POSITIVE_INFINITY
  #stopped = false
  #waiting: Array<() => void> = []
  /** What is to be handed on when the next commit is safe. */
  #answers: Array<() => void> = []

  constructor(options: LoopOptions<Batch, Transmit>) {
    this.#appliance = options.appliance
    this.#clock = options.clock
    this.#transmit = options.transmit
    this.#failed = options.failed
    this.#faulted = options.faulted
  }

  received(bytes: Buffer, flow: Flow): void {
    if (this.#stopped) return
    try {
      this.#appliance.receive(bytes, flow, this.#clock.now())
    } catch (error) {
      this.#faulted(error)
    }
    this.schedule()
  }

  connected(connection: string, flow: Flow): void {
    if (this.#stopped) return
    this.#appliance.connected(connection, flow, this.#clock.now())
    this.schedule()
  }

  disconnected(flowOrConnection: string, reason: string): void {
    if (this.#stopped) return
    this.#appliance.disconnected(flowOrConnection, reason, this.#clock.now())
    this.schedule()
  }

  resolved(query: string, records: readonly DnsRecord[] | undefined): void {
    if (this.#stopped) return
    this.#appliance.resolved(query, records, this.#clock.now())
    this.schedule()
  }

  /** What became of an HTTP request that was transmitted. */
  readonly answered = (token: string, answer: HttpAnswer): void => {
    if (this.#stopped) return
    this.#appliance.answered(token, answer, this.#clock.now())
    this.schedule()
  }

  /**
   * Lets `work` take its turn, and hands its result to `done` when all that it has done, or may have seen, is safe: at once if
   * nothing waits for a commit.
   */
  ask<T>(work: (now: Instant) => T, done: (result: T) => void): void {
    if (this.#stopped) return
    const result = work(this.#clock.now())
    if (this.#committing || this.#appliance.pending()) {
      this.#answers.push(() => done(result))
      this.schedule()
    } else done(result)
  }

  /** Commits soon what has been put in: once for all that this turn of the event loop brings. */
  schedule(): void {
    if (this.#scheduled || this.#committing || this.#stopped) return
    this.#scheduled = true
    setImmediate(this.#commit)
  }

  /** Resolves when all that was put in so far is committed and has left. */
  settled(): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.schedule()
    })
  }

  /** Takes nothing more in; resolves when what was in has been committed and has left. */
  async stop(): Promise<void> {
    await this.settled()
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  readonly #commit = (): void => {
    this.#scheduled = false
    if (!this.#appliance.pending()) {
      this.#settle()
      return
    }
    this.#committing = true
    const answers = this.#answers
    this.#answers = []
    this.#appliance.commit(this.#clock.now()).then(batch => {
      this.#release(batch)
      for (const answer of answers) answer()
    }, this.#failed)
  }

  readonly #release = (batch: Batch): void => {
    this.#committing = false
    try {
      this.#transmit(this.#appliance.release(batch, this.#clock.now()))
    } catch (error) {
      this.#failed(error)
      return
    }
    // What came in meanwhile, and what releasing has set off, is the next commit's.
    if (this.#appliance.pending()) {
      this.schedule()
      this.#arm()
    } else this.#settle()
  }

  #settle(): void {
    const waiting = this.#waiting
    const answers = this.#answers
    this.#waiting = []
    this.#answers = []
    for (const answer of answers) answer()
    for (const resolve of waiting) resolve()
    this.#arm()
  }

  /** A timer that is early enough is left standing: it finds nothing due and arms the next. */
  #arm(): void {
    const deadline = this.#appliance.deadline()
    if (deadline === undefined || deadline >= this.#timerAt || this.#stopped) return
    clearTimeout(this.#timer)
    this.#timerAt = deadline
    this.#timer = setTimeout(this.#expire, Math.min(Math.max(deadline - this.#clock.now(), 0), longestTimerMs))
  }

  readonly #expire = (): void => {
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#appliance.expire(this.#clock.now())
    this.schedule()
    this.#arm()
  }
}
