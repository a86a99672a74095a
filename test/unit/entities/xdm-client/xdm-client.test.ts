import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseXml } from '../../../../src/documents/xml/parse.ts'
import { attributeValue, childElements } from '../../../../src/documents/xml/tree.ts'
import { presenceServerPoints } from '../../../../src/entities/xdm-client/points.ts'
import { XdmClient } from '../../../../src/entities/xdm-client/xdm-client.ts'
import type { DocumentReader } from '../../../../src/entities/xdms/document-reader.ts'
import { type DocumentChange, putDocument, type StoredDocument } from '../../../../src/entities/xdms/documents.ts'
import { limits } from '../../../../src/limits.ts'
import { failedAnswer, type HttpAnswer, type OutgoingHttpRequest } from '../../../../src/protocols/http/message.ts'
import { type HeaderField, respond, type SipRequest } from '../../../../src/protocols/sip/message.ts'
import type { SettingName } from '../../../../src/settings/table.ts'
import { defaultSettings } from '../../../../src/settings.ts'
import { SeededRandom } from '../../../simulation/random.ts'
import { EntityWorld } from '../../protocols/sip-events/entity-world.ts'

const alice = 'sip:alice@box.example'
const root = 'https://xdms.carrier.example/services'
const rules = { auid: 'org.openmobilealliance.pres-rules', xui: alice, path: 'pres-rules' }
const path = '/services/org.openmobilealliance.pres-rules/users/sip:alice@box.example/pres-rules'

/** Documents elsewhere, by path. */
class RemoteXdms {
  readonly documents = new Map<string, { readonly etag: string; readonly body: string }>()
  /** What it does in place of answering. */
  trouble: HttpAnswer | 'silent' | undefined

  readonly answer = ({ uri, headers }: OutgoingHttpRequest): HttpAnswer | undefined => {
    if (this.trouble !== undefined) return this.trouble === 'silent' ? undefined : this.trouble
    const found = this.documents.get(new URL(uri).pathname)
    if (found === undefined) return { status: 404, headers: {}, body: new Uint8Array(0) }
    const etag = `"${found.etag}"`
    if (headers['If-None-Match'] === etag) return { status: 304, headers: { etag }, body: new Uint8Array(0) }
    return { status: 200, headers: { etag }, body: Buffer.from(found.body) }
  }
}

function text({ body }: StoredDocument): string {
  return Buffer.from(body).toString()
}

class ClientWorld extends EntityWorld {
  readonly xdms = new RemoteXdms()
  readonly changes: DocumentChange[] = []
  #cseq = 0

  constructor(settings: Partial<Record<SettingName, string | number | boolean>> = {}) {
    const changes: DocumentChange[] = []
    const listener = (change: DocumentChange) => {
      changes.push(change)
      return []
    }
    let current = defaultSettings()
    super(
      () =>
        new XdmClient({
          settings: () => current,
          userOfXui: xui => (xui.includes('@') ? xui : `sip:${xui}@box.example`),
          address: () => '192.0.2.1:5060',
          listeners: { prs5: listener, prs8: listener, prs9: listener, prs10: listener },
        }),
      { 'prs8.root': root, ...settings },
    )
    current = this.settings
    this.changes = changes
    this.random = new SeededRandom(5)
    this.servers.set(new URL(root).origin, this.xdms.answer)
    this.peer = ({ request }) => respond(request, 200, { toTag: 'theirs', headers: [['Contact', '<sip:n@192.0.2.9>']] })
  }

  get reader(): DocumentReader {
    return (this.entity as XdmClient).reader(presenceServerPoints)
  }

  /** Reads a document, and lets what it takes to have it happen. */
  look(address = rules): string | undefined {
    const found = this.read(db => {
      const document = this.reader.at(db, address)
      return document === undefined || document === 'unavailable' ? document : text(document)
    })
    if ((this.entity as XdmClient).hasWants) this.wake({ kind: 'wake', at: this.now, token: 'wanted' })
    return found
  }

  /** All of a user under one usage. */
  all(auid: string): readonly string[] | 'unavailable' {
    return this.read(db => {
      const documents = this.reader.of(db, auid, alice)
      return documents === 'unavailable' ? documents : documents.map(text)
    })
  }

