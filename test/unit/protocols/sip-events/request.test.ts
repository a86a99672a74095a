/** Reading of Event, Expires and the sender. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type HeaderField, SipRequest } from '../../../../src/protocols/sip/message.ts'
import { eventOf, grantedExpires, senderOf } from '../../../../src/protocols/sip-events/request.ts'
import { defaultSettings } from '../../../../src/settings.ts'
import type { Turn } from '../../../../src/turn.ts'

function request(...fields: HeaderField[]): SipRequest {
  return new SipRequest('SUBSCRIBE', 'sip:alice@box.example', fields)
}

function turnWith(required: boolean): Turn {
  return { settings: defaultSettings({ 'auth.required': required }) } as Turn
}

test('RFC 6665 §8.2.1: Event is read octet by octet, with its id and without other parameters', () => {
  assert.deepEqual(eventOf(request(['Event', 'presence'])), { name: 'presence', id: undefined })
  assert.deepEqual(eventOf(request(['o', 'presence;x=y ;id=a7'])), { name: 'presence', id: 'a7' })
  assert.deepEqual(eventOf(request(['Event', 'Presence'])), { name: 'Presence', id: undefined })
  assert.equal(eventOf(request()), undefined)
  assert.equal(eventOf(request(['Event', 'presence'], ['Event', 'reg'])), undefined)
})

test('a malformed Expires counts as none', () => {
  const bounds = { defaultSeconds: 600, minSeconds: 60, maxSeconds: 1000 }
  assert.equal(grantedExpires(request(['Expires', 'soon']), bounds), 600)
  assert.equal(grantedExpires(request(['Expires', '99999999999999']), bounds), 1000)
})

test('RFC 6665 §4.2.1.1: an interval of an hour is never too brief', () => {
  const bounds = { defaultSeconds: 8000, minSeconds: 7200, maxSeconds: 9000 }
  assert.equal(grantedExpires(request(['Expires', '3600']), bounds), 3600)
  assert.throws(() => grantedExpires(request(['Expires', '3599']), bounds), { status: 423 })
})

test('RFC 3325 §9.1: the first asserted sip and the first tel identity count', () => {
  const asserted = request(
    ['From', '"Somebody" <sip:x@y.example>;tag=1'],
    ['P-Asserted-Identity', '"Bob B." <sips:bob@box.example>, <tel:+49-30-123>'],
    ['P-Asserted-Identity', '<sip:other@box.example>'],
    ['P-Asserted-Identity', '<urn:service:sos>'],
  )
  assert.deepEqual(senderOf(asserted, turnWith(true)), {
    identities: ['sip:bob@box.example', 'tel:+4930123'],
    displayName: 'Bob B.',
  })
})

test('GSMA RCS 3 §6.6.1: the display name is the asserted one, else that of From', () => {
  const asserted = request(
    ['From', '"Bobby" <sip:bob@box.example>;tag=1'],
    ['P-Asserted-Identity', '<sip:bob@box.example>'],
  )
  assert.equal(senderOf(asserted, turnWith(true)).displayName, 'Bobby')
})

test('PS-77: without an asserted identity a sender is nobody, unless users need not prove who they are', () => {
  const plain = request(['From', 'Bob <sip:bob@BOX.example;x=y>;tag=1'])
  assert.deepEqual(senderOf(plain, turnWith(true)).identities, [])
  assert.deepEqual(senderOf(plain, turnWith(false)).identities, ['sip:bob@box.example'])
})
