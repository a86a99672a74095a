/**
 * Computes XML patch operations (RFC 5261): what makes one document into another, exactly, white space and prefixes included
 * (§3: canonical form with comments).
 */

import { type Bindings, DiffNames } from './diff-names.ts'
import { alignment, type DiffElement, type DiffNode, declarationsText, diffElement, type Pair } from './diff-nodes.ts'
import { escapeQuoted, escapeText } from './escape.ts'
import type { XmlAttribute, XmlElement } from './tree.ts'
import { declarationText } from './write.ts'

export interface Patch {
  /**
   * The bindings that must be in force where the operations stand, '' being the default namespace: bound to '' where there must
   * be none, and missing where there may be any.
   */
  readonly namespaces: Bindings
  /** Characters that the operations take at least. */
  readonly length: number
  /** The operation elements. `prefix` stands before their names, '' being the default namespace, and is not one of `namespaces`. */
  write(prefix: string): string
}

/**
 * The operations that make `from` into `to`; none when they are equal. Undefined when that cannot be done by operations, or when
 * the documents have too little in common for it to be worth while.
 *
 * Both are root elements as they were read. Comments and instructions beside them are left out.
 */
export function computePatch(from: XmlElement, to: XmlElement): Patch | undefined {
  const [a, b] = [diffElement(from), diffElement(to)]
  if (from.prefix !== to.prefix || from.name !== to.name || from.namespace !== to.namespace) return undefined
  const known = new Map(from.declarations)
  for (const [prefix, namespace] of to.declarations) {
    if ((known.get(prefix) ?? (prefix === '' ? '' : namespace)) !== namespace) return undefined
    known.set(prefix, namespace)
  }
  // A default namespace can only come and go with its element (RFC 5261 §4.2.3).
  if (from.declarations.get('') !== to.declarations.get('')) return undefined
  const names = new DiffNames(known)
  const operations = a.exact === b.exact ? [] : rootOperations(a, b, names)
  if (operations === undefined) return undefined
  return {
    namespaces: usedBy(operations),
    length: lengthOf(operations),
    write: prefix => operations.map(operation => written(operation, prefix)).join(''),
  }
}

interface Operation {
  readonly kind: 'add' | 'replace' | 'remove'
  readonly attributes: string
  readonly content: string
  /** Bindings that its selector or content goes by. */
  readonly uses: Bindings
}

function operation(kind: Operation['kind'], sel: string, directives = '', content = '', uses = nothing): Operation {
  return { kind, attributes: ` sel="${escapeQuoted(sel)}"${directives}`, content, uses }
}

const nothing: Bindings = new Map()

function written({ kind, attributes, content }: Operation, prefix: string): string {
  const name = prefix === '' ? kind : `${prefix}:${kind}`
  return content === '' ? `<${name}${attributes}/>` : `<${name}${attributes}>${content}</${name}>`
}

function lengthOf(operations: readonly Operation[]): number {
  let length = 0
  for (const { kind, attributes, content } of operations) {
    length += kind.length + 3 + attributes.length + (content === '' ? 0 : kind.length + 2 + content.length)
  }
  return length
}

function usedBy(operations: readonly Operation[]): Bindings {
  return new Map(operations.flatMap(({ uses }) => [...uses]))
}

/** What operations take with the declarations they need. */
function costOf(operations: readonly Operation[]): number {
  let cost = lengthOf(operations)
  for (const [prefix, namespace] of usedBy(operations)) cost += declarationText(prefix, namespace).length
  return cost
}

function rootOperations(a: DiffElement, b: DiffElement, names: DiffNames): Operation[] | undefined {
  const [before, after] = [a.origin.declarations, b.origin.declarations]
  const added = [...after].filter(([prefix]) => !before.has(prefix))
  const removed = [...before.keys()].filter(prefix => !after.has(prefix))
  const inside = elementOperations(a, b, '*', names)
  return (
    inside && [
      ...added.map(([prefix, namespace]) =>
        operation('add', '*', ` type="namespace::${prefix}"`, escapeText(namespace)),
      ),
      ...inside,
      ...removed.map(prefix => operation('remove', `*/namespace::${prefix}`)),
    ]
  )
}

/** What makes one element into another of the same name and declarations; undefined when only replacing it does. */
function elementOperations(a: DiffElement, b: DiffElement, path: string, names: DiffNames): Operation[] | undefined {
  const attributes = attributeOperations(a.origin.attributes, b.origin.attributes, path, names)
  const children = attributes && childOperations(a.children, b.children, path, names)
  return children && [...attributes, ...children]
}

