/** The Content Server of OMA Presence SIMPLE on the whole box (PRS-13, PRS-14; CS-01..14, XDM-63). */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { HttpResponse } from '../../../src/protocols/http/message.ts'
import { gif, png } from '../../unit/entities/content-server/images.ts'
import { one, rule, ruleset } from '../../unit/entities/presence-server/rules/rules-of.ts'
import { WholeBox } from '../whole-box.ts'

const icon = '/content/users/sip:alice@box.example/icon.png'
const persons = '<provide-persons><all-persons/></provide-persons>'
const iconsToo = `${persons}<provide-status-icon>true</provide-status-icon>`
const hour = 3_600_000

/** Rules of alice: what of her persons bob is shown. */
async function allowBob(box: WholeBox, transformations: string, handling = 'allow'): Promise<void> {
  const body = ruleset(rule(one('sip:bob@box.example'), handling, transformations))
  const type = 'application/auth-policy+xml'
  const { status } = await box.http('PUT', '/xcap-root/pres-rules/users/sip:alice@box.example/index', { body, type })
  assert.ok(status === 200 || status === 201)
}

async function publishIcon(box: WholeBox, uri: string, expires = 3600): Promise<void> {
  await box.sip(
    'PUBLISH',
    'alice',
    ['Event: presence', `Expires: ${expires}`, 'Content-Type: application/pidf+xml'],
    `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:alice@box.example"><dm:person id="p"><r:status-icon>${uri}</r:status-icon></dm:person></presence>`,
  )
  assert.match(box.sent.at(-1)!, /^SIP\/2.0 200 /)
}

const storeIcon = (box: WholeBox, body: Uint8Array = png(), headers = {}) =>
  box.http('PUT', icon, { body, type: 'image/png', headers })

const reason = ({ body }: HttpResponse): string => Buffer.from(body!).toString()

