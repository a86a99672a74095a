import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { DecompressionFailure, type Reason, reasons } from '../../../src/protocols/sigcomp/failure.ts'
import { SigCompEndpoint, sipOptions } from '../../../src/protocols/sigcomp/index.ts'
import { isNack, readNack, writeNack } from '../../../src/protocols/sigcomp/nack.ts'

test('§3.1: a NACK is a SigComp message with code_len 0, version 1 in its destination, and the hash of what failed', () => {
  const failed = Uint8Array.of(0xf8, 0, 0xe1)
  const failure = new DecompressionFailure('CYCLES_EXHAUSTED', Uint8Array.of(16))
  failure.opcode = 22
  failure.programCounter = 0x0181
  const nack = writeNack(failure, failed)
  const hash = createHash('sha1').update(failed).digest('hex')
  assert.equal(Buffer.from(nack).toString('hex'), `f800010216${'0181'}${hash}10`)
  assert.ok(isNack(nack))
})

test('§3.1: a NACK with a returned feedback item is read as well', () => {
  const plain = writeNack(new DecompressionFailure('SEGFAULT'), Uint8Array.of(1))
  for (const item of [[0x21], [0x83, 1, 2, 3]]) {
    const nack = Uint8Array.of(0xfc, ...item, ...plain.subarray(1))
    assert.equal(readNack(nack)?.reason, 'SEGFAULT')
  }
})

test('§3.2: reasons have the codes of Figure 2', () => {
  assert.equal(Object.keys(reasons).length, 25)
  for (const [reason, code] of Object.entries(reasons)) {
    const nack = readNack(writeNack(new DecompressionFailure(reason as Reason), Uint8Array.of(1)))
    assert.equal(nack!.reason, reason)
    assert.equal(writeNack(new DecompressionFailure(reason as Reason), Uint8Array.of(1))[3], code)
  }
})

test('§3.2: STATE_NOT_FOUND says which identifier, 6 to 20 octets', () => {
  const message = Uint8Array.of(0xf9, 1, 2, 3, 4, 5, 6)
  const reception = new SigCompEndpoint(sipOptions).receive(message, false)
  assert.ok(reception.kind === 'failure')
  const nack = readNack(reception.nack!)!
  assert.equal(nack.reason, 'STATE_NOT_FOUND')
  assert.deepEqual([...nack.details], [1, 2, 3, 4, 5, 6])
  assert.equal(nack.opcode, 0)
  assert.equal(nack.programCounter, 0)
})

test('§3.2: CYCLES_EXHAUSTED says the cycles per bit, BYTECODES_TOO_LARGE the decompression memory', () => {
  const endpoint = new SigCompEndpoint({ ...sipOptions, decompressionMemorySize: 2048 })
  // JUMP to itself.
  const loop = endpoint.receive(Uint8Array.of(0xf8, 0, 0x21, 0x16, 0), false)
  assert.ok(loop.kind === 'failure' && loop.failure.opcode === 22 && loop.failure.programCounter === 128)
  assert.deepEqual([...readNack(loop.nack!)!.details], [16])
  const large = Buffer.concat([Uint8Array.of(0xf8, 0x70, 0x01), Buffer.alloc(0x700)])
  const reception = endpoint.receive(large, false)
  assert.ok(reception.kind === 'failure' && reception.failure.reason === 'BYTECODES_TOO_LARGE')
  assert.deepEqual([...readNack(reception.nack!)!.details], [8, 0])
})

test('§3.2: FRAMING_ERROR has no message to hash: twenty zeros', () => {
  const nack = readNack(new SigCompEndpoint(sipOptions).framingError(new DecompressionFailure('FRAMING_ERROR')))
  assert.equal(nack!.reason, 'FRAMING_ERROR')
  assert.ok(nack!.hash.every(octet => octet === 0))
})

test('§4.1: no NACK answers a NACK, not even a broken one or one of another version', () => {
  const endpoint = new SigCompEndpoint(sipOptions)
  for (const nack of ['f80001', 'f8000102', 'f8000201030405', `f80001${'00'.repeat(24)}`]) {
    const reception = endpoint.receive(Buffer.from(nack, 'hex'), false)
    assert.equal(reception.kind, 'nack', nack)
  }
})

test('§4.1: a NACK is no larger than its header and 20 octets of details, whatever failed', () => {
  const endpoint = new SigCompEndpoint(sipOptions)
  for (const message of ['f8', 'f800', 'fb0102', `f9${'41'.repeat(300)}`, `f80021${'16'.repeat(900)}`]) {
    const reception = endpoint.receive(Buffer.from(message, 'hex'), false)
    assert.ok(reception.kind === 'failure')
    assert.ok(reception.nack!.length <= 47)
  }
})
