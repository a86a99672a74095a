/** Files that are whole or not there, whenever the power goes. */

import { createHash } from 'node:crypto'
import { closeSync, fchmodSync, fsyncSync, openSync, readSync, renameSync, statfsSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

const pieceOctets = 1 << 20

/** Replaces `path` by a file with this text and mode, whatever the mask is; it is on disk when this returns. */
export function writeSafely(path: string, text: string, mode = 0o600): void {
  const descriptor = openSync(`${path}.new`, 'w', mode)
  try {
    fchmodSync(descriptor, mode)
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(`${path}.new`, path)
  syncFolder(dirname(path))
}

export function syncFolder(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Copies `octets` from `at` in one file to the beginning of another file or device, to disk; returns their SHA-256. */
export function copyPart(from: string, at: number, octets: number, to: string): string {
  const source = openSync(from, 'r')
  // A device must exist; a file may be made.
  const target = openSync(to, to.startsWith('/dev/') ? 'r+' : 'w', 0o600)
  try {
    const digest = eachPiece(source, at, octets, (piece, position) => {
      let written = 0
      while (written < piece.length)
        written += writeSync(target, piece, written, piece.length - written, position - at + written)
    })
    fsyncSync(target)
    return digest
  } finally {
    closeSync(source)
    closeSync(target)
  }
}

/** SHA-256 of the first `octets` of a file or device. */
export function digestOf(path: string, octets: number): string {
  const descriptor = openSync(path, 'r')
  try {
    return eachPiece(descriptor, 0, octets, () => {})
  } finally {
    closeSync(descriptor)
  }
}

function eachPiece(from: number, at: number, octets: number, use: (piece: Buffer, at: number) => void): string {
  const hash = createHash('sha256')
  const buffer = Buffer.alloc(pieceOctets)
  for (let position = at; position < at + octets; ) {
    const count = readSync(from, buffer, 0, Math.min(buffer.length, at + octets - position), position)
    if (count === 0) throw new Error('it ends too early')
    const piece = buffer.subarray(0, count)
    hash.update(piece)
    use(piece, position)
    position += count
  }
  return hash.digest('hex')
}

/** Octets of the file system that holds a folder: all of them, and those that are free. */
export function roomIn(folder: string): { readonly all: number; readonly free: number } {
  const { bsize, blocks, bavail } = statfsSync(folder)
  return { all: bsize * blocks, free: bsize * bavail }
}
