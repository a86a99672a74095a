/** Rules documents and live subscriptions: what changes them takes effect at once (PS-78, PS-90, PS-95..100, PS-111). */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { giveDefaultDocuments } from '../../../../../src/entities/xdms/default-documents.ts'
import { deleteDocument, putDefaultDocument, putDocument } from '../../../../../src/entities/xdms/documents.ts'
import { limits } from '../../../../../src/limits.ts'
import { alice, bob, carol, PresenceWorld, said, text } from '../presence-world.ts'
import { one, rule, ruleset } from './rules-of.ts'

const common = 'pres-rules'
const oma = 'org.openmobilealliance.pres-rules'
const services = '<provide-services><all-services/></provide-services>'
const allServices = `${services}<provide-note>true</provide-note>`

class RulesWorld extends PresenceWorld {
  #etag = 0

  /** Writes a document of Alice, as her XDMS would; without a body it is deleted. */
  write(auid: string, body: string | undefined, path = 'index', xui = alice): void {
    const etag = `e${++this.#etag}`
    this.act(turn => {
      const address = { auid, xui, path }
      if (body === undefined) deleteDocument(turn.db, address)
      else putDocument(turn.db, address, { etag, body: Buffer.from(body), modifiedAt: turn.now })
      return this.server.documentChanged(
        { address, previousEtag: undefined, etag: body === undefined ? undefined : etag },
        turn,
      )
    })
  }

  /** What the last NOTIFY carried. */
  last(): string {
    return text(this.sent.at(-1)!.request.body)
  }

  publishText(content: string, tag?: string): string {
    const answer = this.request('PUBLISH', alice, {
      headers: [
        ['Event', 'presence'],
        ['Content-Type', 'application/pidf+xml'],
        ...(tag === undefined ? [] : [['SIP-If-Match', tag] as const]),
      ],
      body: `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="${alice}">${content}</presence>`,
    })
    return answer.header('SIP-ETag')!
  }
}

function tuple(basic: string, note = ''): string {
  return `<tuple id="t"><status><basic>${basic}</basic></status>${note && `<note>${note}</note>`}</tuple>`
}

describe('rules documents decide (PS-70, PS-78)', () => {
  test('DEC-02: a document in which nothing holds blocks, whatever the setting says; without it the setting does', () => {
    const world = new RulesWorld()
    assert.equal(world.subscribe().status, 200)
    world.write(common, ruleset())
    assert.equal(world.log().at(-1), 'NOTIFY terminated;reason=rejected 2')
    assert.equal(world.subscribe().status, 403)
    world.write(common, undefined)
    assert.equal(world.subscribe().status, 200)
  })

  test('PS-95..98: each change of sub-handling reaches the subscription', () => {
    const world = new RulesWorld({ 'presence.defaultHandling': 'block' })
    world.publish('open')
    world.write(common, ruleset(rule(one(bob), 'confirm')))
    world.subscribe()
    world.write(common, ruleset(rule(one(bob), 'allow', services)))
    assert.equal(said(world.sent.at(-1)), 'open')
    world.write(common, ruleset(rule(one(bob), 'polite-block')))
    assert.equal(world.last(), world.neutral())
    world.write(common, ruleset(rule(one(bob), 'confirm')))
    world.write(common, ruleset(rule(one(bob), 'block')))
    assert.deepEqual(world.log(), [
      'NOTIFY pending 1',
      'NOTIFY active 2',
      'NOTIFY active 3',
      'NOTIFY pending 4',
      'NOTIFY terminated;reason=rejected 5',
    ])
  })

  test('RFC 5025 §9.7: all documents of pres-rules count', () => {
    const world = new RulesWorld()
    world.write(common, ruleset(rule(one(bob), 'confirm')), 'index')
    world.write(common, ruleset(rule(one(bob), 'allow', services)), 'more')
    world.publish('open')
    world.subscribe()
    assert.equal(said(world.sent.at(-1)), 'open')
  })

  test('DEC-01: of both usages the one written last, each by its own way of combining', () => {
    const world = new RulesWorld()
    world.write(oma, ruleset(rule('<ocp:other-identity/>', 'allow', services), rule(one(bob), 'block')), 'pres-rules')
    assert.equal(world.subscribe().status, 403)
    assert.equal(world.subscribe({ from: carol }).status, 200)
    world.pass(1)
    world.write(common, ruleset(rule(one(bob), 'allow'), rule('', 'block')))
    assert.equal(world.subscribe().status, 200)
    assert.equal(world.subscribe({ from: carol }).status, 403)
  })

  test('a document that cannot be read grants nothing (SEC-03)', () => {
    const world = new RulesWorld()
    world.write(common, '<ruleset')
    assert.equal(world.subscribe().status, 403)
  })

  test('PS-93: the presentity sees himself whatever he has written', () => {
    const world = new RulesWorld()
    world.write(common, ruleset())
    world.publish('open')
    assert.equal(world.subscribe({ from: alice }).status, 200)
    assert.equal(said(world.sent.at(-1)), 'open')
  })

  test('waiting watchers end when a rule decides about them (PS-97)', () => {
    const world = new RulesWorld()
    world.write(common, ruleset(rule(one(bob), 'confirm')))
    world.subscribe({ expires: 600 })
    world.pass(700)
    world.subscribe({ from: alice, event: 'presence.winfo' })
    assert.match(world.last(), /status="waiting"/)
    world.write(common, ruleset(rule(one(bob), 'allow')))
    world.pass(10)
    assert.match(world.last(), /status="terminated" event="approved"/)
  })
})

