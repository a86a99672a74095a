/**
 * The Presence Information Data Format (RFC 3863) as trees: the parts of a document, in whatever order they came, and the
 * values that others than their publisher need. Nothing is lost that we do not know.
 */

import type { Instant } from '../turn.ts'
import { cipidNamespace } from './cipid.ts'
import { dataModelNamespace } from './data-model.ts'
import { parseDateTime } from './date-time.ts'
import { omaDataExtension11Namespace, omaDataExtensionNamespace, omaPresenceNamespace } from './oma-presence.ts'
import { isPriority, pidfNamespace } from './pidf.ts'
import { rpidNamespace } from './rpid.ts'
import { timedStatusNamespace } from './timed-status.ts'
import { capabilitiesNamespace } from './user-agent-capabilities.ts'
import { defaultXmlLimits, parseXml, type XmlLimits } from './xml/parse.ts'
import { required, requireRoot } from './xml/read.ts'
import { attributeValue, childElement, childElements, isNamed, trimmedText, type XmlElement } from './xml/tree.ts'

export type Pidf = {
  readonly root: XmlElement
  readonly entity: string
  readonly tuples: readonly XmlElement[]
  /** RFC 4479 §3.2. */
  readonly persons: readonly XmlElement[]
  /** RFC 4479 §3.4. */
  readonly devices: readonly XmlElement[]
  /** Notes about the presentity as a whole. */
  readonly notes: readonly XmlElement[]
  /** Every other child of the root. */
  readonly extensions: readonly XmlElement[]
}

/** The parts of a PIDF document. Only its root and `entity` are checked. Throws XmlError. */
export function parsePidf(bytes: Uint8Array, limits: XmlLimits = defaultXmlLimits): Pidf {
  return pidfParts(parseXml(bytes, { limits }))
}

/** The same of one that has been parsed. */
export function pidfParts(root: XmlElement): Pidf {
  requireRoot(root, pidfNamespace, 'presence')
  const entity = required(root, 'entity')
  const tuples: XmlElement[] = []
  const persons: XmlElement[] = []
  const devices: XmlElement[] = []
  const notes: XmlElement[] = []
  const extensions: XmlElement[] = []
  for (const child of childElements(root)) {
    if (isNamed(child, pidfNamespace, 'tuple')) tuples.push(child)
    else if (isNamed(child, pidfNamespace, 'note')) notes.push(child)
    else if (isNamed(child, dataModelNamespace, 'person')) persons.push(child)
    else if (isNamed(child, dataModelNamespace, 'device')) devices.push(child)
    else extensions.push(child)
  }
  return { root, entity, tuples, persons, devices, notes, extensions }
}

/** `open` or `closed` (RFC 3863 §4.1.4) of a tuple; undefined when it says neither. */
export function basicStatus(tuple: XmlElement): 'open' | 'closed' | undefined {
  const status = childElement(tuple, pidfNamespace, 'status')
  const basic = status && trimmedText(childElement(status, pidfNamespace, 'basic'))
  return basic === 'open' || basic === 'closed' ? basic : undefined
}

/** The instant of the `timestamp` of a tuple, or of a person or device, whose is in the data model's namespace. */
export function timestampOf(component: XmlElement): Instant | undefined {
  const timestamp = childElement(component, component.namespace, 'timestamp')
  return timestamp && parseDateTime(trimmedText(timestamp)!)
}

/** The priority of a `contact` element: 0 to 1; absent or out of range counts as the lowest (RFC 3863 §4.1.5). */
export function contactPriority(contact: XmlElement | undefined): number {
  const priority = contact && attributeValue(contact, 'priority')
  return priority !== undefined && isPriority(priority) ? Number(priority) : 0
}

const understood: ReadonlySet<string> = new Set([
  pidfNamespace,
  dataModelNamespace,
  rpidNamespace,
  cipidNamespace,
  timedStatusNamespace,
  capabilitiesNamespace,
  omaPresenceNamespace,
  omaDataExtensionNamespace,
  omaDataExtension11Namespace,
])

/**
 * True when an element contains one of a namespace we do not know that is marked `mustUnderstand`. Then the element has to
 * be handled as one that is not known itself (RFC 3863 §4.2.3): passed on, and not interpreted.
 */
export function hasUnknownMandatory(element: XmlElement): boolean {
  return element.children.some(
    node =>
      node.kind === 'element' && ((isMandatory(node) && !understood.has(node.namespace)) || hasUnknownMandatory(node)),
  )
}

function isMandatory(element: XmlElement): boolean {
  const mark = attributeValue(element, 'mustUnderstand', pidfNamespace)
  return mark !== undefined && /^[ \t\n\r]*(?:1|true)[ \t\n\r]*$/.test(mark)
}
