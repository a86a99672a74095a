/**
 * XML patches as a client applies them (RFC 5261), written a second time and plainly, on a parser that is not ours, so that
 * what our box computes is not judged by its own code. Knows the operations and selectors of notifications.
 */

import assert from 'node:assert/strict'
import { XMLParser } from 'fast-xml-parser'

export interface Element {
  name: string
  /** Namespace declarations among them. */
  attributes: Map<string, string>
  children: Node[]
}

export type Node = Element | { text: string } | { comment: string }

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  trimValues: false,
  parseTagValue: false,
  parseAttributeValue: false,
  commentPropName: '#comment',
  cdataPropName: '#cdata',
  processEntities: true,
  htmlEntities: true,
  ignoreDeclaration: true,
})

type Parsed = Record<string, unknown> & { ':@'?: Record<string, string> }

/** The root element of a document. */
export function readDocument(text: string): Element {
  const root = (parser.parse(text) as Parsed[]).map(readNode).find(isElement)
  assert.ok(root, 'a root element')
  return root
}

function readNode(parsed: Parsed): Node {
  const [name] = Object.keys(parsed).filter(key => key !== ':@')
  const value = parsed[name!]
  if (name === '#text') return { text: String(value) }
  if (name === '#cdata' || name === '#comment') {
    const text = (value as Parsed[]).map(inner => String(inner['#text'])).join('')
    return name === '#cdata' ? { text } : { comment: text }
  }
  const attributes = new Map(Object.entries(parsed[':@'] ?? {}))
  return joined({ name: name!, attributes, children: (value as Parsed[]).map(readNode) })
}

export function isElement(node: Node): node is Element {
  return 'name' in node
}

/** Adjoining text is one node. */
function joined(element: Element): Element {
  const children: Node[] = []
  for (const node of element.children) {
    const last = children.at(-1)
    if ('text' in node && last !== undefined && 'text' in last) last.text += node.text
    else if (!('text' in node) || node.text !== '') children.push(node)
  }
  element.children = children
  return element
}

type Scope = ReadonlyMap<string, string>

function scopeOf(element: Element, outer: Scope): Scope {
  const scope = new Map(outer)
  for (const [name, value] of element.attributes) {
    if (name === 'xmlns') scope.set('', value)
    else if (name.startsWith('xmlns:')) scope.set(name.slice(6), value)
  }
  return scope
}

const outermost: Scope = new Map([['xml', 'http://www.w3.org/XML/1998/namespace']])

function expanded(name: string, scope: Scope, isAttribute = false): string {
  const colon = name.indexOf(':')
  if (colon === -1) return isAttribute ? name : `{${scope.get('') ?? ''}}${name}`
  const namespace = scope.get(name.slice(0, colon))
  assert.ok(namespace, `the prefix of ${name} is declared`)
  return `{${namespace}}${name.slice(colon + 1)}`
}

/** Canonical XML with comments, near enough to compare with (RFC 5261 §3). */
export function canonical(element: Element, outer: Scope = outermost): string {
  const scope = scopeOf(element, outer)
  const declared = [...scope].filter(([prefix, namespace]) => (outer.get(prefix) ?? '') !== namespace).sort()
  const attributes = [...element.attributes]
    .filter(([name]) => name !== 'xmlns' && !name.startsWith('xmlns:'))
    .map(([name, value]) => [expanded(name, scope, true), name, value])
    .sort()
  const children = element.children.map(node =>
    isElement(node) ? canonical(node, scope) : JSON.stringify('text' in node ? node.text : node),
  )
  return `<${element.name} ${expanded(element.name, scope)} ${JSON.stringify([declared, attributes])}>${children.join('')}</>`
}

/** Applies the operations in `diff`, the children of its root, to `target`, which is changed. Throws when one does not apply. */
export function applyOperations(target: Element, diff: Element): void {
  const around = scopeOf(diff, outermost)
  for (const operation of diff.children) if (isElement(operation)) apply(target, operation, scopeOf(operation, around))
}

interface Place {
  readonly parent: Element | undefined
  readonly element: Element
  readonly scope: Scope
}

