/** RFC 3903 §4: the four operations of a publication. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alice, bob, PresenceWorld, said } from '../../unit/entities/presence-server/presence-world.ts'

test('§4.1 table 1, PS-01: initial, refresh, modify and remove are told apart by body, SIP-If-Match and Expires', () => {
  const world = new PresenceWorld()
  world.subscribe()
  const initial = world.publish('open', { expires: 3600 })
  assert.equal(said(world.sent.at(-1)), 'open')
  const refresh = world.publish(undefined, { tag: initial.header('SIP-ETag'), expires: 1800 })
  assert.equal(refresh.status, 200)
  assert.equal(refresh.header('Expires'), '1800')
  assert.equal(world.sent.length, 2, 'a refresh only extends the lifetime (§4.3)')
  const modify = world.publish('closed', { tag: refresh.header('SIP-ETag'), expires: 3600 })
  assert.equal(said(world.sent.at(-1)), 'closed')
  const remove = world.publish(undefined, { tag: modify.header('SIP-ETag'), expires: 0 })
  assert.equal(remove.status, 200)
  assert.equal(remove.header('Expires'), '0')
  assert.equal(world.sent.at(-1)!.request.body.toString(), Buffer.from(world.neutral()).toString())
})

test('§4.1: "That state is unaffected by an initial publication": publications of several sources stand side by side', () => {
  const world = new PresenceWorld()
  world.publish('open')
  world.publish('closed')
  assert.equal(
    world.read(db => world.server.counts(db, world.now).publications),
    2,
  )
})

test('§4.3: without Expires the compositor chooses', () => {
  const world = new PresenceWorld({ 'presence.publicationDefaultSeconds': 1234 })
  assert.equal(world.publish('open').header('Expires'), '1234')
})

test('§4.4, PS-16: a body in a refresh is what is published from then on', () => {
  const world = new PresenceWorld()
  const initial = world.publish('open')
  world.publish('closed', { tag: initial.header('SIP-ETag') })
  world.subscribe()
  assert.equal(said(world.sent.at(-1)), 'closed')
})

test('§4, PS-12: only the presentity publishes for himself; another user is answered 403', () => {
  const world = new PresenceWorld()
  assert.equal(world.publish('open', { of: alice, from: bob }).status, 403)
})

test('§4, PS-10: Contact is ignored and no dialog is made', () => {
  const world = new PresenceWorld()
  const response = world.publish('open', {
    headers: [
      ['Contact', 'nonsense <<'],
      ['Record-Route', '<sip:proxy.example;lr>'],
    ],
  })
  assert.equal(response.status, 200)
  assert.equal(response.hasHeader('Contact'), false)
  assert.equal(response.hasHeader('Record-Route'), false)
})
