/** Composition of sources that cannot be passed on as they are: several, or one with something to repair or to take out. */

import { dataModelNamespace } from '../../../documents/data-model.ts'
import { pidfNamespace } from '../../../documents/pidf.ts'
import { type Pidf, parsePidf } from '../../../documents/pidf-parts.ts'
import { withoutEnded } from '../../../documents/until.ts'
import { canonicalText } from '../../../documents/xml/compare.ts'
import { escapeAttribute } from '../../../documents/xml/escape.ts'
import { defaultXmlLimits, XmlError, type XmlLimits } from '../../../documents/xml/parse.ts'
import {
  attributeValue,
  NamespaceScope,
  withAttribute,
  type XmlElement,
  xmlNamespace,
} from '../../../documents/xml/tree.ts'
import { declarationText, writeElement, xmlDeclaration } from '../../../documents/xml/write.ts'
import type { Instant } from '../../../turn.ts'
import type { CheckedSource, ComposeOptions, Composition } from '../compose.ts'
import { type Component, mergeDevices, mergePersons, mergeTuples } from './merge.ts'
import { withUniqueIds } from './occurrence-ids.ts'
import { overrideHard } from './override.ts'
import { inSchemaOrder } from './schema-order.ts'

/**
 * The composed document of at least one source, each no larger than `maximumOctets`. Sources are taken from the newest to
 * the oldest as long as the result stays within that; before the last one goes, what the network says does. Undefined when
 * even that is too much.
 */
export function composeSources(
  presentity: string,
  sources: readonly CheckedSource[],
  network: string | undefined,
  options: ComposeOptions,
): Composition | undefined {
  // Merging hardly ever makes documents larger than they are side by side, so this is close at once.
  const chosen = newestWithin(sources, options.maximumOctets)
  let said = network
  while (chosen.length > 0) {
    const composition = composeAll(presentity, chosen, said, options)
    if (composition.bytes.length <= options.maximumOctets) return composition
    if (chosen.length === 1 && said !== undefined) said = undefined
    else chosen.pop()
  }
  return undefined
}

function newestWithin(sources: readonly CheckedSource[], maximumOctets: number): CheckedSource[] {
  const newest = sources.toSorted((a, b) => b.publishedAt - a.publishedAt || compareSources(a, b))
  let octets = 0
  const beyond = newest.findIndex(source => {
    octets += source.bytes.length
    return octets > maximumOctets
  })
  return beyond === -1 ? newest : newest.slice(0, beyond)
}

/** Oldest first; a total order, so that the result does not depend on that of the arguments (PS-87). */
function compareSources(a: CheckedSource, b: CheckedSource): number {
  return a.since - b.since || (a.key < b.key ? -1 : a.key > b.key ? 1 : Buffer.compare(a.bytes, b.bytes))
}

function composeAll(
  presentity: string,
  sources: readonly CheckedSource[],
  network: string | undefined,
  options: ComposeOptions,
): Composition {
  const parts: Parts = { tuples: [], persons: [], devices: [], notes: [], extensions: [], changesAt: 0 }
  const declarations = new Map([['', pidfNamespace]])
  for (const [order, source] of sources.toSorted(compareSources).entries()) {
    const document = readable(source, options.xml ?? defaultXmlLimits)
    if (document === undefined) continue
    takeParts(document, source, order, options.now, parts)
    // Prefixes keep their names where they can; a component whose prefix means something else declares it itself.
    for (const [prefix, namespace] of document.root.scope.bindings()) {
      if (prefix !== '' && prefix !== 'xml' && !declarations.has(prefix)) declarations.set(prefix, namespace)
    }
  }
  if (options.softOverridesHard) overrideHard(parts)
  const scope = new NamespaceScope(declarations)
  const components = withUniqueIds([
    ...mergeTuples(parts.tuples),
    ...mergePersons(parts.persons),
    ...mergeDevices(parts.devices),
    ...once(parts.extensions),
  ])
  const isTuple = (element: XmlElement) => element.namespace === pidfNamespace && element.name === 'tuple'

  let text = `${xmlDeclaration}<presence`
  for (const [prefix, namespace] of declarations) text += declarationText(prefix, namespace)
  text += ` entity="${escapeAttribute(presentity)}">\n`
  for (const element of components) if (isTuple(element)) text += `${writeElement(element, scope)}\n`
  if (network !== undefined) text += `${network}\n`
  for (const { element } of once(parts.notes)) text += `${writeElement(element, scope)}\n`
  for (const element of components) if (!isTuple(element)) text += `${writeElement(element, scope)}\n`
  return { bytes: Buffer.from(`${text}</presence>\n`, 'utf8'), changesAt: parts.changesAt || undefined }
}

/** Undefined when a document exceeds limits that were wider when it was published. */
function readable(source: CheckedSource, limits: XmlLimits): Pidf | undefined {
  try {
    return parsePidf(source.bytes, limits)
  } catch (error) {
    if (error instanceof XmlError) return undefined
    throw error
  }
}

/** The components of all sources, by kind. */
export type Parts = {
  tuples: Component[]
  persons: Component[]
  devices: Component[]
  notes: Component[]
  extensions: Component[]
  changesAt: Instant
}

/** Adds what a document says now, each component as the schema wants it. */
function takeParts(document: Pidf, source: CheckedSource, order: number, now: Instant, parts: Parts): void {
  const language = attributeValue(document.root, 'lang', xmlNamespace)
  const take = (elements: readonly XmlElement[], into: Component[]) => {
    for (const original of elements) {
      const { element, until } = withoutEnded(original, now)
      if (element === undefined) continue
      if (until !== 0 && (parts.changesAt === 0 || until < parts.changesAt)) parts.changesAt = until
      const spoken = language === undefined ? element : withLanguage(element, language)
      into.push({
        element: inSchemaOrder(spoken),
        order,
        place: original.source!.start,
        source: source.key,
        isHard: source.kind === 'hard',
        publishedAt: source.publishedAt,
      })
    }
  }
  take(document.tuples, parts.tuples)
  take(document.persons, parts.persons)
  take(document.devices, parts.devices)
  take(document.notes, parts.notes)
  take(document.extensions, parts.extensions)
}

/** What the root said about the language of all notes (RFC 3863 §4.1.6), said at each. */
function withLanguage(element: XmlElement, language: string): XmlElement {
  if (attributeValue(element, 'lang', xmlNamespace) !== undefined) return element
  const isNote =
    element.name === 'note' && (element.namespace === pidfNamespace || element.namespace === dataModelNamespace)
  if (isNote) return withAttribute(element, 'lang', language, xmlNamespace, 'xml')
  const children = element.children.map(node => (node.kind === 'element' ? withLanguage(node, language) : node))
  return children.every((node, index) => node === element.children[index])
    ? element
    : { ...element, children, source: undefined }
}

/** Each of several equal elements once, in the place of the first. */
function once(components: readonly Component[]): Component[] {
  const seen = new Set<string>()
  return components.filter(({ element }) => {
    const text = canonicalText(element)
    if (seen.has(text)) return false
    seen.add(text)
    return true
  })
}
