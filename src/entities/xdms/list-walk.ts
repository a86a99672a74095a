/**
 * A walk through resource lists (RFC 4826 §3): the entries of a list, those of lists within it, and what its references lead
 * to, each list once.
 */

import { resourceListsNamespace } from '../../documents/resource-lists.ts'
import { attributeValue, childElements, type XmlElement } from '../../documents/xml/tree.ts'
import { limits } from '../../limits.ts'
import { HttpRefusal } from '../../protocols/http/errors.ts'
import { parseXcapUri } from '../../protocols/xcap/document-selector.ts'
import { parseNodeSelector } from '../../protocols/xcap/node-selector.ts'
import { selectElement } from '../../protocols/xcap/select.ts'

/** A document of resource lists, found. `undefined`: there is none. `unavailable`: it cannot be had, or may not be read. */
export type FoundLists = XmlElement | undefined | 'unavailable'

export interface ListSource {
  /** Path of the XCAP root. */
  readonly root: string
  /** The document below the XCAP root that has this address, for the one on whose behalf it is asked. */
  read(auid: string, xui: string, path: string): FoundLists
}

/** Who walks; what it returns false for ends the walk. */
export interface ListVisitor {
  /** `reference`: the `entry-ref` that has led to the entry. */
  entry(element: XmlElement, reference?: XmlElement): boolean
  /** The list that a walk from a reference begins at. */
  start?(list: XmlElement): void
  /** A reference leads to what cannot be had, or there are more of them than the limits allow. */
  unavailable(reference: string): boolean
}

/** Walks from what a reference leads to, or from a list; false when the visitor has ended the walk. What does not exist has no members. */
export function walkLists(from: string | XmlElement, source: ListSource, visitor: ListVisitor): boolean {
  const walk = new ListWalk(source, visitor)
  return typeof from === 'string' ? walk.start(from) : walk.element(from)
}

class ListWalk {
  readonly #source: ListSource
  readonly #visitor: ListVisitor
  /** References followed, so that a loop ends. */
  readonly #followed = new Set<string>()
  /** Documents read: many references may lead into one, which may be large. */
  readonly #documents = new Map<string, FoundLists>()

  constructor(source: ListSource, visitor: ListVisitor) {
    this.#source = source
    this.#visitor = visitor
  }

  start(uri: string): boolean {
    return this.#reference(uri, undefined, list => this.#visitor.start?.(list))
  }

  #reference(uri: string, by: XmlElement | undefined, found: (element: XmlElement) => void = () => {}): boolean {
    if (this.#followed.has(uri)) return true
    if (this.#followed.size >= limits.externalLists.references) return this.#visitor.unavailable(uri)
    this.#followed.add(uri)
    const elements = this.#elements(uri)
    if (elements === 'unavailable') return this.#visitor.unavailable(uri)
    if (elements.length === 1) found(elements[0]!)
    return elements.every(element => this.element(element, by))
  }

  #elements(uri: string): readonly XmlElement[] | 'unavailable' {
    try {
      const { auid, xui, path, node, query } = parseXcapUri(uri, this.#source.root)
      const lists = this.#read(auid, xui, path)
      if (lists === undefined || lists === 'unavailable') return lists ?? []
      if (node === undefined) return childElements(lists, resourceListsNamespace, 'list')
      const selected = selectElement(lists, parseNodeSelector(node, query, resourceListsNamespace).steps)
      return selected === undefined ? [] : [selected]
    } catch (error) {
      if (error instanceof HttpRefusal) return 'unavailable'
      throw error
    }
  }

  #read(auid: string, xui: string, path: string): FoundLists {
    const key = `${auid} ${xui} ${path}`
    if (!this.#documents.has(key)) this.#documents.set(key, this.#source.read(auid, xui, path))
    return this.#documents.get(key)
  }

  /** An entry, a reference, or a list of such; the one of a service has its own namespace (RFC 4826 §4.1). */
  element(element: XmlElement, by?: XmlElement): boolean {
    switch (element.name) {
      case 'entry':
        return this.#visitor.entry(element, by)
      case 'entry-ref': {
        const ref = attributeValue(element, 'ref')
        return ref === undefined || this.#reference(`${this.#source.root}/${ref}`, element)
      }
      case 'external': {
        const anchor = attributeValue(element, 'anchor')
        return anchor === undefined || this.#reference(anchor.trim(), undefined)
      }
      case 'list':
      case 'resource-lists':
        return childElements(element, resourceListsNamespace).every(child => this.element(child))
      default:
        return true
    }
  }
}
