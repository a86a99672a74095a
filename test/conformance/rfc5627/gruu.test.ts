/** RFC 5627: GRUUs at the registrar (§5) and at the proxy (§6.1) (SIP-04). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { towardsOwnInstance } from '../../../src/entities/sip-ip-core/location.ts'
import type { SipResponse } from '../../../src/protocols/sip/message.ts'
import { parseUri, sameUri } from '../../../src/protocols/sip/uri.ts'
import { answerOf, Core, responseTo, sentOf } from '../../unit/entities/sip-ip-core/core.ts'

const instance = 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6'
const gruu = ['Supported', 'gruu'] as const

function contact(host: string, id = instance): string {
  return `<sip:callee@${host}>;+sip.instance="<${id}>"`
}

function parameter(response: SipResponse, name: string, at = 0): string | undefined {
  const contacts = response.contacts
  return contacts === '*' ? undefined : contacts[at]?.params.get(name)
}

/** Where the proxy sends a request with this Request-URI, or the status it refuses it with. */
function targetOf(core: Core, uri: string): string | number {
  const outputs = core.request('proxy', core.received('MESSAGE', uri))
  const [sent] = sentOf(outputs)
  return sent === undefined ? answerOf(outputs).status : sent.request.uri
}

test('§5.2: each contact with an instance comes back with its instance, pub-gruu and temp-gruu', () => {
  const response = new Core().register('alice', [contact('192.0.2.1:6000')], [gruu])
  assert.equal(parameter(response, '+sip.instance'), `<${instance}>`)
  assert.equal(parameter(response, 'pub-gruu'), `sip:alice@box.example;gr=${instance}`)
  assert.match(parameter(response, 'temp-gruu')!, /^sip:tgruu\.[0-9a-f]+@box\.example;gr$/)
})

test('§5.2: a client that does not support gruu is told none', () => {
  const response = new Core().register('alice', [contact('192.0.2.2')])
  assert.equal(parameter(response, 'pub-gruu'), undefined)
  assert.equal(parameter(response, 'temp-gruu'), undefined)
})

test('§5.2: the registrar does not put gruu into Require or Supported', () => {
  const response = new Core().register('alice', [contact('192.0.2.2')], [gruu])
  assert.doesNotMatch(`${response.header('Require')} ${response.header('Supported')}`, /gruu/)
})

test('§5.1: pub-gruu and temp-gruu of the client are ignored', () => {
  const asked = `${contact('192.0.2.2')};pub-gruu="sip:evil@box.example;gr=x";temp-gruu="sip:t@box.example;gr"`
  const response = new Core().register('alice', [asked], [gruu])
  assert.equal(parameter(response, 'pub-gruu'), `sip:alice@box.example;gr=${instance}`)
})

test('§5.1: a contact with an instance that is the address-of-record, a GRUU of it, or no SIP URI gets 403', () => {
  const core = new Core()
  const temporary = parameter(core.register('alice', [contact('192.0.2.2')], [gruu]), 'temp-gruu')
  for (const uri of ['sip:alice@box.example', `sip:alice@box.example;gr=${instance}`, temporary, 'mailto:a@b.example'])
    assert.equal(core.register('alice', [`<${uri}>;+sip.instance="<${instance}>"`], [gruu]).status, 403, uri)
})

test('§5.1: no two temporary GRUUs are alike, all of one Call-ID are valid, and they tell nothing of each other', () => {
  const core = new Core()
  const seen = new Set<string>()
  for (let n = 0; n < 20; n++) seen.add(parameter(core.register('alice', [contact('192.0.2.2')], [gruu]), 'temp-gruu')!)
  assert.equal(seen.size, 20)
  for (const uri of seen) assert.equal(targetOf(core, uri), 'sip:callee@192.0.2.2')
  // No part but the prefix is common to any two.
  const bodies = [...seen].map(uri => uri.slice('sip:tgruu.'.length, uri.indexOf('@')))
  for (let at = 0; at < bodies[0]!.length - 8; at++)
    assert.equal(new Set(bodies.map(body => body.slice(at, at + 8))).size, 20)
})

test('§5.1: a new Call-ID of the instance voids all its temporary GRUUs, which then get 404', () => {
  const core = new Core()
  const first = parameter(core.register('alice', [contact('192.0.2.2')], [gruu]), 'temp-gruu')!
  const other = 'urn:uuid:00000000-0000-1000-8000-000000000001'
  const kept = parameter(
    core.register('alice', [contact('192.0.2.3', other)], [gruu, ['Call-ID', 'x']]),
    'temp-gruu',
    1,
  )!
  const second = parameter(
    core.register('alice', [contact('192.0.2.2')], [gruu, ['Call-ID', 'after-reboot']]),
    'temp-gruu',
  )!
  assert.equal(targetOf(core, first), 404)
  assert.equal(targetOf(core, second), 'sip:callee@192.0.2.2')
  assert.equal(targetOf(core, kept), 'sip:callee@192.0.2.3')
})

test('§5.3: when the last contact of an instance ends, its temporary GRUUs get 404 and its public one 480', () => {
  const core = new Core()
  const response = core.register('alice', [`${contact('192.0.2.2')};expires=60`], [gruu])
  const [temporary, open] = [parameter(response, 'temp-gruu')!, parameter(response, 'pub-gruu')!]
  core.pass(60)
  assert.equal(targetOf(core, temporary), 404)
  assert.equal(targetOf(core, open), 480)
  core.register('alice', [contact('192.0.2.9')], [gruu])
  assert.equal(targetOf(core, open), 'sip:callee@192.0.2.9')
  assert.equal(targetOf(core, temporary), 404)
})

