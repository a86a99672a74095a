import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AwaitingRequests } from '../../src/awaiting.ts'
import { limits } from '../../src/limits.ts'
import type { SipRequest } from '../../src/protocols/sip/message.ts'

const { requests, waitMs } = limits.awaitingRequests
const request = (): SipRequest => ({}) as SipRequest

test('a request waits until its time is over, however often it is tried in between', () => {
  const awaiting = new AwaitingRequests()
  const [first, second] = [request(), request()]
  assert.equal(awaiting.keep(first, 1000), true)
  assert.equal(awaiting.keep(second, 1500), true)
  assert.equal(awaiting.deadline(), 1000 + waitMs)
  assert.equal(awaiting.keep(first, 1999), true)
  assert.deepEqual(awaiting.late(999 + waitMs), [])
  assert.deepEqual(awaiting.late(1000 + waitMs), [first])
  assert.equal(awaiting.keep(first, 1000 + waitMs), false)
  awaiting.end(first)
  assert.deepEqual(awaiting.all(), [second])
  assert.equal(awaiting.deadline(), 1500 + waitMs)
  awaiting.end(second)
  assert.equal(awaiting.deadline(), undefined)
})

test('so many wait and no more', () => {
  const awaiting = new AwaitingRequests()
  const all = Array.from({ length: requests }, request)
  assert.ok(all.every(one => awaiting.keep(one, 0)))
  assert.equal(awaiting.keep(request(), 0), false)
  assert.equal(awaiting.keep(all[0]!, 0), true)
  awaiting.end(all[0]!)
  assert.equal(awaiting.keep(request(), 0), true)
})
