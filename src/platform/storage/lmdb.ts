/**
 * The store on LMDB, with a journal in front of it.
 *
 * Why a journal: LMDB makes a commit safe by flushing it, and copies every page on the way to a changed record. Measured
 * on a two-core virtual machine for a turn of one get and two puts of 700 octets, one turn per commit: 222 µs of CPU and 320 KiB
 * written with lmdb's own queue, 135 µs with its synchronous transactions; leaving the flush out (15 µs) can leave a
 * corrupt file after a power cut. Appending the batch to a file costs 2 µs, survives a killed process just as well, and
 * needs one flush of a few sequential blocks to survive a power cut.
 *
 * So a batch is encoded once and appended to the journal: then it is committed. A hard batch waits for the journal to be
 * flushed, a soft one is flushed within `softFlushMs`. What was changed is kept, encoded, in a map that is read before
 * LMDB; when the journal has grown to `journalBytes` everything in the map goes to LMDB in one transaction on lmdb's
 * thread, records changed many times once, together with the number of the last batch it contains. When that transaction
 * is on disk the journal file may be used again. Opening replays the batches that LMDB does not have yet.
 *
 * LMDB's overlapping sync stays on: after a power cut it falls back to the last transaction known to be on disk, to which
 * the journal then adds what it has.
 */

import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { open as openLmdb, type RootDatabase } from 'lmdb'
import type { Durability } from '../../turn.ts'
import {
  databaseFile,
  inspectDatabase,
  lockDirectory,
  prepareDirectory,
  setAside,
  syncDirectory,
} from './data-directory.ts'
import { StoreError } from './error.ts'
import { type Batch, batchHeaderLength, Journal, readJournal } from './journal.ts'
import { afterKey, afterPrefix, encodeKey } from './key.ts'
import {
  currentFormat,
  type Header,
  headerKey,
  headerTable,
  type Migration,
  migrate,
  migrations,
} from './migrations/index.ts'
import { type Base, type Change, type EncodedRecord, OverlayStore } from './overlay-store.ts'
import { SortedKeys } from './sorted-keys.ts'
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

/**
 * Opens the store in `directory`, making it if need be. Throws StoreError: `in-use` when another process has it,
 * `newer-version` when this version cannot read it, `missing` when there is none to open read-only, `failed` otherwise.
 */
export async function openLmdbStore(directory: string, options: LmdbStoreOptions = {}): Promise<LmdbStore> {
  const readOnly = options.readOnly ?? false
  if (!readOnly) prepareDirectory(directory)
  else if (!existsSync(directory)) throw new StoreError('missing', `there is no database in ${directory}`)
  const unlock = await lockDirectory(directory)
  let base: LmdbBase | undefined
  try {
    base = await openBase(directory, options, readOnly)
    const store = new LmdbStore(base, unlock)
    if (!readOnly) {
      const { format = currentFormat, migrations: steps = migrations, writtenBy = 'porchlight' } = options
      await migrate(store, format, writtenBy, steps)
      syncDirectory(directory)
    }
    return store
  } catch (error) {
    await base?.abandon()
    await unlock()
    throw error instanceof StoreError
      ? error
      : new StoreError('failed', `the database in ${directory} cannot be opened: ${error}`, error)
  }
}

async function openBase(directory: string, options: LmdbStoreOptions, readOnly: boolean): Promise<LmdbBase> {
  const state = inspectDatabase(join(directory, databaseFile), !readOnly)
  let damage = typeof state === 'object' ? state.damaged : undefined
  if (readOnly && state === 'absent') throw new StoreError('missing', `there is no database in ${directory}`)
  if (readOnly && (state === 'short' || damage !== undefined)) {
    throw new StoreError('failed', `the database in ${directory} is damaged (${damage ?? 'it was cut short'})`)
  }
  if (state === 'short') damage = await findDamage(directory)
  if (damage !== undefined) {
    const name = setAside(directory)
    options.report?.(
      `the database in ${directory} is damaged (${damage}); it was set aside as ${name} and a new one begun`,
    )
  }
  const base = new LmdbBase(directory, options, readOnly)
  try {
    await base.restore(options.format ?? currentFormat, options.migrations ?? migrations)
    return base
  } catch (error) {
    await base.abandon()
    throw error
  }
}

