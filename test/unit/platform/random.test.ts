import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SystemRandom } from '../../../src/platform/random.ts'

const random = new SystemRandom()

test('a token begins with a letter and holds letters and digits: a SIP token and an XML ID', () => {
  for (let i = 0; i < 2000; i++) assert.match(random.token(1 + (i % 30)), /^[A-Za-z][A-Za-z0-9]*$/)
  assert.equal(random.token(24).length, 24)
  assert.equal(random.token(0), '')
})

test('tokens do not repeat, and every character comes up', () => {
  const tokens = Array.from({ length: 20_000 }, () => random.token(10))
  assert.equal(new Set(tokens).size, tokens.length)
  assert.equal(new Set(tokens.join('')).size, 62)
})

test('below: whole, in range, and even', () => {
  const counts = [0, 0, 0]
  for (let i = 0; i < 30_000; i++) counts[random.below(3)]!++
  for (const count of counts) assert.ok(count > 9_400 && count < 10_600, counts.join(' '))
  assert.equal(random.below(1), 0)
  assert.ok(random.below(2 ** 40) < 2 ** 40)
})

test('bytes: as many as asked for', () => {
  assert.equal(random.bytes(32).length, 32)
  assert.notDeepEqual(random.bytes(32), random.bytes(32))
})
