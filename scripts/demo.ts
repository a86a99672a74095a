/**
 * `make demo`: two users register, one publishes presence, the other watches, the presence changes, and both leave. Every
 * message between them and the running box is drawn as a ladder. The users are made for the play and removed after it.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { type Box, runningBox } from '../src/command-line/box.ts'
import { dataPaths } from '../src/platform/data-paths.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { udpFlow, udpFlowId } from '../src/protocols/sip/flow.ts'
import { SipRequest } from '../src/protocols/sip/message.ts'
import { parseMessage } from '../src/protocols/sip/parse.ts'
import { PresenceSource } from '../test/actors/presence-source.ts'
import { Registrant } from '../test/actors/registrant.ts'
import type { Endpoint } from '../test/actors/user-agent.ts'
import { Watcher } from '../test/actors/watcher.ts'

/** How long any one step may take; the box may hold notifications back for its minimum interval. */
const patienceMs = 20_000

const { values } = parseArgs({ options: { data: { type: 'string', default: 'data' } } })
const random = new SystemRandom()
const colour = process.stdout.isTTY === true

async function demo(): Promise<number> {
  const control = await runningBox(dataPaths(values.data))
  if (control === undefined)
    throw new Error(`no box runs on ${dataPaths(values.data).directory}; start one with 'make run' in another terminal`)
  const { listening } = (await control.ask('status', {})) as { listening: string[] }
  const box = udpEndpoint(listening)
  const stage = new Stage(box)
  const people: Person[] = []
  try {
    for (const [name, side] of [
      ['Alice', 'left'],
      ['Bob', 'right'],
    ] as const)
      people.push(await Person.arrive(control, stage, { name, side, box }))
    await play(people[0]!, people[1]!, stage, control)
  } finally {
    for (const person of people) await person.leave(control)
    await control.close()
  }
  return 0
}

async function play(alice: Person, bob: Person, stage: Stage, control: Box): Promise<void> {
  const { value: interval } = (await control.ask('settings get', { name: 'presence.minNotifyIntervalSeconds' })) as {
    value: number
  }
  const source = new PresenceSource(alice.agent)
  const watcher = new Watcher(bob.agent)

  stage.begin()
  stage.scene('Alice and Bob tell the box where they can be reached. It asks who they are first. (RFC 3261 §10, §22)')
  await alice.says(200, agent => agent.register(600, Date.now()))
  await bob.says(200, agent => agent.register(600, Date.now()))

  stage.scene('Alice publishes that she is in. (RFC 3903)')
  await alice.says(200, () => source.publish('open', 'at my desk', 600, Date.now()))

  stage.scene('Bob subscribes to her presence and is notified at once. (RFC 6665, RFC 3856)')
  const subscription = watcher.subscribe(alice.aor, 'presence', 600, Date.now())
  await bob.says(200, () => subscription.exchange)
  await bob.until(() => subscription.notifications.length > 0, 'a NOTIFY')
  if (subscription.notifications[0]!.presence !== 'open') {
    stage.scene("By Alice's rules Bob is shown no more until she decides.")
  } else {
    stage.scene(
      `Alice steps out: the same publication, changed.${interval > 0 ? ` Bob hears of it at most every ${interval} s.` : ''}`,
    )
    await alice.says(200, () => source.modify('closed', 'gone home', 600, Date.now()))
    await bob.until(
      () => subscription.notifications.some(({ presence }) => presence === 'closed'),
      'a NOTIFY with closed',
    )
  }

  stage.scene('Bob stops watching, and both leave.')
  await bob.says(200, () => watcher.refresh(subscription, 0, Date.now()))
  await bob.until(() => subscription.notifications.at(-1)?.state === 'terminated', 'the last NOTIFY')
  await alice.says(200, () => source.remove(Date.now()))
  await alice.says(200, agent => agent.register(0, Date.now()))
  await bob.says(200, agent => agent.register(0, Date.now()))
  stage.end()
}

/** A user of the box with a phone on a port of this machine. */
class Person {
  readonly agent: Registrant
  readonly aor: string
  readonly #socket: Socket
  readonly #stage: Stage
  readonly #side: Side
  readonly #box: Endpoint
  #timer: NodeJS.Timeout | undefined
  #waiting: Array<() => void> = []

  private constructor(agent: Registrant, socket: Socket, stage: Stage, side: Side) {
    this.agent = agent
    this.aor = agent.options.aor
    this.#socket = socket
    this.#stage = stage
    this.#side = side
    this.#box = agent.options.box
    const { address, port } = agent.options.local
    socket.on('message', (bytes, from) => {
      stage.draw(side, 'from the box', bytes)
      const flow = udpFlow(udpFlowId(address, port, from.address, from.port))!
      agent.receive(bytes, flow, Date.now())
      this.#flush()
    })
  }

  /** Makes the user in the box and binds a port for the phone. */
  static async arrive(
    control: Box,
    stage: Stage,
    { name, side, box }: { name: string; side: Side; box: Endpoint },
  ): Promise<Person> {
    const password = random.token(12)
    const address = `${name.toLowerCase()}-${random.token(4).toLowerCase()}`
    const { aor } = (await control.ask('user add', { address, password, displayName: `${name} of the demo` })) as {
      aor: string
    }
    const socket = createSocket(box.address.includes(':') ? 'udp6' : 'udp4')
    socket.bind(0, box.address.startsWith('127.') || box.address === '::1' ? box.address : undefined)
    await once(socket, 'listening')
    const local = { address: box.address, port: socket.address().port }
    return new Person(new Registrant({ name, aor, password, local, box, random }), socket, stage, side)
  }

