/**
 * OMA Presence SIMPLE 2.0: event notification suppression (PS-138). A watcher names states of his own in which he does not want to
 * be notified of others: `application/vnd.oma.suppnot+xml` in SUBSCRIBE.
 */

import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { limits } from '../../../src/limits.ts'
import type { HeaderField, SipResponse } from '../../../src/protocols/sip/message.ts'
import { PartialView } from '../../actors/partial-view.ts'
import { alice, bob, carol, PresenceWorld, text } from '../../unit/entities/presence-server/presence-world.ts'
import { friends, ListWorld } from '../rfc4662/list-world.ts'

const type = 'application/vnd.oma.suppnot+xml'

function set(filters: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<suppnot-filter-set xmlns="urn:oma:xml:prs:suppnot-filter" xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid">${filters}</suppnot-filter-set>`
}

function filter(...expressions: readonly string[]): string {
  const matches = expressions.map(one => `<suppress-if-match>${one}</suppress-if-match>`).join('')
  return `<suppnot-filter id="f1"><presattrib>${matches}</presattrib></suppnot-filter>`
}

const inMeeting = set(filter('//r:activities/r:meeting'))

function state(of: string, activity?: string, note = ''): string {
  return `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="${of}"><tuple id="t"><status><basic>open</basic></status><note>${note}</note></tuple>${activity === undefined ? '' : `<d:person id="p"><r:activities><r:${activity}/></r:activities></d:person>`}</presence>`
}

let world: PresenceWorld
const tags = new Map<string, string>()
let step = 0

beforeEach(() => {
  world = new PresenceWorld()
  tags.clear()
})

function publish(of: string, activity?: string, note?: string, expires = 3600): void {
  const tag = tags.get(of)
  const response = world.request('PUBLISH', of, {
    from: of,
    headers: [
      ['Event', 'presence'],
      ['Content-Type', 'application/pidf+xml'],
      ['Expires', String(expires)],
      ...(tag === undefined ? [] : [['SIP-If-Match', tag] as const]),
    ],
    body: state(of, activity, note),
  })
  assert.equal(response.status, 200)
  tags.set(of, response.header('SIP-ETag')!)
}

function subscribe(body: string, headers: HeaderField[] = [], from = bob): SipResponse {
  return world.request('SUBSCRIBE', alice, {
    from,
    headers: [
      ...(headers.some(([name]) => name === 'Event') ? [] : [['Event', 'presence'] as const]),
      ...(headers.some(([name]) => name === 'Content-Type') ? [] : [['Content-Type', type] as const]),
      ...headers,
    ],
    body,
  })
}

function refresh(accepted: SipResponse, body?: string, headers: HeaderField[] = []): SipResponse {
  return world.resubscribe(accepted, {
    cseq: accepted.cseq.number + ++step,
    headers: [...(body === undefined ? [] : [['Content-Type', type] as const]), ...headers],
    ...(body === undefined ? {} : { body }),
  })
}

/** The notes that NOTIFYs have told since `index`. */
function notes(index = 0): string[] {
  return world.sent.slice(index).map(({ request }) => /<(?:\w+:)?note>([^<]*)/.exec(text(request.body))?.[1] ?? '')
}

