/** RFC 4662 §4: how one subscription to a list stands for many. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type HeaderField, respond } from '../../../src/protocols/sip/message.ts'
import { listDocument, listsType, putList, putServices } from '../../actors/list-owner.ts'
import type { ListTable } from '../../actors/list-table.ts'
import { alice, bob, carol, friends, ListWorld } from './list-world.ts'

describe('§4 operation of list subscriptions', () => {
  test('"several virtual subscriptions": the watcher sees each member as he would see it alone', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'at home')
    const subscription = await world.watch()
    assert.equal(subscription.exchange.final?.status, 200)
    assert.equal(subscription.list!.state(alice), 'active open at home')
    assert.equal(subscription.list!.state(carol), 'active closed')
    const alone = world.person('Bob').watcher.subscribe(alice, 'presence', 3600, world.now())
    await world.quiet()
    assert.equal(subscription.list!.rows.get(alice)!.instances[0]!.body, alone.notifications[0]!.body)
    world.check()
  })

  test('a list in a list is a list subscription of its own, with versions of its own', async () => {
    const inner = 'sip:family@box.example'
    const world = await ListWorld.of([alice, inner], [{ uri: friends }, { uri: inner, inline: [carol] }])
    const subscription = await world.watch()
    const nested = () => subscription.list!.rows.get(inner)!.list!
    assert.equal(subscription.list!.state(inner), 'list')
    assert.equal(nested().uri, inner)
    assert.equal(nested().state(carol), 'active closed')
    await world.publish('Carol', 'open', 'hello')
    assert.equal(nested().state(carol), 'active open hello')
    assert.deepEqual(subscription.list!.documents.at(-1), { fullState: false, uris: [inner] })
    assert.deepEqual(nested().documents.at(-1), { fullState: false, uris: [carol] })
    world.check()
  })
})

describe('RFC 6665 §4.5.1: Contact is a GRUU of the notifier', () => {
  const list = 'sip:bob@box.example;pres-list=rcs'

  test('the parameters of a list are not in it where To has them, and a refresh finds the subscription by both', async () => {
    const world = await ListWorld.of([alice], [{ uri: list }])
    const subscription = await world.watch('Bob', list)
    assert.equal(subscription.remoteTarget, 'sip:bob@10.0.0.1:5060;gr=rls')
    assert.equal(await world.refresh(subscription), 200)
    assert.equal(subscription.list!.documents.length, 2)
    world.check()
  })

  test('they are where To says another thing', async () => {
    const world = await ListWorld.of([alice], [{ uri: list }])
    const subscription = await world.watch('Bob', list, { headers: [['To', `Friends <${list};of=old>`]] })
    assert.equal(subscription.remoteTarget, 'sip:bob%3Bpres-list%3Drcs@10.0.0.1:5060;gr=rls')
    const { agent } = world.person('Bob')
    const exchange = agent.send(
      'SUBSCRIBE',
      subscription.remoteTarget,
      [
        ['From', `<${bob}>;tag=${subscription.localTag}`],
        ['To', `Friends <${list};of=old>;tag=${subscription.remoteTag}`],
        ['Call-ID', subscription.callId],
        ['Event', 'presence'],
        ['Expires', '3600'],
        ...subscription.fields,
      ],
      world.now(),
    )
    await world.quiet()
    assert.equal(exchange.final?.status, 200)
    assert.equal(subscription.list!.documents.length, 2)
    world.check()
  })

  test('one with the mark it had in a dialog that began before an update leads there as well', async () => {
    const world = await ListWorld.of([alice], [{ uri: list }])
    const subscription = await world.watch('Bob', list)
    subscription.remoteTarget = 'sip:bob%3Bpres-list%3Drcs@10.0.0.1:5060;gr=resource-list-server'
    assert.equal(await world.refresh(subscription), 200)
    world.check()
  })
})

describe('§4.1 negotiation', () => {
  test('RLS-02: without eventlist a list is answered 421 with Require: eventlist', async () => {
    const world = await ListWorld.of()
    const { exchange } = await world.watch('Bob', friends, { toList: false })
    assert.equal(exchange.final?.status, 421)
    assert.equal(exchange.final?.header('Require'), 'eventlist')
  })

  test('RLS-01: Require: eventlist in the 200 and in every NOTIFY, also in the last', async () => {
    const world = await ListWorld.of()
    const subscription = await world.watch()
    assert.deepEqual(subscription.exchange.final?.headers('Require'), ['eventlist'])
    await world.refresh(subscription, 0)
    assert.equal(subscription.notifications.at(-1)!.state, 'terminated')
    world.check()
  })

  test('the option is offered in OPTIONS', async () => {
    const world = new ListWorld()
    const exchange = world.person('Bob').agent.send('OPTIONS', 'sip:box.example', [], world.now())
    await world.quiet()
    const supported = exchange.final!.headers('Supported')
    assert.ok(supported.includes('eventlist') && supported.includes('recipient-list-subscribe'), String(supported))
  })

  test('one who can read no multipart/related is answered 406', async () => {
    const world = await ListWorld.of()
    const headers = [['Supported', 'eventlist'] as const, ['Accept', 'application/pidf+xml'] as const]
    const { watcher } = world.person('Bob')
    const { exchange } = watcher.subscribe(friends, 'presence', 600, world.now(), { headers })
    await world.quiet()
    assert.equal(exchange.final?.status, 406)
  })
})

describe('§4.2 duration', () => {
  test('RLS-17: the default and the bounds are those of the package', async () => {
    const world = await ListWorld.of()
    assert.equal((await world.watch('Bob', friends, { expires: 30 })).exchange.final?.status, 423)
    const { exchange } = await world.watch('Bob', friends, { expires: 1_000_000 })
    assert.equal(exchange.final?.expires, 86_400)
  })
})

describe('§4.4 processing of SUBSCRIBE', () => {
  test('RLS-18: "only that user will be allowed to subscribe": another is answered 403', async () => {
    const world = await ListWorld.of()
    assert.equal((await world.watch('Alice')).exchange.final?.status, 403)
  })

  test('unless the operator opens lists; then each sees what he himself may see (§7.2, RLS-12)', async () => {
    const world = await ListWorld.of(undefined, undefined, [['lists.openTo', 'everybody']])
    await world.rules('Alice', { [bob]: 'allow', [carol]: 'polite-block' })
    await world.publish('Alice', 'open', 'for Bob')
    const [own, other] = [await world.watch('Bob'), await world.watch('Carol')]
    assert.equal(own.list!.state(alice), 'active open for Bob')
    assert.equal(other.list!.state(alice), 'active closed')
    await world.publish('Alice', 'open', 'for Bob again')
    assert.equal(own.list!.state(alice), 'active open for Bob again')
    assert.equal(other.list!.state(alice), 'active closed')
    assert.equal(other.notifications.length, 1)
    world.check()
  })

  test('settings that decide about lists are felt at once, by lists within lists too', async () => {
    const family = 'sip:family@box.example'
    const world = await ListWorld.of([carol, alice], [{ uri: friends, inline: [alice, bob] }, { uri: family }])
    await world.keep('Carol', [bob])
    assert.equal(await putServices(world, 'Carol', [{ uri: 'sip:hers@box.example', inline: [alice, family] }]), 201)
    await world.set('lists.openTo', 'everybody')
    const [others, hers] = [await world.watch('Carol'), await world.watch('Carol', 'sip:hers@box.example')]
    const own = await world.watch()
    assert.equal(others.list!.state(bob), 'active closed')
    assert.equal(hers.list!.state(family), 'list')
    await world.set('lists.openTo', 'owner')
    await world.quiet()
    assert.deepEqual(
      [others.notifications.at(-1)!.state, others.notifications.at(-1)!.reason],
      ['terminated', 'rejected'],
    )
    assert.equal(hers.list!.state(family), 'terminated rejected')
    assert.equal(hers.list!.state(alice), 'active closed')
    assert.equal(own.notifications.at(-1)!.state, 'active')
    await world.set('lists.membersMax', '1')
    await world.quiet()
    assert.equal(own.notifications.at(-1)!.state, 'terminated')
    world.check()
  })

  test('RLS-27: an event package that the service does not name is answered 489', async () => {
    const world = await ListWorld.of()
    const { exchange } = await world.watch('Bob', friends, { event: 'presence.winfo' })
    assert.equal(exchange.final?.status, 489)
    assert.equal(exchange.final?.header('Allow-Events'), 'presence')
  })

  test('RLS-23: a list with more members than are served is answered 403, and says how many', async () => {
    const world = await ListWorld.of([alice, carol, 'sip:dave@box.example'], undefined, [['lists.membersMax', '2']])
    const { exchange } = await world.watch()
    assert.equal(exchange.final?.status, 403)
    assert.match(exchange.final!.reason, /More Than 2 Members/)
  })

  test('RLS-23: 100,000 members fit into no document; by many references they are too many, and nothing else is harmed', async () => {
    const world = await ListWorld.of([alice])
    const uris = (count: number, prefix: string) =>
      Array.from({ length: count }, (_, at) => `sip:${prefix}${at}@box.example`)
    assert.equal(await putList(world, 'Bob', uris(100_000, 'm')), 413)
    const references: string[] = []
    for (let at = 0; at < 20; at++) {
      const target = `/xcap-root/resource-lists/users/${bob}/part${at}`
      assert.equal(await world.put('Bob', target, listsType, listDocument(uris(1_000, `p${at}x`))), 201)
      references.push(`<external anchor="http://box.example${target}"/>`)
    }
    const subscription = await world.watch()
    assert.equal(subscription.exchange.final?.status, 200)
    assert.equal(await putList(world, 'Bob', references), 200)
    await world.quiet()
    const last = subscription.notifications.at(-1)!
    assert.deepEqual([last.state, last.reason], ['terminated', 'rejected'])
    const { exchange } = await world.watch()
    assert.equal(exchange.final?.status, 403)
    assert.match(exchange.final!.reason, /More Than 500 Members/)
    assert.equal(await putList(world, 'Bob', [alice]), 200)
    assert.equal((await world.watch()).list!.state(alice), 'active closed')
    world.check()
  })

  test('RLS-23: lists within lists count with the list they lie in, so that few of them do not become millions', async () => {
    const uri = (level: number, at: number) => `sip:level${level}-${at}@box.example`
    const every = (level: number) => Array.from({ length: 10 }, (_, at) => uri(level, at))
    const services = Array.from({ length: 7 }, (_, level) =>
      every(level).map(one => ({ uri: one, inline: level === 6 ? [alice] : [alice, ...every(level + 1)] })),
    )
    const world = await ListWorld.of([alice], services.flat())
    const subscription = await world.watch('Bob', uri(0, 0))
    assert.equal(subscription.exchange.final?.status, 200)
    const count = (list: ListTable): number =>
      [...list.rows.values()].reduce((sum, row) => sum + 1 + (row.list ? count(row.list) : 0), 0)
    assert.ok(count(subscription.list!) <= 500, String(count(subscription.list!)))
    assert.equal(subscription.list!.state(alice), 'active closed')
    world.check()
  })

  test('RLS-23: a list within a list that grows too long is told to be refused, and comes back with the next SUBSCRIBE', async () => {
    const family = 'sip:family@box.example'
    const services = [{ uri: friends, inline: [alice, family] }, { uri: family }]
    const world = await ListWorld.of([carol], services, [['lists.membersMax', '4']])
    const subscription = await world.watch()
    assert.equal(subscription.list!.state(family), 'list')
    // Two members above and three below are one too many.
    await world.keep('Bob', [carol, alice, bob])
    await world.quiet()
    assert.equal(subscription.list!.state(family), 'terminated rejected')
    await world.publish('Alice', 'open')
    assert.equal(subscription.list!.state(alice), 'active open')
    await world.keep('Bob', [carol, bob])
    await world.quiet()
    assert.equal(await world.refresh(subscription), 200)
    assert.deepEqual([...subscription.list!.rows.get(family)!.list!.rows.keys()].sort(), [bob, carol])
    await world.refresh(subscription, 0)
    world.check()
  })

  test('RLS-24: the address of a user with the parameter of a list is a list or nothing, never the user', async () => {
    const uri = `${bob};pres-list=rcs`
    const world = await ListWorld.of([alice], [{ uri }])
    const { list } = await world.watch('Bob', uri)
    assert.equal(list!.uri, uri)
    assert.equal(list!.state(alice), 'active closed')
    assert.equal((await world.watch('Bob', `${bob};pres-list=other`)).exchange.final?.status, 404)
    assert.equal((await world.watch('Bob', `${alice};pres-list=rcs`)).exchange.final?.status, 404)
    world.check()
  })

  test('an option that is not supported is answered 420', async () => {
    const world = await ListWorld.of()
    const { exchange } = await world.watch('Bob', friends, { headers: [['Require', 'wings']] })
    assert.equal(exchange.final?.status, 420)
  })
})

describe('RFC 3323, RFC 3325 §7 privacy of who subscribes', () => {
  const asked: readonly HeaderField[] = [['Privacy', 'id']]

  test('RLS-14: whom he watches, alone or by a list, is not told who he is; what he may see is decided by it (PS-77)', async () => {
    for (const uri of [alice, friends]) {
      const world = await ListWorld.of([alice])
      const watchers = world.person('Alice').watcher.subscribe(alice, 'presence.winfo', 3600, world.now())
      await world.publish('Alice', 'open', 'seen')
      const { watcher } = world.person('Bob')
      const wishes = { headers: asked, ...(uri === friends && { toList: true }) }
      const subscription = watcher.subscribe(uri, 'presence', 3600, world.now(), wishes)
      await world.quiet()
      assert.match(subscription.notifications.at(-1)!.body, /seen/)
      const told = () => watchers.notifications.flatMap(one => [one.body, ...one.watchers]).join()
      assert.match(told(), /anonymous@anonymous.invalid active/)
      await world.rules('Alice', { [bob]: 'confirm' })
      await world.restart()
      await world.rules('Alice', { [bob]: 'block' })
      await world.quiet()
      assert.doesNotMatch(subscription.notifications.at(-1)!.body, /seen/)
      assert.doesNotMatch(told(), /bob/i)
      world.check()
    }
  })
})

describe('§4.5 generation of NOTIFY', () => {
  test('a change of one member is told alone', async () => {
    const world = await ListWorld.of()
    const subscription = await world.watch()
    await world.publish('Carol', 'open', 'here')
    assert.equal(subscription.list!.state(carol), 'active open here')
    assert.deepEqual(subscription.list!.documents, [
      { fullState: true, uris: [alice, carol] },
      { fullState: false, uris: [carol] },
    ])
    world.check()
  })

  test('changes while a NOTIFY is under way, or within the interval, become one', async () => {
    const world = await ListWorld.of(undefined, undefined, [['presence.minNotifyIntervalSeconds', '5']])
    const subscription = await world.watch()
    await world.publish('Alice', 'open', 'zero')
    for (const note of ['one', 'two', 'three']) {
      world.person('Alice').source.modify('open', note, 3600, world.now())
      await world.pass(200)
      world.person('Carol').source.publish('open', note, 3600, world.now())
      await world.pass(200)
    }
    await world.pass(20_000)
    assert.equal(subscription.list!.state(alice), 'active open three')
    assert.match(subscription.list!.state(carol), /^active open .*three/)
    assert.ok(subscription.notifications.length <= 5, `${subscription.notifications.length} notifications`)
    world.check()
  })

  test('RLS-16: who is pending has no state, who is refused is terminated with the reason', async () => {
    const world = await ListWorld.of([alice, carol, 'sip:nobody@box.example'])
    await world.publish('Alice', 'open')
    await world.rules('Alice', { [bob]: 'confirm' })
    await world.rules('Carol', { [bob]: 'block' })
    const { list } = await world.watch()
    assert.equal(list!.state(alice), 'pending')
    assert.equal(list!.state(carol), 'terminated rejected')
    assert.equal(list!.state('sip:nobody@box.example'), 'terminated noresource')
    world.check()
  })

  test('a decision of the presentity reaches who watches by a list as it reaches any watcher', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'secret')
    await world.rules('Alice', { [bob]: 'confirm' })
    const winfo = world.person('Alice').watcher.subscribe(alice, 'presence.winfo', 3600, world.now())
    const { list } = await world.watch()
    assert.equal(list!.state(alice), 'pending')
    assert.deepEqual(winfo.notifications.at(-1)!.watchers, [`${bob} pending subscribe`])
    await world.rules('Alice', { [bob]: 'allow' })
    assert.equal(list!.state(alice), 'active open secret')
    assert.deepEqual(winfo.notifications.at(-1)!.watchers, [`${bob} active approved`])
    await world.rules('Alice', { [bob]: 'block' })
    assert.equal(list!.state(alice), 'terminated rejected')
    assert.deepEqual(winfo.notifications.at(-1)!.watchers, [`${bob} terminated rejected`])
    world.check()
  })

  test('who was refused is tried again with every SUBSCRIBE', async () => {
    const world = await ListWorld.of()
    await world.rules('Alice', { [bob]: 'block' })
    const subscription = await world.watch()
    await world.rules('Alice', { [bob]: 'allow' })
    assert.equal(subscription.list!.state(alice), 'terminated rejected')
    await world.refresh(subscription)
    assert.equal(subscription.list!.state(alice), 'active closed')
    await world.publish('Alice', 'open', 'again')
    assert.equal(subscription.list!.state(alice), 'active open again')
    world.check()
  })

  test('RLS-22: members come and go while the list is subscribed to', async () => {
    const world = await ListWorld.of([alice])
    const subscription = await world.watch()
    await world.keep('Bob', [alice, `<entry uri="${carol}"><display-name xml:lang="en">Caz</display-name></entry>`])
    await world.quiet()
    assert.equal(subscription.list!.state(carol), 'active closed')
    assert.deepEqual(subscription.list!.rows.get(carol)!.names, ['Caz'])
    assert.deepEqual(subscription.list!.documents.at(-1), { fullState: false, uris: [carol] })
    await world.publish('Carol', 'open', 'new here')
    assert.equal(subscription.list!.state(carol), 'active open new here')
    await world.keep('Bob', [carol])
    await world.quiet()
    assert.equal(subscription.list!.state(alice), 'terminated noresource')
    await world.publish('Alice', 'open')
    assert.equal(subscription.list!.state(alice), 'terminated noresource')
    await world.refresh(subscription)
    assert.equal(subscription.list!.state(alice), 'absent')
    assert.deepEqual(subscription.list!.documents.at(-1), { fullState: true, uris: [carol] })
    world.check()
  })

  test('a list that is no more ends its subscriptions', async () => {
    const world = await ListWorld.of()
    const subscription = await world.watch()
    await world.keep('Bob', [alice], [{ uri: 'sip:others@box.example' }])
    await world.quiet()
    assert.deepEqual(
      [subscription.notifications.at(-1)!.state, subscription.notifications.at(-1)!.reason],
      ['terminated', 'noresource'],
    )
    assert.equal((await world.watch()).exchange.final?.status, 404)
    world.check()
  })
})

describe('what a small link is spared', () => {
  const suppress = (tag: string) => [['Suppress-If-Match', tag] as const]
  const tagOf = (world: ListWorld) =>
    world
      .person('Bob')
      .agent.received.findLast(({ method }) => method === 'NOTIFY')!
      .header('SIP-ETag')!

  test('RFC 5839 §5.5: who knows the state of a list and refreshes is answered 204, and told nothing', async () => {
    const world = await ListWorld.of()
    const subscription = await world.watch()
    const { watcher } = world.person('Bob')
    const refresh = async () => {
      const exchange = watcher.refresh(subscription, 3600, world.now(), suppress(tagOf(world)))
      await world.quiet()
      return exchange.final?.status
    }
    assert.equal(await refresh(), 204)
    assert.equal(subscription.notifications.length, 1)
    await world.publish('Alice', 'open', 'news')
    assert.equal(subscription.list!.state(alice), 'active open news')
    assert.equal(await refresh(), 204)
    assert.equal(subscription.notifications.length, 2)
    const old = tagOf(world)
    await world.publish('Alice', 'closed')
    const exchange = watcher.refresh(subscription, 3600, world.now(), suppress(old))
    await world.quiet()
    assert.equal(exchange.final?.status, 200)
    assert.equal(subscription.list!.documents.at(-1)!.fullState, true)
    world.check()
  })

  test('RLS-21, RFC 5263: who takes partial presence is told of a member by what has changed, whole again with full state', async () => {
    const world = await ListWorld.of()
    const note = 'a long story about what happens today '.repeat(20)
    await world.publish('Alice', 'open', note)
    const accept = 'multipart/related, application/rlmi+xml, application/pidf+xml, application/pidf-diff+xml'
    const { watcher } = world.person('Bob')
    const subscription = watcher.subscribe(friends, 'presence', 3600, world.now(), {
      toList: true,
      headers: [],
      accept,
    })
    await world.quiet()
    const row = () => subscription.list!.rows.get(alice)!.instances[0]!
    assert.equal(row().contentType, 'application/pidf-diff+xml')
    assert.match(row().body, /<(\w+:)?pidf-full[^>]* version="1"/)
    await world.publish('Alice', 'closed', note)
    assert.match(row().body, /<(\w+:)?pidf-diff[^>]* version="2"/)
    assert.ok(row().body.length < note.length)
    await world.refresh(subscription)
    assert.match(row().body, /<(\w+:)?pidf-full[^>]* version="3"/)
    world.check()
  })

  test('RFC 4662 §5.6.2: who has been shown as terminated may be forgotten, so that he is told whole when he is seen again', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'one')
    const accept = 'multipart/related, application/rlmi+xml, application/pidf+xml, application/pidf-diff+xml'
    const subscription = await world.watch('Bob', friends, { accept })
    const row = () => subscription.list!.rows.get(alice)!
    await world.rules('Alice', { [bob]: 'block' })
    assert.equal(subscription.list!.state(alice), 'terminated rejected')
    await world.rules('Alice', { [bob]: 'allow' })
    await world.refresh(subscription)
    await world.publish('Alice', 'open', 'two')
    assert.match(row().view!.canonical!, /two/)
    await world.rules('Alice', { [bob]: 'confirm' })
    assert.equal(subscription.list!.state(alice), 'pending')
    await world.rules('Alice', { [bob]: 'allow' })
    assert.equal(row().view!.last, 'pidf-full')
    world.check()
  })

  test('RLS-20, RFC 6446: the rate of a list is its own, and what waits is merged', async () => {
    const world = await ListWorld.of()
    const { watcher } = world.person('Bob')
    const subscription = watcher.subscribe(friends, 'presence;max-rate=0.1', 3600, world.now(), { toList: true })
    await world.quiet()
    await world.publish('Alice', 'open', 'one')
    const before = subscription.notifications.length
    world.person('Alice').source.modify('open', 'two', 3600, world.now())
    await world.pass(1_000)
    assert.equal(subscription.notifications.length, before + 1)
    world.person('Alice').source.modify('open', 'three', 3600, world.now())
    await world.pass(1_000)
    world.person('Carol').source.publish('open', 'three', 3600, world.now())
    await world.pass(1_000)
    assert.equal(subscription.notifications.length, before + 1)
    await world.pass(10_000)
    assert.equal(subscription.notifications.length, before + 2)
    assert.equal(subscription.list!.state(alice), 'active open three')
    assert.match(subscription.list!.state(carol), /three/)
    world.check()
  })

  test('a NOTIFY that is refused is made good by full state after a while', async () => {
    const world = await ListWorld.of()
    const subscription = await world.watch()
    const { handlers } = world.person('Bob').agent
    const takes = handlers.get('NOTIFY')!
    handlers.set('NOTIFY', request => respond(request, 500))
    await world.publish('Alice', 'open', 'missed')
    handlers.set('NOTIFY', takes)
    await world.pass(40_000)
    assert.equal(subscription.list!.state(alice), 'active open missed')
    assert.equal(subscription.list!.documents.at(-1)!.fullState, true)
    world.check()
  })
})

describe('RFC 6665 §4.2.2 NOTIFYs that are not taken', () => {
  test('who goes on refusing is sent the whole list ever more seldom, until he takes it', async () => {
    const world = await ListWorld.of()
    const subscription = await world.watch('Bob', friends, { expires: 86_400 })
    const { agent } = world.person('Bob')
    const taking = agent.handlers.get('NOTIFY')!
    let refused = 0
    agent.handlers.set('NOTIFY', request => {
      refused++
      return respond(request, 503)
    })
    await world.publish('Alice', 'open', 'unheard')
    await world.pass(36_000_000)
    // Half a minute, one, two, ..., half an hour: in ten hours some forty instead of a thousand.
    assert.ok(refused > 5 && refused < 60, String(refused))
    agent.handlers.set('NOTIFY', taking)
    await world.pass(1_800_000)
    assert.equal(subscription.list!.state(alice), 'active closed')
    const before = subscription.notifications.length
    await world.publish('Carol', 'open', 'heard')
    assert.equal(subscription.notifications.length, before + 1)
    world.check()
  })
})

describe('§4.6, §4.7 fetches, and what is left behind', () => {
  test('RLS-03: a fetch tells what is known, with RLMI, and leaves nothing', async () => {
    const world = await ListWorld.of()
    await world.publish('Alice', 'open', 'now')
    const subscription = await world.watch('Bob', friends, { expires: 0 })
    assert.equal(subscription.list!.state(alice), 'active open now')
    assert.equal(subscription.notifications[0]!.state, 'terminated')
    await world.publish('Alice', 'closed')
    assert.equal(subscription.notifications.length, 1)
    world.check()
  })

  test('when all has ended nothing is left of lists, legs and members', async () => {
    const world = await ListWorld.of()
    const subscription = await world.watch()
    await world.publish('Alice', 'open')
    await world.watch('Bob', friends, { expires: 600 })
    await world.refresh(subscription, 0)
    await world.pass(8 * 86_400_000)
    assert.deepEqual(world.leftovers(), {})
    world.check()
  })

  test('a killed box goes on: versions, members and news', async () => {
    const world = await ListWorld.of()
    const subscription = await world.watch()
    await world.publish('Alice', 'open', 'one')
    await world.restart()
    await world.publish('Alice', 'open', 'two')
    await world.quiet()
    assert.equal(subscription.list!.state(alice), 'active open two')
    assert.equal(await world.refresh(subscription), 200)
    world.check()
  })
})
