/** RFC 3857 §4: the watcher information template package over presence. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseWatcherinfo } from '../../../src/documents/watcherinfo.ts'
import { limits } from '../../../src/limits.ts'
import { alice, bob, carol, PresenceWorld } from '../../unit/entities/presence-server/presence-world.ts'
import type { Sent } from '../../unit/protocols/sip-events/entity-world.ts'

const name = 'presence.winfo'

/** What NOTIFYs of watcher information have said since `index`: version, state, and each watcher's URI, status and event. */
function told(world: PresenceWorld, index = 0): string[] {
  return world.sent
    .slice(index)
    .filter(({ request }) => request.header('Event') === name && request.body.length > 0)
    .map(sent => {
      const { version, state, lists } = documentOf(sent)
      const watchers = lists.flatMap(list => list.watchers.map(({ uri, status, event }) => `${uri} ${status} ${event}`))
      return [`${version} ${state}`, ...watchers].join(', ')
    })
}

function documentOf(sent: Sent) {
  return parseWatcherinfo(sent.request.body)
}

function watchOwn(world: PresenceWorld, expires?: number) {
  return world.subscribe({ from: alice, event: name, ...(expires === undefined ? {} : { expires }) })
}

describe('§4.4 to §4.6', () => {
  test('PS-50, PS-51: application/watcherinfo+xml, 3600 s unless asked otherwise', () => {
    const world = new PresenceWorld()
    assert.equal(watchOwn(world).header('Expires'), '3600')
    assert.equal(world.sent[0]!.request.header('Content-Type'), 'application/watcherinfo+xml')
    assert.deepEqual(told(world), ['0 full'])
    const [list] = documentOf(world.sent[0]!).lists
    assert.deepEqual([list?.resource, list?.package], [alice, 'presence'])
  })

  test('PS-57: nobody else may subscribe, whatever the handling of presence', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'allow' })
    assert.equal(world.subscribe({ from: bob, event: name }).status, 403)
  })

  test('PS-57: watcher information of watcher information is not served', () => {
    const world = new PresenceWorld()
    assert.equal(world.subscribe({ from: alice, event: 'presence.winfo.winfo' }).status, 489)
  })

  test('RFC 6665 §4.4.4: the template is not listed in Allow-Events', () => {
    assert.equal(new PresenceWorld().subscribe({ event: 'dialog' }).header('Allow-Events'), 'presence')
  })
})

describe('§4.7.1 the states of a watcher', () => {
  test('policy accepts: active by subscribe, terminated by timeout', () => {
    const world = new PresenceWorld()
    watchOwn(world)
    const accepted = world.subscribe()
    world.resubscribe(accepted, { expires: 0 })
    assert.deepEqual(told(world), [
      '0 full',
      `1 partial, ${bob} active subscribe`,
      `2 partial, ${bob} terminated timeout`,
    ])
  })

  test('no policy: pending by subscribe; approved: active', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
    watchOwn(world)
    world.subscribe()
    world.set('presence.defaultHandling', 'allow')
    world.wake({ kind: 'wake', at: world.now, token: 'policies' })
    assert.deepEqual(told(world), [
      '0 full',
      `1 partial, ${bob} pending subscribe`,
      `2 partial, ${bob} active approved`,
    ])
  })

  test('rejected: terminated', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
    watchOwn(world)
    world.subscribe()
    world.set('presence.defaultHandling', 'block')
    world.wake({ kind: 'wake', at: world.now, token: 'policies' })
    assert.equal(told(world).at(-1), `2 partial, ${bob} terminated rejected`)
  })

  test('PS-53: a pending subscription that times out becomes waiting, so that the presentity can still decide', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
    watchOwn(world)
    world.subscribe({ expires: 60 })
    world.pass(60)
    assert.equal(told(world).at(-1), `2 partial, ${bob} waiting timeout`)
    watchOwn(world)
    assert.equal(told(world).at(-1), `0 full, ${bob} waiting timeout`)
  })

  test('PS-53: the same watcher subscribing again ends the waiting entry with giveup', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
    watchOwn(world)
    world.subscribe({ expires: 60 })
    world.pass(60)
    world.subscribe({ expires: 60 })
    assert.equal(told(world).at(-1), `3 partial, ${bob} terminated giveup, ${bob} pending subscribe`)
  })

  test('PS-54: a fetch that is not decided upon is remembered as waiting', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
    watchOwn(world)
    world.subscribe({ expires: 0 })
    world.subscribe({ expires: 0, from: carol })
    assert.deepEqual(told(world), [
      '0 full',
      `1 partial, ${bob} waiting timeout`,
      `2 partial, ${carol} waiting timeout`,
    ])
  })

  for (const [handling, event] of [
    ['allow', 'approved'],
    ['polite-block', 'approved'],
    ['block', 'rejected'],
  ] as const) {
    test(`PS-97: a decision ends a waiting entry: ${handling}`, () => {
      const world = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
      watchOwn(world)
      world.subscribe({ expires: 0 })
      world.set('presence.defaultHandling', handling)
      world.wake({ kind: 'wake', at: world.now, token: 'policies' })
      assert.equal(told(world).at(-1), `2 partial, ${bob} terminated ${event}`)
    })
  }

  test('a waiting entry is given up after a time, and nothing is left', async () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
    world.subscribe({ expires: 0 })
    world.pass(limits.waitingWatcherMs / 1000 - 3600)
    watchOwn(world, 7200)
    assert.equal(told(world).at(-1), `0 full, ${bob} waiting timeout`)
    world.pass(3600)
    assert.equal(told(world).at(-1), `1 partial, ${bob} terminated giveup`)
    world.pass(7200)
    assert.equal(await world.size(), 0)
    assert.equal(world.wakesPending, 0)
  })

  test('a failing NOTIFY ends the watcher', () => {
    const world = new PresenceWorld()
    watchOwn(world)
    world.subscribe()
    world.peer = ({ request }) => (request.header('Event') === 'presence' ? 481 : 200)
    world.publish('open')
    assert.equal(told(world).at(-1), `2 partial, ${bob} terminated deactivated`)
  })

  test('the account being removed: noresource', () => {
    const world = new PresenceWorld()
    world.subscribe()
    world.users.delete(alice)
    world.wake({ kind: 'wake', at: world.now, token: `user ${alice}` })
    assert.equal(world.log().at(-1), 'NOTIFY terminated;reason=noresource 2')
  })
})

