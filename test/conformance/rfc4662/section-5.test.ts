/** RFC 4662 §5: multipart/related and resource list meta-information. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { formatRlmi, parseRlmi } from '../../../src/documents/rlmi.ts'
import { XmlError } from '../../../src/documents/xml/errors.ts'
import type { Subscription } from '../../actors/watcher.ts'
import { alice, bob, carol, friends, ListWorld } from './list-world.ts'

/** The example of §5.1. */
const example = `<?xml version="1.0"?>
<list xmlns="urn:ietf:params:xml:ns:rlmi" uri="sip:adam-friends@lists.vancouver.example.com" version="7" fullState="true">
  <name xml:lang="en">Buddy List</name>
  <name xml:lang="fr">Liste d'amis</name>
  <resource uri="sip:bob@vancouver.example.com">
    <name>Bob Smith</name>
    <instance id="juwigmtboe" state="active" cid="12345.aaa@vancouver.example.com"/>
  </resource>
  <resource uri="sip:jim@vancouver.example.com"><name>Jim</name><instance id="oflzxqzuvg" state="terminated" reason="rejected"/></resource>
  <resource uri="sip:ed@vancouver.example.com"><name>Ed</name><instance id="grqhzsppxb" state="pending"/></resource>
</list>`

describe('§5.1 XML syntax', () => {
  test('the example is read, and what is written is read as the same', () => {
    const list = parseRlmi(Buffer.from(example))
    assert.equal(list.version, 7)
    assert.equal(list.fullState, true)
    assert.deepEqual(list.names, [
      { text: 'Buddy List', language: 'en' },
      { text: "Liste d'amis", language: 'fr' },
    ])
    assert.deepEqual(list.resources[1]!.instances, [
      { id: 'oflzxqzuvg', state: 'terminated', reason: 'rejected', cid: undefined },
    ])
    assert.deepEqual(parseRlmi(formatRlmi(list)), list)
  })

  test('what is missing or wrong is an error', () => {
    for (const [what, instead] of [
      ['uri="sip:adam-friends@lists.vancouver.example.com" ', ''],
      ['version="7"', 'version="-1"'],
      ['version="7"', 'version="4294967296"'],
      ['fullState="true"', 'fullState="yes"'],
      ['state="pending"', 'state="waiting"'],
      [' id="grqhzsppxb"', ''],
      ['xmlns="urn:ietf:params:xml:ns:rlmi"', 'xmlns="urn:other"'],
    ] as const)
      assert.throws(() => parseRlmi(Buffer.from(example.replace(what, instead))), XmlError, what)
  })
})

describe('§5.1 the root document', () => {
  test('RLS-04: is the first part, to which start points, and is RLMI; no Content-ID comes twice (RFC 2392 §2)', async () => {
    const world = await ListWorld.of()
    await world.watch()
    await world.watch('Bob')
    await world.publish('Alice', 'open')
    await world.publish('Alice', 'closed')
    const notifies = world.person('Bob').agent.received.filter(({ method }) => method === 'NOTIFY')
    assert.equal(notifies.length, 6)
    const ids = notifies.flatMap(notify => {
      const [, start] = /^multipart\/related;type="application\/rlmi\+xml";start="(<.+>)";boundary=b$/.exec(
        notify.header('Content-Type')!,
      )!
      const body = Buffer.from(notify.body).toString()
      assert.ok(body.startsWith(`--b\r\nContent-ID: ${start}\r\nContent-Type: application/rlmi+xml\r\n\r\n<list `))
      return [...body.matchAll(/^Content-ID: <(.+@.+)>\r$/gm)].map(([, id]) => id!)
    })
    assert.equal(ids.length, 14)
    // The domain is compared without case, and by some clients all of it.
    assert.equal(new Set(ids.map(id => id.toLowerCase())).size, ids.length)
    world.check()
  })
})

