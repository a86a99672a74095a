/** UDP by node:dgram: works wherever Node.js does, at one system call and one request object for each datagram. */

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { Flow } from '../../protocols/sip/flow.ts'
import type { TransportUser } from './transport.ts'
import type { UdpOptions, UdpTransport } from './udp.ts'
import { UdpFlows } from './udp-flows.ts'

/** Where to send, and what to do when that fails: made once per flow, since an answer mostly goes where a request came from. */
interface Peer {
  readonly flow: Flow
  readonly sent: (error: Error | null) => void
}

export class DgramUdp implements UdpTransport {
  readonly address: string
  readonly port: number
  readonly #socket: Socket
  readonly #user: TransportUser
  readonly #flows: UdpFlows<Peer>
  #closed = false

  private constructor(socket: Socket, { address, flowsRemembered, counters }: UdpOptions, user: TransportUser) {
    this.#socket = socket
    this.#user = user
    this.address = address
    this.port = socket.address().port
    this.#flows = new UdpFlows(address, this.port, flowsRemembered, flow => ({
      flow,
      sent: error => {
        if (error === null) return
        counters.udpSendErrors++
        user.disconnected(flow.id, error.message)
      },
    }))
    socket.on('message', (bytes, from) => this.#received(bytes, from))
    // Faults of the socket itself; a datagram that cannot leave is told to its sender's callback.
    socket.on('error', () => counters.udpSendErrors++)
  }

  static open(options: UdpOptions, user: TransportUser): Promise<DgramUdp> {
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
        resolve(new DgramUdp(socket, options, user))
      })
    })
  }

  owns(flow: string): boolean {
    return this.#flows.owns(flow)
  }

  send(flow: string, bytes: Buffer): void {
    if (this.#closed) return
    const peer = this.#flows.named(flow)
    if (peer === undefined) setImmediate(() => this.#user.disconnected(flow, 'not the name of a flow'))
    else this.#socket.send(bytes, peer.flow.remotePort, peer.flow.remoteAddress, peer.sent)
  }

  flush(): void {}

  close(): Promise<void> {
    this.#closed = true
    return new Promise(resolve => this.#socket.close(resolve))
  }

  #received(bytes: Buffer, { address, port }: RemoteInfo): void {
    const last = this.#flows.lastFrom(port)
    const peer = last?.flow.remoteAddress === address ? last : this.#flows.from(address, port)
    if (peer !== undefined) this.#user.received(bytes, peer.flow)
  }
}
