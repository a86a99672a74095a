/** What is measured: each scenario drives one server and returns figures by name; all of them leave it as they found it. */

import { HttpLoadClient } from './http-load.ts'
import { ListOwner } from './list-owners.ts'
import { closedLoop, LoadClient, type LoopResult } from './load.ts'
import { cpuNanoseconds, readCpu } from './process-cost.ts'
import { RulesOwner } from './rules-owner.ts'
import type { Server } from './server.ts'
import { PresenceSource, UserAgent, Watcher } from './users.ts'

export type Sizes = {
  /** Operations under way at once. */
  readonly window: number
  /** Presentities that hold a publication during the run. */
  readonly presentities: number
  readonly publications: number
  readonly subscriptions: number
  /** Watchers of the one presentity of the fan-out, and how often it changes. */
  readonly watchers: number
  readonly changes: number
  /** Watchers of the one presentity whose rules make classes of them, and how often he changes. */
  readonly ruledWatchers: number
  readonly ruledChanges: number
  readonly registrations: number
  /** Users that keep a contact list, and how often it is read or written by each kind of request. */
  readonly listOwners: number
  readonly listRequests: number
}

export const fullSizes: Sizes = {
  window: 64,
  presentities: 2_000,
  publications: 20_000,
  subscriptions: 6_000,
  watchers: 200,
  changes: 75,
  ruledWatchers: 1_000,
  ruledChanges: 20,
  registrations: 6_000,
  listOwners: 2_000,
  listRequests: 20_000,
}

export const quickSizes: Sizes = {
  window: 64,
  presentities: 500,
  publications: 4_000,
  subscriptions: 1_500,
  watchers: 100,
  changes: 20,
  ruledWatchers: 1_000,
  ruledChanges: 5,
  registrations: 1_500,
  listOwners: 500,
  listRequests: 2_000,
}

/** Enough for a just-in-time compiler to have seen every path often. */
export const warmUpSizes: Sizes = {
  ...quickSizes,
  publications: 10_000,
  subscriptions: 3_000,
  changes: 50,
  registrations: 5_000,
  listRequests: 5_000,
}

/** One measured stretch: server CPU per operation, and what its users saw. */
export type Figure = {
  readonly name: string
  readonly operations: number
  readonly cpuMicroseconds: number
  readonly perSecond: number
  readonly medianMs: number
  readonly p99Ms: number
  /** Requests sent again because no answer came in time. */
  readonly retransmissions: number
  /** Operations that were not answered as the standard demands, and the first reason. */
  readonly faults: number
  readonly firstFault?: string
}

const scenarios = {
  publish: publishing,
  subscribe: subscribing,
  'fan-out': fanOut,
  rules: ruledFanOut,
  register: registering,
  xcap: managingLists,
}

export const scenarioNames = Object.keys(scenarios)

/**
 * Measures everything once on a running server, or `only` the scenarios named, and appends to `figures`. `run` tells this
 * round's Call-IDs from the last one's.
 */
export async function measureRound(
  server: Server,
  sizes: Sizes,
  run: string,
  figures: Figure[],
  only: readonly string[] = scenarioNames,
): Promise<void> {
  const client = await LoadClient.open({ address: '127.0.0.1', port: server.port })
  const meter = new Meter(server, client, figures, sizes === warmUpSizes ? 0 : server.settleMs)
  try {
    for (const [name, scenario] of Object.entries(scenarios))
      if (only.includes(name)) await scenario(client, meter, sizes, run)
  } finally {
    client.close()
  }
}

/** PUBLISH: first publications, then modifications with a 700-octet body, one at a time too, then refreshes without body. */
async function publishing(client: LoadClient, meter: Meter, sizes: Sizes, run: string): Promise<void> {
  const { window, publications } = sizes
  const sources = Array.from({ length: sizes.presentities }, (_, user) => new PresenceSource(client, user, run))
  const source = (index: number) => sources[index % sources.length]!
  await meter.measure('publish-initial', sources.length, () =>
    closedLoop(sources.length, window, index => source(index).publish()),
  )
  await meter.measure('publish-modify', publications, () =>
    closedLoop(publications, window, index => source(index).publish()),
  )
  await meter.measure('publish-refresh', publications / 2, () =>
    closedLoop(publications / 2, window, index => source(index).refresh()),
  )
  await meter.measure('publish-alone', publications / 10, () =>
    closedLoop(publications / 10, 1, index => source(index).publish()),
  )
  await closedLoop(sources.length, window, index => source(index).remove())
}

