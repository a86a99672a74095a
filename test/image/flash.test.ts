/** The technician's tool on made-up images: every unit is its own, what is written reads back, and no disk in use is written to. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { drawCode } from '../../firmware/identity/personalise.ts'
import { diskOctets, partition } from '../../image/partitions/layout.ts'

const top = resolve(import.meta.dirname, '../..')

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

/** An image of zeros but for its partition table's two headers and its provisioning partition. */
function blankImage(folder: string): string {
  const path = join(folder, 'blank.img')
  const descriptor = openSync(path, 'w')
  ftruncateSync(descriptor, diskOctets)
  const header = Buffer.alloc(512)
  header.write('EFI PART')
  header.writeUInt32LE(92, 12)
  writeSync(descriptor, header, 0, 512, 512)
  writeSync(descriptor, header, 0, 512, diskOctets - 512)
  const { start, octets } = partition('porchlight-prov')
  const volume = emptyFat(octets)
  writeSync(descriptor, volume, 0, volume.length, start)
  closeSync(descriptor)
  return path
}

function flash(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(join(top, 'scripts/flash'), words, { encoding: 'utf8' })
  return { status, stdout, stderr }
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

test('one unit: its provisioning, its own disk GUID in both headers, its label; no secret in the log', t => {
  const folder = folderFor(t)
  const log = join(folder, 'log')
  const given = ['--image', blankImage(folder), '--domain', 'unit.example', '--log', log]
  const address = ['--address', '192.0.2.10/24', '--gateway', '192.0.2.1', '--dns', '192.0.2.53']
  const done = flash(...given, '--serial', 'PL-1', '--target', join(folder, 'a.img'), ...address)
  assert.equal(done.status, 0, done.stderr)
  assert.equal(flash(...given, '--serial', 'PL-2', '--target', join(folder, 'b.img')).status, 0)
  const [a, b] = ['a.img', 'b.img'].map(name => readFileSync(join(folder, name)))
  const { start, octets } = partition('porchlight-prov')
  const file = readOnlyFile(a!.subarray(start, start + octets))
  assert.equal(file.name, 'provision.json')
  const { serial, admin, network } = JSON.parse(file.content)
  assert.equal(serial, 'PL-1')
  assert.deepEqual(network, { address: '192.0.2.10/24', gateway: '192.0.2.1', dns: ['192.0.2.53'] })
  assert.ok(done.stdout.includes(admin.password) && /[▀▄█]{5}/.test(done.stdout), done.stdout)
  assert.ok(!readFileSync(log, 'utf8').includes(admin.password))
  for (const at of [512, diskOctets - 512]) {
    const header = Buffer.from(a!.subarray(at, at + 92))
    const checksum = header.readUInt32LE(16)
    header.writeUInt32LE(0, 16)
    assert.equal(checksum, crc32(header))
    assert.ok(!header.subarray(56, 72).equals(b!.subarray(at + 56, at + 72)))
  }
})

test('fifty units of a CSV file: fifty codes, and a fault in one line writes none', t => {
  const folder = folderFor(t)
  const image = blankImage(folder)
  const csv = join(folder, 'units.csv')
  const lines = Array.from({ length: 50 }, (_, index) => `PL-${index},unit${index}.example,"192.0.2.${index + 1}/24"`)
  writeFileSync(csv, ['serial,domain,address', ...lines, 'not a serial,x.example,'].join('\n'))
  const out = join(folder, 'out')
  const words = ['--image', image, '--batch', csv, '--target', out, '--log', join(folder, 'log')]
  const refused = flash(...words)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /unit 51: serial: /)
  assert.throws(() => readdirSync(out))
  // Two are enough to write; that fifty codes differ needs no disk.
  writeFileSync(csv, ['serial,domain,address', ...lines.slice(0, 2)].join('\n'))
  const done = flash(...words)
  assert.equal(done.status, 0, done.stderr)
  assert.deepEqual(readdirSync(out).sort(), ['PL-0.img', 'PL-0.label.txt', 'PL-1.img', 'PL-1.label.txt'])
  assert.equal(new Set(Array.from({ length: 50 }, drawCode)).size, 50)
  assert.equal(readFileSync(join(folder, 'log'), 'utf8').trim().split('\n').length, 2)
})
