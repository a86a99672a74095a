/**
 * How a computed patch writes names and contents: by the prefixes that the roots of the documents declare, as far as they are
 * used; a content that uses others declares them itself (RFC 5261 §4.2).
 */

import type { DiffElement, DiffNode } from './diff-nodes.ts'
import { escapeText } from './escape.ts'
import type { XmlAttribute, XmlElement } from './tree.ts'
import { declarationText } from './write.ts'

/** Bindings of prefixes; '' is the default namespace, and bound to '' where there must be none. */
export type Bindings = ReadonlyMap<string, string>

/** A text, and those of the known bindings that must be in force where it stands. */
export interface Named {
  readonly text: string
  readonly uses: Bindings
}

export class DiffNames {
  readonly #known: Bindings

  /** `known`: the bindings that both documents agree upon wherever operations apply. */
  constructor(known: Bindings) {
    this.#known = known
  }

  /** The name of an attribute in a selector; undefined when the known prefixes do not lead there. */
  attribute({ namespace, name, prefix }: XmlAttribute): Named | undefined {
    if (prefix === '') return { text: name, uses: nothing }
    const text = `${prefix}:${name}`
    if (prefix === 'xml') return { text, uses: nothing }
    // Another prefix of the same namespace would be another name in the document.
    return this.#known.get(prefix) === namespace ? { text, uses: new Map([[prefix, namespace]]) } : undefined
  }

  /** Nodes as the content of an operation. */
  content(nodes: readonly DiffNode[]): Named {
    const uses = new Map<string, string>()
    let text = ''
    for (const node of nodes) {
      if (node.kind === 'element') text += this.#written(node, uses)
      else text += node.kind === 'text' ? escapeText(node.value) : node.exact
    }
    return { text, uses }
  }

  #written({ origin }: DiffElement, uses: Map<string, string>): string {
    const { text, start, end } = origin.source!
    const missing = new Map<string, string>()
    this.#collect(origin, new Set(), missing, uses)
    if (missing.size === 0) return text.slice(start, end)
    const nameEnd = start + 1 + (origin.prefix === '' ? 0 : origin.prefix.length + 1) + origin.name.length
    let declarations = ''
    for (const [prefix, namespace] of missing) declarations += declarationText(prefix, namespace)
    return text.slice(start, nameEnd) + declarations + text.slice(nameEnd, end)
  }

  /** Finds the bindings that an element needs from around it: known ones are used, the others missing. */
  #collect(
    element: XmlElement,
    local: ReadonlySet<string>,
    missing: Map<string, string>,
    uses: Map<string, string>,
  ): void {
    const declared = element.declarations.size === 0 ? local : new Set([...local, ...element.declarations.keys()])
    const need = (prefix: string, namespace: string) => {
      if (declared.has(prefix) || prefix === 'xml') return
      if ((this.#known.get(prefix) ?? '') !== namespace) missing.set(prefix, namespace)
      else uses.set(prefix, namespace)
    }
    need(element.prefix, element.namespace)
    for (const { prefix, namespace } of element.attributes) if (prefix !== '') need(prefix, namespace)
    for (const node of element.children) if (node.kind === 'element') this.#collect(node, declared, missing, uses)
  }
}

const nothing: Bindings = new Map()
