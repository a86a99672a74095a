/**
 * SIP requests and responses (RFC 3261 §7). A parsed message keeps the octets it came in and the positions of its header
 * fields, and decodes a value when it is asked for; a message that is built or changed keeps a list of header fields.
 */

import { indexOfComma, splitList } from './characters.ts'
import { ParseError, reasonPhrase, type SipRefusal } from './errors.ts'
import { checkedCallId, parseCseq, parseDeltaSeconds, parseMediaType } from './header-values.ts'
import {
  CALL_ID,
  CONTACT,
  CONTENT_TYPE,
  CSEQ,
  EXPIRES,
  FROM,
  type HeaderName,
  headerIdCount,
  headerName,
  headerNameOf,
  MAX_FORWARDS,
  TO,
  VIA,
} from './headers.ts'
import { type NameAddr, parseNameAddr, readTag } from './name-addr.ts'
import type { Params } from './params.ts'
import { parseUri, type Uri } from './uri.ts'
import { parseVia, type Via } from './via.ts'

export type HeaderField = readonly [name: string, value: string]

/**
 * The header section of a parsed message: its octets as text, one character for each, and two numbers for each field: where
 * its value starts and the header id (see `packField`), and where the value ends.
 */
export type HeaderSection = {
  readonly text: string
  readonly fields: readonly number[]
  /** Whether no octet is above 0x7F; else values are UTF-8 and still to be decoded. */
  readonly isAscii: boolean
  /** Whether a field was called by the compact form of its name (RFC 3261 §7.3.3). */
  readonly isCompact: boolean
}

/** Start of a value, header id, and whether the value spans several lines. Octets up to 2**21 and ids up to 511 fit. */
export function packField(start: number, id: number, isFolded: boolean): number {
  return (start << 10) | (id << 1) | (isFolded ? 1 : 0)
}

const STRIDE = 2

function idOf(packed: number): number {
  return (packed >> 1) & 0x1ff
}

export const noBytes: Uint8Array = new Uint8Array(0)
const noContacts: readonly NameAddr[] = []
const noFields: readonly HeaderField[] = []
/** Notes that a value was looked for and is not there, where `undefined` says that nobody looked. */
const ABSENT = Symbol('absent')

export abstract class SipMessage {
  /** Empty when there is none. */
  body: Uint8Array
  /** Whether it was read with compact forms of header names: its sender writes them, and so reads them. */
  wasCompact: boolean
  /** Whether it is to be written with them (RFC 3261 §7.3.3). */
  isCompact = false
  private section: HeaderSection | undefined
  private list: HeaderField[] | undefined
  /** Fields behind those of the section; only while there is a section. */
  private appended: readonly HeaderField[] = noFields

  /** The one field of the section whose value is not the one that was parsed, by its index; -1 when there is none. */
  private replacedAt = -1
  private replacedBy = ''

  private knownCallId: string | undefined = undefined
  private knownCseq: { number: number; method: string } | undefined = undefined
  private knownFrom: NameAddr | undefined = undefined
  private knownTo: NameAddr | undefined = undefined
  private knownFromTag: string | undefined | typeof ABSENT = undefined
  private knownToTag: string | undefined | typeof ABSENT = undefined
  private knownTopVia: Via | undefined = undefined
  private knownContacts: readonly NameAddr[] | '*' | undefined = undefined

  constructor(fields: readonly HeaderField[] | HeaderSection, body: Uint8Array = noBytes) {
    this.body = body
    if (isSection(fields)) {
      this.section = fields
      this.list = undefined
      this.wasCompact = fields.isCompact
    } else {
      this.section = undefined
      this.list = fields.map(withLongName)
      this.wasCompact = false
    }
  }

  /** The value of the first field of that name, unfolded and trimmed. Long and compact forms are one name, in any case. */
  header(name: string): string | undefined {
    const wanted = headerName(name)
    if (this.list !== undefined) {
      for (const field of this.list) if (isNamed(field, wanted)) return field[1]
      return undefined
    }
    const at = this.indexOf(wanted, 0)
    if (at !== -1) return this.valueAt(at)
    for (const field of this.appended) if (isNamed(field, wanted)) return field[1]
    return undefined
  }

