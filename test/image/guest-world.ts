/** The world of a flow where the box is a unit in an emulator: handsets are on this machine's loopback, and killing cuts its power. */

import { EventEmitter, once } from 'node:events'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { writeImage } from '../../firmware/identity/card.ts'
import { personalise } from '../../firmware/identity/personalise.ts'
import { Handset } from '../flows/box-world.ts'
import type { Person, World } from '../flows/world.ts'
import { type Guest, imagePath } from './guest.ts'

/** The guest's own address in the emulator's network. */
const guestAddress = { address: '10.0.2.15', port: 5060 }
const cast = ['Alice', 'Bob', 'Carol']
/** What was answered longer ago than this outlives a power cut, soft state too. */
const softMs = 5000

/** Makes the image into a unit that serves box.example with the cast as its users; returns where it is. */
export function provisionedImage(path: string, serial: string, code: string): string {
  const users = cast.map(name => `sip:${name.toLowerCase()}@box.example,secret of ${name}\n`).join('')
  const admin = { user: 'admin', password: code }
  const changes = personalise(imagePath(), { serial, domain: 'box.example', network: 'dhcp', admin, users })
  writeImage(imagePath(), changes, path, () => {})
  return path
}

export class GuestWorld implements World {
  readonly #guest: Guest
  readonly #happened = new EventEmitter()
  readonly #handsets = new Map<string, Handset>()

  private constructor(guest: Guest) {
    this.#guest = guest
  }

  static async open(test: TestContext, guest: Guest): Promise<GuestWorld> {
    const world = new GuestWorld(guest)
    for (const name of cast)
      world.#handsets.set(name, await Handset.open(test, name, guest.ports.sip, world.#happened, false, guestAddress))
    return world
  }

  now(): number {
    return Date.now()
  }

  person(name: string): Person {
    return this.#handsets.get(name)!
  }

  people(): Iterable<Person> {
    return this.#handsets.values()
  }

  async until(condition: () => boolean, withinMs: number): Promise<boolean> {
    const deadline = AbortSignal.timeout(withinMs)
    for (const handset of this.#handsets.values()) handset.transmit()
    while (!condition()) {
      try {
        await once(this.#happened, 'something', { signal: deadline })
      } catch {
        return condition()
      }
    }
    return true
  }

  async quiet(): Promise<void> {
    for (const { agent } of this.#handsets.values()) {
      const exchange = agent.send('OPTIONS', 'sip:box.example', [], this.now())
      if (!(await this.until(() => exchange.final !== undefined, 20_000))) throw new Error('no answer to OPTIONS')
    }
  }

  pass(): Promise<void> {
    throw new Error('time passes by itself here')
  }

  async restart(): Promise<void> {
    // The promise for soft state begins after this long; timers of an emulated unit on a machine in use are late as much again.
    await wait(2 * softMs)
    await this.#guest.cutPower()
    this.#guest.start()
    await this.#guest.serving()
  }

  put(): Promise<number> {
    throw new Error('not played on a unit')
  }

  set(): Promise<void> {
    throw new Error('nobody changes settings on a unit from here')
  }
}
