/** Objects of the built box: stored and fetched over HTTP and HTTPS, through a killed process. */

import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { test } from 'node:test'
import { png } from '../unit/entities/content-server/images.ts'
import { porchlight, RunningBox, temporaryData } from './box.ts'
import { HttpClient } from './http-client.ts'
import { DatagramClient } from './raw-client.ts'

const at = '/content/users/sip:alice@box.example/me.png'
const imageType = { 'content-type': 'image/png' }

test('what was stored is there after the process was killed, octet for octet, and shown to whom hard state shows it', async t => {
  const data = temporaryData(t)
  for (const [name, password] of [
    ['alice', 'wonderland'],
    ['bob', 'builder'],
  ] as const) {
    const added = await porchlight(['user', 'add', name, '--password-stdin', '--data', data], `${password}\n`)
    assert.equal(added.status, 0, added.errors)
  }
  const box = await RunningBox.start(t, data)
  const image = png(60, 80, 200_000)
  randomFillSync(image, 100)
  const alice = new HttpClient(t, box.port('http'))
  assert.equal((await alice.ask('PUT', at, image, imageType)).status, 201)
  await box.stop('SIGKILL')

  const again = await RunningBox.start(t, data)
  const bob = { username: 'bob', password: 'builder' }
  const [aliceAgain, watcher] = [
    new HttpClient(t, again.port('http')),
    new HttpClient(t, again.port('https'), true, bob),
  ]
  assert.equal((await watcher.ask('GET', at)).status, 404)
  const presence = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:alice@box.example"><dm:person id="p"><r:status-icon>https://box.example:8443${at}</r:status-icon></dm:person></presence>`
  const put = await aliceAgain.ask('PUT', '/xcap-root/pidf-manipulation/users/sip:alice@box.example/index', presence, {
    'content-type': 'application/pidf+xml',
  })
  assert.equal(put.status, 201)
  // Coding it would change which octets a range is of.
  const seen = await watcher.ask('GET', at, '', { 'accept-encoding': 'gzip' })
  assert.equal(seen.status, 200)
  assert.equal(seen.headers['content-encoding'], undefined)
  assert.ok(seen.bytes.equals(image))
  const part = await watcher.ask('GET', at, '', { range: 'bytes=199990-', 'if-range': seen.etag! })
  assert.equal(part.status, 206)
  assert.ok(part.bytes.equals(image.subarray(199_990)))
  assert.equal((await watcher.ask('GET', at, '', { 'if-none-match': seen.etag! })).status, 304)
  const head = await watcher.ask('HEAD', at)
  assert.deepEqual([head.status, head.headers['content-length'], head.bytes.length], [200, '200000', 0])
  assert.equal((await again.stop()).status, 0)
})

test('RFC 4483: a large document is referred to over SIP, and fetched over HTTPS by whom it was told', async t => {
  const data = temporaryData(t)
  for (const name of ['alice', 'bob']) {
    const added = await porchlight(['user', 'add', name, '--password-stdin', '--data', data], 'wonderland\n')
    assert.equal(added.status, 0, added.errors)
  }
  const box = await RunningBox.start(t, data, ['content.indirectFromOctets=600', 'presence.defaultHandling=allow'])
  const [alice, bob] = [await DatagramClient.open(t, box.port('udp')), await DatagramClient.open(t, box.port('udp'))]
  const uri = 'sip:alice@box.example'
  const body = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${uri}"><tuple id="t"><status><basic>open</basic></status><note>${'long '.repeat(200)}</note></tuple></presence>`
  const published = await alice.askAs(
    { name: 'alice', password: 'wonderland' },
    { method: 'PUBLISH', uri, fields: { Event: 'presence', 'Content-Type': 'application/pidf+xml' }, body },
  )
  assert.equal(published.status, 200)
  const fields = { Event: 'presence', Accept: 'application/pidf+xml, message/external-body' }
  const watching = await bob.askAs({ name: 'bob', password: 'wonderland' }, { method: 'SUBSCRIBE', uri, fields })
  assert.equal(watching.status, 200)
  const notify = await bob.request('NOTIFY')
  bob.answer(notify, 200)
  assert.equal(notify.contentType?.type, 'message/external-body')
  const path = new URL(/URL="([^"]+)"/.exec(notify.header('Content-Type')!)![1]!).pathname
  const fetch = (username: string) =>
    new HttpClient(t, box.port('https'), true, { username, password: 'wonderland' }).ask('GET', path)
  const fetched = await fetch('bob')
  assert.deepEqual([fetched.status, fetched.headers['content-type']], [200, 'application/pidf+xml'])
  assert.ok(fetched.body.includes('long long'))
  assert.equal(String(fetched.bytes.length), /size=(\d+)/.exec(notify.header('Content-Type')!)![1])
  assert.equal((await box.stop()).status, 0)
})

test('RP-15, RP-33: two boxes, one of which keeps the objects of the other', async t => {
  const [near, far] = [temporaryData(t), temporaryData(t)]
  const added = await porchlight(['user', 'add', 'alice', '--password-stdin', '--data', near], 'wonderland\n')
  assert.equal(added.status, 0, added.errors)
  const theirs = ['domain=carrier.example', 'content.listen=127.0.0.1:0', 'content.trusted=127.0.0.1']
  const remote = await RunningBox.start(t, far, theirs)
  const box = await RunningBox.start(t, near, [`prs15.root=http://127.0.0.1:${remote.port('content-http')}/content`])
  const alice = new HttpClient(t, box.port('http'))
  const image = png(60, 80, 150_000)
  randomFillSync(image, 100)
  const made = await alice.ask('PUT', at, image, imageType)
  assert.equal(made.status, 201)
  const got = await alice.ask('GET', at)
  assert.deepEqual([got.status, got.etag, got.headers['content-type']], [200, made.etag, 'image/png'])
  assert.ok(got.bytes.equals(image))
  const head = await alice.ask('HEAD', at)
  assert.deepEqual([head.status, head.headers['content-length'], head.bytes.length], [200, '150000', 0])
  assert.equal((await alice.ask('GET', at, '', { 'if-none-match': made.etag! })).status, 304)

  const source = await DatagramClient.open(t, box.port('udp'))
  const picture = 'GIF89a<\0P\0\0\0\0;'
  const document =
    '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:alice@box.example"><dm:person id="p"><r:status-icon>cid:1@a</r:status-icon></dm:person></presence>'
  const body = `--b\r\nContent-Type: application/pidf+xml\r\n\r\n${document}\r\n--b\r\nContent-Type: image/gif\r\nContent-ID: <1@a>\r\n\r\n${picture}\r\n--b--\r\n`
  const fields = { Event: 'presence', 'Content-Type': 'multipart/related;type="application/pidf+xml";boundary=b' }
  const publish = () =>
    source.askAs(
      { name: 'alice', password: 'wonderland' },
      { method: 'PUBLISH', uri: 'sip:alice@box.example', fields, body },
    )
  assert.equal((await publish()).status, 200)
  // Its own users see nothing of it, nor does who asks by the way in for clients.
  const stranger = new HttpClient(t, remote.port('http'))
  assert.equal((await stranger.ask('GET', at)).status, 401)

  assert.equal((await remote.stop()).status, 0)
  assert.equal((await alice.ask('GET', at)).status, 502)
  const refused = await new HttpClient(t, box.port('http')).ask('PUT', `${at}2`, image, imageType)
  assert.equal(refused.status, 502)
  const status = await porchlight(['status', '--data', near])
  assert.match(status.output, /objects at prs15/)
  assert.equal((await box.stop()).status, 0)
})
