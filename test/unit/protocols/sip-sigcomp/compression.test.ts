import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../../src/limits.ts'
import { markRecord, RecordMarking, SigCompEndpoint, sipOptions } from '../../../../src/protocols/sigcomp/index.ts'
import { connectionFlowId, type Flow, udpFlow } from '../../../../src/protocols/sip/flow.ts'
import { type SipRequest, SipResponse } from '../../../../src/protocols/sip/message.ts'
import { parseMessage } from '../../../../src/protocols/sip/parse.ts'
import { asksForCompressionAs } from '../../../../src/protocols/sip-sigcomp/asked.ts'
import { type CompressionLimits, SipCompression } from '../../../../src/protocols/sip-sigcomp/compression.ts'

const asking = asksForCompressionAs('handset')
const subject = `Subject: ${'What is said here is said again and again. '.repeat(12)}\r\n`
const fromHandset = udpFlow('udp:10.0.0.1:5060:10.0.1.1:5060')!

function request(branch = 'z9hG4bK1', via = asking.via): Buffer {
  return Buffer.from(
    `OPTIONS sip:box.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.1:5060;branch=${branch}${via}\r\nMax-Forwards: 70\r\n` +
      `From: <sip:alice@box.example>;tag=1\r\nTo: <sip:box.example>\r\nCall-ID: call\r\nCSeq: 1 OPTIONS\r\n` +
      `${subject}Content-Length: 0\r\n\r\n`,
  )
}

function notify(branch = 'z9hG4bKours', uri = `sip:alice@10.0.1.1:5060${asking.uri}`): Buffer {
  return Buffer.from(
    `NOTIFY ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=${branch}\r\nMax-Forwards: 70\r\n` +
      `From: <sip:bob@box.example>;tag=1\r\nTo: <sip:alice@box.example>;tag=2\r\nCall-ID: other\r\nCSeq: 1 NOTIFY\r\n` +
      `Event: presence\r\nSubscription-State: active;expires=3599\r\n${subject}Content-Length: 0\r\n\r\n`,
  )
}

function answerTo(octets: Buffer): Buffer {
  const message = parseMessage(octets) as SipRequest
  return Buffer.from(
    `SIP/2.0 200 OK\r\nVia: ${message.header('Via')}\r\nFrom: ${message.header('From')}\r\nTo: ${message.header('To')}\r\n` +
      `Call-ID: ${message.callId}\r\nCSeq: ${message.header('CSeq')}\r\n${subject}Content-Length: 0\r\n\r\n`,
  )
}

/** A box's compression and a handset that has nothing but an endpoint. */
class Pair {
  readonly box: SipCompression
  readonly handset = new SigCompEndpoint(sipOptions)
  user: string | undefined = 'sip:alice@box.example'
  read: string[] = []
  now = 0

  constructor(changed: Partial<CompressionLimits> = {}) {
    this.box = new SipCompression({
      endpoint: sipOptions,
      limits: { ...limits.sigcomp, compartments: 10, ...changed },
    })
  }

  /** The box hears octets, as a stack above it would. */
  hear(octets: Uint8Array, flow: Flow = fromHandset) {
    return this.box.received(Buffer.from(octets), flow, this.now, text => {
      this.read.push(text.toString())
      if (text.length < 20) return
      const message = parseMessage(text)
      if (message instanceof SipResponse) this.box.answered(message, this.now)
      else {
        message.flow = flow.id
        message.source = { transport: flow.transport, address: flow.remoteAddress, port: flow.remotePort }
        this.box.admitted(message, () => this.user, this.now)
      }
    })
  }

  /** The handset says something compressed. */
  say(text: Buffer, flow: Flow = fromHandset) {
    return this.hear(this.handset.compress(text, 'box', false) ?? text, flow)
  }

  /** What the box sends on a flow, decompressed by the handset. */
  leaves(text: Buffer, flow = fromHandset.id): { isCompressed: boolean; text: Buffer } {
    const octets = this.box.leaving(text, flow, this.now)!
    if (octets[0]! < 0xf8) return { isCompressed: false, text: octets }
    const reception = this.handset.receive(octets, false)
    assert.ok(reception.kind === 'message')
    this.handset.accept(reception, 'box')
    return { isCompressed: true, text: Buffer.from(reception.text!) }
  }
}

