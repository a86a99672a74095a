/**
 * The expressions of filters: the part of XPath that RFC 4661 §5 allows, read and evaluated. They are absolute; conditions
 * compare what is in, at or above an element with a value.
 */

import { textContent, trimXml, type XmlAttribute, type XmlElement } from './xml/tree.ts'

export interface FilterName {
  /** Undefined: none was written, see `isCalled`. */
  readonly namespace: string | undefined
  readonly name: string
}

export interface FilterStep {
  /** True behind `//`: at any depth. */
  readonly isDeep: boolean
  /** Undefined for `*`. */
  readonly name: FilterName | undefined
  readonly conditions: readonly Condition[]
}

export type Condition =
  | { readonly kind: 'and'; readonly of: readonly Condition[] }
  | { readonly kind: 'or'; readonly of: readonly Condition[] }
  | {
      readonly kind: 'compare'
      /** From the element down; undefined among them is `*`. `..` comes first. */
      readonly path: readonly (FilterName | 'any' | 'parent')[]
      readonly attribute: FilterName | undefined
      readonly operator: '=' | '<' | '>'
      readonly value: string
    }

export interface FilterExpression {
  readonly steps: readonly FilterStep[]
  readonly attribute: FilterName | undefined
}

/** Why an expression is none; or that it takes too long to evaluate. */
export class ExpressionError extends Error {}

/** Reads an expression whose prefixes mean what `bindings` say. Throws ExpressionError. */
export function parseExpression(text: string, bindings: Readonly<Record<string, string>>): FilterExpression {
  return new ExpressionReader(trimXml(text), bindings).expression()
}

const ncName = /[\p{L}_][\p{L}\p{N}_.\-\xb7]*/uy
/** Steps, and conditions within each other: more than any document is deep. */
const maximumSteps = 32

class ExpressionReader {
  readonly #text: string
  readonly #bindings: Readonly<Record<string, string>>
  #at = 0
  #depth = 0

  constructor(text: string, bindings: Readonly<Record<string, string>>) {
    this.#text = text
    this.#bindings = bindings
  }

