/** RFC 3263 §4 and §5: locating SIP servers, and failing over. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Transport } from '../../../src/protocols/sip/flow.ts'
import { type DnsRecord, Locating } from '../../../src/protocols/sip/locate.ts'
import type { SipRequest } from '../../../src/protocols/sip/message.ts'
import { parseUri, type SipUri } from '../../../src/protocols/sip/uri.ts'
import { aRequest, Bench, nameOf, responseTo, summary, udp } from '../../unit/protocols/sip/stack-fixture.ts'

type Zone = Record<string, DnsRecord[]>
const a = (address: string): DnsRecord => ({ type: 'A', address })
const aaaa = (address: string): DnsRecord => ({ type: 'AAAA', address })
const srv = (target: string, port = 5060, priority = 0, weight = 1): DnsRecord => ({
  type: 'SRV',
  priority,
  weight,
  port,
  target,
})
const naptr = (order: number, service: string, replacement: string): DnsRecord => ({
  type: 'NAPTR',
  order,
  preference: 50,
  flags: 's',
  service,
  replacement,
})

/** Every step of locating, with the zone's answers: queries and places. */
function locate(
  uri: string,
  zone: Zone = {},
  options: { secure?: boolean; transports?: Transport[]; naptr?: boolean; below?: (below: number) => number } = {},
): string[] {
  const locating = Locating.request(parseUri(uri) as SipUri, options.secure ?? false, {
    transports: options.transports ?? ['udp', 'tcp', 'tls'],
    families: ['A', 'AAAA'],
    naptr: options.naptr ?? true,
    below: options.below ?? (() => 0),
  })
  return steps(locating, zone)
}

function steps(locating: Locating, zone: Zone): string[] {
  const log: string[] = []
  for (let step = locating.next(); step.kind !== 'exhausted'; step = locating.next()) {
    if (step.kind === 'place') log.push(`${step.place.transport} ${step.place.address}:${step.place.port}`)
    else {
      log.push(`${step.type} ${step.name}`)
      locating.answer(zone[`${step.type} ${step.name}`])
    }
    assert.ok(log.length < 100, 'it ends')
  }
  return log
}

const places = (log: string[]) => log.filter(line => /^(udp|tcp|tls) /.test(line))

