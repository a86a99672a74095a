import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  badEvent,
  intervalTooBrief,
  ParseError,
  SipRefusal,
  unauthorized,
} from '../../../../src/protocols/sip/errors.ts'
import { parseMediaType } from '../../../../src/protocols/sip/header-values.ts'
import { type HeaderField, refuse, respond, SipRequest, SipResponse } from '../../../../src/protocols/sip/message.ts'
import { parseMessage } from '../../../../src/protocols/sip/parse.ts'

const text = `SUBSCRIBE sip:bob@box.example SIP/2.0
Via: SIP/2.0/UDP first;branch=z9hG4bK1, SIP/2.0/TCP second;branch=z9hG4bK2
v: SIP/2.0/TLS third;branch=z9hG4bK3
Max-Forwards: 70
From: "Alice" <sip:alice@box.example>;tag=a1
To: <sip:bob@box.example>
Call-ID: c1@host
CSeq: 7 SUBSCRIBE
Contact: <sip:alice@host>;q=0.5, "A, B" <sip:b,c@host>
Expires: 600
X-Extra: one
X-Extra: two
Timestamp: 54
Content-Type: Text/Plain; charset="utf-8"
Content-Length: 4

body`.replace(/\n/g, '\r\n')

/** The same message in both of its forms: as parsed, and as a list of header fields. */
function both(): Array<readonly [form: string, request: SipRequest]> {
  const parsed = parseMessage(Buffer.from(text))
  assert(parsed instanceof SipRequest)
  const built = new SipRequest(parsed.method, parsed.uri, parsed.copy().headerFields(), parsed.body)
  return [
    ['parsed', parsed],
    ['built', built],
  ]
}

