/**
 * Whether an HTTP request is for this box at all (XDM-05): a page of somebody else's whose name leads here must not make a
 * browser that is signed in ask for documents. Addresses prove nothing of the kind, and behind a router that forwards a port
 * the box does not know all of its own, so every address is ours.
 */

import { authorityOf } from '../../protocols/http/authority.ts'
import { notFound } from '../../protocols/http/errors.ts'
import type { HttpRequest } from '../../protocols/http/message.ts'
import type { Settings } from '../../settings/table.ts'
import { hostNames } from '../../settings/xcap.ts'

/** Throws 404 when the request is for another host, 400 when its host is none. What a trusted proxy asks for is for us. */
export function requireOurAuthority(
  request: HttpRequest,
  home: { isOurHost(host: string): boolean },
  { xcap, sip }: Settings,
): void {
  const authority = authorityOf(request)
  if (authority === undefined || authority.isAddress || request.source.listener === 'xdms') return
  const { host } = authority
  if (host === 'localhost' || host === sip.advertisedHost.toLowerCase() || home.isOurHost(host)) return
  const further = hostNames(xcap.hosts)
  if (!further.includes('*') && !further.includes(host))
    throw notFound(`${host} is not this box; if it shall be, the setting xcap.hosts names it`)
}
