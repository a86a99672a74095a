/**
 * Octets to messages (RFC 3261 §7, §18.3). One pass finds where header fields begin and end; values stay undecoded until
 * they are asked for.
 */

import { classes, TOKEN } from './characters.ts'
import { ParseError } from './errors.ts'
import { CONTENT_LENGTH, headerIdAt } from './headers.ts'
import { type HeaderSection, noBytes, packField, SipRequest, SipResponse } from './message.ts'

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
const COLON = 58
const BACKSLASH = 92
/** `SIP/2.0` and a space. */
const VERSION_LENGTH = 8

/**
 * The message that is one datagram, or one message cut from a stream. Octets after the body are dropped (RFC 3261 §18.3).
 * The body is a part of `bytes`, which must not change afterwards.
 * @throws ParseError, with as much of the request as could be read, so that it can be answered
 */
export function parseMessage(bytes: Buffer, limits: ParseLimits = defaultParseLimits): SipRequest | SipResponse {
  return new Reader(bytes, limits).message()
}

/** Reads one message. The first problem is kept and reading goes on, so that the refusal can carry what else is there. */
class Reader {
  private readonly bytes: Buffer
  private readonly limits: ParseLimits
  private readonly end: number
  /** The next octet to read. */
  private at = 0
  /** All octets of the header section, or-ed. */
  private bits = 0
  /** Whether a name of one letter was there that stands for a longer one. */
  private isCompact = false
  private contentLengthStart = -1
  private contentLengthEnd = -1
  private problem: { why: string; statusHint: number; position: number } | undefined = undefined

  constructor(bytes: Buffer, limits: ParseLimits) {
    this.bytes = bytes
    this.limits = limits
    // A message that is too long is read as far as the limit, for the sake of an answer.
    this.end = Math.min(bytes.length, limits.messageBytes, MAX_MESSAGE_BYTES)
  }

  message(): SipRequest | SipResponse {
    if (this.bytes.length > this.end) this.note('message too long', this.end, 513)
    this.skipEmptyLines()
    const start = this.at
    const lineEnd = this.startLine()
    const fields = this.headerFields()
    const isAscii = this.bits < 128
    // RFC 3261 §7.3.1, §25.1: text is UTF-8. What is not could not be written again as it came.
    if (!isAscii && !isUtf8(this.bytes.subarray(0, this.at))) this.note('header fields are not UTF-8', 0)
    const text = this.bytes.toString('latin1', 0, this.at)
    const section = { text, fields, isAscii, isCompact: this.isCompact }
    return startsWithVersion(this.bytes, start)
      ? this.response(start, lineEnd, section)
      : this.request(start, lineEnd, section)
  }

  /** RFC 3261 §7.5: line ends before the start line are ignored. */
  private skipEmptyLines(): void {
    const { bytes, end } = this
    while (this.at < end && (bytes[this.at] === CR || bytes[this.at] === LF)) this.at++
    if (this.at === end) throw new ParseError('empty message')
  }

  /** Passes the start line and returns where it ends, without its line end. */
  private startLine(): number {
    const { bytes, end } = this
    const start = this.at
    let at = start
    let bits = 0
    while (at < end && bytes[at] !== LF) bits |= bytes[at++]!
    if (at === end) throw new ParseError('start line without end', { position: at })
    this.bits = bits
    this.at = at + 1
    if (at - start > this.limits.lineBytes) this.note('start line too long', start, 414)
    return bytes[at - 1] === CR ? at - 1 : at
  }

