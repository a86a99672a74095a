/**
 * The SIP stack: transactions (RFC 3261 §17) and transport rules (§18) without I/O. Every call returns what should happen,
 * in order; whoever owns sockets and clock calls `expire` at `deadline`. It keeps nothing that outlives the process.
 */

import type { AnsweredRequests } from './answered-requests.ts'
import { ClientSide } from './client-side.ts'
import { type Connection, Connections, type Opening } from './connections.ts'
import {
  type Counters,
  defaultStackLimits,
  type Listening,
  type Randomness,
  StackContext,
  type StackLimits,
  type StackOutput,
} from './context.ts'
import { ParseError } from './errors.ts'
import { Flood } from './flood.ts'
import type { Flow } from './flow.ts'
import type { DnsRecord } from './locate.ts'
import { SipRequest, type SipResponse } from './message.ts'
import type { Outgoing } from './outgoing.ts'
import { parseMessage } from './parse.ts'
import { type ResponseDelivery, ServerSide } from './server-side.ts'
import type { Frame } from './stream-framing.ts'
import { answerStun, isStun } from './stun.ts'
import { type TimerValues, timerLengths, timerQueue } from './timers.ts'
import type { ClientTransaction } from './transaction-client.ts'
import type { ServerTransaction } from './transaction-server.ts'
import { validateRequest, validateResponse } from './validate.ts'
import { noteSource } from './via-rules.ts'

export type { Counters, Listening, Randomness, StackLimits, StackOutput } from './context.ts'
export { defaultStackLimits } from './context.ts'
export type { DnsRecord, DnsType } from './locate.ts'
export type { TimerValues } from './timers.ts'

export type StackOptions = {
  readonly random: Randomness
  readonly listening: readonly Listening[]
  readonly timers?: Partial<TimerValues>
  readonly limits?: Partial<StackLimits>
  /** Server header field of the responses that the stack itself makes. */
  readonly serverHeader?: string | undefined
  /** Whether names are looked up by NAPTR first (RFC 3263 §4.1); true unless said otherwise. */
  readonly naptr?: boolean
  /**
   * Via parameters for requests whose next hop takes them compressed (RFC 3486 §4): `;comp=sigcomp;sigcomp-id="urn:..."`. Whoever
   * owns the sockets compresses; absent when he does not.
   */
  readonly compression?: string
}

type Owner =
  | ClientTransaction<Outgoing>
  | ServerTransaction<SipRequest>
  | AnsweredRequests
  | Outgoing
  | ResponseDelivery
  | Connection
  | Opening

const ping = Buffer.from('\r\n\r\n')
const pong = Buffer.from('\r\n')

export class SipStack {
  readonly #context: StackContext
  readonly #connections: Connections
  readonly #client: ClientSide
  readonly #server: ServerSide
  readonly #flood: Flood | undefined
  /** Connections that we have closed and whose end has not been reported yet: what they still say is not heard. */
  readonly #closed = new Set<string>()

