/** RFC 5264 §4: publishing whole and partial presence documents. */

import { strict as assert } from 'node:assert'
import { beforeEach, describe, it } from 'node:test'
import type { HeaderField, SipResponse } from '../../../src/protocols/sip/message.ts'
import { isElement, readDocument } from '../../actors/xml-patcher.ts'
import { alice, PresenceWorld, pidf, text } from '../../unit/entities/presence-server/presence-world.ts'

let world: PresenceWorld

beforeEach(() => {
  world = new PresenceWorld()
})

const namespaces =
  'xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model"'

const full = `<?xml version="1.0" encoding="UTF-8"?>
<p:pidf-full ${namespaces} entity="${alice}" version="7">
 <tuple id="a"><status><basic>open</basic></status><contact priority="0.8">sip:alice@a</contact></tuple>
 <tuple id="b"><status><basic>closed</basic></status></tuple>
 <note xml:lang="en">whole</note>
 <d:person id="p"><r:activities><r:on-the-phone/><r:busy/></r:activities></d:person>
</p:pidf-full>`

function diff(operations: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<p:pidf-diff ${namespaces} entity="${alice}">${operations}</p:pidf-diff>`
}

function publish(body: string, tag?: string, headers: HeaderField[] = []): SipResponse {
  return world.request('PUBLISH', alice, {
    headers: [
      ['Event', 'presence'],
      ['Content-Type', 'application/pidf-diff+xml'],
      ...(tag === undefined ? [] : [['SIP-If-Match', tag] as const]),
      ...headers,
    ],
    body,
  })
}

function tagOf(response: SipResponse): string {
  assert.equal(response.status, 200, response.reason)
  return response.header('SIP-ETag')!
}

/** What a watcher is told now. */
function told(): string {
  world.subscribe({ expires: 0 })
  return text(world.sent.at(-1)!.request.body)
}

describe('RFC 5264 §4.1: Content-Type for partial publications', () => {
  it('lists the type in Accept of the answer to OPTIONS', () => {
    const accept = world.request('OPTIONS', 'sip:box.example', {}).header('Accept')
    assert.equal(
      accept,
      'application/pidf+xml, application/pidf-diff+xml, multipart/related, multipart/mixed, multipart/alternative',
    )
  })
  it('lists the type in Accept of a 415', () => {
    const response = world.publish('open', { headers: [] })
    assert.equal(response.status, 200)
    const refused = world.request('PUBLISH', alice, {
      headers: [
        ['Event', 'presence'],
        ['Content-Type', 'text/plain'],
      ],
      body: 'x',
    })
    assert.equal(refused.status, 415)
    assert.deepEqual(refused.headers('Accept'), [
      'application/pidf+xml',
      'application/pidf-diff+xml',
      'multipart/related',
      'multipart/mixed',
      'multipart/alternative',
    ])
  })
})

describe('RFC 5264 §4.3.1: processing <pidf-full>', () => {
  it('takes the document under <pidf-full> as the presence document', () => {
    tagOf(publish(full))
    const root = readDocument(told())
    assert.equal(root.name, 'presence')
    assert.equal(root.attributes.get('entity'), alice)
    assert.equal(root.attributes.has('version'), false)
    assert.deepEqual(
      root.children.filter(isElement).map(({ name }) => name),
      ['tuple', 'tuple', 'note', 'd:person'],
    )
  })
  it('whatever prefixes the root has and declares', () => {
    const children = '<x:tuple id="a"><x:status><x:basic>open</x:basic></x:status></x:tuple>'
    for (const root of [
      `<pidf-full xmlns="urn:ietf:params:xml:ns:pidf-diff" xmlns:x="urn:ietf:params:xml:ns:pidf" entity="${alice}">${children}</pidf-full>`,
      `<p:pidf-full xmlns:p="urn:ietf:params:xml:ns:pidf-diff" xmlns:pidf="u:1" version='1' entity="${alice}">${children.replace('<x:tuple', '<x:tuple xmlns:x="urn:ietf:params:xml:ns:pidf"')}</p:pidf-full>`,
    ]) {
      world = new PresenceWorld()
      tagOf(publish(root))
      assert.match(told(), /basic>open</)
    }
    world = new PresenceWorld()
    tagOf(publish(`<p:pidf-full xmlns:p="urn:ietf:params:xml:ns:pidf-diff" entity="${alice}"/>`))
  })
  it('replaces the previous publication, and notifies as for any other', () => {
    world.subscribe()
    const first = tagOf(publish(full))
    const sent = world.sent.length
    tagOf(publish(full.replace('>open<', '>closed<').replace('>whole<', '>other<'), first))
    assert.equal(world.sent.length, sent + 1)
    assert.match(told(), />other</)
    assert.doesNotMatch(told(), />whole</)
  })
  it('may take turns with application/pidf+xml', () => {
    const first = tagOf(world.publish('open'))
    const second = tagOf(publish(diff('<p:replace sel="*/tuple/status/basic/text()">closed</p:replace>'), first))
    assert.match(told(), />closed</)
    tagOf(world.publish('open', { tag: second }))
    assert.match(told(), />open</)
  })
  it('refuses with 400 what is no presence document, and keeps the old', () => {
    const first = tagOf(publish(full))
    assert.equal(publish(full.replace(' id="b"', ' id="a"'), first).status, 400)
    assert.equal(publish(full.replace('</p:pidf-full>', ''), first).status, 400)
    assert.match(told(), />whole</)
    tagOf(publish(full, first))
  })
})

describe('RFC 5264 §4.3.2: processing <pidf-diff>', () => {
  it('applies the operations in sequence to the stored document (the example of §6)', () => {
    const first = tagOf(publish(full))
    const operations = `
 <p:add sel="presence/note" pos="before"><tuple id="ert4773"><status><basic>open</basic></status></tuple>
 </p:add>
 <p:replace sel="*/tuple[@id='b']/status/basic/text()">open</p:replace>
 <p:remove sel="*/d:person/r:activities/r:busy"/>
 <p:replace sel="*/tuple[@id='a']/contact/@priority">0.7</p:replace>
`
    const second = tagOf(publish(diff(operations), first))
    assert.notEqual(second, first)
    const said = told()
    assert.match(said, /<tuple id="b"><status><basic>open</)
    assert.match(said, /<tuple id="ert4773">/)
    assert.match(said, /priority="0.7"/)
    assert.match(said, /<r:activities><r:on-the-phone\/><\/r:activities>/)
    // The next builds on this one; the root may also be called what it was when it came.
    const third = tagOf(publish(diff('<p:remove sel="p:pidf-full/note" ws="after"/>'), second))
    assert.doesNotMatch(told(), /<note/)
    tagOf(publish(diff(`<p:remove sel='id("ert4773")'/>`), third))
    assert.doesNotMatch(told(), /ert4773/)
  })
  it('applies to the sender’s own publication, not to those of others', () => {
    const mine = tagOf(publish(full))
    tagOf(
      world.request('PUBLISH', alice, {
        headers: [
          ['Event', 'presence'],
          ['Content-Type', 'application/pidf+xml'],
        ],
        body: pidf('open', alice, 'z'),
      }),
    )
    assert.equal(publish(diff(`<p:remove sel="*/tuple[@id='z']"/>`), mine).status, 400)
    tagOf(publish(diff(`<p:remove sel="*/tuple[@id='b']"/>`), mine))
    assert.match(told(), /<tuple id="z">/)
  })
  it('refuses it as initial publication with 400', () => {
    const response = publish(diff('<p:remove sel="*/note"/>'))
    assert.equal(response.status, 400)
    assert.equal(response.reason, 'Invalid Partial Publication')
  })
  it('refuses it with a tag that is not valid with 412', () => {
    assert.equal(publish(diff('<p:remove sel="*/note"/>'), 'unknown').status, 412)
    const first = tagOf(publish(full))
    tagOf(publish(full, first))
    assert.equal(publish(diff('<p:remove sel="*/note"/>'), first).status, 412)
  })
  it('refuses operations that do not apply with 400 and an error of RFC 5261 §5.1, and changes nothing', () => {
    const first = tagOf(publish(full))
    world.subscribe()
    const sent = world.sent.length
    for (const [operation, condition] of [
      ['<p:remove sel="*/tuple[@id=\'none\']"/>', 'unlocated-node'],
      ['<p:remove sel="*/tuple"/>', 'unlocated-node'],
      [
        '<p:remove sel="*/note" ws="before"/><p:remove sel="*/d:person/r:activities" ws="both"/>',
        'invalid-whitespace-directive',
      ],
      ['<p:remove sel="presence"/>', 'invalid-root-element-operation'],
      ['<p:remove sel="count(*)"/>', 'invalid-attribute-value'],
      ['<p:replace sel="*/note">x</p:replace>', 'invalid-node-types'],
      ['<p:move sel="*/note"/>', 'invalid-patch-directive'],
      ['<p:add sel="*" xmlns:q="u:q"><q:x/></p:add>', 'invalid-namespace-uri'],
      ['<tuple id="x"/>', 'invalid-patch-directive'],
      [`${'<p:replace sel="*/note/text()">x</p:replace>'.repeat(257)}`, 'invalid-diff-format'],
    ] as const) {
      const response = publish(diff(operation), first)
      assert.equal(response.status, 400, operation)
      assert.equal(response.contentType?.type, 'application/patch-ops-error+xml')
      const root = readDocument(text(response.body))
      assert.deepEqual(
        root.children.filter(isElement).map(({ name }) => name),
        [condition],
        operation,
      )
    }
    assert.equal(world.sent.length, sent)
    assert.match(told(), />whole</)
    tagOf(publish(diff('<p:remove sel="*/note"/>'), first))
  })
  it('PS-25: says so of a body that is not well-formed, not UTF-8, or has entities nobody has declared', () => {
    const first = tagOf(publish(full))
    assert.match(text(publish('<p:pidf-diff', first).body), /<invalid-diff-format phrase=/)
    assert.match(text(publish('<pidf-diff/>', first).body), /<invalid-diff-format phrase=/)
    for (const encoding of ['ISO-8859-1', 'EBCDIC']) {
      const document = `<?xml version="1.0" encoding="${encoding}"?>${diff('é').replace(/^<\?.*?\?>\s*/, '')}`
      assert.match(text(publish(document, first).body), /<invalid-character-set phrase=/)
    }
    for (const content of ['&unknown;', '<p:add sel="&unknown;"/>'])
      assert.match(text(publish(diff(content), first).body), /<invalid-entity-declaration phrase=/)
  })
  it('refuses with 400 what is no presence document after the operations', () => {
    const first = tagOf(publish(full))
    const response = publish(diff(`<p:replace sel="*/tuple[@id='b']/@id">a</p:replace>`), first)
    assert.equal(response.status, 400)
    assert.match(response.reason, /^PIDF /)
    assert.match(told(), /<tuple id="b">/)
  })
  it('refuses with 413 a document that grows too large', () => {
    let tag = tagOf(publish(full))
    const note = `<p:add sel="*/note"><![CDATA[${'x'.repeat(15_000)}]]></p:add>`
    tag = tagOf(publish(diff(note), tag))
    tag = tagOf(publish(diff(note), tag))
    assert.equal(publish(diff(note), tag).status, 413)
    tagOf(publish(diff('<p:remove sel="*/note"/>'), tag))
  })
  it('clears all of it when it expires, whatever has changed since it was whole', () => {
    const first = tagOf(publish(full, undefined, [['Expires', '3600']]))
    tagOf(publish(diff('<p:remove sel="*/note"/>'), first, [['Expires', '60']]))
    world.pass(61)
    assert.equal(told(), world.neutral())
  })
  it('is answered as before when it comes again after a restart, and not applied twice', () => {
    const first = tagOf(publish(full))
    const again = { cseq: 77, branch: 'z9hG4bKagain' }
    const request = () =>
      world.request('PUBLISH', alice, {
        ...again,
        headers: [
          ['Event', 'presence'],
          ['Content-Type', 'application/pidf-diff+xml'],
          ['SIP-If-Match', first],
          ['Call-ID', 'again'],
          ['From', `<${alice}>;tag=again`],
        ],
        body: diff('<p:add sel="*"><note>once</note></p:add>'),
      })
    const answer = tagOf(request())
    world.restart()
    assert.equal(tagOf(request()), answer)
    assert.equal(told().match(/>once</g)?.length, 1)
  })
})
