/** RFC 3966: tel URIs. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ParseError } from '../../../src/protocols/sip/errors.ts'
import { formatUri, isTelUri, parseUri, sameUri } from '../../../src/protocols/sip/uri.ts'

test('§6 the examples', () => {
  for (const text of [
    'tel:+1-201-555-0123',
    'tel:7042;phone-context=example.com',
    'tel:863-1234;phone-context=+1-914-555',
  ]) {
    const uri = parseUri(text)
    assert(isTelUri(uri))
    assert.equal(formatUri(uri), text)
  }
})

test('§5.1.5 a local number must have a phone-context; §3 a number must have a digit', () => {
  for (const text of ['tel:7042', 'tel:', 'tel:+', 'tel:+-', 'tel:+12a', 'tel:+1 2', 'tel:;phone-context=a']) {
    assert.throws(() => parseUri(text), ParseError, text)
  }
})

test('§4 comparison: visual separators, order of parameters and case do not count; everything else does', () => {
  const same = (a: string, b: string) => sameUri(parseUri(a), parseUri(b))
  assert(same('tel:+1-201-555-0123', 'TEL:+1(201)555.0123'))
  assert(same('tel:+1201;ext=5;isub=A', 'tel:+1201;isub=a;ext=5'))
  assert(same('tel:7042;phone-context=EXAMPLE.com', 'tel:7042;phone-context=example.com'))
  assert(same('tel:1;phone-context=+1-914', 'tel:1;phone-context=+1914'))
  assert(!same('tel:+1201', 'tel:1201;phone-context=+1'))
  assert(!same('tel:+1201', 'tel:+1201;ext=5'))
  assert(!same('tel:+1201', 'sip:+1201@box.example'))
})
