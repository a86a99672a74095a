/**
 * A SIP load generator over UDP: many virtual users, a bounded number of operations under way, and a check of everything
 * that comes back. It shares no code with the server it loads; it speaks as much of RFC 3261 as its messages need.
 */

import { createSocket, type Socket } from 'node:dgram'

/** RFC 3261 §17.1.2.2: first retransmission after T1, then doubling up to T2; given up after 64 × T1. */
const t1Ms = 500
const t2Ms = 4_000
const sweepMs = 100

export type Answer = { readonly status: number; readonly text: string }

type Transaction = {
  readonly bytes: Buffer
  readonly socket: number
  readonly answered: (answer: Answer) => void
  readonly bornAt: number
  resendAt: number
  intervalMs: number
}

/** A NOTIFY that arrived, already answered with 200. */
export type Notification = {
  readonly callId: string
  readonly cseq: number
  readonly subscriptionState: string
  readonly body: string
  readonly text: string
}

export class LoadClient {
  readonly #sockets: Socket[]
  readonly ports: number[] = []
  readonly #server: { address: string; port: number }
  readonly #transactions = new Map<string, Transaction>()
  readonly #notified = new Map<string, (notification: Notification) => void>()
  readonly #lastNotify = new Map<string, number>()
  #serial = 0
  #sweeper: NodeJS.Timeout | undefined
  /** Hears every request that is not a NOTIFY; it is answered 200. */
  onOther: ((text: string) => void) | undefined
  /** Requests sent again because no answer came in time: a sign that datagrams were dropped. */
  retransmissions = 0
  /** NOTIFY requests that came a second time. */
  repeatedNotifications = 0
  /** NOTIFY requests for which nobody waits: answered 481. */
  strayNotifications = 0

  /** `sockets` spreads what the server sends over that many receive buffers. */
  static async open(server: { address: string; port: number }, sockets = 8): Promise<LoadClient> {
    const client = new LoadClient(server, sockets)
    await Promise.all(
      client.#sockets.map(
        socket => new Promise<void>(bound => socket.bind({ address: '127.0.0.1', port: 0, exclusive: true }, bound)),
      ),
    )
    for (const [index, socket] of client.#sockets.entries()) {
      try {
        socket.setRecvBufferSize(4 << 20)
      } catch {
        // The system's own limit stays: the number of sockets then has to do.
      }
      socket.on('message', bytes => client.#received(bytes, index))
      client.ports.push(socket.address().port)
    }
    client.#sweeper = setInterval(() => client.#sweep(), sweepMs)
    return client
  }

  private constructor(server: { address: string; port: number }, sockets: number) {
    this.#server = server
    this.#sockets = Array.from({ length: sockets }, () => createSocket('udp4'))
  }

