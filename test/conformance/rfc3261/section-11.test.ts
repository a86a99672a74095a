/** RFC 3261 §11: what the box says of itself. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TortureBox } from '../torture-box.ts'

const request = (method: string, uri: string, fields: readonly string[] = []) =>
  Buffer.from(
    [
      `${method} ${uri} SIP/2.0`,
      'Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKasked',
      'Max-Forwards: 70',
      'From: <sip:alice@box.example>;tag=1',
      `To: <${uri}>`,
      'Call-ID: asked',
      `CSeq: 1 ${method}`,
      'Contact: <sip:alice@198.51.100.7>',
      ...fields,
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
  )

test('§11.2 and PS-11: OPTIONS to the box tells what all its entities do, with all header fields it should have', async () => {
  const { responses } = await new TortureBox({ domain: 'box.example' }).feed(
    request('OPTIONS', 'sip:box.example'),
    'udp',
  )
  const [response] = responses
  assert.equal(response?.status, 200)
  assert.deepEqual([...response.headers('Allow')].sort(), ['OPTIONS', 'PUBLISH', 'REGISTER', 'SUBSCRIBE'])
  assert.deepEqual(response.headers('Allow-Events'), ['presence', 'reg', 'xcap-diff', 'ua-profile'])
  assert.deepEqual(response.headers('Accept'), [
    'application/pidf+xml',
    'application/pidf-diff+xml',
    'multipart/related',
    'multipart/mixed',
    'multipart/alternative',
  ])
  assert.deepEqual(response.headers('Accept-Encoding'), ['deflate', 'identity'])
  assert.deepEqual(response.headers('Accept-Language'), ['en'])
  assert.deepEqual(response.headers('Supported'), ['gruu', 'path', 'outbound', 'eventlist', 'recipient-list-subscribe'])
})

test('§8.2.1: what no entity of the box does is answered 405 with all that they do, or 501 where nobody could know it', async () => {
  for (const [method, status] of [
    ['INFO', 405],
    ['MESSAGE', 405],
    ['INVITE', 405],
    ['UNHEARD-OF', 501],
  ] as const) {
    const { responses } = await new TortureBox({ domain: 'box.example' }).feed(
      request(method, 'sip:box.example'),
      'udp',
    )
    const final = responses.at(-1)
    assert.equal(final?.status, status, method)
    if (status === 405)
      assert.deepEqual([...final.headers('Allow')].sort(), ['OPTIONS', 'PUBLISH', 'REGISTER', 'SUBSCRIBE'])
  }
})

test('RFC 6665 §4.4.4: Allow-Events names every package of the box, whichever entity answers', async () => {
  for (const [event, status] of [
    ['presence', 200],
    ['reg', 200],
    ['unheard-of', 489],
  ] as const) {
    const box = new TortureBox({ domain: 'box.example', users: ['alice'], isLaboratory: true })
    const { responses } = await box.feed(request('SUBSCRIBE', 'sip:alice@box.example', [`Event: ${event}`]), 'udp')
    assert.equal(responses[0]?.status, status, event)
    const told = [...responses[0].headers('Allow-Events')].sort()
    assert.deepEqual(told, ['presence', 'reg', 'ua-profile', 'xcap-diff'], event)
  }
})
