/**
 * Every `.flow` of this folder, played in a simulated world, once plain and once with handsets that compress; the same files
 * are played against the built box.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SimulatedWorld } from '../simulation/world.ts'
import { play, readFlow } from './language.ts'

for (const name of readdirSync(import.meta.dirname).filter(one => one.endsWith('.flow'))) {
  const flow = readFlow(readFileSync(join(import.meta.dirname, name), 'utf8'))
  for (const compressed of [false, true])
    test(`${name}${compressed ? ', compressed' : ''}: ${flow.title}`, async () => {
      const world = new SimulatedWorld({ seed: 1, settings: flow.settings, compressed })
      await play(flow, world)
      assert.deepEqual(world.faults, [])
      assert.equal(world.wire.unreadable, 0)
      if (compressed) assert.ok(world.wire.compressed > world.wire.plain, JSON.stringify(world.wire))
      else assert.equal(world.wire.compressed, 0)
      await world.pass(8 * 86_400_000)
      assert.deepEqual(world.leftovers(), {}, 'when all has expired, the store is empty')
    })
}
