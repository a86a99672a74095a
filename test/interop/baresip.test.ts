/** baresip 1.0: registers with a password and watches the presence of a contact. Debian's build cannot publish. */

import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Actor } from './actor.ts'
import { type Box, domain, passwordOf, startBox } from './box.ts'
import { Terminal } from './terminal.ts'

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

function startBaresip(box: Box, user: string, transport: 'udp' | 'tcp' | 'tls'): Terminal {
  const home = join(box.directory, `baresip-${user}`)
  mkdirSync(home, { recursive: true })
  const server = transport === 'tls' ? `sip:127.0.0.1:${box.tlsPort}` : `sip:127.0.0.1:${box.port}`
  writeFileSync(
    join(home, 'config'),
    `sip_listen 127.0.0.1:0
sip_cafile ${box.certificate}
module_path /usr/lib/baresip/modules
module_app account.so
module_app contact.so
module_app presence.so
module_app menu.so
module g711.so
`,
  )
  writeFileSync(
    join(home, 'accounts'),
    `<sip:${user}@${domain}>;auth_user=${user};auth_pass=${passwordOf(user)};outbound="${server};transport=${transport}";regint=600\n`,
  )
  writeFileSync(join(home, 'contacts'), `"Bob" <sip:bob@${domain}>;presence=p2p\n`)
  return new Terminal('baresip', ['-4', '-s', '-f', home], { HOME: home })
}
