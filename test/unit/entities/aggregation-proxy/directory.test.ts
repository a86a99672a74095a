import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validate } from '../../../../src/documents/grammar/validate.ts'
import { xcapDirectoryGrammar } from '../../../../src/documents/grammar/xcap-directory.ts'
import { parseXml } from '../../../../src/documents/xml/parse.ts'
import { attributeValue, childElements } from '../../../../src/documents/xml/tree.ts'
import { png } from '../content-server/images.ts'
import { DocumentBox } from '../xdms/box.ts'

const directory = '/org.openmobilealliance.xcap-directory/users/sip:bill@example.com/directory.xml'

test('AP-08, XDM-47: the directory lists every document of a user by a URI that leads there, and no view twice', () => {
  const box = new DocumentBox()
  const ruleset = '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>'
  const content = `<content xmlns="urn:oma:xml:prs:pres-content"><data>${png().toString('base64')}</data></content>`
  box.put(
    '/resource-lists/users/bill/a%20b%25',
    '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>',
    'application/resource-lists+xml',
  )
  box.put('/pres-rules/users/bill/index', ruleset, 'application/auth-policy+xml')
  box.put('/org.openmobilealliance.pub-rules/users/bill/pub-rules', ruleset, 'application/auth-policy+xml')
  const icon = '/org.openmobilealliance.pres-content/users/bill/oma_status-icon/rcs_status_icon'
  assert.equal(box.put(icon, content, 'application/vnd.oma.pres-content+xml').status, 201)
  box.put('/pres-rules/users/joe/index', ruleset, 'application/auth-policy+xml', { user: 'joe' })

  const answer = box.get(directory)
  assert.equal(answer.type, 'application/vnd.oma.xcap-directory+xml')
  const root = parseXml(answer.bytes)
  validate(root, xcapDirectoryGrammar)
  const entries = childElements(root).flatMap(folder => childElements(folder))
  assert.equal(entries.length, 4)
  for (const entry of entries) {
    const uri = attributeValue(entry, 'uri')!
    assert.ok(uri.startsWith('https://xcap.example.com/'))
    const listed = box.get(uri)
    assert.equal(listed.etag, attributeValue(entry, 'etag'))
    assert.equal(String(listed.bytes.length), attributeValue(entry, 'size'))
    assert.equal(attributeValue(entry, 'last-modified'), '2026-11-20T12:00:00Z')
  }
  for (const entry of entries) assert.equal(box.delete(attributeValue(entry, 'uri')!).status, 200)
  assert.equal(childElements(parseXml(box.get(directory).bytes)).length, 0)
  assert.notEqual(box.get(directory).etag, answer.etag)
  assert.equal(box.put(directory, answer.body, answer.type).status, 405)
  assert.equal(box.get(directory, { user: 'joe' }).status, 403)
})
