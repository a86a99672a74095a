/** UDP by udp-batch.c: what came in at once is handed on one by one, and what is sent waits for `flush` to leave together. */

import { constants } from 'node:os'
import { getSystemErrorMessage } from 'node:util'
import type { Flow } from '../../../protocols/sip/flow.ts'
import type { TransportCounters, TransportUser } from '../transport.ts'
import type { UdpOptions, UdpTransport } from '../udp.ts'
import { UdpFlows } from '../udp-flows.ts'
import {
  ADDRESS,
  datagramsAtOnce,
  LENGTH,
  type NativeSocket,
  type NativeUdp,
  OFFSET,
  PORT,
  SCOPE,
  slotOctets,
  WORDS,
} from './native.ts'

/** The flow of a peer, and the words from PORT on that describe him to the addon. */
interface Peer {
  readonly flow: Flow
  readonly words: Int32Array
}

/** Octets that may wait to be sent: room for a full set of usual messages, and for the longest datagram there is. */
const outgoingOctets = datagramsAtOnce * 4096
/**
 * Received datagrams are copied to pieces of memory this long, which live as long as one of the datagrams in them. They come and
 * go all the time, and so are below what the C library takes from the system block by block (scripts/porchlight).
 */
const pieceOctets = 24_576

const { EAGAIN, EMSGSIZE, ENOBUFS } = constants.errno

export class BatchedUdp implements UdpTransport {
  readonly address: string
  readonly port: number
  readonly #native: NativeUdp
  readonly #socket: NativeSocket
  readonly #user: TransportUser
  readonly #counters: TransportCounters
  readonly #flows: UdpFlows<Peer>
  readonly #isIpv6: boolean
  // The system gives no memory to what is never written to: datagrams are mostly short and mostly few.
  readonly #incoming = Buffer.allocUnsafeSlow(datagramsAtOnce * slotOctets)
  readonly #incomingWords = new Int32Array(datagramsAtOnce * WORDS)
  readonly #outgoing = Buffer.allocUnsafeSlow(outgoingOctets)
  readonly #outgoingWords = new Int32Array(datagramsAtOnce * WORDS)
  readonly #destinations: Peer[] = []
  /** Of what waits to be sent: the first datagram that has not left, how many there are, and their octets. */
  #first = 0
  #end = 0
  #octets = 0
  /** Whether the system has said that it takes no more for now. */
  #isBlocked = false
  #piece = Buffer.alloc(0)
  #isClosed = false

  static async open(options: UdpOptions, user: TransportUser, native: NativeUdp): Promise<BatchedUdp> {
    return new BatchedUdp(options, user, native)
  }

  private constructor(options: UdpOptions, user: TransportUser, native: NativeUdp) {
    const { address, port, receiveBufferOctets, flowsRemembered, counters } = options
    this.#native = native
    this.#user = user
    this.#counters = counters
    this.#isIpv6 = address.includes(':')
    this.#socket = native.open(
      address,
      port,
      receiveBufferOctets,
      this.#incoming,
      this.#incomingWords,
      count => this.#received(count),
      () => this.#writable(),
    )
    this.address = address
    this.port = native.port(this.#socket)
    this.#flows = new UdpFlows(address, this.port, flowsRemembered, flow => this.#peer(flow))
  }

  owns(flow: string): boolean {
    return this.#flows.owns(flow)
  }