describe('§5.2 list attributes', () => {
  test('RLS-05: version 0 at first, one more each time; RLS-06: full state after every SUBSCRIBE', async () => {
    const world = await ListWorld.of()
    const subscription = await world.watch()
    await world.publish('Alice', 'open')
    await world.refresh(subscription)
    await world.publish('Alice', 'closed')
    await world.refresh(subscription)
    const { list } = subscription
    assert.deepEqual(
      list!.documents.map(({ fullState }) => fullState),
      [true, false, true, false, true],
    )
    assert.equal(list!.version, 4)
    assert.equal(list!.uri, friends)
    world.check()
  })

  test('the NOTIFY that answers an unsubscribing SUBSCRIBE has full state too', async () => {
    const world = await ListWorld.of()
    const subscription = await world.watch()
    await world.refresh(subscription, 0)
    assert.equal(subscription.list!.documents.at(-1)!.fullState, true)
    world.check()
  })

  test('fullState is spelled out, for readers that know one spelling of it alone', async () => {
    const world = await ListWorld.of()
    const subscription = await world.watch()
    await world.publish('Alice', 'open')
    const spelled = subscription.notifications.map(({ body }) => / fullState="(\w+)"/.exec(body)![1])
    assert.deepEqual(spelled, ['true', 'false'])
  })

  test('the one that ends a subscription which nobody has refreshed says nothing new, but has RLMI', async () => {
    const world = await ListWorld.of()
    const subscription = await world.watch('Bob', friends, { expires: 60 })
    await world.pass(61_000)
    assert.equal(subscription.notifications.at(-1)!.state, 'terminated')
    assert.deepEqual(subscription.list!.documents.at(-1), { fullState: false, uris: [] })
    world.check()
  })
})

describe('§5.3, §5.4 resources and names', () => {
  test('RLS-07: URIs as the list has them, with every name and its language', async () => {
    const world = await ListWorld.of([
      '<entry uri="sip:alice@BOX.example;transport=tcp"><display-name xml:lang="fr">Alix &amp; moi</display-name></entry>',
    ])
    const subscription = await world.watch()
    const row = subscription.list!.rows.get('sip:alice@BOX.example;transport=tcp')
    assert.deepEqual(row?.names, ['Alix & moi'])
    assert.match(subscription.notifications[0]!.body, /<name xml:lang="fr">/)
    assert.equal(row?.instances[0]?.presence, 'closed')
    world.check()
  })

  test('a member that stands twice, in whatever spelling, is one (RLS-30)', async () => {
    const world = await ListWorld.of([
      alice,
      '<list name="more"><entry uri="sip:ALICE@box.example"/><entry uri="SIP:alice@BOX.EXAMPLE"/></list>',
    ])
    const { list } = await world.watch()
    assert.deepEqual([...list!.rows.keys()].sort(), [alice, 'sip:ALICE@box.example'].sort())
  })

  test('what is no SIP resource is told to be none', async () => {
    const world = await ListWorld.of(['mailto:x@y', 'tel:+15551234', alice])
    const { list } = await world.watch()
    assert.equal(list!.state('mailto:x@y'), 'terminated noresource')
    assert.equal(list!.state('tel:+15551234'), 'terminated noresource')
    assert.equal(list!.state(alice), 'active closed')
    world.check()
  })
})

describe('§5.5 instances', () => {
  test('RLS-08: reason where terminated, cid where active, and it leads to a part of the same multipart', async () => {
    const world = await ListWorld.of(
      [alice, carol, 'sip:nobody@box.example', 'sip:team@box.example'],
      [{ uri: friends }, { uri: 'sip:team@box.example', inline: [alice, 'sip:nobody@box.example'] }],
    )
    // The reader looks at all of this, at every depth, with every document.
    await world.watch()
    await world.publish('Alice', 'open')
    world.check()
  })
})

