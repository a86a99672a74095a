/** A later version's program: its documents stand in another table, it knows the way there and back, and it never serves. */

import { dataPaths } from '../../src/platform/data-paths.ts'
import { openLmdbStore } from '../../src/platform/storage/lmdb.ts'
import type { Migration } from '../../src/platform/storage/migrations/index.ts'
import { type Transaction, table } from '../../src/turn.ts'

const now = table<unknown>('xdm-documents', 'hard')
const later = table<unknown>('documents of format 2', 'hard')

function move(db: Transaction, from: typeof now, to: typeof now): void {
  for (const [key, value] of db.range(from, {})) {
    db.put(to, key, value)
    db.delete(from, key)
  }
}

const step: Migration = {
  from: 1,
  to: 2,
  forward: db => move(db, now, later),
  back: db => move(db, later, now),
}

const [command, ...words] = process.argv.slice(2)
const format = command === 'serve' ? 2 : Number(words[0])
if (command === 'serve' || command === 'migrate') {
  const { directory } = dataPaths(words[words.indexOf('--data') + 1]!)
  const store = await openLmdbStore(directory, { format, migrations: [step], writtenBy: 'a later version' })
  const count = store.transact(db => [now, later].map(one => [...db.range(one, {})].length))
  await store.close()
  process.stdout.write(`documents by format: ${count.join(', ')}\n`)
}
process.exit(command === 'serve' ? 1 : 0)