function connection(serial = 1): Flow {
  return { ...fromHandset, id: connectionFlowId('tcp', serial, 'run'), transport: 'tcp' }
}

test('what is plain goes through untouched, both ways', () => {
  const pair = new Pair()
  const plain = request('z9hG4bK1', '')
  assert.deepEqual(pair.hear(plain), [])
  assert.deepEqual(pair.read, [plain.toString()])
  assert.equal(pair.box.leaving(answerTo(plain), fromHandset.id, 0)!.toString(), answerTo(plain).toString())
  assert.deepEqual(pair.box.sizes, { compartments: 0, states: 3 })
})

test('RFC 5049 §9.4: an answer is compressed when its request has opened a compartment, which takes a proven user', () => {
  const pair = new Pair()
  pair.user = undefined
  pair.say(request())
  assert.equal(pair.box.sizes.compartments, 0)
  assert.equal(pair.box.counters.sigcompNotKept, 1)
  assert.equal(pair.leaves(answerTo(request())).isCompressed, false)
  pair.user = 'sip:alice@box.example'
  pair.say(request('z9hG4bK2'))
  assert.equal(pair.box.sizes.compartments, 1)
  assert.ok(pair.box.sizes.states > 3)
  assert.equal(pair.leaves(answerTo(request('z9hG4bK2'))).isCompressed, true)
})

test('RFC 3486 §4: a plain request may ask for a compressed answer', () => {
  const pair = new Pair()
  pair.hear(request())
  const { isCompressed, text } = pair.leaves(answerTo(request()))
  assert.ok(isCompressed)
  assert.equal(text.toString(), answerTo(request()).toString())
})

test('RFC 5049 §9.1: an incoming response belongs to whom its request was sent, whatever it says and wherever it comes from', () => {
  const pair = new Pair()
  assert.ok(pair.leaves(notify()).isCompressed)
  const { states } = pair.box.sizes
  // The first that a handset says is good for itself only; the second has something to keep.
  pair.say(answerTo(notify('z9hG4bKguessed')), udpFlow('udp:10.0.0.1:5060:10.0.1.1:9')!)
  assert.equal(pair.box.sizes.states, states, 'a response to nothing of ours leaves nothing')
  pair.say(answerTo(notify()), udpFlow('udp:10.0.0.1:5060:10.0.1.1:9')!)
  assert.ok(pair.box.sizes.states > states)
})

test('RFC 5049 §9.1: without identifiers the source of datagrams, or the connection, is the application', () => {
  const pair = new Pair()
  const legacy = (branch: string) => request(branch, ';comp=sigcomp')
  pair.say(legacy('z9hG4bK1'))
  assert.ok(pair.leaves(answerTo(legacy('z9hG4bK1'))).isCompressed)
  const elsewhere = 'udp:10.0.0.1:5060:10.0.1.1:5070'
  assert.equal(pair.leaves(answerTo(legacy('z9hG4bK2')), elsewhere).isCompressed, false)
  assert.ok(pair.leaves(notify('z9hG4bKn', 'sip:alice@10.0.1.1:5060;comp=sigcomp')).isCompressed)
})

test('RFC 5049 §9.2: UUIDs are compared without regard to case', () => {
  const pair = new Pair()
  pair.say(request())
  pair.leaves(notify('z9hG4bKn', `sip:alice@10.0.1.1:5060${asking.uri.toUpperCase()}`))
  assert.equal(pair.box.sizes.compartments, 1)
})

test('SIP-45: the identifier of another, sent from elsewhere or by another user, leads to nothing of his', () => {
  const pair = new Pair()
  pair.say(request())
  pair.say(request('z9hG4bK2'))
  const { states } = pair.box.sizes
  const thief = new SigCompEndpoint(sipOptions)
  pair.user = 'sip:mallory@box.example'
  const neighbour = udpFlow('udp:10.0.0.1:5060:10.0.1.1:6666')!
  for (const branch of ['z9hG4bKa', 'z9hG4bKb', 'z9hG4bKc'])
    pair.hear(thief.compress(request(branch), 'box', false)!, neighbour)
  assert.equal(pair.box.sizes.states, states, 'behind the same NAT')
  pair.hear(thief.compress(request('z9hG4bKd'), 'box', false)!, udpFlow('udp:10.0.0.1:5060:10.66.6.6:5060')!)
  assert.equal(pair.box.sizes.compartments, 2, 'a compartment of its own elsewhere')
})

