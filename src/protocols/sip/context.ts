/** What the parts of the stack share: what it was built with, what it has to say, its running timers and its counters. */

import type { FloodLimits } from './flood.ts'
import { hostOf, type Transport, udpFlowPrefix } from './flow.ts'
import type { DnsType, LocateOptions, Place } from './locate.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { defaultParseLimits, type ParseLimits } from './parse.ts'
import { type Timed, type TimerLengths, Timers } from './timers.ts'

/** What a call to the stack asks for, in order. */
export type StackOutput =
  /** Write these bytes on this flow; a UDP flow may be one never seen before. */
  | { readonly kind: 'send'; readonly flow: string; readonly bytes: Buffer }
  /** Open a connection and answer with `connected` or `disconnected`, naming `connection`. */
  | {
      readonly kind: 'connect'
      readonly transport: 'tcp' | 'tls'
      readonly address: string
      readonly port: number
      /** The name that the peer's certificate must prove. */
      readonly serverName: string
      readonly connection: string
    }
  /** Close this connection once what was written has left; its end is then reported with `disconnected`. */
  | { readonly kind: 'close'; readonly flow: string }
  /** Ask the DNS and answer with `resolved`, naming `query`. */
  | { readonly kind: 'resolve'; readonly name: string; readonly type: DnsType; readonly query: string }
  /** A new request for the user, who answers under `request.transaction`; that is '' for an ACK, which has no answer. */
  | { readonly kind: 'request'; readonly request: SipRequest }
  /** This INVITE was cancelled before its final response: the user answers it with 487. */
  | { readonly kind: 'cancel'; readonly transaction: string }
  /** A response, provisional (never 100) or final, to the request sent with this token. The topmost Via is still ours. */
  | { readonly kind: 'response'; readonly token: string; readonly response: SipResponse }

/** Where tags and branches come from. */
export interface Randomness {
  token(characters: number): string
  below(below: number): number
}

/** One socket that accepts messages. `address` is what the flows of that socket have as their local address. */
export type Listening = {
  readonly transport: Transport
  readonly address: string
  readonly port: number
  /** What peers are told instead of the address, in Via: a name, or the address outside a NAT. */
  readonly advertisedHost?: string | undefined
  readonly advertisedPort?: number | undefined
}

/** Every bound of the stack; what happens at the bound stands with each. */
export type StackLimits = {
  readonly parse: ParseLimits
  /** Requests whose user has not answered yet; more are answered 503 with Retry-After, without a transaction. */
  readonly pendingRequests: number
  /** Answered requests remembered for their retransmissions; beyond it the oldest are forgotten before Timer J. */
  readonly answeredRequests: number
  /** Octets of their answers; likewise. */
  readonly answeredOctets: number
  /** Requests sent that have no final response yet; one more gets a 503 from the stack itself. */
  readonly clientRequests: number
  /** Open connections; one more closes the one that was silent longest. */
  readonly connections: number
  /** Messages that wait for one connection to open; one more fails as if it had not opened. */
  readonly waitingPerConnection: number
  /** A request longer than this leaves by TCP instead of UDP (RFC 3261 §18.1.1). */
  readonly udpRequestBytes: number
  /** Octets of start line and header fields on a connection. */
  readonly streamHeadBytes: number
  /** Octets of a body on a connection; more is 413 and the connection closes. */
  readonly streamBodyBytes: number
  /** Places tried for one request (RFC 3263 §4.3). */
  readonly placesPerRequest: number
  /** UDP flows remembered to save looking at their names; at the bound all are forgotten. */
  readonly udpFlows: number
  /** Peers remembered for not taking TCP; at the bound the oldest is forgotten. */
  readonly peersWithoutTcp: number
  /** How long such a peer is not asked again. */
  readonly peerWithoutTcpMs: number
  /** Seconds in the Retry-After of the stack's own 503. */
  readonly retryAfterSeconds: number
  /** Undefined: no address is limited. */
  readonly perSource: FloodLimits | undefined
}

export const defaultStackLimits: StackLimits = {
  parse: defaultParseLimits,
  pendingRequests: 10_000,
  answeredRequests: 10_000,
  answeredOctets: 16_777_216,
  clientRequests: 20_000,
  connections: 10_000,
  waitingPerConnection: 1_000,
  udpRequestBytes: 1_300,
  streamHeadBytes: 32_768,
  streamBodyBytes: 262_144,
  placesPerRequest: 8,
  udpFlows: 20_000,
  peersWithoutTcp: 1_000,
  peerWithoutTcpMs: 600_000,
  retryAfterSeconds: 5,
  perSource: undefined,
}

export type Counters = {
  /** Datagrams, and messages cut from streams. */
  received: number
  sent: number
  /** Messages that could not be read; `refused` of them were answered. */
  malformed: number
  refused: number
  keepAlives: number
  /** Requests that came again and were absorbed or answered again. */
  requestRetransmissions: number
  /** Our own requests and responses sent again by a timer. */
  retransmissions: number
  /** Responses that match no transaction (dropped, RFC 6026 §7.2), or a transaction that has its final response. */
  strayResponses: number
  /** Responses of the user for which there is no transaction any more, or which RFC 4320 forbids. */
  suppressedResponses: number
  /** Responses that reached nobody since the connection was gone and no other could be opened. */
  undeliveredResponses: number
  /** Requests the user never answered. */
  unanswered: number
  /** INVITE answers whose ACK never came. */
  unacknowledged: number
  /** ACKs that match a transaction which expects none. */
  strayAcks: number
  /** Dropped by the limit per source. */
  flooded: number
  /** Answered 503 at the limit of pending requests, or refused at the limit of client requests. */
  overloaded: number
  /** Transactions forgotten before their time. */
  forgottenEarly: number
  timeouts: number
  transportFailures: number
  /** Requests tried at a further place. */
  failovers: number
  connectionsOpened: number
  connectionsClosed: number
}

