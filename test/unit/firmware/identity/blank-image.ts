/** Made-up images: a partition table and an empty provisioning partition, and as a reader of them finds what was put there. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

const mebibyte = 2 ** 20
const provision = { start: mebibyte, octets: 2 * mebibyte }
const octets = 4 * mebibyte

export function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'porchlight-flash-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A FAT file system without files but with a name: one sector for a cluster times 4, two copies of 64 sectors, 512 entries in the top folder. */
export function emptyFat(size = provision.octets): Buffer {
  const volume = Buffer.alloc(size)
  volume.writeUInt16LE(512, 11)
  volume[13] = 4
  volume.writeUInt16LE(4, 14)
  volume[16] = 2
  volume.writeUInt16LE(512, 17)
  volume.writeUInt16LE(size / 512, 19)
  volume.writeUInt16LE(64, 22)
  const rootAt = (4 + 2 * 64) * 512
  volume.write('PROV       ', rootAt, 'latin1')
  volume[rootAt + 11] = 0x08
  return volume
}

/** An image of 4 MiB with the two headers of its table, one entry in it, and that partition; the rest is not zeros, so that its copy can fail. */
export function blankImage(folder: string): string {
  const image = Buffer.alloc(octets)
  image.write('something to copy', octets / 2 + (5 * mebibyte) / 4, 'latin1')
  const last = octets / 512 - 1
  for (const [at, other] of [
    [1, last],
    [last, 1],
  ] as const) {
    const header = image.subarray(at * 512, (at + 1) * 512)
    header.write('EFI PART', 'latin1')
    header.writeUInt32LE(92, 12)
    header.writeBigUInt64LE(BigInt(at), 24)
    header.writeBigUInt64LE(BigInt(other), 32)
    header.writeBigUInt64LE(2n, 72)
    header.writeUInt32LE(128, 80)
    header.writeUInt32LE(128, 84)
  }
  // The second entry: the first is of another partition.
  for (const [index, name, start, size] of [
    [0, 'porchlight-a', 2 * provision.octets, 512],
    [1, 'porchlight-prov', provision.start, provision.octets],
  ] as const) {
    const entry = image.subarray(1024 + index * 128, 1024 + (index + 1) * 128)
    entry.writeBigUInt64LE(BigInt(start / 512), 32)
    entry.writeBigUInt64LE(BigInt((start + size) / 512 - 1), 40)
    entry.write(name, 56, 'utf16le')
  }
  emptyFat().copy(image, provision.start)
  const path = join(folder, 'blank.img')
  writeFileSync(path, image)
  return path
}

/** The provisioning partition of an image made from the blank one. */
export function provisionOn(image: Buffer): { name: string; content: string } {
  return readOnlyFile(image.subarray(provision.start, provision.start + provision.octets))
}

/** What a reader of FAT finds: the long name, and the content by its chain of clusters. */
export function readOnlyFile(volume: Buffer): { name: string; content: string } {
  const isFat12 = volume.length < 8 * mebibyte
  const root = volume.subarray((4 + 2 * 64) * 512)
  const pieces: string[] = []
  let at = 32
  for (; root[at + 11] === 0x0f; at += 32)
    pieces.unshift(
      Buffer.concat([
        root.subarray(at + 1, at + 11),
        root.subarray(at + 14, at + 26),
        root.subarray(at + 28, at + 32),
      ]).toString('utf16le'),
    )
  const length = root.readUInt32LE(at + 28)
  const next = (n: number): number => {
    if (!isFat12) return volume.readUInt16LE(4 * 512 + n * 2)
    const pair = volume.readUInt16LE(4 * 512 + Math.floor(n * 1.5))
    return n % 2 === 0 ? pair & 0xfff : pair >> 4
  }
  const parts: Buffer[] = []
  const data = (4 + 2 * 64) * 512 + 512 * 32
  for (let n = root.readUInt16LE(at + 26); n < (isFat12 ? 0xff8 : 0xfff8); n = next(n))
    parts.push(volume.subarray(data + (n - 2) * 2048, data + (n - 1) * 2048))
  return { name: pieces.join('').split('\0')[0]!, content: Buffer.concat(parts).subarray(0, length).toString() }
}
