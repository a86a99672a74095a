/** The update agent on files in place of slots: refuses what is not for the unit, resumes, and leaves all as it was on failure. */

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { writeBundle } from '../../../../image/update/write-bundle.ts'
import { UpdateAgent, type UpdateTarget, usualPace } from '../../../../src/platform/update/agent.ts'
import { readHead } from '../../../../src/platform/update/bundle.ts'
import { download } from '../../../../src/platform/update/download.ts'
import { hold } from '../../../../src/platform/update/lock.ts'
import { UpdateFolder } from '../../../../src/platform/update/state.ts'

const atOnce = { ...usualPace, waitMs: 0, makeSure: () => {} }

const pair = generateKeyPairSync('ed25519')
const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const publicKey = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()

class Bench {
  readonly folder: string
  readonly slot: string
  readonly kernels: string
  readonly target: UpdateTarget

  constructor(t: TestContext, version = '1.0.0') {
    this.folder = mkdtempSync(join(tmpdir(), 'porchlight-update-'))
    t.after(() => rmSync(this.folder, { recursive: true, force: true }))
    this.slot = join(this.folder, 'slot-b')
    this.kernels = join(this.folder, 'kernels')
    mkdirSync(this.kernels)
    writeFileSync(this.slot, 'old root')
    writeFileSync(join(this.kernels, `porchlight-${version}.efi`), 'running kernel')
    writeFileSync(join(this.kernels, 'porchlight-0.9.0.efi'), 'older kernel')
    this.target = {
      folder: join(this.folder, 'update'),
      board: 'amd64',
      version,
      keys: [publicKey],
      otherSlot: () => this.slot,
      slotOctets: () => 1_000_000,
      dropCaches: () => {},
      withKernelImages: work => work(this.kernels),
    }
  }

  async bundle(version: string, change: { board?: string; floor?: string; privateKey?: string } = {}): Promise<string> {
    const files: Record<string, string> = {}
    for (const name of ['slot', 'kernel', 'application']) {
      files[name] = join(this.folder, name)
      writeFileSync(files[name], `${name} of ${version} `.repeat(5000))
    }
    const path = join(this.folder, `${version}.bundle`)
    const parts = { slot: files.slot!, kernel: files.kernel!, application: files.application! }
    await writeBundle({ ...parts, board: 'amd64', version, floor: '0.0.0', privateKey, ...change }, path)
    return path
  }

  record() {
    return new UpdateFolder(this.target.folder).record
  }
}

test('a good bundle is in the other slot, its kernel image waits to be tried three times, the running one stays', async t => {
  const bench = new Bench(t)
  assert.equal(bench.record().state, 'idle')
  const agent = new UpdateAgent(bench.target)
  assert.equal(await agent.install(await bench.bundle('1.1.0')), '1.1.0')
  assert.match(readFileSync(bench.slot, 'utf8'), /^slot of 1\.1\.0 /)
  assert.deepEqual(readdirSync(bench.kernels).sort(), ['porchlight-1.0.0.efi', 'porchlight-1.1.0+3.efi'])
  assert.equal(bench.record().state, 'updating')

  const next = new UpdateAgent({ ...bench.target, version: '1.1.0' })
  assert.equal(next.rolledBack(), false)
  next.blessed()
  assert.deepEqual(bench.record(), { state: 'updated', version: '1.1.0' })
  assert.equal(new UpdateFolder(bench.target.folder).trial, undefined)
})

test('the box’s own user may read the state, whatever mask the agent runs with', t => {
  const folder = new UpdateFolder(new Bench(t).target.folder)
  const before = process.umask(0o077)
  t.after(() => process.umask(before))
  folder.record = { state: 'downloading', source: 'https://updates.example/1.bundle' }
  assert.equal(statSync(join(folder.path, 'state.json')).mode & 0o777, 0o644)
  folder.trial = { version: '1.1.0', previous: '1.0.0', floor: '0.0.0' }
  assert.equal(statSync(join(folder.path, 'trial')).mode & 0o777, 0o600)
})

test('when the old version starts again, the update has failed, and says why', async t => {
  const bench = new Bench(t)
  const agent = new UpdateAgent(bench.target)
  await agent.install(await bench.bundle('1.1.0'))
  agent.blessed()
  assert.equal(bench.record().state, 'updating', 'serving is no proof of another version')
  assert.equal(agent.rolledBack(), true)
  assert.equal(bench.record().state, 'failed')
  assert.match(bench.record().reason!, /version 1\.1\.0 did not serve/)
})

