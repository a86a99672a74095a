import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { aRequest, Bench, kinds, nameOf, requestBytes, responseTo, stream, summary, udp } from './stack-fixture.ts'

const flow = udp().id
const bob = 'sip:bob@192.0.2.1:40000'
const numbered = (i: number) => requestBytes({ branch: `z9hG4bK${i}`, callId: `call-${i}` })

describe('bounds of the stack, each with its answer', () => {
  it('more unanswered requests than the limit: 503 with Retry-After, without a transaction', () => {
    const bench = new Bench({ limits: { pendingRequests: 3, retryAfterSeconds: 9 }, serverHeader: 'Porchlight' })
    for (let i = 0; i < 3; i++) assert.deepEqual(kinds(bench.receive(numbered(i))), ['request'])
    assert.deepEqual(summary(bench.receive(numbered(3))), [`send 503 ${flow}`])
    assert.equal(bench.responseSent().header('Retry-After'), '9')
    assert.equal(bench.responseSent().header('Server'), 'Porchlight')
    assert.equal(bench.stack.sizes.serverTransactions, 3)
    assert.equal(bench.stack.counters.overloaded, 1)
    bench.answer(200)
    assert.deepEqual(kinds(bench.receive(numbered(4))), ['request'], 'an answer makes room')
  })

  it('more answered requests than the limit: the oldest answer is forgotten before its time', () => {
    const bench = new Bench({ limits: { answeredRequests: 3 } })
    for (let i = 0; i < 5; i++) {
      bench.receive(numbered(i))
      bench.answer(200)
    }
    assert.equal(bench.stack.sizes.serverTransactions, 3)
    assert.equal(bench.stack.counters.forgottenEarly, 2)
    assert.deepEqual(summary(bench.receive(numbered(2))), [`send 200 ${flow}`])
    assert.deepEqual(kinds(bench.receive(numbered(1))), ['request'])
    assert.equal(bench.stack.isMerged(bench.delivered().transaction), false)
  })

  it('more requests under way than the limit: a 503 of our own', () => {
    const bench = new Bench({ limits: { clientRequests: 2 } })
    for (let i = 0; i < 3; i++) bench.request(aRequest('NOTIFY', bob), `t${i}`)
    assert.deepEqual(bench.statuses('t2'), [503])
    assert.equal(bench.stack.inProgress('t1'), true)
    assert.equal(bench.stack.inProgress('t2'), false)
  })

  it('more connections than the limit: the one silent longest is closed', () => {
    const bench = new Bench({ limits: { connections: 2 } })
    bench.receive(numbered(1), stream('tcp:1:x', 'tcp', 1001))
    bench.pass(10)
    bench.receive(numbered(2), stream('tcp:2:x', 'tcp', 1002))
    bench.pass(10)
    bench.receive(Buffer.from('\r\n\r\n'), stream('tcp:1:x', 'tcp', 1001))
    bench.pass(10)
    assert.deepEqual(summary(bench.receive(numbered(3), stream('tcp:3:x', 'tcp', 1003))), [
      'close tcp:2:x',
      'request PUBLISH',
    ])
    assert.equal(bench.stack.sizes.connections, 2)
  })

  it('more messages waiting for one connection than the limit: 503', () => {
    const bench = new Bench({ limits: { waitingPerConnection: 2 } })
    for (let i = 0; i < 3; i++) bench.request(aRequest('NOTIFY', `${bob};transport=tcp`), `t${i}`)
    assert.deepEqual(bench.statuses('t2'), [503])
    assert.deepEqual(bench.statuses('t1'), [])
  })

  it('more messages from one address than its bucket holds: dropped and counted, others are heard', () => {
    const bench = new Bench({ limits: { perSource: { perSecond: 10, burst: 5, addresses: 100 } } })
    const heard = (count: number, address?: string) => {
      let requests = 0
      for (let i = 0; i < count; i++) {
        requests += bench.receive(
          requestBytes({ branch: `z9hG4bK${address}${bench.now}${i}` }),
          udp(40_000, address),
        ).length
      }
      return requests
    }
    assert.equal(heard(20), 5)
    assert.equal(bench.stack.counters.flooded, 15)
    assert.equal(heard(5, '192.0.2.2'), 5)
    bench.pass(300)
    assert.equal(heard(20), 3)
  })

  it('a flood from ever new addresses is forgotten in turn', () => {
    const bench = new Bench({ limits: { perSource: { perSecond: 1, burst: 1, addresses: 10 } } })
    for (let i = 0; i < 1000; i++) bench.receive(numbered(i), udp(40_000, `192.0.${i >> 8}.${i & 255}`))
    assert.equal(bench.stack.counters.flooded, 0)
    bench.receive(numbered(2000), udp(40_000, '192.0.3.231'))
    assert.equal(bench.stack.counters.flooded, 1, 'but the last are remembered')
  })
})

