/** RFC 4826: its example documents, and what resource-lists and rls-services demand beyond their schemas. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseXml } from '../../../src/documents/xml/parse.ts'
import { attributeValue, childElement, childElements, textContent } from '../../../src/documents/xml/tree.ts'
import { importUsers } from '../../../src/entities/sip-ip-core/accounts.ts'
import { DocumentBox } from '../../unit/entities/xdms/box.ts'

const lists = '/resource-lists/users/sip:bill@example.com/index'
const listsType = 'application/resource-lists+xml'
const services = '/rls-services/users/sip:bill@example.com/index'
const servicesType = 'application/rls-services+xml'
const rls = 'urn:ietf:params:xml:ns:rls-services'

const listOf = (inner: string) =>
  `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>${inner}</list></resource-lists>`

/** The figure of §3.3, its values unfolded. */
const exampleLists = `<?xml version="1.0" encoding="UTF-8"?>
<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <list name="friends">
  <entry uri="sip:bill@example.com">
   <display-name>Bill Doe</display-name>
  </entry>
  <entry-ref ref="resource-lists/users/sip:bill@example.com/index/~~/resource-lists/list%5b@name=%22list1%22%5d/entry%5b@uri=%22sip:petri@example.com%22%5d"/>
  <list name="close-friends">
   <display-name>Close Friends</display-name>
   <entry uri="sip:joe@example.com">
    <display-name>Joe Smith</display-name>
   </entry>
   <entry uri="sip:nancy@example.com">
    <display-name>Nancy Gross</display-name>
   </entry>
   <external anchor="http://xcap.example.org/resource-lists/users/sip:a@example.org/index/~~/resource-lists/list%5b@name=%22mkting%22%5d">
     <display-name>Marketing</display-name>
    </external>
  </list>
 </list>
</resource-lists>
`

/** The figure of §4.3; the lists are Bill's here, whose document it is. */
const exampleServices = `<?xml version="1.0" encoding="UTF-8"?>
<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"
   xmlns:rl="urn:ietf:params:xml:ns:resource-lists"
   xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <service uri="sip:mybuddies@example.com">
  <resource-list>http://xcap.example.com/resource-lists/users/sip:bill@example.com/index/~~/resource-lists/list%5b@name=%22l1%22%5d</resource-list>
  <packages>
   <package>presence</package>
  </packages>
 </service>
 <service uri="sip:marketing@example.com">
   <list name="marketing">
     <rl:entry uri="sip:joe@example.com"/>
     <rl:entry uri="sip:sudhir@example.com"/>
   </list>
   <packages>
     <package>presence</package>
   </packages>
 </service>
</rls-services>
`

test('§3.3, §4.3: the examples are stored and given back to the octet', () => {
  const box = new DocumentBox()
  assert.equal(box.put(lists, exampleLists, listsType).status, 201)
  assert.equal(box.get(lists).body, exampleLists)
  assert.equal(box.put(services, exampleServices, servicesType).status, 201)
  assert.equal(box.get(services).body, exampleServices)
})

test('§3.4.5: name, uri, ref and anchor are unique within one parent, by case-sensitive comparison', () => {
  const box = new DocumentBox()
  const twice = (member: string) => listOf(member + member)
  for (const member of [
    '<list name="a"/>',
    '<entry uri="sip:a@b"/>',
    '<entry-ref ref="a/b"/>',
    '<external anchor="http://a/b"/>',
  ])
    assert.equal(box.put(lists, twice(member), listsType).conflict.name, 'uniqueness-failure', member)
  const apart = listOf(
    '<list name="a"><entry uri="sip:a@b"/></list><list name="A"><entry uri="sip:a@b"/></list><list/><list/>',
  )
  assert.equal(box.put(lists, apart, listsType).status, 201)
  assert.equal(box.put(lists, listOf('<entry uri="sip:a@b"/><entry uri="sip:A@b"/>'), listsType).status, 200)
})

test('§3.4.5: ref is a relative path, anchor an absolute HTTP URI', () => {
  const box = new DocumentBox()
  for (const ref of ['/a/b', 'http://a/b', '//a/b', '', '?a', 'sip:a@b'])
    assert.equal(
      box.put(lists, listOf(`<entry-ref ref="${ref}"/>`), listsType).conflict.name,
      'constraint-failure',
      ref,
    )
  for (const anchor of ['a/b', '/a/b', 'sip:a@b', 'http:', ''])
    assert.equal(
      box.put(lists, listOf(`<external anchor="${anchor}"/>`), listsType).conflict.name,
      'constraint-failure',
      anchor,
    )
  // §3.4.5: whether they lead anywhere is not looked at.
  assert.equal(box.put(lists, listOf('<entry-ref ref="x"/><external anchor="https://x/y"/>'), listsType).status, 201)
})

const service = (uri: string, content = '<list/>') => `<service uri="${uri}">${content}</service>`
const document = (...content: string[]) => `<rls-services xmlns="${rls}">${content.join('')}</rls-services>`

