/** RFC 4483 towards the Presence Server: PUBLISH of a document that its source has stored on the Content Server before. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { deflateSync } from 'node:zlib'
import { failedAnswer } from '../../../src/protocols/http/message.ts'
import { WholeBox } from '../whole-box.ts'

const at = '/content/users/sip:alice@box.example/presence'
const ours = `https://box.example:8443${at}`
const later = 'Mon, 24 Jun 2030 09:00:00 GMT'

function pidf(note: string): string {
  return `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@box.example"><tuple id="t"><status><basic>open</basic></status><note>${note}</note></tuple></presence>`
}

async function storing(body = pidf('at home'), type = 'application/pidf+xml', settings = {}): Promise<WholeBox> {
  const box = new WholeBox({ 'presence.defaultHandling': 'allow', ...settings })
  assert.equal((await box.http('PUT', at, { body, type })).status, 201)
  await box.sip('SUBSCRIBE', 'bob', ['Event: presence', 'Expires: 600', 'Contact: <sip:bob@10.0.0.2>'])
  return box
}

interface Indirect {
  readonly url?: string
  readonly expiration?: string
  readonly more?: string
  readonly inner?: string
  readonly headers?: readonly string[]
}

async function publish(
  box: WholeBox,
  {
    url = ours,
    expiration = later,
    more = '',
    inner = 'Content-Type: application/pidf+xml',
    headers = [],
  }: Indirect = {},
): Promise<string> {
  const before = box.sent.length
  const expires = expiration === '' ? '' : ` expiration="${expiration}";`
  const type = `message/external-body; access-type="URL";${expires} URL="${url}"${more}`
  const body = `${inner}\r\nContent-Disposition: render\r\n\r\n`
  await box.sip('PUBLISH', 'alice', ['Event: presence', 'Expires: 3600', `Content-Type: ${type}`, ...headers], body)
  return box.sent.slice(before).find(message => message.startsWith('SIP/2.0'))!
}

test('§5.2, §5.4: the document is read where it is stored, and watchers are told', async () => {
  const box = await storing()
  assert.match(await publish(box), /^SIP\/2.0 200 /)
  assert.equal(box.notified, 'active <basic>open</basic> <note>at home</note>')
  assert.deepEqual(box.asked, [])
})

test('it is a publication like any other: modified, refreshed, refused when it is no document', async () => {
  const box = await storing()
  const tag = /SIP-ETag: (\S+)/.exec(await publish(box))![1]!
  await box.http('PUT', at, { body: pidf('gone'), type: 'application/pidf+xml' })
  assert.match(await publish(box, { headers: [`SIP-If-Match: ${tag}`] }), /^SIP\/2.0 200 /)
  assert.equal(box.notified, 'active <basic>open</basic> <note>gone</note>')
  await box.http('PUT', at, { body: '<presence/>', type: 'application/pidf+xml' })
  assert.match(await publish(box), /^SIP\/2.0 400 /)
})

test('§5.9, §5.12: what has another size or hash than was said is not taken', async () => {
  const box = await storing()
  const document = pidf('at home')
  const size = Buffer.byteLength(document)
  const sha1 = createHash('sha1').update(document).digest('hex')
  assert.match(await publish(box, { more: `; size=${size}; hash=${sha1.toUpperCase()}` }), /^SIP\/2.0 200 /)
  assert.match(await publish(box, { more: `; size=${size + 1}` }), /^SIP\/2.0 400 /)
  assert.match(await publish(box, { more: `; hash=${'0'.repeat(40)}` }), /^SIP\/2.0 400 /)
})

test('§5.7, CS-05: what has expired is not taken; what says nothing of it is', async () => {
  const box = await storing()
  assert.match(await publish(box, { expiration: 'Mon, 24 Jun 2002 09:00:00 GMT' }), /^SIP\/2.0 400 .*Expired/)
  assert.match(await publish(box, { expiration: '' }), /^SIP\/2.0 200 /)
})

test('§5.8: the type is that of the object; one that says another is not taken, nor one that is no presence', async () => {
  const box = await storing()
  assert.match(await publish(box, { inner: 'Content-Type: application/pidf-diff+xml' }), /^SIP\/2.0 400 /)
  assert.match(await publish(box, { inner: 'Content-ID: <1@alice>' }), /^SIP\/2.0 200 /)
  const card = await storing('BEGIN:VCARD\nEND:VCARD', 'text/vcard')
  assert.match(await publish(card, { inner: 'Content-ID: <1@alice>' }), /^SIP\/2.0 415 /)
})

test('§5.3: what lies elsewhere is 415 without the type in Accept, says why, and is asked of nobody', async () => {
  for (const url of [
    'http://169.254.169.254/latest/meta-data/',
    'http://localhost:8080/content/users/sip:alice@box.example/presence',
    'https://other.example/content/users/sip:alice@box.example/presence',
    'https://box.example.evil.example/content/users/sip:alice@box.example/presence',
    `https://box.example:8443@evil.example${at}`,
    `https://evil@box.example:8443${at}`,
    'https://box.example:8443/xcap-root/pres-rules/users/sip:alice@box.example/index',
    'https://box.example:8443/content/views/sip:alice@box.example/x',
    'https://box.example:8443/content/users/sip:bob@box.example/presence',
    'https://box.example:8443/content/users/sip:alice@box.example/',
    'https://box.example:8443/content/users/../users/sip:alice@box.example/x/y/z',
    `https://box.example:8443${at}?q=1`,
    'http://[::1',
  ]) {
    const box = await storing()
    const answer = await publish(box, { url })
    assert.match(answer, /^SIP\/2.0 415 /, url)
    assert.match(answer, /\r\nWarning: 399 box\.example "[^"]+"\r\n/)
    assert.doesNotMatch(answer, /\r\nAccept: [^\r]*external-body/)
    assert.deepEqual(box.asked, [], url)
    assert.equal(box.count('publications'), 0)
  }
})

test('URIs of other schemes, or none, are 400; so is what is not there', async () => {
  const box = await storing()
  for (const url of ['ftp://box.example/x', 'file:///etc/passwd', 'gopher://box.example/', 'x', ''])
    assert.match(await publish(box, { url }), /^SIP\/2.0 400 /, url)
  assert.match(await publish(box, { url: `${ours}2` }), /^SIP\/2.0 400 No Indirect Content/)
  assert.match(await publish(box, { url: `${ours}%00` }), /^SIP\/2.0 415 /)
  assert.deepEqual(box.asked, [])
})

test('a document too large is 413, however it came', async () => {
  const box = await storing(pidf('x'.repeat(40_000)))
  assert.match(await publish(box), /^SIP\/2.0 413 /)
})

test('the reference may be deflated, as any body', async () => {
  const box = await storing()
  const before = box.sent.length
  const type = `message/external-body; access-type="URL"; expiration="${later}"; URL="${ours}"`
  const body = deflateSync(Buffer.from('Content-Type: application/pidf+xml\r\n\r\n'))
  const headers = ['Event: presence', 'Expires: 3600', `Content-Type: ${type}`, 'Content-Encoding: deflate']
  await box.sip('PUBLISH', 'alice', headers, body)
  assert.match(box.sent.slice(before).find(message => message.startsWith('SIP/2.0'))!, /^SIP\/2.0 200 /)
})

test('RP-15: a document that the box has stored on a Content Server elsewhere is fetched there, and nowhere else', async () => {
  const box = new WholeBox({ 'presence.defaultHandling': 'allow', 'prs15.root': 'http://store.example/c' })
  const kept = new Map<string, Buffer>()
  let isAway = false
  box.servers.set('http://store.example', ({ method, uri, body }) => {
    if (isAway) return failedAnswer('timeout')
    if (method === 'PUT') kept.set(uri, Buffer.from(body!))
    const found = kept.get(uri)
    if (found === undefined) return { status: 404, headers: {}, body: new Uint8Array(0) }
    const type = 'application/pidf+xml'
    return { status: method === 'PUT' ? 201 : 200, headers: { 'content-type': type, etag: '"1"' }, body: found }
  })
  assert.equal((await box.http('PUT', at, { body: pidf('far'), type: 'application/pidf+xml' })).status, 201)
  await box.sip('SUBSCRIBE', 'bob', ['Event: presence', 'Expires: 600', 'Contact: <sip:bob@10.0.0.2>'])
  assert.match(await publish(box), /^SIP\/2.0 200 /)
  assert.equal(box.notified, 'active <basic>open</basic> <note>far</note>')
  assert.deepEqual(
    box.asked.map(({ method, uri }) => `${method} ${uri}`),
    ['PUT', 'GET'].map(method => `${method} http://store.example/c/users/sip:alice@box.example/presence`),
  )
  isAway = true
  assert.match(await publish(box), /^SIP\/2.0 503 [\s\S]*Retry-After: 30/)
  isAway = false
  kept.clear()
  assert.match(await publish(box), /^SIP\/2.0 400 No Indirect Content/)
  assert.match(
    await publish(box, { url: 'http://store.example/c/users/sip:alice@box.example/presence' }),
    /^SIP\/2.0 415 /,
  )
})
