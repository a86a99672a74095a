/** RFC 5367: subscriptions to lists that come with the request; RFC 5363 for what such a list may be. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { limits } from '../../../src/limits.ts'
import type { HeaderField } from '../../../src/protocols/sip/message.ts'
import { listDocument, listsType } from '../../actors/list-owner.ts'
import type { Subscription } from '../../actors/watcher.ts'
import { alice, bob, carol, ListWorld } from '../rfc4662/list-world.ts'

const server = 'sip:rls@box.example'
const required: HeaderField = ['Require', 'recipient-list-subscribe']
const disposition: HeaderField = ['Content-Disposition', 'recipient-list']
const type: HeaderField = ['Content-Type', listsType]

function watch(
  world: ListWorld,
  body: string | undefined,
  headers: readonly HeaderField[] = [required, disposition, type],
  event = 'presence',
): Promise<Subscription> {
  return world.watch('Bob', server, { headers, event, ...(body === undefined ? {} : { body }) })
}

describe('RFC 5367 §4 the option recipient-list-subscribe', () => {
  test('RLS-28: a list in the request is subscribed to, and told like any other', async () => {
    const world = new ListWorld()
    await world.publish('Alice', 'open', 'hello')
    const subscription = await watch(world, listDocument([alice, carol]))
    assert.equal(subscription.exchange.final?.status, 200)
    assert.equal(subscription.list!.uri, server)
    assert.equal(subscription.list!.state(alice), 'active open hello')
    await world.publish('Carol', 'open', 'too')
    assert.equal(subscription.list!.state(carol), 'active open too')
    assert.deepEqual(subscription.list!.documents.at(-1), { fullState: false, uris: [carol] })
    world.check()
  })

  test('two of one watcher are two, and news of one goes to none of the other', async () => {
    const world = new ListWorld()
    const [first, second] = [await watch(world, listDocument([alice])), await watch(world, listDocument([carol]))]
    await world.publish('Carol', 'open')
    assert.equal(first.notifications.length, 1)
    assert.equal(second.notifications.length, 2)
    world.check()
  })

  test('without the option in Require it is answered 421 that names it', async () => {
    const { exchange } = await watch(new ListWorld(), listDocument([alice]), [disposition, type])
    assert.equal(exchange.final?.status, 421)
    assert.equal(exchange.final?.header('Require'), 'recipient-list-subscribe')
  })

  test('without a list 400, with one that cannot be read 400, with something else 415', async () => {
    const world = new ListWorld()
    assert.equal((await watch(world, undefined, [required])).exchange.final?.status, 400)
    assert.equal((await watch(world, '<resource-lists')).exchange.final?.status, 400)
    assert.equal((await watch(world, 'a,b', [required, ['Content-Type', 'text/csv']])).exchange.final?.status, 415)
    const other: HeaderField = ['Content-Disposition', 'render']
    assert.equal((await watch(world, listDocument([alice]), [required, other, type])).exchange.final?.status, 400)
  })
})

describe('RFC 5367 §5 OPTIONS', () => {
  test('the URI of the server and those of lists answer with what they support, others are not found', async () => {
    const world = await ListWorld.of([alice])
    const { agent } = world.person('Bob')
    for (const [uri, status] of [
      [server, 200],
      ['sip:friends@box.example', 200],
      [`${bob};pres-list=none`, 404],
    ] as const) {
      const exchange = agent.send('OPTIONS', uri, [], world.now())
      await world.quiet()
      assert.equal(exchange.final?.status, status, uri)
      if (status !== 200) continue
      const supported = exchange.final!.headers('Supported')
      assert.ok(supported.includes('eventlist') && supported.includes('recipient-list-subscribe'), String(supported))
      assert.ok(exchange.final!.headers('Accept').includes(listsType))
      assert.ok(exchange.final!.headers('Allow-Events').includes('presence'))
    }
    world.check()
  })
})

describe('RFC 5367 §5.1, §6 later requests', () => {
  test('RLS-29: a list in a later SUBSCRIBE is answered 415; without one the subscription goes on as it was', async () => {
    const world = new ListWorld()
    const subscription = await watch(world, listDocument([alice]))
    const fields = [
      ['From', `<${bob}>;tag=${subscription.localTag}`],
      ['To', `<${server}>;tag=${subscription.remoteTag}`],
      ['Call-ID', subscription.callId],
      ['Event', 'presence'],
      ['Supported', 'eventlist'],
      required,
      disposition,
      type,
    ] as const
    const { agent } = world.person('Bob')
    const exchange = agent.send('SUBSCRIBE', subscription.remoteTarget!, fields, world.now(), listDocument([carol]))
    await world.quiet()
    assert.equal(exchange.final?.status, 415)
    assert.equal(await world.refresh(subscription), 200)
    assert.deepEqual([...subscription.list!.rows.keys()], [alice])
    world.check()
  })

  test('a list sent to a list that is kept is answered 415', async () => {
    const world = await ListWorld.of([alice])
    const headers = [required, disposition, type]
    const { exchange } = await world.watch('Bob', undefined, { headers, body: listDocument([carol]) })
    assert.equal(exchange.final?.status, 415)
  })
})

describe('RFC 5363 lists of URIs', () => {
  test('§4.2, RLS-30: several lists are joined, and who stands twice counts once', async () => {
    const world = new ListWorld()
    const part = (text: string, kind = 'recipient-list') =>
      `--b\r\nContent-Type: ${listsType}\r\nContent-Disposition: ${kind}\r\n\r\n${text}\r\n`
    const body = `${part(listDocument([alice, 'sip:Alice@box.example']))}${part(listDocument([carol, alice]))}${part(listDocument([bob]), 'render')}--b--\r\n`
    const subscription = await watch(world, body, [required, ['Content-Type', 'multipart/mixed;boundary=b']])
    assert.equal(subscription.exchange.final?.status, 200)
    assert.deepEqual([...subscription.list!.rows.keys()].sort(), [alice, carol, 'sip:Alice@box.example'].sort())
    const broken = await watch(world, '--c\r\n', [required, ['Content-Type', 'multipart/mixed;boundary=b']])
    assert.equal(broken.exchange.final?.status, 400)
    world.check()
  })

  test('§5.2: nobody who is not authenticated has requests made', async () => {
    const world = new ListWorld()
    const { agent } = world.person('Bob')
    const fields = [['From', '<sip:anonymous@anonymous.invalid>;tag=x'] as const, required, disposition, type]
    await world.set('auth.required', 'false')
    const exchange = agent.send(
      'SUBSCRIBE',
      server,
      [['Event', 'presence'], ['Supported', 'eventlist'], ['Privacy', 'id'], ...fields],
      world.now(),
      listDocument([alice]),
    )
    await world.quiet()
    assert.ok([200, 403].includes(exchange.final!.status))
  })

  test('one subscriber does not take all the places at the address of the server', async () => {
    const world = new ListWorld()
    const subscribe = (name: string, uris: readonly string[]) =>
      world.person(name).watcher.subscribe(server, 'presence', 3600, world.now(), {
        toList: true,
        headers: [required, disposition, type],
        body: listDocument(uris),
      })
    const all = Array.from({ length: limits.lists.subscriptionsPerUser }, () => subscribe('Bob', []))
    await world.quiet()
    for (const { exchange } of all) assert.equal(exchange.final?.status, 200)
    const { exchange } = await watch(world, listDocument([alice]))
    assert.equal(exchange.final?.status, 503)
    assert.ok(Number(exchange.final!.header('Retry-After')) > 0)
    const other = subscribe('Carol', [alice])
    await world.quiet()
    assert.equal(other.exchange.final?.status, 200)
    // Whoever ends one has room for another.
    assert.equal(await world.refresh(all[0]!, 0), 200)
    assert.equal((await watch(world, listDocument([alice]))).exchange.final?.status, 200)
    assert.equal(await world.refresh(all[1]!), 200)
    world.check()
  })

  test('RLS-23: 100,000 members are too many, and the answer says so', async () => {
    const world = new ListWorld([['lists.membersMax', '100']])
    const uris = Array.from({ length: 101 }, (_, at) => `sip:m${at}@box.example`)
    const { exchange } = await watch(world, listDocument(uris))
    assert.equal(exchange.final?.status, 403)
    assert.match(exchange.final!.reason, /More Than 100 Members/)
  })

  test('a list that is kept may be in it, and that it goes is told of it alone', async () => {
    const family = 'sip:family@box.example'
    const world = await ListWorld.of([carol], [{ uri: family }, { uri: 'sip:other@box.example' }])
    const subscription = await watch(world, listDocument([alice, family]))
    assert.equal(subscription.list!.state(family), 'list')
    await world.keep('Bob', [carol], [{ uri: 'sip:other@box.example' }])
    await world.quiet()
    assert.equal(subscription.list!.state(family), 'terminated noresource')
    await world.publish('Alice', 'open', 'still')
    assert.equal(subscription.list!.state(alice), 'active open still')
    assert.equal(await world.refresh(subscription), 200)
    assert.equal(subscription.list!.state(family), 'terminated noresource')
    world.check()
  })

  test('a list may refer to what the subscriber keeps, and to nothing of others', async () => {
    const world = await ListWorld.of([alice])
    await world.keep('Carol', [bob])
    const anchor = (user: string) =>
      `<external anchor="http://box.example/xcap-root/resource-lists/users/${user}/index"/>`
    const subscription = await watch(world, listDocument([anchor(bob), anchor(carol)]))
    assert.deepEqual([...subscription.list!.rows.keys()], [alice])
    world.check()
  })
})

describe('watcher information of lists', () => {
  test('RLS-31: a list of presence.winfo tells who watches', async () => {
    const world = new ListWorld()
    world.person('Alice').watcher.subscribe(bob, 'presence', 3600, world.now())
    await world.quiet()
    const subscription = await watch(world, listDocument([bob, alice]), undefined, 'presence.winfo')
    assert.equal(subscription.list!.state(alice), 'terminated rejected')
    const own = () => subscription.list!.rows.get(bob)!.instances[0]!
    assert.equal(own().contentType, 'application/watcherinfo+xml')
    assert.match(own().body, /alice@box.example/)
    world.person('Carol').watcher.subscribe(bob, 'presence', 3600, world.now())
    await world.quiet()
    assert.match(own().body, /carol@box.example/)
    world.check()
  })
})
