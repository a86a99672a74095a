/** The documents that XDMSs keep, on disk before they are answered for, and the feed of their changes. */

import { hash } from 'node:crypto'
import { escapeAttribute } from '../../documents/xml/escape.ts'
import type { XmlElement } from '../../documents/xml/tree.ts'
import { limits } from '../../limits.ts'
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
  /** What it was made of for a new user; undefined once somebody has written it. */
  readonly template?: Template | undefined
}

/** A document for many users: `{user}` stands for the address-of-record of each, `{name}` and `{domain}` for what is in it. */
export interface Template {
  /** Another one for every other text; a token. */
  readonly id: string
  readonly text: string
}

/** One change of one document: created without `previousEtag`, deleted without `etag`. */
export interface DocumentChange {
  readonly address: DocumentAddress
  readonly previousEtag: string | undefined
  readonly etag: string | undefined
  /** The versions before and after, for who wants to know what has changed. */
  readonly before?: (() => XmlElement | undefined) | undefined
  readonly after?: (() => XmlElement | undefined) | undefined
}

/** Told of each change within its turn, so that what it asks for leaves with it (XDM-28, XDM-56). */
export type ChangeListener = (change: DocumentChange, turn: Turn) => readonly Output[]

/** As it is kept: whole, or by the name of its template. */
type KeptDocument = Omit<StoredDocument, 'template'> | { readonly template: string; readonly modifiedAt: Instant }

/** Keyed [auid, xui, path]. */
const documents = table<KeptDocument>('xdm-documents', 'hard')
/** The texts of templates in use, each once; keyed [id]. */
const templates = table<string>('xdm-templates', 'hard')

export function documentAt(db: Transaction, { auid, xui, path }: DocumentAddress): StoredDocument | undefined {
  const kept = db.get(documents, [auid, xui, path])
  return kept && whole(db, kept, xui)
}

/** The documents of a user, or of the global tree, under one application usage, in order of path. */
export function* documentsOf(
  db: Transaction,
  auid: string,
  xui: string,
): Iterable<{ readonly path: string; readonly document: StoredDocument }> {
  for (const [key, kept] of db.range(documents, { prefix: [auid, xui] }))
    yield { path: key[2] as string, document: whole(db, kept, xui) }
}

/**
 * The documents of users as many turns ask for them between two changes of any. Remembered of users who have written nothing,
 * which are most; what somebody has written may be large, and is read each time.
 */
export class UsersDocuments {
  /** By application usage and user. */
  readonly #known = new Map<string, Map<string, readonly KeptDocument[]>>()
  #revision = 0

  /** The documents of a user, or of the global tree, under one application usage, in order of path. */
  of(db: Transaction, auid: string, xui: string): StoredDocument[] {
    const revision = db.revision(documents)
    if (revision !== this.#revision) this.#known.clear()
    this.#revision = revision
    let kept = this.#known.get(auid)?.get(xui)
    if (kept === undefined) {
      kept = Array.from(db.range(documents, { prefix: [auid, xui] }), ([, document]) => document)
      if (kept.every(document => 'template' in document)) this.#remember(auid, xui, kept)
    }
    return kept.map(document => whole(db, document, xui))
  }

  #remember(auid: string, xui: string, kept: readonly KeptDocument[]): void {
    let users = this.#known.get(auid)
    if (users === undefined || users.size >= limits.usersRemembered) {
      users = new Map()
      this.#known.set(auid, users)
    }
    // In memory of its own: a part of a message keeps the whole message.
    users.set(Buffer.from(xui).toString(), kept.length === 0 ? none : kept)
  }
}

const none: readonly KeptDocument[] = []

export function putDocument(db: Transaction, { auid, xui, path }: DocumentAddress, document: StoredDocument): void {
  db.put(documents, [auid, xui, path], document)
}

/** Writes a document that is what a template says of its user. */
export function putDefaultDocument(
  db: Transaction,
  { auid, xui, path }: DocumentAddress,
  text: string,
  now: Instant,
): void {
  const id = templateId(text)
  if (db.get(templates, [id]) === undefined) db.put(templates, [id], text)
  db.put(documents, [auid, xui, path], { template: id, modifiedAt: now })
}

/** A token that is another for every other text. */
export function templateId(text: string): string {
  return `t${hash('sha256', text, 'hex').slice(0, 15)}`
}

/** What a template says of a user. */
export function filledIn(text: string, user: string): string {
  const at = user.lastIndexOf('@')
  const parts: Record<string, string> = {
    '{user}': user,
    '{name}': user.slice(user.indexOf(':') + 1, at),
    '{domain}': user.slice(at + 1),
  }
  return text.replaceAll(/\{(?:user|name|domain)\}/g, place => escapeAttribute(parts[place]!))
}

function whole(db: Transaction, kept: KeptDocument, xui: string): StoredDocument {
  return 'template' in kept ? new DefaultDocument(kept, db, xui) : kept
}

/** A template, read when its text is asked for: who knows its id may not have to. */
class KeptTemplate implements Template {
  readonly id: string
  readonly #db: Transaction

  constructor(id: string, db: Transaction) {
    this.id = id
    this.#db = db
  }

  get text(): string {
    return this.#db.get(templates, [this.id]) ?? ''
  }
}

/** A user's document as its template says it, made when it is asked for. Good for the turn in which it was read. */
class DefaultDocument implements StoredDocument {
  readonly modifiedAt: Instant
  readonly template: Template
  readonly #user: string

  constructor({ template, modifiedAt }: Extract<KeptDocument, { template: string }>, db: Transaction, user: string) {
    this.modifiedAt = modifiedAt
    this.template = new KeptTemplate(template, db)
    this.#user = user
  }

  get etag(): string {
    return `d${hash('sha256', `${this.template.id} ${this.#user}`, 'hex').slice(0, 15)}`
  }

  get body(): Uint8Array {
    return Buffer.from(filledIn(this.template.text, this.#user))
  }
}

export function deleteDocument(db: Transaction, { auid, xui, path }: DocumentAddress): void {
  db.delete(documents, [auid, xui, path])
}