  constructor(options: StackOptions) {
    this.#context = new StackContext({
      lengths: timerLengths(options.timers),
      limits: { ...defaultStackLimits, ...options.limits },
      random: options.random,
      listening: options.listening,
      serverHeader: options.serverHeader,
      naptr: options.naptr ?? true,
      compression: options.compression ?? '',
    })
    this.#connections = new Connections(this.#context)
    this.#client = new ClientSide(this.#context, this.#connections)
    this.#server = new ServerSide(this.#context, this.#connections, (connection, now) => this.#close(connection, now))
    const { perSource } = this.#context.limits
    this.#flood = perSource && new Flood(perSource)
  }

  /** What has been counted since the start; the record is live. */
  get counters(): Readonly<Counters> {
    return this.#context.counters
  }

  /** How much the stack holds at this moment. */
  get sizes(): { serverTransactions: number; clientTransactions: number; connections: number; timers: number } {
    return {
      serverTransactions: this.#server.size,
      clientTransactions: this.#client.size,
      connections: this.#connections.size,
      timers: this.#context.timers.size,
    }
  }

  /** A UDP datagram, or the next octets of a connection; these must not change afterwards. */
  received(bytes: Buffer, flow: Flow, now: number): StackOutput[] {
    if (flow.transport === 'udp') this.#message(bytes, flow, undefined, now)
    else this.#stream(bytes, flow, now)
    return this.#take()
  }

  /** A peer has opened a connection. Without this call its first octets say so. */
  accepted(flow: Flow, now: number): StackOutput[] {
    this.#accept(flow, now)
    return this.#take()
  }

  /** The connection asked for under this name is open. */
  connected(connection: string, flow: Flow, now: number): StackOutput[] {
    this.#connections.connected(connection, flow, now)
    this.#closeSurplus(now)
    return this.#take()
  }

  /** A connection has ended or could not be opened, or a UDP flow has failed (an ICMP error). */
  disconnected(flowOrConnection: string, _reason: string, now: number): StackOutput[] {
    if (this.#closed.delete(flowOrConnection)) return this.#take()
    if (!this.#connections.notConnected(flowOrConnection, now)) {
      const connection = this.#connections.ended(flowOrConnection)
      if (connection) this.#client.connectionEnded(connection, now)
      else this.#client.flowFailed(flowOrConnection, now)
    }
    return this.#take()
  }

  /**
   * What comes on a connection can no longer be understood, says who reads it before the stack does: nothing more of it is heard, and
   * it is closed once the requests it has brought are answered.
   */
  lost(flow: string, now: number): StackOutput[] {
    const connection = this.#connections.get(flow)
    if (connection) this.#hearNoMore(connection, now)
    else if (!this.#closed.has(flow)) this.#context.outputs.push({ kind: 'close', flow })
    return this.#take()
  }

  /** The answer to a `resolve`; undefined or none when there are no records or the DNS has failed. */
  resolved(query: string, records: readonly DnsRecord[] | undefined, now: number): StackOutput[] {
    this.#client.resolved(query, records, now)
    this.#server.resolved(query, records, now)
    return this.#take()
  }

  /**
   * Answers the request delivered under this name. Provisional answers may precede one final; an answer that comes too late,
   * or that RFC 4320 forbids, is not sent.
   */
  respond(transaction: string, response: SipResponse, now: number): StackOutput[] {
    this.#server.respond(transaction, response, now)
    return this.#take()
  }

  /**
   * Sends a request and adds its Via. It goes by `flow` while that lives, else where its topmost Route or its Request-URI
   * leads. The request is the stack's from now on.
   * @throws Error when a request with this token has no final response yet: ask `inProgress` first
   */
  request(request: SipRequest, token: string, flow: string | undefined, now: number): StackOutput[] {
    this.#client.request(request, token, flow, now)
    return this.#take()
  }

  /** Cancels the INVITE sent with this token (RFC 3261 §9.1); its final response still comes. */
  cancel(token: string, now: number): StackOutput[] {
    this.#client.cancel(token, now)
    return this.#take()
  }

  /** Sends an ACK to a 2xx: no transaction, no response. */
  ack(request: SipRequest, flow: string | undefined, now: number): StackOutput[] {
    this.#client.ack(request, flow, now)
    return this.#take()
  }

  /** Whether the request sent with this token has no final response yet. */
  inProgress(token: string): boolean {
    return this.#client.inProgress(token)
  }

  /** Whether this request had already come by another way. A UAS answers it with 482 (RFC 3261 §8.2.2.2); a proxy does not ask. */
  isMerged(transaction: string): boolean {
    return this.#server.isMerged(transaction)
  }

  /** Whether a message can be sent on this flow: the connection is open, or the UDP socket is ours. */
  isAlive(flow: string): boolean {
    return this.#connections.get(flow)?.isDeaf === false || this.#context.udpFlow(flow) !== undefined
  }

  /** Sends a keep-alive on a connection; without a pong in ten seconds the flow has failed and is closed (RFC 5626 §4.4.1). */
  ping(flow: string, now: number): StackOutput[] {
    const connection = this.#connections.get(flow)
    if (connection && !connection.isDeaf && !connection.framing.awaitsPong) {
      connection.framing.awaitsPong = true
      this.#context.timers.start(connection, timerQueue.pong, now + this.#context.lengths.pongMs)
      this.#context.send(flow, ping)
    }
    return this.#take()
  }

  /** Everything whose time has come. */
  expire(now: number): StackOutput[] {
    const { timers } = this.#context
    for (let owner = timers.due(now); owner; owner = timers.due(now)) this.#timer(owner as Owner, now)
    return this.#take()
  }

  /** When to call `expire` next; undefined while nothing waits. */
  deadline(): number | undefined {
    return this.#context.timers.deadline()
  }

  #take(): StackOutput[] {
    const { outputs } = this.#context
    if (outputs.length > 0) this.#context.outputs = []
    return outputs
  }

  #timer(owner: Owner, now: number): void {
    switch (owner.kind) {
      case 'client':
        this.#client.transactionTimer(owner, now)
        break
      case 'server':
        this.#server.transactionTimer(owner, now)
        break
      case 'outgoing':
        this.#client.queryTimer(owner, now)
        break
      case 'answered':
        this.#server.answeredTimer(now)
        break
      case 'delivery':
        this.#server.queryTimer(owner, now)
        break
      case 'opening':
        this.#connections.notConnected(owner.name, now)
        break
      case 'connection':
        this.#close(owner, now)
        break
    }
  }

  #message(bytes: Buffer, flow: Flow, connection: Connection | undefined, now: number): void {
    const { counters, limits } = this.#context
    if (this.#flood && !this.#flood.admits(flow.remoteAddress, now)) {
      counters.flooded++
      return
    }
    if (flow.transport === 'udp' && isKeepAlive(bytes)) {
      counters.keepAlives++
      return
    }
    if (flow.transport === 'udp' && isStun(bytes)) {
      this.#stun(bytes, flow)
      return
    }
    counters.received++
    try {
      const message = parseMessage(bytes, limits.parse)
      if (message instanceof SipRequest) {
        validateRequest(message)
        if (connection) this.#connections.alias(connection, message.topVia)
        this.#server.request(message, flow, now)
      } else {
        validateResponse(message)
        this.#client.response(message, now)
      }
    } catch (error) {
      if (!(error instanceof ParseError)) throw error
      this.#malformed(error, flow, now)
    }
  }

  /** RFC 5626 §8: a client of outbound takes a UDP flow for failed when its Binding Request is not answered. */
  #stun(bytes: Buffer, flow: Flow): void {
    const answer = answerStun(bytes, flow)
    if (answer === undefined) this.#context.counters.malformed++
    else this.#context.counters.keepAlives++
    if (answer instanceof Buffer) this.#context.send(flow.id, answer)
  }

  /** A request that cannot be read is refused where it has a Via (§18.3, §16.3 step 1); anything else is dropped. */
  #malformed(error: ParseError, flow: Flow, now: number): void {
    this.#context.counters.malformed++
    const { request } = error
    if (!request?.hasHeader('Via') || request.method === 'ACK') return
    try {
      // A Via that cannot be read leads nowhere, but a 400 is wanted (RFC 4475 §3.1.2.1): it goes back where this came from.
      const way = hasReadableVia(request) ? undefined : flow.id
      if (way === undefined) noteSource(request, request.topVia, flow)
      this.#server.refuse(request, flow, error.statusHint, reasonOf(error), [], now, way)
      this.#context.counters.refused++
    } catch (unanswerable) {
      if (!(unanswerable instanceof ParseError)) throw unanswerable
    }
  }

  #stream(bytes: Buffer, flow: Flow, now: number): void {
    if (this.#closed.has(flow.id)) return
    const connection = this.#connections.get(flow.id) ?? this.#accept(flow, now)
    if (connection.isDeaf) return
    const { framing } = connection
    const wasPartial = framing.isPartial
    let hadFrame = false
    for (const frame of framing.push(bytes)) {
      hadFrame = true
      this.#frame(frame, connection, now)
      // What a connection says after it was closed is not heard.
      if (connection.isDeaf || this.#connections.get(flow.id) !== connection) return
    }
    if (hadFrame || (framing.isPartial && !wasPartial)) this.#awaitRest(connection, now)
  }

  #frame(frame: Frame, connection: Connection, now: number): void {
    connection.lastUsedAt = now
    switch (frame.kind) {
      case 'message':
        this.#message(frame.bytes, connection.flow, connection, now)
        break
      case 'ping':
        this.#context.counters.keepAlives++
        // "it MUST immediately respond with a single CRLF over the same connection" (RFC 5626 §5.4)
        this.#context.send(connection.flow.id, pong)
        break
      case 'pong':
        this.#context.counters.keepAlives++
        break
      case 'lost':
        this.#refuseHead(frame, connection, now)
        this.#hearNoMore(connection, now)
        break
    }
  }

  /** The rest of a message is awaited for a while, and a pong; nothing else: an idle connection stays (RFC 5923 §8.2). */
  #awaitRest(connection: Connection, now: number): void {
    const { timers, lengths } = this.#context
    if (connection.framing.isPartial) timers.start(connection, timerQueue.message, now + lengths.messageMs)
    else if (connection.framing.awaitsPong) {
      if (connection.queue !== timerQueue.pong) timers.start(connection, timerQueue.pong, now + lengths.pongMs)
    } else timers.stop(connection)
  }

  #refuseHead(frame: Frame & { kind: 'lost' }, connection: Connection, now: number): void {
    this.#context.counters.received++
    const why = new ParseError(frame.why, { statusHint: frame.status })
    if (!frame.head) {
      this.#context.counters.malformed++
      return
    }
    let request: SipRequest | undefined
    try {
      const message = parseMessage(frame.head, this.#context.limits.parse)
      if (message instanceof SipRequest) request = message
    } catch (error) {
      if (!(error instanceof ParseError)) throw error
      request = error.request
    }
    const refusal = request ? new ParseError(frame.why, { statusHint: frame.status, request }) : why
    this.#malformed(refusal, connection.flow, now)
  }

  #accept(flow: Flow, now: number): Connection {
    const connection = this.#connections.accepted(flow, now)
    this.#closeSurplus(now)
    return connection
  }

  #closeSurplus(now: number): void {
    const surplus = this.#connections.surplus()
    if (surplus) this.#close(surplus, now)
  }

  /**
   * Closes a connection whose stream is lost, but not before the answers to what it brought until then have left, for which the user
   * has as long as for the rest of a message. What was sent on it cannot be answered any more.
   */
  #hearNoMore(connection: Connection, now: number): void {
    if (connection.isDeaf) return
    if (connection.unanswered === 0) {
      this.#close(connection, now)
      return
    }
    this.#connections.deafen(connection)
    this.#context.timers.start(connection, timerQueue.message, now + this.#context.lengths.messageMs)
    this.#client.connectionEnded(connection, now)
  }

  #close(connection: Connection, now: number): void {
    this.#context.outputs.push({ kind: 'close', flow: connection.flow.id })
    this.#connections.ended(connection.flow.id)
    // Only a platform that never reports the end could fill this.
    if (this.#closed.size >= this.#context.limits.connections) this.#closed.clear()
    this.#closed.add(connection.flow.id)
    this.#client.connectionEnded(connection, now)
  }
}

/** COMPAT(many clients): line ends or a few zero octets in a datagram keep a NAT binding open and are no message. */
function isKeepAlive(bytes: Buffer): boolean {
  if (bytes.length > 4) return false
  for (const octet of bytes) if (octet !== 13 && octet !== 10 && octet !== 0) return false
  return true
}

function hasReadableVia(request: SipRequest): boolean {
  try {
    return request.topVia !== undefined
  } catch (error) {
    if (error instanceof ParseError) return false
    throw error
  }
}

/** What was wrong, as the reason phrase of a 400; other statuses keep their own. */
function reasonOf(error: ParseError): string | undefined {
  return error.statusHint === 400 ? error.message : undefined
}
