/** RFC 3261 §10.3: processing REGISTER requests (SIP-01). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { currentBindings, storedRegistration } from '../../../../src/entities/sip-ip-core/bindings.ts'
import type { SipResponse } from '../../../../src/protocols/sip/message.ts'
import { answerOf, Core } from '../../../unit/entities/sip-ip-core/core.ts'

const alice = 'sip:alice@box.example'

function contactsOf(response: SipResponse): string[] {
  return response.headers('Contact')
}

function boundOf(core: Core, aor = alice): string[] {
  return core.store.transact(db => currentBindings(db, aor, core.now).map(({ uri }) => uri))
}

test('step 2: Require is processed as by any server: 420 with Unsupported for extensions that are not understood', () => {
  const core = new Core()
  const response = core.register('alice', ['<sip:alice@192.0.2.100>'], [['Require', 'path, wonder']])
  assert.equal(response.status, 420)
  assert.equal(response.header('Unsupported'), 'wonder')
  assert.deepEqual(boundOf(core), [])
})

test('step 4: a user who may not modify the bindings of the address-of-record gets 403', () => {
  const core = new Core()
  const request = core.registration('alice', ['<sip:alice@192.0.2.100>'], [['To', '<sip:bob@box.example>']])
  assert.equal(answerOf(core.request('registrar', request)).status, 403)
  assert.deepEqual(boundOf(core, 'sip:bob@box.example'), [])
})

test('step 5: an address-of-record that is not valid for the domain gets 404', () => {
  const core = new Core({ 'auth.required': false })
  const elsewhere = core.received('REGISTER', 'sip:box.example', [
    ['To', '<sip:alice@other.example>'],
    ['Contact', '<sip:alice@192.0.2.100>'],
  ])
  assert.equal(answerOf(core.request('registrar', elsewhere)).status, 404)
  const unknown = new Core().registration('nobody', ['<sip:nobody@192.0.2.100>'])
  assert.equal(answerOf(new Core().request('registrar', unknown)).status, 404)
})

test('step 5: the address-of-record is canonical: parameters are removed, escapes undone, the host in lower case', () => {
  const core = new Core()
  const request = core.registration(
    'alice',
    ['<sip:alice@192.0.2.100>'],
    [['To', '<sip:%61lice@BOX.example:5060;user=phone;transport=tcp>']],
  )
  assert.equal(answerOf(core.request('registrar', request)).status, 200)
  assert.deepEqual(boundOf(core), ['sip:alice@192.0.2.100'])
})

test('step 6: * with another contact, without Expires or with one that is not zero, gets 400 and changes nothing', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.100>'])
  assert.equal(core.register('alice', ['*']).status, 400)
  assert.equal(core.register('alice', ['*'], [['Expires', '60']]).status, 400)
  assert.equal(core.register('alice', ['*'], [['Expires', 'soon']]).status, 400)
  assert.deepEqual(boundOf(core), ['sip:alice@192.0.2.100'])
  assert.throws(() => core.register('alice', ['*', '<sip:b@192.0.2.3>'], [['Expires', '0']]), { statusHint: 400 })
  assert.deepEqual(boundOf(core), ['sip:alice@192.0.2.100'])
})

test('step 6: * with Expires 0 removes every binding, of whatever Call-ID', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.100>'])
  core.register('alice', ['<sip:alice@192.0.2.101>'], [['Call-ID', 'another']])
  const response = core.register('alice', ['*'], [['Expires', '0']])
  assert.equal(response.status, 200)
  assert.deepEqual(contactsOf(response), [])
  assert.deepEqual(boundOf(core), [])
})

test('step 6: * of the same Call-ID with a CSeq that is not higher fails and changes nothing', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.100>'], [['CSeq', '9 REGISTER']])
  const response = core.register(
    'alice',
    ['*'],
    [
      ['Expires', '0'],
      ['CSeq', '9 REGISTER'],
    ],
  )
  assert.equal(response.status, 500)
  assert.deepEqual(boundOf(core), ['sip:alice@192.0.2.100'])
})

test('step 7: expires of the contact comes before Expires, which comes before the default', () => {
  const core = new Core({ 'registrar.defaultSeconds': 1800 })
  const response = core.register(
    'alice',
    ['<sip:alice@192.0.2.100>;expires=600', '<sip:alice@192.0.2.101>'],
    [['Expires', '900']],
  )
  assert.deepEqual(contactsOf(response), ['<sip:alice@192.0.2.100>;expires=600', '<sip:alice@192.0.2.101>;expires=900'])
  assert.deepEqual(contactsOf(core.register('bob', ['<sip:bob@192.0.2.100>'])), ['<sip:bob@192.0.2.100>;expires=1800'])
})

test('step 7 and §20.10: a malformed expiration counts as 3600', () => {
  const core = new Core({ 'registrar.defaultSeconds': 1800 })
  const response = core.register('alice', ['<sip:alice@192.0.2.100>;expires=tomorrow'])
  assert.deepEqual(contactsOf(response), ['<sip:alice@192.0.2.100>;expires=3600'])
})

test('step 7: more than the maximum is shortened to it', () => {
  const core = new Core({ 'registrar.maxSeconds': 7200 })
  const response = core.register('alice', ['<sip:alice@192.0.2.100>;expires=4294967295'])
  assert.deepEqual(contactsOf(response), ['<sip:alice@192.0.2.100>;expires=7200'])
})

test('step 7: above zero, below an hour and below the minimum gets 423 with Min-Expires, and nothing changes', () => {
  const core = new Core({ 'registrar.minSeconds': 120 })
  const response = core.register('alice', ['<sip:alice@192.0.2.100>', '<sip:alice@192.0.2.101>;expires=119'])
  assert.equal(response.status, 423)
  assert.equal(response.header('Min-Expires'), '120')
  assert.deepEqual(boundOf(core), [])
  assert.equal(core.register('alice', ['<sip:alice@192.0.2.100>;expires=120']).status, 200)
})

test('step 7: contacts are found by comparison of URIs, not of text', () => {
  const core = new Core()
  core.register('alice', ['<sip:%61lice@192.0.2.100:5070;transport=udp>'])
  const response = core.register('alice', ['<sip:alice@192.0.2.100:5070;Transport=UDP>;expires=0'])
  assert.equal(response.status, 200)
  assert.deepEqual(contactsOf(response), [])
})

test('step 7: a binding of another Call-ID is updated or removed whatever the CSeq', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.100>'], [['CSeq', '100 REGISTER']])
  const fields = [
    ['Call-ID', 'after a reboot'.replaceAll(' ', '-')],
    ['CSeq', '1 REGISTER'],
  ] as const
  assert.equal(core.register('alice', ['<sip:alice@192.0.2.100>;expires=60'], fields).status, 200)
  assert.equal(
    core.store.transact(db => storedRegistration(db, alice)!.bindings[0]!.cseq),
    1,
  )
})

test('step 7: a request of the same Call-ID with a CSeq that is not higher fails as a whole', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.100>'], [['CSeq', '5 REGISTER']])
  for (const cseq of ['5 REGISTER', '4 REGISTER']) {
    const contacts = ['<sip:alice@192.0.2.200>', '<sip:alice@192.0.2.100>;expires=0']
    assert.equal(core.register('alice', contacts, [['CSeq', cseq]]).status, 500)
    assert.deepEqual(boundOf(core), ['sip:alice@192.0.2.100'])
  }
  assert.equal(core.register('alice', ['<sip:alice@192.0.2.100>;expires=0'], [['CSeq', '6 REGISTER']]).status, 200)
  assert.deepEqual(boundOf(core), [])
})

test('step 7: updates are committed if and only if all of them succeed, whichever write of the store fails', () => {
  const writes = (core: Core): number => core.store.counters.writes
  const once = new Core()
  const before = writes(once)
  once.register('alice', ['<sip:alice@192.0.2.100>', '<sip:alice@192.0.2.101>'])
  const count = writes(once) - before
  assert.ok(count > 0)
  for (let n = 1; n <= count; n++) {
    const core = new Core()
    core.register('alice', ['<sip:alice@192.0.2.99>'])
    core.store.failWrite(n)
    const contacts = ['<sip:alice@192.0.2.100>', '<sip:alice@192.0.2.101>']
    assert.throws(() => core.register('alice', contacts), `write ${n}`)
    assert.deepEqual(boundOf(core), ['sip:alice@192.0.2.99'], `write ${n}`)
  }
})

test('step 8: 200 enumerates all bindings, each with expires as it is now, and has a Date', () => {
  const core = new Core()
  core.register('alice', ['"Alice, at home" <sip:alice@192.0.2.100>;q=0.5;methods="INVITE, ACK"'])
  core.pass(100)
  const response = core.register('alice', ['<sip:alice@192.0.2.101>;expires=60'])
  assert.deepEqual(contactsOf(response), [
    '"Alice, at home" <sip:alice@192.0.2.100>;methods="INVITE, ACK";q=0.5;expires=3500',
    '<sip:alice@192.0.2.101>;expires=60',
  ])
  assert.equal(response.header('Date'), 'Fri, 20 Nov 2026 12:01:40 GMT')
})

test('a REGISTER without Contact fetches the bindings and changes nothing', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.100>'])
  const { writes } = core.store.counters
  assert.deepEqual(contactsOf(core.register('alice', [])), ['<sip:alice@192.0.2.100>;expires=3600'])
  assert.equal(core.store.counters.writes, writes)
})

test('Record-Route of a REGISTER is ignored and never returned', () => {
  const core = new Core()
  const response = core.register('alice', ['<sip:alice@192.0.2.100>'], [['Record-Route', '<sip:p.example;lr>']])
  assert.equal(response.hasHeader('Record-Route'), false)
})

test('a binding ends when its time has come, and nothing is left of it', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.100>;expires=60', '<sip:alice@192.0.2.101>;expires=600'])
  core.pass(59)
  assert.equal(boundOf(core).length, 2)
  core.pass(1)
  assert.deepEqual(boundOf(core), ['sip:alice@192.0.2.101'])
  core.pass(540)
  assert.equal(
    core.store.transact(db => storedRegistration(db, alice)),
    undefined,
  )
  assert.equal([...core.wakes.values()].filter(({ entity }) => entity === 'registrar').length, 0)
})

test('a refresh keeps a binding beyond its first expiry with one write and no further wake', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.100>;expires=600'])
  core.pass(300)
  const { writes } = core.store.counters
  const wakes = core.wakes.size
  core.register('alice', ['<sip:alice@192.0.2.100>;expires=600'])
  assert.equal(core.store.counters.writes - writes, 1)
  assert.equal(core.wakes.size, wakes)
  core.pass(400)
  assert.deepEqual(boundOf(core), ['sip:alice@192.0.2.100'])
  core.pass(200)
  assert.deepEqual(boundOf(core), [])
})

test('a shorter expiry is noticed at its time', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.100>;expires=600'])
  core.register('alice', ['<sip:alice@192.0.2.100>;expires=60'])
  core.pass(60)
  assert.equal(
    core.store.transact(db => storedRegistration(db, alice)),
    undefined,
  )
})

test('more contacts than the limit get 403 and change nothing', () => {
  const core = new Core()
  const contacts = Array.from({ length: 17 }, (_, at) => `<sip:alice@192.0.2.${at + 10}>`)
  assert.equal(core.register('alice', contacts).status, 403)
  assert.deepEqual(boundOf(core), [])
  assert.equal(core.register('alice', contacts.slice(1)).status, 200)
  assert.equal(boundOf(core).length, 16)
})

test('a contact that is the registered address itself gets 403: it would be a loop', () => {
  const core = new Core()
  for (const uri of ['sip:alice@box.example', 'sip:alice@192.0.2.1:5060', 'sips:alice@box.example'])
    assert.equal(core.register('alice', [`<${uri}>`]).status, 403, uri)
})

test('q is a number from 0 to 1: 400', () => {
  assert.equal(new Core().register('alice', ['<sip:alice@192.0.2.100>;q=2']).status, 400)
})

test('SIP-10: the Presence Server is woken when contacts come, change or go, and not by a refresh', () => {
  const core = new Core()
  const woken = (): boolean => {
    const found = [...core.wakes].find(([, { token }]) => token === 'resource presence sip:alice@box.example')
    if (found) core.wakes.delete(found[0])
    return found !== undefined
  }
  core.register('alice', ['<sip:alice@192.0.2.100>'])
  assert.ok(woken(), 'registered')
  core.register('alice', ['<sip:alice@192.0.2.100>'])
  assert.equal(woken(), false, 'refreshed')
  core.register('alice', ['<sip:alice@192.0.2.100>;q=0.2'])
  assert.ok(woken(), 'changed')
  core.register('alice', ['<sip:alice@192.0.2.100>;expires=0'])
  assert.ok(woken(), 'unregistered')
  core.register('alice', ['<sip:alice@192.0.2.100>;expires=60'])
  assert.ok(woken(), 'registered again')
  core.pass(60)
  assert.ok(woken(), 'expired')
})
