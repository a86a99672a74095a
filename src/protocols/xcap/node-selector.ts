/** Node selectors: which element, attribute or namespace bindings of a document is meant (RFC 4825 §6.3, §6.4). */

import { badRequest, notFound } from '../http/errors.ts'
import { attributeText } from './attribute-value.ts'

export interface ExpandedName {
  readonly namespace: string
  readonly name: string
}

/** One step: elements of a name, or of any; of these the n-th; of these the one with an attribute. */
export interface Step {
  /** Undefined for `*`. */
  readonly element: ExpandedName | undefined
  /** Counted from 1. */
  readonly position: number | undefined
  readonly attribute: (ExpandedName & { readonly value: string }) | undefined
}

export interface NodeSelector {
  /** At least one. */
  readonly steps: readonly Step[]
  readonly terminal: Terminal | undefined
}

export type Terminal =
  | ({ readonly kind: 'attribute'; readonly prefix: string } & ExpandedName)
  | { readonly kind: 'namespaces' }

/**
 * Reads a node selector: `encoded` is what follows `~~` in the path, `query` the query, both percent-encoded. Names without
 * a prefix are in `defaultNamespace`, that of the application usage; attributes without one are in none.
 *
 * Throws 404 for a selector that is none of RFC 4825's, an extension for all we know (§8); 400 for a prefix that the query
 * does not bind, and for what is not percent-encoded UTF-8.
 */
export function parseNodeSelector(encoded: string, query: string, defaultNamespace: string): NodeSelector {
  return new SelectorReader(percentDecoded(encoded), namespaceBindings(query), defaultNamespace).selector()
}

/** Throws 400. */
export function percentDecoded(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    throw badRequest('The URI is not percent-encoded UTF-8')
  }
}

/** A selector has more steps than any document is deep; the reader of documents refuses deeper ones anyway. */
const maximumSteps = 64

class SelectorReader {
  readonly #text: string
  readonly #bindings: ReadonlyMap<string, string>
  readonly #defaultNamespace: string
  #at = 0

  constructor(text: string, bindings: ReadonlyMap<string, string>, defaultNamespace: string) {
    this.#text = text
    this.#bindings = bindings
    this.#defaultNamespace = defaultNamespace
  }

  selector(): NodeSelector {
    const steps: Step[] = []
    for (;;) {
      if (steps.length > 0 && this.#takes('@')) {
        const prefix = this.#prefix()
        const name = this.#localName()
        this.#end()
        return { steps, terminal: { kind: 'attribute', prefix, ...this.#attributeName(prefix, name) } }
      }
      if (steps.length > 0 && this.#takes('namespace::*')) {
        this.#end()
        return { steps, terminal: { kind: 'namespaces' } }
      }
      if (steps.length >= maximumSteps) throw notFound(`A selector of more than ${maximumSteps} steps`)
      steps.push(this.#step())
      if (this.#at === this.#text.length) return { steps, terminal: undefined }
      if (!this.#takes('/')) this.#unknown()
    }
  }

  #step(): Step {
    const element = this.#takes('*') ? undefined : this.#elementName()
    let position: number | undefined
    if (this.#text[this.#at] === '[' && isDigit(this.#text.charCodeAt(this.#at + 1))) {
      this.#at++
      const start = this.#at
      while (isDigit(this.#text.charCodeAt(this.#at))) this.#at++
      position = Number(this.#text.slice(start, this.#at))
      if (!this.#takes(']')) this.#unknown()
    }
    if (!this.#takes('[@')) return { element, position, attribute: undefined }
    const prefix = this.#prefix()
    const name = this.#attributeName(prefix, this.#localName())
    if (!this.#takes('=')) this.#unknown()
    const quote = this.#text[this.#at]
    const close = quote === '"' || quote === "'" ? this.#text.indexOf(quote, this.#at + 1) : -1
    if (close === -1) this.#unknown()
    const value = attributeText(this.#text.slice(this.#at + 1, close))
    if (value === undefined) this.#unknown()
    this.#at = close + 1
    if (!this.#takes(']')) this.#unknown()
    return { element, position, attribute: { ...name, value } }
  }

  #elementName(): ExpandedName {
    const prefix = this.#prefix()
    const name = this.#localName()
    return { namespace: prefix === '' ? this.#defaultNamespace : this.#namespaceOf(prefix), name }
  }

  #attributeName(prefix: string, name: string): ExpandedName {
    return { namespace: prefix === '' ? '' : this.#namespaceOf(prefix), name }
  }

  #namespaceOf(prefix: string): string {
    const namespace = this.#bindings.get(prefix)
    if (namespace === undefined) throw badRequest(`The query does not bind the prefix ${prefix}: xmlns(${prefix}=...)`)
    return namespace
  }

  /** What stands before a colon; empty when there is none. */
  #prefix(): string {
    const start = this.#at
    const name = this.#localName()
    if (this.#text[this.#at] === ':' && this.#text[this.#at + 1] !== ':') {
      this.#at++
      return name
    }
    this.#at = start
    return ''
  }

  /** An NCName. */
  #localName(): string {
    ncName.lastIndex = this.#at
    const [name] = ncName.exec(this.#text) ?? this.#unknown()
    this.#at += name.length
    return name
  }

  #takes(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #end(): void {
    if (this.#at !== this.#text.length) this.#unknown()
  }

  #unknown(): never {
    throw notFound(
      `Not a node selector from character ${this.#at + 1} on: ${this.#text.slice(this.#at, this.#at + 40)}`,
    )
  }
}

/** Namespaces in XML 1.0 §3, XML 1.0 §2.3. */
const nameStart =
  'A-Z_a-z\\xc0-\\xd6\\xd8-\\xf6\\xf8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd\\u{10000}-\\u{effff}'
const ncName = new RegExp(`[${nameStart}][-.0-9\\xb7\\u0300-\\u036f\\u203f\\u2040${nameStart}]*`, 'uy')

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/**
 * The prefixes that a query binds: `xmlns(prefix=namespace)` parts of an XPointer, others ignored (RFC 4825 §6.4, XPointer
 * Framework §3.1, XPointer xmlns() Scheme §3). Throws 400.
 */
function namespaceBindings(query: string): ReadonlyMap<string, string> {
  if (query === '') return implied
  const bindings = new Map(implied)
  const text = percentDecoded(query)
  for (let at = 0; at < text.length; ) {
    if (isSpace(text.charCodeAt(at))) {
      at++
      continue
    }
    const open = text.indexOf('(', at)
    if (open === -1) throw badRequest('The query is not a list of xmlns(prefix=namespace)')
    const scheme = text.slice(at, open)
    let data = ''
    let depth = 1
    for (at = open + 1; ; at++) {
      const character = text[at]
      if (character === undefined) throw badRequest('A parenthesis in the query is not closed')
      if (character === '^' && '()^'.includes(text[at + 1] ?? ' ')) data += text[++at]
      else if (character === ')' && --depth === 0) break
      else {
        if (character === '(') depth++
        data += character
      }
    }
    at++
    const equals = data.indexOf('=')
    if (scheme !== 'xmlns' || equals === -1) continue
    const prefix = data.slice(0, equals).trim()
    // `xml` is what it is.
    if (prefix !== 'xml') bindings.set(prefix, data.slice(equals + 1).trim())
  }
  return bindings
}

const implied: ReadonlyMap<string, string> = new Map([['xml', 'http://www.w3.org/XML/1998/namespace']])

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d
}
