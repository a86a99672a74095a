/** RFC 5263 §4: partial notification of presence. */

import { strict as assert } from 'node:assert'
import { beforeEach, describe, it } from 'node:test'
import type { SipResponse } from '../../../src/protocols/sip/message.ts'
import { canonicalPresence, PartialView } from '../../actors/partial-view.ts'
import { readDocument } from '../../actors/xml-patcher.ts'
import { alice, bob, carol, PresenceWorld, text } from '../../unit/entities/presence-server/presence-world.ts'

let world: PresenceWorld
let view: PartialView
/** Sent requests that the view has seen. */
let seen: number

beforeEach(() => {
  world = new PresenceWorld()
  view = new PartialView()
  seen = 0
})

const both = ['Accept', 'application/pidf+xml;q=0.3, application/pidf-diff+xml;q=1'] as const

/** A document long enough that a change of it is shorter. */
function document(basic: string, note = 'a note that says something'): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" entity="${alice}">
 <tuple id="t1"><status><basic>${basic}</basic></status><contact priority="0.8">sip:alice@192.0.2.7:5060</contact></tuple>
 <tuple id="t2"><status><basic>open</basic></status><note xml:lang="en">${note}</note></tuple>
 <d:person id="p1"><r:activities><r:meeting/></r:activities></d:person>
