/** A network that loses, delays, duplicates and so reorders datagrams, by a seed; and is partitioned at will. */

import type { Instant } from '../../src/turn.ts'
import type { SeededRandom } from './random.ts'

export interface Weather {
  /** Probability that a datagram is lost. */
  readonly loss: number
  /** Probability that a datagram arrives twice. */
  readonly duplication: number
  readonly minDelayMs: number
  readonly maxDelayMs: number
}

export const fair: Weather = { loss: 0, duplication: 0, minDelayMs: 1, maxDelayMs: 1 }

export interface Datagram {
  readonly at: Instant
  readonly from: string
  readonly to: string
  readonly bytes: Buffer
}

export class Network {
  weather: Weather
  /** Addresses that no datagram reaches or leaves. */
  readonly cut = new Set<string>()
  readonly #random: SeededRandom
  /** In order of arrival; equal instants keep the order of sending. */
  readonly #travelling: Datagram[] = []
  sent = 0

  constructor(random: SeededRandom, weather: Weather = fair) {
    this.#random = random
    this.weather = weather
  }

  send(from: string, to: string, bytes: Buffer, now: Instant): void {
    this.sent++
    if (this.cut.has(from) || this.cut.has(to) || this.#random.chance(this.weather.loss)) return
    const copies = this.#random.chance(this.weather.duplication) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const { minDelayMs, maxDelayMs } = this.weather
      const at = now + minDelayMs + this.#random.below(maxDelayMs - minDelayMs + 1)
      let place = this.#travelling.length
      while (place > 0 && this.#travelling[place - 1]!.at > at) place--
      this.#travelling.splice(place, 0, { at, from, to, bytes })
    }
  }

  next(): Instant | undefined {
    return this.#travelling[0]?.at
  }

  arrive(now: Instant): Datagram | undefined {
    const first = this.#travelling[0]
    if (!first || first.at > now) return undefined
    this.#travelling.shift()
    return this.cut.has(first.to) ? this.arrive(now) : first
  }
}