const other = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
for (const [what, version, change, reason] of [
  ['of another board', '1.1.0', { board: 'arm64' }, /for the board arm64/],
  ['signed by somebody else', '1.1.0', { privateKey: other }, /signature/],
  ['of the version that runs', '1.0.0', {}, /not newer/],
  ['of an older version', '0.9.9', {}, /not newer/],
] as const)
  test(`a bundle ${what} is refused and changes nothing`, async t => {
    const bench = new Bench(t)
    await assert.rejects(new UpdateAgent(bench.target).install(await bench.bundle(version, change)), reason)
    assert.equal(readFileSync(bench.slot, 'utf8'), 'old root')
    assert.deepEqual(readdirSync(bench.kernels).sort(), ['porchlight-0.9.0.efi', 'porchlight-1.0.0.efi'])
    assert.equal(bench.record().state, 'failed')
    assert.match(bench.record().reason!, reason)
  })

test('a version below the floor of a blessed one is refused', async t => {
  const bench = new Bench(t)
  await new UpdateAgent(bench.target).install(await bench.bundle('1.2.0', { floor: '1.2.0' }))
  new UpdateAgent({ ...bench.target, version: '1.2.0' }).blessed()
  await assert.rejects(new UpdateAgent(bench.target).install(await bench.bundle('1.1.0')), /below 1\.2\.0/)
})

test('one flipped octet anywhere: refused, and nothing is started from it', async t => {
  const bench = new Bench(t)
  const path = await bench.bundle('1.1.0')
  const good = readFileSync(path)
  for (let at = 0; at < good.length; at += Math.ceil(good.length / 60)) {
    const bad = Buffer.from(good)
    bad[at] = bad[at]! ^ 1
    writeFileSync(path, bad)
    await assert.rejects(new UpdateAgent(bench.target).install(path), `octet ${at}`)
    assert.ok(!readdirSync(bench.kernels).some(name => name.startsWith('porchlight-1.1.0')), `octet ${at}`)
  }
  truncateSync(path, good.length - 1)
  await assert.rejects(new UpdateAgent(bench.target).install(path), /ends too early/)
})