describe('PRS-13: a presence source stores', () => {
  test('CS-03: PUT makes or replaces an object, GET and HEAD give it back, DELETE takes it away', async () => {
    const box = new WholeBox()
    const made = await storeIcon(box)
    assert.equal(made.status, 201)
    const got = await box.http('GET', icon)
    assert.equal(got.status, 200)
    assert.deepEqual(Buffer.from(got.body!), png())
    assert.equal(got.headers['Content-Type'], 'image/png')
    assert.equal(got.headers.ETag, made.headers.ETag)
    assert.equal((await box.http('HEAD', icon)).status, 200)
    const replaced = await storeIcon(box, png(61))
    assert.equal(replaced.status, 200)
    assert.notEqual(replaced.headers.ETag, made.headers.ETag)
    assert.equal((await box.http('DELETE', icon)).status, 200)
    assert.equal((await box.http('GET', icon)).status, 404)
    assert.equal((await box.http('DELETE', icon)).status, 404)
    assert.equal(box.count('content-contents'), 0)
  })

  test('RFC 9110 §14.5: a part of an object is not taken for the whole', async () => {
    const box = new WholeBox()
    await storeIcon(box)
    const part = { body: png().subarray(0, 50), type: 'image/png', headers: { 'content-range': 'bytes 0-49/200' } }
    assert.equal((await box.http('PUT', icon, part)).status, 400)
    assert.equal((await box.http('POST', '/content/users/sip:alice@box.example/', part)).status, 400)
    assert.deepEqual(Buffer.from((await box.http('GET', icon)).body!), png())
  })

  test('CS-03, CS-12: POST to the collection makes an object under a name nobody can guess', async () => {
    const box = new WholeBox()
    const at = '/content/users/sip:alice@box.example/'
    const made = await box.http('POST', at, { body: png(), type: 'image/png', headers: { 'if-match': '"x"' } })
    assert.equal(made.status, 201)
    const location = String(made.headers.Location)
    assert.match(location, /^\/content\/users\/sip:alice@box\.example\/[\w-]{20,}$/)
    assert.equal((await box.http('GET', location)).status, 200)
    assert.equal((await box.http('POST', at, { body: png(), type: 'image/png', user: 'bob' })).status, 403)
    assert.equal((await box.http('GET', at)).status, 405)
  })

  test('CS-07: the same content has the same entity-tag wherever it is, and is kept once', async () => {
    const box = new WholeBox()
    const first = await storeIcon(box)
    const second = await box.http('PUT', '/content/users/sip:bob@box.example/mine', {
      body: png(),
      type: 'image/png',
      user: 'bob',
    })
    assert.equal(first.headers.ETag, second.headers.ETag)
    assert.equal(box.count('content-contents'), 1)
    await box.http('DELETE', icon)
    assert.equal(box.count('content-contents'), 1)
    assert.equal((await box.http('GET', '/content/users/sip:bob@box.example/mine', { user: 'bob' })).status, 200)
  })

  test('RFC 9110 §13: conditions hold against the entity-tag', async () => {
    const box = new WholeBox()
    const tag = String((await storeIcon(box, png(), { 'if-none-match': '*' })).headers.ETag)
    assert.equal((await storeIcon(box, png(62), { 'if-none-match': '*' })).status, 412)
    assert.equal((await storeIcon(box, png(62), { 'if-match': '"other"' })).status, 412)
    const unchanged = await box.http('GET', icon, { headers: { 'if-none-match': tag } })
    assert.equal(unchanged.status, 304)
    assert.equal(unchanged.headers.ETag, tag)
    assert.equal((await storeIcon(box, png(62), { 'if-match': tag })).status, 200)
    assert.equal((await box.http('DELETE', icon, { headers: { 'if-match': tag } })).status, 412)
  })

  test('CS-14: only types that are taken, and only what is of its type', async () => {
    const box = new WholeBox()
    const put = async (body: Uint8Array, type: string) => (await box.http('PUT', icon, { body, type })).status
    assert.equal(await put(png(), 'text/html'), 415)
    assert.equal(await put(gif(), 'image/png'), 415)
    assert.equal(await put(Buffer.from('MZ\x90\0', 'latin1'), 'image/png'), 415)
    assert.equal(await put(png(40_000, 40_000), 'image/png'), 415)
    assert.equal(await put(png(0, 10), 'image/png'), 415)
    assert.equal(await put(png(), ''), 415)
    assert.equal(await put(gif(), 'image/gif; name=x'), 201)
    const { headers } = await box.http('GET', icon)
    assert.equal(headers['X-Content-Type-Options'], 'nosniff')
    assert.equal(headers['Content-Disposition'], 'attachment')
  })

  test('CS-14: an object too large is 413, a user who has used up his room 507; what is there stays', async () => {
    const box = new WholeBox({ 'content.objectOctets': 1_000, 'content.userOctets': 1_500 })
    assert.equal((await storeIcon(box, png(60, 80, 1_001))).status, 413)
    assert.equal((await storeIcon(box, png(60, 80, 1_000))).status, 201)
    const other = '/content/users/sip:alice@box.example/other'
    const refused = await box.http('PUT', other, { body: png(60, 80, 501), type: 'image/png' })
    assert.equal(refused.status, 507)
    assert.match(reason(refused), /at most 1500 octets/)
    assert.equal((await box.http('PUT', other, { body: png(60, 80, 500), type: 'image/png' })).status, 201)
    // Replacing frees what was there.
    assert.equal((await storeIcon(box, png(61, 80, 1_000))).status, 200)
    assert.equal((await box.http('GET', icon)).status, 200)
  })

  test('one user has so many objects and no more', async () => {
    const box = new WholeBox()
    for (let n = 0; n < 64; n++)
      assert.equal((await box.http('PUT', `${icon}${n}`, { body: png(), type: 'image/png' })).status, 201)
    assert.equal((await storeIcon(box)).status, 507)
  })

  test('nobody writes for another, nor where no user is, nor under names that lead elsewhere', async () => {
    const box = new WholeBox()
    const put = async (at: string, user = 'alice') =>
      (await box.http('PUT', at, { body: png(), type: 'image/png', user })).status
    assert.equal(await put(icon, 'bob'), 403)
    assert.equal(await put('/content/users/sip:alice@elsewhere.example/x'), 404)
    for (const name of ['..', '%2e%2e', 'a%2fb', 'a/b', '%00', '%', 'x'.repeat(129)])
      assert.equal(await put(`/content/users/sip:alice@box.example/${name}`), 404, name)
    assert.equal((await box.http('PATCH', icon)).status, 405)
    assert.equal(box.count('content-objects'), 0)
  })
})

