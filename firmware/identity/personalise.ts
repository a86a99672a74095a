/**
 * Makes an image that is the same for all units into one for this unit: a disk GUID of its own, from which its machine-id follows, and
 * `provision.json` on the provisioning partition.
 */

import { randomInt, randomUUID } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { partition, sectorOctets } from '../../image/partitions/layout.ts'
import type { Provision } from '../../src/platform/provisioning.ts'
import { addFile } from './fat.ts'

/** Without what is mistaken for another: I, L, O, U, 0 and 1. */
const codeLetters = 'ABCDEFGHJKMNPQRSTVWXYZ23456789'

/** A first-login code of 20 letters and digits in groups of five: 98 bits, drawn for one unit. */
export function drawCode(): string {
  const letters = Array.from({ length: 20 }, () => codeLetters[randomInt(codeLetters.length)])
  return letters.join('').replaceAll(/(.{5})(?=.)/g, '$1-')
}

/** Pieces of an image that differ from unit to unit, by where they stand. */
export type Changes = ReadonlyArray<{ readonly at: number; readonly content: Buffer }>

/** What is to be written over a copy of `image` to make it this unit's. */
export function personalise(image: string, provision: Provision): Changes {
  const descriptor = openSync(image, 'r')
  try {
    const read = (at: number, length: number): Buffer => {
      const buffer = Buffer.alloc(length)
      if (readSync(descriptor, buffer, 0, length, at) !== length) throw new Error(`${image} ends too early`)
      return buffer
    }
    const { start, octets } = partition('porchlight-prov')
    const volume = read(start, octets)
    addFile(volume, 'provision.json', Buffer.from(`${JSON.stringify(provision)}\n`))
    const diskId = randomUUID()
    const last = fstatSync(descriptor).size / sectorOctets - 1
    const headers = [1, last].map(sector => {
      const content = read(sector * sectorOctets, sectorOctets)
      if (content.toString('latin1', 0, 8) !== 'EFI PART')
        throw new Error(`${image} is no image: it has no partition table`)
      setDiskId(content, diskId)
      return { at: sector * sectorOctets, content }
    })
    return [...headers, { at: start, content: volume }]
  } finally {
    closeSync(descriptor)
  }
}

/** UEFI 2.10 §5.3.2: the GUID, its first three fields little-endian, and the header's checksum over itself without the checksum. */
function setDiskId(header: Buffer, id: string): void {
  const octets = Buffer.from(id.replaceAll('-', ''), 'hex')
  octets.subarray(0, 4).reverse()
  octets.subarray(4, 6).reverse()
  octets.subarray(6, 8).reverse()
  octets.copy(header, 56)
  header.writeUInt32LE(0, 16)
  header.writeUInt32LE(crc32(header.subarray(0, header.readUInt32LE(12))), 16)
}
