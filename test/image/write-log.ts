/**
 * What a unit has written to its disk, in order, as QEMU's blklogwrites keeps it (the kernel's dm-log-writes format), and disks as
 * a power cut at any point of it may leave them: all that was flushed is there, of the rest any part.
 */

import { closeSync, existsSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { run } from '../../image/tools.ts'

const sectorOctets = 512
/** What a disk may lose or keep of a write that was not flushed yet, at the least. */
const pieceOctets = 4096
const [flushFlag, discardFlag] = [1, 4]

interface Entry {
  /** Where it goes on the disk; nothing is written by a flush. */
  readonly at: number
  readonly octets: number
  readonly isFlush: boolean
  /** Where its octets are in the log. */
  readonly logged: number
}

export class WriteLog {
  readonly path: string
  readonly #entries: Entry[] = []
  #end = sectorOctets

  constructor(path: string) {
    this.path = path
  }

  /** How many writes and flushes it has now. */
  count(): number {
    if (!existsSync(this.path)) return 0
    const { size } = statSync(this.path)
    const log = openSync(this.path, 'r')
    const head = Buffer.alloc(32)
    while (this.#end + sectorOctets <= size && readSync(log, head, 0, 32, this.#end) === 32) {
      const [sector, sectors, flags] = [0, 8, 16].map(at => Number(head.readBigUInt64LE(at)))
      // The log is a file that grows: a head of zeros is one that is being written.
      if (sectors === 0 && flags === 0) break
      const octets = sectors! * sectorOctets
      const isLogged = (flags! & discardFlag) === 0
      const end = this.#end + sectorOctets + (isLogged ? octets : 0)
      if (end > size) break
      const isFlush = (flags! & flushFlag) !== 0
      this.#entries.push({
        at: sector! * sectorOctets,
        octets: isLogged ? octets : 0,
        isFlush,
        logged: this.#end + sectorOctets,
      })
      this.#end = end
    }
    closeSync(log)
    return this.#entries.length
  }

  /** The entries from `from` on, before `to`. */
  slice(from: number, to: number): readonly Entry[] {
    return this.#entries.slice(from, to)
  }
}

/** One partition of the disk, taken along the log. Points are asked for in ascending order. */
export class Replay {
  readonly #log: WriteLog
  readonly #part: { readonly start: number; readonly octets: number }
  readonly #flushed: string
  #taken = 0

  /** `image` is the disk before the log begins; the partition as flushed so far is kept in the file `flushed`. */
  constructor(
    log: WriteLog,
    image: string,
    part: { readonly start: number; readonly octets: number },
    flushed: string,
  ) {
    this.#log = log
    this.#part = part
    this.#flushed = flushed
    const [from, to] = [openSync(image, 'r'), openSync(flushed, 'w')]
    ftruncateSync(to, part.octets)
    const piece = Buffer.alloc(2 ** 20)
    for (let at = 0; at < part.octets; at += piece.length) {
      const count = readSync(from, piece, 0, Math.min(piece.length, part.octets - at), part.start + at)
      if (piece.subarray(0, count).some(octet => octet !== 0)) writeSync(to, piece, 0, count, at)
    }
    closeSync(from)
    closeSync(to)
  }

  /**
   * Makes `path` the partition after a power cut behind the first `point` entries: each piece of a write that no flush followed is
   * there if `keeps` says so. A disk that lies has not done what the last `lies` flushes asked for.
   */
  cut(point: number, path: string, keeps: () => boolean, lies = 0): void {
    const entries = this.#log.slice(this.#taken, point)
    const flushes = entries.flatMap((entry, index) => (entry.isFlush ? [index] : []))
    const safe = (flushes.at(-1 - lies) ?? -1) + 1
    this.#write(this.#flushed, entries.slice(0, safe), () => true)
    this.#taken += safe
    // Holes stay holes.
    run('cp', [this.#flushed, path])
    this.#write(path, entries.slice(safe), keeps)
  }

  #write(path: string, entries: readonly Entry[], keeps: () => boolean): void {
    const [log, to] = [openSync(this.#log.path, 'r'), openSync(path, 'r+')]
    const { start, octets: size } = this.#part
    const piece = Buffer.alloc(pieceOctets)
    for (const { at, octets, logged } of entries)
      for (let done = 0; done < octets; done += pieceOctets) {
        const length = Math.min(pieceOctets, octets - done)
        const place = at + done - start
        if (place < 0 || place + length > size || !keeps()) continue
        readSync(log, piece, 0, length, logged + done)
        writeSync(to, piece, 0, length, place)
      }
    closeSync(log)
    closeSync(to)
  }
}
