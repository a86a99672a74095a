/**
 * The MIME objects of the Content Server (OMA Presence SIMPLE; CS-01): named by their owner, on disk before they are answered
 * for, equal contents kept once.
 */

import { hash } from 'node:crypto'
import { type Transaction, table } from '../../turn.ts'

/** Whose object it is and what he calls it. */
export interface ObjectAddress {
  /** Address-of-record. */
  readonly owner: string
  /** Below the owner's directory, decoded; that of an icon which is a document too is below `iconDirectory`. */
  readonly name: string
}

export interface StoredObject {
  /** Media type with parameters, as it was stored. */
  readonly type: string
  readonly size: number
  /** SHA-256 of the content, hexadecimal. */
  readonly digest: string
}

interface Content {
  readonly bytes: Uint8Array
  /** How many objects have it. */
  readonly uses: number
}

/** Keyed [owner, name]. */
const objects = table<StoredObject>('content-objects', 'hard')
/** Keyed [digest]. */
const contents = table<Content>('content-contents', 'hard')

export function objectAt(db: Transaction, { owner, name }: ObjectAddress): StoredObject | undefined {
  return db.get(objects, [owner, name])
}

/** The objects of one owner, in order of name. */
export function* objectsOf(
  db: Transaction,
  owner: string,
): Iterable<{ readonly name: string; readonly object: StoredObject }> {
  for (const [key, object] of db.range(objects, { prefix: [owner] })) yield { name: key[1] as string, object }
}

export function contentOf(db: Transaction, { digest }: StoredObject): Uint8Array {
  return db.get(contents, [digest])!.bytes
}

/** What an object is called by entity-tags, in quotes: the same for the same content and type (CS-07). */
export function entityTagOf({ digest, type }: StoredObject): string {
  return `"${digest.slice(0, 24)}-${hash('sha256', type, 'hex').slice(0, 4)}"`
}

/** Stores an object in place of whatever is there. */
export function putObject(
  db: Transaction,
  { owner, name }: ObjectAddress,
  { type, bytes }: { readonly type: string; readonly bytes: Uint8Array },
): StoredObject {
  const digest = hash('sha256', bytes, 'hex')
  const previous = db.get(objects, [owner, name])
  if (previous?.digest !== digest) {
    const known = db.get(contents, [digest])
    db.put(contents, [digest], { bytes: known?.bytes ?? Uint8Array.from(bytes), uses: (known?.uses ?? 0) + 1 })
    if (previous !== undefined) release(db, previous.digest)
  }
  const object = { type, size: bytes.length, digest }
  db.put(objects, [owner, name], object)
  return object
}

export function deleteObject(db: Transaction, { owner, name }: ObjectAddress): void {
  const object = db.get(objects, [owner, name])
  if (object === undefined) return
  db.delete(objects, [owner, name])
  release(db, object.digest)
}

/** Deletes all objects of an owner, when he is no longer a user. */
export function removeObjects(db: Transaction, owner: string): void {
  for (const { name } of objectsOf(db, owner)) deleteObject(db, { owner, name })
}

function release(db: Transaction, digest: string): void {
  const content = db.get(contents, [digest])
  if (content === undefined) return
  if (content.uses > 1) db.put(contents, [digest], { ...content, uses: content.uses - 1 })
  else db.delete(contents, [digest])
}
