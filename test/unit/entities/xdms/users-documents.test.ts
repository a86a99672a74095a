/** What is remembered of users who have written nothing is what is stored, whatever happens to it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type DocumentAddress,
  deleteDocument,
  documentsOf,
  putDefaultDocument,
  putDocument,
  UsersDocuments,
} from '../../../../src/entities/xdms/documents.ts'
import { openMemoryStore } from '../../../../src/platform/storage/memory.ts'
import type { Transaction } from '../../../../src/turn.ts'

const auid = 'pres-rules'
const document = { etag: 'e1', body: Buffer.from('<ruleset/>'), modifiedAt: 5 }

function addressOf(user: string): DocumentAddress {
  return { auid, xui: `sip:${user}@example.com`, path: 'index' }
}

test('documents written, replaced, taken from a template and removed are found at once, and what is undone never was', () => {
  const store = openMemoryStore({ now: () => 0 })
  const known = new UsersDocuments()
  const check = (db: Transaction) => {
    for (const user of ['alice', 'bob', 'carol']) {
      const { xui } = addressOf(user)
      const stored = [...documentsOf(db, auid, xui)].map(({ document: { etag, body } }) => [etag, String(body)])
      for (const _ of ['read', 'remembered'])
        assert.deepEqual(
          known.of(db, auid, xui).map(({ etag, body }) => [etag, String(body)]),
          stored,
          user,
        )
    }
  }
  const steps: ReadonlyArray<(db: Transaction) => void> = [
    () => {},
    db => putDocument(db, addressOf('alice'), document),
    db => putDefaultDocument(db, addressOf('bob'), '<one id="{user}"/>', 7),
    db => putDefaultDocument(db, { ...addressOf('bob'), path: 'second' }, '<many domain="{domain}"/>', 8),
    db => putDefaultDocument(db, addressOf('bob'), '<other id="{user}"/>', 9),
    db => putDocument(db, addressOf('bob'), { ...document, etag: 'e2' }),
    db => deleteDocument(db, addressOf('alice')),
    db => deleteDocument(db, { ...addressOf('bob'), path: 'second' }),
  ]
  for (const step of steps) {
    assert.throws(
      () =>
        store.transact(db => {
          check(db)
          step(db)
          check(db)
          throw new Error('undone')
        }),
      /undone/,
    )
    store.transact(check)
    store.transact(step)
    store.transact(check)
  }
  assert.deepEqual(
    store.transact(db => known.of(db, auid, addressOf('bob').xui).map(({ etag }) => etag)),
    ['e2'],
  )
})

test('usages and users are told apart', () => {
  const store = openMemoryStore({ now: () => 0 })
  const known = new UsersDocuments()
  store.transact(db => {
    putDefaultDocument(db, addressOf('alice'), '<ruleset/>', 7)
    const counts = [auid, 'resource-lists'].flatMap(usage =>
      ['alice', 'bob'].map(user => known.of(db, usage, addressOf(user).xui).length),
    )
    assert.deepEqual(counts, [1, 0, 0, 0])
    assert.equal(known.of(db, auid, addressOf('alice').xui).length, 1)
  })
})
