/**
 * The journal: every batch of changes since the database was last brought up to date, appended to one of two files that
 * are overwritten in turn. A write reaches the kernel at once, so a killed process loses nothing; `sync` takes it to the
 * disk. Overwriting files that keep their size costs the flash one block and no file-system metadata.
 *
 * A batch is 20 octets of header, big-endian: the mark, the payload's length, a CRC-32 of what follows in the batch, the
 * sequence number (8 octets); then the payload. Sequence numbers are consecutive, which tells a batch from the remains of
 * an earlier use of the file; reading ends at the first batch that is torn or out of sequence.
 */

import { closeSync, existsSync, fdatasync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { StoreError } from './error.ts'

export const batchHeaderLength = 20
const mark = 0x504c4a31
const sequenceAt = 12
/** In the data directory. */
export const journalFiles: readonly string[] = ['journal-0', 'journal-1']

const fdatasyncAsync = promisify(fdatasync)

/** A payload is `buffer` from `start` to `end`. */
export interface Batch {
  readonly sequence: number
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
}

/** The batches after `sequence` that follow it without a gap, in order. */
export function readJournal(directory: string, sequence: number): Batch[] {
  const found = journalFiles.flatMap(name => readFile(join(directory, name))).sort((a, b) => a.sequence - b.sequence)
  let next = sequence + 1
  return found.filter(batch => batch.sequence === next && next++)
}

function readFile(path: string): Batch[] {
  const batches: Batch[] = []
  if (!existsSync(path)) return batches
  const buffer = readFileSync(path)
  let at = 0
  while (at + batchHeaderLength <= buffer.length && buffer.readUInt32BE(at) === mark) {
    const start = at + batchHeaderLength
    const end = start + buffer.readUInt32BE(at + 4)
    if (end > buffer.length || buffer.readUInt32BE(at + 8) !== crc32(buffer.subarray(at + sequenceAt, end))) break
    const sequence = Number(buffer.readBigUInt64BE(at + sequenceAt))
    const previous = batches.at(-1)
    if (previous !== undefined && sequence !== previous.sequence + 1) break
    batches.push({ sequence, buffer, start, end })
    at = end
  }
  return batches
}

interface File {
  readonly descriptor: number
  position: number
  /** Appended to since it was last synced. */
  dirty: boolean
}

export class Journal {
  readonly #files: readonly File[]
  readonly #fileLimit: number
  readonly #makeRoom: () => void
  #current = 0
  /** False while the other file holds batches that the database does not have yet. */
  #otherIsFree = true
  #sequence: number
  #syncing: Promise<void> = Promise.resolve()
  #nextSync: Promise<void> | undefined

  /**
   * Begins anew after batch `sequence`: all earlier ones are in the database and on disk. A file left larger than
   * `fileLimit` octets is cut to it when it is used again. `makeRoom` is called once when the disk is full.
   */
  constructor(directory: string, sequence: number, fileLimit: number, makeRoom: () => void = () => {}) {
    this.#makeRoom = makeRoom
    this.#files = journalFiles.map(name => {
      const path = join(directory, name)
      return { descriptor: openSync(path, existsSync(path) ? 'r+' : 'w+', 0o600), position: 0, dirty: false }
    })
    this.#sequence = sequence
    this.#fileLimit = fileLimit
    this.#shorten()
  }

  /** The number of the last batch appended. */
  get sequence(): number {
    return this.#sequence
  }

  /** Octets appended to the current file. */
  get length(): number {
    return this.#files[this.#current]!.position
  }

  /** Appends the payload `buffer[start, end)`; the header is written into the 20 octets before `start`. */
  append(buffer: Buffer, start: number, end: number): void {
    const file = this.#files[this.#current]!
    const from = start - batchHeaderLength
    const sequence = this.#sequence + 1
    buffer.writeUInt32BE(mark, from)
    buffer.writeUInt32BE(end - start, from + 4)
    buffer.writeUInt32BE(Math.floor(sequence / 2 ** 32), from + sequenceAt)
    buffer.writeUInt32BE(sequence >>> 0, from + sequenceAt + 4)
    buffer.writeUInt32BE(crc32(buffer.subarray(from + sequenceAt, end)), from + 8)
    let written = from
    while (written < end) {
      const count = this.#write(file.descriptor, buffer, written, end, file.position + written - from)
      if (count === 0) throw new StoreError('failed', 'the journal cannot be written')
      written += count
    }
    file.position += end - from
    file.dirty = true
    this.#sequence = sequence
  }

  /** Resolves when everything appended before the call is on disk; calls that come while one is at work share the next. */
  sync(): Promise<void> {
    this.#nextSync ??= this.#syncing.then(() => {
      this.#nextSync = undefined
      this.#syncing = this.#syncFiles()
      return this.#syncing
    })
    return this.#nextSync
  }

  /** Appends go to the other file from now on; throws while that is still needed. */
  rotate(): void {
    if (!this.#otherIsFree) throw new StoreError('failed', 'the journal is still in use')
    this.#otherIsFree = false
    this.#current = 1 - this.#current
    const file = this.#files[this.#current]!
    file.position = 0
    file.dirty = false
    this.#shorten()
  }

  /** What was appended before the last `rotate` is in the database and on disk. */
  release(): void {
    this.#otherIsFree = true
    this.#files[1 - this.#current]!.dirty = false
  }

  close(): void {
    for (const { descriptor } of this.#files) closeSync(descriptor)
  }

  async #syncFiles(): Promise<void> {
    const dirty = this.#files.filter(file => file.dirty)
    for (const file of dirty) file.dirty = false
    // The older file first: on disk, too, a batch never stands without those before it.
    if (dirty.length === 2)
      dirty.sort((a, b) => Number(a === this.#files[this.#current]) - Number(b === this.#files[this.#current]))
    for (const file of dirty) await fdatasyncAsync(file.descriptor)
  }

  #write(descriptor: number, buffer: Buffer, start: number, end: number, position: number): number {
    try {
      return writeSync(descriptor, buffer, start, end - start, position)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      this.#makeRoom()
      return writeSync(descriptor, buffer, start, end - start, position)
    }
  }

  #shorten(): void {
    const { descriptor } = this.#files[this.#current]!
    if (fstatSync(descriptor).size > this.#fileLimit) ftruncateSync(descriptor, this.#fileLimit)
  }
}
