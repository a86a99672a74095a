/**
 * RFC 6080 §6: the event package `ua-profile`, with profiles of type `application` as clients of OMA XDM 1 ask for changes of
 * documents (DEC-08, XDM-55).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, ChangeWorld, joe } from '../../unit/entities/xdms/change-world.ts'

const index = `${at}/index`

function subscribe(world: ChangeWorld, parameters: string) {
  return world.request('SUBSCRIBE', joe, { from: joe, headers: [['Event', `ua-profile;${parameters}`]] })
}

test('§6.2, §6.4: all documents of an application usage, for a day unless something else is asked for', () => {
  const world = new ChangeWorld()
  const etag = world.put(index, '<doc/>')
  const accepted = subscribe(
    world,
    'profile-type=application;vendor="vendor.example.net";model="Z100";version="1.2.3";auid="tests"',
  )
  assert.equal(accepted.status, 200)
  assert.equal(accepted.header('Expires'), '86400')
  assert.equal(world.sent[0]!.request.header('Event'), 'ua-profile')
  assert.deepEqual(world.last().said, [`${index}  -> ${etag}`])
  world.pass(5)
  const changed = world.put(`${index}/~~/doc/@id`, '"a"')
  assert.deepEqual(world.last().said, [`${index} ${etag} -> ${changed}`])
})

test('a document is named by its path, or by that below its application usage; several usages are separated by commas', () => {
  const world = new ChangeWorld()
  const etag = world.put(index, '<doc/>')
  for (const parameters of [
    `document="${index}"`,
    'auid=tests;document="users/sip:joe@example.com/index"',
    'auid="tests,resource-lists"',
  ]) {
    assert.equal(subscribe(world, `profile-type="application";${parameters}`).status, 200, parameters)
    assert.deepEqual(world.last().said, [`${index}  -> ${etag}`], parameters)
  }
})

test('what is in the body goes before what is not', () => {
  const world = new ChangeWorld()
  const etag = world.put(`${at}/other`, '<doc/>')
  world.subscribe([`${at}/other`], { event: 'ua-profile;profile-type=application;auid=resource-lists' })
  assert.deepEqual(world.last().said, [`${at}/other  -> ${etag}`])
})

test('§6.6: other profiles are not found, and one of no kind is none', () => {
  const world = new ChangeWorld()
  for (const type of ['device', 'user', 'local-network'])
    assert.equal(subscribe(world, `profile-type=${type}`).status, 404)
  assert.equal(subscribe(world, 'auid=tests').status, 400)
  assert.equal(subscribe(world, 'profile-type=application').status, 400)
})
