/** How an HTTP server says no: one function per status we use, whose arguments are what RFC 9110 §15 demands of it. */

import type { HttpResponse } from './message.ts'

type Headers = HttpResponse['headers']

/** Thrown by whoever handles a request: it ends here, with this answer, and nothing else has happened. */
export class HttpRefusal extends Error {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array | undefined

  /** `why` is one sentence for the person who reads the answer. */
  constructor(status: number, why: string, options: { readonly headers?: Headers; readonly body?: Uint8Array } = {}) {
    // A refusal is an answer, not a fault: nobody reads its stack, and capturing one costs more than the answer does.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(why)
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'HttpRefusal'
    this.status = status
    this.headers = options.headers ?? {}
    this.body = options.body
  }
}

/** What the peer is told: the body the refusal has, or its sentence as text. */
export function refusalResponse({ status, headers, body, message }: HttpRefusal): HttpResponse {
  if (body !== undefined) return { status, headers, body }
  return { status, headers: { ...headers, 'Content-Type': 'text/plain; charset=utf-8' }, body: text(message) }
}

function text(message: string): Uint8Array {
  return Buffer.from(`${message}\n`, 'utf8')
}

export function badRequest(why: string): HttpRefusal {
  return new HttpRefusal(400, why)
}

/** One challenge per algorithm, preferred first (RFC 7616 §3.7). */
export function unauthorized(challenges: readonly string[]): HttpRefusal {
  return new HttpRefusal(401, 'Credentials are needed', { headers: { 'WWW-Authenticate': challenges } })
}

export function forbidden(why: string): HttpRefusal {
  return new HttpRefusal(403, why)
}

export function notFound(why: string): HttpRefusal {
  return new HttpRefusal(404, why)
}

export function methodNotAllowed(allowed: readonly string[]): HttpRefusal {
  return new HttpRefusal(405, `Allowed: ${allowed.join(', ')}`, { headers: { Allow: allowed.join(', ') } })
}

export function preconditionFailed(entityTag: string | undefined): HttpRefusal {
  return new HttpRefusal(412, entityTag === undefined ? 'There is no such document' : 'The document is another one', {
    ...(entityTag === undefined ? {} : { headers: { ETag: entityTag } }),
  })
}

export function contentTooLarge(octets: number): HttpRefusal {
  return new HttpRefusal(413, `More than ${octets} octets`)
}

export function unsupportedMediaType(accepted: string, why = `Expected ${accepted}`): HttpRefusal {
  return new HttpRefusal(415, why, { headers: { Accept: accepted } })
}

export function unsupportedContentCoding(accepted: string): HttpRefusal {
  return new HttpRefusal(415, `Content codings accepted: ${accepted}`, { headers: { 'Accept-Encoding': accepted } })
}

/** What there is has `octets` octets, and the request is after none of them (RFC 9110 §15.5.17). */
export function rangeNotSatisfiable(octets: number): HttpRefusal {
  return new HttpRefusal(416, `There are ${octets} octets`, { headers: { 'Content-Range': `bytes */${octets}` } })
}

/** The user has used up what he may keep here (RFC 4918 §11.5). */
export function insufficientStorage(why: string): HttpRefusal {
  return new HttpRefusal(507, why)
}

/** RFC 6585 §4: of one sender; others are served. */
export function tooManyRequests(retryAfterSeconds: number): HttpRefusal {
  return new HttpRefusal(429, 'Too many requests', { headers: { 'Retry-After': String(retryAfterSeconds) } })
}

export function serviceUnavailable(retryAfterSeconds: number): HttpRefusal {
  return new HttpRefusal(503, 'Too much at once', { headers: { 'Retry-After': String(retryAfterSeconds) } })
}

export function internalServerError(): HttpRefusal {
  return new HttpRefusal(500, 'A fault of this server; it has been noted')
}
