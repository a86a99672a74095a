/** A full data disk: an alarm, no document that cannot be kept, and presence that goes on. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { png } from '../unit/entities/content-server/images.ts'
import { porchlight, RunningBox, statusOf } from './box.ts'
import { HttpClient } from './http-client.ts'
import { DatagramClient } from './raw-client.ts'

const listType = { 'content-type': 'application/resource-lists+xml' }
const documents = '/xcap-root/resource-lists/users/sip:alice@box.example'
const user = { name: 'alice', password: 'wonderland' }

/** A disk of its own of so many MiB, or undefined when this process may not mount one. */
function disk(t: TestContext, mebibytes: number): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'porchlight-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'porchlight-test', directory], {
      stdio: 'ignore',
    })
  } catch {
    rmSync(directory, { recursive: true })
    return undefined
  }
  t.after(() => {
    execFileSync('umount', ['--lazy', directory])
    rmSync(directory, { recursive: true })
  })
  return directory
}

/** Leaves so many octets free, to the block. */
function fill(directory: string, left: number): void {
  const descriptor = openSync(join(directory, 'filler'), 'a')
  const { bsize } = statfsSync(directory)
  const block = Buffer.alloc(bsize, 1)
  try {
    while (statfsSync(directory).bavail * bsize > left) writeSync(descriptor, block)
  } finally {
    closeSync(descriptor)
  }
}

function list(name: string): string {
  return `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="${name}"><entry uri="sip:bob@box.example"/></list></resource-lists>`
}

test('a full disk: 507 and an alarm, while presence goes on for as long as the reserve lasts; with room all is well', {
  timeout: 120_000,
}, async t => {
  const at = disk(t, 224)
  if (at === undefined) return t.skip('this needs the right to mount a disk')
  const data = join(at, 'data')
  const added = await porchlight(['user', 'add', 'alice', '--password-stdin', '--data', data], `${user.password}\n`)
  assert.equal(added.status, 0, added.errors)
  let box = await RunningBox.start(t, data)
  let http = new HttpClient(t, box.port('http'))
  let sip = await DatagramClient.open(t, box.port('udp'))
  const put = async (name: string) => (await http.ask('PUT', `${documents}/${name}`, list(name), listType)).status
  const alarms = async () => (await statusOf<{ alarms: string[] }>(data)).alarms
  let etag: string | undefined
  const publish = async (note: string) => {
    const uri = 'sip:alice@box.example'
    const body = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${uri}"><tuple id="t"><status><basic>open</basic></status><note>${note}</note></tuple></presence>`
    const fields = { Event: 'presence', 'Content-Type': 'application/pidf+xml', Expires: '3600', 'SIP-If-Match': etag }
    const response = await sip.askAs(user, { method: 'PUBLISH', uri, fields, body })
    etag = response.header('SIP-ETag')
    return response.status
  }
  assert.equal(await put('before'), 201)
  assert.equal(await put('goes'), 201)
  assert.deepEqual(await alarms(), [])

  fill(at, 0)
  // Before the box has looked: the journal meets the end of the disk.
  assert.equal(await publish('long '.repeat(5000)), 200)
  assert.equal(await put('during'), 507)
  const object = await http.ask('PUT', '/content/users/sip:alice@box.example/me.png', png(8, 8, 900), {
    'content-type': 'image/png',
  })
  assert.equal(object.status, 507)
  const changed = await http.ask('PUT', `${documents}/before`, list('changed'), listType)
  assert.equal(changed.status, 507)
  const refused = await porchlight(['user', 'add', 'bob', '--password-stdin', '--data', data], 'x\n')
  assert.deepEqual([refused.status, refused.errors.replace(/:[^:]*$/, '')], [1, 'porchlight: the disk is full'])
  assert.match((await alarms()).join(), /^disk: the disk is full/)
  // More than both files of the journal hold, so that the database is written, too.
  for (let n = 0; n < 400; n++) assert.equal(await publish(`${n}${' long'.repeat(5000)}`), 200)
  const registered = await sip.askAs(user, {
    method: 'REGISTER',
    uri: 'sip:box.example',
    fields: { To: '<sip:alice@box.example>' },
  })
  assert.equal(registered.status, 200)
  assert.equal((await http.ask('DELETE', `${documents}/goes`)).status, 200)
  const element = `${documents}/before/~~/resource-lists/list/entry`
  assert.equal((await http.ask('DELETE', element)).status, 200)

  // Also through a killed process, on a disk that is full.
  await box.stop('SIGKILL')
  box = await RunningBox.start(t, data)
  http = new HttpClient(t, box.port('http'))
  sip = await DatagramClient.open(t, box.port('udp'))
  assert.equal(await put('during'), 507)
  assert.equal(await publish('again'), 200)
  assert.equal((await http.ask('GET', `${documents}/before`)).status, 200)

  rmSync(join(at, 'filler'))
  assert.equal(await put('after'), 201)
  assert.equal(await put('during'), 201)
  assert.deepEqual(await alarms(), [])
  assert.equal((await http.ask('GET', `${documents}/goes`)).status, 404)
  const { status, errors } = await box.stop()
  assert.equal(status, 0)
  assert.match(errors, /alarm: disk: the disk is full.*\n[\s\S]*alarm cleared: disk/)
})
