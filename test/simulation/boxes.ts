/**
 * Several boxes, each with a domain of its own, on one seeded network: laboratories (`auth.required` false) that reach each
 * other by routes the test gives. Handsets belong to a domain.
 */

import { Appliance, type Transmit } from '../../src/appliance.ts'
import { type MemoryStore, openMemoryStore } from '../../src/platform/storage/memory.ts'
import { type Flow, udpFlow, udpFlowId } from '../../src/protocols/sip/flow.ts'
import type { SipRequest } from '../../src/protocols/sip/message.ts'
import { parseMessage } from '../../src/protocols/sip/parse.ts'
import type { SettingName } from '../../src/settings/table.ts'
import { defaultSettings } from '../../src/settings.ts'
import type { Instant } from '../../src/turn.ts'
import { PresenceSource } from '../actors/presence-source.ts'
import { Registrant } from '../actors/registrant.ts'
import { UserAgent } from '../actors/user-agent.ts'
import { Watcher } from '../actors/watcher.ts'
import type { Person } from '../flows/world.ts'
import { fair, Network, type Weather } from './network.ts'
import { SeededRandom } from './random.ts'

interface Box {
  readonly domain: string
  readonly address: string
  store: MemoryStore
  appliance: Appliance
}

const beginning: Instant = Date.UTC(2026, 0, 1)

export class Boxes {
  readonly network: Network
  readonly faults: string[] = []
  /** Requests on the wire, those sent again included. */
  readonly seen: SipRequest[] = []
  readonly #random: SeededRandom
  readonly #boxes = new Map<string, Box>()
  readonly #people = new Map<string, Person>()
  readonly #peers = new Map<string, UserAgent>()
  /** Domains that lead to something else than a box. */
  readonly routes = new Map<string, string>()
  #now: Instant = beginning

