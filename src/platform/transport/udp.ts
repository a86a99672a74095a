/**
 * SIP over UDP (RFC 3261 §18) on one listening socket. A flow is named by its addresses alone, so a name outlives a
 * restart and may name a peer from whom nothing has come yet.
 */

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { Flow } from '../../protocols/sip/flow.ts'
import type { TransportCounters, TransportUser } from './transport.ts'

export interface UdpOptions {
  readonly address: string
  readonly port: number
  readonly receiveBufferOctets: number
  /** Remote addresses whose flow is remembered. */
  readonly flowsRemembered: number
  readonly counters: TransportCounters
}

/** Where to send, and what to do when that fails: made once per flow, since an answer mostly goes where a request came from. */
interface Remembered {
  readonly flow: Flow
  readonly sent: (error: Error | null) => void
}

export class UdpTransport {
  readonly address: string
  readonly port: number
  readonly #socket: Socket
  readonly #user: TransportUser
  readonly #options: UdpOptions
  /** By remote port: one flow each, the latest. Most clients have a port of their own, and the others cost one rebuild. */
  readonly #byPort = new Map<number, Remembered>()
  readonly #byId = new Map<string, Remembered>()
  #closed = false

  private constructor(socket: Socket, options: UdpOptions, user: TransportUser) {
    this.#socket = socket
    this.#options = options
    this.#user = user
    this.address = options.address
    this.port = socket.address().port
    socket.on('message', (bytes, from) => this.#user.received(bytes, this.#flowFrom(from)))
    // Faults of the socket itself; a datagram that cannot leave is told to its sender's callback.
    socket.on('error', () => this.#options.counters.udpSendErrors++)
  }

  /** Binds; rejects with the system's error (EADDRINUSE, EACCES, EADDRNOTAVAIL). */
  static open(options: UdpOptions, user: TransportUser): Promise<UdpTransport> {
    const v6 = options.address.includes(':')
    const socket = createSocket({
      type: v6 ? 'udp6' : 'udp4',
      ipv6Only: v6,
      // Only numeric addresses come here: looking them up would cost a turn of the event loop each.
      lookup: (host, _options, callback) => callback(null, host, v6 ? 6 : 4),
    })
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ address: options.address, port: options.port }, () => {
        socket.off('error', reject)
        try {
          socket.setRecvBufferSize(options.receiveBufferOctets)
        } catch {
          // The system's default stands; it may only drop sooner under a burst.
        }
        resolve(new UdpTransport(socket, options, user))
      })
    })
  }

  /** Whether a flow of this name leaves by this socket. */
  owns(flow: string): boolean {
    return flow.startsWith(`udp:${this.address}:${this.port}:`)
  }

  send(flowId: string, bytes: Buffer): void {
    if (this.#closed) return
    const { flow, sent } = this.#byId.get(flowId) ?? this.#flowNamed(flowId)
    this.#socket.send(bytes, flow.remotePort, flow.remoteAddress, sent)
  }

  close(): Promise<void> {
    this.#closed = true
    return new Promise(resolve => this.#socket.close(resolve))
  }

  #flowFrom(from: RemoteInfo): Flow {
    const known = this.#byPort.get(from.port)
    if (known !== undefined && known.flow.remoteAddress === from.address) return known.flow
    return this.#remember(this.#idOf(from.address, from.port), from.address, from.port).flow
  }

  #flowNamed(id: string): Remembered {
    const remote = id.slice(`udp:${this.address}:${this.port}:`.length)
    const colon = remote.lastIndexOf(':')
    return this.#remember(id, remote.slice(0, colon), Number(remote.slice(colon + 1)))
  }

  #idOf(address: string, port: number): string {
    return `udp:${this.address}:${this.port}:${address}:${port}`
  }

  #remember(id: string, remoteAddress: string, remotePort: number): Remembered {
    if (this.#byId.size >= this.#options.flowsRemembered) {
      this.#byId.clear()
      this.#byPort.clear()
    }
    const known = this.#byId.get(id)
    const remembered = known ?? {
      flow: {
        id,
        transport: 'udp',
        localAddress: this.address,
        localPort: this.port,
        remoteAddress,
        remotePort,
      },
      sent: error => {
        if (error === null) return
        this.#options.counters.udpSendErrors++
        this.#user.disconnected(id, error.message)
      },
    }
    this.#byId.set(id, remembered)
    this.#byPort.set(remotePort, remembered)
    return remembered
  }
}
