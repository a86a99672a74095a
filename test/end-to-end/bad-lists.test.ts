/**
 * Bad input to lists, partial documents, filters and the Content Server of the built box: each kind has a clear
 * answer, nothing of what was there is lost, nobody is asked anything, and memory stays bounded. Lists that contain themselves by
 * way of three servers are in `conformance/rfc4662/section-7.test.ts`, where there are three boxes.
 */

import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { inflateSync } from 'node:zlib'
import type { SipMessage } from '../../src/protocols/sip/message.ts'
import { listDocument, listsType, servicesDocument, servicesType } from '../actors/list-owner.ts'
import { png } from '../unit/entities/content-server/images.ts'
import { type Health, porchlight, RunningBox, statusOf, temporaryData } from './box.ts'
import { HttpClient } from './http-client.ts'
import { DatagramClient, StreamClient } from './raw-client.ts'

const memoryBound = 192 * 2 ** 20
const alice = { name: 'alice', password: 'wonderland' }
const aor = 'sip:alice@box.example'
const listFields = {
  Event: 'presence',
  Expires: '600',
  Supported: 'eventlist',
  Accept: 'multipart/related, application/rlmi+xml, application/pidf+xml',
}
const bringingList = {
  ...listFields,
  Require: 'recipient-list-subscribe',
  'Content-Disposition': 'recipient-list',
  'Content-Type': listsType,
}

function pidf(basic: string, note: string): string {
  return `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${aor}"><tuple id="t"><status><basic>${basic}</basic></status><note>${note}</note></tuple></presence>`
}

function textOf(message: SipMessage): string {
  const isDeflated = message.header('Content-Encoding') === 'deflate'
  return Buffer.from(isDeflated ? inflateSync(message.body) : message.body).toString()
}

