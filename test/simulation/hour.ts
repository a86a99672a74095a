/**
 * An hour of traffic from one seed, in seconds: people come, publish, watch, write and leave over a bad network that is
 * partitioned at times; the box is killed now and then, and its clock jumps. At the end the properties are looked at that
 * the design promises.
 */

import { putList, putServices } from '../actors/list-owner.ts'
import { PartialView } from '../actors/partial-view.ts'
import type { Exchange } from '../actors/user-agent.ts'
import type { Subscription, Wishes } from '../actors/watcher.ts'
import { essence, type Filtering } from '../actors/watcher-filters.ts'
import type { Person } from '../flows/world.ts'
import { fair, type Weather } from './network.ts'
import { SeededRandom } from './random.ts'
import { SimulatedWorld } from './world.ts'

export interface Hour {
  readonly seed: number
  readonly people: number
  readonly minutes: number
  readonly restarts: number
  readonly datagrams: number
  readonly requests: number
  readonly notifications: number
  /** Each a sentence; none when every property held. */
  readonly violations: readonly string[]
}

const names = ['Alice', 'Bob', 'Carol', 'Dave', 'Erin', 'Frank', 'Grace', 'Heidi']

const weathers: readonly Weather[] = [
  fair,
  { loss: 0.05, duplication: 0.05, minDelayMs: 5, maxDelayMs: 200 },
  { loss: 0.2, duplication: 0.2, minDelayMs: 5, maxDelayMs: 2000 },
  { loss: 0.4, duplication: 0.1, minDelayMs: 50, maxDelayMs: 700 },
]

export async function simulate(seed: number, minutes = 60): Promise<Hour> {
  const choose = new SeededRandom(seed ^ 0x5eed)
  const handling = choose.pick(['allow', 'allow', 'allow', 'polite-block', 'confirm', 'block'])
  const world = new SimulatedWorld({
    seed,
    compressed: seed % 4 === 2,
    weather: choose.pick(weathers),
    deathAtCommit: choose.pick([0, 0, 0.002, 0.01]),
    settings: [
      ['xcap.defaultDocuments', 'false'],
      ['presence.defaultHandling', handling],
      ['presence.minNotifyIntervalSeconds', choose.pick(['0', '1', '5'])],
    ],
  })
  const people = names.slice(0, 2 + choose.below(names.length - 1)).map(name => world.person(name))
  for (const { source } of people) source.besides = choose.pick(['', person])
  const exchanges: Exchange[] = []
  const end = world.now() + minutes * 60_000
  while (world.now() < end) {
    if (choose.chance(0.15)) await useLists(choose.pick(people), people, choose, world, exchanges)
    else act(choose.pick(people), people, choose, world, exchanges)
    if (choose.chance(0.02)) world.network.weather = choose.pick(weathers)
    if (choose.chance(0.02)) await world.restart()
    if (choose.chance(0.01)) world.partition(choose.pick(people), choose.below(120_000))
    if (choose.chance(0.003)) await world.jump(choose.below(600_000))
    await world.pass(choose.below(choose.chance(0.1) ? 120_000 : 4000))
  }
  const violations = await lookBack(world, people, handling, choose, exchanges)
  const subscriptions = people.flatMap(({ watcher }) => watcher.subscriptions)
  return {
    seed,
    people: people.length,
    minutes,
    restarts: world.restarts,
    datagrams: world.network.sent,
    requests: exchanges.length,
    notifications: subscriptions.reduce((sum, { notifications }) => sum + notifications.length, 0),
    violations,
  }
}

/** What makes a document so long that a change of it is shorter. */
const person =
  '<note xml:lang="en">a note on all of it, which stays</note><d:person xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" id="p1">' +
  '<r:activities xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"><r:meeting/></r:activities><d:note>in the long meeting that does not end</d:note></d:person>'

