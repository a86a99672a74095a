/** RFC 3856 §6: the presence event package. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  alice,
  bob,
  carol,
  PresenceWorld,
  pidf,
  said,
  text,
} from '../../unit/entities/presence-server/presence-world.ts'

describe('§6.2, §6.5 PS-30', () => {
  test('the body is application/pidf+xml, whether or not Accept says so', () => {
    const world = new PresenceWorld()
    world.subscribe()
    world.subscribe({ headers: [['Accept', 'application/pidf+xml, application/cpim-pidf+xml;q=0.5']] })
    for (const { request } of world.sent) assert.equal(request.header('Content-Type'), 'application/pidf+xml')
  })

  test('an Accept without it is answered 406', () => {
    const world = new PresenceWorld()
    assert.equal(world.subscribe({ headers: [['Accept', 'application/xpidf+xml']] }).status, 406)
  })

  test('PS-31: the default duration is 3600 s', () => {
    const world = new PresenceWorld()
    assert.equal(world.subscribe().header('Expires'), '3600')
  })
})

describe('§6.6.1 who may subscribe', () => {
  test('PS-32: an unknown presentity is answered 404', () => {
    const world = new PresenceWorld()
    assert.equal(world.subscribe({ to: 'sip:nobody@box.example' }).status, 404)
    assert.equal(world.subscribe({ to: 'sip:box.example' }).status, 404)
  })

  test('PS-70 block: 403', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'block' })
    assert.equal(world.subscribe().status, 403)
    assert.equal(world.sent.length, 0)
  })

  test('PS-70 confirm: 200 and pending, without a document', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
    world.publish('open')
    assert.equal(world.subscribe().status, 200)
    assert.equal(world.log()[0], 'NOTIFY pending 1')
    assert.equal(world.sent[0]!.request.hasHeader('Content-Type'), false)
  })

  test('PS-93: a user sees his own presence whatever the default is', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'block' })
    world.publish('open')
    assert.equal(world.subscribe({ from: alice }).status, 200)
    assert.equal(said(world.sent[0]), 'open')
  })

  test('PS-76: any of the asserted identities may be that of the presentity', () => {
    const world = new PresenceWorld({ 'presence.defaultHandling': 'block', 'auth.required': true })
    world.users.add('tel:+4930123')
    const headers: [string, string][] = [['P-Asserted-Identity', `<${alice}>, <tel:+4930123>`]]
    assert.equal(world.subscribe({ from: bob, headers }).status, 200)
    assert.equal(world.subscribe({ from: bob, to: carol, headers }).status, 403)
  })

  test('PS-77, DEC-07: who has no identity is refused', () => {
    const world = new PresenceWorld({ 'auth.required': true })
    assert.equal(world.subscribe({ from: bob }).status, 403)
  })
})

describe('§6.7 NOTIFY', () => {
  test('PS-124: with no state there is a valid document that names the presentity and has one closed tuple', () => {
    const world = new PresenceWorld()
    world.subscribe()
    const body = text(world.sent[0]!.request.body)
    assert.match(body, /entity="sip:alice@box\.example"/)
    assert.equal(said(world.sent[0]), 'closed')
  })

  test('one publication is passed on octet for octet', () => {
    const world = new PresenceWorld()
    world.publish('open')
    world.subscribe()
    assert.equal(text(world.sent[0]!.request.body), pidf('open'))
  })

  test('several publications become one document', () => {
    const world = new PresenceWorld()
    const publish = (id: string, basic: string) =>
      world.request('PUBLISH', alice, {
        headers: [
          ['Event', 'presence'],
          ['Content-Type', 'application/pidf+xml'],
        ],
        body: pidf(basic, alice, id)
          .replace('<tuple', `<!-- ${id} --><tuple`)
          .replace('</status>', `</status><contact>sip:${id}@192.0.2.1</contact>`),
      })
    publish('one', 'open')
    publish('two', 'closed')
    world.subscribe()
    const body = text(world.sent[0]!.request.body)
    assert.match(body, /sip:one@192\.0\.2\.1/)
    assert.match(body, /sip:two@192\.0\.2\.1/)
  })

  test('the end of a publication is told', () => {
    const world = new PresenceWorld()
    world.publish('open', { expires: 100 })
    world.subscribe()
    world.pass(100)
    assert.equal(world.sent.length, 2)
    assert.equal(text(world.sent[1]!.request.body), world.neutral())
  })

  test('SIP-10: registration is told, and its end', () => {
    const world = new PresenceWorld()
    world.publish('open')
    world.subscribe()
    world.registered.add(alice)
    world.wake({ kind: 'wake', at: world.now, token: `resource presence ${alice}` })
    assert.match(text(world.sent[1]!.request.body), /registration-state>active</)
    world.registered.delete(alice)
    world.wake({ kind: 'wake', at: world.now, token: `resource presence ${alice}` })
    assert.doesNotMatch(text(world.sent[2]!.request.body), /registration-state>active</)
    assert.equal(said(world.sent[2]), 'open')
  })

  test('OP-11: an element whose `until` passes is taken out, and that is told', () => {
    const world = new PresenceWorld()
    const until = (seconds: number) => new Date(world.now + seconds * 1000).toISOString()
    const willing = (seconds: number, basic: string) =>
      `<dm:person id="p${seconds}"><op:overriding-willingness ext:until="${until(seconds)}"><op:basic>${basic}</op:basic></op:overriding-willingness></dm:person>`
    const body = pidf('open')
      .replace(
        '<presence ',
        '<presence xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:op="urn:oma:xml:prs:pidf:oma-pres" xmlns:ext="urn:oma:xml:pde:pidf:ext" ',
      )
      .replace('</presence>', `${willing(100, 'open')}${willing(200, 'closed')}</presence>`)
    world.request('PUBLISH', alice, {
      headers: [
        ['Event', 'presence'],
        ['Content-Type', 'application/pidf+xml'],
        ['Expires', '1000'],
      ],
      body,
    })
    world.subscribe()
    const count = (index: number) =>
      text(world.sent[index]!.request.body).split('<op:overriding-willingness').length - 1
    assert.equal(count(0), 2)
    world.pass(101)
    assert.equal(world.sent.length, 2)
    assert.equal(count(1), 1)
    world.pass(100)
    assert.equal(world.sent.length, 3)
    assert.equal(count(2), 0)
    world.pass(500)
    assert.equal(world.sent.length, 3)
  })
})

describe('§6.10 PS-31', () => {
  test('at most one notification in five seconds', () => {
    const world = new PresenceWorld({ 'presence.minNotifyIntervalSeconds': 5 })
    let tag = world.publish('open').header('SIP-ETag')
    world.subscribe()
    for (let second = 0; second < 20; second++) {
      tag = world.publish(second % 2 === 0 ? 'closed' : 'open', { tag }).header('SIP-ETag')
      world.pass(1)
    }
    world.pass(60)
    const times = world.sent.map(({ at }) => at)
    for (let index = 1; index < times.length; index++) assert.ok(times[index]! - times[index - 1]! >= 5000)
    assert.equal(times.length, 5)
    assert.equal(said(world.sent.at(-1)), 'open', 'the last state is told')
  })
})
