/**
 * Spellings of NOTIFYs for subscribers who cannot read the standard one, by what they say of themselves. All others always get
 * the standard form.
 */

import type { SipRequest } from '../sip/message.ts'

/**
 * COMPAT(linphone): up to 5.5 at least it takes what is said of a list for presence only under the event `Presence`, though event
 * types are compared with case (RFC 6665 §8.2.1), and finds parts only by a field `Content-Id` without the angle brackets of
 * RFC 2045 §7 (test/interop/linphone.test.ts).
 */
export type Dialect = 'linphone'

export function dialectOf(request: SipRequest): Dialect | undefined {
  return /\blinphone/i.test(request.header('User-Agent') ?? '') ? 'linphone' : undefined
}

/** The name of an event package as a dialect spells it. */
export function eventType(name: string, dialect: Dialect | undefined): string {
  return dialect === 'linphone' ? name.charAt(0).toUpperCase() + name.slice(1) : name
}