  expression(): FilterExpression {
    const steps: FilterStep[] = []
    for (;;) {
      const isDeep = this.#takes('//')
      if (!isDeep && !this.#takes('/')) {
        // The grammar lets an attribute follow without a slash.
        if (steps.length > 0 && this.#text[this.#at] === '@') return this.#attributeOf(steps)
        this.#fail()
      }
      if (this.#text[this.#at] === '@') {
        if (isDeep) steps.push({ isDeep, name: undefined, conditions: [] })
        return this.#attributeOf(steps)
      }
      if (steps.length >= maximumSteps) throw new ExpressionError(`more than ${maximumSteps} steps`)
      steps.push(this.#step(isDeep))
      if (this.#isAtEnd()) return { steps, attribute: undefined }
    }
  }

  #attributeOf(steps: readonly FilterStep[]): FilterExpression {
    if (steps.length === 0) this.#fail()
    this.#at++
    const attribute = this.#name(true)
    if (!this.#isAtEnd()) this.#fail()
    return { steps, attribute }
  }

  #step(isDeep: boolean): FilterStep {
    this.#skipSpace()
    const name = this.#takes('*') ? undefined : this.#name(false)
    const conditions: Condition[] = []
    for (;;) {
      const before = this.#at
      this.#skipSpace()
      if (!this.#takes('[')) {
        this.#at = before
        break
      }
      conditions.push(this.#disjunction())
      this.#skipSpace()
      if (!this.#takes(']')) this.#fail()
    }
    this.#skipSpace()
    return { isDeep, name, conditions }
  }

  #disjunction(): Condition {
    return this.#operands('or', () => this.#operands('and', () => this.#comparison()))
  }

  #operands(kind: 'and' | 'or', read: () => Condition): Condition {
    const of = [read()]
    while (this.#takesWord(kind)) of.push(read())
    return of.length === 1 ? of[0]! : { kind, of }
  }

  #comparison(): Condition {
    this.#skipSpace()
    if (this.#takes('(')) {
      if (++this.#depth > maximumSteps) this.#fail()
      const inner = this.#disjunction()
      this.#depth--
      this.#skipSpace()
      if (!this.#takes(')')) this.#fail()
      return inner
    }
    const { path, attribute } = this.#operand()
    this.#skipSpace()
    const operator = this.#text[this.#at]
    if (operator !== '=' && operator !== '<' && operator !== '>') this.#fail()
    this.#at++
    this.#skipSpace()
    return { kind: 'compare', path, attribute, operator, value: this.#value() }
  }

  #operand(): { path: (FilterName | 'any' | 'parent')[]; attribute: FilterName | undefined } {
    const path: (FilterName | 'any' | 'parent')[] = []
    if (this.#takes('..')) path.push('parent')
    else if (this.#takes('.')) return { path, attribute: undefined }
    else if (this.#text[this.#at] !== '@') path.push(this.#takes('*') ? 'any' : this.#name(false))
    else return { path, attribute: this.#attribute() }
    while (this.#takes('/')) {
      if (path.length >= maximumSteps) this.#fail()
      if (this.#text[this.#at] === '@') return { path, attribute: this.#attribute() }
      path.push(this.#takes('*') ? 'any' : this.#name(false))
    }
    return { path, attribute: undefined }
  }

  #attribute(): FilterName {
    this.#at++
    return this.#name(true)
  }

  /** A literal, or a number; the grammar does not say how a value is delimited, the examples do. */
  #value(): string {
    const quote = this.#text[this.#at]
    if (quote === '"' || quote === "'") {
      const close = this.#text.indexOf(quote, this.#at + 1)
      if (close === -1) this.#fail()
      const value = this.#text.slice(this.#at + 1, close)
      this.#at = close + 1
      return value
    }
    const number = /[-+]?[0-9]+(?:\.[0-9]+)?/y
    number.lastIndex = this.#at
    const match = number.exec(this.#text)
    if (match === null) this.#fail()
    this.#at += match[0].length
    return match[0]
  }

  #name(isAttribute: boolean): FilterName {
    const first = this.#ncName()
    if (!this.#takes(':')) return { namespace: isAttribute ? '' : undefined, name: first }
    const namespace = first === 'xml' ? 'http://www.w3.org/XML/1998/namespace' : this.#bindings[first]
    if (namespace === undefined || !Object.hasOwn({ ...this.#bindings, xml: '' }, first)) {
      throw new ExpressionError(`no ns-binding for ${first}`)
    }
    return { namespace, name: this.#ncName() }
  }

  #ncName(): string {
    ncName.lastIndex = this.#at
    const match = ncName.exec(this.#text)
    if (match === null) this.#fail()
    this.#at += match[0].length
    return match[0]
  }

  #takesWord(word: string): boolean {
    const before = this.#at
    this.#skipSpace()
    const isSpaced = this.#at > before || ')"\''.includes(this.#text[before - 1] ?? '')
    if (isSpaced && this.#takes(word) && /[\s('".@*]/.test(this.#text[this.#at] ?? '')) return true
    this.#at = before
    return false
  }

  #takes(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #skipSpace(): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? 'x')) this.#at++
  }

  #isAtEnd(): boolean {
    return this.#at === this.#text.length
  }

  #fail(): never {
    throw new ExpressionError(
      `not understood from character ${this.#at + 1} on: ${this.#text.slice(this.#at, this.#at + 40)}`,
    )
  }
}

/** What an expression selects: elements, or one attribute of each. */
export interface Selected {
  readonly element: XmlElement
  readonly attribute: XmlAttribute | undefined
}

/** Evaluates expressions over one document, in bounded time for all of them together. */
export class Evaluation {
  readonly #root: XmlElement
  readonly #parents = new Map<XmlElement, XmlElement>()
  #steps: number

  constructor(root: XmlElement, maximumSteps = 200_000) {
    this.#root = root
    this.#steps = maximumSteps
    this.#learn(root)
  }

  /** In document order, each once. Throws ExpressionError when it takes too long. */
  select({ steps, attribute }: FilterExpression): Selected[] {
    let found: readonly XmlElement[] = []
    for (const [index, step] of steps.entries()) {
      const candidates =
        index === 0 ? (step.isDeep ? this.#deep([this.#root], true) : [this.#root]) : this.#below(found, step)
      found = candidates.filter(
        element =>
          (step.name === undefined || this.#isCalled(element, step.name)) && this.#hold(element, step.conditions),
      )
    }
    if (attribute === undefined) return found.map(element => ({ element, attribute: undefined }))
    return found.flatMap(element => {
      const own = attributeNamed(element, attribute)
      return own === undefined ? [] : [{ element, attribute: own }]
    })
  }

  parentOf(element: XmlElement): XmlElement | undefined {
    return this.#parents.get(element)
  }

  #learn(element: XmlElement): void {
    for (const node of element.children) {
      if (node.kind !== 'element') continue
      this.#parents.set(node, element)
      this.#learn(node)
    }
  }

  #below(elements: readonly XmlElement[], { isDeep }: FilterStep): readonly XmlElement[] {
    if (isDeep) return this.#deep(elements, false)
    return elements.flatMap(element => this.#children(element))
  }

  #deep(elements: readonly XmlElement[], withSelf: boolean): readonly XmlElement[] {
    const found = new Set<XmlElement>()
    const add = (element: XmlElement) => {
      // Whatever is below one that was found was found with it.
      for (const child of this.#children(element)) {
        if (found.has(child)) continue
        found.add(child)
        add(child)
      }
    }
    for (const element of elements) {
      if (withSelf) found.add(element)
      add(element)
    }
    return [...found]
  }

  #children(element: XmlElement): XmlElement[] {
    this.#spend(element.children.length + 1)
    return element.children.filter(node => node.kind === 'element')
  }

  /**
   * COMPAT(RFC 4661 §3.5.1): a name without prefix is of no namespace, says §5, but an example selects PIDF so. Documents we
   * filter have no elements without namespace, so it stands for one of the document's own.
   */
  #isCalled(element: XmlElement, { namespace, name }: FilterName): boolean {
    if (element.name !== name) return false
    if (namespace !== undefined) return element.namespace === namespace
    return element.namespace === '' || element.namespace === this.#root.namespace
  }

  #hold(element: XmlElement, conditions: readonly Condition[]): boolean {
    return conditions.every(condition => this.#holds(element, condition))
  }

  #holds(element: XmlElement, condition: Condition): boolean {
    if (condition.kind === 'and') return condition.of.every(part => this.#holds(element, part))
    if (condition.kind === 'or') return condition.of.some(part => this.#holds(element, part))
    const { path, attribute, operator, value } = condition
    let context: readonly XmlElement[] = [element]
    for (const step of path) {
      if (step === 'parent') context = context.flatMap(inner => this.#parents.get(inner) ?? [])
      else {
        context = context
          .flatMap(outer => this.#children(outer))
          .filter(child => step === 'any' || this.#isCalled(child, step))
      }
    }
    return context.some(inner => {
      const text = attribute === undefined ? trimXml(textContent(inner)) : attributeNamed(inner, attribute)?.value
      this.#spend(1 + (text?.length ?? 0))
      return text !== undefined && compares(text, operator, value)
    })
  }

  #spend(steps: number): void {
    this.#steps -= steps
    if (this.#steps < 0) throw new ExpressionError('takes too long to evaluate')
  }
}

function attributeNamed(element: XmlElement, { namespace = '', name }: FilterName): XmlAttribute | undefined {
  return element.attributes.find(attribute => attribute.name === name && attribute.namespace === namespace)
}

/** Numbers compare as such; only they are less or greater (XPath 1.0 §3.4). */
function compares(text: string, operator: '=' | '<' | '>', value: string): boolean {
  if (operator === '=' && text === value) return true
  const [a, b] = [asNumber(text), asNumber(value)]
  if (a === undefined || b === undefined) return false
  return operator === '=' ? a === b : operator === '<' ? a < b : a > b
}

/** A decimal number; undefined for any other text. */
export function asNumber(text: string): number | undefined {
  const trimmed = trimXml(text)
  return /^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$/.test(trimmed) ? Number(trimmed) : undefined
}