describe('PRS-14: a watcher fetches', () => {
  test('CS-12, XDM-63: as long as rules show him the reference, and from the moment they do', async () => {
    const box = new WholeBox()
    const asBob = async () => (await box.http('GET', icon, { user: 'bob' })).status
    await storeIcon(box)
    await allowBob(box, iconsToo)
    assert.equal(await asBob(), 404)
    await publishIcon(box, `https://box.example:8443${icon}`)
    assert.equal(await asBob(), 200)
    await allowBob(box, persons)
    assert.equal(await asBob(), 404)
    await allowBob(box, iconsToo)
    assert.equal(await asBob(), 200)
    for (const handling of ['polite-block', 'confirm', 'block']) {
      await allowBob(box, iconsToo, handling)
      assert.equal(await asBob(), 404, handling)
    }
    assert.equal((await box.http('GET', icon, { user: 'carol' })).status, 404)
  })

  test('he is told the same of what he may not see as of what is not there', async () => {
    const box = new WholeBox()
    await storeIcon(box)
    const hidden = await box.http('GET', icon, { user: 'bob' })
    const missing = await box.http('GET', `${icon}x`, { user: 'bob' })
    assert.deepEqual(hidden, missing)
    assert.equal((await box.http('DELETE', icon, { user: 'bob' })).status, 403)
    assert.equal((await box.http('DELETE', `${icon}x`, { user: 'bob' })).status, 403)
  })

  test('a reference is one however it is written', async () => {
    const box = new WholeBox()
    await storeIcon(box)
    await allowBob(box, iconsToo)
    await publishIcon(box, 'http://10.0.0.1:8080/content/users/sip%3Aalice%40box.example/icon%2Epng')
    assert.equal((await box.http('GET', icon, { user: 'bob' })).status, 200)
    await publishIcon(box, `https://box.example${icon}.old`)
    assert.equal((await box.http('GET', `${icon}.old`, { user: 'bob' })).status, 404)
  })

  test('whatever its object is called, and however XML writes that', async () => {
    const box = new WholeBox()
    await allowBob(box, iconsToo)
    const at = '/content/users/sip:alice@box.example/'
    const written: ReadonlyArray<readonly [path: string, inXml: string]> = [
      ["bob's.png", "bob's.png"],
      ['a&b;(1)!*.png', 'a&amp;b;(1)!*.png'],
      ['a.png', '&#97;&#x2e;png'],
      ['a.png', '<![CDATA[a]]>.png'],
      ['%E2%82%AC.png', '€.png'],
      ['%E2%82%AC'.repeat(128), '%E2%82%AC'.repeat(128)],
    ]
    for (const [path, inXml] of written) {
      assert.ok((await box.http('PUT', at + path, { body: png(), type: 'image/png' })).status < 300, path)
      await publishIcon(box, `https://box.example${at}${inXml}`)
      assert.equal((await box.http('GET', at + path, { user: 'bob' })).status, 200, inXml)
    }
    // What stands in a comment is shown to nobody.
    await box.http('PUT', `${at}hidden.png`, { body: png(), type: 'image/png' })
    await publishIcon(box, `x<!-- https://box.example${at}hidden.png -->`)
    assert.equal((await box.http('GET', `${at}hidden.png`, { user: 'bob' })).status, 404)
  })

  test('RFC 9110 §14: parts of an object', async () => {
    const box = new WholeBox()
    const image = png(60, 80, 100)
    const tag = String((await storeIcon(box, image)).headers.ETag)
    const get = (range: string, headers = {}) => box.http('GET', icon, { headers: { range, ...headers } })
    const part = await get('bytes=10-19')
    assert.equal(part.status, 206)
    assert.equal(part.headers['Content-Range'], 'bytes 10-19/100')
    assert.deepEqual(Buffer.from(part.body!), image.subarray(10, 20))
    assert.deepEqual(Buffer.from((await get('bytes=-5')).body!), image.subarray(95))
    assert.deepEqual(Buffer.from((await get('bytes=95-')).body!), image.subarray(95))
    assert.deepEqual(Buffer.from((await get('bytes=95-1000')).body!), image.subarray(95))
    const none = await get('bytes=100-')
    assert.equal(none.status, 416)
    assert.equal(none.headers['Content-Range'], 'bytes */100')
    for (const whole of [
      'lines=1-2',
      'bytes=5-4',
      'bytes=x',
      'bytes=0-9,5-12',
      'bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16',
    ])
      assert.equal((await get(whole)).status, 200, whole)
    assert.equal((await get('bytes=0-1', { 'if-range': tag })).status, 206)
    assert.equal((await get('bytes=0-1', { 'if-range': '"other"' })).status, 200)
    const several = await get('bytes=0-1,98-99')
    assert.equal(several.status, 206)
    const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(String(several.headers['Content-Type']))![1]!
    const pieces = Buffer.from(several.body!).toString('latin1').split(`--${boundary}`)
    assert.equal(pieces.length, 4)
    assert.match(pieces[1]!, /^\r\nContent-Type: image\/png\r\nContent-Range: bytes 0-1\/100\r\n\r\n\x89P\r\n$/)
    assert.match(pieces[2]!, /Content-Range: bytes 98-99\/100\r\n\r\npp\r\n$/)
  })
})

