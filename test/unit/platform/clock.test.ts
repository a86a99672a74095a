import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createClock, timeIsKnown } from '../../../src/platform/clock.ts'

function source(wall: number) {
  return {
    wall,
    monotonic: 0,
    wallMs() {
      return this.wall
    },
    monotonicMs() {
      return this.monotonic
    },
    pass(ms: number) {
      this.wall += ms
      this.monotonic += ms
    },
  }
}

test('time passes as the monotonic clock says', () => {
  const machine = source(1_000_000)
  const clock = createClock(0, machine)
  assert.equal(clock.now(), 1_000_000)
  machine.pass(1500)
  assert.equal(clock.now(), 1_001_500)
})

test('a wall clock set back is not followed; one set forward is', () => {
  const machine = source(1_000_000)
  const clock = createClock(0, machine)
  machine.wall -= 500_000
  machine.pass(2000)
  assert.equal(clock.now(), 1_002_000)
  machine.wall = 9_000_000
  machine.pass(2000)
  assert.equal(clock.now(), 9_002_000)
})

test('it starts no earlier than what is known to be past: a board without a battery clock', () => {
  assert.equal(createClock(5_000_000, source(0)).now(), 5_000_000)
})

test('whatever is done to the wall clock, an Instant never runs backwards', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.nat(5000))), steps => {
      const machine = source(1e12)
      const clock = createClock(0, machine)
      let last = clock.now()
      for (const [jump, passed] of steps) {
        machine.wall += jump
        machine.pass(passed)
        assert.ok(clock.now() >= last)
        last = clock.now()
      }
    }),
  )
})

test('waiting for the time ends at once when it is known, and after the patience when it never is', async () => {
  assert.equal(await timeIsKnown(0, 1000), true)
  assert.equal(await timeIsKnown(Number.MAX_SAFE_INTEGER, 0), false)
})
