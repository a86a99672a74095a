import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createServer as createRawServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { selfSigned } from '../../../../src/platform/certificate.ts'
import { SystemRandom } from '../../../../src/platform/random.ts'
import { HttpClient, type HttpClientLimits } from '../../../../src/platform/transport/http-client.ts'
import { isPublicAddress } from '../../../../src/platform/transport/public-address.ts'
import type { HttpAnswer, OutgoingHttpRequest } from '../../../../src/protocols/http/message.ts'
import { parseCredentials, passwordDigest, responseDigest } from '../../../../src/protocols/sip/digest.ts'
import { challenges } from '../../../../src/protocols/sip/digest-server.ts'

const limits: HttpClientLimits = {
  requests: 20,
  connectionsPerServer: 2,
  connections: 4,
  bodyOctets: 1_000,
  patienceMs: 20_000,
  idleMs: 60_000,
  challengesRemembered: 10,
}

const own = selfSigned('box.example', ['localhost'], Date.now())

type Ask = (request: Partial<OutgoingHttpRequest> & { readonly uri: string }) => Promise<HttpAnswer>

function client(t: TestContext, changed: Partial<HttpClientLimits> = {}, authorities?: string): Ask {
  const waiting = new Map<string, (answer: HttpAnswer) => void>()
  const http = new HttpClient({
    limits: { ...limits, ...changed },
    random: new SystemRandom(),
    credentials: { ...own, ...(authorities === undefined ? {} : { authorities }) },
    answered: (token, answer) => waiting.get(token)!(answer),
  })
  t.after(() => http.close())
  let last = 0
  return request => {
    const token = String(++last)
    const answered = new Promise<HttpAnswer>(resolve => waiting.set(token, resolve))
    http.send(token, { method: 'GET', headers: {}, ...request })
    return answered
  }
}

