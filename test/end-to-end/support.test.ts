/** The support bundle: what helps is in it, and no secret that the box knows is. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { boxSecret } from '../../src/platform/box-record.ts'
import { SystemRandom } from '../../src/platform/random.ts'
import { openLmdbStore } from '../../src/platform/storage/lmdb.ts'
import { porchlight, RunningBox, temporaryData } from './box.ts'
import { HttpClient } from './http-client.ts'

const presence = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@box.example"><tuple id="t"><status><basic>open</basic></status><note>planted-note</note></tuple></presence>`

test('support: settings, status and log, running or not, and none of the secrets of the box', async t => {
  const data = temporaryData(t)
  const around = join(data, '..')
  const log = [
    '2026-03-04T05:06:07+0000 unit porchlight[77]: {"message":"fault in registrar: something that helps"}',
    '2026-03-04T05:06:08+0000 unit porchlight[77]: added sip:alice@box.example with password wonderland-planted',
    `2026-03-04T05:06:09+0000 unit porchlight[77]: cannot read ${presence}`,
  ]
  mkdirSync(join(around, 'bin'))
  writeFileSync(join(around, 'bin', 'journalctl'), `#!/bin/sh\ncat <<'END'\n${log.join('\n')}\nEND\n`, { mode: 0o755 })
  mkdirSync(join(around, 'update'))
  writeFileSync(join(around, 'update', 'state.json'), '{"state":"failed","reason":"a reason that helps"}\n')
  const { PATH } = process.env
  process.env.PATH = `${join(around, 'bin')}:${PATH}`
  t.after(() => {
    process.env.PATH = PATH
  })
  await porchlight(['user', 'add', 'alice', '--password-stdin', '--data', data], 'wonderland-planted\n')
  const box = await RunningBox.start(t, data)
  const alice = new HttpClient(t, box.port('http'), false, { username: 'alice', password: 'wonderland-planted' })
  const path = '/xcap-root/pidf-manipulation/users/sip:alice@box.example/index'
  assert.equal((await alice.ask('PUT', path, presence, { 'content-type': 'application/pidf+xml' })).status, 201)

  const written = async (name: string): Promise<string> => {
    const file = join(around, name)
    const { status, output, errors } = await porchlight(['support', file, '--data', data])
    assert.equal(status, 0, errors)
    assert.match(output, /^wrote .*without secrets\n$/)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    return gunzipSync(readFileSync(file)).toString()
  }
  const running = await written('running.gz')
  assert.equal((JSON.parse(running) as { status: { users: number } }).status.users, 1)
  await box.stop()
  const stopped = await written('stopped.gz')
  assert.equal((JSON.parse(stopped) as { status: unknown }).status, 'no box runs')

  const store = await openLmdbStore(data)
  const secret = boxSecret(store, new SystemRandom())
  await store.close()
  const digests = ['md5', 'sha256'].map(algorithm =>
    createHash(algorithm).update('alice:box.example:wonderland-planted').digest(),
  )
  const key = readFileSync(join(data, 'self-signed-key.pem'), 'utf8').split('\n')[1]!
  const secrets = [
    'planted',
    'PRIVATE KEY',
    key,
    secret,
    ...digests.flatMap(digest => [digest.toString('hex'), digest.toString('base64')]),
  ]
  for (const text of [running, stopped]) {
    for (const planted of secrets) assert.ok(!text.includes(planted), planted)
    const {
      settings,
      log: lines,
      update,
    } = JSON.parse(text) as {
      settings: Array<{ name: string; value: unknown }>
      log: string[]
      update: { reason: string }
    }
    assert.ok(settings.some(({ name, value }) => name === 'domain' && value === 'box.example'))
    assert.equal(lines[0], log[0])
    assert.equal(update.reason, 'a reason that helps')
  }
})

test('support: a box that cannot say something is told of all the same; wrong use and --help', async t => {
  const data = temporaryData(t)
  mkdirSync(data)
  writeFileSync(join(data, 'store.mdb'), 'no database, and planted')
  const file = join(data, '..', 'ill.gz')
  const stored = await porchlight(['support', file, '--data', data])
  assert.equal(stored.status, 0, stored.errors)
  assert.ok(!gunzipSync(readFileSync(file)).toString().includes('planted'))
  const again = await porchlight(['support', file, '--data', data])
  assert.deepEqual([again.status, again.output], [1, ''])
  assert.match(again.errors, /^porchlight: support: cannot write .*ill\.gz: EEXIST\n$/)
  const elsewhere = await porchlight(['support', join(data, 'none', 'x.gz'), '--data', data])
  assert.match(elsewhere.errors, /^porchlight: support: cannot write .*x\.gz: ENOENT\n$/)
  assert.equal((await porchlight(['support', '--data', data])).status, 2)
  assert.equal((await porchlight(['support', file, file, '--data', data])).status, 2)
  assert.match((await porchlight(['support', '--help'])).output, /FILE must not exist yet/)
})
