/** What watchers were told last: shared by those with equal views, and never more than there is room for. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ViewBases } from '../../../../src/entities/presence-server/partial.ts'
import { limits } from '../../../../src/limits.ts'

test('the views that were used last are remembered, as far as there is room', () => {
  const bases = new ViewBases()
  const half = new Uint8Array(limits.partialBaseOctets / 2)
  bases.remember('a', half)
  bases.remember('b', half)
  assert.ok(bases.get('a'))
  bases.remember('c', new Uint8Array(1))
  assert.deepEqual([bases.get('a') !== undefined, bases.get('b'), bases.get('c')?.length], [true, undefined, 1])
})

test('what makes one view into another is made once, and again when it is forgotten', () => {
  const bases = new ViewBases()
  let made = 0
  const ask = (base: string, tag: string, length: number) =>
    bases.difference(base, tag, () => {
      made++
      return { length, with: () => new Uint8Array(length) }
    })
  assert.equal(ask('a', 'b', 10)!.length, 10)
  assert.equal(ask('a', 'b', 11)!.length, 10)
  ask('b', 'a', 10)
  assert.equal(made, 2)
  ask('x', 'y', limits.partialDifferenceOctets)
  ask('a', 'b', 10)
  assert.equal(made, 4)
  // That none can be made is remembered as well.
  for (let time = 0; time < 2; time++) bases.difference('n', 'm', () => void made++ as undefined)
  assert.equal(made, 5)
})
