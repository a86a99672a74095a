/** RFC 4825 §5.7 and §12: who may do what, and what the server says it can do. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseXml } from '../../../src/documents/xml/parse.ts'
import { childElement, childElements, textContent } from '../../../src/documents/xml/tree.ts'
import { DocumentBox } from '../../unit/entities/xdms/box.ts'

const caps = '/xcap-caps/global/index'
const ns = 'urn:ietf:params:xml:ns:xcap-caps'

test('§12: everybody reads the capabilities; they name their own AUID and namespace, and nobody writes them', () => {
  const box = new DocumentBox()
  const answer = box.get(caps)
  assert.deepEqual([answer.status, answer.type], [200, 'application/xcap-caps+xml'])
  const root = parseXml(answer.bytes)
  const values = (name: string) => childElements(childElement(root, ns, name)!).map(textContent)
  assert.deepEqual(values('extensions'), [])
  assert.ok(values('namespaces').includes(ns))
  for (const auid of ['xcap-caps', 'resource-lists', 'rls-services', 'pres-rules', 'pidf-manipulation'])
    assert.ok(values('auids').includes(auid))
  assert.equal(box.get(caps, { headers: { 'if-none-match': answer.etag } }).status, 304)
  assert.equal(box.get(`${caps}/~~/xcap-caps/auids/auid%5b1%5d`).body, '<auid>xcap-caps</auid>')
  assert.equal(box.put(caps, answer.body, 'application/xcap-caps+xml').status, 403)
  assert.equal(box.get('/xcap-caps/users/sip:bill@example.com/index').status, 404)
})

test('§5.7: a user has his own documents and no others; operators have all', () => {
  const box = new DocumentBox({ 'xcap.operators': 'sip:joe@example.com' })
  const bills = '/resource-lists/users/sip:bill@example.com/index'
  const document = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>'
  const type = 'application/resource-lists+xml'
  assert.equal(box.put(bills, document, type).status, 201)
  for (const method of ['GET', 'PUT', 'DELETE'])
    assert.equal(box.ask(method, bills, { user: '+15551234', body: document, type }).status, 403)
  assert.equal(box.get(bills, { user: 'joe' }).status, 200)
  assert.equal(box.delete(bills, { user: 'joe' }).status, 200)
})

test('§5.7: the global tree is read by everybody and written by operators', () => {
  const box = new DocumentBox({ 'xcap.operators': 'joe' })
  const global = '/org.openmobilealliance.groups/global/all'
  const group = `<group xmlns="urn:oma:xml:poc:list-service"><list-service uri="sip:all@example.com"/></group>`
  const type = 'application/vnd.oma.poc.groups+xml'
  assert.equal(box.put(global, group, type).status, 403)
  assert.equal(box.put(global, group, type, { user: 'joe' }).status, 201)
  assert.equal(box.get(global).status, 200)
})
