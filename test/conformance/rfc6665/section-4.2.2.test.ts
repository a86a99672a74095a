/** RFC 6665 §4.2.2: how a notifier sends state, and what failing NOTIFYs do. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { respond } from '../../../src/protocols/sip/message.ts'
import { CounterWorld, counter } from '../../unit/protocols/sip-events/toy-package.ts'

describe('changes', () => {
  test('a change is told to every subscriber, and the document is made once', () => {
    const world = new CounterWorld()
    for (let count = 0; count < 5; count++) world.subscribe()
    const { made } = world.toy
    world.count()
    assert.deepEqual(world.bodies(5), ['1', '1', '1', '1', '1'])
    assert.equal(world.toy.made, made + 1)
  })

  test('one NOTIFY is under way at a time; what changes meanwhile follows as one', () => {
    const world = new CounterWorld()
    world.subscribe()
    world.peer = () => undefined
    world.count()
    world.count()
    world.count()
    assert.deepEqual(world.bodies(1), ['1'])
    world.peer = () => 200
    world.answer(world.sent[1]!, 200)
    assert.deepEqual(world.bodies(1), ['1', '3'])
    assert.deepEqual(world.log().slice(1), ['NOTIFY active 2', 'NOTIFY active 3'])
  })

  test('a refresh while a NOTIFY is under way is confirmed when that is answered', () => {
    const world = new CounterWorld()
    world.peer = () => undefined
    const accepted = world.subscribe()
    assert.equal(world.refresh(accepted).status, 200)
    assert.equal(world.sent.length, 1)
    world.peer = () => 200
    world.answer(world.sent[0]!, 200)
    assert.equal(world.sent.length, 2)
    world.pass(10)
    assert.equal(world.sent.length, 2)
  })

  test('a pending subscription hears nothing of changes', () => {
    const world = new CounterWorld()
    world.toy.decision = 'pending'
    world.subscribe()
    world.count()
    assert.equal(world.sent.length, 1)
  })

  test('provisional answers to a NOTIFY are not answers', () => {
    const world = new CounterWorld()
    world.peer = ({ request }) => respond(request, 183)
    world.subscribe()
    assert.equal(world.subscriptions(), 1)
  })
})

describe('PS-37: failing NOTIFYs', () => {
  for (const status of [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604]) {
    test(`"the notifier MUST remove the corresponding subscription": ${status}`, async () => {
      const world = new CounterWorld()
      world.subscribe()
      world.peer = () => status
      world.count()
      assert.equal(world.subscriptions(), 0)
      world.count()
      assert.equal(world.sent.length, 2, 'nothing more is sent')
      world.pass(3600)
      assert.equal(await world.size(), 0)
    })
  }

  test('a NOTIFY without an answer ends the subscription (Timer F)', async () => {
    const world = new CounterWorld()
    world.subscribe()
    world.peer = () => undefined
    world.count()
    world.pass(32)
    assert.equal(world.subscriptions(), 0)
    assert.equal(world.sent.length, 2)
    world.pass(3600)
    assert.equal(await world.size(), 0)
  })

  for (const status of [400, 403, 406, 408 + 99, 486, 491, 500, 503, 600, 603]) {
    test(`another status leaves it: ${status}`, () => {
      const world = new CounterWorld()
      world.subscribe()
      world.peer = () => status
      world.count()
      assert.equal(world.subscriptions(), 1)
      world.peer = () => 200
      world.count()
      assert.deepEqual(world.bodies(1), ['1', '2'])
    })
  }

  test('after 503 with Retry-After the NOTIFY is repeated then, as news', () => {
    const world = new CounterWorld()
    world.subscribe()
    world.peer = ({ request }) => respond(request, 503, { headers: [['Retry-After', '120 (busy)']] })
    world.count()
    world.peer = () => 200
    world.pass(119)
    assert.equal(world.sent.length, 2)
    world.pass(1)
    assert.deepEqual(world.bodies(1), ['1', '1'])
    assert.deepEqual(world.log().slice(1), ['NOTIFY active 2', 'NOTIFY active 3'])
  })
})

describe('RFC 6665 §5.4.10: rate of notifications', () => {
  test('PS-31: changes within the interval of the package become one NOTIFY at its end', () => {
    const world = new CounterWorld()
    world.toy.intervalMs = 5000
    world.subscribe()
    for (let second = 0; second < 4; second++) {
      world.count()
      world.pass(1)
    }
    assert.equal(world.sent.length, 1)
    world.pass(1)
    assert.deepEqual(world.bodies(1), ['4'])
    world.count()
    world.pass(4)
    assert.equal(world.sent.length, 2)
    world.pass(1)
    assert.deepEqual(world.bodies(1), ['4', '5'])
    world.pass(60)
    world.count()
    assert.deepEqual(world.bodies(3), ['6'], 'after a quiet time at once')
  })

  test('the answer to a SUBSCRIBE and the end are exempt (RFC 6446 §5)', () => {
    const world = new CounterWorld()
    world.toy.intervalMs = 5000
    const accepted = world.subscribe()
    world.refresh(accepted)
    assert.equal(world.sent.length, 2)
    world.refresh(accepted, [['Expires', '0']], 50)
    assert.equal(world.sent.length, 3)
  })

  test('an answer that comes late does not break the interval', () => {
    const world = new CounterWorld()
    world.toy.intervalMs = 5000
    world.peer = () => undefined
    world.subscribe()
    world.count()
    world.peer = () => 200
    world.pass(2)
    world.answer(world.sent[0]!, 200)
    assert.equal(world.sent.length, 1)
    world.pass(3)
    assert.deepEqual(world.bodies(1), ['1'])
  })
})

test('NOTIFYs of a large fan-out are made in bounded turns, everybody once', () => {
  const world = new CounterWorld({ notificationsPerTurn: 7 })
  for (let count = 0; count < 50; count++) world.subscribe({ from: `sip:w${count}@box.example` })
  let most = 0
  const wake = world.entity.wake.bind(world.entity)
  world.entity.wake = (token, turn) => {
    const outputs = wake(token, turn)
    most = Math.max(most, outputs.filter(({ kind }) => kind === 'request').length)
    return outputs
  }
  world.count()
  const told = world.sent.slice(50).map(({ request }) => request.callId)
  assert.equal(new Set(told).size, 50)
  assert.equal(told.length, 50)
  assert.equal(most, 7)
})

test('changes that come while a fan-out is going on leave nobody behind', () => {
  const world = new CounterWorld({ notificationsPerTurn: 3 })
  for (let count = 0; count < 20; count++) world.subscribe({ from: `sip:w${count}@box.example` })
  const wake = world.entity.wake.bind(world.entity)
  let changes = 5
  world.entity.wake = (token, turn) => {
    const outputs = wake(token, turn)
    if (changes-- <= 0) return outputs
    world.toy.value++
    const more = (
      world.entity as unknown as { notifier: import('../../../src/protocols/sip-events/notifier.ts').Notifier }
    ).notifier
    return [...outputs, ...more.notifyResource('counter', counter, turn)]
  }
  world.count()
  const last = new Map<string, string>()
  for (const { request } of world.sent) last.set(request.callId, Buffer.from(request.body).toString())
  assert.equal(last.size, 20)
  assert.deepEqual([...new Set(last.values())], ['6'])
})

describe('after a restart', () => {
  test('PS-41: CSeq goes on, and who may have missed a NOTIFY is told again', () => {
    const world = new CounterWorld()
    world.subscribe()
    world.peer = () => undefined
    world.count()
    world.restart()
    world.peer = () => 200
    world.pass(1)
    assert.deepEqual(world.log().slice(1), ['NOTIFY active 2', 'NOTIFY active 3'])
    assert.deepEqual(world.bodies(1), ['1', '1'])
    world.pass(60)
    assert.equal(world.sent.length, 3)
  })

  test('who was told long ago is left in peace', () => {
    const world = new CounterWorld()
    world.subscribe()
    world.pass(33)
    world.restart()
    world.pass(60)
    assert.equal(world.sent.length, 1)
  })

  test('a change that waited for an answer or an interval is told', () => {
    const world = new CounterWorld()
    world.toy.intervalMs = 60_000
    world.subscribe()
    world.pass(40)
    world.count()
    world.restart()
    world.pass(19)
    assert.equal(world.sent.length, 1)
    world.pass(1)
    assert.deepEqual(world.bodies(1), ['1'])
  })

  test('many are told a few at a time', () => {
    const world = new CounterWorld({ notificationsPerTurn: 5, restartPaceMs: 1000 })
    for (let count = 0; count < 20; count++) world.subscribe({ from: `sip:w${count}@box.example` })
    world.restart()
    assert.equal(world.sent.length, 25)
    world.pass(1)
    assert.equal(world.sent.length, 30)
    world.pass(10)
    assert.equal(world.sent.length, 40)
  })

  test('what ended long before the restart ends silently', async () => {
    const world = new CounterWorld()
    world.subscribe({ headers: [['Expires', '60']] })
    world.now += 3_600_000
    world.restart()
    assert.equal(world.sent.length, 1)
    assert.equal(await world.size(), 0)
  })
})