test('CS-21: the entity-tag that a source gives its icon comes to watchers, and another one is news', async () => {
  const box = new WholeBox()
  await allowBob(box, iconsToo)
  await box.sip('SUBSCRIBE', 'bob', ['Event: presence', 'Expires: 86400', 'Contact: <sip:bob@10.0.0.2>'])
  const tagged = async (tag: string) => {
    const at = '/xcap-root/pidf-manipulation/users/sip:alice@box.example/index'
    const body = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:op="urn:oma:xml:pde:pidf:ext" entity="sip:alice@box.example"><dm:person id="p"><r:status-icon op:etag="${tag}">http://box.example${icon}</r:status-icon></dm:person></presence>`
    assert.ok((await box.http('PUT', at, { body, type: 'application/pidf+xml' })).status < 300)
    const told = Buffer.from(box.lastNotify.body).toString()
    assert.match(told, new RegExp(`status-icon[^>]* \\w+:etag="${tag}"`))
  }
  await tagged('one')
  await tagged('two')
})

describe('CS-13: how long an object stays', () => {
  test('a while, while nothing refers to it; and as long as a publication does', async () => {
    const box = new WholeBox()
    await storeIcon(box)
    await box.http('PUT', `${icon}.unused`, { body: png(), type: 'image/png' })
    await publishIcon(box, `https://box.example${icon}`, 2 * 3600)
    await box.pass(hour - 1)
    assert.equal(box.count('content-objects'), 2)
    await box.pass(1)
    assert.equal(box.count('content-objects'), 1)
    assert.equal((await box.http('GET', icon)).status, 200)
    await box.pass(2 * hour)
    assert.equal(box.count('content-objects'), 0)
    assert.equal(box.count('content-contents'), 0)
    assert.equal(box.count('wakes'), 0)
  })
})

