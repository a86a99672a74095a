/** linphonec 5.1 (belle-sip) over UDP, TCP and TLS: registers with a password, is seen, and sees. */

import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Actor } from './actor.ts'
import { type Box, domain, freePortOfBoth, passwordOf, startBox } from './box.ts'
import { Terminal } from './terminal.ts'

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

async function startLinphone(box: Box, user: string, transport: 'udp' | 'tcp' | 'tls'): Promise<Terminal> {
  const home = join(box.directory, `linphone-${user}`)
  for (const part of ['.local/share/linphone', '.config/linphone']) mkdirSync(join(home, part), { recursive: true })
  const own = await freePortOfBoth()
  const server = transport === 'tls' ? `sip:localhost:${box.tlsPort}` : `sip:127.0.0.1:${box.port}`
  const configuration = join(home, 'linphonerc')
  writeFileSync(
    configuration,
    `[sip]
sip_port=${transport === 'udp' ? own : 0}
sip_tcp_port=${transport === 'tcp' ? own : 0}
sip_tls_port=${transport === 'tls' ? own : 0}
use_ipv6=0
default_proxy=0
register_only_when_network_is_up=0
ping_with_options=0
root_ca=${box.certificate}
verify_server_certs=1
verify_server_cn=1
[proxy_0]
reg_proxy=<${server};transport=${transport}>
reg_route=<${server};transport=${transport}>
reg_identity=<sip:${user}@${domain}>
reg_expires=600
reg_sendregister=1
publish=1
publish_expires=600
[auth_info_0]
username=${user}
passwd=${passwordOf(user)}
realm=${domain}
domain=${domain}
[friend_0]
url="Bob" <sip:bob@${domain}>
pol=accept
subscribe=1
[video]
enabled=0
`,
  )
  const log = join(home, 'log')
  return new Terminal('linphonec', ['-c', configuration, '-d', '6', '-l', log], { HOME: home }, log)
}
