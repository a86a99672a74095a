/**
 * An XML document as a tree that forgets nothing: prefixes, namespace declarations, comments, CDATA and the place of each
 * node in the source text, so that what was not changed can be written back as it came. Matching is by namespace and
 * local name, never by prefix.
 */

/** The bindings of prefixes in force at an element: its own declarations, then those of the elements around it. */
export class NamespaceScope {
  readonly outer: NamespaceScope | undefined
  readonly declarations: ReadonlyMap<string, string>

  constructor(declarations: ReadonlyMap<string, string>, outer?: NamespaceScope) {
    this.declarations = declarations
    this.outer = outer
  }

  /** The namespace of a prefix ('' is the default namespace); '' when there is none. */
  lookup(prefix: string): string {
    for (let scope: NamespaceScope | undefined = this; scope !== undefined; scope = scope.outer) {
      const namespace = scope.declarations.get(prefix)
      if (namespace !== undefined) return namespace
    }
    return prefix === 'xml' ? xmlNamespace : ''
  }

  /** True when the prefix is declared at all, be it to no namespace (`xmlns=""`). */
  has(prefix: string): boolean {
    return this.declarations.has(prefix) || (this.outer?.has(prefix) ?? false)
  }

  /** Every binding in force, inner before outer; each prefix once. */
  *bindings(): Generator<readonly [prefix: string, namespace: string]> {
    const seen = new Set<string>()
    for (let scope: NamespaceScope | undefined = this; scope !== undefined; scope = scope.outer) {
      for (const binding of scope.declarations) {
        if (seen.has(binding[0])) continue
        seen.add(binding[0])
        yield binding
      }
    }
  }

  static readonly none: NamespaceScope = new NamespaceScope(new Map())
}

/** What an element without declarations has. */
export const noDeclarations: ReadonlyMap<string, string> = new Map()

export const xmlNamespace = 'http://www.w3.org/XML/1998/namespace'

export type XmlAttribute = {
  readonly prefix: string
  readonly name: string
  /** '' for an attribute without a prefix. */
  readonly namespace: string
  /** Decoded and normalized (XML 1.0 §3.3.3). */
  readonly value: string
}

/** Where an element stands in its source: indices of UTF-16 units (octets by `byteOffset`). */
export type XmlSource = {
  readonly text: string
  /** Of `<`. */
  readonly start: number
  /** Behind the start tag. */
  readonly contentStart: number
  /** Of the end tag; for `<a/>` this, `contentStart` and `end` are equal. */
  readonly contentEnd: number
  /** Behind the element. */
  readonly end: number
}

export type XmlElement = {
  readonly kind: 'element'
  readonly prefix: string
  readonly name: string
  readonly namespace: string
  /** In document order, namespace declarations not included. */
  readonly attributes: readonly XmlAttribute[]
  /** Namespace declarations written on this element: namespaces by prefix, '' for the default. */
  readonly declarations: ReadonlyMap<string, string>
  /** All bindings in force here, its own declarations first. */
  readonly scope: NamespaceScope
  readonly children: readonly XmlNode[]
  /** Present while the element is as it was read; an altered copy has none. */
  readonly source: XmlSource | undefined
}

export type XmlText = {
  readonly kind: 'text' | 'cdata' | 'comment'
  readonly value: string
  readonly start: number
  readonly end: number
}

export type XmlInstruction = {
  readonly kind: 'instruction'
  readonly target: string
  readonly value: string
  readonly start: number
  readonly end: number
}

export type XmlNode = XmlElement | XmlText | XmlInstruction

export function isElement(node: XmlNode): node is XmlElement {
  return node.kind === 'element'
}

/** True for an element of that namespace and local name. */
export function isNamed(node: XmlNode, namespace: string, name: string): node is XmlElement {
  return node.kind === 'element' && node.name === name && node.namespace === namespace
}

/** The child elements, or those of one name, in document order. */
export function childElements(element: XmlElement, namespace?: string, name?: string): XmlElement[] {
  return element.children.filter(
    (node): node is XmlElement =>
      node.kind === 'element' &&
      (namespace === undefined || node.namespace === namespace) &&
      (name === undefined || node.name === name),
  )
}

