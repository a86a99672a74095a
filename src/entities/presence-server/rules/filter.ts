/**
 * The privacy filter (RFC 5025 §3.3): of a composed presence document what a watcher may see of it. What is left out leaves no
 * trace: no gap, no comment, no declaration of a namespace that nothing uses.
 */

import { dataModelNamespace } from '../../../documents/data-model.ts'
import { geoprivNamespace } from '../../../documents/geopriv.ts'
import { omaPresenceNamespace } from '../../../documents/oma-presence.ts'
import { pidfNamespace } from '../../../documents/pidf.ts'
import type { Pidf } from '../../../documents/pidf-parts.ts'
import {
  type AttributePermission,
  attributePermissions,
  comparableUri,
  type Permissions,
  type Selection,
  userInputs,
} from '../../../documents/presence-rules.ts'
import { rpidNamespace } from '../../../documents/rpid.ts'
import { canonicalText } from '../../../documents/xml/compare.ts'
import { escapeAttribute } from '../../../documents/xml/escape.ts'
import {
  attributeValue,
  childElement,
  childElements,
  isElement,
  NamespaceScope,
  trimmedText,
  withChildren,
  type XmlElement,
  type XmlNode,
  xmlNamespace,
} from '../../../documents/xml/tree.ts'
import { declarationText, writeElement, xmlDeclaration } from '../../../documents/xml/write.ts'

/** The document as one with these permissions sees it. */
export function filterPresence(document: Pidf, permissions: Permissions): Uint8Array {
  const { root } = document
  const filter = new Filter(permissions)
  const scope = new NamespaceScope(new Map(root.scope.bindings()))
  let body = ''
  for (const element of filter.components(document)) body += `${writeElement(element, scope)}\n`
  const name = root.prefix === '' ? root.name : `${root.prefix}:${root.name}`
  let start = `<${name}`
  for (const [prefix, namespace] of scope.bindings()) {
    const isUsed = prefix === root.prefix || (prefix === '' ? body !== '' : body.includes(`${prefix}:`))
    if (isUsed && prefix !== 'xml') start += declarationText(prefix, namespace)
  }
  for (const attribute of root.attributes) {
    const isLanguage = attribute.namespace === xmlNamespace && attribute.name === 'lang'
    if (isLanguage) start += ` xml:lang="${escapeAttribute(attribute.value)}"`
  }
  start += ` entity="${escapeAttribute(document.entity)}">\n`
  return Buffer.from(`${xmlDeclaration}${start}${body}</${name}>\n`, 'utf8')
}

/**
 * What of the document counts as a change for somebody who is told only of these attributes (PS-140), as a text that is the same
 * for the same. Components that come and go count in any case.
 */
export function triggerText(document: Pidf, permissions: Permissions, triggers: ReadonlySet<string>): string {
  const isTrigger = (node: XmlNode): node is XmlElement => isElement(node) && triggers.has(node.name)
  let text = ''
  for (const component of new Filter(permissions).components(document)) {
    text += `${component.name} ${attributeValue(component, 'id') ?? ''}\n`
    const status = childElement(component, pidfNamespace, 'status')
    const told = [...component.children.filter(isTrigger), ...(status?.children.filter(isTrigger) ?? [])]
    for (const element of isTrigger(component) ? [component] : told) text += `${canonicalText(element)}\n`
  }
  return text
}

/** Something of a document that permissions do not let through. */
export interface Withheld {
  /** For a person: `mood of person p`. */
  readonly name: string
  /** The same for the same. */
  readonly text: string
}

/** What of a document somebody with these permissions would neither see nor write, piece by piece. */
export function withheldFrom(document: Pidf, permissions: Permissions): Withheld[] {
  return [...new Filter(permissions).withheld(document)]
}

/** Where an element stands. */
type Place = 'presence' | 'tuple' | 'person' | 'device'

class Filter {
  readonly #permissions: Permissions

  constructor(permissions: Permissions) {
    this.#permissions = permissions
  }