  /** Every value: of comma-separated headers (Via, Route, Contact, Accept, Supported...) one by one, of others by field. */
  headers(name: string): string[] {
    const wanted = headerName(name)
    const values = this.valuesOf(wanted)
    if (!wanted.isList || values.length === 0) return values
    return values.length === 1 ? splitList(values[0]!) : values.flatMap(splitList)
  }

  hasHeader(name: string): boolean {
    const wanted = headerName(name)
    if (this.list === undefined && this.indexOf(wanted, 0) !== -1) return true
    for (const field of this.list ?? this.appended) if (isNamed(field, wanted)) return true
    return false
  }

  /** How many fields have that name, a list in one field counting once. */
  countFields(name: string): number {
    return this.fieldValues(name).length
  }

  /** The value of each field of that name, a list in one field being one value. */
  fieldValues(name: string): string[] {
    return this.valuesOf(headerName(name))
  }

  /** The name of a field that stands twice though it may stand once only; undefined when all is well. */
  repeatedField(): string | undefined {
    seenMark = (seenMark + 1) | 0
    if (this.list !== undefined) {
      for (const [name] of this.list) if (isSecond(headerName(name).id)) return name
      return undefined
    }
    const { fields } = this.section!
    for (let at = 0; at < fields.length; at += STRIDE) {
      if (isSecond(idOf(fields[at]!))) return headerNameOf(idOf(fields[at]!)).name
    }
    for (const [name] of this.appended) if (isSecond(headerName(name).id)) return name
    return undefined
  }

  /** All fields in order, with long names. Not to be changed. */
  headerFields(): HeaderField[] {
    return [...this.fieldList()]
  }

  /** Replaces all fields of that name by one, where the first stood; else appends it. */
  set(name: string, value: string): void {
    const wanted = headerName(name)
    const list = this.fieldList()
    const first = list.findIndex(field => isNamed(field, wanted))
    if (first === -1) list.push([wanted.name, value])
    else {
      list[first] = [list[first]![0], value]
      for (let at = list.length - 1; at > first; at--) if (isNamed(list[at]!, wanted)) list.splice(at, 1)
    }
    this.forget(wanted.id)
  }

  /** Adds a field after all others. A parsed message stays one. */
  append(name: string, value: string): void {
    const wanted = headerName(name)
    if (this.list !== undefined) this.list.push([wanted.name, value])
    else this.appended = [...this.appended, [wanted.name, value]]
    this.forget(wanted.id)
  }

  /** Adds a field before the first of that name, else before all others. */
  prepend(name: string, value: string): void {
    const wanted = headerName(name)
    const list = this.fieldList()
    const first = list.findIndex(field => isNamed(field, wanted))
    list.splice(Math.max(first, 0), 0, [wanted.name, value])
    this.forget(wanted.id)
  }

  /** Removes every field of that name. */
  remove(name: string): void {
    const wanted = headerName(name)
    if (!this.hasHeader(name)) return
    const list = this.fieldList()
    for (let at = list.length - 1; at >= 0; at--) if (isNamed(list[at]!, wanted)) list.splice(at, 1)
    this.forget(wanted.id)
  }

  /** Replaces the topmost value of Via, Route or another list. A parsed message stays one: only that value is new. */
  replaceFirstValue(name: string, value: string): void {
    const wanted = headerName(name)
    const at = this.list === undefined ? this.indexOf(wanted, 0) : -1
    const isAlone =
      at !== -1 && (this.replacedAt === -1 || this.replacedAt === at) && indexOfComma(this.valueAt(at)) === -1
    if (isAlone) {
      this.replacedAt = at
      this.replacedBy = value
      this.forget(wanted.id)
    } else {
      this.removeFirstValue(name)
      this.prepend(name, value)
    }
  }

  /** Removes the topmost value of Via, Route or another list. */
  removeFirstValue(name: string): void {
    const wanted = headerName(name)
    const list = this.fieldList()
    const first = list.findIndex(field => isNamed(field, wanted))
    if (first === -1) return
    const [fullName, value] = list[first]!
    const rest = wanted.isList ? splitList(value).slice(1) : []
    if (rest.length === 0) list.splice(first, 1)
    else list[first] = [fullName, rest.join(', ')]
    this.forget(wanted.id)
  }

  /** @throws ParseError when missing or malformed, as the accessors below. */
  get callId(): string {
    this.knownCallId ??= checkedCallId(this.required(CALL_ID))
    return this.knownCallId
  }

