/** baresip 1.0: registers with a password and watches the presence of a contact. Debian's build cannot publish. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Actor } from './actor.ts'
import { startBaresip } from './baresip.ts'
import { type Box, startBox } from './box.ts'

describe('baresip', () => {
  let box: Box
  before(async () => {
    box = await startBox()
  })
  after(() => box.stop())

  for (const transport of ['udp', 'tcp', 'tls'] as const)
    test(`registers over ${transport} and sees its contact's status change`, { timeout: 60_000 }, async context => {
      // It listens without a certificate, so that NOTIFY must come on the connection it opened (RFC 5923).
      if (box.isReference && transport === 'tls') return context.skip('the reference opens a connection of its own')
      const user = { udp: 'alice', tcp: 'carol', tls: 'dave' }[transport]
      const bob = await Actor.open('bob', box.port)
      assert.equal((await bob.publish('open', 'at home')).status, 200)
      const baresip = startBaresip(box, user, transport)
      try {
        await baresip.until('registered', () => /200 OK \(.*\) \[1 binding\]/i.test(baresip.printed))
        // Of the first state it says nothing by itself: its trace shows the NOTIFY.
        await baresip.until('Bob online', () =>
          /NOTIFY sip:[\s\S]*<basic>open<\/basic>[\s\S]*CSeq: \d+ NOTIFY/.test(baresip.printed),
        )
        assert.equal((await bob.publish('closed', 'gone out')).status, 200)
        await baresip.until('Bob offline', () =>
          /bob@.* changed status from \S*Online\S* to \S*Offline/.test(baresip.printed),
        )
        assert.equal((await bob.publish('open', 'back')).status, 200)
        await baresip.until('Bob back', () =>
          /bob@.* changed status from \S*Offline\S* to \S*Online/.test(baresip.printed),
        )
      } finally {
        baresip.stop()
        await baresip.ends()
        await bob.unpublish()
        bob.close()
      }
    })
})