for (const [form] of both()) {
  const fresh = () => both().find(([name]) => name === form)![1]

  test(`${form}: header values by any name`, () => {
    const request = fresh()
    assert.equal(request.header('call-id'), 'c1@host')
    assert.equal(request.header('i'), 'c1@host')
    assert.equal(request.header('x-extra'), 'one')
    assert.equal(request.header('Absent'), undefined)
    assert.equal(request.header('Event'), undefined)
    assert.deepEqual(request.headers('X-Extra'), ['one', 'two'])
    assert.equal(request.headers('Via').length, 3)
    assert.equal(request.countFields('Via'), 2)
    assert.deepEqual(request.headers('Contact'), ['<sip:alice@host>;q=0.5', '"A, B" <sip:b,c@host>'])
    assert.equal(request.hasHeader('X-EXTRA'), true)
    assert.equal(request.hasHeader('o'), false)
  })

  test(`${form}: decoded values`, () => {
    const request = fresh()
    assert.equal(request.callId, 'c1@host')
    assert.deepEqual(request.cseq, { number: 7, method: 'SUBSCRIBE' })
    assert.equal(request.from.displayName, 'Alice')
    assert.equal(request.fromTag, 'a1')
    assert.equal(request.toTag, undefined)
    assert.equal(request.topVia.params.get('branch'), 'z9hG4bK1')
    assert.equal(request.contacts.length, 2)
    assert.equal(request.expires, 600)
    assert.equal(request.maxForwards, 70)
    assert.equal(request.contentType?.type, 'text/plain')
    assert.equal(request.contentType?.params.get('charset'), 'utf-8')
    assert.equal(request.from, request.from, 'decoded once')
  })

  test(`${form}: set replaces all fields of a name where the first stood`, () => {
    const request = fresh()
    request.set('x-extra', 'three')
    request.set('Event', 'presence')
    const fields = request.headerFields()
    assert.deepEqual(request.headers('X-Extra'), ['three'])
    assert.equal(
      fields.findIndex(([name]) => name === 'X-Extra'),
      9,
    )
    assert.deepEqual(fields.at(-1), ['Event', 'presence'])
  })

  test(`${form}: what is appended is found behind the rest, and a copy does not see what is appended later`, () => {
    const request = fresh()
    const { length } = request.copy().headerFields()
    const appended = request.copy()
    appended.append('X-Extra', 'three')
    appended.append('v', 'SIP/2.0/UDP fourth')
    appended.append('P-Asserted-Identity', '<sip:alice@box.example>')
    const copy = appended.copy()
    appended.append('Min-Expires', '60')
    assert.deepEqual(appended.fieldValues('x-extra'), ['one', 'two', 'three'])
    assert.equal(appended.headers('Via').length, 4)
    assert.equal(appended.header('p-asserted-identity'), '<sip:alice@box.example>')
    assert.equal(appended.hasHeader('Min-Expires'), true)
    assert.equal(copy.hasHeader('Min-Expires'), false)
    assert.equal(request.hasHeader('P-Asserted-Identity'), false)
    assert.equal(appended.repeatedField(), undefined)
    appended.append('Expires', '5')
    assert.equal(appended.repeatedField(), 'Expires')
    assert.equal(appended.expires, 600)
    appended.remove('Expires')
    assert.equal(appended.expires, undefined)
    appended.append('Expires', '7')
    assert.equal(appended.expires, 7)
    assert.deepEqual(
      appended
        .headerFields()
        .slice(length - 1)
        .map(([name]) => name),
      ['X-Extra', 'Via', 'P-Asserted-Identity', 'Min-Expires', 'Expires'],
    )
    copy.replaceFirstValue('Via', 'SIP/2.0/UDP changed')
    assert.match(
      copy.toBytes().toString(),
      /changed[\s\S]*fourth\r\nP-Asserted-Identity: <sip:alice@box.example>\r\nContent-Length/,
    )
  })

  test(`${form}: prepend, append and remove`, () => {
    const request = fresh()
    request.prepend('v', 'SIP/2.0/UDP zero;branch=z9hG4bK0')
    assert.equal(request.headerFields()[0]?.[1], 'SIP/2.0/UDP zero;branch=z9hG4bK0')
    assert.equal(request.topVia.host, 'zero')
    request.append('Route', '<sip:a;lr>')
    request.prepend('Route', '<sip:b;lr>')
    assert.deepEqual(request.headers('Route'), ['<sip:b;lr>', '<sip:a;lr>'])
    request.prepend('Path', '<sip:p;lr>')
    assert.deepEqual(request.headerFields()[0], ['Path', '<sip:p;lr>'])
    request.remove('X-EXTRA')
    assert.equal(request.hasHeader('X-Extra'), false)
    request.remove('Absent')
  })

  test(`${form}: removeFirstValue pops one value after another`, () => {
    const request = fresh()
    const hosts: string[] = []
    for (let count = 0; count < 3; count++) {
      hosts.push(request.topVia.host)
      request.removeFirstValue('Via')
    }
    assert.deepEqual(hosts, ['first', 'second', 'third'])
    assert.equal(request.hasHeader('Via'), false)
    assert.throws(() => request.topVia, ParseError)
    request.removeFirstValue('Via')
    request.removeFirstValue('X-Extra')
    assert.deepEqual(request.headers('X-Extra'), ['two'])
  })

  test(`${form}: what was decoded follows what is set`, () => {
    const request = fresh()
    assert.equal(request.fromTag, 'a1')
    assert.equal(request.from.params.get('tag'), 'a1')
    request.set('From', '<sip:x@y>;tag=b2')
    request.set('To', '<sip:x@y>;tag=b3')
    request.set('CSeq', '8 SUBSCRIBE')
    request.set('Call-ID', 'other')
    request.set('Contact', '*')
    request.set('Expires', 'soon')
    assert.equal(request.fromTag, 'b2')
    assert.equal(request.from.params.get('tag'), 'b2')
    assert.equal(request.toTag, 'b3')
    assert.equal(request.cseq.number, 8)
    assert.equal(request.callId, 'other')
    assert.equal(request.contacts, '*')
    assert.equal(request.expires, undefined)
    request.uri = 'sip:carol@box.example'
    assert.equal((request.requestUri as { user: string }).user, 'carol')
  })

  test(`${form}: a copy is independent, and so is what it was made of`, () => {
    const request = fresh()
    request.transaction = 't'
    request.flow = 'f'
    const copy = request.copy()
    assert.deepEqual(copy.toBytes(), request.toBytes())
    assert.equal(copy.transaction, 't')
    copy.set('From', '<sip:x@y>;tag=copy')
    copy.uri = 'sip:else@where'
    request.removeFirstValue('Via')
    assert.equal(request.fromTag, 'a1')
    assert.equal(request.uri, 'sip:bob@box.example')
    assert.equal(copy.topVia.host, 'first')
    assert.equal(copy.copy().fromTag, 'copy')
  })

  test(`${form}: written, Content-Length is last and right`, () => {
    const request = fresh()
    request.body = Buffer.from('longer ä')
    const written = request.toBytes().toString()
    assert.match(written, /\r\nContent-Length: 9\r\n\r\nlonger ä$/)
    assert.equal(written.match(/Content-Length/g)?.length, 1)
    assert.equal(written.split('\r\n')[0], 'SUBSCRIBE sip:bob@box.example SIP/2.0')
  })

  test(`${form}: a repeated field that must stand once is named`, () => {
    const request = fresh()
    assert.equal(request.repeatedField(), undefined)
    request.append('i', 'again')
    assert.equal(request.repeatedField(), 'Call-ID')
    const parsed = parseMessage(request.toBytes())
    assert.equal(parsed.repeatedField(), 'Call-ID')
  })
}

