/**
 * Filters of subscribers (RFC 4660): what of the state they want to be told, and when. They come with SUBSCRIBE, are kept with the
 * subscription and changed by later SUBSCRIBEs of its dialog; how they are applied is the package's.
 */

import {
  type Filter,
  type FilterBounds,
  FilterError,
  filterFor,
  mergedFilters,
  readFilterSet,
  simpleFilterContentType,
} from '../../documents/simple-filter.ts'
import type { Turn } from '../../turn.ts'
import { notAcceptableHere, requestEntityTooLarge } from '../sip/errors.ts'
import type { SipRequest } from '../sip/message.ts'
import { bodiesOf } from './bodies.ts'
import { noteOne } from './held.ts'
import type { EventService } from './service.ts'
import { type Subscription, setExtras } from './subscription.ts'

/**
 * Keeps the filters that a SUBSCRIBE brings; one without leaves them as they are (§5.2.2). Throws 488 for such as we cannot
 * apply, 413 for a document that is too large.
 */
export function noteFilters(service: EventService, subscription: Subscription, request: SipRequest): void {
  const { filterTarget } = service.eventPackage
  if (filterTarget === undefined || request.body.length === 0) return
  const [first, second] = bodiesOf(request, simpleFilterContentType)
  if (first === undefined) return
  if (second !== undefined) throw notAcceptableHere('Filter sets are two')
  const { resource, record } = subscription
  const bounds = service.limits.filter
  const targetOf = ({ uri, domain }: Filter) =>
    domain === undefined ? `uri ${uri === undefined ? resource : filterTarget(uri)}` : `domain ${domain}`
  const filters = readable(first.body, bounds, () =>
    mergedFilters(record.extras?.filters ?? [], readFilterSet(first.body, service.name, bounds), targetOf, bounds),
  )
  setExtras(record, { filters: filters.length === 0 ? undefined : filters })
}

/** Notes that a subscription has filters, or that it has none. Throws 503 when its subscriber has too many such to this resource. */
export function indexFilters({ name, tables, limits }: EventService, subscription: Subscription, turn: Turn): void {
  const { resource, id, record } = subscription
  const has = record.extras?.filters !== undefined
  noteOne(tables.filtering, [name, resource, record.subscriber], id, has, limits.filter.subscriptions, turn)
}

/** What reading a document of filters comes to. Throws 488 for one that cannot be accepted, 413 for one that is too large. */
export function readable<T>(body: Uint8Array, { xml }: Pick<FilterBounds, 'xml'>, read: () => T): T {
  if (body.length > xml.bytes) throw requestEntityTooLarge()
  try {
    return read()
  } catch (error) {
    if (error instanceof FilterError) throw notAcceptableHere(`Filter ${printable(error.message)}`)
    throw error
  }
}

/** What a document says goes into the reason phrase only as far as that can carry it (RFC 3261 §25.1). */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
}

/** The filter that applies to a subscription of a package that takes them; undefined for most. */
export function filterOf({ resource, record }: Subscription, target: (uri: string) => string): Filter | undefined {
  const filters = record.extras?.filters
  if (filters === undefined) return undefined
  const isOwn = (uri: string | undefined) => uri === undefined || target(uri) === resource
  return filterFor(filters, isOwn, resource.slice(resource.indexOf('@') + 1))
}
