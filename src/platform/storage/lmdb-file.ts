/** LMDB's file as the store uses it: opened with our keys and values, counted, and read through after damage. */

import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { databaseFile } from './data-directory.ts'

interface Stats {
  readonly pageSize: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
  readonly entryCount: number
}

export function statsOf(lmdb: Lmdb): Stats {
  return (lmdb.getStats() as unknown as { root: Stats }).root
}

export type Lmdb = RootDatabase<unknown, string> & { resetReadTxn(): void }

/** Keys are the octets of key.ts; values are given as encoded and, from ranges, taken as `decode` returns them. */
export function openFile(
  directory: string,
  readOnly: boolean,
  decode?: (bytes: Buffer, length: number) => unknown,
): Lmdb {
  const options = {
    path: join(directory, databaseFile),
    noSubdir: true,
    readOnly,
    permissionsMode: 0o600,
    maxDbs: 1,
    noMemInit: false,
    keyEncoder: {
      writeKey: (key: string, target: Buffer, start: number) => start + target.write(key, start, 'latin1'),
      readKey: (source: Buffer, start: number, end: number) => source.toString('latin1', start, end),
    },
    encoder: {
      encode: (value: Buffer) => value,
      decode: (bytes: Uint8Array, length?: number) => decode?.(asBuffer(bytes), length ?? bytes.length),
    },
  }
  return open(options as never) as Lmdb
}

/** Large values are handed out as a plain Uint8Array on the map. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * Reads all of a database that was cut short: what was cut off reads as zeros, which LMDB reports; lmdb's ranges, though,
 * may just end there, so the records are counted, too.
 */
export async function findDamage(directory: string): Promise<string | undefined> {
  const lmdb = openFile(directory, false)
  try {
    let count = 0
    for (const _ of lmdb.getRange({ start: '\0', end: '\xff' })) count++
    const expected = statsOf(lmdb).entryCount
    return count === expected ? undefined : `it was cut short: ${count} of ${expected} records can be read`
  } catch (error) {
    return `it was cut short: ${(error as Error).message}`
  } finally {
    await lmdb.close()
  }
}
