/**
 * The contracts every layer shares: an input arrives, one entity handles it in one turn, the turn commits, its outputs
 * leave. A turn is synchronous; it sees no socket, no clock and no disk, only what stands in `Turn`.
 */

import type { HttpAnswer, HttpResponse, OutgoingHttpRequest } from './protocols/http/message.ts'
import type { SipRequest, SipResponse } from './protocols/sip/message.ts'
import type { Settings } from './settings/table.ts'

/** Milliseconds since the Unix epoch; never runs backwards (the clock adapter anchors it to monotonic time). */
export type Instant = number

/** Where every tag, branch, entity-tag, nonce and jitter comes from: the system's in production, seeded in tests. */
export interface Random {
  /** `count` random octets. */
  bytes(count: number): Uint8Array
  /** A token of `characters` letters and digits that begins with a letter (5.9 bits each): a SIP token and an XML ID. */
  token(characters: number): string
  /** A whole number in [0, below). */
  below(below: number): number
}

/**
 * How safe a table's records are once `committed` resolves.
 * `hard`: on disk. `soft`: committed, so that a killed process loses nothing; on disk within five seconds.
 */
export type Durability = 'hard' | 'soft'

/** One element of a key. Keys order element by element: numbers before strings, strings by code unit. */
export type KeyPart = string | number
export type Key = readonly KeyPart[]

/** Values are plain data: null, booleans, numbers, strings, Uint8Array, arrays and records of these. */
export interface Table<V> {
  readonly name: string
  readonly durability: Durability
  /** Never present at run time: carries the value's type. */
  readonly value?: V
}

/** Declares a table where it is owned; `name` is its name on disk and never changes. */
export function table<V>(name: string, durability: Durability): Table<V> {
  return { name, durability }
}

export interface Range {
  /** Only keys that begin with these parts. */
  readonly prefix?: Key
  /** Only keys at or after this one. */
  readonly from?: Key
  /** Only keys before this one. */
  readonly before?: Key
  readonly limit?: number
}

/** Reads see this transaction's own writes and every earlier transaction's. A value read is the caller's to keep, not to change. */
export interface Transaction {
  get<V>(table: Table<V>, key: Key): V | undefined
  /** In key order; taken as it is when called, so that writing while walking it is safe. */
  range<V>(table: Table<V>, range: Range): Iterable<readonly [key: Key, value: V]>
  put<V>(table: Table<V>, key: Key, value: V): void
  delete<V>(table: Table<V>, key: Key): void
  /**
   * A number that is another one after each change of the table, one that was undone included: what was read of it under the
   * same number in this process still stands.
   */
  revision<V>(table: Table<V>): number
}

export interface Store {
  /**
   * Runs `work` at once. What it writes is seen by every later transaction; if it throws, it has written nothing and the
   * error passes on.
   */
  transact<T>(work: (db: Transaction) => T): T
  /**
   * Resolves when everything written so far is as safe as its tables declare; in order. Rejects if the store failed:
   * then nothing since the last success is kept, and the process must end.
   */
  committed(): Promise<void>
  /** Makes everything safe on disk and closes. */
  close(): Promise<void>
}

/** What a turn is given. Nothing here blocks, and what it wrote to `db` is discarded if the turn throws. */
export interface Turn {
  readonly now: Instant
  readonly db: Transaction
  readonly random: Random
  readonly settings: Settings
  /** True while the disk has no room left for what clients want kept: refused then (507), while soft state goes on. */
  readonly diskIsFull?: boolean
  /**
   * True while a request sent with this token, by the entity whose turn this is, has no final response yet. Always false
   * after a restart: see `Entity.start`. Requests of SIP and of HTTP share their tokens.
   */
  inProgress(token: string): boolean
  /** Keyed digest of the parts, a letter and 64 bits in hexadecimal: for tags that must come out the same for a repeated input. */
  fingerprint(...parts: readonly string[]): string
}

/** The entities that SIP requests are routed to. */
export type SipEntityName = 'registrar' | 'proxy' | 'presence-server' | 'resource-list-server' | 'xdms' | 'xdm-client'

/** The entities that take turns; the first element of every wake's key, so a name never changes. */
export type EntityName = SipEntityName | 'aggregation-proxy' | 'content-server'

/** Names one flow (RFC 5626 §3.1): transport, local and remote address; for a connection also which one. Plain text, may be stored. */
export type FlowId = string

/** What a turn asks for. Released, in order, once the transaction is committed. */
export type Output =
  /** Answers the request that the stack delivered under `transaction`; provisional answers may precede one final. */
  | { readonly kind: 'respond'; readonly transaction: string; readonly response: SipResponse }
  /**
   * Sends a request in a client transaction; its responses return to this entity with `token`. Goes by `flow` while that
   * lives, else where RFC 3263 leads from the topmost Route or the Request-URI.
   */
  | {
      readonly kind: 'request'
      readonly request: SipRequest
      readonly token: string
      readonly flow?: FlowId | undefined
    }
  /** Cancels the INVITE sent with `token` (RFC 3261 §9.1). */
  | { readonly kind: 'cancel'; readonly token: string }
  /** Sends an ACK for a 2xx, or forwards one: no transaction (RFC 3261 §17.1.1.3). */
  | { readonly kind: 'ack'; readonly request: SipRequest; readonly flow?: FlowId | undefined }
  /** Sends an HTTP request; what becomes of it returns to this entity's `httpResponse` with `token`, a failure too. */
  | { readonly kind: 'http'; readonly request: OutgoingHttpRequest; readonly token: string }
  /** Answers the HTTP request that was handed in as `exchange` and not answered in its turn. */
  | { readonly kind: 'answer'; readonly exchange: string; readonly response: HttpResponse }
  /** Tells the operator of a trouble that stands until it is said with `text` undefined; the same again is nothing new. */
  | { readonly kind: 'alarm'; readonly name: string; readonly text: string | undefined }
  /**
   * Wakes an entity (this one unless `entity` is given) at `at`, kept in the store. A wake is a hint, not state: equal
   * wakes are one, it may come late or for nothing, and whoever wakes looks at its own records for what is due.
   */
  | { readonly kind: 'wake'; readonly at: Instant; readonly token: string; readonly entity?: EntityName }

/** A functional entity, whatever it is reached by. */
export interface Entity {
  wake(token: string, turn: Turn): Output[]
  /** Every `http` output has its answer here; a silent or unreachable server is a 504 or 502. */
  httpResponse?(token: string, answer: HttpAnswer, turn: Turn): Output[]
  /** A connection has closed: what was to go by this flow cannot (RFC 5626 §5.3). */
  flowClosed?(flow: FlowId, turn: Turn): Output[]
  /** The box has restarted: requests that were in progress are lost and their answers will not come. */
  start?(turn: Turn): Output[]
}

/** A functional entity reached by SIP. */
export interface SipEntity extends Entity {
  request(request: SipRequest, turn: Turn): Output[]
  /** Every `request` output has its responses here; a silent or unreachable peer is a 408 or 503 (RFC 3261 §8.1.3.1). */
  response(token: string, response: SipResponse, turn: Turn): Output[]
  /** A CANCEL reached the INVITE delivered under `transaction`; the stack has answered the CANCEL itself (RFC 3261 §9.2). */
  cancel?(transaction: string, turn: Turn): Output[]
}
