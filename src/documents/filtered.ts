/**
 * What a filter leaves of a document (RFC 4660 §5.3, RFC 4661 §3.5), which stays valid: what must stand where something was
 * selected stands there with its values. And whether a change is one that a filter waits for.
 */

import { asNumber, Evaluation, ExpressionError, type Selected } from './filter-expression.ts'
import { type Change, expressionOf, type Filter, type Selection } from './simple-filter.ts'
import { canonicalText } from './xml/compare.ts'
import { escapeAttribute } from './xml/escape.ts'
import {
  attributeValue,
  isNamed,
  NamespaceScope,
  textContent,
  trimXml,
  type XmlAttribute,
  type XmlElement,
  type XmlNode,
} from './xml/tree.ts'
import { declarationText, writeElement, xmlDeclaration } from './xml/write.ts'

/** What is peculiar to one kind of documents. */
export interface DocumentKind {
  /** Whether an element cannot be without this child, and where it stands, without this attribute. */
  isMandatory(parent: XmlElement, child: XmlElement): boolean
  isMandatoryAttribute(element: XmlElement, attribute: XmlAttribute): boolean
  /** Whether the text of an element belongs to it as its mandatory attributes do. */
  isMandatoryText?(element: XmlElement): boolean
  /** Whether what is left is valid; without it, what is mandatory makes it so. */
  isValid?(bytes: Uint8Array): boolean
  /** How deep the elements lie that are shown whole where nothing less is valid. */
  readonly componentDepth: number
}

/** The document as the filter shows it; undefined when it shows nothing. A filter that takes too long is none (RFC 4660 §5.4). */
export function filteredDocument(
  root: XmlElement,
  filter: Filter,
  kind: DocumentKind,
  maximumSteps: number,
): Uint8Array | undefined | 'unfiltered' {
  let picking: Picking
  try {
    picking = new Picking(root, filter, kind, maximumSteps)
  } catch (error) {
    if (error instanceof ExpressionError) return 'unfiltered'
    throw error
  }
  const shown = picking.result(false)
  if (shown === undefined) return undefined
  const bytes = written(root, shown)
  if (kind.isValid === undefined || kind.isValid(bytes) || !kind.isValid(written(root, root))) return bytes
  // What is left out must not make the document invalid: the steps that did are reversed (RFC 4661 §3.5.2).
  return written(root, picking.result(true) ?? root)
}

class Picking {
  readonly #root: XmlElement
  readonly #kind: DocumentKind
  /** Selected with all that is in them. */
  readonly #whole = new Set<XmlElement>()
  /** Selected by their namespace: of what is in them only what is selected itself. */
  readonly #thin = new Set<XmlElement>()
  /** Around what is selected, with the attributes that are. */
  readonly #around = new Map<XmlElement, Set<XmlAttribute>>()
  readonly #excluded = new Set<XmlElement | XmlAttribute>()

  constructor(root: XmlElement, filter: Filter, kind: DocumentKind, maximumSteps: number) {
    this.#root = root
    this.#kind = kind
    const evaluation = new Evaluation(root, maximumSteps)
    const select = ({ type, text }: Selection): readonly Selected[] =>
      type === 'xpath'
        ? evaluation.select(expressionOf(text, filter))
        : ofNamespace(root, text).map(element => ({ element, attribute: undefined }))
    for (const selection of filter.include) {
      for (const { element, attribute } of select(selection)) {
        if (attribute !== undefined) this.#surround(element).add(attribute)
        else if (selection.type === 'xpath') this.#whole.add(element)
        else this.#thin.add(element)
        let outer = evaluation.parentOf(element)
        for (; outer !== undefined && !this.#around.has(outer); outer = evaluation.parentOf(outer))
          this.#surround(outer)
        if (attribute !== undefined) this.#surround(element)
      }
    }
    if (filter.include.length === 0) this.#whole.add(root)
    for (const selection of filter.exclude) {
      for (const { element, attribute } of select(selection)) this.#excluded.add(attribute ?? element)
    }
  }

  #surround(element: XmlElement): Set<XmlAttribute> {
    let attributes = this.#around.get(element)
    if (attributes === undefined) {
      attributes = new Set()
      this.#around.set(element, attributes)
    }
    return attributes
  }

