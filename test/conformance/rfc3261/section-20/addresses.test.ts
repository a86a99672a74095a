/** RFC 3261 §20: the header fields whose values have structure, with the RFC's examples. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ParseError } from '../../../../src/protocols/sip/errors.ts'
import { SipRequest } from '../../../../src/protocols/sip/message.ts'
import { formatNameAddr, parseNameAddr, readTag } from '../../../../src/protocols/sip/name-addr.ts'
import { formatUri } from '../../../../src/protocols/sip/uri.ts'
import { formatVia, parseVia } from '../../../../src/protocols/sip/via.ts'

const addresses: ReadonlyArray<readonly [text: string, name: string | undefined, uri: string, params: string]> = [
  // §20.10
  [
    '"Mr. Watson" <sip:watson@worcester.bell-telephone.com>;q=0.7;expires=3600',
    'Mr. Watson',
    'sip:watson@worcester.bell-telephone.com',
    ';q=0.7;expires=3600',
  ],
  [
    '"Mr. Watson" <mailto:watson@bell-telephone.com> ;q=0.1',
    'Mr. Watson',
    'mailto:watson@bell-telephone.com',
    ';q=0.1',
  ],
  ['<sips:bob@192.0.2.4>;expires=60', undefined, 'sips:bob@192.0.2.4', ';expires=60'],
  // §20.20
  ['"A. G. Bell" <sip:agb@bell-telephone.com> ;tag=a48s', 'A. G. Bell', 'sip:agb@bell-telephone.com', ';tag=a48s'],
  ['sip:+12125551212@server.phone2net.com;tag=887s', undefined, 'sip:+12125551212@server.phone2net.com', ';tag=887s'],
  ['Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8', 'Anonymous', 'sip:c8oqz84zk7z@privacy.org', ';tag=hyh8'],
  // §20.34
  ['<sip:server10.biloxi.com;lr>', undefined, 'sip:server10.biloxi.com;lr', ''],
  // §20.39
  [
    'The Operator <sip:operator@cs.columbia.edu>;tag=287447',
    'The Operator',
    'sip:operator@cs.columbia.edu',
    ';tag=287447',
  ],
  // §20.10: without brackets, parameters are the header field's
  ['sip:bob@box.example;transport=tcp', undefined, 'sip:bob@box.example', ';transport=tcp'],
  [
    '<sip:bob@box.example;transport=tcp>;transport=udp',
    undefined,
    'sip:bob@box.example;transport=tcp',
    ';transport=udp',
  ],
  ['"" <sip:a@b>', '', 'sip:a@b', ''],
  ['"a\\"b\\\\c <x>;y," <sip:a@b>', 'a"b\\c <x>;y,', 'sip:a@b', ''],
  ['Jörg Müller <sip:a@b>', 'Jörg Müller', 'sip:a@b', ''],
  ['<sip:a@b?subject=x>', undefined, 'sip:a@b?subject=x', ''],
]
for (const [text, name, uri, params] of addresses) {
  test(`§20.10 ${text}`, () => {
    const value = parseNameAddr(text)
    assert.equal(value.displayName, name)
    assert.equal(formatUri(value.uri), uri)
    assert.equal(value.params.toString(), params)
    assert.deepEqual(parseNameAddr(formatNameAddr(value)), value, 'written and read again')
    assert.equal(readTag(text), value.params.get('tag'))
  })
}

for (const text of [
  '',
  '<>',
  '<sip:a@b',
  'sip:a@b>',
  '"a" sip:a@b',
  '"a" "b" <sip:a@b>',
  '"a" b <sip:a@b>',
  'a, b <sip:a@b>',
  '"a <sip:a@b>',
  '< sip:a@b >',
  '<sip:a@b> x',
  '<sip:a@b>,<sip:c@d>',
  '<sip:a@b>;',
  '<<sip:a@b>>',
  'sip:a@b?subject=x',
  'sip:a,b@c',
]) {
  test(`§20.10 refused: ${JSON.stringify(text)}`, () => assert.throws(() => parseNameAddr(text), ParseError))
}

test('§20.10 Contact: a list, or a star by itself', () => {
  const contacts = (value: string) => new SipRequest('REGISTER', 'sip:a', [['Contact', value]]).contacts
  assert.equal(contacts('*'), '*')
  assert.equal(contacts('<sip:a@b>, "x, y" <sip:c,d@e>;q=1').length, 2)
  assert.equal(new SipRequest('REGISTER', 'sip:a', []).contacts.length, 0)
})

test('§20.19 Expires: delta-seconds; malformed is undefined, and too large is the largest', () => {
  const expires = (value: string) => new SipRequest('REGISTER', 'sip:a', [['Expires', value]]).expires
  assert.deepEqual(
    ['5', '0', '4294967295', '4294967296', '9'.repeat(100), '', '-1', '1.5', 'Thu, 01 Dec 1994 16:00:00 GMT'].map(
      expires,
    ),
    [5, 0, 4294967295, 4294967295, 4294967295, undefined, undefined, undefined, undefined],
  )
})

const vias: ReadonlyArray<
  readonly [text: string, transport: string, host: string, port: number | undefined, params: string]
> = [
  [
    'SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7',
    'UDP',
    'erlang.bell-telephone.com',
    5060,
    ';branch=z9hG4bK87asdks7',
  ],
  [
    'SIP/2.0/UDP 192.0.2.1:5060 ;received=192.0.2.207 ;branch=z9hG4bK77asjd',
    'UDP',
    '192.0.2.1',
    5060,
    ';received=192.0.2.207 ;branch=z9hG4bK77asjd',
  ],
  [
    'SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1',
    'UDP',
    'first.example.com',
    4000,
    ';ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1',
  ],
  ['sip/2.0/tcp [2001:DB8::1]:5070;rport;alias', 'TCP', '[2001:db8::1]', 5070, ';rport;alias'],
  ['SIP/2.0/TLS-SCTP Host_1', 'TLS-SCTP', 'host_1', undefined, ''],
]
for (const [text, transport, host, port, params] of vias) {
  test(`§20.42 ${text}`, () => {
    const via = parseVia(text)
    assert.deepEqual([via.transport, via.host, via.port, via.params.toString()], [transport, host, port, params])
    assert.deepEqual(parseVia(formatVia(via)), via)
  })
}

for (const text of [
  '',
  'SIP/2.0',
  'SIP/2.0/UDP',
  'SIP/2.0/UDP ',
  'SIP/2.0/ host',
  'HTTP/1.1/TCP host',
  'SIP/2.0/UDP host:',
  'SIP/2.0/UDP host:70000',
  'SIP/2.0/UDP host;',
  'SIP/2.0/UDP host,',
  'SIP/2.0/UDP host x',
  'SIP/2.0/UDP [::1',
  'SIP/2.0/UDP 2001:db8::1',
  'SIP/2.0/UDP;branch=x',
]) {
  test(`§20.42 refused: ${JSON.stringify(text)}`, () => assert.throws(() => parseVia(text), ParseError))
}
