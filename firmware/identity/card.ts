/** Where an image is written to: a file, or a whole card that nothing uses. Written with progress, read back, compared. */

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import type { Changes } from './personalise.ts'

const pieceOctets = 4 << 20

/**
 * Throws an Error of one line when `path` must not be written: a disk of which something is mounted or used as swap or by the device
 * mapper, a partition, a disk that cannot be taken out, or a file that exists. `sys` and `proc` are for tests.
 */
export function checkTarget(path: string, isFixedAllowed: boolean, sys = '/sys', proc = '/proc'): void {
  if (!existsSync(path)) return
  const real = realpathSync(path)
  if (!statSync(real).isBlockDevice()) {
    if (statSync(real).isFile()) throw new Error(`${path} exists already; nothing is written over it`)
    throw new Error(`${path} is neither a file nor a card`)
  }
  checkDisk(basename(real), isFixedAllowed, sys, proc)
}

/** What is used is told by its number as well as by its name: the kernel may call the root's device /dev/root. */
export function checkDisk(name: string, isFixedAllowed: boolean, sys: string, proc: string): void {
  const folder = join(sys, 'block', name)
  if (!existsSync(folder)) throw new Error(`/dev/${name} is a partition; a whole card is written`)
  const parts = [name, ...readdirSync(folder).filter(part => part.startsWith(name))]
  const mounts = readLines(join(proc, 'self/mountinfo')).map(line => line.split(' '))
  const numbers = new Set(mounts.map(fields => fields[2]!))
  const names = new Set([
    ...mounts.map(fields => fields[fields.indexOf('-') + 2]),
    ...readLines(join(proc, 'swaps')).map(line => line.split(/\s/)[0]),
  ])
  for (const part of parts) {
    const at = part === name ? folder : join(folder, part)
    const number = readLines(join(at, 'dev'))[0]
    if (names.has(`/dev/${part}`) || (number && numbers.has(number)))
      throw new Error(`/dev/${part} is in use: unmount it, if it is the right one at all`)
    const holders = join(at, 'holders')
    if (existsSync(holders) && readdirSync(holders).length > 0)
      throw new Error(`/dev/${part} is in use by ${readdirSync(holders).join(', ')}`)
  }
  const removable = readLines(join(folder, 'removable'))[0] === '1' || name.startsWith('mmcblk')
  if (!removable && !isFixedAllowed)
    throw new Error(`/dev/${name} cannot be taken out of this machine; --fixed-disk if it is meant all the same`)
}

function readLines(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
}

/**
 * Writes `image` with `changes` to `target` and reads it back. Returns the SHA-256 of what was written. Throws an Error when it does not
 * read as it was written. `progress` is told the part done, from 0 to 1 for writing and again for reading.
 */
export function writeImage(
  image: string,
  changes: Changes,
  target: string,
  progress: (what: 'writing' | 'verifying', part: number) => void,
): string {
  const { size } = statSync(image)
  const isNew = !existsSync(target)
  const room = isNew ? Number.POSITIVE_INFINITY : roomOf(target)
  if (room < size) throw new Error(`${target} has ${room} octets, the image ${size}: take a larger card`)
  const from = openSync(image, 'r')
  const to = openSync(target, isNew ? 'wx+' : 'r+', 0o600)
  try {
    const written = createHash('sha256')
    for (const { piece, at } of pieces(from, size)) {
      for (const change of changes) overlay(piece, at, change)
      written.update(piece)
      // A new file has zeros where nothing is written, and takes no room there.
      if (!isNew || !zeros.subarray(0, piece.length).equals(piece)) writeAll(to, piece, at)
      progress('writing', (at + piece.length) / size)
    }
    if (isNew) ftruncateSync(to, size)
    fsyncSync(to)
    const found = createHash('sha256')
    for (const { piece, at } of isNew ? pieces(to, size) : piecesOfCard(target, size)) {
      found.update(piece)
      progress('verifying', (at + piece.length) / size)
    }
    const digest = written.digest('hex')
    if (found.digest('hex') !== digest) throw new Error(`${target} does not read as it was written: take another card`)
    return digest
  } finally {
    closeSync(from)
    closeSync(to)
  }
}

const zeros = Buffer.alloc(pieceOctets)

/** Size of a card. */
function roomOf(path: string): number {
  return Number(readLines(join('/sys/block', basename(realpathSync(path)), 'size'))[0]) * 512
}

function writeAll(descriptor: number, piece: Buffer, at: number): void {
  for (let done = 0; done < piece.length; ) done += writeSync(descriptor, piece, done, piece.length - done, at + done)
}

/** A card is read past this machine's memory, which still holds what was written. */
function* piecesOfCard(path: string, size: number): Generator<{ piece: Buffer; at: number }> {
  const octets = 16 * pieceOctets
  for (let at = 0; at < size; at += octets) {
    const count = Math.min(octets, size - at)
    const words = [`if=${path}`, `bs=${pieceOctets}`, `skip=${at / pieceOctets}`, `count=${count}`]
    const piece = execFileSync('dd', [...words, 'iflag=direct,count_bytes', 'status=none'], { maxBuffer: octets + 1 })
    if (piece.length !== count) throw new Error(`${path} ends too early`)
    yield { piece, at }
  }
}

function* pieces(descriptor: number, size: number): Generator<{ piece: Buffer; at: number }> {
  const buffer = Buffer.alloc(pieceOctets)
  for (let at = 0; at < size; ) {
    const count = readSync(descriptor, buffer, 0, Math.min(pieceOctets, size - at), at)
    if (count === 0) throw new Error('it ends too early')
    yield { piece: buffer.subarray(0, count), at }
    at += count
  }
}

function overlay(piece: Buffer, at: number, change: Changes[number]): void {
  const start = Math.max(at, change.at)
  const end = Math.min(at + piece.length, change.at + change.content.length)
  if (start < end) change.content.copy(piece, start - at, start - change.at, end - change.at)
}
