/**
 * Lists of resources on the box: what a change of one member costs in a list of few and of many, that it costs no more beside
 * ten thousand lists he is not in, what so many subscriptions weigh, and how long they take to be set up.
 */

import { HttpLoadClient } from './http-load.ts'
import { ListWatcher, putList } from './list-watcher.ts'
import { closedLoop, LoadClient } from './load.ts'
import type { Porchlight } from './porchlight.ts'
import { cpuNanoseconds, memoryMebibytes, readCpu } from './process-cost.ts'
import { median } from './report.ts'
import { PresenceSource, Watcher } from './users.ts'

/** Server CPU in µs per operation. */
export type ListChanges = {
  /** PUBLISH of somebody whom nobody watches, and of somebody whom one watches alone. */
  readonly publish: number
  readonly watched: number
  /** The same of somebody in a list, its NOTIFY included: of 50, and of 500. */
  readonly inSmall: number
  readonly inLarge: number
  /** In a list of 50 whose watcher takes partial presence. */
  readonly inPartial: number
  /** One NOTIFY of a fan-out to watchers with equal views: whole documents, and what has changed. */
  readonly wholeNotify: number
  readonly partialNotify: number
  readonly faults: readonly string[]
}

export type ManyLists = {
  /** Change of one in a list of 50, by the number of other lists subscribed to. */
  readonly among: ReadonlyMap<number, number>
  /** Proportional set size with nothing stored, with all documents, and with all subscriptions at rest, MiB. */
  readonly idlePss: number
  readonly documentsPss: number
  readonly storedPss: number
  /** To put the documents of one list, and to subscribe to it: server CPU in µs, and seconds for all. */
  readonly putCpu: number
  readonly putSeconds: number
  readonly subscribeCpu: number
  readonly subscribeSeconds: number
  readonly faults: readonly string[]
}

const membersOfSmall = 50
const membersOfLarge = 500
const window = 64
const rounds = 9
/** So many that each round has its share of what comes now and then: the journal going to the database, old objects being collected. */
const changesPerRound = 4_000
const fanOutTo = 100
const fanOuts = 30
/** Lists of one kind, and so changes under way. */
const atOnce = 8
const wholeType = 'application/pidf+xml'
/** Users beyond the owners of the many lists. */
export const usersBeside = 6_000

/**
 * Changes in some lists of each kind, of an otherwise empty box: one under way in each list. The kinds take turns, so that the
 * machine is the same for all.
 */
export async function measureListChanges(box: Porchlight, lists: number): Promise<ListChanges> {
  const world = await ListWorld.open(box, lists)
  const kinds = {
    publish: range(0, atOnce).map(() => {
      const source = world.source()
      return () => source.publish()
    }),
    watched: await world.each(() => world.fanOut(1, wholeType)),
    inSmall: await world.each(() => world.list(membersOfSmall)),
    inLarge: await world.each(() => world.list(membersOfLarge)),
    inPartial: await world.each(() => world.list(membersOfSmall, true)),
  }
  const figures = await world.costOf(kinds)
  const toMany = {
    whole: [await world.fanOut(fanOutTo, wholeType)],
    changed: [await world.fanOut(fanOutTo, `${wholeType}, application/pidf-diff+xml`)],
  }
  const { whole, changed } = await world.costOf(toMany, fanOuts)
  const { faults } = world
  world.close()
  return {
    ...figures,
    wholeNotify: (whole - figures.publish) / fanOutTo,
    partialNotify: (changed - figures.publish) / fanOutTo,
    faults,
  }
}

/** A list of 50 beside 10, 1,000 and `lists` others, and what these weigh. */
export async function measureManyLists(box: Porchlight, lists: number): Promise<ManyLists> {
  const world = await ListWorld.open(box, lists)
  await rest(3_000)
  const idlePss = memoryMebibytes(box.pids()).pss
  const small = await world.each(() => world.list(membersOfSmall))
  const put = await world.timed(lists, window, index => putList(world.documents, index, neighbours(index, lists)))
  await rest(box.settleMs)
  const documentsPss = memoryMebibytes(box.pids()).pss
  const among = new Map<number, number>()
  let [subscribed, cpu, seconds] = [0, 0, 0]
  for (const others of new Set([Math.min(10, lists), Math.min(1_000, lists), lists])) {
    const first = subscribed
    const next = await world.timed(others - first, 16, index =>
      new ListWatcher(world.client, first + index, world.run).subscribe(),
    )
    cpu += next.cpu * (others - first)
    seconds += next.seconds
    subscribed = others
    // What is still to be flushed of them is not to be counted with the changes.
    await rest(box.settleMs)
    among.set(others, (await world.costOf({ change: small })).change)
  }
  // The transactions of the last 32 s weigh as well, and are not what is stored.
  await rest(34_000)
  const storedPss = memoryMebibytes(box.pids()).pss
  const { faults } = world
  world.close()
  return {
    among,
    idlePss,
    documentsPss,
    storedPss,
    putCpu: put.cpu,
    putSeconds: put.seconds,
    subscribeCpu: cpu / Math.max(lists, 1),
    subscribeSeconds: seconds,
    faults,
  }
}

