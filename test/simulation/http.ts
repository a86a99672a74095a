/**
 * HTTP in the simulated world: servers that the box asks, by origin. What is asked arrives after a while, its answer after
 * another; a server that is cut off is silent, and one that does not exist unreachable.
 */

import { limits } from '../../src/limits.ts'
import { failedAnswer, type HttpAnswer, type OutgoingHttpRequest } from '../../src/protocols/http/message.ts'
import type { Instant } from '../../src/turn.ts'
import type { Network } from './network.ts'
import type { SeededRandom } from './random.ts'

/** Answers at once, and does what the request asks for. */
export type HttpPeer = (request: OutgoingHttpRequest, now: Instant) => HttpAnswer

interface Travelling {
  readonly at: Instant
  readonly token: string
  readonly request: OutgoingHttpRequest
  /** On its way back. */
  readonly answer: HttpAnswer | undefined
}

export class HttpNetwork {
  /** By origin, `http://xdms.example:8090`. */
  readonly servers = new Map<string, HttpPeer>()
  /** Every request that a server has received, oldest first. */
  readonly received: OutgoingHttpRequest[] = []
  readonly #network: Network
  readonly #random: SeededRandom
  #travelling: Travelling[] = []

  /** Delays are those of `network`, and its cut addresses count for origins too. */
  constructor(network: Network, random: SeededRandom) {
    this.#network = network
    this.#random = random
  }

  send(token: string, request: OutgoingHttpRequest, now: Instant): void {
    const { origin } = new URL(request.uri)
    if (this.#network.cut.has(origin)) this.#add({ token, request, at: deadlineOf(request, now), answer: silent })
    else if (!this.servers.has(origin)) this.#add({ token, request, at: now, answer: failedAnswer('unreachable') })
    else this.#add({ token, request, at: this.#later(now), answer: undefined })
  }

  next(): Instant | undefined {
    return this.#travelling[0]?.at
  }

  /** The next answer that has arrived at the box; requests that have arrived at their servers are answered on the way. */
  arrive(now: Instant): { readonly token: string; readonly answer: HttpAnswer } | undefined {
    for (;;) {
      const first = this.#travelling[0]
      if (first === undefined || first.at > now) return undefined
      this.#travelling.shift()
      const { token, request, answer } = first
      if (answer !== undefined) return { token, answer }
      this.received.push(request)
      const { origin } = new URL(request.uri)
      const given = this.servers.get(origin)!(request, now)
      this.#add({ token, request, at: this.#later(now), answer: given })
    }
  }

  /** The box has died: what it asked for may have been done, but nobody waits for the answers. */
  forget(): void {
    this.#travelling = []
  }

  #later(now: Instant): Instant {
    const { minDelayMs, maxDelayMs } = this.#network.weather
    return now + minDelayMs + this.#random.below(maxDelayMs - minDelayMs + 1)
  }

  #add(travelling: Travelling): void {
    const place = this.#travelling.findIndex(({ at }) => at > travelling.at)
    this.#travelling.splice(place === -1 ? this.#travelling.length : place, 0, travelling)
  }
}

const silent = failedAnswer('timeout')

function deadlineOf({ patienceMs }: OutgoingHttpRequest, now: Instant): Instant {
  return now + Math.min(patienceMs ?? Number.POSITIVE_INFINITY, limits.httpClient.patienceMs)
}