describe('PS-99: what makes a rule hold or not', () => {
  test('lists are followed as far as the limits go, over all rules together; who may be on one beyond is not let in', () => {
    const { references } = limits.externalLists
    const anchor = (name: string) =>
      `http://x/xcap-root/resource-lists/users/${alice}/index/~~/*/list%5b@name=%22${name}%22%5d`
    const external = (name: string) => `<ocp:external-list><ocp:entry anc="${anchor(name)}"/></ocp:external-list>`
    const list = (name: string, who: string) => `<list name="${name}"><entry uri="${who}"/></list>`
    const names = Array.from({ length: references + 1 }, (_, index) => `l${index}`)
    const world = new RulesWorld()
    world.write(oma, ruleset(...names.map(name => rule(external(name), 'allow', services, name))), 'pres-rules')
    const write = (last: string, beyond: string) =>
      world.write(
        'resource-lists',
        `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">${names
          .slice(0, -2)
          .map(name => list(name, 'sip:x@y'))
          .join('')}${list(names.at(-2)!, last)}${list(names.at(-1)!, beyond)}</resource-lists>`,
      )
    write(bob, carol)
    assert.equal(world.subscribe().status, 200)
    assert.equal(world.subscribe({ from: carol }).status, 403)
    write(carol, bob)
    assert.equal(world.subscribe({ from: carol }).status, 200)
    assert.equal(world.subscribe().status, 403)
  })

  test('a boundary of validity, also after a restart', () => {
    const world = new RulesWorld()
    const at = (seconds: number) => new Date(world.now + seconds * 1000).toISOString()
    const valid = `<cr:validity><cr:from>${at(100)}</cr:from><cr:until>${at(200)}</cr:until></cr:validity>`
    world.write(common, ruleset(rule(one(bob), 'confirm'), rule(one(bob) + valid, 'allow', services)))
    world.publish('open')
    world.subscribe()
    world.pass(99)
    assert.deepEqual(world.log(), ['NOTIFY pending 1'])
    world.pass(1)
    assert.equal(world.log().at(-1), 'NOTIFY active 2')
    world.restart()
    world.pass(100)
    assert.equal(world.log().at(-1)!.replace(/\d+$/, ''), 'NOTIFY pending ')
  })

  test('RFC 5025 §3.1.2: the sphere that all published documents agree on', () => {
    const world = new RulesWorld()
    world.write(
      common,
      ruleset(rule(one(bob), 'polite-block'), rule(`${one(bob)}<cr:sphere value="work"/>`, 'allow', services)),
    )
    world.subscribe()
    assert.equal(said(world.sent.at(-1)), 'closed')
    const work = '<dm:person id="p"><r:sphere><r:work/></r:sphere></dm:person>'
    const tag = world.publishText(tuple('open') + work)
    assert.equal(said(world.sent.at(-1)), 'open')
    world.publishText(`<dm:person id="q"><r:sphere><r:home/></r:sphere></dm:person>`)
    assert.equal(said(world.sent.at(-1)), 'closed', 'inconsistent values: undefined')
    world.request('PUBLISH', alice, {
      headers: [
        ['Event', 'presence'],
        ['SIP-If-Match', tag],
        ['Expires', '0'],
      ],
    })
    assert.equal(said(world.sent.at(-1)), 'closed')
  })

  test('PS-90: the list a rule refers to, and those that this one refers to; loops end', () => {
    const world = new RulesWorld()
    const anchor = (name: string) =>
      `http://xcap.example/xcap-root/resource-lists/users/${alice}/index/~~/resource-lists/list%5b@name=%22${name}%22%5d`
    const external = `<ocp:external-list><ocp:entry anc="${anchor('granted')}"/></ocp:external-list>`
    world.write(oma, ruleset(rule(external, 'allow', services), rule('<ocp:other-identity/>', 'confirm')), 'pres-rules')
    world.publish('open')
    world.subscribe()
    assert.equal(world.log().at(-1), 'NOTIFY pending 1')
    const lists = (friends: string) =>
      `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="granted"><external anchor="${anchor('friends')}"/></list>` +
      `<list name="friends"><list><entry uri="${friends}"/></list><external anchor="${anchor('granted')}"/></list></resource-lists>`
    world.write('resource-lists', lists(carol))
    assert.equal(world.log().at(-1), 'NOTIFY pending 1')
    world.write('resource-lists', lists('SIP:bob@BOX.example'))
    assert.equal(world.log().at(-1), 'NOTIFY active 2')
    world.write('resource-lists', undefined)
    assert.equal(world.log().at(-1), 'NOTIFY pending 3')
  })

  test("PS-75: another user's list cannot be had", () => {
    const world = new RulesWorld()
    const anchor = `http://xcap.example/xcap-root/resource-lists/users/${carol}/index`
    const external = `<ocp:external-list><ocp:entry anc="${anchor}"/></ocp:external-list>`
    world.write(
      'resource-lists',
      `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="${bob}"/></list></resource-lists>`,
      'index',
      carol,
    )
    world.write(oma, ruleset(rule(external, 'allow')), 'pres-rules')
    assert.equal(world.subscribe().status, 403)
  })
})