test('RFC 3486 §7: what nobody answers goes as text in the end', () => {
  const pair = new Pair()
  const kinds = Array.from({ length: 6 }, () => pair.box.leaving(notify(), fromHandset.id, 0)![0]! >= 0xf8)
  assert.deepEqual(kinds, [true, true, true, false, false, false])
})

test('RFC 5049 §8: a retransmission is compressed anew', () => {
  const pair = new Pair()
  const [first, second] = [notify(), notify()].map(text => pair.box.leaving(text, fromHandset.id, 0)!)
  assert.notDeepEqual(first, second)
})

test('RFC 4077: a NACK makes the next message one that can be read; after others it is text', () => {
  const pair = new Pair()
  pair.say(request())
  for (let i = 0; i < 4; i++) {
    pair.leaves(notify(`z9hG4bKn${i}`))
    pair.say(answerTo(notify(`z9hG4bKn${i}`)))
  }
  // The handset has started anew and has lost everything.
  const anew = new SigCompEndpoint(sipOptions)
  const lost = anew.receive(pair.box.leaving(notify('z9hG4bKx'), fromHandset.id, 0)!, false)
  assert.ok(lost.kind === 'failure' && lost.failure.reason === 'STATE_NOT_FOUND')
  assert.deepEqual(pair.hear(lost.nack!), [])
  for (let tries = 0; ; tries++) {
    const again = anew.receive(pair.box.leaving(notify('z9hG4bKx'), fromHandset.id, 0)!, false)
    if (again.kind === 'message') break
    assert.ok(again.kind === 'failure' && tries < 2)
    pair.hear(again.nack!)
  }
})

test('a NACK goes back for what fails, to where it came from, and not more often than so many in a second', () => {
  const pair = new Pair({ nacks: { perSecond: 2, burst: 3, addresses: 10 } })
  const broken = () => pair.hear(Uint8Array.of(0xf9, 1, 2, 3, 4, 5, 6, 7))
  const [effect] = broken()
  assert.ok(effect?.kind === 'send' && effect.flow === fromHandset.id)
  assert.equal([broken(), broken(), broken(), broken()].flat().length, 2)
  pair.now += 1000
  assert.equal([broken(), broken(), broken()].flat().length, 2)
  assert.equal(pair.box.counters.sigcompFailures, 8)
  pair.now += 60_000
  assert.deepEqual(pair.hear(Buffer.concat([Uint8Array.of(0xf8, 0, 1), Buffer.alloc(25)])), [], 'never for a NACK')
})

test('an address that makes the machine work too much is not heard for a while; others are', () => {
  const pair = new Pair({ cycles: { perSecond: 1000, burst: 20_000, addresses: 10 } })
  const other = udpFlow('udp:10.0.0.1:5060:10.0.1.2:5060')!
  for (let i = 0; i < 40; i++) pair.hear(pair.handset.compress(request(), 'box', true)!)
  assert.ok(pair.box.counters.sigcompDropped > 0)
  assert.ok(pair.read.length < 40)
  const before = pair.read.length
  pair.hear(new SigCompEndpoint(sipOptions).compress(request(), 'box', false)!, other)
  assert.equal(pair.read.length, before + 1)
  pair.hear(request('z9hG4bKplain', ''))
  assert.equal(pair.read.length, before + 2, 'and plain messages always')
})

test('strangers share what is left for them, and cannot use up what those have who are known', () => {
  const pair = new Pair({ strangersCycles: { perSecond: 1000, burst: 20_000, addresses: 1 } })
  pair.say(request())
  for (let i = 0; i < 40; i++) {
    const stranger = udpFlow(`udp:10.0.0.1:5060:10.9.${i}.1:5060`)!
    pair.user = undefined
    pair.hear(new SigCompEndpoint(sipOptions).compress(request(), 'box', false)!, stranger)
  }
  assert.ok(pair.box.counters.sigcompDropped > 0)
  const before = pair.read.length
  pair.say(request('z9hG4bK9'))
  assert.equal(pair.read.length, before + 1)
})

