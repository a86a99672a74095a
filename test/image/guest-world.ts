/** The world of a flow where the box is a unit in an emulator: handsets are on this machine's loopback, and killing cuts its power. */

import { rmSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { writeImage } from '../../firmware/identity/card.ts'
import { personalise } from '../../firmware/identity/personalise.ts'
import { type Cast, castAsUsers, LoopbackWorld, openCast } from '../flows/loopback-world.ts'
import { type Guest, imagePath } from './guest.ts'

/** The guest's own address in the emulator's network. */
const guestAddress = { address: '10.0.2.15', port: 5060 }
/**
 * What was answered longer ago than five seconds outlives a power cut, soft state too; whoever was notified longer ago than
 * 64*T1 is not notified of the same again after it, and which of both it is must not hang on how fast a unit starts. Timers of an
 * emulated unit on a machine in use are late.
 */
const settledMs = 40_000

/** Makes the image into a unit that serves box.example with the cast as its users; returns where it is. */
export async function provisionedImage(
  path: string,
  {
    serial,
    code,
    base = imagePath(),
    authorities,
  }: { serial: string; code: string; base?: string; authorities?: string },
): Promise<string> {
  const admin = { user: 'admin', password: code }
  const provision = { serial, domain: 'box.example', network: 'dhcp', admin, users: castAsUsers } as const
  rmSync(path, { force: true })
  const changes = personalise(base, { ...provision, ...(authorities ? { authorities } : {}) })
  await writeImage(base, changes, path, { progress: () => {} })
  return path
}

export class GuestWorld extends LoopbackWorld {
  readonly #guest: Guest

  private constructor(guest: Guest, people: Cast) {
    super(people, 20_000)
    this.#guest = guest
  }

  static async open(test: TestContext, guest: Guest): Promise<GuestWorld> {
    return new GuestWorld(guest, await openCast(test, guest.ports.sip, false, guestAddress))
  }

  async restart(): Promise<void> {
    await wait(settledMs)
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
