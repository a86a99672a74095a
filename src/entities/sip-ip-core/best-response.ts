/** Which final response of several branches goes upstream (RFC 3261 §16.7 steps 6 and 7). */

import { SipResponse } from '../../protocols/sip/message.ts'

/** Within 4xx, those that tell the client how to do better come first. */
const informative: readonly number[] = [401, 407, 415, 420, 484]
/** And these say least: that a branch, not the user, could not be reached. */
const uninformative: readonly number[] = [408, 430]

/**
 * The best of the final responses to a request, not to be 2xx: a 6xx if there is one, else of the lowest class. Challenges of
 * other branches are added to a 401 or 407. Undefined when there is none, which stands for 408.
 */
export function bestResponse(responses: readonly SipResponse[]): SipResponse | undefined {
  let best: SipResponse | undefined
  for (const response of responses) if (best === undefined || rank(response) < rank(best)) best = response
  if (best === undefined) return undefined
  if (best.status === 401 || best.status === 407) return withAllChallenges(best, responses)
  return best
}

/**
 * A response as this proxy passes it on: a 503 says that the branch, not the proxy, is out of service, so it becomes 500
 * (§16.7 step 6); a 430 is for proxies only, so it becomes 480 (RFC 5626 §11.5).
 */
export function forwardable(response: SipResponse): SipResponse {
  const other = response.status === 503 ? 500 : response.status === 430 ? 480 : undefined
  if (other === undefined) return response
  const reason = other === 500 ? 'Server Internal Error' : 'Temporarily Unavailable'
  return new SipResponse(other, reason, response.headerFields(), response.body)
}

/** 6xx, then 3xx, 4xx and 5xx; within a class, the more informative. */
function rank(response: SipResponse): number {
  const { status } = response
  if (status >= 600) return 0
  const within = informative.includes(status) ? 0 : uninformative.includes(status) ? 2 : status === 503 ? 3 : 1
  return Math.floor(status / 100) * 10 + within
}

function withAllChallenges(best: SipResponse, responses: readonly SipResponse[]): SipResponse {
  const all = best.copy()
  for (const response of responses) {
    if (response === best || (response.status !== 401 && response.status !== 407)) continue
    for (const [name, value] of response.headerFields())
      if (name === 'WWW-Authenticate' || name === 'Proxy-Authenticate') all.append(name, value)
  }
  return all
}
