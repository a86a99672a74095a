/** The base of the LMDB store: journal, layers and file as lmdb.ts explains them. */

import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Durability } from '../../turn.ts'
import { databaseFile, syncDirectory } from './data-directory.ts'
import { StoreError } from './error.ts'
import { type Batch, batchHeaderLength, Journal, journalFiles, readJournal } from './journal.ts'
import { afterKey, afterPrefix, encodeKey } from './key.ts'
import { Layer } from './layer.ts'
import { asBuffer, type Lmdb, openFile, statsOf } from './lmdb-file.ts'
import { currentFormat, type Header, headerKey, headerTable, type Migration, migrations } from './migrations/index.ts'
import type { Base, Change, EncodedRecord } from './overlay-store.ts'
import { decodeValue, encodeShared, Shapes } from './value.ts'

export interface LmdbStoreOptions {
  /** Who writes: product and version, kept in the database's header. */
  readonly writtenBy?: string
  /** Takes a line for the operator when something had to be put right. */
  readonly report?: (line: string) => void
  /** For tools: nothing can be written and no file is changed. */
  readonly readOnly?: boolean
  /** The journal goes to LMDB when it has this many octets. Default 4 MiB. */
  readonly journalBytes?: number
  /** Soft batches are flushed this long after the first of them. Default 3000, so that with the flush itself 5 s hold. */
  readonly softFlushMs?: number
  /** Called when the disk is full: gives up what is kept for this, if anything is. */
  readonly makeRoom?: () => void
  /** The format to have the records in, and the known steps; for tests and for going back before a rollback. */
  readonly format?: number
  readonly migrations?: readonly Migration[]
}

export interface StoreUsage {
  /** Octets of LMDB pages in use. */
  readonly usedBytes: number
  /** Octets of all files. */
  readonly diskBytes: number
  /** Octets in the current journal file. */
  readonly journalBytes: number
  readonly records: number
}

// Records of the store itself, below every table: the header table's prefix, and the following keys.
const ownPrefix = '\0'
/** The number of the last batch that LMDB has. */
const sequenceKey = '\0q'
/** Followed by the shape's number, two characters: its field names. */
const shapePrefix = '\0s'
/** Followed by a table's name: its number. */
const tablePrefix = '\0t'
const maxTables = 250
const noShapes = new Shapes()

const chunkBytes = 256 * 1024
/** Chunks kept for the next layer rather than left to the garbage collector, which they would call far too often. */
const maxSpareChunks = 16
/** Committing waits for the running checkpoint when the journal has grown to this many times its size. */
const maxJournalGrowth = 8

export class LmdbBase implements Base {
  readonly #directory: string
  readonly #readOnly: boolean
  readonly #journalBytes: number
  readonly #softFlushMs: number
  readonly #makeRoom: () => void
  readonly #lmdb: Lmdb
  #journal: Journal | undefined
  /** What LMDB does not have yet; read before it. */
  #unwritten = new Layer()
  /** What is on its way to LMDB; read between the two. */
  #leaving: Layer | undefined
  #checkpoint: Promise<void> | undefined
  #flushTimer: NodeJS.Timeout | undefined
  #failure: StoreError | undefined
  readonly #tables = new Map<string, string>()
  /** By the number of a table: whether LMDB has, or may have, a record of it; undefined until somebody asks. */
  readonly #isStored: (boolean | undefined)[] = []
  readonly #shapes: Shapes
  /** Records of the store itself to go with the next batch. */
  #own: [key: string, value: unknown][] = []
  /** Batches are built in chunks, which then hold the values of a layer. */
  #chunk: Buffer = Buffer.allocUnsafeSlow(0)
  readonly #spareChunks: Buffer[] = []
  #batchStart = 0
  #position = 0

