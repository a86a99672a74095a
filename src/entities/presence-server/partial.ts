/**
 * Partial notification (RFC 5263): a watcher who takes `application/pidf-diff+xml` is told all there is once, and from then on
 * what has changed since.
 */

import { pidfDiff, pidfDiffContentType, pidfFull, type Versioned } from '../../documents/pidf-diff.ts'
import { parsePidf } from '../../documents/pidf-parts.ts'
import type { XmlElement } from '../../documents/xml/tree.ts'
import { limits } from '../../limits.ts'
import type { NotifyBody, Occasion } from '../../protocols/sip-events/event-package.ts'
import type { Subscription } from '../../protocols/sip-events/subscription.ts'
import type { Instant } from '../../turn.ts'
import { once } from './once.ts'
import { changeOwn, ownOf } from './own.ts'

/** How far a watcher has been told. */
export interface PartialState {
  /** Of the last document sent (RFC 5263 §4.4). */
  readonly version: number
  /** The tag of the view he was sent; empty when he may not have it. */
  readonly base: string
}

/**
 * The views that watchers were told last, by their tags. Watchers with equal views share one. They are remembered, not stored:
 * when one is forgotten, or the box has started anew, its watchers are told everything once more.
 */
export class ViewBases {
  readonly #views = new Map<string, Uint8Array>()
  #octets = 0

  get(tag: string): Uint8Array | undefined {
    const view = this.#views.get(tag)
    if (view !== undefined) this.#touch(tag, view)
    return view
  }

  remember(tag: string, view: Uint8Array): void {
    if (this.#views.has(tag)) {
      this.#touch(tag, view)
      return
    }
    this.#views.set(tag, view)
    this.#octets += view.length
    for (const [oldest, { length }] of this.#views) {
      if (this.#octets <= limits.partialBaseOctets) break
      this.#views.delete(oldest)
      this.#octets -= length
    }
  }

  /** The least recently used comes first. */
  #touch(tag: string, view: Uint8Array): void {
    this.#views.delete(tag)
    this.#views.set(tag, view)
  }
}

/**
 * The body for a watcher whose view is `view` now, under `tag`, which no other view has. `unchanged` when he has that already
 * and nobody wants a NOTIFY all the same.
 */
export function partialBody(
  subscription: Subscription,
  view: Uint8Array,
  tag: string,
  occasion: Occasion,
  bases: ViewBases,
  restartedAt: Instant,
): NotifyBody | 'unchanged' {
  const { shared, full, isForced = false } = occasion
  const { version, base } = ownOf(subscription).partial ?? { version: 0, base: '' }
  if (!full && base === tag && !isForced) return 'unchanged'
  // What was sent last before a power cut may be forgotten here, and its version with it: a watcher discards what is not newer.
  const isFromBefore = version > 0 && subscription.record.notifiedAt < restartedAt
  const next = version + (isFromBefore ? versionsAtRestart : 1)
  const diff = full || base === '' || isFromBefore ? undefined : difference(shared, base, tag, view, bases)
  bases.remember(tag, view)
  changeOwn(subscription, { partial: { version: next, base: tag } })
  // As `pidf-full` it would be a little longer.
  const sent =
    diff !== undefined && diff.length <= view.length
      ? diff
      : once(shared, `full ${tag}`, () => pidfFull(readView(shared, tag, view)))
  return { contentType: pidfDiffContentType, body: sent.with(next) }
}

/** More than the versions a power cut can take: one in `presence.minNotifyIntervalSeconds`, within five seconds. */
const versionsAtRestart = 16

function difference(
  shared: Map<string, unknown>,
  base: string,
  tag: string,
  view: Uint8Array,
  bases: ViewBases,
): Versioned | undefined {
  const from = bases.get(base)
  if (from === undefined) return undefined
  return once(shared, `diff ${base} ${tag}`, () => pidfDiff(readView(shared, base, from), readView(shared, tag, view)))
}

function readView(shared: Map<string, unknown>, tag: string, view: Uint8Array): XmlElement {
  return once(shared, `tree ${tag}`, () => parsePidf(view, composedLimits).root)
}

/** The watcher has refused what he was sent: he is told everything, and soon, since what is told him next would build on it. */
export function partialRefused(subscription: Subscription): boolean {
  if (ownOf(subscription).partial === undefined) return false
  forgetBase(subscription)
  subscription.record.revision = -1
  return true
}

/** The watcher may not have what he was sent, or is sent something else: next time he is told everything. */
export function forgetBase(subscription: Subscription): boolean {
  const { partial } = ownOf(subscription)
  if (partial === undefined || partial.base === '') return false
  changeOwn(subscription, { partial: { ...partial, base: '' } })
  return true
}

/** What we have composed we can read: it may have more nodes and declarations than one who publishes may send. */
export const composedLimits = { bytes: 1 << 20, depth: 64, nodes: 1 << 17, attributes: 4_096, nameLength: 4_096 }
