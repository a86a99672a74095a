/**
 * The tree that a list subscription stands for (RFC 4662 §4): a node for the list subscribed to and for each list in it, with
 * what each has as members, and what of them its subscriber does not know yet. A member that is a user of the box has a leg at
 * the Presence Server under the id of its node.
 */

import { limits } from '../../limits.ts'
import type { Subscriber } from '../../protocols/sip-events/event-package.ts'
import { legWake } from '../../protocols/sip-events/notifier.ts'
import { type Output, type Transaction, type Turn, table } from '../../turn.ts'
import type { DocumentAddress } from '../xdms/documents.ts'
import type { ListContext } from './context.ts'
import { type List, listOf, type Member } from './list.ts'
import { mayRead } from './policy.ts'
import { closeRemote, isRefusedRemote, openRemote } from './remote-members.ts'
import { forgetTold, isOfOtherKind, listVersionOf, putListVersion, toldMembers } from './told.ts'

export interface ListNode {
  readonly package: string
  /** Canonical URI of the list: the resource of the subscription at the root. */
  readonly uri: string
  /** The node whose member this list is; empty at the root. */
  readonly parent: string
  /** Of the next document about this list (RFC 4662 §5.2). */
  readonly version: number
  /** Whether the next document follows without delay: it goes on where the last one had to stop. */
  readonly isUrgent: boolean
  /** Who subscribes. */
  readonly subscriber: string
  readonly alias: string | undefined
  readonly displayName: string | undefined
  /** Whether others are not to learn who that is (RFC 3323). */
  readonly isPrivate: boolean
  /** Whether members may be told of by what has changed (RFC 5263, RLS-21). */
  readonly takesPartial: boolean
  /** Types of sealed bodies that he takes, which members elsewhere are told (RFC 4662 §7.3). */
  readonly sealedTypes: readonly string[]
  /** How SUBSCRIBEs to members elsewhere go on from here (`loops.ts`). */
  readonly path: string
  readonly maxForwards: number
  /** Names of the list, each followed by its language. */
  readonly names: readonly (string | undefined)[]
  /** The documents it was read from: application usage, user and path of each. */
  readonly from: readonly string[]
}

/** A member as it is kept: half a million of these must be small. */
interface MemberRecord {
  /** Place in `kinds`. */
  readonly kind: number
  /** As the list has it; empty when that is the key. */
  readonly uri: string
  /** Each followed by its language. */
  readonly names: readonly (string | undefined)[]
}

/** `refused`: a list that is not opened, since it is another's; `loop`: one that contains itself, or lies too deep. */
export type NodeMemberKind = Member['kind'] | 'refused' | 'loop'
export interface NodeMember extends Omit<Member, 'kind'> {
  readonly kind: NodeMemberKind
}

const kinds: readonly NodeMemberKind[] = ['user', 'list', 'remote', 'none', 'refused', 'loop']

/** What of a node changes with every document about it. */
type Progress = Pick<ListNode, 'version' | 'isUrgent'>
/** What changes with the list itself, and is large. */
type NodeRecord = Omit<ListNode, keyof Progress>

/** Keyed [node]. The id of a root is that of its subscription. */
const nodes = table<NodeRecord>('list nodes', 'soft')
/** Keyed likewise; of who has been told of. */
const progress = table<Progress>('list progress', 'soft')
/** Keyed [node, canonical URI]. */
const members = table<MemberRecord>('list members', 'soft')
/**
 * What the next document is about: keyed [node, canonical URI], with the URI of one who is no longer a member, or `toldWhole`
 * of one of whom nothing said before counts any more.
 */
const news = table<string | null>('list news', 'soft')
/** Which nodes a document matters to: keyed [application usage, user, path, node]. */
const readers = table<null>('list document readers', 'soft')

export const toldWhole = ''

/** Lists within lists: deeper ones are shown as ended. */
const maximumDepth = 8

export function nodeOf(db: Transaction, id: string): ListNode | undefined {
  const record = recordOf(db, id)
  return record && { version: 0, isUrgent: false, ...record, ...db.get(progress, [id]) }
}

