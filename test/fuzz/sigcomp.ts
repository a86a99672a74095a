/**
 * Fuzz targets of SigComp: whatever comes is decompressed or fails with a reason of RFC 4077, within its cycles and its
 * memory; whatever is said by a peer, what is compressed for it afterwards is one message or none.
 */

import { strict as assert } from 'node:assert'
import { limits } from '../../src/limits.ts'
import { uploadWithCode } from '../../src/protocols/sigcomp/bytecode.ts'
import { Decompressor } from '../../src/protocols/sigcomp/decompressor.ts'
import { sipDictionary } from '../../src/protocols/sigcomp/dictionaries.ts'
import { SigCompEndpoint, sipOptions } from '../../src/protocols/sigcomp/endpoint.ts'
import { DecompressionFailure } from '../../src/protocols/sigcomp/failure.ts'
import { readNack } from '../../src/protocols/sigcomp/nack.ts'
import { markRecord, RecordMarking } from '../../src/protocols/sigcomp/record-marking.ts'
import { StateStore } from '../../src/protocols/sigcomp/state.ts'
import { ParseError } from '../../src/protocols/sip/errors.ts'
import { connectionFlowId, type Flow, udpFlow } from '../../src/protocols/sip/flow.ts'
import { type SipRequest, SipResponse } from '../../src/protocols/sip/message.ts'
import { parseMessage } from '../../src/protocols/sip/parse.ts'
import { SipCompression } from '../../src/protocols/sip-sigcomp/compression.ts'
import { corpus } from '../bench/sigcomp-corpus.ts'
import { bytecode } from '../conformance/rfc4465/bytecode.ts'
import { type SecondResult, secondDecompress, secondState } from '../second-sigcomp/udvm.ts'
import type { FuzzTarget } from './run.ts'

const memorySize = 8192
const outputLimit = 20_000
const stateMemorySize = 2048
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
    stateMemorySize,
  },
  store,
)

/** One endpoint for all inputs, as a box has one for all comers. */
const endpoint = new SigCompEndpoint({ ...sipOptions, messageLimit: outputLimit, compartments: 4 })
let inputs = 0

/** The state that the decompressor of these targets knows, as the second machine has it. */
const known = secondState(sipDictionary.value, 0, 0, 6)

/** Compression as a box has it, which never runs out of patience with the one address that inputs come from. */
const unbounded = { perSecond: 1e12, burst: 1e12, addresses: 10 }
const compression = new SipCompression({
  endpoint: { ...sipOptions, messageLimit: outputLimit },
  limits: {
    ...limits.sigcomp,
    compartments: 4,
    cycles: unbounded,
    strangersCycles: unbounded,
    nacks: unbounded,
    remembered: 50,
  },
})
const plain = corpus()
  .slice(0, 6)
  .map(({ bytes }) => bytes)
const datagrams = Array.from({ length: 7 }, (_, i) => udpFlow(`udp:10.0.0.1:5060:10.0.1.${i >> 1}:50${60 + i}`)!)

function connection(serial: number): Flow {
  const [remoteAddress, remotePort] = ['10.0.1.1', 40_000 + (serial % 1000)] as const
  return {
    id: connectionFlowId('tcp', serial, 'run'),
    transport: 'tcp',
    localAddress: '10.0.0.1',
    localPort: 5060,
    remoteAddress,
    remotePort,
  }
}

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
    name: 'sigcomp-second-udvm',
    seeds: [...torture, ...conversation],
    run(bytes) {
      const message = Buffer.from(bytes)
      if (message.length > 0) message[0] = 0xf8 | (message[0]! & 7)
      const size = memorySize - message.length
      let ours: ReturnType<Decompressor['decompress']> | undefined
      try {
        ours = decompressor.decompress(message, false)
      } catch (error) {
        if (!(error instanceof DecompressionFailure)) throw error
      }
      let theirs: SecondResult | undefined
      try {
        const find = (partial: Buffer) => (known.identifier.startsWith(partial.toString('hex')) ? known : undefined)
        theirs = secondDecompress(message, { memorySize: size, cyclesPerBit: 16, version: 2, outputLimit, find })
      } catch {
        // Both have failed, or they do not agree.
      }
      assert.equal(ours === undefined, theirs === undefined, 'only one of the machines can read it')
      if (ours === undefined || theirs === undefined) return
      assert.equal(ours.cycles, theirs.cycles)
      assert.deepEqual(ours.output && Buffer.from(ours.output), theirs.output)
      const created = ours.requests.flatMap(request => (request.kind === 'create' ? [request] : []))
      assert.deepEqual(
        created.map(({ value, address, instruction }) => [Buffer.from(value).toString('hex'), address, instruction]),
        theirs.created.map(({ value, address, instruction }) => [
          value.subarray(0, stateMemorySize).toString('hex'),
          address,
          instruction,
        ]),
      )
    },
  },
  {
    name: 'sigcomp-on-sip',
    seeds: [...conversation, ...torture, ...plain, Buffer.from('ff04ffffffffffff00ffff', 'hex')],
    run(bytes) {
      // One compression for all inputs, as a box has; every third comes by a connection.
      const n = inputs++
      const flow = n % 3 === 0 ? connection(n >> 4) : datagrams[n % 7]!
      const now = n * 5
      for (const effect of compression.received(Buffer.from(bytes), flow, now, read)) {
        assert.equal(effect.flow, flow.id)
        if (effect.kind === 'send') assert.ok(effect.bytes.length < 64 && effect.bytes[0]! >= 0xf8)
      }
      for (const leaving of plain) {
        const octets = compression.leaving(leaving, flow.id, now)
        assert.ok(octets !== undefined && octets.length <= 2 * leaving.length + 64)
      }
      compression.expire(now)
      if (n % 160 === 0) compression.disconnected(flow.id)
      assert.ok(compression.sizes.compartments <= 4)
      // Each state costs 64 octets of a compartment at least.
      assert.ok(compression.sizes.states <= 3 + (4 * sipOptions.stateMemorySize) / 64)

      function read(text: Buffer): void {
        let message: SipRequest | SipResponse
        try {
          message = parseMessage(text)
          assert.ok(message.topVia)
        } catch (error) {
          if (error instanceof ParseError) return
          throw error
        }
        if (message instanceof SipResponse) compression.answered(message, now)
        else {
          message.flow = flow.id
          message.source = { transport: flow.transport, address: flow.remoteAddress, port: flow.remotePort }
          compression.admitted(message, () => (n % 5 === 0 ? undefined : `sip:user${n % 3}@box.example`), now)
        }
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
      // On a stream it is a message of its own even where it grows: by our bytecode, and what the peer wants returned.
      const most = onStream ? text.length + 500 : text.length
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
