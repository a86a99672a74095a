/** Legs: what another entity holds for somebody is decided upon, paced and counted like any subscription, and small. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeShared, Shapes } from '../../../../src/platform/storage/value.ts'
import { forbidden } from '../../../../src/protocols/sip/errors.ts'
import type { SipRequest, SipResponse } from '../../../../src/protocols/sip/message.ts'
import type { EventPackage, Watcher } from '../../../../src/protocols/sip-events/event-package.ts'
import type { LegRecord } from '../../../../src/protocols/sip-events/legs.ts'
import { Notifier } from '../../../../src/protocols/sip-events/notifier.ts'
import type { Output, SipEntity, Turn } from '../../../../src/turn.ts'
import { EntityWorld } from './entity-world.ts'

const counter = 'sip:counter@box.example'
const bob = { identities: ['sip:bob@box.example'], displayName: 'Bob' }

interface State {
  value: number
  decision: 'active' | 'pending' | 'forbidden'
  exists: boolean
  intervalMs: number
  /** Ids of the legs that are wanted. */
  readonly wanted: Set<string>
  /** Wakes that reached the holder. */
  readonly told: string[]
  readonly watchers: Watcher[]
}

class Counters implements SipEntity {
  readonly notifier: Notifier
  readonly #state: State

  constructor(state: State) {
    this.#state = state
    const eventPackage: EventPackage = {
      name: 'counter',
      contentTypes: ['text/plain'],
      defaultExpiresSeconds: 3600,
      minNotifyIntervalMs: () => state.intervalMs,
      exists: () => state.exists,
      resource: () => counter,
      authorize() {
        if (state.decision === 'forbidden') throw forbidden()
        return state.decision
      },
      body: () => ({ contentType: 'text/plain', body: Buffer.from(String(state.value)) }),
      watcherChanged(_resource, watcher) {
        state.watchers.push(watcher)
        return []
      },
    }
    this.notifier = new Notifier({
      owner: 'counters',
      packages: [eventPackage],
      address: () => '192.0.2.1:5060',
      limits: { subscriptionsPerResource: 3, notificationsPerTurn: 2 },
      holder: {
        entity: 'resource-list-server',
        subscriber: (_package, _resource, id) => (state.wanted.has(id) ? bob : undefined),
      },
    })
  }

  request(request: SipRequest, turn: Turn): Output[] {
    return this.notifier.subscribe(request, turn)
  }

  response(token: string, response: SipResponse, turn: Turn): Output[] {
    return this.notifier.response(token, response, turn)
  }

  wake(token: string, turn: Turn): Output[] {
    if (token.startsWith('leg ')) this.#state.told.push(token.split(' ')[3]!)
    return this.notifier.wake(token, turn)
  }
}

class LegWorld extends EntityWorld {
  readonly state: State

  constructor() {
    const state: State = {
      value: 0,
      decision: 'active',
      exists: true,
      intervalMs: 0,
      wanted: new Set(),
      told: [],
      watchers: [],
    }
    super(() => new Counters(state))
    this.state = state
  }

  get notifier(): Notifier {
    return (this.entity as Counters).notifier
  }

  /** The holder wants these legs, and no others. */
  want(...ids: string[]): void {
    const before = [...this.state.wanted]
    this.state.wanted.clear()
    for (const id of ids) this.state.wanted.add(id)
    for (const id of new Set([...before, ...ids]))
      this.act(turn => this.notifier.wake(`leg counter ${counter} ${id}`, turn))
    this.state.told.length = 0
  }

  count(): void {
    this.state.value++
    this.act(turn => this.notifier.notifyResource('counter', counter, turn))
  }

  has(id: string): boolean {
    return this.read(db => this.notifier.hasLeg('counter', counter, id, db))
  }

  tells(id = 'a'): string {
    let told = ''
    this.act(turn => {
      const { state, reason, body } = this.notifier.stateFor('counter', counter, id, bob, { version: 0 }, turn)!
      told = [state, reason, body && (body === 'unchanged' ? body : Buffer.from(body.body).toString())]
        .filter(Boolean)
        .join(' ')
      return []
    })
    return told
  }
}

