import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { gunzipSync, gzipSync } from 'node:zlib'
import { selfSigned } from '../../../../src/platform/certificate.ts'
import {
  type HttpHandler,
  type HttpLimits,
  HttpListener,
  HttpService,
} from '../../../../src/platform/transport/http.ts'
import type { HttpRequest } from '../../../../src/protocols/http/message.ts'

const limits: HttpLimits = {
  headerOctets: 4_096,
  bodyOctets: 10_000,
  heldOctets: 15_000,
  requestMs: 60_000,
  idleMs: 60_000,
  connections: 8,
  connectionsPerAddress: 4,
  backlogOctets: 1_000_000,
  gzipFromOctets: 100,
}

const echo: HttpHandler = ({ method, target, body, source }, answer) =>
  answer({
    status: 200,
    headers: { 'X-Seen': `${method} ${target} ${source.isSecure}` },
    body: Buffer.from(body),
  })

async function serving(t: TestContext, handler: HttpHandler = echo, changed: Partial<HttpLimits> = {}) {
  const service = new HttpService({ ...limits, ...changed }, handler)
  const listener = await HttpListener.open({ address: '127.0.0.1', port: 0 }, service)
  t.after(() => {
    listener.close()
    service.closeAll()
  })
  return { service, listener }
}

class Client {
  readonly socket: Socket
  text = ''
  readonly ended: Promise<unknown>

  constructor(t: TestContext, socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', part => {
      this.text += part.toString('latin1')
    })
    this.ended = once(socket, 'close')
    t.after(() => socket.destroy())
  }

  /** Resolves when what was received matches. */
  async sees(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.text)
      if (match !== null) return match
      assert.ok(!this.socket.destroyed, `closed with ${JSON.stringify(this.text)}`)
      await Promise.race([once(this.socket, 'data'), this.ended])
    }
  }
}

function client(t: TestContext, { port }: HttpListener): Client {
  return new Client(t, connect(port, '127.0.0.1'))
}