/** SUBSCRIBE with its NOTIFY: new subscriptions, refreshes, and ends; each presentity has one publication. */
async function subscribing(client: LoadClient, meter: Meter, sizes: Sizes, run: string): Promise<void> {
  const { window, subscriptions } = sizes
  const sources = Array.from({ length: sizes.presentities }, (_, user) => new PresenceSource(client, user, `s${run}`))
  await closedLoop(sources.length, window, index => sources[index]!.publish())
  const watchers = Array.from(
    { length: subscriptions },
    (_, index) => new Watcher(client, index % sources.length, Math.floor(index / sources.length), run),
  )
  await meter.measure('subscribe', subscriptions, () =>
    closedLoop(subscriptions, window, index => watchers[index]!.subscribe()),
  )
  await meter.measure('subscribe-refresh', subscriptions, () =>
    closedLoop(subscriptions, window, index => watchers[index]!.subscribe()),
  )
  await meter.measure('unsubscribe', subscriptions, () =>
    closedLoop(subscriptions, window, index => watchers[index]!.unsubscribe()),
  )
  await closedLoop(sources.length, window, index => sources[index]!.remove())
}

/** One presentity, many watchers: each change is published when all have seen the one before. Per NOTIFY, PUBLISH included. */
async function fanOut(client: LoadClient, meter: Meter, sizes: Sizes, run: string): Promise<void> {
  const { window, watchers: count, changes } = sizes
  const source = new PresenceSource(client, 0, `f${run}`)
  await source.publish()
  const watchers = Array.from({ length: count }, (_, index) => new Watcher(client, 0, index, `f${run}`))
  await closedLoop(count, window, index => watchers[index]!.subscribe())
  await meter.measure('fan-out', changes * count, () =>
    closedLoop(changes, 1, async () => {
      const seen = watchers.map(watcher => watcher.sees(source.version + 1))
      await Promise.all([source.publish(), ...seen])
    }),
  )
  await closedLoop(count, window, index => watchers[index]!.unsubscribe())
  await source.remove()
}

/**
 * The same for 1,000 watchers, first of a presentity without rules, then of one whose rules make ten classes of them. Whole
 * PUBLISHes with all their NOTIFYs.
 */
async function ruledFanOut(client: LoadClient, meter: Meter, sizes: Sizes, run: string): Promise<void> {
  if (!meter.server.obeysRules) return
  const { window, ruledWatchers: count, ruledChanges: changes } = sizes
  const http = await HttpLoadClient.open(meter.server.httpPort, 1)
  const rules = new RulesOwner(http, 0)
  const source = new PresenceSource(client, 0, `z${run}`)
  await rules.remove()
  await source.publish()
  const watchers = Array.from({ length: count }, (_, index) => new Watcher(client, 0, index + 1, `z${run}`))
  const change = async () => {
    const seen = watchers.map(watcher => watcher.sees(source.version + 1))
    await Promise.all([source.publish(), ...seen])
  }
  const measure = (name: string) => meter.measure(name, changes, () => closedLoop(changes, 1, change))
  try {
    await closedLoop(count, window, index => watchers[index]!.subscribe())
    await change()
    await measure('publish-1000')
    await rules.put(watchers.map((_, index) => index + 1))
    await change()
    await measure('publish-1000-rules')
    await closedLoop(count, window, index => watchers[index]!.unsubscribe())
    await rules.remove()
    await source.remove()
  } finally {
    http.close()
  }
}

