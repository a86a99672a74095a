/** RFC 5923 §8 and §9: connection reuse; RFC 3261 §18 for connections without TLS. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Flow } from '../../../src/protocols/sip/flow.ts'
import { aRequest, Bench, nameOf, peer, requestBytes, stream, summary } from '../../unit/protocols/sip/stack-fixture.ts'

const secure = (id: string, port = 40_000, peerIdentities?: string[]): Flow => ({
  ...stream(id, 'tls', port),
  ...(peerIdentities && { peerIdentities }),
})
const alias = requestBytes({ via: `SIP/2.0/TLS proxy.example:5061;alias;branch=z9hG4bKone` })
const toProxy = () => aRequest('NOTIFY', 'sips:alice@proxy.example:5061')
const address = [{ type: 'A' as const, address: peer }]

describe('RFC 5923 §8.1 client', () => {
  it('writes alias into the Via of requests over TLS, and over nothing else', () => {
    const bench = new Bench()
    bench.receive(alias, secure('tls:1:x'))
    bench.request(aRequest('NOTIFY', 'sip:a@b'), 'one', 'tls:1:x')
    assert.equal(bench.requestSent().topVia.params.has('alias'), true)
    assert.equal(bench.requestSent().topVia.port, 5061)
    bench.request(aRequest('NOTIFY', 'sip:a@192.0.2.1'), 'two')
    assert.equal(bench.requestSent().topVia.params.has('alias'), false)
  })

  it('reuses the connection it opened for the same resolved address and the same identity only', () => {
    const bench = new Bench()
    const asked = bench.request(toProxy(), 'one')
    const connect = bench.resolved(nameOf(asked), address)
    assert.deepEqual(summary(connect), [`connect tls ${peer}:5061 proxy.example`])
    bench.connected(nameOf(connect), secure('tls:1:x', 5061))
    const again = bench.request(toProxy(), 'two')
    assert.deepEqual(summary(bench.resolved(nameOf(again), address)), ['send NOTIFY tls:1:x'])
    const other = bench.request(aRequest('NOTIFY', 'sips:alice@other.example:5061'), 'three')
    assert.deepEqual(summary(bench.resolved(nameOf(other), address)), [`connect tls ${peer}:5061 other.example`])
  })

  it('accepts requests over a connection it opened', () => {
    const bench = new Bench()
    const connect = bench.resolved(nameOf(bench.request(toProxy())), address)
    bench.connected(nameOf(connect), secure('tls:1:x', 5061))
    assert.deepEqual(summary(bench.receive(alias, secure('tls:1:x', 5061))), ['request PUBLISH'])
  })

  it('opens one connection for requests that wait for it together, and a new one when it is gone', () => {
    const bench = new Bench()
    const tcp = (token: string) => bench.request(aRequest('NOTIFY', `sip:a@${peer}:6000;transport=tcp`), token)
    const connect = tcp('one')
    assert.deepEqual(summary(connect), [`connect tcp ${peer}:6000 ${peer}`])
    assert.deepEqual(tcp('two'), [])
    const sent = bench.connected(nameOf(connect), stream('tcp:1:x', 'tcp', 6000))
    assert.deepEqual(summary(sent), ['send NOTIFY tcp:1:x', 'send NOTIFY tcp:1:x'])
    bench.disconnected('tcp:1:x')
    assert.deepEqual(bench.statuses('one'), [503])
    assert.deepEqual(summary(tcp('three')), [`connect tcp ${peer}:6000 ${peer}`])
  })
})

describe('RFC 5923 §8.2 server', () => {
  it('reuses a connection whose client offered an alias and proved the identity', () => {
    const bench = new Bench()
    bench.receive(alias, secure('tls:1:x', 40_000, ['proxy.example']))
    const asked = bench.request(toProxy())
    assert.deepEqual(summary(bench.resolved(nameOf(asked), address)), ['send NOTIFY tls:1:x'])
  })

  const refused: [string, Buffer, Flow][] = [
    ['without a proven identity (§9.2)', alias, secure('tls:1:x')],
    ['with another identity', alias, secure('tls:1:x', 40_000, ['evil.example'])],
    [
      'without alias',
      requestBytes({ via: 'SIP/2.0/TLS proxy.example:5061;branch=z9hG4bKone' }),
      secure('tls:1:x', 40_000, ['proxy.example']),
    ],
    [
      'that advertises another port',
      requestBytes({ via: 'SIP/2.0/TLS proxy.example:5071;alias;branch=z9hG4bKone' }),
      secure('tls:1:x', 40_000, ['proxy.example']),
    ],
  ]
  for (const [which, bytes, flow] of refused) {
    it(`does not reuse one ${which}, and serves its request all the same`, () => {
      const bench = new Bench()
      assert.deepEqual(summary(bench.receive(bytes, flow)), ['request PUBLISH'])
      const asked = bench.request(toProxy())
      assert.deepEqual(summary(bench.resolved(nameOf(asked), address)), [`connect tls ${peer}:5061 proxy.example`])
    })
  }

  it('does not honour an alias on TCP (§9.3): only the tuple it came from counts (RFC 3261 §18)', () => {
    const bench = new Bench()
    bench.receive(requestBytes({ via: `SIP/2.0/TCP ${peer}:6000;alias;branch=z9hG4bKone` }), stream('tcp:1:x'))
    assert.deepEqual(summary(bench.request(aRequest('NOTIFY', `sip:a@${peer}:6000;transport=tcp`), 'one')), [
      `connect tcp ${peer}:6000 ${peer}`,
    ])
    assert.deepEqual(summary(bench.request(aRequest('NOTIFY', `sip:a@${peer}:40000;transport=tcp`), 'two')), [
      'send NOTIFY tcp:1:x',
    ])
  })

  it('a connection that ends stands for nothing any more', () => {
    const bench = new Bench()
    bench.receive(alias, secure('tls:1:x', 40_000, ['proxy.example']))
    bench.disconnected('tls:1:x')
    const asked = bench.request(toProxy())
    assert.deepEqual(summary(bench.resolved(nameOf(asked), address)), [`connect tls ${peer}:5061 proxy.example`])
  })
})
