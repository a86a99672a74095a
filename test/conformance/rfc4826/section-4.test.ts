/** RFC 4826 §4.5: what a Resource List Server makes of services and of the lists they refer to; §3.1 for what these say. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { listsType, servicesType } from '../../actors/list-owner.ts'
import type { Subscription } from '../../actors/watcher.ts'
import { alice, bob, carol, friends, ListWorld } from '../rfc4662/list-world.ts'

const root = 'http://box.example/xcap-root'
const boxAddress = '10.0.0.1'
const place = `resource-lists/users/${bob}/index/~~/resource-lists`
const named = (name: string) => `${place}/list%5b@name=%22${name}%22%5d`
const entry = (uri: string, name?: string) =>
  `<entry uri="${uri}">${name === undefined ? '' : `<display-name>${name}</display-name>`}</entry>`

/** Bob's lists as they are given, and the services that are. */
async function kept(lists: string, services: string): Promise<ListWorld> {
  const world = new ListWorld()
  const [listNamespace, serviceNamespace] = ['resource-lists', 'rls-services'].map(
    name => `xmlns="urn:ietf:params:xml:ns:${name}"`,
  )
  const document = `<resource-lists ${listNamespace}>${lists}</resource-lists>`
  assert.equal(await world.put('Bob', `/xcap-root/resource-lists/users/${bob}/index`, listsType, document), 201)
  const all = `<rls-services ${serviceNamespace} xmlns:rl="urn:ietf:params:xml:ns:resource-lists">${services}</rls-services>`
  assert.equal(await world.put('Bob', `/xcap-root/rls-services/users/${bob}/index`, servicesType, all), 201)
  return world
}

const service = (reference: string, packages = '') =>
  `<service uri="${friends}"><resource-list>${root}/${reference}</resource-list>${packages}</service>`

const members = ({ list }: Subscription) => [...list!.rows.keys()].sort()

describe('§4.5 the service of a Request-URI', () => {
  test('"matches (based on URI equality)", in whatever spelling', async () => {
    const world = await kept(`<list name="a">${entry(alice)}</list>`, service(named('a')))
    for (const uri of [
      'sip:%66riends@BOX.example',
      'sip:friends@box.example;transport=udp',
      'sip:friends@box.example:5060',
    ])
      assert.equal((await world.watch('Bob', uri)).exchange.final?.status, 200, uri)
    assert.equal((await world.watch('Bob', 'sip:Friends@box.example')).exchange.final?.status, 404)
    world.check()
  })

  test('an address of the box is another name of its domain, for lists as for users', async () => {
    const own = `${bob};pres-list=rcs`
    const lists = `<list name="a">${entry(alice)}${entry(carol.replace('box.example', boxAddress))}</list>`
    const world = await kept(lists, `${service(named('a'))}${service(named('a')).replace(friends, own)}`)
    for (const uri of [friends, own]) {
      const subscription = await world.watch('Bob', uri.replace('box.example', boxAddress))
      assert.equal(subscription.exchange.final?.status, 200, uri)
      assert.equal(subscription.list!.uri, uri)
      assert.equal(subscription.list!.state(alice), 'active closed')
      assert.equal(subscription.list!.state(carol.replace('box.example', boxAddress)), 'active closed')
    }
    const server = `sip:rls@${boxAddress}`
    const exchange = world.person('Bob').agent.send('OPTIONS', server, [], world.now())
    await world.quiet()
    assert.equal(exchange.final?.status, 200)
    world.check()
  })

  test('§4.1: without packages, "for any event package"; with none of them, for none', async () => {
    const lists = `<list name="a">${entry(bob)}</list>`
    const any = await kept(lists, service(named('a')))
    for (const event of ['presence', 'presence.winfo'])
      assert.equal((await any.watch('Bob', friends, { event })).exchange.final?.status, 200, event)
    assert.equal((await any.watch('Bob', friends, { event: 'message-summary' })).exchange.final?.status, 489)
    const none = await kept(lists, service(named('a'), '<packages/>'))
    assert.equal((await none.watch('Bob', friends)).exchange.final?.status, 489)
  })
})

