/**
 * Filters of who subscribes to a list (RFC 4660 §4.1, RLS-19): which one is for which member, which travel to the notifiers of
 * members elsewhere, and which is left to be applied here to what these tell.
 */

import { isTriggered } from '../../documents/filtered.ts'
import { filteredPidf } from '../../documents/filtered-pidf.ts'
import { pidfContentType } from '../../documents/pidf.ts'
import { parsePidf } from '../../documents/pidf-parts.ts'
import type { Filter } from '../../documents/simple-filter.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import { limits } from '../../limits.ts'
import type { NotifyBody } from '../../protocols/sip-events/event-package.ts'
import { serviceUriOf } from '../xdms/rls-xdms/service-uri.ts'

export interface ListFilters {
  /** Those that are enabled: the others are as if they were not there (§5.3). */
  readonly filters: readonly Filter[]
  /** The lists that lead to what is told of, innermost first; last the one subscribed to. */
  readonly lists: readonly string[]
}

/** The filters for what lies in these lists; undefined when there are none. */
export function listFilters(filters: readonly Filter[], ...lists: readonly string[]): ListFilters | undefined {
  const enabled = filters.filter(({ isEnabled }) => isEnabled)
  return enabled.length === 0 ? undefined : { filters: enabled, lists }
}

/** The filters for what lies in a list within. */
export function within(outer: ListFilters | undefined, list: string): ListFilters | undefined {
  return outer && { ...outer, lists: [list, ...outer.lists] }
}

/** The filter for a member: his own, else that of his domain, else that of the innermost list he is in (§3.3.2). */
export function filterOfMember(list: ListFilters, key: string): Filter | undefined {
  return filterFor(list, key) ?? filterOfDomain(list, key) ?? filterOfLists(list)
}

function filterFor({ filters, lists }: ListFilters, uri: string): Filter | undefined {
  return filters.find(filter => filter.domain === undefined && targetOf(filter, lists) === uri)
}

/** Without a URI a filter is for the list subscribed to; a `pres` URI means what it means for a member (RFC 3859 §3.1). */
function targetOf({ uri }: Filter, lists: readonly string[]): string {
  return uri === undefined ? lists.at(-1)! : serviceUriOf(uri.replace(/^pres:/i, 'sip:'))
}

function filterOfDomain({ filters }: ListFilters, uri: string): Filter | undefined {
  const domain = /@([^;:?]*)/.exec(uri)?.[1]
  return domain === undefined ? undefined : filters.find(filter => filter.domain === domain)
}

function filterOfLists(list: ListFilters): Filter | undefined {
  for (const uri of list.lists) {
    const filter = filterFor(list, uri)
    if (filter !== undefined) return filter
  }
  return undefined
}

/**
 * The filters that go along to the notifier of a member elsewhere: his own, those of domains, and those of somebody who is neither
 * ours nor a member here, for he may be in a list there.
 */
export function filtersForNotifier(
  { filters, lists }: ListFilters,
  key: string,
  { isOurs, isMember }: { isOurs(uri: string): boolean; isMember(uri: string): boolean },
): Filter[] {
  return filters.filter(filter => {
    if (filter.domain !== undefined) return true
    const target = targetOf(filter, lists)
    return target === key || !(lists.includes(target) || isOurs(target) || isMember(target))
  })
}

/**
 * The filter that is left to be applied here to what a notifier elsewhere tells of a resource; `path` leads from that to the
 * member here, by the lists there. `hasRefused`: that notifier takes no filters.
 */
export function filterLeft(
  list: ListFilters,
  path: readonly string[],
  isOurs: (uri: string) => boolean,
  hasRefused: boolean,
): Filter | undefined {
  for (const [depth, uri] of path.entries()) {
    const filter = filterFor(list, uri)
    if (filter !== undefined) return hasRefused || isOurs(uri) ? filter : undefined
    // Only notifiers of that domain may apply it.
    if (depth === 0 && filterOfDomain(list, uri) !== undefined) return undefined
  }
  return filterOfLists(list)
}

/** What a filter leaves of a state that came from elsewhere; undefined when that is nothing. What cannot be read stays as it is. */
export function throughFilter<Body extends Pick<NotifyBody, 'contentType' | 'body'>>(
  told: Body,
  filter: Filter,
): Body | undefined {
  if (filter.include.length + filter.exclude.length === 0 || !isPidf(told.contentType)) return told
  try {
    const { root } = parsePidf(told.body, limits.remotePidf)
    const shown = filteredPidf(root, filter, limits.remotePidf, limits.filter.steps)
    return shown === 'unfiltered' ? told : shown && { ...told, body: shown }
  } catch (error) {
    if (error instanceof XmlError) return told
    throw error
  }
}

/** Whether a filter waits for what has become of a state; when that cannot be told it does. */
export function waitsFor(before: Uint8Array, after: Pick<NotifyBody, 'contentType' | 'body'>, filter: Filter): boolean {
  if (filter.triggers.length === 0 || !isPidf(after.contentType)) return true
  try {
    const [a, b] = [before, after.body].map(body => parsePidf(body, limits.remotePidf).root)
    return isTriggered(a!, b!, filter, limits.filter.steps)
  } catch (error) {
    if (error instanceof XmlError) return true
    throw error
  }
}

function isPidf(contentType: string): boolean {
  return contentType.split(';', 1)[0]!.trim().toLowerCase() === pidfContentType
}
