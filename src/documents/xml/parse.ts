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
    /** Where the node that is being read begins: where the last one ended. */
    let cursor = 0

    const add = (node: XmlNode) => {
      if (open.length > 0) open[open.length - 1]!.children.push(node)
    }
    const events: XmlEvents = {
      open(tag, position) {
        const around = open[open.length - 1]?.scope ?? NamespaceScope.none
        let declarations: Map<string, string> | undefined
        const attributes: XmlAttribute[] = []
        for (const key in tag.attributes) {
          const { prefix, local, uri, value } = tag.attributes[key]!
          if (prefix === 'xmlns' || key === 'xmlns') {
            const declared = prefix === '' ? '' : local
            declarations ??= new Map()
            declarations.set(declared, tag.ns[declared]!)
          } else attributes.push({ prefix, name: local, namespace: uri, value })
        }
        const element: Open = {
          kind: 'element',
          prefix: tag.prefix,
          name: tag.local,
          namespace: tag.uri,
          attributes,
          declarations: declarations ?? noDeclarations,
          scope: declarations === undefined ? around : new NamespaceScope(declarations, around),
          children: [],
          source: {
            text,
            start: tagStart(text, position),
            contentStart: position,
            contentEnd: position,
            end: position,
          },
        }
        add(element)
        root ??= element
        open.push(element)
        cursor = position
      },
      close(tag, position) {
        const { source } = open.pop()!
        source.contentEnd = tag.isSelfClosing ? position : text.lastIndexOf('<', position - 1)
        source.end = position
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

type Writable<T> = { -readonly [K in keyof T]: T[K] }

type Open = Omit<XmlElement, 'children' | 'source'> & {
  children: XmlNode[]
  source: Writable<NonNullable<XmlElement['source']>>
}

/**
 * Where the start tag that ends at `position` begins. Attribute values cannot contain `<` (XML 1.0 §3.1).
 */
function tagStart(text: string, position: number): number {
  return text.lastIndexOf('<', position - 1)
}
