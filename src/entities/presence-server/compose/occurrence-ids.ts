/**
 * Ids of a composed document (PS-84, PS-62): unique over tuples, persons, devices and rich presence elements (RFC 4479
 * §3.5, RFC 4480 §3.1), and the same from one document to the next as long as the sources are there.
 */

import { createHash } from 'node:crypto'
import { dataModelNamespace } from '../../../documents/data-model.ts'
import { isXmlId, pidfNamespace, registrationTupleId } from '../../../documents/pidf.ts'
import { rpidNamespace } from '../../../documents/rpid.ts'
import { attributeValue, withAttribute, withChildren, type XmlElement } from '../../../documents/xml/tree.ts'
import type { Component } from './merge.ts'

/**
 * The elements of the components, in their order. An id stays as it was published unless an older source has it, a peer
 * would refuse it, or it is ours; then the new one is made from the name of the source and the old id, and from nothing
 * that changes when the publication is refreshed or modified.
 */
export function withUniqueIds(components: readonly Component[]): XmlElement[] {
  const used = new Set<string>([registrationTupleId])
  const oldestFirst = components.toSorted((a, b) => a.order - b.order || a.place - b.place)
  const renamed = new Map(oldestFirst.map(component => [component, withUniqueId(component, used)]))
  // Ids inside come after all those of occurrences, which rules and watchers refer to.
  for (const component of oldestFirst) {
    renamed.set(component, withUniqueIdsInside(renamed.get(component)!, component.source, used))
  }
  return components.map(component => renamed.get(component)!)
}

function withUniqueId({ element, source, place }: Component, used: Set<string>): XmlElement {
  if (!isOccurrence(element)) return element
  const published = attributeValue(element, 'id')
  return withAttribute(element, 'id', uniqueId(published, source, place, used))
}

function withUniqueIdsInside(element: XmlElement, source: string, used: Set<string>): XmlElement {
  let changed = false
  const children = element.children.map((node, index) => {
    if (node.kind !== 'element') return node
    let child = withUniqueIdsInside(node, source, used)
    const id = child.namespace === rpidNamespace ? attributeValue(child, 'id') : undefined
    if (id !== undefined) child = withAttribute(child, 'id', uniqueId(id, source, index, used))
    if (child !== node) changed = true
    return child
  })
  return changed ? withChildren(element, children) : element
}

function isOccurrence({ namespace, name }: XmlElement): boolean {
  if (namespace === pidfNamespace) return name === 'tuple'
  return namespace === dataModelNamespace && (name === 'person' || name === 'device')
}

function uniqueId(published: string | undefined, source: string, place: number, used: Set<string>): string {
  let id = published ?? ''
  for (let attempt = 0; !isXmlId(id) || used.has(id); attempt++) {
    // Without an id of its own an occurrence is known by where it stands.
    id = generatedId(source, published ?? `#${place}`, attempt)
  }
  used.add(id)
  return id
}

function generatedId(source: string, name: string, attempt: number): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([source, name, attempt]))
    .digest('hex')
  return `i${hash.slice(0, 12)}`
}
