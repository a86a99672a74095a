import assert from 'node:assert/strict'
import { test } from 'node:test'
import { removeUser } from '../../../../src/entities/sip-ip-core/accounts.ts'
import { DocumentBox } from './box.ts'

test('a user who is removed takes his documents along; his address and the URIs of his services are free again', () => {
  const box = new DocumentBox()
  const lists = '/resource-lists/users/bill/index'
  const services = (user: string) => `/rls-services/users/${user}/index`
  const service =
    '<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="sip:friends@example.com"><list/></service></rls-services>'
  const type = 'application/rls-services+xml'
  box.put(lists, '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>', 'application/resource-lists+xml')
  assert.equal(box.put(services('bill'), service, type).status, 201)
  assert.equal(box.put(services('joe'), service, type, { user: 'joe' }).conflict.name, 'uniqueness-failure')

  box.store.transact(db => removeUser(db, 'bill', { domain: 'example.com', realm: 'example.com' }, box.now))
  assert.equal(box.get(lists, { user: 'joe' }).status, 404)
  assert.equal(box.put(services('joe'), service, type, { user: 'joe' }).status, 201)
  box.addUser('bill')
  for (const target of [lists, services('bill')]) assert.equal(box.get(target).status, 404)
})
