/** The LMDB store: the contract, and what is its own: durability, damage, versions, locks, backup, permissions. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { StoreError, type StoreErrorCode } from '../../src/platform/storage/error.ts'
import { type LmdbStoreOptions, openLmdbStore } from '../../src/platform/storage/lmdb.ts'
import type { Migration } from '../../src/platform/storage/migrations/index.ts'
import { type Store, table } from '../../src/turn.ts'
import { storeContract } from './store.ts'

const directories = new Map<Store, string>()

function underTest(options: LmdbStoreOptions) {
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
      rmSync(directories.get(store)!, { recursive: true })
    },
  })
}

storeContract('lmdb', underTest({}))
// With a journal this short every few batches go on to LMDB while others come.
storeContract('lmdb with a journal of 2 KiB', underTest({ journalBytes: 2048 }))

const soft = table<{ n: number; body?: Uint8Array }>('soft', 'soft')
const hard = table<{ n: number }>('hard', 'hard')

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'porchlight-store-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function fails(code: StoreErrorCode, message = /./) {
  return (error: unknown) => error instanceof StoreError && error.code === code && message.test(error.message)
}

function numbers(store: Store): number[] {
  return store.transact(db => [...db.range(soft, { prefix: ['turn'] })].map(([, value]) => value.n))
}

async function write(store: Store, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) {
    store.transact(db => db.put(soft, ['turn', n], { n, body: new Uint8Array(500).fill(n) }))
    await store.committed()
  }
}

test('LMDB store: a table asked for while LMDB had nothing of it is found there afterwards', async t => {
  const directory = temporaryDirectory(t)
  const store = await openLmdbStore(directory)
  const one = () => store.transact(db => db.get(soft, ['turn', 1])?.n)
  assert.equal(one(), undefined)
  assert.deepEqual(numbers(store), [])
  await write(store, 1, 3)
  await store.checkpoint()
  assert.equal(one(), 1)
  assert.deepEqual(numbers(store), [1, 2, 3])
  store.transact(db => db.delete(soft, ['turn', 1]))
  await store.checkpoint()
  assert.equal(one(), undefined)
  assert.deepEqual(numbers(store), [2, 3])
  // Emptied, and filled again, with and without LMDB knowing of it.
  for (const n of [2, 3]) store.transact(db => db.delete(soft, ['turn', n]))
  await store.checkpoint()
  assert.equal(one(), undefined)
  assert.deepEqual(numbers(store), [])
  await write(store, 1, 3)
  assert.deepEqual(numbers(store), [1, 2, 3])
  store.transact(db => db.delete(soft, ['turn', 1]))
  await store.checkpoint()
  assert.equal(one(), undefined)
  assert.deepEqual(numbers(store), [2, 3])
  await store.close()
  const again = await openLmdbStore(directory)
  assert.deepEqual(numbers(again), [2, 3])
  assert.equal(
    again.transact(db => db.get(soft, ['turn', 2])?.n),
    2,
  )
  await again.close()
})

describe('LMDB store: durability', () => {
  test('soft and hard: a killed process loses nothing that was acknowledged, twelve times over', async t => {
    const directory = temporaryDirectory(t)
    let acknowledgedBefore = 0
    for (let round = 0; round < 12; round++) {
      const acknowledged = await writeUntilKilled(directory, 30 + round * 90)
      assert(acknowledged > acknowledgedBefore)
      acknowledgedBefore = acknowledged
      const store = await openLmdbStore(directory, { journalBytes: 64 * 1024 })
      try {
        store.transact(db => {
          const last = db.get(soft, ['last'])!.n
          assert(last >= acknowledged, `${acknowledged} was acknowledged, ${last} is there`)
          const found = [...db.range(soft, { prefix: ['turn'] })].map(([key, value]) => {
            assert.deepEqual(value.body, new Uint8Array(300).fill(value.n))
            assert.equal(key[1], value.n)
            return value.n
          })
          const count = Math.min(100, last)
          assert.deepEqual(
            found,
            Array.from({ length: count }, (_, i) => last - count + 1 + i),
          )
          const lastHard = db.get(hard, ['last'])?.n ?? 0
          assert.equal(lastHard, last - (last % 50))
        })
      } finally {
        await store.close()
      }
    }
  })

  test('power cut: with the journal torn anywhere, what is found is what was written up to some turn', async t => {
    const directory = temporaryDirectory(t)
    const copy = join(temporaryDirectory(t), 'copy')
    const store = await openLmdbStore(directory)
    await write(store, 1, 10)
    await store.checkpoint()
    await write(store, 11, 40)
    const journals = ['journal-0', 'journal-1'].map(name => join(directory, name))
    const journal = journals.find(path => readFileSync(path).includes(Buffer.from(new Uint8Array(500).fill(40))))!
    const length = statSync(journal).size
    let previous = 10
    for (let cut = 0; cut <= length; cut += 397) {
      cpSync(directory, copy, { recursive: true })
      const torn = join(copy, journal.slice(directory.length))
      truncateSync(torn, cut)
      // What the disk held before stands behind the tear.
      if (cut % 2 === 0) writeFileSync(torn, new Uint8Array(600).fill(cut), { flag: 'a' })
      const after = await openLmdbStore(copy)
      const found = numbers(after)
      await after.close()
      assert.deepEqual(
        found,
        Array.from({ length: found.length }, (_, i) => i + 1),
      )
      assert(found.length >= previous && found.length <= 40)
      previous = found.length
      rmSync(copy, { recursive: true })
    }
    assert(previous >= 39)
    await store.close()
  })

  test('a batch whose octets were changed on disk and what follows it are not taken', async t => {
    const directory = temporaryDirectory(t)
    const copy = join(temporaryDirectory(t), 'copy')
    const store = await openLmdbStore(directory)
    await store.checkpoint()
    await write(store, 1, 10)
    cpSync(directory, copy, { recursive: true })
    await store.close()
    const journal = ['journal-0', 'journal-1']
      .map(name => join(copy, name))
      .find(path => readFileSync(path).includes(Buffer.from(new Uint8Array(500).fill(10))))!
    const at = readFileSync(journal).indexOf(Buffer.from(new Uint8Array(500).fill(6)))
    const descriptor = openSync(journal, 'r+')
    writeSync(descriptor, new Uint8Array([0]), 0, 1, at + 100)
    closeSync(descriptor)
    const after = await openLmdbStore(copy)
    assert.deepEqual(numbers(after), [1, 2, 3, 4, 5])
    await write(after, 6, 7)
    await after.close()
    const again = await openLmdbStore(copy)
    assert.deepEqual(numbers(again), [1, 2, 3, 4, 5, 6, 7])
    await again.close()
  })

  test('a write that fails rejects, nothing more can be written, and what was committed before is there', async t => {
    const directory = temporaryDirectory(t)
    const store = await openLmdbStore(directory)
    await write(store, 1, 3)
    await store.checkpoint()
    await write(store, 4, 5)
    fillDisk(directory)
    store.transact(db => db.put(soft, ['turn', 6], { n: 6 }))
    await assert.rejects(store.committed(), fails('failed', /ENOSPC/))
    assert.throws(() => store.transact(() => {}), fails('failed'))
    await assert.rejects(store.committed(), fails('failed', /ENOSPC/))
    await store.close()
    const after = await openLmdbStore(directory)
    assert.deepEqual(numbers(after), [1, 2, 3, 4, 5])
    await after.close()
  })

  test('a journal grown large by one batch is cut down again and everything is there', async t => {
    const directory = temporaryDirectory(t)
    const store = await openLmdbStore(directory, { journalBytes: 16 * 1024 })
    store.transact(db => {
      for (let n = 1; n <= 2000; n++) db.put(soft, ['turn', n], { n, body: new Uint8Array(500).fill(n) })
    })
    await store.committed()
    await write(store, 2001, 2100)
    await store.checkpoint()
    await write(store, 2101, 2200)
    assert.equal(numbers(store).length, 2200)
    await store.close()
    const after = await openLmdbStore(directory, { journalBytes: 16 * 1024 })
    assert.equal(numbers(after).length, 2200)
    assert(
      statSync(join(directory, 'journal-0')).size < 100_000 || statSync(join(directory, 'journal-1')).size < 100_000,
    )
    await after.close()
  })
})

describe('LMDB store: damage, versions, locks', () => {
  for (const [what, octets] of [
    ['text', Buffer.from('this is no database\n'.repeat(1000))],
    ['zeros', Buffer.alloc(20_000)],
    ['a few octets', Buffer.from([1, 2, 3])],
  ] as const) {
    test(`a file that is no database (${what}) is set aside and reported, and a new one begun`, async t => {
      const directory = temporaryDirectory(t)
      writeFileSync(join(directory, 'store.mdb'), octets)
      const lines: string[] = []
      const store = await openLmdbStore(directory, { report: line => lines.push(line) })
      await write(store, 1, 1)
      await store.close()
      assert.equal(lines.length, 1)
      assert.match(lines[0]!, /damaged.*set aside as store\.mdb\.damaged /)
      assert.deepEqual(readFileSync(join(directory, 'store.mdb.damaged')), octets)
    })
  }

  test('a database that was cut short is set aside, also when its first pages are whole', async t => {
    for (const keep of [0.02, 0.3, 0.9]) {
      const directory = temporaryDirectory(t)
      const store = await openLmdbStore(directory)
      await write(store, 1, 500)
      await store.close()
      const file = join(directory, 'store.mdb')
      truncateSync(file, Math.floor(statSync(file).size * keep))
      const lines: string[] = []
      const after = await openLmdbStore(directory, { report: line => lines.push(line) })
      assert.deepEqual(numbers(after), [])
      await write(after, 1, 2)
      assert.deepEqual(numbers(after), [1, 2])
      await after.close()
      assert.match(lines.join(), /cut short|too short/)
    }
  })

  test('a database of a newer version is refused with one clear line and left as it is', async t => {
    const directory = temporaryDirectory(t)
    const steps = [step(1, [])]
    const newer = await openLmdbStore(directory, { format: 2, migrations: steps, writtenBy: 'porchlight 9.9' })
    await write(newer, 1, 3)
    await newer.close()
    const before = readFileSync(join(directory, 'store.mdb'))
    await assert.rejects(
      openLmdbStore(directory),
      fails('newer-version', /^[^\n]*format 2, written by porchlight 9\.9[^\n]*$/),
    )
    assert.deepEqual(readFileSync(join(directory, 'store.mdb')), before)
    const again = await openLmdbStore(directory, { format: 2, migrations: steps })
    assert.deepEqual(numbers(again), [1, 2, 3])
    await again.close()
  })

  test('migrations run forward when a newer version opens the database, and back when the older is asked for', async t => {
    const directory = temporaryDirectory(t)
    const done: string[] = []
    const steps = [step(1, done), step(2, done)]
    const first = await openLmdbStore(directory, { format: 1 })
    await write(first, 1, 3)
    await first.close()
    const forward = await openLmdbStore(directory, { format: 3, migrations: steps })
    assert.deepEqual(done, ['forward 1', 'forward 2'])
    assert.deepEqual(
      numbers(forward),
      [1001, 1002, 1003].map(n => n + 1000),
    )
    await forward.close()
    const same = await openLmdbStore(directory, { format: 3, migrations: steps })
    await same.close()
    assert.equal(done.length, 2)
    const back = await openLmdbStore(directory, { format: 1, migrations: steps })
    assert.deepEqual(done.slice(2), ['back 2', 'back 1'])
    await back.close()
    const old = await openLmdbStore(directory)
    assert.deepEqual(numbers(old), [1, 2, 3])
    await old.close()
  })

  test('a migration that throws leaves the database in the format it had', async t => {
    const directory = temporaryDirectory(t)
    const first = await openLmdbStore(directory, { format: 1 })
    await write(first, 1, 3)
    await first.close()
    const failing: Migration = {
      ...step(1, []),
      forward: db => {
        db.delete(soft, ['turn', 1])
        throw new RangeError('no')
      },
    }
    await assert.rejects(openLmdbStore(directory, { format: 2, migrations: [failing] }), fails('failed', /no/))
    const after = await openLmdbStore(directory)
    assert.deepEqual(numbers(after), [1, 2, 3])
    await after.close()
  })

  test('a second opening of the same data directory is refused until the first has closed or died', async t => {
    const directory = temporaryDirectory(t)
    const store = await openLmdbStore(directory)
    await assert.rejects(openLmdbStore(directory), fails('in-use', /in use by another process/))
    await assert.rejects(openLmdbStore(directory, { readOnly: true }), fails('in-use'))
    await store.close()
    const again = await openLmdbStore(directory)
    await again.close()
  })

  test('only its owner may read the data directory and what is in it', async t => {
    const directory = join(temporaryDirectory(t), 'a', 'b')
    const store = await openLmdbStore(directory)
    await write(store, 1, 3)
    assert.equal(statSync(directory).mode & 0o777, 0o700)
    for (const name of readdirSync(directory)) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name)
    await store.close()
  })
})

describe('LMDB store: for operators', () => {
  test('a backup taken while turns are written holds everything committed before it, and can be used as a data directory', async t => {
    const directory = temporaryDirectory(t)
    const path = join(temporaryDirectory(t), 'backup')
    const store = await openLmdbStore(directory, { journalBytes: 16 * 1024 })
    await write(store, 1, 200)
    const backup = store.backup(path)
    await write(store, 201, 300)
    await backup
    await store.close()
    assert.deepEqual(readdirSync(path), ['store.mdb'])
    assert.equal(statSync(join(path, 'store.mdb')).mode & 0o777, 0o600)
    const restored = await openLmdbStore(path)
    const found = numbers(restored)
    assert(found.length >= 200)
    assert.deepEqual(
      found,
      Array.from({ length: found.length }, (_, i) => i + 1),
    )
    await write(restored, found.length + 1, found.length + 10)
    await restored.close()
    const again = await openLmdbStore(path)
    assert.equal(numbers(again).length, found.length + 10)
    await assert.rejects(again.backup(path), fails('failed', /EEXIST/))
    await again.close()
  })

  test('read-only opening sees what a killed box had committed and changes no file', async t => {
    const directory = temporaryDirectory(t)
    const acknowledged = await writeUntilKilled(directory, 50)
    const contents = () => ['store.mdb', 'journal-0', 'journal-1'].map(name => readFileSync(join(directory, name)))
    const before = contents()
    const store = await openLmdbStore(directory, { readOnly: true })
    assert(store.transact(db => db.get(soft, ['last']))!.n >= acknowledged)
    store.transact(db => db.put(soft, ['turn', 0], { n: 0 }))
    await assert.rejects(store.committed(), fails('unsupported', /reading only/))
    await store.close()
    assert.deepEqual(contents(), before)
    const empty = temporaryDirectory(t)
    await assert.rejects(openLmdbStore(empty, { readOnly: true }), fails('missing'))
    await assert.rejects(openLmdbStore(join(empty, 'none'), { readOnly: true }), fails('missing'))
    assert.equal(existsSync(join(empty, 'none')), false)
  })

  test('usage tells octets and records', async t => {
    const store = await openLmdbStore(temporaryDirectory(t))
    await write(store, 1, 100)
    assert(store.usage().journalBytes > 50_000)
    await store.checkpoint()
    const usage = store.usage()
    assert(usage.records >= 100 && usage.records < 110)
    assert(usage.usedBytes > 50_000 && usage.diskBytes >= usage.usedBytes)
    await store.close()
  })
})

/** Puts a full device in the place of the journal's open files. */
function fillDisk(directory: string): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const path = join('/proc/self/fd', name)
    if (!existsSync(path) || !readlinkSync(path).startsWith(join(directory, 'journal-'))) continue
    closeSync(Number(name))
    assert.equal(openSync('/dev/full', 'r+'), Number(name))
  }
}

/** A step that adds 1000 to every number on the way forward. */
function step(from: number, done: string[]): Migration {
  return {
    from,
    to: from + 1,
    forward: db => {
      done.push(`forward ${from}`)
      for (const [key, value] of db.range(soft, {})) db.put(soft, key, { ...value, n: value.n + 1000 })
    },
    back: db => {
      done.push(`back ${from}`)
      for (const [key, value] of db.range(soft, {})) db.put(soft, key, { ...value, n: value.n - 1000 })
    },
  }
}

/** Starts a process that writes to the store, kills it when `turns` more are acknowledged, and returns the last one that was. */
function writeUntilKilled(directory: string, turns: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'store-lmdb-writer.ts'), directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let lines = ''
    child.stdout.setEncoding('latin1').on('data', text => {
      lines += text
      if (lines.length - lines.replaceAll('\n', '').length >= turns) child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('close', (_, signal) => {
      const whole = lines.slice(0, lines.lastIndexOf('\n')).split('\n')
      if (signal === 'SIGKILL') resolve(Number(whole.at(-1)))
      else reject(new Error('the writer ended by itself'))
    })
  })
}
