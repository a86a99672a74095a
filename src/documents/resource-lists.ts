/**
 * Resource lists (RFC 4826 §3): what must be unique within one list, and what references look like. What else a list is
 * made of, its grammar says.
 */

import { attributeValue, type XmlElement } from './xml/tree.ts'

export const resourceListsNamespace = 'urn:ietf:params:xml:ns:resource-lists'
export const resourceListsType = 'application/resource-lists+xml'

/** Members of a list by name, with the attribute that names each within it. */
const identifiers: Readonly<Record<string, string>> = {
  list: 'name',
  entry: 'uri',
  'entry-ref': 'ref',
  external: 'anchor',
}

export type ListFault =
  | {
      readonly kind: 'duplicate'
      readonly element: XmlElement
      readonly attribute: string
      readonly taken: Set<string>
    }
  | { readonly kind: 'reference'; readonly element: XmlElement; readonly why: string }

/** What RFC 4826 §3.4.5 forbids among the members of `parent`, lists within lists included, in document order. */
export function listFaults(parent: XmlElement, faults: ListFault[] = []): ListFault[] {
  const taken: Record<string, Set<string>> = {}
  for (const element of parent.children) {
    if (element.kind !== 'element' || element.namespace !== resourceListsNamespace) continue
    const attribute = identifiers[element.name]
    if (attribute === undefined) continue
    const value = attributeValue(element, attribute)
    if (value !== undefined) {
      taken[element.name] ??= new Set()
      const values = taken[element.name]!
      if (values.has(value)) faults.push({ kind: 'duplicate', element, attribute, taken: values })
      values.add(value)
      if (element.name === 'entry-ref' && !isRelativePath(value))
        faults.push({ kind: 'reference', element, why: 'ref is not a relative path below the XCAP root' })
      if (element.name === 'external' && !isAbsoluteHttp(value))
        faults.push({ kind: 'reference', element, why: 'anchor is not an absolute HTTP URI' })
    }
    if (element.name === 'list') listFaults(element, faults)
  }
  return faults
}

/** RFC 3986 §4.2: `path-noscheme`. */
function isRelativePath(text: string): boolean {
  return /^[^/?#:]+(?:[/?]|$)/.test(text)
}

export function isAbsoluteHttp(text: string): boolean {
  return /^https?:\/\/[^/?#\s]+/i.test(text.trim())
}
