/** Every `.flow` of this folder, played in a simulated world; the same files are played against the built box. */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SimulatedWorld } from '../simulation/world.ts'
import { play, readFlow } from './language.ts'

for (const name of readdirSync(import.meta.dirname).filter(one => one.endsWith('.flow'))) {
  const flow = readFlow(readFileSync(join(import.meta.dirname, name), 'utf8'))
  test(`${name}: ${flow.title}`, async () => {
    const world = new SimulatedWorld({ seed: 1, settings: flow.settings })
    await play(flow, world)
    assert.deepEqual(world.faults, [])
    await world.pass(8 * 86_400_000)
    assert.deepEqual(world.leftovers(), {}, 'when all has expired, the store is empty')
  })
}
