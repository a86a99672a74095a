/** RFC 3486: `comp=sigcomp` in Via and URIs, as registrar, proxy and stack handle it (SIP-43). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRequest } from '../../../src/protocols/sip/message.ts'
import { wantsCompression } from '../../../src/protocols/sip/next-hop.ts'
import { parseMessage } from '../../../src/protocols/sip/parse.ts'
import { SipStack } from '../../../src/protocols/sip/stack.ts'
import { Core, sentOf } from '../../unit/entities/sip-ip-core/core.ts'
import { aRequest, here, requestBytes, seededRandom, udp } from '../../unit/protocols/sip/stack-fixture.ts'

const ours = ';comp=sigcomp;sigcomp-id=urn:uuid:the-box'
const askingVia = (branch = 'z9hG4bKasks') =>
  ['Via', `SIP/2.0/UDP 192.0.2.100:5060;comp=sigcomp;sigcomp-id="urn:uuid:a";branch=${branch}`] as const
const askingContact = '<sip:bob@192.0.2.200:5060;comp=sigcomp;sigcomp-id=urn:uuid:b>'

test('§4: a next hop is asked compressed when its URI says so: topmost Route, else Request-URI', () => {
  const request = (uri: string, route?: string) =>
    wantsCompression(new SipRequest('MESSAGE', uri, route === undefined ? [] : [['Route', route]]))
  assert.ok(request('sip:bob@192.0.2.200;comp=sigcomp'))
  assert.ok(request('sip:bob@192.0.2.200;COMP=SigComp'))
  assert.ok(!request('sip:bob@192.0.2.200'))
  assert.ok(!request('sip:bob@192.0.2.200;comp=other'))
  assert.ok(!request('sip:bob@192.0.2.200;comp=sigcomp', '<sip:proxy.example;lr>'))
  assert.ok(request('sip:bob@192.0.2.200', '<sip:proxy.example;lr;comp=sigcomp>'))
  assert.ok(!request('sip:comp=sigcomp@192.0.2.200'), 'a user part is no parameter')
})

test('§4: "If a client sends a compressed request, it SHOULD add the parameter comp=sigcomp to the topmost entry of the Via"', () => {
  const stack = new SipStack({
    random: seededRandom(1),
    listening: [{ transport: 'udp', address: here, port: 5060 }],
    compression: ';comp=sigcomp;sigcomp-id="urn:uuid:the-box"',
  })
  const viaOf = (uri: string, token: string) => {
    const [output] = stack.request(aRequest('NOTIFY', uri), token, undefined, 0)
    assert.ok(output?.kind === 'send')
    return parseMessage(output.bytes).topVia
  }
  const asked = viaOf('sip:alice@192.0.2.1:40000;comp=sigcomp', 'a')
  assert.equal(asked.params.get('comp'), 'sigcomp')
  assert.equal(asked.params.get('sigcomp-id'), 'urn:uuid:the-box', 'RFC 5049 §9.1: with its identifier')
  assert.equal(viaOf('sip:alice@192.0.2.1:40000', 'b').params.get('comp'), undefined)
})

test('RFC 3261 §18.1.1: what will be half as long on the wire goes by UDP up to twice the length', () => {
  const listening = (['udp', 'tcp'] as const).map(transport => ({ transport, address: here, port: 5060 }))
  const kind = (uri: string, octets: number) => {
    const stack = new SipStack({ random: seededRandom(1), listening, compression: ';comp=sigcomp' })
    return stack.request(aRequest('NOTIFY', uri, [], 'x'.repeat(octets)), 'token', udp().id, 0)[0]!.kind
  }
  assert.equal(kind('sip:alice@192.0.2.1:40000;comp=sigcomp', 2000), 'send')
  assert.equal(kind('sip:alice@192.0.2.1:40000', 2000), 'connect')
  assert.equal(kind('sip:alice@192.0.2.1:40000;comp=sigcomp', 3000), 'connect')
})

test('§5: a response keeps comp and sigcomp-id of the topmost Via, by which it is compressed', () => {
  const stack = new SipStack({ random: seededRandom(1), listening: [{ transport: 'udp', address: here, port: 5060 }] })
  const via = 'SIP/2.0/UDP 192.0.2.1:40000;rport;comp=sigcomp;sigcomp-id="urn:uuid:a";branch=z9hG4bKone'
  const outputs = stack.received(requestBytes({ via, uri: 'sip:a b' }), udp(), 0)
  assert.ok(outputs[0]?.kind === 'send')
  const { params } = parseMessage(outputs[0].bytes).topVia
  assert.deepEqual([params.get('comp'), params.get('sigcomp-id')], ['sigcomp', 'urn:uuid:a'])
})

test('§4.1, RFC 5049 §10: the Service-Route of a client that asks for compression asks for it too', () => {
  const core = new Core()
  const asked = core.register('alice', ['<sip:alice@192.0.2.100:5060;comp=sigcomp>'], [askingVia()])
  assert.equal(asked.header('Service-Route'), `<sip:192.0.2.1:5060;lr${ours}>`)
  const plain = core.register('bob', ['<sip:bob@192.0.2.200:5060>'])
  assert.equal(plain.header('Service-Route'), '<sip:192.0.2.1:5060;lr>')
})

test('§4.1: "user agents can REGISTER a SIP URI with comp=sigcomp": requests go there with it, and Path decides before it', () => {
  const core = new Core()
  core.register('bob', [askingContact])
  const request = core.received('MESSAGE', 'sip:bob@box.example')
  const [direct] = sentOf(core.request('proxy', request))
  assert.ok(wantsCompression(direct!.request))
  assert.match(core.register('bob', []).header('Contact')!, /comp=sigcomp;sigcomp-id=urn:uuid:b/)

  const path = ['Path', '<sip:edge.example;lr;comp=sigcomp;sigcomp-id=urn:uuid:edge>'] as const
  const via = ['Via', 'SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKe, SIP/2.0/UDP 192.0.2.201;branch=z9hG4bKc'] as const
  core.register('carol', ['<sip:carol@192.0.2.201:5060>'], [path, ['Supported', 'path'], via])
  const [throughEdge] = sentOf(core.request('proxy', core.received('MESSAGE', 'sip:carol@box.example')))
  assert.ok(wantsCompression(throughEdge!.request))
  assert.match(throughEdge!.request.header('Route')!, /sigcomp-id=urn:uuid:edge/)
})

test('§4, §6: Record-Route asks the side that asks; when only one does there are two values, one for each', () => {
  const core = new Core()
  core.register('bob', [askingContact])
  core.register('carol', ['<sip:carol@192.0.2.201:5060>'])
  const recorded = (uri: string, via: readonly (readonly [string, string])[]) => {
    const contact = ['Contact', '<sip:alice@192.0.2.100:5060>'] as const
    const [sent] = sentOf(core.request('proxy', core.received('INVITE', uri, [contact, ...via])))
    return sent!.request.headers('Record-Route').map(value => value.includes(ours))
  }
  assert.deepEqual(recorded('sip:bob@box.example', [askingVia()]), [true])
  // Downstream first: the value next to the callee.
  assert.deepEqual(recorded('sip:bob@box.example', []), [true, false])
  assert.deepEqual(recorded('sip:carol@box.example', [askingVia('z9hG4bKx')]), [false, true])
  assert.deepEqual(recorded('sip:carol@box.example', []), [false])
})