/** REGISTER: first bindings, refreshes, then all are removed. */
async function registering(client: LoadClient, meter: Meter, sizes: Sizes, run: string): Promise<void> {
  const { window, registrations } = sizes
  const agents = Array.from({ length: sizes.presentities }, (_, user) => new UserAgent(client, user, run))
  const agent = (index: number) => agents[index % agents.length]!
  await meter.measure('register', agents.length, () =>
    closedLoop(agents.length, window, index => agent(index).register()),
  )
  await meter.measure('register-refresh', registrations, () =>
    closedLoop(registrations, window, index => agent(index).register()),
  )
  await closedLoop(agents.length, window, index => agent(index).unregister())
}

/** XCAP: contact lists of many users are created, read, asked for when they have not changed, replaced and edited. */
async function managingLists(_client: LoadClient, meter: Meter, sizes: Sizes): Promise<void> {
  if (meter.server.httpPort === 0) return
  const { window, listRequests, listOwners } = sizes
  const client = await HttpLoadClient.open(meter.server.httpPort, window)
  try {
    const owners = Array.from({ length: listOwners }, (_, user) => new ListOwner(client, user))
    const owner = (index: number) => owners[index % owners.length]!
    await meter.measure('xcap-create', listOwners, () => closedLoop(listOwners, window, index => owner(index).put()))
    await meter.measure('xcap-get', listRequests, () => closedLoop(listRequests, window, index => owner(index).get()))
    await meter.measure('xcap-get-304', listRequests, () =>
      closedLoop(listRequests, window, index => owner(index).getUnchanged()),
    )
    await meter.measure('xcap-put', listRequests, () => closedLoop(listRequests, window, index => owner(index).put()))
    await meter.measure('xcap-put-element', listRequests, () =>
      closedLoop(listRequests, window, index => owner(index).putEntry()),
    )
    await meter.measure('xcap-put-alone', listRequests / 10, () =>
      closedLoop(listRequests / 10, 1, index => owner(index).put()),
    )
    const { faults } = await closedLoop(listOwners, window, index => owner(index).get())
    if (faults[0] !== undefined) throw new Error(faults[0])
    await closedLoop(listOwners, window, index => owner(index).remove())
  } finally {
    client.close()
  }
  await provingLists(meter, sizes)
}

/** The same by users who prove who they are with each request. */
async function provingLists(meter: Meter, { window, listRequests, listOwners }: Sizes): Promise<void> {
  const { server } = meter
  server.askForCredentials(true)
  const client = await HttpLoadClient.open(server.digestPort, window)
  try {
    const owners = Array.from({ length: listOwners }, (_, user) => new ListOwner(client, user, true))
    const owner = (index: number) => owners[index % owners.length]!
    await closedLoop(listOwners, window, index => owner(index).put())
    await meter.measure('xcap-get-digest', listRequests, () =>
      closedLoop(listRequests, window, index => owner(index).get()),
    )
    await meter.measure('xcap-put-digest', listRequests / 2, () =>
      closedLoop(listRequests / 2, window, index => owner(index).put()),
    )
    await closedLoop(listOwners, window, index => owner(index).remove())
  } finally {
    client.close()
    server.askForCredentials(false)
  }
}

class Meter {
  readonly #figures: Figure[]
  readonly server: Server
  readonly #client: LoadClient
  readonly #settleMs: number

  constructor(server: Server, client: LoadClient, figures: Figure[], settleMs: number) {
    this.#settleMs = settleMs
    this.#figures = figures
    this.server = server
    this.#client = client
  }

  /** CPU of all the server's processes from just before the first request until its deferred work is done too. */
  async measure(name: string, operations: number, work: () => Promise<LoopResult>): Promise<void> {
    const pids = this.server.pids()
    const retransmissions = this.#client.retransmissions
    const before = readCpu(pids)
    const { latenciesMs, seconds, faults } = await work()
    await new Promise(settled => setTimeout(settled, this.#settleMs))
    const cpuMicroseconds = cpuNanoseconds(before, readCpu(pids)) / 1000 / operations
    const sorted = latenciesMs.sort()
    this.#figures.push({
      name,
      operations,
      cpuMicroseconds,
      perSecond: operations / seconds,
      medianMs: sorted[sorted.length >> 1] ?? 0,
      p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      retransmissions: this.#client.retransmissions - retransmissions,
      faults: faults.length,
      ...(faults[0] === undefined ? {} : { firstFault: faults[0] }),
    })
  }
}
