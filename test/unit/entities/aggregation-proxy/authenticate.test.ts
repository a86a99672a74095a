import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DocumentBox } from '../xdms/box.ts'

const at = '/resource-lists/users/sip:bill@example.com/index'
const document = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>'
const type = 'application/resource-lists+xml'

test('AP-02, AP-12: Digest with SHA-256 first and MD5 last; both are good, and MD5 can be switched off', () => {
  const box = new DocumentBox()
  const { status, headers } = box.get(at, { user: undefined })
  assert.equal(status, 401)
  const challenges = headers['WWW-Authenticate'] as readonly string[]
  const algorithms = challenges.map(text => /algorithm=([\w-]+)/.exec(text)![1])
  assert.deepEqual(algorithms, ['SHA-256', 'SHA-512-256', 'MD5'])
  for (const algorithm of ['SHA-256', 'MD5'] as const)
    assert.ok(box.put(at, document, type, { algorithm }).status < 300, algorithm)
  const strict = new DocumentBox({ 'auth.algorithms': 'SHA-256' })
  assert.equal((strict.get(at, { user: undefined }).headers['WWW-Authenticate'] as string[]).length, 1)
})

test('AP-14: an unknown user and a wrong password are answered alike', () => {
  const box = new DocumentBox()
  const answers = [box.get(at, { password: 'wrong' }), box.get(at, { user: 'nobody', password: 'wrong' })]
  const shapes = answers.map(({ status, headers, body }) =>
    JSON.stringify([status, headers, body]).replace(/nonce=\\"[^"]+"/g, ''),
  )
  assert.equal(answers[0]!.status, 401)
  assert.equal(shapes[0], shapes[1])
})

test('AP-14: too many failures lock the address with 503 and Retry-After, until the window is over', () => {
  const box = new DocumentBox()
  box.put(at, document, type)
  for (let n = 0; n < box.settings.auth.failuresPerAddress; n++)
    assert.equal(box.get(at, { user: `nobody${n}`, password: 'x' }).status, 401)
  const locked = box.get(at)
  assert.equal(locked.status, 503)
  assert.ok(Number(locked.headers['Retry-After']) > 0)
  box.now += box.settings.auth.lockSeconds * 1000
  assert.equal(box.get(at).status, 200)
})

test('AP-14: who asks too often is answered 429 with Retry-After, and others are served', () => {
  const box = new DocumentBox()
  box.put(at, document, type)
  let answer = box.get(at)
  for (let n = 0; n < 10 * box.settings.http.requestsPerSecondPerUser && answer.status === 200; n++)
    answer = box.get(at)
  assert.equal(answer.status, 429)
  assert.equal(answer.headers['Retry-After'], '1')
  assert.equal(box.get('/resource-lists/users/joe/index', { user: 'joe' }).status, 404)
  box.now += 1000
  assert.equal(box.get(at).status, 200)
})

test('AP-14: an address with too many requests is not even asked who it is; this machine always is', () => {
  const box = new DocumentBox()
  const burst = 10 * box.settings.http.requestsPerSecondPerAddress
  for (let n = 0; n < burst; n++) assert.equal(box.askOnce('GET', at).status, 401)
  assert.equal(box.askOnce('GET', at).status, 429)
  box.address = '127.0.0.1'
  for (let n = 0; n <= burst; n++) assert.equal(box.askOnce('GET', at).status, 401)
})

test('RFC 7616 §3.3, §3.4.6: a nonce count is good once, an old nonce is stale, and the uri is the request’s', () => {
  const box = new DocumentBox()
  box.put(at, document, type)
  let authorization = ''
  const askOnce = box.askOnce.bind(box)
  box.askOnce = (method, target, asking = {}) => {
    authorization = asking.headers?.authorization ?? authorization
    return askOnce(method, target, asking)
  }
  assert.equal(box.get(at).status, 200)
  const again = askOnce('GET', at, { headers: { authorization } })
  assert.equal(again.status, 401)
  assert.match(String(again.headers['WWW-Authenticate']), /stale=true/)
  box.get(at)
  assert.equal(askOnce('GET', `${at}x`, { headers: { authorization } }).status, 400)
  assert.equal(askOnce('GET', at, { headers: { authorization: 'Digest username' } }).status, 400)
  assert.equal(askOnce('GET', at, { headers: { authorization: 'Basic YTpi' } }).status, 401)
  box.now += box.settings.auth.nonceSeconds * 1000
  assert.match(String(askOnce('GET', at, { headers: { authorization } }).headers['WWW-Authenticate']), /Digest/)
  assert.equal(box.get(at).status, 200)
})