describe('PS-138: while the watcher is in a state that his filter names', () => {
  it('he is not notified of changes; when he no longer is, he is told the latest one at once', () => {
    publish(alice, undefined, 'one')
    publish(bob, 'meeting')
    subscribe(inMeeting)
    assert.deepEqual(notes(), ['one'], 'the NOTIFY that answers SUBSCRIBE is sent')
    publish(alice, undefined, 'two')
    publish(alice, undefined, 'three')
    world.pass(600)
    assert.deepEqual(notes(), ['one'])
    publish(bob, 'away')
    assert.deepEqual(notes(), ['one', 'three'])
    publish(alice, undefined, 'four')
    assert.deepEqual(notes(), ['one', 'three', 'four'])
  })
  it('nothing is sent afterwards when nothing has changed', () => {
    publish(alice, undefined, 'one')
    publish(bob, 'meeting')
    subscribe(inMeeting)
    publish(bob, 'away')
    assert.deepEqual(notes(), ['one'])
  })
  it('many subscriptions of his are told in bounded turns, and nobody else’s', () => {
    world = new PresenceWorld({}, { notificationsPerTurn: 2 })
    publish(alice, undefined, 'one')
    publish(bob, 'meeting')
    publish(carol, 'meeting')
    for (let at = 0; at < 7; at++) subscribe(inMeeting)
    subscribe(inMeeting, [], carol)
    publish(alice, undefined, 'two')
    assert.equal(world.sent.length, 8)
    publish(bob, 'away')
    assert.deepEqual(notes(8), Array(7).fill('two'))
  })
  it('it begins when he comes into that state, and ends when what he has published expires', () => {
    publish(alice, undefined, 'one')
    subscribe(inMeeting)
    publish(alice, undefined, 'two')
    publish(bob, 'meeting', '', 300)
    publish(alice, undefined, 'three')
    assert.deepEqual(notes(), ['one', 'two'])
    world.pass(301)
    assert.deepEqual(notes(), ['one', 'two', 'three'])
  })
  it('any expression of any filter suppresses; a registration alone is a state, too', () => {
    publish(alice, undefined, 'one')
    subscribe(
      set(
        `${filter('//r:meeting', '//r:sleeping')}<suppnot-filter id="f2"><presattrib><suppress-if-match>/p:presence/p:tuple/p:status[p:basic="closed"]</suppress-if-match></presattrib></suppnot-filter>`,
      ),
    )
    publish(alice, undefined, 'two')
    assert.deepEqual(notes(), ['one'], 'who has published nothing is closed')
    world.registered.add(bob)
    world.wake({ kind: 'wake', at: world.now, token: `resource presence ${bob}` })
    assert.deepEqual(notes(), ['one', 'two'])
    publish(bob, 'sleeping')
    publish(alice, undefined, 'three')
    assert.deepEqual(notes(), ['one', 'two'])
  })
  it('it is his own state, whatever others may see of it, and nobody else’s', () => {
    world.set('presence.defaultHandling', 'polite-block')
    publish(bob, 'meeting')
    world.set('presence.defaultHandling', 'allow')
    publish(alice, 'meeting', 'one')
    subscribe(inMeeting)
    subscribe(inMeeting, [], carol)
    publish(alice, 'meeting', 'two')
    assert.deepEqual(notes(), ['one', 'one', 'two'])
  })
  it('changes of the subscription itself are told, and its end', () => {
    world.set('presence.defaultHandling', 'confirm')
    publish(alice, undefined, 'one')
    publish(bob, 'meeting')
    const accepted = subscribe(inMeeting)
    world.set('presence.defaultHandling', 'allow')
    world.wake({ kind: 'wake', at: world.now, token: 'policies' })
    assert.deepEqual(world.log(), ['NOTIFY pending 1', 'NOTIFY active 2'])
    refresh(accepted, undefined, [['Expires', '0']])
    assert.match(world.log().at(-1)!, /^NOTIFY terminated;reason=timeout/)
    publish(bob, 'away')
    assert.equal(world.sent.length, 3, 'nothing is left of it')
  })
})

