import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect as connectSecurely, createServer as createSecureServer } from 'node:tls'
import { selfSigned } from '../../../../src/platform/certificate.ts'
import { SystemRandom } from '../../../../src/platform/random.ts'
import { type ConnectionLimits, Connections } from '../../../../src/platform/transport/connections.ts'
import { connectTcp, TcpListener } from '../../../../src/platform/transport/tcp.ts'
import { connectTls, sipIdentities, TlsListener } from '../../../../src/platform/transport/tls.ts'
import { newTransportCounters } from '../../../../src/platform/transport/transport.ts'
import { Recorder } from './recorder.ts'

const roomy: ConnectionLimits = {
  connections: 100,
  connectionsPerAddress: 100,
  connectionBacklogOctets: 1 << 20,
  connectionIdleMs: 60_000,
  firstOctetMs: 60_000,
  connectMs: 5000,
}

const credentials = selfSigned('box.example', ['localhost'], Date.now())

function make(t: TestContext, limits: Partial<ConnectionLimits> = {}) {
  const user = new Recorder()
  const counters = newTransportCounters()
  const connections = new Connections({ limits: { ...roomy, ...limits }, counters, random: new SystemRandom(), user })
  t.after(() => connections.closeAll())
  return { user, counters, connections }
}

async function listenTcp(t: TestContext, limits: Partial<ConnectionLimits> = {}) {
  const made = make(t, limits)
  const listener = await TcpListener.open('127.0.0.1', 0, made.connections)
  t.after(() => listener.close())
  return { ...made, listener }
}

