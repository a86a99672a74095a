/**
 * The proxy of the domain (RFC 3261 §16): stateful and forking, for requests to its users, their instances and the dialogs
 * between them. Requests for other domains are refused until federation exists.
 */

import { limits } from '../../limits.ts'
import {
  badExtension,
  forbidden,
  loopDetected,
  maxBreadthExceeded,
  notFound,
  serviceUnavailable,
  tooManyHops,
  unsupportedUriScheme,
} from '../../protocols/sip/errors.ts'
import { parseDeltaSeconds } from '../../protocols/sip/header-values.ts'
import { respond, type SipRequest, type SipResponse } from '../../protocols/sip/message.ts'
import { parseNameAddr } from '../../protocols/sip/name-addr.ts'
import { formatUri, isSipUri } from '../../protocols/sip/uri.ts'
import type { Instant, Output, SipEntity, Turn } from '../../turn.ts'
import { bestResponse, forwardable } from './best-response.ts'
import type { Home } from './home.ts'
import { hideIdentityIfAsked, requireAttainablePrivacy } from './identity.ts'
import { locate, type Target } from './location.ts'
import { hasPassedHere, loopKey } from './loop-detection.ts'
import { recordRoute } from './record-route.ts'
import { type Branch, ResponseContext } from './response-context.ts'
import { type Preprocessed, preprocess } from './route-preprocessing.ts'

/** How long a 2xx to INVITE may be repeated: 64*T1 (RFC 6026 §7.1). */
const RETRANSMISSIONS_MS = 32_000

export class StatefulProxy implements SipEntity {
  readonly #home: Home
  readonly #byTransaction = new Map<string, ResponseContext>()
  readonly #byToken = new Map<string, ResponseContext>()
  readonly #byLoopKey = new Map<string, ResponseContext>()
  /** Contexts that only wait for retransmissions, in order of their end. */
  #lingering: ResponseContext[] = []
  #contexts = 0
  #serial = 0

  constructor(home: Home) {
    this.#home = home
  }

  /** Requests that are being forwarded, those that only wait for retransmissions included. */
  get contexts(): number {
    return this.#contexts
  }

