import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SortedKeys } from '../../../../src/platform/storage/sorted-keys.ts'

test('any adds and deletes leave the keys of a sorted set', () => {
  const step = fc.record({ add: fc.boolean(), key: fc.integer({ min: 0, max: 3000 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 3000, size: 'max' }), fc.nat(3000), fc.nat(50), (steps, from, count) => {
      const keys = new SortedKeys()
      const model = new Set<string>()
      for (const { add, key } of steps) {
        const text = String(key)
        if (add) {
          keys.add(text)
          model.add(text)
        } else {
          keys.delete(text)
          model.delete(text)
        }
      }
      const sorted = [...model].sort()
      assert.deepEqual(keys.between('', '\xff', Number.POSITIVE_INFINITY), sorted)
      const lower = String(from)
      const expected = sorted.filter(key => key >= lower && key < '5').slice(0, count)
      assert.deepEqual(keys.between(lower, '5', count), expected)
    }),
    { numRuns: 40 },
  )
})
