/** RFC 3261 §7, §18.3 and §25.1: from octets to messages. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ParseError } from '../../../../src/protocols/sip/errors.ts'
import { SipRequest, SipResponse } from '../../../../src/protocols/sip/message.ts'
import { type ParseLimits, parseMessage } from '../../../../src/protocols/sip/parse.ts'

const limits: ParseLimits = { messageBytes: 2000, headerFields: 20, lineBytes: 500 }

/** A request with these header lines, line ends as in the RFC. */
function request(lines: string, body = ''): Buffer {
  return Buffer.from(`OPTIONS sip:box.example SIP/2.0\r\n${lines.replace(/\n/g, '\r\n')}\r\n\r\n${body}`)
}

function parseRequest(bytes: Buffer): SipRequest {
  const message = parseMessage(bytes, limits)
  assert(message instanceof SipRequest)
  return message
}

function refusal(bytes: Buffer): ParseError {
  try {
    parseMessage(bytes, limits)
  } catch (error) {
    assert(error instanceof ParseError)
    return error
  }
  assert.fail('nothing was thrown')
}

test('§7.3.1 whitespace around the colon does not count', () => {
  for (const line of [
    'Subject:            lunch',
    'Subject      :      lunch',
    'Subject            :lunch',
    'Subject: lunch',
    'Subject\t:\tlunch \t',
  ]) {
    assert.equal(parseRequest(request(line)).header('Subject'), 'lunch')
  }
})

test('§7.3.1 a folded value is one value, each fold a single space', () => {
  const plain = parseRequest(request("Subject: I know you're there, pick up the phone and talk to me!"))
  const folded = parseRequest(request("Subject: I know you're there,\n         pick up the phone\n\t and talk to me!"))
  assert.equal(folded.header('Subject'), plain.header('Subject'))
})

test('§7.3.1 a fold before the value, after it, or of nothing at all', () => {
  assert.equal(parseRequest(request('Subject:\n lunch')).header('Subject'), 'lunch')
  assert.equal(parseRequest(request('Subject:\n \n\t\n lunch\n ')).header('Subject'), 'lunch')
  assert.equal(parseRequest(request('Subject:\n ')).header('Subject'), '')
  const next = parseRequest(request('Subject: a\n \nX-Next: b'))
  assert.equal(next.header('Subject'), 'a')
  assert.equal(next.header('X-Next'), 'b')
})

const routes = ['<sip:alice@atlanta.com>', '<sip:bob@biloxi.com>', '<sip:carol@chicago.com>']
for (const lines of [
  'Route: <sip:alice@atlanta.com>\nSubject: Lunch\nRoute: <sip:bob@biloxi.com>\nRoute: <sip:carol@chicago.com>',
  'Route: <sip:alice@atlanta.com>, <sip:bob@biloxi.com>\nRoute: <sip:carol@chicago.com>\nSubject: Lunch',
  'Subject: Lunch\nRoute: <sip:alice@atlanta.com>, <sip:bob@biloxi.com>,\n       <sip:carol@chicago.com>',
]) {
  test(`§7.3.1 equivalent header field rows: ${lines.replace(/\n/g, ' | ')}`, () => {
    assert.deepEqual(parseRequest(request(lines)).headers('Route'), routes)
  })
}

test('§7.3.1 the order of rows with the same name counts', () => {
  const message = parseRequest(request('Route: <sip:bob@biloxi.com>\nRoute: <sip:alice@atlanta.com>'))
  assert.deepEqual(message.headers('Route'), ['<sip:bob@biloxi.com>', '<sip:alice@atlanta.com>'])
})

test('§7.3.1 rows of Authorization and its kin are not lists', () => {
  const message = parseRequest(request('Authorization: Digest a="1", b="2"\nAuthorization: Digest c="3"'))
  assert.deepEqual(message.headers('Authorization'), ['Digest a="1", b="2"', 'Digest c="3"'])
})