  /**
   * Forwards a request, or refuses it: 416, 483, 482, 420 and 500 (§16.3), 403 for a forged route and for other domains,
   * 404 and 480 (§16.5), 440 (RFC 5393 §5.3.3), 503 when too many are in progress.
   */
  request(request: SipRequest, turn: Turn): Output[] {
    this.#forgetEnded(turn.now)
    if (request.method === 'ACK') return this.#acknowledge(request, turn)
    validate(request) // §16.3
    const preprocessed = preprocess(request, this.#home, turn) // §16.4
    const key = loopKey(preprocessed.request)
    if (this.#byLoopKey.has(key) && hasPassedHere(request, this.#home)) throw loopDetected()
    const groups = this.#targets(preprocessed, turn) // §16.5
    if (this.#contexts >= limits.responseContexts) throw serviceUnavailable(10)
    const context = new ResponseContext({
      request: forwarded(preprocessed.request),
      transaction: request.transaction,
      loopKey: key,
      maxBreadth: maxBreadthOf(request),
      groups,
    })
    const outputs = this.#forward(context, turn) // §16.6
    this.#remember(context)
    return outputs
  }

  /** §16.7. */
  response(token: string, response: SipResponse, turn: Turn): Output[] {
    const context = this.#byToken.get(token)
    const branch = context?.branches.find(branch => branch.token === token)
    // Not ours to forward: the box has restarted since, and its transactions are gone with their answers.
    if (context === undefined || branch === undefined) return []
    if (response.status < 200) return this.#provisional(context, response)
    if (branch.final !== undefined && !(context.isInvite && isSuccess(response))) return []
    branch.final = response // step 4
    const outputs = isSuccess(response)
      ? this.#succeeded(context, response)
      : this.#failed(context, branch, response, turn)
    this.#endIfDone(context, turn.now)
    return outputs
  }

  /** The caller has given up (§16.10): so does every branch; their 487s bring the answer. */
  cancel(transaction: string, _turn: Turn): Output[] {
    const context = this.#byTransaction.get(transaction)
    if (context === undefined || context.isAnswered) return []
    context.isCancelled = true
    return this.#cancelPending(context)
  }

  wake(_token: string, _turn: Turn): Output[] {
    return []
  }

  /** §16.5, and RFC 3261 §16.12: along Route if there is one left, to the contacts of a user of ours, or out of here. */
  #targets({ request, isInDialog, flow }: Preprocessed, turn: Turn): Target[][] {
    const uri = request.requestUri
    if (!isSipUri(uri)) throw unsupportedUriScheme()
    const hasRoute = request.hasHeader('Route')
    // A dialog admitted here may go wherever its peers are; anything else may only reach users of ours.
    if (hasRoute && !isInDialog) throw outside()
    const place = uri.params.has('maddr') ? 'elsewhere' : this.#home.placeOf(uri)
    if (place === 'box') throw notFound()
    if (place === 'user') {
      const groups = locate(uri, this.#home, turn)
      // RFC 5627 §6.1: within a dialog the route has been taken already, so that of the registration is left out.
      return hasRoute ? groups.map(group => group.map(target => ({ ...target, path: [] }))) : groups
    }
    if (!isInDialog) throw outside()
    return [[{ uri: request.uri, path: [], flow: hasRoute ? undefined : flow, instead: [] }]]
  }

  /** Starts as many branches as may run now. */
  #forward(context: ResponseContext, turn: Turn): Output[] {
    const outputs: Output[] = []
    for (const { target, breadth } of context.next()) {
      const token = `b${++this.#serial}`
      const { flow } = target
      context.branches.push({ token, target, breadth, final: undefined })
      if (this.#byTransaction.get(context.transaction) === context) this.#byToken.set(token, context)
      const copy = copyFor(target, breadth, context.request)
      recordRoute(copy, context.request, flow, this.#home, turn)
      outputs.push({ kind: 'request', request: copy, token, flow })
    }
    return outputs
  }

  #provisional(context: ResponseContext, response: SipResponse): Output[] {
    // RFC 4320 §4.1: no provisional response to anything but INVITE; 100 is hop by hop (§16.7 step 5).
    if (response.status === 100 || !context.isInvite || context.isAnswered) return []
    return [answer(context, response)]
  }

  /** §16.7 steps 5 and 10: forwarded at once, every one of an INVITE; the other branches are cancelled. */
  #succeeded(context: ResponseContext, response: SipResponse): Output[] {
    if (context.isAnswered && !context.isInvite) return []
    context.isAnswered = true
    context.isClosed = true
    return [answer(context, response), ...this.#cancelPending(context)]
  }

  #failed(context: ResponseContext, branch: Branch, response: SipResponse, turn: Turn): Output[] {
    if (context.isAnswered) return []
    const outputs: Output[] = []
    if (response.status >= 600) {
      context.isClosed = true
      outputs.push(...this.#cancelPending(context))
    } else if (isUnreached(response)) context.insteadOf(branch.target)
    outputs.push(...this.#forward(context, turn))
    if (context.pending.length === 0) outputs.push(this.#best(context, turn))
    return outputs
  }

  /** §16.7 step 6, when every branch has been answered. */
  #best(context: ResponseContext, turn: Turn): Output {
    context.isAnswered = true
    const best = bestResponse(context.finals)
    if (best !== undefined && !(context.isCancelled && best.status === 408)) return answer(context, forwardable(best))
    const status = context.isCancelled ? 487 : 408
    const response = respond(context.request, status, { toTag: turn.random.token(8) })
    return { kind: 'respond', transaction: context.transaction, response }
  }

  #cancelPending(context: ResponseContext): Output[] {
    context.isClosed = true
    if (!context.isInvite) return []
    return context.pending.map(({ token }) => ({ kind: 'cancel', token }) as const)
  }

  /** An ACK for a 2xx goes the way of its dialog and is never answered (§16.11, RFC 3261 §17.1.1.3). */
  #acknowledge(request: SipRequest, turn: Turn): Output[] {
    if (request.maxForwards === 0) return []
    const preprocessed = preprocess(request, this.#home, turn)
    const [[target] = []] = this.#targets(preprocessed, turn)
    if (target === undefined) return []
    return [{ kind: 'ack', request: copyFor(target, undefined, forwarded(preprocessed.request)), flow: target.flow }]
  }

  #remember(context: ResponseContext): void {
    this.#contexts++
    this.#byTransaction.set(context.transaction, context)
    this.#byLoopKey.set(context.loopKey, context)
    for (const { token } of context.branches) this.#byToken.set(token, context)
  }

  /** A context ends with its last branch (§16.7 step 9), that of an INVITE answered by 2xx when no more of these can come. */
  #endIfDone(context: ResponseContext, now: Instant): void {
    if (!context.isAnswered || context.pending.length > 0 || context.endsAt !== undefined) return
    if (context.isInvite && context.finals.some(isSuccess)) {
      context.endsAt = now + RETRANSMISSIONS_MS
      this.#lingering.push(context)
    } else this.#forget(context)
  }

  #forgetEnded(now: Instant): void {
    let ended = 0
    while (ended < this.#lingering.length && this.#lingering[ended]!.endsAt! <= now)
      this.#forget(this.#lingering[ended++]!)
    if (ended > 0) this.#lingering = this.#lingering.slice(ended)
  }

  #forget(context: ResponseContext): void {
    this.#contexts--
    this.#byTransaction.delete(context.transaction)
    if (this.#byLoopKey.get(context.loopKey) === context) this.#byLoopKey.delete(context.loopKey)
    for (const { token } of context.branches) this.#byToken.delete(token)
  }
}

/** §16.3; syntax has been checked when the request was read, credentials when it was admitted. */
function validate(request: SipRequest): void {
  if (!isSipUri(request.requestUri)) throw unsupportedUriScheme()
  if (request.maxForwards === 0) throw tooManyHops()
  if (request.hasHeader('Proxy-Require')) throw badExtension(request.headers('Proxy-Require'))
  requireAttainablePrivacy(request)
}

/** Requests for other domains stop here until IP-1 exists; then this is the one place to ask it. */
function outside() {
  return forbidden('Other Domains Are Not Served')
}

/** What all copies of a request have in common (§16.6 steps 1 and 3). */
function forwarded(request: SipRequest): SipRequest {
  const hops = request.maxForwards
  request.set('Max-Forwards', String(hops === undefined ? 70 : Math.min(hops, 255) - 1))
  hideIdentityIfAsked(request)
  return request
}

/** RFC 5393 §5.3.3: 60 unless the request allows less. */
function maxBreadthOf(request: SipRequest): number {
  const text = request.header('Max-Breadth')
  const breadth = text === undefined ? limits.maxBreadth : parseDeltaSeconds(text.trim())
  if (!breadth) throw maxBreadthExceeded()
  return Math.min(breadth, limits.maxBreadth)
}

/** §16.6 steps 1, 2 and 6. */
function copyFor(target: Target, breadth: number | undefined, request: SipRequest): SipRequest {
  const copy = request.copy()
  copy.uri = target.uri
  if (breadth !== undefined) copy.set('Max-Breadth', String(breadth))
  if (target.path.length > 0) copy.prepend('Route', target.path.join(', '))
  routeStrictly(copy)
  return copy
}

/** §16.6 step 6: a next hop without `lr` expects its own URI as Request-URI, and the target last in Route. */
function routeStrictly(copy: SipRequest): void {
  if (!copy.hasHeader('Route')) return
  const routes = copy.headers('Route')
  const first = parseNameAddr(routes[0]!)
  if (!isSipUri(first.uri) || first.uri.params.has('lr')) return
  copy.set('Route', [...routes.slice(1), `<${copy.uri}>`].join(', '))
  copy.uri = formatUri(first.uri)
}

/** §16.7 steps 3 and 9: our Via comes off, and all else stays. */
function answer(context: ResponseContext, response: SipResponse): Output {
  const copy = response.copy()
  copy.removeFirstValue('Via')
  return { kind: 'respond', transaction: context.transaction, response: copy }
}

function isSuccess(response: SipResponse): boolean {
  return response.status >= 200 && response.status < 300
}

/** RFC 5626 §7: neither the client nor anyone in its place has answered; 503 is what a closed connection gives. */
function isUnreached({ status }: SipResponse): boolean {
  return status === 408 || status === 430 || status === 503
}
