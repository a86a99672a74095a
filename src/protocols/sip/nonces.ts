/**
 * Nonces of a server (RFC 7616 §3.3, §5.4, §5.5): a nonce carries its time and a keyed digest, so that handing one out
 * costs no memory; which counts of a nonce have been used is remembered for those in use, within a bound.
 */

import { hash, timingSafeEqual } from 'node:crypto'

export type NonceOptions = {
  /** Secret, at least 16 random octets. A new one at each start makes every older nonce stale. */
  readonly key: Uint8Array
  readonly lifetimeMs: number
  /** How many nonces in use are remembered; beyond, the least recently used is forgotten, and stale with all older ones. */
  readonly remembered?: number
}

/** `fresh`: never used like this. `stale`: not ours, or too old. `replayed`: used before. */
export type NonceUse = 'fresh' | 'stale' | 'replayed'

/** How far counts may come out of order: requests in parallel over UDP overtake each other. */
const WINDOW = 32

/** A nonce in use: the highest count seen, and for each of the `WINDOW` counts from there down whether it was seen. */
type Counts = { readonly issuedAt: number; highest: number; seen: number }

export class Nonces {
  private readonly key: string
  private readonly lifetimeMs: number
  private readonly remembered: number
  private readonly inUse = new Map<string, Counts>()
  /** Nonces issued until then that are not in use count as stale: they may have been in use and forgotten. */
  private forgottenUntil = Number.NEGATIVE_INFINITY

  constructor(options: NonceOptions) {
    this.key = Buffer.from(options.key).toString('hex')
    this.lifetimeMs = options.lifetimeMs
    this.remembered = options.remembered ?? 16_384
  }

  /** A new nonce, of letters, digits, `-`, `_` and `.`; `salt` is random, a few of these characters, never with a dot. */
  issue(now: number, salt: string): string {
    const content = `${now.toString(36)}.${salt}`
    return `${content}.${this.seal(content)}`
  }

  /**
   * Uses a nonce whose credentials have been found right. Each count is good once; where there is none (RFC 2069) the nonce is,
   * since what was overheard of such credentials is good for another body, too (RFC 7616 §5.5).
   */
  use(nonce: string, nonceCount: number | undefined, now: number): NonceUse {
    const number = nonceCount ?? 1
    const issuedAt = this.issuedAt(nonce)
    if (issuedAt === undefined || issuedAt > now || now - issuedAt >= this.lifetimeMs) return 'stale'
    const counts = this.inUse.get(nonce)
    if (counts === undefined) {
      if (issuedAt <= this.forgottenUntil) return 'stale'
      if (number === 0) return 'replayed'
      this.inUse.set(nonce, { issuedAt, highest: number, seen: 1 })
      this.forget(now)
      return 'fresh'
    }
    if (!count(counts, number)) return 'replayed'
    // Moved to the end: the map is in the order of last use.
    this.inUse.delete(nonce)
    this.inUse.set(nonce, counts)
    return 'fresh'
  }

  /** How many nonces are remembered now. */
  get size(): number {
    return this.inUse.size
  }

  /** When a nonce of ours was issued; undefined for one that is not. */
  private issuedAt(nonce: string): number | undefined {
    const dot = nonce.lastIndexOf('.')
    const content = nonce.slice(0, Math.max(dot, 0))
    const expected = Buffer.from(this.seal(content))
    const seal = Buffer.from(nonce.slice(dot + 1))
    if (seal.length !== expected.length || !timingSafeEqual(seal, expected)) return undefined
    return Number.parseInt(content.slice(0, content.indexOf('.')), 36)
  }

  /** The key leads and half of the digest is dropped: without the key no seal can be made or extended. */
  private seal(content: string): string {
    return hash('sha256', `${this.key}.${content}`, 'base64url').slice(0, 22)
  }

  private forget(now: number): void {
    // From the least recently used on: whatever has expired, and more only while there are too many.
    for (const [nonce, { issuedAt }] of this.inUse) {
      const isExpired = now - issuedAt >= this.lifetimeMs
      if (!isExpired && this.inUse.size <= this.remembered) return
      this.inUse.delete(nonce)
      if (!isExpired) this.forgottenUntil = Math.max(this.forgottenUntil, issuedAt)
    }
  }
}

/** Notes a count as used; false if it was, or is too far behind to tell. */
function count(counts: Counts, nonceCount: number): boolean {
  const ahead = nonceCount - counts.highest
  if (ahead > 0) {
    counts.seen = ahead >= WINDOW ? 1 : ((counts.seen << ahead) | 1) >>> 0
    counts.highest = nonceCount
    return true
  }
  if (ahead <= -WINDOW || nonceCount === 0) return false
  const bit = (1 << -ahead) >>> 0
  if ((counts.seen & bit) !== 0) return false
  counts.seen = (counts.seen | bit) >>> 0
  return true
}
