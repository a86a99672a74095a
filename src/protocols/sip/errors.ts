/**
 * How a SIP element says no: `SipRefusal`, with one function per status that names what the status must carry, and
 * `ParseError` for bytes that are not a message (RFC 3261 §21, RFC 3903 §11.2, RFC 6665 §8.3, RFC 5626 §11).
 */

import type { SipRequest } from './message.ts'

/** Default reason phrases by status (RFC 3261 §21 and the extensions that registered more). */
const reasonPhrases: Readonly<Record<number, string>> = {
  100: 'Trying',
  180: 'Ringing',
  181: 'Call Is Being Forwarded',
  182: 'Queued',
  183: 'Session Progress',
  199: 'Early Dialog Terminated',
  200: 'OK',
  202: 'Accepted',
  204: 'No Notification',
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Moved Temporarily',
  305: 'Use Proxy',
  380: 'Alternative Service',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  410: 'Gone',
  412: 'Conditional Request Failed',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Unsupported URI Scheme',
  417: 'Unknown Resource-Priority',
  420: 'Bad Extension',
  421: 'Extension Required',
  422: 'Session Interval Too Small',
  423: 'Interval Too Brief',
  424: 'Bad Location Information',
  428: 'Use Identity Header',
  429: 'Provide Referrer Identity',
  430: 'Flow Failed',
  433: 'Anonymity Disallowed',
  436: 'Bad Identity Info',
  437: 'Unsupported Credential',
  438: 'Invalid Identity Header',
  439: 'First Hop Lacks Outbound Support',
  440: 'Max-Breadth Exceeded',
  469: 'Bad Info Package',
  470: 'Consent Needed',
  480: 'Temporarily Unavailable',
  481: 'Call/Transaction Does Not Exist',
  482: 'Loop Detected',
  483: 'Too Many Hops',
  484: 'Address Incomplete',
  485: 'Ambiguous',
  486: 'Busy Here',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  489: 'Bad Event',
  491: 'Request Pending',
  493: 'Undecipherable',
  494: 'Security Agreement Required',
  500: 'Server Internal Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Server Time-out',
  505: 'Version Not Supported',
  513: 'Message Too Large',
  555: 'Push Notification Service Not Supported',
  580: 'Precondition Failure',
  600: 'Busy Everywhere',
  603: 'Decline',
  604: 'Does Not Exist Anywhere',
  606: 'Not Acceptable',
}

/** The default reason phrase of a status; that of its class's x00 when the status has none (RFC 3261 §8.1.3.2). */
export function reasonPhrase(status: number): string {
  return reasonPhrases[status] ?? reasonPhrases[Math.floor(status / 100) * 100] ?? 'Unknown'
}

type RefusalHeaders = ReadonlyArray<readonly [name: string, value: string]>

/** Thrown by whoever handles a request: the request ends here, with this answer, and nothing else has happened. */
export class SipRefusal extends Error {
  readonly status: number
  readonly reason: string
  readonly headers: RefusalHeaders
  body?: { readonly type: string; readonly body: Uint8Array }

  constructor(status: number, options: { reason?: string | undefined; headers?: RefusalHeaders } = {}) {
    const reason = options.reason ?? reasonPhrase(status)
    // A refusal is an answer, not a fault: nobody reads its stack, and capturing one costs more than the answer does.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(`${status} ${reason}`)
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'SipRefusal'
    this.status = status
    this.reason = reason
    this.headers = options.headers ?? []
  }
}

/** Bytes that are not a SIP message, or a header field that is not what its grammar says. */
export class ParseError extends Error {
  /** The status to answer with, if the message was a request that can be answered. */
  readonly statusHint: number
  /** Octet in the message, or character in the value, at which reading stopped. */
  readonly position?: number
  /** What could be read of the request, so that it can be answered. */
  readonly request?: SipRequest

  constructor(why: string, options: { statusHint?: number; position?: number; request?: SipRequest } = {}) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(why)
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'ParseError'
    this.statusHint = options.statusHint ?? 400
    if (options.position !== undefined) this.position = options.position
    if (options.request !== undefined) this.request = options.request
  }
}

/** 400, with what is wrong as the reason phrase (RFC 3261 §21.4.1). */
export function badRequest(why: string): SipRefusal {
  return new SipRefusal(400, { reason: why })
}

/** 401 from a user agent server or registrar; one WWW-Authenticate per challenge, the preferred one first (RFC 8760 §2.4). */
export function unauthorized(challenges: readonly string[]): SipRefusal {
  return new SipRefusal(401, { headers: challenges.map(challenge => ['WWW-Authenticate', challenge] as const) })
}

/** 403: understood and refused; credentials would not help (RFC 3261 §21.4.4). */
export function forbidden(why?: string): SipRefusal {
  return new SipRefusal(403, { reason: why })
}

/** 404: the user is not known in this domain (RFC 3261 §21.4.5). */
export function notFound(why?: string): SipRefusal {
  return new SipRefusal(404, { reason: why })
}

/** 405, with the methods that are allowed (RFC 3261 §21.4.6). */
export function methodNotAllowed(allow: readonly string[]): SipRefusal {
  return new SipRefusal(405, { headers: [['Allow', allow.join(', ')]] })
}

/** 406: no body we can make is acceptable by the Accept header field (RFC 3261 §21.4.7). */
export function notAcceptable(why?: string): SipRefusal {
  return new SipRefusal(406, { reason: why })
}

