/** RFC 3261 §8.2.2.2: a request that reaches the box by two ways is handled once. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TortureBox } from '../torture-box.ts'

/** The same request as it comes by the way that `branch` names. */
function copyOf(branch: string, method: string, uri: string, fields: readonly string[]): Buffer {
  const lines = [
    `${method} ${uri} SIP/2.0`,
    `Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK${branch}`,
    'Max-Forwards: 70',
    'From: <sip:bob@box.example>;tag=1',
    `To: <${uri}>`,
    'Call-ID: forked',
    `CSeq: 1 ${method}`,
    'Contact: <sip:bob@198.51.100.7>',
    ...fields,
    'Content-Length: 0',
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}

test('SUBSCRIBE and REGISTER that come twice are answered once by 200 and once by 482', async () => {
  for (const [method, uri, fields] of [
    ['SUBSCRIBE', 'sip:alice@box.example', ['Event: presence']],
    ['REGISTER', 'sip:bob@box.example', []],
  ] as const) {
    const box = new TortureBox({ domain: 'box.example', users: ['alice', 'bob'], isLaboratory: true })
    const statuses: number[] = []
    for (const branch of ['one', 'two', 'one'])
      statuses.push(...(await box.feed(copyOf(branch, method, uri, fields), 'udp')).statuses)
    assert.deepEqual(statuses, [200, 482, 200], method)
    assert.deepEqual(box.faults, [])
  }
})

test('what is to be forwarded may come twice: a proxy does not merge', async () => {
  const box = new TortureBox({ domain: 'box.example', users: ['alice', 'bob'], isLaboratory: true })
  await box.register('sip:alice@box.example')
  for (const branch of ['one', 'two']) {
    const { statuses, forwarded } = await box.feed(copyOf(branch, 'MESSAGE', 'sip:alice@box.example', []), 'udp')
    assert.deepEqual(statuses, [], branch)
    assert.equal(forwarded.length, 1, branch)
  }
})
