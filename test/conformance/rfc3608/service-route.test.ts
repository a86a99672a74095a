/** RFC 3608 §6.3: Service-Route in the answer to REGISTER (SIP-03). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseNameAddr } from '../../../src/protocols/sip/name-addr.ts'
import { isSipUri } from '../../../src/protocols/sip/uri.ts'
import { Core } from '../../unit/entities/sip-ip-core/core.ts'

test('the 200 has a Service-Route that leads to this box with lr, by the transport of the registration', () => {
  for (const [transport, expected] of [
    ['udp', '<sip:192.0.2.1:5060;lr>'],
    ['tcp', '<sip:192.0.2.1:5060;transport=tcp;lr>'],
    ['tls', '<sip:192.0.2.1:5061;transport=tls;lr>'],
  ] as const) {
    const core = new Core()
    const response = core.register('alice', ['<sip:alice@192.0.2.4>'], [], { transport })
    assert.deepEqual(response.headers('Service-Route'), [expected])
    const { uri } = parseNameAddr(expected)
    assert.ok(isSipUri(uri) && uri.params.has('lr') && core.home.isOurs(uri))
  }
})

test('fetching bindings returns the same Service-Route as the registration did', () => {
  const core = new Core()
  const registered = core.register('alice', ['<sip:alice@192.0.2.4>'])
  assert.equal(core.register('alice', []).header('Service-Route'), registered.header('Service-Route'))
})

test('a refusal has none', () => {
  assert.equal(new Core().register('alice', ['*']).hasHeader('Service-Route'), false)
})
