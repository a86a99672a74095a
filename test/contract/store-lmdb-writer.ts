/**
 * Run as a process by store-lmdb.test.ts: opens the store in the directory given and writes turn after turn, printing the
 * number of each when it is committed, until it is killed.
 */

import { writeSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { openLmdbStore } from '../../src/platform/storage/lmdb.ts'
import { table } from '../../src/turn.ts'

const soft = table<{ n: number; body: Uint8Array }>('soft', 'soft')
const hard = table<{ n: number }>('hard', 'hard')

const store = await openLmdbStore(process.argv[2]!, { journalBytes: 64 * 1024 })
let n = store.transact(db => db.get(soft, ['last'])?.n ?? 0)
for (;;) {
  for (let i = 0; i < 20; i++) {
    n++
    const written = n
    store.transact(db => {
      db.put(soft, ['turn', n], { n, body: new Uint8Array(300).fill(n) })
      db.put(soft, ['last'], { n, body: new Uint8Array(300) })
      if (n > 100) db.delete(soft, ['turn', n - 100])
      if (n % 50 === 0) db.put(hard, ['last'], { n })
    })
    store.committed().then(() => writeSync(1, `${written}\n`))
  }
  await setImmediate()
}
