/**
 * Applies XML patch operations (RFC 5261): adds, replaces and removes nodes that selectors locate, one operation after the
 * other, and all or none of them.
 */

import { PatchContent } from './patch-content.ts'
import { type PatchCondition, PatchError } from './patch-error.ts'
import {
  type AddedKind,
  type ElementStep,
  type LeafStep,
  type PatchSelector,
  type Predicate,
  parseAddedKind,
  parsePatchSelector,
  type QualifiedName,
  SelectorError,
} from './patch-selector.ts'
import { PatchDocument, PatchElement, type PatchLeaf, type PatchNode } from './patch-tree.ts'
import { attributeValue, trimXml, type XmlAttribute, type XmlElement, type XmlNode, xmlNamespace } from './tree.ts'

export { type PatchCondition, PatchError }

export interface PatchOptions {
  /** Whether an attribute is of type ID, for `id()`; `xml:id` always is. Without it `id()` is not supported. */
  readonly isId?: (element: QualifiedName, attribute: QualifiedName) => boolean
  /** Another name by which selectors may call the root element. */
  readonly rootAlso?: { readonly namespace: string; readonly name: string }
  /** Most operations in one patch. */
  readonly maximumOperations?: number
  /** Most nodes looked at while operations are located, and characters while values are compared. */
  readonly maximumSteps?: number
}

/**
 * The text of the document that comes out when `operations`, elements named add, replace and remove of any namespace, are
 * applied in order to the document of `target`, which is as it was read and stays so. What no operation touches is copied.
 *
 * Throws PatchError for the first operation that cannot be applied.
 */
export function applyPatch(target: XmlElement, operations: readonly XmlElement[], options: PatchOptions = {}): string {
  const { maximumOperations = 256 } = options
  if (operations.length > maximumOperations) {
    throw new PatchError('invalid-diff-format', `more than ${maximumOperations} operations`)
  }
  const patching = new Patching(new PatchDocument(target), options)
  for (const operation of operations) patching.apply(operation)
  return patching.document.written
}

/** What a selector has led to: a node with the place where it stands, or an attribute or declaration of an element. */
type Located =
  | {
      readonly kind: 'node'
      readonly node: PatchNode
      readonly among: PatchElement | PatchDocument
      readonly index: number
    }
  | LocatedPart

type LocatedPart =
  | { readonly kind: 'attribute'; readonly element: PatchElement; readonly attribute: XmlAttribute }
  | { readonly kind: 'namespace'; readonly element: PatchElement; readonly prefix: string }

const attributesOf: Readonly<Record<string, readonly string[]>> = {
  add: ['sel', 'pos', 'type'],
  replace: ['sel'],
  remove: ['sel', 'ws'],
}

class Patching {
  readonly document: PatchDocument
  readonly #options: PatchOptions
  /** The operation that is being applied. */
  #operation!: XmlElement
  #steps: number

  constructor(document: PatchDocument, options: PatchOptions) {
    this.document = document
    this.#options = options
    this.#steps = options.maximumSteps ?? 1_000_000
  }

  apply(operation: XmlElement): void {
    this.#operation = operation
    const known = attributesOf[operation.name]
    if (known === undefined) this.#fail('invalid-patch-directive', `there is no operation ${operation.name}`)
    for (const { namespace, name } of operation.attributes) {
      if (namespace === '' && !known.includes(name)) {
        this.#fail('invalid-patch-directive', `${operation.name} has no ${name}`)
      }
    }
    switch (operation.name) {
      case 'add':
        this.#add()
        break
      case 'replace':
        this.#replace()
        break
      default:
        this.#remove()
    }
  }

  /** RFC 5261 §4.3. */
  #add(): void {
    const position = this.#oneOf('pos', ['before', 'after', 'prepend'])
    const located = this.#located()
    const type = attributeValue(this.#operation, 'type')
    if (located.kind !== 'node') this.#fail('invalid-attribute-value', 'sel of add leads to a node of the tree')
    const { node, among, index } = located
    if (type !== undefined) {
      if (position !== undefined) this.#fail('invalid-patch-directive', 'pos means nothing beside type')
      if (node.kind !== 'element') this.#fail('invalid-patch-directive', 'type needs an element')
      const added = this.#read(() => parseAddedKind(type, this.#operation.scope))
      if (added.kind === 'attribute') this.#addAttribute(node, added)
      else this.#addNamespace(node, added.prefix)
    } else if (position === undefined || position === 'prepend') {
      if (node.kind !== 'element') this.#fail('invalid-patch-directive', 'only an element has something in it')
      const content = this.#content(node).nodes(this.#operation.children)
      node.insert(position === undefined ? node.children.length : 0, content)
    } else this.#addBeside(among, position === 'before' ? index : index + 1)
  }