test('news wakes the holder of each leg, in bounded turns, and nothing is sent', () => {
  const world = new LegWorld()
  world.want('a', 'b', 'c')
  world.count()
  assert.deepEqual(world.state.told.sort(), ['a', 'b', 'c'])
  assert.equal(world.sent.length, 0)
  assert.equal(world.tells(), 'active 1')
})

test('what is wanted no longer ends, and with the last one nothing is left', async () => {
  const world = new LegWorld()
  world.want('a', 'b')
  world.want('b')
  assert.deepEqual([world.has('a'), world.has('b')], [false, true])
  world.count()
  assert.deepEqual(world.state.told, ['b'])
  world.want()
  assert.equal(await world.size(), 0)
})

test('legs keep the interval of the package; changes within it become one', () => {
  const world = new LegWorld()
  world.want('a')
  world.pass(10)
  world.state.intervalMs = 5000
  world.count()
  world.count()
  world.count()
  assert.deepEqual(world.state.told, ['a'])
  world.pass(5)
  assert.deepEqual(world.state.told, ['a', 'a'])
})

test('a decision reaches the holder, and the owner sees the watcher as he sees any', () => {
  const world = new LegWorld()
  world.state.decision = 'pending'
  world.want('a')
  assert.equal(world.tells(), 'pending')
  world.state.decision = 'active'
  world.act(turn => world.notifier.wake(`policy counter ${counter}`, turn))
  assert.deepEqual(world.state.told, ['a'])
  assert.equal(world.tells(), 'active 0')
  world.state.decision = 'forbidden'
  world.act(turn => world.notifier.wake(`policy counter ${counter}`, turn))
  assert.deepEqual(world.state.told, ['a', 'a'])
  assert.equal(world.tells(), 'terminated rejected')
  assert.equal(world.has('a'), false)
  assert.deepEqual(
    world.state.watchers.map(({ uri, status, event }) => `${uri} ${status} ${event}`),
    [
      'sip:bob@box.example pending subscribe',
      'sip:bob@box.example active approved',
      'sip:bob@box.example terminated rejected',
    ],
  )
})

test('a resource that is gone ends its legs', () => {
  const world = new LegWorld()
  world.want('a', 'b')
  world.state.exists = false
  world.act(turn => world.notifier.wake(`policy counter ${counter}`, turn))
  assert.deepEqual(world.state.told.sort(), ['a', 'b'])
  assert.equal(world.tells(), 'terminated noresource')
})

test('beyond the subscriptions of a resource a leg is given up, and takes its place when there is one', () => {
  const world = new LegWorld()
  world.want('a', 'b', 'c', 'd')
  assert.equal(world.has('d'), false)
  assert.equal(world.tells('d'), 'terminated giveup')
  assert.equal(world.tells('a'), 'active 0')
  world.want('a', 'b', 'd')
  world.act(turn => world.notifier.wake(`leg counter ${counter} d`, turn))
  assert.equal(world.tells('d'), 'active 0')
})

test('legs survive a restart, and are not counted as subscriptions', () => {
  const world = new LegWorld()
  world.want('a')
  world.restart()
  world.count()
  assert.deepEqual(world.state.told, ['a'])
  assert.equal(
    world.read(db => world.notifier.counts(db).counter),
    0,
  )
})

test('a leg takes some 100 octets with its key', () => {
  const leg: LegRecord = {
    status: 0,
    subscriber: 'sip:alice@box.example',
    alias: undefined,
    displayName: 'Alice',
    createdAt: Date.UTC(2026, 0),
    notifiedAt: Date.UTC(2026, 0),
    revision: 300,
    version: 1,
  }
  const key = 'presence sip:somebody@box.example f0123456789abcdef'
  assert.ok(encodeShared(leg, new Shapes()).length + key.length <= 130)
})
