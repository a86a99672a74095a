/** A request of the user on its way (RFC 3261 §8.1.2): what is still to be tried, and what has come of it so far. */

import type { Connection, Waiting } from './connections.ts'
import { ParseError } from './errors.ts'
import type { Locating, Place } from './locate.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { parseMessage } from './parse.ts'
import type { Timed } from './timers.ts'
import type { ClientTransaction } from './transaction-client.ts'

/** Who goes on with a request when its connection is there, or does not come. */
export interface OutgoingUser {
  connected(outgoing: Outgoing, connection: Connection, now: number): void
  notConnected(outgoing: Outgoing, now: number): void
}

/** One request of the user on its way: the places still to try, and the attempt that is under way. */
export class Outgoing implements Timed, Waiting {
  readonly kind = 'outgoing'
  deadline = 0
  queue = -1
  previousTimed: Timed | undefined = undefined
  nextTimed: Timed | undefined = undefined

  readonly user: OutgoingUser
  readonly method: string
  /** undefined for an ACK: it has no transaction and no response. */
  readonly token: string | undefined
  locating: Locating | undefined = undefined
  /** The query whose answer is awaited; '' when none is. */
  query = ''
  /** The place whose connection is opening, or by which the attempt under way goes. */
  place: Place | undefined = undefined
  placesTried = 0
  /** Whether the topmost Via is ours. */
  hasVia = false
  /** The UDP flow that serves when the peer refuses the TCP connection which a long request asks for (§18.1.1). */
  udpInstead: string | undefined = undefined
  transaction: ClientTransaction<Outgoing> | undefined = undefined
  isCancelled = false
  isCancelSent = false
  /** What the places tried so far came to. */
  failure: SipResponse | undefined = undefined
  #request: SipRequest | undefined
  #sent: Buffer | undefined = undefined

  constructor(user: OutgoingUser, request: SipRequest, token: string | undefined) {
    this.user = user
    this.#request = request
    this.method = request.method
    this.token = token
  }

  /** The request; with our Via on top once it has been sent. */
  get request(): SipRequest {
    this.#request ??= readAgain(this.#sent!)
    return this.#request
  }

  /**
   * The request has left as these octets, which are all that is kept of it from now on: most requests are answered and need
   * no second look, and a notifier has thousands under way.
   */
  sent(bytes: Buffer): void {
    this.#sent = bytes
    this.#request = undefined
  }

  connected(connection: Connection, now: number): void {
    this.user.connected(this, connection, now)
  }

  notConnected(now: number): void {
    this.user.notConnected(this, now)
  }
}

/** What we have written may be longer than what we would take from others. */
const anyLength = { messageBytes: Number.MAX_SAFE_INTEGER, headerFields: 65_536, lineBytes: Number.MAX_SAFE_INTEGER }

/** A request that we have written ourselves: its start line can be read, and what of the rest can. */
function readAgain(bytes: Buffer): SipRequest {
  try {
    return parseMessage(bytes, anyLength) as SipRequest
  } catch (error) {
    if (error instanceof ParseError && error.request !== undefined) return error.request
    throw error
  }
}