describe('§4.5 "compute a flat list of URIs"', () => {
  test('lists within lists, entries and lists by reference; each once, whatever comes around again', async () => {
    const lists =
      `<list name="a">${entry(alice)}<list name="b">${entry(carol)}${entry(alice)}</list>` +
      `<entry-ref ref="${named('c')}/entry%5b1%5d"/><external anchor="${root}/${named('d')}"/></list>` +
      `<list name="c">${entry('sip:carl@box.example')}${entry('sip:not-this-one@box.example')}</list>` +
      `<list name="d">${entry('sip:dave@box.example')}<external anchor="${root}/${named('a')}"/></list>`
    const world = await kept(lists, service(named('a')))
    const subscription = await world.watch()
    assert.deepEqual(members(subscription), [alice, 'sip:carl@box.example', carol, 'sip:dave@box.example'])
    world.check()
  })

  test('"may provide better service by creating virtual subscriptions to the URIs … that could be obtained"', async () => {
    const lists =
      `<list name="a">${entry(alice)}<entry-ref ref="${named('nowhere')}/entry%5b1%5d"/>` +
      `<external anchor="${root}/${named('nowhere')}"/><external anchor="https://other.example/lists/x"/></list>`
    const world = await kept(lists, service(named('a')))
    assert.deepEqual(members(await world.watch()), [alice])
    // So is a service whose list is still to be written: it is told of as soon as it is there.
    const empty = await kept('<list name="other"/>', service(named('a')))
    const subscription = await empty.watch()
    assert.deepEqual(members(subscription), [])
    await empty.put('Bob', `/xcap-root/resource-lists/users/${bob}/index`, listsType, document(entry(carol)))
    await empty.quiet()
    assert.deepEqual(members(subscription), [carol])
    empty.check()
  })

  test('"the URI scheme represents one that can be used to service subscriptions, such as SIP and pres"', async () => {
    const uris = ['pres:alice@box.example', 'sip:carol@box.example', 'pres:carol@box.example', 'im:bob@box.example']
    const world = await kept(`<list name="a">${uris.map(uri => entry(uri)).join('')}</list>`, service(named('a')))
    await world.publish('Alice', 'open', 'by pres')
    const subscription = await world.watch()
    // URIs are told as the list has them; one that is neither is nobody.
    assert.deepEqual(members(subscription), ['im:bob@box.example', 'pres:alice@box.example', 'sip:carol@box.example'])
    assert.equal(subscription.list!.state('pres:alice@box.example'), 'active open by pres')
    assert.equal(subscription.list!.state('im:bob@box.example'), 'terminated noresource')
    await world.publish('Alice', 'closed', 'changed')
    assert.equal(subscription.list!.state('pres:alice@box.example'), 'active closed changed')
    world.check()
  })

  test('§3.1: a list has its name and a member his, where they are referred to as where they stand', async () => {
    const lists =
      `<list name="a"><display-name xml:lang="de">Freunde</display-name>${entry(alice, 'Alice')}` +
      `<entry-ref ref="${named('c')}/entry%5b1%5d"/>` +
      `<entry-ref ref="${named('c')}/entry%5b2%5d"><display-name>Davey</display-name></entry-ref></list>` +
      `<list name="c">${entry(carol, 'Carol')}${entry('sip:dave@box.example', 'David')}</list>`
    const world = await kept(lists, service(named('a')))
    const { list } = await world.watch()
    assert.deepEqual(list!.names, ['Freunde'])
    assert.deepEqual(
      [alice, carol, 'sip:dave@box.example'].map(uri => list!.rows.get(uri)!.names),
      [['Alice'], ['Carol'], ['Davey']],
    )
    world.check()
  })
})

function document(entries: string): string {
  return `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="a">${entries}</list></resource-lists>`
}
