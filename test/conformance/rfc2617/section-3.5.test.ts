/** RFC 2617 §3.5, which RFC 3261 §22.4 builds on, and its compatibility with RFC 2069 (§3.2.2.1). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  answerChallenge,
  isRightResponse,
  parseCredentials,
  passwordDigest,
} from '../../../src/protocols/sip/digest.ts'

const secret = {
  username: 'Mufasa',
  password: 'Circle Of Life',
  method: 'GET',
  uri: '/dir/index.html',
  cnonce: '0a4f113b',
  nonceCount: 1,
}
const passwordHash = passwordDigest('MD5', 'Mufasa', 'testrealm@host.com', 'Circle Of Life')

test('§3.5 the example', () => {
  const challenge =
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
  const credentials = parseCredentials(answerChallenge([challenge], secret))
  assert.equal(credentials?.response, '6629fae49393a05397450978507c4ef1')
})

test('§3.2.2.1 without qop the response covers nonce and resource alone', () => {
  const challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
  const credentials = parseCredentials(answerChallenge([challenge], secret))
  assert.equal(credentials?.response, '670fd8c2df070c60b045671b8b24ff02')
  assert.equal(credentials?.cnonce, undefined, 'RFC 3261 §22.4 item 8: no cnonce without qop')
  assert.equal(isRightResponse(credentials, passwordHash, 'GET'), true)
})

test('COMPAT(libpurple): nc without qop and cnonce, though qop was offered, is verified as RFC 2069 has it', () => {
  const credentials = parseCredentials(
    'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", nc="00000001", response="670fd8c2df070c60b045671b8b24ff02"',
  )
  assert(credentials)
  assert.equal(isRightResponse(credentials, passwordHash, 'GET'), true)
})
