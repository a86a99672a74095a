/**
 * Octets to messages (RFC 3261 §7, §18.3). One pass finds where header fields begin and end; values stay undecoded until
 * they are asked for.
 */

import { classes, TOKEN } from './characters.ts'
import { ParseError } from './errors.ts'
import { CONTENT_LENGTH, headerIdAt, nextNameHash } from './headers.ts'
import { FOLDED, type HeaderSection, SipRequest, SipResponse } from './message.ts'

export type ParseLimits = {
  /** Octets of a whole message; more is 513. */
  readonly messageBytes: number
  /** Header fields; more is 400. */
  readonly headerFields: number
  /** Octets of the start line, or of one header field with its continuation lines; more is 414 for the former, else 400. */
  readonly lineBytes: number
}

export const defaultParseLimits: ParseLimits = { messageBytes: 65_536, headerFields: 256, lineBytes: 8_192 }

const LF = 10
const CR = 13
const SP = 32
const HTAB = 9

/**
 * The message that is one datagram, or one message cut from a stream. Octets after the body are dropped (RFC 3261 §18.3).
 * The message keeps `bytes`: they must not change afterwards.
 * @throws ParseError, with as much of the request as could be read, so that it can be answered
 */
export function parseMessage(bytes: Buffer, limits: ParseLimits = defaultParseLimits): SipRequest | SipResponse {
  const reader = new Reader(bytes, limits)
  return reader.message()
}

/** Reads one message. The first problem is kept and reading goes on, so that the refusal can carry what else is there. */
class Reader {
  private readonly bytes: Buffer
  private readonly end: number
  private readonly limits: ParseLimits
  private at = 0
  private readonly fields: number[] = []
  private highBits = 0
  private contentLengthAt = -1
  private problem: { why: string; statusHint: number; position: number } | undefined = undefined

  constructor(bytes: Buffer, limits: ParseLimits) {
    this.bytes = bytes
    this.limits = limits
    // A message that is too long is read as far as the limit, for the sake of an answer.
    this.end = Math.min(bytes.length, limits.messageBytes)
  }

  message(): SipRequest | SipResponse {
    if (this.bytes.length > this.limits.messageBytes) this.note('message too long', this.limits.messageBytes, 513)
    this.skipEmptyLines()
    const start = this.at
    const startEnd = this.endOfStartLine()
    const isResponse = this.startsWithVersion(start)
    this.headerFields()
    const section = this.section()
    return isResponse ? this.response(start, startEnd, section) : this.request(start, startEnd, section)
  }

  /** RFC 3261 §7.5: line ends before the start line are ignored. */
  private skipEmptyLines(): void {
    const { bytes, end } = this
    while (this.at < end && (bytes[this.at] === CR || bytes[this.at] === LF)) this.at++
    if (this.at === end) throw new ParseError('empty message')
  }

  /** Leaves `at` after the line end. */
  private endOfStartLine(): number {
    const { bytes, end } = this
    const start = this.at
    let at = start
    let bits = 0
    while (at < end && bytes[at] !== LF) bits |= bytes[at++]!
    this.highBits |= bits
    if (at === end) throw new ParseError('start line without end', { position: at })
    this.at = at + 1
    const lineEnd = bytes[at - 1] === CR ? at - 1 : at
    if (lineEnd - start > this.limits.lineBytes) this.note('start line too long', start, 414)
    return lineEnd
  }

  /** `SIP/` in any case begins a response: the slash is in no method. */
  private startsWithVersion(start: number): boolean {
    const { bytes } = this
    return (
      (bytes[start]! | 32) === 115 &&
      (bytes[start + 1]! | 32) === 105 &&
      (bytes[start + 2]! | 32) === 112 &&
      bytes[start + 3] === 47
    )
  }

