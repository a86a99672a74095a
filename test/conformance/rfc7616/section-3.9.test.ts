/** RFC 7616 §3.9: the examples, as computed by both sides. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  answer,
  chooseChallenge,
  isRightResponse,
  parseCredentials,
  passwordDigest,
} from '../../../src/protocols/sip/digest.ts'

const nonce = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v'
const opaque = 'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS'
const challengeFor = (algorithm: string) =>
  `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="${nonce}", opaque="${opaque}"`
const secret = {
  username: 'Mufasa',
  password: 'Circle of Life',
  method: 'GET',
  uri: '/dir/index.html',
  cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  nonceCount: 1,
}

for (const [algorithm, response] of [
  ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
  ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
] as const) {
  test(`§3.9.1 the client's answer with ${algorithm}`, () => {
    const challenge = chooseChallenge([challengeFor(algorithm)])
    assert(challenge)
    const credentials = parseCredentials(answer(challenge, secret))
    assert.deepEqual(credentials, {
      username: 'Mufasa',
      realm: 'http-auth@example.org',
      nonce,
      uri: '/dir/index.html',
      response,
      algorithm,
      isSession: false,
      qop: 'auth',
      cnonce: secret.cnonce,
      nc: '00000001',
      opaque,
    })
  })

  test(`§3.9.1 the server's check with ${algorithm}`, () => {
    const credentials = parseCredentials(
      `Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=${algorithm}, nonce="${nonce}", nc=00000001, cnonce="${secret.cnonce}", qop=auth, response="${response}", opaque="${opaque}"`,
    )
    assert(credentials)
    const right = passwordDigest(algorithm, 'Mufasa', 'http-auth@example.org', 'Circle of Life')
    const wrong = passwordDigest(algorithm, 'Mufasa', 'http-auth@example.org', 'circle of life')
    assert.equal(isRightResponse(credentials, right, 'GET'), true)
    assert.equal(isRightResponse(credentials, wrong, 'GET'), false)
    assert.equal(isRightResponse(credentials, right, 'PUT'), false)
    assert.equal(isRightResponse({ ...credentials, uri: '/dir' }, right, 'GET'), false)
    assert.equal(isRightResponse({ ...credentials, nc: '00000002' }, right, 'GET'), false)
    assert.equal(isRightResponse(credentials, undefined, 'GET'), false)
  })
}

test('§3.4.1 a quoted comma, an escaped quote and any case of names are read', () => {
  const credentials = parseCredentials(
    'DIGEST  Username="a\\"b,c" , REALM = "r", nonce="n", uri="sip:x", response="AB", cnonce="", qop="auth", nc=0000000A',
  )
  assert.equal(credentials?.username, 'a"b,c')
  assert.equal(credentials?.response, 'ab')
  assert.equal(credentials?.nc, '0000000A', 'as written')
  assert.equal(credentials?.algorithm, 'MD5', 'the default')
})

test('§3.4.2 the -sess variant hashes nonce and cnonce into the secret', () => {
  const challenge = chooseChallenge([challengeFor('SHA-256-sess')])
  assert(challenge?.isSession)
  const credentials = parseCredentials(answer(challenge, secret))
  assert(credentials)
  const right = passwordDigest('SHA-256', 'Mufasa', 'http-auth@example.org', 'Circle of Life')
  assert.equal(isRightResponse(credentials, right, 'GET'), true)
  assert.equal(isRightResponse({ ...credentials, isSession: false }, right, 'GET'), false)
})

test('§3.4.3 with auth-int the body counts', () => {
  const challenge = chooseChallenge([challengeFor('SHA-256').replace('auth, auth-int', 'auth-int')])
  assert(challenge)
  const credentials = parseCredentials(answer(challenge, { ...secret, body: Buffer.from('one') }))
  assert.equal(credentials?.qop, 'auth-int')
  const right = passwordDigest('SHA-256', 'Mufasa', 'http-auth@example.org', 'Circle of Life')
  assert.equal(isRightResponse(credentials, right, 'GET', Buffer.from('one')), true)
  assert.equal(isRightResponse(credentials, right, 'GET', Buffer.from('two')), false)
})
