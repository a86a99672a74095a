/**
 * The flows that need no time machine, played against the built box: the same files as in simulation. Some with handsets that
 * compress; simulation plays all of them both ways.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { BoxWorld } from '../flows/box-world.ts'
import { play, readFlow } from '../flows/language.ts'

const alsoCompressed = ['publish-and-notify.flow', 'killed-box-goes-on.flow', 'message-between-users.flow']

const folder = join(import.meta.dirname, '..', 'flows')

describe('flows against the built box', { concurrency: 2 }, () => {
  for (const name of readdirSync(folder).filter(one => one.endsWith('.flow'))) {
    const flow = readFlow(readFileSync(join(folder, name), 'utf8'))
    const skip = flow.needsSimulation && 'lets time pass, or breaks the network'
    for (const compressed of alsoCompressed.includes(name) ? [false, true] : [false])
      test(`${name}${compressed ? ', compressed' : ''}: ${flow.title}`, { skip, timeout: 60_000 }, async t => {
        await play(flow, await BoxWorld.open(t, flow.settings, compressed))
      })
  }
})
