/**
 * The quick way to read a document that is plain: elements, attributes and text as nearly everybody writes them, several times
 * as fast as the reader for all of XML (`scan.ts`), which has the last word. Whatever is not plain, comments, references and
 * tabs for example, and whatever may be wrong, is left to that one, which then begins anew.
 */

import type { XmlEvents, XmlLimits, XmlReader, XmlTag } from './scan.ts'
import { xmlNamespace } from './tree.ts'

const xmlnsNamespace = 'http://www.w3.org/2000/xmlns/'

/**
 * Tells `listen`'s events about a whole document, just as `scanXml` does, and returns true; false, whatever has been told by then,
 * when the document is not plain, would pass a limit or is refused by the listener.
 */
export function scanPlain(text: string, limits: XmlLimits, listen: (reader: XmlReader) => XmlEvents): boolean {
  const start = plainFrom(text)
  if (start === -1) return false
  try {
    return new PlainScanner(text, start, limits).scan(listen)
  } catch (error) {
    if (error === notPlain) return false
    throw error
  }
}

/** XML declarations as they are mostly written. */
const declarations = [
  { text: '<?xml version="1.0" encoding="UTF-8"?>', encoding: 'UTF-8' },
  { text: "<?xml version='1.0' encoding='UTF-8'?>", encoding: 'UTF-8' },
  { text: '<?xml version="1.0" encoding="utf-8"?>', encoding: 'utf-8' },
  { text: "<?xml version='1.0' encoding='utf-8'?>", encoding: 'utf-8' },
  { text: '<?xml version="1.0"?>', encoding: undefined },
] as const

/** A character that needs more than to be taken as it is. */
const special = /[\x00-\x09\x0b-\x1f&\ud800-\udfff\ufffe\uffff]/

/** Where a document that may be plain goes on behind its XML declaration; -1 for any other. */
function plainFrom(text: string): number {
  if (special.test(text) || text.includes(']]>')) return -1
  if (!text.startsWith('<?')) return 0
  return declarations.find(declaration => text.startsWith(declaration.text))?.text.length ?? -1
}

/** Thrown when something turns out not to be plain, or is refused. */
const notPlain = Symbol('not plain')

const [NEWLINE, SPACE, DOUBLE_QUOTE, SINGLE_QUOTE, SLASH, COLON, EQUALS, GREATER] = [10, 32, 34, 39, 47, 58, 61, 62]

/** What a character of ASCII may be in a name: 1 within it, 3 at its beginning too. Others are not plain there. */
const inNames = new Uint8Array(128)
for (const character of '-.0123456789') inNames[character.charCodeAt(0)] = 1
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz') inNames[character.charCodeAt(0)] = 3

/** What a tag without them has. */
const noAttributes: XmlTag['attributes'] = Object.freeze({})
const noNamespaces: XmlTag['ns'] = Object.freeze({})
/** Attributes of one element with prefixes, and namespaces in force: they are searched one by one, so more are not plain. */
const maximumQualified = 8
const maximumNamespaces = 64

class PlainScanner implements XmlReader {
  readonly text: string
  readonly #start: number
  readonly #limits: XmlLimits
  /** How far it has been read. */
  #at: number
  /** Where the tag behind the one that is being read begins; -1 when there is none. */
  #next = -1
  /** Where the next line end is, as far as it was looked for. */
  #lineEnd = -1
  /** The prefix of the name that was read last, without colon, and what stands behind it. */
  #prefix = ''
  #local = ''
  #nodes = 0
  readonly #open: XmlTag[] = []
  /** The namespaces in force, those declared last at the end; and how many there are around each element that is open. */
  readonly #prefixes: string[] = []
  readonly #uris: string[] = []
  readonly #around: number[] = []

  constructor(text: string, start: number, limits: XmlLimits) {
    this.text = text
    this.#start = start
    this.#at = start
    this.#limits = limits
  }

