/**
 * Requests that go on to an XDMS elsewhere (AP-01): what of them is passed on, what is said about their sender, and what their
 * answers come back as.
 */

import { assertedIdentity } from '../../protocols/http/asserted-identity.ts'
import { HttpRefusal, refusalResponse } from '../../protocols/http/errors.ts'
import type { HttpAnswer, HttpRequest, HttpResponse, OutgoingHttpRequest } from '../../protocols/http/message.ts'
import { originForm, segmentsOf } from '../../protocols/xcap/document-selector.ts'
import type { Turn } from '../../turn.ts'
import type { RemoteRoot } from './remote-roots.ts'

/** Fields about the document and the conditions; whatever else a client has said is not for others (AP-04). */
const passedOn = ['content-type', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'user-agent']
const passedBack = {
  'content-type': 'Content-Type',
  'last-modified': 'Last-Modified',
  'cache-control': 'Cache-Control',
  'retry-after': 'Retry-After',
  etag: 'ETag',
  allow: 'Allow',
  accept: 'Accept',
  location: 'Location',
} as const

/**
 * The request as the XDMS gets it; `user` is the address-of-record of its sender. Throws 508 when it has been here before, 404
 * when it would lead out of the root.
 */
export function forwarded(
  request: HttpRequest,
  user: string | undefined,
  remote: RemoteRoot,
  turn: Turn,
): OutgoingHttpRequest {
  const { domain, xcap } = turn.settings
  const via = request.headers.via
  // RFC 9110 §7.6.3.
  if (via?.split(',').some(hop => hop.trim().split(/\s+/)[1] === domain))
    throw new HttpRefusal(508, 'The XCAP root of the settings leads back to this box')
  const below = originForm(request.target).slice(xcap.root.length)
  if (segmentsOf(below).some(segment => segment === '.' || segment === '..'))
    throw new HttpRefusal(404, 'The URI names no document')
  const headers: Record<string, string> = {}
  for (const name of passedOn) if (request.headers[name] !== undefined) headers[name] = request.headers[name]
  return {
    // A HEAD is answered with the length of what GET has.
    method: request.method === 'HEAD' ? 'GET' : request.method,
    uri: `${remote.uri}${below}`,
    headers: {
      ...headers,
      ...(user === undefined ? {} : assertedIdentity(user)),
      Via: via === undefined ? `1.1 ${domain}` : `${via}, 1.1 ${domain}`,
    },
    body: request.body.length === 0 ? undefined : request.body,
    credentials: remote.credentials,
  }
}

/** What the client is told. That the XDMS does not let us in, or is not there, is our fault and not his (RFC 9110 §15.6). */
export function relayed(
  { status, headers, body, failure }: HttpAnswer,
  remote: RemoteRoot | undefined,
  turn: Turn,
): HttpResponse {
  if (failure !== undefined) return refusalResponse(new HttpRefusal(status, `The XDMS of this document: ${failure}`))
  if (status === 401 || status === 407 || (status >= 300 && status < 400 && status !== 304))
    return refusalResponse(new HttpRefusal(502, `The XDMS of this document has answered ${status}`))
  const kept: Record<string, string> = {}
  for (const [name, written] of Object.entries(passedBack)) {
    const value = headers[name]
    if (value !== undefined) kept[written] = value
  }
  return withOwnRoot({ status, headers: kept, body: body.length === 0 ? undefined : body }, remote, turn)
}

/**
 * URIs of an answer, below the root that clients know: where what was created is, and in a conflict report the closest
 * ancestor that exists (RFC 4825 §11.1). A Location that is not below the remote root names a server that clients do not know,
 * and is left out.
 */
function withOwnRoot(response: HttpResponse, remote: RemoteRoot | undefined, { settings }: Turn): HttpResponse {
  const theirs = remote && new URL(remote.uri).pathname.replace(/\/$/, '')
  const ours = (uri: string): string | undefined => {
    const path = originForm(uri)
    return theirs !== undefined && path.startsWith(`${theirs}/`)
      ? settings.xcap.root + path.slice(theirs.length)
      : undefined
  }
  const { Location: location, ...others } = response.headers
  const place = location === undefined ? undefined : ours(String(location))
  const headers = place === undefined ? others : { ...others, Location: place }
  const { body, status } = response
  if (status !== 409 || body === undefined || !String(headers['Content-Type']).startsWith('application/xcap-error+xml'))
    return { ...response, headers }
  const text = Buffer.from(body)
    .toString('utf8')
    .replace(
      /(<(?:[\w.-]+:)?ancestor>\s*)([^<]*)/g,
      (whole, start: string, uri: string) => start + (ours(uri) ?? whole.slice(start.length)),
    )
  return { ...response, headers, body: Buffer.from(text, 'utf8') }
}
