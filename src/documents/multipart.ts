/** Bodies of several parts (RFC 2046 §5.1): `multipart/related` (RFC 2387) written, any multipart read. */

/** One part: what it is, under which Content-ID it is referred to, and its octets. */
export type Part = {
  readonly contentType: string
  /** Without angle brackets; undefined when nothing refers to it. */
  readonly contentId: string | undefined
  readonly body: Uint8Array
}

/** A part as it was read, with all its header fields by their names in lower case, unfolded and trimmed. */
export type ReadPart = Part & { readonly headers: ReadonlyMap<string, string> }

export type MultipartLimits = {
  readonly parts: number
  /** Of one part's header fields. */
  readonly headerOctets: number
}

/** Octets that are not the multipart they should be. */
export class MultipartError extends Error {
  override readonly name = 'MultipartError'
}

/**
 * A `multipart/related` whose first part is the root, with `start` when that has a Content-ID (RFC 2387 §3.1, §3.2). The boundary is
 * as short as one can be that stands in no part, and a token, which needs no quotes. COMPAT(linphone): `hasBareIds` leaves out
 * the brackets of Content-IDs and spells the field as that client does.
 */
export function formatRelated(
  parts: readonly Part[],
  hasBareIds = false,
): { readonly contentType: string; readonly body: Buffer } {
  const delimiter = `--${freeBoundary(parts)}`
  /** What stands before each part. */
  const heads: string[] = []
  const last = `\r\n${delimiter}--\r\n`
  let octets = Buffer.byteLength(last)
  for (const { contentType, contentId, body } of parts) {
    const lineEnd = heads.length === 0 ? '' : '\r\n'
    const encoding = is7bit(body) ? '' : 'Content-Transfer-Encoding: binary\r\n'
    const field = hasBareIds ? `Content-Id: ${contentId}\r\n` : `Content-ID: <${contentId}>\r\n`
    const id = contentId === undefined ? '' : field
    const head = `${lineEnd}${delimiter}\r\n${encoding}${id}Content-Type: ${contentType}\r\n\r\n`
    heads.push(head)
    octets += Buffer.byteLength(head) + body.length
  }
  const written = Buffer.allocUnsafe(octets)
  let at = 0
  for (const [place, { body }] of parts.entries()) {
    at += written.write(heads[place]!, at)
    written.set(body, at)
    at += body.length
  }
  written.write(last, at)
  const [root] = parts
  const start = root?.contentId === undefined ? '' : `;start="<${root.contentId}>"`
  const type = root === undefined ? '' : `;type="${root.contentType}"`
  return {
    // COMPAT(linphone): takes all that follows for the boundary, quotes too, though it is a token with or without.
    contentType: `multipart/related${type}${start};boundary=${delimiter.slice(2)}`,
    body: written,
  }
}

/** Whether a body is what a part without Content-Transfer-Encoding has (RFC 2045 §2.7, §6.1); line ends are left to `binary`. */
function is7bit(body: Uint8Array): boolean {
  if (body.length > 998) return false
  for (let at = 0; at < body.length; at++) {
    const octet = body[at]!
    if (octet === 0 || octet > 127 || octet === CR || octet === LF) return false
  }
  return true
}

function freeBoundary(parts: readonly Part[]): string {
  for (let number = 0; ; number++) {
    const boundary = number === 0 ? 'b' : `b${number}`
    const delimiter = Buffer.from(`--${boundary}`)
    if (!parts.some(({ body }) => asBuffer(body).includes(delimiter))) return boundary
  }
}

/**
 * The parts of a multipart body, in order; preamble and epilogue are dropped (RFC 2046 §5.1.1). Bodies are views of `bytes`
 * unless they come in base64. One in a transfer encoding that we do not know is octets of no known type (RFC 2045 §6.4).
 *
 * Throws MultipartError: without a first or last delimiter, for too many parts, for a malformed or too long header, for base64 that
 * is none.
 */
