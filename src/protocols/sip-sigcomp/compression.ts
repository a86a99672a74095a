/**
 * SigComp between transport and SIP stack (RFC 5049, RFC 3486): what comes compressed reaches the stack as text, what leaves to
 * somebody who asked for it leaves compressed, and nothing of a message is kept until its sender is known. Neither the stack
 * nor the SigComp library knows of the other.
 */

import {
  type EndpointOptions,
  isSigComp,
  type Reception,
  SigCompEndpoint,
  uncompressedMessage,
} from '../sigcomp/index.ts'
import { ParseError } from '../sip/errors.ts'
import { Flood, type FloodLimits } from '../sip/flood.ts'
import { type Flow, isUdpFlowId, udpFlow } from '../sip/flow.ts'
import type { SipRequest, SipResponse } from '../sip/message.ts'
import { asksForCompression } from '../sip/via.ts'
import { applicationOf, type Leaving, mayAsk, recipientOf } from './asked.ts'
import { type PeerLimits, Peers, peerName } from './peers.ts'
import { asRecord, type Stream, Streams } from './streams.ts'

export interface CompressionLimits extends PeerLimits {
  /** UDVM cycles that one address may make us spend, per second and at once: a compressed message can cost a thousand plain ones. */
  readonly cycles: FloodLimits
  /** The same of all addresses together that nobody has vouched for. */
  readonly strangersCycles: FloodLimits
  /** NACKs sent to one address. */
  readonly nacks: FloodLimits
  /** Messages sent compressed whose answers are awaited, or whose repetition would be noticed. */
  readonly remembered: number
  /** Octets of one compressed message on a connection; more closes it. */
  readonly streamMessageOctets: number
  /** How long the rest of a message on a connection is awaited, milliseconds; then it closes. */
  readonly streamMessageMs: number
}

export interface CompressionOptions {
  readonly endpoint: Omit<EndpointOptions, 'compartments'>
  readonly limits: CompressionLimits
}

/** What is to be done on the wire. */
export type Effect =
  | { readonly kind: 'send'; readonly flow: string; readonly bytes: Buffer }
  /** What comes on this connection cannot be understood any more: it closes once what it brought is answered. */
  | { readonly kind: 'lost'; readonly flow: string }

export type CompressionCounters = {
  /** Messages that came compressed and were read, their octets, and those of their texts. */
  sigcompReceived: number
  sigcompReceivedOctets: number
  sigcompReceivedText: number
  /** The same of those that left. */
  sigcompSent: number
  sigcompSentOctets: number
  sigcompSentText: number
  /** Messages that could not be read. */
  sigcompFailures: number
  sigcompNacksSent: number
  sigcompNacksReceived: number
  /** Messages not even tried: their sender has used up what one may. */
  sigcompDropped: number
  /** Read, but from nobody known to own the compartment: nothing of it was kept. */
  sigcompNotKept: number
  /** Sent as text although compression was asked for. */
  sigcompSentPlain: number
  /** Over 65536 octets on a connection that carries SigComp, which cannot be (RFC 5049 §7): they did not leave. */
  sigcompTooLarge: number
  /** Connections closed since their stream was lost or refused. */
  sigcompStreamsClosed: number
}

interface Sent {
  readonly peer: string
  times: number
}

/** After so many times unanswered a message goes as text on UDP: perhaps nobody there can read it (RFC 3486 §7). */
const mostTimesCompressed = 3
/** Cycles that every message costs beside those of its bytecode. */
const fixedCycles = 2000

export class SipCompression {
  readonly counters: CompressionCounters = {
    sigcompReceived: 0,
    sigcompReceivedOctets: 0,
    sigcompReceivedText: 0,
    sigcompSent: 0,
    sigcompSentOctets: 0,
    sigcompSentText: 0,
    sigcompFailures: 0,
    sigcompNacksSent: 0,
    sigcompNacksReceived: 0,
    sigcompDropped: 0,
    sigcompNotKept: 0,
    sigcompSentPlain: 0,
    sigcompTooLarge: 0,
    sigcompStreamsClosed: 0,
  }
  readonly #limits: CompressionLimits
  readonly #endpoint: SigCompEndpoint
  readonly #peers: Peers
  readonly #streams: Streams
  readonly #cycles: Flood
  readonly #strangersCycles: Flood
  readonly #nacks: Flood
  /** Messages that left compressed, by branch, oldest first. */
  readonly #sent = new Map<string, Sent>()
  /** The message whose text the stack is reading at this moment. */
  #current: (Reception & { kind: 'message' }) | undefined

