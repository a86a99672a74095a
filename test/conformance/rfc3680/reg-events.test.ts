/** RFC 3680 §4, §5 and RFC 5628: the event package `reg` (SIP-06). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseReginfo, type RegisteredContact } from '../../../src/documents/reginfo.ts'
import { removeUser } from '../../../src/entities/sip-ip-core/accounts.ts'
import type { HeaderField } from '../../../src/protocols/sip/message.ts'
import type { Output } from '../../../src/turn.ts'
import { answerOf, Core, responseTo, type Sent, sentOf } from '../../unit/entities/sip-ip-core/core.ts'

const alice = 'sip:alice@box.example'

/** A subscription of Alice's, and the NOTIFYs she gets and accepts. */
class Subscriber {
  readonly core: Core
  readonly notified: Sent[] = []
  readonly #callId: string
  #cseq = 0
  #tag: string | undefined

  constructor(core: Core, callId = 'watching') {
    this.core = core
    this.#callId = callId
  }

  subscribe(fields: readonly HeaderField[] = [], resource = alice, identity = alice) {
    const request = this.core.received('SUBSCRIBE', resource, [
      ['Event', 'reg'],
      ['Contact', '<sip:alice@192.0.2.100>'],
      ['From', `<${identity}>;tag=w`],
      ['To', `<${resource}>${this.#tag === undefined ? '' : `;tag=${this.#tag}`}`],
      ['Call-ID', this.#callId],
      ['CSeq', `${++this.#cseq} SUBSCRIBE`],
      ['P-Asserted-Identity', `<${identity}>`],
      ...fields,
    ])
    const outputs = this.core.request('registrar', request)
    const answer = answerOf(outputs)
    if (answer.status === 200) this.#tag ??= answer.toTag
    this.take(outputs)
    return answer
  }

  /** Accepts every NOTIFY, and what that leads to. */
  take(outputs: readonly Output[]): void {
    for (const sent of sentOf(outputs)) {
      this.notified.push(sent)
      this.take(this.core.answer('registrar', sent.token, responseTo(sent, 200)))
    }
  }

  /** Lets time pass, then gives the document of each NOTIFY since the last call. */
  after(seconds = 0) {
    this.take(this.core.pass(seconds))
    return this.notified.splice(0).map(({ request }) => {
      assert.equal(request.header('Event'), 'reg')
      assert.equal(request.header('Content-Type'), 'application/reginfo+xml')
      return parseReginfo(request.body)
    })
  }
}

function shown(contacts: readonly RegisteredContact[]): Array<readonly [string, string, string]> {
  return contacts.map(({ uri, state, event }) => [uri, state, event] as const)
}

test('§4.4: without Expires a subscription lasts 3761 seconds', () => {
  assert.equal(new Subscriber(new Core()).subscribe().header('Expires'), '3761')
})

test('§4.5: an Accept without application/reginfo+xml gets 406', () => {
  assert.equal(new Subscriber(new Core()).subscribe([['Accept', 'application/pidf+xml']]).status, 406)
})

test('§4.6: a user may subscribe to his own registration, and to no other: 403', () => {
  assert.equal(new Subscriber(new Core()).subscribe([], alice, 'sip:bob@box.example').status, 403)
})

test('a registration that does not exist cannot be subscribed to: 404', () => {
  assert.equal(new Subscriber(new Core()).subscribe([], 'sip:nobody@box.example').status, 404)
})

test('§4.7.1: the registration is init without contacts, and version 0 is the first document', () => {
  const subscriber = new Subscriber(new Core())
  subscriber.subscribe()
  const [document] = subscriber.after()
  assert.equal(document!.version, 0)
  assert.equal(document!.state, 'full')
  assert.equal(document!.registrations[0]!.aor, alice)
  assert.equal(document!.registrations[0]!.state, 'init')
  assert.deepEqual(document!.registrations[0]!.contacts, [])
})

test('§4.3, §5.2: after a change only what has changed is told, under the same ids, with versions one by one', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.1:6000>'])
  core.pass(10)
  const subscriber = new Subscriber(core)
  subscriber.subscribe()
  const [first] = subscriber.after(10)
  const [registration] = first!.registrations
  assert.deepEqual(shown(registration!.contacts), [['sip:alice@192.0.2.1:6000', 'active', 'registered']])

  core.register('alice', ['<sip:alice@192.0.2.2:6000>;q=0.5'])
  const [second] = subscriber.after()
  assert.deepEqual([second!.version, second!.state], [1, 'partial'])
  assert.equal(second!.registrations[0]!.id, registration!.id)
  assert.equal(second!.registrations[0]!.state, 'active')
  assert.deepEqual(shown(second!.registrations[0]!.contacts), [['sip:alice@192.0.2.2:6000', 'active', 'registered']])
  assert.equal(second!.registrations[0]!.contacts[0]!.q, '0.5')

  core.pass(10)
  core.register('alice', ['<sip:alice@192.0.2.1:6000>;expires=0'])
  const [third] = subscriber.after()
  const [gone] = third!.registrations[0]!.contacts
  assert.deepEqual(shown([gone!]), [['sip:alice@192.0.2.1:6000', 'terminated', 'unregistered']])
  assert.equal(gone!.id, registration!.contacts[0]!.id)
  assert.equal(third!.registrations[0]!.state, 'active')
  assert.equal(third!.version, 2)
})

test('§5.1: a contact is told with its Call-ID, CSeq, age, rest and other parameters', () => {
  const core = new Core()
  const fields = [
    ['Call-ID', 'c1'],
    ['CSeq', '7 REGISTER'],
  ] as const
  core.register('alice', ['"Al" <sip:alice@192.0.2.1:6000>;expires=100;methods="INVITE, ACK";isfocus'], fields)
  core.pass(40)
  const subscriber = new Subscriber(core)
  subscriber.subscribe()
  const [contact] = subscriber.after()[0]!.registrations[0]!.contacts
  assert.equal(contact!.displayName, 'Al')
  assert.equal(contact!.callId, 'c1')
  assert.equal(contact!.cseq, 7)
  assert.equal(contact!.expiresSeconds, 60)
  assert.equal(contact!.durationRegisteredSeconds, 40)
  assert.deepEqual(contact!.unknownParams, [
    ['methods', '"INVITE, ACK"'],
    ['isfocus', ''],
  ])
})

test('§4.7.1: when the last contact expires, it and the registration are terminated; then init, which is never told', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.1:6000>;expires=60'])
  const subscriber = new Subscriber(core)
  subscriber.subscribe()
  subscriber.after(30)
  const [document] = subscriber.after(30)
  assert.equal(document!.registrations[0]!.state, 'terminated')
  assert.deepEqual(shown(document!.registrations[0]!.contacts), [['sip:alice@192.0.2.1:6000', 'terminated', 'expired']])
  assert.deepEqual(subscriber.after(120), [])
  subscriber.subscribe()
  assert.equal(subscriber.after()[0]!.registrations[0]!.state, 'init')
})

test('§4.10: at most one notification every 5 seconds, with all that happened between', () => {
  const core = new Core()
  const subscriber = new Subscriber(core)
  subscriber.subscribe()
  assert.equal(subscriber.after(5).length, 1)
  for (let n = 0; n < 5; n++) {
    core.register('alice', [`<sip:alice@192.0.2.${n + 10}>`])
    subscriber.take(core.pass(1))
  }
  core.register('alice', ['<sip:alice@192.0.2.10>;expires=0'])
  const contacts = subscriber.after(10).map(({ registrations }) => registrations[0]!.contacts)
  assert.deepEqual(
    contacts.map(({ length }) => length),
    [1, 4, 1],
  )
  assert.deepEqual(shown(contacts[2]!), [['sip:alice@192.0.2.10', 'terminated', 'unregistered']])
})

test('a refresh that changes nothing is not told', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.1:6000>'])
  const subscriber = new Subscriber(core)
  subscriber.subscribe()
  subscriber.after(10)
  core.register('alice', ['<sip:alice@192.0.2.1:6000>'])
  assert.deepEqual(subscriber.after(60), [])
})

