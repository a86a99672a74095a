/** RFC 5875 on the whole box: documents put by XCAP, a subscriber by SIP (PRS-6, PRS-11, XDM-2). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WholeBox } from '../whole-box.ts'

const home = '/xcap-root/resource-lists/users/sip:alice@box.example'
const lists = { type: 'application/resource-lists+xml' }
const list = (inner: string) =>
  `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="a">${inner}</list></resource-lists>`

const body = (uri: string) =>
  `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="${uri}"/></list></resource-lists>`
const headers = (event: string) => [
  `Event: ${event}`,
  'Contact: <sip:alice@10.0.0.2>',
  'Content-Type: application/resource-lists+xml',
]

test('a subscription is routed to the XDMSs, and hears of what is written', async () => {
  const box = new WholeBox()
  const created = await box.http('PUT', `${home}/index`, { body: list(''), ...lists })
  await box.sip('SUBSCRIBE', 'alice', headers('xcap-diff;diff-processing=aggregate'), body('resource-lists/'))
  assert.match(box.sent.at(-2)!, /^SIP\/2.0 200 .*\r\nAllow-Events: [^\r]*xcap-diff/s)
  assert.match(box.sent.at(-1)!, /xcap-root="https:\/\/box.example:8443\/xcap-root\/"/)
  const etag = String(created.headers.ETag).slice(1, -1)
  assert.ok(
    box.sent.at(-1)!.includes(`<d:document sel="${home.slice(11)}/index" new-etag="${etag}"/>`),
    box.sent.at(-1),
  )
  await box.pass(5000)
  const entry = '<entry uri="sip:bob@box.example"/>'
  await box.http('PUT', `${home}/index/~~/resource-lists/list/entry`, { body: entry, type: 'application/xcap-el+xml' })
  await box.pass(5000)
  assert.ok(box.sent.at(-1)!.startsWith('NOTIFY '))
  assert.match(
    box.sent.at(-1)!,
    new RegExp(`previous-etag="${etag}" new-etag="[^"]+"[^>]*><d:add [^>]*>${entry}</d:add>`),
  )
  await box.http('DELETE', `${home}/index`)
  await box.pass(5000)
  assert.match(box.sent.at(-1)!, /<d:document sel="[^"]+" previous-etag="[^"]+"\/>/)
})

test('whoever asks, it is what he may read that he hears of', async () => {
  const box = new WholeBox()
  await box.http('PUT', `${home}/index`, { body: list(''), ...lists })
  await box.sip('SUBSCRIBE', 'bob', headers('xcap-diff'), body('resource-lists/users/sip:alice@box.example/'))
  assert.match(box.sent.at(-1)!, /^NOTIFY .*<d:xcap-diff [^>]*\/>\n$/s)
  const sent = box.sent.length
  await box.pass(5000)
  await box.http('PUT', `${home}/index`, { body: list('<entry uri="sip:c@d"/>'), ...lists })
  await box.pass(5000)
  assert.equal(box.sent.length, sent)
})
