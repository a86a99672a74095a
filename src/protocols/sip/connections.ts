/**
 * Connections (RFC 3261 §18): which are open and to whom, which are opening and who waits for them, and which may be used
 * to reach a place, among them those whose peer has offered an alias (RFC 5923).
 */

import type { StackContext } from './context.ts'
import { defaultPort, type Flow, hostOf } from './flow.ts'
import type { Place } from './locate.ts'
import { StreamFraming } from './stream-framing.ts'
import { type Timed, timerQueue } from './timers.ts'
import type { ClientTransaction } from './transaction-client.ts'
import type { Via } from './via.ts'

/** Who waits for a connection; exactly one of the two is called. */
export interface Waiting {
  connected(connection: Connection, now: number): void
  notConnected(now: number): void
}

export class Connection implements Timed {
  readonly kind = 'connection'
  deadline = 0
  queue = -1
  previousTimed: Timed | undefined = undefined
  nextTimed: Timed | undefined = undefined

  readonly flow: Flow
  readonly framing: StreamFraming
  lastUsedAt: number
  /** Requests it has brought whose final response has still to leave by it. */
  unanswered = 0
  /** Set when nothing more is heard of it: what it has brought is still answered, but nothing new is sent on it. */
  isDeaf = false
  /** Transactions that fail when the connection ends. */
  readonly transactions = new Set<ClientTransaction<unknown>>()
  /** Under which places it is found. */
  readonly places: string[] = []

  constructor(flow: Flow, framing: StreamFraming, now: number) {
    this.flow = flow
    this.framing = framing
    this.lastUsedAt = now
  }
}

/** Places one connection may stand for; further aliases are not honoured. */
const mostPlaces = 16

class Opening implements Timed {
  readonly kind = 'opening'
  deadline = 0
  queue = -1
  previousTimed: Timed | undefined = undefined
  nextTimed: Timed | undefined = undefined

  readonly name: string
  readonly place: Place
  readonly waiting: Waiting[] = []

  constructor(name: string, place: Place) {
    this.name = name
    this.place = place
  }
}

export type { Opening }

export class Connections {
  readonly #context: StackContext
  readonly #byFlow = new Map<string, Connection>()
  readonly #byPlace = new Map<string, Connection>()
  readonly #opening = new Map<string, Opening>()
  readonly #openingByPlace = new Map<string, Opening>()
  #serial = 0

  constructor(context: StackContext) {
    this.#context = context
  }

  get size(): number {
    return this.#byFlow.size
  }

  get(flow: string): Connection | undefined {
    return this.#byFlow.get(flow)
  }

  /** Takes a connection that a peer has opened. Its first message is awaited for a while, as is the rest of any other. */
  accepted(flow: Flow, now: number): Connection {
    const known = this.#byFlow.get(flow.id)
    if (known) return known
    const connection = this.#add(flow, now)
    // "When the connection is accepted by the transport layer, this index is set to the source IP address, port number, and
    // transport." Over TLS nobody has proven a name yet, so that only an alias makes it usable for requests.
    if (flow.transport === 'tcp') {
      this.#offer(connection, placeKey('tcp', flow.remoteAddress, flow.remotePort, ''))
    }
    this.#context.timers.start(connection, timerQueue.message, now + this.#context.lengths.messageMs)
    return connection
  }

  /**
   * Honours the `alias` of a request's topmost Via (RFC 5923 §8.2): the connection then also reaches the advertised
   * address, for the identities which the peer's certificate has proven (§9.2), and only over TLS (§9.3).
   */
  alias(connection: Connection, via: Via): void {
    const { flow } = connection
    if (flow.transport !== 'tls' || !flow.peerIdentities || !via.params.has('alias')) return
    const port = via.port ?? defaultPort('tls')
    if (connection.places.length + flow.peerIdentities.length > mostPlaces) return
    for (const identity of flow.peerIdentities) {
      this.#offer(connection, placeKey('tls', flow.remoteAddress, port, identity.toLowerCase()))
    }
  }

  /** The open connection by which this place is reached, if there is one. */
  to(place: Place): Connection | undefined {
    return this.#byPlace.get(keyOf(place))
  }

