/** Filters of watchers (RFC 4660 §5), applied to what the rules of the presentity let them see (PS-111). */

import { isTriggered } from '../../documents/filtered.ts'
import { filteredPidf } from '../../documents/filtered-pidf.ts'
import { parsePidf } from '../../documents/pidf-parts.ts'
import type { Filter } from '../../documents/simple-filter.ts'
import { limits } from '../../limits.ts'
import { filterOf } from '../../protocols/sip-events/filters.ts'
import type { Subscription } from '../../protocols/sip-events/subscription.ts'
import { canonicalUri } from './authorize.ts'
import { composedLimits } from './partial.ts'

/** The one name of a presentity that a filter may call by this URI, as presence documents do: by a `pres` URI (RFC 3859 §3.1). */
export function filterTarget(uri: string): string {
  return canonicalUri(uri.replace(/^\s*pres:/i, 'sip:')) ?? uri
}

/** The filter that applies to a subscription; undefined for most. */
export function presenceFilter(subscription: Subscription): Filter | undefined {
  return filterOf(subscription, filterTarget)
}

/** Whether a filter chooses what is told, rather than only when. */
export function selects({ include, exclude }: Filter): boolean {
  return include.length + exclude.length > 0
}

/** The view of a watcher through his filter; nothing when it shows nothing. */
export function throughFilter(view: Uint8Array, filter: Filter): Uint8Array {
  const shown = filteredPidf(parsePidf(view, composedLimits).root, filter, composedLimits, limits.filter.steps)
  return shown === 'unfiltered' ? view : (shown ?? nothing)
}

const nothing = new Uint8Array(0)

/** Whether a watcher who was told of `before` waits for what `after` says. */
export function waitsFor(before: Uint8Array, after: Uint8Array, filter: Filter): boolean {
  const [a, b] = [before, after].map(view => parsePidf(view, composedLimits).root)
  return isTriggered(a!, b!, filter, limits.filter.steps)
}
