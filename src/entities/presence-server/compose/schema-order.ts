/**
 * Puts the children of a tuple, person or device into the order of their schemas (RFC 3863 §4.4, RFC 4479 §5.1) and takes
 * out what these do not allow and publishers send nevertheless, so that strict watchers accept what we compose.
 */

import { dataModelNamespace } from '../../../documents/data-model.ts'
import { parseDateTime } from '../../../documents/date-time.ts'
import { isPriority, pidfNamespace } from '../../../documents/pidf.ts'
import {
  attributeValue,
  isNamed,
  trimmedText,
  withAttribute,
  withChildren,
  type XmlElement,
  type XmlNode,
} from '../../../documents/xml/tree.ts'

/** The component as the schema wants it; the same object when it already is. Other elements are returned as they are. */
export function inSchemaOrder(component: XmlElement): XmlElement {
  if (isNamed(component, pidfNamespace, 'tuple')) return arrange(component, tupleRank, repairInTuple)
  const isPerson = isNamed(component, dataModelNamespace, 'person')
  if (!isPerson && !isNamed(component, dataModelNamespace, 'device')) return component
  return withOneTimestamp(arrange(component, dataModelRank, repairTimestamp))
}

const pidfRanks: Readonly<Record<string, number>> = { status: 0, contact: 2, note: 3, timestamp: 4 }
const dataModelRanks: Readonly<Record<string, number>> = { deviceID: 1, note: 2, timestamp: 3 }

function tupleRank(element: XmlElement): number {
  return element.namespace === pidfNamespace ? (pidfRanks[element.name] ?? 1) : 1
}

function statusRank(element: XmlElement): number {
  return isNamed(element, pidfNamespace, 'basic') ? 0 : 1
}

function dataModelRank(element: XmlElement): number {
  return element.namespace === dataModelNamespace ? (dataModelRanks[element.name] ?? 0) : 0
}

/** `undefined` takes the element out. */
function repairInTuple(element: XmlElement): XmlElement | undefined {
  if (element.namespace !== pidfNamespace) return element
  if (element.name === 'status') return arrange(element, statusRank, child => child)
  if (element.name === 'timestamp') return repairTimestamp(element)
  if (element.name !== 'contact') return element
  // Out of range is as if it were not there (RFC 3863 §4.1.5).
  const priority = attributeValue(element, 'priority')
  return priority === undefined || isPriority(priority) ? element : withAttribute(element, 'priority', undefined)
}

function repairTimestamp(element: XmlElement): XmlElement | undefined {
  if (element.name !== 'timestamp') return element
  if (element.namespace !== pidfNamespace && element.namespace !== dataModelNamespace) return element
  return parseDateTime(trimmedText(element)!) === undefined ? undefined : element
}

function withOneTimestamp(component: XmlElement): XmlElement {
  const timestamps = component.children.filter(node => isNamed(node, dataModelNamespace, 'timestamp')) as XmlElement[]
  if (timestamps.length < 2) return component
  const instant = (timestamp: XmlElement) => parseDateTime(trimmedText(timestamp)!)!
  const newest = timestamps.reduce((a, b) => (instant(b) > instant(a) ? b : a))
  return withChildren(
    component,
    component.children.filter(node => node === newest || !isNamed(node, dataModelNamespace, 'timestamp')),
  )
}

/** Repairs and sorts the child elements by rank; what stands before one stays before it. */
function arrange(
  element: XmlElement,
  rank: (child: XmlElement) => number,
  repair: (child: XmlElement) => XmlElement | undefined,
): XmlElement {
  const groups: { rank: number; nodes: XmlNode[] }[] = []
  let before: XmlNode[] = []
  let changed = false
  for (const node of element.children) {
    if (node.kind !== 'element') {
      before.push(node)
      continue
    }
    const repaired = repair(node)
    if (repaired !== node) changed = true
    if (repaired === undefined) continue
    const group = { rank: rank(repaired), nodes: [...before, repaired] }
    if (groups.length > 0 && groups.at(-1)!.rank > group.rank) changed = true
    groups.push(group)
    before = []
  }
  if (!changed) return element
  groups.sort((a, b) => a.rank - b.rank)
  return withChildren(element, [...groups.flatMap(group => group.nodes), ...before])
}
