/**
 * The real world: the built box as a process, handsets on sockets of their own on loopback, and time that passes by itself.
 * Only what needs no waiting for hours is played here.
 */

import { createSocket, type Socket } from 'node:dgram'
import { EventEmitter, once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { SystemRandom } from '../../src/platform/random.ts'
import { answerChallenge } from '../../src/protocols/sip/digest.ts'
import { udpFlow, udpFlowId } from '../../src/protocols/sip/flow.ts'
import { PresenceSource } from '../actors/presence-source.ts'
import { Registrant } from '../actors/registrant.ts'
import type { Endpoint, Exchange } from '../actors/user-agent.ts'
import { Watcher } from '../actors/watcher.ts'
import { porchlight, RunningBox, temporaryData } from '../end-to-end/box.ts'
import type { Person, World } from './world.ts'

const cast = ['Alice', 'Bob', 'Carol']
const host = '127.0.0.1'
/** How long the box may take over an OPTIONS. */
const answerMs = 5000

export class BoxWorld implements World {
  readonly #test: TestContext
  readonly #data: string
  readonly #set: readonly string[]
  readonly #people: ReadonlyMap<string, Handset>
  readonly #happened: EventEmitter
  #box: RunningBox

  private constructor(
    test: TestContext,
    data: string,
    set: readonly string[],
    box: RunningBox,
    people: ReadonlyMap<string, Handset>,
    happened: EventEmitter,
  ) {
    this.#test = test
    this.#data = data
    this.#set = set
    this.#box = box
    this.#people = people
    this.#happened = happened
  }

  /** A new box with these settings, and the cast with accounts on it. */
  static async open(
    test: TestContext,
    settings: ReadonlyArray<readonly [string, string]>,
    compresses = false,
  ): Promise<BoxWorld> {
    const data = temporaryData(test)
    const users = join(data, '..', 'users.csv')
    writeFileSync(users, cast.map(name => `sip:${name.toLowerCase()}@box.example,secret of ${name}\n`).join(''))
    for (const [name, value] of [['presence.minNotifyIntervalSeconds', '0'], ...settings] as const)
      await succeeded(porchlight(['settings', 'set', name, value, '--data', data]))
    await succeeded(porchlight(['user', 'import', users, '--data', data]))
    const box = await RunningBox.start(test, data)
    const port = box.port('udp')
    const happened = new EventEmitter()
    const people = new Map<string, Handset>()
    for (const name of cast) people.set(name, await Handset.open(test, name, port, happened, compresses))
    // A restart must find the box where the handsets look for it.
    return new BoxWorld(test, data, [`sip.udp=${host}:${port}`], box, people, happened)
  }

  now(): number {
    return Date.now()
  }

  person(name: string): Person {
    const person = this.#people.get(name)
    if (person === undefined) throw new Error(`${name} is not in the cast: ${cast.join(', ')}`)
    return person
  }

  people(): Iterable<Person> {
    return this.#people.values()
  }

  async until(condition: () => boolean, withinMs: number): Promise<boolean> {
    const deadline = AbortSignal.timeout(withinMs)
    for (const handset of this.#people.values()) handset.transmit()
    while (!condition()) {
      try {
        await once(this.#happened, 'something', { signal: deadline })
      } catch {
        return condition()
      }
    }
    return true
  }

  /** The box answers in order, so once it has answered an OPTIONS, what came before has left it. */
  async quiet(): Promise<void> {
    for (const { agent } of this.#people.values()) {
      const exchange: Exchange = agent.send('OPTIONS', 'sip:box.example', [], this.now())
      if (!(await this.until(() => exchange.final !== undefined, answerMs))) throw new Error('no answer to OPTIONS')
    }
  }

  pass(): Promise<void> {
    throw new Error('time passes by itself here')
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

export class Handset implements Person {
  readonly aor: string
  readonly agent: Registrant
  readonly source: PresenceSource
  readonly watcher: Watcher
  readonly #socket: Socket
  readonly #happened: EventEmitter
  readonly #box: Endpoint
  #timer: NodeJS.Timeout | undefined

  private constructor(
    name: string,
    socket: Socket,
    box: number,
    happened: EventEmitter,
    compresses: boolean,
    seen?: Endpoint,
  ) {
    this.aor = `sip:${name.toLowerCase()}@box.example`
    this.#socket = socket
    this.#happened = happened
    this.#box = { address: host, port: box }
    const known = seen ?? this.#box
    this.agent = new Registrant({
      name,
      aor: this.aor,
      password: `secret of ${name}`,
      local: { address: host, port: socket.address().port },
      box: known,
      random: new SystemRandom(),
      compresses,
    })
    this.source = new PresenceSource(this.agent)
    this.watcher = new Watcher(this.agent)
    socket.on('message', bytes => {
      const flow = udpFlow(udpFlowId(host, socket.address().port, known.address, known.port))!
      this.agent.receive(bytes, flow, Date.now())
      this.transmit()
      happened.emit('something')
    })
  }

  /** `seen` is how the box knows itself, when datagrams to `box` are forwarded to it. */
  static async open(
    test: TestContext,
    name: string,
    box: number,
    happened: EventEmitter,
    compresses: boolean,
    seen?: Endpoint,
  ): Promise<Handset> {
    const socket = createSocket('udp4')
    socket.bind(0, host)
    await once(socket, 'listening')
    const handset = new Handset(name, socket, box, happened, compresses, seen)
    test.after(() => handset.close())
    return handset
  }

  /** Sends what the agent wants sent, and comes back when it has something to repeat. */
  transmit(): void {
    for (const transmit of this.agent.transmits()) {
      if (transmit.kind !== 'send') throw new Error(`a handset has a socket for datagrams only, not ${transmit.kind}`)
      this.#socket.send(transmit.bytes, this.#box.port, this.#box.address)
    }
    clearTimeout(this.#timer)
    const deadline = this.agent.deadline()
    if (deadline === undefined) return
    this.#timer = setTimeout(
      () => {
        this.agent.expire(Date.now())
        this.transmit()
        this.#happened.emit('something')
      },
      Math.max(0, deadline - Date.now()),
    )
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#socket.close()
  }
}

async function succeeded(command: ReturnType<typeof porchlight>): Promise<void> {
  const { status, errors } = await command
  if (status !== 0) throw new Error(`the command ended with ${status}: ${errors}`)
}
