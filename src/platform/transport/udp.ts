/**
 * SIP over UDP (RFC 3261 §18) on one listening socket. A flow is named by its addresses alone, so a name outlives a
 * restart and may name a peer from whom nothing has come yet.
 */

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { type Flow, udpFlow, udpFlowId, udpFlowPrefix } from '../../protocols/sip/flow.ts'
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
  readonly #prefix: string
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
    this.#prefix = udpFlowPrefix(this.address, this.port)
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
    return flow.startsWith(this.#prefix)
  }

  send(flowId: string, bytes: Buffer): void {
    if (this.#closed) return
    const known = this.#byId.get(flowId) ?? this.#flowNamed(flowId)
    if (known === undefined) this.#user.disconnected(flowId, 'not the name of a flow')
    else this.#socket.send(bytes, known.flow.remotePort, known.flow.remoteAddress, known.sent)
  }

  close(): Promise<void> {
    this.#closed = true
    return new Promise(resolve => this.#socket.close(resolve))
  }

  #flowFrom(from: RemoteInfo): Flow {
    const known = this.#byPort.get(from.port)
    if (known !== undefined && known.flow.remoteAddress === from.address) return known.flow
    const id = udpFlowId(this.address, this.port, from.address, from.port)
    const remembered =
      this.#byId.get(id) ??
      this.#remember({
        id,
        transport: 'udp',
        localAddress: this.address,
        localPort: this.port,
        remoteAddress: from.address,
        remotePort: from.port,
      })
    this.#byPort.set(from.port, remembered)
    return remembered.flow
  }

  #flowNamed(id: string): Remembered | undefined {
    const flow = udpFlow(id)
    return flow && this.#remember(flow)
  }

  #remember(flow: Flow): Remembered {
    if (this.#byId.size >= this.#options.flowsRemembered) {
      this.#byId.clear()
      this.#byPort.clear()
    }
    const remembered: Remembered = {
      flow,
      sent: error => {
        if (error === null) return
        this.#options.counters.udpSendErrors++
        this.#user.disconnected(flow.id, error.message)
      },
    }
    this.#byId.set(flow.id, remembered)
    return remembered
  }
}