/** One thing that one person does. */
function act(
  person: Person,
  people: readonly Person[],
  choose: SeededRandom,
  world: SimulatedWorld,
  exchanges: Exchange[],
): void {
  const now = world.now()
  const { agent, source, watcher } = person
  const other = choose.pick(people)
  const lifetime = choose.pick([60, 90, 300, 3600])
  const note = `n${choose.token(6)}`
  const basic = choose.pick(['open', 'closed'])
  const live = watcher.subscriptions.filter(isLive)
  switch (choose.below(12)) {
    case 0:
      exchanges.push(agent.register(choose.pick([0, 60, 600]), now))
      break
    case 1:
    case 2:
    case 3:
      if (source.entityTag === undefined || choose.chance(0.1))
        exchanges.push(source.publish(basic, note, lifetime, now))
      else if (choose.chance(0.5)) exchanges.push(source.change(basic, note, lifetime, now))
      else exchanges.push(source.modify(basic, note, lifetime, now))
      break
    case 4:
      if (source.entityTag !== undefined) exchanges.push(source.refresh(lifetime, now))
      break
    case 5:
      if (source.entityTag !== undefined) exchanges.push(source.remove(now))
      break
    case 6:
    case 7:
      exchanges.push(
        watcher.subscribe(other.aor, 'presence', choose.pick([0, lifetime, lifetime]), now, {
          partial: choose.chance(0.5),
          filtering: someFiltering(choose),
        }).exchange,
      )
      break
    case 8:
      exchanges.push(watcher.subscribe(person.aor, 'presence.winfo', lifetime, now).exchange)
      break
    case 9:
    case 10: {
      // Who has missed something asks for all of it (RFC 5263 §4.5).
      const lost = live.find(({ partial }) => partial?.needsFull)
      const one = lost ?? (live.length > 0 ? choose.pick(live) : undefined)
      if (one?.remoteTag) exchanges.push(watcher.refresh(one, choose.pick([0, lifetime, lifetime]), now))
      break
    }
    case 11:
      if (choose.chance(0.3)) agent.silent = !agent.silent
      else if (choose.chance(0.4)) watcher.refuses = 1
      else exchanges.push(agent.send('MESSAGE', other.aor, [['Content-Type', 'text/plain']], now, note))
  }
}

/** What somebody wants of what he is told; most want all of it. */
function someFiltering(choose: SeededRandom): Filtering {
  if (choose.chance(0.5)) return {}
  return {
    seeing: choose.pick([undefined, 'no notes', 'only basic status'] as const),
    when: choose.chance(0.2) ? choose.pick(['notes', 'basic status'] as const) : undefined,
    undisturbedWhile: choose.chance(0.4) ? 'closed' : undefined,
  }
}

/** The list that everybody may keep, and one that may be in it. */
function listOf({ aor }: Person): string {
  return `${aor};pres-list=rcs`
}

function innerListOf({ aor }: Person): string {
  return aor.replace('@', '-family@')
}

/** What a watcher takes of a list whose members are told of by what changes in them. */
const partialLists = 'multipart/related, application/rlmi+xml, application/pidf+xml, application/pidf-diff+xml'

/** One thing that one person does with his list. */
async function useLists(
  person: Person,
  people: readonly Person[],
  choose: SeededRandom,
  world: SimulatedWorld,
  exchanges: Exchange[],
): Promise<void> {
  const { watcher, agent } = person
  const some = () => people.filter(() => choose.chance(0.5)).map(({ aor }) => aor)
  const live = watcher.subscriptions.filter(one => one.list !== undefined && isLive(one))
  switch (choose.below(5)) {
    case 0:
      await keepLists(
        world,
        agent.options.name,
        person,
        [...some(), ...(choose.chance(0.5) ? [innerListOf(person)] : [])],
        some(),
      )
      break
    case 1:
    case 2: {
      const lifetime = choose.pick([0, 60, 300, 3600])
      const accept = choose.chance(0.5) ? { accept: partialLists } : {}
      // One NOTIFY in 40 seconds, so that refreshes find what waits for the next.
      const paced = choose.chance(0.5) ? { rate: 'max-rate=0.025' } : {}
      const wishes = { toList: true, filtering: someFiltering(choose), ...accept, ...paced }
      exchanges.push(watcher.subscribe(listOf(person), 'presence', lifetime, world.now(), wishes).exchange)
      break
    }
    default: {
      const one = live.length > 0 ? choose.pick(live) : undefined
      if (!one?.remoteTag) break
      if (one.wishes.rate !== undefined)
        for (const { source } of [choose.pick(people), choose.pick(people)]) {
          if (source.entityTag !== undefined)
            exchanges.push(source.modify(choose.pick(['open', 'closed']), choose.token(6), 300, world.now()))
          await world.pass(2_000)
        }
      // He may say what he knows (RFC 5839 §5.6).
      const known = choose.chance(0.6) ? one.notifications.at(-1)?.entityTag : undefined
      const condition = known === undefined ? [] : ([['Suppress-If-Match', known]] as const)
      exchanges.push(watcher.refresh(one, choose.pick([0, 300, 3600]), world.now(), condition))
    }
  }
}

async function keepLists(
  world: SimulatedWorld,
  name: string,
  person: Person,
  members: readonly string[],
  family: readonly string[],
): Promise<void> {
  await putList(world, name, members)
  await putServices(world, name, [{ uri: listOf(person) }, { uri: innerListOf(person), inline: family }])
}

