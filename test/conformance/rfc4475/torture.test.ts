/** RFC 4475: each message is accepted, refused or dropped as its section says, and read as its section says. */

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { ParseError } from '../../../src/protocols/sip/errors.ts'
import { respond, SipRequest, SipResponse } from '../../../src/protocols/sip/message.ts'
import { parseMessage } from '../../../src/protocols/sip/parse.ts'
import { addressOfRecord, isSipUri, parseUri, type SipUri } from '../../../src/protocols/sip/uri.ts'
import { validateRequest, validateResponse } from '../../../src/protocols/sip/validate.ts'
import { parseVia } from '../../../src/protocols/sip/via.ts'
import { messages, octets } from '../../fixtures/rfc4475/messages.ts'

function validate(message: SipRequest | SipResponse): void {
  if (message instanceof SipRequest) validateRequest(message)
  else validateResponse(message)
}

function parseRequest(name: string): SipRequest {
  const message = parseMessage(octets(name))
  assert(message instanceof SipRequest)
  return message
}

function parseResponse(name: string): SipResponse {
  const message = parseMessage(octets(name))
  assert(message instanceof SipResponse)
  return message
}

function parseErrorOf(work: () => unknown): ParseError {
  try {
    work()
  } catch (error) {
    assert(error instanceof ParseError, String(error))
    return error
  }
  assert.fail('nothing was thrown')
}

test('the table names all 49 messages, and a file stands for each', () => {
  assert.equal(messages.length, 49)
  const files = readdirSync(new URL('../../fixtures/rfc4475/', import.meta.url)).filter(file => file.endsWith('.dat'))
  assert.deepEqual(files.sort(), messages.map(({ name }) => `${name}.dat`).sort())
})

for (const { name, section, title, verdict } of messages) {
  test(`RFC 4475 §${section} ${title} (${name})`, () => {
    if (verdict === 'accepted') {
      validate(parseMessage(octets(name)))
    } else if ('refused' in verdict) {
      const stage =
        verdict.by === 'parse' ? () => parseMessage(octets(name)) : () => validateRequest(parseRequest(name))
      if (verdict.by === 'validate') parseMessage(octets(name))
      const error = parseErrorOf(stage)
      assert.equal(error.statusHint, verdict.refused, error.message)
      assert(error.request, 'the request is there to be answered')
      const answer = respond(error.request, error.statusHint, { reason: error.message, toTag: 'x' })
      const reread = parseMessage(answer.toBytes())
      for (const header of ['Via', 'From', 'Call-ID', 'CSeq']) {
        assert.deepEqual(reread.header(header), error.request.header(header))
      }
    } else if (verdict.dropped === 'parse') {
      assert.equal(parseErrorOf(() => parseMessage(octets(name))).request, undefined)
    } else {
      assert.throws(() => validateResponse(parseResponse(name)), ParseError)
    }
  })

  if (verdict === 'accepted') {
    test(`RFC 4475 §${section} ${name} written again says the same`, () => {
      const message = parseMessage(octets(name))
      const again = parseMessage(message.copy().toBytes())
      const withoutLength = (fields: ReturnType<typeof message.headerFields>) =>
        fields.filter(([field]) => field !== 'Content-Length')
      assert.deepEqual(withoutLength(again.headerFields()), withoutLength(message.headerFields()))
      assert.deepEqual(again.body, message.body)
    })
  }
}

test('§3.1.1.1 wsinv: folding, whitespace around separators, compact forms and any case are read through', () => {
  const request = parseRequest('wsinv')
  assert.equal(request.uri, 'sip:vivekg@chair-dnrc.example.com;unknownparam')
  assert.equal(request.toTag, '1918181833n')
  assert.equal(request.from.displayName, 'J Rosenberg \\"')
  assert.equal(request.fromTag, '98asjd8')
  assert.equal(request.maxForwards, 68)
  assert.deepEqual(request.cseq, { number: 9, method: 'INVITE' })
  assert.equal(request.header('Subject'), '')
  assert.deepEqual(
    request
      .headers('Via')
      .map(parseVia)
      .map(via => [via.transport, via.host, via.params.get('branch')]),
    [
      ['UDP', '192.0.2.2', '390skdjuw'],
      ['TCP', 'spindle.example.com', 'z9hG4bK9ikj8'],
      ['UDP', '192.168.255.111', 'z9hG4bK30239'],
    ],
  )
  assert.equal(request.header('NewFangledHeader'), 'newfangled value continued newfangled value')
  assert.equal(request.header('UnknownHeaderWithUnusualValue'), ';;,,;;,;')
  assert(request.contacts !== '*')
  assert.equal(request.contacts[0]?.displayName, 'Quoted string ""')
  assert.equal(request.contacts[0]?.params.get('q'), '0.33')
  assert.equal(request.body.length, 150)
})

