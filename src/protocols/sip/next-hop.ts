/** The URI that a request is sent to (RFC 3261 §8.1.2), and whether a peer on a UDP flow can be reached by TCP as well (§18.1.1). */

import { hostOf, udpFlow } from './flow.ts'
import type { Place } from './locate.ts'
import type { SipRequest } from './message.ts'
import { parseNameAddr } from './name-addr.ts'
import { isSipUri, type SipUri } from './uri.ts'

/**
 * The URI that says where to go, and whether all the way by TLS; a status when it leads nowhere: the topmost Route, else the
 * Request-URI. A topmost Route without `lr` belongs to a request that was formed for a strict router, which stands in the
 * Request-URI (§12.2.1.1).
 */
export function nextHop(request: SipRequest): { uri: SipUri; secure: boolean } | number {
  try {
    const { requestUri } = request
    const [route] = request.headers('Route')
    const next = route === undefined ? undefined : parseNameAddr(route).uri
    const isLoose = next !== undefined && isSipUri(next) && next.params.has('lr')
    const uri = isLoose ? next : requestUri
    if (!isSipUri(uri)) return 416
    // "if the Request-URI specifies a SIPS resource, the UAC MUST follow the procedures [...] as if the input URI were a SIPS URI"
    return { uri, secure: requestUri.scheme === 'sips' }
  } catch {
    return 400
  }
}

/** Whether the next hop has asked for requests in SigComp: `comp=sigcomp` in its URI (RFC 3486 §4). */
export function wantsCompression(request: SipRequest): boolean {
  // Most ask for nothing, and their URIs need not be read.
  if (!asksForIt.test(request.uri) && !request.headers('Route').some(route => asksForIt.test(route))) return false
  const next = nextHop(request)
  return typeof next !== 'number' && next.uri.params.get('comp')?.toLowerCase() === 'sigcomp'
}

const asksForIt = /comp=sigcomp/i

/**
 * The place to try TCP at for a request that is too long for its UDP flow: only a peer that says it is where its datagrams
 * come from, since no connection leads to one behind a NAT.
 */
export function reachableByTcp(request: SipRequest, flow: string): Place | undefined {
  const target = nextHop(request)
  const remote = udpFlow(flow)
  if (typeof target === 'number' || !remote) return undefined
  const { host, port } = target.uri
  if (host !== hostOf(remote.remoteAddress) || (port ?? 5060) !== remote.remotePort) return undefined
  return { transport: 'tcp', address: remote.remoteAddress, port: remote.remotePort, serverName: host }
}