test('§7.3.1 names are read without regard to case; §7.3.3 compact forms are the same header', () => {
  const message = parseRequest(request('cOnTaCt: <sip:a@b>\nm: <sip:c@d>\nK: a\nsupported: b'))
  assert.deepEqual(message.headers('CONTACT'), ['<sip:a@b>', '<sip:c@d>'])
  assert.deepEqual(message.headers('m'), ['<sip:a@b>', '<sip:c@d>'])
  assert.deepEqual(message.headers('k'), ['a', 'b'])
  assert.deepEqual(
    message.headerFields().map(([name]) => name),
    ['Contact', 'Contact', 'Supported', 'Supported'],
  )
})

test('§7.3.1 an unknown header field keeps its spelling and is found in any', () => {
  const message = parseRequest(request('x-Odd_Name! :1'))
  assert.equal(message.header('X-ODD_NAME!'), '1')
  assert.deepEqual(message.headerFields(), [['x-Odd_Name!', '1']])
})

test('§7.5 line ends before the start line are ignored', () => {
  assert.equal(parseRequest(Buffer.concat([Buffer.from('\r\n\r\n'), request('s: x')])).header('Subject'), 'x')
  assert.equal(refusal(Buffer.from('\r\n\r\n')).request, undefined)
  assert.equal(refusal(Buffer.alloc(0)).request, undefined)
})

test('a line may end in LF alone', () => {
  const message = parseRequest(Buffer.from('OPTIONS sip:a SIP/2.0\ns: x\n y\nl: 2\n\nab'))
  assert.equal(message.header('Subject'), 'x y')
  assert.equal(message.body.length, 2)
})

test('§7.1 SIP-Version is read without regard to case; another is 505', () => {
  assert.equal(parseRequest(Buffer.from('OPTIONS sip:a sip/2.0\r\n\r\n')).method, 'OPTIONS')
  const error = refusal(Buffer.from('OPTIONS sip:a SIP/3.0\r\ni: x\r\n\r\n'))
  assert.equal(error.statusHint, 505)
  assert.equal(error.request?.callId, 'x')
})

test('§7.1 methods are case-sensitive', () => {
  assert.equal(parseRequest(Buffer.from('options sip:a SIP/2.0\r\n\r\n')).method, 'options')
})

test('§7.1, §7.2 what is neither request nor response is no message', () => {
  for (const text of [
    'GET / HTTP/1.1\r\n\r\n',
    'OPTIONS sip:a\r\n\r\n',
    'OPTIONS\r\n\r\n',
    ' OPTIONS sip:a SIP/2.0\r\n\r\n',
    'OPT(IONS sip:a SIP/2.0\r\n\r\n',
    'OPTIONS\tsip:a SIP/2.0\r\n\r\n',
    'SIP/2.0\r\n\r\n',
    'SIP/2.0 20 OK\r\n\r\n',
    'SIP/2.0 099 OK\r\n\r\n',
    'SIP/2.0 700 OK\r\n\r\n',
    'SIP/2.0 2000 OK\r\n\r\n',
    'SIP/2.0 200OK\r\n\r\n',
    'SIP/3.0 200 OK\r\n\r\n',
    'hello',
    '\0\0\0\0',
  ]) {
    assert.equal(refusal(Buffer.from(text)).request, undefined, JSON.stringify(text))
  }
})

test('§7.2 a response: status, reason, and a missing reason', () => {
  const response = parseMessage(Buffer.from('SIP/2.0 180 Ringing  twice \r\n\r\n'))
  assert(response instanceof SipResponse)
  assert.deepEqual([response.status, response.reason], [180, 'Ringing  twice '])
  const bare = parseMessage(Buffer.from('SIP/2.0 180\r\n\r\n'))
  assert(bare instanceof SipResponse)
  assert.equal(bare.reason, '')
})

test('§25.1 text is UTF-8, and what is not is refused', () => {
  const message = parseRequest(request('Subject: Grüße, 世界\nFrom: "Jörg" <sip:j@b>;tag=ü1\nUser-Agent: plain'))
  assert.equal(message.header('Subject'), 'Grüße, 世界')
  assert.equal(message.from.displayName, 'Jörg')
  assert.equal(message.fromTag, 'ü1')
  assert.equal(message.header('User-Agent'), 'plain')
  assert.equal(parseMessage(message.toBytes()).header('Subject'), 'Grüße, 世界')
  const latin1 = refusal(Buffer.from('OPTIONS sip:a SIP/2.0\r\ni: x\r\nSubject: Gr\xfc\xdfe\r\n\r\n', 'latin1'))
  assert.equal(latin1.statusHint, 400)
  assert.equal(latin1.request?.callId, 'x')
})

