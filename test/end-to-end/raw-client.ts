/**
 * A client that sends whatever octets a test wants, over UDP, TCP or TLS, and reads what comes back. Requests are written as
 * text, so that nothing between test and wire puts them right.
 */

import assert from 'node:assert/strict'
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { answerChallenge } from '../../src/protocols/sip/digest.ts'
import { respond, SipRequest, SipResponse } from '../../src/protocols/sip/message.ts'
import { parseMessage } from '../../src/protocols/sip/parse.ts'
import { type Frame, StreamFraming } from '../../src/protocols/sip/stream-framing.ts'

/** How long the box may take over anything here. */
const patienceMs = 30_000

export interface RawRequest {
  readonly method: string
  readonly uri: string
  /** Replaces or adds header lines by name; undefined leaves a usual one out. */
  readonly fields?: Readonly<Record<string, string | undefined>>
  readonly body?: string | Uint8Array
}

export interface User {
  readonly name: string
  readonly password: string
}

/** What a client has in common over every transport: it writes requests and awaits messages. */
export abstract class RawClient {
  readonly #arrived: Array<SipRequest | SipResponse> = []
  #awake: (() => void) | undefined
  /** Of the latest request. */
  callId = ''
  protected abstract readonly transport: string
  /** `host:port` for Via and Contact. */
  abstract readonly sentBy: string
  abstract write(octets: string | Uint8Array): void
  abstract close(): void
  /** What Via and Contact say besides: how a client asks for compression. */
  protected readonly asking: { readonly via: string; readonly uri: string } = { via: '', uri: '' }
  /** Why nothing more comes; undefined while something may. */
  ended: string | undefined
  static #serial = 0

  /** The next message from the box that `wanted` accepts; others stay. Rejects when the box has closed, or is silent. */
  async next(wanted: (message: SipRequest | SipResponse) => boolean): Promise<SipRequest | SipResponse> {
    let at = -1
    await this.until(() => {
      at = this.#arrived.findIndex(wanted)
      if (at === -1 && this.ended !== undefined) throw new Error(`the box has closed the connection: ${this.ended}`)
      return at !== -1
    })
    return this.#arrived.splice(at, 1)[0]!
  }

  /** Resolves when the box has closed the connection. */
  closed(): Promise<void> {
    return this.until(() => this.ended !== undefined)
  }

  protected async until(condition: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(patienceMs)
    while (!condition()) await this.#change(deadline)
  }

  /** The final response to the latest request, or to the one with this Call-ID. */
  async response(callId = this.callId): Promise<SipResponse> {
    const message = await this.next(one => one instanceof SipResponse && one.status >= 200 && one.callId === callId)
    return message as SipResponse
  }

  /** The next request of this method that the box sends. */
  async request(method: string): Promise<SipRequest> {
    return (await this.next(one => one instanceof SipRequest && one.method === method)) as SipRequest
  }

  /** Answers a request of the box. */
  answer(request: SipRequest, status: number): void {
    this.write(respond(request, status, { toTag: 'raw' }).toBytes())
  }

  /** Sends a request and returns its final response. */
  ask(request: RawRequest): Promise<SipResponse> {
    this.write(this.octets(request))
    return this.response()
  }

