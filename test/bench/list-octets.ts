/**
 * Octets on the wire for the handset of somebody with fifty buddies, in a day: each buddy subscribed to alone with whole
 * documents, then a list with whole documents, with partial ones (RFC 5263), and with conditional refreshes (RFC 5839) besides;
 * and what a handset on a thin link may ask for beyond: deflated bodies, compact header names, fewer NOTIFYs (RFC 6446), SigComp.
 * SIP both ways, at the handset, as UDP carries it, counted in a simulated world; every run ends with the same view.
 */

import { encodeKey } from '../../src/platform/storage/key.ts'
import { encodeValue, Shapes } from '../../src/platform/storage/value.ts'
import { table } from '../../src/turn.ts'
import { putList, putServices } from '../actors/list-owner.ts'
import type { Person } from '../flows/world.ts'
import { SeededRandom } from '../simulation/random.ts'
import { SimulatedWorld } from '../simulation/world.ts'
import { markOf } from './users.ts'

export type ListOctets = {
  readonly alone: number
  /** Alone as well, with partial documents, and with conditional refreshes besides. */
  readonly alonePartial: number
  readonly aloneConditional: number
  readonly list: number
  readonly partial: number
  readonly conditional: number
  /** Partial and conditional, and more. */
  readonly compact: number
  readonly deflated: number
  /**
   * One NOTIFY in so long at most. A refresh that finds something not yet told is answered with the full state (RFC 4662 §5.2),
   * which a handset that waits with it for the next NOTIFY spares.
   */
  readonly everyMinute: number
  readonly everyMinuteBehind: number
  readonly everyFiveMinutes: number
  readonly everyFiveMinutesBehind: number
  /** By SigComp: whole documents, and partial and conditional. */
  readonly compressedList: number
  readonly compressedConditional: number
  readonly changes: number
  /** What the store keeps of what one watcher was told of one member, beyond the views, which watchers share. */
  readonly base: number
}

const buddies = 50
/** Of one buddy in a day: on the phone, in a meeting, at lunch, and back. */
const changesOfOne = 20
const refreshSeconds = 3600
/** When a subscription is refreshed that lasts an hour, and how long that may wait. */
const mostOfHourMs = 3_240_000
const mostDelayMs = 240_000

interface Ways {
  readonly toList: boolean
  readonly partial?: boolean
  readonly conditional?: boolean
  readonly deflated?: boolean
  /** The handset writes compact forms of header names (RFC 3261 §7.3.3), and so does the box to it. */
  readonly compact?: boolean
  /** Seconds between two NOTIFYs at least, as the handset asks for (RFC 6446 §5). */
  readonly everySeconds?: number
  /** The handset waits with a refresh for the next NOTIFY, as long as it can: then there is nothing it does not know. */
  readonly behindNotify?: boolean
  readonly compressed?: boolean
}

export async function measureListOctets(): Promise<ListOctets> {
  const bases: number[] = []
  const conditional = { toList: true, partial: true, conditional: true }
  return {
    alone: await day({ toList: false }),
    alonePartial: await day({ toList: false, partial: true }),
    aloneConditional: await day({ toList: false, partial: true, conditional: true }),
    list: await day({ toList: true }),
    partial: await day({ toList: true, partial: true }),
    conditional: await day(conditional, ({ store }) => bases.push(...basesIn(store))),
    compact: await day({ ...conditional, compact: true }),
    deflated: await day({ ...conditional, deflated: true }),
    everyMinute: await day({ ...conditional, everySeconds: 60 }),
    everyMinuteBehind: await day({ ...conditional, everySeconds: 60, behindNotify: true }),
    everyFiveMinutes: await day({ ...conditional, everySeconds: 300 }),
    everyFiveMinutesBehind: await day({ ...conditional, everySeconds: 300, behindNotify: true }),
    compressedList: await day({ toList: true, compressed: true }),
    compressedConditional: await day({ ...conditional, compressed: true }),
    changes: buddies * changesOfOne,
    base: Math.max(...bases),
  }
}

