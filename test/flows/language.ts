/**
 * The language of `.flow` files: a conversation, one step a line, read by people first. A line that begins with `#` says
 * what the flow shows; `Given NAME is VALUE` changes a setting before it starts. Steps are the rows of `steps` below.
 */

import { putList, putServices } from '../actors/list-owner.ts'
import type { Exchange } from '../actors/user-agent.ts'
import type { Wishes } from '../actors/watcher.ts'
import type { World } from './world.ts'

export interface Step {
  readonly line: number
  readonly text: string
  readonly perform: (world: World) => Promise<void>
}

export interface Flow {
  readonly title: string
  /** Settings given. */
  readonly settings: ReadonlyArray<readonly [name: string, value: string]>
  readonly steps: readonly Step[]
  /** Passes hours or breaks the network: for a world whose time is ours. */
  readonly needsSimulation: boolean
}

/** How long a step waits for what it expects: longer than 64 * T1, when every request has its answer. */
const patienceMs = 40_000

type Perform = (world: World, ...words: (string | undefined)[]) => Promise<void>

const durationPattern = String.raw`(\d+) (second|minute|hour)s?`

/** What somebody wants of what he is told, behind the subscription: `, seeing only notes, at most every 10 seconds`. */
const wishesPattern = '((?:, [a-z][a-z0-9 ]*?)*)'

const wishes: ReadonlyArray<readonly [pattern: RegExp, wish: (...words: string[]) => Wishes]> = [
  // RFC 4660, RFC 4661.
  [
    /^seeing (only notes|only basic status|no notes)$/,
    seeing => ({ filtering: { seeing } as NonNullable<Wishes['filtering']> }),
  ],
  [
    /^told when the (notes|basic status) changes?$/,
    when => ({ filtering: { when } as NonNullable<Wishes['filtering']> }),
  ],
  // OMA Presence SIMPLE 2.0, suppression of notifications.
  [
    /^undisturbed while (open|closed)$/,
    basic => ({ filtering: { undisturbedWhile: basic } as NonNullable<Wishes['filtering']> }),
  ],
  // RFC 5263.
  [/^taking changes$/, () => ({ partial: true })],
  // RFC 6446.
  [
    /^at (most|least) every (\d+) seconds$/,
    (which, n) => ({ rate: `${which === 'most' ? 'max' : 'min'}-rate=${rateOf(Number(n))}` }),
  ],
]

/** So many decimals as RFC 6446 §9.2 takes. */
function rateOf(seconds: number): string {
  return (1 / seconds).toFixed(10).replace(/\.?0+$/, '')
}

function readWishes(text: string | undefined): Wishes {
  const read: Wishes = {}
  for (const wish of (text ?? '').split(', ').filter(one => one !== '')) {
    const row = wishes.map(([pattern, make]) => [make, pattern.exec(wish)] as const).find(([, match]) => match !== null)
    if (row === undefined) throw new Error(`nobody can wish for "${wish}"`)
    const [make, match] = row
    const { filtering, ...others } = make(...match!.slice(1).map(String))
    Object.assign(read, others, filtering && { filtering: { ...read.filtering, ...filtering } })
  }
  return read
}

