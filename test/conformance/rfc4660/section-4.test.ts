/** RFC 4660 §4: filters of who subscribes to a list, for members of the box and, by their notifiers, for those elsewhere. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readFilterSet } from '../../../src/documents/simple-filter.ts'
import { limits } from '../../../src/limits.ts'
import { type HeaderField, respond, type SipRequest } from '../../../src/protocols/sip/message.ts'
import { listDocument, listsType, type Service, servicesDocument, servicesType } from '../../actors/list-owner.ts'
import type { Subscription } from '../../actors/watcher.ts'
import { Boxes } from '../../simulation/boxes.ts'
import { alice, bob, carol, friends, ListWorld } from '../rfc4662/list-world.ts'

const type: HeaderField = ['Content-Type', 'application/simple-filter+xml']
const basics = '<what><include>//p:basic</include></what>'
const notes = '<what><include>//p:note</include></what>'

function set(...filters: readonly string[]): string {
  return `<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="p" urn="urn:ietf:params:xml:ns:pidf"/></ns-bindings>${filters.join('')}</filter-set>`
}

function filter(id: string, content: string, attributes = ''): string {
  return `<filter id="${id}"${attributes}>${content}</filter>`
}

function subscribe(
  world: ListWorld,
  body: string,
  more: { partial?: boolean; uri?: string } = {},
): Promise<Subscription> {
  const accept = `multipart/related, application/rlmi+xml, application/pidf+xml${more.partial ? ', application/pidf-diff+xml' : ''}`
  return world.watch('Bob', more.uri ?? friends, { headers: [type], body, accept })
}

async function change(world: ListWorld, subscription: Subscription, body: string): Promise<number | undefined> {
  const exchange = world.person('Bob').watcher.refresh(subscription, 3600, world.now(), [type], body)
  await world.quiet()
  return exchange.final?.status
}

/** What the last NOTIFY has told of a member; undefined when it told nothing of him. */
function body({ list }: Subscription, uri: string): string | undefined {
  return list!.rows.get(uri)?.instances[0]?.body
}

describe('§4.1 which filter is for whom', () => {
  test('one without URI, or with that of the list, applies to all', async () => {
    for (const attributes of ['', ` uri="${friends}"`]) {
      const world = await ListWorld.of()
      await world.publish('Alice', 'open', 'a')
      await world.publish('Carol', 'open', 'c')
      const subscription = await subscribe(world, set(filter('1', basics, attributes)))
      for (const uri of [alice, carol]) {
        assert.match(body(subscription, uri)!, /<basic>open/)
        assert.doesNotMatch(body(subscription, uri)!, /<note>/)
      }
      world.check()
    }
  })

  test('one with the URI of a member applies to him, and goes before those of his domain and of the list', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'a')
    await world.publish('Carol', 'open', 'c')
    const dropped = '<what><exclude>//p:contact</exclude></what>'
    for (const [own, seen, notSeen] of [
      [[filter('1', basics, ` uri="${alice}"`)], alice, carol],
      [[filter('2', dropped), filter('1', basics, ` uri="${alice}"`)], alice, carol],
      [[filter('1', basics, ` uri="${alice.replace('sip:', 'pres:')}"`)], alice, carol],
      [
        [filter('2', dropped, ' domain="box.example"'), filter('1', basics, ` uri="SIP:carol@BOX.example"`)],
        carol,
        alice,
      ],
    ] as const) {
      const subscription = await subscribe(world, set(...own))
      assert.equal(subscription.exchange.final?.status, 200)
      assert.doesNotMatch(body(subscription, seen)!, /<note>/)
      assert.match(body(subscription, notSeen)!, /<note>/)
    }
    world.check()
  })

  test('§3.3.2: one for a domain applies to its members', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'a')
    const subscription = await subscribe(world, set(filter('1', basics, ' domain="BOX.example"')))
    assert.doesNotMatch(body(subscription, alice)!, /<note>/)
    const other = await subscribe(world, set(filter('1', basics, ' domain="elsewhere.example"')))
    assert.match(body(other, alice)!, /<note>/)
  })

  test('one with the URI of a list in the list applies to its members', async () => {
    const team = 'sip:team@box.example'
    const world = await ListWorld.of(
      [],
      [
        { uri: team, inline: [carol] },
        { uri: friends, inline: [alice, team] },
      ],
    )
    await world.publish('Alice', 'open', 'a')
    await world.publish('Carol', 'open', 'c')
    const subscription = await subscribe(world, set(filter('1', basics, ` uri="${team}"`)))
    assert.match(body(subscription, alice)!, /<note>/)
    const inner = () => subscription.list!.rows.get(team)!.list!
    assert.equal(inner().state(carol), 'active open')
    assert.equal(
      await change(
        world,
        subscription,
        set(filter('2', basics, ` uri="${carol}"`), filter('1', notes, ` uri="${team}"`)),
      ),
      200,
    )
    assert.equal(inner().state(carol), 'active open')
    world.check()
  })

  test('two for one resource or domain are answered 488, whatever they call it', async () => {
    const world = await ListWorld.of()
    for (const filters of [
      [filter('1', basics), filter('2', notes)],
      [filter('1', basics), filter('2', notes, ` uri="${friends}"`)],
      [filter('1', basics, ` uri="${alice}"`), filter('2', notes, ' uri="sip:alice@BOX.EXAMPLE"')],
      [filter('1', basics, ' domain="a.b"'), filter('2', notes, ' domain="A.B"')],
      [filter('1', '<what><include>relative</include></what>')],
    ]) {
      const { exchange } = await subscribe(world, set(...filters))
      assert.equal(exchange.final?.status, 488)
      assert.match(exchange.final!.reason, /^Filter /)
    }
    const { exchange } = await subscribe(world, 'x'.repeat(limits.filter.xml.bytes + 1))
    assert.equal(exchange.final?.status, 413)
    world.check()
  })
})