describe('RFC 3263 §4.1 selecting a transport protocol', () => {
  it('the transport parameter decides', () => {
    assert.deepEqual(locate('sip:192.0.2.1;transport=tcp'), ['tcp 192.0.2.1:5060'])
    assert.deepEqual(locate('sip:192.0.2.1;transport=TLS'), ['tls 192.0.2.1:5061'])
    assert.deepEqual(locate('sip:192.0.2.1;transport=sctp'), [])
  })

  it('a numeric target: UDP for SIP, TLS over TCP for SIPS', () => {
    assert.deepEqual(locate('sip:192.0.2.1'), ['udp 192.0.2.1:5060'])
    assert.deepEqual(locate('sips:192.0.2.1'), ['tls 192.0.2.1:5061'])
    assert.deepEqual(locate('sips:192.0.2.1;transport=tcp'), ['tls 192.0.2.1:5061'])
    assert.deepEqual(locate('sips:192.0.2.1;transport=udp'), [])
    assert.deepEqual(locate('sip:[2001:db8::1]:5070'), ['udp 2001:db8::1:5070'])
    assert.deepEqual(locate('sip:192.0.2.1', {}, { secure: true }), ['tls 192.0.2.1:5061'])
  })

  it('maddr is the target', () => {
    assert.deepEqual(locate('sip:alice@example.com;maddr=192.0.2.9'), ['udp 192.0.2.9:5060'])
  })

  it('an explicit port: UDP for SIP, TLS for SIPS, and A or AAAA records only (§4.2)', () => {
    const zone = { 'A example.com': [a('192.0.2.1'), a('192.0.2.2')], 'AAAA example.com': [aaaa('2001:db8::1')] }
    assert.deepEqual(locate('sip:example.com:5070', zone), [
      'A example.com',
      'udp 192.0.2.1:5070',
      'udp 192.0.2.2:5070',
      'AAAA example.com',
      'udp 2001:db8::1:5070',
    ])
    assert.deepEqual(places(locate('sips:example.com:5070', zone))[0], 'tls 192.0.2.1:5070')
  })

  const zone: Zone = {
    'NAPTR example.com': [
      naptr(100, 'SIP+D2U', '_sip._udp.example.com'),
      naptr(50, 'SIPS+D2T', '_sips._tcp.example.com'),
      naptr(90, 'SIP+D2T', '_sip._tcp.example.com'),
      naptr(10, 'SIP+D2S', '_sip._sctp.example.com'),
    ],
    'SRV _sips._tcp.example.com': [srv('one.example.com', 5061)],
    'SRV _sip._tcp.example.com': [srv('one.example.com')],
    'SRV _sip._udp.example.com': [srv('one.example.com')],
    'A one.example.com': [a('192.0.2.1')],
  }

  it('NAPTR records that are supported, in their order; the host itself is then not asked for', () => {
    assert.deepEqual(places(locate('sip:example.com', zone)), [
      'tls 192.0.2.1:5061',
      'tcp 192.0.2.1:5060',
      'udp 192.0.2.1:5060',
    ])
    assert.deepEqual(locate('sip:example.com', zone, { transports: ['udp', 'tcp'] }).slice(0, 3), [
      'NAPTR example.com',
      'SRV _sip._tcp.example.com',
      'A one.example.com',
    ])
    assert.equal(locate('sip:example.com', zone).includes('A example.com'), false)
  })

  it('"a client resolving a SIPS URI MUST discard any services that do not contain SIPS"', () => {
    assert.deepEqual(places(locate('sips:example.com', zone)), ['tls 192.0.2.1:5061'])
  })

  it('without NAPTR records an SRV query for each supported transport; without those, A records and UDP', () => {
    assert.deepEqual(locate('sip:example.com', { 'A example.com': [a('192.0.2.1')] }), [
      'NAPTR example.com',
      'SRV _sip._udp.example.com',
      'SRV _sip._tcp.example.com',
      'SRV _sips._tcp.example.com',
      'A example.com',
      'udp 192.0.2.1:5060',
      'AAAA example.com',
    ])
    assert.deepEqual(places(locate('sips:example.com', { 'A example.com': [a('192.0.2.1')] })), ['tls 192.0.2.1:5061'])
  })

  it('need not ask for NAPTR', () => {
    assert.equal(locate('sip:example.com', zone, { naptr: false })[0], 'SRV _sip._udp.example.com')
  })
})

describe('RFC 3263 §4.2 with a transport parameter and no port', () => {
  it('asks SRV for that transport, then A and AAAA', () => {
    assert.deepEqual(locate('sip:example.com;transport=tcp', { 'AAAA example.com': [aaaa('2001:db8::1')] }), [
      'SRV _sip._tcp.example.com',
      'A example.com',
      'AAAA example.com',
      'tcp 2001:db8::1:5060',
    ])
    assert.equal(locate('sip:example.com;transport=tls')[0], 'SRV _sips._tcp.example.com')
  })
})

