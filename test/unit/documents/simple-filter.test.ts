/** Filters as they are written for another notifier (RFC 4660 §4.1). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Filter, formatFilterSet, readFilterSet } from '../../../src/documents/simple-filter.ts'
import { limits } from '../../../src/limits.ts'

function filter(id: string, bindings: Record<string, string>, change: Partial<Filter>): Filter {
  return { id, isEnabled: true, bindings, include: [], exclude: [], triggers: [], ...change }
}

function rewritten(...filters: readonly Filter[]) {
  return readFilterSet(formatFilterSet(filters, 'presence'), 'presence', limits.filter)
}

test('all of a filter is there again, characters of markup included', () => {
  const all = filter(
    'a"<',
    { p: 'urn:p?a&b' },
    {
      uri: 'sip:a@b',
      isEnabled: false,
      include: [
        { type: 'namespace', text: 'urn:p' },
        { type: 'xpath', text: '//p:b[@c<3 and p:d="<&>"]' },
      ],
      exclude: [{ type: 'xpath', text: '//p:e/@f' }],
      triggers: [
        [{ kind: 'changed', text: '//p:b', from: '"', to: undefined, by: '0.5' }],
        [{ kind: 'added', text: '//p:g' }],
      ],
    },
  )
  const [read] = rewritten(all)
  const { isRemoval, hasContent, ...same } = read!
  assert.deepEqual([isRemoval, hasContent], [false, true])
  assert.deepEqual({ ...same, domain: undefined }, { ...all, domain: undefined })
})

test('a prefix that two filters bind differently is another one in the second, outside of values', () => {
  const [first, second] = rewritten(
    filter('1', { p: 'urn:one' }, { include: [{ type: 'xpath', text: '//p:a' }] }),
    filter(
      '2',
      { p: 'urn:two', q: 'urn:one' },
      { domain: 'b', include: [{ type: 'xpath', text: `//p:a[q:p="p:x" and p:y='p:z']` }] },
    ),
  )
  assert.equal(first!.include[0]!.text, '//p:a')
  assert.equal(second!.include[0]!.text, `//p-1:a[q:p="p:x" and p-1:y='p:z']`)
  assert.deepEqual({ ...second!.bindings }, { p: 'urn:one', 'p-1': 'urn:two', q: 'urn:one' })
})
