/** RFC 5626 §8: STUN Binding Requests on the UDP ports of SIP. The octets are those of RFC 5769. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { udpFlowId } from '../../../src/protocols/sip/flow.ts'
import { Bench, requestBytes, stream, summary, udp } from '../../unit/protocols/sip/stack-fixture.ts'

const transaction = '2112a442b7e7a701bc34d686fa87dfae'

/** A STUN message with these attributes, in hexadecimal. */
function stun(type: string, attributes = ''): Buffer {
  const length = (attributes.length / 2).toString(16).padStart(4, '0')
  return Buffer.from(`${type}${length}${transaction}${attributes}`, 'hex')
}

/** What goes back for a datagram, in hexadecimal. */
function answers(bench: Bench, bytes: Buffer, flow = udp()): string[] {
  return bench.receive(bytes, flow).map(output => {
    assert.ok(output.kind === 'send' && output.flow === flow.id)
    return output.bytes.toString('hex')
  })
}

test('SIP-05: "MUST include the XOR-MAPPED-ADDRESS attribute": IPv4 (RFC 5769 §2.2)', () => {
  const bench = new Bench()
  assert.deepEqual(answers(bench, stun('0001'), udp(32_853, '192.0.2.1')), [
    `0101000c${transaction}002000080001a147e112a643`,
  ])
  assert.equal(bench.stack.counters.keepAlives, 1)
  assert.equal(bench.stack.counters.malformed, 0)
})

test('SIP-05: "MUST include the XOR-MAPPED-ADDRESS attribute": IPv6 (RFC 5769 §2.3)', () => {
  const remoteAddress = '2001:db8:1234:5678:11:2233:4455:6677'
  const id = udpFlowId('2001:db8::10', 5060, remoteAddress, 32_853)
  const flow = { ...udp(), id, localAddress: '2001:db8::10', remoteAddress, remotePort: 32_853 }
  assert.deepEqual(answers(new Bench(), stun('0001'), flow), [
    `01010018${transaction}002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9`,
  ])
})

test('attributes that may be ignored, and credentials nobody asked for, change nothing', () => {
  // SOFTWARE "abc", USERNAME "x", FINGERPRINT.
  const [answer] = answers(new Bench(), stun('0001', '80220003616263000006000178000000802800040000000a'))
  assert.equal(answer?.slice(0, 4), '0101')
})

test('RFC 5389 §7.3.1: an attribute that must be understood and is not gets 420 with UNKNOWN-ATTRIBUTES', () => {
  const [answer = ''] = answers(new Bench(), stun('0001', '7fff000400000000002700000028000101000000'))
  assert.equal(answer.slice(0, 4), '0111')
  assert.equal(answer.slice(8, 40), transaction)
  assert.equal(Number.parseInt(answer.slice(4, 8), 16), answer.length / 2 - 20)
  const reason = Buffer.from('Unknown Attribute').toString('hex')
  assert.equal(answer.slice(40), `00090015${'00000414'}${reason}000000000a00067fff002700280000`)
})

test('what is no Binding Request with the magic cookie is never answered', () => {
  const bench = new Bench()
  assert.deepEqual(answers(bench, stun('0011')), []) // a Binding Indication
  assert.equal(bench.stack.counters.keepAlives, 1)
  const dropped = [
    stun('0101', '002000080001a147e112a643'), // an answer
    stun('0003'), // another method
    stun('0001').subarray(0, 19),
    Buffer.from(`00010004${transaction}`, 'hex'), // shorter than it says
    stun('0001', '8022'), // an attribute that is cut off
    stun('0001', '80220008616263'),
    Buffer.from('0001000000000000b7e7a701bc34d686fa87dfae', 'hex'), // RFC 3489
  ]
  for (const bytes of dropped) assert.deepEqual(answers(bench, bytes), [], bytes.toString('hex'))
  assert.equal(bench.stack.counters.malformed, dropped.length)
})

test('STUN and SIP share a flow; on a connection STUN is no message', () => {
  const bench = new Bench()
  assert.equal(answers(bench, stun('0001')).length, 1)
  assert.deepEqual(summary(bench.receive(requestBytes(), udp())), ['request PUBLISH'])
  const outputs = bench.receive(stun('0001'), stream('tcp:1:x'))
  assert.ok(outputs.every(output => output.kind !== 'send'))
})
