/** The selectors of patch operations: the part of XPath 1.0 that RFC 5261 §4.1 and the schema of its §8 allow. */

import type { NamespaceScope } from './tree.ts'

export interface QualifiedName {
  readonly namespace: string
  readonly name: string
  readonly prefix: string
}

export type Predicate =
  /** `[2]`, counted from 1 among what is left by the predicates before. */
  | { readonly kind: 'position'; readonly position: number }
  /** `[@name='value']` */
  | { readonly kind: 'attribute'; readonly name: QualifiedName; readonly value: string }
  /** `[name='value']`: a child element of that string value. */
  | { readonly kind: 'child'; readonly name: QualifiedName; readonly value: string }
  /** `[.='value']` */
  | { readonly kind: 'self'; readonly value: string }

/** One step down to elements; `name` is undefined for `*`. */
export interface ElementStep {
  readonly kind: 'element'
  readonly name: QualifiedName | undefined
  readonly predicates: readonly Predicate[]
}

/** The last step, where it leads to something other than an element. */
export type LeafStep =
  | { readonly kind: 'text' | 'comment'; readonly position: number | undefined }
  | { readonly kind: 'instruction'; readonly target: string | undefined; readonly position: number | undefined }
  | { readonly kind: 'attribute'; readonly name: QualifiedName }
  | { readonly kind: 'namespace'; readonly prefix: string }

export interface PatchSelector {
  /** The argument of `id()`, with which it then begins. */
  readonly id: string | undefined
  readonly steps: readonly ElementStep[]
  readonly leaf: LeafStep | undefined
}

/** What an <add> adds besides nodes: the value of its `type` (RFC 5261 §4.3). */
export type AddedKind = Extract<LeafStep, { kind: 'attribute' | 'namespace' }>

/** Why a selector is none. */
export class SelectorError extends Error {
  /** True when a prefix is not declared, false when the grammar is not kept. */
  readonly isPrefix: boolean

  constructor(message: string, isPrefix: boolean) {
    super(message)
    this.isPrefix = isPrefix
  }
}

/**
 * Reads the value of `sel`. Prefixes are those of `scope`, the declarations in force at the operation in the diff document;
 * an element's name without one is in its default namespace, an attribute's in none (RFC 5261 §4.2.1).
 *
 * Throws SelectorError.
 */
export function parsePatchSelector(text: string, scope: NamespaceScope): PatchSelector {
  return new SelectorReader(text, scope).selector()
}

/** Reads the value of `type`: `@name` or `namespace::prefix`. Throws SelectorError. */
export function parseAddedKind(text: string, scope: NamespaceScope): AddedKind {
  return new SelectorReader(text, scope).addedKind()
}

class SelectorReader {
  readonly #text: string
  readonly #scope: NamespaceScope
  #at = 0

  constructor(text: string, scope: NamespaceScope) {
    this.#text = text
    this.#scope = scope
  }

