/** Where an image is written to: a file, or a whole card that nothing uses. Written with progress, read back, compared. */

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { existsAlready, octetsOf } from './disks.ts'
import type { Changes } from './personalise.ts'

const pieceOctets = 4 << 20
/** A laptop takes a whole image into its memory at once; what is told of a card's progress is what the card has. */
const syncOctets = 8 * pieceOctets

export interface Writing {
  /** The part that is done, from 0 to 1, for writing and again for reading. */
  readonly progress: (what: 'writing' | 'verifying', part: number) => void
  /** Ends it: a new file is not there then. */
  readonly signal?: AbortSignal
  /** Called when all reads as it was written, and before a new file has its name. */
  readonly verified?: () => void
}

/**
 * Writes `image` with `changes` to `target` and reads it back. Resolves to the SHA-256 of what was written. Rejects with an Error of one
 * line when it cannot be written or does not read as it was written. A new file has its name when it is whole, and not before.
 */
export async function writeImage(image: string, changes: Changes, target: string, how: Writing): Promise<string> {
  try {
    if (existsSync(target)) return await writeCard(image, changes, target, how)
    return await writeFile(image, changes, target, how)
  } catch (error) {
    if (how.signal?.aborted) throw new Error(`broken off: ${remains(target)}`)
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOSPC') throw new Error(`there is no room for all of ${target}`)
    if (code === 'ENOENT') throw new Error(`there is no folder ${dirname(target)}`)
    if (code === 'EIO') throw new Error(`${target} fails: take another card`)
    throw error
  }
}

function remains(target: string): string {
  return existsSync(target) ? `${target} holds half an image, write it again` : `there is no ${target}`
}

async function writeCard(image: string, changes: Changes, target: string, how: Writing): Promise<string> {
  const { size } = statSync(image)
  const to = openCard(target)
  try {
    const room = octetsOf(target)
    if (room < size) throw new Error(`${target} has ${room} octets, the image ${size}: take a larger card`)
    const digest = await copy(image, changes, to, how, false)
    compare(target, digest, await digestOf(piecesOfCard(target, size, how.signal), size, how))
    how.verified?.()
    return digest
  } finally {
    closeSync(to)
  }
}

/** Nobody else has it as long as it is open: no second of us, no mount, nothing that the kernel itself uses it for. */
function openCard(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_EXCL)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EBUSY') throw new Error(`${path} is in use, perhaps by another scripts/flash`)
    if (code === 'EACCES' || code === 'EPERM')
      throw new Error(`${path} may not be written to: it takes root, or the group that it belongs to`)
    if (code === 'EROFS') throw new Error(`${path} is protected from being written to`)
    if (message.includes('ENOMEDIUM')) throw new Error(`there is no card in ${path}`)
    throw error
  }
}

async function writeFile(image: string, changes: Changes, target: string, how: Writing): Promise<string> {
  const { size } = statSync(image)
  const part = partOf(target)
  try {
    const to = openSync(part, 'wx+', 0o600)
    try {
      const digest = await copy(image, changes, to, how, true)
      compare(target, digest, await digestOf(pieces(to, size), size, how))
      how.verified?.()
      nameFinally(part, target)
      return digest
    } finally {
      closeSync(to)
    }
  } finally {
    rmSync(part, { force: true })
  }
}

/** A name for what is not whole yet. What processes that are no more have left of the same goes. */
function partOf(target: string): string {
  const [folder, name] = [dirname(target), basename(target)]
  for (const other of readdirSync(folder)) {
    if (!other.startsWith(`.${name}.`)) continue
    const pid = /^(\d+)\.part$/.exec(other.slice(name.length + 2))?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(folder, other), { force: true })
  }
  return join(folder, `.${name}.${process.pid}.part`)
}

/** Never over what somebody else has made meanwhile. */
function nameFinally(part: string, target: string): void {
  try {
    linkSync(part, target)
  } catch {
    if (existsSync(target)) throw existsAlready(target)
    // FAT knows no second name of a file.
    renameSync(part, target)
  }
}

/** Copies the image with its changes, to disk; resolves to their SHA-256. */
async function copy(image: string, changes: Changes, to: number, how: Writing, isNew: boolean): Promise<string> {
  const { size } = statSync(image)
  const from = openSync(image, 'r')
  try {
    const written = createHash('sha256')
    for (const { piece, at } of pieces(from, size)) {
      await setImmediate()
      how.signal?.throwIfAborted()
      for (const change of changes) overlay(piece, at, change)
      written.update(piece)
      // A new file has zeros where nothing is written, and takes no room there.
      if (!isNew || !zeros.subarray(0, piece.length).equals(piece)) writeAll(to, piece, at)
      const done = at + piece.length
      if (!isNew && (done % syncOctets === 0 || done === size)) fdatasyncSync(to)
      how.progress('writing', done / size)
    }
    if (isNew) ftruncateSync(to, size)
    fsyncSync(to)
    return written.digest('hex')
  } finally {
    closeSync(from)
  }
}

const zeros = Buffer.alloc(pieceOctets)

async function digestOf(
  found: AsyncIterable<{ piece: Buffer; at: number }> | Iterable<{ piece: Buffer; at: number }>,
  size: number,
  { progress, signal }: Writing,
): Promise<string> {
  const hash = createHash('sha256')
  for await (const { piece, at } of found) {
    await setImmediate()
    signal?.throwIfAborted()
    hash.update(piece)
    progress('verifying', (at + piece.length) / size)
  }
  return hash.digest('hex')
}

function compare(target: string, written: string, found: string): void {
  if (found !== written) throw new Error(`${target} does not read as it was written: take another card`)
}

function writeAll(descriptor: number, piece: Buffer, at: number): void {
  for (let done = 0; done < piece.length; ) done += writeSync(descriptor, piece, done, piece.length - done, at + done)
}

/** A card is read past this machine's memory, which still holds what was written. */
async function* piecesOfCard(path: string, size: number, signal: AbortSignal | undefined) {
  const octets = 16 * pieceOctets
  for (let at = 0; at < size; at += octets) {
    const count = Math.min(octets, size - at)
    const words = [`if=${path}`, `bs=${pieceOctets}`, `skip=${at / pieceOctets}`, `count=${count}`]
    const options = { encoding: 'buffer', maxBuffer: octets + 1, ...(signal ? { signal } : {}) } as const
    const { stdout } = await promisify(execFile)(
      'dd',
      [...words, 'iflag=direct,count_bytes', 'status=none'],
      options,
    ).catch((error: { stderr?: Buffer }) => {
      throw new Error(`${path} cannot be read: ${error.stderr?.toString().trim() ?? error}`)
    })
    if (stdout.length !== count) throw new Error(`${path} ends too early`)
    yield { piece: stdout, at }
  }
}

function* pieces(descriptor: number, size: number): Generator<{ piece: Buffer; at: number }> {
  const buffer = Buffer.alloc(pieceOctets)
  for (let at = 0; at < size; ) {
    const count = readSync(descriptor, buffer, 0, Math.min(pieceOctets, size - at), at)
    if (count === 0) throw new Error('the image ends too early')
    yield { piece: buffer.subarray(0, count), at }
    at += count
  }
}

function overlay(piece: Buffer, at: number, change: Changes[number]): void {
  const start = Math.max(at, change.at)
  const end = Math.min(at + piece.length, change.at + change.content.length)
  if (start < end) change.content.copy(piece, start - at, start - change.at, end - change.at)
}
