/**
 * Record-Route values of this proxy (RFC 3261 §16.6 step 4) and what they say when they come back in Route: that the dialog
 * was admitted here, and by which flow a client is to be reached (RFC 5626 §5.2, §5.3). Everything is in the URI, sealed with
 * the secret of the box and bound to the Call-ID, so that no dialog is kept in memory.
 */

import type { SipRequest } from '../../protocols/sip/message.ts'
import { wantsCompression } from '../../protocols/sip/next-hop.ts'
import { isSipUri, parseUri } from '../../protocols/sip/uri.ts'
import { asksForCompression } from '../../protocols/sip/via.ts'
import type { FlowId, Turn } from '../../turn.ts'
import type { Home, Transport } from './home.ts'
import { flowTo } from './outbound.ts'

const PREFIX = 'rr.'
const SEAL = 16

/** Methods that form dialogs (RFC 3261 §12, RFC 6665 §4.1, §4.3, RFC 3515). */
const dialogForming: ReadonlySet<string> = new Set(['INVITE', 'SUBSCRIBE', 'NOTIFY', 'REFER'])

/**
 * Adds this proxy to the route set of a dialog that the request may form: one value, or two when the sides differ in
 * transport or compression (RFC 3486 §6) or a side must be reached by its flow (RFC 5658 §5).
 */
export function recordRoute(
  copy: SipRequest,
  received: SipRequest,
  flow: FlowId | undefined,
  home: Home,
  turn: Turn,
): void {
  if (!dialogForming.has(received.method)) return
  const { callId } = received
  const secure = copy.uri.startsWith('sips:')
  const upstream = {
    transport: received.source?.transport ?? 'udp',
    flow: flowOfSender(received),
    isCompressed: asksForCompression(received.topVia),
  }
  const downstream = { transport: transportTowards(copy, flow), flow, isCompressed: wantsCompression(copy) }
  const values =
    upstream.transport === downstream.transport &&
    upstream.isCompressed === downstream.isCompressed &&
    upstream.flow === undefined &&
    downstream.flow === undefined
      ? [downstream]
      : [downstream, upstream]
  for (const side of values.reverse()) {
    const user = routeToken(turn, callId, side.flow)
    const uri = home.routeUri(side.transport, user, side.isCompressed)
    copy.prepend('Record-Route', `<${secure ? uri.replace(/^sip:/, 'sips:').replace(';transport=tls', '') : uri}>`)
  }
}

/** What a Route value of ours says. */
export interface OwnRoute {
  /** The flow of the client on that side, when it must be reached by it. */
  readonly flow: FlowId | undefined
}

/** Opens a token of ours; undefined when it was not made for this Call-ID, or not by us. */
export function openRouteToken(turn: Pick<Turn, 'fingerprint'>, user: string, callId: string): OwnRoute | undefined {
  const encoded = user.slice(PREFIX.length + SEAL + 1)
  const flow = encoded === '' ? undefined : Buffer.from(encoded, 'base64url').toString()
  return routeToken(turn, callId, flow) === user ? { flow } : undefined
}

export function isRouteToken(user: string | undefined): boolean {
  return user?.startsWith(PREFIX) === true
}

function routeToken(turn: Pick<Turn, 'fingerprint'>, callId: string, flow: FlowId | undefined): string {
  const seal = turn.fingerprint('route', callId, flow ?? '').slice(1, 1 + SEAL)
  return `${PREFIX}${seal}${flow === undefined ? '' : `.${Buffer.from(flow).toString('base64url')}`}`
}

/** The flow that later requests to the sender must take, if his contact cannot be reached otherwise. */
function flowOfSender(request: SipRequest): FlowId | undefined {
  const { contacts } = request
  const contact = contacts === '*' ? undefined : contacts[0]
  if (contact === undefined) return undefined
  return flowTo(request, contact.uri, isSipUri(contact.uri) && contact.uri.params.has('ob'))
}

/** The transport by which the next hop is reached, as far as flow and URI tell. */
function transportTowards(copy: SipRequest, flow: FlowId | undefined): Transport {
  if (flow !== undefined) return flow.slice(0, flow.indexOf(':')) as Transport
  const [route] = copy.headers('Route')
  const text = route === undefined ? copy.uri : route.slice(route.indexOf('<') + 1, route.lastIndexOf('>'))
  const uri = parseUri(text)
  if (!isSipUri(uri)) return 'udp'
  if (uri.scheme === 'sips') return 'tls'
  const transport = uri.params.get('transport')?.toLowerCase()
  return transport === 'tcp' || transport === 'tls' ? transport : 'udp'
}
