/**
 * Commands reach the box in one of two ways: through its control socket while it runs, else by opening its store here. The
 * command is the same turn in both.
 */

import { existsSync } from 'node:fs'
import { AdministrationError, administer } from '../administration.ts'
import { Appliance } from '../appliance.ts'
import { limits } from '../limits.ts'
import { boxSecret } from '../platform/box-record.ts'
import { createClock } from '../platform/clock.ts'
import { ControlClient, NotRunningError } from '../platform/control-socket.ts'
import { type DataPaths, dataPaths, makeDataDirectory } from '../platform/data-paths.ts'
import { DiskWatch } from '../platform/disk-watch.ts'
import { Log } from '../platform/log.ts'
import { SystemRandom } from '../platform/random.ts'
import { StoreError } from '../platform/storage/error.ts'
import { type LmdbStore, type LmdbStoreOptions, openLmdbStore } from '../platform/storage/lmdb.ts'
import { openMemoryStore } from '../platform/storage/memory.ts'
import { type Overrides, readSettings } from '../settings.ts'
import type { Store } from '../turn.ts'
import { backUp } from './backup.ts'
import { version } from './version.ts'

export interface Box {
  /** Does a command. Rejects with an Error of one clear line. */
  ask(command: string, given: Readonly<Record<string, unknown>>): Promise<unknown>
  close(): Promise<void>
}

export interface BoxOptions {
  readonly data: string
  /** Hold for this command when no box runs; a running one has its own. */
  readonly overrides: Overrides
  /** Makes the data directory when there is none; otherwise the box is then an empty one, gone after the command. */
  readonly create: boolean
}

/** How long a command waits for another one, or for a box that is starting or stopping. */
const patienceMs = 5000

/** The box that runs on the data directory, or undefined. */
export async function runningBox(paths: DataPaths): Promise<Box | undefined> {
  try {
    const client = await ControlClient.connect(paths.controlSocket)
    return {
      ask: async (command, given) => {
        const answer = await client.ask({ command, arguments: given })
        if ('error' in answer) throw new AdministrationError(answer.error, answer.isWrongUse)
        return answer.result
      },
      close: async () => client.close(),
    }
  } catch (error) {
    if (error instanceof NotRunningError) return undefined
    throw error
  }
}

/** The box on the data directory, running or not. Rejects with StoreError `in-use` when it neither answers nor lets go. */
export async function openBox(options: BoxOptions): Promise<Box> {
  const giveUp = performance.now() + patienceMs
  for (;;) {
    const paths = dataPaths(options.data)
    if (options.create) makeDataDirectory(paths)
    const running = await runningBox(paths)
    if (running !== undefined) return running
    try {
      const exists = !paths.isNew || options.create
      return storedBox(paths, options.overrides, exists ? await openStore(paths, 0) : openMemoryStore())
    } catch (error) {
      // Between the two looks a box may have started: ask it.
      if (!isInUse(error) || performance.now() >= giveUp) throw error
      await new Promise(passed => setTimeout(passed, 50))
    }
  }
}

/**
 * The store in the data directory, waiting up to `waitMs` for another process to let it go; `options` say who hears what had to
 * be put right, and how room is made on a full disk.
 */
export async function openStore(
  paths: DataPaths,
  waitMs: number,
  options: Pick<LmdbStoreOptions, 'report' | 'makeRoom'> = {},
): Promise<LmdbStore> {
  const giveUp = performance.now() + waitMs
  for (;;) {
    try {
      return await openLmdbStore(paths.directory, { writtenBy: `porchlight ${version}`, ...options })
    } catch (error) {
      if (!isInUse(error) || performance.now() >= giveUp) throw error
      await new Promise(passed => setTimeout(passed, 50))
    }
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'in-use'
}

/** A box that exists only while it is asked, on what is stored. */
function storedBox(paths: DataPaths, overrides: Overrides, store: Store): Box {
  const random = new SystemRandom()
  const clock = createClock()
  const settings = store.transact(db => readSettings(db, overrides))
  const disk = existsSync(paths.directory) ? new DiskWatch(paths.directory, limits.disk) : undefined
  const appliance = new Appliance({
    diskIsFull: () => disk?.isFull ?? false,
    store,
    random,
    settings: () => settings,
    secret: boxSecret(store, random),
    listening: [],
    log: new Log({ level: 'error' }),
  })
  return {
    ask: async (command, given) => {
      if (command === 'backup') return backUp(store, paths, String(given.directory))
      const result = administer({ appliance, overrides }, command, given, clock.now())
      // What it asks to send stays unsent, as if the box had been killed here: the next start takes it up.
      await appliance.commit(clock.now())
      return result
    },
    close: () => store.close(),
  }
}