describe('§5.3 what members are told of, and when', () => {
  test('a change outside of what is shown is no news of the list', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'a')
    const subscription = await subscribe(world, set(filter('1', basics)))
    await world.publish('Alice', 'open', 'b')
    assert.equal(subscription.notifications.length, 1)
    await world.publish('Alice', 'closed', 'b')
    assert.equal(subscription.list!.state(alice), 'active closed')
    assert.deepEqual(subscription.list!.documents.at(-1), { fullState: false, uris: [alice] })
    world.check()
  })

  test('triggers: only a change they wait for is news, of what was told last', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'a')
    const trigger = '<trigger><changed>//p:basic</changed></trigger>'
    const subscription = await subscribe(world, set(filter('1', trigger, ` uri="${alice}"`)))
    await world.publish('Alice', 'open', 'b')
    assert.equal(subscription.list!.state(alice), 'active open a')
    await world.publish('Carol', 'open', 'c')
    assert.deepEqual(subscription.list!.documents.at(-1)!.uris, [carol])
    await world.publish('Alice', 'closed', 'd')
    assert.equal(subscription.list!.state(alice), 'active closed d')
    world.check()
  })

  test('of a member of whom nothing is left there is no instance', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open')
    const subscription = await subscribe(world, set(filter('1', notes, ` uri="${alice}"`)))
    assert.equal(subscription.list!.state(alice), 'unknown')
    await world.publish('Alice', 'open', 'now')
    assert.equal(subscription.list!.state(alice), 'active open now')
    await world.publish('Alice', 'open')
    assert.equal(subscription.list!.state(alice), 'unknown')
    world.check()
  })

  test('a member who was hidden meanwhile is told of again, though he is as he was', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'a')
    for (const partial of [false, true]) {
      await world.rules('Alice', { [bob]: 'allow' })
      const subscription = await subscribe(world, set(filter('1', basics)), { partial })
      const state = () => subscription.list!.rows.get(alice)!.instances[0]!
      assert.match(state().body, /open/)
      await world.rules('Alice', { [bob]: 'confirm' })
      assert.deepEqual([state().state, state().body], ['pending', ''])
      await world.rules('Alice', { [bob]: 'allow' })
      assert.equal(state().state, 'active')
      assert.match(state().body, /open/)
      if (partial) assert.match(state().body, /pidf-full[^>]* version="2"/)
    }
    world.check()
  })

  test('RLS-21: with partial presence of the members, what is left of them is told by its changes', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'a')
    const subscription = await subscribe(world, set(filter('1', basics)), { partial: true })
    assert.match(body(subscription, alice)!, /pidf-full/)
    assert.doesNotMatch(body(subscription, alice)!, /<note>/)
    await world.publish('Alice', 'open', 'b')
    assert.equal(subscription.notifications.length, 1)
    await world.publish('Alice', 'closed', 'b')
    assert.match(body(subscription, alice)!, /version="2"/)
    assert.match(body(subscription, alice)!, /closed/)
    world.check()
  })

  test('survives a restart', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'a')
    const subscription = await subscribe(world, set(filter('1', basics)))
    await world.pass(120_000)
    await world.restart()
    await world.publish('Alice', 'open', 'b')
    assert.equal(subscription.notifications.length, 1)
    await world.publish('Alice', 'closed', 'b')
    assert.equal(subscription.list!.state(alice), 'active closed')
    world.check()
  })

  test('RFC 5839: who knows all and changes the filter is told anew', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'a')
    const subscription = await subscribe(world, set(filter('1', basics)))
    const { watcher } = world.person('Bob')
    const tag = world.person('Bob').agent.received.at(-1)!.header('SIP-ETag')!
    const condition: HeaderField = ['Suppress-If-Match', tag]
    const same = watcher.refresh(subscription, 3600, world.now(), [condition])
    await world.quiet()
    assert.equal(same.final?.status, 204)
    const other = watcher.refresh(subscription, 3600, world.now(), [condition, type], set(filter('1', notes)))
    await world.quiet()
    assert.equal(other.final?.status, 200)
    assert.equal(subscription.list!.state(alice), 'active open a')
  })
})