/** What handsets of RCS publish: the services they have, which stay, and a person whose availability and note change. */
function documentOf(user: number, version: number): string {
  const services = ['session', 'ft', 'vs', 'is', 'lm', 'sp'].map(
    (name, at) =>
      `<tuple id="s${at}"><status><basic>open</basic></status><op:service-description><op:service-id>org.3gpp.urn:urn-7:3gpp-application.ims.iari.rcse.${name}</op:service-id><op:version>1.0</op:version></op:service-description><contact>sip:u${user}@box.example</contact></tuple>`,
  )
  const person =
    `<pdm:person id="p1"><op:overriding-willingness><op:basic>${version % 2 === 0 ? 'open' : 'closed'}</op:basic></op:overriding-willingness>` +
    `<rpid:status-icon opd:etag="26362" opd:fsize="9500" opd:contenttype="image/png" opd:resolution="50x50">https://xcap.box.example/xcap-root/org.openmobilealliance.pres-content/users/sip:u${user}@box.example/oma_status-icon/rcs_status_icon</rpid:status-icon>` +
    `<rpid:time-offset>120</rpid:time-offset><c:homepage>http://www.box.example/~u${user}</c:homepage><pdm:note>${markOf(user, version)}</pdm:note><pdm:timestamp>2026-11-20T12:00:00Z</pdm:timestamp></pdm:person>`
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:op="urn:oma:xml:prs:pidf:oma-pres" xmlns:opd="urn:oma:xml:pde:pidf:ext" xmlns:pdm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" xmlns:c="urn:ietf:params:xml:ns:pidf:cipid" entity="sip:u${user}@box.example">` +
    `${services.join('')}${person}</presence>`
  )
}

/** Octets of key and value of what each member was told, in the store. */
function basesIn(store: SimulatedWorld['store']): number[] {
  const shapes = new Shapes()
  return store.transact(db =>
    [...db.range(table('list told', 'soft'), {})].map(
      ([key, value]) => encodeKey('', key).length + encodeValue(value, shapes).length,
    ),
  )
}

/** The octets of one day of the watcher; `seen` is shown the world at its end. */
async function day(ways: Ways, seen?: (world: SimulatedWorld) => void): Promise<number> {
  const world = new SimulatedWorld({
    seed: 42,
    settings: [['presence.minNotifyIntervalSeconds', '5']],
    compressed: ways.compressed ? ['Watcher'] : false,
  })
  const watcher = world.person('Watcher')
  watcher.agent.abbreviates = ways.compact ?? false
  const people = Array.from({ length: buddies }, (_, at) => world.person(`u${at}`))
  const versions = people.map(() => 0)
  const tags: (string | undefined)[] = people.map(() => undefined)
  const publish = async (at: number): Promise<void> => {
    const tag = tags[at]
    const exchange = people[at]!.agent.send(
      'PUBLISH',
      people[at]!.aor,
      [
        ['Event', 'presence'],
        ['Expires', '86400'],
        ['Content-Type', 'application/pidf+xml'],
        ...(tag === undefined ? [] : ([['SIP-If-Match', tag]] as const)),
      ],
      world.now(),
      documentOf(at, ++versions[at]!),
    )
    await world.pass(2_000)
    if (exchange.final?.status !== 200) throw new Error(`PUBLISH was answered ${exchange.final?.status}`)
    tags[at] = exchange.final.header('SIP-ETag')
  }
  for (const at of people.keys()) await publish(at)
  if (ways.toList) {
    await putList(
      world,
      'Watcher',
      people.map(({ aor }) => aor),
    )
    await putServices(world, 'Watcher', [{ uri: listOf(watcher) }])
  }
  const octets = counted(watcher)
  const subscriptions = subscribe(world, watcher, people, ways)
  await world.pass(60_000)

  const random = new SeededRandom(7)
  const dayMs = 86_400_000
  const events = [
    ...Array.from({ length: buddies * changesOfOne }, () => ({
      at: random.below(dayMs - 600_000),
      buddy: random.below(buddies),
    })),
    ...Array.from({ length: Math.floor(dayMs / (refreshSeconds * 1000)) }, (_, hour) => ({
      at: hour * refreshSeconds * 1000 + mostOfHourMs,
      buddy: -1,
    })),
  ].sort((a, b) => a.at - b.at)
  const begun = world.now()
  let refreshedAt = begun
  const isDue = () => {
    const since = world.now() - refreshedAt
    const toldAt = subscriptions[0]!.notifications.at(-1)!.at - refreshedAt
    return since >= mostOfHourMs && (toldAt >= mostOfHourMs || since >= mostOfHourMs + mostDelayMs)
  }
  const refresh = (): void => {
    refreshedAt = world.now()
    for (const subscription of subscriptions) {
      const known = ways.conditional ? lastTag(watcher, subscription.callId) : undefined
      const condition = known === undefined ? [] : ([['Suppress-If-Match', known]] as const)
      watcher.watcher.refresh(subscription, refreshSeconds, world.now(), [...codings(ways), ...condition])
    }
  }
  const until = async (at: number): Promise<void> => {
    while (ways.behindNotify && world.now() < at) {
      await world.until(isDue, Math.min(at, refreshedAt + mostOfHourMs + mostDelayMs) - world.now())
      if (isDue()) refresh()
    }
    if (world.now() < at) await world.pass(at - world.now())
  }
  for (const { at, buddy } of events) {
    await until(begun + at)
    if (buddy >= 0) await publish(buddy)
    else if (!ways.behindNotify) refresh()
  }
  await until(world.now() + 600_000)
  for (const { faults } of subscriptions) if (faults.length > 0) throw new Error(faults.join('; '))
  for (const [at, person] of people.entries()) check(ways, subscriptions, at, person, versions[at]!)
  seen?.(world)
  return octets()
}

