/** RFC 4483 §5: presence documents that are too large to be sent are referred to, and fetched from the Content Server. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { one, rule, ruleset } from '../../unit/entities/presence-server/rules/rules-of.ts'
import { WholeBox } from '../whole-box.ts'

const rules = '/xcap-root/pres-rules/users/sip:alice@box.example/index'
const everything = '<provide-services><all-services/></provide-services><provide-note>true</provide-note>'

async function allow(box: WholeBox, handling: string): Promise<void> {
  const body = ruleset(
    rule(one('sip:bob@box.example'), handling, everything, 'a'),
    rule(one('sip:carol@box.example'), 'allow', '<provide-services><all-services/></provide-services>', 'b'),
  )
  const { status } = await box.http('PUT', rules, { body, type: 'application/auth-policy+xml' })
  assert.ok(status < 300)
}

function pidf(note: string): string {
  return `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@box.example"><tuple id="t"><status><basic>open</basic></status><note>${note}</note></tuple></presence>`
}

async function publish(box: WholeBox, note: string): Promise<void> {
  const headers = ['Event: presence', 'Expires: 3600', 'Content-Type: application/pidf+xml']
  await box.sip('PUBLISH', 'alice', headers, pidf(note))
}

const large = 'large '.repeat(400)

async function watching(options: { accept?: string; from?: string; settings?: Record<string, number> } = {}) {
  const { accept = 'application/pidf+xml, message/external-body', from = 'bob', settings = {} } = options
  const box = new WholeBox({ 'content.indirectFromOctets': 1_000, 'https.listen': '0.0.0.0:8443', ...settings })
  await allow(box, 'allow')
  await publish(box, large)
  const headers = ['Event: presence', 'Expires: 600', `Accept: ${accept}`, 'Contact: <sip:bob@10.0.0.2:5060>']
  await box.sip('SUBSCRIBE', from, headers)
  return box
}

/** Parameters of message/external-body, by name in lower case, and the header of the part within. */
function reference(box: WholeBox) {
  const { contentType, body } = box.lastNotify
  assert.equal(contentType?.type, 'message/external-body')
  const inner = new Map(
    Buffer.from(body)
      .toString()
      .split('\r\n')
      .filter(line => line !== '')
      .map(line => line.split(': ', 2) as [string, string]),
  )
  const value = (name: string) => contentType.params.get(name)?.replace(/^"(.*)"$/, '$1')
  const url = new URL(value('URL') ?? value('url') ?? '')
  return { url, path: url.pathname, inner, value }
}

test('§5.1: who does not name the type is sent the document itself, whatever its size; nor who does not want it', async () => {
  const unwanted = 'application/pidf+xml;q=0.5, message/external-body;q=0'
  for (const accept of ['application/pidf+xml', 'application/pidf+xml, */*', unwanted]) {
    const box = await watching({ accept })
    assert.equal(box.lastNotify.contentType?.type, 'application/pidf+xml')
    assert.ok(Buffer.from(box.lastNotify.body).toString().includes(large))
  }
})

test('a document that is not large is sent, also where references are taken; and 0 sends all', async () => {
  const small = await watching({ settings: { 'content.indirectFromOctets': 100_000 } })
  assert.equal(small.lastNotify.contentType?.type, 'application/pidf+xml')
  const never = await watching({ settings: { 'content.indirectFromOctets': 0 } })
  assert.equal(never.lastNotify.contentType?.type, 'application/pidf+xml')
})

