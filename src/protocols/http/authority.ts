/** The authority (RFC 9110 §4.3) by which HTTP clients reach this box, for who cannot see by which address they have come (PRV-08). */

import type { Settings } from '../../settings/table.ts'

/** Scheme and authority: of the first listening point with TLS, else of the first without, at the name that peers are told. */
export function httpAuthority({ domain, sip, http, https }: Settings): string {
  const scheme = https.listen === '' ? 'http' : 'https'
  const [listening = ''] = (https.listen || http.listen).split(',')
  const port = listening.slice(listening.lastIndexOf(':') + 1).trim()
  const isDefault = port === '' || port === (scheme === 'https' ? '443' : '80')
  const host = sip.advertisedHost || domain
  return `${scheme}://${host}${isDefault ? '' : `:${port}`}`
}
