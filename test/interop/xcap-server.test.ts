/**
 * Kamailio's xcap_server as XDMS elsewhere: the Presence Server obeys the rules in it (PRS-8), and the Aggregation Proxy sends
 * clients there (PRS-7).
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Kamailio } from '../bench/kamailio.ts'
import { freeTcpPort } from '../bench/server.ts'
import { HttpClient } from '../end-to-end/http-client.ts'
import { Actor } from './actor.ts'
import { type Box, domain, passwordOf, startBox } from './box.ts'

const rulesOf = (user: string) => `/xcap-root/pres-rules/users/sip:${user}@${domain}/index`
const type = { 'content-type': 'application/auth-policy+xml' }

/** What the rules of somebody say of bob. */
function rules(handling: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:p="urn:ietf:params:xml:ns:pres-rules"><rule id="a"><conditions><identity><one id="sip:bob@${domain}"/></identity></conditions><actions><p:sub-handling>${handling}</p:sub-handling></actions><transformations><p:provide-services><p:all-services/></p:provide-services><p:provide-note>true</p:provide-note></transformations></rule></ruleset>`
}

describe('kamailio as XCAP server', { skip: process.env.INTEROP_BOX === 'kamailio' }, () => {
  const kamailio = new Kamailio({ storage: 'sqlite', workers: 1 })
  let box: Box
  let httpPort: number
  before(async () => {
    await kamailio.start()
    httpPort = await freeTcpPort()
    const root = `http://127.0.0.1:${kamailio.httpPort}/xcap-root`
    box = await startBox({
      settings: {
        'http.listen': `127.0.0.1:${httpPort}`,
        'prs7.root': root,
        'prs8.root': root,
        'xdm.pollSeconds': '10',
      },
    })
  })
  after(async () => {
    await box.stop()
    await kamailio.stop()
  })

  test('rules that are written there decide, at the next look when they change', async t => {
    const [alice, bob] = [await Actor.open('alice', box.port), await Actor.open('bob', box.port)]
    const there = new HttpClient(t, kamailio.httpPort)
    try {
      assert.ok((await there.ask('PUT', rulesOf('alice'), rules('allow'), type)).status < 300)
      assert.equal((await alice.publish('open', 'seen through rules elsewhere')).status, 200)
      assert.ok((await bob.watch('alice')).status < 300)
      await bob.notified(({ body }) => body.includes('seen through rules elsewhere'), 'what the rules let him see')
      assert.ok((await there.ask('PUT', rulesOf('alice'), rules('block'), type)).status < 300)
      await bob.notified(
        ({ subscriptionState }) => subscriptionState.startsWith('terminated;reason=rejected'),
        'the end',
      )
    } finally {
      alice.close()
      bob.close()
    }
  })

  test('documents that clients of the box write go there, and are obeyed at once', async t => {
    const client = new HttpClient(t, httpPort, false, { username: 'carol', password: passwordOf('carol') })
    const [carol, bob] = [await Actor.open('carol', box.port), await Actor.open('bob', box.port)]
    try {
      const put = await client.ask('PUT', rulesOf('carol'), rules('allow'), type)
      assert.ok(put.status < 300, String(put.status))
      const got = await client.ask('GET', rulesOf('carol'))
      assert.deepEqual([got.status, got.body], [200, rules('allow')])
      assert.equal((await client.ask('GET', rulesOf('carol'), '', { 'if-none-match': got.etag! })).status, 304)
      assert.equal((await new HttpClient(t, kamailio.httpPort).ask('GET', rulesOf('carol'))).body, rules('allow'))
      assert.equal((await carol.publish('open', 'written through the box')).status, 200)
      assert.ok((await bob.watch('carol')).status < 300)
      await bob.notified(({ body }) => body.includes('written through the box'), 'what the rules let him see')
      assert.ok((await client.ask('PUT', rulesOf('carol'), rules('polite-block'), type)).status < 300)
      await bob.notified(({ body }) => body.includes('closed') && !body.includes('written'), 'a feigned absence')
    } finally {
      carol.close()
      bob.close()
    }
  })
})