  /** RFC 3261 §20.16; the number is below 2**31 (§8.1.1.5). */
  get cseq(): { number: number; method: string } {
    this.knownCseq ??= parseCseq(this.required(CSEQ))
    return this.knownCseq
  }

  get from(): NameAddr {
    this.knownFrom ??= parseNameAddr(this.required(FROM))
    return this.knownFrom
  }

  get to(): NameAddr {
    this.knownTo ??= parseNameAddr(this.required(TO))
    return this.knownTo
  }

  get fromTag(): string | undefined {
    this.knownFromTag ??= readTag(this.required(FROM)) ?? ABSENT
    return this.knownFromTag === ABSENT ? undefined : this.knownFromTag
  }

  get toTag(): string | undefined {
    this.knownToTag ??= readTag(this.required(TO)) ?? ABSENT
    return this.knownToTag === ABSENT ? undefined : this.knownToTag
  }

  get topVia(): Via {
    if (this.knownTopVia === undefined) {
      const value = this.required(VIA)
      const comma = indexOfComma(value)
      this.knownTopVia = parseVia(comma === -1 ? value : value.slice(0, comma).trimEnd())
    }
    return this.knownTopVia
  }

  /** Every contact, or `*` (RFC 3261 §20.10); none when the header is absent. */
  get contacts(): readonly NameAddr[] | '*' {
    if (this.knownContacts === undefined) {
      const values = this.headers('Contact')
      if (values.length === 1 && values[0] === '*') this.knownContacts = '*'
      else this.knownContacts = values.length === 0 ? noContacts : values.map(parseNameAddr)
    }
    return this.knownContacts
  }

  /** Delta-seconds of Expires; undefined when absent or malformed (RFC 3261 §20.19). More than 2**32-1 is taken as that. */
  get expires(): number | undefined {
    const text = this.valueOf(EXPIRES)
    return text === undefined ? undefined : parseDeltaSeconds(text)
  }

  /**
   * 0 to 255; undefined when absent, and when above that: RFC 4475 §3.1.2.4 lets it count as absent.
   * @throws ParseError when it is no number
   */
  get maxForwards(): number | undefined {
    const text = this.valueOf(MAX_FORWARDS)
    if (text === undefined) return undefined
    const hops = parseDeltaSeconds(text)
    if (hops === undefined) throw new ParseError('Max-Forwards malformed')
    return hops > 255 ? undefined : hops
  }

  /** RFC 3261 §20.15: type and subtype in lower case, with the parameters. */
  get contentType(): { type: string; params: Params } | undefined {
    const text = this.valueOf(CONTENT_TYPE)
    return text === undefined ? undefined : parseMediaType(text)
  }

  /** The message as it goes on the wire: Content-Length stands last and is right. */
  toBytes(): Buffer {
    let head = this.startLine()
    if (/[\r\n]/.test(head)) throw new Error('line end in the start line')
    const list = this.fieldList()
    const { isCompact } = this
    for (let at = 0; at < list.length; at++) {
      const name = list[at]![0]
      const value = list[at]![1]
      if (name === 'Content-Length') continue
      // Nothing that came by the network holds a line end, for values are unfolded; so this is a mistake of the writer.
      if (value.includes('\n') || value.includes('\r')) throw new Error(`line end in the value of ${name}`)
      const known = headerName(name)
      head += (isCompact ? known.compactLine : known.line) + value
    }
    head += `\r\n${isCompact ? 'l' : 'Content-Length'}: ${this.body.length}\r\n\r\n`
    const headLength = Buffer.byteLength(head)
    const bytes = Buffer.allocUnsafe(headLength + this.body.length)
    if (headLength === head.length) bytes.write(head, 0, 'latin1')
    else bytes.write(head, 0, 'utf8')
    if (this.body.length > 0) bytes.set(this.body, headLength)
    return bytes
  }

  protected abstract startLine(): string

  /** Takes over what `other` has decoded and how it keeps its fields; neither sees later changes of the other. */
  protected become(other: SipMessage): void {
    this.section = other.section
    this.list = other.list?.slice()
    this.appended = other.appended
    this.replacedAt = other.replacedAt
    this.replacedBy = other.replacedBy
    this.wasCompact = other.wasCompact
    this.knownCallId = other.knownCallId
    this.knownCseq = other.knownCseq
    this.knownFrom = other.knownFrom
    this.knownTo = other.knownTo
    this.knownFromTag = other.knownFromTag
    this.knownToTag = other.knownToTag
    this.knownTopVia = other.knownTopVia
    this.knownContacts = other.knownContacts
  }