  /** An xcap-diff NOTIFY to the last SUBSCRIBE. */
  notify(body: string, options: { state?: string; of?: SipRequest } = {}): number {
    const { state = 'active;expires=3600', of = this.sent.at(-1)!.request } = options
    const headers: HeaderField[] = [
      ['From', '<sip:xdms@carrier.example>;tag=theirs'],
      ['To', of.header('From')!],
      ['Call-ID', of.callId],
      ['Contact', '<sip:n@192.0.2.9>'],
      ['Event', 'xcap-diff'],
      ['Subscription-State', state],
      ['Content-Type', 'application/xcap-diff+xml'],
    ]
    return this.request('NOTIFY', 'sip:xdm-client@192.0.2.1', { headers, body, cseq: ++this.#cseq }).status
  }
}

function diff(...documents: readonly [sel: string, previous: string | undefined, next: string | undefined][]): string {
  const attribute = (name: string, value: string | undefined) => (value === undefined ? '' : ` ${name}="${value}"`)
  const inner = documents.map(
    ([sel, previous, next]) =>
      `<document sel="${sel}"${attribute('previous-etag', previous)}${attribute('new-etag', next)}/>`,
  )
  return `<xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff" xcap-root="${root}/">${inner.join('')}</xcap-diff>`
}

const sel = 'org.openmobilealliance.pres-rules/users/sip:alice@box.example/pres-rules'

test('what is here is read in place, and nobody is asked', () => {
  const world = new ClientWorld({ 'prs8.root': '' })
  world.act(({ db, now }) => {
    putDocument(db, rules, { etag: 'e', body: Buffer.from('local'), modifiedAt: now })
    return []
  })
  assert.equal(world.look(), 'local')
  assert.equal(world.read(db => world.reader.of(db, rules.auid, alice)).length, 1)
  assert.equal(world.reader.rootPath('pres-rules'), '/xcap-root')
  assert.equal(world.asked.length, 0)
})

test('a document elsewhere is unavailable until it has been fetched, in the name of its user', () => {
  const world = new ClientWorld({ 'prs8.username': 'ps', 'prs8.password': 'secret' })
  world.xdms.documents.set(path, { etag: '1', body: 'remote' })
  assert.equal(world.look(), 'unavailable')
  const [request] = world.asked
  assert.equal(request!.uri, `https://xdms.carrier.example${path}`)
  assert.equal(request!.headers['X-3GPP-Asserted-Identity'], `"${alice}"`)
  assert.deepEqual(request!.credentials, { username: 'ps', password: 'secret' })
  assert.equal(request!.bodyOctets, limits.xcapDocument.bytes)
  assert.equal(world.look(), 'remote')
  assert.equal(world.asked.length, 1)
  assert.deepEqual(
    world.changes.map(({ address, previousEtag }) => [address, previousEtag]),
    [[rules, undefined]],
  )
})

test('that there is no document is known as well', () => {
  const world = new ClientWorld()
  assert.equal(world.look(), 'unavailable')
  assert.equal(world.look(), undefined)
  assert.equal(world.asked.length, 1)
})

test('one that is wanted twice is asked for once', () => {
  const world = new ClientWorld()
  world.xdms.trouble = 'silent'
  world.look()
  world.look()
  assert.equal(world.asked.length, 1)
})

test('the documents of a usage are those whose names it fixes, and unavailable while one of them is', () => {
  const world = new ClientWorld()
  world.xdms.documents.set('/services/pidf-manipulation/users/sip:alice@box.example/perm-presence', {
    etag: 'x',
    body: 'permanent',
  })
  assert.equal(world.all('pidf-manipulation'), 'unavailable')
  world.wake({ kind: 'wake', at: world.now, token: 'wanted' })
  assert.deepEqual(world.all('pidf-manipulation'), ['permanent'])
})

test('without notifications it is asked for again now and then, and told only when it is another', () => {
  const world = new ClientWorld({ 'xdm.pollSeconds': 60 })
  world.xdms.documents.set(path, { etag: '1', body: 'one' })
  world.look()
  world.pass(61)
  assert.equal(world.asked.length, 2)
  assert.equal(world.asked[1]!.headers['If-None-Match'], '"1"')
  assert.equal(world.changes.length, 1)
  world.xdms.documents.set(path, { etag: '2', body: 'two' })
  world.pass(60)
  assert.equal(world.look(), 'two')
  assert.equal(world.changes.length, 2)
  world.xdms.documents.delete(path)
  world.pass(60)
  assert.equal(world.look(), undefined)
  assert.deepEqual(world.changes.at(-1)!.etag, undefined)
})

test('PS-75: a server that fails: the document counts for a while, then no more; the operator is told, and when it is over', () => {
  const world = new ClientWorld({ 'xdm.pollSeconds': 60, 'xdm.keepSeconds': 600 })
  world.xdms.documents.set(path, { etag: '1', body: 'one' })
  world.look()
  world.xdms.trouble = failedAnswer('unreachable')
  world.pass(400)
  assert.equal(world.look(), 'one')
  assert.deepEqual(
    [...world.alarms],
    [['documents at prs8', `${root} for org.openmobilealliance.pres-rules: unreachable`]],
  )
  const changes = world.changes.length
  world.pass(400)
  assert.equal(world.look(), 'unavailable')
  assert.equal(world.changes.length, changes + 1)
  world.xdms.trouble = undefined
  world.pass(60)
  assert.equal(world.look(), 'one')
  assert.equal(world.changes.length, changes + 2)
  assert.equal(world.alarms.size, 0)
})

test('a server that fails from the start is asked with growing pauses, however often the document is read', () => {
  const world = new ClientWorld({ 'xdm.pollSeconds': 300 })
  world.xdms.trouble = { status: 403, headers: {}, body: new Uint8Array(0) }
  for (let second = 0; second < 600; second++) {
    assert.equal(world.look(), 'unavailable')
    world.pass(1)
  }
  assert.ok(world.asked.length >= 3 && world.asked.length <= 6, String(world.asked.length))
  assert.equal(world.changes.length, 0)
})

test('a restart knows the document and its entity-tag, and misses no answer that it has swallowed', () => {
  const world = new ClientWorld({ 'xdm.pollSeconds': 60 })
  world.xdms.documents.set(path, { etag: '1', body: 'one' })
  world.look()
  world.restart()
  assert.equal(world.look(), 'one')
  assert.equal(world.asked.length, 1)
  world.xdms.trouble = 'silent'
  world.pass(61)
  world.restart()
  world.xdms.trouble = undefined
  world.xdms.documents.set(path, { etag: '2', body: 'two' })
  world.pass(61)
  assert.equal(world.look(), 'two')
})

test('another root is another server: what is kept of the first does not count', () => {
  const world = new ClientWorld()
  world.xdms.documents.set(path, { etag: '1', body: 'one' })
  world.look()
  Object.assign(world.settings.prs8, { root: 'https://other.example/x' })
  assert.equal(world.look(), 'unavailable')
  assert.equal(new URL(world.asked.at(-1)!.uri).host, 'other.example')
  assert.equal(world.asked.at(-1)!.headers['If-None-Match'], undefined)
})

test('what nobody reads any more is forgotten, once those who might depend on it have been asked', async () => {
  const world = new ClientWorld({ 'xdm.pollSeconds': 3600 })
  world.xdms.documents.set(path, { etag: '1', body: 'one' })
  world.look()
  const changes = world.changes.length
  world.pass(limits.remoteDocuments.unusedMs / 1000 + 3 * 3600)
  assert.equal(world.changes.length, changes + 1)
  assert.equal(await world.size(), 0)
  assert.equal(world.wakesPending, 0)
})

const notifier = { 'prs8.notifier': 'sip:xdms@carrier.example', 'xdm.pollSeconds': 60 } as const

test('RFC 5875 §4.4: it subscribes to all documents of the user that may matter, once', () => {
  const world = new ClientWorld(notifier)
  world.xdms.documents.set(path, { etag: '1', body: 'one' })
  world.look()
  world.look({ ...rules, auid: 'pres-rules', path: 'index' })
  assert.equal(world.sent.length, 1)
  const { request } = world.sent[0]!
  assert.equal(request.header('Event'), 'xcap-diff;diff-processing=no-patching')
  assert.equal(request.header('P-Asserted-Identity'), `<${alice}>`)
  const [list] = childElements(parseXml(request.body))
  const uris = childElements(list!).map(entry => attributeValue(entry, 'uri'))
  assert.ok(uris.includes('pres-rules/users/sip:alice@box.example/'))
  assert.ok(uris.includes('org.openmobilealliance.pres-rules/users/sip:alice@box.example/'))
})

test('while changes are notified nobody is asked, and what is notified is fetched at once', () => {
  const world = new ClientWorld(notifier)
  world.xdms.documents.set(path, { etag: '1', body: 'one' })
  world.look()
  assert.equal(world.notify(diff([sel, undefined, '1'])), 200)
  world.pass(1_000)
  assert.equal(world.asked.length, 1)
  world.xdms.documents.set(path, { etag: '2', body: 'two' })
  world.notify(diff([sel, '1', '2']))
  assert.equal(world.look(), 'two')
  // RFC 5875 §4.8: a change was missed; the version told of is what counts.
  world.xdms.documents.set(path, { etag: '5', body: 'five' })
  world.notify(diff([sel, '4', '5']))
  assert.equal(world.look(), 'five')
  world.xdms.documents.delete(path)
  world.notify(diff([sel, '5', undefined]))
  assert.equal(world.look(), undefined)
  assert.equal(world.asked.length, 4)
})

test('the first NOTIFY tells all: what it leaves out is looked at again', () => {
  const world = new ClientWorld(notifier)
  world.xdms.documents.set(path, { etag: '1', body: 'one' })
  world.look()
  world.xdms.documents.delete(path)
  world.notify(diff())
  assert.equal(world.look(), undefined)
})

test('RFC 5025 §9.7: a further document of presence rules counts when it has come', () => {
  const world = new ClientWorld(notifier)
  const common = { auid: 'pres-rules', xui: alice, path: 'index' }
  world.look(common)
  const more = 'pres-rules/users/alice/more'
  world.xdms.documents.set('/services/pres-rules/users/sip:alice@box.example/more', { etag: '7', body: 'further' })
  world.notify(diff([more, undefined, '7']))
  assert.deepEqual(world.all('pres-rules'), ['further'])
})

test('SEC-03: one that is known to be another, and cannot be fetched, does not count', () => {
  const world = new ClientWorld(notifier)
  world.xdms.documents.set(path, { etag: '1', body: 'allow' })
  world.look()
  world.notify(diff([sel, undefined, '1']))
  world.xdms.trouble = failedAnswer('timeout')
  world.notify(diff([sel, '1', '2']))
  assert.equal(world.look(), 'unavailable')
  world.xdms.trouble = undefined
  world.xdms.documents.set(path, { etag: '2', body: 'block' })
  world.pass(70)
  assert.equal(world.look(), 'block')
})

test('when changes are not notified any more, everything is asked for, from then on now and then', () => {
  const world = new ClientWorld(notifier)
  world.xdms.documents.set(path, { etag: '1', body: 'one' })
  world.look()
  world.notify(diff([sel, undefined, '1']))
  const subscribe = world.sent[0]!.request
  world.xdms.documents.set(path, { etag: '2', body: 'two' })
  world.notify('', { state: 'terminated;reason=rejected', of: subscribe })
  assert.equal(world.look(), 'two')
  const { length } = world.asked
  world.pass(130)
  assert.equal(world.asked.length, length + 2)
})

test('where no subscription can be had, it is asked for now and then', () => {
  const world = new ClientWorld(notifier)
  world.peer = () => 489
  world.xdms.documents.set(path, { etag: '1', body: 'one' })
  world.look()
  world.pass(200)
  assert.ok(world.asked.length >= 4)
})

test('a NOTIFY that cannot be read confirms nothing', () => {
  const world = new ClientWorld(notifier)
  world.xdms.documents.set(path, { etag: '1', body: 'one' })
  world.look()
  world.xdms.documents.set(path, { etag: '2', body: 'two' })
  assert.equal(world.notify('<xcap-diff'), 200)
  assert.equal(world.look(), 'two')
})

test('with credentials it subscribes in their name', () => {
  const world = new ClientWorld({ ...notifier, 'prs8.username': 'ps', 'prs8.password': 'secret' })
  world.look()
  const { request } = world.sent[0]!
  assert.equal(
    request.from.uri.toString !== undefined && request.header('From')!.split(';')[0],
    '<sip:ps@carrier.example>',
  )
  assert.equal(request.hasHeader('P-Asserted-Identity'), false)
})

test('too many documents: further ones cannot be had, and the operator is told', () => {
  const world = new ClientWorld()
  const huge = 'x'.repeat(1000)
  world.servers.set(new URL(root).origin, () => ({ status: 200, headers: {}, body: Buffer.from(huge) }))
  const { octets } = limits.remoteDocuments
  Object.assign(limits.remoteDocuments, { octets: 2_500 })
  try {
    for (const name of ['a', 'b', 'c', 'd']) world.look({ ...rules, xui: `sip:${name}@box.example` })
    assert.equal(world.look({ ...rules, xui: 'sip:c@box.example' }), huge)
    assert.equal(world.look({ ...rules, xui: 'sip:d@box.example' }), 'unavailable')
    assert.match([...world.alarms.values()].join(), /too many documents/)
  } finally {
    Object.assign(limits.remoteDocuments, { octets })
  }
})

test('an answer that nothing has changed does not write the document again', async () => {
  const world = new ClientWorld({ 'xdm.pollSeconds': 60 })
  world.xdms.documents.set(path, { etag: '1', body: 'x'.repeat(10_000) })
  world.look()
  await world.store.committed()
  const written: string[] = []
  const { transact } = world.store
  world.store.transact = work =>
    transact.call(world.store, db =>
      work({
        ...db,
        get: db.get.bind(db),
        range: db.range.bind(db),
        delete: db.delete.bind(db),
        put(table, key, value) {
          written.push(JSON.stringify(value) ?? '')
          db.put(table, key, value)
        },
      }),
    ) as never
  world.pass(200)
  assert.ok(world.asked.length >= 4)
  assert.ok(written.length > 0 && written.every(value => value.length < 500))
})

test('one user has but so many documents: others that his rules may name are not asked for', () => {
  const world = new ClientWorld()
  for (let number = 0; number < 200; number++) world.look({ auid: 'pres-rules', xui: alice, path: `n${number}` })
  assert.equal(world.asked.length, limits.remoteDocuments.perUser)
  assert.equal(world.look({ ...rules, xui: 'sip:bob@box.example' }), 'unavailable')
  assert.equal(world.asked.length, limits.remoteDocuments.perUser + 1)
})