export function parseMultipart(bytes: Uint8Array, boundary: string, limits: MultipartLimits): ReadPart[] {
  if (boundary === '' || boundary.length > 70) throw new MultipartError('the boundary has not 1 to 70 characters')
  const buffer = asBuffer(bytes)
  const delimiter = `--${boundary}`
  const parts: ReadPart[] = []
  let at = nextDelimiter(buffer, delimiter, 0)
  if (at === undefined) throw new MultipartError('the first delimiter is missing')
  while (!at.isLast) {
    const next = nextDelimiter(buffer, delimiter, at.end)
    if (next === undefined) throw new MultipartError('the last delimiter is missing')
    if (parts.length === limits.parts) throw new MultipartError(`there are more than ${limits.parts} parts`)
    parts.push(readPart(buffer, at.end, next.start, limits))
    at = next
  }
  return parts
}

interface Delimiter {
  /** Where the line end before it begins, which belongs to it; and where what follows its own line begins. */
  readonly start: number
  readonly end: number
  readonly isLast: boolean
}

/** The next line that is the delimiter, at the beginning of a line, with nothing but blanks behind it. */
function nextDelimiter(buffer: Buffer, delimiter: string, from: number): Delimiter | undefined {
  for (let at = buffer.indexOf(delimiter, Math.max(0, from - 2), 'latin1'); at !== -1; ) {
    const behind = at + delimiter.length
    const before = lineEndBefore(buffer, at)
    if ((at === 0 || before < at) && at >= from) {
      const isLast = buffer[behind] === DASH && buffer[behind + 1] === DASH
      let end = isLast ? behind + 2 : behind
      while (buffer[end] === SPACE || buffer[end] === TAB) end++
      const crlf = buffer[end] === CR && buffer[end + 1] === LF ? 2 : buffer[end] === LF ? 1 : 0
      if (isLast || crlf > 0) return { start: Math.max(before, from), end: end + crlf, isLast }
    }
    at = buffer.indexOf(delimiter, at + 1, 'latin1')
  }
  return undefined
}

/** Where the line end right before `at` begins; `at` when there is none. */
function lineEndBefore(buffer: Buffer, at: number): number {
  if (at === 0 || buffer[at - 1] !== LF) return at
  return at >= 2 && buffer[at - 2] === CR ? at - 2 : at - 1
}

function readPart(buffer: Buffer, start: number, end: number, limits: MultipartLimits): ReadPart {
  const headers = new Map<string, string>()
  let at = start
  let last: string | undefined
  for (;;) {
    if (at >= end) break
    const lineFeed = buffer.indexOf(LF, at)
    const lineStop = lineFeed === -1 || lineFeed >= end ? end : lineFeed
    if (lineStop - start > limits.headerOctets) throw new MultipartError('the header of a part is too long')
    const line = buffer.toString('utf8', at, lineStop).replace(/\r$/, '')
    at = Math.min(lineStop + 1, end)
    if (line === '') break
    if (/^[ \t]/.test(line)) {
      if (last === undefined) throw new MultipartError('the header of a part begins with a continued line')
      headers.set(last, `${headers.get(last)} ${line.trim()}`)
      continue
    }
    const colon = line.indexOf(':')
    if (colon < 1) throw new MultipartError('a line in the header of a part has no colon')
    last = line.slice(0, colon).trim().toLowerCase()
    if (headers.has(last)) throw new MultipartError(`a part has two fields ${last}`)
    headers.set(last, line.slice(colon + 1).trim())
  }
  const encoding = headers.get('content-transfer-encoding')?.toLowerCase() ?? '7bit'
  const isKnown = ['binary', '8bit', '7bit', 'base64'].includes(encoding)
  const body = buffer.subarray(at, end)
  return {
    contentType: isKnown ? (headers.get('content-type') ?? 'text/plain') : 'application/octet-stream',
    contentId: headers.get('content-id')?.replace(/^<|>$/g, ''),
    body: encoding === 'base64' ? fromBase64(body) : body,
    headers,
  }
}

/** RFC 2045 §6.8, in lines of any length. */
function fromBase64(body: Buffer): Buffer {
  const text = body.toString('latin1').replace(/[\r\n \t]/g, '')
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new MultipartError('a part is not base64')
  return Buffer.from(text, 'base64')
}

const [TAB, LF, CR, SPACE, DASH] = [9, 10, 13, 32, 45]

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