describe('§5.6 large lists', () => {
  const many = Array.from({ length: 300 }, (_, at) => `sip:member${String(at).padStart(3, '0')}@box.example`)

  test('RLS-33: every resource at once, states of the rest in further documents, without delay', async () => {
    const world = await ListWorld.of(many, undefined, [
      ['presence.minNotifyIntervalSeconds', '60'],
      ['auth.required', 'false'],
      ['presence.defaultHandling', 'allow'],
    ])
    const { watcher } = world.person('Bob')
    const subscription = watcher.subscribe(friends, 'presence', 3600, world.now(), { toList: true })
    await world.pass(5_000)
    const { list } = subscription
    assert.equal(list!.rows.size, 300)
    assert.ok(list!.documents.length > 1, 'it fitted into one')
    assert.deepEqual([list!.documents[0]!.fullState, list!.documents[1]!.fullState], [true, false])
    for (const uri of many) assert.equal(list!.state(uri), 'active closed', uri)
    for (const { body } of subscription.notifications) assert.ok(body.length < 64_000)
    world.check()
  })

  /** The list as a client that takes presence by what has changed has it. */
  const partial = { accept: 'multipart/related, application/rlmi+xml, application/pidf+xml, application/pidf-diff+xml' }
  const lengths = ({ notifications }: Subscription) => notifications.map(({ body }) => Buffer.byteLength(body))
  const longName = (uri: string) =>
    `<entry uri="${uri}"><display-name>${'a long name '.repeat(20)}</display-name></entry>`
  const open = [
    ['auth.required', 'false'],
    ['presence.defaultHandling', 'allow'],
    ['presence.minNotifyIntervalSeconds', '60'],
  ] as const

  test('RLS-33: a list whose names alone are more than a datagram holds comes in pieces, at first and at each refresh', async () => {
    const world = await ListWorld.of(many.map(longName), undefined, open)
    const subscription = await world.watch()
    const complete = (since: number) => {
      const pieces = subscription.list!.documents.slice(since)
      assert.ok(pieces.length > 2, 'it fitted into two')
      assert.deepEqual(
        pieces.map(({ fullState }) => fullState),
        pieces.map((_, at) => at === 0),
      )
      for (const uri of many) assert.equal(subscription.list!.state(uri), 'active closed', uri)
    }
    complete(0)
    const { length } = subscription.list!.documents
    await world.refresh(subscription)
    complete(length)
    assert.ok(Math.max(...lengths(subscription)) <= 63_000)
    world.check()
  })

  test('RLS-33: a list that outgrows a datagram while it is subscribed to goes on in pieces', async () => {
    const world = await ListWorld.of([alice], undefined, open)
    const subscription = await world.watch('Bob', friends, partial)
    await world.keep('Bob', [alice, ...many.map(longName)])
    await world.pass(61_000)
    const all = [alice, ...many]
    const views = () => all.map(uri => subscription.list!.rows.get(uri)?.view?.canonical)
    assert.ok(views().every(view => view?.includes('closed')))
    await world.refresh(subscription)
    assert.ok(views().every(view => view?.includes('closed')))
    await world.pass(61_000)
    await world.publish('Alice', 'open', 'news')
    assert.match(views()[0]!, /news/)
    assert.ok(Math.max(...lengths(subscription)) <= 63_000)
    world.check()
  })

  test('RLS-33: large presence documents come one by one, and a refresh tells each of them whole again', async () => {
    const world = await ListWorld.of([alice, carol], undefined, [...open, ['presence.minNotifyIntervalSeconds', '0']])
    const publish = async (name: string, note: string) => world.publish(name, 'open', note + '-'.repeat(30_000))
    for (const name of ['Alice', 'Carol']) {
      await publish(name, 'one')
      // Of a second device, so that it is more than one may publish.
      const { agent, aor } = world.person(name)
      const document = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${aor}"><tuple id="b"><status><basic>open</basic></status><note>${'+'.repeat(10_000)}</note></tuple></presence>`
      agent.send(
        'PUBLISH',
        aor,
        [
          ['Event', 'presence'],
          ['Content-Type', 'application/pidf+xml'],
        ],
        world.now(),
        document,
      )
      await world.quiet()
    }
    const subscription = await world.watch('Bob', friends, partial)
    const views = () => [alice, carol].map(uri => subscription.list!.rows.get(uri)?.view?.canonical ?? '')
    for (const view of views()) assert.ok(view.length > 40_000)
    await publish('Carol', 'two')
    assert.ok(views()[1]!.includes('two---'))
    await world.refresh(subscription)
    assert.ok(views()[0]!.includes('one---') && views()[1]!.includes('two---'))
    assert.ok(Math.max(...lengths(subscription)) <= 63_000)
    world.check()
  })

  test('RLS-22: of who goes and comes back before that is told, versions go on, and the new name is told', async () => {
    const world = await ListWorld.of([alice, carol], undefined, open)
    const subscription = await world.watch('Bob', friends, partial)
    await world.publish('Carol', 'open', 'first')
    await world.pass(61_000)
    await world.publish('Carol', 'open', 'second')
    await world.keep('Bob', [alice])
    await world.keep('Bob', [alice, `<entry uri="${carol}"><display-name>Caz</display-name></entry>`])
    await world.pass(61_000)
    const told = () => subscription.list!.rows.get(carol)!
    assert.deepEqual(told().names, ['Caz'])
    assert.match(told().view!.canonical!, /second/)
    await world.publish('Carol', 'closed', 'third')
    await world.pass(61_000)
    assert.match(told().view!.canonical!, /third/)
    world.check()
  })

  test('RLS-32: to who offers it a body goes deflated', async () => {
    const world = await ListWorld.of([alice, carol])
    const subscription = await world.watch('Bob', friends, { headers: [['Accept-Encoding', 'deflate']] })
    const { received } = world.person('Bob').agent
    const notify = received.find(({ method }) => method === 'NOTIFY')!
    assert.equal(notify.header('Content-Encoding'), 'deflate')
    assert.ok(inflateSync(notify.body).length > 2 * notify.body.length)
    assert.equal(subscription.list!.state(alice), 'active closed')
    world.check()
  })
})