function attributeOperations(
  a: readonly XmlAttribute[],
  b: readonly XmlAttribute[],
  path: string,
  names: DiffNames,
): Operation[] | undefined {
  const operations: Operation[] = []
  const same = (one: XmlAttribute, other: XmlAttribute) =>
    one.name === other.name && one.prefix === other.prefix && one.namespace === other.namespace
  for (const attribute of a) {
    const other = b.find(candidate => same(attribute, candidate))
    if (other?.value === attribute.value) continue
    const name = names.attribute(attribute)
    if (name === undefined) return undefined
    const sel = `${path}/@${name.text}`
    operations.push(operation(other ? 'replace' : 'remove', sel, '', escapeText(other?.value ?? ''), name.uses))
  }
  for (const attribute of b) {
    if (a.some(candidate => same(attribute, candidate))) continue
    const name = names.attribute(attribute)
    if (name === undefined) return undefined
    // What is added has a text (RFC 5261 §4.3.2); only what replaces may have none.
    operations.push(operation('add', path, ` type="@${name.text}"`, escapeText(attribute.value) || '-', name.uses))
    if (attribute.value === '') operations.push(operation('replace', `${path}/@${name.text}`, '', '', name.uses))
  }
  return operations
}

function childOperations(
  a: readonly DiffNode[],
  b: readonly DiffNode[],
  path: string,
  names: DiffNames,
): Operation[] | undefined {
  const pairs = alignment(a, b)
  if (pairs === undefined) return undefined
  const operations: Operation[] = []
  for (const [i, j] of pairs) {
    const [old, changed] = [a[i]!, b[j]!]
    if (old.exact === changed.exact) continue
    const sel = `${path}/${stepTo(a, old)}`
    if (changed.kind === 'text') operations.push(operation('replace', sel, '', escapeText(changed.value)))
    else operations.push(...changedElement(old as DiffElement, changed as DiffElement, sel, names))
  }
  operations.push(...new ListEdit(a, b, pairs, path, names).operations())
  return operations
}

/** The shorter of changing an element inside and replacing it. */
function changedElement(a: DiffElement, b: DiffElement, path: string, names: DiffNames): Operation[] {
  const inside =
    declarationsText(a.origin) === declarationsText(b.origin) ? elementOperations(a, b, path, names) : undefined
  const { start, end } = b.origin.source!
  // Whatever replaces it takes as much as it does.
  if (inside !== undefined && costOf(inside) <= end - start) return inside
  const { text, uses } = names.content([b])
  const whole = [operation('replace', path, '', text, uses)]
  return inside !== undefined && costOf(inside) <= costOf(whole) ? inside : whole
}

/**
 * The last step of a selector that leads to one of the children of an element. It names no element, so that no namespace need be
 * declared for it.
 */
function stepTo(siblings: readonly DiffNode[], node: DiffNode): string {
  if (node.kind !== 'element') {
    const same = siblings.filter(({ kind }) => kind === node.kind)
    const test = node.kind === 'instruction' ? 'processing-instruction()' : `${node.kind}()`
    return same.length === 1 ? test : `${test}[${same.indexOf(node) + 1}]`
  }
  const elements = siblings.filter(sibling => sibling.kind === 'element')
  if (elements.length === 1) return '*'
  const { id } = node
  // Who has another document than we believe then finds nothing, rather than the wrong one.
  if (id !== undefined && !id.includes("'") && elements.filter(sibling => sibling.id === id).length === 1) {
    return `*[@id='${id}']`
  }
  return `*[${elements.indexOf(node) + 1}]`
}

/**
 * Nodes that come and go among the children of one element, from left to right, gap by gap between those that stay. What comes
 * is added before what goes is removed, so that texts on both sides never meet and join (RFC 5261 §4.5.6).
 */
class ListEdit {
  readonly #a: readonly DiffNode[]
  readonly #b: readonly DiffNode[]
  readonly #pairs: readonly Pair[]
  readonly #path: string
  readonly #names: DiffNames
  readonly #operations: Operation[] = []
  /** The children as they are after the operations so far. */
  #now: DiffNode[]

  constructor(a: readonly DiffNode[], b: readonly DiffNode[], pairs: readonly Pair[], path: string, names: DiffNames) {
    this.#a = a
    this.#b = b
    this.#pairs = pairs
    this.#path = path
    this.#names = names
    this.#now = a.slice()
  }