/** What a list must show of a member in the end. */
function isShown(state: string, may: boolean, note: string, handling: string, { seeing }: Filtering = {}): boolean {
  if (may && seeing !== undefined) return state === 'active open'
  if (may) return state.startsWith('active open') && state.includes(note)
  if (handling === 'polite-block') return state === 'active closed'
  return handling === 'confirm' ? state === 'pending' : state === 'terminated rejected'
}

/** The network calms, everybody answers again; then what must hold, must hold. */
async function lookBack(
  world: SimulatedWorld,
  people: readonly Person[],
  handling: string,
  choose: SeededRandom,
  exchanges: Exchange[],
): Promise<string[]> {
  const violations: string[] = []
  // Feedback that came late may be taken for that of a later message: a NACK mends it, but it must stay rare.
  const { compressed, unreadable } = world.wire
  if (unreadable > 1 + compressed / 50) violations.push(`${unreadable} of ${compressed} messages were unreadable`)
  world.network.weather = fair
  world.calm()
  for (const { agent, watcher } of people) {
    agent.silent = false
    watcher.refuses = 0
  }
  await world.pass(60_000)

  // Everybody says something new, everybody looks anew at everybody.
  const notes = new Map<Person, string>()
  const watching: Watching[] = []
  for (const watcher of people)
    for (const presentity of people) {
      const subscription = watcher.watcher.subscribe(presentity.aor, 'presence', 3600, world.now())
      exchanges.push(subscription.exchange)
      watching.push({ watcher, presentity, subscription })
      if (choose.chance(0.5)) continue
      const wishes = { partial: choose.chance(0.5), filtering: someFiltering(choose) }
      exchanges.push(watcher.watcher.subscribe(presentity.aor, 'presence', 3600, world.now(), wishes).exchange)
    }
  const everybody = people.map(({ aor }) => aor)
  for (const person of people) {
    await keepLists(world, person.agent.options.name, person, [...everybody, innerListOf(person)], everybody)
    const { watcher } = person
    exchanges.push(watcher.subscribe(listOf(person), 'presence', 3600, world.now(), { toList: true }).exchange)
  }
  await world.pass(60_000)
  // Closed first: who is not to be disturbed while he is closed must then be told what others have said before he opened.
  for (const { source } of people) exchanges.push(source.publish('closed', 'soon', 3600, world.now()))
  await world.pass(20_000)
  for (const person of people) {
    const note = `final-${person.agent.options.name}`
    notes.set(person, note)
    exchanges.push(person.source.modify('open', note, 3600, world.now()))
  }
  await world.pass(60_000)

  for (const { watcher, presentity, subscription } of watching) {
    const last = subscription.notifications.at(-1)
    const who = `${watcher.aor} watching ${presentity.aor}`
    const sees = last?.notes.includes(notes.get(presentity)!) ?? false
    const may = handling === 'allow' || watcher === presentity
    if (may && !sees) violations.push(`${who} did not end with the current view: ${last?.state} ${last?.body}`)
  }
  // Every list that is still subscribed to, however old, shows exactly what there is to be seen of everybody in it.
  const lists = people.flatMap(person =>
    person.watcher.subscriptions.flatMap(one => (one.list && isLive(one) ? [{ person, one }] : [])),
  )
  const shown = lists.map(({ one }) => [one.list!, one.list!.rows.get(innerListOf(byList(people, one.resource)))?.list])
  // Of one who is not to be disturbed now nothing is certain, whatever he will be in a minute.
  const undisturbed = lists.map(({ person, one }) => isUndisturbed(person, one.wishes, watching))
  const asked = lists.map(({ person, one }) => person.watcher.refresh(one, 3600, world.now()))
  const states = shown.map(tables => tables.map(table => everybody.map(aor => table?.state(aor) ?? 'no list')))
  // Every watcher who was told of changes alone, or through a filter, has what he is told now that he asks for everything.
  const isSpecial = ({ partial, wishes, event }: Subscription) =>
    event === 'presence' && !wishes.toList && (partial !== undefined || Object.keys(wishes.filtering ?? {}).length > 0)
  const partials = people.flatMap(person =>
    person.watcher.subscriptions
      .filter(isSpecial)
      .filter(isLive)
      // Of one who is not to be disturbed now nothing is certain.
      .filter(({ wishes }) => !isUndisturbed(person, wishes, watching)),
  )
  const views = partials.map(one => filteredView(one, watching, world.now()))
  const copies = partials.map(({ partial }) => (partial?.needsFull !== false ? undefined : partial.canonical))
  const counts = partials.map(({ notifications }) => notifications.length)
  const askedFor = partials.map(one => {
    const { watcher } = people.find(({ watcher: own }) => own.subscriptions.includes(one))!
    return watcher.refresh(one, 3600, world.now())
  })
  await world.pass(60_000)
  exchanges.push(...asked, ...askedFor)
  for (const [at, one] of partials.entries()) {
    const answer = one.notifications[counts[at]!]
    if (askedFor[at]!.final?.status !== 200) continue
    const view = views[at]
    if (view !== undefined && view.has !== view.wants)
      violations.push(`the view of ${one.resource} ${JSON.stringify(one.wishes)} is ${view.has}, not ${view.wants}`)
    if (copies[at] === undefined || answer === undefined || one.wishes.filtering?.when !== undefined) continue
    const whole = new PartialView()
    whole.receive(answer.contentType, answer.body)
    // Something may have ended just then; what is told of that first is no answer.
    if (whole.last === 'pidf-diff' || copies[at] === whole.canonical) continue
    violations.push(`what changed of ${one.resource} came to ${copies[at]}, not to ${whole.canonical}`)
  }
  for (const [at, { person, one }] of lists.entries()) {
    if (asked[at]!.final?.status !== 200) continue
    for (const table of states[at]!)
      for (const [index, state] of table.entries()) {
        const member = people[index]!
        const may = handling === 'allow' || member === person
        // Who waits for other changes than the last one was not told of it.
        if (one.wishes.filtering?.when !== undefined || undisturbed[at]) continue
        if (!isShown(state, may, notes.get(member)!, handling, one.wishes.filtering))
          violations.push(`the list ${one.resource} shows ${member.aor} as ${state}`)
      }
  }

  for (const watcher of people)
    for (const subscription of watcher.watcher.subscriptions) {
      const who = `${watcher.aor} watching ${subscription.resource} (${subscription.event})`
      for (const fault of subscription.faults) violations.push(`${who}: ${fault}`)
      if (handling === 'allow' || subscription.resource === watcher.aor) continue
      if (subscription.list !== undefined) continue
      for (const { notes, presence, body } of subscription.notifications) {
        const isOpen = presence === 'open' || body.includes('>open<')
        const hidden = handling === 'polite-block' ? notes.length > 0 || isOpen : body !== ''
        if (hidden) violations.push(`${who} was sent what the rules hide: ${body}`)
      }
    }
  for (const { request, final } of exchanges)
    if (final === undefined) violations.push(`no final answer to ${request.method} ${request.callId}`)
  for (const fault of world.faults) violations.push(`the box had a fault: ${fault}`)

  await world.pass(8 * 86_400_000)
  const left = JSON.stringify(world.leftovers())
  if (left !== '{}') violations.push(`records are left when all has expired: ${left}`)
  return violations
}

