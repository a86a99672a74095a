/** Fuzz targets of the SIP grammar: octets become a message, a value or a ParseError, and what was read can be written. */

import { strict as assert } from 'node:assert'
import { parseChallenge, parseCredentials } from '../../src/protocols/sip/digest.ts'
import { ParseError } from '../../src/protocols/sip/errors.ts'
import { type HeaderField, respond, SipRequest, type SipResponse } from '../../src/protocols/sip/message.ts'
import { formatNameAddr, parseNameAddr, readTag } from '../../src/protocols/sip/name-addr.ts'
import { Params } from '../../src/protocols/sip/params.ts'
import { defaultParseLimits, parseMessage } from '../../src/protocols/sip/parse.ts'
import { answerStun, isStun } from '../../src/protocols/sip/stun.ts'
import { addressOfRecord, formatUri, parseUri, sameUri } from '../../src/protocols/sip/uri.ts'
import { validateRequest, validateResponse } from '../../src/protocols/sip/validate.ts'
import { formatVia, parseVia } from '../../src/protocols/sip/via.ts'
import { messages as tortureMessages, octets as tortureOctets } from '../fixtures/rfc4475/messages.ts'
import { messages as ipv6Messages, octets as ipv6Octets } from '../fixtures/rfc5118/messages.ts'

export type FuzzTarget = {
  readonly name: string
  /** Throws only when something is wrong with us. */
  run(bytes: Uint8Array): void
  readonly seeds: readonly Uint8Array[]
}

export const targets: readonly FuzzTarget[] = [
  {
    name: 'sip-message',
    seeds: [
      ...tortureMessages.map(({ name }) => tortureOctets(name)),
      ...ipv6Messages.map(({ name }) => ipv6Octets(name)),
    ],
    run(bytes) {
      const message = readMessage(Buffer.from(bytes))
      if (message === undefined) return
      readAll(message)
      const written = message.copy().toBytes()
      const again = readMessage(written, roomy)
      assert.ok(again !== undefined && again.constructor === message.constructor)
      assert.deepEqual(withoutLength(again.headerFields()), withoutLength(message.headerFields()))
      assert.deepEqual(Buffer.from(again.body), Buffer.from(message.body))
      readAll(again)
      // Changing a message keeps what is not changed.
      const changed = message.copy()
      changed.prepend('Via', 'SIP/2.0/UDP a;branch=z9hG4bKb')
      changed.removeFirstValue('Via')
      assert.deepEqual(changed.headers('Via'), message.headers('Via'))
      assert.deepEqual(changed.headerFields(), message.headerFields())
    },
  },
  {
    name: 'stun',
    seeds: [
      Buffer.from('000100002112a442b7e7a701bc34d686fa87dfae', 'hex'),
      Buffer.from('000100102112a442b7e7a701bc34d686fa87dfae80220003616263000027000400000001', 'hex'),
    ],
    run(bytes) {
      const source = { remoteAddress: '2001:db8::1', remotePort: 5060 }
      const answer = answerStun(Buffer.from(bytes), source)
      if (!(answer instanceof Buffer)) return
      assert.ok(isStun(answer))
      assert.equal(answer.readUInt16BE(2), answer.length - 20)
      assert.deepEqual(answer.subarray(4, 20), Buffer.from(bytes.subarray(4, 20)))
    },
  },
  {
    name: 'sip-uri',
    seeds: texts(
      'sip:alice:pw@box.example:5060;transport=tcp;lr;gr=urn:uuid:f81d?subject=a%20b&to=x',
      'sips:%61%20%00@[2001:db8::192.0.2.1]',
      'tel:+1-201-555-0123;ext=5',
      'tel:7042;phone-context=example.com',
      'urn:service:sos',
      'pres:alice@box.example',
    ),
    run(bytes) {
      const text = Buffer.from(bytes).toString('utf8')
      const uri = attempt(() => parseUri(text))
      if (uri === undefined) return
      const again = parseUri(formatUri(uri))
      assert.equal(formatUri(again), formatUri(uri))
      assert.ok(sameUri(uri, again) && sameUri(again, uri))
      const aor = addressOfRecord(uri)
      assert.equal(addressOfRecord(parseUri(aor)), aor)
    },
  },
  {
    name: 'sip-values',
    seeds: texts(
      '"A \\"B\\" <c>" <sip:a,b@c?d=e>;tag=x;+sip.instance="<urn:uuid:1>"',
      'Alice Cooper <sip:a@b>;tag=1',
      'sip:a@b;tag=1 ; q = 0.5',
      'SIP / 2.0 / UDP [::1] : 5060 ;branch=z9hG4bK1;received=2001:db8::1;rport',
      'SIP/2.0/TCP box.example;branch=z9hG4bK1;alias',
      ';a=b;c="d\\"e;f" ; g',
      ';lr;x=%41:[]',
    ),
    run(bytes) {
      const text = Buffer.from(bytes)
        .toString('utf8')
        .replace(/[\r\n]/g, ' ')
      const address = attempt(() => parseNameAddr(text))
      if (address !== undefined) {
        assert.deepEqual(parseNameAddr(formatNameAddr(address)), address)
        assert.equal(readTag(text), address.params.get('tag'))
      }
      const via = attempt(() => parseVia(text))
      if (via !== undefined) assert.deepEqual(parseVia(formatVia(via)), via)
      for (const read of [Params.parse, Params.parseInUri]) {
        const params = attempt(() => read(text))
        if (params === undefined) continue
        for (const [name, value] of params) {
          assert.equal(params.has(name), true)
          assert.equal(read(params.with(name, value).toString()).get(name), value)
          assert.equal(read(params.without(name).toString()).has(name), false)
        }
      }
    },
  },
  {
    name: 'sip-digest',
    seeds: texts(
      'Digest username="a\\"b", realm="r,1", nonce="n", uri="sip:x", response="ab", algorithm=SHA-256, cnonce="c", qop=auth, nc=00000001',
      'Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth,auth-int", opaque="", stale=TRUE',
      'digest username="u",realm="r",nonce="n",uri="u",response="00",nc="1"',
    ),
    run(bytes) {
      const text = Buffer.from(bytes).toString('utf8')
      attempt(() => parseCredentials(text))
      attempt(() => parseChallenge(text))
    },
  },
]