  #addBeside(among: PatchElement | PatchDocument, index: number): void {
    if (among instanceof PatchElement) {
      among.insert(index, this.#content(among).nodes(this.#operation.children))
      return
    }
    // White space beside the root element is no node (XPath 1.0 §5.1).
    const outer = this.#operation.children.filter(child => !isBlank(child))
    for (const { kind } of outer) {
      if (kind === 'element') this.#fail('invalid-root-element-operation', 'there is one root element')
      if (kind !== 'comment' && kind !== 'instruction') {
        this.#fail('invalid-xml-prolog-operation', 'no text stands beside the root element')
      }
    }
    among.insert(index, this.#content(undefined).nodes(outer))
  }

  /** RFC 5261 §4.3.2. */
  #addAttribute(element: PatchElement, { name }: Extract<AddedKind, { kind: 'attribute' }>): void {
    const value = this.#plainText()
    if (attributeOf(element, name) !== undefined) {
      this.#fail('invalid-attribute-value', `${element.name} has ${name.name} already`)
    }
    const prefix = name.prefix === '' ? '' : this.#content(element).prefixOf(name.namespace, name.prefix, false)
    element.touch()
    element.attributes = [...element.attributes, { ...name, prefix, value }]
  }

  /** RFC 5261 §4.3.3. What is added must not change what stands below. */
  #addNamespace(element: PatchElement, prefix: string): void {
    const namespace = this.#namespaceName(prefix)
    if (element.declarations.has(prefix)) {
      this.#fail('invalid-namespace-prefix', `${element.name} declares ${prefix} already`)
    }
    if (element.lookup(prefix) !== namespace && this.#isUsed(element, prefix)) {
      this.#fail('invalid-namespace-prefix', `${prefix} means another namespace there`)
    }
    element.touch()
    element.declarations = new Map([...element.declarations, [prefix, namespace]])
  }

  /** RFC 5261 §4.4. */
  #replace(): void {
    const located = this.#located()
    switch (located.kind) {
      case 'attribute':
        replaceAttribute(located.element, located.attribute, { ...located.attribute, value: this.#plainText() })
        return
      case 'namespace': {
        const { element, prefix } = located
        const namespace = this.#namespaceName(prefix)
        element.touch()
        element.declarations = new Map(element.declarations).set(prefix, namespace)
        rename(element, prefix, namespace)
        return
      }
    }
    const { node, among, index } = located
    const { children } = this.#operation
    if (node.kind === 'text') {
      if (children.some(({ kind }) => kind !== 'text' && kind !== 'cdata')) {
        this.#fail('invalid-node-types', 'text is replaced by text')
      }
      const [text] = this.#content(undefined).nodes(children)
      if (text === undefined) among.remove(index)
      else among.replace(index, text)
      return
    }
    if (children.length !== 1 || children[0]!.kind !== node.kind) {
      this.#fail('invalid-node-types', `one ${nameOf(node)} is replaced by one ${nameOf(node)}`)
    }
    const context = among instanceof PatchElement ? among : undefined
    among.replace(index, this.#content(context).nodes(children)[0]!)
  }

  /** RFC 5261 §4.5. */
  #remove(): void {
    const whiteSpace = this.#oneOf('ws', ['before', 'after', 'both'])
    if (this.#operation.children.some(child => !isBlank(child))) {
      this.#fail('invalid-patch-directive', 'remove has no content')
    }
    const located = this.#located()
    if (whiteSpace !== undefined && (located.kind !== 'node' || located.node.kind === 'text')) {
      this.#fail('invalid-whitespace-directive', 'ws is for elements, comments and instructions')
    }
    switch (located.kind) {
      case 'attribute':
        replaceAttribute(located.element, located.attribute, undefined)
        return
      case 'namespace': {
        const { element, prefix } = located
        if (this.#isUsed(element, prefix)) this.#fail('invalid-namespace-prefix', `${prefix} is in use`)
        element.touch()
        const declarations = new Map(element.declarations)
        declarations.delete(prefix)
        element.declarations = declarations
        return
      }
    }
    const { node, among, index } = located
    if (node.kind === 'element' && among instanceof PatchDocument) {
      this.#fail('invalid-root-element-operation', 'the root element stays')
    }
    const isBefore = whiteSpace === 'before' || whiteSpace === 'both'
    const isAfter = whiteSpace === 'after' || whiteSpace === 'both'
    const missing =
      (isBefore && !isWhite(among.children[index - 1])) || (isAfter && !isWhite(among.children[index + 1]))
    if (missing) this.#fail('invalid-whitespace-directive', `there is no white space ${whiteSpace}`)
    // From behind, so that nothing joins that is to go.
    if (isAfter) among.remove(index + 1)
    if (isBefore) {
      among.remove(index - 1)
      among.remove(index - 1)
    } else among.remove(index)
  }

  #located(): Located {
    const sel = attributeValue(this.#operation, 'sel')
    if (sel === undefined) this.#fail('invalid-attribute-value', 'sel is missing')
    const selector = this.#read(() => parsePatchSelector(sel, this.#operation.scope))
    const elements = this.#elements(selector)
    const found = selector.leaf === undefined ? elements : this.#leaves(selector.leaf, elements)
    if (found.length !== 1) {
      this.#fail('unlocated-node', `sel leads to ${found.length === 0 ? 'nothing' : 'several nodes'}`)
    }
    const located = found[0]!
    if (located instanceof PatchDocument) this.#fail('unlocated-node', 'sel leads to the root node')
    if (located.kind === 'attribute' || located.kind === 'namespace') return located
    const among = located.parent ?? this.document
    return { kind: 'node', node: located, among, index: among.children.indexOf(located) }
  }

  /** The elements that all element steps lead to; undefined among them stands for the root node. */
  #elements({ id, steps }: PatchSelector): (PatchElement | PatchDocument)[] {
    let context: (PatchElement | PatchDocument)[] = id === undefined ? [this.document] : this.#identified(id)
    for (const step of steps) {
      context = context.flatMap(parent => this.#children(parent, step))
    }
    return context
  }

  /** The child elements of a node that a step selects; predicates filter one after the other (XPath 1.0 §2.4). */
  #children(parent: PatchElement | PatchDocument, { name, predicates }: ElementStep): PatchElement[] {
    this.#spend(parent.children.length)
    let selected: PatchElement[] = []
    for (const child of parent.children) {
      if (child.kind === 'element' && (name === undefined || this.#isCalled(child, name))) selected.push(child)
    }
    for (const predicate of predicates) {
      selected =
        predicate.kind === 'position'
          ? at(selected, predicate.position)
          : selected.filter(element => this.#holds(element, predicate))
    }
    return selected
  }

  #isCalled(element: PatchElement, { namespace, name }: QualifiedName): boolean {
    if (element.name === name && element.namespace === namespace) return true
    const { rootAlso } = this.#options
    return element.parent === undefined && rootAlso?.name === name && rootAlso.namespace === namespace
  }

  #holds(element: PatchElement, predicate: Exclude<Predicate, { kind: 'position' }>): boolean {
    const { value } = predicate
    switch (predicate.kind) {
      case 'attribute':
        return attributeOf(element, predicate.name)?.value === value
      case 'self':
        return this.#textOf(element) === value
      case 'child':
        this.#spend(element.children.length)
        return element.children.some(
          child => child.kind === 'element' && isNamed(child, predicate.name) && this.#textOf(child) === value,
        )
    }
  }

  #textOf(element: PatchElement): string {
    const { text } = element
    this.#spend(1 + text.length)
    return text
  }

  #identified(id: string): PatchElement[] {
    const { isId } = this.#options
    const found: PatchElement[] = []
    const search = (nodes: readonly PatchNode[]) => {
      this.#spend(nodes.length)
      for (const node of nodes) {
        if (node.kind !== 'element') continue
        if (node.attributes.some(attribute => attribute.value === id && isIdentifier(node, attribute))) found.push(node)
        search(node.children)
      }
    }
    const isIdentifier = (element: PatchElement, attribute: XmlAttribute) =>
      (attribute.name === 'id' && attribute.namespace === xmlNamespace) || (isId?.(element, attribute) ?? false)
    search(this.document.children)
    if (found.length === 0 && isId === undefined) {
      this.#fail('unsupported-id-function', 'which attributes are of type ID is not known')
    }
    return found
  }

  #leaves(leaf: LeafStep, parents: readonly (PatchElement | PatchDocument)[]): (PatchNode | LocatedPart)[] {
    return parents.flatMap(parent => this.#leavesOf(parent, leaf))
  }

  #leavesOf(parent: PatchElement | PatchDocument, leaf: LeafStep): (PatchNode | LocatedPart)[] {
    if (leaf.kind === 'attribute' || leaf.kind === 'namespace') {
      if (parent instanceof PatchDocument) return []
      if (leaf.kind === 'namespace') {
        return parent.declarations.has(leaf.prefix) ? [{ kind: 'namespace', element: parent, prefix: leaf.prefix }] : []
      }
      const attribute = attributeOf(parent, leaf.name)
      return attribute === undefined ? [] : [{ kind: 'attribute', element: parent, attribute }]
    }
    this.#spend(parent.children.length)
    const nodes = parent.children.filter(
      node => node.kind === leaf.kind && (node.kind !== 'instruction' || isTarget(node, leaf)),
    )
    return leaf.position === undefined ? nodes : at(nodes, leaf.position)
  }

  /** The text of an operation that sets an attribute or declaration; a CDATA section is no such text (RFC 5261 §5.1). */
  #plainText(): string {
    for (const { kind } of this.#operation.children) {
      if (kind !== 'text') this.#fail('invalid-attribute-value', 'an attribute or declaration has text alone')
    }
    return this.#operation.children.map(node => (node.kind === 'text' ? node.value : '')).join('')
  }

  #namespaceName(prefix: string): string {
    const namespace = trimXml(this.#plainText())
    if (prefix === 'xml' || prefix === 'xmlns') this.#fail('invalid-namespace-prefix', `${prefix} is what it is`)
    if (namespace === '' || namespace === xmlNamespace || namespace === xmlnsNamespace) {
      this.#fail('invalid-namespace-uri', `${prefix} cannot mean "${namespace}"`)
    }
    return namespace
  }

  /** True when a name at or below an element uses the prefix as it is bound there. */
  #isUsed(element: PatchElement, prefix: string): boolean {
    this.#spend(element.children.length)
    if (element.prefix === prefix || element.attributes.some(attribute => attribute.prefix === prefix)) return true
    return element.children.some(
      child => child.kind === 'element' && !child.declarations.has(prefix) && this.#isUsed(child, prefix),
    )
  }

  #content(context: PatchElement | undefined): PatchContent {
    return new PatchContent(context, this.#operation)
  }

  #oneOf<T extends string>(name: string, values: readonly T[]): T | undefined {
    const value = attributeValue(this.#operation, name) as T | undefined
    if (value !== undefined && !values.includes(value)) {
      this.#fail('invalid-attribute-value', `${name} is not one of ${values.join(', ')}`)
    }
    return value
  }

  #read<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error
      this.#fail(error.isPrefix ? 'invalid-namespace-prefix' : 'invalid-attribute-value', error.message)
    }
  }

  #spend(steps: number): void {
    this.#steps -= steps
    if (this.#steps < 0) this.#fail('invalid-diff-format', 'the operations take too long to locate')
  }

  #fail(condition: PatchCondition, phrase: string): never {
    throw new PatchError(condition, phrase, this.#operation)
  }
}

