/**
 * The Content Server elsewhere (PRS-15, RP-15, RP-33), played by two boxes: one is the Presence Server and asks, the other keeps
 * the objects. Who is shown what stays decided where the presence is.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { failedAnswer, type HttpAnswer, type OutgoingHttpRequest } from '../../../src/protocols/http/message.ts'
import { gif, png } from '../../unit/entities/content-server/images.ts'
import { one, rule, ruleset } from '../../unit/entities/presence-server/rules/rules-of.ts'
import { WholeBox } from '../whole-box.ts'

const hour = 3_600_000
const origin = 'http://objects.internal'
const alices = '/content/users/sip:alice@box.example'
const persons = '<provide-persons><all-persons/></provide-persons><provide-status-icon>true</provide-status-icon>'

/** A box whose objects are elsewhere, and the box where they are. */
class Pair {
  readonly box: WholeBox
  readonly elsewhere: WholeBox
  /** What happens on the way to the other. */
  onTheWay: (request: OutgoingHttpRequest) => HttpAnswer | 'later'

  constructor(settings: ConstructorParameters<typeof WholeBox>[0] = {}, theirs: typeof settings = {}) {
    this.box = new WholeBox({ 'prs15.root': `${origin}/store`, ...settings })
    this.elsewhere = new WholeBox({
      domain: 'carrier.example',
      'content.root': '/store',
      'content.trusted': '192.0.2.7',
      ...theirs,
    })
    this.onTheWay = request => this.reach(request)
    this.box.servers.set(origin, request => this.onTheWay(request))
  }

  reach(request: OutgoingHttpRequest, address = '192.0.2.7'): HttpAnswer {
    return this.elsewhere.serve(request, 'content', address)
  }

  async pass(milliseconds: number): Promise<void> {
    for (let left = milliseconds; left > 0; left -= hour) {
      await this.box.pass(Math.min(left, hour))
      await this.elsewhere.pass(Math.min(left, hour))
    }
  }

  async allowBob(transformations = persons, handling = 'allow'): Promise<void> {
    const body = ruleset(rule(one('sip:bob@box.example'), handling, transformations))
    const at = '/xcap-root/pres-rules/users/sip:alice@box.example/index'
    assert.ok((await this.box.http('PUT', at, { body, type: 'application/auth-policy+xml' })).status < 300)
  }

  /** Alice publishes with a picture in it. Returns the first line of the answer. */
  async publish(image = png(), type = 'image/png', expires = 7200): Promise<string> {
    const before = this.box.sent.length
    const parts = [
      Buffer.from(
        `--b1\r\nContent-Type: application/pidf+xml\r\nContent-ID: <root@alice>\r\n\r\n${icon('cid:icon@alice')}\r\n`,
      ),
      Buffer.from(`--b1\r\nContent-Type: ${type}\r\nContent-ID: <icon@alice>\r\n\r\n`),
      image,
      Buffer.from('\r\n--b1--\r\n'),
    ]
    const kind = 'multipart/related;type="application/pidf+xml";start="<root@alice>";boundary=b1'
    const headers = ['Event: presence', `Expires: ${expires}`, `Content-Type: ${kind}`]
    await this.box.sip('PUBLISH', 'alice', headers, Buffer.concat(parts))
    const answer = this.box.sent.slice(before).find(message => message.startsWith('SIP/2.0'))
    return answer?.slice(0, answer.indexOf('\r\n')) ?? ''
  }

  async watch(): Promise<void> {
    await this.allowBob()
    await this.box.sip('SUBSCRIBE', 'bob', ['Event: presence', 'Expires: 86400', 'Contact: <sip:bob@10.0.0.2>'])
  }

  /** Path of the picture that Bob has been told of. */
  get told(): string {
    const uri = /status-icon[^>]*>([^<]*)</.exec(this.box.sent.findLast(message => message.startsWith('NOTIFY'))!)![1]!
    return new URL(uri).pathname
  }
}

function icon(reference: string): string {
  return `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:alice@box.example"><dm:person id="p"><r:status-icon>${reference}</r:status-icon></dm:person></presence>`
}

