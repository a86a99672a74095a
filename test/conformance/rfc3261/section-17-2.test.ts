/** RFC 3261 §17.2: server transactions, seen from the wire. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bench, kinds, requestBytes, stream, summary, udp } from '../../unit/protocols/sip/stack-fixture.ts'

const flow = udp().id
const invite = (branch = 'z9hG4bKinvite', parts: object = {}) => requestBytes({ method: 'INVITE', branch, ...parts })
const ack = (branch = 'z9hG4bKinvite', parts: object = {}) =>
  requestBytes({ method: 'ACK', branch, to: '<sip:alice@box.example>;tag=ours', ...parts })

describe('RFC 3261 §17.2.1 INVITE server transaction', () => {
  it('"MUST generate a 100 (Trying) response unless it knows that the TU will [answer] within 200 ms", without a To tag', () => {
    const bench = new Bench()
    bench.receive(invite())
    assert.deepEqual(bench.sendTimes(1000), [200])
    const trying = bench.responseSent()
    assert.equal(trying.status, 100)
    assert.equal(trying.toTag, undefined)
  })

  it('sends no 100 of its own when the user answers within 200 ms', () => {
    const bench = new Bench()
    bench.receive(invite())
    bench.pass(199)
    bench.answer(180)
    assert.deepEqual(bench.sendTimes(1000), [])
  })

  it('answers a retransmission with "the most recent provisional response", and gives it to the user but once', () => {
    const bench = new Bench()
    bench.receive(invite())
    assert.deepEqual(bench.receive(invite()), [])
    bench.answer(180)
    bench.answer(183)
    assert.deepEqual(summary(bench.receive(invite())), [`send 183 ${flow}`])
    assert.equal(bench.outputs.filter(output => output.kind === 'request').length, 1)
    assert.equal(bench.stack.counters.requestRetransmissions, 2)
  })

  it('retransmits 300-699 at T1, doubling up to T2 (timer G), until timer H at 64*T1', () => {
    const bench = new Bench()
    bench.receive(invite())
    bench.answer(486)
    assert.deepEqual(bench.sendTimes(40_000), [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
    assert.equal(bench.stack.counters.unacknowledged, 1)
    assert.deepEqual(bench.stack.sizes, { serverTransactions: 0, clientTransactions: 0, connections: 0, timers: 0 })
  })

  it('does not retransmit 300-699 over a reliable transport', () => {
    const bench = new Bench()
    bench.receive(invite(), stream('tcp:1:x'))
    bench.answer(486)
    assert.deepEqual(bench.sendTimes(40_000), [])
    assert.equal(bench.stack.sizes.serverTransactions, 0)
  })

  it("an ACK ends retransmissions and is not the user's; more ACKs are absorbed for T4 (timer I)", () => {
    const bench = new Bench()
    bench.receive(invite())
    bench.answer(486)
    bench.pass(600)
    assert.deepEqual(bench.receive(ack()), [])
    assert.deepEqual(bench.sendTimes(4000), [])
    assert.deepEqual(bench.receive(ack()), [])
    assert.equal(bench.stack.sizes.serverTransactions, 1)
    bench.pass(1000)
    assert.equal(bench.stack.sizes.serverTransactions, 0)
  })

  it('timer I is zero over a reliable transport', () => {
    const bench = new Bench()
    bench.receive(invite(), stream('tcp:1:x'))
    bench.answer(486)
    assert.equal(bench.stack.sizes.serverTransactions, 1)
    bench.receive(ack(), stream('tcp:1:x'))
    assert.equal(bench.stack.sizes.serverTransactions, 0)
  })

  it('ends an INVITE that its user never answers with a 408', () => {
    const bench = new Bench()
    bench.receive(invite())
    bench.pass(200 + 185_000 + 32_000)
    assert.equal(bench.responseSent().status, 408)
    assert.equal(bench.stack.counters.unanswered, 1)
    bench.pass(40_000)
    assert.equal(bench.stack.sizes.timers, 0)
  })
})

describe('RFC 3261 §17.2.2 non-INVITE server transaction', () => {
  it('"Once in the Trying state, any further request retransmissions are discarded"', () => {
    const bench = new Bench()
    assert.deepEqual(summary(bench.receive(requestBytes())), ['request PUBLISH'])
    assert.deepEqual(bench.receive(requestBytes()), [])
  })

  it('answers retransmissions with the final response until timer J at 64*T1; other finals are discarded', () => {
    const bench = new Bench()
    bench.receive(requestBytes())
    const [first] = bench.answer(200)
    bench.pass(31_999)
    assert.deepEqual(bench.receive(requestBytes()), [first])
    assert.deepEqual(bench.answer(500), [])
    assert.equal(bench.stack.counters.suppressedResponses, 1)
    bench.pass(1)
    assert.deepEqual(bench.stack.sizes, { serverTransactions: 0, clientTransactions: 0, connections: 0, timers: 0 })
    assert.deepEqual(kinds(bench.receive(requestBytes())), ['request'], 'it is a new request then')
  })

  it('timer J is zero over a reliable transport', () => {
    const bench = new Bench()
    bench.receive(requestBytes({ via: 'SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKone' }), stream('tcp:1:x'))
    assert.deepEqual(summary(bench.answer(200)), ['send 200 tcp:1:x'])
    assert.equal(bench.stack.sizes.serverTransactions, 0)
  })
})

describe('RFC 3261 §17.2.3 matching requests to server transactions', () => {
  it('by branch, sent-by and method: each that differs makes another request', () => {
    const bench = new Bench()
    const variants = [
      requestBytes(),
      requestBytes({ branch: 'z9hG4bKtwo' }),
      requestBytes({ via: 'SIP/2.0/UDP 192.0.2.1:40001;rport;branch=z9hG4bKone' }),
      requestBytes({ via: 'SIP/2.0/UDP other.example;rport;branch=z9hG4bKone' }),
      requestBytes({ method: 'MESSAGE' }),
    ]
    for (const bytes of variants) assert.deepEqual(kinds(bench.receive(bytes)), ['request'])
    for (const bytes of variants) assert.deepEqual(bench.receive(bytes), [])
  })

  it('a retransmission is one whatever else has changed, and whatever port it comes from', () => {
    const bench = new Bench()
    bench.receive(requestBytes())
    bench.answer(200)
    assert.deepEqual(summary(bench.receive(requestBytes({ callId: 'another' }), udp(40_009))), [`send 200 ${flow}`])
  })

  it('without the magic cookie: by Request-URI, tags, Call-ID, CSeq and topmost Via', () => {
    const old = (parts: object = {}, via = 'SIP/2.0/UDP 192.0.2.1:40000;branch=1') => requestBytes({ via, ...parts })
    const bench = new Bench()
    bench.receive(old())
    assert.deepEqual(bench.receive(old()), [])
    const others = [
      old({ uri: 'sip:carol@box.example' }),
      old({ from: '<sip:bob@box.example>;tag=another' }),
      old({ to: '<sip:alice@box.example>;tag=another' }),
      old({ callId: 'another' }),
      old({ cseq: 2 }),
      old({ method: 'MESSAGE' }),
      old({}, 'SIP/2.0/UDP 192.0.2.1:40000;branch=2'),
      old({}, 'SIP/2.0/UDP 192.0.2.1:40000'),
    ]
    for (const bytes of others) assert.deepEqual(kinds(bench.receive(bytes)), ['request'])
  })

  it('without the magic cookie, an ACK matches when its To tag is that of the response', () => {
    const via = 'SIP/2.0/UDP 192.0.2.1:40000'
    const bench = new Bench()
    bench.receive(invite(undefined, { via }))
    bench.answer(486)
    assert.deepEqual(kinds(bench.receive(ack(undefined, { via, to: '<sip:alice@box.example>;tag=another' }))), [
      'request',
    ])
    assert.deepEqual(bench.receive(ack(undefined, { via })), [])
    assert.deepEqual(bench.sendTimes(10_000), [])
  })

  it('keeps a bounded name of a request with an endless branch', () => {
    const bench = new Bench()
    const bytes = requestBytes({ branch: `z9hG4bK${'x'.repeat(7000)}` })
    bench.receive(bytes)
    assert.ok(bench.delivered().transaction.length <= 200)
    assert.deepEqual(bench.receive(bytes), [])
    assert.deepEqual(summary(bench.answer(200)), [`send 200 ${flow}`])
  })
})

describe('RFC 3261 §8.2.2.2 merged requests', () => {
  it('knows a request that came by two ways, by From tag, Call-ID and CSeq', () => {
    const bench = new Bench()
    bench.receive(requestBytes({ branch: 'z9hG4bKone' }))
    const first = bench.delivered().transaction
    bench.answer(200)
    bench.receive(requestBytes({ branch: 'z9hG4bKtwo' }))
    const second = bench.delivered().transaction
    assert.equal(bench.stack.isMerged(first), false)
    assert.equal(bench.stack.isMerged(second), true)
  })

  it('takes a request that comes again after a challenge for a new one, even with the same CSeq', () => {
    const bench = new Bench()
    bench.receive(requestBytes({ branch: 'z9hG4bKone' }))
    bench.answer(401)
    for (const [branch, merged] of [
      ['z9hG4bKtwo', false],
      ['z9hG4bKthree', true],
    ] as const) {
      bench.receive(requestBytes({ branch }))
      assert.equal(bench.stack.isMerged(bench.delivered().transaction), merged, branch)
      bench.answer(200)
    }
  })

  it('is no matter of requests with a To tag, of other CSeqs, nor of what is over', () => {
    const bench = new Bench()
    bench.receive(requestBytes({ branch: 'z9hG4bKone' }))
    bench.answer(200)
    bench.receive(requestBytes({ branch: 'z9hG4bKtwo', to: '<sip:alice@box.example>;tag=ours' }))
    assert.equal(bench.stack.isMerged(bench.delivered().transaction), false)
    bench.receive(requestBytes({ branch: 'z9hG4bKthree', cseq: 2 }))
    assert.equal(bench.stack.isMerged(bench.delivered().transaction), false)
    bench.pass(32_000)
    bench.receive(requestBytes({ branch: 'z9hG4bKfour' }))
    assert.equal(bench.stack.isMerged(bench.delivered().transaction), false)
  })
})

describe('RFC 3261 §9.2 CANCEL', () => {
  const cancel = (branch = 'z9hG4bKinvite') => requestBytes({ method: 'CANCEL', branch })

  it("is answered 200 with the To tag of the original's response, and the user told, who answers 487", () => {
    const bench = new Bench()
    bench.receive(invite())
    bench.answer(180, { toTag: 'ours' })
    assert.deepEqual(summary(bench.receive(cancel())), [`send 200 ${flow}`, 'cancel'])
    assert.equal(bench.responseSent().toTag, 'ours')
    assert.deepEqual(bench.responseSent().cseq, { number: 1, method: 'CANCEL' })
    assert.deepEqual(summary(bench.answer(487, { toTag: 'ours' }, 'INVITE')), [`send 487 ${flow}`])
  })

  it('has the To tag of a response that the stack must give later itself', () => {
    const bench = new Bench()
    bench.receive(invite())
    bench.receive(cancel())
    const { toTag } = bench.responseSent()
    bench.pass(217_200)
    assert.equal(bench.responseSent().status, 408)
    assert.equal(bench.responseSent().toTag, toTag)
  })

  it('comes again: answered again, the user not told again', () => {
    const bench = new Bench()
    bench.receive(invite())
    bench.receive(cancel())
    assert.deepEqual(summary(bench.receive(cancel())), [`send 200 ${flow}`])
  })

  it('has no effect after the final response', () => {
    const bench = new Bench()
    bench.receive(invite())
    bench.answer(200)
    assert.deepEqual(summary(bench.receive(cancel())), [`send 200 ${flow}`])
  })

  it('has no effect on other methods but matches them', () => {
    const bench = new Bench()
    bench.receive(requestBytes({ method: 'MESSAGE', branch: 'z9hG4bKmessage' }))
    assert.deepEqual(summary(bench.receive(cancel('z9hG4bKmessage'))), [`send 200 ${flow}`])
    assert.equal(bench.stack.sizes.serverTransactions, 2)
  })

  it('that matches nothing is answered 481', () => {
    const bench = new Bench()
    assert.deepEqual(summary(bench.receive(cancel())), [`send 481 ${flow}`])
  })

  it('of a client of RFC 2543 finds its INVITE by the other header fields', () => {
    const via = 'SIP/2.0/UDP 192.0.2.1:40000'
    const bench = new Bench()
    bench.receive(invite(undefined, { via }))
    assert.deepEqual(summary(bench.receive(requestBytes({ method: 'CANCEL', via }))), [`send 200 ${flow}`, 'cancel'])
  })
})
