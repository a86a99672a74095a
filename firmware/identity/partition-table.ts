/** The partition table of an image (GPT, UEFI 2.10 §5.3), as far as a technician's laptop must know it: where a partition is, whose disk it is. */

import { crc32 } from 'node:zlib'
import { sectorOctets } from '../../image/partitions/layout.ts'

/** Reads `length` octets from `at` on. Throws an Error when there are not as many. */
export type Read = (at: number, length: number) => Buffer

/** Where the table's header and its copy are, in octets. Throws an Error when there is none. */
export function headersOf(read: Read): readonly [number, number] {
  const first = read(sectorOctets, sectorOctets)
  if (first.toString('latin1', 0, 8) !== 'EFI PART') throw new Error('it has no partition table')
  return [sectorOctets, Number(first.readBigUInt64LE(32)) * sectorOctets]
}

/** Where the partition with this label is. Throws an Error when there is none. */
export function findPartition(read: Read, label: string): { readonly start: number; readonly octets: number } {
  const header = read(headersOf(read)[0], sectorOctets)
  const [table, count, size] = [Number(header.readBigUInt64LE(72)), header.readUInt32LE(80), header.readUInt32LE(84)]
  const entries = read(table * sectorOctets, count * size)
  for (let at = 0; at < entries.length; at += size) {
    const name = entries.toString('utf16le', at + 56, at + 128).split('\0')[0]
    if (name !== label) continue
    const [first, last] = [entries.readBigUInt64LE(at + 32), entries.readBigUInt64LE(at + 40)].map(Number)
    return { start: first! * sectorOctets, octets: (last! - first! + 1) * sectorOctets }
  }
  throw new Error(`it has no partition ${label}`)
}

/** Gives the disk whose header this is another GUID (§5.3.2): its first three fields are little-endian; the header has a checksum over itself. */
export function setDiskId(header: Buffer, id: string): void {
  const octets = Buffer.from(id.replaceAll('-', ''), 'hex')
  octets.subarray(0, 4).reverse()
  octets.subarray(4, 6).reverse()
  octets.subarray(6, 8).reverse()
  octets.copy(header, 56)
  header.writeUInt32LE(0, 16)
  header.writeUInt32LE(crc32(header.subarray(0, header.readUInt32LE(12))), 16)
}
