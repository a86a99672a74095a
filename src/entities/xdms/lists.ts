/** The constraints on lists that resource-lists, rls-services and group usage lists share (RFC 4826 §3.4.5). */

import { type ListFault, listFaults } from '../../documents/resource-lists.ts'
import { attributeValue, type XmlElement } from '../../documents/xml/tree.ts'
import { constraintFailure, uniquenessFailure } from '../../protocols/xcap/errors.ts'
import { selectorOf } from '../../protocols/xcap/select.ts'

/** Throws 409 uniqueness-failure that names every value given twice, or constraint-failure for the first bad reference. */
export function checkLists(root: XmlElement, parents: readonly XmlElement[], defaultNamespace: string): void {
  const duplicates: Extract<ListFault, { kind: 'duplicate' }>[] = []
  let reference: Extract<ListFault, { kind: 'reference' }> | undefined
  for (const parent of parents) {
    for (const fault of listFaults(parent)) {
      if (fault.kind === 'duplicate') duplicates.push(fault)
      else reference ??= fault
    }
  }
  if (duplicates.length > 0) {
    const exists = duplicates.slice(0, 32).map(({ element, attribute, taken }) => ({
      field: selectorOf(root, element, defaultNamespace, { namespace: '', name: attribute }),
      // Another name for a list does no harm; another URI would be another resource.
      alternatives: attribute === 'name' ? freeNames(attributeValue(element, attribute)!, taken) : [],
    }))
    const { element, attribute } = duplicates[0]!
    throw uniquenessFailure(
      exists,
      `Two members of one list are ${element.name} with ${attribute} "${attributeValue(element, attribute)}"`,
    )
  }
  if (reference !== undefined) throw constraintFailure(reference.why, reference.element)
}

function freeNames(name: string, taken: ReadonlySet<string>): string[] {
  const free: string[] = []
  for (let number = 2; free.length < 3; number++) if (!taken.has(`${name}-${number}`)) free.push(`${name}-${number}`)
  return free
}
