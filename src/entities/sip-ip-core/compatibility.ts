/**
 * Concessions to clients that cannot do what the standard asks, by what they say of themselves. Standard clients always get
 * the standard form.
 */

import type { DigestAlgorithm } from '../../protocols/sip/digest.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'

/** User-Agent values of clients that give up when any challenge asks for an algorithm they do not know, and know MD5. */
const md5Only: readonly RegExp[] = [
  // COMPAT(baresip 1): test/interop/baresip.test.ts.
  /^baresip v[01]\./,
  // COMPAT(Kamailio 5 as a user agent): test/interop/kamailio.test.ts.
  /^kamailio \(5\./,
]

/**
 * The challenges that are offered, in their order. RFC 8760 §2.3 puts the preferred one first and has clients skip what
 * they do not know. Some clients of RFC 2617 take the first and give up, so they find MD5 there; others give up on any that
 * they do not know, so they find it alone; all this if MD5 is accepted at all.
 *
 * COMPAT(sipp): a client that does not say what it is may be one that takes the first (test/interop/sipp.test.ts).
 */
export function challengeOrder(request: SipRequest, accepted: readonly DigestAlgorithm[]): readonly DigestAlgorithm[] {
  if (!accepted.includes('MD5')) return accepted
  const userAgent = request.header('User-Agent')
  if (userAgent === undefined) return ['MD5', ...accepted.filter(one => one !== 'MD5')]
  return md5Only.some(pattern => pattern.test(userAgent)) ? ['MD5'] : accepted
}