/**
 * Reads all of a database that was cut short: what was cut off reads as zeros, which LMDB reports; lmdb's ranges, though,
 * may just end there, so the records are counted, too.
 */
async function findDamage(directory: string): Promise<string | undefined> {
  const lmdb = openFile(directory, false)
  try {
    let count = 0
    for (const _ of lmdb.getRange({ start: '\0', end: '\xff' })) count++
    const expected = statsOf(lmdb).entryCount
    return count === expected ? undefined : `it was cut short: ${count} of ${expected} records can be read`
  } catch (error) {
    return `it was cut short: ${(error as Error).message}`
  } finally {
    await lmdb.close()
  }
}

export class LmdbStore extends OverlayStore<LmdbBase> {
  readonly #unlock: () => Promise<void>

  constructor(base: LmdbBase, unlock: () => Promise<void>) {
    super(base)
    this.#unlock = unlock
  }

  override async close(): Promise<void> {
    try {
      await super.close()
    } finally {
      await this.#unlock()
    }
  }

  /** Brings LMDB up to date with everything committed; resolves when that is on disk. */
  async checkpoint(): Promise<void> {
    await this.committed()
    await this.base.checkpoint()
  }

  /**
   * Writes a copy of the store, as it is at some moment during the call, into a new directory `path`, which can be used as
   * a data directory. Writing goes on meanwhile. Throws StoreError.
   */
  async backup(path: string): Promise<void> {
    await this.checkpoint()
    await this.base.backup(path)
  }

  usage(): StoreUsage {
    return this.base.usage()
  }
}

/** A record changed since LMDB was last brought up to date: its value is `buffer[start, end)`; undefined when deleted. */
interface Unwritten {
  buffer: Buffer | undefined
  start: number
  end: number
}

/** What goes to LMDB in one transaction. */
class Layer {
  readonly records = new Map<string, Unwritten>()
  readonly keys = new SortedKeys()
  /** The chunks that hold the values. */
  readonly chunks: Buffer[] = []