test('RFC 5049 §5: a connection that begins with SigComp has nothing else, both ways, keep-alives included', () => {
  const pair = new Pair()
  const flow = connection()
  pair.hear(markRecord(pair.handset.compress(request(), 'box', true)!), flow)
  pair.hear(markRecord(pair.handset.compress(Buffer.from('\r\n\r\n'), 'box', true)!), flow)
  assert.deepEqual(pair.read, [request().toString(), '\r\n\r\n'], 'RFC 5626 §3.5.1: "a single SigComp message"')
  const marking = new RecordMarking(10_000)
  for (const text of [answerTo(request()), Buffer.from('\r\n'), notify('z9hG4bKn', 'sip:alice@10.0.1.1')]) {
    const [message] = marking.push(pair.box.leaving(text, flow.id, 0)!)
    const reception = pair.handset.receive(message!, true)
    assert.ok(reception.kind === 'message')
    assert.equal(Buffer.from(reception.text!).toString(), text.toString())
  }
  // One that begins with SIP stays with SIP, whatever octets come later.
  const plain = connection(2)
  pair.hear(request('z9hG4bKp', ''), plain)
  pair.hear(Uint8Array.of(0xf8, 0xff), plain)
  assert.equal(Buffer.from(pair.read.at(-1)!).length > 0, true)
  assert.deepEqual(pair.box.leaving(notify(), plain.id, 0), notify())
})

test('RFC 5049 §7: what is over 65536 octets cannot go where SigComp goes, and is counted', () => {
  const pair = new Pair()
  pair.hear(markRecord(pair.handset.compress(request(), 'box', true)!), connection())
  const large = Buffer.concat([notify(), Buffer.alloc(66_000, 'a')])
  assert.equal(pair.box.leaving(large, connection().id, 0), undefined)
  assert.equal(pair.box.counters.sigcompTooLarge, 1)
})

test('a connection of ours carries SigComp when its first message goes to somebody who asked', () => {
  const pair = new Pair()
  const [asked, plain] = [connection(1), connection(2)]
  pair.box.connected(asked)
  pair.box.connected(plain)
  assert.ok(pair.box.leaving(notify(), asked.id, 0)![0]! >= 0xf8)
  assert.deepEqual(pair.box.leaving(request('z9hG4bKp', ''), plain.id, 0), request('z9hG4bKp', ''))
})

test('the rest of a message on a connection is awaited for a while, and no longer', () => {
  const pair = new Pair({ streamMessageMs: 1000 })
  pair.hear(Uint8Array.of(0xf8, 1, 2), connection())
  assert.equal(pair.box.deadline(), 1000)
  assert.deepEqual(pair.box.expire(999), [])
  assert.deepEqual(pair.box.expire(1000), [{ kind: 'lost', flow: connection().id }])
  assert.equal(pair.box.deadline(), undefined)
})

test('a stream that is lost is not read on: what stood before it is answered, and the rest is not heard', () => {
  const pair = new Pair()
  const record = (branch: string) => markRecord(pair.handset.compress(request(branch), 'box', true)!)
  const effects = pair.hear(
    Buffer.concat([record('z9hG4bK1'), Uint8Array.of(0xf8, 0xff, 0x90), record('z9hG4bK2')]),
    connection(),
  )
  assert.deepEqual(
    effects.map(({ kind }) => kind),
    ['send', 'lost'],
    'a NACK, and then',
  )
  assert.deepEqual(pair.hear(record('z9hG4bK3'), connection()), [])
  assert.equal(pair.read.length, 1)
  assert.equal(pair.box.deadline(), undefined)
  assert.ok(pair.box.leaving(answerTo(request()), connection().id, 0)![0]! >= 0xf8)
})

test('the compartment of a connection without identifier ends with it', () => {
  const pair = new Pair()
  const flow = connection()
  pair.hear(markRecord(pair.handset.compress(request('z9hG4bK1', ';comp=sigcomp'), 'box', true)!), flow)
  assert.equal(pair.box.sizes.compartments, 1)
  pair.box.disconnected(flow.id)
  assert.equal(pair.box.sizes.compartments, 0)
})