  declaration(): ReturnType<XmlReader['declaration']> {
    if (this.#start === 0) return undefined
    const { encoding } = declarations.find(({ text }) => this.text.startsWith(text))!
    return { version: '1.0', encoding }
  }

  refuse(): never {
    throw notPlain
  }

  scan(listen: (reader: XmlReader) => XmlEvents): boolean {
    const { text } = this
    const events = listen(this)
    let sawRoot = false
    for (let open = text.indexOf('<', this.#at); open !== -1; open = this.#next) {
      if (this.#open.length === 0) {
        if (sawRoot || !this.#isBlank(open)) return false
        sawRoot = true
      } else if (open > this.#at) {
        this.#countNode()
        events.text?.(text.slice(this.#at, open), open + 1)
      }
      this.#at = open + 1
      this.#next = text.indexOf('<', this.#at)
      if (text.charCodeAt(this.#at) === SLASH) this.#closeTag(events)
      else this.#openTag(events)
    }
    return sawRoot && this.#open.length === 0 && this.#isBlank(text.length)
  }

  #openTag(events: XmlEvents): void {
    const { text } = this
    this.#countNode()
    this.#around.push(this.#prefixes.length)
    const tag: XmlTag = {
      name: this.#name(),
      prefix: this.#prefix,
      local: this.#local,
      uri: '',
      attributes: noAttributes,
      ns: noNamespaces,
      isSelfClosing: false,
    }
    let attributes = 0
    let qualified = 0
    for (;;) {
      const end = this.#at
      this.#skipSpace()
      const code = text.charCodeAt(this.#at)
      if (code === GREATER) break
      if (code === SLASH) {
        if (text.charCodeAt(++this.#at) !== GREATER) throw notPlain
        tag.isSelfClosing = true
        break
      }
      if (this.#at === end || ++attributes > this.#limits.attributes) throw notPlain
      if (this.#attribute(tag)) qualified++
    }
    this.#at++
    tag.uri = tag.prefix === '' ? this.#lookup('') : this.#bound(tag.prefix)
    if (qualified > 0) this.#qualify(tag.attributes, qualified)
    if (this.#open.length >= this.#limits.depth) throw notPlain
    events.open(tag, this.#at)
    if (tag.isSelfClosing) this.#close(tag, events)
    else this.#open.push(tag)
  }

  #closeTag(events: XmlEvents): void {
    const tag = this.#open.pop()
    if (tag === undefined || !this.text.startsWith(tag.name, this.#at + 1)) throw notPlain
    this.#at += 1 + tag.name.length
    this.#skipSpace()
    if (this.text.charCodeAt(this.#at) !== GREATER) throw notPlain
    this.#at++
    this.#close(tag, events)
  }

  #close(tag: XmlTag, events: XmlEvents): void {
    const around = this.#around.pop()!
    if (this.#prefixes.length > around) this.#prefixes.length = this.#uris.length = around
    events.close(tag, this.#at)
  }

  /** Reads one attribute; true when its name has a prefix whose namespace is still to be found. */
  #attribute(tag: XmlTag): boolean {
    const { text } = this
    const name = this.#name()
    const [prefix, local] = [this.#prefix, this.#local]
    const quote = text.charCodeAt(this.#at + 1)
    if (text.charCodeAt(this.#at) !== EQUALS || (quote !== DOUBLE_QUOTE && quote !== SINGLE_QUOTE)) throw notPlain
    const start = this.#at + 2
    const end = text.indexOf(quote === DOUBLE_QUOTE ? '"' : "'", start)
    if (end === -1 || (this.#next !== -1 && end > this.#next) || this.#hasLineEnd(start, end)) throw notPlain
    this.#at = end + 1
    const value = text.slice(start, end)
    if (tag.attributes === noAttributes) tag.attributes = {}
    // There is one of this name, or all objects have such a property.
    if (tag.attributes[name] !== undefined) throw notPlain
    const declared = prefix === 'xmlns' ? local : name === 'xmlns' ? '' : undefined
    tag.attributes[name] = { name, prefix, local, value, uri: declared === undefined ? '' : xmlnsNamespace }
    if (declared !== undefined) this.#declare(tag, declared, value)
    return declared === undefined && prefix !== ''
  }

  #declare(tag: XmlTag, prefix: string, uri: string): void {
    if (uri === '' || uri.trim() !== uri || uri === xmlNamespace || uri === xmlnsNamespace) throw notPlain
    if (prefix === 'xml' || prefix === 'xmlns' || this.#prefixes.length === maximumNamespaces) throw notPlain
    if (tag.ns === noNamespaces) tag.ns = {}
    if (tag.ns[prefix] !== undefined) throw notPlain
    tag.ns[prefix] = uri
    this.#prefixes.push(prefix)
    this.#uris.push(uri)
  }

  /** Gives attributes with prefixes their namespaces; no two may have one name. */
  #qualify(attributes: XmlTag['attributes'], qualified: number): void {
    if (qualified > maximumQualified) throw notPlain
    const names: string[] = []
    for (const name in attributes) {
      const attribute = attributes[name]!
      if (attribute.prefix === '' || attribute.prefix === 'xmlns') continue
      attribute.uri = this.#bound(attribute.prefix)
      if (qualified === 1) return
      const expanded = `${attribute.local} ${attribute.uri}`
      if (names.includes(expanded)) throw notPlain
      names.push(expanded)
    }
  }

  /** The namespace of a prefix that is declared. */
  #bound(prefix: string): string {
    const uri = this.#lookup(prefix)
    if (uri !== '') return uri
    if (prefix === 'xml') return xmlNamespace
    throw notPlain
  }

  #lookup(prefix: string): string {
    for (let at = this.#prefixes.length - 1; at >= 0; at--) if (this.#prefixes[at] === prefix) return this.#uris[at]!
    return ''
  }

  /** Reads a name, and its parts. */
  #name(): string {
    const { text } = this
    const start = this.#at
    let colon = -1
    let code = text.charCodeAt(start)
    if (!(code < 128 && inNames[code] === 3)) throw notPlain
    let at = start + 1
    for (
      code = text.charCodeAt(at);
      (code < 128 && inNames[code] !== 0) || code === COLON;
      code = text.charCodeAt(++at)
    ) {
      if (code !== COLON) continue
      const first = text.charCodeAt(at + 1)
      if (colon !== -1 || !(first < 128 && inNames[first] === 3)) throw notPlain
      colon = at
    }
    if (at - start > this.#limits.nameLength) throw notPlain
    this.#at = at
    const name = text.slice(start, at)
    this.#prefix = colon === -1 ? '' : text.slice(start, colon)
    this.#local = colon === -1 ? name : text.slice(colon + 1, at)
    return name
  }

  #skipSpace(): void {
    const { text } = this
    for (let code = text.charCodeAt(this.#at); isSpace(code); code = text.charCodeAt(this.#at)) this.#at++
  }

  /** Whether nothing but white space stands between what has been read and `end`. */
  #isBlank(end: number): boolean {
    if (this.#at < end) this.#countNode()
    this.#skipSpace()
    return this.#at === end
  }

  #hasLineEnd(start: number, end: number): boolean {
    if (this.#lineEnd < start) {
      const next = this.text.indexOf('\n', start)
      this.#lineEnd = next === -1 ? this.text.length : next
    }
    return this.#lineEnd < end
  }

  #countNode(): void {
    // White space around the root counts here whether or not it does there.
    if (++this.#nodes > this.#limits.nodes - 2) throw notPlain
  }
}

/** Line ends are newlines here, and there are no tabs. */
function isSpace(code: number): boolean {
  return code === SPACE || code === NEWLINE
}
