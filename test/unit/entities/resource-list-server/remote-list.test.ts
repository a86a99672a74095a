/** Lists of other servers, put together of their documents (RFC 4662 §5.6). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatRelated, MultipartError, type Part } from '../../../../src/documents/multipart.ts'
import { formatRlmi, type Resource } from '../../../../src/documents/rlmi.ts'
import { mergedList, type RemoteList } from '../../../../src/entities/resource-list-server/remote-list.ts'

const told = (version: number, fullState: boolean, states: Readonly<Record<string, string | undefined>>) => {
  const parts: Part[] = []
  const resources: Resource[] = Object.entries(states).map(([uri, state]) => {
    if (state === undefined) return { uri, names: [], instances: [] }
    const contentId = `${parts.length}@x`
    parts.push({ contentType: 'text/plain', contentId, body: Buffer.from(state) })
    return { uri, names: [], instances: [{ id: '1', state: 'active', cid: contentId }] }
  })
  const rlmi = formatRlmi({ uri: 'sip:l@b', version, fullState, names: [], resources })
  return formatRelated([{ contentType: 'application/rlmi+xml', contentId: undefined, body: rlmi }, ...parts])
}

const merged = (before: RemoteList | undefined, document: ReturnType<typeof told>) =>
  mergedList(before, document.contentType, document.body)

const states = (list: RemoteList) =>
  Object.fromEntries(
    list.resources.map(({ uri, instances }) => [
      uri,
      instances[0]?.part && Buffer.from(instances[0].part.body).toString(),
    ]),
  )

test('full state replaces, partial state adds and changes', () => {
  let list = merged(undefined, told(0, true, { a: 'one', b: undefined }))
  assert.deepEqual(states(list), { a: 'one', b: undefined })
  list = merged(list, told(1, false, { b: 'two', c: 'three' }))
  assert.deepEqual(states(list), { a: 'one', b: 'two', c: 'three' })
  assert.equal(list.isWhole, true)
  list = merged(list, told(2, true, { c: 'four' }))
  assert.deepEqual(states(list), { c: 'four' })
})

test('after a missed document it is not whole until full state comes; an old one changes nothing', () => {
  const first = merged(undefined, told(0, true, { a: 'one' }))
  const gap = merged(first, told(2, false, { b: 'two' }))
  assert.deepEqual([gap.isWhole, states(gap)], [false, { a: 'one', b: 'two' }])
  assert.equal(merged(gap, told(3, false, {})).isWhole, false)
  assert.equal(merged(gap, told(4, true, { b: 'x' })).isWhole, true)
  assert.equal(merged(gap, told(1, false, { a: 'old' })), gap)
  assert.equal(merged(undefined, told(5, false, { a: 'part' })).isWhole, false)
})

test('one that is too large, be it by many small documents, is an error', () => {
  const large = 'x'.repeat(300_000)
  let list = merged(undefined, told(0, true, { a: large }))
  list = merged(list, told(1, false, { b: large }))
  list = merged(list, told(2, false, { c: large }))
  assert.throws(() => merged(list, told(3, false, { d: large })), MultipartError)
  assert.equal(merged(list, told(3, false, { c: 'small' })).resources.length, 3)
})

test('lists in lists keep what they knew, and too deep ones are an error', () => {
  const outer = (inner: ReturnType<typeof told>, version: number, fullState: boolean) => {
    const resource: Resource = { uri: 'in', names: [], instances: [{ id: '1', state: 'active', cid: 'i@x' }] }
    const rlmi = formatRlmi({ uri: 'sip:o@b', version, fullState, names: [], resources: [resource] })
    return formatRelated([
      { contentType: 'application/rlmi+xml', contentId: undefined, body: rlmi },
      { ...inner, contentId: 'i@x' },
    ])
  }
  let list = merged(undefined, outer(told(0, true, { a: 'one', b: 'two' }), 0, true))
  list = merged(list, outer(told(1, false, { b: 'three' }), 1, false))
  assert.deepEqual(states(list.resources[0]!.instances[0]!.list!), { a: 'one', b: 'three' })
  let deep = told(0, true, { a: 'one' })
  for (let depth = 0; depth < 9; depth++) deep = outer(deep, 0, true)
  assert.throws(() => merged(undefined, deep), MultipartError)
})
