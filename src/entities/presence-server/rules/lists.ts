/**
 * External lists (OMA common policy, PS-90): the URIs of which one lets a rule be about a watcher, from the resource lists that
 * its entries refer to, and those that these refer to.
 */

import type { CanonicalUri } from '../../../documents/common-policy.ts'
import { resourceListsNamespace } from '../../../documents/resource-lists.ts'
import { attributeValue, childElements, type XmlElement } from '../../../documents/xml/tree.ts'
import { limits } from '../../../limits.ts'
import { HttpRefusal } from '../../../protocols/http/errors.ts'
import { parseXcapUri } from '../../../protocols/xcap/document-selector.ts'
import { parseNodeSelector } from '../../../protocols/xcap/node-selector.ts'
import { selectElement } from '../../../protocols/xcap/select.ts'

/** A document of resource lists, found. `undefined`: there is none. `unavailable`: it cannot be had, or may not be read. */
export type FoundLists = XmlElement | undefined | 'unavailable'

export interface ListSource {
  /** Path of the XCAP root. */
  readonly root: string
  /** The document below the XCAP root that has this address, for the presentity whose rules ask. */
  read(auid: string, xui: string, path: string): FoundLists
  readonly canonical: CanonicalUri
}

/**
 * The canonical URIs of all entries of a list, those of lists within it and of lists it refers to included. Undefined when one
 * of them cannot be had, or there are more than the limits allow: then nobody knows who is not on it. What does not exist has
 * no members.
 */
export function membersOf(uri: string, source: ListSource): ReadonlySet<string> | undefined {
  const collector = new Collector(source)
  return collector.reference(uri) ? collector.members : undefined
}

class Collector {
  readonly members = new Set<string>()
  readonly #source: ListSource
  /** References followed, so that a loop ends. */
  readonly #followed = new Set<string>()

  constructor(source: ListSource) {
    this.#source = source
  }

  /** Adds what a URI leads to; false when that cannot be found out. */
  reference(uri: string): boolean {
    if (this.#followed.has(uri)) return true
    if (this.#followed.size >= limits.externalLists.references) return false
    this.#followed.add(uri)
    const elements = this.#elements(uri)
    return elements !== 'unavailable' && elements.every(element => this.#element(element))
  }

  #elements(uri: string): readonly XmlElement[] | 'unavailable' {
    try {
      const { auid, xui, path, node, query } = parseXcapUri(uri, this.#source.root)
      const lists = this.#source.read(auid, xui, path)
      if (lists === undefined || lists === 'unavailable') return lists ?? []
      if (node === undefined) return childElements(lists, resourceListsNamespace, 'list')
      const selected = selectElement(lists, parseNodeSelector(node, query, resourceListsNamespace).steps)
      return selected === undefined ? [] : [selected]
    } catch (error) {
      if (error instanceof HttpRefusal) return 'unavailable'
      throw error
    }
  }

  #element(element: XmlElement): boolean {
    if (element.namespace !== resourceListsNamespace) return true
    switch (element.name) {
      case 'entry':
        return this.#entry(attributeValue(element, 'uri'))
      case 'entry-ref': {
        const ref = attributeValue(element, 'ref')
        return ref === undefined || this.reference(`${this.#source.root}/${ref}`)
      }
      case 'external': {
        const anchor = attributeValue(element, 'anchor')
        return anchor === undefined || this.reference(anchor.trim())
      }
      case 'list':
      case 'resource-lists':
        return childElements(element, resourceListsNamespace).every(child => this.#element(child))
      default:
        return true
    }
  }

  #entry(uri: string | undefined): boolean {
    const member = uri === undefined ? undefined : this.#source.canonical(uri.trim())
    if (member !== undefined) this.members.add(member)
    return this.members.size <= limits.externalLists.members
  }
}
