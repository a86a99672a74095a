/** Documents of the built box: over HTTP and HTTPS, through restarts, and with several who write at once. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { porchlight, RunningBox, temporaryData } from './box.ts'
import { HttpClient } from './http-client.ts'
import { DatagramClient } from './raw-client.ts'

const at = '/xcap-root/resource-lists/users/sip:alice@box.example/index'
const list = (inner: string) =>
  `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>${inner}</list></resource-lists>`
const listType = { 'content-type': 'application/resource-lists+xml' }
const elementType = { 'content-type': 'application/xcap-el+xml' }

async function boxWithAlice(t: TestContext, data: string): Promise<RunningBox> {
  const added = await porchlight(['user', 'add', 'alice', '--password-stdin', '--data', data], 'wonderland\n')
  assert.equal(added.status, 0, added.errors)
  return RunningBox.start(t, data)
}

test('a document that was answered for is there after the process was killed, over HTTP and HTTPS', async t => {
  const data = temporaryData(t)
  const box = await boxWithAlice(t, data)
  const put = await new HttpClient(t, box.port('http')).ask('PUT', at, list(''), listType)
  assert.equal(put.status, 201)
  await box.stop('SIGKILL')
  const again = await RunningBox.start(t, data)
  for (const transport of ['http', 'https'] as const) {
    const got = await new HttpClient(t, again.port(transport), transport === 'https').ask('GET', at)
    assert.deepEqual([got.status, got.etag, got.body], [200, put.etag, list('')])
  }
  assert.equal((await again.stop()).status, 0)
})

test('of those who write one document at once nobody loses what was answered 2xx', async t => {
  const box = await boxWithAlice(t, temporaryData(t))
  const client = new HttpClient(t, box.port('http'))
  const { etag } = await client.ask('PUT', at, list(''), listType)
  const names = Array.from({ length: 20 }, (_, index) => `sip:u${index}@example.com`)
  const entry = (uri: string) => `${at}/~~/resource-lists/list/entry%5b@uri=%22${uri}%22%5d`
  const answers = await Promise.all(
    names.map(uri => client.ask('PUT', entry(uri), `<entry uri="${uri}"/>`, elementType)),
  )
  assert.ok(answers.every(({ status }) => status === 201))
  assert.equal(new Set(answers.map(answer => answer.etag)).size, names.length)
  const { body } = await client.ask('GET', at)
  for (const uri of names) assert.ok(body.includes(`<entry uri="${uri}"/>`), uri)
  // With If-Match only one of them can have been first.
  const now = (await client.ask('GET', at)).etag!
  assert.notEqual(now, etag)
  const conditional = await Promise.all(names.map(uri => client.ask('DELETE', entry(uri), '', { 'if-match': now })))
  assert.deepEqual(
    conditional.map(({ status }) => status).sort((a, b) => a - b),
    [200, ...names.slice(1).map(() => 412)],
  )
  await box.stop()
})

test('RP-33: documents may be in another box, which is told who their user is, and answers for what is on its disk', async t => {
  const [near, far] = [temporaryData(t), temporaryData(t)]
  for (const data of [near, far]) {
    const added = await porchlight(['user', 'add', 'alice', '--password-stdin', '--data', data], 'wonderland\n')
    assert.equal(added.status, 0, added.errors)
  }
  const trusting = ['xdms.listen=127.0.0.1:0', 'xdms.trusted=127.0.0.1', 'xcap.root=/far']
  const remote = await RunningBox.start(t, far, trusting)
  const root = `http://127.0.0.1:${remote.port('xdms-http')}/far`
  const box = await RunningBox.start(t, near, [`xdm4.root=${root}`])
  const client = new HttpClient(t, box.port('http'))
  const put = await client.ask('PUT', at, list(''), listType)
  assert.equal(put.status, 201)
  const entry = `${at}/~~/resource-lists/list/entry%5b@uri=%22sip:bob@example.com%22%5d`
  assert.equal((await client.ask('PUT', entry, '<entry uri="sip:bob@example.com"/>', elementType)).status, 201)
  const got = await client.ask('GET', at)
  assert.deepEqual([got.status, got.body], [200, list('<entry uri="sip:bob@example.com"/>')])
  assert.equal((await client.ask('GET', at, '', { 'if-none-match': got.etag! })).status, 304)
  // Whoever is not named as trusted is not believed, and it is the same document for the other box's own users.
  const own = await new HttpClient(t, remote.port('http')).ask('GET', at.replace('/xcap-root', '/far'))
  assert.equal(own.body, got.body)
  assert.equal((await remote.stop()).status, 0)
  assert.equal((await client.ask('GET', at)).status, 502)
  assert.equal((await box.stop()).status, 0)
})

test('PRS-8: the Presence Server obeys rules in another box, as soon as they are written through its own', async t => {
  const [near, far] = [temporaryData(t), temporaryData(t)]
  for (const data of [near, far]) {
    for (const name of ['alice', 'bob']) {
      const added = await porchlight(['user', 'add', name, '--password-stdin', '--data', data], 'wonderland\n')
      assert.equal(added.status, 0, added.errors)
    }
  }
  const remote = await RunningBox.start(t, far, ['xdms.listen=127.0.0.1:0', 'xdms.trusted=127.0.0.1', 'xcap.root=/far'])
  const root = `http://127.0.0.1:${remote.port('xdms-http')}/far`
  const box = await RunningBox.start(t, near, [`prs7.root=${root}`, `prs8.root=${root}`])
  const bob = await DatagramClient.open(t, box.port('udp'))
  const rules = '/xcap-root/pres-rules/users/sip:alice@box.example/index'
  const client = new HttpClient(t, box.port('http'))
  const type = { 'content-type': 'application/auth-policy+xml' }
  assert.equal((await client.ask('PUT', rules, handlingOfBob('allow'), type)).status, 201)
  await subscribe(bob)
  await notified(bob, /^active/)
  assert.equal((await client.ask('PUT', rules, handlingOfBob('block'), type)).status, 200)
  await notified(bob, /^terminated;reason=rejected/)
  assert.equal((await box.stop()).status, 0)
})

test('PRS-8, RFC 5875: rules that somebody else changes in another box are obeyed when it notifies of them', async t => {
  const [near, far] = [temporaryData(t), temporaryData(t)]
  for (const [data, names] of [
    [near, ['alice', 'bob']],
    [far, ['alice', 'ps']],
  ] as const) {
    for (const name of names) {
      const added = await porchlight(['user', 'add', name, '--password-stdin', '--data', data], 'wonderland\n')
      assert.equal(added.status, 0, added.errors)
    }
  }
  const trusting = ['xdms.listen=127.0.0.1:0', 'xdms.trusted=127.0.0.1', 'xcap.operators=ps']
  const remote = await RunningBox.start(t, far, trusting)
  const box = await RunningBox.start(t, near, [
    `prs8.root=http://127.0.0.1:${remote.port('xdms-http')}/xcap-root`,
    `prs8.notifier=sip:127.0.0.1:${remote.port('tcp')};transport=tcp`,
    'prs8.username=ps@box.example',
    'prs8.password=wonderland',
    // So that nothing is found out by asking.
    'xdm.pollSeconds=86400',
  ])
  const client = new HttpClient(t, remote.port('http'))
  const rules = '/xcap-root/pres-rules/users/sip:alice@box.example/index'
  const type = { 'content-type': 'application/auth-policy+xml' }
  assert.ok((await client.ask('PUT', rules, handlingOfBob('allow'), type)).status < 300)
  const bob = await DatagramClient.open(t, box.port('udp'))
  await subscribe(bob)
  await notified(bob, /^active/)
  assert.equal((await client.ask('PUT', rules, handlingOfBob('block'), type)).status, 200)
  await notified(bob, /^terminated;reason=rejected/)
  assert.equal((await box.stop()).status, 0)
})

test('AP-04, AP-05: over HTTPS both boxes prove who they are, and another that cannot is not believed', async t => {
  const [near, far] = [temporaryData(t), temporaryData(t)]
  for (const data of [near, far]) {
    const added = await porchlight(['user', 'add', 'alice', '--password-stdin', '--data', data], 'wonderland\n')
    assert.equal(added.status, 0, added.errors)
  }
  const certificateOf = (data: string) => join(data, 'self-signed-certificate.pem')
  // Each makes its certificate at its first start.
  await (await RunningBox.start(t, near)).stop()
  const remote = await RunningBox.start(t, far, [
    'xdms.listenTls=127.0.0.1:0',
    'xdms.trustedNames=box.example',
    `tls.authorities=${certificateOf(near)}`,
  ])
  const root = `https://localhost:${remote.port('xdms-https')}/xcap-root`
  const box = await RunningBox.start(t, near, [`xdm4.root=${root}`, `tls.authorities=${certificateOf(far)}`])
  const client = new HttpClient(t, box.port('http'))
  assert.equal((await client.ask('PUT', at, list(''), listType)).status, 201)
  assert.equal((await client.ask('GET', at)).body, list(''))
  assert.equal((await box.stop()).status, 0)

  const distrustful = await RunningBox.start(t, near, [`xdm4.root=${root}`])
  const refused = await new HttpClient(t, distrustful.port('http')).ask('GET', at)
  assert.equal(refused.status, 502)
  assert.match(refused.body, /untrusted/)
  assert.equal((await distrustful.stop()).status, 0)

  const stranger = new HttpClient(t, remote.port('xdms-https'), true)
  const asserted = { 'x-3gpp-asserted-identity': '"sip:alice@box.example"' }
  assert.equal((await stranger.ask('GET', at, '', asserted)).status, 403)
  assert.equal((await remote.stop()).status, 0)
})

function handlingOfBob(handling: string): string {
  return `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:p="urn:ietf:params:xml:ns:pres-rules"><rule id="a"><conditions><identity><one id="sip:bob@box.example"/></identity></conditions><actions><p:sub-handling>${handling}</p:sub-handling></actions></rule></ruleset>`
}

async function subscribe(bob: DatagramClient): Promise<void> {
  const asked = { method: 'SUBSCRIBE', uri: 'sip:alice@box.example', fields: { Event: 'presence', Expires: '600' } }
  assert.equal((await bob.askAs({ name: 'bob', password: 'wonderland' }, asked)).status, 200)
}

/** Answers NOTIFYs until one says so. */
async function notified(bob: DatagramClient, state: RegExp): Promise<void> {
  for (;;) {
    const notify = await bob.request('NOTIFY')
    bob.answer(notify, 200)
    if (state.test(notify.header('Subscription-State')!)) return
  }
}
