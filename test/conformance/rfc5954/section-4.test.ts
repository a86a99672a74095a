/** RFC 5954 §4: IPv6 addresses in SIP URIs, as written and as compared. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseIpv6, parseUri, sameUri } from '../../../src/protocols/sip/uri.ts'

for (const [one, other] of [
  ['sip:bob@[::ffff:192.0.2.128]', 'sip:bob@[::ffff:c000:280]'],
  ['sip:bob@[2001:db8::9:1]', 'sip:bob@[2001:db8::9:01]'],
  ['sip:bob@[0:0:0:0:0:FFFF:129.144.52.38]', 'sip:bob@[::FFFF:129.144.52.38]'],
] as const) {
  test(`§4.2 equivalent: ${one} and ${other}`, () => assert.equal(sameUri(parseUri(one), parseUri(other)), true))
}

test('§4.2 other addresses are not equivalent', () => {
  assert.equal(sameUri(parseUri('sip:bob@[2001:db8::9:1]'), parseUri('sip:bob@[2001:db8::91]')), false)
})

test('§4.1 what is an IPv6 address, and what is not', () => {
  for (const text of ['::', '::1', '1::', '1:2:3:4:5:6:7:8', '1::8', '::1.2.3.4', '1:2:3:4:5:6:1.2.3.4', 'FFFF::']) {
    assert(parseIpv6(text), text)
  }
  for (const text of [
    '',
    ':',
    ':1',
    '1:',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '1::2::3',
    ':::',
    '1.2.3.4',
    '::1.2.3',
    '::1.2.3.256',
    '::g',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3.4:5',
  ]) {
    assert.equal(parseIpv6(text), undefined, text)
  }
})
