/** The Resource List Server as client of XDMSs elsewhere (PRS-9, PRS-10; RP-30, RP-33), in a simulated world. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/limits.ts'
import type { HttpAnswer, OutgoingHttpRequest } from '../../../src/protocols/http/message.ts'
import type { Subscription } from '../../actors/watcher.ts'
import { alice, bob, carol, friends, ListWorld } from '../rfc4662/list-world.ts'

const origin = 'http://xdms.carrier.example'
const services = `/x/rls-services/users/${bob}/index`
const lists = `/x/resource-lists/users/${bob}/index`

class World extends ListWorld {
  readonly documents = new Map<string, { readonly etag: string; readonly body: string }>()
  #version = 0

  constructor() {
    super([
      ['prs9.root', `${origin}/x`],
      ['prs10.root', `${origin}/x`],
      ['presence.defaultHandling', 'allow'],
      ['xcap.defaultDocuments', 'false'],
      ['xdm.pollSeconds', '30'],
      ['xdm.keepSeconds', '60'],
    ])
    this.http.servers.set(origin, request => this.#answer(request))
    const list = `${origin}${lists}/~~/resource-lists/list%5b@name=%22friends%22%5d`
    this.document(
      services,
      `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="${friends}"><resource-list>${list}</resource-list></service></rls-services>`,
    )
  }

  document(path: string, body: string): void {
    this.documents.set(path, { etag: `"${++this.#version}"`, body })
  }

  members(...uris: readonly string[]): void {
    const entries = uris.map(uri => `<entry uri="${uri}"/>`).join('')
    this.document(
      lists,
      `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends">${entries}</list></resource-lists>`,
    )
  }

  #answer({ uri, headers }: OutgoingHttpRequest): HttpAnswer {
    const found = this.documents.get(new URL(uri).pathname)
    const nothing = new Uint8Array(0)
    if (found === undefined) return { status: 404, headers: {}, body: nothing }
    const { etag, body } = found
    if (headers['If-None-Match'] === etag) return { status: 304, headers: { etag }, body: nothing }
    return { status: 200, headers: { etag }, body: Buffer.from(body) }
  }
}

function members({ list }: Subscription): string[] {
  return [...list!.rows.keys()].sort()
}

test('a service and its list are found elsewhere, when they have been fetched', async () => {
  const world = new World()
  world.members(alice, carol)
  const subscription = await world.watch()
  await world.pass(6_000)
  assert.equal(subscription.exchange.final?.status, 200)
  assert.deepEqual(members(subscription), [alice, carol])
  assert.deepEqual(new Set(world.http.received.map(({ uri }) => new URL(uri).pathname)), new Set([services, lists]))
  await world.publish('Alice', 'open', 'here')
  await world.pass(6_000)
  assert.match(subscription.notifications.at(-1)!.body, /here/)
  assert.deepEqual(subscription.faults, [])
  assert.deepEqual(world.faults, [])
})

test('RLS-22: members come and go with the list elsewhere, and the subscription ends with its service', async () => {
  const world = new World()
  world.members(alice)
  const subscription = await world.watch()
  world.members(alice, carol)
  await world.pass(40_000)
  assert.deepEqual(members(subscription), [alice, carol])
  world.documents.delete(services)
  await world.pass(40_000)
  assert.equal(subscription.notifications.at(-1)!.state, 'terminated')
  assert.equal(subscription.notifications.at(-1)!.reason, 'noresource')
})

test('an XDMS that goes away leaves the list as it was last, and the operator is told', async () => {
  const world = new World()
  world.members(alice)
  const subscription = await world.watch()
  await world.pass(6_000)
  world.network.cut.add(origin)
  await world.pass(300_000)
  assert.equal(subscription.notifications.at(-1)!.state, 'active')
  assert.deepEqual(members(subscription), [alice])
  assert.ok(world.alarms.some(alarm => alarm.startsWith('documents at prs10')))
  await world.publish('Alice', 'open', 'still told')
  await world.pass(6_000)
  assert.match(subscription.notifications.at(-1)!.body, /still told/)
})

test('RLS-18: a list is its owner’s; what nobody has is not found, and who is a user is not taken for a list', async () => {
  const world = new World()
  world.members(alice)
  await world.watch()
  assert.equal((await world.watch('Alice')).exchange.final?.status, 403)
  const { watcher } = world.person('Carol')
  for (const [uri, status] of [
    ['sip:nothing@box.example', 404],
    [alice, 200],
  ] as const) {
    const asked = watcher.subscribe(uri, 'presence', 600, world.now(), { toList: true })
    await world.quiet()
    assert.equal(asked.exchange.final?.status, status, uri)
  }
})

test('a service that cannot be fetched is waited for, but not for long: 503, and then it is there', async () => {
  const world = new World()
  world.members(alice)
  world.network.cut.add(origin)
  const waiting = await world.watch()
  await world.pass(limits.awaitingRequests.waitMs)
  assert.equal(waiting.exchange.final?.status, 503)
  assert.equal(waiting.exchange.final?.header('Retry-After'), '2')
  world.network.cut.delete(origin)
  await world.pass(60_000)
  assert.equal((await world.watch()).exchange.final?.status, 200)
  assert.deepEqual(world.faults, [])
})

test('a restart knows the services it has found', async () => {
  const world = new World()
  world.members(alice)
  await world.watch()
  await world.restart()
  assert.equal((await world.watch()).exchange.final?.status, 200)
})
