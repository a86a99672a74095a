/** Randomness from a seed: the same seed, the same world (xoshiro128** seeded by splitmix32). */

import type { Random } from '../../src/turn.ts'

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const characters = `${letters}0123456789`

export class SeededRandom implements Random {
  readonly #state = new Uint32Array(4)

  constructor(seed: number) {
    let mixed = seed >>> 0
    for (let i = 0; i < 4; i++) {
      mixed = (mixed + 0x9e3779b9) >>> 0
      let z = mixed
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
      this.#state[i] = (z ^ (z >>> 16)) >>> 0
    }
  }

  /** A whole number of 32 bits. */
  next(): number {
    const s = this.#state
    const result = Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9) >>> 0
    const t = s[1]! << 9
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= t
    s[3] = rotate(s[3]!, 11)
    return result
  }

  below(below: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * below)
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() / 0x1_0000_0000 < probability
  }

  pick<T>(among: readonly T[]): T {
    return among[this.below(among.length)]!
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256))
  }

  token(length: number): string {
    let text = letters[this.below(letters.length)]!
    while (text.length < length) text += characters[this.below(characters.length)]
    return text
  }
}

function rotate(x: number, by: number): number {
  return ((x << by) | (x >>> (32 - by))) >>> 0
}
