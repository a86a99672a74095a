/** RFC 3903 §7: what OPTIONS tells. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alice, PresenceWorld } from '../../unit/entities/presence-server/presence-world.ts'

test('PS-11: OPTIONS is answered with PUBLISH in Allow, with Allow-Events and with Accept', () => {
  const response = new PresenceWorld().request('OPTIONS', alice)
  assert.equal(response.status, 200)
  assert.ok(response.headers('Allow').includes('PUBLISH'))
  assert.deepEqual(response.headers('Allow-Events'), ['presence'])
  assert.deepEqual(response.headers('Accept'), [
    'application/pidf+xml',
    'application/pidf-diff+xml',
    'multipart/related',
    'multipart/mixed',
    'multipart/alternative',
  ])
})

test('RFC 3261 §8.2.1: another method is answered 405 with Allow', () => {
  const response = new PresenceWorld().request('MESSAGE', alice)
  assert.equal(response.status, 405)
  assert.deepEqual(response.headers('Allow'), ['PUBLISH', 'SUBSCRIBE', 'OPTIONS'])
})

test('RFC 3261 §8.2.2.3: an option we do not support is answered 420 with Unsupported', () => {
  const response = new PresenceWorld().publish('open', { headers: [['Require', 'gruu, x-unheard-of']] })
  assert.equal(response.status, 420)
  assert.equal(response.header('Unsupported'), 'x-unheard-of')
})
