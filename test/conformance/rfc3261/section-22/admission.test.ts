/** RFC 3261 §22 and RFC 8760 §2: who a request comes from; RFC 3325: how the box says so (SIP-14, SIP-15, AP-14). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admission, type Asking } from '../../../../src/entities/sip-ip-core/authenticate.ts'
import { assertedIdentity } from '../../../../src/entities/sip-ip-core/identity.ts'
import { answerChallenge, type DigestAlgorithm, parseChallenge } from '../../../../src/protocols/sip/digest.ts'
import { ParseError, SipRefusal } from '../../../../src/protocols/sip/errors.ts'
import type { HeaderField, SipRequest } from '../../../../src/protocols/sip/message.ts'
import { Core, type Origin } from '../../../unit/entities/sip-ip-core/core.ts'

class Gate extends Core {
  readonly admission = new Admission(this.home, 'a secret of sixteen octets')
  #count = 0

  /** The refusal a request meets, or undefined when it is admitted. */
  meets(request: SipRequest, asks: Asking = 'server'): SipRefusal | undefined {
    try {
      this.turn('registrar', turn => {
        this.admission.admit(request, asks, turn)
        return []
      })
      return undefined
    } catch (error) {
      if (error instanceof SipRefusal) return error
      throw error
    }
  }

  challenges(asks: Asking = 'server', method = 'SUBSCRIBE', fields: readonly HeaderField[] = []): string[] {
    const refusal = this.meets(this.received(method, 'sip:bob@box.example', fields), asks)
    return refusal!.headers.map(([, value]) => value)
  }

  /** A request of Alice's with credentials for one of these challenges. */
  signed(
    challenges: readonly string[],
    options: {
      method?: string
      username?: string
      password?: string
      uri?: string
      header?: string
      nonceCount?: number
      fields?: readonly HeaderField[]
      origin?: Origin
    } = {},
  ): SipRequest {
    const { method = 'SUBSCRIBE', username = 'alice', password = 'secret of alice' } = options
    const { uri = 'sip:bob@box.example', header = 'Authorization', fields = [], origin = {} } = options
    const nonceCount = options.nonceCount ?? ++this.#count
    const secret = { username, password, method, uri, cnonce: 'c', nonceCount }
    const credentials = answerChallenge(challenges, secret)
    return this.received(method, 'sip:bob@box.example', [[header, credentials], ...fields], origin)
  }
}

test('§22.2: a server answers 401 with WWW-Authenticate; §22.3: a proxy 407 with Proxy-Authenticate', () => {
  const gate = new Gate()
  const server = gate.meets(gate.received('SUBSCRIBE', 'sip:bob@box.example'), 'server')!
  assert.equal(server.status, 401)
  assert.deepEqual([...new Set(server.headers.map(([name]) => name))], ['WWW-Authenticate'])
  const proxy = gate.meets(gate.received('MESSAGE', 'sip:bob@box.example'), 'proxy')!
  assert.equal(proxy.status, 407)
  assert.deepEqual([...new Set(proxy.headers.map(([name]) => name))], ['Proxy-Authenticate'])
})

test('RFC 8760 §2.3: one challenge per algorithm, the preferred one first, each with qop; §22: never Basic', () => {
  const parsed = new Gate()
    .challenges('server', 'SUBSCRIBE', [['User-Agent', 'Handset/1.0']])
    .map(text => parseChallenge(text)!)
  assert.deepEqual(
    parsed.map(({ algorithm }) => algorithm),
    ['SHA-256', 'SHA-512-256', 'MD5'] satisfies DigestAlgorithm[],
  )
  for (const { realm, qop } of parsed) {
    assert.equal(realm, 'box.example')
    assert.deepEqual(qop, ['auth'])
  }
})

test('COMPAT(sipp): who does not say what it is finds MD5 first', () => {
  assert.deepEqual(offeredAlgorithms([]), ['MD5', 'SHA-256', 'SHA-512-256'])
})

test('COMPAT(baresip 1, Kamailio 5): who gives up on what it does not know is asked for MD5 alone', () => {
  for (const userAgent of ['baresip v1.0.0 (x86_64/linux)', 'kamailio (5.6.3 (x86_64/linux))'])
    assert.deepEqual(offeredAlgorithms([['User-Agent', userAgent]]), ['MD5'])
})

function offeredAlgorithms(fields: readonly (readonly [string, string])[]): unknown[] {
  return new Gate().challenges('server', 'REGISTER', fields).map(text => parseChallenge(text)!.algorithm)
}

