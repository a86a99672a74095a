/**
 * The promise of durability at a power cut, on the real LMDB store: whenever the power goes, the store opens;
 * every hard record that was acknowledged is there; so is every soft one older than five seconds; and what is there is what
 * was written up to some turn. Disk, time and the moments at which flushes finish are the test's, so it needs no waiting and a
 * seed repeats it.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { table } from '../../src/turn.ts'
import { SeededRandom } from '../simulation/random.ts'
import { Clock, checkpointOf, Disk, openLmdbStore, play, softFlushMs } from './played-disk.ts'

const soft = table<{ n: number; body: Uint8Array }>('soft', 'soft')
const hard = table<{ n: number }>('hard', 'hard')

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
      play(undefined, undefined)
      for (const path of [directory, image]) rmSync(path, { recursive: true, force: true })
    })
    const random = new SeededRandom(seed)
    const clock = new Clock()
    play(undefined, clock)
    const store = await openLmdbStore(directory, { softFlushMs })
    const played = new Disk(directory, random)
    play(played, clock)
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
    play(undefined, clock)
    await store.close()
  })

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
