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

export class OurAuthority {
  readonly #home: { isOurHost(host: string): boolean }
  /** The Host field of the latest request, which was for us by these settings: most have the same. */
  #latest: { readonly host: string | undefined; readonly settings: Settings } | undefined

  constructor(home: { isOurHost(host: string): boolean }) {
    this.#home = home
  }

  /** Throws 404 when the request is for another host, 400 when its host is none. What a server that is trusted asks for is for us. */
  require(request: HttpRequest, settings: Settings): void {
    const { host } = request.headers
    const isPath = request.target.startsWith('/')
    if (isPath && this.#latest?.host === host && this.#latest?.settings === settings) return
    requireOurs(request, this.#home, settings)
    if (isPath && request.source.listener === undefined) this.#latest = { host, settings }
  }
}

function requireOurs(request: HttpRequest, home: { isOurHost(host: string): boolean }, { xcap, sip }: Settings): void {
  const authority = authorityOf(request)
  if (authority === undefined || authority.isAddress || request.source.listener !== undefined) return
  const { host } = authority
  if (host === 'localhost' || host === sip.advertisedHost.toLowerCase() || home.isOurHost(host)) return
  // In a network without DNS a machine is called by its own name and `.local` (RFC 6762 §3).
  if (host.endsWith('.local') && home.isOurHost(host.slice(0, -'.local'.length))) return
  const further = hostNames(xcap.hosts)
  if (!further.includes('*') && !further.includes(host))
    throw notFound(`${host} is not this box; if it shall be, the setting xcap.hosts names it`)
}
