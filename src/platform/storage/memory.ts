/**
 * The store in memory, for tests and simulation: the behaviour of the LMDB store, with the means to lose what a crash or
 * a power cut would lose, to fail at a chosen write, and to catch callers who change a value they have put or read.
 */

import type { Durability, Instant } from '../../turn.ts'
import { StoreError } from './error.ts'
import { type Base, type Change, type EncodedRecord, OverlayStore } from './overlay-store.ts'
import { SortedKeys } from './sorted-keys.ts'
import { decodeValue, encodeValue, Shapes } from './value.ts'

/** Soft records reach the disk within this time. */
const softFlushMs = 5000

export interface MemoryStoreOptions {
  /** Simulated time: soft commits count as flushed `softFlushMs` later. Without it only hard commits and `flush` flush. */
  readonly now?: () => Instant
}

export function openMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  return new MemoryStore(new MemoryBase(options.now))
}

export class MemoryStore extends OverlayStore<MemoryBase> {
  /** A new store with what was committed: what a killed process finds when it starts again. This one must not be used any more. */
  crash(): MemoryStore {
    return new MemoryStore(this.base.copy(false))
  }

  /** A new store with what was on disk, the least that a power cut leaves. This one must not be used any more. */
  powerCut(): MemoryStore {
    return new MemoryStore(this.base.copy(true))
  }

  /** Puts everything committed on the simulated disk. */
  flush(): void {
    this.base.flush()
  }

  /** Makes the n-th put or delete from now throw within its turn; 0 cancels. */
  failWrite(n: number): void {
    this.base.failWriteIn = n
  }

  /** Makes the n-th batch from now fail: nothing of it is kept, `committed` rejects and the store is unusable; 0 cancels. */
  failCommit(n: number): void {
    this.base.failCommitIn = n
  }

  /** Records committed, in all tables. */
  get size(): number {
    return this.base.size
  }

  /** Records committed, by table, tables without any left out. */
  counts(): Record<string, number> {
    return this.base.counts()
  }

  /** Puts and deletes since the store was opened, and batches written: for tests that repeat with each of them failing. */
  get counters(): { readonly writes: number; readonly commits: number } {
    return this.base
  }
}

/** What undoes a batch, kept until it counts as flushed. */
interface Unflushed {
  readonly at: Instant
  readonly before: Map<string, Uint8Array | undefined>
}

class MemoryBase implements Base {
  failWriteIn = 0
  failCommitIn = 0
  writes = 0
  commits = 0
  readonly #now: (() => Instant) | undefined
  readonly #records = new Map<string, Uint8Array>()
  readonly #keys = new SortedKeys()
  readonly #prefixes = new Map<string, string>()
  readonly #shapes: Shapes
  readonly #shapeFields: (readonly string[])[] = []
  #unflushed: Unflushed[] = []
  /** The values put since the last batch, as they were when put. */
  readonly #put = new Map<unknown, Uint8Array>()

  constructor(now: (() => Instant) | undefined) {
    this.#now = now
    this.#shapes = new Shapes((id, fields) => {
      this.#shapeFields[id] = fields
    })
  }

  copy(onlyFlushed: boolean): MemoryBase {
    const copy = new MemoryBase(this.#now)
    for (const [name, prefix] of this.#prefixes) copy.#prefixes.set(name, prefix)
    this.#shapeFields.forEach((fields, id) => {
      copy.#shapeFields[id] = fields
      copy.#shapes.restore(id, fields)
    })
    for (const [key, value] of this.#records) copy.#records.set(key, value)
    if (onlyFlushed) {
      this.#forgetFlushed()
      for (const { before } of this.#unflushed.toReversed()) {
        for (const [key, bytes] of before) {
          if (bytes === undefined) copy.#records.delete(key)
          else copy.#records.set(key, bytes)
        }
      }
    } else copy.#unflushed = [...this.#unflushed]
    for (const key of copy.#records.keys()) copy.#keys.add(key)
    return copy
  }

  flush(): void {
    this.#unflushed = []
  }

  get size(): number {
    return this.#records.size
  }

  counts(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const [table, prefix] of this.#prefixes)
      for (const key of this.#records.keys()) if (key.startsWith(prefix)) counts[table] = (counts[table] ?? 0) + 1
    return counts
  }

  prefix(table: string): string {
    let prefix = this.#prefixes.get(table)
    if (prefix === undefined) {
      prefix = String.fromCharCode(this.#prefixes.size + 1)
      this.#prefixes.set(table, prefix)
    }
    return prefix
  }

  get(key: string): unknown {
    const bytes = this.#records.get(key)
    return bytes === undefined ? undefined : this.#decode(bytes)
  }

  has(key: string): boolean {
    return this.#records.has(key)
  }

  page(lower: string, upper: string, count: number): EncodedRecord[] {
    return this.#keys.between(lower, upper, count).map(key => [key, this.#decode(this.#records.get(key)!)])
  }

  /** Encodes at once, so that what cannot be stored fails in its turn, and freezes, so that changing it later throws. */
  checkPut(value: unknown): void {
    this.writes++
    if (this.failWriteIn > 0 && --this.failWriteIn === 0) throw new StoreError('failed', 'this write was told to fail')
    if (value === undefined || this.#put.has(value)) return
    this.#put.set(value, encodeValue(value, this.#shapes))
    freeze(value)
  }

  write(changes: ReadonlyMap<string, Change>, durability: Durability): undefined {
    this.commits++
    if (this.failCommitIn > 0 && --this.failCommitIn === 0)
      throw new StoreError('failed', 'this commit was told to fail')
    const encoded = [...changes].map(([key, change]) => [key, this.#encode(change)] as const)
    this.#put.clear()
    const before = new Map<string, Uint8Array | undefined>()
    for (const [key, bytes] of encoded) {
      before.set(key, this.#records.get(key))
      this.#set(key, bytes)
    }
    if (durability === 'hard') this.flush()
    else {
      this.#forgetFlushed()
      this.#unflushed.push({ at: this.#now?.() ?? 0, before })
    }
  }

  close(): Promise<void> {
    this.flush()
    return Promise.resolve()
  }

  #set(key: string, bytes: Uint8Array | undefined): void {
    if (bytes === undefined) {
      this.#records.delete(key)
      this.#keys.delete(key)
    } else {
      if (!this.#records.has(key)) this.#keys.add(key)
      this.#records.set(key, bytes)
    }
  }

  /** Freezing cannot protect a Uint8Array: so what is written must still be what was put. */
  #encode({ table, value, deleted }: Change): Uint8Array | undefined {
    if (deleted) return undefined
    const bytes = encodeValue(value, this.#shapes)
    const put = this.#put.get(value)
    if (put !== undefined && Buffer.compare(put, bytes) !== 0) {
      throw new StoreError('unsupported', `a value of table ${table.name} was changed after it was put`)
    }
    return bytes
  }

  #decode(bytes: Uint8Array): unknown {
    return freeze(decodeValue(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length, this.#shapes))
  }

  #forgetFlushed(): void {
    if (this.#now === undefined) return
    const flushed = this.#now() - softFlushMs
    while (this.#unflushed.length > 0 && this.#unflushed[0]!.at <= flushed) this.#unflushed.shift()
  }
}

function freeze<V>(value: V): V {
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    for (const field of Object.values(value)) freeze(field)
    Object.freeze(value)
  }
  return value
}
