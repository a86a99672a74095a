/**
 * Reads XML 1.0 with namespaces (W3C XML 1.0 fifth edition, Namespaces in XML 1.0) as events and within bounds. Whatever
 * could make a small document large or far-reaching is refused: document type declarations, and with them entities.
 */

import { isAscii, isUtf8 } from 'node:buffer'
import { SaxesParser, type SaxesTagNS } from 'saxes'
import { XmlError, type XmlErrorKind } from './errors.ts'
import { scanPlain } from './plain.ts'
import { isXmlSpace } from './tree.ts'

export type XmlLimits = {
  /** Octets of the whole document. */
  readonly bytes: number
  /** Elements inside each other; the root is at depth 1. */
  readonly depth: number
  /** Elements, pieces of text, CDATA sections, comments and processing instructions together. */
  readonly nodes: number
  /** Attributes of one element, namespace declarations included. */
  readonly attributes: number
  /** UTF-16 units of an element's or attribute's name, prefix included. */
  readonly nameLength: number
}

/** Ample for any presence document of a person with a dozen devices. */
export const defaultXmlLimits: XmlLimits = { bytes: 65_536, depth: 32, nodes: 8_192, attributes: 64, nameLength: 256 }

export type XmlTag = SaxesTagNS

/** What a reader hears, in document order. `position` is the UTF-16 index just behind what was read. */
export type XmlEvents = {
  open(tag: XmlTag, position: number): void
  close(tag: XmlTag, position: number): void
  text?(text: string, position: number): void
  cdata?(text: string, position: number): void
  comment?(text: string, position: number): void
  /** Absent: a processing instruction is refused. */
  instruction?(target: string, body: string, position: number): void
}

/** What a listener may ask of the reader while it is being told. */
export type XmlReader = {
  /** The decoded document, a leading byte order mark included, so that every position maps back to an octet. */
  readonly text: string
  /** The XML declaration; undefined when there is none. Known from the first element on. */
  declaration(): { readonly version: string; readonly encoding: string | undefined } | undefined
  /** Refuses the document at the place that is being read. */
  refuse(why: string, kind?: XmlErrorKind): never
}

/**
 * Reads a whole document, tells `listen`'s events about it, and returns its text. `listen` may be asked twice: what the first
 * listener has been told counts for nothing then.
 *
 * The document is UTF-8. A byte order mark is accepted; UTF-16 is refused, and so is another declared encoding unless
 * all octets are ASCII, when it makes no difference. XML 1.1 is refused: its characters could not be copied into a 1.0
 * document. A document type declaration is refused before anything else is looked at, whatever the document does with it.
 *
 * Throws XmlError.
 */
export function scanXml(bytes: Uint8Array, limits: XmlLimits, listen: (reader: XmlReader) => XmlEvents): string {
  const text = decodeXml(bytes, limits.bytes)
  if (!scanPlain(text, limits, listen)) scanAny(text, bytes, limits, listen)
  return text
}

/** The same of any decoded document. Throws XmlError. */
export function scanAny(
  text: string,
  bytes: Uint8Array,
  limits: XmlLimits,
  listen: (reader: XmlReader) => XmlEvents,
): void {
  const doctype = doctypeIn(text)
  if (doctype !== -1)
    throw positioned(
      Buffer.from(bytes),
      byteOffset(text, doctype),
      'a document type declaration is not accepted',
      'bound',
    )
  // With positions off, saxes still counts them; it only leaves them out of its messages.
  const parser = new SaxesParser({ xmlns: true, position: false })
  const reader = new Reader(text, parser)
  const refuse: XmlReader['refuse'] = (why, kind) => reader.refuse(why, kind)
  const events = listen(reader)
  let depth = 0
  let nodes = 0
  let sawRoot = false
  const shortTag = Math.min(limits.nameLength, limits.attributes * 5)
  const countNode = () => {
    if (++nodes > limits.nodes) refuse(`more than ${limits.nodes} nodes`, 'bound')
  }

  // Six listeners and no more: with a seventh V8 keeps the parser's properties in a hash table, and everything takes
  // five times as long. Errors come as exceptions, and the other events can be told from these.
  parser.on('opentag', tag => {
    if (!sawRoot) {
      checkProlog(parser, bytes, refuse)
      sawRoot = true
    }
    if (++depth > limits.depth) refuse(`elements more than ${limits.depth} deep`, 'bound')
    countNode()
    // A short tag has neither long names nor many attributes: each takes five characters, ` a=""`.
    if (parser.position - text.lastIndexOf('<', parser.position - 1) > shortTag) checkNames(tag, limits, refuse)
    events.open(tag, parser.position)
  })
  parser.on('closetag', tag => {
    depth--
    events.close(tag, parser.position)
  })
  parser.on('text', value => {
    countNode()
    if (depth > 0) events.text?.(value, parser.position)
  })
  parser.on('cdata', value => {
    countNode()
    if (depth === 0) refuse('text outside of the root element')
    events.cdata?.(value, parser.position)
  })
  parser.on('comment', value => {
    countNode()
    events.comment?.(value, parser.position)
  })
  parser.on('processinginstruction', ({ target, body }) => {
    countNode()
    if (events.instruction === undefined) refuse('a processing instruction is not accepted', 'bound')
    else events.instruction(target, body, parser.position)
  })

  try {
    parser.write(text)
    parser.close()
  } catch (error) {
    // saxes throws plain errors for what is not well-formed; anything else is ours.
    if (error instanceof Error && error.constructor === Error) refuse(sentence(error.message))
    throw error
  }
}