const steps: ReadonlyArray<readonly [pattern: RegExp, perform: Perform, simulationOnly?: true]> = [
  [
    /^(\w+) registers(?: for (\d+) s)?(?: expecting (\d+))?$/,
    async (world, name, seconds, status) => {
      const { agent } = world.person(name!)
      await answered(world, agent.register(Number(seconds ?? 3600), world.now()), status)
    },
  ],
  [
    /^(\w+) unregisters(?: expecting (\d+))?$/,
    async (world, name, status) => answered(world, world.person(name!).agent.register(0, world.now()), status),
  ],
  [
    /^(\w+) publishes presence (open|closed)(?: "([^"]*)")?(?: for (\d+) s)?(?: expecting (\d+))?$/,
    async (world, name, basic, note, seconds, status) => {
      const { source } = world.person(name!)
      const [expires, now] = [Number(seconds ?? 3600), world.now()]
      const exchange = source.entityTag
        ? source.modify(basic!, note, expires, now)
        : source.publish(basic!, note, expires, now)
      await answered(world, exchange, status)
    },
  ],
  [
    // What is other than before, as a patch (RFC 5264 §4.2).
    /^(\w+) publishes the change to (open|closed) "([^"]*)"(?: expecting (\d+))?$/,
    async (world, name, basic, note, status) =>
      answered(world, world.person(name!).source.change(basic!, note!, 3600, world.now()), status),
  ],
  [
    /^(\w+) publishes in full presence (open|closed) "([^"]*)"(?: expecting (\d+))?$/,
    async (world, name, basic, note, status) =>
      answered(world, world.person(name!).source.publishFull(basic!, note!, 3600, world.now()), status),
  ],
  [
    /^(\w+) publishes afresh presence (open|closed)(?: "([^"]*)")?(?: for (\d+) s)?(?: expecting (\d+))?$/,
    async (world, name, basic, note, seconds, status) =>
      answered(world, world.person(name!).source.publish(basic!, note, Number(seconds ?? 3600), world.now()), status),
  ],
  [
    /^(\w+) refreshes the publication(?: for (\d+) s)?(?: expecting (\d+))?$/,
    async (world, name, seconds, status) =>
      answered(world, world.person(name!).source.refresh(Number(seconds ?? 3600), world.now()), status),
  ],
  [
    /^(\w+) removes the publication(?: expecting (\d+))?$/,
    async (world, name, status) => answered(world, world.person(name!).source.remove(world.now()), status),
  ],
  [
    new RegExp(
      String.raw`^(\w+) (subscribes to|fetches) (\w+)(?:'s (watchers|registrations))?${wishesPattern}(?: for (\d+) s)?(?: expecting (\d+))?$`,
    ),
    async (world, name, verb, resource, what, wishes, seconds, status) => {
      const expires = verb === 'fetches' ? 0 : Number(seconds ?? 3600)
      const { watcher } = world.person(name!)
      const { aor } = world.person(resource!)
      const subscription = watcher.subscribe(aor, event(what), expires, world.now(), readWishes(wishes))
      await answered(world, subscription.exchange, status)
    },
  ],
  [
    /^(\w+) (refreshes the subscription to|unsubscribes from) (\w+)(?:'s (watchers|registrations))?(?: for (\d+) s)?(?: expecting (\d+))?$/,
    async (world, name, verb, resource, what, seconds, status) => {
      const expires = verb === 'unsubscribes from' ? 0 : Number(seconds ?? 3600)
      const { watcher, subscription } = subscriptionOf(world, name!, resource!, what)
      await answered(world, watcher.refresh(subscription, expires, world.now()), status)
    },
  ],
  [
    /^(\w+) is notified(?: of (\w+)(?:'s (watchers|registrations))?)? (active|pending|terminated)(?: \((\w+)\))?(?:, presence (open|closed)|, (no document))?(?: "([^"]*)")?(?:, (\w+) is (\w+) by (\w+)|, (nobody))?$/,
    async (world, name, resource, what, state, reason, presence, nothing, note, who, status, by, nobody) => {
      const { watcher } = world.person(name!)
      const pick = () =>
        resource === undefined ? watcher.subscriptions.at(-1) : watcher.latest(world.person(resource).aor, event(what))
      await expect(
        world,
        () => (pick()?.notifications.length ?? 0) > (pick()?.seen ?? 0),
        () => `no NOTIFY reached ${name}`,
      )
      const subscription = pick()!
      const seen = subscription.notifications[subscription.seen++]!
      const says = `${name} was notified ${seen.state} (${seen.reason}) ${seen.presence} ${seen.notes} ${seen.watchers} ${seen.body}`
      check(seen.state === state, says)
      if (reason) check(seen.reason === reason, says)
      if (presence) check(seen.presence === presence, says)
      if (nothing) check(seen.body === '', says)
      if (note !== undefined) check(seen.notes.includes(note), says)
      if (who) check(seen.watchers.includes(`${world.person(who).aor} ${status} ${by}`), says)
      if (nobody) check(seen.watchers.length === 0, says)
    },
  ],
  [
    // Whoever knows what he was told last says so (RFC 5839 §5.6).
    /^(\w+) refreshes what (?:he|she) knows of (\w+)(?:'s (watchers|registrations))?(?: expecting (\d+))?$/,
    async (world, name, resource, what, status) => {
      const { watcher, subscription } = subscriptionOf(world, name!, resource!, what)
      const { entityTag } = subscription.notifications.at(-1)!
      if (entityTag === undefined) throw new Error(`${name} was not told an entity-tag`)
      const known = [['Suppress-If-Match', entityTag]] as const
      await answered(world, watcher.refresh(subscription, 3600, world.now(), known), status)
    },
  ],
  [
    // Of a watcher who is told what has changed (RFC 5263): what his own copy has come to.
    /^(\w+) comes to have of (\w+) presence (open|closed)(?: "([^"]*)")?(?:, by (a change|the whole))?$/,
    async (world, name, resource, presence, note, by) => {
      const { subscription } = subscriptionOf(world, name!, resource!, undefined)
      const { partial } = subscription
      if (partial === undefined) throw new Error(`${name} does not take changes`)
      const says = () => `${partial.last} ${partial.presence} ${partial.notes}`
      await expect(
        world,
        () => partial.presence === presence && partial.notes.join() === (note ?? ''),
        () => `${name} has ${says()}`,
      )
      subscription.seen = subscription.notifications.length
      if (by !== undefined) check((by === 'a change') === (partial.last === 'pidf-diff'), says())
    },
  ],
  [
    /^(\w+)'s list is (nobody|[\w, ]+)$/,
    async (world, name, members) => {
      const uris = members === 'nobody' ? [] : members!.split(/, | and /).map(one => world.person(one).aor)
      const statuses = [
        await putList(world, name!, uris),
        await putServices(world, name!, [{ uri: listOf(world, name!) }]),
      ]
      check(
        statuses.every(status => status < 300),
        `the documents were answered ${statuses}`,
      )
    },
  ],
  [
    new RegExp(String.raw`^(\w+) subscribes to (\w+)'s list${wishesPattern}(?: for (\d+) s)?(?: expecting (\d+))?$`),
    async (world, name, keeper, wishes, seconds, status) => {
      const { watcher } = world.person(name!)
      const expires = Number(seconds ?? 3600)
      const uri = listOf(world, keeper!)
      const subscription = watcher.subscribe(uri, 'presence', expires, world.now(), {
        toList: true,
        ...readWishes(wishes),
      })
      await answered(world, subscription.exchange, status)
    },
  ],
  [
    /^(\w+) (refreshes the subscription to|unsubscribes from) (\w+)'s list(?: expecting (\d+))?$/,
    async (world, name, verb, keeper, status) => {
      const { watcher } = world.person(name!)
      const subscription = watcher.latest(listOf(world, keeper!), 'presence')
      if (!subscription) throw new Error(`${name} has no subscription to the list of ${keeper}`)
      const expires = verb === 'unsubscribes from' ? 0 : 3600
      await answered(world, watcher.refresh(subscription, expires, world.now()), status)
    },
  ],
  [
    /^(\w+) (?:sees|comes to see) in (\w+)'s list (\w+) (.+)$/,
    async (world, name, keeper, member, state) => {
      const { watcher } = world.person(name!)
      const pick = () => watcher.latest(listOf(world, keeper!), 'presence')
      const wanted = state!.replaceAll('"', '')
      const { aor } = world.person(member!)
      await expect(
        world,
        () => pick()?.list?.state(aor) === wanted,
        () => `${name} sees ${member} ${pick()?.list?.state(aor)}`,
      )
      const subscription = pick()!
      subscription.seen = subscription.notifications.length
    },
  ],
  [
    /^(\w+) hears nothing more$/,
    async (world, name) => {
      await world.quiet()
      const unseen = world
        .person(name!)
        .watcher.subscriptions.flatMap(one => one.notifications.slice(one.seen).map(({ body }) => body))
      check(unseen.length === 0, `${name} was notified: ${unseen.join('\n')}`)
    },
  ],
  [
    /^(\w+) sends (\w+) the message "([^"]*)"(?: expecting (\d+))?$/,
    async (world, from, to, text, status) => {
      const fields = [['Content-Type', 'text/plain']] as const
      const exchange = world.person(from!).agent.send('MESSAGE', world.person(to!).aor, fields, world.now(), text)
      await answered(world, exchange, status)
    },
  ],
  [
    /^(\w+) receives the message "([^"]*)"$/,
    async (world, name, text) => {
      const { agent } = world.person(name!)
      const has = () => agent.received.some(one => Buffer.from(one.body).toString() === text)
      await expect(world, has, () => `${name} did not receive it`)
    },
  ],
  [
    /^(\w+) falls silent$/,
    async (world, name) => {
      world.person(name!).agent.silent = true
    },
    true,
  ],
  [
    /^(\w+) is heard again$/,
    async (world, name) => {
      world.person(name!).agent.silent = false
    },
    true,
  ],
  [/^the box is killed and starts again$/, async world => world.restart()],
  [
    new RegExp(`^${durationPattern} pass$`),
    async (world, count, unit) =>
      world.pass(Number(count) * { second: 1000, minute: 60_000, hour: 3_600_000 }[unit as 'second']),
    true,
  ],
  [/^(\S+) becomes (\S+)$/, async (world, name, value) => world.set(name!, value!)],
]