test('§5.4, §5.5, §5.7: the reference has access-type, an http or https URL and an expiration in GMT', async () => {
  const box = await watching()
  const { url, value } = reference(box)
  assert.equal(value('access-type'), 'URL')
  assert.equal(url.protocol, 'https:')
  assert.equal(url.host, 'box.example:8443')
  assert.match(value('expiration')!, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
  assert.equal(Date.parse(value('expiration')!), box.now + 600_000)
})

test('§5.6, §5.8, §5.10: the part within says type, Content-ID and Content-Disposition', async () => {
  const { inner } = reference(await watching())
  assert.equal(inner.get('Content-Type'), 'application/pidf+xml')
  assert.match(inner.get('Content-ID')!, /^<[0-9a-f]{32}@box\.example>$/)
  assert.equal(inner.get('Content-Disposition'), 'render')
})

test('§5.9, §5.12: what is fetched has the size and the hash that were told', async () => {
  const box = await watching()
  const { path, value } = reference(box)
  const { status, body, headers } = await box.http('GET', path, { user: 'bob' })
  assert.equal(status, 200)
  assert.equal(headers['Content-Type'], 'application/pidf+xml')
  assert.ok(Buffer.from(body!).toString().includes(large))
  assert.equal(String(body!.length), value('size'))
  assert.equal(createHash('sha1').update(body!).digest('hex'), value('hash'))
})

test('§5.6: the same version has the same Content-ID and need not be fetched again, another has another', async () => {
  const box = await watching()
  const first = reference(box)
  const { headers } = await box.http('GET', first.path, { user: 'bob' })
  const again = await box.http('GET', first.path, { user: 'bob', headers: { 'if-none-match': String(headers.ETag) } })
  assert.equal(again.status, 304)
  await publish(box, `${large} other`)
  assert.notEqual(reference(box).inner.get('Content-ID'), first.inner.get('Content-ID'))
  assert.equal((await box.http('GET', first.path, { user: 'bob' })).status, 404)
  assert.equal((await box.http('GET', reference(box).path, { user: 'bob' })).status, 200)
})

test('CS-12, §7: the URL alone is of no use: each is given what the rules show him, and nothing when they no longer do', async () => {
  const box = await watching()
  const { path } = reference(box)
  // Carol is not shown the note, so that is another document.
  assert.equal((await box.http('GET', path, { user: 'carol' })).status, 404)
  assert.equal((await box.http('GET', path, { user: 'bob' })).status, 200)
  await allow(box, 'polite-block')
  assert.equal((await box.http('GET', path, { user: 'bob' })).status, 404)
  await allow(box, 'block')
  assert.equal((await box.http('GET', path, { user: 'bob' })).status, 404)
})

test('a fetch is given a reference that is good for a while', async () => {
  const box = await watching()
  await box.sip('SUBSCRIBE', 'bob', [
    'Event: presence',
    'Expires: 0',
    'Accept: application/pidf+xml, message/external-body',
    'Contact: <sip:bob@10.0.0.2:5060>',
  ])
  const { path, value } = reference(box)
  assert.ok(Date.parse(value('expiration')!) > box.now)
  assert.equal((await box.http('GET', path, { user: 'bob' })).status, 200)
})

test('ranges, other methods, and URLs that are none', async () => {
  const box = await watching()
  const { path } = reference(box)
  const part = await box.http('GET', path, { user: 'bob', headers: { range: 'bytes=0-99' } })
  assert.deepEqual([part.status, part.body!.length], [206, 100])
  assert.equal((await box.http('PUT', path, { body: 'x', type: 'text/plain' })).status, 405)
  assert.equal((await box.http('DELETE', path)).status, 405)
  for (const other of [
    '/content/views/',
    '/content/views/nobody/x',
    `${path}0`,
    `${path}/x`,
    '/content/views/sip:alice@box.example/%00',
    '/content/views/%zz/x',
  ])
    assert.equal((await box.http('GET', other, { user: 'bob' })).status, 404, other)
})

test('what a filter leaves of a document is sent, however large: there is nothing of it to fetch', async () => {
  const box = await watching()
  const filter =
    '<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="p" urn="urn:ietf:params:xml:ns:pidf"/></ns-bindings><filter id="f"><what><include type="xpath">/p:presence/p:tuple/p:note</include></what></filter></filter-set>'
  const headers = ['Event: presence', 'Expires: 600', 'Accept: application/pidf+xml, message/external-body']
  const contact = 'Contact: <sip:bob@10.0.0.2:5060>'
  await box.sip('SUBSCRIBE', 'bob', [...headers, contact, 'Content-Type: application/simple-filter+xml'], filter)
  assert.equal(box.lastNotify.contentType?.type, 'application/pidf+xml')
  assert.ok(Buffer.from(box.lastNotify.body).toString().includes(large.trim()))
})
