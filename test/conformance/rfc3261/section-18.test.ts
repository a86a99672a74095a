/** RFC 3261 §18: transport, as far as it is not §18.2 (see rfc3581) and §18.3 (see stream-framing). */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { respond, type SipRequest } from '../../../src/protocols/sip/message.ts'
import { SipStack } from '../../../src/protocols/sip/stack.ts'
import {
  aRequest,
  Bench,
  kinds,
  nameOf,
  peer,
  requestBytes,
  seededRandom,
  stream,
  summary,
  udp,
} from '../../unit/protocols/sip/stack-fixture.ts'

const long = 'x'.repeat(1300)
const flow = udp().id
const longRequest = (uri = `sip:bob@${peer}:40000`) => aRequest('NOTIFY', uri, [], long)

describe('RFC 3261 §18.1.1 sending requests', () => {
  it('"larger than 1300 bytes and the path MTU is unknown [...] MUST be sent using [...] TCP", and Via says so', () => {
    const bench = new Bench()
    const connect = bench.request(longRequest())
    assert.deepEqual(summary(connect), [`connect tcp ${peer}:40000 ${peer}`])
    assert.deepEqual(summary(bench.connected(nameOf(connect), stream('tcp:1:x'))), ['send NOTIFY tcp:1:x'])
    assert.equal(bench.requestSent().headers('Via').length, 1)
    assert.equal(bench.requestSent().topVia.transport, 'TCP')
  })

  it('a shorter one leaves by UDP, to the byte', () => {
    const bytesOf = (length: number) => {
      const bench = new Bench({ limits: { udpRequestBytes: 800 } })
      const [output] = bench.request(aRequest('NOTIFY', `sip:bob@${peer}:40000`, [], 'x'.repeat(length)))
      return output?.kind === 'send' ? output.bytes.length : 0
    }
    const head = bytesOf(100) - 100
    assert.equal(bytesOf(800 - head), 800)
    assert.equal(bytesOf(801 - head), 0)
  })

  it('"the element SHOULD retry the request, using UDP" when TCP is refused, and does not ask that peer again for a while', () => {
    const bench = new Bench()
    const connect = bench.request(longRequest(), 'one')
    assert.deepEqual(summary(bench.disconnected(nameOf(connect))), [`send NOTIFY ${flow}`])
    assert.equal(bench.requestSent().topVia.transport, 'UDP')
    assert.equal(bench.requestSent().headers('Via').length, 1)
    bench.peerAnswers(200)
    assert.deepEqual(bench.statuses('one'), [200])
    assert.deepEqual(summary(bench.request(longRequest(), 'two')), [`send NOTIFY ${flow}`])
    bench.peerAnswers(200)
    bench.pass(600_000)
    assert.deepEqual(kinds(bench.request(longRequest(), 'three')), ['connect'])
  })

  it('also when the connection does not open in time', () => {
    const bench = new Bench()
    bench.request(longRequest())
    assert.deepEqual(
      bench.pass(5000).map(({ output }) => summary([output])[0]),
      [`send NOTIFY ${flow}`],
    )
  })

  it('on a UDP flow: by TCP when the peer says it is where its datagrams come from, not when it is behind a NAT', () => {
    const bench = new Bench()
    assert.deepEqual(kinds(bench.request(longRequest(), 'one', flow)), ['connect'])
    assert.deepEqual(summary(bench.request(longRequest('sip:bob@10.0.0.7:40000'), 'two', flow)), [
      `send NOTIFY ${flow}`,
    ])
  })

  it('stays on UDP where we have no TCP', () => {
    const bench = new Bench({ listening: [{ transport: 'udp', address: '192.0.2.10', port: 5060 }] })
    assert.deepEqual(summary(bench.request(longRequest())), [`send NOTIFY ${flow}`])
  })

  it('uses an existing connection to the same address, port and transport', () => {
    const bench = new Bench()
    bench.stack.accepted(stream('tcp:1:x'), bench.now)
    assert.deepEqual(summary(bench.request(aRequest('NOTIFY', `sip:bob@${peer}:40000;transport=tcp`))), [
      'send NOTIFY tcp:1:x',
    ])
  })

  it('sent-by is what is advertised', () => {
    const listening = [
      {
        transport: 'udp' as const,
        address: '0.0.0.0',
        port: 5060,
        advertisedHost: 'Box.Example',
        advertisedPort: 5099,
      },
    ]
    const bench = new Bench({ listening })
    bench.request(aRequest('NOTIFY', `sip:bob@${peer}`))
    assert.equal(bench.requestSent().topVia.host, 'box.example')
    assert.equal(bench.requestSent().topVia.port, 5099)
    bench.peerAnswers(200)
    assert.deepEqual(bench.statuses(), [200])
    const bare = () =>
      new SipStack({ random: seededRandom(1), listening: [{ transport: 'udp', address: '0.0.0.0', port: 5060 }] })
    assert.throws(bare, /advertised/)
  })

  it('an ACK to a 2xx goes straight to the transport, with a branch of its own and no answer awaited (§17.1)', () => {
    const bench = new Bench()
    assert.deepEqual(summary(bench.ack(aRequest('ACK', `sip:bob@${peer}:40000`))), [`send ACK ${flow}`])
    assert.ok(bench.requestSent().topVia.params.get('branch')?.startsWith('z9hG4bK'))
    assert.equal(bench.stack.sizes.clientTransactions, 0)
    const asked = bench.ack(aRequest('ACK', 'sip:bob@example.com:5070'))
    bench.resolved(nameOf(asked), [{ type: 'A', address: peer }])
    assert.equal(bench.outputs.findLast(output => output.kind === 'send')?.flow, udp(5070).id)
    const lost = bench.ack(aRequest('ACK', 'sip:bob@nowhere.example:5070'))
    assert.deepEqual(bench.resolved(nameOf(lost), []), [], 'and when it leads nowhere, that is all')
  })
})

