/** Documents of XDMSs elsewhere, as far as they are known here: kept with their entity-tags, so that a restart knows them too. */

import { type Instant, type Transaction, table } from '../../turn.ts'
import type { DocumentAddress, StoredDocument } from '../xdms/documents.ts'
import type { XdmPoint } from './points.ts'
import { noteServices } from './remote-services.ts'

export interface RemoteAddress extends DocumentAddress {
  readonly point: XdmPoint
}

export interface RemoteDocument {
  /** The XCAP root it is from. */
  readonly root: string
  /** The entity-tag of the server, in quotes as it came; undefined when it gives none. */
  readonly entityTag: string | undefined
  /** Undefined: the server has no such document. */
  readonly document: StoredDocument | undefined
  /** When it was last known to be so. */
  readonly checkedAt: Instant
  /** When somebody was last known to read it. */
  readonly usedAt: Instant
  /** Whether the server is known to have another version, which we do not have yet. */
  readonly isStale: boolean
  /** Whether it does not count any more (PS-75): it is stale or old, and cannot be had anew. */
  readonly isDoubtful: boolean
  /** Attempts in a row that have failed. */
  readonly failures: number
  /** When it is looked at next. */
  readonly lookAt: Instant
}

/** Keyed [point, auid, xui, path]. */
const documents = table<RemoteDocument>('remote-documents', 'soft')
/** How many there are and how many octets they have: keyed []. */
const sums = table<{ readonly documents: number; readonly octets: number }>('remote-document-sums', 'soft')

export function remoteDocument(db: Transaction, { point, auid, xui, path }: RemoteAddress): RemoteDocument | undefined {
  return db.get(documents, [point, auid, xui, path])
}

/** Those of one user, or of the global tree, at a point: under one usage, or all. */
export function remoteDocumentsOf(
  db: Transaction,
  point: XdmPoint,
  xui: string,
  auids: Iterable<string>,
): Array<readonly [RemoteAddress, RemoteDocument]> {
  const found: Array<readonly [RemoteAddress, RemoteDocument]> = []
  for (const auid of auids) {
    for (const [key, kept] of db.range(documents, { prefix: [point, auid, xui] }))
      found.push([{ point, auid, xui, path: key[3] as string }, kept])
  }
  return found
}

/** A page of all of them, from an address on. */
export function remoteDocumentsFrom(
  db: Transaction,
  from: RemoteAddress | undefined,
  limit: number,
): Array<readonly [RemoteAddress, RemoteDocument]> {
  const range = from === undefined ? { limit } : { from: [from.point, from.auid, from.xui, from.path], limit }
  return [...db.range(documents, range)].map(([key, kept]) => {
    const [point, auid, xui, path] = key as [XdmPoint, string, string, string]
    return [{ point, auid, xui, path }, kept]
  })
}

export function putRemoteDocument(db: Transaction, address: RemoteAddress, kept: RemoteDocument): void {
  const { point, auid, xui, path } = address
  const previous = remoteDocument(db, address)
  db.put(documents, [point, auid, xui, path], kept)
  if (previous?.document?.etag !== kept.document?.etag) noteServices(address, previous?.document, kept.document, db)
  count(db, previous === undefined ? 1 : 0, octetsOf(kept) - octetsOf(previous))
}

export function deleteRemoteDocument(db: Transaction, address: RemoteAddress): void {
  const { point, auid, xui, path } = address
  const previous = remoteDocument(db, address)
  if (previous === undefined) return
  db.delete(documents, [point, auid, xui, path])
  noteServices(address, previous.document, undefined, db)
  count(db, -1, -octetsOf(previous))
}

/** What all of them take. */
export function remoteDocumentSums(db: Transaction): { readonly documents: number; readonly octets: number } {
  return db.get(sums, []) ?? { documents: 0, octets: 0 }
}

function count(db: Transaction, documents: number, octets: number): void {
  if (documents === 0 && octets === 0) return
  const sum = remoteDocumentSums(db)
  const next = { documents: sum.documents + documents, octets: sum.octets + octets }
  if (next.documents === 0) db.delete(sums, [])
  else db.put(sums, [], next)
}

function octetsOf(kept: RemoteDocument | undefined): number {
  return kept?.document?.body.length ?? 0
}

/** As one word, for tokens: no part of it has spaces. */
export function wordOf({ point, auid, xui, path }: RemoteAddress): string {
  return [point, auid, xui, path].map(encodeURIComponent).join(' ')
}

/** The address that `wordOf` was given; `words` are its parts. */
export function addressOf(words: readonly string[]): RemoteAddress {
  const [point, auid, xui, path] = words.map(decodeURIComponent) as [XdmPoint, string, string, string]
  return { point, auid, xui, path }
}