describe('PS-111: what each watcher is sent', () => {
  test('permissions of his own, and one view for all who have the same', () => {
    const world = new RulesWorld()
    world.write(common, ruleset(rule(one(bob), 'allow', services), rule(one(carol), 'allow', allServices)))
    world.publishText(tuple('open', 'at home'))
    world.subscribe()
    world.subscribe({ from: carol })
    const [toBob, toCarol] = world.sent.map(({ request }) => text(request.body))
    assert.doesNotMatch(toBob!, /at home/)
    assert.match(toCarol!, /at home/)
  })

  test('who may not see what has changed is not told that something has', () => {
    const world = new RulesWorld()
    world.write(common, ruleset(rule(one(bob), 'allow', services), rule(one(carol), 'allow', allServices)))
    let tag = world.publishText(tuple('open', 'at home'))
    world.subscribe()
    world.subscribe({ from: carol })
    tag = world.publishText(tuple('open', 'at work'), tag)
    assert.deepEqual(world.log(2), ['NOTIFY active 2'])
    assert.match(world.last(), /at work/)
    world.publishText(tuple('closed', 'at work'), tag)
    assert.equal(world.sent.length, 5)
    assert.deepEqual(world.sent.slice(3).map(said), ['closed', 'closed'])
  })

  test('and in answer to his SUBSCRIBE always gets the document', () => {
    const world = new RulesWorld()
    world.write(common, ruleset(rule(one(bob), 'allow', services)))
    world.publish('open')
    const accepted = world.subscribe()
    world.resubscribe(accepted)
    assert.deepEqual(world.sent.map(said), ['open', 'open'])
  })

  test('PS-100: a politely blocked watcher cannot tell it from a user who is not there', () => {
    const blocked = new RulesWorld()
    blocked.write(common, ruleset(rule(one(bob), 'polite-block', allServices)))
    const absent = new RulesWorld()
    for (const world of [blocked, absent]) {
      world.subscribe()
      world.pass(10)
    }
    blocked.publish('open')
    blocked.pass(10)
    const shape = (world: RulesWorld) => world.sent.map(({ request }) => request.toBytes().toString('latin1'))
    assert.deepEqual(shape(blocked), shape(absent))
  })
})

