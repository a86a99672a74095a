/** sipp with scenarios of ours: digest, the life of a publication, of a subscription, messages between users, bad requests. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Box, domain, freePortOfBoth, passwordOf, startBox } from './box.ts'

const scenarios = join(import.meta.dirname, 'sipp')

type Run = {
  readonly scenario: string
  readonly user: string
  readonly transport?: 'u1' | 't1'
  /** The digest's `uri`: the Request-URI that the scenario uses, without `sip:`. */
  readonly digestUri?: string
  readonly password?: string
  readonly localPort?: number
  readonly keys?: Readonly<Record<string, string>>
  /** How often the scenario runs, each time as another call. */
  readonly calls?: number
}

describe('sipp', () => {
  let box: Box
  before(async () => {
    box = await startBox()
  })
  after(() => box.stop())

  for (const [transport, name] of [
    ['u1', 'UDP'],
    ['t1', 'TCP'],
  ] as const) {
    test(`registers with digest, asks, and leaves, over ${name}`, async () => {
      await sipp(box, { scenario: 'register', user: 'alice', transport })
    })
    test(`publishes, refreshes, modifies, removes, over ${name}`, async () => {
      await sipp(box, { scenario: 'publish', user: 'alice', transport, digestUri: `alice@${domain}`, calls: 5 })
    })
    test(`subscribes, refreshes, unsubscribes, a NOTIFY after each, over ${name}`, async () => {
      const keys = { watched: 'bob' }
      await sipp(box, { scenario: 'subscribe', user: 'alice', transport, digestUri: `bob@${domain}`, keys, calls: 5 })
    })
  }

  test('refuses a wrong password', async () => {
    await sipp(box, { scenario: 'register-wrong-password', user: 'alice', password: 'wrong' })
  })

  for (const [transport, name] of [
    ['u1', 'UDP'],
    ['t1', 'TCP'],
  ] as const)
    test(`carries a MESSAGE from one user to another, over ${name}`, async () => {
      const localPort = await freePortOfBoth()
      await sipp(box, { scenario: 'register-and-stay', user: 'bob', transport, localPort })
      const receiving = sipp(box, { scenario: 'message-receive', user: 'bob', transport, localPort })
      const keys = { peer: 'bob' }
      await sipp(box, { scenario: 'message-send', user: 'alice', transport, digestUri: `bob@${domain}`, keys })
      await receiving
    })
})

describe('sipp without authentication', () => {
  let box: Box
  before(async () => {
    box = await startBox({ authRequired: false })
  })
  after(() => box.stop())

  for (const [transport, name] of [
    ['u1', 'UDP'],
    ['t1', 'TCP'],
  ] as const)
    test(`has every bad request refused as its standard says, over ${name}`, async context => {
      if (box.isReference) return context.skip('the reference refuses some of them otherwise')
      await sipp(box, { scenario: 'bad-requests', user: 'alice', transport })
    })
})

/** Runs one scenario to its end; fails with sipp's own explanation and the messages exchanged. */
async function sipp(box: Box, run: Run): Promise<void> {
  const place = mkdtempSync(join(box.directory, `sipp-${run.scenario}-`))
  const [errors, messages] = [join(place, 'errors'), join(place, 'messages')]
  const isServer = run.scenario.endsWith('-receive')
  const keys = { domain, user: run.user, ...run.keys }
  const given = [
    ...(isServer ? [] : [`127.0.0.1:${box.port}`]),
    ...['-sf', join(scenarios, `${run.scenario}.xml`), '-i', '127.0.0.1', '-t', run.transport ?? 'u1'],
    ...['-p', String(run.localPort ?? (await freePortOfBoth()))],
    ...['-m', String(run.calls ?? 1), '-l', '1', '-timeout', '20', '-timeout_error', '-nostdin'],
    ...['-au', run.user, '-ap', run.password ?? passwordOf(run.user), '-auth_uri', run.digestUri ?? domain],
    ...['-trace_err', '-error_file', errors, '-trace_msg', '-message_file', messages],
    ...Object.entries(keys).flatMap(([key, value]) => ['-key', key, value]),
  ]
  const child = spawn('sipp', given, { cwd: place, stdio: 'ignore', env: { ...process.env, TERM: 'dumb' } })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => resolve(code))
  })
  const read = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : '')
  assert.equal(status, 0, `sipp ${run.scenario} ended with ${status}\n${read(errors)}\n${read(messages).slice(-8_000)}`)
}
