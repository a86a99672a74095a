/**
 * A unit made by the technician's tool takes its provisioning once, and the first conversations are played against it, over a
 * power cut.
 */

import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { drawCode } from '../../firmware/identity/personalise.ts'
import { partition } from '../../image/partitions/layout.ts'
import { run, top } from '../../image/tools.ts'
import { play, readFlow } from '../flows/language.ts'
import { boardName, Guest } from './guest.ts'
import { GuestWorld, provisionedImage } from './guest-world.ts'

const timeout = 2_400_000

const overPowerCut = `
# What was answered more than five seconds before a power cut is there after it
Alice registers                                       expecting 200
Alice publishes presence open                         expecting 200
Bob   subscribes to Alice                             expecting 200
Bob   is notified active, presence open
the box is killed and starts again
Alice publishes presence closed                       expecting 200
Bob   is notified active, presence closed
Bob   refreshes the subscription to Alice             expecting 200
`

test('provisioned once and wiped; register, publish, watch; all goes on after a power cut', { timeout }, async t => {
  const image = join(top, 'build/image', boardName, 'test-provisioned.img')
  const code = drawCode()
  t.after(() => rmSync(image, { force: true }))
  await provisionedImage(image, { serial: 'PL-000042', code })
  const guest = await Guest.make(t, 'flows', image)
  guest.start()
  await guest.until('porchlight: provisioned')
  await guest.serving()
  const first = readFlow(readFileSync(join(top, 'test/flows/publish-and-notify.flow'), 'utf8'))
  await t.test(`publish-and-notify: ${first.title}`, async nested => play(first, await GuestWorld.open(nested, guest)))
  await t.test('publication, subscription and users outlive a power cut', async nested =>
    play(readFlow(overPowerCut), await GuestWorld.open(nested, guest)),
  )
  await guest.cutPower()
  assert.equal(guest.said().split('porchlight: provisioned').length - 1, 1, 'not at the second start')

  const raw = join(top, 'build/image', boardName, 'test/flows/disk.raw')
  t.after(() => rmSync(raw, { force: true }))
  run('qemu-img', ['convert', '-O', 'raw', guest.disk, raw])
  const { start, octets } = partition('porchlight-prov')
  const volume = readPart(raw, start, octets)
  assert.ok(
    !volume.includes(code) && !volume.includes('secret of Alice'),
    'no secret is left on the provisioning partition',
  )
})

function readPart(path: string, start: number, octets: number): Buffer {
  const descriptor = openSync(path, 'r')
  const part = Buffer.alloc(octets)
  readSync(descriptor, part, 0, octets, start)
  closeSync(descriptor)
  return part
}
