/**
 * The store on LMDB, with a journal in front of it.
 *
 * Why a journal: LMDB makes a commit safe by flushing it, and copies every page on the way to a changed record. Measured
 * on a two-core virtual machine for a turn of one get and two puts of 700 octets, with 1 and 32 turns per commit: 222 and
 * 24 µs of CPU and 320 and 123 KiB written with lmdb's own queue, 135 and 18 µs with its synchronous transactions;
 * leaving the flush out (15 and 7 µs) can leave a corrupt file after a power cut. Appending the batch to a file costs 2 µs,
 * survives a killed process just as well, and needs one flush of a few sequential blocks to survive a power cut: 23 and 13
 * to 19 µs and 12 and 7 KiB in all when every record is another, less the more often the same ones are written.
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

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  databaseFile,
  inspectDatabase,
  lockDirectory,
  prepareDirectory,
  setAside,
  syncDirectory,
} from './data-directory.ts'
import { StoreError } from './error.ts'
import { LmdbBase, type LmdbStoreOptions, type StoreUsage } from './lmdb-base.ts'
import { findDamage } from './lmdb-file.ts'
import { currentFormat, migrate, migrations } from './migrations/index.ts'
import { OverlayStore } from './overlay-store.ts'

export type { LmdbStoreOptions, StoreUsage }

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
    await base.restore(options.format, options.migrations)
    return base
  } catch (error) {
    await base.abandon()
    throw error
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