describe('§4.7.2', () => {
  test('PS-56: what is triggered by a change carries the watchers that changed, a fetch and a refresh carry all', () => {
    const world = new PresenceWorld()
    const own = watchOwn(world)
    world.subscribe()
    world.subscribe({ from: carol })
    world.resubscribe(own, { headers: [['Event', name]] })
    watchOwn(world, 0)
    assert.deepEqual(told(world), [
      '0 full',
      `1 partial, ${bob} active subscribe`,
      `2 partial, ${carol} active subscribe`,
      ...[3, 0].map(version => `${version} full, ${watchersInOrder(world).join(', ')}`),
    ])
  })

  test('transient states are not told: a fetch by an authorized watcher', () => {
    const world = new PresenceWorld()
    watchOwn(world)
    world.subscribe({ expires: 0 })
    assert.deepEqual(told(world), ['0 full'])
  })

  test('a change of presence is not a change of its watchers', () => {
    const world = new PresenceWorld()
    watchOwn(world)
    world.publish('open')
    assert.deepEqual(told(world), ['0 full'])
  })

  test('PS-51: changes within five seconds come as one document, each watcher once, as he is', () => {
    const world = new PresenceWorld({ 'presence.minNotifyIntervalSeconds': 5 })
    watchOwn(world)
    const accepted = world.subscribe()
    world.subscribe({ from: carol })
    world.resubscribe(accepted, { expires: 0 })
    world.pass(5)
    assert.deepEqual(told(world), ['0 full', `1 partial, ${carol} active subscribe, ${bob} terminated timeout`])
  })

  test('who has missed more changes than are remembered is told all watchers', () => {
    const world = new PresenceWorld({ 'presence.minNotifyIntervalSeconds': 60 })
    watchOwn(world)
    for (let count = 0; count <= limits.watcherChangesPerResource / 2; count++) {
      world.resubscribe(world.subscribe(), { expires: 0 })
    }
    world.subscribe({ from: carol })
    world.pass(60)
    assert.deepEqual(told(world), ['0 full', `1 full, ${carol} active subscribe`])
  })

  test('PS-55: versions go on after a restart', () => {
    const world = new PresenceWorld()
    watchOwn(world)
    world.subscribe()
    world.pass(60)
    world.restart()
    world.subscribe({ from: carol })
    assert.equal(told(world).at(-1), `2 partial, ${carol} active subscribe`)
  })
})

describe('RFC 3858 §3', () => {
  test('PS-58: id, status, event, expiration, duration-subscribed and display-name', () => {
    const world = new PresenceWorld()
    world.subscribe({ expires: 600, headers: [['From', '"Bob & Co" <sip:bob@box.example>;tag=7']] })
    world.pass(100)
    watchOwn(world)
    const [watcher] = documentOf(world.sent.at(-1)!).lists[0]!.watchers
    assert.match(watcher!.id, /^[\w.-]+$/)
    assert.deepEqual(
      { ...watcher, id: undefined },
      {
        id: undefined,
        uri: bob,
        status: 'active',
        event: 'subscribe',
        displayName: 'Bob & Co',
        expirationSeconds: 500,
        durationSubscribedSeconds: 100,
      },
    )
  })

  test('PS-59: identical subscriptions of one watcher are watchers of their own', () => {
    const world = new PresenceWorld()
    world.subscribe()
    world.subscribe()
    watchOwn(world)
    const { watchers } = documentOf(world.sent.at(-1)!).lists[0]!
    assert.equal(watchers.length, 2)
    assert.notEqual(watchers[0]!.id, watchers[1]!.id)
  })

  test('a watcher keeps his id from pending to waiting', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
    watchOwn(world)
    world.subscribe({ expires: 60 })
    world.pass(60)
    const ids = world.sent
      .filter(({ request }) => request.header('Event') === name && request.body.length > 0)
      .flatMap(sent => documentOf(sent).lists[0]!.watchers.map(({ id }) => id))
    assert.equal(new Set(ids).size, 1)
  })
})

function watchersInOrder(world: PresenceWorld): string[] {
  const documents = world.sent.filter(({ request }) => request.header('Event') === name)
  return documentOf(documents.at(-1)!).lists[0]!.watchers.map(({ uri, status, event }) => `${uri} ${status} ${event}`)
}
