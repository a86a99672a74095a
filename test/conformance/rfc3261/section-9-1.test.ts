/** RFC 3261 §9.1: the client's CANCEL. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { aRequest, Bench, nameOf, responseTo, stream, summary, udp } from '../../unit/protocols/sip/stack-fixture.ts'

const bob = 'sip:bob@192.0.2.1:40000'
const flow = udp().id
const invite = (headers: [string, string][] = []) => aRequest('INVITE', bob, [...headers, ['Require', 'x']])

describe('RFC 3261 §9.1', () => {
  it('"MUST wait for the arrival of a provisional response before sending the request"', () => {
    const bench = new Bench()
    bench.request(invite())
    const sent = bench.requestSent()
    assert.deepEqual(bench.cancel(), [])
    assert.deepEqual(bench.pass(400), [])
    assert.deepEqual(summary(bench.receive(responseTo(sent, 100))), [`send CANCEL ${flow}`])
    assert.deepEqual(bench.cancel(), [], 'once')
  })

  it('is like its INVITE: Request-URI, Call-ID, To, From, CSeq number, topmost Via, Route; without Require', () => {
    const bench = new Bench()
    bench.request(
      invite([
        ['Route', `<${bob};lr>`],
        ['Route', '<sip:far.example;lr>'],
      ]),
    )
    const sent = bench.requestSent()
    bench.receive(responseTo(sent, 180))
    bench.cancel()
    const cancel = bench.requestSent()
    assert.equal(cancel.method, 'CANCEL')
    assert.equal(cancel.uri, sent.uri)
    for (const name of ['Call-ID', 'To', 'From']) assert.equal(cancel.header(name), sent.header(name))
    assert.deepEqual(cancel.headers('Route'), sent.headers('Route'))
    assert.deepEqual(cancel.headers('Via'), sent.headers('Via'))
    assert.deepEqual(cancel.cseq, { number: 7, method: 'CANCEL' })
    assert.equal(cancel.hasHeader('Require'), false)
  })

  it("is a transaction of its own: retransmitted, its 200 nobody's; the INVITE ends by its own 487", () => {
    const bench = new Bench()
    bench.request(invite())
    const sent = bench.requestSent()
    bench.receive(responseTo(sent, 180))
    bench.cancel()
    const cancel = bench.requestSent()
    assert.deepEqual(bench.sendTimes(600), [500])
    assert.deepEqual(bench.receive(responseTo(cancel, 200)), [])
    assert.deepEqual(bench.sendTimes(10_000), [])
    bench.receive(responseTo(sent, 487))
    assert.deepEqual(bench.statuses(), [180, 487])
    bench.pass(40_000)
    assert.equal(bench.stack.sizes.timers, 0)
  })

  it('"If there is no final response for the original request in 64*T1 seconds [...] SHOULD destroy the client transaction"', () => {
    const bench = new Bench()
    bench.request(invite())
    const sent = bench.requestSent()
    bench.receive(responseTo(sent, 180))
    bench.cancel()
    bench.receive(responseTo(bench.requestSent(), 200))
    bench.pass(20_000)
    bench.receive(responseTo(sent, 183), udp())
    bench.pass(12_000)
    assert.deepEqual(bench.statuses(), [180, 183, 408])
    assert.equal(bench.stack.sizes.clientTransactions, 0)
  })

  it('after a final response it is "an effective no-op", as for other methods', () => {
    const bench = new Bench()
    bench.request(invite())
    bench.peerAnswers(486)
    assert.deepEqual(bench.cancel(), [])
    bench.request(aRequest('MESSAGE', bob), 'message')
    bench.peerAnswers(100)
    assert.deepEqual(bench.cancel('message'), [])
    assert.deepEqual(bench.cancel('unknown'), [])
  })

  it('an INVITE that has not left yet ends at once with 487', () => {
    const bench = new Bench()
    const asked = bench.request(aRequest('INVITE', 'sip:bob@example.com:5070;transport=tcp'))
    const connect = bench.resolved(nameOf(asked), [{ type: 'A', address: '192.0.2.1' }])
    bench.cancel()
    assert.deepEqual(bench.statuses(), [487])
    assert.deepEqual(bench.connected(nameOf(connect), stream('tcp:1:x', 'tcp', 5070)), [])
    assert.equal(bench.stack.sizes.clientTransactions, 0)
  })

  it('a cancelled INVITE is not tried elsewhere', () => {
    const bench = new Bench()
    const asked = bench.request(aRequest('INVITE', 'sip:bob@example.com:5070'))
    bench.resolved(nameOf(asked), [
      { type: 'A', address: '192.0.2.1' },
      { type: 'A', address: '192.0.2.2' },
    ])
    bench.cancel()
    bench.peerAnswers(503)
    assert.deepEqual(bench.statuses(), [503])
  })
})