function apply(root: Element, operation: Element, scope: Scope): void {
  const kind = operation.name.slice(operation.name.indexOf(':') + 1)
  const sel = operation.attributes.get('sel')
  assert.ok(sel, 'sel')
  const content = structuredClone(operation.children)
  const steps = sel.match(/(?:[^/'"]|'[^']*'|"[^"]*")+/g)!
  const leaf = /^(@|namespace::|text\(\)|comment\(\))/.test(steps.at(-1)!) ? steps.pop()! : undefined
  const place = locate(root, steps, scope)
  const { element } = place
  const text = () => content.map(node => ('text' in node ? node.text : assert.fail('text expected'))).join('')
  if (leaf !== undefined && /^(?:@|namespace::)/.test(leaf)) {
    const name = leaf.startsWith('@') ? leaf.slice(1) : `xmlns:${leaf.slice(11)}`
    assert.ok(element.attributes.has(name), `${sel} exists`)
    if (kind === 'remove') element.attributes.delete(name)
    else element.attributes.set(name, text())
    return
  }
  const type = operation.attributes.get('type')
  if (kind === 'add' && type !== undefined) {
    const name = type.startsWith('@') ? type.slice(1) : `xmlns:${type.slice(11)}`
    assert.ok(!element.attributes.has(name), `${sel} has no ${name} yet`)
    assert.notEqual(text(), '')
    element.attributes.set(name, text())
    return
  }
  const node = leaf === undefined ? element : leafOf(element, leaf)
  const parent = leaf === undefined ? place.parent : element
  const pos = operation.attributes.get('pos')
  if (kind === 'add' && pos !== 'before' && pos !== 'after') {
    assert.equal(leaf, undefined)
    checkPrefixes(content, scope, place.scope)
    element.children.splice(pos === 'prepend' ? 0 : element.children.length, 0, ...content)
    joined(element)
    return
  }
  assert.ok(parent, 'below the root')
  const parentScope = leaf === undefined ? locate(root, steps.slice(0, -1), scope).scope : place.scope
  checkPrefixes(content, scope, parentScope)
  const at = parent.children.indexOf(node)
  if (kind === 'add') parent.children.splice(pos === 'before' ? at : at + 1, 0, ...content)
  else if (kind === 'replace') {
    assert.equal(content.length, 1)
    parent.children.splice(at, 1, ...content)
  } else {
    const ws = operation.attributes.get('ws')
    const white = (there: Node | undefined) => {
      assert.ok(there && 'text' in there && there.text.trim() === '', 'white space')
      parent.children.splice(parent.children.indexOf(there), 1)
    }
    const [before, after] = [parent.children[at - 1], parent.children[at + 1]]
    parent.children.splice(at, 1)
    if (ws === 'after' || ws === 'both') white(after)
    if (ws === 'before' || ws === 'both') white(before)
  }
  joined(parent)
}

function leafOf(element: Element, step: string): Node {
  const kind = step.startsWith('text') ? 'text' : 'comment'
  const position = /\[(\d+)\]$/.exec(step)?.[1]
  const nodes = element.children.filter(node => kind in node)
  if (position === undefined) assert.equal(nodes.length, 1, `${step} is one node`)
  const node = nodes[Number(position ?? 1) - 1]
  assert.ok(node, `${step} exists`)
  return node
}

function locate(root: Element, steps: readonly string[], scope: Scope): Place {
  let places: Place[] = [{ parent: undefined, element: root, scope: scopeOf(root, outermost) }]
  for (const [index, step] of steps.entries()) {
    const [, test, rest] = /^([^[]+)(.*)$/s.exec(step)!
    let found: Place[] = (index === 0 ? places : childrenOf(places)).filter(
      ({ element, scope: there }) => test === '*' || expanded(element.name, there) === expanded(test!, scope),
    )
    for (const [, position, name, value] of rest!.matchAll(/\[(?:(\d+)|@([^=]+)='([^']*)')\]/g)) {
      found =
        position === undefined
          ? found.filter(({ element }) => element.attributes.get(name!) === value)
          : found.slice(Number(position) - 1, Number(position))
    }
    places = found
  }
  assert.equal(places.length, 1, `${steps.join('/')} is one element`)
  return places[0]!
}

function childrenOf(places: readonly Place[]): Place[] {
  return places.flatMap(({ element: parent, scope }) =>
    parent.children.filter(isElement).map(element => ({ parent, element, scope: scopeOf(element, scope) })),
  )
}

/** What we add means the same where it comes to stand, without a change of prefixes. */
function checkPrefixes(content: readonly Node[], diff: Scope, target: Scope): void {
  for (const node of content) {
    if (!isElement(node)) continue
    const [a, b] = [scopeOf(node, diff), scopeOf(node, target)]
    assert.equal(expanded(node.name, a), expanded(node.name, b))
    for (const name of node.attributes.keys()) {
      if (name.includes(':') && !name.startsWith('xmlns:'))
        assert.equal(expanded(name, a, true), expanded(name, b, true))
    }
    checkPrefixes(node.children, a, b)
  }
}
