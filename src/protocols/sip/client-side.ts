/**
 * Sending requests: from the user's request to a place (RFC 3261 §8.1.2, RFC 3263), a flow or connection and a Via
 * (§18.1.1), through one client transaction per place tried, to exactly one final response for the user (§8.1.3.1).
 */

import type { Connection, Connections } from './connections.ts'
import type { SentBy, StackContext } from './context.ts'
import { hostOf, isUdpFlowId } from './flow.ts'
import { ackTo, cancelOf } from './hop-by-hop.ts'
import { type DnsRecord, Locating, type Place } from './locate.ts'
import { respond, type SipRequest, type SipResponse } from './message.ts'
import { nextHop, reachableByTcp, wantsCompression } from './next-hop.ts'
import { Outgoing, type OutgoingUser } from './outgoing.ts'
import { PeersWithoutTcp } from './peers-without-tcp.ts'
import { timerQueue } from './timers.ts'
import { type ClientAction, ClientTransaction, responseEvent } from './transaction-client.ts'

/** "This parameter MUST begin with the magic cookie" (RFC 3261 §8.1.1.7); 71 random bits follow. */
const cookie = 'z9hG4bK'
const branchCharacters = 12

export class ClientSide implements OutgoingUser {
  readonly #context: StackContext
  readonly #connections: Connections
  readonly #outgoing = new Map<string, Outgoing>()
  readonly #transactions = new Map<string, ClientTransaction<Outgoing>>()
  readonly #queries = new Map<string, Outgoing>()
  readonly #withoutTcp: PeersWithoutTcp
  #serial = 0

  constructor(context: StackContext, connections: Connections) {
    this.#context = context
    this.#connections = connections
    const { peersWithoutTcp, peerWithoutTcpMs } = context.limits
    this.#withoutTcp = new PeersWithoutTcp(peersWithoutTcp, peerWithoutTcpMs)
  }

  /** How many transactions are remembered. */
  get size(): number {
    return this.#transactions.size
  }

  inProgress(token: string): boolean {
    return this.#outgoing.has(token)
  }

