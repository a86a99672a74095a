import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError } from '../../../../src/platform/storage/error.ts'
import { afterKey, afterPrefix, decodeKey, encodeKey } from '../../../../src/platform/storage/key.ts'

test('a key costs one octet and its characters per string, one and the significant octets per whole number', () => {
  assert.equal(encodeKey('\x01', ['sip:alice@box.example', 7]).length, 1 + 2 + 21 + 2)
  assert.equal(encodeKey('', [0]).length, 1)
  assert.equal(encodeKey('', [1_700_000_000_000]).length, 7)
})

test('every kind of element comes back as it was', () => {
  const key = [
    '',
    '\0',
    '\x01',
    'é',
    '\ud800',
    '😀',
    0,
    -1,
    255,
    256,
    -256,
    -257,
    2 ** 40,
    -(2 ** 52) - 1,
    0.1,
    -0.3,
    1e300,
    -1e300,
  ]
  assert.deepEqual(decodeKey(encodeKey('\x05', key), 1), key)
  assert.deepEqual(decodeKey(encodeKey('', [Number.NEGATIVE_INFINITY, Number.MIN_VALUE]), 0), [
    -Infinity,
    Number.MIN_VALUE,
  ])
})

test('an encoded key is plain octets, however long its strings', () => {
  const text = encodeKey('\x01', ['\uffff'.repeat(5000), 'x'.repeat(5000)])
  assert.equal(text.length, 1 + 15002 + 5002)
  assert.deepEqual(decodeKey(text, 1), ['\uffff'.repeat(5000), 'x'.repeat(5000)])
})

test('everything that begins with a key lies before the end of its prefix; nothing lies between a key and the text after it', () => {
  const five = encodeKey('', [5])
  for (const next of [
    [5, 0],
    [5, 'x'],
    [5, -1e300],
    [5, '\uffff'],
  ])
    assert(encodeKey('', next) < afterPrefix(five))
  for (const beyond of [[5.5], [6], ['5']]) assert(encodeKey('', beyond) > afterPrefix(five))
  assert(afterKey(five) < encodeKey('', [5, Number.NEGATIVE_INFINITY]))
})

test('NaN and what is neither string nor number are refused', () => {
  for (const part of [Number.NaN, null, undefined, true, 1n]) {
    assert.throws(() => encodeKey('', [part as never]), StoreError)
  }
})