  private headerFields(): void {
    const { bytes, end, fields, limits } = this
    let at = this.at
    let bits = 0
    let count = 0
    for (;;) {
      if (at >= end) {
        this.note('header fields without the empty line that ends them', at)
        break
      }
      const nameStart = at
      let octet = bytes[at]!
      if (octet === LF || (octet === CR && bytes[at + 1] === LF)) {
        at += octet === LF ? 1 : 2
        break
      }
      let hash = 0
      while ((classes[octet]! & TOKEN) !== 0) {
        hash = nextNameHash(hash, octet)
        octet = bytes[++at]!
      }
      const nameEnd = at
      while (octet === SP || octet === HTAB) octet = bytes[++at]!
      const isField = octet === 58 && nameEnd > nameStart
      if (!isField) this.note('header field without name and colon', nameStart)
      else at++
      while (bytes[at] === SP || bytes[at] === HTAB) at++
      let valueStart = at
      let valueEnd = at
      let folded = 0
      let lineStart = at
      // Each round passes one line of the value; the next begins with whitespace, or it is another field (§7.3.1).
      for (;;) {
        while (at < end) {
          octet = bytes[at]!
          if (octet < 32 && octet !== HTAB) {
            if (octet === LF) break
            if (!(octet === CR && bytes[at + 1] === LF) && bytes[at - 1] !== 92) this.note('control character', at)
            if (octet === CR && bytes[at + 1] !== LF) this.note('carriage return without line feed', at)
          }
          bits |= octet
          at++
        }
        let lineEnd = at < end && bytes[at - 1] === CR ? at - 1 : at
        while (lineEnd > lineStart && (bytes[lineEnd - 1] === SP || bytes[lineEnd - 1] === HTAB)) lineEnd--
        // A line of nothing but whitespace adds nothing, before the value or after it.
        if (lineEnd > lineStart) valueEnd = lineEnd
        at++
        if (at >= end || (bytes[at] !== SP && bytes[at] !== HTAB)) break
        while (bytes[at] === SP || bytes[at] === HTAB) at++
        lineStart = at
        if (valueEnd === valueStart) valueStart = valueEnd = at
        else folded = FOLDED
      }
      if (at - nameStart > limits.lineBytes) this.note('header field too long', nameStart)
      else if (isField) {
        if (count === limits.headerFields) {
          this.note('too many header fields', nameStart)
          break
        }
        count++
        const id = headerIdAt(bytes, nameStart, nameEnd, hash)
        // Repeating it is a fault that validation reports; here the first one counts.
        if (id === CONTENT_LENGTH && this.contentLengthAt === -1) this.contentLengthAt = fields.length
        fields.push(id | folded, nameStart, valueStart, valueEnd)
      }
    }
    this.at = at
    this.highBits |= bits
  }

  private section(): HeaderSection {
    const isAscii = this.highBits < 128
    // RFC 3261 §7.3.1, §25.1: text is UTF-8. What is not could not be written again as it came.
    if (!isAscii && !isUtf8(this.bytes.subarray(0, this.at))) this.note('header fields are not UTF-8', 0)
    return { bytes: this.bytes, fields: this.fields, isAscii }
  }

  private request(start: number, lineEnd: number, section: HeaderSection): SipRequest {
    const { bytes } = this
    let methodEnd = start
    while ((classes[bytes[methodEnd]!]! & TOKEN) !== 0) methodEnd++
    const method = methodEnd === start ? '' : knownMethod(bytes, start, methodEnd)
    if (method === '' || bytes[methodEnd] !== SP) this.fail('not a SIP message', start)
    let versionStart = lineEnd
    while (versionStart > methodEnd && bytes[versionStart - 1] !== SP) versionStart--
    const version = bytes.latin1Slice(versionStart, lineEnd)
    const hasUri = versionStart - 1 > methodEnd + 1
    if (!hasUri || (version !== 'SIP/2.0' && !/^SIP\/\d+\.\d+$/i.test(version))) {
      if (!/SIP\/\d+\.\d+[ \t]*$/i.test(version === '' ? bytes.latin1Slice(start, lineEnd) : version)) {
        this.fail('not a SIP request', start)
      }
      this.note('request line malformed', start)
    } else if (version !== 'SIP/2.0' && version.toUpperCase() !== 'SIP/2.0') {
      this.note('version not supported', versionStart, 505)
    }
    const uriEnd = Math.max(versionStart - 1, methodEnd + 1)
    const uri = section.isAscii ? bytes.latin1Slice(methodEnd + 1, uriEnd) : bytes.utf8Slice(methodEnd + 1, uriEnd)
    if (uri.includes(' ') || uri.includes('\t') || uri.includes('\r'))
      this.note('whitespace in the request line', start)
    const body = this.body()
    const request = new SipRequest(method, uri, section, body)
    if (this.problem !== undefined) {
      const { why, statusHint, position } = this.problem
      throw new ParseError(why, { statusHint, position, request })
    }
    return request
  }

