/**
 * The check that a published PIDF document passes (RFC 3863), and what to know about it afterwards. What the network sends
 * is read leniently; what is refused here could not be understood by any watcher.
 */

import type { Instant } from '../turn.ts'
import { dataModelNamespace, deviceKey } from './data-model.ts'
import { parseDateTime } from './date-time.ts'
import { isPriority, isXmlId, pidfNamespace, registrationTupleId } from './pidf.ts'
import { rpidNamespace } from './rpid.ts'
import { isUntil } from './timed-status.ts'
import {
  byteOffset,
  defaultXmlLimits,
  scanXml,
  type XmlEvents,
  type XmlLimits,
  type XmlReader,
  type XmlTag,
} from './xml/scan.ts'
import { attributeSpan, trimXml } from './xml/tree.ts'

/** What composition needs to know of a published document without reading it again. Plain data, fit to be stored. */
export type PidfSummary = {
  /**
   * True when the document is one that may be sent to any watcher, but for `entity` and a missing XML declaration: UTF-8
   * without byte order mark, elements in the order of the schema, ids that are unique XML IDs and not ours, dates and
   * priorities that are such. Otherwise composition rewrites it.
   */
  readonly sendable: boolean
  /** True when it begins with an XML declaration (RFC 3863 §4.1 demands one). */
  readonly declared: boolean
  /** Octets between the quotes of the root's `entity`. */
  readonly entityStart: number
  readonly entityEnd: number
  /** The octet before which another tuple may stand. */
  readonly tuplesEnd: number
  readonly hasTuples: boolean
  /** The earliest `until`, past or future, of an element that ends by itself; 0 when there is none. */
  readonly until: Instant
}

/**
 * Checks a published document (RFC 3863 §4, with RFC 4479 for person and device) in one pass and summarizes it.
 *
 * Throws XmlError, whose `why` can be told to the publisher: not well-formed or beyond `limits`; another root than
 * `presence`; no `entity`; a tuple without `id`, or with that of another; not exactly one `status` per tuple; more than
 * one `basic`, `contact` or `timestamp`; a `basic` that is neither open nor closed.
 */
export function publishedPidf(bytes: Uint8Array, limits: XmlLimits = defaultXmlLimits): PidfSummary {
  let check: PidfCheck | undefined
  const text = scanXml(bytes, limits, reader => {
    check = new PidfCheck(reader)
    return check
  })
  const { sendable, declared, entityStart, entityEnd, tuplesEnd, hasTuples, until } = check!
  // In ASCII the index of a character is that of its octet.
  const octet = text.length === bytes.length ? (index: number) => index : (index: number) => byteOffset(text, index)
  return {
    sendable,
    declared,
    entityStart: octet(entityStart),
    entityEnd: octet(entityEnd),
    tuplesEnd: octet(tuplesEnd),
    hasTuples,
    until,
  }
}

/** The places of the schema in which order and number are checked. */
type Place = 'presence' | 'tuple' | 'status' | 'person' | 'device' | 'basic' | 'timestamp' | 'deviceID' | 'elsewhere'

class PidfCheck implements XmlEvents {
  sendable = true
  declared = false
  entityStart = 0
  entityEnd = 0
  tuplesEnd = 0
  hasTuples = false
  until: Instant = 0

  readonly #reader: XmlReader
  /** The elements that are open. */
  readonly #places: Place[] = []
  /** How far the schema's sequence has come in the element open at each depth. */
  readonly #ranks: number[] = [0, 0, 0, 0]
  readonly #ids = new Set<string>()
  readonly #tupleIds = new Set<string>()
  readonly #deviceIds = new Set<string>()
  /** What the tuple, person or device that is open has had. */
  #tupleId = ''
  #statuses = 0
  #basics = 0
  #contacts = 0
  #timestamps = 0
  #mustUnderstand = false
  /** The text of the element that is being read, where it matters. */
  #collected: string | undefined

  constructor(reader: XmlReader) {
    this.#reader = reader
    if (reader.text.charCodeAt(0) === 0xfeff) this.sendable = false
  }

  open(tag: XmlTag, position: number): void {
    this.#collected = undefined
    const around = this.#places.at(-1)
    let place: Place = 'elsewhere'
    if (around === undefined) place = this.#openRoot(tag, position)
    else if (around === 'presence') place = this.#openInPresence(tag)
    else if (around === 'tuple') place = this.#openInTuple(tag)
    else if (around === 'status') place = this.#openInStatus(tag)
    else if (around === 'person' || around === 'device') place = this.#openInPersonOrDevice(tag)
    if (tag.uri !== pidfNamespace) this.#readExtension(tag)
    this.#places.push(place)
  }