describe('PS-138: filters', () => {
  it('stay with a SUBSCRIBE without, are replaced by others, and ended by an empty set', () => {
    publish(alice, undefined, 'one')
    publish(bob, 'meeting')
    const accepted = subscribe(inMeeting)
    refresh(accepted)
    publish(alice, undefined, 'two')
    assert.deepEqual(notes(), ['one', 'one'])
    refresh(accepted, set(filter('//r:sleeping')))
    publish(alice, undefined, 'three')
    assert.deepEqual(notes(2), ['two', 'three'])
    refresh(accepted, inMeeting)
    publish(alice, undefined, 'four')
    assert.deepEqual(notes(4), ['three'])
    refresh(accepted, set(''))
    publish(alice, undefined, 'five')
    assert.deepEqual(notes(5), ['four', 'five'])
  })
  it('survive a restart', () => {
    publish(alice, undefined, 'one')
    publish(bob, 'meeting')
    subscribe(inMeeting)
    world.pass(120)
    world.restart()
    publish(alice, undefined, 'two')
    world.restart()
    world.pass(120)
    assert.deepEqual(notes(), ['one'])
    publish(bob, 'away')
    assert.deepEqual(notes(), ['one', 'two'])
  })
  it('of a fetch are of no use, and leave nothing behind', () => {
    publish(alice, undefined, 'one')
    publish(bob, 'meeting')
    subscribe(inMeeting, [['Expires', '0']])
    assert.deepEqual(notes(), ['one'])
    publish(bob, 'away')
    assert.equal(world.sent.length, 1)
  })
  for (const [why, body] of [
    ['not well-formed', '<suppnot-filter-set'],
    ['of another namespace', inMeeting.replace('suppnot-filter"', 'other"')],
    ['an unknown element', set('<suppnot-rule id="f1"/>')],
    [
      'an unknown attribute',
      set(
        '<suppnot-filter id="f1" urgent="1"><presattrib><suppress-if-match>//r:a</suppress-if-match></presattrib></suppnot-filter>',
      ),
    ],
    [
      'without id',
      set('<suppnot-filter><presattrib><suppress-if-match>//r:a</suppress-if-match></presattrib></suppnot-filter>'),
    ],
    ['without an expression', set('<suppnot-filter id="f1"><presattrib/></suppnot-filter>')],
    ['two of one id', set(filter('//r:meeting') + filter('//r:away'))],
    ['an expression that is none', set(filter('r:meeting'))],
    ['a function', set(filter('count(//r:meeting)'))],
    ['a prefix that is not declared', set(filter('//x:meeting'))],
    [
      'too many',
      set(
        Array.from({ length: limits.filter.filters + 1 }, (_, at) => filter('//r:a').replace('f1', `f${at}`)).join(''),
      ),
    ],
    ['too many expressions', set(filter(...Array.from({ length: limits.filter.expressions + 1 }, () => '//r:a')))],
    ['an expression that is too long', set(filter(`//r:${'a'.repeat(limits.filter.expressionCharacters)}`))],
  ] as const) {
    it(`${why}: 488`, () => {
      const response = subscribe(body)
      assert.equal(response.status, 488)
      assert.match(response.reason, /^Filter /)
      assert.equal(world.sent.length, 0)
    })
  }
  it('in more subscriptions to one resource than one watcher may have such: 503, for him alone', () => {
    publish(bob)
    publish(carol)
    const accepted = Array.from({ length: limits.filter.subscriptions }, () => subscribe(inMeeting))
    assert.ok(accepted.every(({ status }) => status === 200))
    assert.equal(subscribe(inMeeting).status, 503)
    assert.equal(subscribe(inMeeting, [], carol).status, 200)
    assert.equal(refresh(accepted[0]!, set('')).status, 200)
    assert.equal(subscribe(inMeeting).status, 200)
  })
  it('too large: 413', () => {
    assert.equal(subscribe(inMeeting + ' '.repeat(limits.filter.xml.bytes)).status, 413)
  })
  it('of a watcher whose own presence is not here: 488', () => {
    const response = subscribe(inMeeting, [], 'sip:dora@elsewhere.example')
    assert.equal(response.status, 488)
  })
  it('for another event package: 415', () => {
    const response = subscribe(inMeeting, [['Event', 'presence.winfo']], alice)
    assert.equal(response.status, 415)
  })
  it('an expression that takes too long suppresses nothing', () => {
    publish(alice, undefined, 'one')
    const deep = '//*'.repeat(20)
    const nested = `${'<r:a>'.repeat(12)}${'</r:a>'.repeat(12)}`.repeat(60)
    const response = world.request('PUBLISH', bob, {
      from: bob,
      headers: [
        ['Event', 'presence'],
        ['Content-Type', 'application/pidf+xml'],
      ],
      body: state(bob, 'meeting').replace('</tuple>', `</tuple><tuple id="b"><status/>${nested}</tuple>`),
    })
    assert.equal(response.status, 200)
    assert.equal(subscribe(set(filter(`${deep}[.="x" or .="y" or .="z"]`))).status, 200)
    const started = process.hrtime.bigint()
    publish(alice, undefined, 'two')
    assert.ok(Number(process.hrtime.bigint() - started) / 1e6 < 2_000)
    assert.deepEqual(notes(), ['one', 'two'])
  })
})