test('§3.1.1.2 intmeth: the method is a token, the quoted string holds quoted controls, the user every legal character', () => {
  const request = parseRequest('intmeth')
  assert.equal(request.method, "!interesting-Method0123456789_*+`.%indeed'~")
  const uri = request.requestUri as SipUri
  assert.equal(uri.user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
  assert.equal(uri.password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
  assert.equal(request.to.displayName, 'BEL:\x07 NUL:\x00 DEL:\x7f')
  assert.equal(request.from.displayName, "token1~` token2'+_ token3*%!.-")
  assert.equal(request.from.params.get("fromParam''~+*_!.-%"), 'работающий')
  assert.equal(request.fromTag, "_token~1'+`*%!-.")
  assert.equal(request.callId, 'intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{')
  assert.equal(request.header("extensionHeader-!.%*+_`'~"), '\ufeff大停電')
})

test('§3.1.1.3 esc01: escapes equal what they stand for and are not undone twice', () => {
  const request = parseRequest('esc01')
  assert.equal(addressOfRecord(request.to.uri), 'sip:user@example.com')
  assert.equal((request.requestUri as SipUri).host, 'example.net')
  const contacts = request.contacts
  assert(contacts !== '*' && contacts[0] && isSipUri(contacts[0].uri))
  assert.equal(contacts[0].uri.params.has('lr'), true, 'the name as written is %6C%72')
  assert.equal(contacts[0].uri.params.get('name'), 'value%41')
  assert.deepEqual(
    [...contacts[0].uri.params],
    [
      ['lr', ''],
      ['name', 'value%41'],
    ],
  )
})

test('§3.1.1.4 escnull: a null does not shorten a user, and the two contacts are distinct', () => {
  const request = parseRequest('escnull')
  assert.equal(addressOfRecord(request.to.uri), 'sip:null-%00-null@example.com')
  const contacts = request.contacts
  assert(contacts !== '*')
  assert.deepEqual(
    contacts.map(({ uri }) => addressOfRecord(uri)),
    ['sip:%00@host5.example.com', 'sip:%00%00@host5.example.com'],
  )
})

test('§3.1.1.5 esc02: an escape in a method or header name is no escape', () => {
  const request = parseRequest('esc02')
  assert.equal(request.method, 'RE%47IST%45R')
  assert.equal(request.to.displayName, '%Z%45')
  assert.equal(request.headers('Contact').length, 2)
  assert.equal(request.header('C%6Fntact'), '<sip:alias2@host2.example.com>')
})

test('§3.1.1.6 lwsdisp: a display name may touch the angle bracket', () => {
  assert.equal(parseRequest('lwsdisp').from.displayName, 'caller')
})

test('§3.1.1.7 longreq: long names and values come whole', () => {
  const request = parseRequest('longreq')
  assert.equal(request.headers('Via').length, 34)
  assert.equal(request.fromTag, `12${'982'.repeat(50)}424`)
  assert.equal(request.callId, `longreq.one${'really'.repeat(20)}longcallid`)
  assert.equal((request.to.uri as SipUri).params.get(`longparam${'name'.repeat(25)}`), 'shortvalue')
  assert.equal(request.body.length, 150)
})

test('§3.1.1.8 dblreq: octets after the body are ignored', () => {
  const request = parseRequest('dblreq')
  assert.equal(request.body.length, 0)
  assert.equal(request.toBytes().includes('INVITE'), false)
})

test('§3.1.1.9 semiuri: the user part is user;par=u@example.net', () => {
  const uri = parseRequest('semiuri').requestUri as SipUri
  assert.equal(decodeURIComponent(uri.user ?? ''), 'user;par=u@example.net')
  assert.equal(uri.params.toString(), '')
})

test('§3.1.1.10 transports: unknown transports are read', () => {
  assert.deepEqual(
    parseRequest('transports')
      .headers('Via')
      .map(value => parseVia(value).transport),
    ['UDP', 'SCTP', 'TLS', 'UNKNOWN', 'TCP'],
  )
})

test('§3.1.1.11 mpart01: a binary body is framed whole', () => {
  const request = parseRequest('mpart01')
  assert.equal(request.body.length, 553)
  assert.deepEqual(request.contentType?.type, 'multipart/mixed')
  assert.equal(request.contentType?.params.get('boundary'), '7a9cbec02ceef655')
  assert(Buffer.from(request.body).includes(0))
})

test('§3.1.1.12 unreason and §3.1.1.13 noreason: any reason phrase, and none', () => {
  assert.equal(parseResponse('unreason').reason, '= 2**3 * 5**2 но сто девяносто девять - простое')
  assert.equal(parseResponse('noreason').reason, '')
  assert.equal(parseResponse('noreason').status, 100)
})

test('§3.1.2.4 scalar02: apart from CSeq, overlarge scalars count as absent or as the largest', () => {
  const request = parseRequest('scalar02')
  assert.throws(() => request.cseq, ParseError)
  assert.equal(request.maxForwards, undefined)
  assert.equal(request.expires, 2 ** 32 - 1)
})

test('§3.1.2.13 regbadct: a URI with headers and no angle brackets is refused by whoever reads it', () => {
  assert.equal(parseErrorOf(() => parseRequest('regbadct').contacts).statusHint, 400)
})

test('§3.1.2.15 baddn: with the empty line that the archive lacks, the display name is what it is refused for', () => {
  const request = parseMessage(Buffer.concat([octets('baddn'), Buffer.from('\r\n')]))
  assert.match(parseErrorOf(() => validateRequest(request as SipRequest)).message, /display name/)
})

test('§3.3.12 cparam01 and §3.3.13 cparam02: the parameter belongs to the header field, or to the URI', () => {
  const [first, second] = ['cparam01', 'cparam02'].map(name => parseRequest(name).contacts)
  assert(first && first !== '*' && first[0] && second && second !== '*' && second[0])
  assert.equal(first[0].params.has('unknownparam'), true)
  assert.equal((first[0].uri as SipUri).params.has('unknownparam'), false)
  assert.equal(second[0].params.has('unknownparam'), false)
  assert.equal((second[0].uri as SipUri).params.has('unknownparam'), true)
})

test('§3.3.14 regescrt: escaped headers of a contact are kept', () => {
  const contacts = parseRequest('regescrt').contacts
  assert(contacts !== '*' && contacts[0] && isSipUri(contacts[0].uri))
  assert.equal(contacts[0].uri.headers, 'Route=%3Csip:sip.example.com%3E')
})

test('§3.3.2 unkscm and §3.3.4 unksm2: unknown schemes are carried', () => {
  assert.deepEqual(parseRequest('unkscm').requestUri, {
    scheme: 'nobodyknowsthisscheme',
    opaque: 'totallyopaquecontent',
  })
  assert.deepEqual(parseRequest('unksm2').to.uri, parseUri('isbn:2983792873'))
})

test('§3.3.10 bcast: the second Via can be told to be a broadcast address', () => {
  const [, second] = parseResponse('bcast').headers('Via')
  assert.equal(parseVia(second!).host, '255.255.255.255')
})

test('§3.4.1 inv2543: no branch, no From tag, no Max-Forwards, and a body without Content-Length', () => {
  const request = parseRequest('inv2543')
  assert.equal(request.fromTag, undefined)
  assert.equal(request.maxForwards, undefined)
  assert.equal(request.topVia.params.get('branch'), undefined)
  assert(Buffer.from(request.body).toString().startsWith('v=0\r\n'))
})
