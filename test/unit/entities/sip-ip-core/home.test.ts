/** What leads to the box, and whom a request is for. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Home } from '../../../../src/entities/sip-ip-core/home.ts'
import { recipientOf } from '../../../../src/entities/sip-ip-core/recipient.ts'
import { isSipUri, parseUri } from '../../../../src/protocols/sip/uri.ts'
import { Core } from './core.ts'

const { home } = new Core()

test('the domain is ours with no port, a default port or one we listen on; an address only with a port we listen on', () => {
  for (const [text, place] of [
    ['sip:box.example', 'box'],
    ['sip:BOX.example:5060', 'box'],
    ['sips:alice@box.example', 'user'],
    ['sips:alice@box.example:5061', 'user'],
    ['sip:alice@192.0.2.1', 'user'],
    ['sip:alice@192.0.2.1:5061', 'user'],
    ['sip:alice@192.0.2.1:5070', 'elsewhere'],
    ['sip:alice@box.example:5070', 'elsewhere'],
    ['sip:alice@192.0.2.2', 'elsewhere'],
    ['sip:alice@sub.box.example', 'elsewhere'],
    ['tel:+358501234567', 'elsewhere'],
  ] as const)
    assert.equal(home.placeOf(parseUri(text)), place, text)
})

test('an address of the box is another name of its domain', () => {
  assert.equal(home.userOf(parseUri('sip:alice@192.0.2.1:5060;transport=tcp')), 'sip:alice@box.example')
  assert.equal(home.userOf(parseUri('sip:box.example')), undefined)
})

test('what it gives out as a way back leads back', () => {
  const homes = [
    home,
    new Home({
      domain: 'box.example',
      listening: [{ transport: 'udp', address: '0.0.0.0', port: 5070, advertisedHost: 'sip.box.example' }],
    }),
    new Home({ domain: 'box.example', listening: [{ transport: 'tls', address: '::', port: 5061 }] }),
    new Home({ domain: 'box.example', listening: [{ transport: 'udp', address: '2001:db8::1', port: 5060 }] }),
  ]
  for (const one of homes)
    for (const transport of ['udp', 'tcp', 'tls'] as const) {
      const uri = parseUri(one.routeUri(transport, 'token'))
      assert.ok(
        isSipUri(uri) && one.isOurs(uri) && uri.params.has('lr') && uri.user === 'token',
        one.routeUri(transport),
      )
      const contact = parseUri(`sip:a@${one.hostPort(transport)}`)
      assert.ok(isSipUri(contact) && one.isOurs(contact), one.hostPort(transport))
    }
})

test('a request is for the box, a user, an instance, or for elsewhere; Route values of ours do not count', () => {
  const core = new Core()
  const own = ['Route', '<sip:192.0.2.1;lr>, <sip:box.example;lr>'] as const
  for (const [uri, fields, recipient] of [
    ['sip:box.example', [], 'box'],
    ['sip:alice@box.example', [], 'user'],
    ['sip:alice@box.example', [own], 'user'],
    ['sip:alice@box.example;gr=urn:uuid:1', [own], 'instance'],
    ['sip:tgruu.1@box.example', [], 'instance'],
    ['sip:alice@192.0.2.1:5060;gr=ps', [], 'instance'],
    ['sip:alice@other.example', [], 'elsewhere'],
    ['sip:alice@box.example', [['Route', '<sip:192.0.2.1;lr>, <sip:other.example;lr>']], 'elsewhere'],
    ['sip:192.0.2.1;lr', [['Route', '<sip:bob@192.0.2.9>']], 'elsewhere'],
    ['tel:+358501234567', [], 'elsewhere'],
  ] as const)
    assert.equal(recipientOf(core.received('MESSAGE', uri, fields), home), recipient, uri)
})
