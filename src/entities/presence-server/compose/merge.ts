/**
 * Which components of several sources are one, and what it then says (PS-80..83, PS-85). Components of one source are never
 * merged with each other, but for occurrences of one device: their publisher meant them to be several.
 */

import { dataModelNamespace, deviceKey } from '../../../documents/data-model.ts'
import { omaPresenceNamespace } from '../../../documents/oma-presence.ts'
import { pidfNamespace } from '../../../documents/pidf.ts'
import { contactPriority, timestampOf } from '../../../documents/pidf-parts.ts'
import { rpidNamespace } from '../../../documents/rpid.ts'
import { canonicalText } from '../../../documents/xml/compare.ts'
import {
  childElement,
  childElements,
  isNamed,
  newText,
  trimmedText,
  withAttribute,
  withChildren,
  type XmlElement,
  type XmlNode,
} from '../../../documents/xml/tree.ts'
import type { Instant } from '../../../turn.ts'
import { inSchemaOrder } from './schema-order.ts'

/** A tuple, person, device, note or extension of one source. */
export type Component = {
  readonly element: XmlElement
  /** Of the source among all, the oldest first. */
  readonly order: number
  /** In the source's text. */
  readonly place: number
  readonly source: string
  /** Whether it is permanent presence state. */
  readonly isHard: boolean
  readonly publishedAt: Instant
}

/**
 * PS-80, PS-81, PS-85: tuples of different sources become one if they agree in contact, service, class and devices, each
 * being there in both or in neither, and if nothing else they both have differs. `components` are in canonical order.
 */
export function mergeTuples(components: readonly Component[]): Component[] {
  return mergeAgreeing(components, tupleFacts, mergeTuple)
}

/** PS-82: persons of different sources become one if they agree in class and nothing else they both have differs. */
export function mergePersons(components: readonly Component[]): Component[] {
  return mergeAgreeing(components, personFacts, (a, b) =>
    withAdditions(withNewestTimestamp(a.element, b.element), b.element),
  )
}

/** PS-83: devices with one deviceID always become one; where they differ the newest publication has it. */
export function mergeDevices(components: readonly Component[]): Component[] {
  const byDevice = Map.groupBy(components, component => deviceIdOf(component.element) ?? component)
  return [...byDevice.values()].map(mergeDevice)
}

/** What decides whether components may be merged. */
export type Facts = {
  /** Equal for components that agree in everything that has to be in both or in neither. */
  readonly key: string
  /** Canonical text of the other children, by name. */
  readonly children: ReadonlyMap<string, string>
}

type Group = { component: Component; children: Map<string, string>; readonly sources: Set<number> }

function mergeAgreeing(
  components: readonly Component[],
  factsOf: (element: XmlElement) => Facts,
  merge: (into: Component, from: Component) => XmlElement,
): Component[] {
  const groups: Group[] = []
  const byKey = new Map<string, Group[]>()
  for (const component of components) {
    const facts = factsOf(component.element)
    let alike = byKey.get(facts.key)
    if (alike === undefined) {
      alike = []
      byKey.set(facts.key, alike)
    }
    const group = alike.find(
      ({ sources, children }) => !sources.has(component.order) && agree(children, facts.children),
    )
    if (group === undefined) {
      const alone = { component, children: new Map(facts.children), sources: new Set([component.order]) }
      groups.push(alone)
      alike.push(alone)
      continue
    }
    const publishedAt = Math.max(group.component.publishedAt, component.publishedAt)
    group.component = { ...group.component, element: merge(group.component, component), publishedAt }
    group.sources.add(component.order)
    for (const [name, text] of facts.children) group.children.set(name, text)
  }
  return groups.map(group => group.component)
}

function agree(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  for (const [name, text] of b) if ((a.get(name) ?? text) !== text) return false
  return true
}

export function tupleFacts(tuple: XmlElement): Facts {
  const contact = childElement(tuple, pidfNamespace, 'contact')
  const service = childElement(tuple, omaPresenceNamespace, 'service-description')
  const key = [
    foreignAttributes(tuple),
    contact && contactFacts(contact),
    service && serviceFacts(service),
    classOf(tuple),
    deviceIds(tuple),
  ]
  const isKey = (child: XmlElement) =>
    child === contact || child === service || isClass(child) || isDeviceId(child) || isTimestamp(child)
  return { key: JSON.stringify(key), children: childFacts(tuple, isKey) }
}

export function personFacts(person: XmlElement): Facts {
  const key = JSON.stringify([foreignAttributes(person), classOf(person)])
  return { key, children: childFacts(person, child => isClass(child) || isTimestamp(child)) }
}

function childFacts(component: XmlElement, leaveOut: (child: XmlElement) => boolean): Map<string, string> {
  const texts = new Map<string, string[]>()
  for (const child of childElements(component)) {
    if (leaveOut(child)) continue
    const name = expandedName(child)
    const list = texts.get(name)
    if (list === undefined) texts.set(name, [canonicalText(child)])
    else list.push(canonicalText(child))
  }
  return new Map([...texts].map(([name, list]) => [name, list.sort().join('')]))
}

/** Two contacts are identical when they differ at most in priority. */
function contactFacts(contact: XmlElement): string {
  return canonicalText(withAttribute(contact, 'priority', undefined))
}

