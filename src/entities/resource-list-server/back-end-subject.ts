/** Back-end subscriptions to members elsewhere: to what, in the name of who subscribes to the list (RFC 4662 §7.1.1, RLS-13), with which filters. */

import { pidfContentType } from '../../documents/pidf.ts'
import { rlmiContentType } from '../../documents/rlmi.ts'
import { type Filter, formatFilterSet, simpleFilterContentType } from '../../documents/simple-filter.ts'
import { watcherinfoContentType } from '../../documents/watcherinfo.ts'
import type { HeaderField } from '../../protocols/sip/message.ts'
import { isSipUri } from '../../protocols/sip/uri.ts'
import { nameAddr, type Subject } from '../../protocols/sip-events/subscriber.ts'
import type { Turn } from '../../turn.ts'
import { isOursIn, type ListContext } from './context.ts'
import { subscribableUri } from './list.ts'
import { listPathField } from './loops.ts'
import { filtersForNotifier, listFilters } from './member-filters.ts'
import { type ListNode, memberOf, rootAbove } from './nodes.ts'
import { hasRefusedFilters } from './remote-members.ts'

/** The filters that go along to the notifier of a member. */
export function sentFilters(id: string, key: string, node: ListNode, context: ListContext, turn: Turn): Filter[] {
  const root = rootAbove(id, node, turn.db)
  if (root === undefined || hasRefusedFilters(turn.db, id, key)) return []
  const filters = listFilters(context.filtersOf(root, turn), root.node.uri)
  if (filters === undefined) return []
  return filtersForNotifier(filters, key, {
    isOurs: uri => isOursIn(uri, context, turn),
    isMember: uri => memberOf(turn.db, id, uri) !== undefined,
  })
}

/** Who subscribes to what, in whose name; undefined where no way leads, or the list has come a long way already. */
export function remoteSubject(
  node: ListNode,
  uri: string,
  filters: readonly Filter[],
  context: ListContext,
): Subject | undefined {
  const target = subscribableUri(uri)
  const routes = isSipUri(target) ? context.routeTo(target) : undefined
  if (routes === undefined || node.maxForwards <= 0) return undefined
  const { subscriber, alias, displayName, isPrivate } = node
  const isAnonymous = subscriber === '' || isPrivate
  const headers: HeaderField[] = [
    ['Supported', 'eventlist'],
    [listPathField, node.path],
  ]
  // RFC 3325 §5, GSMA RCS 3 §6.5.1: asserted with the display name; the wish for privacy goes with it (RLS-14).
  for (const identity of [subscriber, alias ?? ''])
    if (identity !== '') headers.push(['P-Asserted-Identity', nameAddr(identity, displayName)])
  if (isAnonymous) headers.push(['Privacy', 'id'])
  return {
    target: uri.replace(/^pres:/i, 'sip:'),
    from: isAnonymous ? 'sip:anonymous@anonymous.invalid' : subscriber,
    displayName: isAnonymous ? 'Anonymous' : displayName,
    routes,
    maxForwards: node.maxForwards,
    event: node.package,
    accept: [bodyTypes[node.package] ?? '*/*', 'multipart/related', rlmiContentType, ...node.sealedTypes].join(', '),
    expiresSeconds: 3600,
    headers,
    body:
      filters.length === 0
        ? undefined
        : { contentType: simpleFilterContentType, bytes: formatFilterSet(filters, node.package) },
  }
}

/** Types of what notifiers tell. */
export const notifiedTypes: readonly string[] = [pidfContentType, watcherinfoContentType, 'multipart/related']

const bodyTypes: Readonly<Record<string, string>> = {
  presence: pidfContentType,
  'presence.winfo': watcherinfoContentType,
}
