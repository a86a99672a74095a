/**
 * Tells loops from spirals (RFC 3261 §16.3 step 4 as replaced by RFC 5393 §4.2.2). This proxy keeps every request it forwards
 * until it is answered, and a loop comes back before that; so the value that RFC 5393 §4.2.1 suggests to put into the branch
 * is kept with the response context instead, and nothing can be removed or forged on the way.
 */

import type { SipRequest } from '../../protocols/sip/message.ts'
import { parseVia } from '../../protocols/sip/via.ts'
import type { Home } from './home.ts'

/** Whatever the proxy's decision depends on, and what tells one request from another to the same place; never the method. */
export function loopKey(request: SipRequest): string {
  const route = request.headers('Route').join(',')
  return `${request.callId} ${request.cseq.number} ${request.fromTag ?? ''} ${request.toTag ?? ''} ${request.uri} ${route}`
}

/** Whether the request has been through here before: one of its Via values, other than the sender's, is ours. */
export function hasPassedHere(request: SipRequest, home: Home): boolean {
  return request.headers('Via').some(value => {
    const { host, port, transport } = parseVia(value)
    return home.isOurAddress(host, port ?? (transport === 'TLS' ? 5061 : 5060))
  })
}
