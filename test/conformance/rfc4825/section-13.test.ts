/** RFC 4825 §13: the conversation of its examples, octet for octet. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DocumentBox } from '../../unit/entities/xdms/box.ts'

const lists = '/resource-lists/users/sip:bill@example.com/index'
const services = '/rls-services/users/sip:bill@example.com/index'

const newDocument = `<?xml version="1.0" encoding="UTF-8"?>
<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">
  <list name="friends">
  </list>
</resource-lists>
`
const bob = `<entry uri="sip:bob@example.com">
    <display-name>Bob Jones</display-name>
  </entry>`
const closeFriends = `<list name="close-friends">
   <entry uri="sip:joe@example.com">
     <display-name>Joe Smith</display-name>
   </entry>
   <entry uri="sip:nancy@example.com">
     <display-name>Nancy Gross</display-name>
   </entry>
   <entry uri="sip:petri@example.com">
     <display-name>Petri Aukia</display-name>
   </entry>
</list>`

test('§13: Bill makes a list and a service, adds, fetches, nests, deletes, and reads an attribute', () => {
  const box = new DocumentBox()
  // Figure 24.
  assert.equal(box.put(lists, newDocument, 'application/resource-lists+xml').status, 201)
  // Figure 25.
  const service = `<?xml version="1.0" encoding="UTF-8"?>
<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">
<service uri="sip:myfriends@example.com">
  <resource-list>http://xcap.example.com/resource-lists/users/sip:bill@example.com/index/~~/resource-lists/list%5b@name=%22friends%22%5d</resource-list>
  <packages>
   <package>presence</package>
  </packages>
 </service>
</rls-services>`
  assert.equal(box.put(services, service, 'application/rls-services+xml').status, 201)
  // Figure 26.
  assert.equal(box.putNode(`${lists}/~~/resource-lists/list%5b@name=%22friends%22%5d/entry`, bob).status, 201)
  // Figures 27 and 28.
  const fetched = box.get(lists)
  assert.equal(fetched.type, 'application/resource-lists+xml')
  assert.equal(
    fetched.body,
    `<?xml version="1.0" encoding="UTF-8"?>
<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">
  <list name="friends">
  <entry uri="sip:bob@example.com">
    <display-name>Bob Jones</display-name>
  </entry></list>
</resource-lists>
`,
  )
  // Figure 29.
  const nested = `${lists}/~~/resource-lists/list%5b@name=%22friends%22%5d/list%5b@name=%22close-friends%22%5d`
  assert.equal(box.putNode(nested, closeFriends).status, 201)
  assert.equal(box.get(nested).body, closeFriends)
  // Figure 30.
  const petri = `${lists}/~~/resource-lists/list/list/entry%5b@uri=%22sip:petri@example.com%22%5d`
  const deleted = box.delete(petri)
  assert.equal(deleted.status, 200)
  assert.equal(box.delete(petri).status, 404)
  // Figures 31 and 32.
  const attribute = box.get(`${lists}/~~/resource-lists/list/list/entry%5b2%5d/@uri`)
  assert.equal(attribute.status, 200)
  assert.equal(attribute.type, 'application/xcap-att+xml')
  assert.equal(attribute.body, '"sip:nancy@example.com"')
  assert.equal(attribute.etag, deleted.etag)
})
