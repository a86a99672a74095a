import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HttpRefusal } from '../../../../src/protocols/http/errors.ts'
import { HttpReader, type ReadRequest } from '../../../../src/protocols/http/reader.ts'

const limits = { headerOctets: 1_000, bodyOctets: 2_000 }

function readAll(text: string, step = text.length): ReadRequest[] {
  const reader = new HttpReader(limits)
  const octets = Buffer.from(text, 'latin1')
  const requests: ReadRequest[] = []
  for (let at = 0; at < octets.length; at += step) {
    reader.push(octets.subarray(at, at + step))
    for (let request = reader.next(); request !== undefined; request = reader.next()) requests.push(request)
  }
  return requests
}

function refused(text: string, step?: number): number | undefined {
  try {
    readAll(text, step)
  } catch (error) {
    if (error instanceof HttpRefusal) return error.status
    throw error
  }
  return undefined
}

const plain = (fields = '', body = '') => `PUT /a HTTP/1.1\r\nHost: b\r\n${fields}\r\n${body}`

describe('reading HTTP/1.1 (RFC 9112)', () => {
  it('gives requests whole, however their octets come', () => {
    const text =
      plain('Content-Length: 5\r\n', 'hello') +
      '\r\nGET http://b/c?d HTTP/1.1\r\nhOST:b\r\nAccept: x\r\naccept:  y \r\n\r\n' +
      plain('Transfer-Encoding: chunked\r\n', '3;x=y\r\nabc\r\n00c\r\n0123456789ab\r\n0\r\nTrailer: t\r\n\r\n') +
      'GET /e HTTP/1.0\r\n\r\n'
    for (const step of [1, 2, 3, 7, 50, text.length]) {
      const requests = readAll(text, step)
      assert.deepEqual(
        requests.map(({ method, target, body, keepsConnection }) => [
          method,
          target,
          Buffer.from(body).toString(),
          keepsConnection,
        ]),
        [
          ['PUT', '/a', 'hello', true],
          ['GET', 'http://b/c?d', '', true],
          ['PUT', '/a', 'abc0123456789ab', true],
          ['GET', '/e', '', false],
        ],
      )
      assert.equal(requests[1]!.headers.accept, 'x, y')
    }
  })

  it('§9.3: says whether the connection stays', () => {
    assert.equal(readAll(plain('Connection: Close\r\n'))[0]!.keepsConnection, false)
    assert.equal(readAll('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')[0]!.keepsConnection, true)
  })

  it('refuses what could be understood in two ways: 400', () => {
    const texts = [
      plain('Content-Length: 1\r\nContent-Length: 2\r\n'),
      plain('Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'),
      'PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n',
      plain('Content-Length: +1\r\n'),
      plain('Content-Length: 1, 1\r\n'),
      plain('Content-Length : 1\r\n'),
      plain(' folded\r\n'),
      plain('A: b\nContent-Length: 1\r\n'),
      plain('A: b\0\r\n'),
      plain(': b\r\n'),
      plain('nothing\r\n'),
      plain('Host: c\r\n'),
      'GET / HTTP/1.1\r\n\r\n',
      'GET  / HTTP/1.1\r\nHost: b\r\n\r\n',
      'GET / HTTP/1.1 \r\nHost: b\r\n\r\n',
      'GET /\x80 HTTP/1.1\r\nHost: b\r\n\r\n',
      'GET\r\n\r\n',
      plain('Transfer-Encoding: chunked\r\n', 'x\r\n'),
      plain('Transfer-Encoding: chunked\r\n', '-1\r\n'),
      plain('Transfer-Encoding: chunked\r\n', '123456789\r\n'),
      plain('Transfer-Encoding: chunked\r\n', '1\r\nabc\r\n'),
      plain('Transfer-Encoding: chunked\r\n', `1;${'x'.repeat(300)}`),
    ]
    for (const text of texts) {
      assert.equal(refused(text), 400, text)
      assert.equal(refused(text, 1), 400, text)
    }
  })

  it('refuses what it does not know: 417, 501, 505', () => {
    assert.equal(refused(plain('Expect: tea\r\n')), 417)
    assert.equal(refused(plain('Transfer-Encoding: gzip, chunked\r\n')), 501)
    assert.equal(refused('GET / HTTP/2.0\r\nHost: b\r\n\r\n'), 505)
  })

  it('refuses what is too large before it has come: 413, 431', () => {
    assert.equal(refused(plain('Content-Length: 2001\r\n')), 413)
    assert.equal(refused(plain('Content-Length: 2000\r\n')), undefined)
    assert.equal(refused(plain('Transfer-Encoding: chunked\r\n', 'ffffffff\r\n')), 413)
    assert.equal(refused(plain('Transfer-Encoding: chunked\r\n', '1\r\na\r\n'.repeat(500))), 413)
    assert.equal(
      refused(plain('Transfer-Encoding: chunked\r\n', `0\r\n${`A: ${'b'.repeat(200)}\r\n`.repeat(20)}`)),
      413,
    )
    assert.equal(refused(plain(`A: ${'b'.repeat(1_000)}\r\n`)), 431)
    assert.equal(refused(`GET /${'b'.repeat(1_000)}`, 1), 431)
  })

  it('asks once to go on with a body that waits for it (RFC 9110 §10.1.1)', () => {
    const reader = new HttpReader(limits)
    reader.push(Buffer.from(plain('Expect: 100-continue\r\nContent-Length: 1\r\n')))
    assert.equal(reader.next(), undefined)
    assert.deepEqual([reader.takeContinue(), reader.takeContinue()], [true, false])
    reader.push(Buffer.from('x'))
    assert.equal(Buffer.from(reader.next()!.body).toString(), 'x')
    reader.push(Buffer.from(plain('Expect: 100-continue\r\nContent-Length: 1\r\n', 'x')))
    assert.ok(reader.next())
    assert.equal(reader.takeContinue(), false)
  })

  it('holds no more than what has come', () => {
    const reader = new HttpReader(limits)
    reader.push(Buffer.from(plain('Content-Length: 2000\r\n')))
    reader.next()
    assert.equal(reader.held, 0)
    for (let n = 1; n <= 500; n++) {
      reader.push(Buffer.from('x'))
      assert.equal(reader.next(), undefined)
      assert.equal(reader.held, n)
    }
    assert.ok(reader.isWithinRequest)
  })
})
