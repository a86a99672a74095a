/** RFC 3261 §7.3.3: compact forms of header names are read by everybody, and written to who writes them. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseMessage } from '../../../../src/protocols/sip/parse.ts'
import { SimulatedWorld } from '../../../simulation/world.ts'

/** The messages that the box sends to Bob, who watches Alice. */
async function toBob(abbreviates: boolean, then?: (world: SimulatedWorld) => Promise<void>): Promise<string[]> {
  const sent: string[] = []
  const world = new SimulatedWorld({
    seed: 3,
    listener: (bytes, _from, to) => {
      if (to === '10.0.1.2:5060') sent.push(bytes.toString())
    },
  })
  const [alice, bob] = [world.person('Alice'), world.person('Bob')]
  bob.agent.abbreviates = abbreviates
  const { source } = alice
  source.publish('open', 'here', 3600, world.now())
  await world.quiet()
  const subscription = bob.watcher.subscribe(alice.aor, 'presence', 3600, world.now())
  await world.quiet()
  source.modify('closed', 'gone', 3600, world.now())
  await world.quiet()
  await then?.(world)
  assert.deepEqual(subscription.faults, [])
  return sent
}

const names = (message: string) => [...message.matchAll(/^([\w-]+): /gm)].map(([, name]) => name)

describe('§7.3.3 header field name compact form', () => {
  test('"Implementations MUST accept both the long and short forms": who writes the short ones is answered and notified with them', async () => {
    const sent = await toBob(true)
    const [challenge, ok, first, second] = sent
    assert.equal(sent.length, 4)
    assert.deepEqual(names(challenge!).slice(0, 5), ['v', 'f', 't', 'i', 'CSeq'])
    assert.match(ok!, /^SIP\/2\.0 200 /)
    assert.deepEqual(names(ok!), ['v', 'f', 't', 'i', 'CSeq', 'm', 'Expires', 'u', 'l'])
    const notify = ['v', 'Max-Forwards', 'f', 't', 'i', 'CSeq', 'm', 'o', 'Subscription-State', 'SIP-ETag', 'c', 'l']
    for (const message of [first!, second!]) {
      assert.deepEqual(names(message.slice(0, message.indexOf('\r\n\r\n') + 2)), notify)
      const read = parseMessage(Buffer.from(message))
      assert.equal(read.header('Event'), 'presence')
      assert.equal(read.contentType?.type, 'application/pidf+xml')
    }
  })

  test('everybody else with the long ones: some know no others', async () => {
    for (const message of await toBob(false))
      assert.ok(
        names(message).every(name => name!.length > 1),
        message,
      )
  })

  test('his latest SUBSCRIBE counts, also after a restart', async () => {
    const sent = await toBob(true, async world => {
      const { agent, watcher } = world.person('Bob')
      await world.restart()
      world.person('Alice').source.modify('open', 'back', 3600, world.now())
      await world.quiet()
      agent.abbreviates = false
      watcher.refresh(watcher.subscriptions[0]!, 3600, world.now())
      await world.quiet()
    })
    const notifies = sent.filter(message => message.startsWith('NOTIFY '))
    assert.deepEqual(
      notifies.map(message => message.includes('\r\nv: ')),
      [...notifies.slice(1).map(() => true), false],
    )
    assert.ok(notifies.length >= 4)
  })
})
