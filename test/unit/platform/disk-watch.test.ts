import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { DiskWatch } from '../../../src/platform/disk-watch.ts'

const limits = { lowOctets: 6_000, slackOctets: 1_000, reserveOctets: 500, share: 0.5, lookMs: 60_000 }

function watched(t: TestContext, octets = 1_000_000) {
  const directory = mkdtempSync(join(tmpdir(), 'porchlight-room-'))
  const reserve = join(directory, 'reserve')
  const room = { octets, free: octets }
  const alarms: Array<string | undefined> = []
  const watch = new DiskWatch(directory, limits, () => room)
  t.after(() => {
    watch.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const at = (free: number): boolean => {
    room.free = free
    return watch.isFull
  }
  return { directory, reserve, room, alarms, watch, at }
}

test('full below the mark, and not any more only with slack above it; one alarm each way', t => {
  const { at, watch, alarms } = watched(t)
  watch.start(text => alarms.push(text))
  assert.equal(alarms.length, 1)
  assert.equal(at(6_000), false)
  assert.equal(at(5_999), true)
  assert.equal(at(6_999), true)
  assert.equal(at(7_000), false)
  assert.equal(at(6_500), false)
  assert.deepEqual(
    alarms.map(text => text?.replace(/:.*/, '')),
    [undefined, 'the disk is full', undefined],
  )
})

test('what was so before the watch began is told when it does', t => {
  const { at, watch, alarms } = watched(t)
  assert.equal(at(10), true)
  watch.start(text => alarms.push(text))
  assert.equal(alarms.length, 1)
  assert.match(alarms[0]!, /^the disk is full/)
})

test('the reserve is kept while there is room, given up when there is none, and made again', t => {
  const { at, reserve, watch } = watched(t)
  assert.equal(statSync(reserve).size, 500)
  at(600)
  assert.ok(existsSync(reserve))
  at(499)
  assert.ok(!existsSync(reserve))
  at(7_499)
  assert.ok(!existsSync(reserve), 'making it would make the disk full')
  at(7_500)
  assert.equal(statSync(reserve).size, 500)
  watch.giveReserve()
  watch.giveReserve()
  assert.ok(!existsSync(reserve))
})

test('a disk too full to open a store on gives the reserve up at once', t => {
  const { directory, reserve } = watched(t)
  assert.ok(existsSync(reserve))
  new DiskWatch(directory, limits, () => ({ octets: 1_000_000, free: 0 }))
  assert.ok(!existsSync(reserve))
})

test('of a small disk no more than its share is asked for', t => {
  const { at, reserve } = watched(t, 1_500)
  assert.equal(statSync(reserve).size, 50)
  assert.equal(at(600), false)
  assert.equal(at(599), true)
  assert.equal(at(700), false)
})
