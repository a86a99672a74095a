/** RFC 5118: each message is accepted or refused as its section says, and its addresses are read. */

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { ParseError } from '../../../src/protocols/sip/errors.ts'
import { SipRequest } from '../../../src/protocols/sip/message.ts'
import { parseMessage } from '../../../src/protocols/sip/parse.ts'
import type { SipUri } from '../../../src/protocols/sip/uri.ts'
import { validateRequest } from '../../../src/protocols/sip/validate.ts'
import { parseVia } from '../../../src/protocols/sip/via.ts'
import { messages, octets } from '../../fixtures/rfc5118/messages.ts'

function parseRequest(name: string): SipRequest {
  const message = parseMessage(octets(name))
  assert(message instanceof SipRequest)
  return message
}

test('a file stands for each message of the table', () => {
  const files = readdirSync(new URL('../../fixtures/rfc5118/', import.meta.url)).filter(file => file.endsWith('.dat'))
  assert.deepEqual(files.sort(), messages.map(({ name }) => `${name}.dat`).sort())
})

for (const { name, section, title, verdict } of messages) {
  test(`RFC 5118 §${section} ${title} (${name})`, () => {
    const request = parseRequest(name)
    if (verdict === 'accepted') {
      validateRequest(request)
      const again = parseMessage(request.toBytes())
      assert.deepEqual(again.headerFields(), request.headerFields())
    } else {
      assert('refused' in verdict)
      assert.throws(
        () => validateRequest(request),
        (error: unknown) => error instanceof ParseError && error.statusHint === verdict.refused,
      )
    }
  })
}

test('§4.3 a port inside the brackets is part of the address; §4.4 outside them it is the port', () => {
  const ambiguous = parseRequest('port-ambiguous').requestUri as SipUri
  assert.deepEqual([ambiguous.host, ambiguous.port], ['[2001:db8::10:5070]', undefined])
  const unambiguous = parseRequest('port-unambiguous').requestUri as SipUri
  assert.deepEqual([unambiguous.host, unambiguous.port], ['[2001:db8::10]', 5070])
})

test('§4.5 received is read with and without brackets', () => {
  assert.equal(parseRequest('via-received-param-with-delim').topVia.params.get('received'), '[2001:db8::9:255]')
  assert.equal(parseRequest('via-received-param-no-delim').topVia.params.get('received'), '2001:db8::9:255')
})

test('§4.7 a mix of addresses in Via', () => {
  const vias = parseRequest('mult-ip-in-header').headers('Via').map(parseVia)
  assert.deepEqual(
    vias.map(({ host, port }) => [host, port]),
    [
      ['[2001:db8::9:1]', 6050],
      ['192.0.2.1', undefined],
      ['[2001:db8::9:255]', undefined],
    ],
  )
})

test('§4.9 IPv4-mapped addresses', () => {
  const request = parseRequest('ipv4-mapped-ipv6')
  assert.deepEqual([request.topVia.host, request.topVia.port], ['[::ffff:192.0.2.10]', 19823])
})

test('§4.10 the extra colon is ignored, and not written again in a URI we format', () => {
  const uri = parseRequest('ipv6-bug-abnf-3-colons').requestUri as SipUri
  assert.equal(uri.host, '[2001:db8::192.0.2.1]')
})