describe('requests of the user', () => {
  it('a token is one request at a time', () => {
    const bench = new Bench()
    bench.request(aRequest('NOTIFY', bob))
    assert.equal(bench.stack.inProgress('token'), true)
    assert.throws(() => bench.request(aRequest('NOTIFY', bob)), /token/)
    bench.peerAnswers(200)
    assert.equal(bench.stack.inProgress('token'), false)
    assert.deepEqual(summary(bench.request(aRequest('NOTIFY', bob))), [`send NOTIFY ${flow}`])
  })

  it('each has a branch of its own', () => {
    const bench = new Bench()
    const branches = new Set<string | undefined>()
    for (let i = 0; i < 100; i++) {
      bench.request(aRequest('NOTIFY', bob), `t${i}`)
      branches.add(bench.requestSent().topVia.params.get('branch'))
    }
    assert.equal(branches.size, 100)
    for (const branch of branches) assert.ok(branch?.startsWith('z9hG4bK') && branch.length >= 19)
  })

  it('a response always has our Via on top, also one that was made here before anything was sent', () => {
    const bench = new Bench()
    const forwarded = aRequest('NOTIFY', 'sip:bob@nowhere.example:5070', [
      ['Via', 'SIP/2.0/UDP upstream.example;branch=z9hG4bKup'],
    ])
    bench.resolved(nameOf(bench.request(forwarded)), [])
    const response = bench.outputs.find(output => output.kind === 'response')?.response
    assert.equal(response?.status, 503)
    assert.equal(response?.headers('Via').length, 2)
    assert.equal(response?.topVia.host, '192.0.2.10')
  })

  it('a lost UDP flow fails only what was sent on it', () => {
    const bench = new Bench()
    bench.request(aRequest('NOTIFY', bob), 'one')
    bench.request(aRequest('NOTIFY', 'sip:bob@192.0.2.1:40001'), 'two')
    bench.disconnected(udp(40_001).id)
    assert.deepEqual(bench.statuses('two'), [503])
    assert.equal(bench.stack.inProgress('one'), true)
  })

  it('a connection that opens after all is closed again', () => {
    const bench = new Bench()
    const connect = bench.request(aRequest('NOTIFY', `${bob};transport=tcp`))
    bench.pass(5000)
    assert.deepEqual(bench.statuses(), [503])
    assert.deepEqual(summary(bench.connected(nameOf(connect), stream('tcp:1:x'))), ['close tcp:1:x'])
    assert.equal(bench.stack.sizes.connections, 0)
  })
})

describe('requests of others', () => {
  it('carry where they came from', () => {
    const bench = new Bench()
    bench.receive(requestBytes())
    const request = bench.delivered()
    assert.equal(request.flow, flow)
    assert.deepEqual(request.source, { transport: 'udp', address: '192.0.2.1', port: 40_000 })
    assert.notEqual(request.transaction, '')
  })

  it('several in one piece of a stream are delivered in order', () => {
    const bench = new Bench()
    const bytes = Buffer.concat([numbered(1), numbered(2), Buffer.from('\r\n\r\n'), numbered(3)])
    assert.deepEqual(summary(bench.receive(bytes, stream('tcp:1:x'))), [
      'request PUBLISH',
      'request PUBLISH',
      'send "\\r\\n" tcp:1:x',
      'request PUBLISH',
    ])
  })

  it('an answer under an unknown name is not sent', () => {
    const bench = new Bench()
    bench.receive(requestBytes())
    const request = bench.delivered()
    request.transaction = 'unknown'
    assert.deepEqual(bench.answer(200), [])
    assert.equal(bench.stack.counters.suppressedResponses, 1)
  })

  it('leave nothing when user and peer have done their part', () => {
    const bench = new Bench()
    for (let i = 0; i < 50; i++) {
      bench.receive(numbered(i))
      bench.answer(200)
      bench.request(aRequest('NOTIFY', bob), `t${i}`)
      bench.receive(responseTo(bench.requestSent(), 200))
    }
    bench.pass(32_000)
    assert.deepEqual(bench.stack.sizes, { serverTransactions: 0, clientTransactions: 0, connections: 0, timers: 0 })
    assert.equal(bench.stack.deadline(), undefined)
  })
})
