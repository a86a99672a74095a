/**
 * Reads HTTP/1.1 requests out of the octets of one connection (RFC 9112), strictly: what two readers could understand in two
 * ways is refused. Requests come out whole, one after the other.
 */

import { badRequest, contentTooLarge, HttpRefusal } from './errors.ts'
import type { HttpRequest } from './message.ts'

export interface HttpReaderLimits {
  /** Octets of request line and header fields; 431 beyond. */
  readonly headerOctets: number
  /** Octets of one body; 413 beyond. */
  readonly bodyOctets: number
}

/** A request without where it comes from, and whether its connection can carry another one after it. */
export interface ReadRequest extends Omit<HttpRequest, 'source'> {
  readonly keepsConnection: boolean
}

type Head = Omit<ReadRequest, 'body'>

/** How the body that is being read ends. */
type Framing = { readonly kind: 'length'; readonly octets: number } | { readonly kind: 'chunked' }

/** Pieces of a body kept apart; more are joined. */
const mostPieces = 64

/** Octets of a chunk's size line with its extensions; 400 beyond. */
const chunkLineOctets = 256

export class HttpReader {
  readonly #limits: HttpReaderLimits
  /** What has come and is not used yet; from `#at` on. */
  #buffer: Buffer = empty
  #at = 0
  /** Where the search for the end of the header goes on, so that octets which come one by one are looked at once. */
  #searched = 0
  #head: Head | undefined
  #framing: Framing = { kind: 'length', octets: 0 }
  #chunks: Buffer[] = []
  #bodyOctets = 0
  /** Octets of the body, or of the current chunk, that are still to come. */
  #left = 0
  #isWithinChunk = false
  #isBehindLastChunk = false
  #mayContinue = false

  constructor(limits: HttpReaderLimits) {
    this.#limits = limits
  }

