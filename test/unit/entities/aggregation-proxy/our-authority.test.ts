/** XDM-05: a request for a host that is not the box's finds nothing there. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OurAuthority } from '../../../../src/entities/aggregation-proxy/our-authority.ts'
import { Home } from '../../../../src/entities/sip-ip-core/home.ts'
import { HttpRefusal } from '../../../../src/protocols/http/errors.ts'
import type { HttpRequest } from '../../../../src/protocols/http/message.ts'
import { defaultSettings } from '../../../../src/settings.ts'
import { WholeBox } from '../../../conformance/whole-box.ts'

const home = new Home({
  domain: 'box.example',
  listening: [{ transport: 'tls', address: '0.0.0.0', port: 5061, advertisedHost: 'edge.example' }],
  addresses: ['192.0.2.1', 'porchlight'],
})

function requestFor(host: string): HttpRequest {
  const source = { address: '192.0.2.9', isSecure: true }
  return { method: 'GET', target: '/x', headers: { host }, body: new Uint8Array(0), source }
}

/** 0 when the request is for the box, else the status. */
function status(given: Partial<HttpRequest> & { readonly host?: string; readonly hosts?: string }): number {
  const { host, hosts = '', ...rest } = given
  const request: HttpRequest = {
    method: 'GET',
    target: '/xcap-root/xcap-caps/global/index',
    headers: host === undefined ? {} : { host },
    body: new Uint8Array(0),
    source: { address: '192.0.2.9', isSecure: true },
    ...rest,
  }
  try {
    new OurAuthority(home).require(request, defaultSettings({ domain: 'box.example', 'xcap.hosts': hosts }))
    return 0
  } catch (error) {
    assert.ok(error instanceof HttpRefusal)
    return error.status
  }
}

test('the domain and names below it, the names of the machine and every address are the box, whatever the port', () => {
  const ours = [
    'box.example',
    'BOX.example:8443',
    'box.example.',
    'xcap.box.example',
    'a.b.box.example:443',
    'edge.example',
  ]
  for (const host of [...ours, 'porchlight', 'porchlight.local:8443', 'localhost:8080'])
    assert.equal(status({ host }), 0, host)
  // Of a domain that is itself below .local.
  const local = new OurAuthority(new Home({ domain: 'home.local', listening: [] }))
  for (const host of ['home.local', 'xcap.home.local'])
    local.require(requestFor(host), defaultSettings({ domain: 'home.local' }))
  // Behind a router that forwards a port, the address in Host is the router's.
  for (const host of ['192.0.2.1', '203.0.113.5:18443', '127.0.0.1', '[::1]:8443', '[2001:db8::7]'])
    assert.equal(status({ host }), 0, host)
})

test('another name is not, nor one that only ends alike', () => {
  for (const host of [
    'other.example',
    'evilbox.example',
    'box.example.evil.test:8443',
    'example',
    '1.2.3.4.evil.test',
    'porch.local',
    'porchlight.local.evil.test',
  ])
    assert.equal(status({ host }), 404, host)
})

test('xcap.hosts names further ones, or any', () => {
  assert.equal(status({ host: 'Presence.Office.Test', hosts: 'a.test, presence.office.test' }), 0)
  assert.equal(status({ host: 'b.test', hosts: 'a.test,presence.office.test' }), 404)
  assert.equal(status({ host: 'b.test', hosts: '*' }), 0)
})

test('an absolute target goes before Host (RFC 9112 §3.2.2); without any host it is for whoever got it', () => {
  const path = '/xcap-root/xcap-caps/global/index'
  assert.equal(status({ host: 'box.example', target: `https://other.example${path}` }), 404)
  assert.equal(status({ host: 'other.example', target: `https://box.example:8443${path}` }), 0)
  assert.equal(status({}), 0)
  assert.equal(status({ host: '' }), 0)
})

test('what is no host is 400', () => {
  for (const host of ['a b', 'box.example:x', 'user@box.example', '[::1', 'box.example:8443:1', 'bo/x'])
    assert.ok(status({ host }) === 400, host)
})

test('an Aggregation Proxy elsewhere reaches our XDMSs by the name it knows', () => {
  assert.equal(
    status({ host: 'xdms.carrier.example', source: { address: '10.0.0.1', isSecure: false, listener: 'xdms' } }),
    0,
  )
})

test('what one request was for says nothing of the next, nor of other settings', () => {
  const authority = new OurAuthority(home)
  const settings = defaultSettings({ domain: 'box.example', 'xcap.hosts': 'a.test' })
  const ask = (host: string, more: Partial<HttpRequest> = {}, by = settings) =>
    authority.require(
      {
        method: 'GET',
        target: '/x',
        headers: { host },
        body: new Uint8Array(0),
        source: { address: '::1', isSecure: true },
        ...more,
      },
      by,
    )
  ask('a.test')
  ask('a.test')
  assert.throws(() => ask('b.test'))
  assert.throws(() => ask('a.test', {}, defaultSettings({ domain: 'box.example' })))
  assert.throws(() => ask('a.test', { target: 'https://b.test/x' }))
  ask('b.test', { source: { address: '::1', isSecure: true, listener: 'xdms' } })
  assert.throws(() => ask('b.test'))
})

test('the whole box says so for documents and objects, before it asks who is there', async () => {
  const box = new WholeBox()
  for (const path of [
    '/xcap-root/resource-lists/users/sip:alice@box.example/index',
    '/content/users/sip:alice@box.example/a.png',
  ]) {
    const answer = await box.http('GET', path, { headers: { host: 'other.example' } })
    assert.equal(answer.status, 404)
    assert.match(Buffer.from(answer.body!).toString(), /^other\.example is not this box; .*xcap\.hosts/)
  }
})