  /** The components in the order of the schema. */
  components({ tuples, persons, devices, notes, extensions }: Pidf): XmlElement[] {
    const { services, persons: people, devices: machines } = this.#permissions
    return [
      ...tuples.filter(tuple => this.#isPicked(services, tuple)).map(tuple => this.#component(tuple, 'tuple')),
      ...notes.filter(() => this.#may('note')),
      ...persons.filter(person => this.#isPicked(people, person)).map(person => this.#component(person, 'person')),
      ...devices.filter(device => this.#isPicked(machines, device)).map(device => this.#component(device, 'device')),
      ...extensions.flatMap(extension => this.#attribute(extension, 'presence') ?? []),
    ]
  }

  /** What `components` leaves out, piece by piece. */
  *withheld({ tuples, persons, devices, notes, extensions }: Pidf): Iterable<Withheld> {
    const { services, persons: people, devices: machines } = this.#permissions
    for (const tuple of tuples) yield* this.#withheldOf(services, tuple, 'tuple')
    for (const person of persons) yield* this.#withheldOf(people, person, 'person')
    for (const device of devices) yield* this.#withheldOf(machines, device, 'device')
    for (const note of notes) if (!this.#may('note')) yield piece(note, 'note')
    for (const extension of extensions)
      if (this.#attribute(extension, 'presence') !== extension) yield piece(extension, extension.name)
  }

  *#withheldOf(selection: Selection, component: XmlElement, place: Place): Iterable<Withheld> {
    const name = `${place} ${attributeValue(component, 'id') ?? ''}`
    if (!this.#isPicked(selection, component)) {
      yield piece(component, name)
      return
    }
    if (this.#permissions.allAttributes) return
    // More than one status, or basic in it, are no valid PIDF, and shown all the same.
    const isStatus = (child: XmlElement) => place === 'tuple' && isOfPidf(child, 'status')
    const attributes = childElements(component).flatMap(child =>
      isStatus(child) ? childElements(child).filter(inner => !isOfPidf(inner, 'basic')) : child,
    )
    for (const attribute of attributes)
      if (this.#attribute(attribute, place) !== attribute) yield piece(attribute, `${attribute.name} of ${name}`)
  }

  /** RFC 5025 §3.3.1: whether one of the members identifies the occurrence. */
  #isPicked(selection: Selection, component: XmlElement): boolean {
    if (selection === 'all') return true
    if (selection.size === 0) return false
    const id = attributeValue(component, 'id')
    if (id !== undefined && selection.has(`occurrence-id ${id}`)) return true
    const classes = component.children.filter(
      node => isElement(node) && node.namespace === rpidNamespace && node.name === 'class',
    )
    for (const element of classes) if (selection.has(`class ${trimmedText(element as XmlElement)}`)) return true
    if (component.name === 'device') return this.#hasUri(selection, 'deviceID', component, dataModelNamespace)
    return component.name === 'tuple' && this.#isPickedService(selection, component)
  }

  #isPickedService(selection: ReadonlySet<string>, tuple: XmlElement): boolean {
    const contact = trimmedText(childElement(tuple, pidfNamespace, 'contact'))
    if (contact !== undefined) {
      const colon = contact.indexOf(':')
      if (colon > 0 && selection.has(`service-uri-scheme ${contact.slice(0, colon)}`)) return true
      if (selection.has(`service-uri ${comparableUri(contact)}`)) return true
    }
    const description = childElement(tuple, omaPresenceNamespace, 'service-description')
    const service = description && trimmedText(childElement(description, omaPresenceNamespace, 'service-id'))
    return service !== undefined && selection.has(`service-id ${service}`)
  }

  #hasUri(selection: ReadonlySet<string>, name: string, component: XmlElement, namespace: string): boolean {
    const uri = trimmedText(childElement(component, namespace, name))
    return uri !== undefined && selection.has(`${name} ${comparableUri(uri)}`)
  }

  #component(component: XmlElement, place: Place): XmlElement {
    if (this.#permissions.allAttributes) return component
    return withChildren(
      component,
      component.children.flatMap(node => (isElement(node) ? (this.#attribute(node, place) ?? []) : [])),
    )
  }

  /** A presence attribute as far as it may be seen (RFC 5025 §3.3.2). */
  #attribute(element: XmlElement, place: Place): XmlElement | undefined {
    if (this.#permissions.allAttributes) return element
    const { namespace, name } = element
    switch (namespace) {
      case pidfNamespace:
        if (place === 'tuple' && name === 'status') return this.#status(element)
        if (place === 'tuple' && (name === 'contact' || name === 'timestamp')) return element
        return name === 'note' && this.#may('note') ? element : undefined
      case dataModelNamespace:
        if (name === 'deviceID') return place === 'device' || this.#may('deviceID') ? element : undefined
        if (name === 'timestamp' && (place === 'person' || place === 'device')) return element
        return name === 'note' && this.#may('note') ? element : undefined
      case rpidNamespace:
        if (name === 'user-input') return this.#userInput(element)
        if (name === 'service-class' && place === 'tuple') return element
        return isRpidPermission(name) && this.#may(name) ? element : undefined
      case omaPresenceNamespace:
        if (Object.hasOwn(omaElements, name)) return this.#may(omaElements[name]!) ? element : undefined
        return this.#unknown(element)
      case geoprivNamespace:
        return name === 'geopriv' && this.#may('geopriv') ? element : undefined
      default:
        return this.#unknown(element)
    }
  }

  /** `basic` is always told; what else stands in a status is an attribute of the service (RFC 3863 §4.1.3). */
  #status(status: XmlElement): XmlElement {
    return withChildren(
      status,
      status.children.flatMap(node => {
        if (!isElement(node)) return []
        if (isOfPidf(node, 'basic')) return node
        return this.#attribute(node, 'tuple') ?? []
      }),
    )
  }

  /** RFC 5025 §3.3.2.12; what it calls `since` is `last-input` in RFC 4480 §3.16. */
  #userInput(element: XmlElement): XmlElement | undefined {
    const { userInput } = this.#permissions
    if (userInput < userInputs.bare) return undefined
    if (userInput >= userInputs.full) return element
    const isThreshold = (name: string, namespace: string) => name === 'idle-threshold' && namespace === ''
    const attributes = element.attributes.filter(({ name, namespace }) =>
      userInput >= userInputs.thresholds
        ? isThreshold(name, namespace)
        : !isThreshold(name, namespace) && name !== 'since' && name !== 'last-input',
    )
    return { ...element, attributes, source: undefined }
  }

  /** RFC 5025 §3.3.2.14: not for what has a permission of its own (PS-109). */
  #unknown(element: XmlElement): XmlElement | undefined {
    return this.#permissions.unknown.has(`${element.name} ${element.namespace}`) ? element : undefined
  }

  #may(permission: AttributePermission): boolean {
    const { attributes, allAttributes } = this.#permissions
    return allAttributes || (attributes & attributePermissions[permission]) !== 0
  }
}

function isOfPidf({ namespace, name }: XmlElement, called: string): boolean {
  return namespace === pidfNamespace && name === called
}

function piece(element: XmlElement, name: string): Withheld {
  return { name, text: `${name} ${canonicalText(element)}` }
}

const rpidPermissions: ReadonlySet<string> = new Set([
  'activities',
  'class',
  'deviceID',
  'mood',
  'place-is',
  'place-type',
  'privacy',
  'relationship',
  'sphere',
  'status-icon',
  'time-offset',
] satisfies AttributePermission[])

function isRpidPermission(name: string): name is AttributePermission {
  return rpidPermissions.has(name)
}

/** What OMA Presence XDM has permissions for. Willingness covers the one that overrides it. */
const omaElements: Readonly<Record<string, AttributePermission>> = {
  willingness: 'willingness',
  'overriding-willingness': 'willingness',
  'network-availability': 'network-availability',
  'session-participation': 'session-participation',
  'registration-state': 'registration-state',
  'barring-state': 'barring-state',
}
