/**
 * How much one address may send: a token bucket each, in a table of bounded size. What is too much is dropped by the stack
 * and counted; it gets no answer, since an answer to a forged source is a flood of its own.
 */

export type FloodLimits = {
  /** Messages per second that an address may send for long. */
  readonly perSecond: number
  /** Messages it may send at once. */
  readonly burst: number
  /** Addresses remembered at least; one not heard of while as many others were is forgotten and begins anew with a full bucket. */
  readonly addresses: number
}

type Bucket = { tokens: number; at: number }

export class Flood {
  readonly #limits: FloodLimits
  /** Those heard of lately; once it holds as many as the limit it becomes `#earlier`, and what that held is forgotten. */
  #recent = new Map<string, Bucket>()
  #earlier = new Map<string, Bucket>()

  constructor(limits: FloodLimits) {
    this.#limits = limits
  }

  /** Takes one message of this address into account, or as many as it costs; false when it is one too many. */
  admits(address: string, now: number, cost = 1): boolean {
    const { perSecond, burst } = this.#limits
    const bucket = this.#recent.get(address) ?? this.#recall(address, now)
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * perSecond) / 1000)
    bucket.at = now
    if (bucket.tokens < 1) return false
    bucket.tokens -= cost
    return true
  }

  #recall(address: string, now: number): Bucket {
    const bucket = this.#earlier.get(address) ?? { tokens: this.#limits.burst, at: now }
    if (this.#recent.size >= this.#limits.addresses) {
      this.#earlier = this.#recent
      this.#recent = new Map()
    }
    this.#recent.set(address, bucket)
    return bucket
  }
}