test('bad lists, patches, filters, references and objects', { timeout: 110_000 }, async t => {
  const data = temporaryData(t)
  const added = await porchlight(['user', 'add', 'alice', '--password-stdin', '--data', data], `${alice.password}\n`)
  assert.equal(added.status, 0, added.errors)
  const box = await RunningBox.start(t, data, ['presence.minNotifyIntervalSeconds=0'])
  const http = new HttpClient(t, box.port('http'))
  const status = () => statusOf<Health>(data)
  const before = await status()
  const source = await DatagramClient.open(t, box.port('udp'))
  const publish = (fields: Record<string, string>, body: string) =>
    source.askAs(alice, { method: 'PUBLISH', uri: aor, fields: { Event: 'presence', Expires: '600', ...fields }, body })
  const first = await publish({ 'Content-Type': 'application/pidf+xml' }, pidf('open', 'kept'))
  assert.equal(first.status, 200)
  let tag = first.header('SIP-ETag')!

  /** What alice is told of herself by a subscription of its own. */
  const watch = async (fields: Record<string, string> = {}, body = '') => {
    const watcher = await DatagramClient.open(t, box.port('udp'))
    const usual = { Event: 'presence', Expires: '0', Accept: 'application/pidf+xml' }
    const answer = await watcher.askAs(alice, { method: 'SUBSCRIBE', uri: aor, fields: { ...usual, ...fields }, body })
    if (answer.status !== 200) return answer.status
    const notify = await watcher.request('NOTIFY')
    watcher.answer(notify, 200)
    return textOf(notify)
  }
  const unharmed = async () => assert.match(String(await watch()), /<basic>open<\/basic>.*<note>kept<\/note>/)

  await t.test('a list that contains itself ends where it comes again, and its other members are shown', async () => {
    const own = `${aor};pres-list=circle`
    const services = servicesDocument(aor, [{ uri: own, inline: [aor, own] }], `http://127.0.0.1/xcap-root`)
    const at = `/xcap-root/rls-services/users/${aor}/index`
    assert.equal((await http.ask('PUT', at, services, { 'content-type': servicesType })).status, 201)
    const watcher = await StreamClient.open(t, box.port('tcp'))
    const answer = await watcher.askAs(alice, { method: 'SUBSCRIBE', uri: own, fields: listFields })
    assert.equal(answer.status, 200)
    const notify = await watcher.request('NOTIFY')
    watcher.answer(notify, 200)
    const text = textOf(notify)
    assert.match(text, /<note>kept<\/note>/)
    assert.match(text, /<resource uri="sip:alice@box\.example;pres-list=circle"><instance [^>]*state="terminated"/)
    watcher.close()
  })

  await t.test('100,000 members, in a document or with the request, are refused', async () => {
    const members = Array.from({ length: 100_000 }, (_, at) => `sip:m${at}@box.example`)
    const at = `/xcap-root/resource-lists/users/${aor}/index`
    const large = await http.ask('PUT', at, listDocument(members), { 'content-type': listsType })
    assert.equal(large.status, 413)
    const some = listDocument(members.slice(0, 5_000))
    const stored = await http.ask('PUT', at, some, { 'content-type': listsType })
    assert.equal(stored.status, 201)
    const own = `${aor};pres-list=many`
    const services = servicesDocument(aor, [{ uri: own }], 'http://127.0.0.1/xcap-root')
    const place = `/xcap-root/rls-services/users/${aor}/index`
    assert.equal((await http.ask('PUT', place, services, { 'content-type': servicesType })).status, 200)
    const watcher = await StreamClient.open(t, box.port('tcp'))
    const refused = await watcher.askAs(alice, { method: 'SUBSCRIBE', uri: own, fields: listFields })
    assert.deepEqual([refused.status, refused.reason], [403, 'List Has More Than 500 Members'])
    const brought = listDocument(members.slice(0, 1_000))
    const uri = 'sip:rls@box.example'
    const many = await watcher.askAs(alice, { method: 'SUBSCRIBE', uri, fields: bringingList, body: brought })
    assert.equal(many.status, 403)
    watcher.close()
    // What does not fit into a message is not even read: the answer may be that the connection ends.
    const flood = await StreamClient.open(t, box.port('tcp'))
    flood.write(flood.octets({ method: 'SUBSCRIBE', uri, fields: bringingList, body: listDocument(members) }))
    const end = await Promise.race([flood.response().then(({ status }) => status), flood.closed().then(() => 'closed')])
    assert.ok(end === 'closed' || end === 413 || end === 513, String(end))
    flood.close()
    assert.equal((await http.ask('DELETE', at)).status, 200)
    await unharmed()
  })

  await t.test('patches that do not apply, apply twice or are too many change nothing', async () => {
    const names = 'xmlns="urn:ietf:params:xml:ns:pidf" xmlns:d="urn:ietf:params:xml:ns:pidf-diff"'
    const diff = (operations: string) => `<d:pidf-diff ${names} entity="${aor}">${operations}</d:pidf-diff>`
    const fields = () => ({ 'Content-Type': 'application/pidf-diff+xml', 'SIP-If-Match': tag })
    for (const operations of [
      '<d:remove sel="*/nobody"/>',
      '<d:replace sel="*/tuple/note/text()">lost</d:replace><d:remove sel="*/nobody"/>',
      '<d:remove sel="*"/>',
      '<d:add sel="*[[["><x/></d:add>',
      '<d:add sel="*/tuple" pos="nowhere"><note>x</note></d:add>',
      '<d:remove sel="*/tuple/status"/>',
      '<d:add sel="*/tuple"><evil/></d:add>'.repeat(300),
    ]) {
      const answer = await publish(fields(), diff(operations))
      assert.equal(answer.status, 400, operations.slice(0, 60))
    }
    assert.match(textOf(await badPatch()), /unlocated-node/)
    await unharmed()
    async function badPatch() {
      const refused = await publish(fields(), diff('<d:remove sel="*/nobody"/>'))
      assert.equal(refused.contentType?.type, 'application/patch-ops-error+xml')
      return refused
    }
    const good = await publish(fields(), diff('<d:replace sel="*/tuple/note/text()">kept</d:replace>'))
    assert.equal(good.status, 200, 'the state before is still the one that a patch is for')
    tag = good.header('SIP-ETag')!
  })

  await t.test('filters that select nothing, everything, or cannot be read', async () => {
    const filter = (what: string) =>
      `<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="p" urn="urn:ietf:params:xml:ns:pidf"/></ns-bindings><filter id="f"><what>${what}</what></filter></filter-set>`
    const fields = { 'Content-Type': 'application/simple-filter+xml' }
    const asked = (what: string) => watch(fields, filter(what))
    assert.equal(await asked('<include type="xpath">/p:presence/p:nobody</include>'), '')
    assert.match(String(await asked('<include type="xpath">/p:presence</include>')), /open.*kept/)
    assert.match(String(await asked('<include type="xpath">//*</include>')), /open.*kept/)
    const deep = `/p:presence${'/p:tuple[p:status[p:basic='.repeat(40)}"x"${']]'.repeat(40)}`
    for (const bad of [
      '<include type="xpath">/p:presence[</include>',
      '<include type="xpath">/q:presence</include>',
      `<include type="xpath">${deep.replaceAll('"', '&quot;')}</include>`,
      '<include type="xpath">/p:presence</include>'.repeat(100),
    ])
      assert.equal(await asked(bad), 488, bad.slice(0, 60))
    assert.equal(await watch(fields, '<filter-set'), 488)
    await unharmed()
  })

  await t.test('references to hostile and unreachable places: refused, and nobody is asked', async t => {
    let visits = 0
    const bait = createServer(socket => {
      visits++
      socket.destroy()
    })
    await new Promise<void>(listening => bait.listen(0, '127.0.0.1', listening))
    t.after(() => bait.close())
    const { port } = bait.address() as { port: number }
    const here = `http://127.0.0.1:${port}`
    for (const [url, expected] of [
      [`${here}/secret`, 415],
      [`${here}/content/users/sip:bob@box.example/x`, 415],
      // The path of an object that is not there, whoever is said to have it.
      [`${here}/content/users/${aor}/x`, 400],
      ['http://169.254.169.254/latest/meta-data/', 415],
      ['http://[::1]:8080/', 415],
      ['http://unreachable.invalid/x', 415],
      ['file:///etc/passwd', 400],
    ] as const) {
      const type = `message/external-body; access-type="URL"; expiration="Mon, 24 Jun 2030 09:00:00 GMT"; URL="${url}"`
      const answer = await publish({ 'Content-Type': type }, 'Content-Type: application/pidf+xml\r\n\r\n')
      assert.equal(answer.status, expected, url)
      assert.match(answer.header('Warning') ?? '', /^399 box\.example "/)
    }
    // As an object of a document it goes through to watchers as it is.
    const root = pidf('open', 'kept').replace('<note>', `<contact>cid:1@a</contact><note>`)
    const parts = [
      `Content-Type: application/pidf+xml\r\n\r\n${root}`,
      `Content-Type: message/external-body; access-type="URL"; URL="${here}/picture"\r\nContent-ID: <1@a>\r\n\r\nContent-Type: image/png\r\n\r\n`,
    ]
    const body = `${parts.map(part => `--b\r\n${part}\r\n`).join('')}--b--\r\n`
    const through = await publish({ 'Content-Type': 'multipart/related; boundary=b', 'SIP-If-Match': tag }, body)
    assert.equal(through.status, 200)
    tag = through.header('SIP-ETag')!
    assert.ok(String(await watch()).includes(`<contact>${here}/picture</contact>`))
    await unharmed()
    assert.equal(visits, 0)
  })

  await t.test(
    'quotas: what is too large, too much or not what it says is refused, and what is there stays',
    async () => {
      const home = `/content/users/${aor}`
      const put = async (name: string, body: Uint8Array, type = 'image/png') =>
        (await http.ask('PUT', `${home}/${name}`, body, { 'content-type': type })).status
      assert.equal(await put('first', png(60, 80, 200_000)), 201)
      assert.equal(await put('large', png(60, 80, 204_801)), 413)
      assert.equal(await put('bomb', png(60_000, 60_000)), 415)
      assert.equal(await put('page', Buffer.from('<html>'), 'text/html'), 415)
      for (const [name, expected] of [
        ['second', 201],
        ['third', 201],
        ['fourth', 201],
        ['fifth', 201],
        ['sixth', 507],
      ] as const)
        assert.equal(await put(name, png(60, 80, 200_000)), expected, name)
      assert.equal((await http.ask('GET', `${home}/first`)).bytes.length, 200_000)
      // A publication that brings too much is refused whole.
      const brought = Buffer.concat([
        Buffer.from(`--b\r\nContent-Type: application/pidf+xml\r\n\r\n${pidf('closed', 'cid:1@a')}\r\n`),
        Buffer.from('--b\r\nContent-Type: image/png\r\nContent-ID: <1@a>\r\n\r\n'),
        png(61, 80, 60_000),
        Buffer.from('\r\n--b--\r\n'),
      ])
      const sender = await StreamClient.open(t, box.port('tcp'))
      const fields = { Event: 'presence', 'Content-Type': 'multipart/related; boundary=b', 'SIP-If-Match': tag }
      const answer = await sender.askAs(alice, { method: 'PUBLISH', uri: aor, fields, body: brought })
      assert.equal(answer.status, 413)
      sender.close()
      await unharmed()
    },
  )

  const after = await status()
  assert.equal(after.pid, before.pid)
  assert.equal(after.lastError, before.lastError)
  assert.ok(after.memoryOctets < memoryBound, `${after.memoryOctets / 2 ** 20} MiB`)
  assert.equal((await box.stop()).status, 0)
})
