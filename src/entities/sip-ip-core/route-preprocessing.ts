/** What a proxy does to a request before it looks for targets (RFC 3261 §16.4), with flow tokens in Route (RFC 5626 §5.3). */

import { badRequest, forbidden } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import { parseNameAddr } from '../../protocols/sip/name-addr.ts'
import { formatUri, isSipUri } from '../../protocols/sip/uri.ts'
import type { FlowId, Turn } from '../../turn.ts'
import type { Home } from './home.ts'
import { isOwnRoute, leadsHere } from './recipient.ts'
import { isRouteToken, openRouteToken } from './record-route.ts'

export interface Preprocessed {
  /** An independent copy without the Route values that led here. */
  readonly request: SipRequest
  /** Whether a Route value of ours showed that the request belongs to a dialog that was admitted here. */
  readonly isInDialog: boolean
  /** The flow by which the recipient must be reached, when a Route value of ours names it. */
  readonly flow: FlowId | undefined
}

/**
 * Undoes what a strict router did to the Request-URI, strips our own `maddr`, and removes the Route values that are ours: one,
 * or both of a double Record-Route (RFC 5658 §5). Throws 403 for a flow token that was tampered with, 400 when Route is
 * malformed or ends at us for want of a target.
 */
export function preprocess(received: SipRequest, home: Home, turn: Pick<Turn, 'fingerprint'>): Preprocessed {
  const request = received.copy()
  let isInDialog = restoreRequestUri(request, home, turn)
  stripMaddr(request, home)
  const flows: Array<FlowId | undefined> = []
  while (request.hasHeader('Route')) {
    const [first] = request.headers('Route')
    if (first === undefined) throw badRequest('Route malformed')
    if (!leadsHere(first, home)) break
    const { uri } = parseNameAddr(first)
    if (isSipUri(uri) && isRouteToken(uri.user)) {
      const own = openRouteToken(turn, uri.user!, request.callId)
      if (own === undefined) throw forbidden('Route Not Valid for This Dialog')
      isInDialog = true
      flows.push(own.flow)
    }
    request.removeFirstValue('Route')
  }
  return { request, isInDialog, flow: flowOfRecipient(flows, request.flow) }
}

/**
 * The first of two values of ours stands for the sender's side, the second for the recipient's. A single one stands for the
 * recipient's unless it names the flow the request came by.
 */
function flowOfRecipient(flows: ReadonlyArray<FlowId | undefined>, source: FlowId): FlowId | undefined {
  const last = flows.at(-1)
  return flows.length === 1 && last === source ? undefined : last
}

/** A Request-URI that we once put into Record-Route gives way to the last Route value. Whether it was one of an admitted dialog. */
function restoreRequestUri(request: SipRequest, home: Home, turn: Pick<Turn, 'fingerprint'>): boolean {
  const uri = request.requestUri
  if (!isSipUri(uri) || !home.isOurs(uri) || !isOwnRoute(uri)) return false
  const routes = request.headers('Route')
  const last = routes.pop()
  if (last === undefined) {
    // A loose route without a target is a request to the host it names.
    request.uri = formatUri({ ...uri, user: undefined, params: uri.params.without('lr') })
    return false
  }
  request.uri = formatUri(parseNameAddr(last).uri)
  if (routes.length === 0) request.remove('Route')
  else request.set('Route', routes.join(', '))
  return isRouteToken(uri.user) && openRouteToken(turn, uri.user!, request.callId) !== undefined
}

/** A maddr of ours has served its purpose (RFC 3261 §16.4). */
function stripMaddr(request: SipRequest, home: Home): void {
  const uri = request.requestUri
  if (!isSipUri(uri)) return
  const maddr = uri.params.get('maddr')?.toLowerCase()
  if (!maddr || !home.isOurs({ ...uri, host: maddr })) return
  request.uri = formatUri({ ...uri, port: undefined, params: uri.params.without('maddr').without('transport') })
}
