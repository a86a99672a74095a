/**
 * SIP over UDP (RFC 3261 §18) on one listening socket, by one of two implementations: udp-batch where it was built, else
 * node:dgram. A flow is named by its addresses alone, so a name outlives a restart and may name a peer from whom nothing
 * has come yet.
 */

import type { TransportCounters, TransportUser } from './transport.ts'
import { BatchedUdp } from './udp-batch/batched-udp.ts'
import { nativeUdp } from './udp-batch/native.ts'
import { DgramUdp } from './udp-dgram.ts'

export interface UdpOptions {
  readonly address: string
  readonly port: number
  readonly receiveBufferOctets: number
  /** Remote addresses whose flow is remembered. */
  readonly flowsRemembered: number
  readonly counters: TransportCounters
}

export interface UdpTransport {
  readonly address: string
  readonly port: number
  /** Whether a flow of this name leaves by this socket. */
  owns(flow: string): boolean
  /** Sends a datagram, at the latest with the next `flush`. What cannot leave is told with `disconnected`, later. */
  send(flow: string, bytes: Buffer): void
  flush(): void
  /** Resolves when the port is free again. What has not left by then is dropped. */
  close(): Promise<void>
}

/** How datagrams are taken from the system and handed to it, for `status`. */
export const udpImplementation: 'recvmmsg' | 'node:dgram' = nativeUdp === undefined ? 'node:dgram' : 'recvmmsg'

/** Binds; rejects with the system's error (EADDRINUSE, EACCES, EADDRNOTAVAIL). */
export function openUdp(options: UdpOptions, user: TransportUser): Promise<UdpTransport> {
  return nativeUdp === undefined ? DgramUdp.open(options, user) : BatchedUdp.open(options, user, nativeUdp)
}