  /** The same as a user who answers the challenge, which must come. */
  async askAs(user: User, request: RawRequest): Promise<SipResponse> {
    const challenged = await this.ask(this.#from(user, request))
    return this.ask(this.answering(user, request, challenged))
  }

  /** The request with credentials that answer a challenge. */
  answering(user: User, request: RawRequest, challenged: SipResponse, nonceCount = 1): RawRequest {
    const isProxy = challenged.status === 407
    assert.ok(isProxy || challenged.status === 401, `challenged with ${challenged.status} ${challenged.reason}`)
    const credentials = answerChallenge(challenged.headers(isProxy ? 'Proxy-Authenticate' : 'WWW-Authenticate'), {
      username: user.name,
      password: user.password,
      method: request.method,
      uri: request.uri,
      cnonce: 'c',
      nonceCount,
    })
    const named = this.#from(user, request)
    return { ...named, fields: { ...named.fields, [isProxy ? 'Proxy-Authorization' : 'Authorization']: credentials } }
  }

  /** Resolves when the box has worked through what was sent before: it answers an OPTIONS. */
  async settled(): Promise<void> {
    assert.equal((await this.ask({ method: 'OPTIONS', uri: 'sip:box.example' })).status, 200)
  }

  octets({ method, uri, fields = {}, body = '' }: RawRequest): Buffer {
    const serial = ++RawClient.#serial
    const content = Buffer.from(body)
    const usual: Record<string, string | undefined> = {
      Via: `SIP/2.0/${this.transport} ${this.sentBy};branch=z9hG4bK${serial};rport${this.asking.via}`,
      'Max-Forwards': '70',
      From: `<sip:nobody@box.example>;tag=t${serial}`,
      To: `<${uri}>`,
      'Call-ID': `raw-${serial}`,
      CSeq: `${serial} ${method}`,
      Contact: `<sip:${this.sentBy};transport=${this.transport.toLowerCase()}${this.asking.uri}>`,
      'Content-Length': String(content.length),
      ...fields,
    }
    this.callId = usual['Call-ID'] ?? ''
    const lines = Object.entries(usual).flatMap(([name, value]) => (value === undefined ? [] : `${name}: ${value}\r\n`))
    return Buffer.concat([Buffer.from(`${method} ${uri} SIP/2.0\r\n${lines.join('')}\r\n`), content])
  }

  protected take(message: SipRequest | SipResponse): void {
    this.#arrived.push(message)
    this.wake()
  }

  protected wake(): void {
    this.#awake?.()
  }

  #from(user: User, request: RawRequest): RawRequest {
    return { ...request, fields: { From: `<sip:${user.name}@box.example>;tag=f`, ...request.fields } }
  }

  #change(deadline: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = (): void => reject(new Error('the box is silent'))
      deadline.addEventListener('abort', late, { once: true })
      this.#awake = () => {
        deadline.removeEventListener('abort', late)
        resolve()
      }
    })
  }
}

export class DatagramClient extends RawClient {
  protected readonly transport = 'UDP'
  readonly socket: DatagramSocket
  readonly #port: number

  private constructor(socket: DatagramSocket, port: number) {
    super()
    this.socket = socket
    this.#port = port
    socket.on('message', octets => this.take(parseMessage(octets)))
  }

  /** `address` is one of loopback, so that the box takes it for another machine. */
  static async open(t: TestContext, port: number, address = '127.0.0.1'): Promise<DatagramClient> {
    const socket = createSocket('udp4')
    t.after(() => socket.close())
    socket.bind(0, address)
    await once(socket, 'listening')
    return new DatagramClient(socket, port)
  }

  get sentBy(): string {
    const { address, port } = this.socket.address()
    return `${address}:${port}`
  }

  write(octets: string | Uint8Array): void {
    this.socket.send(octets, this.#port, '127.0.0.1')
  }

  close(): void {}
}

export class StreamClient extends RawClient {
  protected readonly transport: string
  readonly socket: Socket
  /** Pongs: line ends between messages (RFC 5626 §3.5.1). */
  pongs = 0
  readonly #framing = new StreamFraming({ headBytes: 65_536, bodyBytes: 262_144 })

  private constructor(socket: Socket, transport: string) {
    super()
    this.socket = socket
    this.transport = transport
    this.#framing.awaitsPong = true
    socket.on('data', octets => {
      for (const frame of this.#framing.push(octets)) this.#frame(frame)
    })
    let reason = 'closed'
    socket.on('error', error => {
      reason = error.message
    })
    socket.on('close', () => {
      this.ended = reason
      this.wake()
    })
  }

  static async open(t: TestContext, port: number, localAddress = '127.0.0.1'): Promise<StreamClient> {
    const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true })
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    return new StreamClient(socket, 'TCP')
  }

  /** A client that trusts the box's own certificate. */
  static async openTls(t: TestContext, port: number, ca: string): Promise<StreamClient> {
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'box.example', ca })
    t.after(() => socket.destroy())
    await once(socket, 'secureConnect')
    return new StreamClient(socket, 'TLS')
  }

  get sentBy(): string {
    return `${this.socket.localAddress}:${this.socket.localPort}`
  }

  write(octets: string | Uint8Array): void {
    this.socket.write(octets)
  }

  close(): void {
    this.socket.destroy()
  }

  /** Resolves when so many pongs have come. */
  ponged(count: number): Promise<void> {
    return this.until(() => this.pongs >= count)
  }

  #frame(frame: Frame): void {
    if (frame.kind === 'message') this.take(parseMessage(frame.bytes))
    else if (frame.kind === 'pong') {
      this.pongs++
      this.#framing.awaitsPong = true
      this.wake()
    } else assert.fail(`the box sent ${frame.kind}`)
  }
}