/** A service is known by its id, in either case (OP-12), and its version; its description is for people. */
function serviceFacts(service: XmlElement): string {
  const children = service.children.flatMap((node): XmlNode[] => {
    if (isNamed(node, omaPresenceNamespace, 'description')) return []
    if (!isNamed(node, omaPresenceNamespace, 'service-id')) return [node]
    return [withChildren(node, [newText(trimmedText(node)!.toLowerCase())])]
  })
  return canonicalText(withChildren(service, children))
}

function foreignAttributes(component: XmlElement): string[] {
  return component.attributes
    .filter(({ name, namespace }) => name !== 'id' || namespace !== '')
    .map(({ name, namespace, value }) => `${namespace} ${name}=${value}`)
    .sort()
}

function classOf(component: XmlElement): string | undefined {
  return trimmedText(childElement(component, rpidNamespace, 'class'))
}

function deviceIds(tuple: XmlElement): string[] {
  return childElements(tuple)
    .flatMap(child => (isDeviceId(child) ? [deviceKey(trimmedText(child)!)] : []))
    .sort()
}

function mergeTuple(into: Component, from: Component): XmlElement {
  const { element } = into
  const [a, b] = [serviceOf(element), serviceOf(from.element)]
  let merged = withNewestTimestamp(element, from.element)
  if (b !== undefined && description(b) !== undefined) {
    if (description(a!) === undefined || from.publishedAt > into.publishedAt) merged = replaced(merged, a!, b)
  }
  const [mine, other] = [contactOf(element), contactOf(from.element)]
  if (contactPriority(other) > contactPriority(mine)) merged = replaced(merged, mine!, other!)
  return withAdditions(merged, from.element)
}

function serviceOf(tuple: XmlElement): XmlElement | undefined {
  return childElement(tuple, omaPresenceNamespace, 'service-description')
}

function contactOf(tuple: XmlElement): XmlElement | undefined {
  return childElement(tuple, pidfNamespace, 'contact')
}

function description(service: XmlElement): XmlElement | undefined {
  return childElement(service, omaPresenceNamespace, 'description')
}

function withNewestTimestamp(a: XmlElement, b: XmlElement): XmlElement {
  const other = timestampOf(b)
  if (other === undefined || other <= (timestampOf(a) ?? Number.NEGATIVE_INFINITY)) return a
  const mine = a.children.find(node => node.kind === 'element' && isTimestamp(node))
  const newer = childElement(b, b.namespace, 'timestamp')!
  return mine === undefined ? withChildren(a, [...a.children, newer]) : replaced(a, mine as XmlElement, newer)
}

/** `a` with the children of `b` whose name it does not have. */
function withAdditions(a: XmlElement, b: XmlElement): XmlElement {
  const names = new Set(childElements(a).map(expandedName))
  const additions = childElements(b).filter(child => !names.has(expandedName(child)))
  return additions.length === 0 ? a : inSchemaOrder(withChildren(a, [...a.children, ...additions]))
}

function replaced(component: XmlElement, child: XmlElement, replacement: XmlElement): XmlElement {
  if (child === replacement) return component
  return withChildren(
    component,
    component.children.map(node => (node === child ? replacement : node)),
  )
}

function mergeDevice(occurrences: Component[]): Component {
  const [first, ...others] = occurrences as [Component, ...Component[]]
  if (others.length === 0) return first
  const newestLast = occurrences.toSorted(
    (a, b) => a.publishedAt - b.publishedAt || a.order - b.order || a.place - b.place,
  )
  const chosen = new Map<string, XmlElement[]>()
  for (const { element } of newestLast) {
    for (const [name, children] of Map.groupBy(childElements(element), expandedName)) {
      if (name !== expandedDeviceId && name !== expandedTimestamp) chosen.set(name, children)
    }
  }
  let element = first.element
  for (const other of others) element = withNewestTimestamp(element, other.element)
  for (const [name, children] of chosen) element = withChildrenNamed(element, name, children)
  return { ...first, element: inSchemaOrder(element), publishedAt: newestLast.at(-1)!.publishedAt }
}

/** The component with exactly these children of that name; the same object when it says so already. */
function withChildrenNamed(component: XmlElement, name: string, children: readonly XmlElement[]): XmlElement {
  const present = childElements(component).filter(child => expandedName(child) === name)
  const texts = (elements: readonly XmlElement[]) =>
    elements
      .map(child => canonicalText(child))
      .sort()
      .join('')
  if (texts(present) === texts(children)) return component
  const others = component.children.filter(node => node.kind !== 'element' || expandedName(node) !== name)
  return withChildren(component, [...others, ...children])
}

export function deviceIdOf(device: XmlElement): string | undefined {
  const id = trimmedText(childElement(device, dataModelNamespace, 'deviceID'))
  return id && deviceKey(id)
}

export function expandedName({ namespace, name }: XmlElement): string {
  return `${namespace} ${name}`
}

const expandedDeviceId = `${dataModelNamespace} deviceID`
const expandedTimestamp = `${dataModelNamespace} timestamp`

function isTimestamp(element: XmlElement): boolean {
  return (
    element.name === 'timestamp' && (element.namespace === pidfNamespace || element.namespace === dataModelNamespace)
  )
}

function isClass(element: XmlElement): boolean {
  return isNamed(element, rpidNamespace, 'class')
}

function isDeviceId(element: XmlElement): boolean {
  return (
    element.name === 'deviceID' && (element.namespace === dataModelNamespace || element.namespace === rpidNamespace)
  )
}