/** 407 from a proxy; one Proxy-Authenticate per challenge, the preferred one first (RFC 3261 §22.3, RFC 8760 §2.4). */
export function proxyAuthenticationRequired(challenges: readonly string[]): SipRefusal {
  return new SipRefusal(407, { headers: challenges.map(challenge => ['Proxy-Authenticate', challenge] as const) })
}

/** 408 (RFC 3261 §21.4.9). */
export function requestTimeout(): SipRefusal {
  return new SipRefusal(408)
}

/** 410 (RFC 3261 §21.4.10). */
export function gone(): SipRefusal {
  return new SipRefusal(410)
}

/** 412: no publication has the entity-tag of SIP-If-Match (RFC 3903 §11.2.1). */
export function conditionalRequestFailed(): SipRefusal {
  return new SipRefusal(412)
}

/** 413, with Retry-After when the condition is temporary (RFC 3261 §21.4.11). */
export function requestEntityTooLarge(retryAfterSeconds?: number): SipRefusal {
  return new SipRefusal(413, { headers: retryAfter(retryAfterSeconds) })
}

/** 414 (RFC 3261 §21.4.12). */
export function requestUriTooLong(): SipRefusal {
  return new SipRefusal(414)
}

/** 415, with what would have been understood (RFC 3261 §21.4.13). */
export function unsupportedMediaType(accept: readonly string[], acceptEncoding?: readonly string[]): SipRefusal {
  const headers: Array<readonly [string, string]> = [['Accept', accept.join(', ')]]
  if (acceptEncoding) headers.push(['Accept-Encoding', acceptEncoding.join(', ')])
  return new SipRefusal(415, { headers })
}

/** 416 (RFC 3261 §21.4.14). */
export function unsupportedUriScheme(): SipRefusal {
  return new SipRefusal(416)
}

/** 420, with the option tags of Require or Proxy-Require that are not supported (RFC 3261 §21.4.15). */
export function badExtension(unsupported: readonly string[]): SipRefusal {
  return new SipRefusal(420, { headers: [['Unsupported', unsupported.join(', ')]] })
}

/** 421, with the option tags the request must support (RFC 3261 §21.4.16). */
export function extensionRequired(required: readonly string[]): SipRefusal {
  return new SipRefusal(421, { headers: [['Require', required.join(', ')]] })
}

/** 423, with the shortest interval that would be granted (RFC 3261 §21.4.17). */
export function intervalTooBrief(minExpiresSeconds: number): SipRefusal {
  return new SipRefusal(423, { headers: [['Min-Expires', String(minExpiresSeconds)]] })
}

/** 430: the flow to the user is gone; others may live (RFC 5626 §11.5). */
export function flowFailed(): SipRefusal {
  return new SipRefusal(430)
}

/** 439: outbound was asked for, and the first hop does not support it (RFC 5626 §11.6). */
export function firstHopLacksOutbound(): SipRefusal {
  return new SipRefusal(439)
}

/** 440: no breadth left to fork with (RFC 5393 §5). */
export function maxBreadthExceeded(): SipRefusal {
  return new SipRefusal(440)
}

/** 480: known, and not to be reached now (RFC 3261 §21.4.18). */
export function temporarilyUnavailable(retryAfterSeconds?: number): SipRefusal {
  return new SipRefusal(480, { headers: retryAfter(retryAfterSeconds) })
}

/** 481: no such dialog or transaction (RFC 3261 §21.4.19). */
export function callOrTransactionDoesNotExist(): SipRefusal {
  return new SipRefusal(481)
}

/** 482 (RFC 3261 §21.4.20). */
export function loopDetected(): SipRefusal {
  return new SipRefusal(482)
}

/** 482 for a request that arrived twice by different paths (RFC 3261 §8.2.2.2). */
export function mergedRequest(): SipRefusal {
  return new SipRefusal(482, { reason: 'Request Merged' })
}

/** 483 (RFC 3261 §21.4.21). */
export function tooManyHops(): SipRefusal {
  return new SipRefusal(483)
}

/** 488 (RFC 3261 §21.4.26). */
export function notAcceptableHere(why?: string): SipRefusal {
  return new SipRefusal(488, { reason: why })
}

/** 489, with the event packages that are served (RFC 6665 §8.3.2). */
export function badEvent(allowEvents: readonly string[]): SipRefusal {
  return new SipRefusal(489, { headers: [['Allow-Events', allowEvents.join(', ')]] })
}

/** 491 (RFC 3261 §21.4.27). */
export function requestPending(): SipRefusal {
  return new SipRefusal(491)
}

/** 500, with Retry-After when it is worth trying again (RFC 3261 §21.5.1). */
export function serverInternalError(retryAfterSeconds?: number): SipRefusal {
  return new SipRefusal(500, { headers: retryAfter(retryAfterSeconds) })
}

/** 501: no element here knows the method (RFC 3261 §21.5.2). */
export function notImplemented(): SipRefusal {
  return new SipRefusal(501)
}

/** 503 (RFC 3261 §21.5.4). */
export function serviceUnavailable(retryAfterSeconds?: number): SipRefusal {
  return new SipRefusal(503, { headers: retryAfter(retryAfterSeconds) })
}

/** 504 (RFC 3261 §21.5.5). */
export function serverTimeout(): SipRefusal {
  return new SipRefusal(504)
}

/** 505 (RFC 3261 §21.5.6). */
export function versionNotSupported(): SipRefusal {
  return new SipRefusal(505)
}

/** 603 (RFC 3261 §21.6.2). */
export function decline(): SipRefusal {
  return new SipRefusal(603)
}

function retryAfter(seconds: number | undefined): RefusalHeaders {
  return seconds === undefined ? [] : [['Retry-After', String(seconds)]]
}
