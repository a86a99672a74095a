/** The technician's tool, file by file: what it puts on the provisioning partition, and what it refuses to write to. */

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { checkDisk, checkTarget } from '../../../../firmware/identity/card.ts'
import { addFile } from '../../../../firmware/identity/fat.ts'
import { partition } from '../../../../image/partitions/layout.ts'

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'porchlight-flash-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A FAT16 file system without files: one sector for a cluster, two copies of 64 sectors, 512 entries in the top folder. */
function emptyFat(octets: number): Buffer {
  const volume = Buffer.alloc(octets)
  volume.writeUInt16LE(512, 11)
  volume[13] = 4
  volume.writeUInt16LE(4, 14)
  volume[16] = 2
  volume.writeUInt16LE(512, 17)
  volume.writeUInt16LE(octets / 512, 19)
  volume.writeUInt16LE(64, 22)
  return volume
}

/** What a reader of FAT finds: the long name, and the content by its chain of clusters. */
function readOnlyFile(volume: Buffer): { name: string; content: string } {
  const root = volume.subarray((4 + 2 * 64) * 512)
  const pieces: string[] = []
  let at = 0
  for (; root[at + 11] === 0x0f; at += 32)
    pieces.unshift(
      Buffer.concat([
        root.subarray(at + 1, at + 11),
        root.subarray(at + 14, at + 26),
        root.subarray(at + 28, at + 32),
      ]).toString('utf16le'),
    )
  const length = root.readUInt32LE(at + 28)
  const parts: Buffer[] = []
  const data = (4 + 2 * 64) * 512 + 512 * 32
  for (let n = root.readUInt16LE(at + 26); n < 0xfff8; n = volume.readUInt16LE(4 * 512 + n * 2))
    parts.push(volume.subarray(data + (n - 2) * 2048, data + (n - 1) * 2048))
  return { name: pieces.join('').split('\0')[0]!, content: Buffer.concat(parts).subarray(0, length).toString() }
}

test('a file of several clusters in a FAT reads back, and both copies of the table are the same', () => {
  const volume = emptyFat(partition('porchlight-prov').octets)
  const content = 'presence '.repeat(2000)
  addFile(volume, 'provision.json', Buffer.from(content))
  assert.deepEqual(readOnlyFile(volume), { name: 'provision.json', content })
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
    'proc',
  ])
    mkdirSync(join(folder, name), { recursive: true })
  for (const name of ['sda', 'sdb', 'sdd']) writeFileSync(join(folder, 'sys/block', name, 'removable'), '1\n')
  writeFileSync(join(folder, 'sys/block/sdc/removable'), '0\n')
  writeFileSync(join(folder, 'proc/mounts'), '/dev/sda1 / ext4 rw 0 0\n')
  const check = (name: string, isFixedAllowed = false) =>
    checkDisk(name, isFixedAllowed, join(folder, 'sys'), join(folder, 'proc'))
  check('sdb')
  assert.throws(() => check('sda', true), /\/dev\/sda1 is in use/)
  assert.throws(() => check('sdd', true), /in use by dm-0/)
  assert.throws(() => check('sdb1'), /is a partition/)
  assert.throws(() => check('sdc'), /cannot be taken out/)
  check('sdc', true)
  writeFileSync(join(folder, 'kept'), 'x')
  assert.throws(() => checkTarget(join(folder, 'kept'), false), /exists already/)
  assert.throws(() => checkTarget('/dev/null', false), /neither a file nor a card/)
})
