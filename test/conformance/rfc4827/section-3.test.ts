/**
 * RFC 4827 §3, PS-120..123: what a presentity stores by XCAP is one more source of composition beside what his devices publish,
 * and does not expire.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deleteDocument, putDocument } from '../../../src/entities/xdms/documents.ts'
import { alice, PresenceWorld, pidf, said, text } from '../../unit/entities/presence-server/presence-world.ts'

const namespaces =
  'xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:c="urn:ietf:params:xml:ns:pidf:cipid"'

function presence(content: string): string {
  return `<presence ${namespaces} entity="${alice}">${content}</presence>`
}

class StoredWorld extends PresenceWorld {
  #etag = 0

  /** Writes Alice's document, or deletes it, as her XDMS would. */
  keep(content: string | undefined): void {
    this.act(turn => {
      const address = { auid: 'pidf-manipulation', xui: alice, path: 'index' }
      const etag = `e${++this.#etag}`
      if (content === undefined) deleteDocument(turn.db, address)
      else putDocument(turn.db, address, { etag, body: Buffer.from(presence(content)), modifiedAt: turn.now })
      return this.server.documentChanged({ address, previousEtag: undefined, etag }, turn)
    })
  }

  publishDocument(content: string, tag?: string): string {
    const answer = this.request('PUBLISH', alice, {
      headers: [
        ['Event', 'presence'],
        ['Content-Type', 'application/pidf+xml'],
        ...(tag === undefined ? [] : [['SIP-If-Match', tag] as const]),
      ],
      body: presence(content),
    })
    return answer.header('SIP-ETag')!
  }

  last(): string {
    return text(this.sent.at(-1)!.request.body)
  }
}

const vacation =
  '<dm:person id="p1"><r:activities><r:vacation/></r:activities><c:homepage>http://a.example</c:homepage></dm:person>'

test('what is stored is told to those who watch at once, and its removal too (PS-121)', () => {
  const world = new StoredWorld()
  world.subscribe()
  world.keep(vacation)
  assert.match(world.last(), /<r:vacation/)
  assert.equal(world.log().length, 2)
  world.keep(undefined)
  assert.equal(world.last(), world.neutral())
  assert.equal(world.log().length, 3)
})

test('it does not expire, while what is published does', () => {
  const world = new StoredWorld()
  world.keep(vacation)
  world.publish('open', { expires: 60 })
  world.subscribe({ expires: 86_400 })
  assert.match(world.last(), /open.*vacation/s)
  world.pass(61)
  assert.doesNotMatch(world.last(), /open/)
  assert.match(world.last(), /vacation/)
  world.pass(80_000)
  world.restart()
  world.publish('closed', { expires: 60 })
  assert.match(world.last(), /closed.*vacation/s)
})

test('an element that ends by itself is no longer told then, though nothing was written (OP-11)', () => {
  const world = new StoredWorld()
  const until = new Date(world.now + 600_000).toISOString()
  const from = new Date(world.now - 600_000).toISOString()
  world.subscribe()
  world.keep(`<dm:person id="p1"><r:activities from="${from}" until="${until}"><r:meeting/></r:activities></dm:person>`)
  assert.match(world.last(), /meeting/)
  world.pass(601)
  assert.doesNotMatch(world.last(), /meeting/)
})

test('PS-82, PS-123: a person that says otherwise stands beside the published one', () => {
  const world = new StoredWorld()
  world.keep(vacation)
  world.publishDocument('<dm:person id="p2"><r:activities><r:meeting/></r:activities></dm:person>')
  world.subscribe()
  assert.match(world.last(), /vacation/)
  assert.match(world.last(), /meeting/)
  assert.equal(world.last().match(/<dm:person /g)!.length, 2)
})

test('PS-123: with presence.softOverridesHard it gives way to what is published, attribute by attribute', () => {
  const world = new StoredWorld({ 'presence.softOverridesHard': true })
  world.subscribe()
  world.keep(
    `<tuple id="t9"><status><basic>closed</basic></status><contact>sip:a@a.example</contact><note>by post</note></tuple><note>away</note>${vacation}<dm:device id="d9"><r:user-input>idle</r:user-input><dm:deviceID>urn:d:1</dm:deviceID></dm:device>`,
  )
  assert.match(world.last(), /closed.*away.*vacation.*homepage.*idle/s)
  const tag = world.publishDocument(
    `<tuple id="t1"><status><basic>open</basic></status><contact>sip:a@a.example</contact></tuple><note>in</note><dm:person id="p2"><r:activities><r:meeting/></r:activities></dm:person><dm:device id="d1"><r:user-input>active</r:user-input><dm:deviceID>urn:d:1</dm:deviceID></dm:device>`,
  )
  const both = world.last()
  assert.match(both, /open/)
  assert.match(both, /by post.*meeting.*homepage.*active/s)
  assert.doesNotMatch(both, /closed|away|vacation|idle/)
  for (const name of ['<tuple ', '<dm:person ', '<dm:device ']) assert.equal(both.split(name).length, 2, name)
  world.publishDocument('<tuple id="t1"><status/><contact>sip:b@a.example</contact></tuple>', tag)
  assert.match(world.last(), /closed.*away.*vacation.*idle/s, 'of other services, persons and devices nothing was said')
})

test('it counts for the sphere that rules ask for (RFC 5025 §3.1.2)', () => {
  const world = new StoredWorld({ 'presence.defaultHandling': 'block' })
  const rule =
    '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"><rule id="a"><conditions><sphere value="work"/></conditions><actions><sub-handling xmlns="urn:ietf:params:xml:ns:pres-rules">allow</sub-handling></actions></rule></ruleset>'
  world.act(turn => {
    const address = { auid: 'pres-rules', xui: alice, path: 'index' }
    putDocument(turn.db, address, { etag: 'r', body: Buffer.from(rule), modifiedAt: turn.now })
    return world.server.documentChanged({ address, previousEtag: undefined, etag: 'r' }, turn)
  })
  assert.equal(world.subscribe().status, 403)
  world.keep('<dm:person id="p"><r:sphere><r:work/></r:sphere></dm:person>')
  assert.equal(world.subscribe().status, 200)
  world.keep('<dm:person id="p"><r:sphere><r:home/></r:sphere></dm:person>')
  assert.equal(world.log().at(-1), 'NOTIFY terminated;reason=rejected 2')
})

test('PS-120: a device of the user that publishes the same id leaves the stored one its own', () => {
  const world = new StoredWorld()
  world.keep('<tuple id="t1"><status><basic>closed</basic></status><note>by post</note></tuple>')
  world.publish('open')
  world.subscribe()
  assert.match(world.last(), /<tuple id="t1"><status><basic>closed/)
  assert.equal(said(world.sent.at(-1)), 'closed')
  assert.equal(new Set(world.last().match(/<tuple id="[^"]+"/g)).size, 2)
  assert.notEqual(world.last(), pidf('open'))
})
