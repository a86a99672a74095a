import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { assemble } from '../../../../src/protocols/sigcomp/assembler.ts'
import { DecompressionFailure } from '../../../../src/protocols/sigcomp/failure.ts'
import { StateStore } from '../../../../src/protocols/sigcomp/state.ts'
import { Udvm } from '../../../../src/protocols/sigcomp/udvm.ts'

const udvm = new Udvm()

function run(source: string, input: Uint8Array = new Uint8Array(0), memorySize = 2048) {
  const store = new StateStore()
  return udvm.run({
    memorySize,
    cyclesPerBit: 128,
    version: 2,
    state: undefined,
    partialIdentifierLength: 0,
    bytecode: assemble(source, 128).bytes,
    destination: 128,
    message: input,
    headerLength: 0,
    outputLimit: 65536,
    stateLimit: 2048,
    access: partial => store.access(partial),
  })
}

function reasonOf(source: string, input?: Uint8Array, memorySize?: number): string {
  try {
    run(source, input, memorySize)
  } catch (error) {
    assert.ok(error instanceof DecompressionFailure)
    return error.reason
  }
  return 'none'
}

const end = 'END-MESSAGE (0, 0, 0, 0, 0, 0, 0)'

test('byte copying agrees with the rules read literally, wherever the bounds lie (RFC 4896 §4)', () => {
  const size = 2048
  // Where neither instruction nor bounds are overwritten.
  const address = fc.integer({ min: 512, max: size + 20 })
  fc.assert(
    fc.property(
      address,
      address,
      address,
      address,
      fc.integer({ min: 0, max: 300 }),
      (left, right, from, to, length) => {
        const memory = Uint8Array.from({ length: size }, (_, i) => (i < 512 ? 0 : (i * 7) & 255))
        const next = (at: number): number => (((at + 1) & 0xffff) === right ? left : (at + 1) & 0xffff)
        let expected: string | undefined = ''
        let [a, b] = [from, to]
        for (let i = 0; i < length; i++) {
          if (a >= size || b >= size) {
            expected = undefined
            break
          }
          memory[b] = memory[a]!
          a = next(a)
          b = next(b)
        }
        if (expected !== undefined) expected = Buffer.from(memory.subarray(512)).toString('hex')
        const source = `
        MEMSET (512, ${size - 512}, 0, 7)
        LOAD (64, ${left})
        LOAD (66, ${right})
        COPY (${from}, ${length}, ${to})
        LOAD (64, 0)
        LOAD (66, 0)
        OUTPUT (512, ${size - 512})
        ${end}`
        let actual: string | undefined
        try {
          actual = Buffer.from(run(source, undefined, size).output!).toString('hex')
        } catch (error) {
          assert.equal((error as DecompressionFailure).reason, 'SEGFAULT')
        }
        assert.equal(actual, expected)
      },
    ),
    { numRuns: 300 },
  )
})

test('COPY-OFFSET counts back as the rules read literally, and in no time (RFC 3320 §9.2.6)', () => {
  const word = fc.oneof(fc.integer({ min: 0, max: 2047 }), fc.integer({ min: 0, max: 65535 }))
  fc.assert(
    fc.property(
      word,
      word,
      fc.integer({ min: 512, max: 2000 }),
      fc.oneof(word, fc.integer({ min: 0, max: 40 })),
      (left, right, to, offset) => {
        let at = to
        for (let i = 0; i < offset; i++) at = at === left ? (right - 1) & 0xffff : (at - 1) & 0xffff
        const source = `
        MEMSET (512, 1536, 1, 3)
        LOAD (64, ${left})
        LOAD (66, ${right})
        LOAD (72, ${to})
        COPY-OFFSET (${offset}, 1, $72)
        LOAD (64, 0)
        LOAD (66, 0)
        OUTPUT (${to}, 1)
        ${end}`
        if (at >= 2048) assert.equal(reasonOf(source), 'SEGFAULT')
        else if (at >= 512) assert.equal(run(source).output![0], (1 + 3 * (at - 512)) & 255)
      },
    ),
    { numRuns: 500 },
  )
})

test('a value pushed onto stack_fill itself is overwritten by the new fill (RFC 4896 §3.4)', () => {
  const source = `
    LOAD (70, 256)
    LOAD (256, 65535)
    PUSH (42)
    OUTPUT (256, 2)
    ${end}`
  assert.deepEqual([...run(source).output!], [0, 0])
})

test('INPUT-BYTES of nothing drops the fraction of an octet (RFC 4896 §3.1)', () => {
  const source = `
    INPUT-BITS (3, 256, no)
    INPUT-BYTES (0, 256, no)
    INPUT-BITS (8, 256, no)
    OUTPUT (257, 1)
    ${end}
    :no
    DECOMPRESSION-FAILURE`
  assert.deepEqual([...run(source, Uint8Array.of(0xff, 0x5a)).output!], [0x5a])
})