  constructor({ endpoint, limits }: CompressionOptions) {
    this.#limits = limits
    this.#endpoint = new SigCompEndpoint({ ...endpoint, compartments: limits.compartments })
    this.#peers = new Peers(limits, name => this.#endpoint.close(name))
    this.#streams = new Streams(limits.streamMessageOctets, limits.streamMessageMs)
    this.#cycles = new Flood(limits.cycles)
    this.#strangersCycles = new Flood(limits.strangersCycles)
    this.#nacks = new Flood(limits.nacks)
  }

  /** How much is held at this moment. */
  get sizes(): { compartments: number; states: number } {
    return { compartments: this.#peers.size, states: this.#endpoint.states }
  }

  /**
   * A datagram, or the next octets of a connection. Texts go to `read`, the stack, one after the other; what is plain goes
   * there as it came. While `read` runs, `admitted` and `answered` are about the message it was given.
   */
  received(octets: Buffer, flow: Flow, now: number, read: (text: Buffer) => void): Effect[] {
    if (flow.transport === 'udp') {
      if (!isSigComp(octets)) {
        read(octets)
        return []
      }
      return this.#message(octets, flow, false, now, read)
    }
    const stream = this.#streams.of(flow)
    if (stream.isLost) return []
    const effects: Effect[] = []
    const messages: Uint8Array[] = []
    let lost: Buffer | undefined
    try {
      if (this.#streams.push(stream, octets, messages, now) === 'plain') {
        read(octets)
        return effects
      }
    } catch (error) {
      lost = asRecord(this.#endpoint.framingError(error))
    }
    for (const message of messages) if (!stream.isLost) effects.push(...this.#message(message, flow, true, now, read))
    if (lost !== undefined && !stream.isLost)
      effects.push({ kind: 'send', flow: flow.id, bytes: lost }, this.#closing(flow.id))
    return effects
  }

  #message(octets: Uint8Array, flow: Flow, onStream: boolean, now: number, read: (text: Buffer) => void): Effect[] {
    const { counters } = this
    const address = flow.remoteAddress
    const isStranger = !this.#peers.isKnownAddress(address)
    if (!this.#cycles.admits(address, now, 0) || (isStranger && !this.#strangersCycles.admits('', now, 0))) {
      counters.sigcompDropped++
      return onStream ? [this.#closing(flow.id)] : []
    }
    const reception = this.#endpoint.receive(octets, onStream)
    const cycles = this.#endpoint.lastCycles + fixedCycles
    this.#cycles.admits(address, now, cycles)
    if (isStranger) this.#strangersCycles.admits('', now, cycles)
    switch (reception.kind) {
      case 'message': {
        counters.sigcompReceived++
        counters.sigcompReceivedOctets += octets.length
        const { text } = reception
        if (text === undefined) return []
        counters.sigcompReceivedText += text.length
        this.#current = reception
        try {
          read(Buffer.from(text.buffer, text.byteOffset, text.length))
        } finally {
          if (this.#current !== undefined) counters.sigcompNotKept++
          this.#current = undefined
        }
        return []
      }
      case 'nack':
        counters.sigcompNacksReceived++
        // "the application should react in the same way as it does for any other transport layer error" (RFC 4077 §2.3.2)
        return onStream ? [this.#closing(flow.id)] : []
      case 'failure': {
        counters.sigcompFailures++
        if (reception.nack === undefined || !this.#nacks.admits(address, now)) return []
        counters.sigcompNacksSent++
        const nack = Buffer.from(reception.nack)
        return [{ kind: 'send', flow: flow.id, bytes: onStream ? asRecord(nack) : nack }]
      }
    }
  }

  #closing(flow: string): Effect {
    this.counters.sigcompStreamsClosed++
    this.#streams.lost(flow)
    return { kind: 'lost', flow }
  }

  /**
   * The stack has delivered a request, and its sender was proven to be what `provenUser` says, undefined when nobody was. Only
   * now is kept what its message wants kept (RFC 3320 §4.3), in the compartment of the application that its topmost Via names
   * (RFC 5049 §9.1). A request that came plain opens one if it asks for compressed answers.
   */
  admitted(request: SipRequest, provenUser: () => string | undefined, now: number): void {
    const reception = this.#current
    const { source, flow, topVia } = request
    if (source === undefined || (reception === undefined && !asksForCompression(topVia))) return
    const user = provenUser()
    if (user === undefined) return
    const { id } = applicationOf(topVia.params)
    const name = peerName(id, source.address, flow)
    if (!this.#peers.heard(name, user, flow, source.address, now)) return
    if (reception === undefined) return
    this.#endpoint.accept(reception, name)
    this.#current = undefined
  }

  /** The stack has delivered a response to a request of ours, whose branch only its recipient knows: it belongs to him. */
  answered(response: SipResponse, now: number): void {
    const branch = response.topVia.params.get('branch') ?? ''
    const sent = this.#sent.get(branch)
    if (sent === undefined) return
    if (response.status >= 200) this.#sent.delete(branch)
    const reception = this.#current
    if (reception === undefined || !this.#peers.has(sent.peer)) return
    this.#peers.addressed(sent.peer, '', now)
    this.#endpoint.accept(reception, sent.peer)
    this.#current = undefined
  }

  /** A message of the stack as it leaves on this flow; undefined when it cannot. */
  leaving(octets: Buffer, flow: string, now: number): Buffer | undefined {
    if (isUdpFlowId(flow)) return mayAsk(octets) ? this.#datagram(octets, flow, now) : octets
    const stream = this.#streams.get(flow)
    if (stream === undefined || stream.leaving === 'plain') return octets
    const recipient = recipientFrom(octets)
    if (stream.leaving === undefined) {
      stream.leaving = recipient?.asks ? 'sigcomp' : 'plain'
      if (stream.leaving === 'plain') return octets
    }
    return this.#record(octets, stream, recipient, now)
  }

  #datagram(octets: Buffer, flow: string, now: number): Buffer {
    const recipient = recipientFrom(octets)
    const remote = udpFlow(flow)
    if (!recipient?.asks || remote === undefined) return octets
    const name = peerName(recipient.id, remote.remoteAddress, flow)
    if (!this.#mayCompress(recipient, name, remote.remoteAddress, now)) return octets
    const compressed =
      this.#timesSent(recipient, name) <= mostTimesCompressed && this.#endpoint.compress(octets, name, false)
    if (!compressed) {
      this.counters.sigcompSentPlain++
      return octets
    }
    this.#countSent(octets, compressed)
    return Buffer.from(compressed)
  }

  #record(octets: Buffer, { flow }: Stream, recipient: Leaving | undefined, now: number): Buffer | undefined {
    let message: Uint8Array | undefined
    if (recipient?.asks) {
      const name = peerName(recipient.id, flow.remoteAddress, flow.id)
      if (this.#mayCompress(recipient, name, flow.remoteAddress, now)) {
        this.#timesSent(recipient, name)
        message = this.#endpoint.compress(octets, name, true)
      }
    }
    // All on this connection has to be SigComp: text goes with bytecode that copies it (RFC 4896 §11).
    message ??= octets.length <= 65_536 ? uncompressedMessage(octets) : undefined
    if (message === undefined) {
      this.counters.sigcompTooLarge++
      return undefined
    }
    this.#countSent(octets, message)
    return asRecord(message)
  }

  /**
   * A response is compressed where its request has opened a compartment (RFC 5049 §9.4). A request goes to a contact or dialog
   * that we keep: its compartment is opened again if a restart has taken it.
   */
  #mayCompress(recipient: Leaving, name: string, address: string, now: number): boolean {
    if (!this.#peers.has(name) && recipient.isResponse) return false
    this.#peers.addressed(name, address, now)
    return true
  }

  #timesSent({ isResponse, branch }: Leaving, peer: string): number {
    const key = isResponse ? `response ${branch}` : branch
    const known = this.#sent.get(key)
    if (known?.peer === peer) return ++known.times
    if (this.#sent.size >= this.#limits.remembered) this.#sent.delete(this.#sent.keys().next().value!)
    this.#sent.set(key, { peer, times: 1 })
    return 1
  }

  #countSent(text: Uint8Array, message: Uint8Array): void {
    this.counters.sigcompSent++
    this.counters.sigcompSentOctets += message.length
    this.counters.sigcompSentText += text.length
  }

  /** A connection that we have asked for stands. */
  connected(flow: Flow): void {
    if (flow.transport !== 'udp') this.#streams.of(flow)
  }

  /** A connection has ended: the compartment of an application without identifier ends with it (RFC 5049 §9.1). */
  disconnected(flow: string): void {
    this.#streams.ended(flow)
    this.#peers.close(flow)
  }

  /** When to call `expire` next. */
  deadline(): number | undefined {
    return this.#streams.deadline
  }

  expire(now: number): Effect[] {
    return this.#streams.overdue(now).map(flow => this.#closing(flow))
  }
}

/** Whom a message of ours is for; what cannot be read goes as it is. */
function recipientFrom(octets: Buffer): Leaving | undefined {
  try {
    return recipientOf(octets)
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}
