/**
 * Receiving requests: matched to their server transactions (RFC 3261 §17.2.3), so that the user meets each once; answered by
 * the user through them, or by the stack itself where that is the standard's rule (CANCEL, ACK, 100, overload, silence).
 */

import { AnsweredRequests } from './answered-requests.ts'
import type { Connection, Connections, Waiting } from './connections.ts'
import type { StackContext } from './context.ts'
import { defaultPort, type Flow, isUdpFlowId, type Transport } from './flow.ts'
import { type DnsRecord, Locating, type Place } from './locate.ts'
import { MergedRequests } from './merged-requests.ts'
import { type HeaderField, noBytes, respond, type SipRequest, type SipResponse } from './message.ts'
import { type Timed, timerQueue } from './timers.ts'
import { type ServerAction, ServerTransaction, userResponseEvent } from './transaction-server.ts'
import type { Via } from './via.ts'
import { hasMagicCookie, noteSource, receivedFrom, responseFlow, transactionKey } from './via-rules.ts'

/** Methods of which a CANCEL may find the transaction although it cancels nothing but INVITE (§9.2). */
const cancellable = [
  'INVITE',
  'MESSAGE',
  'SUBSCRIBE',
  'NOTIFY',
  'PUBLISH',
  'REGISTER',
  'OPTIONS',
  'REFER',
  'INFO',
  'BYE',
]

type Transaction = ServerTransaction<SipRequest>

export class ServerSide {
  readonly #context: StackContext
  readonly #connections: Connections
  readonly #transactions = new Map<string, Transaction>()
  readonly #answered: AnsweredRequests
  readonly #merged: MergedRequests
  readonly #deliveries = new Map<string, ResponseDelivery>()
  readonly #drained: (connection: Connection, now: number) => void
  #pending = 0
  #serial = 0

  /** `drained` is called when the last request is answered that came by a connection of which nothing more is heard. */
  constructor(context: StackContext, connections: Connections, drained: (connection: Connection, now: number) => void) {
    this.#context = context
    this.#connections = connections
    this.#drained = drained
    this.#answered = new AnsweredRequests(context.limits.answeredOctets, context.random.below(2 ** 30))
    this.#merged = new MergedRequests(context.random.below(2 ** 30))
  }

  /** How many transactions are remembered. */
  get size(): number {
    return this.#transactions.size + this.#answered.size
  }

