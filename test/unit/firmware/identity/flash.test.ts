/** The technician's tool, file by file: what it puts on the provisioning partition, and what it refuses to write to. */

import assert from 'node:assert/strict'
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkDisk, checkTarget, writeImage } from '../../../../firmware/identity/card.ts'
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

test('what does not read as it was written is noticed; progress goes from nothing to all, twice', t => {
  const folder = folderFor(t)
  const image = blankImage(folder)
  const told: string[] = []
  writeImage(image, [], join(folder, 'good'), (what, part) => told.push(`${what} ${part}`))
  assert.deepEqual(told, ['writing 1', 'verifying 1'])
  assert.ok(statSync(join(folder, 'good')).size === statSync(image).size)
  const target = join(folder, 'bad')
  const wear = (what: string): void => {
    if (what !== 'writing') return
    const descriptor = openSync(target, 'r+')
    writeSync(descriptor, Buffer.from([1]), 0, 1, 3_000_001)
    closeSync(descriptor)
  }
  assert.throws(() => writeImage(image, [], target, wear), /does not read as it was written: take another card/)
})
