/**
 * The body of a NOTIFY about a list (RFC 4662 §5): meta-information, and the state of each member it tells of, read where it
 * is at that moment. Lists within lists are bodies of the same kind.
 */

import { formatRelated, type Part } from '../../documents/multipart.ts'
import {
  formatResource,
  formatRlmi,
  type Instance,
  type Resource,
  resourceOctets,
  rlmiContentType,
} from '../../documents/rlmi.ts'
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
  forgetGone,
  forgetMember,
  innerNode,
  type ListNode,
  memberOf,
  membersOfNode,
  type NodeMember,
  newsOf,
  nodeOf,
  putNews,
  putProgress,
  putWholeNews,
  subscriberOfNode,
  toldWhole,
} from './nodes.ts'
import { mappedList, type RemoteList, stateAt } from './remote-list.ts'
import { isToldRemoteList, remoteListNews } from './remote-list-news.ts'
import { hasRefusedFilters, holdsRemote, remoteState } from './remote-members.ts'
import { forgetTold, isHidden, noteHidden, putTold, toldOf } from './told.ts'

export interface ListState extends NotifyBody {
  /** Whether members had to be left for a further document (RLS-33). */
  readonly isUnfinished: boolean
}

/** What one NOTIFY may still hold, the lists in the list included. */
interface Budget {
  /** Members to be told of. */
  resources: number
  /** Octets before the size from which on nothing more is begun. */
  octets: number
  /** Whether no state of a member is in it yet: the first may take as much as a datagram holds, so that every document goes on. */
  isEmpty: boolean
  /** Whether nothing at all is in it yet. */
  isUntouched: boolean
  isSpent: boolean
}

/** How its subscriber is told of a list. */
export interface ListTelling {
  readonly dialect: Dialect | undefined
  /** Undefined for most. */
  readonly filters: ListFilters | undefined
}

const { resourcesPerNotify, octetsPerNotify, datagramOctets } = limits.lists

function newBudget(): Budget {
  return { resources: resourcesPerNotify, octets: octetsPerNotify, isEmpty: true, isUntouched: true, isSpent: false }
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
  const budget = newBudget()
  const document = new ListDocument(id, node, telling, context, turn, budget)
  const body = full ? document.whole() : document.news()
  return body && { ...body, isUnfinished: budget.isSpent }
}

/** A document that says nothing new, for the NOTIFY that ends a subscription without having been asked to (§4.5). */
export function emptyListState(
  id: string,
  node: ListNode,
  telling: ListTelling,
  context: ListContext,
  turn: Turn,
): NotifyBody {
  return new ListDocument(id, node, telling, context, turn, newBudget()).write(false)
}

class ListDocument {
  readonly #id: string
  readonly #node: ListNode
  readonly #telling: ListTelling
  readonly #context: ListContext
  readonly #turn: Turn
  readonly #budget: Budget
  /** As they are written. */
  readonly #resources: string[] = []
  readonly #parts: Part[] = []
  /** Lists elsewhere of which there is more to tell. */
  readonly #unfinished: string[] = []

  constructor(id: string, node: ListNode, telling: ListTelling, context: ListContext, turn: Turn, budget: Budget) {
    this.#id = id
    this.#node = node
    this.#telling = telling
    this.#context = context
    this.#turn = turn
    this.#budget = budget
    budget.octets -= documentOctets + node.uri.length
  }

