/** Authorities (RFC 9110 §4.3): the one a request is for, and the one by which HTTP clients reach this box. */

import type { Settings } from '../../settings/table.ts'
import { badRequest } from './errors.ts'
import type { HttpRequest } from './message.ts'

export interface Authority {
  /** As written, for URIs that lead back. */
  readonly text: string
  /** In lower case without port and the dot at its end; an IPv6 address in brackets. */
  readonly host: string
  /** Whether the host is an IP address, not a name. */
  readonly isAddress: boolean
}

/**
 * What a request is for: the authority of an absolute target, else the one of Host (RFC 9112 §3.2, §3.3). Undefined for a request
 * that names none, as those of HTTP/1.0 may. Throws 400 when it is malformed.
 */
export function authorityOf({ target, headers }: Pick<HttpRequest, 'target' | 'headers'>): Authority | undefined {
  const text = /^https?:\/\/([^/?#]*)/i.exec(target)?.[1] ?? headers.host
  if (text === undefined || text === '') return undefined
  const [, address, name = ''] = /^(?:(\[[\da-f:.]+\])|([\w.-]+))(?::\d{0,5})?$/i.exec(text) ?? []
  if (address === undefined && name === '') throw badRequest('The host of the request is none')
  const host = (address ?? name.replace(/\.$/, '')).toLowerCase()
  return { text, host, isAddress: address !== undefined || /^\d+(?:\.\d+){3}$/.test(name) }
}

/**
 * Scheme and authority by which clients reach this box, for who cannot see by which address they have come (PRV-08): of the
 * first listening point with TLS, else of the first without, at the name that peers are told.
 */
export function httpAuthority({ domain, sip, http, https }: Settings): string {
  const scheme = https.listen === '' ? 'http' : 'https'
  const [listening = ''] = (https.listen || http.listen).split(',')
  const port = listening.slice(listening.lastIndexOf(':') + 1).trim()
  const isDefault = port === '' || port === (scheme === 'https' ? '443' : '80')
  const host = sip.advertisedHost || domain
  return `${scheme}://${host}${isDefault ? '' : `:${port}`}`
}
