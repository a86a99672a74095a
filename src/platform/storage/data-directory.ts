/**
 * The data directory: who may read it, who has it open, and whether the database file in it can be opened at all. A file
 * that is no database is set aside first, because the LMDB library can take the process down on one.
 */

import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { StoreError } from './error.ts'
import { journalFiles } from './journal.ts'

export const databaseFile = 'store.mdb'

/**
 * Makes a directory and those above it, for their owner only. Throws the system's error. Node.js's own way of making all of them
 * never ends where the system says that a directory is missing which is there, as below /proc.
 */
export function makeDirectory(directory: string): void {
  if (existsSync(directory)) return
  const above = dirname(directory)
  if (above !== directory) makeDirectory(above)
  try {
    mkdirSync(directory, { mode: 0o700 })
  } catch (error) {
    // Another process was quicker.
    if (!existsSync(directory)) throw error
  }
}

/** Makes the directory if need be; only its owner may look into it. Throws StoreError. */
export function prepareDirectory(directory: string): void {
  try {
    makeDirectory(resolve(directory))
    if ((statSync(directory).mode & 0o777) !== 0o700) chmodSync(directory, 0o700)
  } catch (error) {
    throw new StoreError('failed', `the data directory ${directory} cannot be used: ${(error as Error).message}`, error)
  }
}

/** Entries made in the directory are on disk when this returns. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Holds the directory for this process until the function returned is called or the process ends. Throws StoreError
 * `in-use` when another holds it. The lock is a listening socket, since the system takes it back however a process ends:
 * on Linux an abstract one named after the directory's inode, elsewhere a file in it.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  if (process.platform !== 'linux') return lockBySocketFile(directory)
  const { dev, ino } = statSync(realpathSync(directory))
  return listen(`\0porchlight-store-${dev}-${ino}`, directory)
}

async function lockBySocketFile(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'lock')
  if (existsSync(path)) {
    const alive = await new Promise<boolean>(resolve => {
      const socket = connect(path, () => resolve(true)).on('error', () => resolve(false))
      socket.on('close', () => resolve(false)).unref()
    })
    if (alive) throw inUse(directory)
    rmSync(path)
  }
  return listen(path, directory)
}

function listen(path: string, directory: string): Promise<() => Promise<void>> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy())
    server.unref()
    server.on('error', (error: NodeJS.ErrnoException) => reject(error.code === 'EADDRINUSE' ? inUse(directory) : error))
    server.listen(path, () => resolve(() => new Promise<void>(closed => server.close(() => closed()))))
  })
}

function inUse(directory: string): StoreError {
  return new StoreError('in-use', `the data directory ${directory} is in use by another process`)
}

/** What `inspectDatabase` finds; `damaged` says why, `short` means that only reading it all can tell. */
export type DatabaseState = 'absent' | 'sound' | 'short' | { readonly damaged: string }

// LMDB's first two pages, in the machine's byte order: a page header of 24 octets with its flags at 18, then the meta data.
const metaLength = 168
const pageFlagsAt = 18
const metaPageFlag = 8
const magicAt = 24
const magic = 0xbeefc0de
const versionAt = 28
const version = 2
const pageSizeAt = 48
const lastPageAt = 144
const transactionAt = 152

/**
 * Looks at the file's own description of itself before LMDB does, which would take the process down on reading beyond
 * the end of a file that was cut short. With `mend` such a file is made as long as it says, with zeros that LMDB reports
 * as damage when it meets them.
 * Throws StoreError when it is a database of another version of LMDB.
 */
export function inspectDatabase(path: string, mend: boolean): DatabaseState {
  if (!existsSync(path) || statSync(path).size === 0) return 'absent'
  const descriptor = openSync(path, mend ? 'r+' : 'r')
  try {
    const first = readMeta(descriptor, 0)
    if (typeof first === 'string') return { damaged: first }
    const second = readMeta(descriptor, first.pageSize)
    if (typeof second === 'string') return { damaged: second }
    const { lastPage, pageSize } = first.transaction > second.transaction ? first : second
    const length = (lastPage + 1) * pageSize
    const { size } = fstatSync(descriptor)
    if (size >= length) return 'sound'
    if (length > size * 2 + 64 * 1024 * 1024) return { damaged: `it has ${size} octets and says ${length}` }
    if (mend) ftruncateSync(descriptor, length)
    return 'short'
  } finally {
    closeSync(descriptor)
  }
}

interface Meta {
  readonly pageSize: number
  readonly lastPage: number
  readonly transaction: number
}

function readMeta(descriptor: number, at: number): Meta | string {
  const octets = new DataView(new ArrayBuffer(metaLength))
  if (readSync(descriptor, octets, 0, metaLength, at) < metaLength) return 'it is too short'
  const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
  if ((octets.getUint16(pageFlagsAt, little) & metaPageFlag) === 0) return 'it does not begin as a database does'
  if (octets.getUint32(magicAt, little) !== magic) return 'it does not begin as a database does'
  if (octets.getUint32(versionAt, little) !== version) {
    throw new StoreError('newer-version', 'the database was written by another version of LMDB')
  }
  const pageSize = octets.getUint32(pageSizeAt, little)
  if (pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0) return `its page size is ${pageSize}`
  const lastPage = Number(octets.getBigUint64(lastPageAt, little))
  return { pageSize, lastPage, transaction: Number(octets.getBigUint64(transactionAt, little)) }
}

/** Renames the database and what belongs to it, so that a new one can be made; returns the new name of the database. */
export function setAside(directory: string): string {
  let name = `${databaseFile}.damaged`
  for (let n = 2; existsSync(join(directory, name)); n++) name = `${databaseFile}.damaged-${n}`
  renameSync(join(directory, databaseFile), join(directory, name))
  const suffix = name.slice(databaseFile.length)
  for (const file of journalFiles) {
    if (existsSync(join(directory, file))) renameSync(join(directory, file), join(directory, file + suffix))
  }
  rmSync(join(directory, `${databaseFile}-lock`), { force: true })
  return name
}
