/**
 * A disk that is played below the store, for power cuts: it holds of the journal what the last finished fdatasync covered, and of
 * each page written since then either state, as chance will have it; of LMDB's file what its last finished flush covered. It
 * stands in for the block layer by what the store asks of files; it is no emulated device.
 */

import fs, { mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { LmdbStore } from '../../src/platform/storage/lmdb.ts'
import type { SeededRandom } from '../simulation/random.ts'

const pageOctets = 4096
const databaseFile = 'store.mdb'
const journals = ['journal-0', 'journal-1']

/** What a power cut leaves of one data directory. */
export class Disk {
  readonly directory: string
  readonly #random: SeededRandom
  /** Journal files as the last finished flush covered them. */
  readonly #safe = new Map<string, Buffer>()
  #database = Buffer.alloc(0)
  #pending: Array<{ name: string; content: Buffer; done: (error: null) => void }> = []

  constructor(directory: string, random: SeededRandom) {
    this.directory = directory
    this.#random = random
  }

  /** All that is written is on disk. */
  settle(): void {
    for (const name of journals) this.#safe.set(name, readFileSync(join(this.directory, name)))
    this.settleDatabase()
  }

  /** LMDB has flushed, and writes nothing now. */
  settleDatabase(): void {
    this.#database = readFileSync(join(this.directory, databaseFile))
  }

  flush(name: string, done: (error: null) => void): void {
    this.#pending.push({ name, content: readFileSync(join(this.directory, name)), done })
  }

  /** Finishes the flushes under way, and those that they lead to. */
  async finishFlushes(): Promise<void> {
    while (this.#pending.length > 0) {
      for (const { name, content, done } of this.#pending.splice(0)) {
        this.#safe.set(name, content)
        done(null)
      }
      await setImmediate()
    }
  }

  /** Writes into `target` what may be found after a power cut now. */
  cut(target: string): void {
    rmSync(target, { recursive: true, force: true })
    mkdirSync(target)
    writeFileSync(join(target, databaseFile), this.#database)
    for (const name of journals) writeFileSync(join(target, name), this.#torn(name))
  }

  #torn(name: string): Buffer {
    const safe = this.#safe.get(name)!
    const written = readFileSync(join(this.directory, name))
    const length = this.#isLost() ? safe.length : written.length
    const found = Buffer.alloc(length)
    for (let at = 0; at < length; at += pageOctets) {
      const page = (this.#isLost() ? safe : written).subarray(at, at + pageOctets)
      page.copy(found, at, 0, Math.min(page.length, length - at))
    }
    return found
  }

  #isLost(): boolean {
    return this.#random.chance(0.5)
  }
}

/** The disk and the clock that are played; files elsewhere are the system's business. */
let disk: Disk | undefined
let clock: Clock | undefined

export function play(played: Disk | undefined, time: Clock | undefined): void {
  disk = played
  clock = time
}

const { fdatasync } = fs
// The store asks for this by name when it is loaded, so it is replaced before.
fs.fdatasync = ((descriptor: number, done: (error: Error | null) => void) => {
  const path = readlinkSync(`/proc/self/fd/${descriptor}`)
  if (disk !== undefined && dirname(path) === disk.directory) disk.flush(path.slice(disk.directory.length + 1), done)
  else fdatasync(descriptor, done)
}) as typeof fdatasync
syncBuiltinESMExports()
export const { openLmdbStore } = await import('../../src/platform/storage/lmdb.ts')

/** The store's wait before a flush passes when the test says so; other waits, LMDB's own, by themselves. */
export class Clock {
  #now = 0
  #waits: Array<{ readonly at: number; readonly work: () => void }> = []

  wait(work: () => void, milliseconds: number): NodeJS.Timeout {
    this.#waits.push({ at: this.#now + milliseconds, work })
    return { unref: () => undefined } as unknown as NodeJS.Timeout
  }

  pass(milliseconds: number): void {
    this.#now += milliseconds
    const due = this.#waits.filter(({ at }) => at <= this.#now)
    this.#waits = this.#waits.filter(({ at }) => at > this.#now)
    for (const { work } of due) work()
  }
}

export const softFlushMs = 3000
const { setTimeout } = globalThis
globalThis.setTimeout = ((work: () => void, milliseconds?: number) =>
  clock !== undefined && milliseconds === softFlushMs
    ? clock.wait(work, milliseconds)
    : setTimeout(work, milliseconds)) as typeof setTimeout

/** Brings LMDB up to date; `isDone` when that is on disk. */
export function checkpointOf(store: LmdbStore): { isDone: boolean } {
  const state = { isDone: false }
  store.checkpoint().then(() => {
    state.isDone = true
  })
  return state
}
