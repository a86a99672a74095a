/**
 * Watcher information (RFC 3857) as an event package over another: who subscribes to a resource, told to its owner. Each
 * change is kept under the revision it brought until it is old, so that a NOTIFY carries what its subscriber does not know yet.
 */

import { type Filter, simpleFilterContentType } from '../../documents/simple-filter.ts'
import { formatWatcherinfo, type WatcherInformation, watcherinfoContentType } from '../../documents/watcherinfo.ts'
import { limits } from '../../limits.ts'
import { forbidden } from '../../protocols/sip/errors.ts'
import { mixedType } from '../../protocols/sip-events/bodies.ts'
import type { EventPackage, Occasion, Watcher } from '../../protocols/sip-events/event-package.ts'
import { filterOf } from '../../protocols/sip-events/filters.ts'
import { isLeg } from '../../protocols/sip-events/legs.ts'
import type { Notifier } from '../../protocols/sip-events/notifier.ts'
import { type Subscription, setOwn } from '../../protocols/sip-events/subscription.ts'
import { type Output, type Transaction, type Turn, table } from '../../turn.ts'
import type { ViewBases } from './partial.ts'
import { filterTarget } from './watcher-filter.ts'
import { filteredWatchers } from './watcherinfo-filter.ts'

/** Keyed [package, resource, revision]: the one change that this revision of the watcher information brought. */
const changes = table<Watcher>('watcher changes', 'soft')

/**
 * The package `<inner>.winfo` (RFC 3857 §4), which says about `inner`'s resources who watches them. `bases` remembers what
 * subscribers were told whose filters wait for changes.
 */
export function watcherInformation(inner: EventPackage, notifier: Notifier, bases: ViewBases): EventPackage {
  const name = `${inner.name}.winfo`
  const information = (
    { resource, record: { version } }: Subscription,
    state: WatcherInformation['state'],
    watchers: readonly Watcher[],
    turn: Turn,
  ): WatcherInformation => ({
    version,
    state,
    lists: [{ resource, package: inner.name, watchers: watchers.map(watcher => shown(watcher, turn)) }],
  })
  /** Everybody, and whoever has ceased to watch since; in a list only everybody. */
  const filtered = (subscription: Subscription, turn: Turn, occasion: Occasion, filter: Filter) => {
    const { resource, record } = subscription
    const known = occasion.full || isLeg(record) ? [] : changesSince(name, subscription, occasion, turn.db)
    const ended = (known ?? []).filter(({ status }) => status === 'terminated')
    const watchers = [...notifier.watchers(inner.name, resource, turn.db), ...ended]
    const all = information(subscription, 'full', watchers, turn)
    const body = filteredWatchers(all, filter, subscription, occasion, bases, turn)
    if (body === 'unchanged' || body === undefined) return body
    record.version++
    return { contentType: watcherinfoContentType, body }
  }
  return {
    name,
    isTemplate: true,
    contentTypes: [watcherinfoContentType],
    defaultExpiresSeconds: 3600,
    ...(inner.expiresBounds && { expiresBounds: inner.expiresBounds.bind(inner) }),
    ...(inner.minNotifyIntervalMs && { minNotifyIntervalMs: inner.minNotifyIntervalMs.bind(inner) }),
    ...(inner.exists && { exists: inner.exists.bind(inner) }),
    subscribeContentTypes: [simpleFilterContentType, mixedType],
    filterTarget,
    accepted(subscription, request) {
      // What was told through other filters is nothing to compare with.
      if (request.body.length > 0) setOwn(subscription, undefined)
    },
    resource: inner.resource.bind(inner),
    // RFC 3857 §4.6: a user may watch his own watchers; of others we let nobody.
    authorize(resource, subscriber) {
      if (!subscriber.identities.includes(resource)) throw forbidden()
      return 'active'
    },
    body(subscription, turn, occasion) {
      const filter = filterOf(subscription, filterTarget)
      if (filter !== undefined) return filtered(subscription, turn, occasion, filter)
      const known = occasion.full ? undefined : changesSince(name, subscription, occasion, turn.db)
      if (known?.length === 0) return 'unchanged'
      const watchers = known ?? [...notifier.watchers(inner.name, subscription.resource, turn.db)]
      const state = known === undefined ? 'full' : 'partial'
      const body = formatWatcherinfo(information(subscription, state, watchers, turn))
      subscription.record.version++
      return { contentType: watcherinfoContentType, body }
    },
    unwatched(resource, db) {
      for (const [key] of db.range(changes, { prefix: [name, resource] })) db.delete(changes, key)
    },
  }
}

/** Notes that a watcher of `packageName` has come to another state, and tells those who watch the watchers, if any. */
export function noteWatcher(
  notifier: Notifier,
  packageName: string,
  resource: string,
  watcher: Watcher,
  turn: Turn,
): Output[] {
  const name = `${packageName}.winfo`
  const revision = notifier.nextRevision(name, resource, turn.db)
  if (revision === undefined) return []
  turn.db.put(changes, [name, resource, revision], watcher)
  const before = [name, resource, revision - limits.watcherChangesPerResource]
  for (const [key] of turn.db.range(changes, { prefix: [name, resource], before })) turn.db.delete(changes, key)
  return notifier.notifyResource(name, resource, turn)
}

/** The last change of each watcher that the subscriber has not been told of; undefined when some may be forgotten. */
function changesSince(
  name: string,
  { resource, record }: Subscription,
  { revision }: Occasion,
  db: Transaction,
): Watcher[] | undefined {
  if (revision - record.revision > limits.watcherChangesPerResource) return undefined
  const prefix = [name, resource]
  const watchers = new Map<string, Watcher>()
  for (const [, watcher] of db.range(changes, { prefix, from: [...prefix, record.revision + 1] })) {
    watchers.delete(watcher.id)
    watchers.set(watcher.id, watcher)
  }
  return [...watchers.values()]
}

/** A watcher as RFC 3858 §3 writes it. Nobody in particular has the address that RFC 3323 §4.1.1.3 gives him. */
function shown(watcher: Watcher, turn: Turn) {
  const { id, status, event, displayName, expiresAt, subscribedAt } = watcher
  return {
    id,
    uri: watcher.uri === '' ? 'sip:anonymous@anonymous.invalid' : watcher.uri,
    status,
    event,
    displayName,
    expirationSeconds: expiresAt === undefined ? undefined : Math.max(0, Math.ceil((expiresAt - turn.now) / 1000)),
    durationSubscribedSeconds: Math.max(0, Math.floor((turn.now - subscribedAt) / 1000)),
  }
}
