/**
 * The promise of durability at a power cut (issue 2 §5), on the real LMDB store: whenever the power goes, the store opens;
 * every hard record that was acknowledged is there; so is every soft one older than five seconds; and what is there is what
 * was written up to some turn.
 *
 * A disk is played that holds of the journal what the last finished fdatasync covered, and of each page written since then
 * either state, as chance will have it; of LMDB's file what its last finished flush covered. Time and the moments at which
 * flushes finish are the test's, so it needs no waiting and a seed repeats it.
 */

import assert from 'node:assert/strict'
import fs, { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { LmdbStore } from '../../src/platform/storage/lmdb.ts'
import { table } from '../../src/turn.ts'
import { SeededRandom } from '../simulation/random.ts'

const pageOctets = 4096
const databaseFile = 'store.mdb'
const journals = ['journal-0', 'journal-1']
const soft = table<{ n: number; body: Uint8Array }>('soft', 'soft')
const hard = table<{ n: number }>('hard', 'hard')

/** What a power cut leaves of one data directory. */
class Disk {
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

/** The disk that is played; files elsewhere are the system's business. */
let disk: Disk | undefined
const { fdatasync } = fs
// The store asks for this by name when it is loaded, so it is replaced before.
fs.fdatasync = ((descriptor: number, done: (error: Error | null) => void) => {
  const path = readlinkSync(`/proc/self/fd/${descriptor}`)
  if (disk !== undefined && dirname(path) === disk.directory) disk.flush(path.slice(disk.directory.length + 1), done)
  else fdatasync(descriptor, done)
}) as typeof fdatasync
syncBuiltinESMExports()
const { openLmdbStore } = await import('../../src/platform/storage/lmdb.ts')

/** The store's wait before a flush passes when the test says so; other waits, LMDB's own, by themselves. */
class Clock {
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

const softFlushMs = 3000
let clock = new Clock()
const { setTimeout } = globalThis
globalThis.setTimeout = ((work: () => void, milliseconds?: number) =>
  milliseconds === softFlushMs ? clock.wait(work, milliseconds) : setTimeout(work, milliseconds)) as typeof setTimeout

interface Written {
  readonly n: number
  readonly at: number
}

for (const seed of [1, 2, 3])
  test(`power cut at any moment: all hard records, all soft ones older than 5 s, and no damage (seed ${seed})`, {
    timeout: 60_000,
  }, async t => {
    const directory = mkdtempSync(join(tmpdir(), 'porchlight-cut-'))
    const image = mkdtempSync(join(tmpdir(), 'porchlight-image-'))
    t.after(() => {
      disk = undefined
      for (const path of [directory, image]) rmSync(path, { recursive: true, force: true })
    })
    const random = new SeededRandom(seed)
    clock = new Clock()
    const store = await openLmdbStore(directory, { softFlushMs })
    const played = new Disk(directory, random)
    disk = played
    played.settle()

    let now = 0
    let flushHeldFor = 0
    let checkpoint: { isDone: boolean } | undefined
    let checkpoints = 0
    const softs: Written[] = []
    let lastHard = 0
    for (let step = 0; step < 120; step++) {
      for (let turns = 1 + random.below(4); turns > 0; turns--) {
        const n = softs.length + 1
        const isHard = random.chance(0.1)
        store.transact(db => {
          db.put(soft, ['turn', n], { n, body: new Uint8Array(random.below(3000)).fill(n) })
          if (isHard) db.put(hard, ['last'], { n })
        })
        softs.push({ n, at: now })
        const committed = store.committed()
        if (isHard)
          committed.then(() => {
            lastHard = Math.max(lastHard, n)
          })
      }
      if (checkpoint === undefined && random.chance(0.1)) checkpoint = checkpointOf(store)
      await setImmediate()
      // A flush may take as long as two seconds, so that with the three it is waited for five hold.
      flushHeldFor += 500
      if (flushHeldFor > 1500 || random.chance(0.3)) {
        await played.finishFlushes()
        flushHeldFor = 0
      }
      if (checkpoint?.isDone) {
        played.settleDatabase()
        checkpoint = undefined
        checkpoints++
      }
      const due = softs.filter(({ at }) => at <= now - 5000).length
      played.cut(image)
      await check(image, due, lastHard, softs.length)
      now += 500
      clock.pass(500)
    }
    assert.ok(lastHard > 0 && checkpoints > 2, `${lastHard} ${checkpoints}`)
    await played.finishFlushes()
    disk = undefined
    await store.close()
  })

function checkpointOf(store: LmdbStore): { isDone: boolean } {
  const state = { isDone: false }
  store.checkpoint().then(() => {
    state.isDone = true
  })
  return state
}

/** What is found holds the promise, and can be written to. */
async function check(image: string, due: number, lastHard: number, written: number): Promise<void> {
  const reports: string[] = []
  const found = await openLmdbStore(image, { report: line => reports.push(line) })
  try {
    const { numbers, hardNumber } = found.transact(db => ({
      numbers: [...db.range(soft, { prefix: ['turn'] })].map(([, { n, body }]) => {
        assert.ok(body.every(octet => octet === (n & 255)))
        return n
      }),
      hardNumber: db.get(hard, ['last'])?.n ?? 0,
    }))
    assert.deepEqual(reports, [])
    assert.deepEqual(
      numbers,
      Array.from({ length: numbers.length }, (_, index) => index + 1),
      'up to some turn, and nothing else',
    )
    assert.ok(numbers.length >= due && numbers.length <= written, `${numbers.length} of ${due} to ${written}`)
    assert.ok(hardNumber >= lastHard && numbers.length >= hardNumber, `${hardNumber} of ${lastHard}`)
    found.transact(db => db.put(hard, ['after'], { n: 1 }))
    await found.committed()
  } finally {
    await found.close()
  }
}
