/**
 * The body of a NOTIFY about a list (RFC 4662 §5): meta-information, and the state of each member it tells of, read where it
 * is at that moment. Lists within lists are bodies of the same kind.
 */

import { formatRelated, type Part } from '../../documents/multipart.ts'
import { formatRlmi, type Instance, type Resource, rlmiContentType } from '../../documents/rlmi.ts'
import type { Filter } from '../../documents/simple-filter.ts'
import { limits } from '../../limits.ts'
import type { Dialect } from '../../protocols/sip-events/dialect.ts'
import type { NotifyBody } from '../../protocols/sip-events/event-package.ts'
import type { Turn } from '../../turn.ts'
import { serviceUriOf } from '../xdms/rls-xdms/service-uri.ts'
import { isOursIn, type ListContext } from './context.ts'
import { filterLeft, filterOfMember, type ListFilters, throughFilter, waitsFor, within } from './member-filters.ts'
import {
  asNames,
  deleteAllNews,
  deleteNews,
  innerNode,
  type ListNode,
  memberOf,
  membersOfNode,
  type NodeMember,
  newsOf,
  nodeOf,
  putNews,
  putNode,
  subscriberOfNode,
} from './nodes.ts'
import { formatRemoteList, mappedList, type RemoteList } from './remote-list.ts'
import { hasRefusedFilters, holdsRemote, remoteState } from './remote-members.ts'
import { isHidden, noteHidden, putTold, toldOf } from './told.ts'

export interface ListState extends NotifyBody {
  /** Whether members had to be left for a further document (RLS-33). */
  readonly isUnfinished: boolean
}

/** What one NOTIFY may still hold. */
interface Budget {
  resources: number
  octets: number
  isSpent: boolean
}

/** How its subscriber is told of a list. */
export interface ListTelling {
  readonly dialect: Dialect | undefined
  /** Undefined for most. */
  readonly filters: ListFilters | undefined
}

/**
 * What is to be said of a list: all of it, or what its subscriber does not know yet; undefined when that is nothing. Afterwards
 * he knows, so the next document has the next version.
 */
export function listState(
  id: string,
  node: ListNode,
  full: boolean,
  telling: ListTelling,
  context: ListContext,
  turn: Turn,
): ListState | undefined {
  const budget = { resources: limits.lists.resourcesPerNotify, octets: limits.lists.octetsPerNotify, isSpent: false }
  const document = new ListDocument(id, node, telling, context, turn, budget)
  const body = full ? document.whole() : document.news()
  return body && { ...body, isUnfinished: budget.isSpent }
}

/** A document that says nothing new, for the NOTIFY that ends a subscription without having been asked to (§4.5). */
export function emptyListState(
  id: string,
  node: ListNode,
  { dialect }: ListTelling,
  context: ListContext,
  turn: Turn,
): NotifyBody {
  const telling = { dialect, filters: undefined }
  return new ListDocument(id, node, telling, context, turn, { resources: 0, octets: 0, isSpent: false }).write(false)
}

class ListDocument {
  readonly #id: string
  readonly #node: ListNode
  readonly #telling: ListTelling
  readonly #context: ListContext
  readonly #turn: Turn
  readonly #budget: Budget
  readonly #resources: Resource[] = []
  readonly #parts: Part[] = []

  constructor(id: string, node: ListNode, telling: ListTelling, context: ListContext, turn: Turn, budget: Budget) {
    this.#id = id
    this.#node = node
    this.#telling = telling
    this.#context = context
    this.#turn = turn
    this.#budget = budget
  }