/** Stores what a list is; how far it was told stays as it is. */
export function putNode(db: Transaction, id: string, { version, isUrgent, ...record }: ListNode): void {
  db.put(nodes, [id], record)
}

/** Stores how far a list has been told. */
export function putProgress(db: Transaction, id: string, version: number, isUrgent: boolean): void {
  db.put(progress, [id], { version, isUrgent })
}

/** Nodes that were read since one was last written: a change of one member has its node read in several turns. */
const known = new WeakMap<Transaction, { readonly revision: number; readonly records: Map<string, NodeRecord> }>()

function recordOf(db: Transaction, id: string): NodeRecord | undefined {
  const revision = db.revision(nodes)
  let latest = known.get(db)
  if (latest?.revision !== revision || latest.records.size >= limits.lists.nodesRemembered) {
    latest = { revision, records: new Map() }
    known.set(db, latest)
  }
  let record = latest.records.get(id)
  if (record === undefined) {
    record = db.get(nodes, [id])
    if (record !== undefined) latest.records.set(id, record)
  }
  return record
}

export function subscriberOfNode({ subscriber, alias, displayName, isPrivate }: ListNode): Subscriber {
  return {
    identities: subscriber === '' ? [] : alias === undefined ? [subscriber] : [subscriber, alias],
    displayName,
    isPrivate,
  }
}

export function memberOf(db: Transaction, id: string, key: string): NodeMember | undefined {
  const record = db.get(members, [id, key])
  return record && asMember(key, record)
}

export function* membersOfNode(db: Transaction, id: string): Iterable<readonly [key: string, member: NodeMember]> {
  for (const [key, record] of db.range(members, { prefix: [id] })) {
    const uri = key[1] as string
    yield [uri, asMember(uri, record)]
  }
}

/** The node of a list that is a member of another. */
export function innerNode(id: string, key: string, turn: Turn): string {
  return turn.fingerprint('list', id, key)
}

/** How many more members the lists within a tree may have (RLS-23): few lists within one another could make millions. */
interface Room {
  left: number
}

/** Opens a node for a list and for the lists in it, and asks for legs for their members. */
export function openNode(
  id: string,
  node: ListNode,
  list: List,
  context: ListContext,
  turn: Turn,
  room: Room = { left: turn.settings.lists.membersMax - list.members.size },
): Output[] {
  putNode(turn.db, id, { ...node, names: flat(list.names), from: flatAddresses(list.from) })
  if (node.version > 0) putProgress(turn.db, id, node.version, false)
  for (const { auid, xui, path } of list.from) turn.db.put(readers, [auid, xui, path, id], null)
  const outputs: Output[] = []
  for (const [key, member] of list.members) outputs.push(...addMember(id, node, key, member, room, context, turn))
  return outputs
}

/** Ends a node with all that belongs to it. */
export function closeNode(id: string, context: ListContext, turn: Turn): Output[] {
  const outputs = takeDown(id, context, turn)
  forgetBelow(id, turn)
  return outputs
}

/** Ends a node within another, whose subscriber still holds what he was told of it. */
export function closeInnerNode(
  id: string,
  { parent, uri, version }: ListNode,
  context: ListContext,
  turn: Turn,
): Output[] {
  const outputs = takeDown(id, context, turn)
  putListVersion(turn.db, parent, uri, version)
  return outputs
}

/** Forgets what a subscriber was told of one who is no longer a member, and was told to be gone. */
export function forgetMember(id: string, key: string, turn: Turn): void {
  if (listVersionOf(turn.db, id, key) > 0) forgetBelow(innerNode(id, key, turn), turn)
  forgetTold(turn.db, id, key)
}

/** Forgets the same of all who are no longer members. */
export function forgetGone(id: string, turn: Turn): void {
  for (const key of toldMembers(turn.db, id))
    if (turn.db.get(members, [id, key]) === undefined) forgetMember(id, key, turn)
}

function forgetBelow(id: string, turn: Turn): void {
  for (const key of toldMembers(turn.db, id)) forgetMember(id, key, turn)
}