test('§18.3 the body is what Content-Length says, and over UDP the rest when there is none', () => {
  assert.equal(Buffer.from(parseRequest(request('Content-Length: 3', 'abcdef')).body).toString(), 'abc')
  assert.equal(Buffer.from(parseRequest(request('s: x', 'abcdef')).body).toString(), 'abcdef')
  assert.equal(parseRequest(request('l: 0', 'abcdef')).body.length, 0)
})

for (const length of ['4', '99999999999999999999', '-1', '+1', '1 2', 'x', '', '0x1', '1,2']) {
  test(`§18.3 Content-Length ${JSON.stringify(length)} of a body of three octets is 400`, () => {
    const error = refusal(request(`Call-ID: x\nContent-Length: ${length}`, 'abc'))
    assert.equal(error.statusHint, 400)
    assert.equal(error.request?.callId, 'x')
  })
}

for (const [why, lines] of [
  ['no colon', 'Call-ID: x\nno colon here'],
  ['no name', 'Call-ID: x\n: value'],
  ['a name that is no token', 'Call-ID: x\nna(me: value'],
  ['a carriage return in the middle', 'Call-ID: x\nSubject: a\rVia: b'],
  ['a control character', 'Call-ID: x\nSubject: a\x01b'],
  ['a null', 'Call-ID: x\nSubject: a\0b'],
] as const) {
  test(`§25.1 a header field with ${why} is 400, and the others are still there to answer with`, () => {
    const error = refusal(request(lines))
    assert.equal(error.statusHint, 400)
    assert.equal(error.request?.callId, 'x')
  })
}

test('a header section that does not end is 400, and what is there is there', () => {
  const error = refusal(Buffer.from('OPTIONS sip:a SIP/2.0\r\nCall-ID: x\r\nFrom: y'))
  assert.equal(error.statusHint, 400)
  assert.equal(error.request?.header('From'), 'y')
  assert.equal(refusal(Buffer.from('OPTIONS sip:a SIP/2.0')).request, undefined)
})

test('limits: a message too long is 513, with what stands before the limit', () => {
  const error = refusal(request('Call-ID: x', 'a'.repeat(2000)))
  assert.equal(error.statusHint, 513)
  assert.equal(error.request?.callId, 'x')
  const fits = request('Call-ID: x')
  assert.equal(parseRequest(Buffer.concat([fits, Buffer.alloc(2000 - fits.length, 97)])).callId, 'x')
})

test('limits: too many header fields are 400', () => {
  const error = refusal(request(`Call-ID: x\n${'a: b\n'.repeat(10_000)}a: b`).subarray(0, 1900))
  assert.equal(error.statusHint, 400)
  assert.equal(error.request?.headerFields().length, 20)
  assert.equal(parseRequest(request(`${'a: b\n'.repeat(19)}a: b`)).headerFields().length, 20)
})

test('limits: a header field too long, folded or not, is 400; a start line too long is 414', () => {
  for (const value of ['a'.repeat(600), 'a\n '.repeat(200)]) {
    const error = refusal(request(`Call-ID: x\nSubject: ${value}\nFrom: y`))
    assert.equal(error.statusHint, 400)
    assert.equal(error.request?.header('From'), 'y')
    assert.equal(error.request?.header('Subject'), undefined)
  }
  const error = refusal(Buffer.from(`OPTIONS sip:${'a'.repeat(600)} SIP/2.0\r\nCall-ID: x\r\n\r\n`))
  assert.equal(error.statusHint, 414)
  assert.equal(error.request?.callId, 'x')
})

test('a message cut short anywhere is refused or complete, never worse', () => {
  const whole = request('Via: SIP/2.0/UDP a;branch=z9hG4bKx\nFrom: "A" <sip:a@b>;tag=1\nTo: <sip:c@d>\nl: 4', 'body')
  for (let length = 0; length < whole.length; length++) {
    const error = refusal(whole.subarray(0, length))
    assert(error.statusHint === 400)
  }
  assert.equal(parseRequest(whole).body.length, 4)
})