describe('§7.4 loops', () => {
  test('RLS-11: a list that contains itself, by whatever way, ends where it comes again', async () => {
    const [a, b] = ['sip:a@box.example', 'sip:b@box.example']
    const world = await ListWorld.of(
      [],
      [
        { uri: a, inline: [alice, b] },
        { uri: b, inline: [carol, a, b] },
      ],
    )
    const { list } = await world.watch('Bob', a)
    const inner = list!.rows.get(b)!.list!
    assert.equal(list!.state(alice), 'active closed')
    assert.equal(inner.state(carol), 'active closed')
    assert.equal(inner.state(a), 'terminated noresource')
    assert.equal(inner.state(b), 'terminated noresource')
    await world.publish('Carol', 'open')
    assert.equal(inner.state(carol), 'active open')
    world.check()
  })

  test('lists in lists in lists end at a depth, and nothing is lost above it', async () => {
    const uris = Array.from({ length: 12 }, (_, at) => `sip:depth${at}@box.example`)
    const world = await ListWorld.of(
      [],
      uris.map((uri, at) => ({ uri, inline: [alice, ...uris.slice(at + 1, at + 2)] })),
    )
    let { list } = await world.watch('Bob', uris[0])
    let depth = 0
    for (const uri of uris) {
      assert.equal(list!.state(alice), 'active closed')
      const next = list!.rows.get(uris[uris.indexOf(uri) + 1]!)
      if (next?.list === undefined) break
      list = next.list
      depth++
    }
    assert.ok(depth >= 5 && depth < 12, String(depth))
    world.check()
  })

  test('the list of another in a list is refused as it would be alone', async () => {
    const world = await ListWorld.of([alice, 'sip:hers@box.example'])
    await world.keep('Alice', [bob], [{ uri: 'sip:hers@box.example', inline: [carol] }])
    const { list } = await world.watch()
    assert.equal(list!.state('sip:hers@box.example'), 'terminated rejected')
    assert.equal(list!.state(alice), 'active closed')
    world.check()
  })
})
