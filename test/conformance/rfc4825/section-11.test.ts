/** RFC 4825 §11: every conflict report, with what helps its reader to find the fault. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseXml } from '../../../src/documents/xml/parse.ts'
import { attributeValue, childElements, textContent } from '../../../src/documents/xml/tree.ts'
import { type Answer, DocumentBox } from '../../unit/entities/xdms/box.ts'

const error = 'urn:ietf:params:xml:ns:xcap-error'
const at = '/resource-lists/users/sip:bill@example.com/index'
const type = 'application/resource-lists+xml'
const lists = (inner: string) =>
  `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">${inner}</resource-lists>`

const before = lists('<list name="a"><entry uri="sip:a@b"/><entry uri="sip:c@d"/></list>')
const list = `${at}/~~/resource-lists/list`

const cases: ReadonlyArray<readonly [condition: string, ask: (box: DocumentBox) => Answer, phrase: RegExp]> = [
  ['not-well-formed', box => box.put(at, '<resource-lists>', type), /line 1/],
  ['not-xml-frag', box => box.putNode(`${list}/entry%5b1%5d`, '<entry uri="sip:a@b"/><entry/>'), /./],
  ['no-parent', box => box.putNode(`${at}/~~/resource-lists/list%5b9%5d/entry`, '<entry uri="sip:e@f"/>'), /./],
  ['schema-validation-error', box => box.put(at, lists('<list><entry/></list>'), type), /uri/],
  ['not-xml-att-value', box => box.putNode(`${list}/@name`, 'a'), /quotes/],
  ['cannot-insert', box => box.putNode(`${list}/entry%5b@uri=%22sip:x@y%22%5d`, '<entry uri="sip:z@y"/>'), /./],
  ['cannot-delete', box => box.delete(`${list}/entry%5b1%5d`), /./],
  ['uniqueness-failure', box => box.put(at, lists('<list name="a"/><list name="a"/>'), type), /name/],
  ['constraint-failure', box => box.put(at, lists('<list><external anchor="a"/></list>'), type), /anchor|HTTP/],
  ['extension', box => box.put(at, lists('<list>'.repeat(40) + '</list>'.repeat(40)), type), /^$/],
  ['not-utf-8', box => box.put(at, Buffer.from(lists('<list name="\xe9"/>'), 'latin1'), type), /./],
]

for (const [condition, ask, phrase] of cases) {
  test(`§11.1: ${condition}`, () => {
    const box = new DocumentBox()
    const { etag } = box.put(at, before, type)
    const answer = ask(box)
    assert.equal(answer.status, 409)
    assert.equal(answer.type, 'application/xcap-error+xml')
    const root = parseXml(answer.bytes)
    assert.deepEqual([root.namespace, root.name], [error, 'xcap-error'])
    assert.equal(childElements(root).length, 1)
    assert.equal(answer.conflict.name, condition)
    assert.match(attributeValue(answer.conflict, 'phrase') ?? '', phrase)
    assert.equal(box.get(at).etag, etag, 'nothing has changed')
  })
}

test('§11.1: no-parent names an ancestor that exists, and where the parent is the document, the home directory', () => {
  const box = new DocumentBox()
  box.put(at, before, type)
  const ancestorOf = (answer: Answer) => textContent(childElements(answer.conflict, error, 'ancestor')[0]!)
  const missing = box.putNode(`${list}/list%5b@name=%22b%22%5d/entry`, '<entry uri="sip:e@f"/>')
  assert.equal(box.get(ancestorOf(missing)).status, 200)
  assert.match(ancestorOf(missing), /\/resource-lists\/list$/)
  const none = box.putNode(`${at.replace('index', 'other')}/~~/resource-lists/list`, '<list/>')
  assert.equal(ancestorOf(none), '/resource-lists/users/sip:bill@example.com/')
})

test('XDM-21: a limit of this server is the extension of the OMA, with a phrase', () => {
  const box = new DocumentBox()
  const { conflict } = box.put(at, lists('<list>'.repeat(40) + '</list>'.repeat(40)), type)
  const [limit] = childElements(conflict)
  assert.deepEqual([limit!.namespace, limit!.name], ['urn:oma:xml:xdm:xcap-error', 'local-constraint-failure'])
  assert.match(attributeValue(limit!, 'phrase')!, /deep|depth|level/i)
})