  selector(): PatchSelector {
    this.#takes('/')
    const id = this.#id()
    const steps: ElementStep[] = []
    if (id !== undefined) {
      if (this.#isAtEnd()) return { id, steps, leaf: undefined }
      if (!this.#takes('/')) this.#fail()
    }
    for (;;) {
      const leaf = this.#leaf()
      if (leaf !== undefined) {
        if (!this.#isAtEnd()) this.#fail()
        return { id, steps, leaf }
      }
      steps.push(this.#step())
      if (this.#isAtEnd()) return { id, steps, leaf: undefined }
      if (!this.#takes('/')) this.#fail()
    }
  }

  addedKind(): AddedKind {
    const leaf = this.#attributeOrNamespace()
    if (leaf === undefined || !this.#isAtEnd()) this.#fail()
    return leaf
  }

  #id(): string | undefined {
    if (!this.#takes('id(')) return undefined
    const id = this.#quoted()
    if (!isName(id) || !this.#takes(')')) this.#fail()
    return id
  }

  #leaf(): LeafStep | undefined {
    if (this.#takes('text()')) return { kind: 'text', position: this.#position() }
    if (this.#takes('comment()')) return { kind: 'comment', position: this.#position() }
    if (this.#takes('processing-instruction(')) {
      let target: string | undefined
      if (!this.#takes(')')) {
        target = this.#quoted()
        if (!isName(target) || !this.#takes(')')) this.#fail()
      }
      return { kind: 'instruction', target, position: this.#position() }
    }
    return this.#attributeOrNamespace()
  }

  #attributeOrNamespace(): AddedKind | undefined {
    if (this.#takes('@')) return { kind: 'attribute', name: this.#qualifiedName(false) }
    if (this.#takes('namespace::')) return { kind: 'namespace', prefix: this.#name() }
    return undefined
  }

  #step(): ElementStep {
    const name = this.#takes('*') ? undefined : this.#qualifiedName(true)
    const predicates: Predicate[] = []
    while (this.#text[this.#at] === '[') predicates.push(this.#predicate())
    return { kind: 'element', name, predicates }
  }

  #predicate(): Predicate {
    const position = this.#position()
    if (position !== undefined) return { kind: 'position', position }
    this.#at++
    let predicate: Predicate
    if (this.#takes('.')) predicate = { kind: 'self', value: this.#comparedValue() }
    else if (this.#takes('@')) {
      const name = this.#qualifiedName(false)
      predicate = { kind: 'attribute', name, value: this.#comparedValue() }
    } else {
      const name = this.#qualifiedName(true)
      predicate = { kind: 'child', name, value: this.#comparedValue() }
    }
    if (!this.#takes(']')) this.#fail()
    return predicate
  }

  #comparedValue(): string {
    if (!this.#takes('=')) this.#fail()
    return this.#quoted()
  }

  #quoted(): string {
    const quote = this.#text[this.#at]
    const close = quote === '"' || quote === "'" ? this.#text.indexOf(quote, this.#at + 1) : -1
    if (close === -1) this.#fail()
    const value = this.#text.slice(this.#at + 1, close)
    this.#at = close + 1
    return value
  }

  /** `[2]`; undefined when something else stands there. */
  #position(): number | undefined {
    positional.lastIndex = this.#at
    const match = positional.exec(this.#text)
    if (match === null) return undefined
    this.#at += match[0].length
    return Number(match[1])
  }

  #qualifiedName(isElement: boolean): QualifiedName {
    const first = this.#name()
    if (this.#text[this.#at] !== ':') {
      return { prefix: '', name: first, namespace: isElement ? this.#scope.lookup('') : '' }
    }
    this.#at++
    const name = this.#name()
    const namespace = this.#scope.lookup(first)
    if (namespace === '') throw new SelectorError(`the prefix ${first} is not declared`, true)
    return { prefix: first, name, namespace }
  }

  /** An NCName. */
  #name(): string {
    ncName.lastIndex = this.#at
    const match = ncName.exec(this.#text)
    if (match === null) this.#fail()
    this.#at += match[0].length
    return match[0]
  }

  #takes(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #isAtEnd(): boolean {
    return this.#at === this.#text.length
  }

  #fail(): never {
    const rest = this.#text.slice(this.#at, this.#at + 40)
    throw new SelectorError(`not a selector from character ${this.#at + 1} on: ${rest}`, false)
  }
}

const positional = /\[([0-9]{1,9})\]/y

/** Namespaces in XML 1.0 §3, XML 1.0 §2.3. */
const nameStart =
  'A-Z_a-z\\xc0-\\xd6\\xd8-\\xf6\\xf8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd\\u{10000}-\\u{effff}'
const ncName = new RegExp(`[${nameStart}][-.0-9\\xb7\\u0300-\\u036f\\u203f\\u2040${nameStart}]*`, 'uy')

function isName(text: string): boolean {
  ncName.lastIndex = 0
  return ncName.exec(text)?.[0].length === text.length
}