describe('§4.2 changing filters within a dialog', () => {
  test('replaced by their id, disabled, removed; without filters they stay', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'a')
    const subscription = await subscribe(world, set(filter('1', basics)))
    assert.equal(await world.refresh(subscription), 200)
    assert.equal(subscription.list!.state(alice), 'active open')
    assert.equal(await change(world, subscription, set('<filter id="1" enabled="false"/>')), 200)
    assert.equal(subscription.list!.state(alice), 'active open a')
    assert.equal(await change(world, subscription, set('<filter id="1" enabled="true"/>')), 200)
    assert.equal(subscription.list!.state(alice), 'active open')
    assert.equal(await change(world, subscription, set(filter('2', notes))), 488)
    assert.equal(await change(world, subscription, set(filter('2', notes, ` uri="${alice}"`))), 200)
    assert.equal(subscription.list!.state(alice), 'active open a')
    assert.equal(
      await change(world, subscription, set('<filter id="1" remove="true"/><filter id="2" remove="true"/>')),
      200,
    )
    assert.equal(subscription.list!.state(alice), 'active open a')
    world.check()
  })

  test('RFC 5367: a list that comes with the request may bring filters along', async () => {
    const world = new ListWorld()
    await world.publish('Alice', 'open', 'a')
    const part = (of: string, text: string) => `--b\r\nContent-Type: ${of}\r\n\r\n${text}\r\n`
    const parts = `${part(listsType, listDocument([alice]))}${part(type[1], set(filter('1', basics)))}--b--\r\n`
    const headers: HeaderField[] = [
      ['Require', 'recipient-list-subscribe'],
      ['Content-Type', 'multipart/mixed;boundary=b'],
    ]
    const subscription = await world.watch('Bob', 'sip:rls@box.example', { headers, body: parts })
    assert.equal(subscription.exchange.final?.status, 200)
    assert.equal(subscription.list!.state(alice), 'active open')
    assert.equal(await change(world, subscription, set('<filter id="1" remove="true"/>')), 200)
    assert.equal(subscription.list!.state(alice), 'active open a')
    world.check()
  })

  test('RLS-31: of a list of watcher information', async () => {
    const world = await ListWorld.of([bob], [{ uri: friends, packages: ['presence', 'presence.winfo'] }])
    await world.rules('Bob', { [alice]: 'allow', [carol]: 'confirm' })
    world.person('Alice').watcher.subscribe(bob, 'presence', 3600, world.now())
    await world.quiet()
    const include = '<what><include>//w:watcher[@status="active"]</include></what>'
    const body = set(filter('1', include)).replace(
      '</ns-bindings>',
      '<ns-binding prefix="w" urn="urn:ietf:params:xml:ns:watcherinfo"/></ns-bindings>',
    )
    const subscription = await world.watch('Bob', friends, { event: 'presence.winfo', headers: [type], body })
    assert.equal(subscription.exchange.final?.status, 200)
    const own = () => subscription.list!.rows.get(bob)!.instances[0]!.body
    assert.match(own(), /alice@box.example/)
    const before = subscription.notifications.length
    world.person('Carol').watcher.subscribe(bob, 'presence', 3600, world.now())
    await world.quiet()
    assert.equal(subscription.notifications.length, before)
    assert.doesNotMatch(own(), /carol@box.example/)
  })
})

