/**
 * The Store of turn.ts over a base that only reads and takes whole batches: what turns write stays in a map, read before
 * the base, until `committed` hands everything written since the last call to the base as one batch. So a failed turn is
 * forgotten by restoring map entries, turns of one batch share one commit, a record written many times is encoded once,
 * and one created and deleted within a batch never reaches the base.
 */

import type { Durability, Key, Range, Store, Table, Transaction } from '../../turn.ts'
import { StoreError } from './error.ts'
import { afterKey, afterPrefix, decodeKey, encodeKey } from './key.ts'
import { SortedKeys } from './sorted-keys.ts'

/** An encoded key, with its table's prefix, may be this long; a longer one is refused by `put` and never found. */
const maxKeyLength = 1024
/** A range takes this many records at a time from the base. */
const pageLength = 256

/** What one batch does to one key. */
export interface Change {
  readonly table: Table<unknown>
  /** Undefined when deleted. */
  readonly value: unknown
  readonly deleted: boolean
  /** True when a put preceded this deletion in its batch, so that the base may never have had the key. */
  readonly perhapsNew: boolean
}

export type EncodedRecord = readonly [key: string, value: unknown]

/** Keys here are encoded: the table's prefix, then the key. Nothing is called between `write` and its application. */
export interface Base {
  /** The first character of the table's encoded keys, given when first asked for and kept in the database. */
  prefix(table: string): string
  get(key: string): unknown
  has(key: string): boolean
  /** At most `count` records with `lower` <= key < `upper`, in order; of those that are `replaced` no more than the key matters. */
  page(lower: string, upper: string, count: number, replaced?: ReadonlyMap<string, Change>): EncodedRecord[]
  /** Told of each value put, and of each deletion as undefined, by bases that check callers. May throw StoreError. */
  checkPut?(value: unknown): void
  /**
   * Applies the changes or throws; reads see them on return. Undefined when they are as safe as asked already, else
   * resolves when they are.
   */
  write(changes: ReadonlyMap<string, Change>, durability: Durability): Promise<void> | undefined
  close(): Promise<void>
}

export class OverlayStore<B extends Base = Base> implements Store {
  protected readonly base: B
  readonly #prefixes = new Map<string, string>()
  readonly #changes = new Map<string, Change>()
  /** The keys of #changes, and perhaps of changes that were undone. */
  readonly #keys = new SortedKeys()
  /** Restores #changes if the work throws: pairs of key and what was there. */
  readonly #undo: (string | Change | undefined)[] = []
  /** By table: the number of the last change made or undone. */
  readonly #revisions = new Map<string, number>()
  #changeCount = 0
  /** Counts transactions; even when none is running. */
  #transaction = 0
  #lastCommit: Promise<void> = Promise.resolve()
  /** Batches written whose commit has not resolved yet. */
  #waiting = 0
  #failure: StoreError | undefined
  readonly #db: Transaction