  /** Opens a connection to a place, or waits for the one that is opening. */
  open(place: Place, waiting: Waiting, now: number): void {
    const key = keyOf(place)
    let opening = this.#openingByPlace.get(key)
    if (!opening) {
      opening = new Opening(`connection-${++this.#serial}`, place)
      this.#opening.set(opening.name, opening)
      this.#openingByPlace.set(key, opening)
      this.#context.timers.start(opening, timerQueue.connect, now + this.#context.lengths.connectMs)
      this.#context.outputs.push({
        kind: 'connect',
        transport: place.transport as 'tcp' | 'tls',
        address: place.address,
        port: place.port,
        serverName: place.serverName,
        connection: opening.name,
      })
    }
    if (opening.waiting.length >= this.#context.limits.waitingPerConnection) waiting.notConnected(now)
    else opening.waiting.push(waiting)
  }

  /** A connection that was asked for is open. One that came too late is closed again. */
  connected(name: string, flow: Flow, now: number): void {
    const opening = this.#opening.get(name)
    if (!opening) {
      this.#context.outputs.push({ kind: 'close', flow: flow.id })
      return
    }
    this.#forget(opening)
    this.#context.counters.connectionsOpened++
    const connection = this.#add(flow, now)
    this.#offer(connection, keyOf(opening.place))
    for (const waiting of opening.waiting) waiting.connected(connection, now)
  }

  /** A connection that was asked for could not be opened. False when there is none of that name. */
  notConnected(name: string, now: number): boolean {
    const opening = this.#opening.get(name)
    if (!opening) return false
    this.#forget(opening)
    for (const waiting of opening.waiting) waiting.notConnected(now)
    return true
  }

  /** Forgets a connection that has ended and returns it, so that its transactions can be failed. */
  ended(flow: string): Connection | undefined {
    const connection = this.#byFlow.get(flow)
    if (!connection) return undefined
    this.#byFlow.delete(flow)
    this.#withdraw(connection)
    this.#context.timers.stop(connection)
    this.#context.counters.connectionsClosed++
    return connection
  }

  /** Hears no more of a connection, and offers it to nobody; its responses still leave by it. */
  deafen(connection: Connection): void {
    connection.isDeaf = true
    this.#withdraw(connection)
  }

  /** One over the limit: the connection that was silent longest, to be closed; undefined while there is room. */
  surplus(): Connection | undefined {
    if (this.#byFlow.size <= this.#context.limits.connections) return undefined
    let silent: Connection | undefined
    for (const connection of this.#byFlow.values()) {
      if (!silent || connection.lastUsedAt < silent.lastUsedAt) silent = connection
    }
    return silent
  }

  #add(flow: Flow, now: number): Connection {
    const { streamHeadBytes, streamBodyBytes } = this.#context.limits
    const framing = new StreamFraming({ headBytes: streamHeadBytes, bodyBytes: streamBodyBytes })
    const connection = new Connection(flow, framing, now)
    this.#byFlow.set(flow.id, connection)
    return connection
  }

  #withdraw(connection: Connection): void {
    for (const place of connection.places) {
      if (this.#byPlace.get(place) === connection) this.#byPlace.delete(place)
    }
  }

  /** The newest connection to a place is the one used. */
  #offer(connection: Connection, place: string): void {
    if (this.#byPlace.get(place) === connection) return
    this.#byPlace.set(place, connection)
    if (!connection.places.includes(place)) connection.places.push(place)
  }

  #forget(opening: Opening): void {
    this.#opening.delete(opening.name)
    this.#openingByPlace.delete(keyOf(opening.place))
    this.#context.timers.stop(opening)
  }
}

/**
 * A TLS connection is good only for the name it was authenticated for: "the client reuses the connection only if [...] the
 * URI used for RFC3263 server resolution matches one of the identities" (RFC 5923 §8.1).
 */
function keyOf(place: Place): string {
  const name = place.transport === 'tls' ? place.serverName.toLowerCase() : ''
  return placeKey(place.transport, place.address, place.port, name)
}

function placeKey(transport: string, address: string, port: number, name: string): string {
  return `${transport} ${hostOf(address)}:${port} ${name}`
}
