/**
 * An HTTP load generator: connections that stay open, one request at a time on each, and a check of what comes back. It shares
 * no code with the server it loads; it speaks as much of RFC 9112 as its requests need.
 */

import { connect, type Socket } from 'node:net'

export type HttpAnswer = {
  readonly status: number
  /** Status line and header fields. */
  readonly head: string
  readonly body: string
}

/** No answer may take longer. */
const patienceMs = 20_000

export class HttpLoadClient {
  readonly #connections: readonly Connection[]

  static async open(port: number, connections: number): Promise<HttpLoadClient> {
    return new HttpLoadClient(await Promise.all(Array.from({ length: connections }, () => Connection.open(port))))
  }

  private constructor(connections: readonly Connection[]) {
    this.#connections = connections
  }

  /**
   * Sends a request on one of the connections, behind those that already wait there, and resolves with its answer. `lines` are
   * the header fields without Host and Content-Length, which are added here. Rejects when the connection ends, or after 20 s.
   */
  request(connection: number, method: string, target: string, lines = '', body = ''): Promise<HttpAnswer> {
    const octets = Buffer.byteLength(body)
    const length = octets === 0 ? '' : `Content-Length: ${octets}\r\n`
    const text = `${method} ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines}${length}\r\n${body}`
    return this.#connections[connection % this.#connections.length]!.request(text)
  }

  close(): void {
    for (const connection of this.#connections) connection.close()
  }
}

type Waiting = {
  readonly text: string
  readonly answered: (answer: HttpAnswer) => void
  readonly failed: (error: Error) => void
}

class Connection {
  readonly #socket: Socket
  readonly #waiting: Waiting[] = []
  #received: Buffer = Buffer.alloc(0)
  #patience: NodeJS.Timeout | undefined

  static async open(port: number): Promise<Connection> {
    const socket = connect(port, '127.0.0.1')
    await new Promise<void>((connected, failed) => socket.once('connect', connected).once('error', failed))
    return new Connection(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', octets => this.#take(octets))
    socket.on('error', error => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server has closed the connection')))
  }

  request(text: string): Promise<HttpAnswer> {
    return new Promise((answered, failed) => {
      this.#waiting.push({ text, answered, failed })
      if (this.#waiting.length === 1) this.#send()
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #send(): void {
    const next = this.#waiting[0]
    if (next === undefined) return
    this.#patience = setTimeout(() => this.#socket.destroy(new Error(`no answer to ${next.text}`)), patienceMs)
    this.#socket.write(next.text)
  }

  #take(octets: Buffer): void {
    this.#received = this.#received.length === 0 ? octets : Buffer.concat([this.#received, octets])
    const headEnd = this.#received.indexOf('\r\n\r\n')
    if (headEnd === -1) return
    const head = this.#received.toString('latin1', 0, headEnd)
    const status = Number(head.slice(9, 12))
    const length = status === 304 ? 0 : Number(fieldOf(head, 'Content-Length') || 0)
    const end = headEnd + 4 + length
    if (this.#received.length < end) return
    const body = this.#received.toString('utf8', headEnd + 4, end)
    this.#received = this.#received.subarray(end)
    clearTimeout(this.#patience)
    this.#waiting.shift()?.answered({ status, head, body })
    this.#send()
  }

  #fail(error: Error): void {
    clearTimeout(this.#patience)
    for (const { failed } of this.#waiting.splice(0)) failed(error)
  }
}

/** The value of the first header field of that name; '' when there is none. */
export function fieldOf(head: string, name: string): string {
  let at = head.indexOf(`\r\n${name}:`)
  if (at === -1) at = head.toLowerCase().indexOf(`\r\n${name.toLowerCase()}:`)
  if (at === -1) return ''
  const end = head.indexOf('\r\n', at + 2)
  return head.slice(at + name.length + 3, end === -1 ? undefined : end).trim()
}
