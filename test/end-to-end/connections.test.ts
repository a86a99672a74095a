/** Clients on connections of their own, over TLS and TCP, against the built box (RFC 3261 §18, RFC 5626). */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { SipRequest } from '../../src/protocols/sip/message.ts'
import { porchlight, RunningBox, statusOf, temporaryData } from './box.ts'
import { type RawClient, type RawRequest, StreamClient, type User } from './raw-client.ts'

const alice: User = { name: 'alice', password: 'secret of alice' }
const bob: User = { name: 'bob', password: 'secret of bob' }

function aorOf({ name }: User): string {
  return `sip:${name}@box.example`
}

/** A registration that binds the connection it comes by (RFC 5626 §4.2). */
function register(user: User, client: RawClient): RawRequest {
  const contact = `<sip:${user.name}@${client.sentBy}>;reg-id=1;+sip.instance="<urn:uuid:${user.name}>"`
  return {
    method: 'REGISTER',
    uri: 'sip:box.example',
    fields: { To: `<${aorOf(user)}>`, Contact: contact, Supported: 'outbound, path', Expires: '600' },
  }
}

function publish(user: User, note: string): RawRequest {
  const body = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${aorOf(user)}"><tuple id="t"><status><basic>open</basic></status><note>${note}</note></tuple></presence>`
  const fields = { Event: 'presence', Expires: '600', 'Content-Type': 'application/pidf+xml' }
  return { method: 'PUBLISH', uri: aorOf(user), fields, body }
}

function watch(user: User): RawRequest {
  return { method: 'SUBSCRIBE', uri: aorOf(user), fields: { Event: 'presence', Expires: '600' } }
}

/** The next NOTIFY on this connection, answered; returns its body. */
async function notified(client: StreamClient): Promise<string> {
  const notify: SipRequest = await client.request('NOTIFY')
  client.answer(notify, 200)
  return Buffer.from(notify.body).toString()
}

test('over TLS and TCP: register, subscribe, be notified on one connection; it closes, and the binding is gone', {
  timeout: 60_000,
}, async t => {
  const data = temporaryData(t)
  const users = join(data, '..', 'users.csv')
  writeFileSync(users, [alice, bob].map(user => `${aorOf(user)},${user.password}\n`).join(''))
  assert.equal((await porchlight(['user', 'import', users, '--data', data])).status, 0)
  const box = await RunningBox.start(t, data, ['presence.minNotifyIntervalSeconds=0'])
  const ca = readFileSync(join(data, 'self-signed-certificate.pem'), 'utf8')
  const alices = await StreamClient.open(t, box.port('tcp'))
  const bobs = await StreamClient.openTls(t, box.port('tls'), ca)

  for (const [user, client] of [
    [alice, alices],
    [bob, bobs],
  ] as const) {
    const registered = await client.askAs(user, register(user, client))
    assert.equal(registered.status, 200)
    assert.match(registered.headers('Require').join(), /outbound/, 'the flow is bound (RFC 5626 §6)')
    assert.match(registered.header('Flow-Timer')!, /^\d+$/)
  }

  assert.ok((await alices.askAs(alice, watch(bob))).status < 300)
  assert.match(await notified(alices), /<(\w+:)?basic>open/, 'bob is registered')
  assert.ok((await bobs.askAs(bob, watch(alice))).status < 300)
  await notified(bobs)
  const published = await alices.askAs(alice, publish(alice, 'in the garden'))
  assert.equal(published.status, 200)
  assert.match(await notified(bobs), /in the garden/)
  assert.equal((await bobs.askAs(bob, publish(bob, 'on the roof'))).status, 200)
  assert.match(await notified(alices), /on the roof/)

  // A request to a registered user comes by the connection he has opened.
  const message: RawRequest = {
    method: 'MESSAGE',
    uri: aorOf(bob),
    fields: { 'Content-Type': 'text/plain' },
    body: 'hello',
  }
  const challenged = await alices.ask({ ...message, fields: { ...message.fields, From: `<${aorOf(alice)}>;tag=f` } })
  alices.write(alices.octets(alices.answering(alice, message, challenged)))
  const arrived = await bobs.request('MESSAGE')
  assert.equal(Buffer.from(arrived.body).toString(), 'hello')
  bobs.answer(arrived, 200)
  assert.equal((await alices.response()).status, 200)

  // "it MUST immediately respond with a single CRLF over the same connection" (RFC 5626 §5.4), also amid other traffic.
  for (const client of [alices, bobs]) {
    client.write('\r\n\r\n')
    await client.ponged(1)
    client.write(Buffer.concat([Buffer.from('\r\n\r\n'), client.octets({ method: 'OPTIONS', uri: 'sip:box.example' })]))
    assert.equal((await client.response()).status, 200)
    await client.ponged(2)
  }

  const status = () => statusOf<Record<string, number>>(data)
  const before = await status()
  assert.deepEqual([before.connections, before.registrations, before.subscriptions], [2, 2, 2])
  bobs.close()
  while ((await status()).connections !== 1);
  // The flow has ended, and with it the binding (RFC 5626 §6): the proxy finds nobody.
  assert.equal((await status()).registrations, 1)
  assert.equal((await alices.askAs(alice, message)).status, 480)
  assert.doesNotMatch(await notified(alices), /<status><basic>closed/, 'what he has published is still so')
  // Bob comes back on another connection: the same instance, a new flow.
  const again = await StreamClient.openTls(t, box.port('tls'), ca)
  assert.equal((await again.askAs(bob, register(bob, again))).status, 200)
  const repeated = await alices.ask({ ...message, fields: { ...message.fields, From: `<${aorOf(alice)}>;tag=f` } })
  alices.write(alices.octets(alices.answering(alice, message, repeated)))
  again.answer(await again.request('MESSAGE'), 200)
  assert.equal((await alices.response()).status, 200)
  assert.equal((await box.stop()).status, 0)
})