/** The node at a position counted from 1, if there is one. */
function at<T>(nodes: readonly T[], position: number): T[] {
  const node = nodes[position - 1]
  return node === undefined ? [] : [node]
}

function isTarget({ target }: PatchLeaf, leaf: LeafStep): boolean {
  return leaf.kind === 'instruction' && (leaf.target === undefined || leaf.target === target)
}

const xmlnsNamespace = 'http://www.w3.org/2000/xmlns/'

function attributeOf(
  element: PatchElement,
  { namespace, name }: { namespace: string; name: string },
): XmlAttribute | undefined {
  return element.attributes.find(attribute => attribute.name === name && attribute.namespace === namespace)
}

function isNamed(element: PatchElement, { namespace, name }: QualifiedName): boolean {
  return element.name === name && element.namespace === namespace
}

function replaceAttribute(element: PatchElement, old: XmlAttribute, by: XmlAttribute | undefined): void {
  element.touch()
  element.attributes = element.attributes.flatMap(attribute =>
    attribute !== old ? [attribute] : by === undefined ? [] : [by],
  )
}

/** Names with the prefix are of its new namespace, as far down as it is not declared anew. */
function rename(element: PatchElement, prefix: string, namespace: string): void {
  if (element.prefix === prefix) element.namespace = namespace
  if (element.attributes.some(attribute => attribute.prefix === prefix)) {
    element.attributes = element.attributes.map(attribute =>
      attribute.prefix === prefix ? { ...attribute, namespace } : attribute,
    )
  }
  for (const child of element.children) {
    if (child.kind === 'element' && !child.declarations.has(prefix)) rename(child, prefix, namespace)
  }
}

function isBlank(node: XmlNode): boolean {
  return (node.kind === 'text' || node.kind === 'cdata') && trimXml(node.value) === ''
}

function isWhite(node: PatchNode | undefined): boolean {
  return node?.kind === 'text' && trimXml(node.value) === ''
}

function nameOf({ kind }: PatchNode): string {
  return kind === 'instruction' ? 'processing instruction' : kind
}
