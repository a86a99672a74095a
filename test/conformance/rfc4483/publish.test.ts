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

const direct = (note: string, more = '') => `--b\r\nContent-Type: application/pidf+xml\r\n${more}\r\n${pidf(note)}\r\n`
const indirect = (url: string, more = '') =>
  `--b\r\nContent-Type: message/external-body; access-type="URL"; URL="${url}"; expiration="${later}"\r\n${more}\r\nContent-Type: application/pidf+xml\r\n\r\n\r\n`
const optional = 'Content-Disposition: render;handling=optional\r\n'

async function publishParts(box: WholeBox, kind: string, ...parts: readonly string[]): Promise<string> {
  const before = box.sent.length
  const type = `Content-Type: multipart/${kind};boundary=b`
  await box.sip('PUBLISH', 'alice', ['Event: presence', 'Expires: 3600', type], `${parts.join('')}--b--\r\n`)
  return box.sent.slice(before).find(message => message.startsWith('SIP/2.0'))!
}

test('§5.5, CS-09: a document that may be ignored and cannot be had fails no request, and changes nothing', async () => {
  const box = await storing()
  const tag = /SIP-ETag: (\S+)/.exec(await publish(box))![1]!
  const headers = [`SIP-If-Match: ${tag}`, 'Content-Disposition: render; handling=optional']
  const bad: readonly Indirect[] = [
    { url: 'http://elsewhere.example/x' },
    { url: `${ours}2` },
    { url: 'ftp://box.example/x' },
    { expiration: 'Mon, 24 Jun 2002 09:00:00 GMT' },
    { more: '; size=3' },
    { more: '; hash=00' },
  ]
  let last = tag
  for (const given of bad) {
    const answer = await publish(box, { ...given, headers: [`SIP-If-Match: ${last}`, headers[1]!] })
    assert.match(answer, /^SIP\/2.0 200 /, JSON.stringify(given))
    last = /SIP-ETag: (\S+)/.exec(answer)![1]!
  }
  assert.equal(box.notified, 'active <basic>open</basic> <note>at home</note>')
  assert.deepEqual(box.asked, [])
  // Nothing is left that a first publication could publish (RFC 3903 §6 step 5).
  assert.match(await publish(box, { url: `${ours}2`, headers: [headers[1]!] }), /^SIP\/2.0 400 Body Expected/)
})

test('RFC 3261 §8.2.3: a body of a type not known that may be ignored is', async () => {
  const box = await storing()
  const tag = /SIP-ETag: (\S+)/.exec(await publish(box))![1]!
  const send = async (disposition: string): Promise<string> => {
    const headers = ['Event: presence', `SIP-If-Match: ${tag}`, 'Content-Type: text/plain', disposition]
    const before = box.sent.length
    await box.sip('PUBLISH', 'alice', headers, 'x')
    return box.sent.slice(before).find(message => message.startsWith('SIP/2.0'))!
  }
  assert.match(await send('Content-Disposition: render'), /^SIP\/2.0 415 /)
  assert.match(await send('Content-Disposition: render;handling=optional'), /^SIP\/2.0 200 /)
})

test('§5.11, RFC 5621 §3.1: of several parts one is the document, direct or indirect; the others may be ignored', async () => {
  const box = await storing()
  const text = (more = '') => `--b\r\nContent-Type: text/plain\r\n${more}\r\nhello\r\n`
  assert.match(await publishParts(box, 'mixed', text(optional), indirect(ours)), /^SIP\/2.0 200 /)
  assert.equal(box.notified, 'active <basic>open</basic> <note>at home</note>')
  assert.match(await publishParts(box, 'mixed', direct('out'), indirect(`${ours}2`, optional)), /^SIP\/2.0 200 /)
  assert.match(box.notified, /<note>out<\/note>/)
  assert.match(await publishParts(box, 'mixed', text(), direct('out')), /^SIP\/2.0 415 /)
  assert.match(await publishParts(box, 'mixed', direct('a'), direct('b')), /^SIP\/2.0 400 One Document Expected/)
  assert.match(await publishParts(box, 'mixed', text(optional)), /^SIP\/2.0 400 Body Expected/)
})

test('§5.11, RFC 2046 §5.1.4: of alternatives it is the last that can be read', async () => {
  const box = await storing()
  assert.match(await publishParts(box, 'alternative', direct('direct'), indirect(ours)), /^SIP\/2.0 200 /)
  assert.match(box.notified, /<note>at home<\/note>/)
  for (const unreadable of [
    indirect('http://elsewhere.example/x'),
    indirect(`${ours}2`),
    '--b\r\nContent-Type: a/b\r\n\r\n.\r\n',
  ]) {
    const other = await storing()
    assert.match(await publishParts(other, 'alternative', direct('direct'), unreadable), /^SIP\/2.0 200 /)
    assert.match(other.notified, /<note>direct<\/note>/)
    assert.match(await publishParts(other, 'alternative', unreadable), /^SIP\/2.0 4(?:00|15) /)
  }
})

test('bodies within bodies: a related root that is elsewhere, and no more than three deep', async () => {
  const icon = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@box.example"><tuple id="t"><status><basic>open</basic></status><note>cid:i</note></tuple></presence>`
  const box = await storing(icon)
  const image = '--b\r\nContent-Type: text/plain\r\nContent-ID: <i>\r\n\r\nhello\r\n'
  assert.match(await publishParts(box, 'related', indirect(ours), image), /^SIP\/2.0 200 /)
  assert.match(box.notified, /<note>https:\/\/box\.example:8443\/content\/users\/sip:alice@box\.example\/\w+<\/note>/)
  const within = (inner: string, boundary: string) =>
    `--${boundary}\r\nContent-Type: multipart/mixed;boundary=${boundary}x\r\n\r\n${inner}--${boundary}x--\r\n`
  const deep = within(within(direct('deep').replace('--b', '--bxx'), 'bx'), 'b')
  assert.match(await publishParts(box, 'mixed', deep), /^SIP\/2.0 200 /)
  const deeper = within(within(within(direct('deep').replace('--b', '--bxxx'), 'bxx'), 'bx'), 'b')
  assert.match(await publishParts(box, 'mixed', deeper), /^SIP\/2.0 400 Multipart Too Deep/)
})

test('RP-15: of alternatives on a server elsewhere one is asked for, and no more', async () => {
  const box = new WholeBox({ 'presence.defaultHandling': 'allow', 'prs15.root': 'http://store.example/c' })
  const found = { status: 200, headers: { 'content-type': 'application/pidf+xml' }, body: Buffer.from(pidf('far')) }
  box.servers.set('http://store.example', ({ method, uri }) => {
    if (method === 'PUT') return { ...found, status: 201 }
    return uri.endsWith('2') ? { ...found, status: 404 } : found
  })
  for (const name of [at, `${at}2`]) await box.http('PUT', name, { body: pidf('far'), type: 'application/pidf+xml' })
  await box.sip('SUBSCRIBE', 'bob', ['Event: presence', 'Expires: 600', 'Contact: <sip:bob@10.0.0.2>'])
  const asks = (): number => box.asked.filter(({ method }) => method === 'GET').length
  assert.match(await publishParts(box, 'alternative', direct('near'), indirect(`${ours}2`)), /^SIP\/2.0 200 /)
  assert.match(box.notified, /<note>near<\/note>/)
  assert.equal(asks(), 1)
  assert.match(await publishParts(box, 'alternative', indirect(ours), indirect(`${ours}2`)), /^SIP\/2.0 4/)
  assert.equal(asks(), 2)
})