function subscribe(world: SimulatedWorld, { aor, watcher }: Person, people: readonly Person[], ways: Ways) {
  const partial = ways.partial ?? false
  if (!ways.toList)
    return people.map(({ aor: buddy }) =>
      watcher.subscribe(buddy, 'presence', refreshSeconds, world.now(), { partial }),
    )
  const types = `multipart/related, application/rlmi+xml, application/pidf+xml${ways.partial ? ', application/pidf-diff+xml' : ''}`
  const uri = `${aor};pres-list=rcs`
  return [
    watcher.subscribe(uri, 'presence', refreshSeconds, world.now(), {
      toList: true,
      accept: types,
      headers: codings(ways),
      ...(ways.everySeconds === undefined ? {} : { rate: `max-rate=${(1 / ways.everySeconds).toFixed(10)}` }),
    }),
  ]
}

function codings({ deflated }: Ways) {
  return deflated ? ([['Accept-Encoding', 'deflate']] as const) : []
}

/** The watcher has ended with the latest of everybody. */
function check(
  ways: Ways,
  subscriptions: ReturnType<typeof subscribe>,
  at: number,
  { aor }: Person,
  version: number,
): void {
  const row = subscriptions[0]!.list?.rows.get(aor)
  const body = ways.toList
    ? (row?.view?.canonical ?? row?.instances[0]?.body ?? '')
    : (subscriptions[at]!.partial?.canonical ?? subscriptions[at]!.notifications.at(-1)?.body ?? '')
  if (!body.includes(markOf(at, version)))
    throw new Error(`the watcher ended with another state of ${aor} than version ${version}: ${body}`)
}

function listOf({ aor }: Person): string {
  return `${aor};pres-list=rcs`
}

function lastTag({ agent }: Person, of: string): string | undefined {
  return agent.received.findLast(({ method, callId }) => method === 'NOTIFY' && callId === of)?.header('SIP-ETag')
}

/** Counts what a handset sends and receives from now on. */
function counted({ agent }: Person): () => number {
  let octets = 0
  const [receive, transmits] = [agent.receive.bind(agent), agent.transmits.bind(agent)]
  agent.receive = (bytes, flow, now) => {
    octets += bytes.length
    receive(bytes, flow, now)
  }
  agent.transmits = () => {
    const all = transmits()
    for (const one of all) if (one.kind === 'send') octets += one.bytes.length
    return all
  }
  return () => octets
}
