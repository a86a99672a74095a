/** The documents that XDMSs keep, on disk before they are answered for, and the feed of their changes. */

import { type Instant, type Output, type Transaction, type Turn, table } from '../../turn.ts'

/** Where a document is, canonical: the same for every way of writing its URI. */
export interface DocumentAddress {
  readonly auid: string
  /** Address-of-record of the user; empty for the global tree. */
  readonly xui: string
  /** Below the home directory or the global tree. */
  readonly path: string
}

export interface StoredDocument {
  /** A token; in HTTP between quotes. A new one at each change (RFC 4825 §8.5). */
  readonly etag: string
  readonly body: Uint8Array
  readonly modifiedAt: Instant
}

/** One change of one document: created without `previousEtag`, deleted without `etag`. */
export interface DocumentChange {
  readonly address: DocumentAddress
  readonly previousEtag: string | undefined
  readonly etag: string | undefined
}

/** Told of each change within its turn, so that what it asks for leaves with it (XDM-28, XDM-56). */
export type ChangeListener = (change: DocumentChange, turn: Turn) => readonly Output[]

/** Keyed [auid, xui, path]. */
const documents = table<StoredDocument>('xdm-documents', 'hard')

export function documentAt(db: Transaction, { auid, xui, path }: DocumentAddress): StoredDocument | undefined {
  return db.get(documents, [auid, xui, path])
}

/** The documents of a user, or of the global tree, under one application usage, in order of path. */
export function* documentsOf(
  db: Transaction,
  auid: string,
  xui: string,
): Iterable<{ readonly path: string; readonly document: StoredDocument }> {
  for (const [key, document] of db.range(documents, { prefix: [auid, xui] })) yield { path: key[2] as string, document }
}

export function putDocument(db: Transaction, { auid, xui, path }: DocumentAddress, document: StoredDocument): void {
  db.put(documents, [auid, xui, path], document)
}

export function deleteDocument(db: Transaction, { auid, xui, path }: DocumentAddress): void {
  db.delete(documents, [auid, xui, path])
}
