/** RFC 5839 §6.5 and RFC 4662 §5.2: what somebody is told of a list who names, when he refreshes, a state that he was told. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { putList, putServices } from '../../actors/list-owner.ts'
import type { Subscription } from '../../actors/watcher.ts'
import { SeededRandom } from '../../simulation/random.ts'
import { SimulatedWorld } from '../../simulation/world.ts'
import { alice, carol, friends, ListWorld } from '../rfc4662/list-world.ts'

const rate = 'max-rate=0.0033333333'

/** A watcher of the list of Alice and Carol who wants one NOTIFY in five minutes, and has had one that tells of Alice. */
async function told(): Promise<{ readonly world: ListWorld; readonly subscription: Subscription }> {
  const world = await ListWorld.of()
  const subscription = await world.watch('Bob', friends, { rate })
  await world.pass(301_000)
  await world.publish('Alice', 'open', 'one')
  assert.equal(subscription.list!.state(alice), 'active open one')
  return { world, subscription }
}

async function refreshed(world: ListWorld, subscription: Subscription, tag: string | undefined): Promise<number> {
  const condition = tag === undefined ? [] : ([['Suppress-If-Match', tag]] as const)
  const exchange = world.person('Bob').watcher.refresh(subscription, 3600, world.now(), condition)
  await world.quiet()
  return exchange.final!.status
}

const lastTag = ({ notifications }: Subscription) => notifications.at(-1)!.entityTag!

describe('RFC 4662 §5.2: "[Full state] must the first NOTIFY sent after receipt of a SUBSCRIBE request", if there is one', () => {
  test('who knows all but what waits for the interval of his rate is told everything, at once', async () => {
    const { world, subscription } = await told()
    const tag = lastTag(subscription)
    await world.publish('Carol', 'open', 'two')
    assert.equal(subscription.list!.state(carol), 'active closed', 'it waits')
    assert.equal(await refreshed(world, subscription, tag), 200)
    assert.equal(subscription.list!.state(carol), 'active open two')
    assert.deepEqual(subscription.list!.documents.at(-1), { fullState: true, uris: [alice, carol] })
    assert.notEqual(lastTag(subscription), tag)
    assert.equal(await refreshed(world, subscription, lastTag(subscription)), 204)
    const { length } = subscription.notifications
    await world.publish('Alice', 'closed', 'three')
    assert.equal(subscription.notifications.length, length, 'the interval begins anew')
    await world.pass(301_000)
    assert.equal(subscription.list!.state(alice), 'active closed three')
    world.check()
  })

  test('who names an older state, or none, is told everything', async () => {
    for (const older of [true, false]) {
      const { world, subscription } = await told()
      await world.publish('Carol', 'open', 'two')
      const tag = older ? subscription.notifications.at(-2)!.entityTag : undefined
      assert.equal(await refreshed(world, subscription, tag), 200)
      assert.deepEqual(subscription.list!.documents.at(-1), { fullState: true, uris: [alice, carol] })
      assert.equal(subscription.list!.state(carol), 'active open two')
      world.check()
    }
  })

  test('what has come and gone meanwhile is nothing to tell, and the NOTIFY that a SUBSCRIBE causes comes all the same', async () => {
    const { world, subscription } = await told()
    const tag = lastTag(subscription)
    await world.publish('Alice', 'closed', 'two')
    await world.publish('Alice', 'open', 'one')
    const { length } = subscription.notifications
    assert.equal(await refreshed(world, subscription, tag), 200)
    assert.equal(subscription.notifications.length, length + 1)
    assert.equal(subscription.list!.state(alice), 'active open one')
    world.check()
  })

  test('the box may be killed in between', async () => {
    const { world, subscription } = await told()
    const tag = lastTag(subscription)
    await world.publish('Carol', 'open', 'two')
    const exchange = world.person('Bob').watcher.refresh(subscription, 3600, world.now(), [['Suppress-If-Match', tag]])
    await world.restart()
    await world.quiet()
    assert.equal(exchange.final?.status, 200)
    await world.pass(301_000)
    assert.equal(subscription.list!.state(carol), 'active open two')
    world.check()
  })
})

