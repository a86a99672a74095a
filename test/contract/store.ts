/** The contract of Store (turn.ts), run over every implementation: `storeContract('memory', ...)` declares its tests. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { StoreError } from '../../src/platform/storage/error.ts'
import { type Key, type Store, type Transaction, table } from '../../src/turn.ts'

export interface StoreUnderTest {
  /** An empty store. */
  open(): Store | Promise<Store>
  /** Opens again what was committed; `store` has been closed. */
  reopen?(store: Store): Store | Promise<Store>
  /** Discards what `open` made. */
  remove(store: Store): void | Promise<void>
}

const soft = table<unknown>('soft', 'soft')
const hard = table<unknown>('hard', 'hard')
const other = table<unknown>('other', 'soft')

export function storeContract(name: string, make: () => StoreUnderTest): void {
  const withStore = async (work: (store: Store, under: StoreUnderTest) => unknown) => {
    const under = make()
    const store = await under.open()
    try {
      await work(store, under)
    } finally {
      await under.remove(store)
    }
  }

  describe(`Store contract: ${name}`, () => {
    test('the revision of a table grows with each change of it and with each that is undone, and with no other', () =>
      withStore(store => {
        const revision = () => store.transact(db => db.revision(soft))
        const seen = [revision()]
        store.transact(db => db.put(soft, ['k'], 1))
        seen.push(revision())
        store.transact(db => db.delete(soft, ['k']))
        seen.push(revision())
        assert.throws(() =>
          store.transact(db => {
            db.put(soft, ['k'], 2)
            seen.push(db.revision(soft))
            throw new Error('undone')
          }),
        )
        seen.push(revision())
        assert.equal(new Set(seen).size, seen.length)
        store.transact(db => db.put(other, ['k'], 1))
        store.transact(db => db.get(soft, ['k']))
        assert.equal(revision(), seen.at(-1))
      }))

    test('a value put is read in the same transaction, the next one, and after the commit', () =>
      withStore(async store => {
        const value = { a: 1, body: new Uint8Array([1, 2, 3]), list: ['x', null, true], nested: { deep: -1.5 } }
        store.transact(db => {
          db.put(soft, ['k'], value)
          assert.deepEqual(db.get(soft, ['k']), value)
        })
        assert.deepEqual(get(store, ['k']), value)
        await store.committed()
        const read = get(store, ['k']) as typeof value
        assert.deepEqual(read, value)
        assert.equal(Object.getPrototypeOf(read.body), Uint8Array.prototype)
      }))

    test('tables are apart', () =>
      withStore(async store => {
        store.transact(db => {
          db.put(soft, ['k'], 'soft')
          db.put(other, ['k'], 'other')
        })
        await store.committed()
        store.transact(db => db.delete(other, ['k']))
        await store.committed()
        assert.equal(get(store, ['k']), 'soft')
        assert.deepEqual(list(store, {}), [[['k'], 'soft']])
      }))

    test('work that throws has written nothing and its error passes on', () =>
      withStore(async store => {
        store.transact(db => {
          db.put(soft, ['kept'], 'before')
          db.put(soft, ['gone'], 'before')
        })
        await store.committed()
        store.transact(db => db.put(soft, ['batch'], 'before'))
        const error = new Error('refused')
        assert.throws(
          () =>
            store.transact(db => {
              db.put(soft, ['kept'], 'after')
              db.put(soft, ['kept'], 'after again')
              db.put(soft, ['new'], 'after')
              db.put(soft, ['batch'], 'after')
              db.delete(soft, ['batch'])
              db.delete(soft, ['gone'])
              throw error
            }),
          error,
        )
        const expected = [
          [['batch'], 'before'],
          [['gone'], 'before'],
          [['kept'], 'before'],
        ]
        assert.deepEqual(list(store, {}), expected)
        await store.committed()
        assert.deepEqual(list(store, {}), expected)
      }))

    test('a deleted record is gone, and deleting what is not there is nothing', () =>
      withStore(async store => {
        store.transact(db => db.put(soft, ['k'], 1))
        await store.committed()
        store.transact(db => {
          db.delete(soft, ['k'])
          db.delete(soft, ['never'])
          assert.equal(db.get(soft, ['k']), undefined)
        })
        assert.deepEqual(list(store, {}), [])
        await store.committed()
        assert.equal(get(store, ['k']), undefined)
        store.transact(db => {
          db.put(soft, ['k'], 2)
          db.delete(soft, ['k'])
          db.put(soft, ['k'], 3)
        })
        await store.committed()
        assert.equal(get(store, ['k']), 3)
      }))

    test('committed resolves in order, also when there is nothing to commit', () =>
      withStore(async store => {
        const order: number[] = []
        const commits: Promise<unknown>[] = []
        for (const n of [0, 1, 2, 3, 4, 5]) {
          if (n !== 3) store.transact(db => db.put(n % 2 === 0 ? hard : soft, [n], n))
          commits.push(store.committed().then(() => order.push(n)))
        }
        await Promise.all(commits)
        assert.deepEqual(order, [0, 1, 2, 3, 4, 5])
      }))

    test('a transaction within a transaction, a commit within one and use after its end are refused', () =>
      withStore(async store => {
        let kept: Transaction | undefined
        let commit: Promise<void> | undefined
        store.transact(db => {
          kept = db
          assert.throws(() => store.transact(() => {}), unsupported)
          commit = store.committed()
        })
        await assert.rejects(commit!, unsupported)
        assert.throws(() => kept!.get(soft, ['k']), unsupported)
        assert.throws(() => kept!.put(soft, ['k'], 1), unsupported)
      }))

    test('keys that cannot be stored are refused in their turn', () =>
      withStore(store => {
        const put = (key: Key) => () => store.transact(db => db.put(soft, key, 1))
        assert.throws(put(['x'.repeat(1100)]), unsupported)
        assert.throws(put([Number.NaN]), unsupported)
        assert.throws(put([true as never]), unsupported)
        assert.throws(() => store.transact(db => db.put(soft, ['k'], undefined)), unsupported)
        assert.equal(get(store, ['x'.repeat(1100)]), undefined)
        store.transact(db => db.delete(soft, ['x'.repeat(1100)]))
        assert.deepEqual(list(store, {}), [])
      }))

    test('keys order element by element: numbers before strings, strings by code unit', () =>
      withStore(store =>
        fc.assert(
          fc.asyncProperty(fc.uniqueArray(keys, { comparator: (a, b) => compareKeys(a, b) === 0 }), async unordered => {
            store.transact(db => {
              for (const [key] of db.range(soft, {})) db.delete(soft, key)
              for (const key of unordered) db.put(soft, key, unordered.indexOf(key))
            })
            const expected = unordered
              .map((key, index) => [key.map(part => (part === 0 ? 0 : part)), index])
              .sort((a, b) => compareKeys(a[0] as Key, b[0] as Key))
            assert.deepEqual(list(store, {}), expected)
            await store.committed()
            assert.deepEqual(list(store, {}), expected)
          }),
          { numRuns: 100 },
        ),
      ))

    test('prefix takes whole elements; from is included, before is not, limit bounds', () =>
      withStore(async store => {
        const all: Key[] = [
          [],
          [5],
          [5, 'x'],
          [5.5],
          ['a'],
          ['a', 1],
          ['a', 'b'],
          ['a', 'b', 'c'],
          ['ab'],
          ['a\0'],
          ['b'],
        ]
        store.transact(db => {
          for (const key of all) db.put(soft, key, key.length)
        })
        const keysOf = (range: object) => list(store, range).map(([key]) => key)
        for (const when of ['before', 'after']) {
          if (when === 'after') await store.committed()
          assert.deepEqual(keysOf({ prefix: [5] }), [[5], [5, 'x']])
          assert.deepEqual(keysOf({ prefix: ['a'] }), [['a'], ['a', 1], ['a', 'b'], ['a', 'b', 'c']])
          assert.deepEqual(keysOf({ prefix: ['a'], from: ['a', 'b'] }), [
            ['a', 'b'],
            ['a', 'b', 'c'],
          ])
          assert.deepEqual(keysOf({ prefix: ['a'], before: ['a', 'b'] }), [['a'], ['a', 1]])
          assert.deepEqual(keysOf({ from: ['a', 'b'], before: ['b'], limit: 3 }), [
            ['a', 'b'],
            ['a', 'b', 'c'],
            ['a\0'],
          ])
          assert.deepEqual(keysOf({ before: [5] }), [[]])
          assert.deepEqual(keysOf({ from: ['b'], before: ['a'] }), [])
          assert.deepEqual(keysOf({ limit: 0 }), [])
          assert.deepEqual(keysOf({ limit: 2 }), [[], [5]])
        }
      }))

    test('a range sees what this transaction and earlier ones wrote over what is committed', () =>
      withStore(async store => {
        store.transact(db => {
          for (let i = 0; i < 10; i++) db.put(soft, ['p', i], 'old')
        })
        await store.committed()
        store.transact(db => {
          db.delete(soft, ['p', 0])
          db.put(soft, ['p', 3], 'new')
        })
        store.transact(db => {
          db.delete(soft, ['p', 1])
          db.put(soft, ['p', 2.5], 'new')
          db.put(soft, ['q', 0], 'new')
          const two = [...db.range(soft, { prefix: ['p'], limit: 2 })]
          assert.deepEqual(two, [
            [['p', 2], 'old'],
            [['p', 2.5], 'new'],
          ])
          const found = [...db.range(soft, { prefix: ['p'] })].map(([key, value]) => `${key[1]} ${value}`)
          assert.deepEqual(found, ['2 old', '2.5 new', '3 new', '4 old', '5 old', '6 old', '7 old', '8 old', '9 old'])
        })
      }))

    test('a range is taken as it is when called: writing while walking it is safe', () =>
      withStore(async store => {
        const count = 1000
        store.transact(db => {
          for (let i = 0; i < count; i++) db.put(soft, [i], i)
        })
        for (const when of ['before', 'after']) {
          if (when === 'after') await store.committed()
          store.transact(db => {
            db.put(soft, [1], 1)
            let walked = 0
            for (const [key, value] of db.range(soft, {})) {
              assert.equal(value, walked++)
              db.delete(soft, key)
              db.put(soft, [(key[0] as number) + 0.5], 'added')
              db.delete(soft, [(key[0] as number) + 1])
            }
            assert.equal(walked, count)
            for (let i = 0; i < count; i++) {
              db.delete(soft, [i + 0.5])
              db.put(soft, [i], i)
            }
          })
        }
        const range = store.transact(db => db.range(soft, { limit: 100 }))
        store.transact(db => db.delete(soft, [50]))
        await store.committed()
        assert.equal([...range].length, 100)
      }))

    test('any sequence of turns, failures and commits reads as the same on a sorted map', () =>
      withStore(store =>
        fc.assert(
          fc.asyncProperty(fc.array(steps, { maxLength: 40 }), async sequence => {
            let model = new Map<string, [Key, unknown]>()
            store.transact(db => {
              for (const [key] of db.range(soft, {})) db.delete(soft, key)
            })
            for (const step of sequence) {
              if (step === 'commit') {
                await store.committed()
                continue
              }
              const next = new Map(model)
              const turn = (db: Transaction) => {
                for (const { put, key, value } of step.writes) {
                  if (put) {
                    db.put(soft, key, value)
                    next.set(JSON.stringify(key), [key, value])
                  } else {
                    db.delete(soft, key)
                    next.delete(JSON.stringify(key))
                  }
                  assert.deepEqual(db.get(soft, key), next.get(JSON.stringify(key))?.[1])
                }
                const expected = [...next.values()].sort((a, b) => compareKeys(a[0], b[0]))
                const limit = step.limit
                assert.deepEqual([...db.range(soft, { limit })], expected.slice(0, limit))
                if (step.fail) throw new RangeError('told to fail')
              }
              if (step.fail) assert.throws(() => store.transact(turn), RangeError)
              else {
                store.transact(turn)
                model = next
              }
            }
            const expected = [...model.values()].sort((a, b) => compareKeys(a[0], b[0]))
            assert.deepEqual(list(store, {}), expected)
          }),
          { numRuns: 150 },
        ),
      ))

    test('any plain value comes back as it was', () =>
      withStore(store =>
        fc.assert(
          fc.asyncProperty(values, async value => {
            store.transact(db => db.put(soft, ['v'], value))
            await store.committed()
            assert.deepEqual(get(store, ['v']), value)
          }),
          { numRuns: 200 },
        ),
      ))

    test('what was committed is there when opened again', () =>
      withStore(async (store, under) => {
        if (under.reopen === undefined) return
        const record = { aor: 'sip:alice@box.example', cseq: 1, body: new Uint8Array(700).fill(7) }
        store.transact(db => {
          for (let i = 0; i < 300; i++) db.put(i % 2 ? soft : hard, ['k', i], { ...record, cseq: i })
        })
        await store.close()
        const again = await under.reopen(store)
        try {
          const found = again.transact(db => [...db.range(soft, { prefix: ['k'] })])
          assert.equal(found.length, 150)
          assert.deepEqual(found[0], [['k', 1], { ...record, cseq: 1 }])
          again.transact(db => db.put(other, ['k', 1], { ...record, more: true }))
          assert.deepEqual(
            again.transact(db => db.get(other, ['k', 1])),
            { ...record, more: true },
          )
        } finally {
          await again.close()
        }
      }))

    test('a closed store refuses', () =>
      withStore(async store => {
        store.transact(db => db.put(soft, ['k'], 1))
        await store.close()
        assert.throws(() => get(store, ['k']), StoreError)
        await assert.rejects(store.committed(), StoreError)
      }))
  })
}

