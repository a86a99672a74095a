/** A request of the user on its way (RFC 3261 §8.1.2): what is still to be tried, and what has come of it so far. */

import type { Connection, Waiting } from './connections.ts'
import type { Locating, Place } from './locate.ts'
import type { SipRequest, SipResponse } from './message.ts'
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
  readonly request: SipRequest
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

  constructor(user: OutgoingUser, request: SipRequest, token: string | undefined) {
    this.user = user
    this.request = request
    this.token = token
  }

  connected(connection: Connection, now: number): void {
    this.user.connected(this, connection, now)
  }

  notConnected(now: number): void {
    this.user.notConnected(this, now)
  }
}
