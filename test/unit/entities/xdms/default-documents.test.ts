/** What users begin with (DEC-02, XDM-46), on the proxy and the XDMSs. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { addUser, isUser } from '../../../../src/entities/sip-ip-core/accounts.ts'
import { furnishUsers, giveDefaultDocuments } from '../../../../src/entities/xdms/default-documents.ts'
import { removeDocuments } from '../../../../src/entities/xdms/removal.ts'
import { defaultSettings } from '../../../../src/settings.ts'
import { DocumentBox } from './box.ts'

const auid = '/org.openmobilealliance.pres-rules'
const rules = `${auid}/users/sip:dora@example.com/pres-rules`
const template = `${auid}/global/template`
const type = 'application/auth-policy+xml'
const dora = { user: 'dora' }

function boxWithDora(settings: ConstructorParameters<typeof DocumentBox>[0] = {}): DocumentBox {
  const box = new DocumentBox({ 'xcap.operators': 'joe', ...settings })
  add(box, 'dora')
  return box
}

function add(box: DocumentBox, name: string): void {
  box.act(turn => {
    const domain = { domain: 'example.com', realm: 'example.com' }
    giveDefaultDocuments(turn, [addUser(turn.db, { address: name, password: `of ${name}` }, domain, turn.now)], isUser)
  })
}

describe('a user who is added has presence rules (XDM-46)', () => {
  test('he reads them, whole and by element, with an entity-tag, and finds them in his directory', () => {
    const box = boxWithDora()
    const got = box.get(rules, dora)
    assert.equal(got.status, 200)
    assert.match(got.body, /<one id="sip:dora@example.com"\/>.*<many domain="example.com"\/>/s)
    assert.equal(
      box.get(rules, { ...dora, headers: { 'if-none-match': got.etag } }).status,
      304,
      'the entity-tag stays',
    )
    assert.equal(box.get(`${rules}/~~/ruleset/rule%5b4%5d/@id`, dora).body, '"wp_prs_block_anonymous"')
    const directory = box.get('/org.openmobilealliance.xcap-directory/users/dora/directory.xml', dora).body
    assert.ok(directory.includes(`${rules.slice(1)}"`), directory)
    assert.ok(directory.includes(`size="${got.bytes.length}"`), directory)
  })

  test('what he is given is valid: he can put it back, and change and delete parts of it', () => {
    const box = boxWithDora()
    const { body, etag } = box.get(rules, dora)
    assert.equal(box.put(rules, `${body}<!-- mine -->`, type, { ...dora, headers: { 'if-match': etag } }).status, 200)
    assert.notEqual(box.get(rules, dora).etag, etag)
    assert.equal(box.delete(`${rules}/~~/ruleset/rule%5b@id=%22prs_allow_domain%22%5d`, dora).status, 200)
    assert.doesNotMatch(box.get(rules, dora).body, /many/)
    assert.equal(box.delete(rules, dora).status, 200)
    assert.equal(box.get(rules, dora).status, 404)
    assert.equal(box.get(rules.replace('dora', 'bill')).status, 404, 'who was there before has none')
  })

  test('two users have other rules and other entity-tags, kept in one text', async () => {
    const box = boxWithDora()
    add(box, 'o%27hara')
    const ohara = { user: "o'hara", password: 'of o%27hara' }
    const [one, other] = [box.get(rules, dora), box.get(rules.replace('dora', 'o%27hara'), ohara)]
    assert.match(other.body, /<one id="sip:o&#39;hara@example.com"\/>/)
    assert.notEqual(one.etag, other.etag)
    await box.store.committed()
    assert.equal(box.store.counts()['xdm-templates'], 1)
  })

  test('with xcap.defaultDocuments false he has none', () => {
    assert.equal(boxWithDora({ 'xcap.defaultDocuments': false }).get(rules, dora).status, 404)
  })
})

describe("the template is the operator's", () => {
  test('operators read and write it, and it is validated like the document it becomes', () => {
    const box = boxWithDora()
    const shipped = box.get(template, { user: 'joe' })
    assert.equal(box.get(template, dora).status, 403)
    assert.match(shipped.body, /\{user\}.*\{domain\}/s)
    assert.equal(box.put(template, shipped.body, type, dora).status, 403)
    assert.equal(box.put(template, '<nonsense/>', type, { user: 'joe' }).conflict.name, 'schema-validation-error')
    assert.equal(box.put(`${auid}/global/other`, shipped.body, type, { user: 'joe' }).status, 409)
    assert.equal(box.get(`${auid}/global/other`, { user: 'joe' }).status, 404)
  })

  test('users who are added after a change get the changed one; those before keep what they have', () => {
    const box = boxWithDora()
    const before = box.get(rules, dora).body
    const handling = `${template}/~~/ruleset/rule%5b2%5d/actions/*`
    const confirm = '<pr:sub-handling xmlns:pr="urn:ietf:params:xml:ns:pres-rules">confirm</pr:sub-handling>'
    assert.equal(box.putNode(handling, confirm, { user: 'joe' }).status, 200)
    add(box, 'emil')
    const emil = box.get(rules.replace('dora', 'emil'), { user: 'emil' }).body
    assert.match(emil, /<one id="sip:emil@example.com"\/>.*<many domain="example.com"\/>.*>confirm<.*>confirm</s)
    assert.equal(box.get(rules, dora).body, before)
  })

  test('deleted, it is the shipped one again', () => {
    const box = boxWithDora()
    const shipped = box.get(template, { user: 'joe' })
    const empty = '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>'
    assert.equal(box.put(template, empty, type, { user: 'joe', headers: { 'if-match': shipped.etag } }).status, 200)
    assert.equal(box.get(template, { user: 'joe' }).body, empty)
    assert.equal(box.delete(template, { user: 'joe' }).status, 200)
    assert.equal(box.get(template, { user: 'joe' }).body, shipped.body)
  })

  test('contact lists have none until the operator puts one', () => {
    const box = boxWithDora()
    const at = '/resource-lists/users/dora/index'
    assert.equal(box.get(at, dora).status, 404)
    const lists =
      '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="oma_buddylist"><entry uri="{user}"/></list></resource-lists>'
    const put = box.put('/resource-lists/global/template', lists, 'application/resource-lists+xml', { user: 'joe' })
    assert.equal(put.status, 201)
    add(box, 'emil')
    assert.match(box.get(at.replace('dora', 'emil'), { user: 'emil' }).body, /<entry uri="sip:emil@example.com"\/>/)
  })
})

test('list services of new users: each with a URI of his own, in the index, and free again when he goes', () => {
  const box = boxWithDora()
  const services = (uri: string) =>
    `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="${uri}"><resource-list>http://xcap.example.com/resource-lists/users/{user}/index/~~/resource-lists/list</resource-list></service></rls-services>`
  const put = (uri: string) =>
    box.put('/rls-services/global/template', services(uri), 'application/rls-services+xml', { user: 'joe' }).status
  const of = (name: string) => box.get(`/rls-services/users/${name}/index`, { user: name })
  assert.equal(put('sip:{name}-friends@{domain}'), 201)
  for (const name of ['emil', 'fred']) {
    add(box, name)
    assert.match(
      of(name).body,
      new RegExp(`uri="sip:${name}-friends@example.com".*users/sip:${name}@example.com/index`),
    )
  }
  const index = box.get('/rls-services/global/index', { user: 'joe' }).body
  assert.deepEqual(index.match(/uri="[^"]+"/g)!.sort(), [
    'uri="sip:emil-friends@example.com"',
    'uri="sip:fred-friends@example.com"',
  ])
  // Two of one URI cannot be: the second user gets none, as he could not write one.
  assert.equal(put('sip:everybody@{domain}'), 200)
  for (const name of ['gina', 'hans']) add(box, name)
  assert.deepEqual([of('gina').status, of('hans').status], [200, 404])
  box.act(turn => removeDocuments(turn.db, 'sip:gina@example.com'))
  add(box, 'inge')
  assert.equal(of('inge').status, 200)
})

describe('a box whose users are older than templates', () => {
  const users = () => ['sip:bill@example.com', 'sip:joe@example.com']
  const bills = `${auid}/users/bill/pres-rules`

  test('gives them rules once, but for those who have written some', () => {
    const box = new DocumentBox()
    const own = '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>'
    assert.equal(box.put('/pres-rules/users/joe/index', own, type, { user: 'joe' }).status, 201)
    box.act(turn => furnishUsers(turn, users, isUser))
    assert.equal(box.get(bills).status, 200)
    assert.equal(box.get(bills.replace('bill', 'joe'), { user: 'joe' }).status, 404)
    assert.equal(box.delete(bills).status, 200)
    box.act(turn => furnishUsers(turn, users, isUser))
    assert.equal(box.get(bills).status, 404, 'what a user has deleted does not come back')
  })

  test('leaves them as they are when the operator has said what happens to users without rules', () => {
    const box = new DocumentBox()
    const settings = defaultSettings({ domain: 'example.com', 'presence.defaultHandling': 'confirm' })
    box.act(turn => furnishUsers({ ...turn, settings }, users, isUser))
    assert.equal(box.get(bills).status, 404)
  })
})