  /** `generously`: whole components, nothing excluded. */
  result(generously: boolean): XmlElement | undefined {
    if (this.#excluded.has(this.#root) && !generously) return undefined
    const shown = this.#shown(this.#root, undefined, false, generously, 0)
    return shown?.children.some(({ kind }) => kind === 'element') ? shown : undefined
  }

  #shown(
    element: XmlElement,
    parent: XmlElement | undefined,
    inherited: boolean,
    generously: boolean,
    depth: number,
  ): XmlElement | undefined {
    const isKept = parent === undefined || this.#kind.isMandatory(parent, element) || generously
    if (!isKept && this.#excluded.has(element)) return undefined
    const selected = this.#around.get(element)
    const isWhole =
      inherited ||
      this.#whole.has(element) ||
      (generously && depth >= this.#kind.componentDepth && selected !== undefined)
    const isThin = this.#thin.has(element)
    if (!isWhole && !isThin && selected === undefined) return undefined
    const attributes = element.attributes.filter(attribute => {
      if (this.#kind.isMandatoryAttribute(element, attribute) || generously) return true
      if (this.#excluded.has(attribute)) return false
      return isWhole || isThin || selected!.has(attribute)
    })
    const keepsText = isThin || this.#kind.isMandatoryText?.(element) === true
    const children = element.children.flatMap((node): readonly XmlNode[] => {
      if (node.kind !== 'element') return isWhole || (keepsText && node.kind !== 'comment') ? [node] : []
      const inner = this.#shown(node, element, isWhole || this.#kind.isMandatory(element, node), generously, depth + 1)
      return inner === undefined ? [] : [inner]
    })
    const isSame =
      attributes.length === element.attributes.length &&
      children.length === element.children.length &&
      children.every((node, index) => node === element.children[index])
    return isSame ? element : { ...element, attributes, children, source: undefined }
  }
}

function ofNamespace(element: XmlElement, namespace: string): XmlElement[] {
  const inner = element.children.flatMap(node => (node.kind === 'element' ? ofNamespace(node, namespace) : []))
  return element.namespace === namespace ? [element, ...inner] : inner
}

/** The document with the declarations that are used. */
function written(root: XmlElement, shown: XmlElement): Buffer {
  const scope = new NamespaceScope(new Map(root.scope.bindings()))
  let body = ''
  for (const node of shown.children) if (node.kind === 'element') body += `${writeElement(node, scope)}\n`
  const name = root.prefix === '' ? root.name : `${root.prefix}:${root.name}`
  let start = `<${name}`
  const attributes = shown.attributes.map(
    ({ prefix, name: local, value }) => ` ${prefix && `${prefix}:`}${local}="${escapeAttribute(value)}"`,
  )
  for (const [prefix, namespace] of scope.bindings()) {
    const isUsed = prefix === root.prefix || prefix === '' || (body + attributes).includes(`${prefix}:`)
    if (isUsed && prefix !== 'xml') start += declarationText(prefix, namespace)
  }
  return Buffer.from(`${xmlDeclaration}${start}${attributes.join('')}>\n${body}</${name}>\n`, 'utf8')
}

/** Whether what has become of a document is what a trigger of the filter waits for (RFC 4661 §3.6); true without triggers. */
export function isTriggered(before: XmlElement, after: XmlElement, filter: Filter, maximumSteps: number): boolean {
  if (filter.triggers.length === 0) return true
  try {
    const [a, b] = [new Evaluation(before, maximumSteps), new Evaluation(after, maximumSteps)]
    return filter.triggers.some(changes => changes.every(change => hasHappened(change, a, b, filter)))
  } catch (error) {
    // One that cannot be told is not withheld.
    if (error instanceof ExpressionError) return true
    throw error
  }
}

function hasHappened(change: Change, before: Evaluation, after: Evaluation, filter: Filter): boolean {
  const expression = expressionOf(change.text, filter)
  const [a, b] = [valuesOf(before.select(expression), before), valuesOf(after.select(expression), after)]
  if (change.kind === 'added') return [...b.keys()].some(key => !a.has(key))
  if (change.kind === 'removed') return [...a.keys()].some(key => !b.has(key))
  return [...b].some(([key, value]) => hasChanged(a.get(key), value, change))
}

interface Value {
  readonly text: string
  readonly canonical: string
}

/** A value that appears has changed from none, which only `from` and `by` exclude. */
function hasChanged(before: Value | undefined, after: Value, { from, to, by }: Change): boolean {
  if (before?.canonical === after.canonical) return false
  if (from !== undefined && !(before !== undefined && isValue(before.text, from))) return false
  if (to !== undefined && !isValue(after.text, to)) return false
  if (by === undefined) return true
  const [a, b, least] = [before && asNumber(before.text), asNumber(after.text), asNumber(by)]
  return a !== undefined && b !== undefined && least !== undefined && Math.abs(b - a) >= least
}

/** COMPAT(RFC 4661 §6.2): the example waits for `OPEN`, which PIDF writes `open`. */
function isValue(text: string, value: string): boolean {
  if (text.toLowerCase() === trimXml(value).toLowerCase()) return true
  const [a, b] = [asNumber(text), asNumber(value)]
  return a !== undefined && a === b
}

/** Values by the instance they belong to: the path of ids and places that leads there. */
function valuesOf(selected: readonly Selected[], evaluation: Evaluation): Map<string, Value> {
  const values = new Map<string, Value>()
  for (const { element, attribute } of selected) {
    const key = `${instance(element, evaluation)}${attribute === undefined ? '' : `@${attribute.namespace} ${attribute.name}`}`
    const text = trimXml(attribute?.value ?? textContent(element))
    values.set(key, { text, canonical: attribute === undefined ? canonicalText(element) : text })
  }
  return values
}

function instance(element: XmlElement, evaluation: Evaluation): string {
  const parent = evaluation.parentOf(element)
  const name = `${element.namespace} ${element.name}`
  if (parent === undefined) return name
  const id = attributeValue(element, 'id')
  const same = parent.children.filter(node => isNamed(node, element.namespace, element.name))
  return `${instance(parent, evaluation)}/${name}${id === undefined ? `[${same.indexOf(element)}]` : `#${id}`}`
}
