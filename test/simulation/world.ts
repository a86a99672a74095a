/**
 * A simulated world: one box, handsets, a network and a clock that is ours. The same seed gives the same world. The box is
 * the appliance itself on the memory store; it can be killed between any commit and the sending of what was committed.
 */

import { administer } from '../../src/administration.ts'
import { Appliance, type Transmit } from '../../src/appliance.ts'
import { type MemoryStore, openMemoryStore } from '../../src/platform/storage/memory.ts'
import type { HttpResponse } from '../../src/protocols/http/message.ts'
import { answerChallenge } from '../../src/protocols/sip/digest.ts'
import { type Flow, udpFlow, udpFlowId } from '../../src/protocols/sip/flow.ts'
import { parseMessage } from '../../src/protocols/sip/parse.ts'
import type { Settings } from '../../src/settings/table.ts'
import { putSetting, readSettings, settingName } from '../../src/settings.ts'
import type { Instant } from '../../src/turn.ts'
import { PresenceSource } from '../actors/presence-source.ts'
import { Registrant } from '../actors/registrant.ts'
import { Watcher } from '../actors/watcher.ts'
import type { Person, World } from '../flows/world.ts'
import { WireTap } from '../second-sigcomp/wire-tap.ts'
import { HttpNetwork } from './http.ts'
import { fair, Network, type Weather } from './network.ts'
import { SeededRandom } from './random.ts'

export interface SimulatedWorldOptions {
  readonly seed: number
  readonly weather?: Weather
  readonly settings?: ReadonlyArray<readonly [name: string, value: string]>
  /** Probability, at each commit, that the box dies before anything of it leaves. */
  readonly deathAtCommit?: number
  /** Whether handsets and box compress what they send each other: all of them, or those with these names. */
  readonly compressed?: boolean | readonly string[]
  /** Hears every datagram as it is sent. */
  readonly listener?: (bytes: Buffer, from: string, to: string) => void
}

const notify = Buffer.from('NOTIFY ')
const box = { address: '10.0.0.1', port: 5060 } as const
const beginning: Instant = Date.UTC(2026, 0, 1)

export class SimulatedWorld implements World {
  readonly random: SeededRandom
  readonly network: Network
  readonly http: HttpNetwork
  #deathAtCommit: number
  readonly #compressed: boolean | readonly string[]
  readonly #listener: SimulatedWorldOptions['listener']
  readonly #people = new Map<string, Person>()
  #settings: Settings
  #now: Instant = beginning
  #store: MemoryStore
  #appliance: Appliance
  /** Faults that the box reported, or showed in what it sent; a property wants none. */
  readonly faults: string[] = []
  /** The highest CSeq of NOTIFYs that left the box in each dialog, and the branches of all. */
  readonly #notified = new Map<string, { cseq: number; branches: Set<string> }>()
  /** Troubles that the box has told its operator of, and that they are over, in order. */
  readonly alarms: string[] = []
  readonly #cutUntil = new Map<string, Instant>()
  #exchanges = 0
  restarts = 0
  /** What went over the network, read by others than those who wrote it. */
  readonly wire = new WireTap()

