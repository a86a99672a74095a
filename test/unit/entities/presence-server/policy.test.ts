/** What happens to live subscriptions when the decision about them changes (RFC 5025 §3.2.1, PS-95..98), and polite blocking. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { alice, carol, PresenceWorld, said, text } from './presence-world.ts'

function handle(world: PresenceWorld, handling: string): void {
  world.set('presence.defaultHandling', handling)
  world.wake({ kind: 'wake', at: world.now, token: 'policies' })
}

describe('changing rules while subscriptions live', () => {
  test('PS-95: to block: terminated;reason=rejected at once, and a later SUBSCRIBE gets 403', async () => {
    const world = new PresenceWorld({ 'presence.minNotifyIntervalSeconds': 5 })
    world.subscribe()
    handle(world, 'block')
    assert.equal(world.log().at(-1), 'NOTIFY terminated;reason=rejected 2')
    assert.equal(world.subscribe().status, 403)
    world.pass(4000)
    assert.equal(await world.size(), 0)
  })

  test('PS-96: to confirm: active becomes pending, without reason and document; and back', () => {
    const world = new PresenceWorld({ 'presence.minNotifyIntervalSeconds': 5 })
    const tag = world.publish('open').header('SIP-ETag')
    world.subscribe()
    handle(world, 'confirm')
    assert.equal(world.log().at(-1), 'NOTIFY pending 2')
    assert.equal(world.sent[1]!.request.body.length, 0)
    world.publish('closed', { tag })
    world.pass(60)
    assert.equal(world.sent.length, 2, 'no further documents are sent')
    handle(world, 'confirm')
    assert.equal(world.sent.length, 2, 'pending stays pending')
    handle(world, 'allow')
    assert.equal(world.log().at(-1), 'NOTIFY active 3')
    assert.equal(said(world.sent[2]), 'closed')
  })

  test('PS-97: from confirm to polite-block: active, with the document of somebody who is not there', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
    world.publish('open')
    world.subscribe()
    handle(world, 'polite-block')
    assert.equal(world.log().at(-1), 'NOTIFY active 2')
    assert.equal(text(world.sent[1]!.request.body), world.neutral())
  })

  test('PS-98: allow to polite-block and back: stays active, and the other document is sent', () => {
    const world = new PresenceWorld()
    world.publish('open')
    world.subscribe()
    handle(world, 'polite-block')
    assert.equal(said(world.sent[1]), 'closed')
    handle(world, 'allow')
    assert.equal(said(world.sent[2]), 'open')
    assert.deepEqual(world.log(), ['NOTIFY active 1', 'NOTIFY active 2', 'NOTIFY active 3'])
  })

  test('PS-93: the presentity himself is not affected', () => {
    const world = new PresenceWorld()
    world.subscribe({ from: alice })
    handle(world, 'block')
    assert.deepEqual(world.log().slice(1), ['NOTIFY active 2'])
  })

  test('a refresh that is refused ends nothing by itself', () => {
    const world = new PresenceWorld()
    const accepted = world.subscribe()
    world.set('presence.defaultHandling', 'block')
    assert.equal(world.resubscribe(accepted).status, 403)
    assert.equal(world.sent.length, 1)
  })

  test('all resources are walked, however many', () => {
    const world = new PresenceWorld({}, { notificationsPerTurn: 3 })
    for (let count = 0; count < 20; count++) {
      const presentity = `sip:user${count}@box.example`
      world.users.add(presentity)
      world.subscribe({ to: presentity })
      world.subscribe({ to: presentity, from: carol })
    }
    handle(world, 'block')
    assert.equal(world.log().filter(line => line.includes('rejected')).length, 40)
  })
})

test('PS-97: all waiting entries are walked, however many one presentity has', async () => {
  const world = new PresenceWorld({ 'presence.defaultHandling': 'confirm' }, { notificationsPerTurn: 3 })
  for (const to of [alice, carol]) {
    for (let count = 0; count < 10; count++) world.subscribe({ to, from: `sip:w${count}@box.example`, expires: 0 })
  }
  assert.ok((await world.size()) >= 20)
  handle(world, 'allow')
  assert.equal(await world.size(), 0)
})

describe('PS-100: polite block', () => {
  test('neither answers nor NOTIFYs differ from those about a user who is not there', () => {
    const blocked = new PresenceWorld({ 'presence.defaultHandling': 'polite-block' })
    blocked.registered.add(alice)
    const tag = blocked.publish('open').header('SIP-ETag')
    const absent = new PresenceWorld()
    absent.publish('open', { of: carol })
    const strip = (bytes: Buffer) => bytes.toString('latin1').replace(/;tag=\w+|tag=\w+/g, '')
    const answers = [blocked, absent].map(world => strip(world.subscribe().toBytes()))
    assert.equal(answers[0], answers[1])
    blocked.publish('closed', { tag })
    absent.publish('closed', { of: carol })
    for (const world of [blocked, absent]) world.pass(3600)
    const [one, other] = [blocked, absent].map(world => world.sent.map(({ request }) => strip(request.toBytes())))
    assert.equal(one!.length, 2)
    assert.deepEqual(one, other)
  })

  test('a change of presence is not even felt as a NOTIFY', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'polite-block' })
    const tag = world.publish('open').header('SIP-ETag')
    world.subscribe()
    world.subscribe({ from: alice })
    world.publish('closed', { tag })
    assert.equal(world.sent.length, 3)
    assert.equal(world.sent[2]!.request.header('To')!.includes('alice'), true)
  })

  test('a refresh is answered with the same document', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'polite-block' })
    world.publish('open')
    const accepted = world.subscribe()
    world.resubscribe(accepted)
    assert.deepEqual(world.sent.map(said), ['closed', 'closed'])
  })
})

test('an account that goes takes its publications and subscriptions with it', async () => {
  const world = new PresenceWorld()
  world.publish('open')
  const accepted = world.subscribe()
  world.subscribe({ from: alice, event: 'presence.winfo' })
  world.users.delete(alice)
  world.wake({ kind: 'wake', at: world.now, token: `user ${alice}` })
  assert.deepEqual(
    world.read(db => world.server.counts(db, world.now)),
    { publications: 0, subscriptions: { presence: 0, 'presence.winfo': 0 } },
  )
  assert.equal(world.resubscribe(accepted).status, 481)
  world.pass(4000)
  assert.equal(await world.size(), 0)
})

test('status counts publications and subscriptions by event package', () => {
  const world = new PresenceWorld()
  world.publish('open')
  world.publish('open')
  world.subscribe()
  world.subscribe({ from: carol })
  world.subscribe({ from: alice, event: 'presence.winfo' })
  assert.deepEqual(
    world.read(db => world.server.counts(db, world.now)),
    { publications: 2, subscriptions: { presence: 2, 'presence.winfo': 1 } },
  )
})

describe('PS-17: presence.replaceSameSource', () => {
  const states = (world: PresenceWorld) => world.read(db => world.server.counts(db, world.now).publications)

  test('off: a client that publishes afresh stands beside what it forgot', () => {
    const world = new PresenceWorld()
    world.publish('open')
    world.publish('closed')
    assert.equal(states(world), 2)
  })

  test('on: what has a tuple id in common gives way, the rest stays', () => {
    const world = new PresenceWorld({ 'presence.replaceSameSource': true })
    const forgotten = world.publish('open').header('SIP-ETag')
    world.request('PUBLISH', alice, {
      headers: [
        ['Event', 'presence'],
        ['Content-Type', 'application/pidf+xml'],
      ],
      body: text(
        Buffer.from(
          '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@box.example"><tuple id="desk"><status><basic>open</basic></status></tuple></presence>',
        ),
      ),
    })
    assert.equal(states(world), 2)
    world.publish('closed')
    assert.equal(states(world), 2)
    assert.equal(world.publish(undefined, { tag: forgotten }).status, 412)
  })
})
