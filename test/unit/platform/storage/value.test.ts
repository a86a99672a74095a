import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError } from '../../../../src/platform/storage/error.ts'
import { decodeValue, encodeShared, encodeValue, Shapes } from '../../../../src/platform/storage/value.ts'

const maxValueBytes = 4 * 1024 * 1024

function roundTrip(value: unknown, shapes = new Shapes()): unknown {
  const bytes = Buffer.from(encodeShared(value, shapes))
  return decodeValue(bytes, 0, bytes.length, shapes)
}

const publication = {
  resource: 'sip:alice@box.example',
  entityTag: 'a7f3k2m9',
  expiresAt: 1_700_000_000_000,
  body: new Uint8Array(700).fill(60),
}

test('a record costs its contents and a few octets: field names are kept once', () => {
  const shapes = new Shapes()
  assert.equal(encodeValue(publication, shapes).length, 21 + 8 + 6 + 700 + 9)
})

test('a shape is told of once and values written with it are read with the shapes restored', () => {
  const told: [number, readonly string[]][] = []
  const shapes = new Shapes((id, fields) => told.push([id, fields]))
  const bytes = Buffer.from(encodeShared(publication, shapes))
  encodeShared({ ...publication, entityTag: 'other' }, shapes)
  encodeShared({ a: 1 }, shapes)
  assert.deepEqual(told, [
    [0, ['resource', 'entityTag', 'expiresAt', 'body']],
    [1, ['a']],
  ])
  const restored = new Shapes()
  for (const [id, fields] of told) restored.restore(id, fields)
  assert.deepEqual(decodeValue(bytes, 0, bytes.length, restored), publication)
  assert.throws(() => decodeValue(bytes, 0, bytes.length, new Shapes()), StoreError)
})

test('records of more shapes than are kept carry their names', () => {
  const shapes = new Shapes()
  for (let i = 0; i < 1100; i++) assert.deepEqual(roundTrip({ [`field${i}`]: i }, shapes), { [`field${i}`]: i })
  assert.deepEqual(roundTrip({ field1: 1 }, shapes), { field1: 1 })
})

test('a field named __proto__ is a field', () => {
  const record = JSON.parse('{"a":1,"__proto__":{"b":2}}')
  const read = roundTrip(record) as object
  assert.equal(JSON.stringify(read), JSON.stringify(record))
  assert.equal(Object.getPrototypeOf(read), Object.prototype)
})

test('what is read shares nothing with what was written or with other values read', () => {
  const bytes = Buffer.from(encodeShared(publication, new Shapes()))
  const shapes = new Shapes()
  shapes.restore(0, Object.keys(publication))
  const first = decodeValue(bytes, 0, bytes.length, shapes) as typeof publication
  const second = decodeValue(bytes, 0, bytes.length, shapes) as typeof publication
  bytes.fill(0)
  first.body.fill(1)
  assert.deepEqual(second, publication)
})

test('strings with one that is not ASCII among them, long ones and lone surrogates', () => {
  for (const value of ['é', ['a'.repeat(70_000), 'ü', '\ud800'], { a: 'x'.repeat(300), b: '' }]) {
    assert.deepEqual(roundTrip(value), value)
  }
})

test('numbers of every size, minus zero included', () => {
  for (const n of [
    0,
    -0,
    127,
    128,
    65535,
    65536,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 48 - 1,
    2 ** 48,
    -1,
    -(2 ** 32),
    1.5,
    Number.NaN,
  ]) {
    assert.equal(Object.is(roundTrip(n), n), true, `${n}`)
  }
})

test('a value too long, too deep or not plain data is refused', () => {
  let deep: unknown = 1
  for (let i = 0; i < 40; i++) deep = [deep]
  for (const value of [
    new Uint8Array(maxValueBytes),
    'x'.repeat(maxValueBytes + 1),
    deep,
    new Date(),
    new Map(),
    () => {},
    1n,
  ]) {
    assert.throws(() => encodeShared(value, new Shapes()), StoreError)
  }
  assert.deepEqual(roundTrip(new Uint8Array(maxValueBytes - 10)), new Uint8Array(maxValueBytes - 10))
})

test('damaged octets are an error, not another value', () => {
  const bytes = Buffer.from(encodeShared({ a: [1, 2, 'three'] }, new Shapes()))
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeValue(bytes, 0, length, new Shapes()))
  }
})