  /** Sends a request in a client transaction. The request is the stack's from now on. */
  request(request: SipRequest, token: string, flow: string | undefined, now: number): void {
    if (this.#outgoing.has(token)) throw new Error(`a request with token ${token} is in progress`)
    const outgoing = new Outgoing(this, request, token)
    if (this.#outgoing.size >= this.#context.limits.clientRequests) {
      this.#context.counters.overloaded++
      this.#deliver(outgoing, this.#ownResponse(outgoing, 503))
      return
    }
    this.#outgoing.set(token, outgoing)
    this.#send(outgoing, flow, now)
  }

  /** Sends an ACK to a 2xx: straight to the transport, without transaction (§17.1). */
  ack(request: SipRequest, flow: string | undefined, now: number): void {
    this.#send(new Outgoing(this, request, undefined), flow, now)
  }

  /** Cancels an INVITE (§9.1): at once after a provisional response, else when one arrives; nothing after a final one. */
  cancel(token: string, now: number): void {
    const outgoing = this.#outgoing.get(token)
    if (!outgoing || outgoing.isCancelled || outgoing.method !== 'INVITE') return
    outgoing.isCancelled = true
    const { transaction } = outgoing
    if (!transaction) this.#finish(outgoing, this.#ownResponse(outgoing, 487))
    else if (transaction.state === 'proceeding') this.#sendCancel(outgoing, transaction, now)
  }

  /** A response from the network (§17.1.3, §18.1.2). */
  response(response: SipResponse, now: number): void {
    const { counters, timers, lengths } = this.#context
    const { method } = response.cseq
    const via = response.topVia
    const branch = via.params.get('branch') ?? ''
    const transaction = this.#transactions.get(method === 'CANCEL' ? cancelKey(branch) : branch)
    // RFC 6026 §7.2: "Any response received that does not match an existing client transaction [...] is simply dropped."
    if (transaction?.method !== method || !this.#context.isOurs(via.host, via.port)) {
      counters.strayResponses++
      return
    }
    transaction.answered = true
    const { state } = transaction
    const actions = transaction.on(responseEvent(response.status), now, timers, lengths)
    if (actions.length === 0 && (state === 'completed' || state === 'accepted')) counters.strayResponses++
    this.#perform(transaction, actions, response, now)
  }

  /** A transaction's timer has ended. */
  transactionTimer(transaction: ClientTransaction<Outgoing>, now: number): void {
    const event = transaction.ended()
    const actions = transaction.on(event, now, this.#context.timers, this.#context.lengths)
    if (event === 'timer A' || event === 'timer E') this.#context.counters.retransmissions++
    this.#perform(transaction, actions, undefined, now)
  }

  /** A query was not answered in time: as if there were no records. */
  queryTimer(outgoing: Outgoing, now: number): void {
    this.resolved(outgoing.query, undefined, now)
  }

  resolved(query: string, records: readonly DnsRecord[] | undefined, now: number): void {
    const outgoing = this.#queries.get(query)
    if (!outgoing) return
    this.#queries.delete(query)
    outgoing.query = ''
    this.#context.timers.stop(outgoing)
    outgoing.locating?.answer(records)
    this.#tryNext(outgoing, now)
  }

  connected(outgoing: Outgoing, connection: Connection, now: number): void {
    if (!this.#isWanted(outgoing)) return
    outgoing.udpInstead = undefined
    this.#attemptOn(outgoing, connection, now)
  }

  notConnected(outgoing: Outgoing, now: number): void {
    if (!this.#isWanted(outgoing)) return
    this.#context.counters.transportFailures++
    const { udpInstead, place } = outgoing
    if (udpInstead !== undefined && place) {
      // "the element SHOULD retry the request, using UDP" (§18.1.1)
      outgoing.udpInstead = undefined
      this.#withoutTcp.add(place, now)
      this.#attemptByUdp(outgoing, udpInstead, false, now)
      return
    }
    outgoing.failure ??= this.#ownResponse(outgoing, 503)
    this.#tryNext(outgoing, now)
  }

  /** A connection has ended: what was sent on it and not answered has failed. */
  connectionEnded(connection: Connection, now: number): void {
    for (const transaction of [...connection.transactions] as ClientTransaction<Outgoing>[]) {
      this.#transportError(transaction, now)
    }
  }

  /** A UDP flow has failed (§18.4: an ICMP error). */
  flowFailed(flow: string, now: number): void {
    for (const { transaction } of this.#outgoing.values()) {
      if (transaction?.flow === flow) this.#transportError(transaction, now)
    }
  }

  #send(outgoing: Outgoing, flow: string | undefined, now: number): void {
    if (flow !== undefined) {
      if (isUdpFlowId(flow)) {
        if (this.#attemptByUdp(outgoing, flow, true, now)) return
      } else {
        const connection = this.#connections.get(flow)
        if (connection && !connection.isDeaf) {
          this.#attemptOn(outgoing, connection, now)
          return
        }
      }
    }
    this.#locate(outgoing, now)
  }

  #locate(outgoing: Outgoing, now: number): void {
    const target = nextHop(outgoing.request)
    if (typeof target === 'number') {
      this.#finish(outgoing, this.#ownResponse(outgoing, target))
      return
    }
    outgoing.locating = Locating.request(target.uri, target.secure, this.#context.locateOptions)
    this.#tryNext(outgoing, now)
  }

  /** Goes on to the next place, by way of the DNS if need be; without one, the user has its final response. */
  #tryNext(outgoing: Outgoing, now: number): void {
    const { locating } = outgoing
    outgoing.transaction = undefined
    outgoing.place = undefined
    const step =
      locating && !outgoing.isCancelled && outgoing.placesTried < this.#context.limits.placesPerRequest
        ? locating.next()
        : undefined
    if (step?.kind === 'query') {
      outgoing.query = `query-${++this.#serial}`
      this.#queries.set(outgoing.query, outgoing)
      this.#context.timers.start(outgoing, timerQueue.connect, now + this.#context.lengths.connectMs)
      this.#context.outputs.push({ kind: 'resolve', name: step.name, type: step.type, query: outgoing.query })
    } else if (step?.kind === 'place') {
      if (outgoing.placesTried++ > 0) this.#context.counters.failovers++
      this.#tryPlace(outgoing, step.place, now)
    } else {
      this.#finish(outgoing, outgoing.failure ?? this.#ownResponse(outgoing, 503))
    }
  }

  #tryPlace(outgoing: Outgoing, place: Place, now: number): void {
    outgoing.place = place
    if (place.transport !== 'udp') {
      const connection = this.#connections.to(place)
      if (connection) this.#attemptOn(outgoing, connection, now)
      else this.#connections.open(place, outgoing, now)
      return
    }
    const socket = this.#context.sentByFor(place)
    if (!socket) {
      outgoing.failure ??= this.#ownResponse(outgoing, 503)
      this.#tryNext(outgoing, now)
      return
    }
    const flow = `${socket.flowPrefix}${hostOf(place.address)}:${place.port}`
    this.#attemptByUdp(outgoing, flow, true, now)
  }

  /**
   * Sends by UDP, or opens a TCP connection to the same place for a request that is too long (§18.1.1) unless the peer is
   * known to refuse that or is behind a NAT. False when the flow is not one of ours.
   */
  #attemptByUdp(outgoing: Outgoing, name: string, mayUseTcp: boolean, now: number): boolean {
    const udpFlow = this.#context.udpFlow(name)
    if (!udpFlow) return false
    const { flow, socket } = udpFlow
    const branch = this.#addVia(outgoing, socket)
    const bytes = outgoing.request.toBytes()
    if (mayUseTcp && bytes.length > this.#longestByUdp(outgoing.request)) {
      const place = outgoing.place
        ? { ...outgoing.place, transport: 'tcp' as const }
        : reachableByTcp(outgoing.request, flow)
      if (place && !this.#withoutTcp.has(place, now) && this.#context.locateOptions.transports.includes('tcp')) {
        outgoing.place = place
        outgoing.udpInstead = flow
        const connection = this.#connections.to(place)
        if (connection) this.#attemptOn(outgoing, connection, now)
        else this.#connections.open(place, outgoing, now)
        return true
      }
    }
    this.#attempt(outgoing, flow, branch, bytes, undefined, now)
    return true
  }

  /** Octets; what leaves compressed is no longer than half as long. */
  #longestByUdp(request: SipRequest): number {
    const { limits, compression } = this.#context
    return limits.udpRequestBytes * (compression !== '' && wantsCompression(request) ? 2 : 1)
  }