test('a broken download goes on where it stopped, and a bad one ends at its head', async t => {
  const bench = new Bench(t)
  const content = readFileSync(await bench.bundle('1.1.0'))
  const asked: string[] = []
  let breaks = 2
  let sent = 0
  const server = createServer((request, response) => {
    asked.push(request.headers.range ?? 'all')
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const range = { 'Content-Range': `bytes ${from}-${content.length - 1}/${content.length}` }
    response.writeHead(from > 0 ? 206 : 200, { 'Content-Length': content.length - from, ...(from > 0 ? range : {}) })
    const part = breaks-- > 0 ? content.subarray(from, from + 70_000) : content.subarray(from)
    sent += part.length
    response.write(part, () => (from + part.length < content.length ? response.destroy() : response.end()))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/bundle`
  const path = join(bench.folder, 'download')
  const head = await download(url, path, { ...atOnce, check: bytes => readHead(bytes, [publicKey]) })
  assert.equal(head.manifest.version, '1.1.0')
  assert.ok(readFileSync(path).equals(content))
  assert.equal(asked[0], 'all')
  assert.ok(asked.length >= 2 && asked.slice(1).every(range => /^bytes=[1-9]\d*-$/.test(range)), asked.join())
  assert.ok(sent < content.length * 2)

  await assert.rejects(download(`${url}2`, path, { ...atOnce, check: bytes => readHead(bytes, []) }), /signature/)
  assert.ok(!existsSync(path))
})

test('a bundle without TLS is not fetched', async t => {
  await assert.rejects(new UpdateAgent(new Bench(t).target).install('http://127.0.0.1/x.bundle'), /https/)
})

test('requests of device management: only small plain files with an https source count, and each is taken once', t => {
  const bench = new Bench(t)
  const folder = new UpdateFolder(bench.target.folder)
  const requests = join(folder.path, 'requests')
  mkdirSync(requests)
  writeFileSync(join(requests, '1.json'), '{"source":"https://updates.example/1.bundle"}')
  writeFileSync(join(requests, '2.json'), '{"source":"/etc/shadow"}')
  writeFileSync(join(requests, '3.json'), 'x'.repeat(5000))
  writeFileSync(join(bench.folder, 'elsewhere'), '{"source":"https://updates.example/2.bundle"}')
  symlinkSync(join(bench.folder, 'elsewhere'), join(requests, '4.json'))
  const [request, ...others] = folder.requests()
  assert.deepEqual([request?.source, others], ['https://updates.example/1.bundle', []])
  assert.deepEqual(readdirSync(requests), ['1.json'], 'what is cut short by the power is asked for again')
  writeFileSync(join(requests, '1.json'), '{"source":"https://updates.example/3.bundle"}')
  request!.done()
  assert.equal(folder.requests()[0]!.source, 'https://updates.example/3.bundle', 'another one by that name stays')
  folder.requests()[0]!.done()
  assert.deepEqual(folder.requests(), [])
})

test('of two installs at once the second is refused, or waits; the record is the first one’s', async t => {
  const bench = new Bench(t)
  const agent = new UpdateAgent(bench.target)
  const release = (await hold(join(bench.target.folder, 'lock'), false))!
  const path = await bench.bundle('1.1.0')
  await assert.rejects(agent.install(path), /^Error: another update is under way$/)
  assert.deepEqual(bench.record(), { state: 'idle' })
  const patient = agent.install(path, { isPatient: true })
  assert.equal(readFileSync(bench.slot, 'utf8'), 'old root')
  await release()
  assert.equal(await patient, '1.1.0')
  // Given up, it can be had again.
  await (await hold(join(bench.target.folder, 'lock'), false))!()
})

test('a version on trial keeps its way back: the next update waits until it is blessed', async t => {
  const bench = new Bench(t)
  await new UpdateAgent(bench.target).install(await bench.bundle('1.1.0'))
  const tried = { ...bench.target, version: '1.1.0' }
  const next = await bench.bundle('1.2.0')
  const hasty = new UpdateAgent(tried, { ...usualPace, trialMs: 0 })
  await assert.rejects(hasty.install(next), /version 1\.1\.0 is on trial itself/)
  assert.match(readFileSync(bench.slot, 'utf8'), /^slot of 1\.1\.0 /)
  assert.equal(bench.record().state, 'updating', 'of the version on trial')
  const waiting = new UpdateAgent(tried, { ...usualPace, trialMs: 3000 }).install(next)
  new UpdateAgent(tried).blessed()
  assert.equal(await waiting, '1.2.0')
})

test('one that waits for its first start is replaced, and not said to have failed when the replacement does', async t => {
  const bench = new Bench(t)
  const agent = new UpdateAgent(bench.target)
  await agent.install(await bench.bundle('1.1.0'))
  const bad = await bench.bundle('1.2.0')
  truncateSync(bad, readFileSync(bad).length - 1)
  await assert.rejects(agent.install(bad), /ends too early/)
  assert.deepEqual(readdirSync(bench.kernels), ['porchlight-1.0.0.efi'], 'of what the slot held nothing is started')
  assert.equal(agent.rolledBack(), false)
  assert.match(bench.record().reason!, /ends too early/)
})

test('no room among the kernel images: failed, and nothing is left there or on trial', async t => {
  const bench = new Bench(t)
  const full = { ...bench.target, withKernelImages: <T>(work: (folder: string) => T): T => work(folderOf(bench)) }
  let calls = 0
  function folderOf({ kernels }: Bench): string {
    // The second time, when the new one is to be named, its name is a folder that is not empty.
    if (++calls === 2) mkdirSync(join(kernels, 'porchlight-1.1.0+3.efi', 'x'), { recursive: true })
    return kernels
  }
  await assert.rejects(new UpdateAgent(full).install(await bench.bundle('1.1.0')))
  assert.equal(bench.record().state, 'failed')
  assert.equal(new UpdateFolder(bench.target.folder).trial, undefined)
  assert.deepEqual(readdirSync(bench.kernels), ['porchlight-1.0.0.efi'])
})

test('the power goes at each step: what runs starts again, and the record says what became of it', async t => {
  const bundleOf = async (bench: Bench) => bench.bundle('1.1.0')
  // What a step has left on disk when the power ends it there, and what the next start makes of it.
  for (const step of ['downloading', 'downloaded', 'updating'] as const) {
    const bench = new Bench(t)
    const folder = new UpdateFolder(bench.target.folder)
    folder.isUnderWay = true
    folder.record = { state: step, source: 'https://updates.example/1.bundle' }
    const next = new UpdateAgent(bench.target)
    next.interrupted()
    assert.equal(next.rolledBack(), false)
    assert.deepEqual(bench.record(), {
      state: 'failed',
      source: 'https://updates.example/1.bundle',
      reason: 'the unit was switched off meanwhile',
    })
    assert.equal(folder.isUnderWay, false)
  }
  // Still asked for, it goes on.
  const asked = new Bench(t)
  const folder = new UpdateFolder(asked.target.folder)
  mkdirSync(join(folder.path, 'requests'))
  writeFileSync(join(folder.path, 'requests/1.json'), '{"source":"https://updates.example/1.bundle"}')
  folder.record = { state: 'downloading', source: 'https://updates.example/1.bundle' }
  new UpdateAgent(asked.target).interrupted()
  assert.equal(asked.record().state, 'downloading')
  // Before the kernel image has its name, the old version starts; after, the new one does.
  const committed = new Bench(t)
  await new UpdateAgent(committed.target).install(await bundleOf(committed), {
    committing: () => {
      assert.ok(readdirSync(committed.kernels).includes('new.tmp'))
      assert.equal(new UpdateFolder(committed.target.folder).isUnderWay, true)
    },
  })
  const after = new UpdateAgent({ ...committed.target, version: '1.1.0' })
  after.interrupted()
  assert.equal(committed.record().state, 'updating')
  assert.equal(after.rolledBack(), false)
  after.blessed()
  after.blessed()
  assert.equal(committed.record().state, 'updated')
})