  constructor(options: SimulatedWorldOptions) {
    this.#deathAtCommit = options.deathAtCommit ?? 0
    this.#compressed = options.compressed ?? false
    this.#listener = options.listener
    this.random = new SeededRandom(options.seed)
    this.network = new Network(this.random, options.weather ?? fair)
    this.http = new HttpNetwork(this.network, this.random)
    this.#store = openMemoryStore({ now: () => this.#now })
    this.#settings = this.#store.transact(db => {
      for (const [name, value] of [['presence.minNotifyIntervalSeconds', '0'], ...(options.settings ?? [])] as const)
        putSetting(db, settingName(name), value)
      return readSettings(db)
    })
    this.#appliance = this.#start()
  }

  get store(): MemoryStore {
    return this.#store
  }

  now(): Instant {
    return this.#now
  }

  /** How many records the store holds, by table, beyond the accounts of its users, their documents and the settings. */
  leftovers(): Record<string, number> {
    const kept = ['accounts', 'management-tree', 'xdm-documents', 'rls-service-uris', 'xdm-templates', 'xdm-furnished']
    return Object.fromEntries(Object.entries(this.#store.counts()).filter(([name]) => !kept.includes(name)))
  }

  /** No more deaths at commits, and nobody is cut off. */
  calm(): void {
    this.#deathAtCommit = 0
    for (const where of this.#cutUntil.keys()) this.network.cut.delete(where)
    this.#cutUntil.clear()
  }

  person(name: string): Person {
    const known = this.#people.get(name)
    if (known) return known
    const aor = `sip:${name.toLowerCase()}@${this.#settings.domain}`
    const password = `secret of ${name}`
    this.#administer('user add', { address: aor, password })
    const agent = new Registrant({
      name,
      aor,
      password,
      local: { address: `10.0.1.${this.#people.size + 1}`, port: 5060 },
      box,
      random: this.random,
      compresses: typeof this.#compressed === 'boolean' ? this.#compressed : this.#compressed.includes(name),
    })
    const person: Person = { aor, agent, source: new PresenceSource(agent), watcher: new Watcher(agent) }
    this.#people.set(name, person)
    return person
  }

  people(): Iterable<Person> {
    return this.#people.values()
  }

  async until(condition: () => boolean, withinMs: number): Promise<boolean> {
    const end = this.#now + withinMs
    await this.#settle()
    while (!condition()) {
      const next = this.#next()
      if (next === undefined || next > end) {
        this.#now = end
        return condition()
      }
      await this.#step(next)
    }
    return true
  }

  async quiet(): Promise<void> {
    await this.until(() => false, 64 * 500)
  }

  async pass(milliseconds: number): Promise<void> {
    await this.until(() => false, milliseconds)
  }

  async restart(): Promise<void> {
    await this.#settle()
    this.#die()
  }

  /** No datagram reaches or leaves somebody for so long: the network is partitioned (`calm` joins it). */
  partition({ agent }: Person, milliseconds: number): void {
    this.#cutUntil.set(place(agent.options.local), this.#now + milliseconds)
    this.network.cut.add(place(agent.options.local))
  }

  /** The clock jumps forward, as on a board that learns the time late: everything that was due meanwhile is due at once. */
  async jump(milliseconds: number): Promise<void> {
    await this.#settle()
    await this.#step(this.#now + milliseconds)
  }

  /** Takes somebody's account away, as the operator does. */
  async removeUser(name: string): Promise<void> {
    this.#administer('user remove', { address: this.person(name).aor })
    await this.quiet()
  }

  async set(name: string, value: string): Promise<void> {
    this.#administer('settings set', { name, value })
    this.#settings = this.#store.transact(db => readSettings(db, new Map(), this.#settings))
    await this.#settle()
  }

  async put(name: string, target: string, type: string, body: string): Promise<number> {
    const { agent } = this.person(name)
    const headers = { host: this.#settings.domain, 'content-type': type }
    let answer = this.#http('PUT', target, headers, body)
    if (answer.status === 401) {
      const authorization = answerChallenge([answer.headers['WWW-Authenticate'] ?? ''].flat(), {
        username: name.toLowerCase(),
        password: agent.options.password,
        method: 'PUT',
        uri: target,
        cnonce: 'c',
        nonceCount: 1,
      })
      answer = this.#http('PUT', target, { ...headers, authorization }, body)
    }
    await this.#settle()
    return answer.status
  }

  #http(method: string, target: string, headers: Record<string, string>, body: string): HttpResponse {
    const request = {
      method,
      target,
      headers,
      body: Buffer.from(body),
      source: { address: '10.0.1.1', isSecure: true },
    }
    const answer = this.#appliance.http(request, `put ${this.#exchanges++}`, this.#now)
    if (answer === undefined) throw new Error(`${method} ${target} was not answered at once`)
    return answer
  }

  #administer(command: string, given: Record<string, unknown>): void {
    administer({ appliance: this.#appliance, overrides: new Map() }, command, given, this.#now)
  }

  #start(): Appliance {
    const appliance = new Appliance({
      store: this.#store,
      random: this.random,
      settings: () => this.#settings,
      secret: 'the secret of the simulated box',
      listening: [{ transport: 'udp', address: box.address, port: box.port }],
      log: {
        fault: (where, error) => this.faults.push(`${where}: ${(error as Error).stack}`),
        alarm: (name, text) => this.alarms.push(text === undefined ? `over: ${name}` : `${name}: ${text}`),
      },
    })
    appliance.start(this.#now)
    return appliance
  }

  /** The process ends as `kill -9` ends it, and a new one starts on what was committed. */
  #die(): void {
    this.restarts++
    this.http.forget()
    this.#store = this.#store.crash()
    this.#appliance = this.#start()
  }

  #next(): Instant | undefined {
    let next = this.network.next()
    const consider = (at: Instant | undefined): void => {
      if (at !== undefined && (next === undefined || at < next)) next = at
    }
    consider(this.http.next())
    consider(this.#appliance.deadline())
    for (const { agent } of this.#people.values()) consider(agent.deadline())
    return next
  }

  async #step(at: Instant): Promise<void> {
    this.#now = Math.max(this.#now, at)
    for (const [where, until] of this.#cutUntil) {
      if (until > this.#now) continue
      this.network.cut.delete(where)
      this.#cutUntil.delete(where)
    }
    for (let datagram = this.network.arrive(this.#now); datagram; datagram = this.network.arrive(this.#now)) {
      const flow = flowBetween(datagram.to, datagram.from)
      if (datagram.to === place(box)) this.#appliance.receive(datagram.bytes, flow, this.#now)
      else this.#agentAt(datagram.to)?.receive(datagram.bytes, flow, this.#now)
      await this.#settle()
    }
    for (let done = this.http.arrive(this.#now); done; done = this.http.arrive(this.#now)) {
      this.#appliance.answered(done.token, done.answer, this.#now)
      await this.#settle()
    }
    this.#appliance.expire(this.#now)
    for (const { agent } of this.#people.values()) agent.expire(this.#now)
    await this.#settle()
  }

  /** Lets everything leave that wants to. */
  async #settle(): Promise<void> {
    for (const { agent } of this.#people.values()) this.#transmit(agent.transmits())
    while (this.#appliance.pending()) {
      const batch = await this.#appliance.commit(this.#now)
      if (this.random.chance(this.#deathAtCommit)) this.#die()
      else this.#transmit(this.#appliance.release(batch, this.#now))
    }
  }

  #transmit(transmits: readonly Transmit[]): void {
    for (const transmit of transmits) {
      if (transmit.kind === 'http') {
        this.http.send(transmit.token, transmit.request, this.#now)
        continue
      }
      if (transmit.kind !== 'send') throw new Error(`a simulated world has datagrams only, not ${transmit.kind}`)
      const flow = udpFlow(transmit.flow)
      this.#watch(transmit.bytes)
      if (!flow) throw new Error(`no flow ${transmit.flow}`)
      const from = place({ address: flow.localAddress, port: flow.localPort })
      const to = place({ address: flow.remoteAddress, port: flow.remotePort })
      this.#listener?.(transmit.bytes, from, to)
      this.network.send(from, to, transmit.bytes, this.#now)
    }
  }

  /** In each dialog the CSeq of NOTIFYs only grows; only a retransmission has the same again (RFC 3261 §12.2.1.1). */
  #watch(octets: Buffer): void {
    let bytes: Buffer | undefined
    try {
      bytes = this.wire.text(octets)
    } catch {
      this.wire.unreadable++
    }
    if (bytes === undefined || !bytes.subarray(0, 7).equals(notify)) return
    const request = parseMessage(bytes)
    const dialog = `${request.callId} ${request.fromTag} ${request.toTag}`
    const [cseq, branch] = [request.cseq.number, request.topVia.params.get('branch') ?? '']
    const known = this.#notified.get(dialog) ?? { cseq: -1, branches: new Set() }
    if (known.branches.has(branch)) return
    if (cseq <= known.cseq) this.faults.push(`a new NOTIFY with CSeq ${cseq} after ${known.cseq} in dialog ${dialog}`)
    known.branches.add(branch)
    this.#notified.set(dialog, { cseq: Math.max(cseq, known.cseq), branches: known.branches })
  }

  #agentAt(where: string): Registrant | undefined {
    for (const { agent } of this.#people.values()) if (place(agent.options.local) === where) return agent
    return undefined
  }
}

function place({ address, port }: { address: string; port: number }): string {
  return `${address}:${port}`
}

function flowBetween(local: string, remote: string): Flow {
  const [localAddress, localPort] = local.split(':') as [string, string]
  const [remoteAddress, remotePort] = remote.split(':') as [string, string]
  return udpFlow(udpFlowId(localAddress, Number(localPort), remoteAddress, Number(remotePort)))!
}
