/**
 * The torture tests of RFC 4465, each under its own number: the messages of appendix A, and for each what section 2 to 4
 * says of output, UDVM cycles and failure, with 2048 octets of memory for decompression and for state, 16 cycles per bit.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyStateRequests, Decompressor } from '../../../src/protocols/sigcomp/decompressor.ts'
import { sipDictionary } from '../../../src/protocols/sigcomp/dictionaries.ts'
import { DecompressionFailure, type Reason } from '../../../src/protocols/sigcomp/failure.ts'
import { RecordMarking } from '../../../src/protocols/sigcomp/record-marking.ts'
import { StateMemory, StateStore } from '../../../src/protocols/sigcomp/state.ts'
import { bytecode } from './bytecode.ts'

/** The state identifiers of section 3.1 are those of an endpoint of version 1. */
const version = 1

/** A decompressor with three compartments. */
class Endpoint {
  readonly store = new StateStore()
  readonly compartments = [0, 1, 2].map(() => new StateMemory(this.store, 2048))
  readonly #decompressor: Decompressor

  constructor(cyclesPerBit = 16) {
    this.store.hold(sipDictionary)
    this.#decompressor = new Decompressor(
      { decompressionMemorySize: 2048, cyclesPerBit, version, messageLimit: 65536, stateMemorySize: 2048 },
      this.store,
    )
  }

  receive(message: Buffer, onStream = false, compartment = 0) {
    const received = this.#decompressor.decompress(message, onStream)
    applyStateRequests(received, this.compartments[compartment]!)
    return received
  }

  /** Output and cycles of a message, as the RFC prints them. */
  outcome(message: Buffer, onStream = false, compartment = 0): readonly [output: string | undefined, cycles: number] {
    const { output, cycles } = this.receive(message, onStream, compartment)
    return [output === undefined ? undefined : Buffer.from(output).toString('hex'), cycles]
  }

  fails(message: Buffer, reason: Reason, onStream = false): DecompressionFailure {
    try {
      this.receive(message, onStream)
    } catch (error) {
      assert.ok(error instanceof DecompressionFailure)
      assert.equal(error.reason, reason)
      return error
    }
    return assert.fail(`no ${reason}`)
  }
}

/** Message `index` of a section of appendix A, with input added to it. */
function message(section: string, input = '', index = 0): Buffer {
  const folded = bytecode[section]![index]!
  const hex = folded.replace(/\[(\d+)\]/g, (_, count) => '00'.repeat(Number(count)))
  return Buffer.from(hex + input, 'hex')
}

function hex(text: string): string {
  return text.replaceAll(/\s/g, '')
}

test('2.1 Bit Manipulation', () => {
  assert.deepEqual(new Endpoint().outcome(message('A.1.1')), ['01500000febf0000', 22])
})

test('2.2 Arithmetic', () => {
  assert.deepEqual(new Endpoint().outcome(message('A.1.2', '00')), ['0000000000000004', 25])
  assert.equal(new Endpoint().fails(message('A.1.2', '01'), 'DIV_BY_ZERO').opcode, 10)
  assert.equal(new Endpoint().fails(message('A.1.2', '02'), 'DIV_BY_ZERO').opcode, 9)
})

test('2.3 Sorting', () => {
  const [output, cycles] = new Endpoint().outcome(message('A.1.3'))
  assert.equal(Buffer.from(output!, 'hex').toString(), "Ford, you're turning into a penguin. Stop it.")
  assert.equal(cycles, 371)
})

test('2.4 SHA-1', () => {
  const output =
    hex(`a999 3e36 4706 816a ba3e 2571 7850 c26c 9cd0 d89d 8498 3e44 1c3b d26e baae 4aa1 f951 29e5 e546 70f1
    12ff 347b 4f27 d69e 1f32 8e6f 4b55 73e3 666e 122f 4f46 0452 ebb5 6393 4f46 0452 ebb5 6393 4f46 0452`)
  assert.deepEqual(new Endpoint().outcome(message('A.1.4')), [output, 17176])
})

test('2.5 LOAD and MULTILOAD', () => {
  const output = hex('0084 0084 0086 0086 002a 0080 002a 002a')
  assert.deepEqual(new Endpoint().outcome(message('A.1.5', '00')), [output, 36])
  new Endpoint().fails(message('A.1.5', '01'), 'MULTILOAD_OVERWRITTEN')
  new Endpoint().fails(message('A.1.5', '02'), 'MULTILOAD_OVERWRITTEN')
})

test('2.6 COPY', () => {
  const output = `${'40'.repeat(32)}${'41'.repeat(86)}55414243444344`
  assert.deepEqual(new Endpoint().outcome(message('A.1.6')), [output, 365])
})

test('2.7 COPY-LITERAL and COPY-OFFSET', () => {
  const output = hex(
    '4141 4141 0061 4141 4141 494A 4142 4344 494A 4142 004A 004E 4748 4845 4647 4748 4546',
  ).toLowerCase()
  assert.deepEqual(new Endpoint().outcome(message('A.1.7')), [output, 216])
})

