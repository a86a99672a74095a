/** Peers that have refused TCP: a request that is too long for UDP then goes by UDP all the same (RFC 3261 §18.1.1). */

import { hostOf } from './flow.ts'
import type { Place } from './locate.ts'

export class PeersWithoutTcp {
  readonly #most: number
  readonly #rememberedMs: number
  /** Until when each is remembered, in order of refusal. */
  readonly #until = new Map<string, number>()

  /** Remembers at most `most` peers for `rememberedMs`; at the bound the oldest is forgotten. */
  constructor(most: number, rememberedMs: number) {
    this.#most = most
    this.#rememberedMs = rememberedMs
  }

  has(place: Place, now: number): boolean {
    const until = this.#until.get(keyOf(place))
    return until !== undefined && until > now
  }

  add(place: Place, now: number): void {
    const key = keyOf(place)
    this.#until.delete(key)
    for (const oldest of this.#until.keys()) {
      if (this.#until.size < this.#most) break
      this.#until.delete(oldest)
    }
    this.#until.set(key, now + this.#rememberedMs)
  }
}

function keyOf(place: Place): string {
  return `${hostOf(place.address)}:${place.port}`
}
