/** RFC 5839: conditional notification, of presence and of packages that have no entity-tags of their own. */

import { strict as assert } from 'node:assert'
import { beforeEach, describe, it } from 'node:test'
import type { HeaderField, SipResponse } from '../../../src/protocols/sip/message.ts'
import { alice, bob, carol, PresenceWorld, said } from '../../unit/entities/presence-server/presence-world.ts'
import { CounterWorld } from '../../unit/protocols/sip-events/toy-package.ts'

let world: PresenceWorld
let publication: SipResponse

beforeEach(() => {
  world = new PresenceWorld()
  publication = world.publish('open')
})

function modify(basic: string): void {
  publication = world.publish(basic, { tag: publication.header('SIP-ETag')! })
  assert.equal(publication.status, 200)
}

/** The entity-tag of the last NOTIFY. */
function tag(): string {
  const value = world.sent.at(-1)!.request.header('SIP-ETag')
  assert.ok(value)
  return value
}

function knows(value: string): HeaderField {
  return ['Suppress-If-Match', value]
}

let step = 0
function refresh(accepted: SipResponse, headers: HeaderField[] = [], expires = 3600): SipResponse {
  return world.resubscribe(accepted, { headers, expires, cseq: accepted.cseq.number + ++step })
}

/** The last NOTIFY has no body, and no Content-Type (§6.2). */
function checkBodiless(): void {
  const { request } = world.sent.at(-1)!
  assert.equal(request.body.length, 0)
  assert.equal(request.hasHeader('Content-Type'), false)
}

describe('RFC 5839 §6.1: entity-tags', () => {
  it('are in every NOTIFY with state, the same for the same state and others for others', () => {
    world.subscribe()
    const open = tag()
    modify('closed')
    const closed = tag()
    assert.notEqual(open, closed)
    world.subscribe({ expires: 0 })
    assert.equal(tag(), closed)
    modify('open')
    assert.equal(tag(), open)
    assert.match(open, /^[\w.]+$/)
  })
  it('are others for another representation: type, coding, Event', () => {
    const tags = new Set<string>()
    for (const headers of [
      [],
      [['Accept', 'application/pidf+xml, application/pidf-diff+xml']],
      [['Accept-Encoding', 'deflate']],
      [['Event', 'presence;id=7']],
    ] as HeaderField[][]) {
      world.request('SUBSCRIBE', alice, {
        from: bob,
        headers: headers.some(([name]) => name === 'Event') ? headers : [['Event', 'presence'], ...headers],
      })
      tags.add(tag())
    }
    assert.equal(tags.size, 4)
  })
  it('outlive a restart, and a subscription', () => {
    world.subscribe({ expires: 0 })
    const before = tag()
    world.restart()
    world.subscribe({ expires: 0, headers: [knows(before)] })
    assert.equal(tag(), before)
    checkBodiless()
  })
  it('of a package that has none of its own are those of a subscription, and others after each change', () => {
    const counters = new CounterWorld()
    const accepted = counters.subscribe()
    const known = counters.sent.at(-1)!.request.header('SIP-ETag')!
    assert.match(known, /^[\w.]+$/)
    const condition: [string, string] = ['Suppress-If-Match', known]
    assert.equal(counters.refresh(accepted, [condition], accepted.cseq.number + 1).status, 204)
    assert.deepEqual(counters.bodies(), ['0'])
    counters.count()
    const next = counters.sent.at(-1)!.request.header('SIP-ETag')!
    assert.notEqual(next, known)
    assert.equal(counters.refresh(accepted, [condition], accepted.cseq.number + 2).status, 200)
    assert.equal(counters.sent.at(-1)!.request.header('SIP-ETag'), next)
    assert.deepEqual(counters.bodies(), ['0', '1', '1'])
    counters.subscribe({ headers: [['Suppress-If-Match', next]] })
    assert.deepEqual(counters.bodies(3), ['1'], 'another subscription has other tags')
  })
  it('of watcher information: who knows his watchers is told nothing when he refreshes', () => {
    const accepted = world.subscribe({ from: alice, event: 'presence.winfo' })
    const event: HeaderField = ['Event', 'presence.winfo']
    assert.equal(refresh(accepted, [event, knows(tag())]).status, 204)
    const before = tag()
    world.subscribe({ from: bob })
    const told = world.sent.findLast(({ request }) => request.header('Event') === 'presence.winfo')!
    assert.match(Buffer.from(told.request.body).toString(), /state="partial"/)
    assert.notEqual(told.request.header('SIP-ETag'), before)
    assert.equal(refresh(accepted, [event, knows(before)]).status, 200)
    assert.match(Buffer.from(world.sent.at(-1)!.request.body).toString(), /state="full"[\s\S]*sip:bob@box.example/)
    const known = tag()
    assert.equal(refresh(accepted, [event, knows(known)]).status, 204)
    world.pass(120)
    world.restart()
    assert.equal(refresh(accepted, [event, knows(known)]).status, 204)
  })
})

