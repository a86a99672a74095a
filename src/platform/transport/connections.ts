/**
 * The connections of TCP and TLS: their names, their limits, and how they end. Each has a defined answer to a peer that
 * says nothing, does not read, or opens too many: it is closed, and counted.
 */

import type { Socket } from 'node:net'
import { connectionFlowId, type Flow } from '../../protocols/sip/flow.ts'
import type { Random } from '../../turn.ts'
import { SpacedWrites, wantsSpacedWrites } from './spaced-writes.ts'
import type { TransportCounters, TransportUser } from './transport.ts'

export interface ConnectionLimits {
  readonly connections: number
  readonly connectionsPerAddress: number
  readonly connectionBacklogOctets: number
  readonly connectionIdleMs: number
  readonly firstOctetMs: number
  readonly connectMs: number
}

interface Connection {
  readonly flow: Flow
  readonly socket: Socket
  /** For a client that loses messages which come together. */
  spaced?: SpacedWrites
}

export class Connections {
  readonly limits: ConnectionLimits
  readonly counters: TransportCounters
  readonly user: TransportUser
  /** Keeps a flow's name stored before a restart from meaning another connection after it. */
  readonly #run: string
  readonly #open = new Map<string, Connection>()
  /** Raw connections, those still in a TLS handshake included. */
  #count = 0
  readonly #perAddress = new Map<string, number>()
  #serial = 0

  constructor(options: { limits: ConnectionLimits; counters: TransportCounters; random: Random; user: TransportUser }) {
    this.limits = options.limits
    this.counters = options.counters
    this.#run = options.random.token(8)
    this.user = options.user
  }

  /** Connections that stand. */
  get size(): number {
    return this.#open.size
  }

  /** Counts a connection that a peer has opened; false when it is one too many, and then it is closed. */
  admit(socket: Socket): boolean {
    const address = socket.remoteAddress
    if (address === undefined) {
      socket.destroy()
      return false
    }
    const fromThere = this.#perAddress.get(address) ?? 0
    if (this.#count >= this.limits.connections || fromThere >= this.limits.connectionsPerAddress) {
      this.counters.refusedOverLimit++
      socket.destroy()
      return false
    }
    this.counters.accepted++
    this.#count++
    this.#perAddress.set(address, fromThere + 1)
    socket.once('close', () => {
      this.#count--
      const left = this.#perAddress.get(address)! - 1
      if (left === 0) this.#perAddress.delete(address)
      else this.#perAddress.set(address, left)
    })
    return true
  }

  /** Takes over a connection that stands, from either side, and hands on what arrives. */
  adopt(socket: Socket, transport: 'tcp' | 'tls', peerIdentities?: readonly string[]): Flow {
    const flow: Flow = {
      id: connectionFlowId(transport, ++this.#serial, this.#run),
      transport,
      localAddress: socket.localAddress ?? '',
      localPort: socket.localPort ?? 0,
      remoteAddress: socket.remoteAddress ?? '',
      remotePort: socket.remotePort ?? 0,
      ...(peerIdentities === undefined ? {} : { peerIdentities }),
    }
    let reason = 'closed by the peer'
    const connection: Connection = { flow, socket }
    this.#open.set(flow.id, connection)
    socket.setNoDelay(true)
    socket.setTimeout(this.limits.firstOctetMs, () => {
      this.counters.closedIdle++
      reason = 'idle'
      socket.destroy()
    })
    socket.once('data', bytes => {
      socket.setTimeout(this.limits.connectionIdleMs)
      if (wantsSpacedWrites(bytes as Buffer)) connection.spaced = new SpacedWrites(socket)
    })
    socket.on('data', bytes => this.user.received(bytes as Buffer, flow))
    socket.on('error', error => {
      reason = error.message
    })
    socket.on('close', () => {
      this.#open.delete(flow.id)
      this.user.disconnected(flow.id, reason)
    })
    return flow
  }

  /** Writes one message in one write. */
  send(flowId: string, bytes: Buffer): void {
    const connection = this.#open.get(flowId)
    if (connection === undefined || !connection.socket.writable) {
      setImmediate(() => this.user.disconnected(flowId, 'not connected'))
      return
    }
    const { socket, spaced } = connection
    if (socket.writableLength + (spaced?.waitingOctets ?? 0) + bytes.length > this.limits.connectionBacklogOctets) {
      this.counters.closedBacklog++
      socket.destroy(new Error('the peer does not read'))
      return
    }
    if (spaced === undefined) socket.write(bytes)
    else spaced.write(bytes)
  }

  /** Sends what is waiting, then closes; a peer that does not take it is cut off. */
  close(flowId: string): void {
    const connection = this.#open.get(flowId)
    if (connection === undefined) return
    const { socket, spaced } = connection
    spaced?.flush()
    socket.removeAllListeners('timeout')
    socket.setTimeout(this.limits.connectMs, () => socket.destroy())
    socket.end()
  }

  closeAll(): void {
    for (const { socket } of this.#open.values()) socket.destroy()
  }

  /** Follows an outgoing connection until it stands (event `stands`), when `adopt` takes it over, or has failed. */
  opening<S extends Socket>(
    connection: string,
    socket: S,
    stands: 'connect' | 'secureConnect',
    adopt: (socket: S) => Flow,
  ): void {
    if (this.#count >= this.limits.connections) {
      this.counters.refusedOverLimit++
      socket.once('error', () => {})
      socket.destroy()
      setImmediate(() => this.user.disconnected(connection, 'too many connections'))
      return
    }
    this.#count++
    let reason = 'closed before it stood'
    const failed = (): void => this.user.disconnected(connection, reason)
    const noted = (error: Error): void => {
      reason = error.message
    }
    socket.setTimeout(this.limits.connectMs, () => socket.destroy(new Error('no answer in time')))
    socket.on('error', noted)
    socket.once('close', failed)
    socket.once('close', () => this.#count--)
    socket.once(stands, () => {
      socket.off('close', failed)
      socket.removeAllListeners('timeout')
      this.user.connected(connection, adopt(socket))
    })
  }
}
