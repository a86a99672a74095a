/**
 * Bad input to the documents of the built box: each kind has the right status, memory stays bounded, and nothing
 * is lost or half written.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { answerChallenge } from '../../src/protocols/sip/digest.ts'
import { type Health, porchlight, RunningBox, statusOf, temporaryData } from './box.ts'

/** Resident memory of the box after everything here, octets. */
const memoryBound = 160 * 2 ** 20

const home = '/xcap-root/resource-lists/users/sip:alice@box.example'
const at = `${home}/index`
const listType = 'application/resource-lists+xml'
const elementType = 'application/xcap-el+xml'
const list = (inner: string) =>
  `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>${inner}</list></resource-lists>`

interface Seen {
  readonly status: number
  readonly head: string
  readonly body: string
}

/** A connection on which anything can be written. */
class RawConnection {
  readonly socket: Socket
  #text = ''
  #hasEnded = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', part => {
      this.#text += part
      socket.emit('seen')
    })
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#hasEnded = true
        socket.emit('seen')
      })
    }
  }

  static async open(t: TestContext, port: number): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1' })
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    return new RawConnection(socket)
  }

  /** The next answer, its body by Content-Length. Rejects when the box has closed without one. */
  async answer(): Promise<Seen> {
    for (;;) {
      const end = this.#text.indexOf('\r\n\r\n')
      if (end !== -1) {
        const head = this.#text.slice(0, end)
        const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
        if (this.#text.length >= end + 4 + length) {
          const body = this.#text.slice(end + 4, end + 4 + length)
          this.#text = this.#text.slice(end + 4 + length)
          return { status: Number(head.slice(9, 12)), head, body }
        }
      }
      if (this.#hasEnded) throw new Error(`closed after ${JSON.stringify(this.#text)}`)
      await once(this.socket, 'seen')
    }
  }

  async closed(): Promise<void> {
    while (!this.#hasEnded) await once(this.socket, 'seen')
  }
}

interface Asking {
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Whose credentials; nobody's when undefined. */
  readonly user?: string | undefined
}

class Client {
  readonly #t: TestContext
  readonly #port: number

  constructor(t: TestContext, port: number) {
    this.#t = t
    this.#port = port
  }

  open(): Promise<RawConnection> {
    return RawConnection.open(this.#t, this.#port)
  }

  /** One request with the target exactly as it is given. */
  async ask(method: string, target: string, body: string | Uint8Array = '', asking: Asking = {}): Promise<Seen> {
    const first = await this.#once(method, target, body, asking)
    const user = 'user' in asking ? asking.user : 'alice'
    if (first.status !== 401 || user === undefined) return first
    const challenges = [...first.head.matchAll(/^www-authenticate: (.*)$/gim)].map(match => match[1]!)
    const secret = { username: user, password: `of ${user}`, method, uri: target, cnonce: 'c', nonceCount: 1 }
    const headers = { ...asking.headers, Authorization: answerChallenge(challenges, secret) }
    return this.#once(method, target, body, { ...asking, headers })
  }

  async put(target: string, body: string | Uint8Array, asking: Asking = {}): Promise<Seen> {
    return this.ask('PUT', target, body, { type: listType, ...asking })
  }

  async #once(method: string, target: string, body: string | Uint8Array, { type, headers }: Asking): Promise<Seen> {
    const connection = await this.open()
    const octets = Buffer.from(body)
    const fields = { Host: 'box.example', ...(type === undefined ? {} : { 'Content-Type': type }), ...headers }
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
    connection.socket.write(
      `${method} ${target} HTTP/1.1\r\n${lines.join('')}Content-Length: ${octets.length}\r\n\r\n`,
      'latin1',
    )
    connection.socket.write(octets)
    const answer = await connection.answer()
    connection.socket.destroy()
    return answer
  }
}

test('bad documents', { timeout: 110_000 }, async t => {
  const data = temporaryData(t)
  for (const name of ['alice', 'bob'])
    assert.equal(
      (await porchlight(['user', 'add', name, '--password-stdin', '--data', data], `of ${name}\n`)).status,
      0,
    )
  const box = await RunningBox.start(t, data)
  const client = new Client(t, box.port('http'))
  const status = () => statusOf<Health>(data)
  const before = await status()

  const kept = list('<entry uri="sip:bob@box.example"/>')
  assert.equal((await client.put(at, kept)).status, 201)
  // Half a body that never goes on; asked about in the end, when its time is over.
  const slow = await client.open()
  slow.socket.write(
    `PUT ${at} HTTP/1.1\r\nHost: box.example\r\nContent-Type: ${listType}\r\nContent-Length: 1000\r\n\r\n<resource-lists`,
  )

  const conflict = (answer: Seen): string | undefined => /<xcap-error[^>]*>\s*<([\w-]+)/.exec(answer.body)?.[1]

  await t.test('entity bombs, external entities and document types: refused, and nothing is read', async () => {
    const entities = Array.from({ length: 9 }, (_, n) => `<!ENTITY e${n + 1} "${`&e${n};`.repeat(10)}">`).join('')
    for (const body of [
      `<!DOCTYPE r [<!ENTITY e0 "ha">${entities}]>${list('<display-name>&e9;</display-name>')}`,
      `<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>${list('<display-name>&e;</display-name>')}`,
      `<!DOCTYPE resource-lists SYSTEM "http://127.0.0.1:1/x">${list('')}`,
      `<!DOCTYPE r [<!ENTITY e "ha">]>${list('').replace('>', ' a="&e;">')}`,
      '<!DOCTYPE r',
    ]) {
      const answer = await client.put(at, body)
      assert.equal(answer.status, 409, body.slice(0, 60))
      assert.match(
        answer.body,
        /<local-constraint-failure [^>]*phrase="line 1, column 1: a document type declaration is not/,
      )
      assert.doesNotMatch(answer.body, /root:/)
    }
    const undefinedEntity = await client.put(at, list('<display-name>&undefined;</display-name>'))
    assert.equal(conflict(undefinedEntity), 'not-well-formed')
    const fragment = await client.put(`${at}/~~/resource-lists/list/display-name`, '<!DOCTYPE a []><display-name/>', {
      type: elementType,
    })
    assert.equal(conflict(fragment), 'not-xml-frag')
  })

  await t.test(
    '100 MB: refused by its length before it is sent, or as soon as it is too much, packed or not',
    async one => {
      const announced = await RawConnection.open(one, box.port('http'))
      announced.socket.write(`PUT ${at} HTTP/1.1\r\nHost: box.example\r\nContent-Length: 104857600\r\n\r\n`)
      assert.equal((await announced.answer()).status, 413)
      await announced.closed()
      const chunked = await RawConnection.open(one, box.port('http'))
      chunked.socket.write(`PUT ${at} HTTP/1.1\r\nHost: box.example\r\nTransfer-Encoding: chunked\r\n\r\n`)
      const chunk = Buffer.from(`10000\r\n${'x'.repeat(0x10000)}\r\n`)
      const answered = chunked.answer()
      let isAnswered = false
      answered.then(
        () => {
          isAnswered = true
        },
        () => {},
      )
      for (let sent = 0; sent < 104_857_600 && !isAnswered && !chunked.socket.destroyed; sent += chunk.length)
        if (!chunked.socket.write(chunk)) await Promise.race([once(chunked.socket, 'drain'), answered.catch(() => {})])
      assert.equal((await answered).status, 413)
      const bomb = gzipSync(Buffer.alloc(104_857_600, ' '))
      assert.equal((await client.put(at, bomb, { headers: { 'Content-Encoding': 'gzip' } })).status, 413)
      const large = await client.put(at, list(`<display-name>${'x'.repeat(390_000)}</display-name>`))
      assert.ok([200, 413].includes(large.status))
      assert.equal((await client.put(at, kept)).status, 200)
    },
  )

  await t.test(
    '10,000 levels, elements without end, and names without end: the limits of this server, by name',
    async () => {
      for (const inner of [
        `${'<a xmlns="x">'.repeat(10_000)}${'</a>'.repeat(10_000)}`,
        '<list/>'.repeat(40_000),
        `<a xmlns="x" ${Array.from({ length: 2_000 }, (_, n) => `a${n}=""`).join(' ')}/>`,
        `<x:${'a'.repeat(5_000)} xmlns:x="x"/>`,
      ]) {
        const answer = await client.put(at, list(inner))
        assert.equal(answer.status, 409, inner.slice(0, 40))
        assert.match(answer.body, /local-constraint-failure/, inner.slice(0, 40))
      }
      const nested = await client.put(
        `${at}/~~/resource-lists/list`,
        `${'<list xmlns="urn:ietf:params:xml:ns:resource-lists">'.repeat(40)}${'</list>'.repeat(40)}`,
        { type: elementType },
      )
      assert.match(nested.body, /local-constraint-failure/)
    },
  )

  await t.test('selectors that could blow up are answered at once', async () => {
    const startedAt = performance.now()
    const open = '%5b'
    for (const [selector, expected] of [
      ['*/'.repeat(1_500), [404]],
      [`*${`${open}1%5d`.repeat(700)}`, [404]],
      [`*${open}@a=%22${'%22%22'.repeat(600)}`, [404]],
      [`*${open}${'9'.repeat(4_000)}%5d`, [404]],
      ['('.repeat(4_000), [404]],
      [`${'a:'.repeat(2_000)}b`, [404, 400]],
      [`*?${'xmlns('.repeat(700)}`, [400]],
      [`*?${'x(^'.repeat(1_300)}`, [400]],
      ['x'.repeat(20_000), [431]],
      ['%', [400]],
      ['%ff%fe', [400]],
    ] as const) {
      const answer = await client.ask('GET', `${at}/~~/${selector}`)
      assert.ok((expected as readonly number[]).includes(answer.status), `${selector.slice(0, 20)}: ${answer.status}`)
    }
    assert.ok(performance.now() - startedAt < 10_000)
  })

  await t.test('no path leads out of the tree or into another home', async () => {
    for (const path of [
      '/xcap-root/../../../etc/passwd',
      '/xcap-root/%2e%2e/%2e%2e/etc/passwd',
      '/xcap-root/..%2f..%2fetc%2fpasswd/users/alice/index',
      '/xcap-root/resource-lists/users/alice/../bob/index',
      '/xcap-root/resource-lists/users/alice/%2e%2e/bob/index',
      '/xcap-root/resource-lists/users/alice/..%2fbob%2findex',
      '/xcap-root/resource-lists/users/alice/index%00.xml',
      '/xcap-root//resource-lists/users/alice/index',
      '/etc/passwd',
      '/xcap-root/resource-lists/users/alice//index',
      `/xcap-root/resource-lists/users/alice/${'a/'.repeat(50)}index`,
      `/xcap-root/resource-lists/users/alice/${'a'.repeat(300)}`,
    ]) {
      for (const method of ['GET', 'DELETE']) {
        const answer = await client.ask(method, path)
        assert.ok([400, 404].includes(answer.status), `${method} ${path}: ${answer.status}`)
        assert.doesNotMatch(answer.body, /root:|bob@/)
      }
      const put = await client.put(path, list(''))
      assert.ok([400, 404, 409].includes(put.status), `PUT ${path}: ${put.status}`)
    }
    assert.equal((await client.ask('GET', `${home.replace('alice', 'bob')}/index`)).status, 403)
    const directory = await client.ask(
      'GET',
      '/xcap-root/org.openmobilealliance.xcap-directory/users/alice/directory.xml',
    )
    assert.deepEqual(
      [...directory.body.matchAll(/uri="[^"]*\/([^/"]+)"/g)].map(match => match[1]).sort(),
      ['index', 'pres-rules'],
      'and no document was written on the way',
    )
  })

  await t.test('who one is, one proves: header fields that say so count for nothing', async () => {
    const bobs = home.replace('alice', 'bob')
    for (const name of [
      'X-3GPP-Asserted-Identity',
      'X-XCAP-Asserted-Identity',
      'P-Asserted-Identity',
      'X-Forwarded-User',
    ]) {
      const headers = { [name]: '"sip:bob@box.example"' }
      assert.equal((await client.ask('GET', `${bobs}/index`, '', { headers, user: undefined })).status, 401, name)
      assert.equal((await client.ask('GET', `${bobs}/index`, '', { headers })).status, 403, name)
      assert.equal((await client.ask('GET', at, '', { headers })).status, 200, name)
    }
    const intended = { 'X-3GPP-Intended-Identity': '"sip:bob@box.example"' }
    assert.equal((await client.ask('GET', `${bobs}/index`, '', { headers: intended })).status, 403)
    assert.equal(
      (await client.ask('GET', at, '', { headers: { Authorization: 'Basic YWxpY2U6b2YgYWxpY2U=' }, user: undefined }))
        .status,
      401,
    )
  })

  await t.test(
    'requests that two readers could understand in two ways are refused, and what follows is not read',
    async one => {
      const smuggled = 'DELETE /xcap-root/x HTTP/1.1\r\nHost: box.example\r\n\r\n'
      for (const head of [
        'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
        'Content-Length: 5\r\nContent-Length: 6\r\n',
        'Content-Length: +5\r\n',
        'Content-Length : 5\r\n',
        'Transfer-Encoding: gzip, chunked\r\n',
        'X: a\r\n b\r\n',
        'Host: other\r\n',
      ]) {
        const connection = await RawConnection.open(one, box.port('http'))
        connection.socket.write(`PUT ${at} HTTP/1.1\r\nHost: box.example\r\n${head}\r\n${smuggled}`)
        const answer = await connection.answer()
        assert.ok([400, 501].includes(answer.status), `${head}: ${answer.status}`)
        await connection.closed()
      }
    },
  )

  await t.test('half requests on many connections: others are served', async one => {
    const half = await Promise.all(Array.from({ length: 80 }, () => RawConnection.open(one, box.port('http'))))
    for (const { socket } of half)
      socket.write(`PUT ${at} HTTP/1.1\r\nHost: box.example\r\nContent-Length: 300000\r\n\r\n${'x'.repeat(1000)}`)
    assert.equal((await client.ask('GET', at)).status, 200)
    for (const { socket } of half) socket.destroy()
  })

  const late = await slow.answer()
  assert.equal(late.status, 408)
  await slow.closed()

  const got = await client.ask('GET', at)
  assert.equal(got.body, kept)
  const after = await status()
  assert.equal(after.pid, before.pid)
  assert.equal(after.lastError ?? undefined, before.lastError ?? undefined)
  assert.ok(after.memoryOctets < memoryBound, `${after.memoryOctets} octets`)
  await box.stop('SIGKILL')
  const again = await RunningBox.start(t, data)
  assert.equal((await new Client(t, again.port('http')).ask('GET', at)).body, kept)
})
