/** Randomness of the system, drawn in pools: every tag, branch, entity-tag and nonce of production comes from here. */

import { randomFillSync } from 'node:crypto'
import type { Random } from '../turn.ts'

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const lettersAndDigits = `${letters}0123456789`

export class SystemRandom implements Random {
  readonly #pool = Buffer.allocUnsafeSlow(4096)
  #used = this.#pool.length
  /** Where a token is made, so that one text comes of it and not one for each character. */
  readonly #token = Buffer.alloc(64)

  bytes(count: number): Uint8Array {
    return randomFillSync(new Uint8Array(count))
  }

  token(characters: number): string {
    const token = this.#token.length < characters ? Buffer.alloc(characters) : this.#token
    for (let at = 0; at < characters; ) {
      const alphabet = at === 0 ? letters : lettersAndDigits
      const octet = this.#octet()
      // Octets beyond the last whole multiple of the alphabet would make its first characters likelier.
      if (octet < 256 - (256 % alphabet.length)) token[at++] = alphabet.charCodeAt(octet % alphabet.length)
    }
    return token.toString('latin1', 0, characters)
  }

  below(below: number): number {
    if (below <= 1) return 0
    const ceiling = 2 ** 48 - (2 ** 48 % below)
    for (;;) {
      let value = 0
      for (let i = 0; i < 6; i++) value = value * 256 + this.#octet()
      if (value < ceiling) return value % below
    }
  }

  #octet(): number {
    if (this.#used === this.#pool.length) {
      randomFillSync(this.#pool)
      this.#used = 0
    }
    return this.#pool[this.#used++]!
  }
}