  /** A valid request from the network. */
  request(request: SipRequest, flow: Flow, now: number): void {
    const key = transactionKey(request)
    const known = this.#transactions.get(key)
    if (request.method === 'ACK') this.#ack(request, known, flow, now)
    else if (known && (known.invite || request.method !== 'INVITE')) {
      this.#context.counters.requestRetransmissions++
      this.#on(known, 'request again', now)
    } else if (request.method === 'INVITE' || !this.#answerAgain(key)) this.#new(request, key, flow, now)
  }

  /** The user's answer to the request it was given under `key`. */
  respond(key: string, response: SipResponse, now: number): void {
    const transaction = this.#transactions.get(key)
    const { counters, timers, lengths } = this.#context
    // RFC 4320 §4.2: no response "unless it has a matching server transaction that is not in the Terminated state"
    if (!transaction || this.#isForbidden(transaction, response.status)) {
      counters.suppressedResponses++
      return
    }
    const wasUnanswered = transaction.unanswered
    const { toTag } = transaction
    // COMPAT(libpurple): what was challenged comes again with credentials and the same CSeq, and is no merged request.
    if (response.status === 401 || response.status === 407) this.#forgetMerged(transaction)
    if (transaction.invite) transaction.toTag = response.toTag ?? toTag
    const actions = transaction.on(userResponseEvent(response.status), now, timers, lengths)
    if (!actions.includes('send response')) {
      counters.suppressedResponses++
      transaction.toTag = toTag
    }
    this.#perform(transaction, actions, response, now)
    if (wasUnanswered && !transaction.unanswered) this.#wasAnswered(transaction, now)
  }

  /** Whether another transaction had this request first: a UAS answers 482 (§8.2.2.2), a proxy does not ask. */
  isMerged(key: string): boolean {
    return this.#transactions.get(key)?.merged ?? false
  }

  /**
   * Answers without a transaction: to what cannot be handled, as often as it comes. Never to an ACK. `way` is the flow on
   * which the answer leaves; where it is not given, what Via says.
   */
  refuse(
    request: SipRequest,
    flow: Flow,
    status: number,
    reason: string | undefined,
    headers: HeaderField[],
    now: number,
    way: string = responseFlow(request.topVia, flow),
  ): void {
    if (request.method === 'ACK') return
    const response = respond(request, status, { reason, headers, toTag: this.#context.random.token(8) })
    this.#sign(response)
    this.#send(way, response.toBytes(), response, now)
  }

  transactionTimer(transaction: Transaction, now: number): void {
    const { counters } = this.#context
    const event = transaction.ended()
    if (event === 'timer G') counters.retransmissions++
    else if (event === 'timer H') counters.unacknowledged++
    else if (event === 'no answer') counters.unanswered++
    this.#on(transaction, event, now)
  }

  /** Answered requests cannot come again any more (Timer J). */
  answeredTimer(now: number): void {
    for (let end = this.#answered.firstEnd; end !== undefined && end <= now; end = this.#answered.firstEnd)
      this.#merged.forget(this.#answered.removeFirst())
    this.#awaitAnsweredEnd()
  }

  /** A query for a response that has lost its connection. */
  resolved(query: string, records: readonly DnsRecord[] | undefined, now: number): void {
    const delivery = this.#deliveries.get(query)
    if (!delivery) return
    this.#deliveries.delete(query)
    this.#context.timers.stop(delivery)
    delivery.locating.answer(records)
    this.tryNext(delivery, now)
  }

  queryTimer(delivery: ResponseDelivery, now: number): void {
    this.resolved(delivery.query, undefined, now)
  }

  /** The next place for a response that has lost its connection (RFC 3263 §5). */
  tryNext(delivery: ResponseDelivery, now: number): void {
    const step = delivery.locating.next()
    if (step.kind === 'place' && delivery.placesTried++ < this.#context.limits.placesPerRequest) {
      this.#deliver(delivery, step.place, now)
    } else if (step.kind === 'query' && this.#deliveries.size < this.#context.limits.waitingPerConnection) {
      delivery.query = `response-query-${++this.#serial}`
      this.#deliveries.set(delivery.query, delivery)
      this.#context.timers.start(delivery, timerQueue.connect, now + this.#context.lengths.connectMs)
      this.#context.outputs.push({ kind: 'resolve', name: step.name, type: step.type, query: delivery.query })
    } else this.#context.counters.undeliveredResponses++
  }

  #new(request: SipRequest, key: string, flow: Flow, now: number): void {
    const { limits, counters } = this.#context
    const via = request.topVia
    this.#noteOrigin(request, via, flow)
    if (request.method === 'CANCEL') {
      this.#cancel(request, key, responseFlow(via, flow), flow, now)
      return
    }
    if (this.#pending >= limits.pendingRequests) {
      counters.overloaded++
      this.refuse(request, flow, 503, undefined, [['Retry-After', String(limits.retryAfterSeconds)]], now)
      return
    }
    const transaction = this.#create(request, key, responseFlow(via, flow), flow, now)
    transaction.merged = this.#merged.note(transaction, request)
    request.transaction = key
    this.#context.outputs.push({ kind: 'request', request })
  }

  #noteOrigin(request: SipRequest, via: Via, flow: Flow): void {
    noteSource(request, via, flow)
    request.flow = flow.id
    request.source = { transport: flow.transport, address: flow.remoteAddress, port: flow.remotePort }
  }

  /** `to` is the flow on which responses leave. */
  #create(request: SipRequest, key: string, to: string, flow: Flow, now: number): Transaction {
    const reliable = flow.transport !== 'udp'
    const transaction: Transaction = new ServerTransaction(key, request.method === 'INVITE', to, reliable, request)
    this.#transactions.set(key, transaction)
    this.#pending++
    const connection = reliable ? this.#connections.get(to) : undefined
    if (connection) connection.unanswered++
    transaction.start(now, this.#context.timers, this.#context.lengths)
    return transaction
  }

  /** An ACK ends its INVITE's response, or is the user's when that was a 2xx: then it has no transaction (§17, RFC 6026 §7.1). */
  #ack(request: SipRequest, invite: Transaction | undefined, flow: Flow, now: number): void {
    // "and the To tag of the ACK matches the To tag of the response" (§17.2.3, for clients of RFC 2543)
    const matches = invite && (hasMagicCookie(request) || request.toTag === invite.toTag)
    const actions = matches ? invite.on('ACK', now, this.#context.timers, this.#context.lengths) : undefined
    if (actions) this.#perform(invite!, actions, undefined, now)
    if (actions === undefined || actions.includes('ACK to user')) {
      this.#noteOrigin(request, request.topVia, flow)
      this.#context.outputs.push({ kind: 'request', request })
    } else if (invite!.unanswered) this.#context.counters.strayAcks++
  }

  /** A CANCEL is answered here (§9.2, §16.10): 200 when it finds its request, 481 when not. */
  #cancel(request: SipRequest, key: string, to: string, flow: Flow, now: number): void {
    // The transaction was named before the Via was noted, and the CANCEL's differs from its request's in nothing but the method.
    const stem = key.endsWith(' CANCEL') ? key.slice(0, -'CANCEL'.length) : undefined
    let target: Transaction | undefined
    let isAnswered = false
    for (const method of cancellable) {
      const targetKey = stem === undefined ? transactionKey(request, method) : stem + method
      target = this.#transactions.get(targetKey)
      isAnswered = target === undefined && this.#answered.find(targetKey) !== undefined
      if (target !== undefined || isAnswered) break
    }
    const transaction = this.#create(request, key, to, flow, now)
    const toTag = target?.toTag ?? this.#context.random.token(8)
    // "the To tag of the response to the CANCEL and the To tag in the response to the original request SHOULD be the same"
    if (target?.invite) target.toTag = toTag
    const response = respond(request, target || isAnswered ? 200 : 481, { toTag })
    this.#sign(response)
    const isPending = target?.invite === true && target.unanswered
    this.respond(transaction.key, response, now)
    if (isPending) this.#context.outputs.push({ kind: 'cancel', transaction: target!.key })
  }

  /** RFC 4320 §4.1: to a request other than INVITE no 1xx but 100, and that not early on UDP. */
  #isForbidden(transaction: Transaction, status: number): boolean {
    if (transaction.invite || status >= 200) return false
    return status !== 100 || (!transaction.reliable && transaction.queue === timerQueue.quiet)
  }

