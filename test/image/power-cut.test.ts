/**
 * The power is cut at 200 points of what a unit has written to its disk: each time the data partition's file system is put right as
 * a start does it, the store opens, every document that was answered for is there, and soft state at most 5 s old is lost.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { drawCode } from '../../firmware/identity/personalise.ts'
import { diskOctets, partition } from '../../image/partitions/layout.ts'
import { run, top } from '../../image/tools.ts'
import { currentPublications } from '../../src/entities/presence-server/publications.ts'
import { documentAt } from '../../src/entities/xdms/documents.ts'
import { openLmdbStore } from '../../src/platform/storage/lmdb.ts'
import { HttpClient } from '../end-to-end/http-client.ts'
import { SeededRandom } from '../simulation/random.ts'
import { boardName, Guest } from './guest.ts'
import { GuestWorld, provisionedImage } from './guest-world.ts'
import { Replay, WriteLog } from './write-log.ts'

const timeout = 2_400_000
const points = 200
const rounds = 60
/** What was published so long ago is kept. */
const softMs = 5_000
const alice = 'sip:alice@box.example'

/** Whose document a round's is: nobody may have all of them. */
const ownerOf = (round: number): string => (round % 2 === 0 ? 'Alice' : 'Bob')
const addressOf = (round: number) => ({
  auid: 'resource-lists',
  xui: `sip:${ownerOf(round).toLowerCase()}@box.example`,
  path: `round-${round}`,
})

const documentOf = (round: number): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="${`round ${round} `.repeat(50)}"/></resource-lists>`

test(`power cuts at ${points} points of what was written`, { timeout }, async t => {
  const folder = join(top, 'build/image', boardName, 'power-cut')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const image = await provisionedImage(join(folder, 'card.img'), { serial: 'PL-000045', code: drawCode() })
  const log = new WriteLog(join(folder, 'writes.log'))
  const guest = await Guest.make(t, 'power-cut', image, log.path)
  guest.start()
  await guest.serving()
  const world = await GuestWorld.open(t, guest)
  const { source } = world.person('Alice')
  const client = (name: string) =>
    new HttpClient(t, guest.ports.https, true, { username: name.toLowerCase(), password: `secret of ${name}` })

  /** By round: how many entries the log had when the document was answered for, and when its publication could not be lost any more. */
  const kept: { document: number; soft: Promise<number> }[] = []
  for (let round = 0; round < rounds; round++) {
    const { auid, xui, path } = addressOf(round)
    const type = { 'content-type': 'application/resource-lists+xml' }
    const target = `/xcap-root/${auid}/users/${xui}/${path}`
    const put = await client(ownerOf(round)).ask('PUT', target, documentOf(round), type)
    assert.equal(put.status, 201)
    const document = log.count()
    const exchange =
      round === 0
        ? source.publish('open', `round ${round}.`, 3600, world.now())
        : source.modify('open', `round ${round}.`, 3600, world.now())
    assert.ok(await world.until(() => exchange.final !== undefined, 60_000))
    assert.equal(exchange.final?.status, 200)
    kept.push({ document, soft: wait(softMs).then(() => log.count()) })
  }
  const soft = await Promise.all(kept.map(one => one.soft))
  await guest.cutPower()
  const end = log.count()
  t.diagnostic(`${end - kept[0]!.document} writes and flushes from the first answer on`)

  const random = new SeededRandom(1)
  const chosen = Array.from({ length: points }, () => kept[0]!.document + random.below(end - kept[0]!.document)).sort(
    (a, b) => a - b,
  )
  // It has grown over the rest of the card.
  const { start } = partition('porchlight-data')
  const data = { start, octets: diskOctets - start }
  const replay = new Replay(log, image, data, join(folder, 'flushed.img'))
  const cut = join(folder, 'cut.img')
  for (const point of chosen) {
    replay.cut(point, cut, () => random.chance(0.5))
    const found = await lookAt(cut, folder)
    const documents = kept.findLastIndex(one => one.document <= point) + 1
    assert.ok(found.documents >= documents, `${found.documents} documents of ${documents} after ${point} of ${end}`)
    const published = soft.findLastIndex(count => count <= point)
    assert.ok(
      found.published >= published,
      `publication ${found.published}, not ${published}, after ${point} of ${end}`,
    )
  }

  await t.test('and the check can fail: of a disk that lies about flushing, documents are missed', async () => {
    const liar = new Replay(log, image, data, join(folder, 'lied.img'))
    let misses = 0
    for (const point of chosen.filter((_, index) => index % 20 === 19)) {
      liar.cut(point, cut, () => random.chance(0.5), 10)
      const found = await lookAt(cut, folder).catch(() => ({ documents: -1 }))
      if (found.documents < kept.findLastIndex(one => one.document <= point) + 1) misses++
    }
    assert.ok(misses > 0)
  })
})

/** What a start would find on the partition: how many rounds of documents there are, without a gap, and the round published last. */
async function lookAt(path: string, folder: string): Promise<{ documents: number; published: number }> {
  const checked = spawnSync('e2fsck', ['-p', path], { encoding: 'utf8' })
  assert.ok((checked.status ?? 8) < 4, `e2fsck: ${checked.stdout}${checked.stderr}`)
  const place = join(folder, 'store')
  rmSync(place, { recursive: true, force: true })
  run('debugfs', ['-R', `rdump /store ${folder}`, path])
  const faults: string[] = []
  const store = await openLmdbStore(place, { report: text => faults.push(text) })
  try {
    assert.deepEqual(faults, [])
    return store.transact(db => {
      let documents = 0
      for (;;) {
        const found = documentAt(db, addressOf(documents))
        if (found === undefined) break
        assert.equal(Buffer.from(found.body).toString(), documentOf(documents))
        documents++
      }
      const texts = currentPublications(db, alice, 0).map(one => Buffer.from(one.publication.document).toString())
      const published = Math.max(-1, ...texts.map(text => Number(/round (\d+)\./.exec(text)?.[1] ?? -1)))
      return { documents, published }
    })
  } finally {
    await store.close()
  }
}
