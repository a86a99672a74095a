/** What a transport tells its user, and what it counts: shared by UDP, TCP and TLS. */

import type { Flow } from '../../protocols/sip/flow.ts'
import type { DnsRecord } from '../../protocols/sip/locate.ts'

export interface TransportUser {
  /** One datagram, or the next octets of a connection. */
  received(bytes: Buffer, flow: Flow): void
  /** The connection asked for under this name stands. */
  connected(connection: string, flow: Flow): void
  /** The flow has ended, or nothing can be sent by it, or the connection asked for did not come about. */
  disconnected(flowOrConnection: string, reason: string): void
  /** The answer to a DNS question; undefined when there is none. */
  resolved(query: string, records: readonly DnsRecord[] | undefined): void
}

/**
 * Stands in for the user while it does not exist yet: sockets are opened first, since the user is told their ports. What
 * comes before `lead` is kept.
 */
export class Inlet implements TransportUser {
  #user: TransportUser | undefined
  #early: Array<(user: TransportUser) => void> = []

  /** From now on everything goes to `user`, what was kept first. */
  lead(user: TransportUser): void {
    this.#user = user
    for (const hand of this.#early) hand(user)
    this.#early = []
  }

  received(bytes: Buffer, flow: Flow): void {
    if (this.#user !== undefined) this.#user.received(bytes, flow)
    else this.#early.push(user => user.received(bytes, flow))
  }

  connected(connection: string, flow: Flow): void {
    if (this.#user !== undefined) this.#user.connected(connection, flow)
    else this.#early.push(user => user.connected(connection, flow))
  }

  disconnected(flowOrConnection: string, reason: string): void {
    if (this.#user !== undefined) this.#user.disconnected(flowOrConnection, reason)
    else this.#early.push(user => user.disconnected(flowOrConnection, reason))
  }

  resolved(query: string, records: readonly DnsRecord[] | undefined): void {
    if (this.#user !== undefined) this.#user.resolved(query, records)
    else this.#early.push(user => user.resolved(query, records))
  }
}

/** Counted since start; `status` shows them. */
export interface TransportCounters {
  udpSendErrors: number
  /** Datagrams that could not wait until the system took more. */
  udpDropped: number
  accepted: number
  refusedOverLimit: number
  closedIdle: number
  closedBacklog: number
  tlsHandshakeErrors: number
}

export function newTransportCounters(): TransportCounters {
  return {
    udpSendErrors: 0,
    udpDropped: 0,
    accepted: 0,
    refusedOverLimit: 0,
    closedIdle: 0,
    closedBacklog: 0,
    tlsHandshakeErrors: 0,
  }
}

/** `host:port` as a person writes it: IPv6 in brackets. */
export function hostAndPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
