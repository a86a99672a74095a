/**
 * Makes an image that is the same for all units into one for this unit: a disk GUID of its own, from which its machine-id follows, and
 * `provision.json` on the provisioning partition.
 */

import { randomInt, randomUUID } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { sectorOctets } from '../../image/partitions/layout.ts'
import type { Provision } from '../../src/platform/provisioning.ts'
import { addFile, isEmpty } from './fat.ts'
import { findPartition, headersOf, type Read, setDiskId } from './partition-table.ts'

/** Without what is mistaken for another: I, L, O, U, 0 and 1. */
const codeLetters = 'ABCDEFGHJKMNPQRSTVWXYZ23456789'

/** A first-login code of 20 letters and digits in groups of five: 98 bits, drawn for one unit. */
export function drawCode(): string {
  const letters = Array.from({ length: 20 }, () => codeLetters[randomInt(codeLetters.length)])
  return letters.join('').replaceAll(/(.{5})(?=.)/g, '$1-')
}

/** Pieces of an image that differ from unit to unit, by where they stand. */
export type Changes = ReadonlyArray<{ readonly at: number; readonly content: Buffer }>

/** What is to be written over a copy of `image` to make it this unit's. Throws an Error of one line when it is none, or a unit's already. */
export function personalise(image: string, provision: Provision): Changes {
  return reading(image, cannotBeMade, (read, { start, volume }) => {
    if (!isEmpty(volume)) throw new Error('it is already')
    addFile(volume, 'provision.json', Buffer.from(`${JSON.stringify(provision)}\n`))
    const diskId = randomUUID()
    const headers = headersOf(read).map(at => {
      const content = read(at, sectorOctets)
      setDiskId(content, diskId)
      return { at, content }
    })
    return [...headers, { at: start, content: volume }]
  })
}

/** Throws an Error of one line when `image` is not a unit's (`isUnit`), or not one that can be made so. */
export function checkImage(image: string, isUnit: boolean): void {
  reading(image, isUnit ? 'cannot be written as it is' : cannotBeMade, (_, { volume }) => {
    if (isEmpty(volume) === isUnit) throw new Error(isUnit ? "it is no unit's yet" : 'it is already')
  })
}

const cannotBeMade = "cannot be made a unit's"

function reading<T>(
  image: string,
  cannot: string,
  work: (read: Read, provisioning: { readonly start: number; readonly volume: Buffer }) => T,
): T {
  const descriptor = openSync(image, 'r')
  try {
    const read: Read = (at, length) => {
      const buffer = Buffer.alloc(length)
      if (readSync(descriptor, buffer, 0, length, at) !== length) throw new Error('it ends too early')
      return buffer
    }
    const { start, octets } = findPartition(read, 'porchlight-prov')
    return work(read, { start, volume: read(start, octets) })
  } catch (error) {
    throw new Error(`${image} ${cannot}: ${(error as Error).message}`)
  } finally {
    closeSync(descriptor)
  }
}
