/**
 * Counts failed proofs of identity by address and by user, and says when to listen no longer (AP-14): too many within
 * `auth.lockSeconds` lock that address, or that user name, until these are over.
 */

import type { Settings } from '../../settings/table.ts'
import type { Instant } from '../../turn.ts'

/** How many failures are borne, as the settings say. */
export type FailureSettings = Pick<Settings['auth'], 'failuresPerAddress' | 'failuresPerUser' | 'lockSeconds'>

interface Count {
  failures: number
  readonly since: Instant
}

export class Failures {
  readonly #remembered: number
  /** In order of beginning, so that the first is the oldest. */
  readonly #counts = new Map<string, Count>()

  /** `remembered`: addresses and names; beyond it the oldest is forgotten. */
  constructor(remembered: number) {
    this.#remembered = remembered
  }

  /** Seconds until an attempt from this address in this name will be looked at; 0 for at once. */
  lockedSeconds(address: string, user: string, now: Instant, settings: FailureSettings): number {
    const { failuresPerAddress, failuresPerUser, lockSeconds } = settings
    return Math.max(
      this.#remaining(`a ${subnetOf(address)}`, failuresPerAddress, lockSeconds, now),
      this.#remaining(`u ${user}`, failuresPerUser, lockSeconds, now),
    )
  }

  /** Notes a failed attempt. */
  failed(address: string, user: string, now: Instant, { lockSeconds }: Pick<FailureSettings, 'lockSeconds'>): void {
    this.#count(`a ${subnetOf(address)}`, lockSeconds, now)
    this.#count(`u ${user}`, lockSeconds, now)
  }

  #remaining(key: string, limit: number, lockSeconds: number, now: Instant): number {
    const count = this.#counts.get(key)
    if (count === undefined || count.failures < limit) return 0
    return Math.max(0, Math.ceil(lockSeconds - (now - count.since) / 1000))
  }

  #count(key: string, lockSeconds: number, now: Instant): void {
    const count = this.#counts.get(key)
    if (count !== undefined && count.since + lockSeconds * 1000 > now) {
      count.failures++
      return
    }
    this.#counts.delete(key)
    if (this.#counts.size >= this.#remembered) this.#counts.delete(this.#counts.keys().next().value!)
    this.#counts.set(key, { failures: 1, since: now })
  }
}

/** An IPv6 user has a whole /64 to himself, so that counts as one address. */
export function subnetOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address
  const [head = ''] = address.split('::')
  return head.split(':').slice(0, 4).join(':')
}
