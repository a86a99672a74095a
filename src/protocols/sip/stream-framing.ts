/**
 * Cuts a TCP or TLS stream into messages by Content-Length (RFC 3261 §18.3) and keep-alives (RFC 5626 §3.5.1, §5.4).
 * Every octet is looked at once and copied at most twice, however small the pieces in which the stream arrives.
 */

export type Frame =
  | { readonly kind: 'message'; readonly bytes: Buffer }
  /** CRLF CRLF between messages: to be answered by a CRLF. */
  | { readonly kind: 'ping' }
  /** A single CRLF between messages while a pong is awaited. */
  | { readonly kind: 'pong' }
  /**
   * From here on nobody can tell where messages begin: the connection must close. `head` is a message up to the end of its
   * header fields, where these were complete, to be refused with `status`.
   */
  | { readonly kind: 'lost'; readonly status: number; readonly why: string; readonly head: Buffer | undefined }

export type FramingLimits = {
  /** Octets of start line and header fields; more ends the stream. */
  readonly headBytes: number
  /** Octets of a body; more is 413 and ends the stream. */
  readonly bodyBytes: number
}

const CR = 13
const LF = 10
const none: readonly Frame[] = []

export class StreamFraming {
  readonly #limits: FramingLimits
  /** What is there of a message that is not complete; `#filled` octets of it count. */
  #partial: Buffer | undefined = undefined
  #filled = 0
  /** Up to here no end of the header fields was found. */
  #scanned = 0
  /** Length of the message that `#partial` begins, once its header fields are complete; 0 before. */
  #expected = 0
  /** Octets of CR LF CR LF seen between messages. */
  #lineEnds = 0
  #lost = false
  /** Set by whoever has sent a ping: the next single CRLF is its pong. */
  awaitsPong = false

  constructor(limits: FramingLimits) {
    this.#limits = limits
  }

  /** True while a message has begun and not ended. */
  get isPartial(): boolean {
    return this.#filled > 0
  }

