/** RFC 5626 §3.5.1, §4.4.1 and §5.4: keep-alives on connections; and the flow as the way back. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { aRequest, Bench, requestBytes, stream, summary, udp } from '../../unit/protocols/sip/stack-fixture.ts'

const ping = Buffer.from('\r\n\r\n')
const pong = Buffer.from('\r\n')
const flow = stream('tcp:1:x')

describe('RFC 5626 §5.4 server', () => {
  it('"MUST immediately respond with a single CRLF over the same connection" to a double CRLF between messages', () => {
    const bench = new Bench()
    assert.deepEqual(summary(bench.receive(ping, flow)), ['send "\\r\\n" tcp:1:x'])
    bench.receive(requestBytes(), flow)
    assert.deepEqual(summary(bench.receive(Buffer.concat([ping, ping]), flow)), [
      'send "\\r\\n" tcp:1:x',
      'send "\\r\\n" tcp:1:x',
    ])
  })

  it('knows a ping that comes octet by octet, or with a message behind it', () => {
    const bench = new Bench()
    for (const octet of ping.subarray(0, 3)) assert.deepEqual(bench.receive(Buffer.from([octet]), flow), [])
    assert.deepEqual(summary(bench.receive(Buffer.concat([ping.subarray(3), requestBytes()]), flow)), [
      'send "\\r\\n" tcp:1:x',
      'request PUBLISH',
    ])
  })

  it('a single CRLF between messages is no ping (RFC 3261 §7.5)', () => {
    const bench = new Bench()
    assert.deepEqual(summary(bench.receive(Buffer.concat([pong, requestBytes(), pong]), flow)), ['request PUBLISH'])
    assert.deepEqual(summary(bench.receive(requestBytes({ branch: 'z9hG4bKtwo' }), flow)), ['request PUBLISH'])
  })

  it("line ends inside a message are the message's", () => {
    const bench = new Bench()
    const outputs = bench.receive(requestBytes({ body: '\r\n\r\n\r\n\r\n' }), flow)
    assert.deepEqual(summary(outputs), ['request PUBLISH'])
  })

  it('§4.4.1 "MUST NOT be used with connection-less transports": a datagram of line ends is dropped', () => {
    const bench = new Bench()
    for (const bytes of [ping, pong, Buffer.alloc(4), Buffer.alloc(0)])
      assert.deepEqual(bench.receive(bytes, udp()), [])
    assert.equal(bench.stack.counters.keepAlives, 4)
    assert.equal(bench.stack.counters.malformed, 0)
  })

  it('an idle connection that has spoken stays open; one that never speaks does not', () => {
    const bench = new Bench()
    bench.receive(ping, flow)
    assert.deepEqual(bench.pass(86_400_000), [])
    assert.equal(bench.stack.isAlive(flow.id), true)
    bench.stack.accepted(stream('tcp:2:x', 'tcp', 40_001), bench.now)
    assert.deepEqual(
      bench.pass(60_000).map(({ at, output }) => `${at} ${summary([output])[0]}`),
      ['32000 close tcp:2:x'],
    )
  })
})

describe('RFC 5626 §4.4.1 client', () => {
  it('"If a pong is not received within 10 seconds after sending a ping [...] MUST treat the flow as failed"', () => {
    const bench = new Bench()
    bench.receive(requestBytes(), flow)
    bench.request(aRequest('NOTIFY', 'tel:+1555'), 'token', flow.id)
    assert.deepEqual(summary(bench.stack.ping(flow.id, bench.now)), ['send "\\r\\n\\r\\n" tcp:1:x'])
    bench.answer(200)
    const log = bench.pass(10_000).filter(({ output }) => output.kind !== 'send')
    assert.equal(log[0]?.at, 10_000)
    assert.equal(log[0]?.output.kind, 'close')
    assert.equal(bench.stack.isAlive(flow.id), false)
    assert.equal(bench.statuses().length, 1)
  })

  it('messages are no pong', () => {
    const bench = new Bench()
    bench.receive(requestBytes(), flow)
    bench.stack.ping(flow.id, bench.now)
    bench.pass(6000)
    bench.receive(requestBytes({ branch: 'z9hG4bKtwo' }), flow)
    assert.deepEqual(bench.pass(4000).filter(({ output }) => output.kind === 'close').length, 1)
  })

  it('a pong in time keeps it', () => {
    const bench = new Bench()
    bench.receive(requestBytes(), flow)
    bench.answer(200)
    bench.stack.ping(flow.id, bench.now)
    bench.pass(9_999)
    assert.deepEqual(bench.receive(pong, flow), [])
    assert.deepEqual(bench.pass(60_000), [])
    assert.equal(bench.stack.isAlive(flow.id), true)
  })
})

describe('RFC 5626 §3.1 requests by the flow', () => {
  it('go by the connection while it lives, whatever their URI, and then where RFC 3263 leads', () => {
    const bench = new Bench()
    bench.receive(requestBytes(), flow)
    bench.answer(200)
    const notify = () => aRequest('NOTIFY', 'sip:alice@unreachable.invalid:9;transport=tcp')
    assert.deepEqual(summary(bench.request(notify(), 'one', flow.id)), ['send NOTIFY tcp:1:x'])
    assert.equal(bench.requestSent().topVia.transport, 'TCP')
    bench.peerAnswers(200, {}, flow)
    bench.disconnected(flow.id)
    assert.deepEqual(summary(bench.request(notify(), 'two', flow.id)), ['resolve A unreachable.invalid'])
  })

  it('go by a UDP flow whose name was stored before a restart', () => {
    const bench = new Bench()
    const outputs = bench.request(aRequest('NOTIFY', 'sip:alice@10.0.0.1'), 'token', udp(40_123).id)
    assert.deepEqual(summary(outputs), [`send NOTIFY ${udp(40_123).id}`])
  })

  it('a flow of a socket that is no longer ours does not count', () => {
    const bench = new Bench()
    const outputs = bench.request(
      aRequest('NOTIFY', 'sip:alice@192.0.2.1'),
      'token',
      'udp:198.51.100.1:5060:192.0.2.1:7',
    )
    assert.deepEqual(summary(outputs), [`send NOTIFY ${udp(5060).id}`])
  })

  it('a connection lost before the response sends the request on where RFC 3263 leads', () => {
    const bench = new Bench()
    bench.receive(requestBytes(), flow)
    bench.answer(200)
    bench.request(aRequest('NOTIFY', 'sip:alice@192.0.2.1:6000'), 'token', flow.id)
    const first = bench.requestSent().topVia.params.get('branch')
    assert.deepEqual(summary(bench.disconnected(flow.id)), [`send NOTIFY ${udp(6000).id}`])
    assert.equal(bench.requestSent().headers('Via').length, 1)
    assert.notEqual(bench.requestSent().topVia.params.get('branch'), first)
    bench.peerAnswers(200)
    assert.deepEqual(bench.statuses(), [200])
  })
})
