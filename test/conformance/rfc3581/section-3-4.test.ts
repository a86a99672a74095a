/** RFC 3581: symmetric response routing; with RFC 3261 §18.2.1 and §18.2.2 for the topmost Via. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { aRequest, Bench, peer, requestBytes, stream, summary, udp } from '../../unit/protocols/sip/stack-fixture.ts'

const viaOf = (bench: Bench) => bench.delivered().topVia.params

describe('RFC 3581 §3 client', () => {
  it('puts an rport without value into the Via of its UDP requests', () => {
    const bench = new Bench()
    bench.request(aRequest('NOTIFY', 'sip:bob@192.0.2.1'))
    assert.equal(bench.requestSent().topVia.params.get('rport'), '')
    assert.equal(bench.requestSent().topVia.host, '192.0.2.10')
    assert.equal(bench.requestSent().topVia.port, 5060)
  })
})

describe('RFC 3581 §4 server', () => {
  it('fills in rport and received, "even if it is identical to the value of the sent-by component"', () => {
    const bench = new Bench()
    bench.receive(requestBytes({ via: `SIP/2.0/UDP ${peer}:5060;rport;branch=z9hG4bKone` }), udp(9988))
    assert.equal(viaOf(bench).get('rport'), '9988')
    assert.equal(viaOf(bench).get('received'), peer)
    assert.equal(viaOf(bench).get('branch'), 'z9hG4bKone')
  })

  it('sends the response to that address and port, from where the request was received', () => {
    const bench = new Bench()
    bench.receive(requestBytes({ via: 'SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff' }), udp(9988))
    assert.deepEqual(summary(bench.answer(200)), ['send 200 udp:192.0.2.10:5060:192.0.2.1:9988'])
    const via = bench.responseSent().topVia
    assert.equal(`${via.host}:${via.port}`, '10.1.1.1:4540')
    assert.equal(via.params.get('received'), peer)
    assert.equal(via.params.get('rport'), '9988')
  })

  it('"this processing takes place independent of the transport protocol"', () => {
    const bench = new Bench()
    const via = 'SIP/2.0/TCP 10.1.1.1:4540;rport;branch=z9hG4bKone'
    bench.receive(requestBytes({ via }), stream('tcp:1:x', 'tcp', 9988))
    assert.equal(viaOf(bench).get('rport'), '9988')
    assert.deepEqual(summary(bench.answer(200)), ['send 200 tcp:1:x'])
  })

  it('overwrites what a forged Via claims', () => {
    for (const forged of ['rport=53;received=198.51.100.7', 'received=198.51.100.7', 'rport=53', 'received']) {
      const bench = new Bench()
      bench.receive(requestBytes({ via: `SIP/2.0/UDP ${peer}:40000;${forged};branch=z9hG4bKone` }), udp(40_000))
      assert.equal(viaOf(bench).get('received'), peer)
      if (forged.includes('rport')) assert.equal(viaOf(bench).get('rport'), '40000')
      assert.deepEqual(summary(bench.answer(200)), [`send 200 ${udp(40_000).id}`])
    }
  })
})

describe('RFC 3261 §18.2.1 and §18.2.2 without rport', () => {
  it('adds received when sent-by is a name or another address, and only then', () => {
    const cases: [string, string | undefined][] = [
      ['bobspc.biloxi.com:5060', peer],
      ['10.1.1.1:5060', peer],
      [`${peer}:5060`, undefined],
    ]
    for (const [sentBy, received] of cases) {
      const bench = new Bench()
      bench.receive(requestBytes({ via: `SIP/2.0/UDP ${sentBy};branch=z9hG4bKone` }))
      assert.equal(viaOf(bench).get('received'), received)
      assert.equal(viaOf(bench).has('rport'), false)
    }
  })

  it('sends the response to the source address at the port of sent-by, or 5060', () => {
    for (const [sentBy, port] of [
      ['pc33.atlanta.com:6000', 6000],
      ['pc33.atlanta.com', 5060],
    ] as const) {
      const bench = new Bench()
      bench.receive(requestBytes({ via: `SIP/2.0/UDP ${sentBy};branch=z9hG4bKone` }), udp(9988))
      assert.deepEqual(summary(bench.answer(200)), [`send 200 ${udp(port).id}`])
    }
  })

  it('sends the response to a maddr', () => {
    const bench = new Bench()
    bench.receive(requestBytes({ via: `SIP/2.0/UDP ${peer}:6000;maddr=192.0.2.200;branch=z9hG4bKone` }))
    assert.deepEqual(summary(bench.answer(200)), [`send 200 ${udp(6000, '192.0.2.200').id}`])
  })

  it('opens a connection for a response whose own has ended: received and port of sent-by, then RFC 3263 §5', () => {
    const bench = new Bench()
    const flow = stream('tcp:1:x')
    bench.receive(requestBytes({ via: 'SIP/2.0/TCP client.example:6000;branch=z9hG4bKone' }), flow)
    bench.disconnected(flow.id)
    const outputs = bench.answer(200)
    assert.deepEqual(summary(outputs), [`connect tcp ${peer}:6000 client.example`])
    const [connect] = outputs
    assert.ok(connect?.kind === 'connect')
    assert.deepEqual(summary(bench.connected(connect.connection, stream('tcp:2:x', 'tcp', 6000))), ['send 200 tcp:2:x'])

    const second = new Bench()
    second.receive(requestBytes({ via: 'SIP/2.0/TCP client.example:6000;branch=z9hG4bKone' }), flow)
    second.disconnected(flow.id)
    const [first] = second.answer(200)
    assert.ok(first?.kind === 'connect')
    const [lookup] = second.disconnected(first.connection)
    assert.ok(lookup?.kind === 'resolve')
    assert.equal(`${lookup.type} ${lookup.name}`, 'A client.example')
    assert.deepEqual(summary(second.resolved(lookup.query, [{ type: 'A', address: '192.0.2.77' }])), [
      'connect tcp 192.0.2.77:6000 client.example',
    ])
    const [, , third] = second.outputs.filter(output => output.kind === 'connect' || output.kind === 'resolve')
    assert.ok(third?.kind === 'connect')
    assert.deepEqual(second.disconnected(third.connection), [])
    assert.equal(second.stack.counters.undeliveredResponses, 1)
    assert.equal(second.stack.sizes.timers, 0)
  })
})
