/** Concessions to subscribers that cannot do what RFC 6665 asks, by what they say of themselves. */

import type { SipRequest } from '../sip/message.ts'

/** Long enough for a client to have read, and handled, what came before. */
const apartMs = 50

/**
 * How long the first NOTIFY waits after the 200 of its SUBSCRIBE, milliseconds; RFC 6665 §4.2.1.2 wants it at once.
 *
 * COMPAT(libpurple): over a connection it handles one message a read, so a NOTIFY that has come with the 200 stays unseen
 * (test/interop/libpurple.test.ts).
 */
export function firstNotifyDelayMs(request: SipRequest): number {
  if (request.source === undefined || request.source.transport === 'udp') return 0
  return request.header('User-Agent')?.startsWith('Purple/') ? apartMs : 0
}