  /** Every member; those beyond what one document holds without instance, to be told of in the next (§4.5). */
  whole(): NotifyBody {
    deleteAllNews(this.#turn.db, this.#id)
    const members = [...membersOfNode(this.#turn.db, this.#id)]
    for (const [, { uri, names }] of members) this.#budget.octets -= frameOctets + uri.length + names.length * 32
    for (const [key, member] of members) {
      if (this.#hasRoom()) this.#tell(key, member, true)
      else {
        putNews(this.#turn.db, this.#id, key)
        this.#resources.push({ ...member, instances: [] })
      }
    }
    return this.write(true)
  }

  /** The members of whom there is news. */
  news(): NotifyBody | undefined {
    for (const { key, goneUri } of newsOf(this.#turn.db, this.#id, this.#budget.resources + 1)) {
      if (!this.#hasRoom()) break
      deleteNews(this.#turn.db, this.#id, key)
      const member = memberOf(this.#turn.db, this.#id, key)
      if (member !== undefined) this.#tell(key, member, false)
      else if (goneUri !== null) this.#show({ uri: goneUri, names: [] }, ended('noresource'))
    }
    return this.#resources.length === 0 ? undefined : this.write(false)
  }

  write(fullState: boolean): NotifyBody {
    const { uri, version, names } = this.#node
    putNode(this.#turn.db, this.#id, {
      ...this.#node,
      version: (version + 1) % 2 ** 32,
      isUrgent: this.#budget.isSpent,
    })
    const body = formatRlmi({ uri, version, fullState, names: asNames(names), resources: this.#resources })
    const root: Part = { contentType: rlmiContentType, contentId: this.#contentId(0), body }
    return formatRelated([root, ...this.#parts], `b${version}`, this.#telling.dialect === 'linphone')
  }

  /** The first is told whatever it takes, so that every document goes on. */
  #hasRoom(): boolean {
    if (this.#parts.length === 0 && this.#budget.resources > 0) return true
    if (this.#budget.resources > 0 && this.#budget.octets > 0) return true
    this.#budget.isSpent = true
    return false
  }

  #tell(key: string, member: NodeMember, isWhole: boolean): void {
    this.#budget.resources--
    if (member.kind === 'user') this.#tellUser(key, member, isWhole)
    else if (member.kind === 'list') this.#tellList(key, member, isWhole)
    else if (member.kind === 'remote') this.#tellRemote(key, member, isWhole)
    else this.#show(member, ended(member.kind === 'none' || member.kind === 'loop' ? 'noresource' : 'rejected'))
  }

  #tellUser(key: string, member: NodeMember, full: boolean): void {
    const { package: packageName, version, takesPartial } = this.#node
    const { db } = this.#turn
    const watcher = subscriberOfNode(this.#node)
    const filter = this.#telling.filters && filterOfMember(this.#telling.filters, key)
    const keepsTold = takesPartial || filter !== undefined
    const before = keepsTold ? { own: toldOf(db, this.#id, key), full: full || isHidden(db, this.#id, key) } : undefined
    // Documents of watcher information are numbered; no state of presence is told by this number, for what was told is kept beside.
    const asked = { version: packageName === 'presence' ? -1 : version, before, takesPartial, filter }
    const told = this.#context.states.stateFor(packageName, key, this.#id, watcher, asked, this.#turn)
    if (told?.own !== undefined) putTold(db, this.#id, key, told.own)
    if (told?.body === 'unchanged') return
    if (keepsTold) noteHidden(db, this.#id, key, told?.body === undefined)
    // One of whom a filter leaves nothing has no instance: an active one could not be without a body (§5.5).
    if (told === undefined || (told.state === 'active' && told.body === undefined)) {
      this.#show(member)
      return
    }
    const { state, reason, body } = told
    this.#show(member, { id: onlyInstance, state, reason, cid: body && this.#attach(body) })
  }

  #tellList(key: string, member: NodeMember, isWhole: boolean): void {
    const id = innerNode(this.#id, key, this.#turn)
    const node = nodeOf(this.#turn.db, id)
    if (node === undefined) {
      this.#show(member, ended('noresource'))
      return
    }
    const telling = { ...this.#telling, filters: within(this.#telling.filters, node.uri) }
    const inner = new ListDocument(id, node, telling, this.#context, this.#turn, this.#budget)
    // Whoever has been told of the whole list above has forgotten what he knew of this one (§5.6.1).
    const body = isWhole || node.version === 0 ? inner.whole() : inner.news()
    if (body !== undefined) this.#show(member, { id: onlyInstance, state: 'active', cid: this.#attach(body) })
    if (newsOf(this.#turn.db, id, 1).length > 0) putNews(this.#turn.db, this.#id, key)
  }

  #tellRemote(key: string, member: NodeMember, isWhole: boolean): void {
    const { db } = this.#turn
    const told = remoteState(db, this.#id, key)
    if (told === undefined) {
      if (holdsRemote(this.#id, key, this.#context, this.#turn)) this.#show(member)
      else this.#show(member, ended('rejected'))
      return
    }
    const { state, reason, contentType, body, list } = told
    const full = isWhole || state !== 'active' || isHidden(db, this.#id, key)
    const attached = list ? this.#remoteList(list, key) : this.#remoteBody(body && { contentType, body }, key, full)
    if (attached === 'unchanged') return
    if (this.#telling.filters !== undefined) noteHidden(db, this.#id, key, state !== 'active' || attached === undefined)
    if (state === 'active' && attached === undefined) this.#show(member)
    else this.#show(member, { id: onlyInstance, state, reason, cid: attached && this.#attach(attached) })
  }

  /** Versions of ours rise with those of the list above, for each document of this one is a part of one of that. */
  #remoteList(list: RemoteList, key: string): NotifyBody {
    return formatRemoteList(this.#leftOf(list, key), this.#node.version, innerNode(this.#id, key, this.#turn))
  }

  /** The state of one member elsewhere through the filter that is left for here, if any. */
  #remoteBody(body: NotifyBody | undefined, key: string, isWhole: boolean): NotifyBody | undefined | 'unchanged' {
    const filter = body && this.#filterLeft([key], key)
    if (body === undefined || filter === undefined) return body
    const { db } = this.#turn
    const shown = throughFilter(body, filter)
    const before = toldOf(db, this.#id, key) as RemoteTold | undefined
    const digest = this.#turn.fingerprint('remote', Buffer.from(shown?.body ?? []).toString('latin1'))
    if (!isWhole && before !== undefined) {
      if (filter.triggers.length === 0 && before.shown === digest) return 'unchanged'
      if (!waitsFor(before.body, body, filter)) return 'unchanged'
    }
    putTold(db, this.#id, key, { shown: digest, body: body.body } satisfies RemoteTold)
    return shown
  }

  #leftOf(list: RemoteList, key: string): RemoteList {
    if (this.#telling.filters === undefined) return list
    return mappedList(list, (part, path) => {
      const filter = this.#filterLeft([...path.map(serviceUriOf), key], key)
      return filter === undefined ? part : throughFilter(part, filter)
    })
  }

  #filterLeft(path: readonly string[], key: string): Filter | undefined {
    if (this.#telling.filters === undefined) return undefined
    const isOurs = (uri: string) => isOursIn(uri, this.#context, this.#turn)
    return filterLeft(this.#telling.filters, path, isOurs, hasRefusedFilters(this.#turn.db, this.#id, key))
  }

  #show({ uri, names }: Pick<Resource, 'uri' | 'names'>, ...instances: Instance[]): void {
    this.#resources.push({ uri, names, instances })
  }

  /** The Content-ID under which a state is attached: unique in the world, as it must be (RFC 2392 §2). */
  #attach({ contentType, body }: NotifyBody): string {
    const contentId = this.#contentId(this.#parts.length + 1)
    this.#parts.push({ contentType, contentId, body })
    this.#budget.octets -= body.length + partOctets
    return contentId
  }

  #contentId(place: number): string {
    return `${place}.${this.#node.version}@${this.#id}`
  }
}

/** What is kept of what was told of a member elsewhere through a filter: all there was, and a digest of what was shown of it. */
interface RemoteTold {
  readonly shown: string
  readonly body: Uint8Array
}

/** Here nothing forks, so there is one notifier of each resource (RFC 4662 §5.5). */
const onlyInstance = '1'
/** About what a resource, and what the header of a part, takes besides what it is about. */
const frameOctets = 100
const partOctets = 160

function ended(reason: string): Instance {
  return { id: onlyInstance, state: 'terminated', reason }
}