describe('§6.5: the entity is the state of the whole list', () => {
  test('who names the first of several documents does not know it all, and is told all', async () => {
    const many = Array.from({ length: 300 }, (_, at) => `sip:member${String(at).padStart(3, '0')}@box.example`)
    const world = await ListWorld.of(many, undefined, [
      ['auth.required', 'false'],
      ['presence.defaultHandling', 'allow'],
    ])
    const { agent, watcher } = world.person('Bob')
    const subscription = watcher.subscribe(friends, 'presence', 3600, world.now(), { toList: true })
    const notified = agent.handlers.get('NOTIFY')!
    agent.handlers.set('NOTIFY', (request, now) => {
      agent.handlers.set('NOTIFY', notified)
      const answer = notified(request, now)
      // The box has this before the answer, upon which it would go on.
      watcher.refresh(subscription, 3600, now, [['Suppress-If-Match', lastTag(subscription)]])
      return answer
    })
    await world.quiet()
    await world.pass(10_000)
    assert.equal(subscription.exchange.final!.status, 200)
    assert.deepEqual(
      subscription.list!.documents.map(({ fullState }) => fullState),
      subscription.list!.documents.map((_, at) => at < 2),
    )
    for (const uri of many) assert.equal(subscription.list!.state(uri), 'active closed', uri)
    world.check()
  })
})

const names = ['Alice', 'Carol', 'Dave', 'Erin']
const partial = 'multipart/related, application/rlmi+xml, application/pidf+xml, application/pidf-diff+xml'

/** One ends when its NOTIFYs are lost. */
function isLive({ notifications, exchange: { final } }: Subscription): boolean {
  return notifications.at(-1)?.state !== 'terminated' && (final === undefined || final.status < 300)
}

test('over a bad network, with the box killed now and then, who says what he knows at every refresh ends with all there is', async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const choose = new SeededRandom(seed)
    const world = new SimulatedWorld({
      seed,
      weather: { loss: 0.15, duplication: 0.1, minDelayMs: 5, maxDelayMs: 900 },
      deathAtCommit: 0.01,
      settings: [['presence.defaultHandling', 'allow']],
    })
    const people = names.map(name => world.person(name))
    const bob = world.person('Bob')
    await putList(
      world,
      'Bob',
      people.map(({ aor }) => aor),
    )
    await putServices(world, 'Bob', [{ uri: friends }])
    const wishes = { toList: true, rate: 'max-rate=0.05', ...(seed % 2 === 0 ? { accept: partial } : {}) }
    const anew = () => bob.watcher.subscribe(friends, 'presence', 3600, world.now(), wishes)
    let subscription = anew()
    const say = ({ source }: (typeof people)[number], note: string) =>
      source.entityTag === undefined
        ? source.publish('open', note, 3600, world.now())
        : source.modify('open', note, 3600, world.now())
    for (let step = 0; step < 60; step++) {
      say(choose.pick(people), `${step}`)
      await world.pass(choose.below(15_000))
      if (!isLive(subscription)) subscription = anew()
      else if (choose.chance(0.5) && subscription.notifications.length > 0)
        bob.watcher.refresh(subscription, 3600, world.now(), [['Suppress-If-Match', lastTag(subscription)]])
    }
    world.calm()
    for (let tries = 0; tries < 5; tries++) {
      await world.pass(40_000)
      if (!isLive(subscription) || subscription.notifications.length === 0) subscription = anew()
    }
    const published = []
    for (const { source, aor } of people) {
      // Anew, for a tag may have been lost with an answer.
      published.push(source.publish('open', `last of ${aor}`, 3600, world.now()))
      await world.pass(40_000)
    }
    assert.ok(published.every(({ final }) => final?.status === 200))
    bob.watcher.refresh(subscription, 3600, world.now(), [['Suppress-If-Match', lastTag(subscription)]])
    await world.pass(60_000)
    for (const { aor } of people) assert.ok(subscription.list!.state(aor).includes(`last of ${aor}`), `${seed}: ${aor}`)
    assert.deepEqual([seed, subscription.faults, world.faults], [seed, [], []])
  }
})
