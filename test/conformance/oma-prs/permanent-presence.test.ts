/**
 * OMA Presence SIMPLE 2.0, setting of permanent presence state (PS-112): `perm-handling` of publication rules says who besides
 * the presentity may write his hard state, their transformations what of it.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { WholeBox } from '../whole-box.ts'

const hard = '/xcap-root/pidf-manipulation/users/sip:alice@box.example/index'
const rules = '/xcap-root/org.openmobilealliance.pub-rules/users/sip:alice@box.example/pub-rules'
const pidf = 'application/pidf+xml'
const query =
  '?xmlns(d=urn:ietf:params:xml:ns:pidf:data-model)xmlns(r=urn:ietf:params:xml:ns:pidf:rpid)xmlns(p=urn:ietf:params:xml:ns:pidf)'

const written = document(
  '<tuple id="t"><status><basic>open</basic></status><note>office</note></tuple>',
  '<dm:person id="p"><r:activities><r:busy/></r:activities><r:mood><r:happy/></r:mood></dm:person>',
)

function document(...parts: readonly string[]): string {
  return (
    '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" ' +
    `xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:alice@box.example">${parts.join('')}</presence>`
  )
}

interface Rule {
  readonly who?: string
  readonly permanent?: string
  readonly publication?: string
  readonly allows?: string
}

async function boxWith(...given: readonly Rule[]): Promise<WholeBox> {
  const box = new WholeBox()
  const texts = given.map(
    ({ who = 'sip:bob@box.example', permanent, publication, allows = '' }, index) =>
      `<rule id="r${index}"><conditions><identity><one id="${who}"/></identity></conditions><actions>` +
      (publication === undefined ? '' : `<q:pub-handling>${publication}</q:pub-handling>`) +
      (permanent === undefined ? '' : `<q:perm-handling>${permanent}</q:perm-handling>`) +
      `</actions><transformations>${allows}</transformations></rule>`,
  )
  const body = `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:q="urn:oma:xml:prs:pub-rules">${texts.join('')}</ruleset>`
  assert.equal((await box.http('PUT', rules, { body, type: 'application/auth-policy+xml' })).status, 201)
  assert.equal((await box.http('PUT', hard, { body: written, type: pidf })).status, 201)
  return box
}

const moodOnly = '<q:allow-persons>true</q:allow-persons><q:allow-mood>true</q:allow-mood>'
const everything =
  '<q:allow-services>true</q:allow-services><q:allow-persons>true</q:allow-persons><q:allow-devices>true</q:allow-devices><q:allow-all-attributes/>'

function putMood(box: WholeBox, mood: string, user = 'bob') {
  const target = `${hard}/~~/p:presence/d:person%5b@id=%22p%22%5d/r:mood${query}`
  const body = `<r:mood xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"><r:${mood}/></r:mood>`
  return box.http('PUT', target, { body, type: 'application/xcap-el+xml', user })
}

async function stored(box: WholeBox): Promise<string> {
  return Buffer.from((await box.http('GET', hard)).body ?? []).toString()
}

describe('who may set the permanent presence of another', () => {
  test('nobody without a rule, by a rule about somebody else, or by one that blocks', async () => {
    const cases: readonly (readonly Rule[])[] = [
      [],
      [{ who: 'sip:carol@box.example', permanent: 'allow', allows: everything }],
      [{ permanent: 'block', allows: everything }],
      [{ permanent: 'allow', allows: everything, who: 'sip:carol@box.example' }, { permanent: 'block' }],
    ]
    for (const given of cases) assert.equal((await putMood(await boxWith(...given), 'sad')).status, 403)
  })
  test('who may publish may not therefore set what stands for good, nor the other way round', async () => {
    const publisher = await boxWith({ publication: 'allow', allows: everything })
    assert.equal((await putMood(publisher, 'sad')).status, 403)
    const setter = await boxWith({ permanent: 'allow', allows: everything })
    assert.equal((await putMood(setter, 'sad')).status, 200)
    await setter.sip('PUBLISH', 'bob', ['Event: presence', `Content-Type: ${pidf}`], document())
    assert.match(setter.sent.at(-1)!, /^SIP\/2\.0 403 /)
  })
  test('whom a rule lets; watchers are told', async () => {
    const box = await boxWith({ permanent: 'allow', allows: `${everything}` })
    await box.sip('SUBSCRIBE', 'alice', ['Event: presence', 'Contact: <sip:alice@10.0.0.2>', 'Expires: 600'])
    const target = `${hard}/~~/p:presence/p:tuple/p:note${query}`
    const body = '<note xmlns="urn:ietf:params:xml:ns:pidf">moved</note>'
    const answer = await box.http('PUT', target, { body, type: 'application/xcap-el+xml', user: 'bob' })
    assert.equal(answer.status, 200)
    assert.match(Buffer.from(box.lastNotify.body).toString(), />moved<\/note>/)
  })
  test('it lets write, not read, and not what else the presentity has', async () => {
    const box = await boxWith({ permanent: 'allow', allows: everything })
    assert.equal((await box.http('GET', hard, { user: 'bob' })).status, 403)
    assert.equal((await box.http('DELETE', rules, { user: 'bob' })).status, 403)
  })
  test('the presentity writes everything, whatever the rules say', async () => {
    const box = await boxWith({ who: 'sip:alice@box.example', permanent: 'block' })
    assert.equal((await putMood(box, 'sad', 'alice')).status, 200)
    assert.equal((await box.http('DELETE', hard)).status, 200)
  })
})

describe('what of it', () => {
  test('an attribute that is allowed', async () => {
    const box = await boxWith({ permanent: 'allow', allows: moodOnly })
    assert.equal((await putMood(box, 'sad')).status, 200)
    assert.equal(
      await stored(box),
      written.replace(
        '<r:mood><r:happy/></r:mood>',
        '<r:mood xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"><r:sad/></r:mood>',
      ),
    )
  })
  test('a person who is new, and one who is gone, with nothing else', async () => {
    const box = await boxWith({ permanent: 'allow', allows: moodOnly })
    const person = '<dm:person id="q"><r:mood><r:calm/></r:mood></dm:person></presence>'
    const with2 = written.replace('</presence>', person)
    assert.equal((await box.http('PUT', hard, { body: with2, type: pidf, user: 'bob' })).status, 200)
    assert.equal((await box.http('PUT', hard, { body: written, type: pidf, user: 'bob' })).status, 200)
  })
  test('anything beyond is a conflict that names it, and nothing has changed', async () => {
    const box = await boxWith({ permanent: 'allow', allows: moodOnly })
    const cases: readonly (readonly [body: string, named: string])[] = [
      [written.replace('<r:busy/>', '<r:away/>'), 'activities of person p'],
      [
        written.replace('<r:mood>', '<r:place-type><r:other>x</r:other></r:place-type><r:mood>'),
        'place-type of person p',
      ],
      [written.replace(/<tuple.*<\/tuple>/, ''), 'tuple t'],
      [written.replace('>open<', '>closed<'), 'tuple t'],
      [written.replace(/<dm:person.*<\/dm:person>/, ''), 'activities of person p'],
      [written.replace('sip:alice@box.example', 'sip:bob@box.example'), 'entity'],
      [written.replace('<dm:person', '<note>hello</note><dm:person'), 'note'],
    ]
    for (const [body, named] of cases) {
      const answer = await box.http('PUT', hard, { body, type: pidf, user: 'bob' })
      assert.equal(answer.status, 409, named)
      const report = Buffer.from(answer.body!).toString()
      assert.match(report, /local-constraint-failure/)
      assert.ok(report.includes(`change this: ${named}"`), report)
      assert.equal(await stored(box), written)
    }
  })
  test('a whole document is deleted only by who may write all of it', async () => {
    const little = await boxWith({ permanent: 'allow', allows: moodOnly })
    assert.equal((await little.http('DELETE', hard, { user: 'bob' })).status, 409)
    const all = await boxWith({ permanent: 'allow', allows: everything })
    assert.equal((await all.http('DELETE', hard, { user: 'bob' })).status, 200)
  })
})
