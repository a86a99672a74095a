/**
 * How a computed patch writes names and contents: by the prefixes that the roots of the documents declare, as far as they are
 * used; a content that uses others declares them itself (RFC 5261 §4.2).
 */

import type { DiffElement, DiffNode } from './diff-nodes.ts'
import { escapeText } from './escape.ts'
import type { XmlAttribute, XmlElement } from './tree.ts'
import { declarationText } from './write.ts'

export class DiffNames {
  readonly #known: ReadonlyMap<string, string>
  /** Those of the known bindings that something has used. */
  readonly used = new Map<string, string>()

  /** `known`: the bindings that both documents agree upon wherever operations apply. */
  constructor(known: ReadonlyMap<string, string>) {
    this.#known = known
  }

  /** The name of an element in a selector; undefined when none of the known prefixes leads to its namespace. */
  element({ namespace, name, prefix }: XmlElement): string | undefined {
    if (namespace === '') return (this.#known.get('') ?? '') === '' ? name : undefined
    const known = this.#prefixOf(namespace, prefix)
    if (known === undefined) return undefined
    this.used.set(known, namespace)
    return known === '' ? name : `${known}:${name}`
  }

  /** The name of an attribute in a selector, likewise. */
  attribute({ namespace, name, prefix }: XmlAttribute): string | undefined {
    if (prefix === '') return name
    // Another prefix of the same namespace would be another name in the document.
    if (prefix !== 'xml') {
      if (this.#known.get(prefix) !== namespace) return undefined
      this.used.set(prefix, namespace)
    }
    return `${prefix}:${name}`
  }

  /** Nodes as the content of an operation. */
  content(nodes: readonly DiffNode[]): string {
    let text = ''
    for (const node of nodes) {
      if (node.kind === 'element') text += this.#written(node)
      else text += node.kind === 'text' ? escapeText(node.value) : node.exact
    }
    return text
  }

  #prefixOf(namespace: string, prefix: string): string | undefined {
    if (this.#known.get('') === namespace) return ''
    if (this.#known.get(prefix) === namespace) return prefix
    for (const [known, meant] of this.#known) if (meant === namespace) return known
    return undefined
  }

  #written({ origin }: DiffElement): string {
    const { text, start, end } = origin.source!
    const missing = new Map<string, string>()
    this.#collect(origin, new Set(), missing)
    if (missing.size === 0) return text.slice(start, end)
    const nameEnd = start + 1 + (origin.prefix === '' ? 0 : origin.prefix.length + 1) + origin.name.length
    let declarations = ''
    for (const [prefix, namespace] of missing) declarations += declarationText(prefix, namespace)
    return text.slice(start, nameEnd) + declarations + text.slice(nameEnd, end)
  }

  /** Finds the bindings that an element needs from around it: known ones are used, the others missing. */
  #collect(element: XmlElement, local: ReadonlySet<string>, missing: Map<string, string>): void {
    const declared = element.declarations.size === 0 ? local : new Set([...local, ...element.declarations.keys()])
    const need = (prefix: string, namespace: string) => {
      if (declared.has(prefix) || prefix === 'xml') return
      if ((this.#known.get(prefix) ?? '') !== namespace) missing.set(prefix, namespace)
      else if (namespace !== '') this.used.set(prefix, namespace)
    }
    need(element.prefix, element.namespace)
    for (const { prefix, namespace } of element.attributes) if (prefix !== '') need(prefix, namespace)
    for (const node of element.children) if (node.kind === 'element') this.#collect(node, declared, missing)
  }
}