  send(flow: string, bytes: Buffer): void {
    if (this.#isClosed) return
    const peer = this.#flows.named(flow)
    if (peer === undefined) this.#failed(flow, 'not the name of a flow')
    else if (bytes.length > slotOctets) this.#refused(peer, -EMSGSIZE)
    else if (this.#makesRoom(bytes.length)) this.#enqueue(peer, bytes)
    // As on a wire that is too narrow; what must arrive is sent again by its transaction.
    else this.#counters.udpDropped++
  }

  flush(): void {
    while (this.#first < this.#end && !this.#isBlocked && !this.#isClosed) {
      const taken = this.#native.send(this.#socket, this.#outgoing, this.#outgoingWords, this.#first, this.#end)
      if (taken > 0) this.#first += taken
      else if (taken === -EAGAIN) {
        this.#isBlocked = true
        this.#native.awaitWritable(this.#socket)
      } else this.#refused(this.#destinations[this.#first++]!, taken)
    }
    if (this.#first === this.#end) this.#first = this.#end = this.#octets = 0
  }

  close(): Promise<void> {
    this.#isClosed = true
    return new Promise(resolve => this.#native.close(this.#socket, resolve))
  }

  #makesRoom(octets: number): boolean {
    if (this.#end === datagramsAtOnce || this.#octets + octets > outgoingOctets) this.flush()
    return this.#end < datagramsAtOnce && this.#octets + octets <= outgoingOctets
  }

  #enqueue(peer: Peer, bytes: Buffer): void {
    const at = this.#end * WORDS
    this.#outgoing.set(bytes, this.#octets)
    this.#outgoingWords[at + OFFSET] = this.#octets
    this.#outgoingWords[at + LENGTH] = bytes.length
    this.#outgoingWords.set(peer.words, at + PORT)
    this.#octets += bytes.length
    this.#destinations[this.#end++] = peer
  }

  #received(count: number): void {
    if (count < 0) this.#counters.udpSendErrors++
    for (let index = 0; index < count && !this.#isClosed; index++) {
      const peer = this.#sender(index)
      if (peer !== undefined) this.#user.received(this.#copyOf(index), peer.flow)
    }
  }

  #writable(): void {
    this.#isBlocked = false
    this.flush()
  }

  #sender(index: number): Peer | undefined {
    const at = index * WORDS
    const words = this.#incomingWords
    const port = words[at + PORT]!
    const last = this.#flows.lastFrom(port)
    if (last !== undefined && isAt(last.words, words, at)) return last
    return this.#flows.from(this.#native.format(words, index, this.#isIpv6), port)
  }

  /** The octets of a datagram, which stay as they are when the next ones come. */
  #copyOf(index: number): Buffer {
    const at = index * WORDS
    const start = this.#incomingWords[at + OFFSET]!
    const length = this.#incomingWords[at + LENGTH]!
    if (length > this.#piece.length) this.#piece = Buffer.allocUnsafeSlow(Math.max(length, pieceOctets))
    const copy = this.#piece.subarray(0, length)
    this.#incoming.copy(copy, 0, start, start + length)
    this.#piece = this.#piece.subarray(length)
    return copy
  }

  #peer(flow: Flow): Peer | undefined {
    const words = new Int32Array(WORDS)
    if (flow.remoteAddress.includes(':') !== this.#isIpv6) return undefined
    if (!this.#native.parse(flow.remoteAddress, flow.remotePort, words)) return undefined
    return { flow, words: words.slice(PORT) }
  }

  /** The system would not take a datagram. When it only had no memory for it, that is no fault of the flow. */
  #refused({ flow }: Peer, error: number): void {
    if (error === -ENOBUFS) {
      this.#counters.udpDropped++
      return
    }
    this.#counters.udpSendErrors++
    this.#failed(flow.id, getSystemErrorMessage(error))
  }

  /** Told later, as by any transport: whoever sends is not called back while he does. */
  #failed(flow: string, reason: string): void {
    setImmediate(() => this.#user.disconnected(flow, reason))
  }
}

/** Whether a peer's words are those that stand in `words` from `at` on. */
function isAt(peer: Int32Array, words: Int32Array, at: number): boolean {
  return (
    peer[0] === words[at + PORT] &&
    peer[ADDRESS - PORT] === words[at + ADDRESS] &&
    peer[ADDRESS - PORT + 1] === words[at + ADDRESS + 1] &&
    peer[ADDRESS - PORT + 2] === words[at + ADDRESS + 2] &&
    peer[ADDRESS - PORT + 3] === words[at + ADDRESS + 3] &&
    peer[SCOPE - PORT] === words[at + SCOPE]
  )
}