/** Ends a node, and keeps what was told of its members and versions of the lists in it. */
function takeDown(id: string, context: ListContext, turn: Turn): Output[] {
  const node = nodeOf(turn.db, id)
  if (node === undefined) return []
  const outputs: Output[] = []
  for (const [key, member] of membersOfNode(turn.db, id))
    outputs.push(...removeMember(id, node, key, member, context, turn))
  deleteAllNews(turn.db, id)
  for (const { auid, xui, path } of addresses(node.from)) turn.db.delete(readers, [auid, xui, path, id])
  turn.db.delete(nodes, [id])
  turn.db.delete(progress, [id])
  return outputs
}

/**
 * Brings a node to what its list is now, asks for legs that do not stand, and notes what its subscriber is to be told. `missing`
 * and `too-long` are for the caller, who ends it.
 */
export function updateNode(
  id: string,
  node: ListNode,
  context: ListContext,
  turn: Turn,
): { readonly outputs: Output[]; readonly hasNews: boolean } | 'missing' | 'too-long' {
  const list = listOf(node.uri, context, turn)
  if (typeof list === 'string') return list
  const known = new Map(membersOfNode(turn.db, id))
  const room = roomAfter(id, node, known, list, turn)
  if (node.parent !== '' && room.left < 0) return 'too-long'
  const outputs: Output[] = []
  let hasNews = false
  for (const [key, member] of known) {
    if (list.members.has(key)) continue
    outputs.push(...removeMember(id, node, key, member, context, turn))
    turn.db.put(news, [id, key], member.uri)
    hasNews = true
  }
  for (const [key, member] of list.members) {
    const before = known.get(key)
    if (before !== undefined && isSame(before, member)) {
      const asked = stand(id, node, key, before, room, context, turn)
      outputs.push(...asked)
      if (isList(before) && memberOf(turn.db, id, key)?.kind !== before.kind) {
        putWholeNews(turn.db, id, key)
        hasNews = true
      } else if (asked.length > 0 && isSeenAgain(id, node, key, before, context, turn)) {
        putNews(turn.db, id, key)
        hasNews = true
      }
      continue
    }
    if (before !== undefined) outputs.push(...removeMember(id, node, key, before, context, turn))
    outputs.push(...addMember(id, node, key, member, room, context, turn))
    // Whoever has gone and come back meanwhile may have another name, or state that nobody watched.
    putWholeNews(turn.db, id, key)
    hasNews = true
  }
  for (const { auid, xui, path } of addresses(node.from)) turn.db.delete(readers, [auid, xui, path, id])
  for (const { auid, xui, path } of list.from) turn.db.put(readers, [auid, xui, path, id], null)
  putNode(turn.db, id, { ...node, names: flat(list.names), from: flatAddresses(list.from) })
  return { outputs, hasNews }
}

/** Nodes of all trees, from this one on. */
export function* nodesFrom(db: Transaction, from: string, limit: number): Iterable<string> {
  for (const [key] of db.range(nodes, { from: [from], limit })) yield key[0] as string
}

/** The nodes that a document matters to. */
export function* nodesReading(db: Transaction, { auid, xui, path }: DocumentAddress): Iterable<string> {
  for (const [key] of db.range(readers, { prefix: [auid, xui, path] })) yield key[3] as string
}

/** Notes that there is news of a member, up to the root; that of the root with its node is returned. */
export function noteNews(
  id: string,
  key: string,
  turn: Turn,
): { readonly id: string; readonly node: ListNode } | undefined {
  const node = nodeOf(turn.db, id)
  if (node === undefined || turn.db.get(members, [id, key]) === undefined) return undefined
  putNews(turn.db, id, key)
  return rootOf(id, node, turn)
}

/** The root above a node, with news noted all the way there. */
export function rootOf(
  id: string,
  node: ListNode,
  turn: Turn,
): { readonly id: string; readonly node: ListNode } | undefined {
  return rootAbove(id, node, turn.db, inner => putNews(turn.db, inner.parent, inner.uri))
}

/** The root above a node; `passed` is given every list within another on the way. */
export function rootAbove(
  id: string,
  node: ListNode,
  db: Transaction,
  passed: (inner: ListNode) => void = () => {},
): { readonly id: string; readonly node: ListNode } | undefined {
  let [at, current] = [id, node]
  while (current.parent !== '') {
    passed(current)
    const parent = nodeOf(db, current.parent)
    if (parent === undefined) return undefined
    at = current.parent
    current = parent
  }
  return { id: at, node: current }
}

