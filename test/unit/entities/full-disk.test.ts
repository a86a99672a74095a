/** What is refused while the disk is full (507, RFC 4918 §11.5), and what goes on. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WholeBox } from '../../conformance/whole-box.ts'
import { png } from './content-server/images.ts'

const root = '/xcap-root/resource-lists/users/sip:alice@box.example/index'
const element = `${root}/~~/resource-lists/list/entry%5b@uri=%22sip:bob@box.example%22%5d`
const list = (uri: string) =>
  `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="${uri}"/></list></resource-lists>`
const type = 'application/resource-lists+xml'
const picture = '/content/users/sip:alice@box.example/me.png'

test('documents, their elements and objects are refused with 507, and nothing has changed; reading and deleting go on', async () => {
  const box = new WholeBox()
  const status = async (method: string, target: string, body: string | Uint8Array = '', as?: string) =>
    (await box.http(method, target, as === undefined ? { body } : { body, type: as })).status
  const before = list('sip:bob@box.example')
  assert.equal(await status('PUT', root, before, type), 201)
  box.diskIsFull = true
  assert.equal(await status('PUT', root, list('sip:carol@box.example'), type), 507)
  assert.equal(await status('PUT', `${root}-2`, before, type), 507)
  assert.equal(
    await status(
      'PUT',
      element,
      '<entry uri="sip:bob@box.example"><display-name>B</display-name></entry>',
      'application/xcap-el+xml',
    ),
    507,
  )
  assert.equal(await status('PUT', picture, png(8, 8, 900), 'image/png'), 507)
  const { status: found, body } = await box.http('GET', root)
  assert.deepEqual([found, Buffer.from(body!).toString()], [200, before])
  assert.equal(await status('DELETE', element), 200)
  assert.equal(await status('DELETE', root), 200)
  assert.equal(await status('DELETE', root), 404)
  box.diskIsFull = false
  assert.equal(await status('PUT', root, before, type), 201)
  assert.equal(await status('PUT', picture, png(8, 8, 900), 'image/png'), 201)
})

test('publications and subscriptions go on', async () => {
  const box = new WholeBox({ 'presence.defaultHandling': 'allow' })
  box.diskIsFull = true
  const body =
    '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@box.example"><tuple id="t"><status><basic>open</basic></status></tuple></presence>'
  await box.sip('SUBSCRIBE', 'bob', ['Event: presence', 'Expires: 600', 'Contact: <sip:10.0.0.2:5060>'])
  await box.sip('PUBLISH', 'alice', ['Event: presence', 'Expires: 600', 'Content-Type: application/pidf+xml'], body)
  await box.pass(1000)
  assert.equal(box.notified, 'active <basic>open</basic>')
})

test('users are not added, one by one or by import, and one who is there can be removed', () => {
  const box = new WholeBox()
  box.diskIsFull = true
  const refusal = /^AdministrationError: the disk is full: users can be added when there is room again$/
  assert.throws(() => box.administer('user add', { address: 'dora', password: 'p' }), refusal)
  assert.throws(() => box.administer('user import', { csv: 'dora,p\n' }), refusal)
  box.administer('user remove', { address: 'bob' })
  box.diskIsFull = false
  box.administer('user add', { address: 'dora', password: 'p' })
})