describe('PUBLISH with objects', () => {
  test('RP-15: the object is stored elsewhere before the 200, and Bob is told of it and given it', async () => {
    const pair = new Pair()
    await pair.watch()
    assert.equal(await pair.publish(), 'SIP/2.0 200 OK')
    assert.equal(pair.box.count('content-objects'), 0)
    assert.equal(pair.elsewhere.count('content-objects'), 1)
    const [asked] = pair.box.asked
    assert.equal(asked!.method, 'PUT')
    assert.match(asked!.uri, /^http:\/\/objects\.internal\/store\/users\/sip:alice@box\.example\/\w+$/)
    assert.equal(asked!.headers['X-3GPP-Asserted-Identity'], '"sip:alice@box.example"')
    const got = await pair.box.http('GET', pair.told, { user: 'bob' })
    assert.equal(got.status, 200)
    assert.deepEqual(Buffer.from(got.body!), png())
    assert.equal(got.headers['Content-Type'], 'image/png')
    assert.equal(got.headers['X-Content-Type-Options'], 'nosniff')
    assert.equal(got.headers['Content-Disposition'], 'attachment')
  })

  test('the same object is not sent twice', async () => {
    const pair = new Pair()
    await pair.publish()
    assert.equal(await pair.publish(), 'SIP/2.0 200 OK')
    assert.equal(pair.box.asked.filter(({ method }) => method === 'PUT').length, 1)
  })

  test('a server that is not there: 503, nothing published, the operator is told, and then it goes again', async () => {
    for (const failure of ['unreachable', 'timeout', 'untrusted'] as const) {
      const pair = new Pair()
      await pair.watch()
      pair.onTheWay = () => failedAnswer(failure)
      assert.equal(await pair.publish(), 'SIP/2.0 503 Service Unavailable')
      assert.match(pair.box.sent.findLast(message => message.startsWith('SIP/2.0 503'))!, /\r\nRetry-After: 30\r\n/)
      assert.equal(pair.box.count('publications'), 0)
      assert.match(pair.box.alarms.get('objects at prs15')!, new RegExp(failure))
      pair.onTheWay = request => pair.reach(request)
      assert.equal(await pair.publish(), 'SIP/2.0 200 OK')
      assert.equal(pair.box.alarms.size, 0)
    }
  })

  test('a server that does not let us in is none', async () => {
    const pair = new Pair({}, { 'content.trusted': '192.0.2.8' })
    assert.equal(await pair.publish(), 'SIP/2.0 503 Service Unavailable')
    assert.match(pair.box.alarms.get('objects at prs15')!, /answered 403/)
  })

  test('CS-14: what it has no room for is 413, what is no picture never gets there', async () => {
    const pair = new Pair({}, { 'content.userOctets': 100 })
    assert.equal(await pair.publish(), 'SIP/2.0 413 Request Entity Too Large')
    const before = pair.box.asked.length
    assert.equal(await pair.publish(png(), 'image/gif'), 'SIP/2.0 415 Unsupported Media Type')
    assert.equal(await pair.publish(png(40_000, 40_000)), 'SIP/2.0 415 Unsupported Media Type')
    assert.equal(pair.box.asked.length, before)
    assert.equal(pair.box.count('publications'), 0)
  })

  test('CS-13: it is told that the object is in use, and to delete it when it is not', async () => {
    const pair = new Pair({ 'content.graceSeconds': 3600 }, { 'content.keepSeconds': 7200 })
    await pair.watch()
    await pair.publish(png(), 'image/png', 5 * 3600)
    await pair.pass(5 * hour - 1)
    assert.ok(pair.box.asked.filter(({ method }) => method === 'HEAD').length >= 3)
    assert.equal(pair.elsewhere.count('content-objects'), 1)
    await pair.pass(2 * hour)
    assert.equal(pair.box.asked.at(-1)!.method, 'DELETE')
    assert.equal(pair.elsewhere.count('content-objects'), 0)
    assert.equal(pair.box.count('content-remote-objects'), 0)
  })

  test('a Presence Server that has gone for good leaves nothing behind', async () => {
    const pair = new Pair({}, { 'content.keepSeconds': 7200 })
    await pair.publish()
    await pair.elsewhere.pass(2 * hour - 1)
    assert.equal(pair.elsewhere.count('content-objects'), 1)
    await pair.elsewhere.pass(hour)
    assert.equal(pair.elsewhere.count('content-objects'), 0)
    assert.equal(pair.elsewhere.count('content-held-objects'), 0)
  })

  test('while the server is away the object stays noted, and is deleted when it is back', async () => {
    const pair = new Pair({ 'content.graceSeconds': 3600 })
    await pair.publish(png(), 'image/png', 60)
    pair.onTheWay = () => failedAnswer('timeout')
    await pair.pass(3 * hour)
    assert.equal(pair.box.count('content-remote-objects'), 1)
    pair.onTheWay = request => pair.reach(request)
    await pair.pass(2 * hour)
    assert.equal(pair.box.count('content-remote-objects'), 0)
    assert.equal(pair.elsewhere.count('content-objects'), 0)
  })
})