const home = 'bob@a.example'
const mine = 'sip:friends@a.example'
const dora = 'sip:dora@b.example'

async function keep(boxes: Boxes, owner: string, services: readonly Service[]): Promise<void> {
  const domain = owner.slice(owner.indexOf('@') + 1)
  const target = `/xcap-root/rls-services/users/sip:${owner}/index`
  const document = servicesDocument(`sip:${owner}`, services, `http://${domain}/xcap-root`)
  assert.ok((await boxes.put(domain, target, servicesType, document)) < 300)
}

async function watch(boxes: Boxes, ...filters: readonly string[]): Promise<Subscription> {
  const { watcher } = boxes.person(home)
  const wishes = { toList: true, headers: [type], body: set(...filters) }
  const subscription = watcher.subscribe(mine, 'presence', 3600, boxes.now(), wishes)
  await boxes.pass(2_000)
  assert.equal(subscription.exchange.final?.status, 200)
  return subscription
}

async function publish(boxes: Boxes, name: string, basic: string, note?: string): Promise<void> {
  const { source } = boxes.person(name)
  if (source.entityTag === undefined) source.publish(basic, note, 3600, boxes.now())
  else source.modify(basic, note, 3600, boxes.now())
  await boxes.pass(2_000)
}

/** The filters that the last SUBSCRIBE to somebody carried: id and what they are for. */
function sent(boxes: Boxes, target: string): string[] | undefined {
  const request = boxes.seen.findLast(({ method, uri }) => method === 'SUBSCRIBE' && uri === target)
  if (request === undefined || request.body.length === 0) return undefined
  assert.equal(request.contentType?.type, 'application/simple-filter+xml')
  return readFilterSet(request.body, 'presence', limits.filter).map(({ id, uri, domain }) => `${id} ${uri ?? domain}`)
}

/** Of Dora, who is open, her watcher learns that she closes, and not what else she says. */
async function seesBasicsAlone(boxes: Boxes, { list, notifications }: Subscription): Promise<void> {
  assert.equal(list!.state(dora), 'active open')
  const before = notifications.length
  await publish(boxes, 'dora@b.example', 'open', 'other')
  assert.equal(notifications.length, before)
  await publish(boxes, 'dora@b.example', 'closed', 'other')
  assert.equal(list!.state(dora), 'active closed')
}

function check(boxes: Boxes, ...subscriptions: Subscription[]): void {
  for (const { faults } of subscriptions) assert.deepEqual(faults, [])
  assert.deepEqual(boxes.faults, [])
}