async function client(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

test('TCP: octets come with the flow of their connection, and answers go back, each in a write of its own', async t => {
  const { user, connections, listener } = await listenTcp(t)
  const socket = await client(t, listener.port)
  socket.write('hello')
  const { bytes, flow } = await user.next('received')
  assert.equal(bytes.toString(), 'hello')
  assert.match(flow.id, /^tcp:1:\w+$/)
  assert.deepEqual([flow.localAddress, flow.localPort], ['127.0.0.1', listener.port])
  assert.deepEqual([flow.remoteAddress, flow.remotePort], ['127.0.0.1', socket.localPort])
  connections.send(flow.id, Buffer.from('200'))
  const [first] = await once(socket, 'data')
  assert.equal(String(first), '200')
  connections.send(flow.id, Buffer.from('NOTIFY'))
  const [second] = await once(socket, 'data')
  assert.equal(String(second), 'NOTIFY')
  socket.end()
  assert.deepEqual(await user.next('disconnected'), {
    kind: 'disconnected',
    name: flow.id,
    reason: 'closed by the peer',
  })
  assert.equal(connections.size, 0)
})

test('a flow that is gone is told to whoever sends on it', async t => {
  const { user, connections } = make(t)
  connections.send('tcp:7:gone', Buffer.from('x'))
  assert.equal((await user.next('disconnected')).name, 'tcp:7:gone')
})

test('close lets what was written leave first', async t => {
  const { user, connections, listener } = await listenTcp(t)
  const socket = await client(t, listener.port)
  socket.write('x')
  const { flow } = await user.next('received')
  connections.send(flow.id, Buffer.from('last words'))
  connections.close(flow.id)
  let text = ''
  for await (const part of socket) text += part
  assert.equal(text, 'last words')
})

test('one connection too many from one address is closed and counted; one that ends makes room', async t => {
  const { user, counters, listener } = await listenTcp(t, { connectionsPerAddress: 2 })
  const first = await client(t, listener.port)
  const second = await client(t, listener.port)
  const third = await client(t, listener.port)
  await once(third, 'close')
  assert.equal(counters.refusedOverLimit, 1)
  first.write('x')
  first.end()
  await user.next('disconnected')
  const fourth = await client(t, listener.port)
  fourth.write('served')
  await user.next('received')
  assert.equal((await user.next('received')).bytes.toString(), 'served')
  second.destroy()
})

test('one connection too many in all is closed and counted', async t => {
  const { counters, listener } = await listenTcp(t, { connections: 1 })
  await client(t, listener.port)
  await once(await client(t, listener.port), 'close')
  assert.equal(counters.refusedOverLimit, 1)
})

test('a peer that says nothing after connecting is closed and counted', async t => {
  const { user, counters, listener } = await listenTcp(t, { firstOctetMs: 20 })
  await once(await client(t, listener.port), 'close')
  assert.equal((await user.next('disconnected')).reason, 'idle')
  assert.equal(counters.closedIdle, 1)
})

test('a peer that falls silent later is closed and counted', async t => {
  const { user, counters, listener } = await listenTcp(t, { connectionIdleMs: 20 })
  const socket = await client(t, listener.port)
  socket.write('x')
  await once(socket, 'close')
  assert.equal((await user.next('disconnected')).reason, 'idle')
  assert.equal(counters.closedIdle, 1)
})

test('a peer that does not read is closed once its backlog is full, and counted', async t => {
  const { user, counters, connections, listener } = await listenTcp(t, { connectionBacklogOctets: 100_000 })
  const socket = await client(t, listener.port)
  socket.pause()
  socket.write('x')
  const { flow } = await user.next('received')
  for (let i = 0; i < 1000 && counters.closedBacklog === 0; i++) connections.send(flow.id, Buffer.alloc(50_000))
  assert.equal((await user.next('disconnected')).reason, 'the peer does not read')
  assert.equal(counters.closedBacklog, 1)
})

test('connecting by TCP: connected under the name asked for, or disconnected', async t => {
  const { user, connections } = make(t)
  const server = createServer(socket => socket.end('greeting'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  connectTcp(connections, 'c1', '127.0.0.1', port)
  const { connection, flow } = await user.next('connected')
  assert.equal(connection, 'c1')
  assert.equal(flow.remotePort, port)
  assert.equal((await user.next('received')).bytes.toString(), 'greeting')
  assert.equal((await user.next('disconnected')).name, flow.id)
  server.close()
  await once(server, 'close')
  connectTcp(connections, 'c2', '127.0.0.1', port)
  const failed = await user.next('disconnected')
  assert.equal(failed.name, 'c2')
  assert.match(failed.reason, /ECONNREFUSED/)
})

test('TLS: a client that trusts the box is served; what speaks no TLS, or too old a one, is counted', async t => {
  const { user, counters, connections } = make(t)
  const listener = await TlsListener.open('127.0.0.1', 0, credentials, connections)
  t.after(() => listener.close())
  const options = { port: listener.port, host: '127.0.0.1', servername: 'box.example', ca: credentials.certificate }
  const socket = connectSecurely(options, () => socket.write('hello'))
  t.after(() => socket.destroy())
  const { bytes, flow } = await user.next('received')
  assert.equal(bytes.toString(), 'hello')
  assert.match(flow.id, /^tls:/)
  connections.send(flow.id, Buffer.from('answer'))
  assert.equal(String((await once(socket, 'data'))[0]), 'answer')

  const plain = await client(t, listener.port)
  plain.write('REGISTER sip:box.example SIP/2.0\r\n\r\n')
  await once(plain, 'close')
  const old = connectSecurely({ ...options, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })
  await once(old, 'error')
  assert.ok(counters.tlsHandshakeErrors >= 1)
})

test('TLS: a renewed certificate is shown to new connections; standing ones go on', async t => {
  const { user, connections } = make(t)
  const listener = await TlsListener.open('127.0.0.1', 0, credentials, connections)
  t.after(() => listener.close())
  const renewed = selfSigned('box.example', ['renewed.example'], Date.now())
  const to = { port: listener.port, host: '127.0.0.1', servername: 'box.example' }
  const before = connectSecurely({ ...to, ca: credentials.certificate })
  await once(before, 'secureConnect')
  listener.renew(renewed)
  const after = connectSecurely({ ...to, ca: renewed.certificate })
  await once(after, 'secureConnect')
  assert.match(after.getPeerCertificate().subjectaltname ?? '', /renewed\.example/)
  before.write('still here')
  assert.equal((await user.next('received')).bytes.toString(), 'still here')
  before.destroy()
  after.destroy()
  assert.throws(() => listener.renew({ certificate: 'nonsense', key: 'nonsense' }))
})

test('RFC 5922 §7.2: connecting by TLS needs a trusted certificate that names the domain', async t => {
  const { user, connections } = make(t)
  const server = createSecureServer({ cert: credentials.certificate, key: credentials.key }, socket => socket.resume())
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  const trusting = { ...credentials, authorities: credentials.certificate }
  connectTls(connections, 'trusted', '127.0.0.1', port, 'box.example', trusting)
  const { flow } = await user.next('connected')
  assert.deepEqual(flow.peerIdentities, ['box.example'])
  connectTls(connections, 'another name', '127.0.0.1', port, 'other.example', trusting)
  assert.match((await user.next('disconnected')).reason, /names box\.example, not other\.example/)
  connectTls(connections, 'not trusted', '127.0.0.1', port, 'box.example', credentials)
  assert.match((await user.next('disconnected')).reason, /self-signed/)
})

test('RFC 5922 §7.1: sip URIs come before DNS names; a URI with a user names no domain', () => {
  assert.deepEqual(sipIdentities('DNS:host.example, URI:sip:Example.COM, URI:sip:a@x.example'), ['example.com'])
  assert.deepEqual(sipIdentities('DNS:host.example, IP Address:127.0.0.1'), ['host.example'])
  assert.deepEqual(sipIdentities(undefined), [])
})

test('COMPAT(libpurple): what is sent to it together comes in reads of its own, and nothing is lost at the end', async t => {
  const { user, connections, listener } = await listenTcp(t)
  const socket = await client(t, listener.port)
  socket.write('REGISTER sip:box.example SIP/2.0\r\nUser-Agent: Purple/2.14.12\r\n\r\n')
  const { flow } = await user.next('received')
  const reads: string[] = []
  socket.on('data', bytes => reads.push(String(bytes)))
  for (const message of ['one', 'two', 'three']) connections.send(flow.id, Buffer.from(message))
  while (reads.length < 3) await once(socket, 'data')
  assert.deepEqual(reads, ['one', 'two', 'three'])
  for (const message of ['four', 'five', 'six']) connections.send(flow.id, Buffer.from(message))
  connections.close(flow.id)
  await once(socket, 'end')
  assert.equal(reads.join(''), 'onetwothreefourfivesix')
})
