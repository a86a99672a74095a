/** Filters of watchers (RFC 4660 §5), applied to what the rules of the presentity let them see (PS-111). */

import { filteredPidf, isTriggered } from '../../documents/filtered-pidf.ts'
import { parsePidf } from '../../documents/pidf-parts.ts'
import {
  type Filter,
  FilterError,
  filterFor,
  mergedFilters,
  readFilterSet,
  simpleFilterContentType,
} from '../../documents/simple-filter.ts'
import { limits } from '../../limits.ts'
import { notAcceptableHere, requestEntityTooLarge } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import type { Subscription } from '../../protocols/sip-events/subscription.ts'
import { canonicalUri } from './authorize.ts'
import { changeOwn, ownOf } from './own.ts'
import { composedLimits } from './partial.ts'

/** Keeps the filters that a SUBSCRIBE brings; one without body leaves them as they are. Throws 488 for such as we cannot apply, 413. */
export function noteFilters(subscription: Subscription, request: SipRequest): void {
  if (request.body.length === 0 || request.contentType?.type !== simpleFilterContentType) return
  const { filter: bounds } = limits
  if (request.body.length > bounds.xml.bytes) throw requestEntityTooLarge()
  const { resource } = subscription
  const targetOf = ({ uri, domain }: Filter) =>
    domain === undefined ? `uri ${uri === undefined ? resource : (canonicalUri(uri) ?? uri)}` : `domain ${domain}`
  try {
    const requests = readFilterSet(request.body, subscription.package, bounds)
    const filters = mergedFilters(ownOf(subscription).filters ?? [], requests, targetOf, bounds)
    changeOwn(subscription, { filters: filters.length === 0 ? undefined : filters, triggerBase: undefined })
  } catch (error) {
    if (error instanceof FilterError) throw notAcceptableHere(`Filter ${printable(error.message)}`)
    throw error
  }
}

/** What a document says goes into the reason phrase only as far as that can carry it (RFC 3261 §25.1). */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
}

/** The filter that applies to a subscription; undefined for most. */
export function filterOf(subscription: Subscription): Filter | undefined {
  const { filters } = ownOf(subscription)
  if (filters === undefined) return undefined
  const { resource } = subscription
  const isOwn = (uri: string | undefined) => uri === undefined || canonicalUri(uri) === resource
  return filterFor(filters, isOwn, resource.slice(resource.indexOf('@') + 1))
}

/** The view of a watcher through his filter; nothing when it shows nothing. */
export function throughFilter(view: Uint8Array, filter: Filter): Uint8Array {
  const { include, exclude } = filter
  if (include.length + exclude.length === 0) return view
  const shown = filteredPidf(parsePidf(view, composedLimits).root, filter, composedLimits, limits.filter.steps)
  return shown === 'unfiltered' ? view : (shown ?? nothing)
}

const nothing = new Uint8Array(0)

/** Whether a watcher who was told of `before` waits for what `after` says. */
export function waitsFor(before: Uint8Array, after: Uint8Array, filter: Filter): boolean {
  const [a, b] = [before, after].map(view => parsePidf(view, composedLimits).root)
  return isTriggered(a!, b!, filter, limits.filter.steps)
}
