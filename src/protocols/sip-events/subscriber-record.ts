/** What a subscriber keeps of each of its subscriptions (RFC 6665 §4.1), and when it tries again after one has ended. */

import { type Instant, type Table, table } from '../../turn.ts'
import type { Dialog } from '../sip/dialog.ts'

export interface SubscriberRecord {
  /**
   * `asked`: the notifier has not said anything; `pending` and `active`: what it said last; `waiting`: there is no subscription,
   * and there will be one when it is tried again.
   */
  readonly state: 'asked' | 'pending' | 'active' | 'waiting'
  /** Where the first SUBSCRIBE was sent. */
  readonly target: string
  /** Value of Event. */
  readonly event: string
  readonly callId: string
  readonly localTag: string
  /** CSeq number of the last SUBSCRIBE. */
  readonly sequence: number
  /** Made by the first NOTIFY (RFC 6665 §4.1.2.4); undefined before. */
  readonly dialog: Dialog | undefined
  /** When it ends if nothing is done; of `waiting`, when to try again. */
  readonly until: Instant
  /** When something is to be done next, at the latest at its end. */
  readonly nextAt: Instant
  /** What was asked for, seconds; more than the notifier's shortest. */
  readonly askedSeconds: number
  /** Whether the next NOTIFY answers a SUBSCRIBE, and so tells everything. */
  readonly awaitsAll: boolean
  /** Whether the notifier was told credentials for the SUBSCRIBE that is under way. */
  readonly hasProved: boolean
  /** Attempts in a row that have failed, or did not last until they were to be refreshed. */
  readonly failures: number
}

export interface SubscriberTables {
  /** Keyed [key]. */
  readonly subscriptions: Table<SubscriberRecord>
  /** Which subscription a Call-ID is of: keyed [Call-ID]. */
  readonly dialogs: Table<string>
}

export function subscriberTables(owner: string): SubscriberTables {
  return { subscriptions: table(`${owner}-subscribed`, 'soft'), dialogs: table(`${owner}-subscribed-dialogs`, 'soft') }
}

/**
 * When to try again after a subscription has ended for this reason (RFC 6665 §4.1.3, RLS-15), seconds; undefined: never. Without
 * a reason as after `probation`.
 */
export function retrySeconds(
  reason: string | undefined,
  retryAfter: number | undefined,
  failures: number,
): number | undefined {
  switch (reason) {
    case 'deactivated':
    case 'timeout':
      return 0
    case 'rejected':
    case 'noresource':
    case 'invariant':
      return undefined
    default:
      return retryAfter ?? backoffSeconds(failures)
  }
}

/** Half a minute, doubled with each failure up to an hour. */
export function backoffSeconds(failures: number): number {
  return Math.min(30 * 2 ** Math.min(failures, 10), 3600)
}