  /** What the next octets complete, in order. Frames may share memory with `chunk`, which must not change afterwards. */
  push(chunk: Buffer): readonly Frame[] {
    if (this.#lost) return none
    const frames: Frame[] = []
    let at = 0
    while (at < chunk.length && !this.#lost) {
      if (this.#filled > 0) at = this.#continue(chunk, at, frames)
      else {
        at = this.#between(chunk, at, frames)
        if (at < chunk.length) at = this.#begin(chunk, at, frames)
      }
    }
    return frames
  }

  /** Passes line ends between messages and returns the position of the first other octet (RFC 3261 §7.5). */
  #between(chunk: Buffer, at: number, frames: Frame[]): number {
    for (; at < chunk.length; at++) {
      const octet = chunk[at]
      if (octet !== CR && octet !== LF) {
        this.#lineEnds = 0
        return at
      }
      // A CR begins a line end, an LF ends the one begun; anything else starts the count anew.
      this.#lineEnds = (octet === CR) === (this.#lineEnds % 2 === 0) ? this.#lineEnds + 1 : octet === CR ? 1 : 0
      if (this.#lineEnds === 2 && this.awaitsPong) {
        frames.push({ kind: 'pong' })
        this.awaitsPong = false
        this.#lineEnds = 0
      } else if (this.#lineEnds === 4) {
        frames.push({ kind: 'ping' })
        this.#lineEnds = 0
      }
    }
    return at
  }

  /** A message begins at `at`: when all of it is in the chunk it is cut from there, else kept. Returns the position behind. */
  #begin(chunk: Buffer, at: number, frames: Frame[]): number {
    const headEnd = endOfHead(chunk, at, chunk.length)
    if (headEnd !== -1) {
      const length = this.#messageLength(chunk.subarray(at, headEnd), frames)
      if (length === 0) return chunk.length
      if (at + length <= chunk.length) {
        frames.push({ kind: 'message', bytes: chunk.subarray(at, at + length) })
        return at + length
      }
      this.#expected = length
    }
    const rest = chunk.length - at
    if (headEnd === -1 && rest > this.#limits.headBytes) return this.#tooLong(chunk, frames)
    this.#partial = Buffer.allocUnsafe(Math.max(this.#expected, 2 * rest, 512))
    chunk.copy(this.#partial, 0, at)
    this.#filled = rest
    this.#scanned = rest
    return chunk.length
  }

  /** Adds to the message begun earlier and returns the position behind what belongs to it. */
  #continue(chunk: Buffer, at: number, frames: Frame[]): number {
    if (this.#expected === 0) return this.#continueHead(chunk, at, frames)
    const take = Math.min(this.#expected - this.#filled, chunk.length - at)
    this.#add(chunk, at, take)
    if (this.#filled === this.#expected) this.#complete(frames)
    return at + take
  }

  /** Adds octets up to the end of the header fields, or all of them. */
  #continueHead(chunk: Buffer, at: number, frames: Frame[]): number {
    const before = this.#filled
    const take = Math.min(chunk.length - at, this.#limits.headBytes + 1 - before)
    this.#add(chunk, at, take)
    const headEnd = endOfHead(this.#partial!, Math.max(0, this.#scanned - 3), this.#filled)
    if (headEnd === -1) {
      this.#scanned = this.#filled
      return this.#filled > this.#limits.headBytes ? this.#tooLong(chunk, frames) : at + take
    }
    // Octets behind the header fields are read again from the chunk, as a body or as the next message.
    this.#filled = headEnd
    const length = this.#messageLength(this.#partial!.subarray(0, headEnd), frames)
    if (length === 0) return chunk.length
    this.#expected = length
    if (length === headEnd) this.#complete(frames)
    return at + headEnd - before
  }

  #complete(frames: Frame[]): void {
    frames.push({ kind: 'message', bytes: this.#partial!.subarray(0, this.#filled) })
    this.#forget()
  }

  /** Doubles the room when it is too small, so that all copying together is linear in what was received. */
  #add(chunk: Buffer, at: number, count: number): void {
    const needed = Math.max(this.#filled + count, this.#expected)
    if (this.#partial!.length < needed) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#partial!.length, needed))
      this.#partial!.copy(larger, 0, 0, this.#filled)
      this.#partial = larger
    }
    chunk.copy(this.#partial!, this.#filled, at, at + count)
    this.#filled += count
  }

  /** Length of the message with this head; 0 after noting why it cannot be known. */
  #messageLength(head: Buffer, frames: Frame[]): number {
    if (head.length > this.#limits.headBytes) {
      this.#tooLong(head, frames)
      return 0
    }
    const bodyLength = contentLength(head)
    if (typeof bodyLength === 'number' && bodyLength <= this.#limits.bodyBytes) return head.length + bodyLength
    const status = typeof bodyLength === 'number' ? 413 : 400
    const why = typeof bodyLength === 'number' ? 'body too large' : bodyLength
    frames.push({ kind: 'lost', status, why, head: Buffer.from(head) })
    this.#lose()
    return 0
  }

  #tooLong(chunk: Buffer, frames: Frame[]): number {
    frames.push({ kind: 'lost', status: 513, why: 'header fields too long', head: undefined })
    this.#lose()
    return chunk.length
  }

  #lose(): void {
    this.#lost = true
    this.#forget()
  }

  #forget(): void {
    this.#partial = undefined
    this.#filled = 0
    this.#scanned = 0
    this.#expected = 0
  }
}

/** The position behind the empty line that ends the header fields, -1 when it is not there yet. */
function endOfHead(bytes: Buffer, start: number, end: number): number {
  for (let at = start + 3; at < end; at++) {
    if (bytes[at] === LF && bytes[at - 2] === LF && bytes[at - 1] === CR && bytes[at - 3] === CR) return at + 1
  }
  return -1
}

/**
 * The value of the one Content-Length in a head, in full or compact form, or why there is none: "The Content-Length header
 * field MUST be used with stream oriented transports" (RFC 3261 §18.3).
 */
export function contentLength(head: Buffer): number | string {
  let length: number | undefined
  for (let lineEnd = head.indexOf(LF); lineEnd !== -1; lineEnd = head.indexOf(LF, lineEnd + 1)) {
    let at = nameEnd(head, lineEnd + 1)
    if (at === -1) continue
    at = skipLinearWhitespace(head, at)
    if (head[at] !== 0x3a) continue
    at = skipLinearWhitespace(head, at + 1)
    const start = at
    let value = 0
    while (head[at]! >= 0x30 && head[at]! <= 0x39) value = Math.min(value * 10 + head[at++]! - 0x30, 2 ** 32)
    const end = skipLinearWhitespace(head, at)
    if (at === start || head[end] !== CR) return 'Content-Length malformed'
    if (length !== undefined && length !== value) return 'Content-Length given twice'
    length = value
  }
  return length ?? 'Content-Length missing'
}

const longName = Buffer.from('content-length')

/** The position behind `Content-Length` or `l` when a line that starts at `at` begins so, else -1. */
function nameEnd(head: Buffer, at: number): number {
  const first = head[at]! | 0x20
  if (first === 0x6c) return at + 1
  if (first !== 0x63) return -1
  for (let i = 0; i < longName.length; i++) if ((head[at + i]! | 0x20) !== (longName[i]! | 0x20)) return -1
  return at + longName.length
}

/** Passes spaces, tabs and line ends that continue the field (RFC 3261 §7.3.1). */
function skipLinearWhitespace(bytes: Buffer, at: number): number {
  for (;;) {
    const octet = bytes[at]
    if (octet === 0x20 || octet === 0x09) at++
    else if (octet === CR && bytes[at + 1] === LF && (bytes[at + 2] === 0x20 || bytes[at + 2] === 0x09)) at += 3
    else return at
  }
}