async function listening(t: TestContext, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function serving(t: TestContext, listener: RequestListener): Promise<string> {
  return `http://${await listening(t, createServer(listener))}`
}

function text({ body }: HttpAnswer): string {
  return Buffer.from(body).toString()
}

/** Collects the body, then answers with what was asked. */
const echo: RequestListener = async (request, response) => {
  let body = ''
  for await (const part of request.setEncoding('utf8')) body += part
  response.setHeader('ETag', '"a"')
  response.end(`${request.method} ${request.url} ${request.headers['x-it']} ${body}`)
}

test('a request reaches its server whole, and its answer comes back', async t => {
  const ask = client(t)
  const root = await serving(t, echo)
  const answer = await ask({
    method: 'PUT',
    uri: `${root}/a/b?c`,
    headers: { 'X-It': 'yes' },
    body: Buffer.from('hello'),
  })
  assert.deepEqual([answer.status, answer.headers.etag, answer.failure], [200, '"a"', undefined])
  assert.equal(text(answer), 'PUT /a/b?c yes hello')
  assert.equal(text(await ask({ method: 'HEAD', uri: root })), '')
})

test('a connection is kept for the next request', async t => {
  const ask = client(t)
  const ports = new Set<number>()
  const root = await serving(t, (request, response) => {
    ports.add(request.socket.remotePort!)
    response.end()
  })
  for (let i = 0; i < 3; i++) assert.equal((await ask({ uri: root })).status, 200)
  assert.equal(ports.size, 1)
})

test('a kept connection that the server has closed is replaced by a new one', async t => {
  const ask = client(t)
  let connections = 0
  // Answers the first request of each connection, and resets it at the second.
  const server = createRawServer(socket => {
    connections++
    let requests = 0
    socket.on('error', () => {})
    socket.on('data', () => {
      if (++requests > 1) socket.resetAndDestroy()
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  assert.equal(text(await ask({ uri })), 'ok')
  assert.equal(text(await ask({ uri })), 'ok')
  assert.equal(connections, 2)
})

test('a body beyond the limit, announced or not, is not read to its end', async t => {
  const ask = client(t)
  const root = await serving(t, (request, response) => {
    if (request.url === '/announced') response.setHeader('Content-Length', 1_001)
    response.write('x'.repeat(request.url === '/announced' ? 1 : 1_001))
  })
  assert.deepEqual(outcome(await ask({ uri: `${root}/announced` })), [502, 'too-large'])
  assert.deepEqual(outcome(await ask({ uri: `${root}/streamed` })), [502, 'too-large'])
})

test('a request may ask for less than the limit', async t => {
  const root = await serving(t, (_request, response) => response.end('x'.repeat(100)))
  const ask = client(t)
  assert.deepEqual(outcome(await ask({ uri: root, bodyOctets: 99 })), [502, 'too-large'])
  assert.equal((await ask({ uri: root, bodyOctets: 100 })).status, 200)
})

test('a packed body is unpacked, and bounded when unpacked', async t => {
  const ask = client(t)
  const root = await serving(t, (request, response) => {
    response.setHeader('Content-Encoding', request.url === '/other' ? 'br' : 'gzip')
    response.end(gzipSync('x'.repeat(request.url === '/bomb' ? 1_000_000 : 900)))
  })
  assert.equal(text(await ask({ uri: root })), 'x'.repeat(900))
  assert.deepEqual(outcome(await ask({ uri: `${root}/bomb` })), [502, 'too-large'])
  assert.deepEqual(outcome(await ask({ uri: `${root}/other` })), [502, 'malformed'])
})

test('a server that is silent, or stops in the middle, is a timeout', async t => {
  const ask = client(t)
  const root = await serving(t, (request, response) => {
    if (request.url === '/middle') response.write('x')
  })
  assert.deepEqual(outcome(await ask({ uri: root, patienceMs: 50 })), [504, 'timeout'])
  assert.deepEqual(outcome(await ask({ uri: `${root}/middle`, patienceMs: 50 })), [504, 'timeout'])
})

test('a server that does not exist is unreachable', async t => {
  const ask = client(t)
  const server = createServer()
  const where = await listening(t, server)
  server.close()
  await once(server, 'close')
  assert.deepEqual(outcome(await ask({ uri: `http://${where}/` })), [502, 'unreachable'])
})

test('what is not HTTP is malformed, and what is no URI forbidden', async t => {
  const ask = client(t)
  const server = createRawServer(socket => socket.on('error', () => {}).end('ho ho ho\r\n\r\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  assert.deepEqual(outcome(await ask({ uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` })), [
    502,
    'malformed',
  ])
  for (const uri of ['nothing', 'file:///etc/passwd', 'ftp://127.0.0.1/'])
    assert.deepEqual(outcome(await ask({ uri })), [502, 'forbidden'], uri)
})

test('a redirect is an answer like any other', async t => {
  const ask = client(t)
  let requests = 0
  const root = await serving(t, (_request, response) => {
    requests++
    response.writeHead(302, { Location: '/elsewhere' }).end()
  })
  const answer = await ask({ uri: root })
  assert.deepEqual([answer.status, answer.headers.location, requests], [302, '/elsewhere', 1])
})

test('requests beyond the limit are answered busy, those within it wait for a connection', async t => {
  const ask = client(t, { requests: 3, connectionsPerServer: 1 })
  const root = await serving(t, echo)
  const answers = await Promise.all([1, 2, 3, 4].map(() => ask({ uri: root })))
  assert.deepEqual(answers.map(outcome), [
    [200, undefined],
    [200, undefined],
    [200, undefined],
    [503, 'busy'],
  ])
})

for (const algorithm of ['SHA-256', 'MD5'] as const) {
  test(`a challenge for ${algorithm} is answered, and the next request comes with credentials of its own (RFC 7616 §3.6)`, async t => {
    const ask = client(t)
    const seen: Array<string | undefined> = []
    const root = await serving(t, (request, response) => {
      const given = request.headers.authorization && parseCredentials(request.headers.authorization)
      seen.push(given ? given.nc : undefined)
      const hash = passwordDigest(algorithm, 'ps', 'remote', 'secret, "quoted"')
      const isRight = given && given.response === responseDigest(given, hash, request.method!)
      if (isRight) response.end('in')
      else {
        // Both in one field, behind a scheme that we do not know.
        const [challenge] = challenges({ realm: 'remote', nonce: 'n1', algorithms: [algorithm] })
        response.writeHead(401, { 'WWW-Authenticate': `Basic realm="remote", ${challenge}` }).end()
      }
    })
    const credentials = { username: 'ps', password: 'secret, "quoted"' }
    assert.equal(text(await ask({ uri: `${root}/doc?q=1`, credentials })), 'in')
    assert.equal(text(await ask({ uri: root, credentials })), 'in')
    assert.deepEqual(seen, [undefined, '00000001', '00000002'])
    const wrong = await ask({ uri: root, credentials: { username: 'ps', password: 'guess' } })
    assert.equal(wrong.status, 401)
    assert.equal((await ask({ uri: root })).status, 401)
  })
}

test('a certificate is believed when an authority of the operator has signed it, and it names the host', async t => {
  const { certificate, key } = selfSigned('xdms.example', ['localhost', '127.0.0.1'], Date.now())
  const server = createSecureServer({ cert: certificate, key }, echo) as unknown as Server
  const where = await listening(t, server)
  const trusting = client(t, {}, certificate)
  assert.equal((await trusting({ uri: `https://${where}/` })).status, 200)
  assert.deepEqual(outcome(await client(t)({ uri: `https://${where}/` })), [502, 'untrusted'])
  const other = selfSigned('other.example', ['other.example'], Date.now())
  const elsewhere = await listening(
    t,
    createSecureServer({ cert: other.certificate, key: other.key }, echo) as unknown as Server,
  )
  assert.deepEqual(outcome(await client(t, {}, other.certificate)({ uri: `https://${elsewhere}/` })), [
    502,
    'untrusted',
  ])
})

test('where only the public network may be asked, this machine and private networks are not, by address or by name', async t => {
  const ask = client(t)
  let requests = 0
  const root = await serving(t, (_request, response) => {
    requests++
    response.end()
  })
  const { port } = new URL(root)
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', '0.0.0.0'])
    assert.deepEqual(outcome(await ask({ uri: `http://${host}:${port}/`, reach: 'public' })), [502, 'forbidden'], host)
  assert.equal(requests, 0)
  assert.equal((await ask({ uri: root })).status, 200)
})

test('addresses of the public network (RFC 6890)', () => {
  for (const address of ['1.1.1.1', '193.0.6.139', '2606:4700::1111', '2001:4860::8888'])
    assert.ok(isPublicAddress(address), address)
  for (const address of [
    '10.1.2.3',
    '100.64.0.1',
    '169.254.169.254',
    '172.31.255.255',
    '192.168.1.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    'fe80::1',
    'fc00::1',
    'ff02::1',
    '64:ff9b::7f00:1',
    '::ffff:1.1.1.1',
    '2002:7f00:1::',
    'host.example',
  ])
    assert.ok(!isPublicAddress(address), address)
})

function outcome({ status, failure }: HttpAnswer) {
  return [status, failure]
}
