/** RFC 4825 §8 and §11: what the server answers, in which order, and what its conflict reports say. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attributeValue, childElement, childElements, textContent } from '../../../src/documents/xml/tree.ts'
import { limits } from '../../../src/limits.ts'
import { DocumentBox } from '../../unit/entities/xdms/box.ts'

const at = '/resource-lists/users/sip:bill@example.com/index'
const type = 'application/resource-lists+xml'
const ns = 'urn:ietf:params:xml:ns:resource-lists'
const error = 'urn:ietf:params:xml:ns:xcap-error'
const lists = (inner = '') => `<resource-lists xmlns="${ns}">${inner}</resource-lists>`

test('§8: an application usage or user that is not known is 404, and nobody is told so before he has said who he is', () => {
  const box = new DocumentBox()
  assert.equal(box.get('/unknown/users/sip:bill@example.com/index').status, 404)
  assert.equal(box.get('/resource-lists/users/sip:nobody@example.com/index').status, 404)
  assert.equal(box.get('/resource-lists/users/sip:nobody@example.com/index', { user: undefined }).status, 401)
})

test('§8.1: POST is 405; §8.2, §8.4: so are PUT and DELETE of namespace bindings, with Allow: GET', () => {
  const box = new DocumentBox()
  box.put(at, lists(), type)
  assert.equal(box.ask('POST', at).status, 405)
  const bindings = `${at}/~~/resource-lists/namespace::*`
  for (const method of ['PUT', 'DELETE']) {
    const answer = box.ask(method, bindings)
    assert.equal(answer.status, 405)
    assert.equal(answer.headers.Allow, 'GET')
  }
  assert.equal(box.get(bindings).type, 'application/xcap-ns+xml')
  assert.equal(box.get(bindings).body, `<resource-lists xmlns="${ns}"/>`)
})

test('§8.2.2: another type is 415, before the body is looked at', () => {
  const box = new DocumentBox()
  const wrong = box.put(at, '<', 'application/xml')
  assert.deepEqual([wrong.status, wrong.headers.Accept], [415, type])
  assert.equal(box.put(at, lists('<list name="a"/>'), `${type}; charset=UTF-8`).status, 201)
  assert.equal(box.put(`${at}/~~/resource-lists/list`, '<', type).headers.Accept, 'application/xcap-el+xml')
  assert.equal(box.put(`${at}/~~/resource-lists/list/@name`, '<', type).headers.Accept, 'application/xcap-att+xml')
})

test('§8.2, RFC 9110 §14.5: a part of a document is not taken for the whole', () => {
  const box = new DocumentBox()
  const part = { headers: { 'content-range': 'bytes 0-9/99' } }
  assert.equal(box.put(at, lists(), type, part).status, 400)
  assert.equal(box.get(at).status, 404)
})

test('§8.2.2, §11: not-well-formed says where, not-utf-8 what', () => {
  const box = new DocumentBox()
  const broken = box.put(at, `${lists().slice(0, -3)}`, type)
  assert.deepEqual([broken.status, broken.type], [409, 'application/xcap-error+xml'])
  assert.equal(broken.conflict.name, 'not-well-formed')
  assert.match(attributeValue(broken.conflict, 'phrase')!, /^line 1, column \d+: /)
  const latin = Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe9</a>', 'latin1')
  for (const body of [latin, Buffer.from(`\ufeff${lists()}`, 'utf16le')])
    assert.equal(box.put(at, body, type).conflict.name, 'not-utf-8')
})

test('§8.2.1, §11: no-parent names the closest ancestor that exists', () => {
  const box = new DocumentBox()
  const ancestorOf = (target: string) => {
    const { status, conflict } = box.putNode(target, '<entry uri="sip:a@b"/>')
    assert.equal(status, 409)
    assert.equal(conflict.name, 'no-parent')
    return textContent(childElement(conflict, error, 'ancestor')!)
  }
  const home = '/resource-lists/users/sip:bill@example.com/'
  assert.equal(ancestorOf(`${at}/~~/resource-lists/list/entry`), home)
  box.put(at, lists('<list name="a"/>'), type)
  const list = `${at}/~~/resource-lists/list%5b@name=%22a%22%5d`
  assert.equal(ancestorOf(`${list}/list%5b@name=%22b/c%22%5d/entry`), list)
  assert.equal(ancestorOf(`${at}/~~/other/entry`), at)
  const missing = box.put(`${home}folder/index`, lists(), type)
  assert.equal(missing.conflict.name, 'no-parent')
})

test('§8.2.5, §11: schema-validation-error names the element and what was expected', () => {
  const box = new DocumentBox()
  const put = box.put(at, lists('<list><entry/></list>'), type)
  assert.equal(put.conflict.name, 'schema-validation-error')
  assert.match(attributeValue(put.conflict, 'phrase')!, /entry.*uri/)
  // What an unknown namespace brings where the schema lets it is kept.
  assert.equal(box.put(at, lists('<list><x:y xmlns:x="u:x"/></list>'), type).status, 201)
  // Taking away what must be there is refused as well (§8.4).
  box.put(at, lists('<list><entry uri="sip:a@b"/></list>'), type)
  assert.equal(box.delete(`${at}/~~/resource-lists/list/entry/@uri`).conflict.name, 'schema-validation-error')
})

test('§8.2.5, §11: uniqueness-failure names the field by a selector that selects it, with values that are free', () => {
  const box = new DocumentBox()
  const document = lists(
    '<list name="a"/><list name="a-2"/><list name="b"><entry uri="sip:x@y"/></list><list name="a"/>',
  )
  const { conflict } = box.put(at, document, type)
  assert.equal(conflict.name, 'uniqueness-failure')
  const [exists] = childElements(conflict, error, 'exists')
  const field = attributeValue(exists!, 'field')!
  assert.equal(field, 'resource-lists/list%5B4%5D/@name')
  assert.ok(childElements(exists!).every(value => !['a', 'a-2'].includes(textContent(value))))
  box.put(at, document.replace('<list name="a"/></res', '<list name="c"/></res'), type)
  assert.equal(box.get(`${at}/~~/${field}`).body, '"c"')
})

test('§8.2.3: cannot-insert for the examples of §7.4 and §7.7, and nothing has changed', () => {
  const box = new DocumentBox()
  const services = '/rls-services/users/sip:bill@example.com/index'
  const service = (uri: string) =>
    `<service uri="${uri}"><list/><packages><package>presence</package></packages></service>`
  const root = 'xmlns="urn:ietf:params:xml:ns:rls-services"'
  const good = `<rls-services ${root}>${service('sip:good-friends@example.com')}</rls-services>`
  assert.equal(box.put(services, good, 'application/rls-services+xml').status, 201)
  const node = `${services}/~~/rls-services/service%5b@uri=%22sip:good-friends@example.com%22%5d`
  assert.equal(box.putNode(node, service('sip:mybuddies@example.com')).conflict.name, 'cannot-insert')
  assert.equal(box.putNode(`${node}/@uri`, '"sip:bad-friends@example.com"').conflict.name, 'cannot-insert')
  assert.equal(box.get(services).body, good)
})

test('§8.5, XDM-18: one entity-tag for a document and all that is in it; any change gives a new one', () => {
  const box = new DocumentBox()
  const first = box.put(at, lists('<list name="a"/>'), type)
  const list = `${at}/~~/resource-lists/list`
  for (const target of [at, list, `${list}/@name`, `${list}/namespace::*`])
    assert.equal(box.get(target).etag, first.etag)
  const tags = new Set([first.etag])
  for (const change of [
    () => box.putNode(`${list}/entry`, '<entry uri="sip:a@b"/>'),
    () => box.putNode(`${list}/@name`, '"c"'),
    () => box.delete(`${list}/entry`),
    () => box.put(at, lists(), type),
  ]) {
    const answer = change()
    assert.ok(!tags.has(answer.etag))
    tags.add(answer.etag)
    assert.equal(box.get(at).etag, answer.etag)
  }
  assert.equal(box.delete(at).headers.ETag, undefined)
  assert.equal(box.get(at).status, 404)
})

test('§8.2.7: created is 201, replaced 200, both without content', () => {
  const box = new DocumentBox()
  const list = `${at}/~~/resource-lists/list`
  const answers = [
    box.put(at, lists(), type),
    box.put(at, lists(' '), type),
    box.putNode(list, '<list/>'),
    box.putNode(list, '<list> </list>'),
    box.putNode(`${list}/@name`, '"a"'),
    box.putNode(`${list}/@name`, '"b"'),
  ]
  assert.deepEqual(
    answers.map(({ status, body }) => [status, body]),
    [201, 200, 201, 200, 201, 200].map(status => [status, '']),
  )
})

test('a PUT of what is there already changes nothing: the same entity-tag, and nobody is told', () => {
  const box = new DocumentBox()
  const { etag } = box.put(at, lists('<list name="a"/>'), type)
  const changes = box.changes.length
  assert.equal(box.put(at, lists('<list name="a"/>'), type).etag, etag)
  assert.equal(box.putNode(`${at}/~~/resource-lists/list`, '<list name="a"/>').etag, etag)
  assert.equal(box.changes.length, changes)
})

test('§7.11, §8.2.6, XDM-19: conditional requests', () => {
  const box = new DocumentBox()
  const put = (headers: Record<string, string>) => box.put(at, lists(), type, { headers })
  assert.equal(put({ 'if-match': '*' }).status, 412)
  assert.equal(put({ 'if-match': '"x"' }).status, 412)
  const { status, etag } = put({ 'if-none-match': '*' })
  assert.equal(status, 201)
  assert.equal(put({ 'if-none-match': '*' }).status, 412)
  assert.equal(put({ 'if-match': `"x", ${etag}` }).status, 200)
  assert.equal(put({ 'if-match': `W/${etag}` }).status, 412)
  assert.equal(put({ 'if-match': etag.slice(1, -1) }).status, 200)
  for (const condition of [etag, '*', `W/${etag}`, `"a,b" ,${etag}`]) {
    const unchanged = box.get(at, { headers: { 'if-none-match': condition } })
    assert.deepEqual([unchanged.status, unchanged.etag, unchanged.body], [304, etag, ''])
  }
  assert.equal(box.get(at, { headers: { 'if-none-match': '"x"' } }).status, 200)
  assert.equal(box.get(`${at}/~~/resource-lists/list`, { headers: { 'if-none-match': etag } }).status, 404)
  // §8.2.6: an insertion of a node cannot be conditional on there being none.
  const list = `${at}/~~/resource-lists/list`
  assert.equal(box.putNode(list, '<list/>', { headers: { 'if-none-match': '*' } }).status, 412)
  assert.equal(box.delete(at, { headers: { 'if-match': '"x"' } }).status, 412)
  assert.equal(box.delete(at, { headers: { 'if-match': etag } }).status, 200)
})

test('§9: answers are not to be cached without asking', () => {
  const box = new DocumentBox()
  box.put(at, lists(), type)
  assert.equal(box.get(at).headers['Cache-Control'], 'no-cache')
})

test('XDM-21, XDM-29: limits of this server are answered with local-constraint-failure, or 413', () => {
  const box = new DocumentBox()
  const bomb = `<!DOCTYPE a [<!ENTITY x "${'x'.repeat(100)}">]>${lists('&x;')}`
  const deep = lists(`${'<list>'.repeat(40)}${'</list>'.repeat(40)}`)
  for (const body of [bomb, deep]) {
    const { status, conflict } = box.put(at, body, type)
    assert.equal(status, 409)
    assert.equal(conflict.name, 'extension')
    const [failure] = childElements(conflict, 'urn:oma:xml:xdm:xcap-error', 'local-constraint-failure')
    assert.ok(attributeValue(failure!, 'phrase'))
  }
  assert.equal(box.put(at, lists('x'.repeat(limits.xcapDocument.bytes)), type).status, 413)
  for (let n = 0; n < limits.documentsPerUsage; n++) assert.equal(box.put(`${at}${n}`, lists(), type).status, 201)
  assert.equal(box.put(at, lists(), type).conflict.name, 'extension')
})

test('XDM-28: a change that is refused has told nobody and left nothing', () => {
  const box = new DocumentBox()
  box.put(at, lists('<list name="a"/>'), type)
  assert.equal(box.putNode(`${at}/~~/resource-lists/list/entry`, '<entry/>').status, 409)
  assert.equal(box.get(at).body, lists('<list name="a"/>'))
  const { etag } = box.get(at)
  assert.deepEqual(box.changes, [
    {
      address: { auid: 'resource-lists', xui: 'sip:bill@example.com', path: 'index' },
      previousEtag: undefined,
      etag: etag.slice(1, -1),
    },
  ])
})
