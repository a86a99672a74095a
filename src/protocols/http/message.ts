/** HTTP requests and responses as values (RFC 9110): what the platform reads and writes, and entities ask and answer. */

export interface HttpRequest {
  readonly method: string
  /** As it stands on the request line: path with query, or an absolute URI (RFC 9112 §3.2). */
  readonly target: string
  /** By name in lower case; several fields of one name joined by commas. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Without transfer and content coding. */
  readonly body: Uint8Array
  readonly source: HttpSource
}

/** Where a request has come from. */
export interface HttpSource {
  /** Numeric. */
  readonly address: string
  /** Over TLS. */
  readonly isSecure: boolean
  /** Which kind of listener took it: that of clients unless given, or one for Aggregation Proxies or Presence Servers elsewhere. */
  readonly listener?: 'xdms' | 'content' | undefined
  /** Host names in lower case that a certificate proves, which an authority of ours has signed. */
  readonly names?: readonly string[] | undefined
}

export interface HttpResponse {
  readonly status: number
  /** A field that is repeated has several values. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Uint8Array | undefined
}

/** A request of ours to another server. */
export interface OutgoingHttpRequest {
  readonly method: string
  /** Absolute, of scheme http or https. */
  readonly uri: string
  /** Without those that say how it is framed and where it goes (RFC 9112 §3.2, §6). */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | undefined
  /** Answers a Digest challenge of the server (RFC 7616); without them its 401 is the answer. */
  readonly credentials?: HttpCredentials | undefined
  /** Octets of the answer's body, where fewer are wanted than the client's limit allows. */
  readonly bodyOctets?: number
  /** How long the whole exchange may take, where that is less than the client's limit, milliseconds. */
  readonly patienceMs?: number
  /** `public`: no address of this machine or of a private network, for URIs that others have written. `anywhere` unless given. */
  readonly reach?: 'anywhere' | 'public'
}

export interface HttpCredentials {
  readonly username: string
  readonly password: string
}

/** What became of a request of ours. Redirects are not followed: they are answers like any other. */
export interface HttpAnswer {
  readonly status: number
  /** By name in lower case; several fields of one name joined by commas. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Without transfer and content coding. */
  readonly body: Uint8Array
  /** Why there is no answer of the server's: then the status is the one a gateway gives (RFC 9110 §15.6.3 to §15.6.5). */
  readonly failure?: HttpFailure
}

/**
 * `unreachable`: no connection, or one that broke. `untrusted`: its certificate does not prove the host. `forbidden`: an
 * address that may not be asked. `malformed`: not HTTP, or in a coding we cannot read. `busy`: too many at once.
 */
export type HttpFailure = 'unreachable' | 'untrusted' | 'forbidden' | 'malformed' | 'too-large' | 'timeout' | 'busy'

/** The answer that stands for having none. */
export function failedAnswer(failure: HttpFailure): HttpAnswer {
  const status = failure === 'timeout' ? 504 : failure === 'busy' ? 503 : 502
  return { status, headers: {}, body: new Uint8Array(0), failure }
}

/** The media type of a Content-Type value, in lower case, without parameters. */
export function mediaType(contentType: string | undefined): string {
  if (contentType === undefined) return ''
  const semicolon = contentType.indexOf(';')
  return (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
}