/** Every member elsewhere of a list and of those within it. */
export function* remoteMembersBelow(id: string, turn: Turn): Iterable<readonly [id: string, key: string]> {
  for (const [key, { kind }] of membersOfNode(turn.db, id)) {
    if (kind === 'remote') yield [id, key]
    if (kind === 'list') yield* remoteMembersBelow(innerNode(id, key, turn), turn)
  }
}

/** What the next document of a node is about, as many as there may be; `said` as it is kept. */
export function newsOf(
  db: Transaction,
  id: string,
  limit?: number,
): { readonly key: string; readonly said: string | null }[] {
  return [...db.range(news, { prefix: [id], ...(limit === undefined ? {} : { limit }) })].map(([key, said]) => ({
    key: key[1] as string,
    said,
  }))
}

export function putNews(db: Transaction, id: string, key: string): void {
  if (db.get(news, [id, key]) !== toldWhole) db.put(news, [id, key], null)
}

/** What is told of this member must not build on what was told before. */
export function putWholeNews(db: Transaction, id: string, key: string): void {
  db.put(news, [id, key], toldWhole)
}

export function deleteNews(db: Transaction, id: string, key: string): void {
  db.delete(news, [id, key])
}

export function deleteAllNews(db: Transaction, id: string): void {
  for (const [key] of db.range(news, { prefix: [id] })) db.delete(news, key)
}

function addMember(
  id: string,
  node: ListNode,
  key: string,
  { kind, uri, names }: Member,
  room: Room,
  context: ListContext,
  turn: Turn,
): Output[] {
  const outputs: Output[] = []
  if (isOfOtherKind(turn.db, id, key, kind === 'list')) forgetMember(id, key, turn)
  let became: NodeMemberKind = kind
  if (kind === 'list') {
    const opened = openInner(id, node, key, room, context, turn)
    if (typeof opened === 'string') became = opened
    else outputs.push(...opened)
  }
  if (kind === 'user') outputs.push(wakeLeg(id, node, key, turn))
  turn.db.put(members, [id, key], {
    kind: kinds.indexOf(became),
    uri: uri === key ? '' : uri,
    names: flat(names),
  })
  // What is subscribed to is asked of this record.
  if (kind === 'remote') outputs.push(...openRemote(id, key, context, turn))
  return outputs
}

function removeMember(
  id: string,
  node: ListNode,
  key: string,
  { kind }: NodeMember,
  context: ListContext,
  turn: Turn,
): Output[] {
  turn.db.delete(members, [id, key])
  if (kind === 'list') {
    const inner = innerNode(id, key, turn)
    const innerList = nodeOf(turn.db, inner)
    return innerList === undefined ? [] : closeInnerNode(inner, innerList, context, turn)
  }
  if (kind !== 'user') forgetMember(id, key, turn)
  if (kind === 'remote') return closeRemote(id, key, context, turn)
  return kind === 'user' ? [wakeLeg(id, node, key, turn)] : []
}

/** Sees that a member has what it should have: a leg that was refused or lost, a list that could not be opened. */
function stand(
  id: string,
  node: ListNode,
  key: string,
  member: NodeMember,
  room: Room,
  context: ListContext,
  turn: Turn,
): Output[] {
  if (member.kind === 'user')
    return context.states.hasLeg(node.package, key, id, turn.db) ? [] : [wakeLeg(id, node, key, turn)]
  if (member.kind === 'remote') {
    // One that rests for good is tried again with every SUBSCRIBE of the list, as it would be by who subscribes to it alone.
    if (!isRefusedRemote(turn.db, id, key)) return []
    return [...closeRemote(id, key, context, turn), ...openRemote(id, key, context, turn)]
  }
  if (!isList(member) || nodeOf(turn.db, innerNode(id, key, turn)) !== undefined) return []
  return addMember(id, node, key, { ...member, kind: 'list' }, room, context, turn)
}