describe('PS-140: notification rules of the presentity', () => {
  const notify = (attributes: string, names: readonly string[]) =>
    `<notify xmlns="urn:porchlight:xml:notification-rules"${attributes}>${names.map(name => `<on>${name}</on>`).join('')}</notify>`
  const ruled = (who: string, action: string) =>
    rule(one(who), 'allow', allServices).replace('</cr:actions>', `${action}</cr:actions>`)

  test('how often: changes that come sooner are told together when the time has come, to this watcher only', () => {
    const world = new RulesWorld()
    world.write(common, ruleset(ruled(bob, notify(' interval="60"', [])), rule(one(carol), 'allow', services)))
    world.subscribe()
    world.subscribe({ from: carol })
    world.pass(10)
    const tag = world.publish('open').header('SIP-ETag')
    assert.deepEqual(world.log(2), ['NOTIFY active 2'], 'Carol')
    world.publish('closed', { tag })
    world.pass(49)
    assert.equal(world.sent.length, 4)
    world.pass(1)
    assert.equal(world.sent.length, 5)
    assert.equal(said(world.sent.at(-1)), 'closed')
  })

  test('which: a change of anything else waits until one of these', () => {
    const world = new RulesWorld()
    world.write(common, ruleset(ruled(bob, notify('', ['basic']))))
    let tag = world.publishText(tuple('open', 'one'))
    world.subscribe()
    tag = world.publishText(tuple('open', 'two'), tag)
    assert.equal(world.sent.length, 1)
    tag = world.publishText(tuple('closed', 'three'), tag)
    assert.equal(world.sent.length, 2)
    assert.match(world.last(), /closed.*three/)
    world.publishText(`${tuple('closed', 'three').replace('id="t"', 'id="other"')}`, tag)
    assert.equal(world.sent.length, 3, 'another service')
  })

  test('of several rules that hold, what any of them tells, as often as any does', () => {
    const world = new RulesWorld()
    const often = ruled(bob, notify(' interval="10"', ['basic']))
    const seldom = ruled(bob, notify(' interval="1000"', ['note']))
    world.write(common, ruleset(often, seldom))
    const tag = world.publishText(tuple('open', 'one'))
    world.subscribe()
    world.publishText(tuple('open', 'two'), tag)
    world.pass(10)
    assert.match(world.last(), /two/)
  })

  /** Bob subscribes with a filter of his own. */
  function subscribeThrough(world: RulesWorld, content: string): void {
    const response = world.request('SUBSCRIBE', alice, {
      from: bob,
      headers: [
        ['Event', 'presence'],
        ['Content-Type', 'application/simple-filter+xml'],
      ],
      body: `<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="p" urn="urn:ietf:params:xml:ns:pidf"/></ns-bindings><filter id="1">${content}</filter></filter-set>`,
    })
    assert.equal(response.status, 200)
  }

  test('with a filter that chooses what (RFC 4660): told is what both let through, since he was told last', () => {
    const world = new RulesWorld()
    world.write(common, ruleset(ruled(bob, notify('', ['note']))))
    let tag = world.publishText(tuple('open', 'one'))
    subscribeThrough(world, '<what><include>//p:basic</include></what>')
    tag = world.publishText(tuple('open', 'two'), tag)
    assert.equal(world.sent.length, 1, 'what he sees is as it was')
    tag = world.publishText(tuple('closed', 'one'), tag)
    assert.equal(world.sent.length, 1, 'a basic status is not to be told by itself')
    tag = world.publishText(tuple('closed', 'three'), tag)
    assert.equal(world.sent.length, 2, 'since he was told, the note is another, and so is what he sees')
    assert.equal(said(world.sent.at(-1)), 'closed')
    world.publishText(tuple('open', 'three'), tag)
    assert.equal(world.sent.length, 2)
  })

  test('with a filter that waits for changes: only one that both name is told', () => {
    const world = new RulesWorld()
    world.write(common, ruleset(ruled(bob, notify('', ['note']))))
    let tag = world.publishText(tuple('open', 'one'))
    subscribeThrough(world, '<trigger><changed>//p:basic</changed></trigger>')
    tag = world.publishText(tuple('open', 'two'), tag)
    assert.equal(world.sent.length, 1, 'the filter waits for another')
    tag = world.publishText(tuple('closed', 'one'), tag)
    assert.equal(world.sent.length, 1, 'the rules tell another')
    world.publishText(tuple('closed', 'three'), tag)
    assert.equal(world.sent.length, 2)
    assert.match(world.last(), /closed.*three/)
  })

  test('how often holds for who has a filter, too, and for what it leaves', () => {
    const world = new RulesWorld()
    world.write(common, ruleset(ruled(bob, notify(' interval="60"', []))))
    let tag = world.publishText(tuple('open', 'one'))
    subscribeThrough(world, '<what><include>//p:note</include></what>')
    tag = world.publishText(tuple('open', 'two'), tag)
    world.pass(59)
    assert.equal(world.sent.length, 1)
    world.publishText(tuple('open', 'three'), tag)
    world.pass(2)
    assert.equal(world.sent.length, 2)
    assert.match(world.last(), /three/)
  })

  test('what a watcher may not see stays hidden, whatever his filter asks for', () => {
    const world = new RulesWorld()
    world.write(common, ruleset(rule(one(bob), 'polite-block')))
    const tag = world.publishText(tuple('open', 'one'))
    subscribeThrough(world, '<what><include>//p:note</include></what><trigger><changed>//p:note</changed></trigger>')
    world.publishText(tuple('open', 'two'), tag)
    assert.equal(world.sent.length, 1)
    assert.equal(world.last(), '')
  })
})

