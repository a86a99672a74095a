/** What a node selector selects in a document (RFC 4825 §6.3), and the other way round: the selector of a node. */

import { attributeSpan, childElements, type XmlAttribute, type XmlElement } from '../../documents/xml/tree.ts'
import type { ExpandedName, NodeSelector, Step } from './node-selector.ts'

/** The elements among `siblings` that a step selects; the selector is good only if it is one. */
export function selectedBy(step: Step, siblings: readonly XmlElement[]): readonly XmlElement[] {
  const { element, position, attribute } = step
  let selected = element === undefined ? siblings : siblings.filter(sibling => isNamed(sibling, element))
  if (position !== undefined) {
    const at = selected[position - 1]
    selected = at === undefined ? [] : [at]
  }
  return attribute === undefined
    ? selected
    : selected.filter(candidate => attributeOf(candidate, attribute)?.value === attribute.value)
}

/** The one element that all steps lead to; undefined when one of them selects none or several. */
export function selectElement(root: XmlElement, steps: readonly Step[]): XmlElement | undefined {
  const { element, rest } = follow(root, steps)
  return rest === 0 ? element : undefined
}

/** How far the steps lead: the last single element, undefined at the root node, and the number of steps that remain. */
export function follow(root: XmlElement, steps: readonly Step[]): { element: XmlElement | undefined; rest: number } {
  let context: XmlElement | undefined
  for (const [index, step] of steps.entries()) {
    const selected = selectedBy(step, context === undefined ? [root] : childElements(context))
    if (selected.length !== 1) return { element: context, rest: steps.length - index }
    context = selected[0]
  }
  return { element: context, rest: 0 }
}

/** The text of what a selector without namespace terminal selects; undefined for a no-match. */
export function selectedText(root: XmlElement, { steps, terminal }: NodeSelector): string | undefined {
  const element = selectElement(root, steps)
  if (element === undefined) return undefined
  if (terminal === undefined) return element.source!.text.slice(element.source!.start, element.source!.end)
  if (terminal.kind === 'namespaces') return namespaceBindings(element)
  const span = attributePlace(element, terminal)
  return span === undefined ? undefined : element.source!.text.slice(span.start - 1, span.end + 1)
}

/** An element's name with every namespace binding in scope (RFC 4825 §10). */
function namespaceBindings(element: XmlElement): string {
  let text = `<${qualifiedName(element)}`
  for (const [prefix, namespace] of element.scope.bindings()) {
    if (prefix === 'xml' || namespace === '') continue
    text += ` xmlns${prefix === '' ? '' : ':'}${prefix}="${namespace.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')}"`
  }
  return `${text}/>`
}

export function isNamed(element: XmlElement, { namespace, name }: ExpandedName): boolean {
  return element.name === name && element.namespace === namespace
}

/** The attribute of that expanded name. */
export function attributeOf(element: XmlElement, { namespace, name }: ExpandedName): XmlAttribute | undefined {
  return element.attributes.find(attribute => attribute.name === name && attribute.namespace === namespace)
}

/** Where the value of an attribute stands in the source, between its quotes. */
export function attributePlace(
  element: XmlElement,
  name: ExpandedName,
): { readonly start: number; readonly end: number } | undefined {
  const attribute = attributeOf(element, name)
  if (attribute === undefined) return undefined
  const { text, start, contentStart } = element.source!
  return attributeSpan(text, start, contentStart, qualifiedName(attribute))
}

export function qualifiedName({ prefix, name }: { readonly prefix: string; readonly name: string }): string {
  return prefix === '' ? name : `${prefix}:${name}`
}

/**
 * The node selector of an element, or of one of its attributes, percent-encoded and relative to its document, with the query
 * that binds the prefixes it uses: what `field` of a uniqueness failure says (RFC 4825 §11.1).
 */
export function selectorOf(
  root: XmlElement,
  element: XmlElement,
  defaultNamespace: string,
  attribute?: ExpandedName,
): string {
  const prefixes = new Map<string, string>()
  const nameOf = ({ namespace, name }: ExpandedName, unprefixed: string): string => {
    if (namespace === unprefixed) return name
    const prefix = prefixes.get(namespace) ?? `n${prefixes.size + 1}`
    prefixes.set(namespace, prefix)
    return `${prefix}:${name}`
  }
  let path = nameOf(root, defaultNamespace)
  let context = root
  while (context !== element) {
    const inner = childElements(context)
    const next = inner.find(
      child => child.source!.start <= element.source!.start && element.source!.end <= child.source!.end,
    )
    if (next === undefined) break
    const same = inner.filter(child => isNamed(child, next))
    path += `/${nameOf(next, defaultNamespace)}${same.length === 1 ? '' : `[${same.indexOf(next) + 1}]`}`
    context = next
  }
  if (attribute !== undefined) path += `/@${nameOf(attribute, '')}`
  const query = [...prefixes].map(([namespace, prefix]) => `xmlns(${prefix}=${namespace.replace(/[()^]/g, '^$&')})`)
  return encodeURI(path) + (query.length === 0 ? '' : `?${encodeURI(query.join(''))}`)
}