describe('RFC 5839 §5.4: polling', () => {
  it('who knows the state gets a NOTIFY without a body, with the tag', () => {
    world.subscribe({ expires: 0 })
    const known = tag()
    world.subscribe({ expires: 0, headers: [knows(known)] })
    checkBodiless()
    assert.equal(tag(), known)
    assert.match(world.log(1)[0]!, /^NOTIFY terminated;reason=timeout/)
    modify('closed')
    world.subscribe({ expires: 0, headers: [knows(known)] })
    assert.equal(said(world.sent.at(-1)), 'closed')
  })
})

describe('RFC 5839 §5.5: resuming a subscription', () => {
  it('begins with a NOTIFY without a body, and goes on with what changes', () => {
    world.subscribe({ expires: 0 })
    const known = tag()
    world.subscribe({ headers: [knows(known)] })
    checkBodiless()
    assert.equal(tag(), known)
    modify('closed')
    assert.equal(said(world.sent.at(-1)), 'closed')
  })
  it('begins with the state when that is another', () => {
    world.subscribe({ headers: [knows('f0123')] })
    assert.equal(said(world.sent.at(-1)), 'open')
  })
  it('with partial notification, the first body is a whole document', () => {
    const accept: HeaderField = ['Accept', 'application/pidf+xml, application/pidf-diff+xml']
    world.subscribe({ expires: 0, headers: [accept] })
    world.subscribe({ headers: [accept, knows(tag())] })
    checkBodiless()
    modify('closed')
    assert.match(Buffer.from(world.sent.at(-1)!.request.body).toString(), /:pidf-full [^>]*version="1"/)
  })
})

describe('RFC 5839 §5.6, §6.3: refreshing a subscription', () => {
  it('is answered 204 without a NOTIFY, and lasts longer', () => {
    const accepted = world.subscribe({ expires: 1800 })
    world.pass(1000)
    const response = refresh(accepted, [knows(tag())], 3600)
    assert.equal(response.status, 204)
    assert.equal(response.reason, 'No Notification')
    assert.equal(response.header('Expires'), '3600')
    assert.equal(response.header('To'), accepted.header('To'))
    assert.equal(world.sent.length, 1)
    world.pass(2000)
    assert.equal(refresh(accepted, [knows(tag())]).status, 204)
  })
  it('is answered 200 with a NOTIFY when the state is another', () => {
    const accepted = world.subscribe()
    const known = tag()
    world.peer = () => undefined
    modify('closed')
    world.peer = () => 200
    world.answer(world.sent.at(-1)!, 200)
    assert.equal(refresh(accepted, [knows(known)]).status, 200)
    assert.equal(said(world.sent.at(-1)), 'closed')
  })
  it('of later changes is told as soon as there is one, also if the state is the known one again afterwards', () => {
    const accepted = world.subscribe()
    assert.equal(refresh(accepted, [knows(tag())]).status, 204)
    modify('closed')
    modify('open')
    assert.deepEqual(world.sent.map(said), ['open', 'closed', 'open'])
  })
  it('partial notifications go on where they were', () => {
    const accept: HeaderField = ['Accept', 'application/pidf+xml, application/pidf-diff+xml']
    const accepted = world.subscribe({ headers: [accept] })
    assert.equal(refresh(accepted, [accept, knows(tag())]).status, 204)
    modify('closed')
    assert.match(Buffer.from(world.sent.at(-1)!.request.body).toString(), /pidf-(?:diff|full) [^>]*version="2"/)
  })
  it('with an entity-tag that is none, or two, is answered 400', () => {
    const accepted = world.subscribe()
    for (const headers of [[knows('a, b')], [knows('a'), knows('b')], [knows('')]]) {
      assert.equal(refresh(accepted, headers).status, 400)
    }
  })
  it('§5.7: an end is answered 204 without a NOTIFY', async () => {
    const accepted = world.subscribe()
    assert.equal(refresh(accepted, [knows(tag())], 0).status, 204)
    assert.equal(world.sent.length, 1)
    assert.equal(refresh(accepted).status, 481)
  })
})

