import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Peers, peerName } from '../../../../src/protocols/sip-sigcomp/peers.ts'

function withPeers(limits = { compartments: 6, perUser: 2, idleMs: 1000 }) {
  const closed: string[] = []
  return { peers: new Peers(limits, name => closed.push(name)), closed }
}

test('an identifier is good at one address; without one, the flow is the name', () => {
  assert.notEqual(peerName('urn:uuid:a', '10.0.0.1', 'f'), peerName('urn:uuid:a', '10.0.0.2', 'f'))
  assert.equal(peerName(undefined, '10.0.0.1', 'udp:1'), 'udp:1')
})

test('a compartment belongs to the user who opened it; another may use it only by the flow that he has used', () => {
  const { peers } = withPeers()
  assert.ok(peers.heard('p', 'alice', 'flow 1', '10.0.0.1', 0))
  assert.ok(!peers.heard('p', 'mallory', 'flow 2', '10.0.0.1', 0))
  assert.ok(peers.heard('p', 'alice at work', 'flow 1', '10.0.0.1', 0), 'one handset, two accounts')
  assert.ok(peers.heard('p', 'alice', 'flow 3', '10.0.0.1', 0), 'behind a NAT that has forgotten')
})

test('one that we have opened to send something becomes the property of the first who is heard from there', () => {
  const { peers } = withPeers()
  peers.addressed('p', '10.0.0.1', 0)
  assert.ok(!peers.isKnownAddress('10.0.0.1'))
  assert.ok(peers.heard('p', 'alice', 'flow', '10.0.0.1', 0))
  assert.ok(peers.isKnownAddress('10.0.0.1'))
  assert.ok(!peers.heard('p', 'mallory', 'other', '10.0.0.1', 0))
})

test('one user opens so many; his own least used goes for another', () => {
  const { peers, closed } = withPeers()
  peers.heard('bob', 'bob', 'f', '10.0.0.2', 0)
  for (let i = 0; i < 5; i++) peers.heard(`p${i}`, 'alice', 'f', '10.0.0.1', i)
  assert.deepEqual(closed, ['p0', 'p1', 'p2'])
  assert.ok(peers.has('bob'))
})

test('those opened only to send take half at most, and push out none that somebody owns', () => {
  const { peers, closed } = withPeers()
  for (const name of ['a', 'b', 'c']) peers.heard(name, name, 'f', '10.0.0.1', 0)
  for (let i = 0; i < 20; i++) peers.addressed(`p${i}`, '10.0.0.9', 0)
  assert.ok(['a', 'b', 'c'].every(name => peers.has(name)))
  assert.equal(peers.size, 6)
  assert.equal(closed.length, 17)
})

test('when all are taken the least used goes; one that was not used for long closes by itself', () => {
  const { peers, closed } = withPeers()
  for (let i = 0; i < 8; i++) peers.heard(`p${i}`, `user ${i}`, 'f', '10.0.0.1', i)
  assert.deepEqual(closed, ['p0', 'p1'])
  peers.heard('later', 'somebody', 'f', '10.0.0.1', 2000)
  assert.equal(peers.size, 1)
})

test('an address is known as long as one of its compartments stands', () => {
  const { peers } = withPeers()
  peers.heard('p', 'alice', 'f', '10.0.0.1', 0)
  peers.heard('q', 'bob', 'f', '10.0.0.1', 0)
  peers.close('p')
  assert.ok(peers.isKnownAddress('10.0.0.1'))
  peers.close('q')
  assert.ok(!peers.isKnownAddress('10.0.0.1'))
})