  set(key: string, buffer: Buffer | undefined, start: number, end: number): void {
    const unwritten = this.records.get(key)
    if (unwritten === undefined) {
      this.records.set(key, { buffer, start, end })
      this.keys.add(key)
    } else {
      unwritten.buffer = buffer
      unwritten.start = start
      unwritten.end = end
    }
  }
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

class LmdbBase implements Base {
  readonly #directory: string
  readonly #readOnly: boolean
  readonly #journalBytes: number
  readonly #softFlushMs: number
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
    this.#shapes = new Shapes((id, fields) => {
      this.#own.push([shapePrefix + String.fromCharCode(id >> 8, id & 255), fields])
    })
    this.#lmdb = openFile(directory, readOnly, (bytes, length) => decodeValue(bytes, 0, length, this.#shapes))
  }

  /** Replays the journal, brings LMDB up to date and begins a new journal. Throws StoreError `newer-version`. */
  async restore(format: number, steps: readonly Migration[]): Promise<void> {
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
    this.#journal = new Journal(this.#directory, sequence, this.#journalBytes)
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
    return unwritten === undefined ? this.#lmdb.doesExist(key) : unwritten.buffer !== undefined
  }

  /** Takes as many keys from the layers as from LMDB, merges them up to where all are known, and goes on from there. */
  page(lower: string, upper: string, count: number): EncodedRecord[] {
    const page: EncodedRecord[] = []
    let from = lower
    for (;;) {
      const wanted = count - page.length
      const stored = this.#storedPage(from, upper, wanted)
      const keys = this.#unwrittenKeys(from, upper, wanted)
      if (keys.length === 0) return page.length === 0 ? stored : page.concat(stored)
      let end: string | undefined
      if (stored.length === wanted) end = stored[wanted - 1]![0]
      if (keys.length === wanted && (end === undefined || keys[wanted - 1]! < end)) end = keys[wanted - 1]
      this.#merge(page, stored, keys, end)
      if (page.length > count) page.length = count
      if (end === undefined || page.length === count) return page
      from = afterKey(end)
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
    const files = [databaseFile, 'journal-0', 'journal-1'].map(name => join(this.#directory, name))
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

  #read(key: string): unknown {
    const bytes = this.#lmdb.getBinaryFast(key)
    return bytes === undefined ? undefined : decodeValue(asBuffer(bytes), 0, bytes.length, this.#shapes)
  }

  #storedPage(lower: string, upper: string, count: number): EncodedRecord[] {
    const records: EncodedRecord[] = []
    for (const { key, value } of this.#lmdb.getRange({ start: lower, end: upper, limit: count }))
      records.push([key, value])
    return records
  }

  /** At most `count` keys of the layers, those deleted too. */
  #unwrittenKeys(lower: string, upper: string, count: number): string[] {
    const keys = this.#unwritten.keys.between(lower, upper, count)
    const leaving = this.#leaving?.keys.between(lower, upper, count)
    if (leaving === undefined || leaving.length === 0) return keys
    const both = [...new Set([...keys, ...leaving])].sort()
    if (both.length > count) both.length = count
    return both
  }

  /** Appends the records of both, up to and including `end`, to `page`. */
  #merge(page: EncodedRecord[], stored: EncodedRecord[], keys: string[], end: string | undefined): void {
    let index = 0
    for (const key of keys) {
      if (end !== undefined && key > end) break
      while (index < stored.length && stored[index]![0] < key) page.push(stored[index++]!)
      if (stored[index]?.[0] === key) index++
      const value = this.get(key)
      if (value !== undefined) page.push([key, value])
    }
    while (index < stored.length && (end === undefined || stored[index]![0] <= end)) page.push(stored[index++]!)
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
    const committed = lmdb.batch(() => {
      for (const [key, { buffer, start, end }] of leaving.records) {
        if (buffer === undefined) lmdb.remove(key)
        else lmdb.put(key, buffer.subarray(start, end))
      }
      lmdb.put(sequenceKey, Buffer.from(encodeShared(sequence, noShapes)))
    })
    await committed.catch(rejectOnce)
    lmdb.resetReadTxn()
    this.#leaving = undefined
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

/** lmdb reports a failed commit by a second promise, too, which nobody else waits for. */
function rejectOnce(error: Error & { commitError?: Promise<unknown> }): never {
  error.commitError?.catch(() => {})
  throw error
}

interface LmdbStats {
  readonly pageSize: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
  readonly entryCount: number
}

function statsOf(lmdb: Lmdb): LmdbStats {
  return (lmdb.getStats() as unknown as { root: LmdbStats }).root
}

type Lmdb = RootDatabase<unknown, string> & { resetReadTxn(): void }

/** Keys are the octets of key.ts; values are given as encoded and, from ranges, taken as `decode` returns them. */
function openFile(directory: string, readOnly: boolean, decode?: (bytes: Buffer, length: number) => unknown): Lmdb {
  const options = {
    path: join(directory, databaseFile),
    noSubdir: true,
    readOnly,
    permissionsMode: 0o600,
    maxDbs: 1,
    noMemInit: false,
    keyEncoder: {
      writeKey: (key: string, target: Buffer, start: number) => start + target.write(key, start, 'latin1'),
      readKey: (source: Buffer, start: number, end: number) => source.toString('latin1', start, end),
    },
    encoder: {
      encode: (value: Buffer) => value,
      decode: (bytes: Uint8Array, length?: number) => decode?.(asBuffer(bytes), length ?? bytes.length),
    },
  }
  return openLmdb(options as never) as Lmdb
}

/** Large values are handed out as a plain Uint8Array on the map. */
function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