  /** Octets held for a request that is not whole, or for those behind it. */
  get held(): number {
    let octets = this.#buffer.length - this.#at
    for (const chunk of this.#chunks) octets += chunk.length
    return octets
  }

  /** Whether a request has begun that is not whole yet. */
  get isWithinRequest(): boolean {
    return this.#head !== undefined || this.#buffer.length > this.#at
  }

  /** True once for a request that waits with its body until it is told to go on (RFC 9110 §10.1.1). */
  takeContinue(): boolean {
    const may = this.#mayContinue
    this.#mayContinue = false
    return may
  }

  push(octets: Buffer): void {
    this.#buffer = this.#at === this.#buffer.length ? octets : Buffer.concat([this.#buffer.subarray(this.#at), octets])
    this.#at = 0
  }

  /**
   * The next request that is whole; undefined when more octets are needed. Throws HttpRefusal (400, 413, 417, 431, 501, 505):
   * what follows on the connection can then not be understood.
   */
  next(): ReadRequest | undefined {
    if (this.#head === undefined && !this.#readHead()) return undefined
    if (this.#framing.kind === 'chunked') {
      if (!this.#readChunks()) return undefined
    } else {
      this.#left = this.#take(this.#left)
      if (this.#left > 0) return undefined
    }
    const head = this.#head!
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
    this.#head = undefined
    this.#chunks = []
    this.#bodyOctets = 0
    this.#mayContinue = false
    return { ...head, body }
  }

  #readHead(): boolean {
    // RFC 9112 §2.2: an empty line before the request line is let pass.
    while (this.#buffer[this.#at] === CR && this.#buffer[this.#at + 1] === LF) this.#at += 2
    if (this.#buffer[this.#at] === CR && this.#buffer.length - this.#at === 1) return false
    const end = this.#buffer.indexOf('\r\n\r\n', this.#at + Math.max(0, this.#searched - 3), 'latin1')
    const octets = (end === -1 ? this.#buffer.length : end) - this.#at
    // What may be the beginning of the end does not count yet.
    if (octets > this.#limits.headerOctets + (end === -1 ? 3 : 0))
      throw new HttpRefusal(431, `More than ${this.#limits.headerOctets} octets`)
    if (end === -1) {
      this.#searched = octets
      return false
    }
    this.#searched = 0
    const { head, framing, expects } = readHead(this.#buffer.toString('latin1', this.#at, end))
    if (framing.kind === 'length' && framing.octets > this.#limits.bodyOctets)
      throw contentTooLarge(this.#limits.bodyOctets)
    this.#at = end + 4
    this.#head = head
    this.#framing = framing
    this.#mayContinue = expects
    this.#left = framing.kind === 'length' ? framing.octets : 0
    this.#isWithinChunk = false
    this.#isBehindLastChunk = false
    return true
  }

  /** Takes what has come of the next `octets` of the body. Returns how many are still to come. */
  #take(octets: number): number {
    const taken = Math.min(octets, this.#buffer.length - this.#at)
    if (taken === 0) return octets
    this.#chunks.push(this.#buffer.subarray(this.#at, this.#at + taken))
    this.#at += taken
    // Octets that come one by one must not each keep a buffer of their own.
    if (this.#chunks.length > mostPieces) this.#chunks = [Buffer.concat(this.#chunks)]
    return octets - taken
  }

  /** RFC 9112 §7.1. */
  #readChunks(): boolean {
    for (;;) {
      if (!this.#isWithinChunk) {
        const end = this.#buffer.indexOf('\r\n', this.#at, 'latin1')
        const octets = (end === -1 ? this.#buffer.length : end) - this.#at
        if (octets > chunkLineOctets + (end === -1 ? 1 : 0)) throw badRequest('A line between chunks is too long')
        if (end === -1) return false
        const line = this.#buffer.toString('latin1', this.#at, end)
        this.#at = end + 2
        if (this.#isBehindLastChunk) {
          // Trailer fields say nothing that counts here; each counts as held, so that they come to an end.
          if (line === '') return true
          this.#count(line.length + 2)
          continue
        }
        const size = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/.exec(line)?.[1]
        if (size === undefined) throw badRequest('A chunk has no size')
        this.#left = Number.parseInt(size, 16)
        // What a chunk costs beyond its octets counts too: a body of tiny chunks is bounded.
        this.#count(this.#left + 16)
        if (this.#left === 0) {
          this.#isBehindLastChunk = true
          continue
        }
        this.#isWithinChunk = true
      }
      this.#left = this.#take(this.#left)
      if (this.#left > 0 || this.#buffer.length - this.#at < 2) return false
      if (this.#buffer[this.#at] !== CR || this.#buffer[this.#at + 1] !== LF)
        throw badRequest('A chunk does not end where it should')
      this.#at += 2
      this.#isWithinChunk = false
    }
  }

  #count(octets: number): void {
    this.#bodyOctets += octets
    if (this.#bodyOctets > this.#limits.bodyOctets + 1_024) throw contentTooLarge(this.#limits.bodyOctets)
  }
}

const empty = Buffer.alloc(0)
const CR = 13
const LF = 10

/** Request line and header fields, without the empty line behind them. Throws 400, 417, 501 and 505. */
function readHead(text: string): { head: Head; framing: Framing; expects: boolean } {
  const lineEnd = text.indexOf('\r\n')
  const line = lineEnd === -1 ? text : text.slice(0, lineEnd)
  const [, method, target, version] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP\/(\d\.\d)$/.exec(line) ?? []
  if (method === undefined) throw badRequest('Not a request line')
  if (version !== '1.1' && version !== '1.0') throw new HttpRefusal(505, 'HTTP/1.1 is spoken here')
  const headers = lineEnd === -1 ? {} : readFields(text, lineEnd + 2)
  if (headers.host === undefined && version === '1.1') throw badRequest('A request has a Host field')
  const framing = framingOf(headers, version)
  const { expect, connection } = headers
  if (expect !== undefined && expect.toLowerCase() !== '100-continue')
    throw new HttpRefusal(417, 'Only 100-continue can be expected')
  const options = connection?.toLowerCase() ?? ''
  const keepsConnection = version === '1.1' ? !/\bclose\b/.test(options) : /\bkeep-alive\b/.test(options)
  const expects = expect !== undefined && version === '1.1'
  return { head: { method, target: target!, headers, keepsConnection }, framing, expects }
}

/** Fields that cannot be a list; twice they would mean two things. */
const single = new Set(['host', 'content-length', 'content-type', 'authorization', 'expect', 'content-encoding'])

function readFields(text: string, start: number): Record<string, string> {
  const fields: Record<string, string> = Object.create(null)
  for (let at = start; at < text.length; ) {
    const next = text.indexOf('\r\n', at)
    const end = next === -1 ? text.length : next
    const colon = text.indexOf(':', at)
    if (colon === -1 || colon >= end) throw badRequest('A header line without a colon')
    const name = text.slice(at, colon).toLowerCase()
    // Nothing between name and colon, and no folded lines: others could read them otherwise (RFC 9112 §5.1, §5.2).
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) throw badRequest('A header field has a name that is none')
    const value = text.slice(colon + 1, end).trim()
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) throw badRequest(`The value of ${name} has control characters`)
    const before = fields[name]
    if (before === undefined) fields[name] = value
    else if (!single.has(name)) fields[name] = `${before}, ${value}`
    else throw badRequest(`${name} is there twice`)
    at = end + 2
  }
  return fields
}

/** RFC 9112 §6.3. */
function framingOf(headers: Readonly<Record<string, string | undefined>>, version: string): Framing {
  const length = headers['content-length']
  const coding = headers['transfer-encoding']
  if (coding !== undefined) {
    if (length !== undefined || version === '1.0') throw badRequest('The length of the body is said in two ways')
    if (coding.toLowerCase() !== 'chunked') throw new HttpRefusal(501, 'Only chunked is understood as transfer coding')
    return { kind: 'chunked' }
  }
  if (length === undefined) return { kind: 'length', octets: 0 }
  if (!/^\d{1,15}$/.test(length)) throw badRequest('Content-Length is not a number')
  return { kind: 'length', octets: Number(length) }
}