  constructor(directory: string, options: LmdbStoreOptions, readOnly: boolean) {
    this.#directory = directory
    this.#readOnly = readOnly
    this.#journalBytes = options.journalBytes ?? 4 * 1024 * 1024
    this.#softFlushMs = options.softFlushMs ?? 3000
    this.#makeRoom = options.makeRoom ?? (() => {})
    this.#shapes = new Shapes((id, fields) => {
      this.#own.push([shapePrefix + String.fromCharCode(id >> 8, id & 255), fields])
    })
    this.#lmdb = openFile(directory, readOnly, (bytes, length) => decodeValue(bytes, 0, length, this.#shapes))
  }

  /** Replays the journal, brings LMDB up to date and begins a new journal. Throws StoreError `newer-version`. */
  async restore(format = currentFormat, steps = migrations): Promise<void> {
    const header = this.#read(encodeKey(ownPrefix, headerKey)) as Header | undefined
    const known = Math.max(format, ...steps.map(step => step.to))
    if (header !== undefined && header[0] > known) {
      throw new StoreError(
        'newer-version',
        `the database in ${this.#directory} has format ${header[0]}, written by ${header[1]}; this version knows formats up to ${known}`,
      )
    }
    let sequence = (this.#read(sequenceKey) as number | undefined) ?? 0
    for (const batch of readJournal(this.#directory, sequence)) {
      this.#replay(batch)
      sequence = batch.sequence
    }
    for (const [key, number] of this.page(tablePrefix, afterPrefix(tablePrefix), maxTables)) {
      this.#tables.set(key.slice(tablePrefix.length), String.fromCharCode(number as number))
    }
    for (const [key, fields] of this.page(shapePrefix, afterPrefix(shapePrefix), 65536)) {
      this.#shapes.restore((key.charCodeAt(2) << 8) | key.charCodeAt(3), fields as string[])
    }
    if (this.#readOnly) return
    if (this.#unwritten.records.size > 0) await this.#writeOut(sequence)
    this.#journal = new Journal(this.#directory, sequence, this.#journalBytes, this.#makeRoom)
  }

  prefix(table: string): string {
    if (table === headerTable.name) return ownPrefix
    let prefix = this.#tables.get(table)
    if (prefix === undefined) {
      const number = this.#tables.size + 1
      if (number > maxTables) throw new StoreError('unsupported', `a store holds at most ${maxTables} tables`)
      prefix = String.fromCharCode(number)
      this.#tables.set(table, prefix)
      this.#own.push([tablePrefix + table, number])
    }
    return prefix
  }

  get(key: string): unknown {
    const unwritten = this.#unwritten.records.get(key) ?? this.#leaving?.records.get(key)
    if (unwritten === undefined) return this.#read(key)
    const { buffer } = unwritten
    return buffer === undefined ? undefined : decodeValue(buffer, unwritten.start, unwritten.end, this.#shapes)
  }

  has(key: string): boolean {
    const unwritten = this.#unwritten.records.get(key) ?? this.#leaving?.records.get(key)
    if (unwritten !== undefined) return unwritten.buffer !== undefined
    return this.#mayHold(key) && this.#lmdb.doesExist(key)
  }

  /** Where others have keys, too, only keys are taken of all, so that no value is decoded that a newer one has replaced. */
  page(lower: string, upper: string, count: number, replaced?: ReadonlyMap<string, Change>): EncodedRecord[] {
    if (replaced === undefined && this.#unwrittenKeys(lower, upper, 1).length === 0)
      return this.#storedPage(lower, upper, count)
    const page: EncodedRecord[] = []
    let from = lower
    for (;;) {
      const wanted = count - page.length
      const stored = this.#storedKeys(from, upper, wanted)
      const unwritten = this.#unwrittenKeys(from, upper, wanted)
      const keys = merged(unwritten, stored)
      // Beyond as many as were asked for there may be more of one kind between those of the other.
      if (keys.length > wanted) keys.length = wanted
      for (const key of keys) {
        const value = replaced?.has(key) ? null : this.get(key)
        if (value !== undefined) page.push([key, value])
      }
      // Deleted keys are among those of the layers.
      if (keys.length < wanted || page.length === count) return page
      from = afterKey(keys[wanted - 1]!)
    }
  }

  write(changes: ReadonlyMap<string, Change>, durability: Durability): Promise<void> | undefined {
    const journal = this.#journal
    if (journal === undefined) throw new StoreError('unsupported', 'the store was opened for reading only')
    if (this.#failure !== undefined) throw this.#failure
    try {
      this.#append(changes, journal)
    } catch (error) {
      throw this.#fail(error)
    }
    if (journal.length >= this.#journalBytes && this.#checkpoint === undefined) this.#startCheckpoint(journal)
    if (durability === 'hard') return this.#sync(journal)
    this.#flushTimer ??= setTimeout(() => this.#flush(journal), this.#softFlushMs).unref()
    if (this.#checkpoint !== undefined && journal.length > this.#journalBytes * maxJournalGrowth)
      return this.#checkpoint
    return undefined
  }

  async checkpoint(): Promise<void> {
    while (this.#checkpoint !== undefined) await this.#checkpoint
    if (this.#failure !== undefined) throw this.#failure
    if (this.#unwritten.records.size > 0 && this.#journal !== undefined) await this.#startCheckpoint(this.#journal)
    if (this.#failure !== undefined) throw this.#failure
  }

  async backup(path: string): Promise<void> {
    try {
      mkdirSync(path, { mode: 0o700 })
      const file = join(path, databaseFile)
      await this.#lmdb.backup(file, true)
      chmodSync(file, 0o600)
      const descriptor = openSync(file, 'r+')
      fsyncSync(descriptor)
      closeSync(descriptor)
      syncDirectory(path)
    } catch (error) {
      throw new StoreError('failed', `the backup to ${path} failed: ${(error as Error).message}`, error)
    }
  }

  usage(): StoreUsage {
    const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages, entryCount } = statsOf(this.#lmdb)
    const files = [databaseFile, ...journalFiles].map(name => join(this.#directory, name))
    return {
      usedBytes: pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages),
      diskBytes: files.reduce((sum, path) => sum + (existsSync(path) ? statSync(path).size : 0), 0),
      journalBytes: this.#journal?.length ?? 0,
      records: entryCount,
    }
  }

  async close(): Promise<void> {
    try {
      if (this.#failure === undefined) await this.checkpoint()
    } finally {
      await this.abandon()
    }
  }

  /** Closes without writing anything more. */
  async abandon(): Promise<void> {
    clearTimeout(this.#flushTimer)
    await this.#checkpoint
    const journal = this.#journal
    this.#journal = undefined
    await journal?.sync().catch(() => {})
    journal?.close()
    await this.#lmdb.close()
  }

  /**
   * Whether LMDB may hold a record of the key's table. Many tables are empty, or live and die in the journal; asking LMDB for
   * what it cannot have costs as much as asking for what it has.
   */
  #mayHold(key: string): boolean {
    const table = key.charCodeAt(0)
    this.#isStored[table] ??= this.#holdsBeginning(key.slice(0, 1))
    return this.#isStored[table]
  }

  #holdsBeginning(prefix: string): boolean {
    for (const _ of this.#lmdb.getKeys({ start: prefix, end: afterPrefix(prefix), limit: 1 })) return true
    return false
  }

  #read(key: string): unknown {
    if (!this.#mayHold(key)) return undefined
    const bytes = this.#lmdb.getBinaryFast(key)
    return bytes === undefined ? undefined : decodeValue(asBuffer(bytes), 0, bytes.length, this.#shapes)
  }

  #storedPage(lower: string, upper: string, count: number): EncodedRecord[] {
    const records: EncodedRecord[] = []
    if (!this.#mayHold(lower)) return records
    for (const { key, value } of this.#lmdb.getRange({ start: lower, end: upper, limit: count }))
      records.push([key, value])
    return records
  }

  #storedKeys(lower: string, upper: string, count: number): string[] {
    if (!this.#mayHold(lower)) return []
    return Array.from(this.#lmdb.getKeys({ start: lower, end: upper, limit: count }))
  }

  /** At least `count` keys of the layers as far as there are so many, those deleted too. */
  #unwrittenKeys(lower: string, upper: string, count: number): string[] {
    const keys = this.#unwritten.keys.between(lower, upper, count)
    const leaving = this.#leaving?.keys.between(lower, upper, count)
    return leaving === undefined ? keys : merged(keys, leaving)
  }

  #append(changes: ReadonlyMap<string, Change>, journal: Journal): void {
    this.#position = this.#batchStart + batchHeaderLength
    for (const [key, change] of changes) {
      if (change.deleted) this.#appendDeletion(key)
      else this.#appendValue(key, change.value, this.#shapes)
    }
    for (const [key, value] of this.#own) this.#appendValue(key, value, noShapes)
    this.#own.length = 0
    journal.append(this.#chunk, this.#batchStart + batchHeaderLength, this.#position)
    this.#batchStart = this.#position
  }

  #appendDeletion(key: string): void {
    this.#appendKey(key)
    this.#appendLength(0)
    this.#unwritten.set(key, undefined, 0, 0)
  }

  #appendValue(key: string, value: unknown, shapes: Shapes): void {
    const encoded = encodeShared(value, shapes)
    this.#appendKey(key)
    this.#appendLength(encoded.length + 1)
    this.#reserve(encoded.length)
    const start = this.#position
    this.#chunk.set(encoded, start)
    this.#position = start + encoded.length
    this.#unwritten.set(key, this.#chunk, start, this.#position)
  }

  #appendKey(key: string): void {
    this.#reserve(key.length + 16)
    this.#appendLength(key.length)
    this.#position += this.#chunk.write(key, this.#position, 'latin1')
  }

  #appendLength(length: number): void {
    this.#chunk.writeUInt32BE(length, this.#position)
    this.#position += 4
  }

  /** Makes room in the chunk; the batch so far moves along, values already in the layer stay where they are. */
  #reserve(more: number): void {
    if (this.#position + more + 64 <= this.#chunk.length) return
    const length = this.#position - this.#batchStart
    const needed = (length + more) * 2
    const chunk =
      (needed <= chunkBytes ? this.#spareChunks.pop() : undefined) ??
      Buffer.allocUnsafeSlow(Math.max(chunkBytes, needed))
    this.#chunk.copy(chunk, 0, this.#batchStart, this.#position)
    this.#chunk = chunk
    this.#unwritten.chunks.push(chunk)
    this.#batchStart = 0
    this.#position = length
  }

  #replay({ buffer, start, end }: Batch): void {
    let at = start
    while (at < end) {
      const keyLength = buffer.readUInt32BE(at)
      const key = buffer.toString('latin1', at + 4, at + 4 + keyLength)
      const length = buffer.readUInt32BE(at + 4 + keyLength) - 1
      at += keyLength + 8
      this.#unwritten.set(key, length < 0 ? undefined : buffer, at, at + length)
      if (length > 0) at += length
    }
  }

  #flush(journal: Journal): void {
    this.#flushTimer = undefined
    this.#sync(journal).catch(() => {})
  }

  #sync(journal: Journal): Promise<void> {
    return journal.sync().catch(error => {
      throw this.#fail(error)
    })
  }

  #startCheckpoint(journal: Journal): Promise<void> {
    const { sequence } = journal
    journal.rotate()
    this.#checkpoint = this.#writeOut(sequence).then(
      () => {
        journal.release()
        this.#checkpoint = undefined
      },
      error => {
        this.#checkpoint = undefined
        this.#fail(error)
      },
    )
    return this.#checkpoint
  }

  /** Takes everything unwritten to LMDB in one transaction; resolves when it is on disk. */
  async #writeOut(sequence: number): Promise<void> {
    const lmdb = this.#lmdb
    const leaving = this.#unwritten
    this.#leaving = leaving
    this.#unwritten = new Layer()
    this.#chunk = Buffer.allocUnsafeSlow(0)
    this.#batchStart = 0
    for (const key of leaving.records.keys()) this.#isStored[key.charCodeAt(0)] = true
    this.#isStored[sequenceKey.charCodeAt(0)] = true
    const write = () =>
      lmdb.batch(() => {
        for (const [key, { buffer, start, end }] of leaving.records) {
          if (buffer === undefined) lmdb.remove(key)
          else lmdb.put(key, buffer.subarray(start, end))
        }
        lmdb.put(sequenceKey, Buffer.from(encodeShared(sequence, noShapes)))
      })
    await write().catch(async error => {
      error.commitError?.catch(() => {})
      if (!/no space left|ENOSPC/i.test(String(error))) throw error
      // The transaction came to nothing.
      this.#makeRoom()
      await write().catch(rejectOnce)
    })
    lmdb.resetReadTxn()
    this.#leaving = undefined
    // Where something was deleted there may be nothing left: whoever asks next looks.
    for (const [key, { buffer }] of leaving.records)
      if (buffer === undefined) this.#isStored[key.charCodeAt(0)] = undefined
    for (const chunk of leaving.chunks) {
      if (chunk.length === chunkBytes && this.#spareChunks.length < maxSpareChunks) this.#spareChunks.push(chunk)
    }
    await lmdb.flushed
  }

  /** Nothing more goes to journal or LMDB. What was not acknowledged may still be found when the store is next opened. */
  #fail(error: unknown): StoreError {
    this.#failure ??=
      error instanceof StoreError
        ? error
        : new StoreError('failed', `the store in ${this.#directory} failed: ${error}`, error)
    return this.#failure
  }
}

/** The keys of two ordered lists in order, each once. */
function merged(a: string[], b: string[]): string[] {
  if (a.length === 0) return b
  if (b.length === 0) return a
  const keys: string[] = []
  let [inA, inB] = [0, 0]
  while (inA < a.length || inB < b.length) {
    const [fromA, fromB] = [a[inA], b[inB]]
    const takesA = fromB === undefined || (fromA !== undefined && fromA <= fromB)
    keys.push(takesA ? fromA! : fromB!)
    if (fromA === fromB || takesA) inA++
    if (fromA === fromB || !takesA) inB++
  }
  return keys
}

/** lmdb reports a failed commit by a second promise, too, which nobody else waits for. */
function rejectOnce(error: Error & { commitError?: Promise<unknown> }): never {
  error.commitError?.catch(() => {})
  throw error
}