/** Whether there is something to tell of a user again who was refused, or did not exist. */
function isSeenAgain(
  id: string,
  node: ListNode,
  key: string,
  { kind }: NodeMember,
  context: ListContext,
  turn: Turn,
): boolean {
  if (kind !== 'user') return true
  const watcher = subscriberOfNode(node)
  return context.states.stateFor(node.package, key, id, watcher, { version: 0 }, turn)?.state !== 'terminated'
}

/** A list in a list is opened for who may read it, unless it is one of those it lies in (RFC 4662 §7.4, RLS-11). */
function openInner(
  id: string,
  node: ListNode,
  key: string,
  room: Room,
  context: ListContext,
  turn: Turn,
): Output[] | 'refused' | 'loop' {
  let depth = 1
  for (let at: ListNode | undefined = node; at !== undefined; at = nodeOf(turn.db, at.parent), depth++) {
    if (at.uri === key || depth > maximumDepth) return 'loop'
    if (at.parent === '') break
  }
  if (!mayRead(key, subscriberOfNode(node), context, turn)) return 'refused'
  const list = listOf(key, context, turn)
  if (typeof list === 'string' || list.members.size > room.left) return 'refused'
  room.left -= list.members.size
  const version = listVersionOf(turn.db, id, key)
  forgetTold(turn.db, id, key)
  const inner: ListNode = { ...node, uri: key, parent: id, version, isUrgent: false, names: [], from: [] }
  return openNode(innerNode(id, key, turn), inner, list, context, turn, room)
}

/** What room a tree has left once a node of it has become `list`; looked for only where there are lists within lists. */
function roomAfter(id: string, node: ListNode, known: ReadonlyMap<string, NodeMember>, list: List, turn: Turn): Room {
  const { membersMax } = turn.settings.lists
  if (node.parent === '' && ![...known.values(), ...list.members.values()].some(isList))
    return { left: membersMax - list.members.size }
  let size = sizeBelow(rootAbove(id, node, turn.db)?.id ?? id, turn) - known.size + list.members.size
  for (const [key, member] of known)
    if (isList(member) && list.members.get(key)?.kind !== 'list') size -= sizeBelow(innerNode(id, key, turn), turn)
  return { left: membersMax - size }
}

/** Members of a list and of those within it. */
function sizeBelow(id: string, turn: Turn): number {
  let size = 0
  for (const [key, member] of membersOfNode(turn.db, id))
    size += 1 + (isList(member) ? sizeBelow(innerNode(id, key, turn), turn) : 0)
  return size
}

/** Whether a member is a list of this box, opened or not. */
function isList({ kind }: Pick<NodeMember, 'kind'>): boolean {
  return kind === 'list' || kind === 'refused' || kind === 'loop'
}

function wakeLeg(id: string, node: ListNode, key: string, turn: Turn): Output {
  return legWake(node.package, key, id, turn.now, 'presence-server')
}

function isSame(before: NodeMember, { kind, uri, names }: Member): boolean {
  const isSameKind = before.kind === kind || (kind === 'list' && isList(before))
  return isSameKind && before.uri === uri && flat(before.names).join('\0') === flat(names).join('\0')
}

function asMember(key: string, { kind, uri, names }: MemberRecord): NodeMember {
  return { kind: kinds[kind]!, uri: uri === '' ? key : uri, names: asNames(names) }
}

function flat(names: List['names']): (string | undefined)[] {
  return names.flatMap(({ text, language }) => [text, language])
}

/** What `flat` has made of names. */
export function asNames(flatNames: readonly (string | undefined)[]): List['names'] {
  const names: { text: string; language: string | undefined }[] = []
  for (let at = 0; at < flatNames.length; at += 2) names.push({ text: flatNames[at]!, language: flatNames[at + 1] })
  return names
}

function flatAddresses(from: readonly DocumentAddress[]): string[] {
  return from.flatMap(({ auid, xui, path }) => [auid, xui, path])
}

function* addresses(from: readonly string[]): Iterable<DocumentAddress> {
  for (let at = 0; at < from.length; at += 3) yield { auid: from[at]!, xui: from[at + 1]!, path: from[at + 2]! }
}