test('§4.7.2: a fetch, SUBSCRIBE with Expires 0, brings the full state once', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.1:6000>', '<sip:alice@192.0.2.2:6000>'])
  const subscriber = new Subscriber(core)
  assert.equal(subscriber.subscribe([['Expires', '0']]).status, 200)
  const [document] = subscriber.after()
  assert.equal(document!.state, 'full')
  assert.equal(document!.registrations[0]!.contacts.length, 2)
  core.register('alice', ['*'], [['Expires', '0']])
  assert.deepEqual(subscriber.after(60), [])
})

test('RFC 5628 §5: contacts with an instance are told with their GRUUs, of which the temporary one works', () => {
  const core = new Core()
  const contact = '<sip:alice@192.0.2.1:6000>;+sip.instance="<urn:uuid:1>"'
  core.register(
    'alice',
    [contact],
    [
      ['Supported', 'gruu'],
      ['CSeq', '3 REGISTER'],
    ],
  )
  core.register(
    'alice',
    [contact],
    [
      ['Supported', 'gruu'],
      ['CSeq', '4 REGISTER'],
    ],
  )
  const subscriber = new Subscriber(core)
  subscriber.subscribe()
  const [told] = subscriber.after()[0]!.registrations[0]!.contacts
  assert.equal(told!.publicGruu, 'sip:alice@box.example;gr=urn:uuid:1')
  assert.equal(told!.temporaryGruu!.firstCseq, 3)
  assert.deepEqual(told!.unknownParams, [['+sip.instance', '"<urn:uuid:1>"']])
  const [sent] = sentOf(core.request('proxy', core.received('MESSAGE', told!.temporaryGruu!.uri)))
  assert.equal(sent!.request.uri, 'sip:alice@192.0.2.1:6000')
})

