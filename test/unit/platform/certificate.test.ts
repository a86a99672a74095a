import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { isUsableFor, selfSigned } from '../../../src/platform/certificate.ts'

const now = Date.UTC(2026, 10, 20)

test('RFC 5280 §4: node reads what we write, and its signature verifies with its own key', () => {
  const { certificate, key } = selfSigned('box.example', ['localhost', '127.0.0.1', '::1', '2001:db8::7:0:1'], now)
  const parsed = new X509Certificate(certificate)
  assert.equal(parsed.subject, 'CN=box.example')
  assert.equal(parsed.issuer, 'CN=box.example')
  assert.ok(parsed.verify(parsed.publicKey))
  assert.ok(parsed.checkPrivateKey(createPrivateKey(key)))
  assert.equal(parsed.ca, false)
  assert.equal(Date.parse(parsed.validFrom), now - 86_400_000)
  assert.equal(Date.parse(parsed.validTo), now + 3650 * 86_400_000)
})

test('RFC 5922 §7.1: it names the SIP domain as URI and as DNS name, the hosts and the addresses', () => {
  const { certificate } = selfSigned('box.example', ['localhost', '127.0.0.1', '::1', '2001:db8::7:0:1'], now)
  const parsed = new X509Certificate(certificate)
  for (const host of ['box.example', 'localhost']) assert.equal(parsed.checkHost(host), host)
  for (const address of ['127.0.0.1', '::1', '2001:db8::7:0:1']) assert.equal(parsed.checkIP(address), address)
  assert.match(parsed.subjectAltName!, /URI:sip:box\.example/)
  assert.equal(parsed.checkHost('other.example'), undefined)
  assert.deepEqual(parsed.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
})

test('§4.1.2.5: a validity that ends in 2050 or later is a GeneralizedTime', () => {
  const late = Date.UTC(2045, 0, 1)
  const parsed = new X509Certificate(selfSigned('box.example', [], late).certificate)
  assert.equal(Date.parse(parsed.validTo), late + 3650 * 86_400_000)
})

test('a client that trusts it completes a handshake by the domain name', async () => {
  const { certificate, key } = selfSigned('box.example', ['localhost'], Date.now())
  const server = createServer({ cert: certificate, key }, socket => socket.end('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const client: TLSSocket = connect({ host: '127.0.0.1', port, servername: 'box.example', ca: certificate })
  const [greeting] = await once(client, 'data')
  assert.equal(String(greeting), 'hello')
  assert.equal(client.authorized, true)
  client.destroy()
  server.close()
})

test('a certificate is usable for its domain until it ends, and text that is no certificate never', () => {
  const { certificate } = selfSigned('box.example', [], now)
  assert.equal(isUsableFor(certificate, 'box.example', now), true)
  assert.equal(isUsableFor(certificate, 'other.example', now), false)
  assert.equal(isUsableFor(certificate, 'box.example', now + 3651 * 86_400_000), false)
  assert.equal(isUsableFor('not a certificate', 'box.example', now), false)
})
