import assert from 'node:assert/strict'
import { test } from 'node:test'
import { png } from '../content-server/images.ts'
import { DocumentBox } from './box.ts'

const rules = '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"><rule id="a"/></ruleset>'
const policy = 'application/auth-policy+xml'

test('XDM-40: unprefixed names mean pres-rules in the usage of the IETF, common-policy in that of the OMA', () => {
  const box = new DocumentBox()
  const [ietf, oma] = ['/pres-rules/users/bill/index', '/org.openmobilealliance.pres-rules/users/bill/pres-rules']
  for (const at of [ietf, oma]) assert.equal(box.put(at, rules, policy).status, 201)
  assert.equal(box.get(`${oma}/~~/ruleset/rule/@id`).body, '"a"')
  assert.equal(box.get(`${ietf}/~~/ruleset/rule/@id`).status, 404)
  const query = '?xmlns(cp=urn:ietf:params:xml:ns:common-policy)'
  assert.equal(box.get(`${ietf}/~~/cp:ruleset/cp:rule/@id${query}`).body, '"a"')
})

test('XDM-04: the directory of icons is made as needed; no other is, and it is no document', () => {
  const box = new DocumentBox()
  const base = '/org.openmobilealliance.pres-content/users/bill'
  const icon = `<content xmlns="urn:oma:xml:prs:pres-content"><mime-type>image/png</mime-type><data>${png().toString('base64')}</data></content>`
  const type = 'application/vnd.oma.pres-content+xml'
  assert.equal(box.put(`${base}/oma_status-icon/mine`, icon, type).status, 201)
  for (const path of ['other/mine', 'mine', 'oma_status-icon', 'oma_status-icon/a/b'])
    assert.equal(box.put(`${base}/${path}`, icon, type).conflict.name, 'no-parent', path)
})

test('XDM-44, XDM-45: attributes and elements of the OMA in lists are kept', () => {
  const box = new DocumentBox()
  const list = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:xd="urn:oma:xml:xdm:xcap-directory"><list name="rcs_revokedcontacts"><entry uri="tel:+1" xd:last-modified="2008-12-24T14:32:14Z"/></list></resource-lists>`
  const at = '/resource-lists/users/bill/index'
  assert.equal(box.put(at, list, 'application/resource-lists+xml').status, 201)
  const query = '?xmlns(x=urn:oma:xml:xdm:xcap-directory)'
  assert.equal(box.get(`${at}/~~/resource-lists/list/entry/@x:last-modified${query}`).body, '"2008-12-24T14:32:14Z"')
})

test('group usage lists have names and no references (Shared XDM 1.1 §5.2.2)', () => {
  const box = new DocumentBox()
  const put = (inner: string) =>
    box.put(
      '/org.openmobilealliance.group-usage-list/users/bill/index',
      `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">${inner}</resource-lists>`,
      'application/vnd.oma.group-usage-list+xml',
    )
  assert.equal(put('<list name="a"><entry uri="sip:g@example.com"/></list>').status, 201)
  for (const inner of [
    '<list/>',
    '<list name="a"><external anchor="http://a/b"/></list>',
    '<list name="a"><entry-ref ref="a"/></list>',
    '<list name="a"><list name="b"><external anchor="http://a/b"/></list></list>',
  ])
    assert.equal(put(inner).conflict.name, 'constraint-failure', inner)
})

test('a user profile is about its user; a locked one is written by operators and read by him', () => {
  const box = new DocumentBox({ 'xcap.operators': 'joe' })
  const profile = (uri: string) =>
    `<user-profiles xmlns="urn:oma:xml:xdm:user-profile"><user-profile uri="${uri}"><display-name>B</display-name></user-profile></user-profiles>`
  const type = 'application/vnd.oma.user-profile+xml'
  const at = '/org.openmobilealliance.user-profile/users/sip:bill@example.com/user-profile'
  assert.equal(box.put(at, profile('sip:joe@example.com'), type).conflict.name, 'constraint-failure')
  assert.equal(box.put(at, profile('sip:bill@example.com'), type).status, 201)
  const locked = at.replace('user-profile', 'locked-user-profile')
  assert.equal(box.put(locked, profile('sip:bill@example.com'), type).status, 403)
  assert.equal(box.put(locked, profile('sip:bill@example.com'), type, { user: 'joe' }).status, 201)
  assert.equal(box.get(locked).status, 200)
  assert.equal(box.delete(locked).status, 403)
})

test('PS-112: the view of publication rules shows the rules and cannot be written', () => {
  const box = new DocumentBox()
  const at = '/org.openmobilealliance.pub-rules/users/bill/pub-rules'
  const view = at.replace('pub-rules/', 'pub-rules-view/')
  assert.equal(box.get(view).status, 404)
  const { etag } = box.put(at, rules, policy)
  assert.equal(box.get(view).etag, etag)
  assert.equal(box.put(view, rules, policy).headers.Allow, 'GET, HEAD')
  assert.equal(box.delete(view).status, 405)
})
