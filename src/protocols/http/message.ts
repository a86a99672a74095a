/** HTTP requests and responses as values (RFC 9110): what the platform reads and writes, and entities answer. */

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
}

export interface HttpResponse {
  readonly status: number
  /** A field that is repeated has several values. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Uint8Array | undefined
}

/** The media type of a Content-Type value, in lower case, without parameters. */
export function mediaType(contentType: string | undefined): string {
  if (contentType === undefined) return ''
  const semicolon = contentType.indexOf(';')
  return (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
}