test('requests on one connection are answered one after the other, pipelined ones too', async t => {
  const { listener } = await serving(t)
  const { socket, sees } = ((c: Client) => ({ socket: c.socket, sees: c.sees.bind(c) }))(client(t, listener))
  socket.write(
    'PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n',
  )
  await sees(/X-Seen: PUT \/1 false\r\nContent-Length: 3\r\n\r\nabcHTTP\/1\.1 200 OK\r\n[\s\S]*GET \/2[\s\S]*HEAD \/3/)
  socket.write('GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await sees(/GET \/4[\s\S]*Connection: close\r\n\r\n$/)
})

test('requests before octets that are no request are answered, then these, then the connection closes', async t => {
  const { listener } = await serving(t)
  const peer = client(t, listener)
  peer.socket.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n\0\0\0\0 junk\r\n\r\n')
  await peer.sees(/X-Seen: GET \/1[\s\S]*X-Seen: GET \/2[\s\S]*HTTP\/1\.1 400 [\s\S]*Connection: close/)
  await peer.ended
})

test('over TLS, with a certificate taken anew, and sessions resumed (AP-05)', async t => {
  const made = [1, 2].map(() => selfSigned('box.example', [], Date.now()))
  const service = new HttpService(limits, echo)
  const listener = await HttpListener.open({ address: '127.0.0.1', port: 0 }, service, { credentials: made[0]! })
  t.after(() => {
    listener.close()
    service.closeAll()
  })
  let session: Buffer | undefined
  const ask = async () => {
    const socket = connectTls({
      port: listener.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ...(session ? { session } : {}),
    })
    const ticket = session === undefined ? once(socket, 'session') : undefined
    const peer = new Client(t, socket)
    socket.write('GET /s HTTP/1.1\r\nHost: a\r\n\r\n')
    await peer.sees(/GET \/s true/)
    session ??= ((await ticket) as [Buffer])[0]
    const seen = { isReused: socket.isSessionReused(), fingerprint: socket.getPeerCertificate().fingerprint256 }
    socket.destroy()
    return seen
  }
  const first = await ask()
  assert.equal((await ask()).isReused, true)
  listener.renew(made[1]!)
  session = undefined
  assert.notEqual((await ask()).fingerprint, first.fingerprint)
})

test('AP-09: gzip in both directions; a body that unpacks to too much is 413', async t => {
  const { listener } = await serving(t)
  const { port } = listener
  const ask = (body: Uint8Array, headers: Record<string, string>) =>
    fetch(`http://127.0.0.1:${port}/`, { method: 'PUT', body: Buffer.from(body), headers })
  const text = 'x'.repeat(5_000)
  const packed = await ask(gzipSync(text), { 'content-encoding': 'gzip', 'accept-encoding': 'gzip;q=0.5' })
  assert.equal(packed.headers.get('content-encoding'), 'gzip')
  assert.equal(packed.headers.get('vary'), 'Accept-Encoding')
  assert.equal(await packed.text(), text)
  const plain = await ask(Buffer.from(text), { 'accept-encoding': 'gzip;q=0, identity' })
  assert.equal(plain.headers.get('content-encoding'), null)
  assert.equal((await ask(gzipSync(Buffer.alloc(1_000_000)), { 'content-encoding': 'gzip' })).status, 413)
  assert.equal((await ask(Buffer.from('no'), { 'content-encoding': 'gzip' })).status, 400)
  assert.equal((await ask(Buffer.from('no'), { 'content-encoding': 'br' })).status, 415)
  assert.equal(gunzipSync(gzipSync(text)).toString(), text)
})

test('a body that is too large is refused before it is sent, and the reason is read', async t => {
  const { listener } = await serving(t)
  const peer = client(t, listener)
  peer.socket.write('PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000000\r\n\r\n')
  await peer.sees(/^HTTP\/1\.1 413 Content Too Large\r\n/)
  await peer.ended
  const waiting = client(t, listener)
  waiting.socket.write('PUT /w HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n')
  await waiting.sees(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  waiting.socket.write('x')
  await waiting.sees(/PUT \/w/)
})

test('bodies that come slowly are 408 in the end, idle connections closed', async t => {
  const { listener } = await serving(t, echo, { requestMs: 100, idleMs: 100 })
  const slow = client(t, listener)
  slow.socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc')
  const idle = client(t, listener)
  await slow.sees(/^HTTP\/1\.1 408 Request Timeout\r\n/)
  await idle.ended
  assert.equal(idle.text, '')
})

test('what all connections hold together is bounded: 503', async t => {
  const { service, listener } = await serving(t)
  const peers = [client(t, listener), client(t, listener)]
  const body = `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n${'x'.repeat(9_000)}`
  for (const { socket } of peers) socket.write(body)
  const refused = await Promise.any(peers.map(peer => peer.sees(/503/).then(() => peer)))
  await refused.ended
  assert.ok(service.held <= limits.heldOctets)
  const other = peers.find(peer => peer !== refused)!
  other.socket.write('x'.repeat(1_000))
  await other.sees(/200 OK/)
  assert.equal(service.held, 0)
})

test('one connection too many from an address is closed', async t => {
  const { listener } = await serving(t)
  const peers = Array.from({ length: limits.connectionsPerAddress }, () => client(t, listener))
  for (const { socket, ...peer } of peers) {
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await Client.prototype.sees.call(Object.assign(peer, { socket }), /200|^$/)
  }
  const further = client(t, listener)
  await further.ended
  assert.equal(further.text, '')
})

test('a peer that has closed its side still gets its answer, and one that is gone does no harm', async t => {
  const later: Array<() => void> = []
  const seen: HttpRequest[] = []
  const { listener } = await serving(t, (request, answer) => {
    seen.push(request)
    later.push(() => answer({ status: 200, headers: {}, body: Buffer.from('late') }))
  })
  const half = client(t, listener)
  half.socket.end('GET /half HTTP/1.1\r\nHost: a\r\n\r\n')
  const gone = client(t, listener)
  gone.socket.write('GET /gone HTTP/1.1\r\nHost: a\r\n\r\n')
  while (seen.length < 2) await new Promise(setImmediate)
  gone.socket.destroy()
  await gone.ended
  for (const answer of later) answer()
  await half.sees(/late$/)
  await half.ended
})

test('AP-04: a listener for proxies asks for a certificate, and tells the names it proves', async t => {
  const own = selfSigned('box.example', ['localhost'], Date.now())
  const proxy = selfSigned('ap.example', ['AP.example'], Date.now())
  const stranger = selfSigned('ap.example', ['ap.example'], Date.now())
  const credentials = { ...own, authorities: proxy.certificate }
  const seen: HttpRequest['source'][] = []
  const service = new HttpService(limits, (request, answer) => {
    seen.push(request.source)
    echo(request, answer)
  })
  const where = { address: '127.0.0.1', port: 0 }
  const listener = await HttpListener.open(where, service, { listener: 'xdms', credentials })
  t.after(() => {
    listener.close()
    service.closeAll()
  })
  for (const shown of [proxy, stranger, undefined]) {
    const certificate = shown === undefined ? {} : { cert: shown.certificate, key: shown.key }
    const socket = connectTls({ port: listener.port, host: '127.0.0.1', rejectUnauthorized: false, ...certificate })
    const peer = new Client(t, socket)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await peer.sees(/200 OK/)
  }
  assert.deepEqual(
    seen.map(({ listener, names }) => [listener, names?.includes('ap.example')]),
    [
      ['xdms', true],
      ['xdms', undefined],
      ['xdms', undefined],
    ],
  )
})
