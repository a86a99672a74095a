/**
 * Wireshark's dissectors as judges of what the box sends: a flow is captured on the loopback interface, over UDP and TCP, and
 * no packet of ours may be malformed or carry an expert's warning about SIP or XML. Capturing needs root.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Actor } from './actor.ts'
import { type Box, startBox } from './box.ts'
import { Capture, tshark } from './capture.ts'
import { runSipp } from './sipp.ts'

describe('tshark', () => {
  let box: Box
  before(async () => {
    box = await startBox()
  })
  after(() => box.stop())

  test('finds nothing malformed in what the box sends', { timeout: 90_000 }, async context => {
    if (process.getuid?.() !== 0) return context.skip('capturing needs root')
    const file = join(box.directory, 'flow.pcapng')
    const capture = await Capture.start(file, box.port)
    // Whatever fails before it is stopped must not leave it behind.
    context.after(() => capture.stop())
    await converse(box)
    for (const transport of ['u1', 't1'] as const) {
      await runSipp(box, { scenario: 'register', user: 'alice', transport })
      await runSipp(box, { scenario: 'publish', user: 'alice', transport, digestUri: 'alice@box.example' })
      const keys = { watched: 'bob' }
      await runSipp(box, { scenario: 'subscribe', user: 'alice', transport, digestUri: 'bob@box.example', keys })
      for (const scenario of ['partial-publication', 'partial-notification', 'filter', 'conditional'])
        await runSipp(box, { scenario, user: 'alice', transport, digestUri: 'alice@box.example' })
      await runSipp(box, { scenario: 'list', user: 'alice', transport, digestUri: 'rls@box.example' })
    }
    const rogue = await sendMangled(box.port)
    await capture.stop()

    const sent = `(udp.srcport == ${box.port} || tcp.srcport == ${box.port})`
    for (const transport of ['udp', 'tcp']) {
      const messages = tshark(file, box.port, `sip && ${transport}.srcport == ${box.port}`)
      assert.ok(messages.length > 10, `${messages.length} SIP messages of ours over ${transport} were understood`)
    }
    assert.ok(tshark(file, box.port, `xml && ${sent}`).length > 2, 'presence documents of ours were understood')
    assert.deepEqual(tshark(file, box.port, `${sent} && (_ws.malformed || _ws.short)`), [])
    const warned = '(sip || xml) && _ws.expert.severity >= warning && !tcp.analysis.flags'
    assert.deepEqual(tshark(file, box.port, `${sent} && ${warned}`), [])
    assert.equal(tshark(file, box.port, `udp.srcport == ${rogue} && ${warned}`).length, 1, 'a mangled one is noticed')
    const unread = tshark(file, box.port, `${sent} && udp && !sip && !icmp`)
    assert.deepEqual(unread, [], 'every datagram of ours is SIP')
  })
})

/** One of everything the box sends by itself: challenges, answers, NOTIFYs with and without state, a forwarded MESSAGE, refusals. */
async function converse(box: Box): Promise<void> {
  const [alice, bob] = [await Actor.open('alice', box.port), await Actor.open('bob', box.port)]
  try {
    await alice.register()
    await alice.watch('bob')
    assert.equal((await alice.watchList(['bob', 'alice', 'nobody'])).status, 200)
    await bob.publish('open', 'at home')
    await alice.notified(({ body }) => body.includes('at home'), 'bob at home')
    await bob.publish(
      'closed',
      'gone out & "away" <now>'.replace(/[&<>"]/g, sign => `&#${sign.charCodeAt(0)};`),
    )
    await alice.notified(({ body }) => body.includes('gone out'), 'bob gone out')
    assert.equal((await bob.message('alice', 'hello')).status, 200)
    assert.ok((await bob.message('nobody', 'hello')).status >= 400)
    await bob.unpublish()
    await alice.watch('bob', 0)
    await alice.notified(({ subscriptionState }) => subscriptionState.startsWith('terminated'), 'the end')
    await alice.register(0)
  } finally {
    alice.close()
    bob.close()
  }
}

/** A message that no dissector can like, so that silence about ours means something. Returns the port it came from. */
async function sendMangled(port: number): Promise<number> {
  const socket = createSocket('udp4')
  const text = 'SIP/2.0 200 OK\r\nVia SIP/2.0/UDP 127.0.0.1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n'
  await new Promise<void>(sent => socket.send(text, port, '127.0.0.1', () => sent()))
  const own = socket.address().port
  socket.close()
  return own
}