/** The first child element of that name. */
export function childElement(element: XmlElement, namespace: string, name: string): XmlElement | undefined {
  for (const node of element.children) if (isNamed(node, namespace, name)) return node
  return undefined
}

/** The value of an attribute; without a namespace, of the one without prefix. */
export function attributeValue(element: XmlElement, name: string, namespace = ''): string | undefined {
  for (const attribute of element.attributes) {
    if (attribute.name === name && attribute.namespace === namespace) return attribute.value
  }
  return undefined
}

/** All text in an element, that of its descendants included, comments not; white space kept. */
export function textContent(element: XmlElement): string {
  let text = ''
  for (const node of element.children) {
    if (node.kind === 'element') text += textContent(node)
    else if (node.kind === 'text' || node.kind === 'cdata') text += node.value
  }
  return text
}

/** The text of an element without white space around it; of an absent one, undefined. */
export function trimmedText(element: XmlElement | undefined): string | undefined {
  return element === undefined ? undefined : trimXml(textContent(element))
}

/** Removes XML white space (XML 1.0 §2.3) from both ends. */
export function trimXml(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isXmlSpace(text.charCodeAt(start))) start++
  while (end > start && isXmlSpace(text.charCodeAt(end - 1))) end--
  return start === 0 && end === text.length ? text : text.slice(start, end)
}

export function isXmlSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x09 || code === 0x0d
}

/** A new element: written from its parts. Its prefix is bound to its namespace where it is written. */
export function newElement(
  namespace: string,
  name: string,
  attributes: Readonly<Record<string, string>> = {},
  children: readonly (XmlNode | string)[] = [],
  prefix = '',
): XmlElement {
  const declarations = new Map([[prefix, namespace]])
  return {
    kind: 'element',
    prefix,
    name,
    namespace,
    attributes: Object.entries(attributes).map(([key, value]) => ({ prefix: '', name: key, namespace: '', value })),
    declarations,
    scope: new NamespaceScope(declarations),
    children: children.map(node => (typeof node === 'string' ? newText(node) : node)),
    source: undefined,
  }
}

export function newText(value: string): XmlText {
  return { kind: 'text', value, start: -1, end: -1 }
}

/** The element with other children. */
export function withChildren(element: XmlElement, children: readonly XmlNode[]): XmlElement {
  return { ...element, children, source: undefined }
}

/** The element with one attribute set, or removed when the value is undefined; the same object where that changes nothing. */
export function withAttribute(
  element: XmlElement,
  name: string,
  value: string | undefined,
  namespace = '',
  prefix = '',
): XmlElement {
  const at = element.attributes.findIndex(attribute => attribute.name === name && attribute.namespace === namespace)
  const previous = element.attributes[at]
  if (previous?.value === value) return element
  const attributes = element.attributes.slice()
  if (value === undefined) attributes.splice(at, 1)
  else if (previous === undefined) attributes.push({ prefix, name, namespace, value })
  else attributes[at] = { ...previous, value }
  return { ...element, attributes, source: undefined }
}

/**
 * Where the value of an attribute stands: the indices between its quotes in `text`, for the start tag that begins at
 * `start` and ends before `end`. The name is the one written, prefix included.
 */
export function attributeSpan(
  text: string,
  start: number,
  end: number,
  qualifiedName: string,
): { readonly start: number; readonly end: number } | undefined {
  let at = start
  while (at < end && !isXmlSpace(text.charCodeAt(at))) at++
  for (;;) {
    while (at < end && isXmlSpace(text.charCodeAt(at))) at++
    const equals = text.indexOf('=', at)
    if (equals === -1 || equals >= end) return undefined
    const name = trimXml(text.slice(at, equals))
    let quote = equals + 1
    while (isXmlSpace(text.charCodeAt(quote))) quote++
    const close = text.indexOf(text[quote]!, quote + 1)
    if (name === qualifiedName) return { start: quote + 1, end: close }
    at = close + 1
  }
}
