/** Documents made from a grammar, valid ones and such with small faults, the same ones for the same seed. */

import type { ElementType, Grammar, Particle, TypeOf, Vocabulary } from '../../src/documents/grammar/grammar.ts'
import type { SimpleType } from '../../src/documents/grammar/simple-types.ts'
import { xmlVocabulary } from '../../src/documents/grammar/xml-attributes.ts'
import { escapeAttribute, escapeText } from '../../src/documents/xml/escape.ts'

interface Element {
  namespace: string
  name: string
  attributes: { namespace: string; name: string; value: string }[]
  children: (Element | string)[]
}

const foreign = 'urn:example:foreign'

/** Values that one type or another refuses. */
const odd = [
  'x y',
  ' open',
  'open',
  'TRUE',
  'true ',
  '-1',
  '+1',
  '1.5',
  '0.1234',
  '05',
  '%zz',
  'a#b#c',
  '1a:b',
  ':',
  'http://[::1]:80/',
  'http://a:port/',
  'http://a b/',
  '//host/p?q',
  'a[b]',
  '2026-13-01T00:00:00Z',
  '2026-02-29T00:00:00Z',
  '2024-02-29T23:59:59.999-14:00',
  '2026-01-01T24:00:01Z',
  '0000-01-01T00:00:00Z',
  '-0044-03-15T00:00:00Z',
  '12026-01-01T00:00:00',
  '2026-01-01',
  '1999-02-30',
  '9a',
  'a:b',
  'en-',
  'de-DE',
  'xx-toolongsubtag',
  '99999999999999999999',
  '',
]

export class DocumentGenerator {
  readonly #grammar: Grammar
  #state: number
  #ids = 0

  constructor(grammar: Grammar, seed: number) {
    this.#grammar = grammar
    this.#state = seed
  }

