/**
 * Filters of watcher information (RFC 4660 §7.2). Whoever has one is told all that it shows, each time that is another: of a watcher
 * who no longer fits, what has changed could not tell.
 */

import { isTriggered } from '../../documents/filtered.ts'
import { filteredWatcherinfo } from '../../documents/filtered-watcherinfo.ts'
import type { Filter } from '../../documents/simple-filter.ts'
import { formatWatcherinfo, type WatcherInformation } from '../../documents/watcherinfo.ts'
import { parseXml } from '../../documents/xml/parse.ts'
import type { XmlElement } from '../../documents/xml/tree.ts'
import { limits } from '../../limits.ts'
import type { Occasion } from '../../protocols/sip-events/event-package.ts'
import { type Subscription, setOwn } from '../../protocols/sip-events/subscription.ts'
import type { Turn } from '../../turn.ts'
import { composedLimits, type ViewBases } from './partial.ts'

/** What the package keeps for a subscription with filters. */
interface FilteredWatchers {
  /** Digest of what was told last, times and version aside. */
  readonly shown?: string | undefined
  /** Tag of all there was when it was told, where the filter waits for changes. */
  readonly base?: string | undefined
}

/** The document through the filter; nothing where that shows nobody the first time (RFC 4660 §5.3.1). Its version is another only when it is told. */
export function filteredWatchers(
  information: WatcherInformation,
  filter: Filter,
  subscription: Subscription,
  { full, isForced = false }: Occasion,
  bases: ViewBases,
  turn: Turn,
): Uint8Array | undefined | 'unchanged' {
  const own = (subscription.record.extras?.own as FilteredWatchers | undefined) ?? {}
  const all = treeOf(information)
  const base = filter.triggers.length === 0 ? undefined : turn.fingerprint('watchers', JSON.stringify(information))
  if (!full && !isForced && base !== undefined && !isAwaited(own.base, all, filter, bases)) return 'unchanged'
  const document = filteredWatcherinfo(all, filter, limits.filter.steps)
  const shown = turn.fingerprint('watchers', document === undefined ? '' : timeless(document, information))
  // What a trigger waited for is told though the content may be as it was.
  if (!full && !isForced && base === undefined && shown === own.shown) return 'unchanged'
  if (base !== undefined) bases.remember(base, formatWatcherinfo(information))
  setOwn(subscription, { shown, ...(base === undefined ? {} : { base }) } satisfies FilteredWatchers)
  if (document === 'unfiltered') return formatWatcherinfo(information)
  return document ?? (full ? undefined : formatWatcherinfo({ ...information, lists: emptied(information) }))
}

/** Whether the filter waits for what has become of what was told; what has been forgotten counts as if it does. */
function isAwaited(told: string | undefined, after: XmlElement, filter: Filter, bases: ViewBases): boolean {
  const before = told === undefined ? undefined : bases.get(told)
  if (before === undefined) return true
  return isTriggered(parseXml(before, { limits: composedLimits }), after, filter, limits.filter.steps)
}

/** The text of a document without what changes by itself, and its version. */
function timeless(document: Uint8Array | 'unfiltered', information: WatcherInformation): string {
  const bytes = document === 'unfiltered' ? formatWatcherinfo(information) : document
  return Buffer.from(bytes)
    .toString()
    .replace(/ (?:version|expiration|duration-subscribed)="\d+"/g, '')
}

function emptied({ lists }: WatcherInformation): WatcherInformation['lists'] {
  return lists.map(list => ({ ...list, watchers: [] }))
}

function treeOf(information: WatcherInformation): XmlElement {
  return parseXml(formatWatcherinfo(information), { limits: composedLimits })
}