function get(store: Store, key: Key): unknown {
  return store.transact(db => db.get(soft, key))
}

function list(store: Store, range: object): unknown[][] {
  return store.transact(db => [...db.range(soft, range)].map(entry => [...entry]))
}

function unsupported(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'unsupported'
}

function compareKeys(a: Key, b: Key): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i]!, b[i]!]
    if (x === y) continue
    if (typeof x !== typeof y) return typeof x === 'number' ? -1 : 1
    return x < y ? -1 : 1
  }
  return a.length - b.length
}

const parts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.string({
    unit: fc.constantFrom('\0', '\x01', 'a', '\x7f', '\x80', '\u07ff', '\ud800', '\udfff', '\ue000', '\uffff'),
    maxLength: 4,
  }),
  fc.integer({ min: -300, max: 300 }),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }),
  fc.constantFrom(
    255,
    256,
    -256,
    -257,
    2 ** 32,
    -(2 ** 32),
    2 ** 53,
    -(2 ** 53),
    Number.POSITIVE_INFINITY,
    1_700_000_000_000,
  ),
)
const keys = fc.array(parts, { maxLength: 4 })

const values = fc
  .anything({
    maxDepth: 4,
    withNullPrototype: false,
    values: [
      fc.string({ unit: 'binary' }),
      fc.string({ maxLength: 200 }),
      fc.constant('\ud800 alone'),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array({ maxLength: 3000 }),
    ],
  })
  .filter(value => value !== undefined)

const fewKeys = fc.constantFrom<Key>(['a'], ['a', 1], ['b'], [1], [2, 'x'], [2, 'y'], ['c', 'd'])
const steps = fc.oneof(
  fc.constant('commit' as const),
  fc.record({
    writes: fc.array(
      fc.record({
        put: fc.boolean(),
        key: fewKeys,
        value: fc.oneof(fc.integer(), fc.record({ n: fc.integer() }, { noNullPrototype: true })),
      }),
      {
        maxLength: 6,
      },
    ),
    fail: fc.boolean(),
    limit: fc.integer({ min: 1, max: 8 }),
  }),
)
