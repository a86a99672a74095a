/**
 * libpurple's SIMPLE (the client inside Pidgin and Finch), run in Finch on a terminal nobody looks at and asked over D-Bus
 * what it has seen. It takes one message per TCP read, answers digest without qop, and refreshes at the address-of-record.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Actor } from './actor.ts'
import { type Box, domain, passwordOf, startBox } from './box.ts'
import { Terminal } from './terminal.ts'

describe('libpurple', () => {
  let box: Box
  before(async () => {
    box = await startBox()
  })
  after(() => box.stop())

  for (const transport of ['tcp', 'udp'] as const)
    test(`logs in over ${transport}, publishes, and sees its buddy come and go`, { timeout: 60_000 }, async () => {
      const user = { tcp: 'alice', udp: 'carol' }[transport]
      const bob = await Actor.open('bob', box.port)
      assert.equal((await bob.publish('open', 'at home')).status, 200)
      const finch = await Finch.start(box, user, transport)
      try {
        await finch.terminal.until('a NOTIFY', () => /Updating buddy status for sip:bob@/.test(finch.terminal.log))
        await finch.terminal.until('Bob online', () => finch.seesOnline('bob') === true)
        assert.ok((await bob.watch(user)).status < 300)
        await bob.notified(({ body }) => body.includes('<basic>open</basic>'), `${user} open`)
        assert.equal((await bob.publish('closed', 'gone out')).status, 200)
        await finch.terminal.until('Bob offline', () => finch.seesOnline('bob') === false)
        assert.equal((await bob.publish('open', 'back')).status, 200)
        await finch.terminal.until('Bob back', () => finch.seesOnline('bob') === true)
      } finally {
        await finch.stop()
        await bob.unpublish()
        bob.close()
      }
    })
})

class Finch {
  readonly terminal: Terminal
  readonly #bus: Terminal
  readonly #environment: Record<string, string>

  static async start(box: Box, user: string, transport: 'tcp' | 'udp'): Promise<Finch> {
    const home = mkdtempSync(join(box.directory, `finch-${user}-`))
    mkdirSync(join(home, 'purple'), { recursive: true })
    writeFileSync(join(home, 'purple', 'accounts.xml'), accountsFile(box, user, transport))
    writeFileSync(join(home, 'purple', 'blist.xml'), buddiesFile(user))
    const bus = new Terminal('dbus-daemon', ['--session', '--nofork', '--print-address=1'], { HOME: home })
    const address = await bus.until('its address', () => /^unix:\S+/m.exec(bus.printed)?.[0])
    return new Finch(home, bus, { HOME: home, TERM: 'xterm', DBUS_SESSION_BUS_ADDRESS: address })
  }

  private constructor(home: string, bus: Terminal, environment: Record<string, string>) {
    this.#bus = bus
    this.#environment = environment
    const log = join(home, 'log')
    const command = `exec finch -d -c ${join(home, 'purple')} 2>${log}`
    this.terminal = new Terminal('script', ['-qefc', command, '/dev/null'], environment, log)
  }

  /** Undefined while the client does not answer yet. */
  seesOnline(user: string): boolean | undefined {
    const account = this.#account()
    if (!account) return undefined
    const buddy = this.#call('PurpleFindBuddy', `int32:${account}`, `string:sip:${user}@${domain}`)
    if (!buddy) return undefined
    const presence = this.#call('PurpleBuddyGetPresence', `int32:${buddy}`)
    if (!presence) return undefined
    const answer = this.#call('PurplePresenceIsOnline', `int32:${presence}`)
    return answer === undefined ? undefined : answer !== 0
  }

  quit(): void {
    this.#send('PurpleCoreQuit')
  }

  async stop(): Promise<void> {
    if (!this.terminal.ended) this.quit()
    await this.terminal.ends()
    this.#bus.stop()
    await this.#bus.ends()
  }

  #account(): number | undefined {
    const answer = this.#send('PurpleAccountsGetAllActive')
    return answer === undefined ? undefined : Number(/int32 (\d+)/.exec(answer)?.[1] ?? 0)
  }

  #call(method: string, ...values: string[]): number | undefined {
    const answer = this.#send(method, ...values)
    const found = answer === undefined ? null : /int32 (-?\d+)/.exec(answer)
    return found ? Number(found[1]) : undefined
  }

  #send(method: string, ...values: string[]): string | undefined {
    const address = ['--session', '--print-reply', '--reply-timeout=2000', '--dest=im.pidgin.purple.PurpleService']
    const call = ['/im/pidgin/purple/PurpleObject', `im.pidgin.purple.PurpleInterface.${method}`, ...values]
    const sent = spawnSync('dbus-send', [...address, ...call], {
      env: { ...process.env, ...this.#environment },
      encoding: 'utf8',
    })
    return sent.status === 0 ? sent.stdout : undefined
  }
}

function accountsFile(box: Box, user: string, transport: 'tcp' | 'udp'): string {
  return `<?xml version='1.0' encoding='UTF-8' ?>
<account version='1.0'>
  <account>
    <protocol>prpl-simple</protocol>
    <name>${user}@${domain}</name>
    <password>${passwordOf(user)}</password>
    <statuses><status type='available' name='Available' active='true'><attributes/></status></statuses>
    <settings>
      <setting name='useproxy' type='bool'>1</setting>
      <setting name='proxy' type='string'>127.0.0.1</setting>
      <setting name='port' type='int'>${box.port}</setting>
      <setting name='udp' type='bool'>${transport === 'udp' ? 1 : 0}</setting>
      <setting name='dopublish' type='bool'>1</setting>
    </settings>
    <settings ui='gnt-purple'><setting name='auto-login' type='bool'>1</setting></settings>
  </account>
</account>
`
}

function buddiesFile(user: string): string {
  return `<?xml version='1.0' encoding='UTF-8' ?>
<purple version='1.0'>
  <blist>
    <group name='Buddies'>
      <contact><buddy account='${user}@${domain}' proto='prpl-simple'><name>sip:bob@${domain}</name></buddy></contact>
    </group>
  </blist>
</purple>
`
}
