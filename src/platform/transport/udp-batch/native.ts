/** What udp-batch.c offers, where it was built: `make build` does that when it finds a C compiler. */

import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'

/** The words that describe one datagram, as in udp-batch.c. */
export const OFFSET = 0
export const LENGTH = 1
export const PORT = 2
export const SCOPE = 3
export const ADDRESS = 4
export const WORDS = 8

/** Datagrams taken or handed over by one call at most, and the octets that each has room for when it is received. */
export const datagramsAtOnce = 64
export const slotOctets = 65_536

declare const socket: unique symbol
/** A socket of the addon. */
export type NativeSocket = { readonly [socket]: true }

export interface NativeUdp {
  /** Throws the system's error. `received` is told how many datagrams stand in `octets` and `words`, or an error below 0. */
  open(
    address: string,
    port: number,
    receiveBufferOctets: number,
    octets: Buffer,
    words: Int32Array,
    received: (count: number) => void,
    writable: () => void,
  ): NativeSocket
  port(socket: NativeSocket): number
  /** How many of the datagrams from `first` to `end` the system has taken; when it refuses the first, its error below 0. */
  send(socket: NativeSocket, octets: Buffer, words: Int32Array, first: number, end: number): number
  /** `writable` is called once the system takes datagrams again. */
  awaitWritable(socket: NativeSocket): void
  close(socket: NativeSocket, closed: () => void): void
  /** Writes PORT, SCOPE and ADDRESS; false when `address` is not numeric. */
  parse(address: string, port: number, words: Int32Array): boolean
  format(words: Int32Array, index: number, isIpv6: boolean): string
}

/** Another build's addon is not used. */
const interfaceVersion = 1

/** Beside the bundle, or below the sources that are run as they are. */
const places = ['./udp-batch.node', '../../../../build/udp-batch.node']

/** The addon; undefined where it is not built, or not for this system. */
export const nativeUdp: NativeUdp | undefined = load()

function load(): NativeUdp | undefined {
  // Its sockets belong to the event loop of the process.
  if (!isMainThread) return undefined
  const require = createRequire(import.meta.url)
  for (const place of places) {
    try {
      const addon = require(place) as NativeUdp & { readonly interfaceVersion: number }
      if (addon.interfaceVersion === interfaceVersion) return addon
    } catch {
      // node:dgram does instead.
    }
  }
  return undefined
}
