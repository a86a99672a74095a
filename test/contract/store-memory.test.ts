/** The memory store: the contract, and what only it can do: crash, power cut, failing writes, catching changed values. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { StoreError } from '../../src/platform/storage/error.ts'
import { type MemoryStore, openMemoryStore } from '../../src/platform/storage/memory.ts'
import { type Store, table } from '../../src/turn.ts'
import { storeContract } from './store.ts'

storeContract('memory', () => ({
  open: () => openMemoryStore(),
  reopen: store => (store as MemoryStore).crash(),
  remove: () => {},
}))

const soft = table<unknown>('soft', 'soft')
const hard = table<unknown>('hard', 'hard')

function put(store: Store, key: string, value: unknown, where = soft) {
  store.transact(db => db.put(where, [key], value))
}

function keysOf(store: Store, where = soft) {
  return store.transact(db => [...db.range(where, {})].map(([key]) => key[0]))
}

describe('memory store', () => {
  test('crash: what was committed is there, what was only written is not', async () => {
    const store = openMemoryStore()
    put(store, 'committed', { n: 1 })
    await store.committed()
    put(store, 'written', { n: 2 })
    const after = store.crash()
    assert.deepEqual(keysOf(after), ['committed'])
    assert.deepEqual(
      after.transact(db => db.get(soft, ['committed'])),
      { n: 1 },
    )
  })

  test('power cut: soft records of the last five seconds are lost, everything older and everything hard is there', async () => {
    let now = 0
    const store = openMemoryStore({ now: () => now })
    put(store, 'old', 1)
    put(store, 'changed', 1)
    await store.committed()
    now = 3000
    put(store, 'changed', 2)
    put(store, 'recent', 1)
    await store.committed()
    now = 5500
    store.transact(db => db.delete(soft, ['old']))
    await store.committed()
    const after = store.powerCut()
    assert.deepEqual(keysOf(after), ['changed', 'old'])
    assert.equal(
      after.transact(db => db.get(soft, ['changed'])),
      1,
    )
    put(store, 'hard', 1, hard)
    await store.committed()
    const afterHard = store.powerCut()
    assert.deepEqual(keysOf(afterHard), ['changed', 'recent'])
    assert.deepEqual(keysOf(afterHard, hard), ['hard'])
  })

  test('power cut without a clock: what was flushed', async () => {
    const store = openMemoryStore()
    put(store, 'a', 1)
    await store.committed()
    assert.deepEqual(keysOf(store.powerCut()), [])
    store.flush()
    put(store, 'b', 1)
    await store.committed()
    assert.deepEqual(keysOf(store.powerCut()), ['a'])
  })

  test('the n-th write can fail: its turn is undone, the store goes on', async () => {
    const store = openMemoryStore()
    store.failWrite(3)
    put(store, 'a', 1)
    const turn = () =>
      store.transact(db => {
        db.put(soft, ['b'], 1)
        db.delete(soft, ['a'])
      })
    assert.throws(turn, StoreError)
    assert.deepEqual(keysOf(store), ['a'])
    turn()
    await store.committed()
    assert.deepEqual(keysOf(store.crash()), ['b'])
  })

  test('the n-th commit can fail: nothing since the last success is kept and the store is unusable', async () => {
    const store = openMemoryStore()
    store.failCommit(2)
    put(store, 'a', 1)
    await store.committed()
    put(store, 'b', 1)
    await assert.rejects(store.committed(), StoreError)
    assert.throws(() => put(store, 'c', 1), StoreError)
    await assert.rejects(store.committed(), StoreError)
    assert.deepEqual(keysOf(store.crash()), ['a'])
  })

  test('a value that cannot be stored fails in its turn', () => {
    const store = openMemoryStore()
    for (const value of [() => {}, new Map(), new Date(), { at: 1n }, [Symbol('s')]]) {
      assert.throws(() => put(store, 'k', value), StoreError)
    }
    const cyclic: Record<string, unknown> = {}
    cyclic.self = cyclic
    assert.throws(() => put(store, 'k', cyclic), StoreError)
    assert.throws(() => put(store, 'k', new Uint8Array(5_000_000)), StoreError)
    assert.deepEqual(keysOf(store), [])
  })

  test('a value changed after it was put or read is caught', async () => {
    const store = openMemoryStore()
    const record = { list: [1], body: new Uint8Array(4) }
    put(store, 'k', record)
    assert.throws(() => record.list.push(2), TypeError)
    await store.committed()
    const read = store.transact(db => db.get(soft, ['k'])) as typeof record
    assert.throws(() => read.list.push(2), TypeError)
    put(store, 'k', read)
    read.body[0] = 1
    await assert.rejects(store.committed(), /changed after it was put/)
  })

  test('what a batch nets to nothing is not written', async () => {
    const store = openMemoryStore()
    put(store, 'k', 1)
    store.transact(db => db.delete(soft, ['k']))
    await store.committed()
    assert.equal(store.counters.commits, 0)
    assert.equal(store.size, 0)
  })
})
