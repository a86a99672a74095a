/**
 * Fuzz targets of SigComp: whatever comes is decompressed or fails with a reason of RFC 4077, within its cycles and its
 * memory; whatever is said by a peer, what is compressed for it afterwards is one message or none.
 */

import { strict as assert } from 'node:assert'
import { uploadWithCode } from '../../src/protocols/sigcomp/bytecode.ts'
import { Decompressor } from '../../src/protocols/sigcomp/decompressor.ts'
import { sipDictionary } from '../../src/protocols/sigcomp/dictionaries.ts'
import { SigCompEndpoint, sipOptions } from '../../src/protocols/sigcomp/endpoint.ts'
import { DecompressionFailure } from '../../src/protocols/sigcomp/failure.ts'
import { readNack } from '../../src/protocols/sigcomp/nack.ts'
import { markRecord, RecordMarking } from '../../src/protocols/sigcomp/record-marking.ts'
import { StateStore } from '../../src/protocols/sigcomp/state.ts'
import { corpus } from '../bench/sigcomp-corpus.ts'
import { bytecode } from '../conformance/rfc4465/bytecode.ts'
import type { FuzzTarget } from './run.ts'

const memorySize = 8192
const outputLimit = 20_000
const text = Buffer.from('NOTIFY sip:anna@home.example.net SIP/2.0\r\nContent-Length: 0\r\n\r\n')

/** Complete messages of the torture tests, their zeros unfolded, with input behind each. */
const torture = Object.values(bytecode)
  .flat()
  .map(folded =>
    Buffer.from(`${folded.replace(/\[(\d+)\]/g, (_, count) => '00'.repeat(Number(count)))}0102930406`, 'hex'),
  )

/** What two endpoints of ours say to each other. */
const conversation = ((): Buffer[] => {
  const ends = [new SigCompEndpoint(sipOptions), new SigCompEndpoint(sipOptions)] as const
  const said: Buffer[] = []
  for (const { up, bytes } of corpus().slice(0, 16)) {
    const [from, to] = up ? ends : [ends[1], ends[0]]
    const message = from.compress(bytes, 'peer', true)
    if (message === undefined) continue
    said.push(Buffer.from(message))
    const reception = to.receive(message, true)
    if (reception.kind === 'message') to.accept(reception, 'peer')
  }
  return said
})()

const store = new StateStore()
store.hold(sipDictionary)
const decompressor = new Decompressor(
  {
    decompressionMemorySize: memorySize,
    cyclesPerBit: 16,
    version: 2,
    messageLimit: outputLimit,
    stateMemorySize: 2048,
  },
  store,
)

/** One endpoint for all inputs, as a box has one for all comers. */
const endpoint = new SigCompEndpoint({ ...sipOptions, messageLimit: outputLimit, compartments: 4 })
let inputs = 0

export const targets: readonly FuzzTarget[] = [
  {
    name: 'sigcomp-udvm',
    seeds: [...torture, ...conversation],
    run(bytes) {
      const message = Uint8Array.from(bytes)
      if (message.length > 0) message[0] = 0xf8 | (message[0]! & 7)
      for (const onStream of [false, true]) {
        try {
          const { cycles, output, requests } = decompressor.decompress(message, onStream)
          assert.ok(cycles <= (8 * message.length + 1000) * 16, `${cycles} cycles`)
          assert.ok((output?.length ?? 0) <= outputLimit)
          assert.ok(requests.length <= 8)
          for (const request of requests) assert.ok(request.kind === 'free' || request.value.length <= 2048)
        } catch (error) {
          if (!(error instanceof DecompressionFailure)) throw error
          assert.notEqual(error.reason, 'INTERNAL_ERROR', error.stack)
        }
      }
      assert.equal(store.size, 1)
    },
  },
  {
    name: 'sigcomp-bytecode',
    seeds: [
      Buffer.from(uploadWithCode({ parametersOctet: 0x12, version: 2, announced: [], isShared: true })),
      ...torture.map(message => message.subarray(3)),
    ],
    run(bytes) {
      // Whatever is after the header is code, and input as well.
      const length = Math.min(bytes.length >> 1, 4095)
      const message = Buffer.concat([Uint8Array.of(0xf8, length >> 4, ((length & 15) << 4) | 1), bytes])
      try {
        assert.ok(decompressor.decompress(message, false).cycles <= (8 * message.length + 1000) * 16)
      } catch (error) {
        if (!(error instanceof DecompressionFailure)) throw error
        assert.notEqual(error.reason, 'INTERNAL_ERROR', error.stack)
        assert.ok(error.details.length <= 20)
      }
    },
  },
  {
    name: 'sigcomp-endpoint',
    seeds: [...conversation, ...torture, Buffer.from(endpoint.framingError(new DecompressionFailure('FRAMING_ERROR')))],
    run(bytes) {
      const name = `peer ${inputs++ % 5}`
      const reception = endpoint.receive(bytes, false)
      if (reception.kind === 'failure') {
        assert.notEqual(reception.failure.reason, 'INTERNAL_ERROR', reception.failure.stack)
        if (reception.nack !== undefined) assert.equal(readNack(reception.nack)?.reason, reception.failure.reason)
      }
      if (reception.kind === 'message') endpoint.accept(reception, name)
      const onStream = inputs % 2 === 0
      const message = endpoint.compress(text, name, onStream)
      // On a stream it is a message of its own even where it grows.
      const most = onStream ? text.length + 400 : text.length
      assert.ok(message === undefined ? !onStream : message[0]! >= 0xf8 && message.length < most)
      assert.ok(endpoint.compartments <= 4)
      // Each state costs 64 octets of a compartment at least.
      assert.ok(endpoint.states <= 3 + (4 * sipOptions.stateMemorySize) / 64)
    },
  },
  {
    name: 'sigcomp-stream',
    seeds: [...conversation, Buffer.from('ff04ffffffffffff00ffff', 'hex'), ...torture],
    run(bytes) {
      const marked = markRecord(bytes)
      const whole = new RecordMarking(1 << 20).push(marked)
      assert.deepEqual(whole.length === 0 ? new Uint8Array(0) : whole[0], Uint8Array.from(bytes))
      const messages: Uint8Array[] = []
      const pieces: Uint8Array[] = []
      try {
        new RecordMarking(4096).push(bytes, messages)
      } catch (error) {
        if (!(error instanceof DecompressionFailure)) throw error
      }
      try {
        const marking = new RecordMarking(4096)
        for (const octet of bytes) marking.push(Uint8Array.of(octet), pieces)
      } catch (error) {
        if (!(error instanceof DecompressionFailure)) throw error
      }
      assert.deepEqual(pieces, messages)
    },
  },
]