  constructor(
    seed: number,
    domains: readonly string[],
    settings: Partial<Record<SettingName, string | number | boolean>> = {},
    weather: Weather = fair,
  ) {
    this.#random = new SeededRandom(seed)
    this.network = new Network(this.#random, weather)
    for (const [at, domain] of domains.entries()) {
      const address = `10.0.${at}.1`
      this.routes.set(domain, address)
      const store = openMemoryStore({ now: () => this.#now })
      this.#boxes.set(domain, { domain, address, store, appliance: this.#start(domain, address, store, settings) })
    }
  }

  now(): Instant {
    return this.#now
  }

  /** `alice@a.example`: somebody with a handset at the box of that domain. */
  person(name: string): Person {
    const known = this.#people.get(name)
    if (known !== undefined) return known
    const domain = name.slice(name.indexOf('@') + 1)
    const agent = new Registrant({
      name: name.replace('@', '-at-'),
      aor: `sip:${name}`,
      password: 'of a laboratory',
      local: { address: `10.1.0.${this.#people.size + 1}`, port: 5060 },
      box: { address: this.#boxes.get(domain)!.address, port: 5060 },
      random: this.#random,
    })
    const person = { aor: `sip:${name}`, agent, source: new PresenceSource(agent), watcher: new Watcher(agent) }
    this.#people.set(name, person)
    return person
  }

  /** A user agent that serves a whole domain: a server of somebody else's, as a test wants it. */
  peer(domain: string): UserAgent {
    const address = `10.2.0.${this.#peers.size + 1}`
    const agent = new UserAgent({
      name: domain,
      aor: `sip:server@${domain}`,
      password: '',
      local: { address, port: 5060 },
      box: { address: this.#boxes.values().next().value!.address, port: 5060 },
      random: this.#random,
    })
    this.routes.set(domain, address)
    this.#peers.set(domain, agent)
    return agent
  }

  async put(domain: string, target: string, type: string, body: string): Promise<number> {
    const request = {
      method: 'PUT',
      target,
      headers: { host: domain, 'content-type': type },
      body: Buffer.from(body),
      source: { address: '10.0.9.9', isSecure: true },
    }
    const answer = this.#boxes.get(domain)!.appliance.http(request, `put ${this.#random.token(9)}`, this.#now)
    await this.#settle()
    return answer!.status
  }

  /** Kills a box as `kill -9` does, and starts it again. */
  async restart(domain: string): Promise<void> {
    await this.#settle()
    const box = this.#boxes.get(domain)!
    box.store = box.store.crash()
    box.appliance = this.#start(domain, box.address, box.store, this.#settingsOf.get(domain)!)
  }

  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds
    await this.#settle()
    for (let next = this.#next(); next !== undefined && next <= end; next = this.#next()) await this.#step(next)
    this.#now = end
  }

  leftovers(domain: string): Record<string, number> {
    const kept = ['xdm-documents', 'rls-service-uris', 'xdm-furnished', 'xdm-templates']
    const counts = Object.entries(this.#boxes.get(domain)!.store.counts())
    return Object.fromEntries(counts.filter(([name]) => !kept.includes(name)))
  }

  readonly #settingsOf = new Map<string, Partial<Record<SettingName, string | number | boolean>>>()

  #start(
    domain: string,
    address: string,
    store: MemoryStore,
    given: Partial<Record<SettingName, string | number | boolean>>,
  ): Appliance {
    this.#settingsOf.set(domain, given)
    const settings = defaultSettings({
      domain,
      'auth.required': false,
      'presence.defaultHandling': 'allow',
      'presence.minNotifyIntervalSeconds': 0,
      'lists.openTo': 'everybody',
      'xcap.defaultDocuments': false,
      'sigcomp.enabled': false,
      ...given,
    })
    const appliance = new Appliance({
      store,
      random: this.#random,
      settings: () => settings,
      secret: `the secret of ${domain}`,
      listening: [{ transport: 'udp', address, port: 5060 }],
      log: {
        fault: (where, error) => this.faults.push(`${domain} ${where}: ${(error as Error).stack}`),
        alarm: () => {},
      },
      routeTo: to => {
        const next = this.routes.get(to)
        return next === undefined ? undefined : [`<sip:${next}:5060;lr>`]
      },
    })
    appliance.start(this.#now)
    return appliance
  }

  *#agents(): Iterable<UserAgent> {
    for (const { agent } of this.#people.values()) yield agent
    yield* this.#peers.values()
  }

  #next(): Instant | undefined {
    const instants = [this.network.next()]
    for (const { appliance } of this.#boxes.values()) instants.push(appliance.deadline())
    for (const agent of this.#agents()) instants.push(agent.deadline())
    const known = instants.filter(at => at !== undefined)
    return known.length === 0 ? undefined : Math.min(...known)
  }

  async #step(at: Instant): Promise<void> {
    this.#now = Math.max(this.#now, at)
    for (let datagram = this.network.arrive(this.#now); datagram; datagram = this.network.arrive(this.#now)) {
      const flow = flowBetween(datagram.to, datagram.from)
      for (const { address, appliance } of this.#boxes.values())
        if (datagram.to === `${address}:5060`) appliance.receive(datagram.bytes, flow, this.#now)
      for (const agent of this.#agents())
        if (datagram.to === `${agent.options.local.address}:5060`) agent.receive(datagram.bytes, flow, this.#now)
      await this.#settle()
    }
    for (const { appliance } of this.#boxes.values()) appliance.expire(this.#now)
    for (const agent of this.#agents()) agent.expire(this.#now)
    await this.#settle()
  }

  async #settle(): Promise<void> {
    for (const agent of this.#agents()) this.#transmit(agent.transmits())
    for (const { appliance } of this.#boxes.values())
      while (appliance.pending()) this.#transmit(appliance.release(await appliance.commit(this.#now), this.#now))
  }

  #transmit(transmits: readonly Transmit[]): void {
    for (const transmit of transmits) {
      if (transmit.kind !== 'send') throw new Error(`a simulated world has datagrams only, not ${transmit.kind}`)
      const flow = udpFlow(transmit.flow)!
      const message = parseMessage(transmit.bytes)
      if ('method' in message) this.seen.push(message)
      const [from, to] = [`${flow.localAddress}:${flow.localPort}`, `${flow.remoteAddress}:${flow.remotePort}`]
      this.network.send(from, to, transmit.bytes, this.#now)
    }
  }
}

function flowBetween(local: string, remote: string): Flow {
  const [localAddress, localPort] = local.split(':') as [string, string]
  const [remoteAddress, remotePort] = remote.split(':') as [string, string]
  return udpFlow(udpFlowId(localAddress, Number(localPort), remoteAddress, Number(remotePort)))!
}
