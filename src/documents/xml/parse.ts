/** Builds the tree of an XML document, every node with its place in the source. */

import { byteOffset, defaultXmlLimits, scanXml, type XmlEvents, type XmlLimits, type XmlTag } from './scan.ts'
import { NamespaceScope, noDeclarations, type XmlAttribute, type XmlElement, type XmlNode } from './tree.ts'

export { XmlError } from './errors.ts'
export { byteOffset, defaultXmlLimits, type XmlLimits }

export type ParseXmlOptions = {
  readonly limits?: XmlLimits
  /** Keeps processing instructions as nodes; otherwise a document with one is refused. */
  readonly instructions?: boolean
}

/**
 * The root element of a UTF-8 document. What stands before and behind it is in `root.source.text`.
 *
 * Throws XmlError for what is not well-formed, for a document type declaration, for processing instructions unless they
 * are asked for, and at each limit.
 */
export function parseXml(bytes: Uint8Array, options: ParseXmlOptions = {}): XmlElement {
  let builder: TreeBuilder | undefined
  scanXml(bytes, options.limits ?? defaultXmlLimits, ({ text }) => {
    builder = options.instructions ? new InstructedTreeBuilder(text) : new TreeBuilder(text)
    return builder
  })
  return builder!.root!
}

class TreeBuilder implements XmlEvents {
  root: Open | undefined
  readonly #text: string
  readonly #open: Open[] = []
  /**
   * The nodes that have been read of the elements that are open, from its `#firsts` of each on. Their arrays are cut from it when
   * they are whole: grown one by one they would have room for many more.
   */
  readonly #nodes: XmlNode[] = []
  #count = 0
  readonly #firsts: number[] = []
  readonly #attributesOfTag: XmlAttribute[] = []
  /** Where the node that is being read begins: where the last one ended. */
  #cursor = 0

  constructor(text: string) {
    this.#text = text
  }

  open(tag: XmlTag, position: number): void {
    const around = this.#open[this.#open.length - 1]?.scope ?? NamespaceScope.none
    let declarations: Map<string, string> | undefined
    let attributes = 0
    for (const key in tag.attributes) {
      const { prefix, local, uri, value } = tag.attributes[key]!
      if (prefix === 'xmlns' || key === 'xmlns') {
        const declared = prefix === '' ? '' : local
        declarations ??= new Map()
        declarations.set(declared, tag.ns[declared]!)
      } else this.#attributesOfTag[attributes++] = { prefix, name: local, namespace: uri, value }
    }
    const element: Open = {
      kind: 'element',
      prefix: tag.prefix,
      name: tag.local,
      namespace: tag.uri,
      attributes: attributes === 0 ? noAttributes : this.#attributesOfTag.slice(0, attributes),
      declarations: declarations ?? noDeclarations,
      scope: declarations === undefined ? around : new NamespaceScope(declarations, around),
      children: noNodes,
      source: {
        text: this.#text,
        start: tagStart(this.#text, position),
        contentStart: position,
        contentEnd: position,
        end: position,
      },
    }
    this.root ??= element
    this.#open.push(element)
    this.#firsts.push(this.#count)
    this.#cursor = position
  }

  close(tag: XmlTag, position: number): void {
    const element = this.#open.pop()!
    const { source } = element
    source.contentEnd = tag.isSelfClosing ? position : this.#text.lastIndexOf('<', position - 1)
    source.end = position
    const first = this.#firsts.pop()!
    if (first < this.#count) element.children = this.#nodes.slice(first, this.#count)
    this.#count = first
    this.add(element, position)
  }

  text(value: string, position: number): void {
    // Reported when the `<` behind it has been read.
    const end = position - 1
    this.add({ kind: 'text', value, start: this.#cursor, end }, end)
  }

  cdata(value: string, position: number): void {
    this.add({ kind: 'cdata', value, start: this.#cursor, end: position }, position)
  }

  comment(value: string, position: number): void {
    // Reported when `--` has been read; `>` has to follow.
    const end = position + 1
    this.add({ kind: 'comment', value, start: this.#cursor, end }, end)
  }

  protected get cursor(): number {
    return this.#cursor
  }

  protected add(node: XmlNode, end: number): void {
    if (this.#open.length > 0) this.#nodes[this.#count++] = node
    this.#cursor = end
  }
}

/** One that keeps processing instructions. */
class InstructedTreeBuilder extends TreeBuilder {
  instruction(target: string, value: string, position: number): void {
    this.add({ kind: 'instruction', target, value, start: this.cursor, end: position }, position)
  }
}

const noNodes: readonly XmlNode[] = []
const noAttributes: readonly XmlAttribute[] = []

type Writable<T> = { -readonly [K in keyof T]: T[K] }

type Open = Omit<XmlElement, 'children' | 'source'> & {
  children: readonly XmlNode[]
  source: Writable<NonNullable<XmlElement['source']>>
}

/**
 * Where the start tag that ends at `position` begins. Attribute values cannot contain `<` (XML 1.0 §3.1).
 */
function tagStart(text: string, position: number): number {
  return text.lastIndexOf('<', position - 1)
}
