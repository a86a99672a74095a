/**
 * Who sent a request, as the box asserts it: P-Asserted-Identity (RFC 3325), which inside the box every entity may trust,
 * because admission removes what users wrote there. Privacy as RFC 3323 and RFC 3325 §7 ask of a proxy.
 */

import { SipRefusal } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import { parseNameAddr } from '../../protocols/sip/name-addr.ts'
import { addressOfRecord, isSipUri } from '../../protocols/sip/uri.ts'

const ASSERTED = 'P-Asserted-Identity'

/** Header fields by which a trust domain speaks of users and calls: from a user they mean nothing (RFC 3325 §5, RFC 7315). */
const trustedOnly = [
  ASSERTED,
  'P-Preferred-Identity',
  'P-Asserted-Service',
  'P-Preferred-Service',
  'P-Called-Party-ID',
  'P-Associated-URI',
  'P-Charging-Vector',
  'P-Charging-Function-Addresses',
  'P-Visited-Network-ID',
  'P-Profile-Key',
  'P-Served-User',
  'Remote-Party-ID',
]

/** The address-of-record of the sender as the box asserts it; undefined when nobody proved to be anybody. */
export function assertedIdentity(request: SipRequest): string | undefined {
  for (const value of request.headers(ASSERTED)) {
    const { uri } = parseNameAddr(value)
    if (isSipUri(uri)) return addressOfRecord(uri)
  }
  return undefined
}

/** Removes what only a trusted element may say. P-Preferred-Identity goes too: a user has but one identity to prefer. */
export function removeTrustedFields(request: SipRequest): void {
  for (const name of trustedOnly) if (request.hasHeader(name)) request.remove(name)
}

/** Says who has sent the request; `aor` is an address-of-record (RFC 3325 §5). */
export function assertIdentity(request: SipRequest, aor: string): void {
  request.append(ASSERTED, `<${aor}>`)
}

/** What the Privacy header field asks for, in lower case (RFC 3323 §4.2). */
function privacyOf(request: SipRequest): string[] {
  return request.headers('Privacy').flatMap(value =>
    value
      .toLowerCase()
      .split(/[;,]/)
      .map(token => token.trim()),
  )
}

/** Throws 500 when privacy is critical and asks for what this proxy is no privacy service for (RFC 3323 §5, SIP-18). */
export function requireAttainablePrivacy(request: SipRequest): void {
  if (!request.hasHeader('Privacy')) return
  const wanted = privacyOf(request)
  if (!wanted.includes('critical')) return
  const unattainable = wanted.filter(token => token !== 'critical' && token !== 'id' && token !== 'none')
  if (unattainable.length > 0) throw new SipRefusal(500, { reason: `Privacy ${unattainable.join(' ')} Not Available` })
}

/** Before a request goes to a user, who is outside the trust domain: `id` hides the asserted identity (RFC 3325 §7). */
export function hideIdentityIfAsked(request: SipRequest): void {
  if (request.hasHeader('Privacy') && request.hasHeader(ASSERTED) && privacyOf(request).includes('id'))
    request.remove(ASSERTED)
}
