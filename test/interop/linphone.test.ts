/** linphonec 5.1 (belle-sip) over UDP, TCP and TLS: registers with a password, is seen, and sees. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Actor } from './actor.ts'
import { type Box, domain, startBox } from './box.ts'
import { startLinphone } from './linphone.ts'

describe('linphone', () => {
  let box: Box
  before(async () => {
    box = await startBox()
  })
  after(() => box.stop())

  for (const transport of ['udp', 'tcp', 'tls'] as const)
    test(`registers over ${transport}, publishes, and sees its friend's status change`, {
      timeout: 60_000,
    }, async () => {
      const user = { udp: 'alice', tcp: 'carol', tls: 'dave' }[transport]
      const bob = await Actor.open('bob', box.port)
      assert.equal((await bob.publish('open', 'at home')).status, 200)
      const linphone = await startLinphone(box, user, transport)
      try {
        await linphone.until('registered', () =>
          /moving from state \[\w+\] to \[LinphoneRegistrationOk\]/.test(linphone.log),
        )
        await linphone.until('Bob online', () => /Friend .*bob@.* is Online/i.test(linphone.printed))

        assert.ok((await bob.watch(user)).status < 300)
        await bob.notified(({ body }) => body.includes('<basic>open</basic>'), `${user} open`)

        assert.equal((await bob.publish('closed', 'gone out')).status, 200)
        await linphone.until('Bob offline', () => /Friend .*bob@.* is Offline/i.test(linphone.printed))

        linphone.type('quit')
        await linphone.ends()
        // Linphone takes its publication and its registration back when it leaves.
        if (!box.isReference)
          await bob.notified(({ body }) => !body.includes('<basic>open</basic>'), `${user} not open`)
        await bob.watch(user, 0)
        await bob.notified(({ subscriptionState }) => subscriptionState.startsWith('terminated'), 'the end')
      } finally {
        await bob.unpublish()
        linphone.type('quit')
        await linphone.ends()
        bob.close()
      }
    })

  for (const transport of ['udp', 'tcp'] as const)
    test(`shows its friends of one list as they come and go, over ${transport}, whose bodies are deflated`, {
      timeout: 60_000,
    }, async context => {
      if (box.isReference) return context.skip('the reference has no list server')
      const dave = await Actor.open('dave', box.port)
      assert.equal((await dave.publish('open', 'there already')).status, 200)
      const linphone = await startLinphone(box, 'carol', transport, { friends: ['bob', 'dave'], asList: true })
      const shown = (name: string) =>
        [...linphone.printed.matchAll(/Friend .*<sip:(\w+)@.*> is (\w+)/g)]
          .filter(([, user]) => user === name)
          .map(([, , state]) => state)
      try {
        await linphone.until('Dave online', () => shown('dave').at(-1) === 'Online')
        await linphone.until('Bob offline', () => shown('bob').at(-1) === 'Offline')
        assert.match(linphone.log, /Require: recipient-list-subscribe/)
        assert.match(linphone.log, /Content-Encoding: deflate/)
        assert.doesNotMatch(linphone.log, /SUBSCRIBE sip:(?:bob|dave)@/, 'there is one subscription to all of them')
        assert.equal((await dave.publish('closed', 'gone')).status, 200)
        await linphone.until('Dave offline', () => shown('dave').at(-1) === 'Offline')
        assert.equal((await dave.publish('open', 'back')).status, 200)
        await linphone.until('Dave online again', () => shown('dave').at(-1) === 'Online')
        assert.deepEqual(shown('bob'), ['Offline'], 'of Bob, who has not changed, nothing more was said')
      } finally {
        await dave.unpublish()
        linphone.type('quit')
        await linphone.ends()
        dave.close()
      }
    })

  test('carries a chat message from one to another', { timeout: 60_000 }, async () => {
    const [alice, carol] = [await startLinphone(box, 'alice', 'udp'), await startLinphone(box, 'carol', 'tcp')]
    try {
      for (const linphone of [alice, carol])
        await linphone.until('registered', () => /to \[LinphoneRegistrationOk\]/.test(linphone.log))
      alice.type(`chat sip:carol@${domain} Is anybody home?`)
      await carol.until('the message', () => /alice@.*\n?.*Is anybody home\?/.test(carol.printed))
    } finally {
      for (const linphone of [alice, carol]) {
        linphone.type('quit')
        await linphone.ends()
      }
    }
  })
})
