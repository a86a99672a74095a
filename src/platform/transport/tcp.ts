/** SIP over TCP (RFC 3261 §18): listens, and opens connections. */

import { connect, createServer, type Server } from 'node:net'
import type { Connections } from './connections.ts'

export class TcpListener {
  readonly address: string
  readonly port: number
  readonly #server: Server

  private constructor(server: Server, address: string) {
    this.#server = server
    this.address = address
    this.port = (server.address() as { port: number }).port
  }

  /** Listens; rejects with the system's error. */
  static open(address: string, port: number, connections: Connections): Promise<TcpListener> {
    const server = createServer({ noDelay: true }, socket => {
      // A peer may vanish between accept and here.
      socket.on('error', () => {})
      if (connections.admit(socket)) connections.adopt(socket, 'tcp')
    })
    return listen(server, address, port).then(() => new TcpListener(server, address))
  }

  /** Stops accepting; standing connections are their owner's to close. */
  close(): void {
    this.#server.close()
  }
}

/** Opens a connection; its user hears `connected` or `disconnected` under the name `connection`. */
export function connectTcp(connections: Connections, connection: string, address: string, port: number): void {
  const socket = connect({ host: address, port, noDelay: true })
  connections.opening(connection, socket, 'connect', () => connections.adopt(socket, 'tcp'))
}

/** Resolves when `server` listens on exactly this address. */
export function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: address, port, ipv6Only: address.includes(':'), backlog: 511 }, () => {
      server.off('error', reject)
      server.on('error', () => {})
      resolve()
    })
  })
}