  private required(id: number): string {
    const value = this.valueOf(id)
    if (value === undefined) throw new ParseError(`${headerNameOf(id).name} header field missing`)
    return value
  }

  private valueOf(id: number): string | undefined {
    if (this.section === undefined) return this.header(headerNameOf(id).name)
    const { fields } = this.section
    for (let at = 0; at < fields.length; at += STRIDE) if (idOf(fields[at]!) === id) return this.valueAt(at)
    return this.appended.length === 0 ? undefined : this.header(headerNameOf(id).name)
  }

  private valuesOf(wanted: HeaderName): string[] {
    const values: string[] = []
    if (this.list !== undefined) {
      for (const field of this.list) if (isNamed(field, wanted)) values.push(field[1])
    } else {
      for (let at = this.indexOf(wanted, 0); at !== -1; at = this.indexOf(wanted, at + STRIDE)) {
        values.push(this.valueAt(at))
      }
      for (const field of this.appended) if (isNamed(field, wanted)) values.push(field[1])
    }
    return values
  }

  /** The list of fields, made from the header section if there is none yet; from then on only the list counts. */
  private fieldList(): HeaderField[] {
    if (this.list === undefined) {
      const { fields } = this.section!
      const list: HeaderField[] = []
      for (let at = 0; at < fields.length; at += STRIDE) list.push([this.nameAt(at), this.valueAt(at)])
      list.push(...this.appended)
      this.list = list
      this.section = undefined
      this.appended = noFields
    }
    return this.list
  }

  private indexOf(wanted: HeaderName, from: number): number {
    const { fields } = this.section!
    for (let at = from; at < fields.length; at += STRIDE) {
      if (idOf(fields[at]!) !== wanted.id) continue
      if (wanted.id !== 0 || this.nameAt(at).toLowerCase() === wanted.name.toLowerCase()) return at
    }
    return -1
  }

  private nameAt(at: number): string {
    const { text, fields } = this.section!
    const id = idOf(fields[at]!)
    if (id !== 0) return headerNameOf(id).name
    // Between the colon and the value stands nothing but whitespace, and the name begins its line.
    const colon = text.lastIndexOf(':', (fields[at]! >> 10) - 1)
    return text.slice(text.lastIndexOf('\n', colon) + 1, colon).trimEnd()
  }

  private valueAt(at: number): string {
    if (at === this.replacedAt) return this.replacedBy
    const { text, fields, isAscii } = this.section!
    let value = text.slice(fields[at]! >> 10, fields[at + 1])
    if ((fields[at]! & 1) !== 0) value = value.replace(/[ \t]*\r?\n[ \t]+/g, ' ')
    return isAscii || !/[\x80-\xff]/.test(value) ? value : Buffer.from(value, 'latin1').toString('utf8')
  }

  private forget(id: number): void {
    if (id === CALL_ID) this.knownCallId = undefined
    else if (id === CSEQ) this.knownCseq = undefined
    else if (id === FROM) this.knownFrom = this.knownFromTag = undefined
    else if (id === TO) this.knownTo = this.knownToTag = undefined
    else if (id === VIA) this.knownTopVia = undefined
    else if (id === CONTACT) this.knownContacts = undefined
  }
}

export class SipRequest extends SipMessage {
  readonly method: string
  /** The Request-URI as written. */
  uri: string
  /** The key by which the stack expects the answer; '' for a request it did not deliver, and for ACK. */
  transaction = ''
  /** The flow it came by; '' for a request made here. */
  flow = ''
  /** Where it came from, by the network; undefined for a request made here. */
  source: { transport: 'udp' | 'tcp' | 'tls'; address: string; port: number } | undefined = undefined
  private knownUri: { readonly text: string; readonly uri: Uri } | undefined = undefined

  constructor(method: string, uri: string, fields: readonly HeaderField[] | HeaderSection, body?: Uint8Array) {
    super(fields, body)
    this.method = method
    this.uri = uri
  }