  /**
   * Every member; those beyond what one document holds without instance (§4.5), and where even the names are more than that,
   * not yet: what was left out is told in the next ones, which add to this (§5.6.2, RLS-33).
   */
  whole(): NotifyBody {
    const { db } = this.#turn
    deleteAllNews(db, this.#id)
    forgetGone(this.#id, this.#turn)
    const named: { readonly key: string; readonly member: NodeMember; readonly octets: number }[] = []
    for (const [key, member] of membersOfNode(db, this.#id)) {
      const octets = resourceOctets(unknown(member))
      if (this.#budget.octets < octets) this.#leave(key)
      else named.push({ key, member, octets })
      this.#budget.octets -= Math.min(octets, Math.max(this.#budget.octets, 0))
    }
    let isFull = false
    for (const { key, member, octets } of named) {
      this.#budget.octets += octets
      isFull ||= !this.#tell(key, member, true)
      if (!isFull) continue
      this.#budget.octets -= octets
      this.#leave(key)
      this.#place(member)
    }
    return this.write(true)
  }

  /** The members of whom there is news. */
  news(): NotifyBody | undefined {
    const { db } = this.#turn
    // Where there are filters much of it may turn out to be none.
    const limit = this.#telling.filters === undefined ? this.#budget.resources + 1 : undefined
    for (const { key, said } of newsOf(db, this.#id, limit)) {
      const member = memberOf(db, this.#id, key)
      const goneUri = member === undefined && said !== toldWhole ? said : null
      const isTold =
        member !== undefined
          ? this.#tell(key, member, said === toldWhole)
          : goneUri === null || this.#show({ uri: goneUri, names: [] }, ended('noresource'))
      if (!isTold && !this.#budget.isUntouched) {
        this.#budget.isSpent = true
        break
      }
      deleteNews(db, this.#id, key)
      if (member === undefined) forgetMember(this.#id, key, this.#turn)
      // What no datagram holds is not told: that there is such a member is.
      if (!isTold && member !== undefined) this.#place(member)
      if (member?.kind === 'list') this.#goOnLater(key, innerNode(this.#id, key, this.#turn))
    }
    return this.#resources.length === 0 ? undefined : this.write(false)
  }

  write(fullState: boolean): NotifyBody {
    const { uri, version, names } = this.#node
    for (const key of this.#unfinished) {
      putNews(this.#turn.db, this.#id, key)
      this.#budget.isSpent = true
    }
    putProgress(this.#turn.db, this.#id, (version + 1) % 2 ** 32, this.#budget.isSpent)
    const body = formatRlmi({ uri, version, fullState, names: asNames(names), resources: this.#resources })
    const root: Part = { contentType: rlmiContentType, contentId: this.#contentId(0), body }
    return formatRelated([root, ...this.#parts], this.#telling.dialect === 'linphone')
  }

  /** Leaves a member for the next document, which tells of him as of one of whom nothing has been told yet. */
  #leave(key: string): void {
    putWholeNews(this.#turn.db, this.#id, key)
    this.#budget.isSpent = true
  }

  /** What there still is to tell of a list within is news of this one. */
  #goOnLater(key: string, inner: string): void {
    if (newsOf(this.#turn.db, inner, 1).length > 0) putNews(this.#turn.db, this.#id, key)
  }

  /** Tells of a member, all there is if `isWhole`; false, with nothing done, when there is no room. */
  #tell(key: string, member: NodeMember, isWhole: boolean): boolean {
    if (this.#budget.resources <= 0) return false
    if (member.kind === 'user') return this.#tellUser(key, member, isWhole)
    if (member.kind === 'list') return this.#tellList(key, member, isWhole)
    if (member.kind === 'remote') return this.#tellRemote(key, member, isWhole)
    return this.#show(member, ended(member.kind === 'none' || member.kind === 'loop' ? 'noresource' : 'rejected'))
  }

  #tellUser(key: string, member: NodeMember, full: boolean): boolean {
    const { package: packageName, version, takesPartial } = this.#node
    const { db } = this.#turn
    const watcher = subscriberOfNode(this.#node)
    const filter = this.#telling.filters && filterOfMember(this.#telling.filters, key)
    const keepsTold = takesPartial || filter !== undefined
    const before = keepsTold ? { own: toldOf(db, this.#id, key), full: full || isHidden(db, this.#id, key) } : undefined
    // Documents of watcher information are numbered; no state of presence is told by this number, for what was told is kept beside.
    const asked = { version: packageName === 'presence' ? -1 : version, before, takesPartial, filter }
    const told = this.#context.states.stateFor(packageName, key, this.#id, watcher, asked, this.#turn)
    if (told === undefined) return this.#show(member)
    const { state, reason, body, own } = told
    // One of whom a filter leaves nothing has no instance: an active one could not be without a body (§5.5).
    const instance = state === 'active' && body === undefined ? undefined : { id: onlyInstance, state, reason }
    const isTold = body === 'unchanged' || this.#show(member, instance, body)
    if (isTold && own !== undefined) putTold(db, this.#id, key, own)
    if (isTold && keepsTold) noteHidden(db, this.#id, key, body === undefined)
    return isTold
  }

  #tellList(key: string, member: NodeMember, isWhole: boolean): boolean {
    const id = innerNode(this.#id, key, this.#turn)
    const node = nodeOf(this.#turn.db, id)
    if (node === undefined) return this.#show(member, ended('noresource'))
    const active = { id: onlyInstance, state: 'active' } as const
    const frame = Buffer.byteLength(this.#written(member, active, true)) + partOctets
    if (this.#budget.octets < frame + documentOctets + node.uri.length) return false
    this.#budget.octets -= frame
    const telling = { ...this.#telling, filters: within(this.#telling.filters, node.uri) }
    const inner = new ListDocument(id, node, telling, this.#context, this.#turn, this.#budget)
    // Whoever has been told of the whole list above has forgotten what he knew of this one (§5.6.1).
    const body = isWhole || node.version === 0 ? inner.whole() : inner.news()
    if (body !== undefined) this.#place(member, active, body)
    if (isWhole) this.#goOnLater(key, id)
    return true
  }

  #tellRemote(key: string, member: NodeMember, isWhole: boolean): boolean {
    const { db } = this.#turn
    const told = remoteState(db, this.#id, key)
    if (told === undefined) {
      if (holdsRemote(this.#id, key, this.#context, this.#turn)) return this.#show(member)
      return this.#show(member, ended('rejected'))
    }
    const { state, reason, contentType, body, list } = told
    if (list !== undefined) return this.#tellRemoteList(key, member, { id: onlyInstance, state, reason }, list, isWhole)
    const full = isWhole || state !== 'active' || isHidden(db, this.#id, key)
    const through = this.#remoteBody(body && { contentType, body }, key, full)
    if (through === 'unchanged') return true
    const attached = through.shown
    const instance = state === 'active' && attached === undefined ? undefined : { id: onlyInstance, state, reason }
    const isTold = this.#show(member, instance, attached)
    // Of a list that was shown here its subscriber may have forgotten everything (§5.6.2).
    if (isTold && isToldRemoteList(toldOf(db, this.#id, key))) forgetTold(db, this.#id, key)
    if (isTold && through.told !== undefined) putTold(db, this.#id, key, through.told)
    if (isTold && this.#telling.filters !== undefined)
      noteHidden(db, this.#id, key, state !== 'active' || attached === undefined)
    return isTold
  }

  /** A list elsewhere, by what has changed of it: no version of ours of it is above that of the list above, which all are told with. */
  #tellRemoteList(key: string, member: NodeMember, instance: Instance, list: RemoteList, isWhole: boolean): boolean {
    const { db } = this.#turn
    const frame = resourceOctets({ ...member, instances: [instance] }) + partOctets + documentOctets + list.uri.length
    if (this.#budget.octets < frame) return false
    this.#budget.octets -= frame
    const known = toldOf(db, this.#id, key)
    const before = isWhole || !isToldRemoteList(known) ? undefined : known
    const awaited = before?.list ? this.#awaitedOf(list, before.list, key) : list
    const news = remoteListNews(this.#leftOf(awaited, key), {
      state: instance.state,
      before,
      version: this.#node.version,
      id: innerNode(this.#id, key, this.#turn),
      room: this.#budget,
      digest: (...parts) => this.#turn.fingerprint(...parts),
    })
    if (news === undefined || news === 'no-room') {
      this.#budget.octets += frame
      return news === undefined
    }
    this.#place(member, instance, news.body)
    const isAwaited = this.#telling.filters?.filters.some(({ triggers }) => triggers.length > 0)
    putTold(db, this.#id, key, { ...news.told, list: isAwaited ? awaited : undefined })
    if (news.isUnfinished) this.#unfinished.push(key)
    return true
  }

  /** The state of one member elsewhere through the filter that is left for here, if any; and what is to be kept when it is told. */
  #remoteBody(
    body: NotifyBody | undefined,
    key: string,
    isWhole: boolean,
  ): { readonly shown: NotifyBody | undefined; readonly told?: RemoteTold } | 'unchanged' {
    const filter = body && this.#filterLeft([key], key)
    if (body === undefined || filter === undefined) return { shown: body }
    const shown = throughFilter(body, filter)
    const known = toldOf(this.#turn.db, this.#id, key)
    const before = isToldRemoteList(known) ? undefined : (known as RemoteTold | undefined)
    const digest = this.#turn.fingerprint('remote', Buffer.from(shown?.body ?? []).toString('latin1'))
    if (!isWhole && before !== undefined) {
      if (filter.triggers.length === 0 && before.shown === digest) return 'unchanged'
      if (!waitsFor(before.body, body, filter)) return 'unchanged'
    }
    return { shown, told: { shown: digest, body: body.body } }
  }

  /** A list elsewhere with the states that its subscriber has been told, where his filters do not wait for what has become of them. */
  #awaitedOf(list: RemoteList, before: RemoteList, key: string): RemoteList {
    return mappedList(list, (part, path, instance) => {
      const filter = this.#filterLeft([...path.map(serviceUriOf), key], key)
      const told = filter && stateAt(before, path, instance)
      return filter === undefined || told === undefined || waitsFor(told.body, part, filter) ? part : told
    })
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

  /** Puts a member with his state into the document, if there is room. */
  #show(member: Pick<Resource, 'uri' | 'names'>, instance?: Instance, attached?: NotifyBody): boolean {
    const written = this.#written(member, instance, attached !== undefined)
    let octets = Buffer.byteLength(written)
    if (attached !== undefined) octets += partOctets + attached.contentType.length + attached.body.length
    const isFirst = this.#budget.isEmpty && attached !== undefined
    if (octets > this.#budget.octets + (isFirst ? datagramOctets - octetsPerNotify : 0)) return false
    this.#budget.octets -= octets
    this.#put(written, attached)
    return true
  }

  #place(member: Pick<Resource, 'uri' | 'names'>, instance?: Instance, attached?: NotifyBody): void {
    this.#put(this.#written(member, instance, attached !== undefined), attached)
  }

  /** A member as he is told of, with or without a part of his own, if he is the next. */
  #written({ uri, names }: Pick<Resource, 'uri' | 'names'>, instance: Instance | undefined, hasPart: boolean): string {
    const shown = instance && hasPart ? { ...instance, cid: this.#nextPart() } : instance
    return formatResource({ uri, names, instances: shown ? [shown] : [] })
  }

  #put(written: string, attached?: NotifyBody): void {
    this.#budget.resources--
    this.#budget.isUntouched = false
    this.#resources.push(written)
    if (attached === undefined) return
    this.#budget.isEmpty = false
    const { contentType, body } = attached
    this.#parts.push({ contentType, body, contentId: this.#nextPart() })
  }

  #nextPart(): string {
    return this.#contentId(this.#parts.length + 1)
  }

  /** Unique in the world, as it must be (RFC 2392 §2). */
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
/** About what a document takes beside its resources, and a part beside its type and body. */
const documentOctets = 700
const partOctets = 150

/** A member of whom nothing is known, or told yet (§4.5). */
function unknown({ uri, names }: Pick<Resource, 'uri' | 'names'>): Resource {
  return { uri, names, instances: [] }
}

function ended(reason: string): Instance {
  return { id: onlyInstance, state: 'terminated', reason }
}