describe('sources and watchers', () => {
  test('PUT, GET, HEAD, ranges, conditions, POST and DELETE are as they are with a store of our own', async () => {
    const pair = new Pair()
    const at = `${alices}/me.png`
    const put = (body: Uint8Array, headers = {}) => pair.box.http('PUT', at, { body, type: 'image/png', headers })
    const made = await put(png())
    assert.equal(made.status, 201)
    const tag = String(made.headers.ETag)
    assert.equal((await put(png(), { 'if-none-match': '*' })).status, 412)
    assert.equal((await put(png(61), { 'if-match': '"other"' })).status, 412)
    assert.equal((await pair.box.http('GET', at, { headers: { 'if-none-match': tag } })).status, 304)
    const part = await pair.box.http('GET', at, { headers: { range: 'bytes=1-3', 'if-range': tag } })
    assert.deepEqual([part.status, Buffer.from(part.body!).toString()], [206, 'PNG'])
    assert.equal((await pair.box.http('GET', at, { headers: { range: 'bytes=9999-' } })).status, 416)
    assert.equal((await pair.box.http('HEAD', at)).status, 200)
    assert.equal((await put(png(61), { 'if-match': tag })).status, 200)
    const posted = await pair.box.http('POST', `${alices}/`, { body: gif(), type: 'image/gif' })
    assert.equal(posted.status, 201)
    assert.equal((await pair.box.http('GET', String(posted.headers.Location))).status, 200)
    assert.equal((await pair.box.http('DELETE', at, { user: 'bob' })).status, 403)
    assert.equal((await pair.box.http('DELETE', at)).status, 200)
    assert.equal((await pair.box.http('GET', at)).status, 404)
    assert.equal((await pair.box.http('DELETE', at)).status, 404)
    assert.equal(pair.elsewhere.count('content-objects'), 1)
  })

  test('CS-12: rules count at once, and for who may not see an object the other is not even asked', async () => {
    const pair = new Pair()
    await pair.watch()
    await pair.publish()
    const path = pair.told
    const before = pair.box.asked.length
    assert.equal((await pair.box.http('GET', path, { user: 'carol' })).status, 404)
    assert.equal(pair.box.asked.length, before)
    assert.equal((await pair.box.http('GET', path, { user: 'bob' })).status, 200)
    await pair.allowBob('')
    assert.equal((await pair.box.http('GET', path, { user: 'bob' })).status, 404)
  })

  test('a server that gives something else than it should is not believed', async () => {
    const pair = new Pair()
    await pair.watch()
    await pair.publish()
    const given = (status: number, type: string, body: Uint8Array): HttpAnswer => ({
      status,
      headers: { 'content-type': type, etag: '"1"' },
      body,
    })
    for (const [answer, status] of [
      [given(200, 'text/html', Buffer.from('<script>')), 502],
      [given(200, 'image/png', Buffer.from('<script>')), 502],
      [given(302, '', Buffer.alloc(0)), 502],
      [given(401, '', Buffer.alloc(0)), 502],
      [given(500, '', Buffer.alloc(0)), 502],
      [failedAnswer('timeout'), 504],
      [failedAnswer('too-large'), 502],
      [given(404, '', Buffer.alloc(0)), 404],
      [given(304, '', Buffer.alloc(0)), 304],
    ] as const) {
      pair.onTheWay = () => answer
      assert.equal((await pair.box.http('GET', pair.told, { user: 'bob' })).status, status)
    }
  })

  test('objects from before stay where they are until they are replaced', async () => {
    const { box, elsewhere } = new Pair({ 'prs15.root': '' })
    const at = `${alices}/me.png`
    assert.equal((await box.http('PUT', at, { body: png(), type: 'image/png' })).status, 201)
    assert.equal(box.asked.length, 0)
    assert.equal(elsewhere.count('content-objects'), 0)
  })

  test('more requests than may wait are 503, and those that wait are answered', async () => {
    const pair = new Pair()
    pair.onTheWay = () => 'later'
    const waiting = Array.from({ length: 64 }, (_, n) =>
      pair.box.http('PUT', `${alices}/${n}`, { body: png(), type: 'image/png' }),
    )
    await Promise.all(waiting)
    const refused = await pair.box.http('PUT', `${alices}/one-more`, { body: png(), type: 'image/png' })
    assert.equal(refused.status, 503)
    assert.equal(refused.headers['Retry-After'], '1')
  })

  test('a root that leads back to this box is found out', async () => {
    const pair = new Pair()
    const at = `${alices}/me.png`
    const headers = { via: '1.1 other.example, 1.1 box.example' }
    assert.equal((await pair.box.http('GET', at, { headers })).status, 508)
  })
})