  /** @throws ParseError when malformed. */
  get requestUri(): Uri {
    if (this.knownUri?.text !== this.uri) this.knownUri = { text: this.uri, uri: parseUri(this.uri) }
    return this.knownUri!.uri
  }

  /** An independent request with the same header fields, to be changed and forwarded. Body octets are shared. */
  copy(): SipRequest {
    const copy = new SipRequest(this.method, this.uri, [], this.body)
    copy.become(this)
    copy.knownUri = this.knownUri
    copy.transaction = this.transaction
    copy.flow = this.flow
    copy.source = this.source
    return copy
  }

  protected override startLine(): string {
    return `${this.method} ${this.uri} SIP/2.0`
  }
}

export class SipResponse extends SipMessage {
  readonly status: number
  readonly reason: string

  constructor(status: number, reason: string, fields: readonly HeaderField[] | HeaderSection, body?: Uint8Array) {
    super(fields, body)
    this.status = status
    this.reason = reason
  }

  /** An independent response with the same header fields. Body octets are shared. */
  copy(): SipResponse {
    const copy = new SipResponse(this.status, this.reason, [], this.body)
    copy.become(this)
    return copy
  }

  protected override startLine(): string {
    return `SIP/2.0 ${this.status} ${this.reason}`
  }
}

/**
 * A response to `request` (RFC 3261 §8.2.6): Via, From, To, Call-ID and CSeq are the request's; To gets `toTag` if it has no
 * tag and the status is above 100; a 100 carries the request's Timestamp. Whatever of these is missing stays missing. Who has
 * written compact forms of names is answered with them.
 */
export function respond(
  request: SipRequest,
  status: number,
  options: {
    reason?: string | undefined
    toTag?: string | undefined
    headers?: readonly HeaderField[] | undefined
    body?: Uint8Array | undefined
    contentType?: string | undefined
  } = {},
): SipResponse {
  const fields: HeaderField[] = []
  // Fields, not values: the Via lines of a response look as they did in the request.
  for (const via of request.fieldValues('Via')) fields.push(['Via', via])
  copyField(request, 'From', fields)
  const to = request.header('To')
  if (to !== undefined) {
    const isTagged = status === 100 || options.toTag === undefined || hasToTag(request)
    fields.push(['To', isTagged ? to : `${to};tag=${options.toTag}`])
  }
  copyField(request, 'Call-ID', fields)
  copyField(request, 'CSeq', fields)
  if (status === 100) copyField(request, 'Timestamp', fields)
  if (options.headers) fields.push(...options.headers)
  if (options.contentType !== undefined) fields.push(['Content-Type', options.contentType])
  const response = new SipResponse(status, options.reason ?? reasonPhrase(status), fields, options.body)
  response.isCompact = request.wasCompact
  return response
}

/** The answer that a refusal is. */
export function refuse(request: SipRequest, refusal: SipRefusal, toTag: string): SipResponse {
  return respond(request, refusal.status, {
    reason: refusal.reason,
    toTag,
    headers: refusal.headers,
    body: refusal.body?.body,
    contentType: refusal.body?.type,
  })
}

function isSection(fields: readonly HeaderField[] | HeaderSection): fields is HeaderSection {
  return !Array.isArray(fields)
}

// When each single header id was last seen: one mark per message looked at, so that nothing is cleared in between.
const lastSeen = new Int32Array(headerIdCount)
let seenMark = 0

function isSecond(id: number): boolean {
  if (!headerNameOf(id).isSingle) return false
  const isSeen = lastSeen[id] === seenMark
  lastSeen[id] = seenMark
  return isSeen
}

function withLongName(field: HeaderField): HeaderField {
  const { name } = headerName(field[0])
  return name === field[0] ? field : [name, field[1]]
}

/** Names of the table are one string object each, so that most comparisons are of pointers. */
function isNamed(field: HeaderField, wanted: HeaderName): boolean {
  return field[0] === wanted.name || (wanted.id === 0 && field[0].toLowerCase() === wanted.name.toLowerCase())
}

function copyField(request: SipRequest, name: string, fields: HeaderField[]): void {
  const value = request.header(name)
  if (value !== undefined) fields.push([name, value])
}

/** A To that cannot be read gets no tag: it goes back as it came. */
function hasToTag(request: SipRequest): boolean {
  try {
    return request.toTag !== undefined
  } catch {
    return true
  }
}