test('AP-04: an asserted identity from outside counts for nothing', () => {
  const box = new DocumentBox({ 'xcap.operators': 'joe' })
  box.put(at, document, type)
  for (const name of ['x-xcap-asserted-identity', 'x-3gpp-asserted-identity']) {
    const headers = { [name]: '"sip:bill@example.com"' }
    assert.equal(box.askOnce('GET', at, { headers }).status, 401)
    assert.equal(box.get(at, { user: '+15551234', headers }).status, 403)
    assert.equal(box.get(at, { user: '+15551234', headers: { [name]: '"sip:joe@example.com"' } }).status, 403)
  }
})

test('AP-03: an intended identity must be one that the user may use', () => {
  const box = new DocumentBox()
  box.put(at, document, type)
  const asking = (identity: string) => ({ headers: { 'x-3gpp-intended-identity': identity } })
  assert.equal(box.get(at, asking('"sip:bill@example.com"')).status, 200)
  assert.equal(box.get(at, asking('"sip:joe@example.com"')).status, 403)
  assert.equal(box.get(at, asking('"sip:bill@elsewhere.example"')).status, 403)
})

test('AP-03, AP-06: an identity may be written in any way that means the user, and as a list of such', () => {
  const box = new DocumentBox()
  const intending = (identity: string) =>
    box.get('/resource-lists/users/tel:+15551234/index', {
      user: '+15551234',
      headers: { 'x-3gpp-intended-identity': identity },
    }).status
  for (const identity of [
    '"tel:+15551234"',
    '"tel:+1-555-1234"',
    '"sip:+15551234@EXAMPLE.com;user=phone"',
    '"sips:+15551234@example.com", "tel:+15551234"',
    'sip:+15551234@example.com',
  ])
    assert.equal(intending(identity), 404, identity)
  for (const identity of ['"tel:+15559999"', '"tel:+15551234", "sip:joe@example.com"', '""', 'a, b', '"mailto:a@b"'])
    assert.equal(intending(identity), 403, identity)
})

test('in a laboratory nobody is asked: who it is stands in X-3GPP-Intended-Identity, or in the URI', () => {
  const box = new DocumentBox({ 'auth.required': false })
  assert.equal(box.askOnce('PUT', at, { body: document, type }).status, 201)
  const headers = { 'x-3gpp-intended-identity': '"sip:joe@example.com"' }
  assert.equal(box.askOnce('GET', at, { headers }).status, 403)
})

test('what is not below the XCAP root is 404 without a challenge; another root is a setting', () => {
  const box = new DocumentBox({ 'xcap.root': '/services' })
  assert.equal(box.askOnce('GET', at).status, 404)
  assert.equal(box.askOnce('GET', `/services${at}`).status, 401)
  assert.equal(box.put(`/services${at}`, document, type).status, 201)
  assert.equal(box.get(`https://xcap.example.com/services${at}`).status, 200)
})

test('AP-14: how much is borne is for the operator to say', () => {
  const strict = new DocumentBox({
    'auth.failuresPerAddress': 3,
    'auth.lockSeconds': 600,
    'http.requestsPerSecondPerUser': 1,
  })
  strict.put(at, document, type)
  for (let n = 0; n < 9; n++) assert.equal(strict.get(at).status, 200)
  assert.equal(strict.get(at).status, 429)
  for (let n = 0; n < 3; n++) assert.equal(strict.get(at, { password: 'wrong' }).status, 401)
  assert.equal(strict.get(at).headers['Retry-After'], '600')
  const free = new DocumentBox({ 'http.requestsPerSecondPerUser': 0 })
  free.put(at, document, type)
  for (let n = 0; n < 600; n++) assert.equal(free.get(at).status, 200)
})