describe('RFC 5839 §6.1: tags for all notifications, also to who is not yet let in', () => {
  it('his refresh is answered 204 while nobody has decided, and he is told all when he is let in', () => {
    const waiting = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
    waiting.publish('open')
    const accepted = waiting.subscribe()
    const pending = waiting.sent[0]!.request.header('SIP-ETag')!
    assert.ok(pending.length > 0)
    const again = waiting.resubscribe(accepted, {
      cseq: accepted.cseq.number + 1,
      headers: [['Event', 'presence'], knows(pending)],
    })
    assert.equal(again.status, 204)
    waiting.set('presence.defaultHandling', 'allow')
    waiting.wake({ kind: 'wake', at: waiting.now, token: 'policies' })
    assert.deepEqual(waiting.log(), ['NOTIFY pending 1', 'NOTIFY active 2'])
    assert.equal(said(waiting.sent[1]), 'open')
    assert.notEqual(waiting.sent[1]!.request.header('SIP-ETag'), pending)
  })
})

describe('RFC 5839 §5.2: the condition *', () => {
  it('silences a subscription until a SUBSCRIBE without it', () => {
    const accepted = world.subscribe()
    assert.equal(refresh(accepted, [knows('*')]).status, 204)
    modify('closed')
    modify('open')
    modify('closed')
    assert.equal(world.sent.length, 1)
    assert.equal(refresh(accepted).status, 200)
    assert.equal(said(world.sent.at(-1)), 'closed')
    modify('open')
    assert.equal(said(world.sent.at(-1)), 'open')
  })
  it('the NOTIFY that answers a SUBSCRIBE outside a dialog comes without a body', () => {
    world.subscribe({ headers: [knows('*')] })
    checkBodiless()
    modify('closed')
    assert.equal(world.sent.length, 1)
  })
  it('§6.2: changes of the subscription are told, without a body', () => {
    const waiting = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
    waiting.publish('open')
    waiting.subscribe({ from: carol, headers: [knows('*')] })
    waiting.set('presence.defaultHandling', 'allow')
    waiting.wake({ kind: 'wake', at: waiting.now, token: 'policies' })
    assert.deepEqual(waiting.log(), ['NOTIFY pending 1', 'NOTIFY active 2'])
    assert.equal(waiting.sent[1]!.request.body.length, 0)
    assert.ok(waiting.sent[1]!.request.hasHeader('SIP-ETag'))
  })
  it('survives a restart', () => {
    const accepted = world.subscribe()
    assert.equal(refresh(accepted, [knows('*')]).status, 204)
    world.restart()
    modify('closed')
    assert.equal(world.sent.length, 1)
  })
  it('RFC 6446 §7.2: with a minimum rate nothing is sent while nothing changes', () => {
    const accepted = world.subscribe()
    const known = tag()
    const response = world.resubscribe(accepted, {
      cseq: accepted.cseq.number + ++step,
      headers: [['Event', 'presence;min-rate=0.05'], knows(known)],
    })
    assert.equal(response.status, 204)
    world.pass(500)
    assert.equal(world.sent.length, 1)
    modify('closed')
    world.pass(50)
    assert.deepEqual(world.sent.map(said), ['open', 'closed', 'closed', 'closed'])
  })
})