interface Watching {
  readonly watcher: Person
  readonly presentity: Person
  readonly subscription: Subscription
}

/** Whether somebody's own state keeps him from being told of changes: of several things he has published each counts. */
function isUndisturbed(person: Person, { filtering }: Wishes, watching: readonly Watching[]): boolean {
  if (filtering?.undisturbedWhile === undefined) return false
  const own = watching.find(({ watcher, presentity }) => watcher === person && presentity === person)!
  return own.subscription.notifications.at(-1)!.body.includes(`>${filtering.undisturbedWhile}<`)
}

/**
 * What somebody has through his filter, and what he should have: what he sees of the same presentity without one, filtered here. Where
 * something was told just now the other may still be on its way; who waits for certain changes has what was told with the last one.
 */
function filteredView(
  { resource, partial, wishes, notifications }: Subscription,
  watching: readonly Watching[],
  now: number,
): { readonly has: string; readonly wants: string } | undefined {
  const isHis = ({ watcher }: Person) => watcher.subscriptions.some(one => one.notifications === notifications)
  const whole = watching.find(({ presentity, watcher }) => presentity.aor === resource && isHis(watcher))
  const document = whole?.subscription.notifications.findLast(({ body }) => body !== '')
  const own = notifications.findLast(({ body }) => body !== '')
  if (document === undefined || own === undefined || wishes.filtering?.when !== undefined) return undefined
  if (Math.max(own.at, document.at) > now - 15_000 || partial?.needsFull) return undefined
  const { seeing } = wishes.filtering ?? {}
  return { has: essence(partial?.document ?? own.body), wants: essence(document.body, seeing) }
}

function byList(people: readonly Person[], resource: string): Person {
  return people.find(person => listOf(person) === resource)!
}

function isLive(subscription: Subscription): boolean {
  const last = subscription.notifications.at(-1)
  return last !== undefined && last.state !== 'terminated'
}
