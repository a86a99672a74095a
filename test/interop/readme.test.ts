/** The curl lines of the README, as they stand there: alice comes in, hides from bob, lets him see her again, and shows him an icon. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { freeTcpPort } from '../bench/server.ts'
import { png } from '../unit/entities/content-server/images.ts'
import { Actor } from './actor.ts'
import { type Box, passwordOf, startBox } from './box.ts'

const run = promisify(execFile)
const readme = readFileSync(resolve(import.meta.dirname, '../../README.md'), 'utf8')

/** The commands of a section, block by block. */
function blocks(heading: string): string[] {
  const start = readme.indexOf(`## ${heading}\n`)
  assert.notEqual(start, -1, `the README has no section '${heading}'`)
  const section = readme.slice(start + 3, readme.indexOf('\n## ', start + 3))
  return [...section.matchAll(/(?:^ {4}.*\n|^\n(?= {4}))+/gm)].map(([block]) => block.replace(/^ {4}/gm, '').trim())
}

describe('the curl lines of the README', () => {
  let box: Box
  let port: number
  let folder: string

  before(async () => {
    port = await freeTcpPort()
    box = await startBox({ settings: { 'http.listen': `127.0.0.1:${port}` } })
    folder = join(box.directory, 'here')
    mkdirSync(folder)
  })
  after(() => box.stop())

  /** Runs commands one after another in one shell, as whoever copies them does, and gives what they print. */
  async function shell(...commands: readonly string[]): Promise<string> {
    const script = commands
      .join('\n')
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
      .replaceAll('alice:PASSWORD', `alice:${passwordOf('alice')}`)
      .replaceAll('bob:PASSWORD', `bob:${passwordOf('bob')}`)
      .replaceAll('curl --digest', 'curl -sS --fail-with-body --digest')
    assert.doesNotMatch(script, /PASSWORD|8080/)
    const { stdout } = await run('bash', ['-e', '-c', script], { cwd: folder })
    return stdout
  }

  test('say that alice is there, which bob sees', async () => {
    const [account, configuration, comeIn, ...rest] = blocks('Five minutes with a client')
    assert.deepEqual(rest, [])
    assert.match(account!, /^<sip:bob@box\.example>;/)
    assert.match(configuration!, /^"Alice" <sip:alice@box\.example>;presence=p2p\n *module_app presence\.so$/)
    const bob = await Actor.open('bob', box.port)
    try {
      assert.equal((await bob.watch('alice')).status, 200)
      await bob.notified(({ body }) => body.includes('<basic>closed'), 'alice is away')
      // It stands within an item of a list.
      const shown = comeIn!.replace(/^ {3}/gm, '')
      await shell(shown)
      await bob.notified(({ body }) => body.includes('<basic>open'), 'alice is there')
      await shell(shown.replace('open', 'closed'))
      await bob.notified(({ body }) => body.includes('<basic>closed'), 'alice is away again')
      const target = /http:\S+index/.exec(shown)![0]
      await shell(`curl --digest -u alice:PASSWORD -X DELETE ${target}`)
    } finally {
      bob.close()
    }
  })

  test('put a rule, and change one element of it: what bob sees changes', async () => {
    const [hide, show, forget, ...rest] = blocks('Documents by curl')
    assert.deepEqual(rest, [])
    const [alice, bob] = [await Actor.open('alice', box.port), await Actor.open('bob', box.port)]
    try {
      assert.equal((await alice.publish('open', 'at home')).status, 200)
      assert.equal((await bob.watch('alice')).status, 200)
      await bob.notified(({ body }) => body.includes('at home'), 'alice is there')
      await shell(hide!)
      const hidden = await bob.notified(({ body }) => body.includes('<basic>closed'), 'alice is away')
      assert.doesNotMatch(hidden.body, /at home/)
      const printed = await shell(hide!, show!)
      assert.match(printed, /<sub-handling [^>]*>polite-block<\/sub-handling>/)
      const bare = await bob.notified(
        ({ body }) => body.includes('<presence') && !body.includes('<tuple'),
        'no details',
      )
      assert.doesNotMatch(bare.body, /at home|closed/)
      await shell(hide!, forget!)
      await bob.notified(({ body }) => body.includes('at home'), 'alice is there again')
    } finally {
      alice.close()
      bob.close()
    }
  })

  test('store an icon, say where it is, and fetch it as somebody who is shown it', async () => {
    const [hide, , forget] = blocks('Documents by curl')
    const [store, fetch, ...rest] = blocks('An icon by curl')
    assert.deepEqual(rest, [])
    writeFileSync(join(folder, 'me.png'), png())
    const first = hide!.split('\n')[0]!
    // As bob is shown what he is by the rules that alice began with.
    await shell(hide!, forget!)
    await shell(first, store!)
    await shell(first, fetch!)
    assert.deepEqual(readFileSync(join(folder, 'seen.png')), png())
  })
})
