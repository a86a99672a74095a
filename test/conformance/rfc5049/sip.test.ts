import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readReturnedParameters } from '../../../src/protocols/sigcomp/feedback.ts'
import { SigCompEndpoint, sipOptions } from '../../../src/protocols/sigcomp/index.ts'
import { readHeader } from '../../../src/protocols/sigcomp/message.ts'
import { RecordMarking } from '../../../src/protocols/sigcomp/record-marking.ts'
import { corpus } from '../../bench/sigcomp-corpus.ts'

const register = corpus()[0]!.bytes

test('§4: an endpoint offers 8192 octets for decompression, 2048 or more of state, 16 cycles per bit, version 2', () => {
  const box = new SigCompEndpoint(sipOptions)
  const sender = new SigCompEndpoint(sipOptions)
  // The first message is as short as can be; the next says who we are.
  sender.compress(register, 'box', false)
  const reception = box.receive(sender.compress(register, 'box', false)!, false)
  assert.ok(reception.kind === 'message')
  const { returnedParameters } = reception.received
  assert.equal(returnedParameters!.decompressionMemorySize, 8192)
  assert.ok(returnedParameters!.stateMemorySize! >= 2048)
  assert.equal(returnedParameters!.cyclesPerBit, 16)
  assert.equal(returnedParameters!.version, 2)
  // The reader agrees about an octet that says nothing.
  assert.equal(readReturnedParameters(Uint8Array.of(0, 0, 0), 0)!.stateMemorySize, undefined)
})

test('§4.1, §4.2: a peer that has told nothing is taken to offer no more than the least for SIP', () => {
  const least = new SigCompEndpoint({ ...sipOptions, stateMemorySize: 2048 })
  const sender = new SigCompEndpoint(sipOptions)
  for (const { bytes } of corpus()
    .filter(({ up }) => up)
    .slice(0, 8)) {
    const reception = least.receive(sender.compress(bytes, 'least', true) ?? bytes, false)
    assert.equal(reception.kind, 'message')
    if (reception.kind === 'message') least.accept(reception, 'sender')
  }
})

test('§4.5: the SIP dictionary is used from the first message on, without being announced', () => {
  const message = Buffer.from(new SigCompEndpoint(sipOptions).compress(register, 'box', false)!)
  assert.ok(message.includes(Buffer.from('fbe507dfe5e6', 'hex')))
})

test('§5: on a stream all is SigComp: what is too large to decompress goes uncompressed inside', () => {
  const [sender, receiver] = [new SigCompEndpoint(sipOptions), new SigCompEndpoint(sipOptions)]
  const large = Buffer.alloc(20_000, 'presence ')
  const message = sender.compress(large, 'peer', true)!
  const reception = receiver.receive(message, true)
  assert.ok(reception.kind === 'message')
  assert.deepEqual(Buffer.from(reception.text!), large)
})

test('§7: a message over 65536 octets cannot go where SigComp goes', () => {
  assert.equal(new SigCompEndpoint(sipOptions).compress(Buffer.alloc(65_537, 'a'), 'peer', true), undefined)
})

test('§8: a retransmission is compressed anew, with what is known by then', () => {
  const [handset, box] = [new SigCompEndpoint(sipOptions), new SigCompEndpoint(sipOptions)]
  const first = handset.compress(register, 'box', false)!
  for (const bytes of [first, handset.compress(register, 'box', false)!]) {
    const reception = box.receive(bytes, false)
    assert.ok(reception.kind === 'message')
    box.accept(reception, 'handset')
    const answer = handset.receive(box.compress(corpus()[1]!.bytes, 'handset', false)!, false)
    assert.ok(answer.kind === 'message')
    handset.accept(answer, 'box')
  }
  const again = handset.compress(register, 'box', false)!
  assert.ok(again.length < first.length / 4)
  assert.ok(readHeader(again).stateIdentifier !== undefined)
  const second = box.receive(again, false)
  assert.ok(second.kind === 'message' && Buffer.compare(second.text!, register) === 0)
})

test('RFC 3320 §4.2.2: messages on a stream are told apart by their marks', () => {
  assert.deepEqual(new RecordMarking(100).push(Uint8Array.of(255, 255)), [])
})
