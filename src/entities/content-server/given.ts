/** What GET and HEAD of an object are answered with (RFC 9110 §13, §14): all of it, some ranges, or that it has not changed. */

import { checkConditions } from '../../protocols/http/conditions.ts'
import { notFound, rangeNotSatisfiable } from '../../protocols/http/errors.ts'
import type { HttpRequest, HttpResponse } from '../../protocols/http/message.ts'
import { type ByteRange, contentRange, multipartRanges, requestedRanges } from '../../protocols/http/range.ts'
import type { Turn } from '../../turn.ts'

/** The answer for an object with the entity-tag `tag`, in quotes. Throws 412 and 416. */
export function given(
  request: HttpRequest,
  { tag, type, bytes }: { readonly tag: string; readonly type: string; readonly bytes: () => Uint8Array },
  turn: Turn,
): HttpResponse {
  const headers = { ETag: tag, ...alwaysSaid }
  if (checkConditions(request, tag) === 'not-modified') return { status: 304, headers, body: undefined }
  const body = bytes()
  const ranges = requestedRanges(request, body.length, tag)
  if (ranges === 'unsatisfiable') throw rangeNotSatisfiable(body.length)
  const full = { ...headers, 'Content-Type': type, 'Content-Disposition': 'attachment' }
  if (ranges === undefined) return { status: 200, headers: full, body }
  return partial(body, ranges, full, type, turn)
}

/** Of what somebody may not see he is not told that it is there. */
export function nothingHere() {
  return notFound('There is no such object')
}

/**
 * Whoever has it asks each time whether he still may; it is neither run nor guessed at, and not coded on the way, since
 * ranges are of the octets as they are (RFC 9110 §14.2).
 */
export const alwaysSaid = {
  'Cache-Control': 'private, no-cache, no-transform',
  'Accept-Ranges': 'bytes',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox",
}

function partial(
  bytes: Uint8Array,
  ranges: readonly ByteRange[],
  headers: HttpResponse['headers'],
  type: string,
  turn: Turn,
): HttpResponse {
  const only = ranges.length === 1 ? ranges[0] : undefined
  if (only !== undefined) {
    return {
      status: 206,
      headers: { ...headers, 'Content-Range': contentRange(only, bytes.length) },
      body: bytes.subarray(only.first, only.last + 1),
    }
  }
  const boundary = turn.random.token(24)
  return {
    status: 206,
    headers: { ...headers, 'Content-Type': `multipart/byteranges; boundary=${boundary}` },
    body: multipartRanges(bytes, ranges, type, boundary),
  }
}
