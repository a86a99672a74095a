/** RFC 5025 §9 on the whole box: rules put by XCAP, a watcher by SIP, and what the one does to the other. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { one, rule, ruleset } from '../../unit/entities/presence-server/rules/rules-of.ts'
import { type Asking, WholeBox } from '../whole-box.ts'

const services = '<provide-services><all-services/></provide-services>'
const rules: Asking = { type: 'application/auth-policy+xml' }
const directory = '/xcap-root/pres-rules/users/sip:alice@box.example'

test('§9.7: documents below pres-rules/users/<xui> decide, from the moment they are put', async () => {
  const box = new WholeBox()
  await box.sip(
    'PUBLISH',
    'alice',
    ['Event: presence', 'Content-Type: application/pidf+xml'],
    '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@box.example"><tuple id="t"><status><basic>open</basic></status><note>secret</note></tuple></presence>',
  )
  const put = async (document: string, status: number) =>
    assert.equal((await box.http('PUT', `${directory}/index`, { body: document, ...rules })).status, status)
  await put(ruleset(rule(one('sip:bob@box.example'), 'confirm', services)), 201)
  await box.sip('SUBSCRIBE', 'bob', ['Event: presence', 'Contact: <sip:bob@10.0.0.2>'])
  assert.equal(box.notified, 'pending')
  await put(ruleset(rule(one('sip:bob@box.example'), 'allow', services)), 200)
  assert.equal(box.notified, 'active <basic>open</basic>')
  const note = `${directory}/index/~~/cp:ruleset/cp:rule/cp:transformations/provide-note?xmlns(cp=urn:ietf:params:xml:ns:common-policy)`
  const element = '<provide-note xmlns="urn:ietf:params:xml:ns:pres-rules">true</provide-note>'
  assert.equal((await box.http('PUT', note, { body: element, type: 'application/xcap-el+xml' })).status, 201)
  assert.equal(box.notified, 'active <basic>open</basic> <note>secret</note>')
  await put(ruleset(rule(one('sip:bob@box.example'), 'polite-block')), 200)
  assert.equal(box.notified, 'active <basic>closed</basic>')
  assert.equal((await box.http('DELETE', `${directory}/index`)).status, 200)
  assert.equal(box.notified, 'terminated')
})

test('§9.2: a document that is not of the schema changes nothing', async () => {
  const box = new WholeBox()
  const body = ruleset(rule(one('sip:bob@box.example'), 'maybe', services))
  const answer = await box.http('PUT', `${directory}/index`, { body, ...rules })
  assert.equal(answer.status, 409)
  assert.match(
    Buffer.from(answer.body!).toString(),
    /\/ruleset\/rule\/actions\/sub-handling: (?:"|&quot;)maybe(?:"|&quot;) is not block, confirm, polite-block or allow/,
  )
  await box.sip('SUBSCRIBE', 'bob', ['Event: presence', 'Contact: <sip:bob@10.0.0.2>'])
  assert.match(box.sent.at(-1)!, /^SIP\/2.0 403 /)
})