test('accessors throw ParseError with 400 for what is missing or malformed', () => {
  const cases: Array<readonly [HeaderField[], (request: SipRequest) => unknown]> = [
    [[], request => request.callId],
    [[], request => request.cseq],
    [[], request => request.from],
    [[], request => request.fromTag],
    [[], request => request.topVia],
    [[['Call-ID', '']], request => request.callId],
    [[['Call-ID', 'a b']], request => request.callId],
    [[['CSeq', 'OPTIONS']], request => request.cseq],
    [[['CSeq', '1']], request => request.cseq],
    [[['CSeq', '1OPTIONS']], request => request.cseq],
    [[['CSeq', '-1 OPTIONS']], request => request.cseq],
    [[['CSeq', '2147483648 OPTIONS']], request => request.cseq],
    [[['CSeq', '1 OPT IONS']], request => request.cseq],
    [[['From', '<sip:a@b']], request => request.from],
    [[['From', '"a <sip:a@b>']], request => request.from],
    [[['From', '<sip:a@b>;;tag=x']], request => request.fromTag],
    [[['Via', 'SIP/2.0/UDP']], request => request.topVia],
    [[['Contact', '<sip:a@b>, *']], request => request.contacts],
    [[['Max-Forwards', '-1']], request => request.maxForwards],
    [[['Content-Type', 'text']], request => request.contentType],
  ]
  for (const [fields, read] of cases) {
    const request = new SipRequest('OPTIONS', 'sip:a', fields)
    assert.throws(
      () => read(request),
      (error: unknown) => error instanceof ParseError && error.statusHint === 400,
      JSON.stringify(fields),
    )
  }
})

test('the largest CSeq number is read', () => {
  const request = new SipRequest('OPTIONS', 'sip:a', [['CSeq', '2147483647  OPTIONS']])
  assert.deepEqual(request.cseq, { number: 2 ** 31 - 1, method: 'OPTIONS' })
})

test('a value with a line end is never written', () => {
  for (const value of ['a\r\nX: y', 'a\ny', 'a\ry']) {
    assert.throws(() => new SipRequest('OPTIONS', 'sip:a', [['Subject', value]]).toBytes(), /line end/)
    assert.throws(() => new SipResponse(200, value, []).toBytes(), /line end/)
    assert.throws(() => new SipRequest('OPTIONS', value, []).toBytes(), /line end/)
  }
})

