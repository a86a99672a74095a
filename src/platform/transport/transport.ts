/** What a transport tells its user, and what it counts: shared by UDP, TCP and TLS. */

import type { Flow } from '../../protocols/sip/flow.ts'

export interface TransportUser {
  /** One datagram, or the next octets of a connection. */
  received(bytes: Buffer, flow: Flow): void
  /** The connection asked for under this name stands. */
  connected(connection: string, flow: Flow): void
  /** The flow has ended, or nothing can be sent by it, or the connection asked for did not come about. */
  disconnected(flowOrConnection: string, reason: string): void
}

/** Counted since start; `status` shows them. */
export interface TransportCounters {
  udpSendErrors: number
  accepted: number
  refusedOverLimit: number
  closedIdle: number
  closedBacklog: number
  tlsHandshakeErrors: number
}

export function newTransportCounters(): TransportCounters {
  return {
    udpSendErrors: 0,
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