test('§5.4: an unregistered instance leaves nothing in the store', () => {
  const core = new Core()
  core.store.committed()
  const { size } = core.store
  core.register('alice', [contact('192.0.2.2')], [gruu])
  core.register('alice', ['*'], [['Expires', '0']])
  core.store.committed()
  assert.equal(core.store.size, size)
})

test('§5.4: a public GRUU is equivalent to its address-of-record, and a GRUU to no other', () => {
  const response = new Core().register('alice', [contact('192.0.2.2')], [gruu])
  const [open, temporary] = [parameter(response, 'pub-gruu')!, parameter(response, 'temp-gruu')!]
  assert.ok(sameUri(parseUri(open), parseUri('sip:alice@box.example')))
  assert.ok(!sameUri(parseUri(temporary), parseUri('sip:alice@box.example')))
})

test('§6.1: a GRUU resolves only to contacts of its instance, without gr in the new Request-URI', () => {
  const core = new Core()
  const other = 'urn:uuid:00000000-0000-1000-8000-000000000001'
  core.register('alice', [contact('192.0.2.2')], [gruu])
  core.register('alice', [contact('192.0.2.3', other)], [gruu, ['Call-ID', 'other']])
  assert.equal(targetOf(core, `sip:alice@box.example;gr=${instance}`), 'sip:callee@192.0.2.2')
  assert.equal(targetOf(core, `sip:alice@box.example;gr=${other}`), 'sip:callee@192.0.2.3')
  assert.equal(sentOf(core.request('proxy', core.received('MESSAGE', 'sip:alice@box.example'))).length, 2)
})

test('§6.1: a gr that was never valid gets 404: forged, of an unknown user, or without a value', () => {
  const core = new Core()
  const temporary = parameter(core.register('alice', [contact('192.0.2.2')], [gruu]), 'temp-gruu')!
  const last = temporary.indexOf('@') - 1
  const forged = `${temporary.slice(0, last)}${temporary[last] === '0' ? '1' : '0'}${temporary.slice(last + 1)}`
  for (const uri of [
    forged,
    `sip:nobody@box.example;gr=${instance}`,
    'sip:alice@box.example;gr',
    'sip:tgruu.00@box.example;gr',
  ])
    assert.equal(targetOf(core, uri), 404, uri)
})

test('§6.1: of several contacts of an instance the latest is tried, and another only after 408 or 430', () => {
  const core = new Core()
  core.register('alice', [contact('192.0.2.2')], [gruu])
  core.pass(10)
  core.register('alice', [contact('192.0.2.3')], [gruu, ['Call-ID', 'after-a-crash']])
  for (const [status, expected] of [
    [408, ['sip:callee@192.0.2.2']],
    [430, ['sip:callee@192.0.2.2']],
    [486, []],
    [404, []],
  ] as const) {
    const [first] = sentOf(core.request('proxy', core.received('MESSAGE', `sip:alice@box.example;gr=${instance}`)))
    assert.equal(first!.request.uri, 'sip:callee@192.0.2.3')
    const next = sentOf(core.answer('proxy', first!.token, responseTo(first!, status)))
    assert.deepEqual(
      next.map(({ request }) => request.uri),
      expected,
      String(status),
    )
  }
})

test('§6.1: within a dialog, with Route values beyond ours, the path of the registration is left out', () => {
  const core = new Core()
  core.register('bob', [contact('192.0.2.2')], [gruu, ['Supported', 'path'], ['Path', '<sip:edge.example;lr>']])
  const invite = core.received('INVITE', `sip:bob@box.example;gr=${instance}`, [['Contact', '<sip:alice@192.0.2.100>']])
  const [sent] = sentOf(core.request('proxy', invite))
  assert.deepEqual(sent!.request.headers('Route'), ['<sip:edge.example;lr>'])
  const route = [...sent!.request.headers('Record-Route').reverse(), '<sip:further.example;lr>'].join(', ')
  const bye = core.received('BYE', `sip:bob@box.example;gr=${instance}`, [
    ['Call-ID', invite.callId],
    ['Route', route],
    ['To', '<sip:bob@box.example>;tag=b'],
  ])
  const [forwarded] = sentOf(core.request('proxy', bye))
  assert.deepEqual(forwarded!.request.headers('Route'), ['<sip:further.example;lr>'])
})

test('a GRUU survives a restart of the box', () => {
  const core = new Core()
  const temporary = parameter(core.register('alice', [contact('192.0.2.2')], [gruu]), 'temp-gruu')!
  core.store.committed()
  assert.equal(targetOf(core.restarted(), temporary), 'sip:callee@192.0.2.2')
})

test('a NOTIFY of this box to a client whose Contact is a GRUU goes to the contact and flow registered for it now', () => {
  const core = new Core()
  const [old, now] = ['tcp:1:run', 'tcp:2:run']
  const ready = (uri: string, flow: string): readonly [string, string | undefined] => {
    const notify = core.received('NOTIFY', uri)
    let taken: string | undefined
    core.turn('presence-server', turn => {
      taken = towardsOwnInstance(notify, flow, core.home, turn)
      return []
    })
    return [notify.uri, taken]
  }
  const open = `sip:alice@box.example;gr=${instance}`
  assert.deepEqual(ready(open, old), [open, old], 'not registered')
  const response = core.register('alice', [contact('10.0.0.1;transport=tcp')], [gruu], { transport: 'tcp', flow: now })
  const expected = ['sip:callee@10.0.0.1;transport=tcp', now]
  assert.deepEqual(ready(open, old), expected)
  assert.deepEqual(ready(parameter(response, 'temp-gruu')!, old), expected)
  assert.deepEqual(ready('sip:alice@192.0.2.7', old), ['sip:alice@192.0.2.7', old])
})