  /** Passes the header fields and the empty line after them; returns what `HeaderSection.fields` holds of them. */
  private headerFields(): number[] {
    const { bytes, end } = this
    let count = 0
    const { lineBytes, headerFields } = this.limits
    let at = this.at
    while (at < end) {
      const nameStart = at
      let octet = bytes[at]!
      if (octet === LF || (octet === CR && bytes[at + 1] === LF)) {
        this.at = octet === LF ? at + 1 : at + 2
        return found.slice(0, count)
      }
      while (octet > SP && octet !== COLON) octet = bytes[++at]!
      const nameEnd = at
      while (octet === SP || octet === HTAB) octet = bytes[++at]!
      let id = -1
      if (octet === COLON) {
        id = headerIdAt(bytes, nameStart, nameEnd)
        if (id === 0 && !isTokenAt(bytes, nameStart, nameEnd)) id = -1
        if (nameEnd - nameStart === 1 && id > 0) this.isCompact = true
        at++
      }
      if (id === -1) this.note('header field without name and colon', nameStart)
      while (bytes[at] === SP || bytes[at] === HTAB) at++
      at = this.value(at)
      if (at - nameStart > lineBytes) this.note('header field too long', nameStart)
      else if (count === 2 * headerFields) this.note('too many header fields', nameStart)
      else if (id !== -1 && this.isClean) {
        found[count++] = packField(this.valueStart, id, this.isFolded)
        found[count++] = this.valueEnd
        if (id === CONTENT_LENGTH) this.contentLength(nameStart)
      }
    }
    this.at = Math.min(at, end)
    this.note('header fields without the empty line that ends them', this.at)
    return found.slice(0, count)
  }

  // Where `value` found the value it has passed.
  private valueStart = 0
  private valueEnd = 0
  private isFolded = false
  /** Whether it holds no character that may not be written again. */
  private isClean = true

  /** Passes the value that starts at `at`, with its continuation lines (RFC 3261 §7.3.1), and returns the position after it. */
  private value(at: number): number {
    const { bytes, end } = this
    let valueStart = at
    let valueEnd = at
    let isFolded = false
    let bits = 0
    this.isClean = true
    for (;;) {
      const lineStart = at
      while (at < end) {
        const octet = bytes[at]!
        if (octet < SP && octet !== HTAB) {
          if (octet === LF) break
          this.checkControl(at)
        }
        bits |= octet
        at++
      }
      let lineEnd = at
      if (lineEnd > lineStart && bytes[lineEnd - 1] === CR) lineEnd--
      while (lineEnd > lineStart && (bytes[lineEnd - 1] === SP || bytes[lineEnd - 1] === HTAB)) lineEnd--
      // A line of nothing but whitespace adds nothing, before the value or after it.
      if (lineEnd > lineStart) valueEnd = lineEnd
      at++
      if (at >= end || (bytes[at] !== SP && bytes[at] !== HTAB)) break
      while (bytes[at] === SP || bytes[at] === HTAB) at++
      if (valueEnd === valueStart) valueStart = valueEnd = at
      else isFolded = true
    }
    this.bits |= bits
    this.valueStart = valueStart
    this.valueEnd = valueEnd
    this.isFolded = isFolded
    return at
  }

  /** Control characters stand nowhere but behind a backslash in a quoted string, and CR and LF not even there (§25.1). */
  private checkControl(at: number): void {
    const { bytes } = this
    if (bytes[at] === CR ? bytes[at + 1] === LF : bytes[at - 1] === BACKSLASH) return
    this.isClean = false
    this.note(bytes[at] === CR ? 'carriage return without line feed' : 'control character', at)
  }

  private contentLength(position: number): void {
    // RFC 4475 §3.3.9: two of them are as good as an invalid one.
    if (this.contentLengthStart !== -1) this.note('Content-Length header field repeated', position)
    this.contentLengthStart = this.valueStart
    this.contentLengthEnd = this.valueEnd
  }