/** The URI of somebody's list, as handsets of RCS are told to make it. */
function listOf(world: World, name: string): string {
  return `${world.person(name).aor};pres-list=rcs`
}

function event(what: string | undefined): string {
  return what === 'watchers' ? 'presence.winfo' : what === 'registrations' ? 'reg' : 'presence'
}

function subscriptionOf(world: World, name: string, resource: string, what: string | undefined) {
  const { watcher } = world.person(name)
  const subscription = watcher.latest(world.person(resource).aor, event(what))
  if (!subscription) throw new Error(`${name} has no subscription to ${resource}`)
  return { watcher, subscription }
}

async function answered(world: World, exchange: Exchange, status: string | undefined): Promise<void> {
  await expect(
    world,
    () => exchange.final !== undefined,
    () => `no answer to ${exchange.request.method}`,
  )
  const got = exchange.final!
  check(
    status === undefined ? got.status < 300 : got.status === Number(status),
    `${exchange.request.method} was answered ${got.status} ${got.reason}`,
  )
}

async function expect(world: World, condition: () => boolean, otherwise: () => string): Promise<void> {
  if (!(await world.until(condition, patienceMs))) throw new Error(otherwise())
}

function check(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise)
}

/** Reads a `.flow` file; throws with the line that it does not understand. */
export function readFlow(text: string): Flow {
  let title = ''
  let needsSimulation = false
  const settings: Array<readonly [string, string]> = []
  const read: Step[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim().replaceAll(/\s+/g, ' ')
    if (line === '') continue
    if (line.startsWith('#')) {
      title ||= line.slice(1).trim()
      continue
    }
    const given = /^Given (\S+) is (\S+)$/.exec(line)
    if (given) {
      settings.push([given[1]!, given[2]!])
      continue
    }
    const row = steps.map(step => [step, step[0].exec(line)] as const).find(([, match]) => match !== null)
    if (!row) throw new Error(`line ${index + 1} is no step: ${line}`)
    const [[, perform, simulationOnly], match] = row
    if (simulationOnly) needsSimulation = true
    read.push({ line: index + 1, text: line, perform: world => perform(world, ...match!.slice(1)) })
  }
  return { title, settings, steps: read, needsSimulation }
}

/** Plays a flow; a step that fails says which. */
export async function play(flow: Flow, world: World): Promise<void> {
  for (const step of flow.steps) {
    try {
      await step.perform(world)
    } catch (error) {
      throw new Error(`line ${step.line}, "${step.text}": ${(error as Error).message}`, { cause: error })
    }
  }
  for (const person of world.people())
    for (const { faults, resource } of person.watcher.subscriptions)
      check(faults.length === 0, `${person.aor} watching ${resource}: ${faults.join('; ')}`)
}
