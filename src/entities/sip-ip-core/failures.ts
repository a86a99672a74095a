/**
 * Counts failed proofs of identity by address and by user, and says when to listen no longer (AP-14): too many within a
 * minute lock that address, or that user name, until the window is over.
 */

import type { Instant } from '../../turn.ts'

export interface FailureLimits {
  /** Failures within the window after which an address is locked out. */
  readonly perAddress: number
  /** Failures within the window after which a user name is locked. */
  readonly perUser: number
  readonly windowMs: number
  /** Addresses and names remembered; beyond it the oldest is forgotten. */
  readonly remembered: number
}

interface Count {
  failures: number
  readonly since: Instant
}

export class Failures {
  readonly #limits: FailureLimits
  /** In order of beginning, so that the first is the oldest. */
  readonly #counts = new Map<string, Count>()

  constructor(limits: FailureLimits) {
    this.#limits = limits
  }

  /** Seconds until an attempt from this address in this name will be looked at; 0 for at once. */
  lockedSeconds(address: string, user: string, now: Instant): number {
    return Math.max(
      this.#remaining(`a ${subnetOf(address)}`, this.#limits.perAddress, now),
      this.#remaining(`u ${user}`, this.#limits.perUser, now),
    )
  }

  /** Notes a failed attempt. */
  failed(address: string, user: string, now: Instant): void {
    this.#count(`a ${subnetOf(address)}`, now)
    this.#count(`u ${user}`, now)
  }

  #remaining(key: string, limit: number, now: Instant): number {
    const count = this.#counts.get(key)
    if (count === undefined || count.failures < limit) return 0
    return Math.max(0, Math.ceil((count.since + this.#limits.windowMs - now) / 1000))
  }

  #count(key: string, now: Instant): void {
    const count = this.#counts.get(key)
    if (count !== undefined && count.since + this.#limits.windowMs > now) {
      count.failures++
      return
    }
    this.#counts.delete(key)
    if (this.#counts.size >= this.#limits.remembered) this.#counts.delete(this.#counts.keys().next().value!)
    this.#counts.set(key, { failures: 1, since: now })
  }
}

/** An IPv6 user has a whole /64 to himself, so that counts as one address. */
export function subnetOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address
  const [head = ''] = address.split('::')
  return head.split(':').slice(0, 4).join(':')
}
