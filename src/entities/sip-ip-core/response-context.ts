/**
 * What a stateful proxy remembers of one request it has forwarded (RFC 3261 §16.6, §16.7): its branches and their answers, the
 * targets still to be tried, and the breadth that may be used at once (RFC 5393 §5.3.3). Volatile, like the transactions it
 * ties together.
 */

import type { SipRequest, SipResponse } from '../../protocols/sip/message.ts'
import type { Instant } from '../../turn.ts'
import type { Target } from './location.ts'

export interface Branch {
  readonly token: string
  readonly target: Target
  readonly breadth: number
  /** The final response; undefined while it is awaited. */
  final: SipResponse | undefined
}

export class ResponseContext {
  /** The request as it will be forwarded, but for what differs by target. */
  readonly request: SipRequest
  /** The server transaction that awaits the answer. */
  readonly transaction: string
  readonly loopKey: string
  readonly maxBreadth: number
  readonly branches: Branch[] = []
  readonly #groups: Target[][]
  /** Whether a final response has gone upstream. */
  isAnswered = false
  /** No branch may be added: the caller has given up, or somebody has declined for all. */
  isClosed = false
  isCancelled = false
  /** When retransmissions of a 2xx can no longer come; undefined while branches are open. */
  endsAt: Instant | undefined

  constructor(options: {
    request: SipRequest
    transaction: string
    loopKey: string
    maxBreadth: number
    groups: readonly (readonly Target[])[]
  }) {
    this.request = options.request
    this.transaction = options.transaction
    this.loopKey = options.loopKey
    this.maxBreadth = options.maxBreadth
    this.#groups = options.groups.map(group => [...group])
  }

  get isInvite(): boolean {
    return this.request.method === 'INVITE'
  }

  get pending(): Branch[] {
    return this.branches.filter(({ final }) => final === undefined)
  }

  get finals(): SipResponse[] {
    return this.branches.flatMap(({ final }) => (final === undefined ? [] : [final]))
  }

  /**
   * The targets to forward to now, each with its share of the breadth: as many of the group in hand as the breadth allows; the
   * next group once every branch of this one has been answered.
   */
  next(): ReadonlyArray<{ readonly target: Target; readonly breadth: number }> {
    if (this.isClosed) return []
    const { pending } = this
    while (this.#groups.length > 0 && this.#groups[0]!.length === 0 && pending.length === 0) this.#groups.shift()
    const group = this.#groups[0]
    if (group === undefined || group.length === 0) return []
    const free = this.maxBreadth - pending.reduce((sum, { breadth }) => sum + breadth, 0)
    const started = group.splice(0, Math.min(group.length, free))
    // RFC 5393 §5.3.3: what goes out at once must not exceed what came in.
    return started.map((target, at) => ({
      target,
      breadth: Math.floor(free / started.length) + (at < free % started.length ? 1 : 0),
    }))
  }

  /** Puts other contacts of an instance, which could not be reached, first among the targets in hand (RFC 5626 §7). */
  insteadOf(target: Target): void {
    const [first, ...rest] = target.instead
    if (first === undefined || this.isClosed) return
    if (this.#groups.length === 0) this.#groups.push([])
    this.#groups[0]!.unshift({ ...first, instead: rest })
  }
}