describe('DEC-09: an icon of the Presence XDMS is an object too', () => {
  const document = '/xcap-root/org.openmobilealliance.pres-content/users/sip:alice@box.example/oma_status-icon/rcs'
  const object = '/content/users/sip:alice@box.example/oma_status-icon/rcs'
  const content = (image: Buffer, type = 'image/png', encoding = 'base64') =>
    `<content xmlns="urn:oma:xml:prs:pres-content"><mime-type>${type}</mime-type><encoding>${encoding}</encoding><data>${image.toString('base64')}</data></content>`
  const put = (box: WholeBox, body: string) =>
    box.http('PUT', document, { body, type: 'application/vnd.oma.pres-content+xml' })

  test('it is put as a document, and fetched either way by whoever is shown it either way (XDM-63)', async () => {
    const box = new WholeBox()
    assert.equal((await put(box, content(png()))).status, 201)
    await allowBob(box, iconsToo)
    const asBob = async (at: string) => (await box.http('GET', at, { user: 'bob' })).status
    assert.deepEqual([await asBob(document), await asBob(object)], [403, 404])
    for (const reference of [document, object]) {
      await publishIcon(box, `https://box.example${reference}`)
      assert.deepEqual([await asBob(document), await asBob(object)], [200, 200], reference)
    }
    await allowBob(box, persons)
    assert.deepEqual([await asBob(document), await asBob(object)], [403, 404])
    const got = await box.http('GET', object)
    assert.deepEqual(Buffer.from(got.body!), png())
    assert.equal(got.headers['Content-Type'], 'image/png')
    assert.equal((await box.http('PUT', document, { user: 'bob' })).status, 403)
  })

  test('whom a proxy elsewhere asserts is each of his identities, however they are written (PS-76, XDM-62)', async () => {
    const box = new WholeBox({ 'xdms.trusted': '192.0.2.9' })
    await put(box, content(png()))
    await publishIcon(box, `https://box.example${document}`)
    const source = { address: '192.0.2.9', isSecure: true, listener: 'xdms' as const }
    const as = async (...identities: readonly string[]) => {
      const headers = { 'x-3gpp-asserted-identity': identities.map(uri => `"${uri}"`).join(', ') }
      return (await box.http('GET', document, { headers, source })).status
    }
    const rules = (conditions: string, handling: string, id: string) =>
      `<rule id="${id}"><conditions>${conditions}</conditions><actions><pr:sub-handling>${handling}</pr:sub-handling></actions>` +
      `<transformations><pr:provide-persons><pr:all-persons/></pr:provide-persons><pr:provide-status-icon>true</pr:provide-status-icon></transformations></rule>`
    const write = (...given: readonly string[]) =>
      box.http('PUT', '/xcap-root/org.openmobilealliance.pres-rules/users/sip:alice@box.example/pres-rules', {
        body: `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:ocp="urn:oma:xml:xdm:common-policy">${given.join('')}</ruleset>`,
        type: 'application/auth-policy+xml',
      })
    await write(
      rules('<identity><many domain="blocked.example"/></identity>', 'block', 'a'),
      rules('<ocp:other-identity/>', 'allow', 'b'),
    )
    assert.equal(await as('sip:eve@other.example'), 200)
    assert.equal(await as('SIP:eve@BLOCKED.Example'), 403)
    await write(rules('<identity><one id="tel:+4930123456"/></identity>', 'allow', 'a'))
    assert.equal(await as('sip:eve@other.example', 'tel:+49-30-123456'), 200)
    assert.equal(await as('sip:eve@other.example'), 403)
  })

  test('it is managed as a document alone, and goes with it', async () => {
    const box = new WholeBox()
    await put(box, content(png()))
    assert.equal((await box.http('PUT', object, { body: png(), type: 'image/png' })).status, 405)
    assert.equal((await box.http('DELETE', object)).status, 405)
    await box.pass(3 * hour)
    assert.equal((await put(box, content(gif(), 'image/gif'))).status, 200)
    assert.equal((await box.http('GET', object)).headers['Content-Type'], 'image/gif')
    assert.equal((await box.http('DELETE', document)).status, 200)
    assert.equal((await box.http('GET', object)).status, 404)
    assert.equal(box.count('content-contents'), 0)
  })

  test('CS-20: data is base64 of an image of the type it is said to be', async () => {
    const box = new WholeBox()
    const refused = [
      content(png(), 'image/gif'),
      content(png(), 'image/webp'),
      content(png(), 'image/png', 'hex'),
      content(png(30_000, 30_000)),
      content(Buffer.from('text'), 'text/plain'),
      content(png()).replace('<data>', '<data>*'),
    ]
    for (const body of refused) {
      const answer = await put(box, body)
      assert.equal(answer.status, 409, body)
      assert.match(reason(answer), /<constraint-failure phrase="[^"]+/)
    }
    // Wrapped lines are no fault.
    assert.equal((await put(box, content(png()).replace(/[A-Za-z0-9+/]{60}/g, '$&\r\n'))).status, 201)
  })
})
