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
 * The views that watchers were told last, by their tags, and what makes one into another. Watchers with equal views share one,
 * in whatever turns they are told. They are remembered, not stored: when a view is forgotten, or the box has started anew, its
 * watchers are told everything once more.
 */
export class ViewBases {
  readonly #views = new Recent<Uint8Array>(limits.partialBaseOctets)
  readonly #differences = new Recent<{ readonly made: Versioned | undefined }>(limits.partialDifferenceOctets)

  get(tag: string): Uint8Array | undefined {
    return this.#views.get(tag)
  }

  remember(tag: string, view: Uint8Array): void {
    this.#views.put(tag, view, view.length)
  }

  /** What makes the view `base` into `tag`, by `make` unless it has been made. */
  difference(base: string, tag: string, make: () => Versioned | undefined): Versioned | undefined {
    const key = `${base} ${tag}`
    const known = this.#differences.get(key)
    if (known !== undefined) return known.made
    const made = make()
    this.#differences.put(key, { made }, key.length + (made?.length ?? 0))
    return made
  }
}

/** What was used last, as far as there is room for it. */
class Recent<T> {
  readonly #entries = new Map<string, { readonly value: T; readonly octets: number }>()
  readonly #room: number
  #octets = 0

  constructor(room: number) {
    this.#room = room
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    // The least recently used comes first.
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  /** One key always has the same value. */
  put(key: string, value: T, octets: number): void {
    if (this.get(key) !== undefined) return
    this.#entries.set(key, { value, octets })
    this.#octets += octets
    for (const [oldest, entry] of this.#entries) {
      if (this.#octets <= this.#room) break
      this.#entries.delete(oldest)
      this.#octets -= entry.octets
    }
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
  return bases.difference(base, tag, () => pidfDiff(readView(shared, base, from), readView(shared, tag, view)))
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

/** What we have composed we can read. */
export const composedLimits = limits.composedXml
