/**
 * What there is to tell a subscriber to changes (RFC 5875 §4.7): everything in answer to SUBSCRIBE, later what differs from
 * what he has been told, in the way he wants to hear it.
 */

import {
  type ComponentState,
  type DocumentDifference,
  formatXcapDiff,
  type XcapDifference,
} from '../../../documents/xcap-diff.ts'
import type { XmlElement } from '../../../documents/xml/tree.ts'
import { limits } from '../../../limits.ts'
import type { Transaction } from '../../../turn.ts'
import { patchBetween, readPatch } from './patches.ts'
import {
  absentComponent,
  documentOf,
  type PresentDocument,
  presentComponent,
  presentDocuments,
  type Reader,
  rootOf,
} from './present.ts'
import {
  type ChangeRecord,
  changesFor,
  nothingTold,
  type SelectionRecord,
  type SubscriptionKey,
  type ToldComponent,
  type ToldDocument,
  type ToldRecord,
  toldTo,
} from './records.ts'

export interface News {
  readonly body: Uint8Array
  /** What the subscriber knows when he has read it. */
  readonly told: ToldRecord
}

/** Undefined when there is nothing to tell, and not everything is asked for. */
export function newsFor(
  key: SubscriptionKey,
  selection: SelectionRecord,
  reader: Reader,
  isFull: boolean,
  db: Transaction,
): News | undefined {
  const before = isFull ? nothingTold : toldTo(db, key)
  const changes = isFull || selection.processing === 'no-patching' ? [] : [...changesFor(db, key)]
  const collector = new Collector(selection, reader, before, db)
  collector.documents(Map.groupBy(changes, change => change.document))
  collector.components()
  const { differences } = collector
  if (differences.length === 0 && !isFull) return undefined
  return fitted(selection.root, differences, before)
}

/** What fetching a document costs beside the document itself: two requests and answers, for there is a challenge. */
const fetchOctets = 1_000

/** The state that a selection shows, as texts in an order of their own: equal for equal states. */
export function stateOf({ selected }: SelectionRecord, reader: Reader, db: Transaction): string[] {
  const state = selected.map(({ sel }) => `uri ${sel}`)
  for (const { sel, document } of presentDocuments(selected, reader, db).values())
    state.push(`document ${sel} ${document.etag}`)
  for (const one of selected) {
    if (one.kind !== 'component') continue
    const document = documentOf(one, reader, db)
    const component = document && presentComponent(one.sel, rootOf(document), reader.usages)
    if (component !== undefined) state.push(`component ${one.sel} ${component.digest}`)
  }
  return state.sort()
}

/** A difference, and what has been told when it has. */
interface Tellable {
  readonly difference: XcapDifference
  /** What to fall back to where the difference takes too much room. */
  readonly short: XcapDifference
  readonly document?: { readonly key: string; readonly told: ToldDocument | undefined }
  readonly component?: { readonly sel: string; readonly told: ToldComponent }
}

class Collector {
  readonly differences: Tellable[] = []
  readonly #selection: SelectionRecord
  readonly #reader: Reader
  readonly #told: ToldRecord
  readonly #db: Transaction
  /** By entity-tag. */
  readonly #roots = new Map<string, XmlElement>()

  constructor(selection: SelectionRecord, reader: Reader, told: ToldRecord, db: Transaction) {
    this.#selection = selection
    this.#reader = reader
    this.#told = told
    this.#db = db
  }

