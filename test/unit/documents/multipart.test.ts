/** Bodies of several parts: what is written is read as the same, and what is malformed is said to be. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formatRelated, MultipartError, parseMultipart } from '../../../src/documents/multipart.ts'

const limits = { parts: 10, headerOctets: 200 }
const read = (text: string, boundary = 'b') => parseMultipart(Buffer.from(text), boundary, limits)
const bodies = (text: string, boundary = 'b') => read(text, boundary).map(({ body }) => Buffer.from(body).toString())

describe('multipart/related (RFC 2387)', () => {
  const parts = [
    { contentType: 'application/rlmi+xml', contentId: 'r@x', body: Buffer.from('<list/>') },
    { contentType: 'application/pidf+xml', contentId: 'a@x', body: Buffer.from('<presence/>\r\n') },
  ]

  test('§3.1, §3.2: says which is its root, the first part, and of what type, and is read as it was written', () => {
    const { contentType, body } = formatRelated(parts)
    assert.equal(contentType, 'multipart/related;type="application/rlmi+xml";start="<r@x>";boundary=b')
    const [root, other] = parseMultipart(body, 'b', limits)
    assert.deepEqual([root!.contentId, other!.contentId], ['r@x', 'a@x'])
    assert.deepEqual(
      [Buffer.from(root!.body).toString(), Buffer.from(other!.body).toString()],
      ['<list/>', '<presence/>\r\n'],
    )
    assert.equal(other!.headers.get('content-transfer-encoding'), 'binary')
  })

  test('RFC 2045 §6.1: the transfer encoding is said of what is not short, of ASCII and in one line', () => {
    const encodings = ['<a/>', '<a>\u00e9</a>', '<a>\n</a>', 'a'.repeat(998), 'a'.repeat(999)].map(text => {
      const { body } = formatRelated([{ ...parts[0]!, body: Buffer.from(text) }])
      return parseMultipart(body, 'b', limits)[0]!.headers.get('content-transfer-encoding')
    })
    assert.deepEqual(encodings, [undefined, 'binary', 'binary', undefined, 'binary'])
  })

  test('takes another boundary when a part has this one in it', () => {
    const evil = { ...parts[1]!, body: Buffer.from('x\r\n--b--\r\n--b1\r\ny') }
    const { contentType, body } = formatRelated([parts[0]!, evil])
    assert.match(contentType, /boundary=b2$/)
    assert.equal(Buffer.from(parseMultipart(body, 'b2', limits)[1]!.body).toString(), evil.body.toString())
  })

  test('RFC 2046 §5.1.2: one within another has another boundary, which the delimiters inside do not begin with', () => {
    const inner = formatRelated(parts)
    const { contentType, body } = formatRelated([parts[0]!, { ...inner, contentId: 'in@x' }])
    assert.match(contentType, /boundary=b1$/)
    const [, nested] = parseMultipart(body, 'b1', limits)
    assert.equal(nested!.contentType, inner.contentType)
    assert.deepEqual(
      parseMultipart(nested!.body, 'b', limits).map(({ body }) => Buffer.from(body).toString()),
      parts.map(({ body }) => body.toString()),
    )
  })
})

describe('any multipart (RFC 2046 §5.1)', () => {
  test('preamble and epilogue are dropped, blanks behind a delimiter are allowed', () => {
    assert.deepEqual(bodies('preamble\r\n--b \t\r\n\r\none\r\n--b\r\nX-Y: 1\r\n\r\ntwo\r\n--b--\r\nepilogue --b'), [
      'one',
      'two',
    ])
  })

  test('a part may be empty, without header, or end in line ends of its own', () => {
    assert.deepEqual(bodies('--b\r\n\r\n\r\n--b\r\n\r\n\r\n\r\n--b--'), ['', '\r\n'])
  })

  test('line ends of one character are taken', () => {
    assert.deepEqual(bodies('--b\nContent-Type: text/x\n\none\n--b--\n'), ['one'])
  })

  test('only a whole delimiter at the beginning of a line counts', () => {
    assert.deepEqual(bodies('--b\r\n\r\nx --b\r\n--bb\r\n--b--'), ['x --b\r\n--bb'])
  })

  test('header fields are unfolded; without a type it is text/plain', () => {
    const [part] = read('--b\r\nContent-Type: a/b;\r\n  c="d"\r\nContent-ID: <e@f>\r\n\r\n.\r\n--b--')
    assert.equal(part!.contentType, 'a/b; c="d"')
    assert.equal(part!.contentId, 'e@f')
    assert.equal(read('--b\r\n\r\n.\r\n--b--')[0]!.contentType, 'text/plain')
  })

  test('RFC 2045 §6.8, §6.4: base64 is undone; in another encoding it is of no known type', () => {
    const [coded, unknown] = read(
      '--b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: BASE64\r\n\r\naGVs\r\nbG8=\r\n' +
        '--b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: x-own\r\n\r\n.\r\n--b--',
    )
    assert.equal(Buffer.from(coded!.body).toString(), 'hello')
    assert.equal(coded!.contentType, 'a/b')
    assert.equal(unknown!.contentType, 'application/octet-stream')
  })

  test('what is malformed, too much or encoded is an error', () => {
    for (const text of [
      '',
      'no delimiter',
      '--b\r\n\r\nnever ends',
      '--b\r\nno colon\r\n\r\n.\r\n--b--',
      '--b\r\n folded: first\r\n\r\n.\r\n--b--',
      '--b\r\nA: 1\r\na: 2\r\n\r\n.\r\n--b--',
      '--b\r\nContent-Transfer-Encoding: base64\r\n\r\n.\r\n--b--',
      '--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAA\r\n--b--',
      `--b\r\nA: ${'x'.repeat(300)}\r\n\r\n.\r\n--b--`,
      `${'--b\r\n\r\n.\r\n'.repeat(11)}--b--`,
    ])
      assert.throws(() => read(text), MultipartError, text)
    assert.throws(() => read('--\r\n\r\n', ''), MultipartError)
  })
})
