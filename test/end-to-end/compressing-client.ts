/** Raw clients that speak SigComp, in datagrams and on connections, and what else an attacker may do with it. */

import assert from 'node:assert/strict'
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import {
  type EndpointOptions,
  isSigComp,
  markRecord,
  type Nack,
  RecordMarking,
  SigCompEndpoint,
  sipOptions,
} from '../../src/protocols/sigcomp/index.ts'
import { parseMessage } from '../../src/protocols/sip/parse.ts'
import { asksForCompressionAs } from '../../src/protocols/sip-sigcomp/asked.ts'
import { RawClient } from './raw-client.ts'

export abstract class CompressingClient extends RawClient {
  /** What this client has with the box, which is one application to it. */
  readonly endpoint: SigCompEndpoint
  readonly nacks: Array<Nack | undefined> = []
  protected override readonly asking: { readonly via: string; readonly uri: string }
  /** Octets on the wire and of text, both directions, and messages that came in SigComp and as text. */
  wireOctets = 0
  textOctets = 0
  compressed = 0
  plain = 0
  /** The last message that left, as it was on the wire. */
  lastSent: Uint8Array = new Uint8Array(0)
  protected readonly onStream: boolean

  /** Texts that came in SigComp, in order. */
  readonly texts: string[] = []

  constructor(name: string, onStream: boolean, options: Partial<EndpointOptions>) {
    super()
    this.endpoint = new SigCompEndpoint({ ...sipOptions, ...options })
    this.asking = asksForCompressionAs(name)
    this.onStream = onStream
  }

  /** Octets as they are, bytecode of an attacker for example; on a connection with marks. */
  abstract send(octets: Uint8Array): void

  write(text: string | Uint8Array): void {
    const octets = Buffer.from(text)
    const message = this.endpoint.compress(octets, 'box', this.onStream) ?? octets
    this.textOctets += octets.length
    this.wireOctets += message.length
    this.lastSent = message
    this.send(message)
  }

  /** Resolves with the next NACK. */
  async nack(): Promise<Nack | undefined> {
    await this.until(() => this.nacks.length > 0)
    return this.nacks.shift()
  }

  protected heard(octets: Uint8Array): void {
    this.wireOctets += octets.length
    if (!isSigComp(octets)) {
      this.plain++
      this.textOctets += octets.length
      this.take(parseMessage(Buffer.from(octets)))
      return
    }
    const reception = this.endpoint.receive(octets, this.onStream)
    if (reception.kind === 'message') {
      this.compressed++
      this.textOctets += reception.text!.length
      this.endpoint.accept(reception, 'box')
      this.texts.push(Buffer.from(reception.text!).toString())
      this.take(parseMessage(Buffer.from(reception.text!)))
    } else if (reception.kind === 'nack') {
      this.nacks.push(reception.nack)
      this.wake()
    } else if (reception.nack !== undefined) this.send(reception.nack)
  }
}

export class CompressingDatagramClient extends CompressingClient {
  protected readonly transport = 'UDP'
  readonly #socket: DatagramSocket
  /** The box, which may come back elsewhere. */
  port: number

  private constructor(name: string, socket: DatagramSocket, port: number, options: Partial<EndpointOptions>) {
    super(name, false, options)
    this.#socket = socket
    this.port = port
    socket.on('message', octets => this.heard(octets))
  }

  static async open(
    t: TestContext,
    name: string,
    port: number,
    address = '127.0.0.1',
    options: Partial<EndpointOptions> = {},
  ) {
    const socket = createSocket('udp4')
    t.after(() => socket.close())
    socket.bind(0, address)
    await once(socket, 'listening')
    return new CompressingDatagramClient(name, socket, port, options)
  }

  get sentBy(): string {
    const { address, port } = this.#socket.address()
    return `${address}:${port}`
  }

  send(octets: Uint8Array): void {
    this.#socket.send(octets, this.port, '127.0.0.1')
  }

  close(): void {}
}

export class CompressingStreamClient extends CompressingClient {
  protected readonly transport: string
  readonly socket: Socket
  readonly #marking = new RecordMarking(100_000)

  private constructor(name: string, socket: Socket, transport: string, options: Partial<EndpointOptions> = {}) {
    super(name, true, options)
    this.socket = socket
    this.transport = transport
    socket.on('data', octets => {
      assert.ok(octets[0]! >= 0xf8 || this.#marking.isPartial, 'all on this connection is SigComp')
      for (const message of this.#marking.push(octets)) this.heard(message)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.ended = 'closed'
      this.wake()
    })
  }

  static async open(t: TestContext, name: string, port: number, options: Partial<EndpointOptions> = {}) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    return new CompressingStreamClient(name, socket, 'TCP', options)
  }

  static async openTls(t: TestContext, name: string, port: number, ca: string) {
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'box.example', ca })
    t.after(() => socket.destroy())
    await once(socket, 'secureConnect')
    return new CompressingStreamClient(name, socket, 'TLS')
  }

  get sentBy(): string {
    return `${this.socket.localAddress}:${this.socket.localPort}`
  }

  send(octets: Uint8Array): void {
    this.socket.write(markRecord(octets))
  }

  close(): void {
    this.socket.destroy()
  }
}