test('each way to fail has its reason (RFC 4077 §3.2)', () => {
  const failing: Readonly<Record<string, string>> = {
    'DECOMPRESSION-FAILURE': 'USER_REQUESTED',
    'BYTE (36)': 'INVALID_OPCODE',
    'BYTE (14, 130, 0)': 'INVALID_OPERAND',
    'BYTE (1, 255, 0)': 'INVALID_OPERAND',
    'LOAD (2047, 0)': 'SEGFAULT',
    'JUMP (60000)': 'SEGFAULT',
    'DIVIDE ($64, 0)': 'DIV_BY_ZERO',
    'REMAINDER ($64, 0)': 'DIV_BY_ZERO',
    'LOAD (70, 256)\nPOP (300)': 'STACK_UNDERFLOW',
    'LOAD (70, 256)\nRETURN': 'STACK_UNDERFLOW',
    'SWITCH (1, 1, 128)': 'SWITCH_VALUE_TOO_HIGH',
    'LOAD (68, 8)\nINPUT-BITS (1, 256, 128)': 'BAD_INPUT_BITORDER',
    'INPUT-BITS (17, 256, 128)': 'TOO_MANY_BITS_REQUESTED',
    'INPUT-HUFFMAN (256, 128, 2, 8, 9, 8, 0, 9, 0, 0, 0)': 'TOO_MANY_BITS_REQUESTED',
    'INPUT-HUFFMAN (256, 128, 1, 8, 9, 8, 0)': 'HUFFMAN_NO_MATCH',
    'STATE-ACCESS (256, 5, 0, 0, 0, 0)': 'INVALID_STATE_ID_LENGTH',
    'STATE-ACCESS (256, 21, 0, 0, 0, 0)': 'INVALID_STATE_ID_LENGTH',
    'STATE-ACCESS (256, 6, 0, 0, 0, 0)': 'STATE_NOT_FOUND',
    'STATE-CREATE (1, 256, 0, 5, 0)': 'INVALID_STATE_ID_LENGTH',
    'STATE-CREATE (1, 256, 0, 6, 65535)': 'INVALID_STATE_PRIORITY',
    [`${'STATE-CREATE (1, 256, 0, 6, 0)\n'.repeat(4)}END-MESSAGE (0, 0, 1, 256, 0, 6, 0)`]: 'TOO_MANY_STATE_REQUESTS',
    [`${'STATE-FREE (256, 6)\n'.repeat(5)}`]: 'TOO_MANY_STATE_REQUESTS',
    ':a\nOUTPUT (256, 1024)\nJUMP (a)': 'OUTPUT_OVERFLOW',
    ':a\nJUMP (a)': 'CYCLES_EXHAUSTED',
    'MULTILOAD (128, 1, 5)': 'MULTILOAD_OVERWRITTEN',
    'END-MESSAGE (2047, 0, 0, 0, 0, 0, 0)': 'none',
    'LOAD (2046, 4)\nEND-MESSAGE (2047, 0, 0, 0, 0, 0, 0)': 'SEGFAULT',
    'END-MESSAGE (0, 2047, 0, 0, 0, 0, 0)': 'SEGFAULT',
    'END-MESSAGE (0, 0, 1000, 2000, 0, 6, 0)': 'SEGFAULT',
  }
  for (const [source, reason] of Object.entries(failing))
    assert.equal(reasonOf(source, Uint8Array.of(1, 2, 3, 4)), reason, source)
})

test('END-MESSAGE with an access length or priority out of range creates nothing and does not fail (RFC 3320 §9.4.9)', () => {
  assert.deepEqual(run('END-MESSAGE (0, 0, 4, 256, 0, 5, 0)').requests, [])
  assert.deepEqual(run('END-MESSAGE (0, 0, 4, 256, 0, 21, 0)').requests, [])
  assert.deepEqual(run('END-MESSAGE (0, 0, 4, 256, 0, 6, 65535)').requests, [])
  assert.equal(run('END-MESSAGE (0, 0, 4, 256, 0, 20, 65534)').requests.length, 1)
})

test('an OUTPUT of nothing is a message of no octets, which is not no message (RFC 3320 §9.4.8)', () => {
  assert.equal(run(end).output, undefined)
  assert.equal(run(`OUTPUT (256, 0)\n${end}`).output!.length, 0)
})

test('a machine starts every message with a memory of zeros', () => {
  run(`MEMSET (256, 1000, 170, 0)\n${end}`)
  assert.ok(run(`OUTPUT (256, 1000)\n${end}`).output!.every(octet => octet === 0))
})

test('sorting keeps words of equal value in order, also descending and with one word or none', () => {
  const source = `
    MULTILOAD (256, 8, 5, 1, 5, 1, 10, 20, 30, 40)
    SORT-DESCENDING (256, 2, 4)
    OUTPUT (256, 16)
    SORT-ASCENDING (256, 3, 1)
    SORT-ASCENDING (256, 3, 0)
    ${end}`
  const { output, cycles } = run(source)
  assert.deepEqual(
    [...output!].filter((_, i) => i % 2 === 1),
    [5, 5, 1, 1, 10, 30, 20, 40],
  )
  // 1 + n for MULTILOAD, 1 + k (ceiling(log2 k) + n) for sorts, 1 + length, 1 + state_length.
  assert.equal(cycles, 9 + (1 + 4 * (2 + 2)) + 17 + (1 + 3) + 1 + 1)
})
