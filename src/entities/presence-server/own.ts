/** What the package `presence` keeps for a subscription that uses more than plain notification. */

import { type Subscription, setOwn } from '../../protocols/sip-events/subscription.ts'
import type { PartialState } from './partial.ts'

export interface PresenceOwn {
  readonly partial?: PartialState | undefined
  /** Which state he was told of last through a filter, which may leave him nothing new. */
  readonly shown?: number | undefined
  /** The tag of the view, before filters, that he was told of last; where a filter waits for a change of it. */
  readonly triggerBase?: string | undefined
  /** Whether he takes a reference in place of a large document (RFC 4483). */
  readonly takesReferences?: true | undefined
}

export function ownOf({ record }: Subscription): PresenceOwn {
  return (record.extras?.own as PresenceOwn | undefined) ?? nothing
}

const nothing: PresenceOwn = {}

export function changeOwn(subscription: Subscription, change: PresenceOwn): void {
  const own = Object.fromEntries(
    Object.entries({ ...ownOf(subscription), ...change }).filter(([, value]) => value !== undefined),
  )
  setOwn(subscription, Object.keys(own).length === 0 ? undefined : own)
}
