/**
 * The control socket: how the command line talks to the box that runs on a data directory. One JSON value per line, a
 * request and its answer; whoever may open the socket file (mode 0600) may command the box.
 */

import { chmodSync, closeSync, openSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'

export interface ControlRequest {
  readonly command: string
  readonly arguments: Readonly<Record<string, unknown>>
}

export type ControlAnswer = { readonly result: unknown } | { readonly error: string; readonly isWrongUse?: boolean }

export interface ControlLimits {
  readonly controlLineOctets: number
  readonly controlConnections: number
}

/** Collects octets into lines; a line over `limit` octets is a failure from which there is no way back. */
export class LineReader {
  readonly #limit: number
  #parts: Buffer[] = []
  #length = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** The lines that `bytes` complete, without their ends; undefined when a line is too long. */
  push(bytes: Buffer): string[] | undefined {
    const lines: string[] = []
    let from = 0
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, from)) {
      if (this.#length + end - from > this.#limit) return undefined
      lines.push(Buffer.concat([...this.#parts, bytes.subarray(from, end)]).toString('utf8'))
      this.#parts = []
      this.#length = 0
      from = end + 1
    }
    const rest = bytes.subarray(from)
    this.#length += rest.length
    if (this.#length > this.#limit) return undefined
    if (rest.length > 0) this.#parts.push(rest)
    return lines
  }
}

/** The request a line holds, or undefined when it holds none. */
export function parseRequest(line: string): ControlRequest | undefined {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value !== 'object' || value === null) return undefined
    const { command, arguments: given } = value as Record<string, unknown>
    if (typeof command !== 'string' || typeof given !== 'object' || given === null || Array.isArray(given))
      return undefined
    return { command, arguments: given as Record<string, unknown> }
  } catch {
    return undefined
  }
}

export class ControlServer {
  readonly #server: Server
  readonly #directory: number
  readonly #connections = new Set<Socket>()

  private constructor(server: Server, directory: number) {
    this.#server = server
    this.#directory = directory
  }

  /** Listens at `path`, replacing a socket file that a killed box has left: the caller holds the directory's lock. */
  static async open(
    path: string,
    limits: ControlLimits,
    answer: (request: ControlRequest) => Promise<ControlAnswer>,
  ): Promise<ControlServer> {
    try {
      unlinkSync(path)
    } catch {
      // There was none.
    }
    const { directory, address } = socketAddress(path)
    const server = createServer()
    const control = new ControlServer(server, directory)
    server.on('connection', socket => control.#serve(socket, limits, answer))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(address, resolve)
    })
    chmodSync(path, 0o600)
    return control
  }

  close(): Promise<void> {
    for (const socket of this.#connections) socket.destroy()
    return new Promise(resolve =>
      this.#server.close(() => {
        closeSync(this.#directory)
        resolve()
      }),
    )
  }

  #serve(socket: Socket, limits: ControlLimits, answer: (request: ControlRequest) => Promise<ControlAnswer>): void {
    socket.on('error', () => {})
    if (this.#connections.size >= limits.controlConnections) {
      socket.destroy()
      return
    }
    this.#connections.add(socket)
    socket.on('close', () => this.#connections.delete(socket))
    const reader = new LineReader(limits.controlLineOctets)
    // One after the other: commands of one person take effect in the order given.
    let last = Promise.resolve()
    const reply = (value: ControlAnswer): void => {
      if (socket.writable) socket.write(`${JSON.stringify(value)}\n`)
    }
    socket.on('data', bytes => {
      const lines = reader.push(bytes as Buffer)
      if (lines === undefined) {
        reply({ error: `a command is longer than ${limits.controlLineOctets} octets` })
        socket.destroySoon()
        return
      }
      for (const line of lines) {
        const request = parseRequest(line)
        last = last.then(async () => {
          reply(request === undefined ? { error: 'not a command' } : await answer(request))
        })
      }
    })
  }
}

/** The box does not run: nobody listens at the socket. */
export class NotRunningError extends Error {
  override readonly name = 'NotRunningError'
}

/** A connection to the box at `path`. Rejects with NotRunningError when none runs there. */
export class ControlClient {
  readonly #socket: Socket
  readonly #answers: Array<{ resolve: (answer: ControlAnswer) => void; reject: (error: Error) => void }> = []

  private constructor(socket: Socket) {
    this.#socket = socket
    const reader = new LineReader(Number.POSITIVE_INFINITY)
    socket.on('data', bytes => {
      for (const line of reader.push(bytes as Buffer) ?? [])
        this.#answers.shift()?.resolve(JSON.parse(line) as ControlAnswer)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const { reject } of this.#answers.splice(0)) reject(new Error('the box ended before it answered'))
    })
  }

  static connect(path: string): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      let opened: { directory: number; address: string }
      try {
        opened = socketAddress(path)
      } catch {
        reject(new NotRunningError(`no box runs at ${path}`))
        return
      }
      const socket = connect(opened.address)
      socket.once('error', error => {
        closeSync(opened.directory)
        const code = (error as NodeJS.ErrnoException).code
        reject(code === 'ENOENT' || code === 'ECONNREFUSED' ? new NotRunningError(`no box runs at ${path}`) : error)
      })
      socket.once('connect', () => {
        closeSync(opened.directory)
        socket.removeAllListeners('error')
        resolve(new ControlClient(socket))
      })
    })
  }

  /** What the box answers. Rejects when it ends first. */
  ask(request: ControlRequest): Promise<ControlAnswer> {
    return new Promise((resolve, reject) => {
      if (!this.#socket.writable) {
        reject(new Error('the box has ended'))
        return
      }
      this.#answers.push({ resolve, reject })
      this.#socket.write(`${JSON.stringify(request)}\n`)
    })
  }

  close(): void {
    this.#socket.end()
  }
}

/**
 * A name for the socket at `path` that fits into the 107 characters of a socket address (unix(7)), however deep the
 * directory is: through an open descriptor of it, which the caller closes.
 */
function socketAddress(path: string): { directory: number; address: string } {
  const directory = openSync(dirname(path), 'r')
  return { directory, address: `/proc/self/fd/${directory}/${basename(path)}` }
}