describe('§4.1 members elsewhere', () => {
  test('the filter for one of them, and it alone, goes along to his notifier, which applies it', async () => {
    const boxes = new Boxes(1, ['a.example', 'b.example'])
    await publish(boxes, 'dora@b.example', 'open', 'there')
    await keep(boxes, home, [{ uri: mine, inline: ['sip:alice@a.example', dora, 'sip:emil@b.example'] }])
    const subscription = await watch(
      boxes,
      filter('8', basics, ` uri="${dora}"`),
      filter('9', notes, ' uri="sip:alice@a.example"'),
    )
    assert.deepEqual(sent(boxes, dora), [`8 ${dora}`])
    assert.equal(sent(boxes, 'sip:emil@b.example'), undefined)
    await seesBasicsAlone(boxes, subscription)
    check(boxes, subscription)
  })

  test('filters for domains go along to all of them; of its domain a notifier applies it', async () => {
    const boxes = new Boxes(2, ['a.example', 'b.example'])
    await publish(boxes, 'dora@b.example', 'open', 'there')
    await publish(boxes, 'alice@a.example', 'open', 'here')
    await keep(boxes, home, [{ uri: mine, inline: ['sip:alice@a.example', dora] }])
    const subscription = await watch(
      boxes,
      filter('8', basics, ' domain="b.example"'),
      filter('9', notes, ' domain="c.example"'),
    )
    assert.deepEqual(sent(boxes, dora), ['8 b.example', '9 c.example'])
    assert.equal(subscription.list!.state(dora), 'active open')
    assert.equal(subscription.list!.state('sip:alice@a.example'), 'active open here')
    check(boxes, subscription)
  })

  test('the filter for the list is applied here to what they tell', async () => {
    const boxes = new Boxes(3, ['a.example', 'b.example'])
    await publish(boxes, 'dora@b.example', 'open', 'there')
    await keep(boxes, home, [{ uri: mine, inline: [dora] }])
    const subscription = await watch(boxes, filter('8', basics))
    assert.equal(sent(boxes, dora), undefined)
    await seesBasicsAlone(boxes, subscription)
    check(boxes, subscription)
  })

  test('what is told of him when he had been lost is told again', async () => {
    const boxes = new Boxes(9, ['a.example', 'b.example'])
    boxes.person('dora@b.example').source.publish('open', 'there', 86_400, boxes.now())
    await keep(boxes, home, [{ uri: mine, inline: [dora] }])
    const subscription = await watch(boxes, filter('8', basics))
    assert.equal(subscription.list!.state(dora), 'active open')
    boxes.network.cut.add('10.0.1.1:5060')
    await boxes.pass(3_000_000)
    boxes.person(home).watcher.refresh(subscription, 7200, boxes.now())
    await boxes.pass(700_000)
    assert.match(subscription.list!.state(dora), /^terminated/)
    boxes.network.cut.delete('10.0.1.1:5060')
    await boxes.pass(3_600_000)
    assert.equal(subscription.list!.state(dora), 'active open')
    check(boxes, subscription)
  })

  test('its triggers likewise', async () => {
    const boxes = new Boxes(4, ['a.example', 'b.example'])
    await publish(boxes, 'dora@b.example', 'open', 'there')
    await keep(boxes, home, [{ uri: mine, inline: [dora] }])
    const subscription = await watch(boxes, filter('8', '<trigger><changed>//p:basic</changed></trigger>'))
    await publish(boxes, 'dora@b.example', 'open', 'other')
    assert.equal(subscription.list!.state(dora), 'active open there')
    await publish(boxes, 'dora@b.example', 'closed', 'third')
    assert.equal(subscription.list!.state(dora), 'active closed third')
    check(boxes, subscription)
  })

  test('and for members of a list that another server keeps, each by what was told of him', async () => {
    const boxes = new Boxes(14, ['a.example', 'b.example'])
    const team = 'sip:team@b.example'
    const emil = 'sip:emil@b.example'
    for (const name of ['dora@b.example', 'emil@b.example']) await publish(boxes, name, 'open', 'there')
    await keep(boxes, 'dora@b.example', [{ uri: team, inline: [dora, emil] }])
    await keep(boxes, home, [{ uri: mine, inline: [team] }])
    const subscription = await watch(boxes, filter('8', '<trigger><changed>//p:basic</changed></trigger>'))
    const inner = () => subscription.list!.rows.get(team)!.list!
    const before = subscription.notifications.length
    await publish(boxes, 'dora@b.example', 'open', 'other')
    assert.equal(subscription.notifications.length, before)
    await publish(boxes, 'emil@b.example', 'closed', 'gone')
    assert.equal(inner().state(emil), 'active closed gone')
    assert.equal(inner().state(dora), 'active open there')
    await publish(boxes, 'dora@b.example', 'closed', 'third')
    assert.equal(inner().state(dora), 'active closed third')
    // Full state is of what there is (RFC 4660 §4.1 leaves to triggers when, not what).
    await publish(boxes, 'dora@b.example', 'closed', 'fourth')
    boxes.person(home).watcher.refresh(subscription, 3600, boxes.now())
    await boxes.pass(2_000)
    assert.equal(inner().state(dora), 'active closed fourth')
    check(boxes, subscription)
  })

  test('the example of two lists: what is not ours goes along, what is ours is applied here', async () => {
    const boxes = new Boxes(5, ['a.example', 'b.example'])
    const list2 = 'sip:list2@b.example'
    const sarah = 'sip:sarah@a.example'
    await publish(boxes, 'sarah@a.example', 'open', 'sarah')
    await publish(boxes, 'alice@b.example', 'open', 'alice')
    await keep(boxes, 'dora@b.example', [{ uri: list2, inline: ['sip:alice@b.example', sarah] }])
    await keep(boxes, home, [{ uri: mine, inline: ['sip:bob@a.example', list2] }])
    const exclude =
      '<what><include type="namespace">urn:ietf:params:xml:ns:pidf</include><exclude>//p:tuple/p:note</exclude></what>'
    const subscription = await watch(
      boxes,
      filter('999', exclude, ` uri="${sarah}"`),
      filter('8439', basics, ' uri="sip:alice@b.example"'),
    )
    await boxes.pass(5_000)
    assert.deepEqual(sent(boxes, list2), ['8439 sip:alice@b.example'])
    const inner = subscription.list!.rows.get(list2)!.list!
    assert.equal(inner.state('sip:alice@b.example'), 'active open')
    assert.equal(inner.state(sarah), 'active open')
    check(boxes, subscription)
  })

  test('§4.2: other filters in a refresh travel, and so does their removal', async () => {
    const boxes = new Boxes(6, ['a.example', 'b.example'])
    await publish(boxes, 'dora@b.example', 'open', 'there')
    await keep(boxes, home, [{ uri: mine, inline: [dora] }])
    const subscription = await watch(boxes, filter('8', basics, ` uri="${dora}"`))
    const { watcher } = boxes.person(home)
    watcher.refresh(subscription, 3600, boxes.now(), [type], set(filter('8', notes, ` uri="${dora}"`)))
    await boxes.pass(2_000)
    assert.deepEqual(sent(boxes, dora), [`8 ${dora}`])
    assert.equal(subscription.list!.state(dora), 'active open there')
    watcher.refresh(subscription, 3600, boxes.now(), [type], set('<filter id="8" remove="true"/>'))
    await boxes.pass(2_000)
    assert.equal(sent(boxes, dora), undefined)
    assert.equal(subscription.list!.state(dora), 'active open there')
    check(boxes, subscription)
  })

  test('§3.3.4: a notifier that takes none is asked without, and what is for its member is applied here', async () => {
    for (const status of [415, 488]) {
      const boxes = new Boxes(7, ['a.example'])
      const asked: SipRequest[] = []
      const peer = boxes.peer('c.example')
      peer.handlers.set('SUBSCRIBE', request => {
        asked.push(request)
        if (request.body.length > 0) return respond(request, status, { toTag: 'no' })
        peer.send(
          'NOTIFY',
          /<([^>]*)>/.exec(request.header('Contact')!)![1]!,
          [
            ['From', `${request.header('To')};tag=peer`],
            ['To', request.header('From')!],
            ['Call-ID', request.callId],
            ['Event', 'presence'],
            ['Subscription-State', 'active;expires=600'],
            ['Content-Type', 'application/pidf+xml'],
          ],
          boxes.now(),
          '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:dan@c.example"><tuple id="t"><status><basic>open</basic></status><note>far</note></tuple></presence>',
        )
        return respond(request, 200, {
          toTag: 'peer',
          headers: [
            ['Expires', '600'],
            ['Contact', '<sip:dan@10.2.0.1>'],
          ],
        })
      })
      await keep(boxes, home, [{ uri: mine, inline: ['sip:dan@c.example'] }])
      const subscription = await watch(boxes, filter('8', basics, ' uri="sip:dan@c.example"'))
      await boxes.pass(5_000)
      assert.deepEqual(
        asked.map(request => request.body.length > 0),
        [true, false],
      )
      assert.equal(subscription.list!.state('sip:dan@c.example'), 'active open')
      check(boxes, subscription)
    }
  })

  test('nothing is left when the list is no longer subscribed to', async () => {
    const boxes = new Boxes(8, ['a.example', 'b.example'])
    await keep(boxes, home, [{ uri: mine, inline: ['sip:alice@a.example', dora] }])
    const subscription = await watch(boxes, filter('8', basics), filter('9', notes, ` uri="${dora}"`))
    boxes.person(home).watcher.refresh(subscription, 0, boxes.now())
    await boxes.pass(60_000)
    await boxes.pass(9 * 86_400_000)
    assert.deepEqual(boxes.leftovers('a.example'), {})
    check(boxes, subscription)
  })
})
