/** RFC 6026 §7: 2xx responses to INVITE. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  aRequest,
  Bench,
  kinds,
  requestBytes,
  responseTo,
  stream,
  summary,
  udp,
} from '../../unit/protocols/sip/stack-fixture.ts'

const bob = 'sip:bob@192.0.2.1:40000'
const flow = udp().id

describe('RFC 6026 §7.1 server transaction', () => {
  it('after a 2xx absorbs INVITE retransmissions in Accepted until timer L at 64*T1, and sends no 2xx of its own', () => {
    for (const by of [udp(), stream('tcp:1:x')]) {
      const bench = new Bench()
      const invite = requestBytes({ method: 'INVITE' })
      bench.receive(invite, by)
      bench.answer(200)
      assert.deepEqual(bench.receive(invite, by), [])
      assert.deepEqual(bench.sendTimes(31_999), [])
      assert.equal(bench.stack.sizes.serverTransactions, 1)
      bench.pass(1)
      assert.equal(bench.stack.sizes.serverTransactions, 0)
    }
  })

  it('passes 2xx retransmissions of the user to the network, and no other response', () => {
    const bench = new Bench()
    bench.receive(requestBytes({ method: 'INVITE' }))
    bench.answer(200)
    assert.deepEqual(summary(bench.answer(200)), [`send 200 ${flow}`])
    assert.deepEqual(bench.answer(486), [])
  })

  it('"Any ACKs received [...] MUST be passed directly to the TU": with a branch of their own, and without any', () => {
    for (const via of [undefined, 'SIP/2.0/UDP 192.0.2.1:40000']) {
      const bench = new Bench()
      bench.receive(requestBytes({ method: 'INVITE', ...(via && { via }) }))
      bench.answer(200)
      const ack = requestBytes({
        method: 'ACK',
        to: '<sip:alice@box.example>;tag=ours',
        ...(via ? { via } : { branch: 'z9hG4bKack' }),
      })
      assert.deepEqual(summary(bench.receive(ack)), ['request ACK'])
      assert.equal(bench.delivered('ACK').transaction, '')
      assert.deepEqual(summary(bench.receive(ack)), ['request ACK'], 'retransmissions too')
    }
  })

  it('does not discard state on a transport error when sending a response', () => {
    const bench = new Bench()
    const invite = requestBytes({ method: 'INVITE' })
    bench.receive(invite)
    bench.answer(486)
    bench.disconnected(flow)
    assert.equal(bench.stack.sizes.serverTransactions, 1)
    assert.deepEqual(summary(bench.receive(invite)), [`send 486 ${flow}`])
  })
})

describe('RFC 6026 §7.2 client transaction', () => {
  it('passes every 2xx to the user until timer M at 64*T1, and generates no ACK', () => {
    const bench = new Bench()
    bench.request(aRequest('INVITE', bob))
    const invite = bench.requestSent()
    bench.clear()
    bench.receive(responseTo(invite, 200))
    bench.receive(responseTo(invite, 200))
    bench.receive(responseTo(invite, 200, { toTag: 'another-branch' }))
    assert.deepEqual(kinds(bench.outputs), ['response', 'response', 'response'])
    assert.equal(bench.stack.inProgress('token'), false)
    bench.pass(31_999)
    assert.deepEqual(kinds(bench.receive(responseTo(invite, 200))), ['response'])
    bench.pass(1)
    assert.equal(bench.stack.sizes.clientTransactions, 0)
    assert.deepEqual(bench.receive(responseTo(invite, 200)), [], 'then they are stray')
  })

  it('passes no other response to the user in Accepted', () => {
    const bench = new Bench()
    bench.request(aRequest('INVITE', bob))
    const invite = bench.requestSent()
    bench.receive(responseTo(invite, 200))
    assert.deepEqual(bench.receive(responseTo(invite, 180)), [])
    assert.deepEqual(bench.receive(responseTo(invite, 486)), [])
    assert.equal(bench.stack.counters.strayResponses, 2)
  })

  it('"Any response received that does not match an existing client transaction state machine is simply dropped"', () => {
    const bench = new Bench()
    bench.request(aRequest('INVITE', bob))
    const invite = bench.requestSent()
    const other = new Bench()
    assert.deepEqual(other.receive(responseTo(invite, 200)), [])
    assert.equal(other.stack.counters.strayResponses, 1)
  })
})