describe('the listener for Presence Servers', () => {
  const ask = (pair: Pair, method: string, path: string, identity?: string, body?: Uint8Array, address?: string) => {
    const headers: Record<string, string> = { 'Content-Type': 'image/png' }
    if (identity !== undefined) headers['X-3GPP-Asserted-Identity'] = `"${identity}"`
    return pair.reach({ method, uri: `${origin}${path}`, headers, body }, address).status
  }
  const at = '/store/users/sip:dora@elsewhere.example/1'
  const dora = 'sip:dora@elsewhere.example'

  test('who is not trusted, or asserts another, is refused; so is what is no object', () => {
    const pair = new Pair()
    assert.equal(ask(pair, 'PUT', at, dora, png(), '198.51.100.1'), 403)
    assert.equal(ask(pair, 'PUT', at, 'sip:emil@elsewhere.example', png()), 403)
    assert.equal(ask(pair, 'PUT', at, undefined, png()), 403)
    assert.equal(ask(pair, 'PUT', '/store/users/sip:dora/1', 'sip:dora', png()), 404)
    assert.equal(ask(pair, 'PUT', '/store/users/sip:dora@elsewhere.example/', dora, png()), 404)
    assert.equal(ask(pair, 'GET', '/store/views/sip:dora@elsewhere.example/1', dora), 404)
    assert.equal(ask(pair, 'GET', '/xcap-root/pres-rules/users/sip:alice@box.example/index', dora), 404)
    assert.equal(ask(pair, 'PUT', '/store/users/sip:dora@elsewhere.example/oma_status-icon/1', dora, png()), 404)
    assert.equal(ask(pair, 'POST', at, dora, png()), 405)
    assert.equal(pair.elsewhere.count('content-objects'), 0)
  })

  test('it keeps, gives and deletes; types, sizes and room count there too', () => {
    const pair = new Pair({}, { 'content.objectOctets': 1_000, 'content.userOctets': 1_500 })
    assert.equal(ask(pair, 'GET', at, dora), 404)
    assert.equal(ask(pair, 'PUT', at, dora, png()), 201)
    assert.equal(ask(pair, 'PUT', at, dora, png()), 200)
    assert.equal(ask(pair, 'HEAD', at, dora), 200)
    assert.equal(ask(pair, 'PUT', at, dora, gif()), 415)
    assert.equal(ask(pair, 'PUT', at, dora, png(60, 80, 1_001)), 413)
    assert.equal(ask(pair, 'PUT', at, dora, png(60, 80, 1_000)), 200)
    assert.equal(ask(pair, 'PUT', `${at}2`, dora, png(60, 80, 600)), 507)
    assert.equal(ask(pair, 'DELETE', at, dora), 200)
    assert.equal(ask(pair, 'DELETE', at, dora), 404)
    assert.equal(pair.elsewhere.count('content-held-objects'), 0)
  })
})