  /** The next document; two of three have one to three random changes. */
  next(): string {
    this.#ids = 0
    const vocabulary = this.#grammar.vocabularies[0]!
    const root = this.#element(vocabulary.namespace, this.#grammar.root, vocabulary.elements[this.#grammar.root]!, 0)
    if (this.#below(3) > 0) for (let changes = 1 + this.#below(3); changes > 0; changes--) this.#change(root)
    return write(root)
  }

  #element(namespace: string, name: string, typeOf: TypeOf, depth: number): Element {
    const type: ElementType = typeof typeOf === 'function' ? typeOf() : typeOf
    const made: Element = { namespace, name, attributes: [], children: [] }
    for (const use of type.attributes ?? []) {
      if (!use.required && this.#below(2) === 0) continue
      made.attributes.push({ namespace: use.namespace, name: use.name, value: this.#value(use.type) })
    }
    if (type.anyAttribute !== undefined && this.#below(6) === 0) this.#foreignAttribute(made)
    if (type.text !== undefined) made.children.push(this.#value(type.text))
    else if (type.content !== undefined) {
      this.#content(type.content, made.children, depth)
      if (this.#below(2) === 0) made.children = made.children.flatMap(child => ['\n ', child])
    }
    return made
  }

  #content(particle: Particle, into: (Element | string)[], depth: number): void {
    switch (particle.kind) {
      case 'element':
        into.push(this.#element(particle.namespace, particle.name, particle.type, depth + 1))
        break
      case 'any':
        into.push(this.#foreignElement(particle.other, depth + 1))
        break
      case 'sequence':
        for (const part of particle.of) this.#content(part, into, depth)
        break
      case 'choice':
        this.#content(this.#pick(particle.of), into, depth)
        break
      case 'occurs': {
        const least = particle.optional ? 0 : 1
        // The deeper, the less of what need not be.
        const rare = depth > 4 ? 6 : 2
        let times = this.#below(rare) === 0 ? 1 : least
        if (particle.repeats && depth < 5 && this.#below(3) === 0) times += this.#below(3)
        for (; times > 0; times--) this.#content(particle.of, into, depth)
      }
    }
  }

  /** An element of a namespace that nobody knows, or one that may stand anywhere. */
  #foreignElement(other: string | undefined, depth: number): Element {
    const known = this.#grammar.vocabularies.filter(
      ({ namespace, elements }) => namespace !== other && Object.keys(elements).length > 0,
    )
    if (known.length > 0 && depth < 6 && this.#below(3) > 0) {
      const { namespace, elements } = this.#pick(known)
      const [name, type] = this.#pick(Object.entries(elements))
      return this.#element(namespace, name, type, depth)
    }
    const children: (Element | string)[] = this.#below(2) === 0 ? ['text'] : []
    if (depth < 6 && this.#below(3) === 0) children.push(this.#foreignElement(undefined, depth + 1))
    return { namespace: foreign, name: this.#pick(['a', 'b']), attributes: [], children }
  }

  #foreignAttribute(element: Element): void {
    const vocabularies: Vocabulary[] = [...this.#grammar.vocabularies, xmlVocabulary]
    const known = vocabularies.flatMap(({ namespace, attributes }) =>
      Object.entries(attributes ?? {}).map(([name, type]) => ({ namespace, name, type })),
    )
    const { namespace, name, type } = this.#pick(known)
    const attribute =
      this.#below(2) === 0
        ? { namespace: foreign, name: 'x', value: 'y' }
        : { namespace, name, value: this.#below(4) === 0 ? this.#pick(odd) : this.#value(type) }
    if (!element.attributes.some(has => has.name === attribute.name && has.namespace === attribute.namespace)) {
      element.attributes.push(attribute)
    }
  }

  #value(type: SimpleType): string {
    return type.unique ? `id${this.#ids++}` : this.#pick(type.examples)
  }

  #change(root: Element): void {
    const all = elementsOf(root)
    const element = this.#pick(all)
    const { attributes, children } = element
    const at = this.#below(children.length + 1)
    switch (this.#below(12)) {
      case 0:
        children.splice(at, 1)
        break
      case 1:
        if (at < children.length) children.splice(at, 0, copy(children[at]!))
        break
      case 2:
        children.splice(at, 0, copy(this.#pick(all)))
        break
      case 3:
        children.splice(at, 0, this.#foreignElement(undefined, 3))
        break
      case 4:
        children.splice(at, 0, this.#pick(['text', ' ', '\n']))
        break
      case 5:
        if (element !== root) element.name = this.#pick([this.#pick(all).name, 'unknown', 'other', 'class'])
        break
      case 6:
        if (element !== root) element.namespace = this.#pick([this.#pick(all).namespace, foreign, ''])
        break
      case 7:
        attributes.splice(this.#below(attributes.length + 1), 1)
        break
      case 8:
        if (attributes.length > 0) this.#pick(attributes).value = this.#pick(odd)
        break
      case 9:
        this.#foreignAttribute(element)
        break
      case 10:
        if (!attributes.some(has => has.name === 'extra')) attributes.push({ namespace: '', name: 'extra', value: '' })
        break
      default: {
        const text = all.filter(({ children: [only] }) => typeof only === 'string' && only.trim() !== '')
        if (text.length > 0) this.#pick(text).children = [this.#pick(odd)]
        else if (children.length > 1) children.reverse()
      }
    }
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!
  }

  /** mulberry32. */
  #below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function elementsOf(element: Element): Element[] {
  return [element, ...element.children.flatMap(child => (typeof child === 'string' ? [] : elementsOf(child)))]
}

function copy<T extends Element | string>(node: T): T {
  return structuredClone(node)
}

function write(root: Element): string {
  const prefixes = new Map<string, string>([[xmlVocabulary.namespace, 'xml']])
  const body = writeElement(root, prefixes)
  const declarations = [...prefixes].filter(([, prefix]) => prefix !== 'xml')
  const text = declarations.map(([namespace, prefix]) => ` xmlns:${prefix}="${escapeAttribute(namespace)}"`).join('')
  return body.replace(/^<[^\s/>]+/, start => `${start}${text}`)
}

function writeElement({ namespace, name, attributes, children }: Element, prefixes: Map<string, string>): string {
  const qualified = (namespaceOf: string, local: string) => {
    if (namespaceOf === '') return local
    let prefix = prefixes.get(namespaceOf)
    if (prefix === undefined) {
      prefix = `n${prefixes.size}`
      prefixes.set(namespaceOf, prefix)
    }
    return `${prefix}:${local}`
  }
  const tag = qualified(namespace, name)
  const written = attributes.map(has => ` ${qualified(has.namespace, has.name)}="${escapeAttribute(has.value)}"`)
  const content = children.map(child => (typeof child === 'string' ? escapeText(child) : writeElement(child, prefixes)))
  return `<${tag}${written.join('')}>${content.join('')}</${tag}>`
}
