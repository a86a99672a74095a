/**
 * The quick way through plain XML: ASCII, elements and their text, attributes without references. Nearly every document that
 * clients send is of this kind. Here nothing is ever refused: whatever is not plain, wrong or only rare, is left to the
 * complete reader of `scan.ts`, so this one must accept nothing that the other does not, and tell it the same.
 */

import type { XmlEvents, XmlLimits, XmlReader, XmlTag } from './scan.ts'

const SPACE = 1
const NAME_START = 2
const NAME = 4
/** May stand in text and in attribute values as it is. Not CR, which reads as LF, nor `<` and `&`. */
const TEXT = 8

const classes = characterClasses()

function characterClasses(): Uint8Array {
  const table = new Uint8Array(128)
  for (let code = 0x20; code < 0x7f; code++) table[code] = TEXT
  for (const code of [0x20, 0x09, 0x0a]) table[code] = TEXT | SPACE
  for (const character of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_')
    table[character.charCodeAt(0)]! |= NAME_START | NAME
  for (const character of '0123456789-.') table[character.charCodeAt(0)]! |= NAME
  for (const character of '<&') table[character.charCodeAt(0)] = 0
  return table
}

const DOUBLE_QUOTE = 0x22
const SINGLE_QUOTE = 0x27
const SLASH = 0x2f
const COLON = 0x3a
const LESS = 0x3c
const EQUALS = 0x3d
const GREATER = 0x3e

const xmlNamespace = 'http://www.w3.org/XML/1998/namespace'
const xmlnsNamespace = 'http://www.w3.org/2000/xmlns/'

/** A tag of a plain document has no more; names are no longer. */
const mostAttributes = 16
const longestName = 64

/** Thrown where a listener refuses what it was told: the complete reader will come to the same place and say where it is. */
const refused = new Error('refused')

/**
 * Reads `text`, all ASCII, and tells the listener about it. False when the document is not plain; the listener, which may have
 * been told of its beginning, is of no more use then.
 */
export function scanPlainXml(text: string, limits: XmlLimits, listen: (reader: XmlReader) => XmlEvents): boolean {
  try {
    return new PlainScan(text, limits).scan(listen)
  } catch (error) {
    if (error === refused) return false
    throw error
  }
}

type Attributes = XmlTag['attributes']
type Declarations = XmlTag['ns']

const noAttributes: Attributes = Object.freeze({})
const noDeclarations: Declarations = Object.freeze({})

class PlainScan {
  readonly #text: string
  readonly #limits: XmlLimits
  /** The next character to read. */
  #at = 0
  #encoding: string | undefined
  #isDeclared = false
  /** The elements that are open. */
  readonly #open: XmlTag[] = []
  #nodes = 0

  constructor(text: string, limits: XmlLimits) {
    this.#text = text
    this.#limits = limits
  }

  scan(listen: (reader: XmlReader) => XmlEvents): boolean {
    const text = this.#text
    if (text.includes(']]>') || !this.#declaration()) return false
    const events = listen({
      text,
      declaration: () => (this.#isDeclared ? { version: '1.0', encoding: this.#encoding } : undefined),
      refuse: () => {
        throw refused
      },
    })
    let isOver = false
    for (;;) {
      const start = this.#at
      const bits = this.#skipText()
      const end = this.#at
      if (end > start && ++this.#nodes > this.#limits.nodes) return false
      if (this.#open.length === 0) {
        // Around the root element stands nothing but whitespace.
        if ((bits & SPACE) === 0) return false
        if (end === text.length) return isOver
      } else if (end > start && events.text !== undefined) {
        // Told when the `<` behind it has been read.
        events.text(text.slice(start, end), end + 1)
      }
      if (text.charCodeAt(end) !== LESS) return false
      if (text.charCodeAt(end + 1) === SLASH) {
        if (!this.#endTag(events)) return false
      } else {
        if (isOver && this.#open.length === 0) return false
        if (!this.#startTag(events)) return false
      }
      isOver = this.#open.length === 0
    }
  }

  /** Passes `<?xml version="1.0" encoding="UTF-8"?>`, if it is there; false when it says anything else. */
  #declaration(): boolean {
    const text = this.#text
    if (!text.startsWith('<?')) return true
    const found =
      /^<\?xml version=(?:"1\.0"|'1\.0')(?: encoding=(?:"([Uu][Tt][Ff]-?8)"|'([Uu][Tt][Ff]-?8)'))? ?\?>/.exec(text)
    if (found === null) return false
    this.#isDeclared = true
    this.#encoding = found[1] ?? found[2]
    this.#at = found[0].length
    return true
  }

  /** Passes what may stand as text; returns the classes that all of its characters have in common. */
  #skipText(): number {
    const text = this.#text
    let at = this.#at
    let common = 0xff
    for (; at < text.length; at++) {
      const bits = classes[text.charCodeAt(at)]!
      if ((bits & TEXT) === 0) break
      common &= bits
    }
    this.#at = at
    return common
  }

  #skipSpace(): void {
    const text = this.#text
    let at = this.#at
    while ((classes[text.charCodeAt(at)]! & SPACE) !== 0) at++
    this.#at = at
  }

  /** Where `#name` has found the colon of the name it has passed; -1 for none. */
  #colon = -1

  /** Passes a name with at most one colon inside; false when there is none. */
  #name(): boolean {
    const text = this.#text
    const start = this.#at
    let at = start
    this.#colon = -1
    if ((classes[text.charCodeAt(at)]! & NAME_START) === 0) return false
    for (;;) {
      const code = text.charCodeAt(++at)
      if ((classes[code]! & NAME) !== 0) continue
      if (code !== COLON) break
      if (this.#colon !== -1 || (classes[text.charCodeAt(at + 1)]! & NAME_START) === 0) return false
      this.#colon = at
    }
    this.#at = at
    return at - start <= longestName && at - start <= this.#limits.nameLength
  }

  #startTag(events: XmlEvents): boolean {
    const text = this.#text
    const start = ++this.#at
    if (!this.#name()) return false
    const name = text.slice(start, this.#at)
    const colon = this.#colon
    const tag: XmlTag = {
      name,
      prefix: colon === -1 ? '' : text.slice(start, colon),
      local: colon === -1 ? name : text.slice(colon + 1, this.#at),
      uri: '',
      attributes: noAttributes,
      ns: noDeclarations,
      isSelfClosing: false,
    }
    if (text.charCodeAt(this.#at) !== GREATER && !this.#attributes(tag)) return false
    const code = text.charCodeAt(this.#at)
    if (code === SLASH) {
      if (text.charCodeAt(++this.#at) !== GREATER) return false
      tag.isSelfClosing = true
    } else if (code !== GREATER) return false
    this.#at++
    const uri = this.#namespace(tag.prefix, tag)
    if (uri === undefined || tag.prefix === 'xmlns') return false
    tag.uri = uri
    if (this.#open.length >= this.#limits.depth || ++this.#nodes > this.#limits.nodes) return false
    events.open(tag, this.#at)
    if (tag.isSelfClosing) events.close(tag, this.#at)
    else this.#open.push(tag)
    return true
  }

  /** Passes attributes up to the end of the tag, and gives them to it. */
  #attributes(tag: XmlTag): boolean {
    const text = this.#text
    const attributes: Attributes = {}
    let count = 0
    for (;;) {
      const before = this.#at
      this.#skipSpace()
      const code = text.charCodeAt(this.#at)
      if (code === GREATER || code === SLASH) break
      if (this.#at === before || ++count > mostAttributes || count > this.#limits.attributes) return false
      if (!this.#attribute(tag, attributes)) return false
    }
    if (count === 0) return true
    tag.attributes = attributes
    return this.#resolve(tag)
  }

  #attribute(tag: XmlTag, attributes: Attributes): boolean {
    const text = this.#text
    const start = this.#at
    if (!this.#name()) return false
    const name = text.slice(start, this.#at)
    const colon = this.#colon
    this.#skipSpace()
    if (text.charCodeAt(this.#at++) !== EQUALS) return false
    this.#skipSpace()
    const quote = text.charCodeAt(this.#at++)
    if (quote !== DOUBLE_QUOTE && quote !== SINGLE_QUOTE) return false
    const valueStart = this.#at
    let at = valueStart
    for (; ; at++) {
      const code = text.charCodeAt(at)
      if (code === quote) break
      // Whitespace other than the space itself would read as a space.
      if ((classes[code]! & TEXT) === 0 || code < 0x20) return false
    }
    this.#at = at + 1
    const value = text.slice(valueStart, at)
    const prefix = colon === -1 ? '' : text.slice(start, colon)
    const local = colon === -1 ? name : text.slice(colon + 1, start + name.length)
    if (name === '__proto__' || local === '__proto__' || Object.hasOwn(attributes, name)) return false
    attributes[name] = { name, prefix, local, value, uri: '' }
    if (name === 'xmlns' || prefix === 'xmlns') return declare(tag, prefix === '' ? '' : local, value)
    return true
  }

  /** Gives each attribute its namespace, now that all that the tag declares is known. */
  #resolve(tag: XmlTag): boolean {
    const { attributes } = tag
    let names: Set<string> | undefined
    for (const name in attributes) {
      const attribute = attributes[name]!
      const { prefix, local } = attribute
      if (name === 'xmlns' || prefix === 'xmlns') attribute.uri = xmlnsNamespace
      else if (prefix !== '') {
        const uri = this.#namespace(prefix, tag)
        if (uri === undefined) return false
        attribute.uri = uri
        // Two prefixes may mean one namespace, and then the attributes are one.
        const expanded = `${uri} ${local}`
        names ??= new Set()
        if (names.has(expanded)) return false
        names.add(expanded)
      }
    }
    return true
  }

  /** What a prefix stands for inside a tag; '' for no namespace, undefined for a prefix that nobody has declared. */
  #namespace(prefix: string, tag: XmlTag): string | undefined {
    if (prefix === 'xml') return xmlNamespace
    if (tag.ns !== noDeclarations && Object.hasOwn(tag.ns, prefix)) return tag.ns[prefix]
    for (let depth = this.#open.length - 1; depth >= 0; depth--) {
      const { ns } = this.#open[depth]!
      if (ns !== noDeclarations && Object.hasOwn(ns, prefix)) return ns[prefix]
    }
    return prefix === '' ? '' : undefined
  }

  #endTag(events: XmlEvents): boolean {
    const text = this.#text
    const tag = this.#open.pop()
    if (tag === undefined || !text.startsWith(tag.name, this.#at + 2)) return false
    this.#at += 2 + tag.name.length
    this.#skipSpace()
    if (text.charCodeAt(this.#at) !== GREATER) return false
    this.#at++
    events.close(tag, this.#at)
    return true
  }
}

/** Namespaces in XML 1.0 §3: a prefix is never undeclared, and those of XML itself stay as they are. */
function declare(tag: XmlTag, prefix: string, uri: string): boolean {
  if (uri === '' ? prefix !== '' : uri !== uri.trim() || uri === xmlNamespace || uri === xmlnsNamespace) return false
  if (prefix === 'xml' || prefix === 'xmlns') return false
  if (tag.ns === noDeclarations) tag.ns = {}
  tag.ns[prefix] = uri
  return true
}