  constructor(base: B) {
    this.base = base
    this.#db = {
      get: (table, key) => this.#get(table, key) as never,
      range: (table, range) => this.#range(table, range) as never,
      put: (table, key, value) => this.#put(table, key, value),
      delete: (table, key) => this.#delete(table, key),
      revision: table => this.#revisions.get(table.name) ?? 0,
    }
  }

  transact<T>(work: (db: Transaction) => T): T {
    if (this.#failure !== undefined) throw this.#failure
    if ((this.#transaction & 1) === 1) throw new StoreError('unsupported', 'a transaction is already running')
    this.#transaction++
    try {
      return work(this.#db)
    } catch (error) {
      this.#rollBack()
      throw error
    } finally {
      this.#undo.length = 0
      this.#transaction++
    }
  }

  committed(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if ((this.#transaction & 1) === 1) {
      return Promise.reject(new StoreError('unsupported', 'committed was called while a transaction is running'))
    }
    if (this.#changes.size > 0) this.#commit()
    return this.#lastCommit
  }

  async close(): Promise<void> {
    if (this.#failure === undefined) await this.committed()
    this.#failure ??= new StoreError('failed', 'the store is closed')
    await this.base.close()
  }

  #commit(): void {
    const changes = this.#changes
    let durability: Durability = 'soft'
    for (const [key, change] of changes) {
      if (change.perhapsNew && !this.base.has(key)) changes.delete(key)
      else if (change.table.durability === 'hard') durability = 'hard'
    }
    try {
      if (changes.size > 0) this.#wait(this.base.write(changes, durability))
    } catch (error) {
      this.#lastCommit = Promise.reject(this.#fail(error))
      this.#lastCommit.catch(ignore)
    }
    changes.clear()
    this.#keys.clear()
  }

  /** Commits resolve in the order of their batches. */
  #wait(written: Promise<void> | undefined): void {
    if (written === undefined && this.#waiting === 0) return
    this.#waiting++
    written?.catch(ignore)
    this.#lastCommit = this.#lastCommit
      .then(() => written)
      .then(
        () => {
          this.#waiting--
        },
        error => {
          throw this.#fail(error)
        },
      )
    this.#lastCommit.catch(ignore)
  }

  #fail(error: unknown): StoreError {
    this.#failure ??=
      error instanceof StoreError ? error : new StoreError('failed', `the store failed: ${error}`, error)
    return this.#failure
  }

  #rollBack(): void {
    const undo = this.#undo
    for (let i = undo.length - 2; i >= 0; i -= 2) {
      const key = undo[i] as string
      const previous = undo[i + 1] as Change | undefined
      this.#revise(this.#changes.get(key)!.table)
      if (previous === undefined) this.#changes.delete(key)
      else this.#changes.set(key, previous)
    }
  }

  #encode(table: Table<unknown>, key: Key): string {
    if ((this.#transaction & 1) === 0) throw new StoreError('unsupported', 'the transaction is over')
    return encodeKey(this.#prefix(table), key)
  }

  #prefix(table: Table<unknown>): string {
    let prefix = this.#prefixes.get(table.name)
    if (prefix === undefined) {
      prefix = this.base.prefix(table.name)
      this.#prefixes.set(table.name, prefix)
    }
    return prefix
  }

  #get(table: Table<unknown>, key: Key): unknown {
    const encoded = this.#encode(table, key)
    const change = this.#changes.get(encoded)
    if (change !== undefined) return change.value
    return encoded.length > maxKeyLength ? undefined : this.base.get(encoded)
  }

  #put(table: Table<unknown>, key: Key, value: unknown): void {
    const encoded = this.#encode(table, key)
    if (encoded.length > maxKeyLength) {
      throw new StoreError('unsupported', `a key of table ${table.name} is longer than ${maxKeyLength} octets`)
    }
    if (value === undefined) throw new StoreError('unsupported', `undefined cannot be put into table ${table.name}`)
    this.base.checkPut?.(value)
    this.#change(encoded, this.#changes.get(encoded), { table, value, deleted: false, perhapsNew: false })
  }

  #delete(table: Table<unknown>, key: Key): void {
    const encoded = this.#encode(table, key)
    if (encoded.length > maxKeyLength) return
    const previous = this.#changes.get(encoded)
    if (previous?.deleted) return
    this.base.checkPut?.(undefined)
    this.#change(encoded, previous, { table, value: undefined, deleted: true, perhapsNew: previous !== undefined })
  }

  #change(key: string, previous: Change | undefined, change: Change): void {
    this.#undo.push(key, previous)
    this.#revise(change.table)
    if (previous === undefined) this.#keys.add(key)
    this.#changes.set(key, change)
  }

  #revise(table: Table<unknown>): void {
    this.#revisions.set(table.name, ++this.#changeCount)
  }

  #range(table: Table<unknown>, range: Range): Iterable<readonly [Key, unknown]> {
    const prefix = this.#prefix(table)
    let lower = this.#encode(table, range.prefix ?? [])
    let upper = afterPrefix(lower)
    if (range.from !== undefined) {
      const from = encodeKey(prefix, range.from)
      if (from > lower) lower = from
    }
    if (range.before !== undefined) {
      const before = encodeKey(prefix, range.before)
      if (before < upper) upper = before
    }
    const limit = range.limit ?? Number.POSITIVE_INFINITY
    if (!(limit > 0) || lower >= upper) return []
    const changes = this.#changesBetween(lower, upper)
    const pageCount = Math.min(pageLength, limit + changes.length)
    const page = this.base.page(lower, upper, pageCount, changes.length === 0 ? undefined : this.#changes)
    const start = prefix.length
    if (changes.length === 0 && (page.length < pageCount || page.length === limit)) {
      return page.map(([key, value]): readonly [Key, unknown] => [decodeKey(key, start), value])
    }
    return { [Symbol.iterator]: () => this.#merge(page, pageCount, changes, upper, limit, start, this.#transaction) }
  }

  #changesBetween(lower: string, upper: string): [string, Change][] {
    if (this.#changes.size === 0) return []
    const found: [string, Change][] = []
    for (const key of this.#keys.between(lower, upper, Number.POSITIVE_INFINITY)) {
      const change = this.#changes.get(key)
      if (change !== undefined) found.push([key, change])
    }
    return found
  }

  /** The base's records with the changes over them; the first page and the changes are of the moment of the call. */
  *#merge(
    firstPage: EncodedRecord[],
    pageCount: number,
    changes: [string, Change][],
    upper: string,
    limit: number,
    start: number,
    transaction: number,
  ): Generator<readonly [Key, unknown]> {
    let page = firstPage
    let inPage = 0
    let inChanges = 0
    let left = limit
    while (left > 0) {
      if (inPage === page.length && page.length === pageCount) {
        if (this.#transaction !== transaction) {
          throw new StoreError('unsupported', `a range of over ${pageLength} records is walked within its transaction`)
        }
        page = this.base.page(afterKey(page[page.length - 1]![0]), upper, pageCount)
        inPage = 0
      }
      const stored = page[inPage]
      const changed = changes[inChanges]
      if (changed !== undefined && (stored === undefined || changed[0] <= stored[0])) {
        inChanges++
        if (stored?.[0] === changed[0]) inPage++
        if (changed[1].deleted) continue
        yield [decodeKey(changed[0], start), changed[1].value]
      } else if (stored !== undefined) {
        inPage++
        yield [decodeKey(stored[0], start), stored[1]]
      } else return
      left--
    }
  }
}

/** For promises whose rejection is told elsewhere. */
function ignore(): void {}
