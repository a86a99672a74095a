/**
 * Grammars of XML documents as data: which elements and attributes stand where, how often, and what their values are. The
 * notions are those of XML Schema part 1; the notation is ours.
 */

import type { SimpleType } from './simple-types.ts'

/** How an element that a wildcard lets in is looked at: if it is known (`lax`), or not at all (`skip`). */
export type Processing = 'lax' | 'skip'

/** What may stand among the children of an element. `repeats`: as often as one likes. */
export type Particle =
  | { readonly kind: 'element'; readonly namespace: string; readonly name: string; readonly type: TypeOf }
  /** Any element; of another namespace than `other`, and of one, if that is given. */
  | { readonly kind: 'any'; readonly other: string | undefined; readonly processing: Processing }
  | { readonly kind: 'sequence' | 'choice'; readonly of: readonly Particle[] }
  | { readonly kind: 'occurs'; readonly of: Particle; readonly optional: boolean; readonly repeats: boolean }

export interface AttributeUse {
  readonly type: SimpleType
  readonly required: boolean
  /** '' for an attribute without prefix. */
  readonly namespace: string
  readonly name: string
}

/** What an element may be. Without `text` and `content` it is empty. */
export interface ElementType {
  readonly text?: SimpleType
  readonly content?: Particle
  readonly attributes?: readonly AttributeUse[]
  /** Further attributes: all, or those that are of another namespace than this one and of one. */
  readonly anyAttribute?: { readonly other: string | undefined }
}

/** A type, or a function for one that is declared further down or contains itself. */
export type TypeOf = ElementType | (() => ElementType)

/** The elements and attributes of one namespace that may stand wherever it is allowed. */
export interface Vocabulary {
  readonly namespace: string
  readonly elements: Readonly<Record<string, TypeOf>>
  readonly attributes?: Readonly<Record<string, SimpleType>>
}

/** One type of document. */
export interface Grammar {
  /** The name of the root, an element of the first vocabulary. */
  readonly root: string
  readonly vocabularies: readonly Vocabulary[]
}

export const empty: ElementType = {}

/** An element that has text of that type, and attributes. */
export function value(
  type: SimpleType,
  attributes?: readonly AttributeUse[],
  anyAttribute?: ElementType['anyAttribute'],
): ElementType {
  return { text: type, ...(attributes && { attributes }), ...(anyAttribute && { anyAttribute }) }
}

export function element(namespace: string, name: string, type: TypeOf): Particle {
  return { kind: 'element', namespace, name, type }
}

/** Several elements of one type, each of which may be chosen. */
export function elements(namespace: string, names: readonly string[], type: TypeOf): Particle[] {
  return names.map(name => element(namespace, name, type))
}

/** Any element of a namespace that is not this one. */
export function other(namespace: string, processing: Processing = 'lax'): Particle {
  return { kind: 'any', other: namespace, processing }
}

export function sequence(...of: readonly Particle[]): Particle {
  return { kind: 'sequence', of }
}

export function choice(...of: readonly Particle[]): Particle {
  return { kind: 'choice', of }
}

export function optional(of: Particle): Particle {
  return { kind: 'occurs', of, optional: true, repeats: false }
}

/** Any number, none included. */
export function many(of: Particle): Particle {
  return { kind: 'occurs', of, optional: true, repeats: true }
}

/** One or more. */
export function some(of: Particle): Particle {
  return { kind: 'occurs', of, optional: false, repeats: true }
}

export function required(name: string, type: SimpleType): AttributeUse {
  return { namespace: '', name, type, required: true }
}

export function attribute(name: string, type: SimpleType, namespace = ''): AttributeUse {
  return { namespace, name, type, required: false }
}