/** What we write of a message at its limits may be a little longer than it was. */
const roomy = { messageBytes: 1_000_000, headerFields: 1_000, lineBytes: 100_000 }

function texts(...values: string[]): Uint8Array[] {
  return values.map(value => Buffer.from(value, 'utf8'))
}

/** What `read` returns; undefined when it throws a ParseError, and nothing else may it throw. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    assert.ok(error.statusHint >= 400 && error.statusHint < 700)
    return undefined
  }
}

function readMessage(bytes: Buffer, limits = defaultParseLimits): SipRequest | SipResponse | undefined {
  try {
    return parseMessage(bytes, limits)
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    // Whatever could be read can be answered, and the answer is a message.
    if (error.request !== undefined) {
      parseMessage(respond(error.request, error.statusHint, { toTag: 't' }).toBytes(), roomy)
    }
    return undefined
  }
}

function readAll(message: SipRequest | SipResponse): void {
  attempt(() => message.callId)
  attempt(() => message.cseq)
  attempt(() => message.from)
  attempt(() => message.to)
  attempt(() => message.fromTag)
  attempt(() => message.toTag)
  attempt(() => message.topVia)
  attempt(() => message.contacts)
  attempt(() => message.maxForwards)
  attempt(() => message.contentType)
  assert.ok(message.expires === undefined || message.expires >= 0)
  message.repeatedField()
  for (const [name, value] of message.headerFields()) {
    assert.equal(/[\r\n]/.test(value), false)
    assert.ok(message.hasHeader(name) && message.headers(name).every(each => each !== undefined))
  }
  if (message instanceof SipRequest) {
    attempt(() => message.requestUri)
    attempt(() => validateRequest(message))
  } else attempt(() => validateResponse(message))
}

function withoutLength(fields: readonly HeaderField[]): HeaderField[] {
  return fields.filter(([name]) => name !== 'Content-Length')
}