test('2.8 MEMSET', () => {
  assert.deepEqual(new Endpoint().outcome(message('A.1.8')), [hex('8040 4f5e 6d7c 8b9a a9b8 c7d6 e5f4 0312'), 166])
})

test('2.9 CRC', () => {
  assert.deepEqual(new Endpoint().outcome(message('A.1.9', '62cb')), [undefined, 95])
  new Endpoint().fails(message('A.1.9', 'abcd'), 'USER_REQUESTED')
})

test('2.10 INPUT-BITS', () => {
  const output = hex('0000 0002 0002 0013 0000 0003 001a 0038')
  assert.deepEqual(new Endpoint().outcome(message('A.1.10', '932eac71')), [output, 66])
})

test('2.11 INPUT-HUFFMAN', () => {
  const output = hex('0000 0003 0008 04d7 0002 0003 0399 30fe')
  assert.deepEqual(new Endpoint().outcome(message('A.1.11', '932eac7166d86f')), [output, 84])
})

test('2.12 INPUT-BYTES', () => {
  const input = hex('932e ac71 66d8 6fb1 592b dc9a 9734 d847 a733 874e 1bcb cd51 b5dc 9659 9d6a')
  const output = hex(
    '0000 932e 0001 b166 d86f b100 1a2b 0003 9a97 34d8 0007 0001 3387 4e00 08dc 9651 b5dc 9600 599d 6a',
  )
  assert.deepEqual(new Endpoint().outcome(message('A.1.12', input)), [output, 130])
})

test('2.13 Stack Manipulation', () => {
  const output = hex('0003 0002 0001 0042 0042 0000 0001 0001')
  assert.deepEqual(new Endpoint().outcome(message('A.1.13')), [output, 40])
})

test('2.14 Program Flow', () => {
  const output = hex('0001 0102 0203 0304 0405 0506 0707 0708 0808 0909')
  assert.deepEqual(new Endpoint().outcome(message('A.1.14')), [output, 131])
})

test('2.15 State Creation', () => {
  const endpoint = new Endpoint()
  const run = (input: string): [number, number] => {
    const [output, cycles] = endpoint.outcome(message('A.1.15', input))
    assert.equal(output, undefined)
    return [endpoint.compartments[0]!.items.length, cycles]
  }
  assert.deepEqual(run('01'), [1, 23], 'create state_b')
  assert.deepEqual(run('02'), [0, 14], 'free (id1, 6) = state_b')
  assert.deepEqual(run('03'), [1, 24], 'free (id1, 6) = state_b; create state_b')
  endpoint.fails(message('A.1.15', '0405'), 'INVALID_STATE_ID_LENGTH')
  endpoint.fails(message('A.1.15', '0415'), 'INVALID_STATE_ID_LENGTH')
  assert.deepEqual(run('0406'), [0, 23], 'free (id1, 6) = state_b')
  assert.deepEqual(run('09'), [1, 34], 'create state_a; create state_b')
  assert.deepEqual(run('1e06'), [2, 46], 'create state_a2 and state_a; both free requests match both')
  assert.deepEqual(run('1e07'), [0, 47], 'create state_a2 and state_a; free each')
  assert.deepEqual(run('1e14'), [0, 60], 'create state_a2 and state_a; free each')
})

test('2.16 STATE-ACCESS', () => {
  const endpoint = new Endpoint()
  assert.equal(endpoint.outcome(message('A.1.16'))[0], undefined)
  assert.equal(endpoint.compartments[0]!.items.length, 1)
  assert.deepEqual(endpoint.outcome(message('A.1.16', '00', 1)), ['74657374', 26])
  assert.deepEqual(endpoint.outcome(message('A.1.16', '01', 1)), ['74657374', 15])
  endpoint.fails(message('A.1.16', '02', 1), 'STATE_NOT_FOUND')
  assert.equal(endpoint.fails(message('A.1.16', '03', 1), 'STATE_NOT_FOUND').details.length, 19)
  endpoint.fails(message('A.1.16', '04', 1), 'STATE_TOO_SHORT')
})

test('3.1 Useful Values', () => {
  const endpoint = new Endpoint()
  assert.deepEqual(endpoint.outcome(message('A.2.1', '01')), [undefined, 968])
  assert.deepEqual(endpoint.outcome(message('A.2.1', '010000', 1)), [undefined, 16 * 1080])
  assert.deepEqual([...endpoint.fails(message('A.2.1', '010001', 1), 'CYCLES_EXHAUSTED').details], [16])
  endpoint.fails(message('A.2.1', '010100', 1), 'SEGFAULT')
})

test('3.2 Cycles Checking', () => {
  const failure = new Endpoint().fails(message('A.2.2'), 'CYCLES_EXHAUSTED')
  assert.equal(failure.opcode, 20, 'at COPY-OFFSET')
  new Endpoint(32).fails(message('A.2.2'), 'CYCLES_EXHAUSTED')
})