type Change = () => Promise<void>

class ListWorld {
  readonly client: LoadClient
  readonly documents: HttpLoadClient
  readonly run = String(Date.now())
  readonly faults: string[] = []
  readonly #box: Porchlight
  /** The first user who owns none of the many lists, and is in no other. */
  #next: number

  static async open(box: Porchlight, lists: number): Promise<ListWorld> {
    const client = await LoadClient.open({ address: '127.0.0.1', port: box.port })
    return new ListWorld(box, client, await HttpLoadClient.open(box.httpPort, window), lists)
  }

  private constructor(box: Porchlight, client: LoadClient, documents: HttpLoadClient, first: number) {
    this.#box = box
    this.client = client
    this.documents = documents
    this.#next = first
  }

  close(): void {
    this.documents.close()
    this.client.close()
  }

  source(): PresenceSource {
    return new PresenceSource(this.client, this.#next++, this.run)
  }

  /** As many of one kind as there are changes under way. */
  async each(make: () => Promise<Change>): Promise<Change[]> {
    const changes: Change[] = []
    while (changes.length < atOnce) changes.push(await make())
    return changes
  }

  /** Somebody's list, subscribed to by him: a change of the first in it, until he has been told. */
  async list(size: number, partial = false): Promise<Change> {
    const owner = this.#next++
    const members = range(this.#next, size)
    this.#next += size
    await putList(this.documents, owner, members)
    const watcher = new ListWatcher(this.client, owner, this.run)
    await watcher.subscribe(partial)
    const source = new PresenceSource(this.client, members[0]!, this.run)
    return async () => {
      await Promise.all([source.publish(), watcher.sees(source.user, source.version)])
    }
  }

  /** A PUBLISH of somebody watched by some, until all have been told. */
  async fanOut(size: number, accept: string): Promise<Change> {
    const source = this.source()
    await source.publish()
    const watchers = range(0, size).map(index => new Watcher(this.client, source.user, index, this.run, accept))
    for (const watcher of watchers) await watcher.subscribe()
    return async () => {
      await Promise.all([source.publish(), ...watchers.map(watcher => watcher.sees(source.version))])
    }
  }

  /** Server CPU of each kind of change in µs, those of one kind under way at once: medians of rounds that take turns. */
  async costOf<K extends string>(
    kinds: Readonly<Record<K, readonly Change[]>>,
    perRound = changesPerRound,
  ): Promise<Record<K, number>> {
    const round = async (changes: readonly Change[], count: number) => {
      const each = Math.ceil(count / changes.length)
      const { cpu } = await this.timed(changes.length, changes.length, async at => {
        for (let done = 0; done < each; done++) await changes[at]!()
      })
      return cpu / each
    }
    const figures = new Map<string, number[]>()
    for (const [kind, changes] of Object.entries<readonly Change[]>(kinds)) {
      figures.set(kind, [])
      // Once for the compiler.
      await round(changes, 3 * perRound)
    }
    for (let nth = 0; nth < rounds; nth++)
      for (const [kind, changes] of Object.entries<readonly Change[]>(kinds))
        figures.get(kind)!.push(await round(changes, perRound))
    return Object.fromEntries([...figures].map(([kind, all]) => [kind, median(all)])) as Record<K, number>
  }

  /** Server CPU per operation in µs, and seconds for all of them. */
  async timed(
    count: number,
    underWay: number,
    operation: (index: number) => Promise<void>,
  ): Promise<{ readonly cpu: number; readonly seconds: number }> {
    const before = readCpu(this.#box.pids())
    const { faults, seconds } = await closedLoop(count, underWay, operation)
    this.faults.push(...faults)
    return { cpu: cpuNanoseconds(before, readCpu(this.#box.pids())) / Math.max(count, 1) / 1000, seconds }
  }
}

function neighbours(index: number, lists: number): number[] {
  return range(1, membersOfSmall).map(step => (index + step * 7) % lists)
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => first + at)
}

function rest(ms: number): Promise<void> {
  return new Promise(rested => setTimeout(rested, ms))
}
