import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DecompressionFailure } from '../../../../src/protocols/sigcomp/failure.ts'
import { StateItem, StateMemory, StateStore } from '../../../../src/protocols/sigcomp/state.ts'

function item(length: number, octet: number): StateItem {
  return new StateItem(new Uint8Array(length).fill(octet), 256, 0, 6)
}

function values(memory: StateMemory): number[] {
  return memory.items.map(({ value }) => value[0]!)
}

test('a state costs its length and 64 octets; the lowest priority goes first, of equals the oldest (RFC 3320 §6.2)', () => {
  const memory = new StateMemory(new StateStore(), 2048)
  memory.create(item(436, 1), 2)
  memory.create(item(436, 2), 1)
  memory.create(item(436, 3), 1)
  memory.create(item(436, 4), 3)
  assert.equal(memory.used, 2000)
  memory.create(item(436, 5), 1)
  assert.deepEqual(values(memory), [1, 3, 4, 5])
  memory.create(item(900, 6), 0)
  assert.deepEqual(values(memory), [1, 4, 6])
})

test('65535 is lower than any other priority (RFC 4896 §5.1)', () => {
  const memory = new StateMemory(new StateStore(), 2048)
  memory.create(item(900, 1), 0)
  assert.ok(memory.createLocal(item(900, 2), 4))
  memory.create(item(900, 3), 0)
  assert.deepEqual(values(memory), [1, 3])
})

test('a shared state is not made where the peer’s own would have to leave for it (RFC 3321 §5.2)', () => {
  const memory = new StateMemory(new StateStore(), 2048)
  memory.create(item(1500, 1), 0)
  assert.ok(!memory.createLocal(item(900, 2), 4))
  assert.ok(memory.createLocal(item(100, 3), 4))
  assert.deepEqual(values(memory), [1, 3])
})

test('shared states are limited in number; the oldest goes', () => {
  const memory = new StateMemory(new StateStore(), 8192)
  for (let i = 1; i <= 5; i++) assert.ok(memory.createLocal(item(10, i), 2))
  assert.deepEqual(values(memory), [4, 5])
})

test('a state made again counts once, with its new priority and as the newest (RFC 4896 §5.2, §6)', () => {
  const memory = new StateMemory(new StateStore(), 2048)
  for (const octet of [1, 2, 3]) memory.create(item(500, octet), 0)
  memory.create(item(500, 1), 0)
  assert.equal(memory.used, 3 * 564)
  memory.create(item(500, 4), 0)
  assert.deepEqual(values(memory), [3, 1, 4])
  memory.create(item(500, 3), 5)
  memory.create(item(500, 6), 0)
  assert.deepEqual(values(memory), [4, 3, 6])
})

test('a compartment of no state memory keeps nothing (RFC 3320 §6.2 step 1)', () => {
  const store = new StateStore()
  const memory = new StateMemory(store, 0)
  assert.ok(!memory.create(item(1, 1), 0))
  assert.equal(store.size, 0)
})

test('an item of two compartments is there until both have let it go', () => {
  const store = new StateStore()
  const [a, b] = [new StateMemory(store, 2048), new StateMemory(store, 2048)]
  const { identifier } = item(10, 1)
  a.create(item(10, 1), 0)
  b.create(item(10, 1), 7)
  assert.equal(store.size, 1)
  a.free(identifier.subarray(0, 6))
  assert.equal(store.access(identifier.subarray(0, 6)).value[0], 1)
  b.clear()
  assert.throws(() => store.access(identifier.subarray(0, 6)), DecompressionFailure)
  assert.equal(store.size, 0)
})

test('what another compartment has cannot be freed (RFC 4896 §3.3)', () => {
  const store = new StateStore()
  const [a, b] = [new StateMemory(store, 2048), new StateMemory(store, 2048)]
  a.create(item(10, 1), 0)
  b.free(item(10, 1).identifier.subarray(0, 6))
  assert.equal(store.size, 1)
})
