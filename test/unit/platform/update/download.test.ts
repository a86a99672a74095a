/** Downloads from servers that are slow, broken, changed or bad: gone on with where it can be, given up with a reason where not. */

import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setDefaultCACertificates } from 'node:tls'
import { writeBundle } from '../../../../image/update/write-bundle.ts'
import { selfSigned } from '../../../../src/platform/certificate.ts'
import { UpdateAgent, type UpdateTarget, usualPace } from '../../../../src/platform/update/agent.ts'
import { BundleError, type BundleHead, bundleMark } from '../../../../src/platform/update/bundle.ts'
import { download } from '../../../../src/platform/update/download.ts'
import { UpdateFolder } from '../../../../src/platform/update/state.ts'

const octets = 300_000
const headLength = 100

/** A bundle as far as downloads know one: a head, which says the version and how long it is. */
function contentOf(version: string): Buffer {
  return Buffer.from(`${bundleMark} ${version}\n`.padEnd(headLength, '-') + version.repeat(octets).slice(0, octets))
}

function check(bytes: Uint8Array): BundleHead | undefined {
  if (bytes.length < headLength) return undefined
  const text = Buffer.from(bytes).toString('latin1', 0, headLength)
  if (!text.startsWith(bundleMark)) throw new BundleError('this is no update bundle')
  const size = (part: number) => ({ octets: part, sha256: '' })
  const files = { slot: size(octets - 2), kernel: size(1), application: size(1) }
  return {
    manifest: { product: 'porchlight', board: 'amd64', version: text.slice(20, 25), floor: '0.0.0', files },
    length: headLength,
  }
}

class Downloads {
  readonly path: string
  readonly folder: string
  readonly asked: Array<{ range: string | undefined; ifRange: string | undefined }> = []
  url = ''

  constructor(t: TestContext) {
    this.folder = mkdtempSync(join(tmpdir(), 'porchlight-download-'))
    t.after(() => rmSync(this.folder, { recursive: true, force: true }))
    this.path = join(this.folder, 'download')
  }