  operations(): Operation[] {
    let [fromA, fromB] = [0, 0]
    let left: DiffNode | undefined
    for (const [i, j] of this.#pairs) {
      if (i > fromA || j > fromB) this.#gap(left, this.#a.slice(fromA, i), this.#b.slice(fromB, j), this.#a[i])
      left = this.#a[i]
      fromA = i + 1
      fromB = j + 1
    }
    if (this.#a.length > fromA || this.#b.length > fromB) {
      this.#gap(left, this.#a.slice(fromA), this.#b.slice(fromB), undefined)
    }
    return this.#operations
  }

  #gap(
    left: DiffNode | undefined,
    going: readonly DiffNode[],
    coming: readonly DiffNode[],
    right: DiffNode | undefined,
  ): void {
    const [first, last] = [coming[0], coming.at(-1)]
    const removals = removalsOf(going)
    /** Texts that go with nothing else have to be removed by themselves. */
    const alone = going.filter(node => node.kind === 'text' && !removals.some(removal => removal.with.includes(node)))
    for (const text of alone) this.#remove(text)
    let staying = going.filter(node => !alone.includes(node))
    let atEnd = true
    if (first?.kind === 'text' && staying.at(-1)?.kind === 'text') {
      if (last?.kind === 'text' && staying[0]?.kind === 'text') {
        const text = staying.at(-1)!
        const { with: goingWith } = removals.find(removal => removal.with.includes(text))!
        goingWith.splice(goingWith.indexOf(text), 1)
        this.#remove(text)
        staying = staying.slice(0, -1)
      } else atEnd = false
    }
    if (coming.length > 0) this.#add(left, staying, coming, right, atEnd)
    for (const { node, with: goingWith } of removals) this.#remove(node, goingWith)
  }

  /** Adds nodes between `left` and `right`, behind what is still to go there if `atEnd`, else before it. */
  #add(
    left: DiffNode | undefined,
    staying: readonly DiffNode[],
    coming: readonly DiffNode[],
    right: DiffNode | undefined,
    atEnd: boolean,
  ): void {
    const isFree = staying.length === 0
    const places: string[] = []
    const place = (sel: string, pos = '') => places.push(` sel="${escapeQuoted(sel)}"${pos && ` pos="${pos}"`}`)
    const beside = (node: DiffNode, pos: string) => {
      // The place of a text says less than the name of an element.
      if (places.length === 0 || node.kind === 'element') place(this.#selector(node), pos)
    }
    if (atEnd || isFree) {
      if (right === undefined) place(this.#path)
      else beside(right, 'before')
    }
    if (!atEnd || isFree) {
      if (left === undefined) place(this.#path, 'prepend')
      else beside(left, 'after')
    }
    const attributes = places.reduce((a, b) => (b.length < a.length ? b : a))
    const { text, uses } = this.#names.content(coming)
    this.#operations.push({ kind: 'add', attributes, content: text, uses })
    const at = atEnd
      ? right === undefined
        ? this.#now.length
        : this.#now.indexOf(right)
      : left === undefined
        ? 0
        : this.#now.indexOf(left) + 1
    this.#now.splice(at, 0, ...coming)
  }

  #remove(node: DiffNode, goingWith: readonly DiffNode[] = []): void {
    const at = this.#now.indexOf(node)
    const isBefore = goingWith.some(text => text === this.#now[at - 1])
    const isAfter = goingWith.some(text => text === this.#now[at + 1])
    const whiteSpace = isBefore ? (isAfter ? 'both' : 'before') : isAfter ? 'after' : ''
    this.#operations.push(operation('remove', this.#selector(node), whiteSpace && ` ws="${whiteSpace}"`))
    this.#now = this.#now.filter(other => other !== node && !goingWith.includes(other))
  }

  #selector(node: DiffNode): string {
    return `${this.#path}/${stepTo(this.#now, node)}`
  }
}

/** Nodes to be removed, each with the white space beside it that goes as well. */
function removalsOf(going: readonly DiffNode[]): { readonly node: DiffNode; readonly with: DiffNode[] }[] {
  const removals: { readonly node: DiffNode; readonly with: DiffNode[] }[] = []
  for (const [index, node] of going.entries()) {
    if (node.kind === 'text') continue
    const [before, after] = [going[index - 1], going[index + 1]]
    const goingWith: DiffNode[] = []
    if (removals.length === 0 && before?.kind === 'text' && before.isWhite) goingWith.push(before)
    if (after?.kind === 'text' && after.isWhite) goingWith.push(after)
    removals.push({ node, with: goingWith })
  }
  return removals
}
