/**
 * How much one address may send: a token bucket each, in a table of bounded size. What is too much is dropped by the stack
 * and counted; it gets no answer, since an answer to a forged source is a flood of its own.
 */

export type FloodLimits = {
  /** Messages per second that an address may send for long. */
  readonly perSecond: number
  /** Messages it may send at once. */
  readonly burst: number
  /** Addresses remembered; at the bound the one known longest is forgotten, and begins anew with a full bucket. */
  readonly addresses: number
}

export class Flood {
  readonly #limits: FloodLimits
  /** In the order in which they were first heard of. */
  readonly #buckets = new Map<string, { tokens: number; at: number }>()

  constructor(limits: FloodLimits) {
    this.#limits = limits
  }

  /** Takes one message of this address into account; false when it is one too many. */
  admits(address: string, now: number): boolean {
    const { perSecond, burst, addresses } = this.#limits
    let bucket = this.#buckets.get(address)
    if (bucket) {
      bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * perSecond) / 1000)
      bucket.at = now
    } else {
      if (this.#buckets.size >= addresses) this.#forgetOldest()
      bucket = { tokens: burst, at: now }
      this.#buckets.set(address, bucket)
    }
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }

  #forgetOldest(): void {
    for (const address of this.#buckets.keys()) {
      this.#buckets.delete(address)
      return
    }
  }
}
