/** XCAP User Identifiers: the many ways to write one user in a URI (RFC 4825 §6.2, XDM-03, XDM-27). */

import { ParseError } from '../../protocols/sip/errors.ts'
import { isTelUri, parseUri, type Uri } from '../../protocols/sip/uri.ts'
import type { Settings } from '../../settings/table.ts'

/** The domain whose users have documents here, and which of them a URI stands for. */
export interface HomeDomain {
  readonly domain: string
  userOf(uri: Uri): string | undefined
}

/**
 * The address-of-record that a decoded XUI means: `sip:alice@box.example` in any spelling, `tel:` for the user whose name is
 * that number, and with COMPAT(xcap) for clients that leave out the scheme `alice@box.example` and `alice`. Undefined when it
 * is nobody's of this domain.
 */
export function userOfXui(xui: string, home: HomeDomain): string | undefined {
  try {
    const hasScheme = /^(?:sips?|tel):/i.test(xui)
    const uri = parseUri(hasScheme ? xui : `sip:${xui.includes('@') ? xui : `${xui}@${home.domain}`}`)
    if (!isTelUri(uri)) return home.userOf(uri)
    // RFC 3261 §19.1.6: the same number as a SIP URI; without visual separators, as it is kept.
    return home.userOf(parseUri(`sip:${uri.number.replace(/[-.()]/g, '')}@${home.domain}`))
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

/** Whether a user may read and write everybody's documents. */
export function isOperator(
  user: string | undefined,
  { xcap: { operators } }: Settings,
  userOf: (xui: string) => string | undefined,
): boolean {
  return user !== undefined && operators !== '' && operators.split(',').some(name => userOf(name.trim()) === user)
}
