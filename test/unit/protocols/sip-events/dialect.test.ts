/** Spellings of NOTIFYs: for Linphone its own, for everybody else that of the standard. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMessage } from '../../../../src/protocols/sip/parse.ts'
import { friends, ListWorld } from '../../../conformance/rfc4662/list-world.ts'

/** The first NOTIFY of a subscription to a list by who says that he is this. */
async function notified(userAgent: string) {
  let first: Buffer | undefined
  const world = await ListWorld.of(undefined, undefined, [], bytes => {
    if (bytes.toString('latin1', 0, 7) === 'NOTIFY ') first ??= Buffer.from(bytes)
  })
  await world.watch('Bob', friends, { headers: [['User-Agent', userAgent]] })
  const { body } = parseMessage(first!)
  return { event: parseMessage(first!).header('Event'), body: Buffer.from(body).toString() }
}

for (const userAgent of ['Linphonec/5.1.65', 'LinphoneAndroid/5.2.5 (Pixel) LinphoneSDK/5.3.33'])
  test(`${userAgent} finds the event and the parts`, async () => {
    const { event, body } = await notified(userAgent)
    assert.equal(event, 'Presence')
    const [, cid] = /cid="([^"]+)"/.exec(body)!
    assert.ok(body.includes(`\r\nContent-Id: ${cid}\r\n`))
    assert.doesNotMatch(body, /Content-ID/)
  })

for (const userAgent of ['Handset/1.0', 'Unlinphone/1', 'sipp'])
  test(`${userAgent} has the standard's: types with case (RFC 6665 §8.2.1), msg-ids in brackets (RFC 2045 §7)`, async () => {
    const { event, body } = await notified(userAgent)
    assert.equal(event, 'presence')
    const [, cid] = /cid="([^"]+)"/.exec(body)!
    assert.ok(body.includes(`\r\nContent-ID: <${cid}>\r\n`))
  })