describe('RFC 2782 usage rules', () => {
  it('lowest priority first; the addresses of a target are asked for when it is its turn', () => {
    const zone = {
      'SRV _sip._udp.example.com': [srv('late.example.com', 5060, 20), srv('early.example.com', 5062, 10)],
      'A early.example.com': [a('192.0.2.1')],
      'A late.example.com': [a('192.0.2.2')],
    }
    assert.deepEqual(locate('sip:example.com;transport=udp', zone), [
      'SRV _sip._udp.example.com',
      'A early.example.com',
      'udp 192.0.2.1:5062',
      'AAAA early.example.com',
      'A late.example.com',
      'udp 192.0.2.2:5060',
      'AAAA late.example.com',
    ])
  })

  it('within a priority by weight: a number drawn up to the sum picks the first whose running sum reaches it', () => {
    const zone = {
      'SRV _sip._udp.example.com': [srv('ten.example.com', 1, 0, 10), srv('thirty.example.com', 3, 0, 30)],
      'A ten.example.com': [a('192.0.2.1')],
      'A thirty.example.com': [a('192.0.2.3')],
    }
    const first = (drawn: number) =>
      places(locate('sip:example.com;transport=udp', zone, { below: below => Math.min(drawn, below - 1) }))[0]
    assert.equal(first(0), 'udp 192.0.2.1:1')
    assert.equal(first(10), 'udp 192.0.2.1:1')
    assert.equal(first(11), 'udp 192.0.2.3:3')
    assert.equal(first(40), 'udp 192.0.2.3:3')
  })

  it('"If there is precisely one SRV RR, and its Target is ".", abort"', () => {
    const zone = { 'SRV _sip._udp.example.com': [srv('.', 0)], 'A example.com': [a('192.0.2.1')] }
    assert.deepEqual(places(locate('sip:example.com;transport=udp', zone)), [])
  })

  it('looks at a bounded number of records', () => {
    const many = Array.from({ length: 5000 }, (_, i) => srv(`s${i}.example.com`))
    assert.ok(locate('sip:example.com;transport=udp', { 'SRV _sip._udp.example.com': many }).length < 50)
  })
})

describe('RFC 3263 §4.3 failover', () => {
  const records = [a('192.0.2.1'), a('192.0.2.2')]
  const begin = () => {
    const bench = new Bench()
    const asked = bench.request(aRequest('NOTIFY', 'sip:alice@example.com:5070'))
    assert.deepEqual(summary(asked), ['resolve A example.com'])
    assert.deepEqual(summary(bench.resolved(nameOf(asked), records)), [`send NOTIFY ${udp(5070, '192.0.2.1').id}`])
    return bench
  }

  const failures: [string, (bench: Bench, first: SipRequest) => void][] = [
    ['a 503 response', (bench, first) => bench.receive(responseTo(first, 503), udp(5070))],
    ['a transport failure', bench => bench.disconnected(udp(5070, '192.0.2.1').id)],
    ['a timeout without any response', bench => bench.pass(32_000)],
  ]
  for (const [which, fail] of failures) {
    it(`${which} sends the request to the next address, in a new transaction with a new branch`, () => {
      const bench = begin()
      const first = bench.requestSent()
      bench.clear()
      fail(bench, first)
      const second = bench.requestSent()
      assert.equal(bench.outputs.findLast(output => output.kind === 'send')?.flow, udp(5070, '192.0.2.2').id)
      assert.notEqual(second.topVia.params.get('branch'), first.topVia.params.get('branch'))
      assert.equal(second.headers('Via').length, 1)
      assert.deepEqual(second.cseq, first.cseq)
      assert.deepEqual(bench.statuses(), [])
      bench.receive(responseTo(second, 200))
      assert.deepEqual(bench.statuses(), [200])
      assert.equal(bench.stack.counters.failovers, 1)
    })
  }

  it("the last failure is the user's one final response", () => {
    const bench = begin()
    bench.pass(32_000)
    bench.receive(responseTo(bench.requestSent(), 503), udp(5070))
    const asked = bench.outputs.filter(output => output.kind === 'resolve')
    assert.equal(asked.at(-1)?.type, 'A', 'there is no IPv6 socket to send from')
    assert.deepEqual(bench.statuses(), [503])
    assert.equal(bench.stack.inProgress('token'), false)
    bench.pass(60_000)
    assert.equal(bench.stack.sizes.timers, 0)
  })

  it('a timeout after a provisional response is no failure of the server', () => {
    const bench = begin()
    bench.peerAnswers(100)
    bench.pass(32_000)
    assert.deepEqual(bench.statuses(), [408])
  })

  it('any other final response ends it', () => {
    const bench = begin()
    bench.peerAnswers(500)
    assert.deepEqual(bench.statuses(), [500])
  })

  it('a name that leads nowhere is a 503, a URI that is none of SIP a 416', () => {
    const bench = new Bench()
    const asked = bench.request(aRequest('NOTIFY', 'sip:alice@example.com:5070'), 'one')
    bench.resolved(nameOf(asked), undefined)
    assert.deepEqual(bench.statuses('one'), [503])
    bench.request(aRequest('NOTIFY', 'tel:+1555'), 'two')
    assert.deepEqual(bench.statuses('two'), [416])
  })

  it('a DNS that does not answer is one that has no records', () => {
    const bench = new Bench()
    bench.request(aRequest('NOTIFY', 'sip:alice@example.com:5070'))
    bench.pass(20_000)
    assert.deepEqual(bench.statuses(), [503])
    assert.equal(bench.stack.sizes.timers, 0)
  })

  it('a connection that does not open leads to the next address', () => {
    const bench = new Bench()
    const asked = bench.request(aRequest('NOTIFY', 'sip:alice@example.com:5070;transport=tcp'))
    const first = bench.resolved(nameOf(asked), records)
    assert.deepEqual(summary(first), ['connect tcp 192.0.2.1:5070 example.com'])
    const second = bench.disconnected(nameOf(first))
    assert.deepEqual(summary(second), ['connect tcp 192.0.2.2:5070 example.com'])
    bench.pass(4999)
    assert.deepEqual(bench.statuses(), [])
    bench.pass(1)
    assert.deepEqual(bench.statuses(), [503], 'the second did not open in time')
  })

  it('tries a bounded number of places', () => {
    const bench = new Bench({ limits: { placesPerRequest: 3 } })
    const asked = bench.request(aRequest('NOTIFY', 'sip:alice@example.com:5070'))
    bench.resolved(
      nameOf(asked),
      Array.from({ length: 10 }, (_, i) => a(`192.0.2.${i + 1}`)),
    )
    for (let i = 0; i < 10; i++)
      if (bench.stack.inProgress('token')) bench.receive(responseTo(bench.requestSent(), 503))
    assert.equal(bench.stack.counters.failovers, 2)
    assert.deepEqual(bench.statuses(), [503])
  })
})