describe('PS-138 together with', () => {
  it('RFC 4660: what is withheld is compared with what was told, through the filter; both may come in one SUBSCRIBE', () => {
    publish(alice, undefined, 'one')
    publish(bob, 'meeting')
    const filters =
      '<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="p" urn="urn:ietf:params:xml:ns:pidf"/></ns-bindings><filter id="1"><what><include>//p:note</include></what></filter></filter-set>'
    const part = (of: string, body: string) => `--b\r\nContent-Type: ${of}\r\n\r\n${body}\r\n`
    const body = `${part('application/simple-filter+xml', filters)}${part(type, inMeeting)}--b--\r\n`
    assert.equal(subscribe(body, [['Content-Type', 'multipart/mixed;boundary=b']]).status, 200)
    publish(alice, 'away', 'one')
    publish(bob, 'busy')
    assert.deepEqual(notes(), ['one'])
    publish(bob, 'meeting')
    publish(alice, 'away', 'two')
    publish(bob, 'busy')
    assert.deepEqual(notes(), ['one', 'two'])
    assert.doesNotMatch(text(world.sent.at(-1)!.request.body), /person/)
  })
  it('RFC 5263: what changed meanwhile is one difference, and versions go on', () => {
    const view = new PartialView()
    publish(alice, undefined, 'one')
    publish(bob, 'meeting')
    subscribe(inMeeting, [['Accept', 'application/pidf+xml, application/pidf-diff+xml']])
    publish(alice, 'away', 'two')
    publish(alice, undefined, 'three')
    publish(bob, 'busy')
    assert.equal(world.sent.length, 2)
    for (const { request } of world.sent) view.receive(request.contentType?.type, text(request.body))
    assert.deepEqual([view.faults, view.version], [[], 2])
    assert.match(view.canonical!, /three/)
  })
  it('RFC 5839: a refresh with the tag of what was told last is answered with what there is', () => {
    publish(alice, undefined, 'one')
    publish(bob, 'meeting')
    const accepted = subscribe(inMeeting)
    const known: HeaderField = ['Suppress-If-Match', world.sent.at(-1)!.request.header('SIP-ETag')!]
    assert.equal(refresh(accepted, undefined, [known]).status, 204)
    publish(alice, undefined, 'two')
    assert.equal(refresh(accepted, undefined, [known]).status, 200)
    assert.deepEqual(notes(), ['one', 'two'])
  })
  it('RFC 6446: no rate makes a NOTIFY due while they are suppressed, and the longest interval goes on afterwards', () => {
    publish(alice, undefined, 'one')
    publish(bob, 'meeting')
    subscribe(inMeeting, [['Event', 'presence;min-rate=0.05']])
    world.pass(300)
    assert.deepEqual(notes(), ['one'])
    publish(bob, 'busy')
    world.pass(50)
    assert.deepEqual(notes(), ['one', 'one', 'one'])
  })
  it('RFC 6446: the shortest interval still holds when they no longer are', () => {
    publish(alice, undefined, 'one')
    publish(bob, 'meeting')
    subscribe(inMeeting, [['Event', 'presence;max-rate=0.02']])
    publish(alice, undefined, 'two')
    world.pass(10)
    publish(bob, 'busy')
    assert.deepEqual(notes(), ['one'])
    world.pass(45)
    assert.deepEqual(notes(), ['one', 'two'])
  })
})

describe('PS-138 in the subscription to a list', () => {
  const listed = (note: string) => `active open ${note}`

  async function watched(): Promise<{ world: ListWorld; subscription: Awaited<ReturnType<ListWorld['watch']>> }> {
    const lists = await ListWorld.of()
    await lists.publish('Alice', 'open', 'one')
    await lists.publish('Bob', 'closed')
    const body = set(filter('/p:presence/p:tuple/p:status[p:basic="closed"]'))
    const subscription = await lists.watch('Bob', friends, { headers: [['Content-Type', type]], body })
    assert.equal(subscription.exchange.final?.status, 200)
    return { world: lists, subscription }
  }

  it('members’ changes wait until the watcher’s state is another', async () => {
    const { world: lists, subscription } = await watched()
    assert.equal(subscription.list!.state(alice), listed('one'))
    await lists.publish('Alice', 'open', 'two')
    await lists.publish('Carol', 'open', 'here')
    assert.equal(subscription.notifications.length, 1)
    await lists.publish('Bob', 'open')
    assert.equal(subscription.list!.state(alice), listed('two'))
    assert.deepEqual(subscription.list!.documents.at(-1), { fullState: false, uris: [alice, carol] })
    await lists.publish('Alice', 'open', 'three')
    assert.equal(subscription.list!.state(alice), listed('three'))
    lists.check()
  })
  it('a restart changes nothing of it', async () => {
    const { world: lists, subscription } = await watched()
    await lists.pass(120_000)
    await lists.restart()
    await lists.publish('Alice', 'open', 'two')
    assert.equal(subscription.notifications.length, 1)
    await lists.restart()
    await lists.publish('Bob', 'open')
    assert.equal(subscription.list!.state(alice), listed('two'))
    lists.check()
  })
})
