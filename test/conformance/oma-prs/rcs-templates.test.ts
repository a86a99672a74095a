/**
 * The documents that RCS clients begin with (GSMA RCS 1 §4.4.2, with their own root; XDM-41, XDM-42, PS-91): contacts are granted,
 * revoked and blocked by moving them between lists, and those who watch are told so at once.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WholeBox } from '../whole-box.ts'

const alice = 'sip:alice@box.example'
const [bob, carol] = ['sip:bob@box.example', 'sip:carol@box.example']
const lists = `/xcap-root/resource-lists/users/${alice}/index`
/** The template's own root, which is not ours. */
const anchor = (name: string) =>
  `http://xcap.operator.example/xcap-root/resource-lists/users/${alice}/index/~~/resource-lists/list%5B@name=%22${name}%22%5D`
const external = (...names: readonly string[]) => names.map(name => `<external anchor="${anchor(name)}"/>`).join('')

const contacts = `<?xml version="1.0" encoding="UTF-8"?>
<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:xd="urn:oma:xml:xdm:xcap-directory">
  <!-- who is shown presence -->
  <list name="oma_buddylist">${external('rcs')}</list>
  <list name="oma_grantedcontacts">${external('rcs')}</list>
  <list name="oma_blockedcontacts">${external('rcs_blockedcontacts', 'rcs_revokedcontacts')}</list>
  <list name="rcs"><display-name>My presence buddies</display-name></list>
  <list name="rcs_blockedcontacts"><display-name>My blocked contacts</display-name></list>
  <list name="rcs_revokedcontacts"><display-name>My revoked contacts</display-name></list>
</resource-lists>`

const everything =
  '<transformations><pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-persons><pr:all-persons/></pr:provide-persons><pr:provide-all-attributes/></transformations>'
const rule = (id: string, conditions: string, handling: string, shown = '') =>
  `<rule id="${id}"><conditions>${conditions}</conditions><actions><pr:sub-handling>${handling}</pr:sub-handling></actions>${shown}</rule>`
const list = (name: string) => `<ocp:external-list><ocp:entry anc="${anchor(name)}"/></ocp:external-list>`
const rules =
  `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:ocp="urn:oma:xml:xdm:common-policy">` +
  rule('wp_prs_allow_own', `<identity><one id="${alice}"/></identity>`, 'allow', everything) +
  rule('rcs_allow_services_anonymous', '<ocp:anonymous-request/>', 'allow', '<transformations/>') +
  rule('wp_prs_unlisted', '<ocp:other-identity/>', 'confirm') +
  rule('wp_prs_grantedcontacts', list('oma_grantedcontacts'), 'allow', everything) +
  rule('wp_prs_blockedcontacts', list('oma_blockedcontacts'), 'block') +
  '</ruleset>'

async function put(box: WholeBox, at: string, body: string, type: string): Promise<void> {
  const { status, body: reason } = await box.http('PUT', at, { body, type })
  assert.ok(status === 200 || status === 201, Buffer.from(reason ?? '').toString())
}

function entryAt(name: string, uri: string): string {
  return `${lists}/~~/resource-lists/list%5b@name=%22${name}%22%5d/entry%5b@uri=%22${uri}%22%5d`
}

const moved = (uri: string) =>
  `<entry uri="${uri}" xd:last-modified="2026-11-20T00:00:00Z" xmlns:xd="urn:oma:xml:xdm:xcap-directory"/>`

async function begin(): Promise<WholeBox> {
  const box = new WholeBox()
  await put(box, lists, contacts, 'application/resource-lists+xml')
  const at = `/xcap-root/org.openmobilealliance.pres-rules/users/${alice}/pres-rules`
  await put(box, at, rules, 'application/auth-policy+xml')
  const pidf = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${alice}"><tuple id="t"><status><basic>open</basic></status><note>on the train</note></tuple></presence>`
  await box.sip('PUBLISH', 'alice', ['Event: presence', 'Content-Type: application/pidf+xml'], pidf)
  return box
}

const subscribe = (box: WholeBox, name: string) =>
  box.sip('SUBSCRIBE', name, ['Event: presence', `Contact: <sip:${name}@10.0.0.2>`, 'Expires: 3600'])

test('a contact who is not listed waits; listed under rcs he is shown presence; revoked, blocked, and granted again', async () => {
  const box = await begin()
  await subscribe(box, 'bob')
  assert.equal(box.notified, 'pending')
  await put(box, entryAt('rcs', bob), `<entry uri="${bob}"/>`, 'application/xcap-el+xml')
  assert.match(box.notified, /^active .*<note>on the train<\/note>/)
  const sent = box.sent.length
  await put(box, entryAt('rcs_revokedcontacts', carol), moved(carol), 'application/xcap-el+xml')
  assert.equal(box.sent.length, sent, 'a change that is not about him is not told to Bob')
  // As clients do: out of the one list, then into the other.
  assert.equal((await box.http('DELETE', entryAt('rcs', bob))).status, 200)
  assert.equal(box.notified, 'pending')
  await put(box, entryAt('rcs_revokedcontacts', bob), moved(bob), 'application/xcap-el+xml')
  assert.match(box.lastNotify.header('Subscription-State')!, /^terminated;reason=rejected/)
  await subscribe(box, 'bob')
  assert.match(box.sent.at(-1)!, /^SIP\/2\.0 403 /)
  assert.equal((await box.http('DELETE', entryAt('rcs_revokedcontacts', bob))).status, 200)
  await put(box, entryAt('rcs', bob), `<entry uri="${bob}"/>`, 'application/xcap-el+xml')
  await subscribe(box, 'bob')
  assert.match(box.notified, /^active .*<note>on the train<\/note>/)
  const kept = await box.http('GET', entryAt('rcs_revokedcontacts', carol))
  assert.equal(Buffer.from(kept.body!).toString(), moved(carol), 'XDM-44: with the time of its change')
})

test('who is granted and blocked at once is granted what both rules together grant, as rules of one class', async () => {
  const box = await begin()
  await put(box, entryAt('rcs', bob), `<entry uri="${bob}"/>`, 'application/xcap-el+xml')
  await put(box, entryAt('rcs_blockedcontacts', bob), moved(bob), 'application/xcap-el+xml')
  await subscribe(box, 'bob')
  assert.match(box.notified, /^active/)
})