  async serve(t: TestContext, answer: RequestListener, server: Server = createServer()): Promise<void> {
    server.on('request', (request, response) => {
      this.asked.push({ range: request.headers.range, ifRange: request.headers['if-range'] })
      answer(request, response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => (server as ReturnType<typeof createServer>).close().closeAllConnections())
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/bundle`
  }

  get(options: Partial<Parameters<typeof download>[2]> = {}): Promise<BundleHead> {
    return download(this.url, this.path, { ...usualPace, waitMs: 0, check, makeSure: () => {}, ...options })
  }
}

/** Serves `content`, broken off after `part` octets, as its version `etag`. Ranges are for who has the same version. */
function versioned(content: Buffer, etag: string, part = content.length, ranges = true): RequestListener {
  return (request, response) => {
    const { range, 'if-range': ifRange } = request.headers
    const wanted =
      ranges && (ifRange === undefined || ifRange === etag) ? /bytes=(\d+)-/.exec(range ?? '')?.[1] : undefined
    const from = Number(wanted ?? 0)
    const headers = { ETag: etag, 'Content-Length': content.length - from }
    if (wanted === undefined) response.writeHead(200, headers)
    else
      response.writeHead(206, { ...headers, 'Content-Range': `bytes ${from}-${content.length - 1}/${content.length}` })
    const sent = content.subarray(from, from + part)
    response.write(sent, () => (from + sent.length < content.length ? response.destroy() : response.end()))
  }
}

test('a part is gone on with as long as the server has the same version (RFC 9110 §13.1.5), and else begun anew', async t => {
  const downloads = new Downloads(t)
  const [old, young] = [contentOf('1.1.0'), contentOf('1.1.1')]
  let serve = versioned(old, '"old"', 100_000)
  await downloads.serve(t, (request, response) => serve(request, response))
  await assert.rejects(downloads.get({ tries: 0 }), /the connection|terminated|closed|not reached/)
  const had = readFileSync(downloads.path).length
  assert.ok(had > 0 && had <= 100_000)
  serve = versioned(young, '"young"')
  const head = await downloads.get()
  assert.deepEqual(downloads.asked[1], { range: `bytes=${had}-`, ifRange: '"old"' })
  assert.equal(head.manifest.version, '1.1.1')
  assert.ok(readFileSync(downloads.path).equals(young))
  // What is there whole is not asked for again.
  await downloads.get()
  assert.equal(downloads.asked.length, 2)
})

test('breaks are no matter as long as each brings something; without ranges it begins anew, and that not for ever', async t => {
  const downloads = new Downloads(t)
  const content = contentOf('1.1.0')
  let serve = versioned(content, '"a"', 20_000)
  await downloads.serve(t, (request, response) => serve(request, response))
  await downloads.get({ tries: 1 })
  assert.ok(readFileSync(downloads.path).equals(content))
  assert.ok(downloads.asked.length >= 15, String(downloads.asked.length))
  rmSync(downloads.path)
  serve = versioned(content, '"a"', 20_000, false)
  const before = downloads.asked.length
  await assert.rejects(downloads.get({ tries: 2 }))
  assert.ok(downloads.asked.length - before <= 6)
  serve = versioned(content, '"a"', content.length, false)
  await downloads.get()
  assert.ok(readFileSync(downloads.path).equals(content))
})

test('a part that a server does not know any more, or answers with another range, is not mixed with what comes', async t => {
  for (const status of [416, 206]) {
    const downloads = new Downloads(t)
    const content = contentOf('1.1.0')
    await downloads.serve(t, (request, response) => {
      if (request.headers.range === undefined) versioned(content, '"a"')(request, response)
      else response.writeHead(status, status === 206 ? { 'Content-Range': 'bytes 7-9/10' } : {}).end()
    })
    writeFileSync(downloads.path, content.subarray(0, 5000).fill(0, 1000))
    writeFileSync(`${downloads.path}.from`, JSON.stringify({ url: downloads.url }))
    await downloads.get()
    assert.ok(readFileSync(downloads.path).equals(content), String(status))
    assert.equal(downloads.asked.length, 2)
  }
})

test('a server that keeps the agent waiting is given up: without an answer, and octet by octet', async t => {
  const timers = new Set<NodeJS.Timeout>()
  t.after(() => timers.forEach(clearInterval))
  for (const drip of [false, true]) {
    const downloads = new Downloads(t)
    await downloads.serve(t, (_, response) => {
      if (!drip) return
      // Less each time, however many drops come in its time on a busy machine: what grows would be gone on with.
      response.writeHead(200).write(contentOf('1.1.0').subarray(0, 3000 / downloads.asked.length))
      timers.add(setInterval(() => response.write('x'), 10))
    })
    await assert.rejects(
      downloads.get({ tries: 1, patienceMs: 300, leastOctets: 5000 }),
      /^Error: the server is too slow$/,
    )
    assert.equal(downloads.asked.length, 2)
  }
})

test('a body without end, longer than its head says, or that is none: refused at once, and nothing is left', async t => {
  const endless =
    (content: Buffer): RequestListener =>
    (_, response) => {
      response.writeHead(200)
      const more = (): void => {
        while (!response.destroyed && response.write(content));
      }
      response.on('drain', more)
      more()
    }
  const long = Buffer.concat([contentOf('1.1.0'), Buffer.alloc(10)])
  for (const [reason, times, answer] of [
    [/this is no update bundle/, 1, endless(Buffer.alloc(65_536, 'x'))],
    [/it is longer than it says/, 1, endless(contentOf('1.1.0'))],
    [/it is longer than it says/, 1, versioned(long, '"a"')],
    [/the server answered 404/, 1, (_, response) => response.writeHead(404).end('x')],
    [/the server redirects for ever/, 6, (_, response) => response.writeHead(302, { Location: '/bundle' }).end()],
    [/no room for it/, 1, versioned(contentOf('1.1.0'), '"a"')],
  ] as Array<[RegExp, number, RequestListener]>) {
    const downloads = new Downloads(t)
    await downloads.serve(t, answer)
    const makeSure = (more: number): void => {
      if (reason.test('no room for it')) throw new BundleError(`no room for it: ${more}`)
    }
    await assert.rejects(downloads.get({ makeSure }), reason)
    assert.deepEqual(readdirSync(downloads.folder), [])
    assert.equal(downloads.asked.length, times)
  }
})

test('a server that is out of order for a moment is tried again; what it says is not taken compressed', async t => {
  const downloads = new Downloads(t)
  const content = contentOf('1.1.0')
  let busy = 2
  await downloads.serve(t, (request, response) => {
    assert.equal(request.headers['accept-encoding'], 'identity')
    if (busy-- > 0) response.writeHead(503).end()
    else versioned(content, '"a"')(request, response)
  })
  await downloads.get()
  assert.equal(downloads.asked.length, 3)
})

test('over HTTPS: reasons are plain, redirects stay in TLS, what was spoilt is begun anew, and the box keeps its room', async t => {
  const { certificate, key } = selfSigned('bundles.example', ['127.0.0.1'], Date.now())
  const downloads = new Downloads(t)
  const content = contentOf('1.1.0')
  const pair = generateKeyPairSync('ed25519')
  const bundle = await signedBundle(downloads.folder, pair.privateKey)
  const spoilt = Buffer.from(bundle)
  spoilt[spoilt.length - 1]! ^= 1
  let answers = [spoilt, bundle]
  await downloads.serve(
    t,
    (request, response) => {
      if (request.url === '/bundle') versioned(content, '"a"')(request, response)
      else if (request.url === '/signed') versioned(answers.shift()!, '"b"')(request, response)
      else response.writeHead(307, { Location: request.url === '/here' ? '/bundle' : 'http://127.0.0.1/' }).end()
    },
    createTlsServer({ cert: certificate, key }),
  )
  const secure = downloads.url.replace('http:', 'https:')
  const kernels = join(downloads.folder, 'kernels')
  mkdirSync(kernels)
  const target: UpdateTarget = {
    folder: join(downloads.folder, 'update'),
    board: 'amd64',
    version: '1.0.0',
    keys: [pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()],
    otherSlot: () => join(downloads.folder, 'slot-b'),
    slotOctets: () => 2 ** 52,
    dropCaches: () => {},
    withKernelImages: work => work(kernels),
  }
  const install = (url: string) => new UpdateAgent(target, { ...usualPace, tries: 0 }).install(url)
  const record = () => new UpdateFolder(target.folder).record
  const reason = 'the server is not reached: self-signed certificate'
  await assert.rejects(install(secure), { message: reason })
  assert.deepEqual(record(), { state: 'failed', source: secure, reason })

  setDefaultCACertificates([certificate])
  downloads.url = secure.replace('bundle', 'here')
  assert.equal((await downloads.get()).manifest.version, '1.1.0')
  downloads.url = secure.replace('bundle', 'away')
  await assert.rejects(downloads.get(), /redirects to a place without TLS/)
  downloads.url = secure.replace('127.0.0.1', 'user:secret@127.0.0.1')
  await assert.rejects(downloads.get(), /^BundleError: a source with a password in it is not fetched$/)
  assert.ok(!existsSync(downloads.path))

  const signed = secure.replace('bundle', 'signed')
  await assert.rejects(install(signed), /its application is not what was signed/)
  assert.equal(record().version, '1.1.0')
  assert.equal(await install(signed), '1.1.0')
  assert.deepEqual(record(), { state: 'updating', source: signed, version: '1.1.0' })

  // A head that is signed, and says more than any disk holds.
  answers = [await signedBundle(downloads.folder, pair.privateKey, 2 ** 51)]
  await assert.rejects(install(signed), /^BundleError: there is no room for it: \d+ MiB are needed, \d+ MiB free$/)
  assert.deepEqual(readdirSync(target.folder).sort(), ['application.js', 'lock', 'state.json', 'trial'])
})

async function signedBundle(folder: string, key: KeyObject, claimed?: number): Promise<Buffer> {
  const [slot, kernel, application] = ['slot', 'kernel', 'application'].map(name => join(folder, name))
  for (const file of [slot!, kernel!, application!]) writeFileSync(file, `${file} `.repeat(1000))
  const privateKey = key.export({ type: 'pkcs8', format: 'pem' }).toString()
  const parts = { slot: slot!, kernel: kernel!, application: application! }
  const path = join(folder, 'signed.bundle')
  await writeBundle({ ...parts, board: 'amd64', version: '1.1.0', floor: '0.0.0', privateKey }, path)
  const bundle = readFileSync(path)
  if (claimed === undefined) return bundle
  const manifest = JSON.parse(bundle.toString('latin1').split('\n')[2]!) as { files: { slot: { octets: number } } }
  manifest.files.slot.octets = claimed
  const text = JSON.stringify(manifest)
  return Buffer.from(`${bundleMark}\n${sign(null, Buffer.from(text), key).toString('base64')}\n${text}\nx`)
}