test('§4.7.1: a closed flow is deactivated, for the client may register again', () => {
  const core = new Core()
  const contact = '<sip:alice@10.0.0.1;transport=tcp;ob>;reg-id=1;+sip.instance="<urn:uuid:1>"'
  core.register('alice', [contact], [['Supported', 'outbound']], { transport: 'tcp', flow: 'tcp:1:run' })
  const subscriber = new Subscriber(core)
  subscriber.subscribe()
  subscriber.after(10)
  core.turn('registrar', turn => core.registrar.flowClosed('tcp:1:run', turn))
  const [document] = subscriber.after()
  assert.equal(document!.registrations[0]!.contacts[0]!.event, 'deactivated')
})

test('a removed user: his subscription to his registration ends with noresource', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.1:6000>'])
  const subscriber = new Subscriber(core)
  subscriber.subscribe()
  subscriber.after(10)
  const domain = { domain: 'box.example', realm: 'box.example' }
  core.turn('registrar', turn => removeUser(turn.db, 'alice', domain, turn.now))
  subscriber.take(core.pass(10))
  const last = subscriber.notified.at(-1)!.request
  assert.match(last.header('Subscription-State')!, /^terminated;reason=noresource/)
})

test('RFC 5839 §5.6: who knows his registration is not told it again when he refreshes, until it is another', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.1:6000>'])
  const subscriber = new Subscriber(core)
  subscriber.subscribe()
  const tag = subscriber.notified.at(-1)!.request.header('SIP-ETag')!
  assert.equal(subscriber.subscribe([['Suppress-If-Match', tag]]).status, 204)
  assert.equal(subscriber.after(10).length, 1)
  core.register('alice', ['<sip:alice@192.0.2.2:6000>'])
  assert.equal(subscriber.after(10)[0]!.state, 'partial')
  assert.equal(subscriber.subscribe([['Suppress-If-Match', tag]]).status, 200)
  const [whole] = subscriber.after(10)
  assert.deepEqual([whole!.state, whole!.registrations[0]!.contacts.length], ['full', 2])
})

test('SIP-06: another event gets 489 with Allow-Events: reg', () => {
  const answer = new Subscriber(new Core()).subscribe([['Event', 'wonder']])
  assert.equal(answer.status, 489)
  assert.equal(answer.header('Allow-Events'), 'reg')
})

test('when everything has ended nothing is left in the store', () => {
  const core = new Core()
  core.store.committed()
  const { size } = core.store
  const subscriber = new Subscriber(core)
  subscriber.subscribe([['Expires', '300']])
  core.register(
    'alice',
    ['<sip:alice@192.0.2.1:6000>;+sip.instance="<urn:uuid:1>";expires=60'],
    [['Supported', 'gruu']],
  )
  subscriber.take(core.pass(1000))
  core.store.committed()
  assert.equal(core.store.size, size)
})