  documents(changes: ReadonlyMap<string, readonly ChangeRecord[]>): void {
    const present = presentDocuments(this.#selection.selected, this.#reader, this.#db)
    for (const key of new Set([...Object.keys(this.#told.documents), ...present.keys()])) {
      const [told, now] = [this.#told.documents[key], present.get(key)]
      if (told?.etag === now?.document.etag) continue
      const sel = (now ?? told)!.sel
      const document = { key, told: now && { sel, etag: now.document.etag } }
      const summary: DocumentDifference = {
        kind: 'document',
        sel,
        previousEtag: told?.etag,
        newEtag: now?.document.etag,
      }
      for (const difference of this.#steps(summary, now, changes.get(key) ?? []))
        this.differences.push({ difference, short: summary, document })
    }
  }

  /** One after the other for `xcap-patching`, all together for `aggregate`; without what that takes, only that there was a change. */
  #steps(
    summary: DocumentDifference,
    now: PresentDocument | undefined,
    changes: readonly ChangeRecord[],
  ): DocumentDifference[] {
    const { sel, previousEtag, newEtag } = summary
    if (this.#selection.processing === 'xcap-patching') {
      const isWhole =
        changes.length > 0 &&
        changes[0]!.previousEtag === previousEtag &&
        changes.at(-1)!.etag === newEtag &&
        changes.every((change, at) => at === 0 || change.previousEtag === changes[at - 1]!.etag)
      if (!isWhole) return [summary]
      return changes.map(change => ({
        kind: 'document',
        sel,
        previousEtag: change.previousEtag,
        newEtag: change.etag,
        patch: change.patch && readPatch(change.patch),
      }))
    }
    const base = changes.find(change => change.previousEtag === previousEtag)?.before
    if (previousEtag === undefined || now === undefined || base === undefined) return [summary]
    const patch = patchBetween(rootOf({ body: base }), this.#root(now.document))
    return [
      patch === undefined || patch.length > now.document.body.length + fetchOctets ? summary : { ...summary, patch },
    ]
  }

  components(): void {
    for (const one of this.#selection.selected) {
      if (one.kind !== 'component') continue
      const { sel } = one
      const document = documentOf(one, this.#reader, this.#db)
      const told = this.#told.components[sel]
      const etag = document?.etag ?? ''
      if (told?.etag === etag) continue
      const now = document && presentComponent(sel, this.#root(document), this.#reader.usages)
      const component = { sel, told: { etag, content: now?.digest } }
      if (now?.digest === told?.content) continue
      const difference: ComponentState = now?.state ?? absentComponent(sel, this.#reader.usages)
      const short: ComponentState =
        difference.kind === 'element' && difference.content !== undefined
          ? { ...difference, content: 'too-large' }
          : difference
      this.differences.push({ difference, short, component })
    }
  }

  #root(document: { readonly etag: string; readonly body: Uint8Array }): XmlElement {
    let root = this.#roots.get(document.etag)
    if (root === undefined) {
      root = rootOf(document)
      this.#roots.set(document.etag, root)
    }
    return root
  }
}

/**
 * As much as fits into one body: in full, else without what can be fetched, else the first of it, the rest to follow in the
 * next NOTIFY (RFC 5875 §4.7).
 */
function fitted(root: string, tellable: readonly Tellable[], before: ToldRecord): News {
  const { bodyOctets } = limits.changeSubscriptions
  const whole = formatXcapDiff(
    root,
    tellable.map(({ difference }) => difference),
  )
  if (whole.length <= bodyOctets) return { body: whole, told: after(before, tellable, false) }
  const short = withoutRepetition(tellable)
  for (let count = short.length; ; count = Math.floor(count / 2)) {
    const body = formatXcapDiff(
      root,
      short.slice(0, count).map(({ short: difference }) => difference),
    )
    if (body.length > bodyOctets && count > 1) continue
    return { body, told: after(before, short.slice(0, count), count < short.length) }
  }
}

/** The steps of one document come to one summary. */
function withoutRepetition(tellable: readonly Tellable[]): Tellable[] {
  const seen = new Set<XcapDifference>()
  return tellable.filter(({ short }) => !seen.has(short) && seen.add(short))
}

function after(before: ToldRecord, tellable: readonly Tellable[], isMore: boolean): ToldRecord {
  const documents: Record<string, ToldDocument> = { ...before.documents }
  const components: Record<string, ToldComponent> = { ...before.components }
  for (const { document, component } of tellable) {
    if (document?.told !== undefined) documents[document.key] = document.told
    else if (document !== undefined) delete documents[document.key]
    if (component !== undefined) components[component.sel] = component.told
  }
  return { documents, components, isMore }
}