  private response(start: number, lineEnd: number, section: HeaderSection): SipResponse {
    const line = section.isAscii ? this.bytes.latin1Slice(start, lineEnd) : this.bytes.utf8Slice(start, lineEnd)
    const parts = /^SIP\/(\d+\.\d+) (\d{3})(?: ([^\r]*))?$/i.exec(line)
    if (!parts) this.fail('status line malformed', start)
    const [, version, status, reason = ''] = parts!
    if (version !== '2.0') this.note('version not supported', start, 505)
    if (Number(status) < 100 || Number(status) > 699) this.note('status code out of range', start)
    const body = this.body()
    if (this.problem !== undefined) this.fail(this.problem.why, this.problem.position)
    return new SipResponse(Number(status), reason, section, body)
  }

  /** RFC 3261 §18.3: Content-Length says where the body ends; without it, it ends with the datagram. */
  private body(): Buffer {
    const { bytes, at } = this
    const available = Math.max(bytes.length - at, 0)
    if (this.contentLengthAt === -1) return bytes.subarray(at)
    const start = this.fields[this.contentLengthAt + 2]!
    const end = this.fields[this.contentLengthAt + 3]!
    let length = 0
    for (let digitAt = start; digitAt < end; digitAt++) {
      const digit = bytes[digitAt]! - 48
      if (digit < 0 || digit > 9) length = Number.NaN
      else length = Math.min(length * 10 + digit, 2 ** 32)
    }
    if (start === end || Number.isNaN(length)) this.note('Content-Length malformed', start)
    else if (length > available) this.note('Content-Length beyond the end of the message', start)
    return bytes.subarray(at, at + Math.min(length, available))
  }

  private note(why: string, position: number, statusHint = 400): void {
    this.problem ??= { why, statusHint, position }
  }

  private fail(why: string, position: number): never {
    throw new ParseError(why, { statusHint: this.problem?.statusHint ?? 400, position })
  }
}

const methodNames = new Set([
  'ACK',
  'BYE',
  'CANCEL',
  'INFO',
  'INVITE',
  'MESSAGE',
  'NOTIFY',
  'OPTIONS',
  'PRACK',
  'PUBLISH',
  'REFER',
  'REGISTER',
  'SUBSCRIBE',
  'UPDATE',
])
const methods = new Map<number, string>()
for (const method of methodNames) {
  methods.set(methodKey(Buffer.from(method), 0, method.length), method)
}

/** Whether `method` is one that an RFC defines. */
export function isKnownMethod(method: string): boolean {
  return methodNames.has(method)
}

/** The method between two positions; methods are case-sensitive (RFC 3261 §7.1). Known ones make no string. */
function knownMethod(bytes: Buffer, start: number, end: number): string {
  const known = methods.get(methodKey(bytes, start, end))
  if (known !== undefined && known.length === end - start) {
    let at = 0
    while (at < known.length && known.charCodeAt(at) === bytes[start + at]) at++
    if (at === known.length) return known
  }
  return bytes.latin1Slice(start, end)
}

/** Length and two octets tell the known methods apart. */
function methodKey(bytes: Uint8Array, start: number, end: number): number {
  return ((end - start) << 16) | (bytes[start]! << 8) | bytes[end - 1]!
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })

function isUtf8(bytes: Uint8Array): boolean {
  try {
    strictUtf8.decode(bytes)
    return true
  } catch {
    return false
  }
}
