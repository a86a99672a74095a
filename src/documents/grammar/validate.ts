/** Checks documents against grammars, and says where one goes wrong and what was expected there (RFC 4825 §8.2.5). */

import { XmlError } from '../xml/errors.ts'
import { errorAt } from '../xml/read.ts'
import { isXmlSpace, type XmlAttribute, type XmlElement, xmlNamespace } from '../xml/tree.ts'
import { compileContent, expectation, type State } from './content-model.ts'
import type { AttributeUse, ElementType, Grammar, TypeOf } from './grammar.ts'
import { collapse, type SimpleType } from './simple-types.ts'
import { xmlVocabulary } from './xml-attributes.ts'

/** A document that is not of its grammar. `why` says at which element, by its path, and what was expected. */
export class GrammarError extends XmlError {
  /** Of the element at fault, with positions among equal names from 1: `/ruleset/rule[2]/conditions`. */
  readonly path: string

  constructor(fault: Fault, root: XmlElement) {
    const path = pathTo(fault.element, root)
    const { line, column, offset } = errorAt(fault.element, '')
    super(`${path}: ${fault.why}`, line, column, offset)
    this.path = path
  }
}

/** Throws GrammarError for the first thing, in document order, that the grammar does not allow. */
export function validate(root: XmlElement, grammar: Grammar): void {
  const compiled = compiledOf(grammar)
  const { namespace } = grammar.vocabularies[0]!
  const check = new Check(compiled)
  let fault: Fault | undefined
  if (root.name !== grammar.root || root.namespace !== namespace) {
    fault = { element: root, why: `the root element is not ${grammar.root} of ${namespace}` }
  } else fault = check.element(root, compiled.elements.get(grammar.root)!.get(namespace)!)
  if (fault !== undefined) throw new GrammarError(fault, root)
}

interface Fault {
  readonly element: XmlElement
  readonly why: string
}

interface Compiled {
  /** By local name, then namespace. */
  readonly elements: ReadonlyMap<string, ReadonlyMap<string, TypeOf>>
  readonly attributes: ReadonlyMap<string, ReadonlyMap<string, SimpleType>>
}

const compiledGrammars = new WeakMap<Grammar, Compiled>()

/** What a grammar knows of every namespace; made when it is first needed. */
function compiledOf(grammar: Grammar): Compiled {
  let compiled = compiledGrammars.get(grammar)
  if (compiled === undefined) {
    const elements = new Map<string, Map<string, TypeOf>>()
    const attributes = new Map<string, Map<string, SimpleType>>()
    for (const vocabulary of [...grammar.vocabularies, xmlVocabulary]) {
      const { namespace } = vocabulary
      for (const [name, type] of Object.entries(vocabulary.elements)) put(elements, name, namespace, type)
      for (const [name, type] of Object.entries(vocabulary.attributes ?? {})) put(attributes, name, namespace, type)
    }
    compiled = { elements, attributes }
    compiledGrammars.set(grammar, compiled)
  }
  return compiled
}

function put<V>(map: Map<string, Map<string, V>>, name: string, namespace: string, value: V): void {
  const named = map.get(name)
  if (named === undefined) map.set(name, new Map([[namespace, value]]))
  else named.set(namespace, value)
}

const contentStates = new WeakMap<ElementType, State>()

function contentOf(type: ElementType): State | undefined {
  if (type.content === undefined) return undefined
  let state = contentStates.get(type)
  if (state === undefined) {
    state = compileContent(type.content)
    contentStates.set(type, state)
  }
  return state
}

const schemaInstanceNamespace = 'http://www.w3.org/2001/XMLSchema-instance'

/** One document being checked. */
class Check {
  readonly #grammar: Compiled
  /** Values of type ID so far. */
  #ids: Set<string> | undefined

  constructor(grammar: Compiled) {
    this.#grammar = grammar
  }

  element(element: XmlElement, typeOf: TypeOf): Fault | undefined {
    const type = typeof typeOf === 'function' ? typeOf() : typeOf
    const fault = this.#attributes(element, type)
    if (fault !== undefined) return fault
    if (type.text !== undefined) return this.#text(element, type.text)
    const state = contentOf(type)
    return state === undefined ? nothingIn(element) : this.#children(element, state)
  }

