/** Builds the tree of an XML document, every node with its place in the source. */

import { byteOffset, defaultXmlLimits, scanXml, type XmlEvents, type XmlLimits } from './scan.ts'
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
  let root: Open | undefined
  scanXml(bytes, options.limits ?? defaultXmlLimits, ({ text }) => {
    const open: Open[] = []
    /**
     * The nodes that have been read of the elements that are open, from its `firsts` of each on. Their arrays are cut from it when
     * they are whole: grown one by one they would have room for many more.
     */
    const nodes: XmlNode[] = []
    let count = 0
    const firsts: number[] = []
    const attributesOfTag: XmlAttribute[] = []
    /** Where the node that is being read begins: where the last one ended. */
    let cursor = 0

    const add = (node: XmlNode) => {
      if (open.length > 0) nodes[count++] = node
    }
    const events: XmlEvents = {
      open(tag, position) {
        const around = open[open.length - 1]?.scope ?? NamespaceScope.none
        let declarations: Map<string, string> | undefined
        let attributes = 0
        for (const key in tag.attributes) {
          const { prefix, local, uri, value } = tag.attributes[key]!
          if (prefix === 'xmlns' || key === 'xmlns') {
            const declared = prefix === '' ? '' : local
            declarations ??= new Map()
            declarations.set(declared, tag.ns[declared]!)
          } else attributesOfTag[attributes++] = { prefix, name: local, namespace: uri, value }
        }
        const element: Open = {
          kind: 'element',
          prefix: tag.prefix,
          name: tag.local,
          namespace: tag.uri,
          attributes: attributes === 0 ? noAttributes : attributesOfTag.slice(0, attributes),
          declarations: declarations ?? noDeclarations,
          scope: declarations === undefined ? around : new NamespaceScope(declarations, around),
          children: noNodes,
          source: {
            text,
            start: tagStart(text, position),
            contentStart: position,
            contentEnd: position,
            end: position,
          },
        }
        root ??= element
        open.push(element)
        firsts.push(count)
        cursor = position
      },
      close(tag, position) {
        const element = open.pop()!
        const { source } = element
        source.contentEnd = tag.isSelfClosing ? position : text.lastIndexOf('<', position - 1)
        source.end = position
        const first = firsts.pop()!
        if (first < count) element.children = nodes.slice(first, count)
        count = first
        add(element)
        cursor = position
      },
      text(value, position) {
        // Reported when the `<` behind it has been read.
        add({ kind: 'text', value, start: cursor, end: position - 1 })
        cursor = position - 1
      },
      cdata(value, position) {
        add({ kind: 'cdata', value, start: cursor, end: position })
        cursor = position
      },
      comment(value, position) {
        // Reported when `--` has been read; `>` has to follow.
        add({ kind: 'comment', value, start: cursor, end: position + 1 })
        cursor = position + 1
      },
    }
    if (options.instructions) {
      events.instruction = (target, value, position) => {
        add({ kind: 'instruction', target, value, start: cursor, end: position })
        cursor = position
      }
    }
    return events
  })
  return root!
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
