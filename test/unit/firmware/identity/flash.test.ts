/** The technician's tool, file by file: what it puts on the provisioning partition, and what it refuses to write to. */

import assert from 'node:assert/strict'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { writeImage } from '../../../../firmware/identity/card.ts'
import { checkDisk, checkTarget, describeDisk, freeCards } from '../../../../firmware/identity/disks.ts'
import { addFile, isEmpty } from '../../../../firmware/identity/fat.ts'
import { partition } from '../../../../image/partitions/layout.ts'
import { blankImage, emptyFat, folderFor, readOnlyFile } from './blank-image.ts'

test('a file of several clusters in a FAT reads back, and both copies of the table are the same', () => {
  const volume = emptyFat(partition('porchlight-prov').octets)
  const content = 'presence '.repeat(2000)
  assert.ok(isEmpty(volume))
  addFile(volume, 'provision.json', Buffer.from(content))
  assert.deepEqual(readOnlyFile(volume), { name: 'provision.json', content })
  assert.ok(!isEmpty(volume))
  assert.ok(volume.subarray(4 * 512, 68 * 512).equals(volume.subarray(68 * 512, 132 * 512)))
  assert.throws(() => addFile(volume, 'large', Buffer.alloc(volume.length)), /does not fit/)
})

test('what is in use, what is fixed, a partition, a file that exists: refused in one line', t => {
  const folder = folderFor(t)
  for (const name of [
    'sys/block/sda/sda1/holders',
    'sys/block/sdb/sdb1/holders',
    'sys/block/sdc',
    'sys/block/sdd/sdd1/holders/dm-0',
    'sys/block/sde/sde1',
    'proc/self',
  ])
    mkdirSync(join(folder, name), { recursive: true })
  for (const name of ['sda', 'sdb', 'sdd', 'sde']) writeFileSync(join(folder, 'sys/block', name, 'removable'), '1\n')
  writeFileSync(join(folder, 'sys/block/sdc/removable'), '0\n')
  writeFileSync(join(folder, 'sys/block/sde/sde1/dev'), '8:65\n')
  const mounts = ['22 1 8:1 / / rw - ext4 /dev/sda1 rw', '23 22 8:65 / /srv rw shared:1 - ext4 /dev/root rw', '']
  writeFileSync(join(folder, 'proc/self/mountinfo'), mounts.join('\n'))
  const check = (name: string, isFixedAllowed = false) =>
    checkDisk(name, isFixedAllowed, join(folder, 'sys'), join(folder, 'proc'))
  check('sdb')
  assert.throws(() => check('sda', true), /\/dev\/sda1 is in use/)
  assert.throws(() => check('sdd', true), /in use by dm-0/)
  assert.throws(() => check('sde', true), /\/dev\/sde1 is in use/, 'by its number, whatever it is called')
  writeFileSync(join(folder, 'proc/swaps'), 'Filename Type\n/dev/sdb1 partition 1 0 -2\n')
  assert.throws(() => check('sdb', true), /\/dev\/sdb1 is in use/)
  rmSync(join(folder, 'proc/swaps'))
  assert.throws(() => check('sdb1'), /is a partition/)
  assert.throws(() => check('sdc'), /cannot be taken out/)
  check('sdc', true)
  writeFileSync(join(folder, 'kept'), 'x')
  assert.throws(() => checkTarget(join(folder, 'kept'), false), /exists already/)
  assert.throws(() => checkTarget('/dev/null', false), /neither a file nor a card/)
})

test('what does not read as it was written is noticed; progress goes from nothing to all, twice', async t => {
  const folder = folderFor(t)
  const image = blankImage(folder)
  const told: string[] = []
  const progress = (what: string, part: number) => told.push(`${what} ${part}`)
  await writeImage(image, [], join(folder, 'good'), { progress })
  assert.deepEqual(told, ['writing 1', 'verifying 1'])
  assert.ok(readFileSync(join(folder, 'good')).equals(readFileSync(image)))
  const wear = (what: string): void => {
    if (what !== 'writing') return
    const descriptor = openSync(join(folder, partsIn(folder)[0]!), 'r+')
    writeSync(descriptor, Buffer.from([1]), 0, 1, 3_000_001)
    closeSync(descriptor)
  }
  const bad = writeImage(image, [], join(folder, 'bad'), { progress: wear })
  await assert.rejects(bad, /does not read as it was written: take another card/)
  assert.deepEqual(readdirSync(folder).sort(), ['blank.img', 'good'])
})

function partsIn(folder: string): string[] {
  return readdirSync(folder).filter(name => name.endsWith('.part'))
}

test('a new file has its name when it is whole: broken off there is none, and of two at once the second is refused', async t => {
  const folder = folderFor(t)
  const image = blankImage(folder)
  const target = join(folder, 'unit.img')
  const stop = new AbortController()
  const broken = writeImage(image, [], target, { progress: () => stop.abort(), signal: stop.signal })
  await assert.rejects(broken, /^Error: broken off: there is no .*unit\.img$/)
  assert.deepEqual(readdirSync(folder), ['blank.img'])
  // What a killed process has left; nobody has this number.
  writeFileSync(join(folder, '.unit.img.99999999.part'), 'half')
  const verified = (): void => {
    assert.ok(!existsSync(target))
    assert.equal(partsIn(folder).length, 1)
    writeFileSync(target, 'of another')
  }
  await assert.rejects(writeImage(image, [], target, { progress: () => {}, verified }), /exists already/)
  assert.equal(readFileSync(target, 'utf8'), 'of another')
  assert.deepEqual(readdirSync(folder).sort(), ['blank.img', 'unit.img'])
  const nowhere = writeImage(image, [], join(folder, 'none/unit.img'), { progress: () => {} })
  await assert.rejects(nowhere, /^Error: there is no folder .*none$/)
})

test('a disk behind a loop device is in use; what is soldered is no card; cards are told by size and maker', t => {
  const folder = folderFor(t)
  const [sys, proc] = [join(folder, 'sys'), join(folder, 'proc')]
  const disk = (name: string, files: Record<string, string>): void => {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(sys, 'block', name, file)), { recursive: true })
      writeFileSync(join(sys, 'block', name, file), `${text}\n`)
    }
  }
  disk('sda', { removable: '1', size: '62333952', 'device/vendor': 'Generic ', 'device/model': 'Reader  ' })
  disk('loop3', { removable: '0', 'loop/backing_file': '/dev/sda' })
  disk('mmcblk0', { removable: '0', 'device/type': 'MMC', size: '1' })
  disk('mmcblk1', { removable: '0', 'device/type': 'SD', size: '1' })
  assert.throws(() => checkDisk('sda', true, sys, proc), /\/dev\/sda is in use/)
  disk('loop3', { 'loop/backing_file': '/srv/file' })
  checkDisk('sda', false, sys, proc)
  assert.throws(() => checkDisk('mmcblk0', false, sys, proc), /cannot be taken out/)
  checkDisk('mmcblk1', false, sys, proc)
  assert.equal(describeDisk('/nowhere/sda', sys), '31.9 GB Generic Reader')
  assert.deepEqual(
    freeCards(sys, proc).filter(path => !existsSync(path)),
    [],
  )
  assert.throws(() => checkTarget('/dev/there-is-none', false), /there is no \/dev\/there-is-none/)
})