  #on(transaction: Transaction, event: Parameters<Transaction['on']>[0], now: number): void {
    const wasUnanswered = transaction.unanswered
    const actions = transaction.on(event, now, this.#context.timers, this.#context.lengths)
    this.#perform(transaction, actions, undefined, now)
    if (wasUnanswered && !transaction.unanswered) this.#wasAnswered(transaction, now)
  }

  #perform(
    transaction: Transaction,
    actions: readonly ServerAction[],
    response: SipResponse | undefined,
    now: number,
  ): void {
    for (const action of actions) {
      switch (action) {
        case 'send response':
          this.#sendKeeping(transaction, response!, now)
          break
        case 'send last response':
          if (transaction.lastResponse !== undefined)
            this.#send(transaction.flow, Buffer.from(transaction.lastResponse, 'latin1'), undefined, now)
          break
        case 'send 100':
          this.#sendKeeping(transaction, respond(transaction.request!, 100), now)
          break
        case 'say nothing more':
          this.#keepAnswer(transaction, noBytes, now)
          break
        case 'answer for the user': {
          transaction.toTag ??= this.#context.random.token(8)
          const timeout = respond(transaction.request!, 408, { toTag: transaction.toTag })
          this.#sign(timeout)
          this.#sendKeeping(transaction, timeout, now)
          break
        }
      }
    }
    if (transaction.state === 'terminated') this.#forget(transaction)
  }

  #sendKeeping(transaction: Transaction, response: SipResponse, now: number): void {
    const bytes = response.toBytes()
    if (transaction.state === 'completed' && !transaction.invite) this.#keepAnswer(transaction, bytes, now)
    // RFC 6026 §7.1: "The server transaction MUST NOT generate 2xx retransmissions on its own."
    else transaction.lastResponse = transaction.state === 'accepted' ? undefined : bytes.toString('latin1')
    this.#send(transaction.flow, bytes, response, now)
  }

  #wasAnswered(transaction: Transaction, now: number): void {
    this.#pending--
    transaction.request = undefined
    const connection = transaction.reliable ? this.#connections.get(transaction.flow) : undefined
    if (connection && --connection.unanswered === 0 && connection.isDeaf) this.#drained(connection, now)
  }

  /** Of a transaction that is completed its answer is kept, and nothing else. */
  #keepAnswer(transaction: Transaction, bytes: Uint8Array, now: number): void {
    const { limits, lengths, counters } = this.#context
    if (transaction.state !== 'completed') return
    this.#transactions.delete(transaction.key)
    this.#answered.add(transaction.key, transaction.flow, bytes, transaction, now + lengths.transactionMs)
    while (this.#answered.size > limits.answeredRequests || this.#answered.isFull) {
      counters.forgottenEarly++
      this.#merged.forget(this.#answered.removeFirst())
    }
    this.#awaitAnsweredEnd()
  }

  #awaitAnsweredEnd(): void {
    const { firstEnd, queue } = this.#answered
    if (firstEnd !== undefined && queue < 0) this.#context.timers.start(this.#answered, timerQueue.answered, firstEnd)
  }

  /** Sends the answer that this request has had (§17.2.2); false when it is not known, or has been forgotten. */
  #answerAgain(key: string): boolean {
    const answer = this.#answered.find(key)
    if (answer === undefined) return false
    this.#context.counters.requestRetransmissions++
    if (answer.bytes.length > 0) this.#context.send(answer.flow, answer.bytes)
    return true
  }

  #forget(transaction: Transaction): void {
    this.#context.timers.stop(transaction)
    if (this.#transactions.get(transaction.key) === transaction) this.#transactions.delete(transaction.key)
    this.#forgetMerged(transaction)
  }

  #forgetMerged(transaction: Transaction): void {
    this.#merged.forget(transaction)
    transaction.mergeDigest = transaction.mergeCheck = 0
  }

  /** On the flow if it is there; a connection that has ended is replaced (§18.2.2), for which the response is needed. */
  #send(flow: string, bytes: Buffer, response: SipResponse | undefined, now: number): void {
    if (isUdpFlowId(flow)) {
      this.#context.send(flow, bytes)
      return
    }
    const connection = this.#connections.get(flow)
    if (connection) {
      connection.lastUsedAt = now
      this.#context.send(flow, bytes)
    } else if (response) this.#sendElsewhere(flow.startsWith('tls:') ? 'tls' : 'tcp', bytes, response.topVia, now)
    else this.#context.counters.undeliveredResponses++
  }

  /**
   * "the server SHOULD open a connection to the IP address in the "received" parameter, if present, using the port in the
   * "sent-by" value" (§18.2.2); "If that connection attempt fails [...] the procedures in [4] for servers" (RFC 3263 §5).
   */
  #sendElsewhere(transport: Transport, bytes: Buffer, via: Via, now: number): void {
    const locating = Locating.response(via.host, via.port, transport, this.#context.locateOptions)
    const delivery = new ResponseDelivery(this, bytes, locating)
    const address = receivedFrom(via)
    if (address === undefined) this.tryNext(delivery, now)
    else {
      const place = { transport, address, port: via.port ?? defaultPort(transport), serverName: via.host }
      this.#deliver(delivery, place, now)
    }
  }

  #deliver(delivery: ResponseDelivery, place: Place, now: number): void {
    const connection = this.#connections.to(place)
    if (connection) this.#context.send(connection.flow.id, delivery.bytes)
    else this.#connections.open(place, delivery, now)
  }

  /** Sends what waited for its connection. */
  delivered(delivery: ResponseDelivery, connection: Connection): void {
    this.#context.send(connection.flow.id, delivery.bytes)
  }

  #sign(response: SipResponse): void {
    if (this.#context.serverHeader !== undefined) response.append('Server', this.#context.serverHeader)
  }
}

/** A response whose connection has ended, on its way to another place. */
export class ResponseDelivery implements Timed, Waiting {
  readonly kind = 'delivery'
  deadline = 0
  queue = -1
  previousTimed: Timed | undefined = undefined
  nextTimed: Timed | undefined = undefined

  readonly side: ServerSide
  readonly bytes: Buffer
  readonly locating: Locating
  query = ''
  placesTried = 0

  constructor(side: ServerSide, bytes: Buffer, locating: Locating) {
    this.side = side
    this.bytes = bytes
    this.locating = locating
  }

  connected(connection: Connection): void {
    this.side.delivered(this, connection)
  }

  notConnected(now: number): void {
    this.side.tryNext(this, now)
  }
}
