/** RFC 8760 §2: digest in SIP with several algorithms; row SIP-14. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  answer,
  answerChallenge,
  chooseChallenge,
  type DigestAlgorithm,
  digestAlgorithms,
  parseChallenge,
  parseCredentials,
  passwordDigest,
  responseDigest,
} from '../../../src/protocols/sip/digest.ts'
import { challenges, checkCredentials } from '../../../src/protocols/sip/digest-server.ts'
import { ParseError } from '../../../src/protocols/sip/errors.ts'
import { SipRequest } from '../../../src/protocols/sip/message.ts'
import { Nonces } from '../../../src/protocols/sip/nonces.ts'

const realm = 'box.example'
const uri = 'sip:box.example'
const start = 1_700_000_000_000

function server() {
  const nonces = new Nonces({ key: Buffer.alloc(32, 7), lifetimeMs: 300_000 })
  const policy = {
    realm,
    nonces,
    passwordDigest: (username: string, algorithm: DigestAlgorithm) =>
      username === 'alice' ? passwordDigest(algorithm, 'alice', realm, 'secret') : undefined,
  }
  return { nonces, policy }
}

function secret(changes: Partial<Parameters<typeof answer>[1]> = {}) {
  return { username: 'alice', password: 'secret', method: 'REGISTER', uri, cnonce: 'c', nonceCount: 1, ...changes }
}

function request(authorization?: string, requestUri = uri): SipRequest {
  return new SipRequest('REGISTER', requestUri, authorization === undefined ? [] : [['Authorization', authorization]])
}

test('§2.3 the server challenges once per algorithm, the preferred one first, always with qop', () => {
  const values = challenges({ realm, nonce: 'n' })
  assert.deepEqual(
    values.map(value => parseChallenge(value)?.algorithm),
    ['SHA-256', 'SHA-512-256', 'MD5'],
  )
  for (const value of values) assert.deepEqual(parseChallenge(value)?.qop, ['auth'])
  assert.equal(values[0], 'Digest realm="box.example", nonce="n", algorithm=SHA-256, qop="auth"')
  assert.equal(
    challenges({ realm, nonce: 'n', stale: true, algorithms: ['MD5'] })[0],
    'Digest realm="box.example", nonce="n", algorithm=MD5, qop="auth", stale=true',
  )
})

test('§2.4 the client answers the topmost challenge it supports and ignores those it does not understand', () => {
  const values = [
    'Basic realm="box.example"',
    'Digest realm="box.example", nonce="a", algorithm=SHA3-512, qop="auth"',
    'Digest realm="box.example", algorithm=SHA-256, qop="auth"',
    'Digest realm="box.example", nonce="b", algorithm=SHA-256, qop="future"',
    'Digest realm="box.example", nonce="c", algorithm=SHA-512-256, qop="future, auth"',
    'Digest realm="box.example", nonce="d", algorithm=MD5, qop="auth"',
  ]
  assert.equal(chooseChallenge(values)?.nonce, 'c')
  assert.equal(parseCredentials(answerChallenge(values, secret()))?.algorithm, 'SHA-512-256')
  assert.throws(() => answerChallenge(values.slice(0, 4), secret()), ParseError)
})

for (const algorithm of digestAlgorithms) {
  test(`§2.1 credentials with ${algorithm} are accepted`, () => {
    const { nonces, policy } = server()
    const [challenge] = challenges({ realm, nonce: nonces.issue(start, 'salt'), algorithms: [algorithm] })
    const check = checkCredentials(request(answerChallenge([challenge!], secret())), 'Authorization', policy, start + 1)
    assert.equal(check.outcome, 'accepted')
    assert.equal(
      parseCredentials(answerChallenge([challenge!], secret()))?.response.length,
      algorithm === 'MD5' ? 32 : 64,
    )
  })
}

test('§2.1 SHA-512-256 is SHA-512/256, not a cut SHA-512 (the example of RFC 7616 §3.9.2 by its erratum 4897)', () => {
  const credentials = {
    username: 'J\u00e4s\u00f8n Doe',
    realm: 'api@example.org',
    uri: '/doe.json',
    algorithm: 'SHA-512-256',
    isSession: false,
    nonce: '5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK',
    nc: '00000001',
    cnonce: 'NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v',
    qop: 'auth',
    opaque: undefined,
  } as const
  const hash = passwordDigest('SHA-512-256', credentials.username, credentials.realm, 'Secret, or not?')
  assert.equal(
    responseDigest(credentials, hash, 'GET'),
    '3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5',
  )
})

test('a user without account and a wrong password are told apart by nothing', () => {
  const { nonces, policy } = server()
  const values = challenges({ realm, nonce: nonces.issue(start, 'salt') })
  for (const wrong of [secret({ username: 'nobody' }), secret({ password: 'guess' })]) {
    const check = checkCredentials(request(answerChallenge(values, wrong)), 'Authorization', policy, start)
    assert.deepEqual(check, { outcome: 'wrong', username: wrong.username })
  }
})

test('an algorithm that policy does not accept is wrong, even if all else is right', () => {
  const { nonces, policy } = server()
  const [md5] = challenges({ realm, nonce: nonces.issue(start, 'salt'), algorithms: ['MD5'] })
  const check = checkCredentials(
    request(answerChallenge([md5!], secret())),
    'Authorization',
    { ...policy, algorithms: ['SHA-256'] },
    start,
  )
  assert.equal(check.outcome, 'wrong')
})

test('no credentials, those of another realm, and other schemes are missing, not wrong (RFC 4475 §3.3.7)', () => {
  const { nonces, policy } = server()
  const elsewhere = challenges({ realm: 'elsewhere', nonce: nonces.issue(start, 's') })
  for (const value of [
    undefined,
    'NoOneKnowsThisScheme opaque-data=here',
    'Basic YTpi',
    answerChallenge(elsewhere, secret()),
    'Digest username="alice", realm="box.example", nonce="", uri="sip:box.example", response=""',
  ]) {
    assert.equal(checkCredentials(request(value), 'Authorization', policy, start).outcome, 'missing')
  }
})

test('credentials for our realm are found among others', () => {
  const { nonces, policy } = server()
  const nonce = nonces.issue(start, 's')
  const both = request(answerChallenge(challenges({ realm: 'elsewhere', nonce }), secret()))
  both.append('Authorization', answerChallenge(challenges({ realm, nonce }), secret()))
  assert.equal(checkCredentials(both, 'Authorization', policy, start).outcome, 'accepted')
})

test('RFC 7616 §3.3: an expired nonce is stale only to who knows the password', () => {
  const { nonces, policy } = server()
  const values = challenges({ realm, nonce: nonces.issue(start, 's') })
  const right = request(answerChallenge(values, secret()))
  const wrong = request(answerChallenge(values, secret({ password: 'guess' })))
  assert.equal(checkCredentials(right, 'Authorization', policy, start + 300_000).outcome, 'stale')
  assert.equal(checkCredentials(wrong, 'Authorization', policy, start + 300_000).outcome, 'wrong')
})

test('RFC 7616 §3.4: the same count twice is a replay; the next count is not', () => {
  const { nonces, policy } = server()
  const challenge = chooseChallenge(challenges({ realm, nonce: nonces.issue(start, 's') }))
  assert(challenge)
  const check = (nonceCount: number) =>
    checkCredentials(request(answer(challenge, secret({ nonceCount }))), 'Authorization', policy, start).outcome
  assert.deepEqual(
    [check(1), check(1), check(2), check(4), check(3), check(3)],
    ['accepted', 'replayed', 'accepted', 'accepted', 'accepted', 'replayed'],
  )
})

test('SIP-14, §2.6 item 6: the uri parameter must mean the Request-URI', () => {
  const { nonces, policy } = server()
  const values = challenges({ realm, nonce: nonces.issue(start, 's') })
  const check = (digestUri: string, requestUri: string, nonceCount: number, acceptsUri = false) => {
    const challenge = chooseChallenge(values)!
    const message = request(answer(challenge, secret({ uri: digestUri, nonceCount })), requestUri)
    return checkCredentials(message, 'Authorization', { ...policy, acceptsUri: () => acceptsUri }, start).outcome
  }
  assert.equal(check('sip:bob@box.example', 'sip:bob@box.example', 1), 'accepted')
  assert.equal(check('sip:bob@box.example', 'sip:bob@BOX.example;transport=tcp', 2), 'accepted')
  assert.equal(check('sip:%62ob@box.example', 'sip:bob@box.example', 3), 'accepted')
  assert.throws(() => check('sip:carol@box.example', 'sip:bob@box.example', 4), ParseError)
  assert.equal(check('sip:carol@box.example', 'sip:bob@box.example', 5, true), 'accepted')
  assert.throws(() => check('not a uri', 'sip:bob@box.example', 6), ParseError)
})

test('§2.6 Basic is neither asked for nor accepted, and malformed credentials are 400', () => {
  const { policy } = server()
  const malformed = [
    'Digest realm="box.example", nonce="n", uri="sip:box.example", response="ab"',
    'Digest username="a", realm="box.example", nonce="n", uri="sip:x", response="ab", qop=auth, cnonce="c"',
    'Digest username="a", realm="box.example", nonce="n", uri="sip:x", response="ab", qop=auth, nc=00000001',
    'Digest username="a", realm="box.example", nonce="n", uri="sip:x", response="ab", qop=auth, nc=xyz, cnonce="c"',
    'Digest username="a", realm="box.example", nonce="n", uri="sip:x", response="ab", qop=other, nc=00000001, cnonce="c"',
    'Digest username="a", username="b", realm="box.example", nonce="n", uri="sip:x", response="ab"',
    'Digest username="a, realm="box.example',
  ]
  for (const value of malformed) {
    assert.throws(
      () => checkCredentials(request(value), 'Authorization', policy, start),
      (error: unknown) => error instanceof ParseError && error.statusHint === 400,
      value,
    )
  }
})

test('a response that is no digest at all is wrong', () => {
  const { nonces, policy } = server()
  const right = answerChallenge(challenges({ realm, nonce: nonces.issue(start, 's') }), secret())
  for (const response of ['x', '\u00e4'.repeat(64), '0'.repeat(64), '0'.repeat(5000)]) {
    const value = right.replace(/response="[^"]*"/, `response="${response}"`)
    assert.equal(checkCredentials(request(value), 'Authorization', policy, start).outcome, 'wrong')
  }
})