test('RFC 3261 §8.2.6.2: a response carries Via, From, To, Call-ID and CSeq of the request', () => {
  for (const [, request] of both()) {
    const response = respond(request, 200, {
      toTag: 't1',
      headers: [['Expires', '600']],
      contentType: 'text/plain',
      body: Buffer.from('hi'),
    })
    assert.deepEqual(response.headerFields(), [
      ['Via', 'SIP/2.0/UDP first;branch=z9hG4bK1, SIP/2.0/TCP second;branch=z9hG4bK2'],
      ['Via', 'SIP/2.0/TLS third;branch=z9hG4bK3'],
      ['From', '"Alice" <sip:alice@box.example>;tag=a1'],
      ['To', '<sip:bob@box.example>;tag=t1'],
      ['Call-ID', 'c1@host'],
      ['CSeq', '7 SUBSCRIBE'],
      ['Expires', '600'],
      ['Content-Type', 'text/plain'],
    ])
    assert.equal(response.toTag, 't1')
    assert.equal(response.reason, 'OK')
    // RFC 3261 §7.3.3: in the forms that the request has shown to be known.
    const length = request.wasCompact ? 'l' : 'Content-Length'
    assert.equal(response.toBytes().toString().endsWith(`\r\n${length}: 2\r\n\r\nhi`), true)
  }
})

test('RFC 3261 §8.2.6.1: a 100 has no tag of ours, and the Timestamp of the request', () => {
  const response = respond(both()[0]![1], 100, { toTag: 't1' })
  assert.equal(response.toTag, undefined)
  assert.equal(response.header('Timestamp'), '54')
  assert.equal(respond(both()[0]![1], 200).hasHeader('Timestamp'), false)
})

test('RFC 3261 §8.2.6.2: a To that has a tag keeps it', () => {
  const request = new SipRequest('BYE', 'sip:a', [['To', '<sip:a>;tag=theirs']])
  assert.equal(respond(request, 481, { toTag: 'ours' }).header('To'), '<sip:a>;tag=theirs')
})

test('a request that can hardly be read is answered with what there is', () => {
  const request = new SipRequest('BYE', 'sip:a', [
    ['To', '"broken <sip:a>'],
    ['Via', '???'],
  ])
  assert.deepEqual(respond(request, 400, { toTag: 't' }).headerFields(), [
    ['Via', '???'],
    ['To', '"broken <sip:a>'],
  ])
})

test('a refusal becomes the answer it names, with the header it must carry', () => {
  const request = both()[0]![1]
  const tooBrief = refuse(request, intervalTooBrief(60), 't')
  assert.deepEqual(
    [tooBrief.status, tooBrief.reason, tooBrief.header('Min-Expires')],
    [423, 'Interval Too Brief', '60'],
  )
  assert.equal(tooBrief.toTag, 't')
  assert.deepEqual(refuse(request, badEvent(['presence', 'reg']), 't').headers('Allow-Events'), ['presence', 'reg'])
  assert.deepEqual(refuse(request, unauthorized(['Digest a', 'Digest b']), 't').headers('WWW-Authenticate'), [
    'Digest a',
    'Digest b',
  ])
  const refusal = new SipRefusal(499)
  refusal.body = { type: 'text/plain', body: Buffer.from('why') }
  const answer = refuse(request, refusal, 't')
  assert.equal(answer.contentType?.type, 'text/plain')
  assert.equal(answer.reason, 'Bad Request', 'an unknown status has the phrase of its class')
  assert.equal(answer.body.length, 3)
})

test('media types', () => {
  assert.equal(parseMediaType('application / PIDF+xml ; charset=UTF-8').type, 'application/pidf+xml')
  assert.equal(parseMediaType('multipart/related;type="a/b;c";boundary=x').params.get('type'), 'a/b;c')
  assert.equal(parseMediaType('*/*').type, '*/*')
  for (const bad of ['', 'text', '/plain', 'text/', 'text/pl ain', 'text/plain;']) {
    assert.throws(() => parseMediaType(bad), ParseError, bad)
  }
})

test('a field that a parsed message lacks is read when it has been appended', () => {
  const request = parseMessage(Buffer.from('OPTIONS sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n')) as SipRequest
  assert.equal(request.expires, undefined)
  assert.throws(() => request.callId, ParseError)
  request.append('Expires', '60')
  request.append('Call-ID', 'c2')
  assert.equal(request.expires, 60)
  assert.equal(request.callId, 'c2')
})
