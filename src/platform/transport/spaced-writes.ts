/**
 * COMPAT(libpurple): it reads at most 1 KiB at a time and handles one message per read; what came with it waits for the next
 * read, so that from the first two messages in one read on it is one message behind for ever. Messages to it are written
 * apart, whichever transaction they belong to (test/interop/libpurple.test.ts).
 */

import type { Socket } from 'node:net'

/** Time for the client to have come round to its next read. */
const apartMs = 50

/** Whether the first octets of a connection say that its messages must be written apart. */
export function wantsSpacedWrites(firstOctets: Buffer): boolean {
  return firstOctets.includes('\r\nUser-Agent: Purple/')
}

export class SpacedWrites {
  readonly #socket: Socket
  readonly #waiting: Buffer[] = []
  #timer: NodeJS.Timeout | undefined
  /** Octets that wait for their turn. */
  waitingOctets = 0

  constructor(socket: Socket) {
    this.#socket = socket
    socket.once('close', () => clearTimeout(this.#timer))
  }

  write(bytes: Buffer): void {
    if (this.#timer === undefined) {
      this.#socket.write(bytes)
      this.#timer = setTimeout(() => this.#next(), apartMs)
      return
    }
    this.#waiting.push(bytes)
    this.waitingOctets += bytes.length
  }

  /** Writes at once what waits, for a connection that is about to be closed. */
  flush(): void {
    clearTimeout(this.#timer)
    for (const bytes of this.#waiting.splice(0)) this.#socket.write(bytes)
    this.waitingOctets = 0
  }

  #next(): void {
    this.#timer = undefined
    const bytes = this.#waiting.shift()
    if (bytes === undefined) return
    this.waitingOctets -= bytes.length
    this.write(bytes)
  }
}