  /** An element that no grammar describes: what is in it may be described again (XML Schema part 1 §5.2, lax assessment). */
  #unknown(element: XmlElement): Fault | undefined {
    for (const attribute of element.attributes) {
      const fault = this.#known(element, attribute)
      if (fault !== undefined) return fault
    }
    for (const node of element.children) {
      if (node.kind !== 'element') continue
      const fault = this.#lax(node)
      if (fault !== undefined) return fault
    }
    return undefined
  }

  #lax(element: XmlElement): Fault | undefined {
    const type = this.#grammar.elements.get(element.name)?.get(element.namespace)
    return type === undefined ? this.#unknown(element) : this.element(element, type)
  }

  #attributes(element: XmlElement, type: ElementType): Fault | undefined {
    const uses = type.attributes ?? noUses
    let found = 0
    for (const attribute of element.attributes) {
      const use = useOf(uses, attribute)
      if (use !== undefined) {
        if (use.required) found++
        const fault = this.#value(element, attribute, use.type)
        if (fault !== undefined) return fault
        continue
      }
      if (attribute.namespace === schemaInstanceNamespace && /[lL]ocation$/.test(attribute.name)) continue
      if (!allowsAttribute(type, attribute)) {
        return { element, why: `attribute ${attribute.name} cannot stand here; ${possibleAttributes(element, type)}` }
      }
      const fault = this.#known(element, attribute)
      if (fault !== undefined) return fault
    }
    for (const use of uses) if (use.required) found--
    if (found < 0) return { element, why: `attribute ${missingOf(element, uses)} is missing` }
    return undefined
  }

  /** An attribute that a wildcard has let in. */
  #known(element: XmlElement, attribute: XmlAttribute): Fault | undefined {
    const type =
      attribute.namespace === '' ? undefined : this.#grammar.attributes.get(attribute.name)?.get(attribute.namespace)
    return type === undefined ? undefined : this.#value(element, attribute, type)
  }

  #value(element: XmlElement, { name, value }: XmlAttribute, type: SimpleType): Fault | undefined {
    if (!type.accepts(value)) return { element, why: `attribute ${name}: ${quoted(value)} is not ${type.says}` }
    if (type.unique) {
      const key = collapse(value)
      this.#ids ??= new Set()
      if (this.#ids.has(key))
        return { element, why: `attribute ${name}: ${quoted(value)} is also the ID of another element` }
      this.#ids.add(key)
    }
    return undefined
  }

  #text(element: XmlElement, type: SimpleType): Fault | undefined {
    let text = ''
    for (const node of element.children) {
      if (node.kind === 'element')
        return { element: node, why: `${node.name} cannot stand in ${element.name}, which has only text` }
      if (node.kind === 'text' || node.kind === 'cdata') text += node.value
    }
    return type.accepts(text) ? undefined : { element, why: `${quoted(text)} is not ${type.says}` }
  }

  #children(parent: XmlElement, start: State): Fault | undefined {
    let state = start
    for (const node of parent.children) {
      if (node.kind === 'text' || node.kind === 'cdata') {
        if (!isSpace(node.value)) return { element: parent, why: `text cannot stand here: ${quoted(node.value)}` }
        continue
      }
      if (node.kind !== 'element') continue
      const edge = state.elements.get(node.name)
      let fault: Fault | undefined
      if (edge !== undefined && edge.namespace === node.namespace) {
        fault = this.element(node, edge.type)
        state = edge.next
      } else {
        const wildcard = state.wildcards.find(
          ({ other }) => other === undefined || (node.namespace !== other && node.namespace !== ''),
        )
        if (wildcard === undefined) return unexpected(node, parent, state)
        if (wildcard.processing === 'lax') fault = this.#lax(node)
        state = wildcard.next
      }
      if (fault !== undefined) return fault
    }
    return state.final
      ? undefined
      : { element: parent, why: `ends too early; expected ${expectation(state, parent.name)}` }
  }
}

const noUses: readonly AttributeUse[] = []

function useOf(uses: readonly AttributeUse[], attribute: XmlAttribute): AttributeUse | undefined {
  for (const use of uses) if (use.name === attribute.name && use.namespace === attribute.namespace) return use
  return undefined
}

function missingOf(element: XmlElement, uses: readonly AttributeUse[]): string {
  return uses.find(
    use =>
      use.required &&
      !element.attributes.some(({ name, namespace }) => name === use.name && namespace === use.namespace),
  )!.name
}

function allowsAttribute({ anyAttribute }: ElementType, { namespace }: XmlAttribute): boolean {
  if (anyAttribute === undefined) return false
  return anyAttribute.other === undefined || (namespace !== '' && namespace !== anyAttribute.other)
}

function possibleAttributes(element: XmlElement, type: ElementType): string {
  const names = (type.attributes ?? noUses).map(({ namespace, name }) =>
    namespace === xmlNamespace ? `xml:${name}` : name,
  )
  if (type.anyAttribute !== undefined) names.push('those of other namespaces')
  return `${element.name} has ${names.length === 0 ? 'no attributes' : `only ${names.join(', ')}`}`
}

function nothingIn(element: XmlElement): Fault | undefined {
  for (const node of element.children) {
    if (node.kind === 'element')
      return { element: node, why: `${node.name} cannot stand in ${element.name}, which is empty` }
    if ((node.kind === 'text' || node.kind === 'cdata') && node.value !== '') {
      return { element, why: `${element.name} is empty; text cannot stand here` }
    }
  }
  return undefined
}

function unexpected(node: XmlElement, parent: XmlElement, state: State): Fault {
  const name = node.namespace === parent.namespace ? node.name : `${node.name} of ${node.namespace || 'no namespace'}`
  return { element: node, why: `${name} cannot stand here; expected ${expectation(state, parent.name)}` }
}

function isSpace(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!isXmlSpace(text.charCodeAt(i))) return false
  return true
}

/** A value as a person reads it, cut where it is long. */
function quoted(value: string): string {
  return `"${value.length > 60 ? `${value.slice(0, 57)}...` : value}"`
}

function pathTo(element: XmlElement, root: XmlElement): string {
  const found = search(element, root)
  return found ?? `/${root.name}`
}

function search(element: XmlElement, at: XmlElement, path = `/${at.name}`): string | undefined {
  if (at === element) return path
  const counts = new Map<string, number>()
  for (const node of at.children) {
    if (node.kind !== 'element') continue
    const count = (counts.get(node.name) ?? 0) + 1
    counts.set(node.name, count)
    // Where sources are known, most branches need not be walked.
    if (element.source !== undefined && node.source !== undefined) {
      if (element.source.start < node.source.start || element.source.start >= node.source.end) continue
    }
    const isOnly =
      count === 1 && !at.children.some(other => other !== node && other.kind === 'element' && other.name === node.name)
    const found = search(element, node, `${path}/${node.name}${isOnly ? '' : `[${count}]`}`)
    if (found !== undefined) return found
  }
  return undefined
}
