/** What is kept of subscriptions to changes, beside what the notifier keeps of every subscription. */

import { type Transaction, table } from '../../../turn.ts'
import type { DocumentAddress } from '../documents.ts'
import type { Selected } from './selection.ts'

/** How changes of documents are told (RFC 5875 §4.3). */
export type DiffProcessing = 'no-patching' | 'xcap-patching' | 'aggregate'

/** One subscription: whose, in which event package, and the tag of its dialog. Its first element is also its resource. */
export type SubscriptionKey = readonly [user: string, packageName: string, id: string]

export interface SelectionRecord {
  readonly processing: DiffProcessing
  /** Absolute URI of the XCAP root, with a slash at its end. */
  readonly root: string
  readonly selected: readonly Selected[]
}

/** What the subscriber knows. */
export interface ToldRecord {
  /** Entity-tags by document, as `documentKey` writes it. */
  readonly documents: Readonly<Record<string, ToldDocument>>
  /** Components that were there, by `sel`. */
  readonly components: Readonly<Record<string, ToldComponent>>
  /** Whether not everything there is to tell had room. */
  readonly isMore: boolean
}

export interface ToldDocument {
  readonly sel: string
  readonly etag: string
}

export interface ToldComponent {
  /** Of the document in which it was looked for. */
  readonly etag: string
  /** Digest of its content; undefined when it was not there. */
  readonly content: string | undefined
}

/** One change of a document since the last NOTIFY, for a subscriber who wants more than to know that there was one. */
export interface ChangeRecord {
  readonly document: string
  readonly previousEtag: string | undefined
  readonly etag: string | undefined
  /** What made one version into the other, where that can be said. */
  readonly patch?: { readonly namespaces: Readonly<Record<string, string>>; readonly operations: string } | undefined
  /** The version before. */
  readonly before?: Uint8Array | undefined
}

/** Keyed by SubscriptionKey. */
const selections = table<SelectionRecord>('xcap-diff selections', 'soft')
const tolds = table<ToldRecord>('xcap-diff told', 'soft')
/** Keyed [...SubscriptionKey, number]. */
const changes = table<ChangeRecord>('xcap-diff changes', 'soft')
/** Who wants to hear of which documents: keyed [auid, xui, ...SubscriptionKey], auid empty for all usages. */
const interests = table<true>('xcap-diff interests', 'soft')

export const nothingTold: ToldRecord = { documents: {}, components: {}, isMore: false }

export function documentKey({ auid, xui, path }: DocumentAddress): string {
  return `${auid} ${xui} ${path}`
}

export function selectionOf(db: Transaction, key: SubscriptionKey): SelectionRecord | undefined {
  return db.get(selections, key)
}

/** Another selection takes the place of the one before, and what has happened to that one is forgotten. */
export function putSelection(db: Transaction, key: SubscriptionKey, selection: SelectionRecord): void {
  forget(db, key)
  db.put(selections, key, selection)
  for (const [auid, xui] of spheres(selection)) db.put(interests, [auid, xui, ...key], true)
}

export function forget(db: Transaction, key: SubscriptionKey): void {
  const selection = db.get(selections, key)
  if (selection === undefined) return
  db.delete(selections, key)
  db.delete(tolds, key)
  forgetChanges(db, key)
  for (const [auid, xui] of spheres(selection)) db.delete(interests, [auid, xui, ...key])
}

export function toldTo(db: Transaction, key: SubscriptionKey): ToldRecord {
  return db.get(tolds, key) ?? nothingTold
}

/** The subscriber is told: what has happened until now is history. */
export function putTold(db: Transaction, key: SubscriptionKey, told: ToldRecord): void {
  db.put(tolds, key, told)
  forgetChanges(db, key)
}

/** In the order in which they happened. */
export function* changesFor(db: Transaction, key: SubscriptionKey): Iterable<ChangeRecord> {
  for (const [, change] of db.range(changes, { prefix: key })) yield change
}

/** Notes a change for a subscriber, behind those that are noted already. */
export function noteChange(db: Transaction, key: SubscriptionKey, change: ChangeRecord): void {
  let next = 0
  for (const [[, , , number]] of db.range(changes, { prefix: key })) next = (number as number) + 1
  db.put(changes, [...key, next], change)
}

/** The subscriptions that may be about a document. */
export function* interestedIn(db: Transaction, { auid, xui }: DocumentAddress): Iterable<SubscriptionKey> {
  for (const usage of [auid, ''])
    for (const [[, , ...key]] of db.range(interests, { prefix: [usage, xui] })) yield key as unknown as SubscriptionKey
}

function forgetChanges(db: Transaction, key: SubscriptionKey): void {
  for (const [of] of db.range(changes, { prefix: key })) db.delete(changes, of)
}

/** The usages and home directories that a selection is about, each pair once. */
function spheres({ selected }: SelectionRecord): Iterable<readonly [auid: string, xui: string]> {
  const pairs = new Map<string, readonly [string, string]>()
  for (const one of selected) {
    const auid = one.kind === 'collection' ? (one.auid ?? '') : one.address.auid
    const xuis = one.kind === 'collection' ? one.xuis : [one.address.xui]
    for (const xui of xuis) pairs.set(`${auid} ${xui}`, [auid, xui])
  }
  return pairs.values()
}
