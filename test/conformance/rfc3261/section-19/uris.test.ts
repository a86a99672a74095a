/** RFC 3261 §19.1: SIP and SIPS URIs, their comparison with every example, and which scheme names a user. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ParseError } from '../../../../src/protocols/sip/errors.ts'
import {
  addressOfRecord,
  formatUri,
  isSipUri,
  parseUri,
  type SipUri,
  sameUri,
} from '../../../../src/protocols/sip/uri.ts'

function sip(text: string): SipUri {
  const uri = parseUri(text)
  assert(isSipUri(uri))
  return uri
}

const examples: ReadonlyArray<readonly [text: string, parts: Partial<Record<keyof SipUri, unknown>>]> = [
  ['sip:alice@atlanta.com', { scheme: 'sip', user: 'alice', host: 'atlanta.com', port: undefined }],
  ['sip:alice:secretword@atlanta.com;transport=tcp', { user: 'alice', password: 'secretword', host: 'atlanta.com' }],
  [
    'sips:alice@atlanta.com?subject=project%20x&priority=urgent',
    { scheme: 'sips', user: 'alice', headers: 'subject=project%20x&priority=urgent' },
  ],
  ['sip:+1-212-555-1212:1234@gateway.com;user=phone', { user: '+1-212-555-1212', password: '1234' }],
  ['sips:1212@gateway.com', { scheme: 'sips', user: '1212' }],
  ['sip:alice@192.0.2.4', { host: '192.0.2.4' }],
  ['sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com', { user: undefined, headers: 'to=alice%40atlanta.com' }],
  ['sip:alice;day=tuesday@atlanta.com', { user: 'alice;day=tuesday' }],
]

for (const [text, parts] of examples) {
  test(`§19.1.3 ${text}`, () => {
    const uri = sip(text)
    for (const [name, value] of Object.entries(parts)) assert.equal(uri[name as keyof SipUri], value, name)
    assert.equal(formatUri(uri), text)
  })
}

const equivalent = [
  ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'],
  ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5', 'sip:carol@chicago.com;security=on'],
  [
    'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
    'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
  ],
  [
    'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
    'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
  ],
]
for (const set of equivalent) {
  for (const one of set) {
    for (const other of set) {
      test(`§19.1.4 equivalent: ${one} and ${other}`, () => assert.equal(sameUri(sip(one), sip(other)), true))
    }
  }
}

const different = [
  ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
  ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
  ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
  ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
  ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
  ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
  ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
  ['sip:alice@atlanta.com', 'sips:alice@atlanta.com'],
  ['sip:alice@atlanta.com', 'sip:atlanta.com'],
  ['sip:alice:pw@atlanta.com', 'sip:alice@atlanta.com'],
  ['sip:alice:pw@atlanta.com', 'sip:alice:PW@atlanta.com'],
  ['sip:alice@atlanta.com;user=ip', 'sip:alice@atlanta.com'],
  ['sip:alice@atlanta.com;ttl=1', 'sip:alice@atlanta.com'],
  ['sip:alice@atlanta.com;method=INVITE', 'sip:alice@atlanta.com'],
  ['sip:alice@atlanta.com;maddr=1.2.3.4', 'sip:alice@atlanta.com'],
  ['sip:a%3Bb@atlanta.com', 'sip:a;b@atlanta.com'],
  ['sip:alice@atlanta.com;x=a%2Bb', 'sip:alice@atlanta.com;x=a+b'],
] as const
for (const [one, other] of different) {
  test(`§19.1.4 not equivalent: ${one} and ${other}`, () => {
    assert.equal(sameUri(sip(one), sip(other)), false)
    assert.equal(sameUri(sip(other), sip(one)), false)
  })
}

test('§19.1.4 equality is not transitive', () => {
  const plain = sip('sip:carol@chicago.com')
  assert(sameUri(plain, sip('sip:carol@chicago.com;security=on')))
  assert(sameUri(plain, sip('sip:carol@chicago.com;security=off')))
})

for (const text of [
  'sip:',
  'sip:@box.example',
  'sip:alice@',
  'sip:alice@box.example:',
  'sip:alice@box.example:65536',
  'sip:alice@box.example:5060a',
  'sip:alice@box.example;',
  'sip:alice@box.example;=x',
  'sip:alice@box.example?',
  'sip:alice@box.example?subject',
  'sip:alice@box.example?=x',
  'sip:al ice@box.example',
  'sip:al%2ice@box.example',
  'sip:al%@box.example',
  'sip:alice@bob@box.example',
  'sip:alice@[2001:db8::1',
  'sip:alice@[2001:db8::1::2]',
  'sip:alice@[1:2:3:4:5:6:7]',
  'sip:alice@[12345::]',
  'sip:alice@-box',
  'sip:alice@box..example',
  'sip:alice@b\u00f6x.example',
  'sip:<alice>@box.example',
  'sip:"alice"@box.example',
  'sip:alice@box.example;a="b"',
  'sip:alice@box.example\r\n',
  '<sip:alice@box.example>',
  ':alice',
  'alice@box.example',
  '',
]) {
  test(`§19.1.1 refused: ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parseUri(text),
      (error: unknown) => error instanceof ParseError && error.statusHint === 400,
    )
  })
}

test('§19.1.1 hosts are read in lower case, and IPv6 addresses in brackets', () => {
  assert.equal(sip('sip:Alice@BOX.Example').host, 'box.example')
  assert.equal(sip('sip:[2001:DB8::1]:5070').host, '[2001:db8::1]')
  assert.equal(sip('sip:[2001:DB8::1]:5070').port, 5070)
})

test('§10.3 step 5: an address-of-record is the URI without parameters and with its escapes undone', () => {
  for (const [text, aor] of [
    ['sip:alice@box.example', 'sip:alice@box.example'],
    ['SIP:%61lice:pw@BOX.example:5070;transport=tcp?subject=x', 'sip:alice@box.example'],
    ['sips:alice@box.example', 'sip:alice@box.example'],
    ['sip:Alice@box.example', 'sip:Alice@box.example'],
    ['sip:box.example', 'sip:box.example'],
    ['sip:a%20b%3b%c3%a4@box.example', 'sip:a%20b%3B%C3%A4@box.example'],
    ['sip:alice@[2001:DB8:0::1]', 'sip:alice@[2001:db8:0:0:0:0:0:1]'],
    ['sip:alice@[2001:db8::0.0.0.1]', 'sip:alice@[2001:db8:0:0:0:0:0:1]'],
    ['tel:+1-201-555-0123;ext=5', 'tel:+12015550123'],
    ['tel:7042;phone-context=Example.com', 'tel:7042;phone-context=example.com'],
    ['pres:alice@box.example', 'pres:alice@box.example'],
  ] as const) {
    assert.equal(addressOfRecord(parseUri(text)), aor)
    assert.equal(addressOfRecord(parseUri(aor)), aor, 'and stays itself')
  }
})
