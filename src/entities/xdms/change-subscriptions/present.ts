/** The documents and components that a selection is about, as they are now, as far as the subscriber may read them. */

import { hash } from 'node:crypto'
import type { ComponentState } from '../../../documents/xcap-diff.ts'
import type { XmlElement } from '../../../documents/xml/tree.ts'
import { readDocument } from '../../../protocols/xcap/edit.ts'
import { attributeOf, selectElement } from '../../../protocols/xcap/select.ts'
import type { Transaction } from '../../../turn.ts'
import type { ApplicationUsage } from '../application-usage.ts'
import { type DocumentAddress, documentAt, documentsOf, type StoredDocument } from '../documents.ts'
import { type Identity, mayRead, storedLimits } from '../xdms.ts'
import { documentKey } from './records.ts'
import { nodeOf, type Selected } from './selection.ts'

export interface PresentDocument {
  readonly sel: string
  readonly document: StoredDocument
}

export interface Reader {
  readonly usages: ReadonlyMap<string, ApplicationUsage>
  readonly identity: Identity
}

/** By `documentKey`, each once, those named one by one before those of collections (RFC 5875 §4.7). */
export function presentDocuments(
  selected: readonly Selected[],
  reader: Reader,
  db: Transaction,
): Map<string, PresentDocument> {
  const found = new Map<string, PresentDocument>()
  for (const one of selected) {
    if (one.kind !== 'document' || !isReadable(one.address, reader)) continue
    const key = documentKey(one.address)
    const document = documentAt(db, one.address)
    if (document !== undefined && !found.has(key)) found.set(key, { sel: one.sel, document })
  }
  for (const one of selected) {
    if (one.kind !== 'collection') continue
    const usages = one.auid === undefined ? reader.usages.values() : [reader.usages.get(one.auid)!]
    for (const usage of usages) {
      // What a view shows is listed where it is kept.
      if (usage.viewOf !== undefined && one.auid === undefined) continue
      const auid = usage.viewOf ?? usage.auid
      for (const xui of one.xuis) {
        if (!mayRead(xui, usage, reader.identity)) continue
        for (const { path, document } of documentsOf(db, auid, xui)) {
          const key = documentKey({ auid, xui, path })
          if (path.startsWith(one.directory) && !found.has(key))
            found.set(key, { sel: selWithin(one, usage.auid, xui, path), document })
        }
      }
    }
  }
  return found
}

/** Whether a document is one of those that a selection is about, or one that a component of it is in. */
export function covers(one: Selected, { auid, xui, path }: DocumentAddress): boolean {
  if (one.kind !== 'collection')
    return one.address.auid === auid && one.address.xui === xui && one.address.path === path
  return (one.auid === undefined || one.auid === auid) && one.xuis.includes(xui) && path.startsWith(one.directory)
}

/** A document that has a component in it; undefined when there is none that may be read. */
export function documentOf(
  { address }: Extract<Selected, { kind: 'component' }>,
  reader: Reader,
  db: Transaction,
): StoredDocument | undefined {
  return isReadable(address, reader) ? documentAt(db, address) : undefined
}

export function rootOf({ body }: Pick<StoredDocument, 'body'>): XmlElement {
  return readDocument(body, storedLimits)
}

/** What a component says, and a digest of that; undefined when it is not there. */
export function presentComponent(
  sel: string,
  root: XmlElement,
  usages: ReadonlyMap<string, ApplicationUsage>,
): { readonly state: ComponentState; readonly digest: string } | undefined {
  const { steps, terminal } = nodeOf(sel, usages)
  const element = selectElement(root, steps)
  if (element === undefined) return undefined
  if (terminal?.kind === 'attribute') {
    const content = attributeOf(element, terminal)?.value
    return content === undefined ? undefined : { state: { kind: 'attribute', sel, content }, digest: digestOf(content) }
  }
  const { text, start, end } = element.source!
  const content = { text: text.slice(start, end), scope: element.scope }
  return { state: { kind: 'element', sel, content }, digest: digestOf(content.text) }
}

/** A component that is not there, or no longer. */
export function absentComponent(sel: string, usages: ReadonlyMap<string, ApplicationUsage>): ComponentState {
  const kind = nodeOf(sel, usages).terminal?.kind === 'attribute' ? 'attribute' : 'element'
  return { kind, sel, content: undefined }
}

function digestOf(text: string): string {
  return hash('sha256', text, 'base64').slice(0, 16)
}

/** Whether the subscriber may read the document at an address, be there one or not. */
export function isReadable({ auid, xui }: DocumentAddress, { usages, identity }: Reader): boolean {
  const usage = usages.get(auid)
  return usage !== undefined && mayRead(xui, usage, identity)
}

/** Below a home directory as its subscriber wrote it, else as we do. */
function selWithin(one: Extract<Selected, { kind: 'collection' }>, auid: string, xui: string, path: string): string {
  const segments = one.sel.split('/').length - 1
  const isHome = segments >= (one.xuis[0] === '' ? 2 : 3)
  if (isHome) return one.sel + path.slice(one.directory.length).split('/').map(segment).join('/')
  const home = xui === '' ? 'global' : `users/${segment(xui)}`
  return `${auid}/${home}/${path.split('/').map(segment).join('/')}`
}

/** RFC 3986 §3.3: what may stand in a segment stays as it is. */
function segment(text: string): string {
  return encodeURIComponent(text).replace(/%(?:3A|40|24|26|2B|2C|3B|3D)/g, decodeURIComponent)
}
