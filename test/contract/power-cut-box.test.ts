/**
 * The promise of durability at a power cut as clients see it: the whole box on the real LMDB store. After each of
 * over 200 cuts a box started on what is left serves every document whose PUT or DELETE was answered, as it was answered, and
 * what was published at least five seconds before. Of a request in progress either outcome may be found, whole.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Instant } from '../../src/turn.ts'
import { WholeBox } from '../conformance/whole-box.ts'
import { SeededRandom } from '../simulation/random.ts'
import { Clock, checkpointOf, Disk, openLmdbStore, play, softFlushMs } from './played-disk.ts'

const cuts = 220
const stepMs = 500
const root = '/xcap-root/resource-lists/users/sip:alice@box.example'
const names = ['one', 'two', 'three', 'four']
const settings = { 'presence.defaultHandling': 'allow' }

/** What a document may be found as: as it was answered last, and as a request in progress would have it. */
interface Expected {
  body: string | undefined
  /** Present while a request is in progress. */
  next?: { readonly body: string | undefined }
}

test(`${cuts} power cuts: no document is lost, and of what was published at most the last 5 s`, {
  timeout: 60_000,
}, async t => {
  const [directory, image] = [
    mkdtempSync(join(tmpdir(), 'porchlight-cut-')),
    mkdtempSync(join(tmpdir(), 'porchlight-cut-')),
  ]
  t.after(() => {
    play(undefined, undefined)
    for (const path of [directory, image]) rmSync(path, { recursive: true, force: true })
  })
  const random = new SeededRandom(7)
  const clock = new Clock()
  play(undefined, clock)
  const store = await openLmdbStore(directory, { softFlushMs })
  const box = new WholeBox(settings, store)
  await store.checkpoint()
  const disk = new Disk(directory, random)
  play(disk, clock)
  disk.settle()

  const documents = new Map<string, Expected>(names.map(name => [name, { body: undefined }]))
  const published: Array<{ readonly n: number; readonly at: Instant }> = []
  let etag: string | undefined
  let inProgress: Promise<void> | undefined
  let checkpoint: { isDone: boolean } | undefined
  let heldFor = 0
  let [answered, interrupted, checkpoints, lost] = [0, 0, 0, 0]
  for (let cut = 0; cut < cuts; cut++) {
    if (inProgress === undefined) {
      const n = published.length + 1
      await publish(box, n, etag)
      etag = /^SIP-ETag: (\S+)/im.exec(box.sent.findLast(message => message.startsWith('SIP/2.0 200'))!)![1]
      published.push({ n, at: box.now })
      if (random.chance(0.5)) {
        const name = names[random.below(names.length)]!
        const document = documents.get(name)!
        inProgress = change(box, name, document, `v${cut}`, random.chance(0.2)).finally(() => {
          inProgress = undefined
          answered++
        })
      }
    }
    if (checkpoint === undefined && random.chance(0.1)) checkpoint = checkpointOf(store)
    await setImmediate()
    // A flush may take as long as two seconds, so that with the three it is waited for five hold.
    heldFor += stepMs
    if (heldFor > 1500 || random.chance(0.3)) {
      await disk.finishFlushes()
      await setImmediate()
      heldFor = 0
    }
    if (checkpoint?.isDone) {
      disk.settleDatabase()
      checkpoint = undefined
      checkpoints++
    }
    if (inProgress !== undefined) interrupted++
    disk.cut(image)
    const found = await whatIsFound(image, box.now)
    for (const [name, { body, next }] of documents) {
      const allowed = next === undefined ? [body] : [body, next.body]
      assert.ok(allowed.includes(found.documents.get(name)), `cut ${cut}: ${name} is ${found.documents.get(name)}`)
    }
    const due = published.findLast(({ at }) => at <= box.now - 5000)?.n ?? 0
    assert.ok(
      found.published >= due && found.published <= published.length,
      `cut ${cut}: ${found.published}, not ${due}`,
    )
    if (found.published < published.length) lost++
    box.now += stepMs
    clock.pass(stepMs)
  }
  // The cuts were real ones: some lost soft state, some interrupted a request.
  assert.ok(
    answered > 20 && interrupted > 20 && checkpoints > 2 && lost > 20,
    `${answered} ${interrupted} ${checkpoints} ${lost}`,
  )
  while (inProgress !== undefined) {
    await disk.finishFlushes()
    await setImmediate()
  }
  await disk.finishFlushes()
  play(undefined, undefined)
  await store.close()
})

/** Writes a document, or deletes it. */
async function change(
  box: WholeBox,
  name: string,
  document: Expected,
  text: string,
  isRemoved: boolean,
): Promise<void> {
  const isThere = document.body !== undefined
  const body = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="${text}${'x'.repeat(5000)}"/></resource-lists>`
  const next = { body: isRemoved ? undefined : body }
  document.next = next
  const { status } = isRemoved
    ? await box.http('DELETE', `${root}/${name}`)
    : await box.http('PUT', `${root}/${name}`, { body, type: 'application/resource-lists+xml' })
  assert.equal(status, isRemoved ? (isThere ? 200 : 404) : isThere ? 200 : 201)
  document.body = next.body
  delete document.next
}

async function publish(box: WholeBox, n: number, etag: string | undefined): Promise<void> {
  const body = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@box.example"><tuple id="t"><status><basic>open</basic></status><note>${n}</note></tuple></presence>`
  const condition = etag === undefined ? [] : [`SIP-If-Match: ${etag}`]
  const headers = ['Event: presence', 'Expires: 3600', 'Content-Type: application/pidf+xml', ...condition]
  await box.sip('PUBLISH', 'alice', headers, body)
}

/** What a box started on `image` serves. */
async function whatIsFound(
  image: string,
  now: Instant,
): Promise<{ readonly documents: ReadonlyMap<string, string | undefined>; readonly published: number }> {
  const reports: string[] = []
  const store = await openLmdbStore(image, { report: line => reports.push(line), softFlushMs: 3001 })
  try {
    const box = new WholeBox(settings, store, now)
    const documents = new Map<string, string | undefined>()
    for (const name of names) {
      const { status, body } = await box.http('GET', `${root}/${name}`)
      assert.ok(status === 200 || status === 404, `${status}`)
      documents.set(name, status === 200 ? Buffer.from(body!).toString() : undefined)
    }
    await box.sip('SUBSCRIBE', 'alice', ['Event: presence', 'Expires: 0', 'Contact: <sip:10.0.0.2:5060>'])
    assert.deepEqual(reports, [])
    return { documents, published: Number(/<note>(\d+)<\/note>/.exec(box.notified)?.[1] ?? 0) }
  } finally {
    await store.close()
  }
}
