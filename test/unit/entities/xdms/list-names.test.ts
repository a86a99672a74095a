/** Names that mean something to all clients of resource lists (OMA Shared XDM 1.1 §5.1.8; XDM-42, XDM-43). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attributeValue, childElements, trimmedText } from '../../../../src/documents/xml/tree.ts'
import { type Answer, DocumentBox } from './box.ts'

const at = '/resource-lists/users/sip:bill@example.com/index'
/** As the templates of RCS write it, another root included. */
const anchors =
  'http://xcap.example.org/resource-lists/users/sip:bill@example.com/index/~~/resource-lists/list%5B@name=%22'

function list(name: string, ...inner: readonly string[]): string {
  return `<list name="${name}">${inner.join('')}</list>`
}

function to(name: string): string {
  return `<external anchor="${anchors}${name}%22%5D"/>`
}

function put(...lists: readonly string[]): Answer {
  const body = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">${lists.join('')}</resource-lists>`
  return new DocumentBox().put(at, body, 'application/resource-lists+xml')
}

test('the lists of RCS and OMA are taken as their templates have them', () => {
  const template = [
    list('oma_buddylist', to('rcs'), to('oma_pocbuddylist')),
    list('oma_grantedcontacts', to('rcs'), to('oma_buddylist')),
    list('oma_blockedcontacts', to('rcs_blockedcontacts'), to('rcs_revokedcontacts')),
    list('oma_allcontacts', to('oma_buddylist')),
    list('oma_pocbuddylist', '<entry uri="tel:+15551234"/>'),
    list('rcs', '<entry uri="sip:joe@example.com"/>'),
    list('rcs_blockedcontacts'),
    list('rcs_revokedcontacts'),
    list('ext_com.vendor_specialfunctionlist'),
    list('Friends', list('OMA_in_a_list')),
    list('omaha_friends'),
  ]
  assert.equal(put(...template).status, 201)
})

test('a reserved name that is written otherwise is refused, with one that could be used', () => {
  const cases: readonly (readonly [name: string, instead: string])[] = [
    ['OMA_BuddyList', 'oma_buddylist'],
    ['oma_buddy_list', 'omabuddy_list'],
    ['oma_', 'oma'],
    ['oma_list2', 'omalist2'],
    ['Ext_com.vendor_List', 'ext_com.vendor_list'],
    ['ext_friends', 'extfriends'],
  ]
  for (const [name, instead] of cases) {
    const answer = put(list('friends'), list(name))
    assert.equal(answer.status, 409, name)
    assert.equal(answer.conflict.name, 'extension')
    const [failure] = childElements(answer.conflict)
    assert.equal(failure!.name, 'local-constraint-failure')
    assert.match(attributeValue(failure!, 'phrase')!, /is a reserved name/)
    const [alternative] = childElements(failure!)
    assert.equal(attributeValue(alternative!, 'field'), 'resource-lists/list%5B2%5D/@name')
    assert.equal(trimmedText(alternative), instead)
    assert.equal(put(list('friends'), list(instead)).status, 201, instead)
  }
})

test('nobody is blocked and granted by one list: the two do not refer to each other, nor through others', () => {
  const cases = [
    [list('oma_blockedcontacts', to('oma_grantedcontacts')), list('oma_grantedcontacts')],
    [list('oma_blockedcontacts'), list('oma_grantedcontacts', to('oma_blockedcontacts'))],
    [
      list('oma_blockedcontacts', to('a')),
      list('a', list('b', to('oma_grantedcontacts'))),
      list('oma_grantedcontacts'),
    ],
    [
      list(
        'oma_grantedcontacts',
        '<external anchor="https://x.example/root/resource-lists/users/bill/index/~~/*/list%5b2%5d"/>',
      ),
      list('oma_blockedcontacts'),
    ],
  ]
  for (const lists of cases) {
    const answer = put(...lists)
    assert.equal(answer.status, 409, lists.join(''))
    assert.equal(answer.conflict.name, 'constraint-failure')
    assert.match(attributeValue(answer.conflict, 'phrase')!, /^line 1, column \d+: .*must not lead to each other/)
  }
})

test('lists that refer to each other in a circle, to other documents, to other users and to nothing are no harm', () => {
  const elsewhere = (path: string) =>
    `<external anchor="https://x.example/resource-lists/users/${path}/~~/resource-lists/list%5b@name=%22oma_grantedcontacts%22%5d"/>`
  const lists = [
    list(
      'oma_blockedcontacts',
      to('a'),
      elsewhere('sip:joe@example.com/index'),
      elsewhere('bill/other'),
      '<external anchor="https://x.example/resource-lists/users/%ff/index/~~/a"/>',
    ),
    list('a', to('b')),
    list('b', to('a'), to('nothing')),
    list('oma_grantedcontacts', to('c')),
    list('c'),
  ]
  assert.equal(put(...lists).status, 201)
})