  #attemptOn(outgoing: Outgoing, connection: Connection, now: number): void {
    const { flow } = connection
    const sentBy = this.#context.sentByFor({ transport: flow.transport, address: flow.remoteAddress })
    if (!sentBy) {
      this.notConnected(outgoing, now)
      return
    }
    const branch = this.#addVia(outgoing, sentBy)
    connection.lastUsedAt = now
    this.#attempt(outgoing, flow.id, branch, outgoing.request.toBytes(), connection, now)
  }

  /** One attempt is one transaction (RFC 3263 §4.3); for an ACK it is one message. */
  #attempt(
    outgoing: Outgoing,
    flow: string,
    branch: string,
    bytes: Buffer,
    connection: Connection | undefined,
    now: number,
  ): void {
    if (outgoing.token === undefined) {
      this.#context.send(flow, bytes)
      return
    }
    const { method } = outgoing
    const transaction = new ClientTransaction(branch, method, flow, connection !== undefined, outgoing, bytes)
    outgoing.transaction = transaction
    // Of an INVITE its ACK and its CANCEL are made.
    if (method !== 'INVITE') outgoing.sent(bytes)
    this.#start(transaction, connection, now)
  }

  #start(transaction: ClientTransaction<Outgoing>, connection: Connection | undefined, now: number): void {
    this.#transactions.set(transaction.key, transaction)
    connection?.transactions.add(transaction as ClientTransaction<unknown>)
    const actions = transaction.start(now, this.#context.timers, this.#context.lengths)
    this.#perform(transaction, actions, undefined, now)
  }

  /** "Before a request is sent, the client transport MUST insert a value of the "sent-by" field" (§18.1.1). */
  #addVia(outgoing: Outgoing, sentBy: SentBy): string {
    const { request } = outgoing
    if (outgoing.hasVia) request.removeFirstValue('Via')
    const branch = cookie + this.#context.random.token(branchCharacters)
    const { compression } = this.#context
    // "If a client sends a compressed request, it SHOULD add the parameter comp=sigcomp to the topmost entry" (RFC 3486 §4)
    const asking = compression !== '' && wantsCompression(request) ? compression : ''
    request.prepend('Via', sentBy.viaHead + branch + asking)
    outgoing.hasVia = true
    return branch
  }

  #perform(
    transaction: ClientTransaction<Outgoing>,
    actions: readonly ClientAction[],
    response: SipResponse | undefined,
    now: number,
  ): void {
    // A transaction that has ended is gone before the user hears of it: what the user does next meets no trace of it.
    if (transaction.state === 'terminated') this.#forget(transaction)
    for (const action of actions) {
      switch (action) {
        case 'send request':
          this.#context.send(transaction.flow, transaction.bytes!)
          break
        case 'send ACK':
          if (response && transaction.owner) transaction.bytes = ackTo(transaction.owner.request, response).toBytes()
          this.#context.send(transaction.flow, transaction.bytes!)
          break
        case 'response to user':
          this.#toUser(transaction, response!, now)
          break
        case 'timeout to user':
          this.#context.counters.timeouts++
          this.#failed(transaction, 408, now)
          break
        case 'transport failure to user':
          this.#context.counters.transportFailures++
          this.#failed(transaction, 503, now)
          break
        case 'ringing too long':
          this.#ringingTooLong(transaction, now)
          break
      }
    }
  }

  #toUser(transaction: ClientTransaction<Outgoing>, response: SipResponse, now: number): void {
    const { owner } = transaction
    const { status } = response
    if (status >= 200 && transaction.state !== 'accepted') {
      transaction.owner = undefined
    }
    if (!owner) return
    if (status < 200) {
      if (owner.isCancelled && !owner.isCancelSent) this.#sendCancel(owner, transaction, now)
      // "It is up to the client transaction to know that a 100 is hop by hop" (§16.7 step 5: never forwarded).
      if (status !== 100) this.#deliver(owner, response)
    } else if (status === 503 && owner.locating && !owner.isCancelled) {
      // RFC 3263 §4.3: "failure occurs if the transaction layer reports a 503 error response"
      owner.failure = response
      this.#tryNext(owner, now)
    } else if (this.#outgoing.get(owner.token!) === owner) this.#finish(owner, response)
    else if (status < 300) this.#deliver(owner, response)
  }

  /** The attempt has failed: the next place is tried if nobody has answered at this one, else the user has its answer. */
  #failed(transaction: ClientTransaction<Outgoing>, status: number, now: number): void {
    const { owner } = transaction
    transaction.owner = undefined
    if (!owner) return
    if (transaction.answered || owner.isCancelled) {
      this.#finish(owner, this.#ownResponse(owner, status))
      return
    }
    owner.failure = this.#ownResponse(owner, status)
    // The flow it was to go by has ended: "else where RFC 3263 leads". After a timeout there is no time left for that.
    if (!owner.locating && status === 503) this.#locate(owner, now)
    else this.#tryNext(owner, now)
  }

  #transportError(transaction: ClientTransaction<Outgoing>, now: number): void {
    const actions = transaction.on('transport error', now, this.#context.timers, this.#context.lengths)
    this.#perform(transaction, actions, undefined, now)
  }

  /** Timer C (§16.8), and 64*T1 after a CANCEL that brought no final response (§9.1). */
  #ringingTooLong(transaction: ClientTransaction<Outgoing>, now: number): void {
    const { owner } = transaction
    if (!owner) return
    if (!owner.isCancelSent) {
      owner.isCancelled = true
      this.#sendCancel(owner, transaction, now)
      return
    }
    transaction.owner = undefined
    transaction.state = 'terminated'
    this.#forget(transaction)
    this.#context.counters.timeouts++
    this.#finish(owner, this.#ownResponse(owner, 408))
  }

  /** "The destination address, port, and transport for the CANCEL MUST be identical to those used to send the original" (§9.1). */
  #sendCancel(outgoing: Outgoing, invite: ClientTransaction<Outgoing>, now: number): void {
    outgoing.isCancelSent = true
    invite.endSoon(now, this.#context.timers, this.#context.lengths)
    const connection = invite.reliable ? this.#connections.get(invite.flow) : undefined
    const bytes = cancelOf(outgoing.request).toBytes()
    const cancel = new ClientTransaction<Outgoing>(
      cancelKey(invite.key),
      'CANCEL',
      invite.flow,
      invite.reliable,
      undefined,
      bytes,
    )
    this.#start(cancel, connection, now)
  }

  #finish(outgoing: Outgoing, response: SipResponse): void {
    this.#context.timers.stop(outgoing)
    if (outgoing.query !== '') this.#queries.delete(outgoing.query)
    if (outgoing.token === undefined) return
    this.#outgoing.delete(outgoing.token)
    this.#deliver(outgoing, response)
  }

  #deliver(outgoing: Outgoing, response: SipResponse): void {
    this.#context.outputs.push({ kind: 'response', token: outgoing.token!, response })
  }

  /** A response made here, with our Via on top as every response has, even when no attempt was made. */
  #ownResponse(outgoing: Outgoing, status: number): SipResponse {
    const [sentBy] = this.#context.sentBys
    if (!outgoing.hasVia && sentBy) this.#addVia(outgoing, sentBy)
    return respond(outgoing.request, status, { toTag: this.#context.random.token(8) })
  }

  #forget(transaction: ClientTransaction<Outgoing>): void {
    this.#context.timers.stop(transaction)
    if (this.#transactions.get(transaction.key) === transaction) this.#transactions.delete(transaction.key)
    if (transaction.reliable) {
      this.#connections.get(transaction.flow)?.transactions.delete(transaction as ClientTransaction<unknown>)
    }
  }

  /** False for a request that was answered, cancelled or given up while it waited for a connection. */
  #isWanted(outgoing: Outgoing): boolean {
    return outgoing.token === undefined || this.#outgoing.get(outgoing.token) === outgoing
  }
}

function cancelKey(branch: string): string {
  return `${branch} CANCEL`
}
