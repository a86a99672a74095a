/**
 * The state machine of a subscription (RFC 3857 §4.7.1 figure 1), which RFC 6665 §4.2.2 shows without `waiting`, and what its
 * events are called in Subscription-State (RFC 6665 §4.1.3).
 */

/** RFC 3858 §3; `init` is never shown and so has no record. */
export type WatcherStatus = 'pending' | 'active' | 'waiting' | 'terminated'

export type WatcherEvent =
  | 'subscribe'
  | 'approved'
  | 'deactivated'
  | 'probation'
  | 'rejected'
  | 'timeout'
  | 'giveup'
  | 'noresource'

/** Reasons of a terminated subscription; `invariant` ends no subscription here, for nothing we serve is without change. */
export type TerminationReason = Exclude<WatcherEvent, 'subscribe' | 'approved'>

const machine: Readonly<Record<WatcherStatus, Partial<Record<WatcherEvent, WatcherStatus>>>> = {
  pending: {
    approved: 'active',
    timeout: 'waiting',
    noresource: 'terminated',
    rejected: 'terminated',
    deactivated: 'terminated',
    probation: 'terminated',
    giveup: 'terminated',
  },
  active: {
    noresource: 'terminated',
    rejected: 'terminated',
    deactivated: 'terminated',
    probation: 'terminated',
    timeout: 'terminated',
  },
  waiting: { noresource: 'terminated', rejected: 'terminated', giveup: 'terminated', approved: 'terminated' },
  terminated: {},
}

/** The state that `event` leads to; undefined where figure 1 has no arrow. */
export function transition(status: WatcherStatus, event: WatcherEvent): WatcherStatus | undefined {
  return machine[status][event]
}