</presence>`
}

function publish(body: string, tag?: string, expires = 3600): string {
  const response = world.request('PUBLISH', alice, {
    headers: [
      ['Event', 'presence'],
      ['Content-Type', 'application/pidf+xml'],
      ['Expires', String(expires)],
      ...(tag ? [['SIP-If-Match', tag] as const] : []),
    ],
    body,
  })
  assert.equal(response.status, 200)
  return response.header('SIP-ETag')!
}

function subscribe(accept: readonly [string, string] = both, from = bob): SipResponse {
  const response = world.subscribe({ from, headers: [accept] })
  assert.equal(response.status, 200)
  return response
}

/** Has the view take what was sent to bob since last time; returns the content types. */
function receive(): (string | undefined)[] {
  const news = world.sent.slice(seen).filter(({ request }) => request.header('To')!.includes('bob'))
  seen = world.sent.length
  for (const { request } of news) view.receive(request.contentType?.type, text(request.body))
  assert.deepEqual(view.faults, [])
  return news.map(({ request }) => request.contentType?.type)
}

/** What somebody is told who asks for everything. */
function truth(from = bob): string {
  world.subscribe({ from, expires: 0, headers: [['Accept', 'application/pidf+xml']] })
  const body = text(world.sent.at(-1)!.request.body)
  seen = world.sent.length
  return canonicalPresence(body)
}

function check(kind: 'pidf-full' | 'pidf-diff' | 'pidf', version: number): void {
  receive()
  assert.equal(view.last, kind)
  assert.equal(view.version, version)
  assert.equal(view.canonical, truth())
}

describe('RFC 5263 §4.3: which type is sent', () => {
  for (const [accept, type] of [
    ['application/pidf+xml', 'application/pidf+xml'],
    ['application/pidf+xml, application/pidf-diff+xml', 'application/pidf-diff+xml'],
    ['application/pidf-diff+xml, application/pidf+xml', 'application/pidf-diff+xml'],
    ['application/pidf+xml;q=0.3, application/pidf-diff+xml;q=1', 'application/pidf-diff+xml'],
    ['application/pidf+xml, application/pidf-diff+xml;q=0.5', 'application/pidf+xml'],
    ['application/pidf+xml;q=0.5, application/pidf-diff+xml;q=0', 'application/pidf+xml'],
    ['*/*', 'application/pidf+xml'],
    ['application/*', 'application/pidf+xml'],
    ['*/*;q=0.1, application/pidf-diff+xml', 'application/pidf-diff+xml'],
    ['application/pidf-diff+xml', 'application/pidf-diff+xml'],
  ] as const) {
    it(`is ${type} for Accept: ${accept}`, () => {
      subscribe(['Accept', accept])
      assert.deepEqual(receive(), [type])
    })
  }
  it('is application/pidf+xml without Accept', () => {
    world.subscribe()
    assert.deepEqual(receive(), ['application/pidf+xml'])
  })
})

describe('RFC 5263 §4.4: partial notifications', () => {
  it('begin with the full state, version 1, and then tell what has changed, the version one higher each time', () => {
    let tag = publish(document('open'))
    subscribe()
    check('pidf-full', 1)
    tag = publish(document('closed'), tag)
    check('pidf-diff', 2)
    tag = publish(document('closed', 'another note'), tag)
    check('pidf-diff', 3)
    publish(document('open', 'another note').replace('<r:meeting/>', '<r:meeting/><r:busy/>'), tag)
    check('pidf-diff', 4)
  })
  it('say it in few octets', () => {
    const tag = publish(document('open'))
    subscribe()
    publish(document('closed'), tag)
    const [first, second] = world.sent.map(({ request }) => request.body.length)
    assert.ok(second! * 2 < first!, `${second} after ${first}`)
  })
  it('tell the full state when that is shorter', () => {
    const tag = publish(document('open'))
    subscribe()
    receive()
    publish(
      `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${alice}"><tuple id="x"><status/></tuple></presence>`,
      tag,
    )
    check('pidf-full', 2)
  })
  it('tell of publications that come and go, and of the registration', () => {
    publish(document('open'), undefined, 1000)
    subscribe()
    receive()
    const other = publish(document('open').replaceAll('"t', '"u').replace('"p1"', '"p2"'))
    receive()
    assert.equal(view.canonical, truth())
    world.request('PUBLISH', alice, {
      headers: [
        ['Event', 'presence'],
        ['SIP-If-Match', other],
        ['Expires', '0'],
      ],
    })
    receive()
    assert.equal(view.canonical, truth())
    world.pass(1100)
    receive()
    assert.equal(view.canonical, canonicalPresence(world.neutral()))
  })
  it('say nothing when nothing has changed', () => {
    const tag = publish(document('open'))
    subscribe()
    receive()
    publish(document('open'), tag)
    assert.deepEqual(receive(), [])
  })
  it('answer a refresh with the full state, without starting the version anew', () => {
    const tag = publish(document('open'))
    const accepted = subscribe()
    publish(document('closed'), tag)
    receive()
    world.resubscribe(accepted, { headers: [both] })
    check('pidf-full', 3)
  })
  it('do not answer a SUBSCRIBE that ends it, which "SHOULD": who leaves is spared the state (RFC 6665 §4.1.2.3)', () => {
    publish(document('open'))
    const accepted = subscribe()
    world.resubscribe(accepted, { headers: [both, ['Expires', '0']], expires: 0 })
    const last = world.sent.at(-1)!.request
    assert.equal(last.header('Subscription-State'), 'terminated;reason=timeout')
    assert.equal(last.body.length, 0)
  })
  it('go on counting when application/pidf+xml was sent in between (PS-131)', () => {
    let tag = publish(document('open'))
    const accepted = subscribe()
    tag = publish(document('closed'), tag)
    check('pidf-diff', 2)
    world.resubscribe(accepted, { headers: [['Accept', 'application/pidf+xml']] })
    check('pidf', 2)
    tag = publish(document('open'), tag)
    check('pidf', 2)
    world.resubscribe(accepted, { headers: [both], cseq: accepted.cseq.number + 2 })
    check('pidf-full', 3)
    publish(document('closed'), tag)
    check('pidf-diff', 4)
  })
  it('count for each subscription by itself, and are computed once for equal views', () => {
    const tag = publish(document('open'))
    const first = subscribe()
    world.resubscribe(first, { headers: [both] })
    subscribe(both, carol)
    world.sent.length = 0
    publish(document('closed'), tag)
    const versions = world.sent.map(({ request }) => readDocument(text(request.body)).attributes.get('version'))
    assert.deepEqual(versions.sort(), ['2', '3'])
    const [a, b] = world.sent.map(({ request }) => text(request.body).replace(/version="\d"/, ''))
    assert.equal(a, b)
  })
  it('wait for the answer to the one before, and then tell all that has changed meanwhile', () => {
    let tag = publish(document('open'))
    subscribe()
    receive()
    world.peer = () => undefined
    tag = publish(document('closed'), tag)
    tag = publish(document('closed', 'second'), tag)
    publish(document('open', 'third'), tag)
    assert.equal(receive().length, 1)
    assert.equal(view.version, 2)
    world.peer = () => 200
    world.answer(world.sent.at(-1)!, 200)
    check('pidf-diff', 3)
  })
  it('are whole again after one that was refused, or not answered in time', () => {
    let tag = publish(document('open'))
    subscribe()
    receive()
    world.peer = () => 500
    tag = publish(document('closed'), tag)
    seen = world.sent.length
    world.peer = () => 200
    tag = publish(document('closed', 'second'), tag)
    check('pidf-full', 3)
    publish(document('open', 'second'), tag)
    check('pidf-diff', 4)
  })
  it('are whole again after a restart, with a version that is surely newer', () => {
    let tag = publish(document('open'))
    subscribe()
    receive()
    world.pass(120)
    world.restart()
    assert.deepEqual(receive(), [])
    tag = publish(document('closed'), tag)
    receive()
    assert.equal(view.last, 'pidf-full')
    const { version } = view
    publish(document('open'), tag)
    check('pidf-diff', version! + 1)
  })
  it('are told again after a restart when they may not have left', () => {
    const tag = publish(document('open'))
    subscribe()
    receive()
    world.peer = () => undefined
    publish(document('closed'), tag)
    seen = world.sent.length
    world.peer = () => 200
    world.restart()
    receive()
    assert.equal(view.last, 'pidf-full')
    assert.equal(view.canonical, truth())
  })
  it('cost nothing once the subscription has ended', async () => {
    const tag = publish(document('open'))
    const accepted = subscribe()
    world.resubscribe(accepted, { expires: 0, headers: [both] })
    world.request('PUBLISH', alice, {
      headers: [
        ['Event', 'presence'],
        ['SIP-If-Match', tag],
        ['Expires', '0'],
      ],
    })
    world.pass(200)
    assert.equal(await world.size(), 0)
  })
})
