/** PS-112: who may publish for a presentity besides himself, and what of it counts. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { putDocument } from '../../../../../src/entities/xdms/documents.ts'
import { alice, bob, carol, PresenceWorld, text } from '../presence-world.ts'

const published =
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="${alice}">` +
  '<tuple id="t"><status><basic>open</basic></status><r:relationship><r:self/></r:relationship><note>n</note></tuple>' +
  '<dm:person id="p"><r:activities><r:away/></r:activities><r:mood><r:sad/></r:mood></dm:person></presence>'

function world(rules?: string): PresenceWorld {
  const made = new PresenceWorld()
  if (rules === undefined) return made
  const body = `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:p="urn:oma:xml:prs:pub-rules">${rules}</ruleset>`
  made.act(turn => {
    const address = { auid: 'org.openmobilealliance.pub-rules', xui: alice, path: 'pub-rules' }
    putDocument(turn.db, address, { etag: 'e', body: Buffer.from(body), modifiedAt: turn.now })
    return []
  })
  return made
}

function rule(who: string, handling: string, transformations = ''): string {
  return (
    `<rule id="r"><conditions><identity><one id="${who}"/></identity></conditions>` +
    `<actions><p:pub-handling>${handling}</p:pub-handling></actions><transformations>${transformations}</transformations></rule>`
  )
}

function publishFrom(at: PresenceWorld, from: string): number {
  return at.request('PUBLISH', alice, {
    from,
    headers: [
      ['Event', 'presence'],
      ['Content-Type', 'application/pidf+xml'],
    ],
    body: published,
  }).status
}

/** The names of what Alice herself sees then. */
function composed(at: PresenceWorld): string[] {
  at.subscribe({ from: alice })
  return [
    ...text(at.sent.at(-1)!.request.body).matchAll(/<(?:\w+:)?(tuple|person|note|activities|mood|relationship)\b/g),
  ].map(([, name]) => name!)
}

describe('publication rules', () => {
  test('without them, and where none is about the publisher, only the presentity publishes', () => {
    assert.equal(publishFrom(world(), bob), 403)
    assert.equal(publishFrom(world(rule(carol, 'allow')), bob), 403)
    assert.equal(publishFrom(world(rule(bob, 'block')), bob), 403)
    assert.equal(publishFrom(world(rule(bob, 'block')), alice), 200)
  })
  test('of what another publishes only what is allowed counts', () => {
    const cases: readonly (readonly [transformations: string, left: string[]])[] = [
      ['', []],
      ['<p:allow-services>true</p:allow-services>', ['tuple']],
      ['<p:allow-services>false</p:allow-services>', []],
      [
        '<p:allow-services>1</p:allow-services><p:allow-persons>true</p:allow-persons><p:allow-mood>true</p:allow-mood>',
        ['tuple', 'person', 'mood'],
      ],
      ['<p:allow-persons>true</p:allow-persons><p:allow-all-attributes/>', ['person', 'activities', 'mood']],
      ['<p:allow-services>true</p:allow-services><p:allow-note>true</p:allow-note>', ['tuple', 'note']],
      [
        '<p:allow-services>true</p:allow-services><p:allow-unknown-attribute name="relationship" ns="urn:ietf:params:xml:ns:pidf:rpid">true</p:allow-unknown-attribute>',
        ['tuple'],
      ],
    ]
    for (const [transformations, left] of cases) {
      const at = world(rule(bob, 'allow', transformations))
      assert.equal(publishFrom(at, bob), 200)
      assert.deepEqual(composed(at), left, transformations)
    }
  })
  test('the presentity publishes everything, whatever the rules say', () => {
    const at = world(rule(alice, 'allow'))
    assert.equal(publishFrom(at, alice), 200)
    assert.deepEqual(composed(at), ['tuple', 'relationship', 'note', 'person', 'activities', 'mood'])
  })
  test('what cannot be read is refused as from anybody', () => {
    const at = world(rule(bob, 'allow', '<p:allow-services>true</p:allow-services>'))
    const { status } = at.request('PUBLISH', alice, {
      from: bob,
      headers: [
        ['Event', 'presence'],
        ['Content-Type', 'application/pidf+xml'],
      ],
      body: '<presence',
    })
    assert.equal(status, 400)
  })
})