  private request(start: number, lineEnd: number, section: HeaderSection): SipRequest {
    const { bytes } = this
    let methodEnd = start
    while ((classes[bytes[methodEnd]!]! & TOKEN) !== 0) methodEnd++
    if (methodEnd === start || bytes[methodEnd] !== SP) this.fail('not a SIP message', start)
    const method = methodAt(bytes, start, methodEnd)
    const uriStart = methodEnd + 1
    let uriEnd = lineEnd - 8
    if (uriEnd <= uriStart || bytes[uriEnd] !== SP || !isVersion2(bytes, uriEnd + 1)) {
      const version = /[ \t]+SIP\/(\d+\.\d+)([ \t]*)$/i.exec(section.text.slice(uriStart, lineEnd))
      if (version === null) this.fail('not a SIP request', start)
      if (version[2] !== '') this.note('whitespace after the version', lineEnd)
      if (version[1] !== '2.0') this.note('version not supported', uriEnd, 505)
      uriEnd = uriStart + version.index
    }
    let uri = section.text.slice(uriStart, uriEnd)
    if (!section.isAscii) uri = Buffer.from(uri, 'latin1').toString('utf8')
    if (/[\x00- ]/.test(uri)) this.note('whitespace in the Request-URI', uriStart)
    const body = this.body()
    const request = new SipRequest(method, uri, section, body)
    if (this.problem !== undefined) {
      const { why, statusHint, position } = this.problem
      throw new ParseError(why, { statusHint, position, request })
    }
    return request
  }

  private response(start: number, lineEnd: number, section: HeaderSection): SipResponse {
    let line = section.text.slice(start, lineEnd)
    if (!section.isAscii) line = Buffer.from(line, 'latin1').toString('utf8')
    if (!/^SIP\/2\.0 [1-6]\d\d(?: [^\r]*)?$/i.test(line)) this.fail('status line malformed', start)
    const body = this.body()
    if (this.problem !== undefined) this.fail(this.problem.why, this.problem.position)
    const status = decimal(this.bytes, start + VERSION_LENGTH, start + VERSION_LENGTH + 3)
    return new SipResponse(status, line.slice(VERSION_LENGTH + 4), section, body)
  }

  /** RFC 3261 §18.3: Content-Length says where the body ends; without it, it ends with the datagram. */
  private body(): Uint8Array {
    const { bytes, at } = this
    const available = this.end - at
    let length = available
    if (this.contentLengthStart !== -1) {
      length = decimal(bytes, this.contentLengthStart, this.contentLengthEnd)
      if (length === -1) this.note('Content-Length malformed', this.contentLengthStart)
      if (length > available) this.note('Content-Length beyond the end of the message', this.contentLengthStart)
      if (length === -1 || length > available) length = available
    }
    return length === 0 ? noBytes : bytes.subarray(at, at + length)
  }

  private note(why: string, position: number, statusHint = 400): void {
    this.problem ??= { why, statusHint, position }
  }

  private fail(why: string, position: number): never {
    throw new ParseError(why, { statusHint: this.problem?.statusHint ?? 400, position })
  }
}

/** Where header fields are noted while they are found, so that the list kept is made once and no larger than it must be. */
const found: number[] = []

/** Positions are packed into 21 bits: see `packField`. */
const MAX_MESSAGE_BYTES = 2 ** 21 - 1

/** `SIP/` in any case begins a response: the slash is in no method. */
function startsWithVersion(bytes: Uint8Array, at: number): boolean {
  return (
    (bytes[at]! | 32) === 115 && (bytes[at + 1]! | 32) === 105 && (bytes[at + 2]! | 32) === 112 && bytes[at + 3] === 47
  )
}

/** `SIP/2.0` in any case (RFC 3261 §7.1). */
function isVersion2(bytes: Uint8Array, at: number): boolean {
  return startsWithVersion(bytes, at) && bytes[at + 4] === 50 && bytes[at + 5] === 46 && bytes[at + 6] === 48
}

function isTokenAt(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if ((classes[bytes[at]!]! & TOKEN) === 0) return false
  return end > start
}

/** The number between two positions, at most 2**32; -1 if there is none. */
function decimal(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return -1
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - 48
    if (digit < 0 || digit > 9) return -1
    value = Math.min(value * 10 + digit, 2 ** 32)
  }
  return value
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
function methodAt(bytes: Buffer, start: number, end: number): string {
  const known = methods.get(methodKey(bytes, start, end))
  if (known !== undefined && known.length === end - start) {
    let at = 0
    while (at < known.length && known.charCodeAt(at) === bytes[start + at]) at++
    if (at === known.length) return known
  }
  return bytes.toString('latin1', start, end)
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