/** A class, since V8 makes the functions of an object literal among the old objects: each would keep its document alive. */
class Reader implements XmlReader {
  readonly text: string
  readonly #parser: SaxesParser

  constructor(text: string, parser: SaxesParser) {
    this.text = text
    this.#parser = parser
  }

  declaration(): ReturnType<XmlReader['declaration']> {
    const { version, encoding } = this.#parser.xmlDecl
    return version === undefined ? undefined : { version, encoding }
  }

  refuse(why: string, kind?: XmlErrorKind): never {
    const { line, column, position } = this.#parser
    const at = Math.min(position, this.text.length)
    throw new XmlError(why, line, Math.max(1, column), byteOffset(this.text, at), kind)
  }
}

function checkProlog(parser: SaxesParser, bytes: Uint8Array, refuse: XmlReader['refuse']): void {
  const { version, encoding } = parser.xmlDecl
  if (version !== undefined && version !== '1.0') refuse('only XML 1.0 is accepted', 'bound')
  if (!isAcceptedEncoding(encoding, bytes)) refuse(`encoding ${encoding} is not UTF-8`, 'encoding')
}

/** Where the document type declaration of a prolog begins (XML 1.0 §2.8), behind what else may stand in one; -1 without one. */
function doctypeIn(text: string): number {
  for (let at = text.charCodeAt(0) === 0xfeff ? 1 : 0; ; ) {
    while (isXmlSpace(text.charCodeAt(at))) at++
    if (text.charCodeAt(at) !== 0x3c) return -1
    const second = text.charCodeAt(at + 1)
    const isComment = second === 0x21 && text.startsWith('--', at + 2)
    if (!isComment && second !== 0x3f) return text.startsWith('<!DOCTYPE', at) ? at : -1
    const end = text.indexOf(isComment ? '-->' : '?>', at + 2)
    // What does not end is for the parser to say.
    if (end === -1) return -1
    at = end + (isComment ? 3 : 2)
  }
}

function checkNames(tag: XmlTag, limits: XmlLimits, refuse: XmlReader['refuse']): void {
  let longest = tag.name.length
  let attributes = 0
  for (const name in tag.attributes) {
    attributes++
    if (name.length > longest) longest = name.length
  }
  if (longest > limits.nameLength) refuse(`a name longer than ${limits.nameLength} characters`, 'bound')
  if (attributes > limits.attributes) refuse(`more than ${limits.attributes} attributes on one element`, 'bound')
}

/** The octet at which the UTF-16 unit `index` of a decoded document lies. */
export function byteOffset(text: string, index: number): number {
  return Buffer.byteLength(index === text.length ? text : text.slice(0, index), 'utf8')
}

function decodeXml(bytes: Uint8Array, maximum: number): string {
  if (bytes.length > maximum) throw new XmlError(`more than ${maximum} octets`, 1, 1, maximum, 'bound')
  // An ASCII document is the common case, and latin1 its cheapest decoding.
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isAscii(buffer)) {
    if (buffer.includes(0)) refuseNul(buffer)
    return buffer.toString('latin1')
  }
  if (isUtf16(buffer)) throw new XmlError('UTF-16 is not accepted; send UTF-8', 1, 1, 0, 'encoding')
  if (!isUtf8(buffer)) refuseInvalidUtf8(buffer)
  return buffer.toString('utf8')
}

function isUtf16(bytes: Uint8Array): boolean {
  return (bytes[0] === 0xfe && bytes[1] === 0xff) || (bytes[0] === 0xff && bytes[1] === 0xfe)
}

/** An octet 0 in ASCII is no XML character; `<` next to one is UTF-16 without a byte order mark. */
function refuseNul(bytes: Buffer): never {
  const utf16 = (bytes[0] === 0 && bytes[1] === 0x3c) || (bytes[0] === 0x3c && bytes[1] === 0)
  if (utf16) throw new XmlError('UTF-16 is not accepted; send UTF-8', 1, 1, 0, 'encoding')
  throw positioned(bytes, bytes.indexOf(0), 'an octet 0 is not a character of XML')
}

function refuseInvalidUtf8(bytes: Buffer): never {
  // Up to the first wrong octet the decoded text is exact, so a U+FFFD that the source did not contain marks it.
  const text = bytes.toString('utf8')
  let offset = 0
  for (let from = 0, at = text.indexOf('\ufffd'); at !== -1; from = at, at = text.indexOf('\ufffd', at + 1)) {
    offset += Buffer.byteLength(text.slice(from, at), 'utf8')
    if (bytes[offset] !== 0xef || bytes[offset + 1] !== 0xbf || bytes[offset + 2] !== 0xbd) break
  }
  throw positioned(bytes, offset, 'not valid UTF-8', 'encoding')
}

function positioned(bytes: Buffer, offset: number, why: string, kind?: XmlErrorKind): XmlError {
  const before = bytes.subarray(0, offset).toString('utf8')
  const lineStart = before.lastIndexOf('\n') + 1
  let line = 1
  for (let i = before.indexOf('\n'); i !== -1; i = before.indexOf('\n', i + 1)) line++
  return new XmlError(why, line, before.length - lineStart + 1, offset, kind)
}

function isAcceptedEncoding(encoding: string | undefined, bytes: Uint8Array): boolean {
  if (encoding === undefined) return true
  const name = encoding.toLowerCase()
  if (name === 'utf-8' || name === 'utf8') return true
  return !name.startsWith('utf-16') && isAscii(bytes)
}

/** Messages of saxes end in a full stop; ours are parts of a sentence. */
function sentence(message: string): string {
  return message.endsWith('.') ? message.slice(0, -1) : message
}
