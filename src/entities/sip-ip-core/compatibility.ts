/**
 * Concessions to clients that cannot do what the standard asks, by what they say of themselves. Standard clients always get
 * the standard form.
 */

import type { DigestAlgorithm } from '../../protocols/sip/digest.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'

/** User-Agent values of clients that answer only the first challenge, and only if it asks for MD5. */
const firstChallengeOnly: readonly RegExp[] = [
  // COMPAT(baresip 1): test/interop/baresip.test.ts.
  /^baresip v[01]\./,
]

/**
 * The order in which challenges stand. RFC 8760 §2.3 puts the preferred one first and has clients skip what they do not
 * know; clients of RFC 2617 take the first and give up, so they find MD5 there, if it is accepted at all.
 *
 * COMPAT(sipp): a client that does not say what it is counts among them (test/interop/sipp.test.ts).
 */
export function challengeOrder(request: SipRequest, accepted: readonly DigestAlgorithm[]): readonly DigestAlgorithm[] {
  const userAgent = request.header('User-Agent')
  const isOld = userAgent === undefined || firstChallengeOnly.some(pattern => pattern.test(userAgent))
  return isOld && accepted.includes('MD5') ? ['MD5', ...accepted.filter(one => one !== 'MD5')] : accepted
}
