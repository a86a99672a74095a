/** RFC 3261 §17.1: client transactions, seen from the wire. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { aRequest, Bench, kinds, responseTo, stream, summary } from '../../unit/protocols/sip/stack-fixture.ts'

const bob = 'sip:bob@192.0.2.1:40000'
const flow = 'udp:192.0.2.10:5060:192.0.2.1:40000'

describe('RFC 3261 §17.1.1 INVITE client transaction', () => {
  it('retransmits on UDP at T1, doubling, and times out at 64*T1 (§17.1.1.2, timers A and B)', () => {
    const bench = new Bench()
    bench.request(aRequest('INVITE', bob))
    const log = bench.pass(40_000)
    assert.deepEqual(
      log.map(({ at, output }) => `${at} ${summary([output])[0]}`),
      [...[500, 1500, 3500, 7500, 15_500, 31_500].map(at => `${at} send INVITE ${flow}`), '32000 response 408 token'],
    )
    assert.equal(bench.stack.sizes.timers, 0)
  })

  it('does not retransmit over a reliable transport, and times out all the same (timer A, timer B)', () => {
    const bench = new Bench()
    bench.stack.accepted(stream('tcp:1:x'), bench.now)
    bench.request(aRequest('INVITE', bob), 'token', 'tcp:1:x')
    const log = bench.pass(40_000)
    // The connection has not said anything in 32 s either, and is closed.
    assert.deepEqual(log.map(({ at, output }) => `${at} ${output.kind}`).sort(), ['32000 close', '32000 response'])
    assert.deepEqual(bench.statuses(), [408])
  })

  it('"SHOULD NOT retransmit the request any longer" after a provisional response, which goes to the user', () => {
    const bench = new Bench()
    bench.request(aRequest('INVITE', bob))
    bench.pass(100)
    bench.peerAnswers(180)
    bench.peerAnswers(183)
    assert.deepEqual(bench.sendTimes(60_000), [])
    assert.deepEqual(bench.statuses(), [180, 183])
  })

  it('keeps a 100 to itself but is quenched by it', () => {
    const bench = new Bench()
    bench.request(aRequest('INVITE', bob))
    bench.peerAnswers(100)
    assert.deepEqual(bench.sendTimes(10_000), [])
    assert.deepEqual(bench.statuses(), [])
  })

  it('acknowledges 300-699 from calling and from proceeding, passes it up once, and repeats the ACK for repeats', () => {
    for (const provisional of [false, true]) {
      const bench = new Bench()
      bench.request(aRequest('INVITE', bob))
      const invite = bench.requestSent()
      if (provisional) bench.receive(responseTo(invite, 180))
      bench.receive(responseTo(invite, 486))
      assert.deepEqual(bench.statuses(), provisional ? [180, 486] : [486])
      const first = bench.outputs.findLast(output => output.kind === 'send')
      bench.clear()
      const repeated = bench.receive(responseTo(invite, 486))
      assert.deepEqual(summary(repeated), [`send ACK ${flow}`])
      assert.deepEqual(repeated[0], first)
      assert.deepEqual(bench.statuses(), [])
    }
  })

  it('remains in Completed 32 s on UDP (timer D) and not at all on a reliable transport', () => {
    const bench = new Bench({ timers: { t1Ms: 100 } })
    bench.request(aRequest('INVITE', bob))
    bench.peerAnswers(404)
    bench.pass(31_999)
    assert.equal(bench.stack.sizes.clientTransactions, 1)
    bench.pass(1)
    assert.equal(bench.stack.sizes.clientTransactions, 0)

    const reliable = new Bench()
    reliable.stack.accepted(stream('tcp:1:x'), reliable.now)
    reliable.request(aRequest('INVITE', bob), 'token', 'tcp:1:x')
    reliable.peerAnswers(404, { toTag: 'theirs' }, stream('tcp:1:x'))
    assert.deepEqual(reliable.statuses(), [404])
    assert.equal(reliable.requestSent().method, 'ACK')
    assert.equal(reliable.stack.sizes.clientTransactions, 0)
  })

  it('builds the ACK from the INVITE, with To from the response, one Via and the Route (§17.1.1.3)', () => {
    const bench = new Bench()
    const routes: [string, string][] = [
      ['Route', '<sip:192.0.2.1:40000;lr>'],
      ['Route', '<sip:second.example;lr>'],
    ]
    bench.request(aRequest('INVITE', 'sip:bob@far.example', routes, 'body'))
    const invite = bench.requestSent()
    bench.peerAnswers(486)
    const ack = bench.requestSent()
    assert.equal(ack.method, 'ACK')
    assert.equal(ack.uri, invite.uri)
    assert.deepEqual(ack.headers('Via'), invite.headers('Via'))
    assert.equal(ack.headers('Via').length, 1)
    assert.equal(ack.callId, invite.callId)
    assert.equal(ack.header('From'), invite.header('From'))
    assert.equal(ack.toTag, 'theirs')
    assert.deepEqual(ack.cseq, { number: 7, method: 'ACK' })
    assert.deepEqual(ack.headers('Route'), ['<sip:192.0.2.1:40000;lr>', '<sip:second.example;lr>'])
    assert.equal(ack.body.length, 0)
  })

  it('cancels an INVITE that rings longer than timer C, and gives up 64*T1 later (§16.8, §9.1)', () => {
    const bench = new Bench()
    bench.request(aRequest('INVITE', bob))
    bench.peerAnswers(180)
    bench.pass(100_000)
    bench.receive(responseTo(bench.requestSent(), 183))
    bench.clear()
    const log = bench.pass(185_000 + 40_000)
    assert.equal(log[0]?.at, 185_000)
    assert.equal(summary([log[0]!.output])[0], `send CANCEL ${flow}`)
    const final = log.find(({ output }) => output.kind === 'response')
    assert.equal(final?.at, 185_000 + 32_000)
    assert.deepEqual(bench.statuses(), [408])
    assert.equal(bench.stack.sizes.timers, 0)
  })
})

describe('RFC 3261 §17.1.2 non-INVITE client transaction', () => {
  it('retransmits at T1, doubling up to T2, and times out at 64*T1 (timers E and F)', () => {
    const bench = new Bench()
    bench.request(aRequest('NOTIFY', bob))
    const log = bench.pass(40_000)
    assert.deepEqual(
      log.filter(({ output }) => output.kind === 'send').map(({ at }) => at),
      [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500],
    )
    assert.equal(log.at(-1)?.at, 32_000)
    assert.deepEqual(bench.statuses(), [408])
  })

  it('scales with T1 and T2 given to the stack', () => {
    const bench = new Bench({ timers: { t1Ms: 100, t2Ms: 400 } })
    bench.request(aRequest('NOTIFY', bob))
    const log = bench.pass(10_000)
    assert.deepEqual(
      log.slice(0, 4).map(({ at }) => at),
      [100, 300, 700, 1100],
    )
    assert.equal(log.at(-1)?.at, 6400)
  })

  it('continues at T2 after a provisional response (§17.1.2.2)', () => {
    const bench = new Bench()
    bench.request(aRequest('NOTIFY', bob))
    bench.pass(200)
    bench.peerAnswers(100)
    assert.deepEqual(bench.sendTimes(10_000), [300, 4300, 8300])
    assert.deepEqual(bench.statuses(), [])
  })

  it('passes one final response up, and none of its retransmissions (those that Timer K is for, RFC 6026 §7.2)', () => {
    const bench = new Bench()
    bench.request(aRequest('NOTIFY', bob))
    const notify = bench.requestSent()
    bench.receive(responseTo(notify, 200))
    assert.equal(bench.stack.inProgress('token'), false)
    bench.receive(responseTo(notify, 200))
    bench.receive(responseTo(notify, 486))
    assert.deepEqual(bench.statuses(), [200])
    assert.equal(bench.stack.counters.strayResponses, 2)
    assert.deepEqual(bench.sendTimes(40_000), [], 'nothing is sent again')
    assert.deepEqual(bench.stack.sizes, { serverTransactions: 0, clientTransactions: 0, connections: 0, timers: 0 })

    const reliable = new Bench()
    reliable.stack.accepted(stream('tcp:1:x'), reliable.now)
    reliable.request(aRequest('NOTIFY', bob), 'token', 'tcp:1:x')
    reliable.peerAnswers(200, {}, stream('tcp:1:x'))
    assert.equal(reliable.stack.sizes.clientTransactions, 0)
  })

  it('informs the user of a transport failure as a 503 (§17.1.4, §8.1.3.1)', () => {
    const bench = new Bench()
    bench.stack.accepted(stream('tcp:1:x', 'tcp', 40_000), bench.now)
    bench.request(aRequest('NOTIFY', 'tel:+15551234'), 'token', 'tcp:1:x')
    bench.disconnected('tcp:1:x')
    assert.deepEqual(bench.statuses().length, 1)
    assert.equal(bench.stack.sizes.clientTransactions, 0)

    const datagram = new Bench()
    datagram.request(aRequest('NOTIFY', bob))
    assert.deepEqual(kinds(datagram.disconnected(flow)), ['response'])
    assert.deepEqual(datagram.statuses(), [503])
  })
})

describe('RFC 3261 §17.1.3 matching responses to client transactions', () => {
  it('needs the branch and the CSeq method; anything else is dropped and counted (RFC 6026 §7.2)', () => {
    const bench = new Bench()
    bench.request(aRequest('NOTIFY', bob))
    const notify = bench.requestSent()
    const right = responseTo(notify, 200).toString()
    const branch = notify.topVia.params.get('branch')!
    assert.deepEqual(bench.receive(Buffer.from(right.replace(branch, 'z9hG4bKother'))), [])
    assert.deepEqual(bench.receive(Buffer.from(right.replace('7 NOTIFY', '7 OPTIONS'))), [])
    assert.equal(bench.stack.counters.strayResponses, 2)
    assert.deepEqual(kinds(bench.receive(Buffer.from(right))), ['response'])
  })

  it('discards a response whose sent-by is not ours (§18.1.2)', () => {
    const bench = new Bench()
    bench.request(aRequest('NOTIFY', bob))
    const right = responseTo(bench.requestSent(), 200).toString()
    assert.deepEqual(bench.receive(Buffer.from(right.replace('192.0.2.10:5060', '192.0.2.99:5060'))), [])
    assert.equal(bench.stack.counters.strayResponses, 1)
    assert.equal(bench.stack.inProgress('token'), true)
  })
})