describe('the rules users begin with (DEC-02)', () => {
  const dora = 'sip:dora@other.example'

  function world(): RulesWorld {
    const made = new RulesWorld({ 'presence.defaultHandling': 'block' })
    made.act(turn => {
      giveDefaultDocuments(turn, [alice, bob], () => true)
      return []
    })
    made.publish('open')
    return made
  }

  test('himself and his domain see everything, others wait for him, nobody in particular is refused', () => {
    const made = world()
    for (const from of [alice, bob]) {
      made.subscribe({ from })
      assert.equal(said(made.sent.at(-1)), 'open', from)
    }
    made.subscribe({ from: dora })
    assert.equal(made.log().at(-1), 'NOTIFY pending 1')
    made.set('auth.required', true)
    assert.equal(made.subscribe({ from: 'sip:anonymous@anonymous.invalid' }).status, 403)
  })

  test('are read once for all who have them unchanged, and yet each sees himself', () => {
    const made = world()
    made.subscribe({ to: bob, from: alice })
    made.subscribe({ to: bob, from: bob })
    assert.deepEqual(made.log(), ['NOTIFY active 1', 'NOTIFY active 1'])
  })

  test('give way to what the user writes himself under either usage', () => {
    const made = world()
    made.subscribe()
    made.write(common, ruleset(rule(one(carol), 'allow', services)))
    assert.equal(made.log().at(-1), 'NOTIFY terminated;reason=rejected 2')
    made.write(common, undefined)
    assert.equal(made.subscribe().status, 200)
    made.write(oma, ruleset(), 'pres-rules')
    assert.equal(made.log().at(-1), 'NOTIFY terminated;reason=rejected 2')
  })

  test('a template that grants by the name of the user is read for each', () => {
    const made = new RulesWorld({ 'presence.defaultHandling': 'block' })
    const text = ruleset(
      rule(
        '<cr:identity><cr:many/></cr:identity>',
        'allow',
        '<provide-services><service-uri>{user}</service-uri></provide-services>',
      ),
    )
    made.act(turn => {
      for (const xui of [alice, bob]) putDefaultDocument(turn.db, { auid: common, xui, path: 'index' }, text, turn.now)
      return []
    })
    for (const user of [alice, bob]) {
      made.request('PUBLISH', user, {
        from: user,
        headers: [
          ['Event', 'presence'],
          ['Content-Type', 'application/pidf+xml'],
        ],
        body: `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${user}"><tuple id="t"><status><basic>open</basic></status><contact>${user}</contact></tuple></presence>`,
      })
      made.subscribe({ to: user, from: carol })
      assert.equal(said(made.sent.at(-1)), 'open', user)
    }
  })
})

