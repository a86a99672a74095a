/** Documents of XDMSs elsewhere, as far as they are known here: kept with their entity-tags, so that a restart knows them too. */

import { type Instant, type Key, type Transaction, table } from '../../turn.ts'
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

/** As it is kept: most answers say that nothing has changed, and must not write the body to flash again. */
type KeptDocument = Omit<RemoteDocument, 'document'> & {
  readonly document: { readonly etag: string; readonly modifiedAt: Instant; readonly octets: number } | undefined
}

/** Keyed [point, auid, xui, path], as the next one. */
const documents = table<KeptDocument>('remote-documents', 'soft')
const bodies = table<Uint8Array>('remote-document-bodies', 'soft')
/** How many there are and how many octets they have: keyed []. */
const sums = table<{ readonly documents: number; readonly octets: number }>('remote-document-sums', 'soft')

export function remoteDocument(db: Transaction, { point, auid, xui, path }: RemoteAddress): RemoteDocument | undefined {
  const kept = db.get(documents, [point, auid, xui, path])
  return kept && whole(db, [point, auid, xui, path], kept)
}

function whole(db: Transaction, key: Key, { document, ...rest }: KeptDocument): RemoteDocument {
  return { ...rest, document: document && new KeptBody(db, key, document) }
}

/** A document whose body is read when it is asked for: who knows its entity-tag mostly knows the rest. */
class KeptBody implements StoredDocument {
  readonly etag: string
  readonly modifiedAt: Instant
  readonly #db: Transaction
  readonly #key: Key

  constructor(db: Transaction, key: Key, { etag, modifiedAt }: NonNullable<KeptDocument['document']>) {
    this.etag = etag
    this.modifiedAt = modifiedAt
    this.#db = db
    this.#key = key
  }

  get body(): Uint8Array {
    return this.#db.get(bodies, this.#key)!
  }
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
      found.push([{ point, auid, xui, path: key[3] as string }, whole(db, key, kept)])
  }
  return found
}

export function putRemoteDocument(
  db: Transaction,
  address: RemoteAddress,
  { document, ...rest }: RemoteDocument,
): void {
  const key = [address.point, address.auid, address.xui, address.path]
  const previous = remoteDocument(db, address)
  const before = previous?.document
  let octets = octetsOf(db, key)
  if (before?.etag !== document?.etag) {
    const body = document?.body
    noteServices(address, before, document, db)
    count(db, previous === undefined ? 1 : 0, (body?.length ?? 0) - octets)
    octets = body?.length ?? 0
    if (body === undefined) db.delete(bodies, key)
    else db.put(bodies, key, body)
  } else if (previous === undefined) count(db, 1, 0)
  const { etag, modifiedAt } = document ?? { etag: '', modifiedAt: 0 }
  db.put(documents, key, { ...rest, document: document && { etag, modifiedAt, octets } })
}

export function deleteRemoteDocument(db: Transaction, address: RemoteAddress): void {
  const key = [address.point, address.auid, address.xui, address.path]
  const previous = remoteDocument(db, address)
  if (previous === undefined) return
  noteServices(address, previous.document, undefined, db)
  count(db, -1, -octetsOf(db, key))
  db.delete(documents, key)
  db.delete(bodies, key)
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

function octetsOf(db: Transaction, key: Key): number {
  return db.get(documents, key)?.document?.octets ?? 0
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
