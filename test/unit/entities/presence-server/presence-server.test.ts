import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PresenceWorld, said } from './presence-world.ts'

test('a watcher sees a publication, its change and its removal (RFC 3856 §6, RFC 3903 §6)', async () => {
  const world = new PresenceWorld()
  const published = world.publish('open')
  assert.equal(published.status, 200)
  const accepted = world.subscribe()
  assert.equal(accepted.status, 200)
  assert.equal(said(world.sent.at(-1)), 'open')
  const changed = world.publish('closed', { tag: published.header('SIP-ETag') })
  assert.equal(changed.status, 200)
  assert.equal(said(world.sent.at(-1)), 'closed')
  world.publish(undefined, { tag: changed.header('SIP-ETag'), expires: 0 })
  assert.deepEqual(world.log(), ['NOTIFY active 1', 'NOTIFY active 2', 'NOTIFY active 3'])
  world.resubscribe(accepted, { expires: 0 })
  assert.equal(world.log().at(-1), 'NOTIFY terminated;reason=timeout 4')
  world.pass(7200)
  assert.equal(world.wakesPending, 0)
  assert.equal(await world.size(), 0)
})
