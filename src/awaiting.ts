/**
 * Requests whose answer depends on documents of an XDMS elsewhere that have been asked for but are not there yet
 * (`DocumentsAwaited`). Usually they come within milliseconds: so long the request waits, rather than its sender. A restart
 * forgets them with their transactions.
 */

import { limits } from './limits.ts'
import type { SipRequest } from './protocols/sip/message.ts'
import type { Instant } from './turn.ts'

export class AwaitingRequests {
  /** Until when each waits, the first to give up first. */
  readonly #until = new Map<SipRequest, Instant>()

  /** False when it has waited long enough, or too many do: then it is to be answered as it is. */
  keep(request: SipRequest, now: Instant): boolean {
    const until = this.#until.get(request)
    if (until !== undefined) return now < until
    if (this.#until.size >= limits.awaitingRequests.requests) return false
    this.#until.set(request, now + limits.awaitingRequests.waitMs)
    return true
  }

  /** It is answered. */
  end(request: SipRequest): void {
    this.#until.delete(request)
  }

  /** All of them, to be tried again since something has come. */
  all(): SipRequest[] {
    return [...this.#until.keys()]
  }

  /** Those that have waited long enough. */
  late(now: Instant): SipRequest[] {
    return this.all().filter(request => this.#until.get(request)! <= now)
  }

  deadline(): Instant | undefined {
    return this.#until.values().next().value
  }
}