describe("PS-92: the operator's rules go before the presentity's", () => {
  const operator = (world: RulesWorld, body: string | undefined) => world.write(oma, body, 'operator', '')
  const other = '<ocp:other-identity/>'

  test('about whom they name, and at once; of others the presentity decides', () => {
    const world = new RulesWorld()
    world.publish('open')
    world.write(common, ruleset(rule('<cr:identity><cr:many/></cr:identity>', 'allow', services)))
    world.subscribe()
    world.subscribe({ from: carol })
    operator(world, ruleset(rule(one(bob), 'polite-block')))
    assert.equal(said(world.sent.at(-1)), 'closed')
    assert.equal(world.sent.length, 3)
    operator(world, ruleset(rule(one(bob), 'block')))
    assert.equal(world.log().at(-1), 'NOTIFY terminated;reason=rejected 3')
    assert.equal(world.subscribe().status, 403)
    operator(world, undefined)
    assert.equal(world.subscribe().status, 200)
    assert.equal(said(world.sent.at(-1)), 'open')
  })

  test('whoever has rules or none, and whatever these are; but himself he always sees (PS-93)', () => {
    const world = new RulesWorld({ 'presence.defaultHandling': 'block' })
    world.publish('open')
    operator(world, ruleset(rule(one(bob), 'allow', services), rule(one(alice), 'block', '', 'a')))
    assert.equal(world.subscribe().status, 200)
    assert.equal(world.subscribe({ from: carol }).status, 403)
    assert.equal(world.subscribe({ from: alice }).status, 200)
    world.write(oma, ruleset(rule(one(bob), 'block')), 'pres-rules')
    assert.equal(world.subscribe().status, 200)
    operator(world, ruleset(rule(other, 'block')))
    assert.equal(world.subscribe({ from: carol }).status, 403)
  })

  test('while they hold, also after a restart', () => {
    const world = new RulesWorld()
    world.publish('open')
    const until = new Date(world.now + 60_000).toISOString()
    const from = new Date(world.now - 60_000).toISOString()
    const now = `<cr:validity><cr:from>${from}</cr:from><cr:until>${until}</cr:until></cr:validity>`
    world.subscribe({ expires: 7200 })
    operator(world, ruleset(rule(one(bob) + now, 'confirm')))
    assert.equal(world.log().at(-1), 'NOTIFY pending 2')
    world.restart()
    world.pass(61)
    assert.equal(said(world.sent.at(-1)), 'open')
  })

  test('what cannot be found out reveals least (PS-75)', () => {
    const world = new RulesWorld()
    const list = '<ocp:external-list><ocp:entry anc="http://elsewhere/xcap-root/a"/></ocp:external-list>'
    operator(world, ruleset(rule(list, 'allow', services)))
    assert.equal(world.subscribe().status, 200, 'the rule does not hold, and the presentity lets him')
    operator(world, ruleset(rule(list, 'block')))
    assert.equal(world.subscribe().status, 403)
  })
})

describe('every transition of a live subscription, and of its watcher (PS-95..98, RFC 3857 §4.7.1)', () => {
  const states = { allow: 'active', 'polite-block': 'active', confirm: 'pending', block: 'terminated;reason=rejected' }
  type Handling = keyof typeof states
  const all = Object.keys(states) as Handling[]

  for (const before of all.filter(handling => handling !== 'block')) {
    for (const after of all) {
      test(`${before} to ${after}`, () => {
        const world = new RulesWorld()
        world.publish('open')
        world.write(common, ruleset(rule(one(bob), before, services)))
        world.subscribe()
        world.subscribe({ from: alice, event: 'presence.winfo' })
        const sent = world.sent.length
        world.write(common, ruleset(rule(one(bob), after, services), rule(one(carol), 'block', '', 'c')))
        const told = world.log(sent).filter(line => !line.includes('winfo'))
        const ofBob = world.sent.slice(sent).filter(({ request }) => request.header('Event') === 'presence')
        const ofWinfo = world.sent.slice(sent).filter(({ request }) => request.header('Event') === 'presence.winfo')
        const isSame = states[before] === states[after]
        if (before === after) {
          // Who may see it may be told again what he knows; who waits is not told that he still does.
          assert.ok(ofBob.length <= (before === 'allow' ? 1 : 0), told.join())
        } else {
          assert.equal(ofBob.length, 1)
          const state = ofBob[0]!.request.header('Subscription-State')!
          assert.ok(state.startsWith(states[after]), state)
          assert.equal(said(ofBob[0]), { allow: 'open', 'polite-block': 'closed', confirm: '', block: '' }[after])
        }
        const watcher = isSame ? undefined : { active: 'active approved', pending: 'pending subscribe' }[states[after]]
        const shown = ofWinfo.map(({ request }) => {
          const body = text(request.body)
          return `${/status="(\w+)"/.exec(body)![1]} ${/event="(\w+)"/.exec(body)![1]}`
        })
        assert.deepEqual(shown, isSame ? [] : [watcher ?? 'terminated rejected'])
      })
    }
  }
})