test('3.3 Message-based Transport', () => {
  const endpoint = new Endpoint()
  endpoint.fails(message('A.2.3'), 'MESSAGE_TOO_SHORT')
  endpoint.fails(message('A.2.3', '', 1), 'MESSAGE_TOO_SHORT')
  assert.deepEqual(endpoint.outcome(message('A.2.3', '', 2)), ['0800', 5])
  endpoint.fails(message('A.2.3', '', 3), 'MESSAGE_TOO_SHORT')
  endpoint.fails(message('A.2.3', '', 4), 'INVALID_CODE_LOCATION')
  assert.deepEqual(endpoint.outcome(message('A.2.3', '', 5)), ['0800', 5])
})

test('3.4 Stream-based Transport', () => {
  const endpoint = new Endpoint()
  for (const pieces of [1, 2, 3, 100]) {
    const stream = message('A.2.4')
    const marking = new RecordMarking(65536)
    const messages: Uint8Array[] = []
    for (let at = 0; at < stream.length; at += pieces) marking.push(stream.subarray(at, at + pieces), messages)
    assert.deepEqual(
      messages.map(each => endpoint.outcome(Buffer.from(each), true)),
      [
        ['0800ffffffffff', 11],
        ['0800ffffffffff', 11],
      ],
    )
    assert.ok(!marking.isPartial)
  }
  const first = (index: number): Buffer => Buffer.from(new RecordMarking(65536).push(message('A.2.4', '', index))[0]!)
  endpoint.fails(first(1), 'MESSAGE_TOO_SHORT', true)
  endpoint.fails(first(2), 'MESSAGE_TOO_SHORT', true)
  endpoint.fails(first(3), 'MESSAGE_TOO_SHORT', true)
  endpoint.fails(first(4), 'INVALID_CODE_LOCATION', true)
})

test('3.5 Input Past the End of a Message', () => {
  assert.deepEqual(new Endpoint().outcome(message('A.2.5', 'fffa00686921')), ['686921', 23])
  new Endpoint().fails(message('A.2.5', 'fffa006869'), 'USER_REQUESTED')
})

test('4.1 SigComp Feedback Mechanism', () => {
  const announced = [6, 12, 20].map(length => Uint8Array.from({ length }, (_, i) => i))
  for (const [input, cycles, item] of [
    ['00', 52, [127]],
    ['01', 179, [255, ...Array.from({ length: 127 }, (_, i) => i + 1)]],
  ] as const) {
    const received = new Endpoint().receive(message('A.3.1', input))
    assert.equal(received.output, undefined)
    assert.equal(received.cycles, cycles)
    assert.deepEqual([...received.requestedFeedback!.item!], item)
    assert.ok(!received.requestedFeedback!.wantsNoState && !received.requestedFeedback!.wantsNoList)
    assert.deepEqual(received.returnedParameters, {
      cyclesPerBit: 16,
      decompressionMemorySize: 2048,
      stateMemorySize: 0,
      version: 1,
      states: announced,
    })
  }
})

test('4.2 State Memory Management', () => {
  const endpoint = new Endpoint()
  const run = (input: string): number => endpoint.outcome(message('A.3.2', input))[1]
  const lengths = (): number[] => endpoint.compartments[0]!.items.map(({ value }) => value.length).sort((a, b) => a - b)
  assert.equal(run('00'), 811)
  assert.deepEqual(lengths(), [0, 256, 512])
  assert.equal(run('01'), 2603)
  assert.deepEqual(lengths(), [768, 1024])
  assert.equal(run('02'), 811)
  assert.deepEqual(lengths(), [0, 256, 512, 1024])
  assert.equal(run('03'), 1805)
  endpoint.fails(message('A.3.2', '04'), 'STATE_NOT_FOUND')
  assert.equal(run('05'), 2057)
  assert.deepEqual(lengths(), [1984])
  assert.equal(run('06'), 1993)
})

test('4.3 Multiple Compartments', () => {
  const endpoint = new Endpoint()
  const cycles = [1809, 1809, 1809, 1993, 1994, 1804]
  for (const [n, expected] of cycles.entries())
    assert.deepEqual(endpoint.outcome(message('A.3.3', `0${n}`), false, n % 3), [undefined, expected], `message ${n}`)
  for (const n of [6, 7, 8]) endpoint.fails(message('A.3.3', `0${n}`), 'STATE_NOT_FOUND')
})

test('4.4 Accessing RFC 3485 State', () => {
  assert.deepEqual(new Endpoint().outcome(message('A.3.4')), ['534950', 11])
})

test('4.5 Bytecode State Creation', () => {
  const endpoint = new Endpoint()
  assert.deepEqual(endpoint.outcome(message('A.3.5')), ['4f4b', 66])
  assert.deepEqual(endpoint.outcome(message('A.3.5', '', 1)), ['4f4b31', 7])
  assert.deepEqual(endpoint.outcome(message('A.3.5', '', 2)), ['4f4b32', 5])
  assert.deepEqual(endpoint.outcome(message('A.3.5', '', 3)), ['000032', 5])
  endpoint.fails(message('A.3.5', '', 4), 'STATE_NOT_FOUND')
})
