/** RFC 4320 §4: what may be answered to a request other than INVITE. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bench, requestBytes, stream, summary, udp } from '../../unit/protocols/sip/stack-fixture.ts'

describe('RFC 4320 §4.1', () => {
  it('"MUST NOT send any provisional response with a Status-Code other than 100 to a non-INVITE request"', () => {
    const bench = new Bench()
    bench.receive(requestBytes())
    assert.deepEqual(bench.answer(180), [])
    assert.equal(bench.stack.counters.suppressedResponses, 1)
  })

  it("no 100 over UDP before the client's timer E has been reset to T2", () => {
    const bench = new Bench()
    bench.receive(requestBytes())
    bench.pass(3499)
    assert.deepEqual(bench.answer(100), [])
  })

  it('any time over a reliable transport', () => {
    const bench = new Bench()
    bench.receive(requestBytes(), stream('tcp:1:x'))
    assert.deepEqual(summary(bench.answer(100)), ['send 100 tcp:1:x'])
  })

  it('"MUST respond [...] with a Status-Code of 100 if it has not otherwise responded" by then, whatever the transport', () => {
    for (const flow of [udp(), stream('tcp:1:x')]) {
      const bench = new Bench()
      bench.receive(requestBytes(), flow)
      assert.deepEqual(bench.sendTimes(10_000), [3500])
      assert.equal(bench.responseSent().status, 100)
      assert.deepEqual(summary(bench.receive(requestBytes(), flow)), [`send 100 ${flow.id}`])
      assert.deepEqual(summary(bench.answer(200)), [`send 200 ${flow.id}`])
    }
  })
})

describe('RFC 4320 §4.2', () => {
  it('"MUST NOT send a response with Status-Code of 408 to a non-INVITE request"', () => {
    const bench = new Bench()
    bench.receive(requestBytes())
    assert.deepEqual(bench.answer(408), [])
    assert.deepEqual(bench.receive(requestBytes()), [], 'retransmissions are absorbed all the same')
    bench.pass(32_000)
    assert.equal(bench.stack.sizes.serverTransactions, 0)
  })

  it('"an element that cannot respond before the transaction expires will not send a final response at all"', () => {
    const bench = new Bench()
    bench.receive(requestBytes())
    bench.pass(32_000)
    assert.equal(bench.stack.counters.unanswered, 1)
    assert.deepEqual(bench.answer(200), [], 'no late response')
    assert.deepEqual(bench.receive(requestBytes()), [], 'a late retransmission is no new request')
    assert.equal(bench.responseSent().status, 100)
    bench.pass(32_000)
    assert.equal(bench.stack.sizes.serverTransactions, 0)
  })
})
