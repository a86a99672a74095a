import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError } from '../../../../src/platform/storage/error.ts'
import { openMemoryStore } from '../../../../src/platform/storage/memory.ts'
import {
  currentFormat,
  headerKey,
  headerTable,
  migrate,
  migrations,
} from '../../../../src/platform/storage/migrations/index.ts'

test('there is one step from each format to the next, up to the current one', () => {
  assert.deepEqual(
    migrations.map(({ from, to }) => [from, to]),
    Array.from({ length: currentFormat - 1 }, (_, i) => [i + 1, i + 2]),
  )
})

test('a store without a header is given one', async () => {
  const store = openMemoryStore()
  await migrate(store, 4, 'porchlight 1', [])
  assert.deepEqual(
    store.transact(db => db.get(headerTable, headerKey)),
    [4, 'porchlight 1'],
  )
})

test('a step that is missing is told before any is taken', async () => {
  const store = openMemoryStore()
  await migrate(store, 1, 'porchlight 1', [])
  const never = () => assert.fail('a step was taken')
  const steps = [{ from: 1, to: 2, forward: never, back: never }]
  await assert.rejects(migrate(store, 3, 'porchlight 3', steps), (error: unknown) => {
    return error instanceof StoreError && error.code === 'newer-version' && /format 1.*to format 3/.test(error.message)
  })
})
