import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import { type ListNode, nodeOf, putNode, putProgress } from '../../../../src/entities/resource-list-server/nodes.ts'
import { openMemoryStore } from '../../../../src/platform/storage/memory.ts'
import { table } from '../../../../src/turn.ts'

const node: ListNode = {
  package: 'presence',
  uri: 'sip:list@box.example',
  parent: '',
  version: 0,
  isUrgent: false,
  subscriber: 'sip:alice@box.example',
  alias: undefined,
  displayName: undefined,
  isPrivate: false,
  takesPartial: false,
  sealedTypes: [],
  path: '',
  maxForwards: 70,
  names: [],
  from: [],
}

test('how far a list has been told stands beside what it is, and outlives its changes', () => {
  openMemoryStore().transact(db => {
    putNode(db, 'n', node)
    assert.deepEqual(nodeOf(db, 'n'), node)
    putProgress(db, 'n', 3, true)
    putNode(db, 'n', { ...node, takesPartial: true })
    assert.deepEqual(nodeOf(db, 'n'), { ...node, takesPartial: true, version: 3, isUrgent: true })
    assert.equal(nodeOf(db, 'other'), undefined)
  })
})

test('a node is what the last turn that stands has made it, in each store', async () => {
  const [store, other] = [openMemoryStore(), openMemoryStore()]
  store.transact(db => putNode(db, 'n', node))
  other.transact(db => putNode(db, 'n', { ...node, uri: 'sip:other@box.example' }))
  const uriIn = (of: typeof store) => of.transact(db => nodeOf(db, 'n')?.uri)
  for (const committed of [false, true]) {
    if (committed) await store.committed()
    assert.deepEqual([uriIn(store), uriIn(other)], [node.uri, 'sip:other@box.example'])
    const turn = () =>
      store.transact(db => {
        putNode(db, 'n', { ...node, uri: 'sip:undone@box.example' })
        assert.equal(nodeOf(db, 'n')?.uri, 'sip:undone@box.example')
        throw new RangeError('undone')
      })
    assert.throws(turn, RangeError)
    assert.equal(uriIn(store), node.uri)
  }
})

test('a node that an older build has written tells how far its list was told', () => {
  openMemoryStore().transact(db => {
    db.put(table<ListNode>('list nodes', 'soft'), ['n'], { ...node, version: 7, isUrgent: true })
    assert.deepEqual(nodeOf(db, 'n'), { ...node, version: 7, isUrgent: true })
    putProgress(db, 'n', 8, false)
    assert.deepEqual(nodeOf(db, 'n'), { ...node, version: 8 })
  })
})
