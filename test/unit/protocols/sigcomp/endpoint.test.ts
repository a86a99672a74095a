import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SigCompEndpoint, sipOptions } from '../../../../src/protocols/sigcomp/index.ts'
import { type CorpusMessage, corpus } from '../../../bench/sigcomp-corpus.ts'
import { SeededRandom } from '../../../simulation/random.ts'

const peer = 'urn:uuid:2e5fdc76-00be-4314-8202-1116fa82a473'

/** A handset and the box, and octets on the way. */
class Pair {
  handset: SigCompEndpoint
  box: SigCompEndpoint
  failures = 0

  constructor(stateMemorySize = 8192) {
    this.handset = new SigCompEndpoint({ ...sipOptions, stateMemorySize })
    this.box = new SigCompEndpoint({ ...sipOptions, stateMemorySize })
  }

  /** Sends one message; returns its octets on the wire. A NACK goes back at once and the message again. */
  send({ up, bytes }: CorpusMessage, onStream = false): number {
    const [from, to] = up ? [this.handset, this.box] : [this.box, this.handset]
    let octets = 0
    for (let tries = 0; tries < 4; tries++) {
      const message = from.compress(bytes, peer, onStream)
      if (message === undefined) return octets + bytes.length
      octets += message.length
      const reception = to.receive(message, onStream)
      if (reception.kind === 'message') {
        assert.deepEqual(Buffer.from(reception.text!), bytes)
        to.accept(reception, peer)
        return octets
      }
      assert.ok(reception.kind === 'failure')
      this.failures++
      const answer = from.receive(reception.nack!, onStream)
      assert.ok(answer.kind === 'nack' && answer.compartment === peer)
    }
    return assert.fail('never understood')
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

for (const stateMemorySize of [0, 2048, 4096, 8192, 16384])
  for (const onStream of [false, true])
    test(`a handset's day arrives as it was sent, state memory ${stateMemorySize}, ${onStream ? 'stream' : 'datagrams'}`, () => {
      const pair = new Pair(stateMemorySize)
      for (const message of corpus()) pair.send(message, onStream)
      assert.equal(pair.failures, 0)
    })

test('a corpus of presence takes at most 22 % of its octets with 8192 octets of decompression memory', () => {
  for (const name of ['anna', 'jo', 'ulrike.becker']) {
    const messages = corpus(name)
    assert.ok(messages.length >= 40)
    const pair = new Pair()
    const sent = sum(messages.map(message => pair.send(message)))
    const plain = sum(messages.map(({ bytes }) => bytes.length))
    assert.ok(sent <= 0.22 * plain, `${name}: ${((100 * sent) / plain).toFixed(1)} %`)
  }
})

test('a steady dialogue of NOTIFY or of PUBLISH is compressed 8:1, answers included', () => {
  const pair = new Pair()
  const dialogues = new Map<string, [plain: number, sent: number][]>()
  for (const message of corpus()) {
    const sent = pair.send(message)
    if (message.dialogue === undefined) continue
    const dialogue = dialogues.get(message.dialogue) ?? []
    dialogues.set(message.dialogue, [...dialogue, [message.bytes.length, sent]])
  }
  for (const name of ['publish', 'notify friend']) {
    // Steady: the second to fourth exchange.
    const steady = dialogues.get(name)!.slice(2, 8)
    const ratio = sum(steady.map(([plain]) => plain)) / sum(steady.map(([, sent]) => sent))
    assert.ok(ratio >= 8, `${name}: ${ratio.toFixed(1)}`)
  }
})

test('a peer that has lost its states tells by NACK, and is understood again with the next message (RFC 4077 §2.3)', () => {
  const pair = new Pair()
  const messages = corpus()
  for (const [i, message] of messages.entries()) {
    if (i === 20) pair.handset = new SigCompEndpoint(sipOptions)
    if (i === 40) pair.box = new SigCompEndpoint(sipOptions)
    pair.send(message)
  }
  assert.ok(pair.failures > 0 && pair.failures < 8, `${pair.failures} failures`)
})

test('datagrams that are lost are made up for: what arrives is understood or refused, never wrong', () => {
  for (const every of [3, 4, 5, 7]) {
    const pair = new Pair()
    for (const [i, message] of corpus().entries()) {
      if (i % every === every - 1) (message.up ? pair.handset : pair.box).compress(message.bytes, peer, false)
      else pair.send(message)
    }
    assert.ok(pair.failures < 20, `${pair.failures} failures`)
  }
})

test('a message that is not accepted leaves nothing: no state, no compartment (RFC 3320 §4.3)', () => {
  const pair = new Pair()
  const states = pair.box.states
  for (let i = 0; i < 50; i++) {
    const message = new SigCompEndpoint(sipOptions).compress(corpus(`user${i}`)[0]!.bytes, peer, false)!
    assert.equal(pair.box.receive(message, false).kind, 'message')
  }
  assert.equal(pair.box.states, states)
  assert.equal(pair.box.compartments, 0)
})

test('states come back when their compartment closes, and a replayed identifier of one is refused', () => {
  const pair = new Pair()
  const states = pair.box.states
  for (const message of corpus().slice(0, 20)) pair.send(message)
  const last = pair.handset.compress(corpus()[20]!.bytes, peer, true)
  assert.equal(pair.box.receive(last!, true).kind, 'message')
  assert.ok(pair.box.states > states)
  pair.box.close(peer)
  assert.equal(pair.box.states, states)
  const reception = pair.box.receive(last!, true)
  assert.ok(reception.kind === 'failure' && reception.failure.reason === 'STATE_NOT_FOUND')
})

test('a peer that offers much more state memory than we want to remember is served as well', () => {
  const pair = new Pair(131072)
  for (const message of [...corpus(), ...corpus('jo'), ...corpus('mia')]) pair.send(message)
  assert.equal(pair.failures, 0)
})

test('compartments are bounded: the one not used for longest closes', () => {
  const box = new SigCompEndpoint({ ...sipOptions, compartments: 3 })
  for (let i = 0; i < 10; i++) box.compress(corpus()[0]!.bytes, `peer ${i}`, false)
  assert.equal(box.compartments, 3)
})

test('states pushed by a flooding peer stay within its own state memory', () => {
  const box = new SigCompEndpoint(sipOptions)
  const others = box.states
  const flooder = new SigCompEndpoint(sipOptions)
  for (let i = 0; i < 300; i++) {
    // Each a compartment of its own at the flooder: new bytecode and a new state every time.
    const message = flooder.compress(corpus(`user${i % 50}`)[0]!.bytes, `${i}`, false)
    const reception = box.receive(message!, false)
    assert.ok(reception.kind === 'message')
    box.accept(reception, 'flooder')
  }
  assert.ok(box.states - others <= sipOptions.stateMemorySize / 64)
  assert.ok(box.states - others <= 20)
})

test('what is compressed never needs more cycles than its octets give (RFC 3320 §5.1)', () => {
  for (const onStream of [false, true]) {
    const pair = new Pair()
    const [first] = corpus()
    for (let i = 0; i < 40; i++) {
      const text = `${first!.bytes.toString()}${'<presence entity="sip:anna@home.example.net"/>\r\n'.repeat(3 * i)}`
      pair.send({ ...first!, up: i % 3 > 0, bytes: Buffer.from(text) }, onStream)
    }
    assert.equal(pair.failures, 0)
  }
})

test('a message longer than can be decompressed goes plain', () => {
  const pair = new Pair()
  const random = new SeededRandom(5)
  const noise = Buffer.from(Array.from({ length: 30_000 }, () => 97 + random.below(26)))
  assert.equal(pair.box.compress(noise, peer, false), undefined)
  assert.equal(pair.box.compress(Buffer.alloc(70_000, 'a<b>'), peer, false), undefined)
})

test('what says the same for longer than the memory is takes no more cycles than it gives either', () => {
  for (const length of [9_000, 30_000, 65_536]) {
    const text = Buffer.alloc(length, 'a<b>')
    const [sender, receiver] = [new SigCompEndpoint(sipOptions), new SigCompEndpoint(sipOptions)]
    const reception = receiver.receive(sender.compress(text, peer, false)!, false)
    assert.ok(reception.kind === 'message' && Buffer.compare(reception.text!, text) === 0)
  }
})

test('a NACK is believed once and only for a message that was sent', () => {
  const pair = new Pair()
  for (const message of corpus().slice(0, 4)) pair.send(message)
  const message = pair.handset.compress(corpus()[0]!.bytes, peer, false)!
  const lost = pair.handset.compress(corpus()[2]!.bytes, peer, false)!
  const stranger = new SigCompEndpoint(sipOptions).receive(lost, false)
  assert.ok(stranger.kind === 'failure' && stranger.failure.reason === 'STATE_NOT_FOUND')
  const first = pair.handset.receive(stranger.nack!, false)
  assert.ok(first.kind === 'nack' && first.compartment === peer)
  const second = pair.handset.receive(stranger.nack!, false)
  assert.ok(second.kind === 'nack' && second.compartment === undefined)
  assert.equal(pair.box.receive(message, false).kind, 'message')
})

test('options outside the sets of RFC 3320 §3.3.1 are refused', () => {
  assert.throws(() => new SigCompEndpoint({ ...sipOptions, decompressionMemorySize: 8000 }), RangeError)
  assert.throws(() => new SigCompEndpoint({ ...sipOptions, stateMemorySize: 1024 }), RangeError)
  assert.throws(() => new SigCompEndpoint({ ...sipOptions, cyclesPerBit: 17 }), RangeError)
})