/** How a socket of ours stands in the Via of requests (RFC 3261 §18.1.1). */
export type SentBy = {
  readonly transport: Transport
  readonly address: string
  /** As it stands in a URI or Via, lower case. */
  readonly host: string
  readonly port: number
  /** What the names of this UDP socket's flows begin with; '' for others. */
  readonly flowPrefix: string
  /** A Via up to the value of its branch. */
  readonly viaHead: string
}

/** A UDP flow by which something is sent. */
export type UdpFlow = {
  /** The flow's name as a text of its own: one that came with a message or a stored record keeps all of that alive. */
  readonly flow: string
  readonly socket: SentBy
}

export class StackContext {
  outputs: StackOutput[] = []
  readonly timers = new Timers<Timed>()
  readonly lengths: TimerLengths
  readonly limits: StackLimits
  readonly random: Randomness
  readonly sentBys: readonly SentBy[]
  readonly counters: Counters = newCounters()
  readonly serverHeader: string | undefined
  readonly locateOptions: LocateOptions
  readonly #udpFlows = new Map<string, UdpFlow>()
  /** What our Via says to a next hop that takes compressed requests; '' when whoever owns the sockets does not compress. */
  readonly compression: string

  constructor(options: {
    lengths: TimerLengths
    limits: StackLimits
    random: Randomness
    listening: readonly Listening[]
    serverHeader: string | undefined
    naptr: boolean
    compression: string
  }) {
    this.lengths = options.lengths
    this.limits = options.limits
    this.random = options.random
    this.sentBys = options.listening.map(sentByOf)
    this.serverHeader = options.serverHeader
    this.compression = options.compression
    this.locateOptions = {
      transports: transportsOf(options.listening),
      families: familiesOf(options.listening),
      naptr: options.naptr,
      below: below => this.random.below(below),
    }
  }

  send(flow: string, bytes: Buffer): void {
    this.counters.sent++
    this.outputs.push({ kind: 'send', flow, bytes })
  }

  /** The socket whose flow this is, and the flow's name; undefined for a flow of a socket that is not ours (any more). */
  udpFlow(flow: string): UdpFlow | undefined {
    const known = this.#udpFlows.get(flow)
    if (known !== undefined) return known
    const socket = this.sentBys.find(({ flowPrefix }) => flowPrefix !== '' && flow.startsWith(flowPrefix))
    if (socket === undefined) return undefined
    if (this.#udpFlows.size >= this.limits.udpFlows) this.#udpFlows.clear()
    const udpFlow = { flow: Buffer.from(flow).toString(), socket }
    this.#udpFlows.set(udpFlow.flow, udpFlow)
    return udpFlow
  }

  /** The socket by which a place is reached, one of the place's address family if there is one. */
  sentByFor(place: Pick<Place, 'transport' | 'address'>): SentBy | undefined {
    const isIpv6 = place.address.includes(':')
    let other: SentBy | undefined
    for (const sentBy of this.sentBys) {
      if (sentBy.transport !== place.transport) continue
      if (sentBy.address.includes(':') === isIpv6) return sentBy
      other ??= sentBy
    }
    return place.transport === 'udp' ? undefined : other
  }

  /** Whether this is what we write into Via: responses with another sent-by are not for us (RFC 3261 §18.1.2). */
  isOurs(host: string, port: number | undefined): boolean {
    for (const sentBy of this.sentBys) if (sentBy.host === host && sentBy.port === port) return true
    return false
  }
}

function sentByOf(listening: Listening): SentBy {
  const { transport, address, port } = listening
  if (listening.advertisedHost === undefined && (address === '0.0.0.0' || address === '::')) {
    throw new Error(`${transport} listens on every address: say which host is advertised`)
  }
  const host = (listening.advertisedHost ?? hostOf(address)).toLowerCase()
  const sentByPort = listening.advertisedPort ?? port
  // RFC 3581 §3: rport asks for the response at the port the request came from. RFC 5923 §8.1: alias says that requests
  // may come back on the connection, which is kept.
  const extra = transport === 'udp' ? ';rport' : transport === 'tls' ? ';alias' : ''
  return {
    transport,
    address,
    host,
    port: sentByPort,
    flowPrefix: transport === 'udp' ? udpFlowPrefix(address, port) : '',
    viaHead: `SIP/2.0/${transport.toUpperCase()} ${host}:${sentByPort}${extra};branch=`,
  }
}

/** UDP first, as for any URI that does not say otherwise (RFC 3263 §4.1); then as listed. */
function transportsOf(listening: readonly Listening[]): Transport[] {
  const transports: Transport[] = ['udp', 'tcp', 'tls']
  return transports.filter(transport => listening.some(socket => socket.transport === transport))
}

function familiesOf(listening: readonly Listening[]): ('A' | 'AAAA')[] {
  const families: ('A' | 'AAAA')[] = []
  if (listening.some(socket => !socket.address.includes(':'))) families.push('A')
  if (listening.some(socket => socket.address.includes(':'))) families.push('AAAA')
  return families
}

function newCounters(): Counters {
  return {
    received: 0,
    sent: 0,
    malformed: 0,
    refused: 0,
    keepAlives: 0,
    requestRetransmissions: 0,
    retransmissions: 0,
    strayResponses: 0,
    suppressedResponses: 0,
    undeliveredResponses: 0,
    unanswered: 0,
    unacknowledged: 0,
    strayAcks: 0,
    flooded: 0,
    overloaded: 0,
    forgottenEarly: 0,
    timeouts: 0,
    transportFailures: 0,
    failovers: 0,
    connectionsOpened: 0,
    connectionsClosed: 0,
  }
}
