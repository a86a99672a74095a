/**
 * The document that patches are applied to: nodes as XPath 1.0 §5 sees them, adjoining text being one node and namespace
 * declarations belonging to their element, but each with the text it is written as, so that what no patch touches stays as it
 * was.
 */

import { escapeAttribute, escapeText } from './escape.ts'
import { type XmlAttribute, type XmlElement, type XmlNode, xmlNamespace } from './tree.ts'
import { declarationText, xmlDeclaration } from './write.ts'

export interface PatchText {
  readonly kind: 'text'
  parent: PatchElement | undefined
  value: string
  written: string
}

export interface PatchLeaf {
  readonly kind: 'comment' | 'instruction'
  parent: PatchElement | undefined
  /** Of an instruction. */
  readonly target: string
  readonly written: string
}

export type PatchNode = PatchElement | PatchText | PatchLeaf

export class PatchElement {
  readonly kind = 'element'
  parent: PatchElement | undefined
  prefix: string
  readonly name: string
  namespace: string
  attributes: readonly XmlAttribute[]
  declarations: ReadonlyMap<string, string>
  /** As it was read; its children become nodes of this tree only when somebody asks for them. */
  #origin: XmlElement
  #children: PatchNode[] | undefined
  #isTouched = false

  constructor(origin: XmlElement) {
    this.prefix = origin.prefix
    this.name = origin.name
    this.namespace = origin.namespace
    this.attributes = origin.attributes
    this.declarations = origin.declarations
    this.#origin = origin
  }

  get children(): readonly PatchNode[] {
    return this.#own()
  }