  async leave(control: Box): Promise<void> {
    clearTimeout(this.#timer)
    this.#socket.close()
    await control.ask('user remove', { address: this.aor }).catch(() => {})
  }

  /** Sends something and waits for its final answer, which must have this status. */
  async says(status: number, act: (agent: Registrant) => { final: { status: number; reason: string } | undefined }) {
    const exchange = act(this.agent)
    this.#flush()
    await this.until(() => exchange.final !== undefined, 'an answer')
    if (exchange.final?.status !== status)
      throw new Error(`${this.agent.options.name} was answered ${exchange.final?.status} ${exchange.final?.reason}`)
  }

  /** Waits until something has come true through a message. */
  async until(isSo: () => boolean, what: string): Promise<void> {
    const giveUp = AbortSignal.timeout(patienceMs)
    while (!isSo()) {
      if (giveUp.aborted)
        throw new Error(`${this.agent.options.name} waited ${patienceMs / 1000} s for ${what} in vain`)
      await new Promise<void>(resolve => {
        this.#waiting.push(resolve)
        giveUp.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  #flush(): void {
    for (const output of this.agent.transmits()) {
      if (output.kind !== 'send') continue
      const flow = udpFlow(output.flow)
      if (flow === undefined) continue
      this.#stage.draw(this.#side, 'to the box', output.bytes)
      // The box may name an address of the machine that a phone on loopback cannot send to: all of them lead to it.
      this.#socket.send(output.bytes, flow.remotePort, this.#box.address)
    }
    clearTimeout(this.#timer)
    const deadline = this.agent.deadline()
    if (deadline !== undefined)
      this.#timer = setTimeout(
        () => {
          this.agent.expire(Date.now())
          this.#flush()
        },
        Math.max(0, deadline - Date.now()),
      )
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

type Side = 'left' | 'right'

const width = 34

/** Draws: Alice on the left, the box in the middle, Bob on the right. */
class Stage {
  readonly #box: Endpoint
  #started = 0

  constructor(box: Endpoint) {
    this.#box = box
  }

  begin(): void {
    this.#started = Date.now()
    const box = `Porchlight ${this.#box.address}:${this.#box.port}`
    this.#line('', `${`${'Alice'.padEnd(width - 4)}${box}`.padEnd(2 * width - 1)}Bob`)
  }

  scene(text: string): void {
    this.#line('', this.#rails())
    process.stdout.write(`${bold(text)}\n`)
    this.#line('', this.#rails())
  }

  draw(side: Side, direction: 'to the box' | 'from the box', bytes: Buffer): void {
    const text = describe(bytes)
    const rightward = (side === 'left') === (direction === 'to the box')
    const room = width - 2
    const label = text.length > room - 4 ? `${text.slice(0, room - 5)}…` : text
    const dashes = '─'.repeat(Math.max(1, room - label.length - 2))
    const arrow = rightward ? ` ${label} ${dashes}►` : `◄${dashes} ${label} `
    const gap = ' '.repeat(width - 1)
    const time = `${((Date.now() - this.#started) / 1000).toFixed(3)} s`
    this.#line(time, side === 'left' ? `│${arrow}│${gap}│` : `│${gap}│${arrow}│`)
  }

  end(): void {
    this.#line('', this.#rails())
    process.stdout.write('Everybody has left; nothing of it stays in the box.\n')
  }

  #rails(): string {
    const gap = ' '.repeat(width - 1)
    return `│${gap}│${gap}│`
  }

  #line(time: string, text: string): void {
    process.stdout.write(`${dim(time.padStart(10))}  ${text}\n`)
  }
}

/** A message in a few words: what it is, and what its body says. */
function describe(bytes: Buffer): string {
  const message = parseMessage(bytes)
  if (!(message instanceof SipRequest)) return `${message.status} ${message.reason}`
  const body = Buffer.from(message.body).toString()
  const basic = /<(?:\w+:)?basic>(\w+)</.exec(body)?.[1]
  const state = message.header('Subscription-State')?.split(';')[0]
  const leaving = message.header('Expires') === '0' ? 'Expires: 0' : undefined
  const proof = message.hasHeader('Authorization') || message.hasHeader('Proxy-Authorization') ? 'digest' : undefined
  const words = [state, basic, leaving, proof].filter(word => word !== undefined)
  return words.length === 0 ? message.method : `${message.method} (${words.join(', ')})`
}

/** Where the box listens for UDP, as seen from this machine. */
function udpEndpoint(listening: readonly string[]): Endpoint {
  const udp = listening.find(where => where.startsWith('udp='))
  if (udp === undefined) throw new Error("the box does not listen on UDP: see 'porchlight settings get sip.udp'")
  const colon = udp.lastIndexOf(':')
  const address = udp.slice('udp='.length, colon).replace(/[[\]]/g, '')
  const reached = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
  return { address: reached, port: Number(udp.slice(colon + 1)) }
}

function bold(text: string): string {
  return colour ? `\u001b[1m${text}\u001b[0m` : text
}

function dim(text: string): string {
  return colour ? `\u001b[2m${text}\u001b[0m` : text
}

// Last, when the classes above exist.
process.exitCode = await demo().catch((error: Error) => {
  process.stderr.write(`demo: ${error.message}\n`)
  return 1
})
