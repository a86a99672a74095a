/** Range requests: which octets of a representation a GET is after (RFC 9110 §14). */

import { badRequest } from './errors.ts'
import type { HttpRequest } from './message.ts'

/** Positions of the first and the last octet. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** Ranges of one request; with more the Range field is ignored, as §14.2 lets a server do. */
const mostRanges = 8

/**
 * The parts that a request is after, of a representation of `size` octets with this entity-tag (in quotes). Undefined: the
 * whole, since it asks for no range, not by GET, in a unit or form we do not know, for another representation (If-Range,
 * §13.1.5), or for too many or overlapping parts (§14.2). `unsatisfiable`: none of them has an octet, the answer is 416.
 */
export function requestedRanges(
  { method, headers }: Pick<HttpRequest, 'method' | 'headers'>,
  size: number,
  entityTag: string,
): readonly ByteRange[] | 'unsatisfiable' | undefined {
  const { range } = headers
  if (range === undefined || method !== 'GET') return undefined
  const condition = headers['if-range']
  // A date never matches: we tell none.
  if (condition !== undefined && condition.trim() !== entityTag) return undefined
  const set = /^bytes[ \t]*=(.*)$/i.exec(range.trim())?.[1]
  if (set === undefined) return undefined
  const specs = set.split(',').map(spec => spec.trim())
  if (specs.length > mostRanges) return undefined
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    const read = byteRange(spec, size)
    if (read === undefined) return undefined
    if (read !== 'unsatisfiable') ranges.push(read)
  }
  if (ranges.length === 0) return 'unsatisfiable'
  return overlap(ranges) ? undefined : ranges
}

/** §14.1.2. Undefined when it is not one. */
function byteRange(spec: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^(\d{0,15})-(\d{0,15})$/.exec(spec)
  if (match === null) return undefined
  const [, from = '', to = ''] = match
  if (from === '') {
    if (to === '') return undefined
    const octets = Math.min(Number(to), size)
    return octets === 0 ? 'unsatisfiable' : { first: size - octets, last: size - 1 }
  }
  const first = Number(from)
  if (to !== '' && Number(to) < first) return undefined
  if (first >= size) return 'unsatisfiable'
  return { first, last: to === '' ? size - 1 : Math.min(Number(to), size - 1) }
}

function overlap(ranges: readonly ByteRange[]): boolean {
  const sorted = [...ranges].sort((a, b) => a.first - b.first)
  return sorted.some(({ first }, index) => index > 0 && first <= sorted[index - 1]!.last)
}

/** A PUT brings all of a representation: one that says it brings a part would leave that part alone (§14.5). Throws 400. */
export function requireWhole({ headers }: Pick<HttpRequest, 'headers'>): void {
  if (headers['content-range'] !== undefined) throw badRequest('A part of something cannot be stored: Content-Range')
}

/** The value of Content-Range (§14.4). */
export function contentRange({ first, last }: ByteRange, size: number): string {
  return `bytes ${first}-${last}/${size}`
}

/** The body of a `multipart/byteranges` answer (§14.6); `boundary` must not occur in `bytes`. */
export function multipartRanges(
  bytes: Uint8Array,
  ranges: readonly ByteRange[],
  contentType: string,
  boundary: string,
): Buffer {
  const pieces: Uint8Array[] = []
  for (const range of ranges) {
    const head = `\r\n--${boundary}\r\nContent-Type: ${contentType}\r\nContent-Range: ${contentRange(range, bytes.length)}\r\n\r\n`
    pieces.push(Buffer.from(head, 'latin1'), bytes.subarray(range.first, range.last + 1))
  }
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'))
  return Buffer.concat(pieces)
}
