/**
 * How much room the disk has left for the data. When it runs short, what clients want kept is refused (`Turn.diskIsFull`) while
 * what comes and goes, registrations, publications and subscriptions, goes on: the journal writes over its own files, and for
 * what must grow all the same a reserve is kept, a file that is given up when the disk is full to the last block.
 */

import { appendFileSync, existsSync, rmSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'

export interface DiskWatchLimits {
  /** With fewer octets free the disk is full; with `slackOctets` more it is not any more. Less on a small disk, by `share`. */
  readonly lowOctets: number
  readonly slackOctets: number
  readonly reserveOctets: number
  /** All three together are at most this share of the disk. */
  readonly share: number
  readonly lookMs: number
}

/** Octets of a disk, and those that may still be used. */
export interface Room {
  readonly octets: number
  readonly free: number
}

/** In the data directory. */
const reserveFile = 'reserve'
/** It is written in parts of so many. */
const partOctets = 1_048_576

export class DiskWatch {
  readonly #reserve: string
  readonly #limits: DiskWatchLimits
  readonly #room: () => Room
  #isFull = false
  #changed: ((alarm: string | undefined) => void) | undefined
  #timer: NodeJS.Timeout | undefined

  /** `room` is for tests; the directory must exist. */
  constructor(directory: string, limits: DiskWatchLimits, room: () => Room = () => roomOf(directory)) {
    this.#reserve = join(directory, reserveFile)
    this.#limits = limits
    this.#room = room
    // The store needs some to be opened.
    if (this.#look().free < this.#bounds().reserve) this.giveReserve()
  }

  /** From now on looks by itself, and tells of a change: the alarm's text, or undefined when it is over. */
  start(changed: (alarm: string | undefined) => void): void {
    this.#changed = changed
    this.#tell()
    this.#timer = setInterval(() => this.#look(), this.#limits.lookMs).unref()
    this.#look()
  }

  /** As it is at this moment. */
  get isFull(): boolean {
    this.#look()
    return this.#isFull
  }

  /** Gives up the reserve; it is made again when there is room. */
  readonly giveReserve = (): void => {
    rmSync(this.#reserve, { force: true })
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): Room {
    const room = this.#room()
    const { low, slack, reserve } = this.#bounds(room)
    const wasFull = this.#isFull
    this.#isFull = room.free < (wasFull ? low + slack : low)
    if (this.#isFull && room.free < reserve) this.giveReserve()
    if (!this.#isFull && room.free >= low + slack + reserve && !this.#isReserved(reserve)) this.#makeReserve(reserve)
    if (wasFull !== this.#isFull) this.#tell()
    return room
  }

  #tell(): void {
    this.#changed?.(
      this.#isFull
        ? 'the disk is full: documents, objects and users are refused until there is room; what is there, and presence, goes on'
        : undefined,
    )
  }

  #bounds({ octets } = this.#room()): { readonly low: number; readonly slack: number; readonly reserve: number } {
    const { lowOctets, slackOctets, reserveOctets, share } = this.#limits
    const scale = Math.min(1, (octets * share) / (lowOctets + slackOctets + reserveOctets))
    return {
      low: Math.floor(lowOctets * scale),
      slack: Math.floor(slackOctets * scale),
      reserve: Math.floor(reserveOctets * scale),
    }
  }

  #isReserved(octets: number): boolean {
    return existsSync(this.#reserve) && statSync(this.#reserve).size >= octets
  }

  #makeReserve(octets: number): void {
    try {
      this.giveReserve()
      const part = Buffer.alloc(Math.min(octets, partOctets))
      for (let at = 0; at < octets; at += part.length)
        appendFileSync(this.#reserve, part.subarray(0, octets - at), { mode: 0o600 })
    } catch {
      // Somebody was faster: the next look says so.
      this.giveReserve()
    }
  }
}

function roomOf(directory: string): Room {
  const { bsize, blocks, bavail } = statfsSync(directory)
  return { octets: bsize * blocks, free: bsize * bavail }
}
