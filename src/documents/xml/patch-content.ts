/**
 * What an operation brings into a document: nodes of the diff document, their prefixes changed to those that the target
 * document has for the same namespaces (RFC 5261 §4.2.3).
 */

import { PatchError } from './patch-error.ts'
import { type PatchElement, type PatchNode, patchNodes } from './patch-tree.ts'
import type { XmlElement, XmlNode } from './tree.ts'

export class PatchContent {
  /** The evaluation context node, in whose scope the content comes to stand; undefined at the root node. */
  readonly #context: PatchElement | undefined
  readonly #operation: XmlElement

  constructor(context: PatchElement | undefined, operation: XmlElement) {
    this.#context = context
    this.#operation = operation
  }

  /** Throws PatchError when the target does not know a namespace that the content does not declare itself. */
  nodes(content: readonly XmlNode[]): PatchNode[] {
    const adapted = content.map(node => (node.kind === 'element' ? this.#adapted(node, noPrefixes) : node))
    return patchNodes(adapted, this.#operation.source?.text, this.#context)
  }

  /**
   * The prefix by which the target calls a namespace that the diff document calls `prefix`, by the three rules of §4.2.3.
   * Those in `except` mean something else within the content. Undefined, and with `required` a PatchError, when there is none.
   */
  prefixOf(namespace: string, prefix: string, isElement: boolean): string
  prefixOf(namespace: string, prefix: string, isElement: boolean, except: ReadonlySet<string>): string | undefined
  prefixOf(namespace: string, prefix: string, isElement: boolean, except?: ReadonlySet<string>): string | undefined {
    if (prefix === 'xml') return prefix
    const all = this.#context?.prefixesOf(namespace) ?? []
    // An attribute without prefix is in no namespace.
    const known = isElement ? all : all.filter(candidate => candidate !== '')
    if (known.length === 0) {
      const phrase = `the target has no ${isElement ? '' : 'prefixed '}declaration of ${namespace}`
      throw new PatchError('invalid-namespace-uri', phrase, this.#operation)
    }
    const free = except === undefined ? known : known.filter(candidate => !except.has(candidate))
    if (free.includes(prefix)) return prefix
    if (this.#context!.namespace === namespace && free.includes(this.#context!.prefix)) return this.#context!.prefix
    return free.findLast(candidate => candidate < prefix) ?? free[0]
  }

  /**
   * The element as it is written in the target; the same object where nothing changes. `local` are the prefixes declared around
   * it in the content.
   */
  #adapted(element: XmlElement, local: ReadonlySet<string>): XmlElement {
    const declared = element.declarations.size === 0 ? local : new Set([...local, ...element.declarations.keys()])
    const added = new Map<string, string>()
    const nameIn = (prefix: string, namespace: string, isElement: boolean): string => {
      if (declared.has(prefix) || added.has(prefix)) return prefix
      if (namespace === '') {
        if ((this.#context?.lookup('') ?? '') !== '') added.set('', '')
        return ''
      }
      const chosen = this.prefixOf(namespace, prefix, isElement, declared)
      if (chosen !== undefined) return chosen
      // All that the target has are declared anew in the content: its own then has to be declared with it.
      added.set(prefix, namespace)
      return prefix
    }
    const prefix = nameIn(element.prefix, element.namespace, true)
    const attributes = element.attributes.map(attribute => {
      if (attribute.prefix === '') return attribute
      const own = nameIn(attribute.prefix, attribute.namespace, false)
      return own === attribute.prefix ? attribute : { ...attribute, prefix: own }
    })
    const inner = added.size === 0 ? declared : new Set([...declared, ...added.keys()])
    const children = element.children.map(node => (node.kind === 'element' ? this.#adapted(node, inner) : node))
    const isSame =
      prefix === element.prefix &&
      added.size === 0 &&
      attributes.every((attribute, index) => attribute === element.attributes[index]) &&
      children.every((node, index) => node === element.children[index])
    if (isSame) return element
    const declarations = new Map([...element.declarations, ...added])
    return { ...element, prefix, attributes, declarations, children, source: undefined }
  }
}

const noPrefixes: ReadonlySet<string> = new Set()
