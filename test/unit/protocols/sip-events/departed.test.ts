/** Who is no user any more is told nothing more, in a simulated world. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listDocument, listsType } from '../../../actors/list-owner.ts'
import { alice, carol, friends, ListWorld } from '../../../conformance/rfc4662/list-world.ts'

test("the subscriptions of a user who is removed end at once, those to lists too, and nobody else's", async () => {
  const world = await ListWorld.of([alice, carol])
  const { watcher } = world.person('Bob')
  const single = watcher.subscribe(alice, 'presence', 3600, world.now())
  const kept = await world.watch()
  const brought = watcher.subscribe('sip:rls@box.example', 'presence', 3600, world.now(), {
    toList: true,
    headers: [
      ['Require', 'recipient-list-subscribe'],
      ['Content-Type', listsType],
    ],
    body: listDocument([alice]),
  })
  const registrations = watcher.subscribe('sip:bob@box.example', 'reg', 3600, world.now())
  const others = world.person('Carol').watcher.subscribe(alice, 'presence', 3600, world.now())
  const winfo = world.person('Alice').watcher.subscribe(alice, 'presence.winfo', 3600, world.now())
  await world.quiet()
  assert.match(winfo.notifications.at(-1)!.body, /bob@box.example/)
  await world.removeUser('Bob')
  const ended = [single, kept, brought, registrations]
  for (const { notifications, resource } of ended) assert.equal(notifications.at(-1)!.state, 'terminated', resource)
  assert.equal(single.notifications.at(-1)!.reason, 'rejected')
  const told = ended.map(({ notifications }) => notifications.length)
  await world.publish('Alice', 'open', 'after he has gone')
  assert.deepEqual(
    ended.map(({ notifications }) => notifications.length),
    told,
  )
  assert.match(others.notifications.at(-1)!.body, /after he has gone/)
  const gone = 'sip:bob@box.example terminated rejected'
  assert.ok(winfo.notifications.some(({ watchers }) => watchers.includes(gone)))
  assert.equal(await world.watch('Carol', friends).then(({ exchange }) => exchange.final?.status), 404)
  world.check()
})

test('as many as there are', async () => {
  const world = new ListWorld()
  const { watcher } = world.person('Bob')
  const all = Array.from({ length: 520 }, () => watcher.subscribe(alice, 'presence', 3600, world.now()))
  const other = world.person('Carol').watcher.subscribe(alice, 'presence', 3600, world.now())
  await world.quiet()
  await world.removeUser('Bob')
  for (const { notifications } of all) assert.equal(notifications.at(-1)!.state, 'terminated')
  assert.equal(other.notifications.at(-1)!.state, 'active')
  world.check()
})