  text(value: string): void {
    if (this.#collected !== undefined) this.#collected += value
  }

  cdata(value: string): void {
    this.text(value)
  }

  close(tag: XmlTag, position: number): void {
    const place = this.#places.pop()!
    if (place === 'elsewhere') return
    if (place === 'presence') this.#closeRoot(tag)
    else if (place === 'tuple') {
      if (this.#statuses === 0) this.#reader.refuse(`tuple ${this.#tupleId} has no status`)
      this.tuplesEnd = position
      this.hasTuples = true
    } else if (this.#collected !== undefined) {
      this.#readText(place, trimXml(this.#collected))
      this.#collected = undefined
    }
  }

  #openRoot(tag: XmlTag, position: number): Place {
    if (tag.local !== 'presence' || tag.uri !== pidfNamespace) {
      this.#reader.refuse(`the root element is not presence of ${pidfNamespace}`)
    }
    const entity = tag.attributes.entity
    if (entity === undefined || trimXml(entity.value) === '') this.#reader.refuse('presence has no entity')
    const { text } = this.#reader
    const { start, end } = attributeSpan(text, text.lastIndexOf('<', position - 1), position, 'entity')!
    this.entityStart = start
    this.entityEnd = end
    this.tuplesEnd = position
    const declaration = this.#reader.declaration()
    this.declared = declaration !== undefined
    if (declaration?.encoding !== undefined && declaration.encoding.toLowerCase() !== 'utf-8') this.sendable = false
    return 'presence'
  }

  #closeRoot(tag: XmlTag): void {
    // `<presence/>` has no inside in which something could be inserted.
    if (tag.isSelfClosing) this.sendable = false
    // What has to be understood and is not makes the element around it one that does not end by itself (§4.2.3).
    if (this.#mustUnderstand && this.until !== 0) this.sendable = false
  }

  #openInPresence(tag: XmlTag): Place {
    this.#ranks[2] = 0
    this.#statuses = this.#basics = this.#contacts = this.#timestamps = 0
    if (tag.uri === pidfNamespace && tag.local === 'tuple') {
      this.#advance(1, 0)
      const id = tag.attributes.id?.value ?? this.#reader.refuse('a tuple has no id')
      if (this.#tupleIds.has(id)) this.#reader.refuse(`two tuples have the id ${id}`)
      this.#tupleIds.add(id)
      this.#tupleId = id
      this.#readId(id)
      return 'tuple'
    }
    this.#advance(1, tag.uri === pidfNamespace && tag.local === 'note' ? 1 : 2)
    if (tag.uri !== dataModelNamespace || (tag.local !== 'person' && tag.local !== 'device')) return 'elsewhere'
    this.#readId(tag.attributes.id?.value)
    return tag.local
  }

  #openInTuple(tag: XmlTag): Place {
    if (tag.uri !== pidfNamespace) {
      this.#advance(2, 1)
      return 'elsewhere'
    }
    switch (tag.local) {
      case 'status':
        this.#advance(2, 0)
        if (++this.#statuses > 1) this.#reader.refuse(`tuple ${this.#tupleId} has two status elements`)
        this.#ranks[3] = 0
        return 'status'
      case 'contact':
        this.#advance(2, 2)
        if (++this.#contacts > 1) this.#reader.refuse(`tuple ${this.#tupleId} has two contact elements`)
        if (tag.attributes.priority !== undefined && !isPriority(tag.attributes.priority.value)) this.sendable = false
        return 'elsewhere'
      case 'note':
        this.#advance(2, 3)
        return 'elsewhere'
      case 'timestamp':
        this.#advance(2, 4)
        if (++this.#timestamps > 1) this.#reader.refuse(`tuple ${this.#tupleId} has two timestamp elements`)
        this.#collected = ''
        return 'timestamp'
      default:
        this.#advance(2, 1)
        return 'elsewhere'
    }
  }

  #openInStatus(tag: XmlTag): Place {
    if (tag.uri !== pidfNamespace || tag.local !== 'basic') {
      this.#advance(3, 1)
      return 'elsewhere'
    }
    this.#advance(3, 0)
    if (++this.#basics > 1) this.#reader.refuse(`tuple ${this.#tupleId} has two basic elements`)
    this.#collected = ''
    return 'basic'
  }

  #openInPersonOrDevice(tag: XmlTag): Place {
    if (tag.uri !== dataModelNamespace) {
      this.#advance(2, 0)
      return 'elsewhere'
    }
    switch (tag.local) {
      case 'deviceID':
        this.#advance(2, 1)
        this.#collected = ''
        return 'deviceID'
      case 'note':
        this.#advance(2, 2)
        return 'elsewhere'
      case 'timestamp':
        this.#advance(2, 3)
        if (++this.#timestamps > 1) this.sendable = false
        this.#collected = ''
        return 'timestamp'
      default:
        this.#advance(2, 0)
        return 'elsewhere'
    }
  }

  #readText(place: Place, text: string): void {
    if (place === 'basic') {
      if (text !== 'open' && text !== 'closed')
        this.#reader.refuse(`basic of tuple ${this.#tupleId} is neither open nor closed`)
    } else if (place === 'timestamp') {
      if (parseDateTime(text) === undefined) this.sendable = false
    } else if (place === 'deviceID') {
      // Devices with one deviceID are merged, also those of one publication.
      const device = deviceKey(text)
      if (this.#deviceIds.has(device)) this.sendable = false
      this.#deviceIds.add(device)
    }
  }

  #readExtension(tag: XmlTag): void {
    for (const key in tag.attributes) {
      const { local, uri, value } = tag.attributes[key]!
      if (local === 'until' && isUntil(tag.uri, uri)) {
        const until = parseDateTime(trimXml(value))
        if (until !== undefined && (this.until === 0 || until < this.until)) this.until = until
      } else if (local === 'id' && uri === '' && tag.uri === rpidNamespace) this.#readId(value)
      else if (local === 'mustUnderstand' && uri === pidfNamespace) this.#mustUnderstand = true
    }
  }

  #readId(id: string | undefined): void {
    if (id === undefined || id === registrationTupleId || !isXmlId(id) || this.#ids.has(id)) this.sendable = false
    else this.#ids.add(id)
  }

  #advance(depth: number, rank: number): void {
    if (rank < this.#ranks[depth]!) this.sendable = false
    else this.#ranks[depth] = rank
  }
}
