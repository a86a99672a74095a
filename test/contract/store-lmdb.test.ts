/** The LMDB store: the contract, and what is its own: durability, damage, versions, locks, backup, permissions. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '../../src/turn.ts'
import { openLmdbStore } from '../../src/platform/storage/lmdb.ts'
import { storeContract } from './store.ts'

const directories = new Map<Store, string>()

function underTest(options: object) {
  return () => ({
    open: async () => {
      const directory = mkdtempSync(join(tmpdir(), 'porchlight-store-'))
      const store = await openLmdbStore(directory, options)
      directories.set(store, directory)
      return store
    },
    reopen: (store: Store) => openLmdbStore(directories.get(store)!, options),
    remove: async (store: Store) => {
      await store.close().catch(() => {})
      const directory = directories.get(store)
      assert(directory !== undefined)
      rmSync(directory, { recursive: true })
    },
  })
}

storeContract('lmdb', underTest({}))
// With a journal this short every few batches go on to LMDB while others come.
storeContract('lmdb with a journal of 2 KiB', underTest({ journalBytes: 2048 }))
