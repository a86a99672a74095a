import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DecompressionFailure } from '../../../src/protocols/sigcomp/failure.ts'
import { parametersOctet, readReturnedParameters } from '../../../src/protocols/sigcomp/feedback.ts'
import { SigCompEndpoint, sipOptions } from '../../../src/protocols/sigcomp/index.ts'
import { isSigComp, readHeader, uncompressedMessage } from '../../../src/protocols/sigcomp/message.ts'
import { markRecord, RecordMarking } from '../../../src/protocols/sigcomp/record-marking.ts'

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex')
}

test('§3.1: a SigComp message begins with five bits set, which no text in UTF-8 does', () => {
  assert.ok(isSigComp(bytes('f8')) && isSigComp(bytes('ff')))
  assert.ok(!isSigComp(bytes('f7')) && !isSigComp(Buffer.from('REGISTER')) && !isSigComp(bytes('')))
})

test('§3.3.1: resources are told in two and twice three bits', () => {
  assert.equal(parametersOctet(16, 8192, 2048), 0b00_011_001)
  assert.equal(parametersOctet(128, 131072, 0), 0b11_111_000)
  const read = readReturnedParameters(Uint8Array.of(0b01_010_100, 2, 0), 0)!
  assert.equal(read.cyclesPerBit, 32)
  assert.equal(read.decompressionMemorySize, 4096)
  assert.equal(read.stateMemorySize, 16384)
  assert.equal(read.version, 2)
})

test('§4.2.2: the delimiter ends a message; quoted octets are taken as they are', () => {
  const marking = new RecordMarking(100)
  const messages = marking.push(bytes('f801 ff00 02 ffff ffff f8 ff02ffff 03 ffff f8'))
  assert.deepEqual(
    messages.map(message => Buffer.from(message).toString('hex')),
    ['f801ff02', 'f8ffffff03'],
  )
  assert.ok(marking.isPartial)
})

test('§4.2.2: 0xFF80 to 0xFFFE are reserved and end the stream', () => {
  for (const mark of [0x80, 0x90, 0xfe]) {
    const marking = new RecordMarking(100)
    const messages: Uint8Array[] = []
    assert.throws(() => marking.push(Uint8Array.of(0xf8, 255, 255, 0xf9, 255, mark, 1), messages), DecompressionFailure)
    assert.equal(messages.length, 1)
    assert.throws(() => marking.push(Uint8Array.of(1)), DecompressionFailure)
  }
})

test('§4.2.2: what is marked comes back, in whatever pieces, and grows by no more than one in 127 and the delimiter', () => {
  const octets = fc.array(fc.oneof(fc.constant(255), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 500,
  })
  fc.assert(
    fc.property(
      fc.array(octets, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 40 }),
      (messages, piece) => {
        const stream = Buffer.concat(messages.map(message => markRecord(Uint8Array.from(message))))
        const marking = new RecordMarking(500)
        const found: Uint8Array[] = []
        for (let at = 0; at < stream.length; at += piece) marking.push(stream.subarray(at, at + piece), found)
        assert.deepEqual(
          found.map(message => [...message]),
          messages,
        )
        const plain = messages.reduce((sum, message) => sum + message.length, 0)
        assert.ok(stream.length <= plain + messages.length * 2 + Math.ceil(plain / 127) + messages.length)
      },
    ),
  )
})

test('§4.2.2: a message on a stream is bounded', () => {
  const marking = new RecordMarking(100)
  marking.push(new Uint8Array(100))
  assert.throws(() => marking.push(Uint8Array.of(1)), DecompressionFailure)
})

test('§7.1: a returned feedback item is one octet, or up to 127 after their length', () => {
  assert.deepEqual([...readHeader(bytes('fd 7f 010203040506 aa')).returnedFeedback!], [127])
  const long = readHeader(bytes('fd 82 0102 010203040506 aa'))
  assert.deepEqual([...long.returnedFeedback!], [1, 2])
  assert.equal(long.length, 10)
  assert.deepEqual([...readHeader(bytes('fd 80 010203040506')).returnedFeedback!], [])
})

test('§7.2: the length of the state identifier is 6, 9 or 12', () => {
  for (const [first, length] of [
    ['f9', 6],
    ['fa', 9],
    ['fb', 12],
  ] as const) {
    const header = readHeader(bytes(first + '00'.repeat(12)))
    assert.equal(header.stateIdentifier!.length, length)
    assert.equal(header.length, 1 + length)
    assert.throws(() => readHeader(bytes(first + '00'.repeat(length - 1))), DecompressionFailure)
  }
})

test('§9.4.9: whether a decompressed message belongs anywhere is the application’s to say', () => {
  const endpoint = new SigCompEndpoint(sipOptions)
  const reception = endpoint.receive(uncompressedMessage(Buffer.from('OPTIONS')), false)
  assert.ok(reception.kind === 'message')
  assert.equal(Buffer.from(reception.text!).toString(), 'OPTIONS')
  assert.equal(endpoint.compartments, 0)
})

test('§8.6, §10.2.3: looping code ends when its cycles do: 16 for each bit and 1000 more', () => {
  const endpoint = new SigCompEndpoint(sipOptions)
  const loops = {
    'JUMP to itself': 'f80021 1600',
    // COPY of 8191 octets over and over, output of as much.
    copying: 'f800b1 1287bfff87 2287bfff 16f6',
    // CALL to itself with a stack that runs through the memory.
    calling: 'f80021 1800',
  }
  for (const [name, message] of Object.entries(loops)) {
    const reception = endpoint.receive(bytes(message), false)
    assert.ok(reception.kind === 'failure', name)
    assert.ok(
      ['CYCLES_EXHAUSTED', 'SEGFAULT'].includes(reception.failure.reason),
      `${name}: ${reception.failure.reason}`,
    )
  }
})

test('§9.4.8: a message that swells beyond its limit fails', () => {
  const endpoint = new SigCompEndpoint({ ...sipOptions, cyclesPerBit: 128, messageLimit: 10_000 })
  // OUTPUT (128, 4096), JUMP back.
  const reception = endpoint.receive(bytes('f80051 22878c 16fd'), false)
  assert.ok(reception.kind === 'failure' && reception.failure.reason === 'OUTPUT_OVERFLOW')
})

test('RFC 4896 §11: the bytecode of an uncompressed message is the well-known one', () => {
  assert.equal(Buffer.from(uncompressedMessage(new Uint8Array(0))).toString('hex'), 'f800a11c0186092286011' + '6f923')
})