test('RFC 8760 §2.1: credentials by any offered algorithm are accepted, for either form of the username', () => {
  for (const algorithm of ['SHA-256', 'SHA-512-256', 'MD5'])
    for (const username of ['alice', 'alice@box.example']) {
      const gate = new Gate()
      const challenges = gate.challenges().filter(text => text.includes(`algorithm=${algorithm},`))
      const request = gate.signed(challenges, { username })
      assert.equal(gate.meets(request), undefined, `${algorithm} ${username}`)
      assert.equal(assertedIdentity(request), 'sip:alice@box.example')
    }
})

test('§22: Basic credentials are not accepted', () => {
  const gate = new Gate()
  const basic = `Basic ${Buffer.from('alice:secret of alice').toString('base64')}`
  assert.equal(gate.meets(gate.received('SUBSCRIBE', 'sip:bob@box.example', [['Authorization', basic]]))?.status, 401)
})

test('AP-14: an unknown user and a wrong password get the same answer', () => {
  const gate = new Gate()
  const challenges = gate.challenges()
  const shape = (refusal: SipRefusal | undefined): unknown => [
    refusal?.status,
    refusal?.reason,
    refusal?.headers.map(([name, value]) => [name, value.replace(/nonce="[^"]*"/, '')]),
  ]
  const wrong = gate.meets(gate.signed(challenges, { password: 'guess' }))
  const unknown = gate.meets(gate.signed(challenges, { username: 'nobody', password: 'guess' }))
  const foreign = gate.meets(gate.signed(challenges, { username: 'alice@other.example' }))
  assert.equal(wrong?.status, 401)
  assert.deepEqual(shape(unknown), shape(wrong))
  assert.deepEqual(shape(foreign), shape(wrong))
})

test('AP-14: after too many failures an address gets 503 with Retry-After, right or wrong, and others do not', () => {
  const gate = new Gate()
  const challenges = gate.challenges()
  const origin = { address: '198.51.100.7' }
  for (let n = 0; n < 30; n++)
    assert.equal(gate.meets(gate.signed(challenges, { username: `u${n}`, origin }))?.status, 401)
  const locked = gate.meets(gate.signed(challenges, { origin }))
  assert.equal(locked?.status, 503)
  assert.deepEqual(locked?.headers, [['Retry-After', '60']])
  assert.equal(gate.meets(gate.signed(challenges, {})), undefined)
  gate.now += 60_000
  assert.equal(gate.meets(gate.signed(gate.challenges(), { origin })), undefined)
})

test('AP-14: a name guessed at from many addresses is locked alike, whether it exists or not', () => {
  for (const username of ['alice', 'nobody']) {
    const gate = new Gate()
    const challenges = gate.challenges()
    for (let n = 0; n < 100; n++) {
      const origin = { address: `198.51.100.${n}` }
      assert.equal(gate.meets(gate.signed(challenges, { username, password: 'guess', origin }))?.status, 401)
    }
    const origin = { address: '203.0.113.1' }
    assert.equal(gate.meets(gate.signed(challenges, { username, password: 'guess', origin }))?.status, 503)
    assert.equal(gate.meets(gate.signed(challenges, { username: 'bob', password: 'guess', origin }))?.status, 401)
  }
})

test('AP-14: a request without credentials is no failure', () => {
  const gate = new Gate()
  for (let n = 0; n < 200; n++) gate.challenges()
  assert.equal(gate.meets(gate.signed(gate.challenges())), undefined)
})

test('a nonce count that was used is challenged with stale, and so is an old nonce', () => {
  const gate = new Gate()
  const challenges = gate.challenges()
  assert.equal(gate.meets(gate.signed(challenges, { nonceCount: 1 })), undefined)
  const replayed = gate.meets(gate.signed(challenges, { nonceCount: 1 }))
  assert.equal(replayed?.status, 401)
  assert.match(replayed!.headers[0]![1], /stale=true/)
  gate.now += 300_000
  assert.match(gate.meets(gate.signed(challenges, { nonceCount: 2 }))!.headers[0]![1], /stale=true/)
  assert.doesNotMatch(gate.meets(gate.signed(challenges, { password: 'guess' }))!.headers[0]![1], /stale=true/)
})

test('COMPAT(libpurple): nc without qop and cnonce verifies as RFC 2617 without qop', () => {
  const gate = new Gate()
  const challenges = gate.challenges().map(text => text.replace(/, qop="auth"/, ''))
  const request = gate.signed(challenges.filter(text => text.includes('MD5')))
  request.set('Authorization', `${request.header('Authorization')}, nc=00000001`)
  assert.equal(gate.meets(request), undefined)
})

test('RFC 8760 §2.6: the digest uri may be another name of the same resource, and nothing else: 400', () => {
  const gate = new Gate()
  const challenges = gate.challenges()
  for (const uri of ['sip:bob@box.example;transport=udp', 'sip:bob@192.0.2.1:5060'])
    assert.equal(gate.meets(gate.signed(challenges, { uri })), undefined, uri)
  for (const uri of ['sip:carol@box.example', 'sip:box.example', 'sip:bob@other.example'])
    assert.throws(() => gate.meets(gate.signed(challenges, { uri })), ParseError, uri)
})

test('credentials in the header field of the other kind serve as well', () => {
  const gate = new Gate()
  assert.equal(gate.meets(gate.signed(gate.challenges(), { header: 'Proxy-Authorization' }), 'server'), undefined)
  assert.equal(gate.meets(gate.signed(gate.challenges(), { header: 'Authorization' }), 'proxy'), undefined)
})

test('§22.3: credentials for other realms are left in the request, those for ours are consumed by the proxy', () => {
  const gate = new Gate()
  const other = 'Digest username="a", realm="other.example", nonce="n", uri="sip:x", response="00"'
  const request = gate.signed(gate.challenges('proxy'), {
    header: 'Proxy-Authorization',
    fields: [['Proxy-Authorization', other]],
  })
  assert.equal(gate.meets(request, 'proxy'), undefined)
  assert.deepEqual(request.headers('Proxy-Authorization'), [other])
})

test('§22.1: ACK is never challenged', () => {
  const gate = new Gate()
  assert.equal(gate.meets(gate.received('ACK', 'sip:bob@box.example'), 'proxy'), undefined)
})

test('a From that is not the authenticated user gets 403: nobody speaks in the name of another', () => {
  const gate = new Gate()
  for (const method of ['REGISTER', 'PUBLISH', 'SUBSCRIBE', 'MESSAGE', 'INVITE'])
    for (const from of ['<sip:bob@box.example>;tag=x', '<sip:alice@other.example>;tag=x']) {
      const request = gate.signed(gate.challenges(), { method, fields: [['From', from]] })
      assert.equal(gate.meets(request)?.status, 403, `${method} ${from}`)
    }
})

test('an anonymous From is the right of who does not register or publish (RFC 3323 §4.1.1.3)', () => {
  const gate = new Gate()
  const fields = [['From', '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=x']] as const
  const request = gate.signed(gate.challenges(), { method: 'MESSAGE', fields })
  assert.equal(gate.meets(request, 'proxy'), undefined)
  assert.equal(assertedIdentity(request), 'sip:alice@box.example')
  assert.equal(gate.meets(gate.signed(gate.challenges(), { method: 'PUBLISH', fields }))?.status, 403)
})

test('RFC 3325 §5: what users say in P-Asserted-Identity and other fields of the trust domain is removed', () => {
  const gate = new Gate()
  const fields = [
    ['P-Asserted-Identity', '<sip:bob@box.example>'],
    ['P-Charging-Vector', 'icid-value=1'],
    ['Remote-Party-ID', '<sip:bob@box.example>'],
  ] as const
  const request = gate.signed(gate.challenges(), { fields })
  assert.equal(gate.meets(request), undefined)
  assert.deepEqual(request.headers('P-Asserted-Identity'), ['<sip:alice@box.example>'])
  assert.equal(request.hasHeader('P-Charging-Vector') || request.hasHeader('Remote-Party-ID'), false)
  const unasked = gate.received('OPTIONS', 'sip:box.example', fields)
  assert.equal(gate.meets(unasked, 'nobody'), undefined)
  assert.equal(assertedIdentity(unasked), undefined)
})

test('SIP-15: P-Preferred-Identity is replaced by the identity of who sent the request', () => {
  const gate = new Gate()
  const request = gate.signed(gate.challenges(), { fields: [['P-Preferred-Identity', '<sip:bob@box.example>']] })
  assert.equal(gate.meets(request), undefined)
  assert.equal(request.hasHeader('P-Preferred-Identity'), false)
  assert.equal(assertedIdentity(request), 'sip:alice@box.example')
})

test('a password that was set for another realm is wrong', () => {
  const gate = new Gate({ 'auth.realm': 'another realm' })
  assert.equal(gate.meets(gate.signed(gate.challenges()))?.status, 401)
})

test('auth.required false: identity is From, for users of this domain', () => {
  const gate = new Gate({ 'auth.required': false })
  const request = gate.received('SUBSCRIBE', 'sip:bob@box.example')
  assert.equal(gate.meets(request), undefined)
  assert.equal(assertedIdentity(request), 'sip:alice@box.example')
  const foreign = gate.received('SUBSCRIBE', 'sip:bob@box.example', [['From', '<sip:eve@other.example>;tag=e']])
  assert.equal(gate.meets(foreign), undefined)
  assert.equal(assertedIdentity(foreign), undefined)
})