test('§4.4.5: a service URI is unique on the server, and no address of somebody; free ones are suggested', () => {
  const box = new DocumentBox()
  const joes = '/rls-services/users/sip:joe@example.com/index'
  assert.equal(box.put(services, document(service('sip:friends@example.com')), servicesType).status, 201)
  const taken = ['sip:friends@example.com', 'sip:%66riends@EXAMPLE.com', 'sip:bill@example.com']
  for (const uri of taken) {
    const { conflict } = box.put(joes, document(service('sip:x@example.com'), service(uri)), servicesType, {
      user: 'joe',
    })
    assert.equal(conflict.name, 'uniqueness-failure', uri)
    const [exists] = childElements(conflict)
    assert.equal(attributeValue(exists!, 'field'), 'rls-services/service%5B2%5D/@uri')
    const [suggested] = childElements(exists!).map(textContent)
    assert.equal(box.put(joes, document(service(suggested!)), servicesType, { user: 'joe' }).status < 300, true)
  }
  const same = document(service('sip:a@example.com'), service('sip:a@example.com'))
  assert.equal(box.put(joes, same, servicesType, { user: 'joe' }).conflict.name, 'uniqueness-failure')
  // Given up by one, it is free for another; and one's own stays one's own.
  assert.equal(box.put(services, document(service('sip:friends@example.com'), '\n'), servicesType).status, 200)
  assert.equal(box.delete(services).status, 200)
  const now = document(service('sip:friends@example.com'))
  assert.equal(box.put(joes, now, servicesType, { user: 'joe' }).status, 200)
})

test('§4.4.5: a service URI is one of this domain, and none that the server has itself', () => {
  const box = new DocumentBox()
  for (const uri of [
    'sip:dora@other.example',
    'sip:example.com',
    'tel:+15551234',
    'http://example.com/',
    'friends',
    '',
  ]) {
    const answer = box.put(services, document(service(uri)), servicesType)
    assert.equal(answer.conflict.name, 'constraint-failure', uri)
  }
  assert.equal(
    box.put(services, document(service('sip:rls@example.com')), servicesType).conflict.name,
    'uniqueness-failure',
  )
  assert.equal(box.put(services, document(service('sips:friends@EXAMPLE.com')), servicesType).status, 201)
})

test('one user does not take all the names there are', () => {
  const box = new DocumentBox()
  const many = (count: number) =>
    document(...Array.from({ length: count }, (_, at) => service(`sip:name${at}@example.com`)))
  assert.equal(box.put(services, many(101), servicesType).conflict.name, 'constraint-failure')
  assert.equal(box.put(services, many(100), servicesType).status, 201)
})

test('§4.4.5: no user is added under the address of a list', () => {
  const box = new DocumentBox()
  assert.equal(box.put(services, document(service('sip:friends@example.com')), servicesType).status, 201)
  assert.throws(
    () => box.addUser('friends'),
    /sip:friends@example.com is the address of a list of sip:bill@example.com/,
  )
  const domain = { domain: 'example.com', realm: 'example.com' }
  const csv = 'ann,secret\nfriends,secret\n'
  assert.throws(() => box.act(({ db }) => importUsers(db, csv, domain, 0)), /line 2: .*address of a list/)
  assert.equal(box.delete(services).status, 200)
  box.addUser('friends')
})

test('§4.4.5, XDM-41: resource-list is an absolute URI below resource-lists/users of the same user, of any root', () => {
  const box = new DocumentBox()
  const put = (uri: string) =>
    box.put(services, document(service('sip:f@example.com', `<resource-list>${uri}</resource-list>`)), servicesType)
  const path = 'users/sip:bill@example.com/index/~~/resource-lists/list'
  for (const uri of [
    `/resource-lists/${path}`,
    `http://x/other/${path}`,
    `http://x/resource-lists/${path.replace('bill', 'joe')}`,
    `http://x/resource-lists/global/index`,
  ])
    assert.equal(put(uri).conflict.name, 'constraint-failure', uri)
  for (const root of ['http://x', 'https://xcap.example.org:8443/services'])
    assert.equal(put(`${root}/resource-lists/${path}`).status < 300, true)
  assert.equal(put('http://x/resource-lists/users/sip%3Abill%40example.com/index/~~/resource-lists/list').status, 200)
})

test('§4.4.5: the lists within services obey the rules of lists', () => {
  const box = new DocumentBox()
  const rl = 'xmlns="urn:ietf:params:xml:ns:resource-lists"'
  const inner = `<list><entry ${rl} uri="sip:a@b"/><entry ${rl} uri="sip:a@b"/></list>`
  const { conflict } = box.put(services, document(service('sip:f@example.com', inner)), servicesType)
  const field = attributeValue(childElements(conflict)[0]!, 'field')!
  assert.equal(
    decodeURI(field),
    'rls-services/service/list/n1:entry[2]/@uri?xmlns(n1=urn:ietf:params:xml:ns:resource-lists)',
  )
})

test('§4.4.8, §4.4.9: the global index is the union of all index documents as they are now, for trusted readers only', () => {
  const box = new DocumentBox({ 'xcap.operators': 'joe' })
  box.put(services, exampleServices, servicesType)
  box.put(`${services}-other`, document(service('sip:hidden@example.com')), servicesType)
  const joes = '/rls-services/users/sip:joe@example.com/index'
  box.put(joes, document(service('sip:joes@example.com')), servicesType, { user: 'joe' })
  const index = '/rls-services/global/index'
  assert.equal(box.get(index).status, 403)
  const uris = () =>
    childElements(parseXml(box.get(index, { user: 'joe' }).bytes), rls, 'service').map(each =>
      attributeValue(each, 'uri'),
    )
  assert.deepEqual(uris().sort(), ['sip:joes@example.com', 'sip:marketing@example.com', 'sip:mybuddies@example.com'])
  const root = parseXml(box.get(index, { user: 'joe' }).bytes)
  const entry = childElement(childElements(root)[0]!, rls, 'list') ?? childElement(childElements(root)[1]!, rls, 'list')
  assert.ok(entry)
  const { etag } = box.get(index, { user: 'joe' })
  box.delete(services)
  assert.deepEqual(uris(), ['sip:joes@example.com'])
  assert.notEqual(box.get(index, { user: 'joe' }).etag, etag)
  const one = `${index}/~~/rls-services/service%5b@uri=%22sip:joes@example.com%22%5d/@uri`
  assert.equal(box.get(one, { user: 'joe' }).body, '"sip:joes@example.com"')
})
