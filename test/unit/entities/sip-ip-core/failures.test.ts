/** AP-14: counting failed proofs of identity within bounds. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failures } from '../../../../src/entities/sip-ip-core/failures.ts'

const settings = { failuresPerAddress: 3, failuresPerUser: 5, lockSeconds: 60 }
const remembered = 8

test('an address is locked at its limit, until its window is over', () => {
  const failures = new Failures(remembered)
  for (let n = 0; n < 3; n++) {
    assert.equal(failures.lockedSeconds('192.0.2.1', `u${n}`, 1000, settings), 0)
    failures.failed('192.0.2.1', `u${n}`, 1000, settings)
  }
  assert.equal(failures.lockedSeconds('192.0.2.1', 'u', 1000, settings), 60)
  assert.equal(failures.lockedSeconds('192.0.2.1', 'u', 60_999, settings), 1)
  assert.equal(failures.lockedSeconds('192.0.2.1', 'u', 61_000, settings), 0)
  assert.equal(failures.lockedSeconds('192.0.2.2', 'u', 1000, settings), 0)
})

test('a failure after the window counts anew', () => {
  const failures = new Failures(remembered)
  for (let n = 0; n < 3; n++) failures.failed('192.0.2.1', `u${n}`, n * 30_000, settings)
  assert.equal(failures.lockedSeconds('192.0.2.1', 'u', 60_000, settings), 0)
})

test('a name is locked whatever the address', () => {
  const failures = new Failures(remembered)
  for (let n = 0; n < 5; n++) failures.failed(`192.0.2.${n}`, 'sip:alice@box.example', 0, settings)
  assert.equal(failures.lockedSeconds('192.0.2.99', 'sip:alice@box.example', 0, settings), 60)
})

test('addresses of one IPv6 subnet count as one', () => {
  const failures = new Failures(remembered)
  for (let n = 0; n < 3; n++) failures.failed(`2001:db8:1:2:${n}::1`, `u${n}`, 0, settings)
  assert.equal(failures.lockedSeconds('2001:db8:1:2::9', 'u', 0, settings), 60)
  assert.equal(failures.lockedSeconds('2001:db8:1:3::9', 'u', 0, settings), 0)
})

test('what is remembered is bounded: the oldest is forgotten', () => {
  const failures = new Failures(remembered)
  for (let n = 0; n < 3; n++) failures.failed('192.0.2.1', 'one', 0, settings)
  for (let n = 0; n < 100; n++) failures.failed(`198.51.100.${n}`, `u${n}`, 0, settings)
  assert.equal(failures.lockedSeconds('192.0.2.1', 'one', 0, settings), 0)
})
