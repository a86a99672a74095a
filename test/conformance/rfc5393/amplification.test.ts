/** RFC 5393: loop detection for forking proxies (§4) and Max-Breadth (§5) (SIP-08). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HeaderField } from '../../../src/protocols/sip/message.ts'
import { answerOf, Core, responseTo, type Sent, sentOf } from '../../unit/entities/sip-ip-core/core.ts'

function withContacts(count: number): Core {
  const core = new Core()
  core.register(
    'bob',
    Array.from({ length: count }, (_, at) => `<sip:bob@192.0.2.${at + 10}>`),
  )
  return core
}

function forward(core: Core, fields: readonly HeaderField[] = []): Sent[] {
  return sentOf(core.request('proxy', core.received('MESSAGE', 'sip:bob@box.example', fields)))
}

function breadths(sent: readonly Sent[]): number[] {
  return sent.map(({ request }) => Number(request.header('Max-Breadth')))
}

test('§4.2: a forked request that comes back through another hop gets 482, however its branches look', () => {
  const core = withContacts(2)
  const request = core.received('INVITE', 'sip:bob@box.example')
  assert.equal(sentOf(core.request('proxy', request)).length, 2)
  const vias = ['SIP/2.0/TCP hop.example;branch=z9hG4bK9', 'SIP/2.0/UDP 192.0.2.1:5060;odd;x="a,b";branch=z9hG4bKother']
  const back = core.received('INVITE', 'sip:bob@box.example', [
    ['Via', vias.join(', ')],
    ['Call-ID', request.callId],
    ['CSeq', request.header('CSeq')!],
  ])
  assert.equal(answerOf(core.request('proxy', back)).status, 482)
})

test('§4.2.1: what is compared does not depend on the method but on Call-ID, CSeq, Request-URI and Route', () => {
  const core = withContacts(2)
  const request = core.received('INVITE', 'sip:bob@box.example')
  core.request('proxy', request)
  const via = ['Via', 'SIP/2.0/UDP hop.example;branch=z9hG4bK9, SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx'] as const
  const later = core.received('INVITE', 'sip:bob@box.example', [via, ['Call-ID', request.callId]])
  assert.equal(sentOf(core.request('proxy', later)).length, 2)
})

test('§5.3.3: a request without Max-Breadth gets 60, which parallel branches share', () => {
  assert.deepEqual(breadths(forward(withContacts(1))), [60])
  assert.deepEqual(breadths(forward(withContacts(3))), [20, 20, 20])
  assert.deepEqual(breadths(forward(withContacts(7))), [9, 9, 9, 9, 8, 8, 8])
})

test('§5.3.3: more than 60 is overwritten, less is kept and never exceeded', () => {
  assert.deepEqual(breadths(forward(withContacts(1), [['Max-Breadth', '1000']])), [60])
  assert.deepEqual(breadths(forward(withContacts(2), [['Max-Breadth', '5']])), [3, 2])
})

test('§5.5: with too little breadth the rest is tried as branches end, whose breadth is reused (§5.3.3.1)', () => {
  const core = withContacts(4)
  const first = forward(core, [['Max-Breadth', '2']])
  assert.deepEqual(breadths(first), [1, 1])
  const [third] = sentOf(core.answer('proxy', first[0]!.token, responseTo(first[0]!, 404)))
  assert.equal(third!.request.header('Max-Breadth'), '1')
  const [fourth] = sentOf(core.answer('proxy', first[1]!.token, responseTo(first[1]!, 404)))
  assert.deepEqual(core.answer('proxy', third!.token, responseTo(third!, 404)), [])
  assert.equal(answerOf(core.answer('proxy', fourth!.token, responseTo(fourth!, 404))).status, 404)
})

test('§5.1: a Max-Breadth of 1 means serial forking, not none', () => {
  const core = withContacts(2)
  const [only, ...others] = forward(core, [['Max-Breadth', '1']])
  assert.deepEqual(others, [])
  assert.equal(sentOf(core.answer('proxy', only!.token, responseTo(only!, 486))).length, 1)
})

test('§5.3.3: a request that leaves no breadth at all, or none that can be read, gets 440', () => {
  const core = withContacts(2)
  for (const breadth of ['0', 'wide']) {
    const request = core.received('MESSAGE', 'sip:bob@box.example', [['Max-Breadth', breadth]])
    assert.equal(answerOf(core.request('proxy', request)).status, 440, breadth)
  }
})