describe('RFC 3261 §18.3, §18.4, §16.3 step 1: what cannot be read', () => {
  it('a malformed request is refused with 400 where its Via can be read, as often as it comes', () => {
    const bench = new Bench()
    const bytes = Buffer.from(requestBytes().toString().replace('CSeq: 1 PUBLISH', 'CSeq: one PUBLISH'))
    for (let i = 0; i < 2; i++) assert.deepEqual(summary(bench.receive(bytes)), [`send 400 ${flow}`])
    assert.equal(bench.responseSent().topVia.params.get('received'), peer)
    assert.equal(bench.stack.counters.malformed, 2)
    assert.equal(bench.stack.counters.refused, 2)
    assert.equal(bench.stack.sizes.serverTransactions, 0)
  })

  it('with a Via that cannot be read it is refused at the source, whatever the Via says (RFC 4475 §3.1.2.1)', () => {
    const bench = new Bench()
    const text = requestBytes().toString()
    const bytes = Buffer.from(text.replace(/Via: .*\r\n/, 'Via: SIP/2.0/UDP 203.0.113.66:9;;,;,,\r\n'))
    assert.deepEqual(summary(bench.receive(bytes)), [`send 400 ${flow}`])
    assert.equal(bench.responseSent().header('Via'), 'SIP/2.0/UDP 203.0.113.66:9;;,;,,')
  })

  it('without a Via it is dropped and counted, as is a malformed ACK, a malformed response, and noise', () => {
    const bench = new Bench()
    const request = requestBytes().toString()
    const response = `SIP/2.0 200 OK${request.slice(request.indexOf('\r\n'))}`
    const dropped = [
      request.replace(/Via: .*\r\n/, ''),
      requestBytes({ method: 'ACK' }).toString().replace('CSeq: 1 ACK', 'CSeq: one ACK'),
      response.replace('CSeq: 1', 'CSeq: one'),
      response.replace('Content-Length: 0', 'Content-Length: 99'),
      'GET / HTTP/1.1\r\n\r\n',
      '\u0000\u0001\u0000\u0008!\u0012¤B',
    ]
    for (const text of dropped) assert.deepEqual(bench.receive(Buffer.from(text)), [], text)
    assert.equal(bench.stack.counters.malformed, dropped.length)
    assert.equal(bench.stack.counters.refused, 0)
  })

  it('a datagram that ends before its body is refused; octets beyond the body are discarded (§18.3)', () => {
    const bench = new Bench()
    const text = requestBytes({ body: 'body' }).toString()
    assert.deepEqual(summary(bench.receive(Buffer.from(text.slice(0, -1)))), [`send 400 ${flow}`])
    bench.receive(Buffer.from(`${text}beyond`))
    assert.equal(Buffer.from(bench.delivered().body).toString(), 'body')
  })

  it('a message on a connection that cannot be framed is refused and the connection closed', () => {
    for (const [change, status] of [
      ['Content-Length: 300000', 413],
      ['X: 0', 400],
    ] as const) {
      const bench = new Bench()
      const text = requestBytes().toString().replace('Content-Length: 0', change)
      assert.deepEqual(summary(bench.receive(Buffer.from(text), stream('tcp:1:x'))), [
        `send ${status} tcp:1:x`,
        'close tcp:1:x',
      ])
      assert.deepEqual(bench.receive(requestBytes(), stream('tcp:1:x')), [], 'what follows is not heard')
      bench.disconnected('tcp:1:x')
      assert.equal(bench.stack.sizes.connections, 0)
      assert.equal(bench.stack.sizes.timers, 0)
    }
  })

  describe('what stood before octets that cannot be framed is answered before the connection closes', () => {
    const good = (branch: string) => requestBytes({ branch, callId: branch })
    const junk = Buffer.from(requestBytes().toString().replace('Content-Length: 0', 'X: 0'))
    const tcp = stream('tcp:1:x')

    it('each request by its own answer, and the last answer ends it', () => {
      const bench = new Bench()
      const outputs = bench.receive(Buffer.concat([good('z9hG4bKa'), good('z9hG4bKb'), junk, good('z9hG4bKc')]), tcp)
      assert.deepEqual(summary(outputs), ['request PUBLISH', 'request PUBLISH', 'send 400 tcp:1:x'])
      assert.deepEqual(bench.receive(good('z9hG4bKd'), tcp), [], 'what follows is not heard')
      const [a, b] = outputs.flatMap(output => (output.kind === 'request' ? [output.request] : []))
      const answer = (request: SipRequest) =>
        summary(bench.stack.respond(request.transaction, respond(request, 200, { toTag: 'ours' }), bench.now))
      assert.deepEqual(answer(b!), ['send 200 tcp:1:x'])
      assert.deepEqual(answer(a!), ['send 200 tcp:1:x', 'close tcp:1:x'])
      assert.deepEqual(bench.disconnected('tcp:1:x'), [])
      assert.deepEqual([bench.stack.sizes.connections, bench.stack.sizes.timers], [0, 0])
    })

    it('nothing new is sent on it meanwhile, and what had been is tried elsewhere', () => {
      const bench = new Bench()
      bench.receive(good('z9hG4bKa'), tcp)
      const uri = 'sip:bob@192.0.2.1:40000;transport=tcp'
      assert.deepEqual(summary(bench.request(aRequest('NOTIFY', uri), 'one', tcp.id)), ['send NOTIFY tcp:1:x'])
      const elsewhere = 'connect tcp 192.0.2.1:40000 192.0.2.1'
      assert.deepEqual(summary(bench.receive(junk, tcp)), ['send 400 tcp:1:x', elsewhere])
      assert.equal(bench.stack.isAlive(tcp.id), false)
      assert.deepEqual(summary(bench.request(aRequest('NOTIFY', uri), 'two', tcp.id)), [])
      assert.deepEqual(
        bench.connected(nameOf(bench.outputs), stream('tcp:2:x')).map(({ kind }) => kind),
        ['send', 'send'],
      )
      assert.deepEqual(summary(bench.answer(200, { toTag: 'ours' }, 'PUBLISH')), ['send 200 tcp:1:x', 'close tcp:1:x'])
    })

    it('but it is not kept for an answer that does not come', () => {
      const bench = new Bench()
      bench.receive(Buffer.concat([requestBytes({ method: 'INVITE' }), junk]), tcp)
      bench.clear()
      const closed = bench.pass(60_000).filter(({ output }) => output.kind === 'close')
      assert.deepEqual(
        closed.map(({ at }) => at),
        [32_000],
      )
    })

    it('nor does the end of the connection before that leave anything', () => {
      const bench = new Bench()
      bench.receive(Buffer.concat([good('z9hG4bKa'), junk]), tcp)
      bench.disconnected('tcp:1:x')
      bench.answer(200)
      bench.pass(60_000)
      assert.deepEqual(
        [bench.stack.sizes.connections, bench.stack.sizes.serverTransactions, bench.stack.sizes.timers],
        [0, 0, 0],
      )
    })

    it('as when whoever cuts the stream before the stack has lost it', () => {
      const bench = new Bench()
      bench.receive(good('z9hG4bKa'), tcp)
      assert.deepEqual(bench.stack.lost(tcp.id, bench.now), [])
      assert.deepEqual(summary(bench.answer(200)), ['send 200 tcp:1:x', 'close tcp:1:x'])
      assert.deepEqual(bench.stack.lost(tcp.id, bench.now), [], 'it is closing')
      assert.deepEqual(summary(bench.stack.lost('tcp:7:x', bench.now)), ['close tcp:7:x'], 'of which nothing was heard')
    })
  })

  it('an endless header section closes the connection', () => {
    const bench = new Bench()
    bench.receive(Buffer.from('PUBLISH sip:a@b SIP/2.0\r\n'), stream('tcp:1:x'))
    let outputs: string[] = []
    for (let i = 0; i < 40 && outputs.length === 0; i++) {
      outputs = summary(bench.receive(Buffer.from(`X: ${'x'.repeat(1000)}\r\n`), stream('tcp:1:x')))
    }
    assert.deepEqual(outputs, ['close tcp:1:x'])
  })

  it('a message that takes too long from first to last octet closes the connection', () => {
    const bench = new Bench()
    const bytes = requestBytes()
    bench.receive(bytes, stream('tcp:1:x'))
    bench.answer(200)
    bench.pass(100_000)
    let closed = false
    for (let at = 0; at < 40 && !closed; at++) {
      bench.receive(bytes.subarray(at, at + 1), stream('tcp:1:x'))
      closed = bench.pass(1000).some(({ output }) => output.kind === 'close')
    }
    assert.equal(closed, true)
  })
})