  close(): void {
    clearInterval(this.#sweeper)
    for (const socket of this.#sockets) socket.close()
  }

  /** The address of a socket as `host:port`, for Contact. */
  hostPort(socket: number): string {
    return `127.0.0.1:${this.ports[socket % this.ports.length]}`
  }

  /**
   * Sends a request and resolves with its final answer; rejects after 64 × T1. `lines` are the header fields without Via,
   * which is added here; Content-Length too.
   */
  request(socket: number, requestLine: string, lines: string, body = ''): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const index = socket % this.#sockets.length
      const branch = `z9hG4bKl${this.#serial++}x`
      const bytes = Buffer.from(
        `${requestLine} SIP/2.0\r\nVia: SIP/2.0/UDP ${this.hostPort(index)};branch=${branch};rport\r\n${lines}` +
          `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      )
      const now = performance.now()
      this.#transactions.set(branch, {
        bytes,
        socket: index,
        bornAt: now,
        resendAt: now + t1Ms,
        intervalMs: t1Ms,
        answered: answer => (answer.status === 0 ? reject(new Error(`no answer to ${requestLine}`)) : resolve(answer)),
      })
      this.#send(bytes, index)
    })
  }

  /** Every NOTIFY with this Call-ID is answered 200 and handed to `notified`, until that is undefined. */
  onNotify(callId: string, notified: ((notification: Notification) => void) | undefined): void {
    if (notified) this.#notified.set(callId, notified)
    else {
      this.#notified.delete(callId)
      this.#lastNotify.delete(callId)
    }
  }

  #send(bytes: Buffer, socket: number): void {
    this.#sockets[socket]?.send(bytes, this.#server.port, this.#server.address)
  }

  #received(bytes: Buffer, socket: number): void {
    const text = bytes.toString('latin1')
    if (text.startsWith('SIP/2.0 ')) this.#response(text)
    else if (text.startsWith('NOTIFY ')) this.#notify(text, socket)
    else if (/^[A-Z]+ /.test(text) && !text.startsWith('ACK ')) {
      this.#answer(text, '200 OK', socket)
      this.onOther?.(text)
    }
  }

  #response(text: string): void {
    const status = Number(text.slice(8, 11))
    if (status < 200) return
    const at = text.indexOf('branch=z9hG4bKl')
    const branch = text.slice(at + 7, text.indexOf('x', at + 14) + 1)
    const transaction = this.#transactions.get(branch)
    if (transaction === undefined) return
    this.#transactions.delete(branch)
    transaction.answered({ status, text })
  }

  #notify(text: string, socket: number): void {
    const callId = headerOf(text, 'Call-ID')
    const cseqLine = headerOf(text, 'CSeq')
    const notified = this.#notified.get(callId)
    this.#answer(text, notified ? '200 OK' : '481 Subscription Does Not Exist', socket)
    if (!notified) {
      this.strayNotifications++
      return
    }
    const cseq = Number.parseInt(cseqLine, 10)
    if (cseq <= (this.#lastNotify.get(callId) ?? -1)) {
      this.repeatedNotifications++
      return
    }
    this.#lastNotify.set(callId, cseq)
    const headersEnd = text.indexOf('\r\n\r\n')
    notified({
      callId,
      cseq,
      subscriptionState: headerOf(text, 'Subscription-State'),
      body: text.slice(headersEnd + 4),
      text,
    })
  }

  #answer(request: string, status: string, socket: number): void {
    const to = headerOf(request, 'To')
    const reply =
      `SIP/2.0 ${status}\r\n${viaLines(request)}From: ${headerOf(request, 'From')}\r\n` +
      `To: ${to}${to.includes(';tag=') ? '' : ';tag=answered'}\r\nCall-ID: ${headerOf(request, 'Call-ID')}\r\n` +
      `CSeq: ${headerOf(request, 'CSeq')}\r\nContent-Length: 0\r\n\r\n`
    this.#send(Buffer.from(reply, 'latin1'), socket)
  }

  #sweep(): void {
    const now = performance.now()
    for (const [branch, transaction] of this.#transactions) {
      if (now < transaction.resendAt) continue
      if (now - transaction.bornAt > 64 * t1Ms) {
        this.#transactions.delete(branch)
        transaction.answered({ status: 0, text: '' })
        continue
      }
      this.retransmissions++
      this.#send(transaction.bytes, transaction.socket)
      transaction.intervalMs = Math.min(transaction.intervalMs * 2, t2Ms)
      transaction.resendAt = now + transaction.intervalMs
    }
  }
}

export type LoopResult = {
  /** How long each operation took, in milliseconds. */
  readonly latenciesMs: Float64Array
  readonly seconds: number
  /** Why operations failed. */
  readonly faults: readonly string[]
}

const faultsUntilGivenUp = 100

/**
 * Runs `operation(0 .. total-1)` with at most `window` under way. An operation that rejects is a fault; after 100 of them
 * the run is given up.
 */
export async function closedLoop(
  total: number,
  window: number,
  operation: (index: number) => Promise<void>,
): Promise<LoopResult> {
  const latenciesMs = new Float64Array(total)
  const faults: string[] = []
  const begunAt = performance.now()
  let next = 0
  const worker = async () => {
    while (next < total) {
      const index = next++
      const startedAt = performance.now()
      try {
        await operation(index)
      } catch (error) {
        faults.push(error instanceof Error ? error.message : String(error))
        if (faults.length >= faultsUntilGivenUp) throw new Error(`given up: ${faults[0]}`)
      }
      latenciesMs[index] = performance.now() - startedAt
    }
  }
  await Promise.all(Array.from({ length: Math.min(window, total) }, worker))
  return { latenciesMs, seconds: (performance.now() - begunAt) / 1000, faults }
}

/** The value of the first header field of that name, in its long or compact form; '' when there is none. */
export function headerOf(text: string, name: string): string {
  const end = text.indexOf('\r\n\r\n')
  const compact = compactForms[name]
  for (const written of compact ? [name, compact] : [name]) {
    let at = text.indexOf(`\r\n${written}:`)
    if (at < 0 || at > end) at = text.toLowerCase().indexOf(`\r\n${written.toLowerCase()}:`)
    if (at < 0 || at > end) continue
    const start = at + written.length + 3
    return text.slice(start, text.indexOf('\r\n', start)).trim()
  }
  return ''
}

const compactForms: Readonly<Record<string, string>> = { 'Call-ID': 'i', From: 'f', To: 't', Contact: 'm', Event: 'o' }

/** All Via fields as they stand, for the answer (RFC 3261 §8.2.6.2). */
function viaLines(text: string): string {
  let lines = ''
  for (const line of text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n'))
    if (/^(via|v)\s*:/i.test(line)) lines += `${line}\r\n`
  return lines
}