describe('RFC 3263 §4 which URI: RFC 3261 §8.1.2', () => {
  const flowOf = (headers: [string, string][], uri = 'sip:alice@192.0.2.1') => {
    const bench = new Bench()
    return summary(bench.request(aRequest('NOTIFY', uri, headers)))
  }

  it('the topmost Route', () => {
    assert.deepEqual(flowOf([['Route', '<sip:192.0.2.5;lr>, <sip:192.0.2.6;lr>']]), [
      `send NOTIFY ${udp(5060, '192.0.2.5').id}`,
    ])
  })

  it('the Request-URI without one, or when it is that of a strict router', () => {
    assert.deepEqual(flowOf([]), [`send NOTIFY ${udp(5060, '192.0.2.1').id}`])
    assert.deepEqual(flowOf([['Route', '<sip:192.0.2.5>']]), [`send NOTIFY ${udp(5060, '192.0.2.1').id}`])
  })

  it('by TLS all the way when the Request-URI is a SIPS URI', () => {
    assert.deepEqual(flowOf([['Route', '<sip:192.0.2.5;lr>']], 'sips:alice@192.0.2.1'), [
      'connect tls 192.0.2.5:5061 192.0.2.5',
    ])
  })
})

describe('RFC 3263 §5 server usage', () => {
  const response = (host: string, port: number | undefined, transport: Transport, zone: Zone = {}) =>
    steps(
      Locating.response(host, port, transport, {
        transports: ['udp', 'tcp', 'tls'],
        families: ['A'],
        naptr: true,
        below: () => 0,
      }),
      zone,
    )

  it('numeric sent-by: that address; a name with port: A; without: SRV', () => {
    assert.deepEqual(response('192.0.2.1', undefined, 'tls'), ['tls 192.0.2.1:5061'])
    assert.deepEqual(response('example.com', 6000, 'tcp', { 'A example.com': [a('192.0.2.1')] }), [
      'A example.com',
      'tcp 192.0.2.1:6000',
    ])
    assert.equal(response('example.com', undefined, 'tls')[0], 'SRV _sips._tcp.example.com')
    assert.equal(response('example.com', undefined, 'udp')[0], 'SRV _sip._udp.example.com')
  })
})
