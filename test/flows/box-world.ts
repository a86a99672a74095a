/**
 * The real world: the built box as a process, handsets on sockets of their own on loopback, and time that passes by itself.
 * Only what needs no waiting for hours is played here.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { answerChallenge } from '../../src/protocols/sip/digest.ts'
import { porchlight, RunningBox, temporaryData } from '../end-to-end/box.ts'
import { host } from './handset.ts'
import { type Cast, castAsUsers, LoopbackWorld, openCast } from './loopback-world.ts'

export class BoxWorld extends LoopbackWorld {
  readonly #test: TestContext
  readonly #data: string
  readonly #set: readonly string[]
  #box: RunningBox

  private constructor(test: TestContext, data: string, set: readonly string[], box: RunningBox, people: Cast) {
    super(people, 5000)
    this.#test = test
    this.#data = data
    this.#set = set
    this.#box = box
  }

  /** A new box with these settings, and the cast with accounts on it. */
  static async open(
    test: TestContext,
    settings: ReadonlyArray<readonly [string, string]>,
    compresses = false,
  ): Promise<BoxWorld> {
    const data = temporaryData(test)
    const users = join(data, '..', 'users.csv')
    writeFileSync(users, castAsUsers)
    for (const [name, value] of [['presence.minNotifyIntervalSeconds', '0'], ...settings] as const)
      await succeeded(porchlight(['settings', 'set', name, value, '--data', data]))
    await succeeded(porchlight(['user', 'import', users, '--data', data]))
    const box = await RunningBox.start(test, data)
    const port = box.port('udp')
    // A restart must find the box where the handsets look for it.
    return new BoxWorld(test, data, [`sip.udp=${host}:${port}`], box, await openCast(test, port, compresses))
  }

  async restart(): Promise<void> {
    await this.#box.stop('SIGKILL')
    this.#box = await RunningBox.start(this.#test, this.#data, this.#set)
  }

  async put(name: string, target: string, type: string, body: string): Promise<number> {
    const url = `http://${host}:${this.#box.port('http')}${target}`
    const asked = (headers: Record<string, string>) =>
      fetch(url, { method: 'PUT', headers: { 'Content-Type': type, ...headers }, body })
    const first = await asked({})
    if (first.status !== 401) return first.status
    const challenges = first.headers.get('WWW-Authenticate')?.split(/,\s*(?=Digest )/) ?? []
    const { password } = this.person(name).agent.options
    const secret = { username: name.toLowerCase(), password, method: 'PUT', uri: target, cnonce: 'c', nonceCount: 1 }
    return (await asked({ Authorization: answerChallenge(challenges, secret) })).status
  }

  async set(name: string, value: string): Promise<void> {
    await succeeded(porchlight(['settings', 'set', name, value, '--data', this.#data]))
  }
}

async function succeeded(command: ReturnType<typeof porchlight>): Promise<void> {
  const { status, errors } = await command
  if (status !== 0) throw new Error(`the command ended with ${status}: ${errors}`)
}