  #own(): PatchNode[] {
    this.#children ??= patchNodes(this.#origin.children, this.#origin.source?.text, this)
    return this.#children
  }

  /** Must be called before anything of the element is changed: from then on it is written from its parts. */
  touch(): void {
    for (let element: PatchElement | undefined = this; element !== undefined; element = element.parent) {
      if (element.#isTouched) return
      element.#own()
      element.#isTouched = true
    }
  }

  /** Puts nodes before the child at `index`; text joins the text beside it (RFC 5261 §4.3.5). */
  insert(index: number, nodes: readonly PatchNode[]): void {
    this.touch()
    for (const node of nodes) node.parent = this
    this.#own().splice(index, 0, ...nodes)
    // The later border first, since joining moves what is behind it.
    this.#join(index + nodes.length)
    this.#join(index)
  }

  /** Takes out the child at `index`; the text on both sides becomes one (RFC 5261 §4.5.6). */
  remove(index: number): void {
    this.touch()
    this.#own().splice(index, 1)
    this.#join(index)
  }

  /** Puts another node, or another text, in the place of a child. */
  replace(index: number, node: PatchNode): void {
    this.touch()
    node.parent = this
    this.#own()[index] = node
  }

  /** Joins the children before and at `index` if both are text. */
  #join(index: number): void {
    const children = this.#own()
    const before = children[index - 1]
    const after = children[index]
    if (before?.kind !== 'text' || after?.kind !== 'text') return
    const joined: PatchText = {
      kind: 'text',
      parent: this,
      value: before.value + after.value,
      written: before.written + after.written,
    }
    children.splice(index - 1, 2, joined)
  }

  /** The namespace of a prefix here, '' being the default; undefined when it is not declared. */
  lookup(prefix: string): string | undefined {
    for (let element: PatchElement | undefined = this; element !== undefined; element = element.parent) {
      const namespace = element.declarations.get(prefix)
      if (namespace !== undefined) return namespace
    }
    return prefix === 'xml' ? xmlNamespace : undefined
  }

  /** The prefixes that mean a namespace here, in alphabetical order, the default ('') first. */
  prefixesOf(namespace: string): string[] {
    const seen = new Set<string>()
    const found: string[] = []
    for (let element: PatchElement | undefined = this; element !== undefined; element = element.parent) {
      for (const [prefix, declared] of element.declarations) {
        if (seen.has(prefix)) continue
        seen.add(prefix)
        if (declared === namespace) found.push(prefix)
      }
    }
    return found.sort()
  }

  /** Its string value (XPath 1.0 §5.2): all text within. */
  get text(): string {
    let text = ''
    for (const node of this.#own()) {
      if (node.kind === 'text') text += node.value
      else if (node.kind === 'element') text += node.text
    }
    return text
  }

  get written(): string {
    const { source } = this.#origin
    if (!this.#isTouched && source !== undefined) return source.text.slice(source.start, source.end)
    const name = this.prefix === '' ? this.name : `${this.prefix}:${this.name}`
    let text = `<${name}`
    for (const [prefix, namespace] of this.declarations) text += declarationText(prefix, namespace)
    for (const { prefix, name: local, value } of this.attributes) {
      text += ` ${prefix === '' ? local : `${prefix}:${local}`}="${escapeAttribute(value)}"`
    }
    if (this.#own().length === 0) return `${text}/>`
    text += '>'
    for (const node of this.#own()) text += node.written
    return `${text}</${name}>`
  }
}

/** The nodes beside each other at the top: comments, instructions and one element (XPath 1.0 §5.1). */
export class PatchDocument {
  readonly children: PatchNode[]

  constructor(root: XmlElement) {
    const { text, start, end } = root.source!
    this.children = [...outerNodes(text.slice(0, start)), new PatchElement(root), ...outerNodes(text.slice(end))]
  }

  insert(index: number, nodes: readonly PatchNode[]): void {
    this.children.splice(index, 0, ...nodes)
  }

  remove(index: number): void {
    this.children.splice(index, 1)
  }

  replace(index: number, node: PatchNode): void {
    this.children[index] = node
  }

  get written(): string {
    return `${xmlDeclaration}${this.children.map(node => node.written).join('\n')}\n`
  }
}

/** Comments and instructions in what stands before or behind the root of a well-formed document. */
function outerNodes(text: string): PatchNode[] {
  const nodes: PatchNode[] = []
  for (const [written, target] of text.matchAll(/<!--[\s\S]*?-->|<\?([^\s?]+)[\s\S]*?\?>/g)) {
    if (target === 'xml') continue
    nodes.push({
      kind: target === undefined ? 'comment' : 'instruction',
      parent: undefined,
      target: target ?? '',
      written,
    })
  }
  return nodes
}

/** Nodes of a document that was read, from `source`, as nodes of a patch tree below `parent`. */
export function patchNodes(
  nodes: readonly XmlNode[],
  source: string | undefined,
  parent: PatchElement | undefined,
): PatchNode[] {
  const found: PatchNode[] = []
  for (const node of nodes) {
    switch (node.kind) {
      case 'element': {
        const element = new PatchElement(node)
        element.parent = parent
        found.push(element)
        break
      }
      case 'text':
      case 'cdata': {
        // An empty CDATA section is no node (XPath 1.0 §5.7).
        if (node.value === '') break
        const written = writtenText(node.kind, node.value, source, node.start, node.end)
        const last = found.at(-1)
        if (last?.kind === 'text') {
          last.value += node.value
          last.written += written
        } else found.push({ kind: 'text', parent, value: node.value, written })
        break
      }
      case 'comment':
        found.push({ kind: 'comment', parent, target: '', written: `<!--${node.value}-->` })
        break
      case 'instruction': {
        const value = node.value === '' ? '' : ` ${node.value}`
        found.push({ kind: 'instruction', parent, target: node.target, written: `<?${node.target}${value}?>` })
        break
      }
    }
  }
  return found
}

function writtenText(
  kind: 'text' | 'cdata',
  value: string,
  source: string | undefined,
  start: number,
  end: number,
): string {
  if (source !== undefined && start >= 0) return source.slice(start, end)
  return kind === 'cdata' ? `<![CDATA[${value}]]>` : escapeText(value)
}
