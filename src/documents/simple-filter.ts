/** Filters of event notifications, `application/simple-filter+xml` (RFC 4661), and how later ones change earlier ones (RFC 4660 §5.2). */

import { ExpressionError, type FilterExpression, parseExpression } from './filter-expression.ts'
import { simpleFilterGrammar } from './grammar/simple-filter.ts'
import { validate } from './grammar/validate.ts'
import { escapeAttribute, escapeText } from './xml/escape.ts'
import { parseXml, XmlError, type XmlLimits } from './xml/parse.ts'
import { attributeValue, childElement, childElements, trimmedText, trimXml, type XmlElement } from './xml/tree.ts'
import { xmlDeclaration } from './xml/write.ts'

export const simpleFilterContentType = 'application/simple-filter+xml'
export const simpleFilterNamespace = 'urn:ietf:params:xml:ns:simple-filter'

export interface Selection {
  readonly type: 'xpath' | 'namespace'
  readonly text: string
}

export interface Change {
  readonly kind: 'changed' | 'added' | 'removed'
  readonly text: string
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly by?: string | undefined
}

/** One filter. Plain data, fit to be stored, and to travel with a subscription to another notifier. */
export interface Filter {
  readonly id: string
  /** The resource or the domain it is for, as written; neither: the resource of the subscription. */
  readonly uri?: string | undefined
  readonly domain?: string | undefined
  readonly isEnabled: boolean
  /** What the prefixes in its expressions mean. */
  readonly bindings: Readonly<Record<string, string>>
  readonly include: readonly Selection[]
  readonly exclude: readonly Selection[]
  /** A NOTIFY is due when all of one list hold; with no list on every change. */
  readonly triggers: readonly (readonly Change[])[]
}

/** What a filter set says of one filter. */
export interface FilterRequest extends Filter {
  readonly isRemoval: boolean
  /** Whether it says what to do; if not, it is one known by its id. */
  readonly hasContent: boolean
}

/** A document of filters for an event package, as they are sent to another notifier (RFC 4660 §4.1). */
export function formatFilterSet(filters: readonly Filter[], packageName: string): Buffer {
  // Prefixes are bound for the whole document: where two filters disagree, the later one's are called otherwise.
  const [bindings, texts] = [new Map<string, string>(), [] as string[]]
  for (const filter of filters) texts.push(formatFilter(filter, bindings))
  const bound = [...bindings].map(
    ([prefix, urn]) => `<ns-binding prefix="${escapeAttribute(prefix)}" urn="${escapeAttribute(urn)}"/>`,
  )
  const declared = bound.length === 0 ? '' : `<ns-bindings>${bound.join('')}</ns-bindings>\n`
  const start = `<filter-set xmlns="${simpleFilterNamespace}" package="${escapeAttribute(packageName)}">`
  return Buffer.from(`${xmlDeclaration}${start}\n${declared}${texts.join('')}</filter-set>\n`, 'utf8')
}

function formatFilter(filter: Filter, bindings: Map<string, string>): string {
  const renamed = new Map<string, string>()
  for (const [prefix, urn] of Object.entries(filter.bindings)) {
    let free = prefix
    for (let at = 1; bindings.has(free) && bindings.get(free) !== urn; at++) free = `${prefix}-${at}`
    bindings.set(free, urn)
    if (free !== prefix) renamed.set(prefix, free)
  }
  const text = (expression: string) => escapeText(withPrefixes(expression, renamed))
  const attribute = (name: string, value: string | undefined) =>
    value === undefined ? '' : ` ${name}="${escapeAttribute(value)}"`
  const selected = (name: string, selections: readonly Selection[]) =>
    selections
      .map(
        ({ type, text: value }) =>
          `<${name} type="${type}">${type === 'xpath' ? text(value) : escapeText(value)}</${name}>`,
      )
      .join('')
  const what = selected('include', filter.include) + selected('exclude', filter.exclude)
  const triggers = filter.triggers.map(changes => {
    // The grammar has them in this order.
    const ordered = ['changed', 'added', 'removed'].flatMap(kind => changes.filter(change => change.kind === kind))
    const written = ordered.map(
      ({ kind, text: value, from, to, by }) =>
        `<${kind}${attribute('from', from)}${attribute('to', to)}${attribute('by', by)}>${text(value)}</${kind}>`,
    )
    return `<trigger>${written.join('')}</trigger>`
  })
  const target = attribute('uri', filter.uri) + attribute('domain', filter.domain)
  const enabled = filter.isEnabled ? '' : ' enabled="false"'
  const start = `<filter id="${escapeAttribute(filter.id)}"${target}${enabled}>`
  return `${start}${what && `<what>${what}</what>`}${triggers.join('')}</filter>\n`
}

/** The expression with other prefixes, outside of the values it compares with. */
function withPrefixes(expression: string, renamed: ReadonlyMap<string, string>): string {
  if (renamed.size === 0) return expression
  return expression.replace(
    /"[^"]*"|'[^']*'|[\p{L}_][\p{L}\p{N}_.\-\xb7]*(?=:)/gu,
    token => renamed.get(token) ?? token,
  )
}

/** Why filters cannot be accepted: 488 (RFC 4660 §5.4). */
export class FilterError extends Error {}

export interface FilterBounds {
  readonly xml: XmlLimits
  readonly filters: number
  /** In all filters of a subscription. */
  readonly expressions: number
  readonly expressionCharacters: number
}

/** The filters of a document for an event package. Throws FilterError for one that is not of the grammar or beyond the bounds. */
export function readFilterSet(bytes: Uint8Array, packageName: string, bounds: FilterBounds): FilterRequest[] {
  let root: XmlElement
  try {
    root = parseXml(bytes, { limits: bounds.xml })
    validate(root, simpleFilterGrammar)
  } catch (error) {
    if (error instanceof XmlError) throw new FilterError(error.message)
    throw error
  }
  const forPackage = attributeValue(root, 'package')
  if (forPackage !== undefined && trimXml(forPackage) !== packageName)
    throw new FilterError(`filters for ${forPackage}`)
  const bindings: Record<string, string> = {}
  const declared = childElement(root, simpleFilterNamespace, 'ns-bindings')
  for (const binding of declared === undefined ? [] : childElements(declared)) {
    bindings[attributeValue(binding, 'prefix')!] = trimXml(attributeValue(binding, 'urn')!)
  }
  const filters = childElements(root, simpleFilterNamespace, 'filter').map(filter => readFilter(filter, bindings))
  for (const [index, { id }] of filters.entries()) {
    if (filters.findIndex(other => other.id === id) !== index) throw new FilterError(`two filters with id ${id}`)
  }
  for (const filter of filters) checkExpressions(filter, bounds)
  return filters
}

function readFilter(element: XmlElement, bindings: Readonly<Record<string, string>>): FilterRequest {
  const id = attributeValue(element, 'id')!
  const uri = attributeValue(element, 'uri')
  const domain = attributeValue(element, 'domain')
  if (uri !== undefined && domain !== undefined) throw new FilterError(`filter ${id} has both uri and domain`)
  const what = childElement(element, simpleFilterNamespace, 'what')
  const include = what === undefined ? [] : childElements(what, simpleFilterNamespace, 'include').flatMap(selection)
  const exclude = what === undefined ? [] : childElements(what, simpleFilterNamespace, 'exclude').flatMap(selection)
  const triggers = childElements(element, simpleFilterNamespace, 'trigger')
    .map(trigger => childElements(trigger).flatMap(change))
    .filter(changes => changes.length > 0)
  return {
    id,
    uri: uri && trimXml(uri),
    domain: domain && trimXml(domain).toLowerCase(),
    isEnabled: isTrue(attributeValue(element, 'enabled') ?? 'true'),
    isRemoval: isTrue(attributeValue(element, 'remove') ?? 'false'),
    hasContent: include.length + exclude.length + triggers.length > 0,
    bindings,
    include,
    exclude,
    triggers,
  }
}

function selection(element: XmlElement): Selection[] {
  const text = trimmedText(element)!
  const type = attributeValue(element, 'type') === 'namespace' ? 'namespace' : 'xpath'
  // An element that is empty counts as if it were not there (RFC 4660 §5.4).
  return text === '' ? [] : [{ type, text }]
}

function change(element: XmlElement): Change[] {
  const { name: kind, namespace } = element
  if (namespace !== simpleFilterNamespace || (kind !== 'changed' && kind !== 'added' && kind !== 'removed')) return []
  const text = trimmedText(element)!
  if (text === '') return []
  if (kind !== 'changed') return [{ kind, text }]
  const [from, to, by] = ['from', 'to', 'by'].map(name => attributeValue(element, name))
  return [{ kind, text, from, to, by }]
}

function isTrue(text: string): boolean {
  const value = trimXml(text)
  return value === 'true' || value === '1'
}

function expressionsOf({ include, exclude, triggers }: Filter): string[] {
  const paths = [...include, ...exclude].filter(({ type }) => type === 'xpath')
  return [...paths, ...triggers.flat()].map(({ text }) => text)
}

function checkExpressions(filter: Filter, { expressionCharacters }: FilterBounds): void {
  for (const text of expressionsOf(filter)) {
    if (text.length > expressionCharacters)
      throw new FilterError(`an expression of more than ${expressionCharacters} characters`)
    expressionOf(text, filter)
  }
}

/** An expression of a filter, which was checked when the filter came. */
export function expressionOf(text: string, { id, bindings }: Filter): FilterExpression {
  try {
    return parseExpression(text, bindings)
  } catch (error) {
    if (error instanceof ExpressionError) throw new FilterError(`filter ${id}: ${error.message}`)
    throw error
  }
}

/**
 * The filters of a subscription after a SUBSCRIBE (RFC 4660 §5.2.2): new ones, and known ones replaced, removed, enabled or
 * disabled by their id. `targetOf` gives one name to all that a filter may call a resource or a domain.
 *
 * Throws FilterError for two filters for one resource or domain, a new one that says nothing, and too many.
 */
export function mergedFilters(
  known: readonly Filter[],
  requests: readonly FilterRequest[],
  targetOf: (filter: Filter) => string,
  bounds: FilterBounds,
): Filter[] {
  const filters = new Map(known.map(filter => [filter.id, filter]))
  for (const { isRemoval, hasContent, ...filter } of requests) {
    const earlier = filters.get(filter.id)
    if (isRemoval) filters.delete(filter.id)
    else if (hasContent) filters.set(filter.id, filter)
    else if (earlier !== undefined) filters.set(filter.id, { ...earlier, isEnabled: filter.isEnabled })
    else if (filter.isEnabled) throw new FilterError(`filter ${filter.id} has neither what nor trigger`)
  }
  const merged = [...filters.values()]
  const targets = new Set(merged.map(targetOf))
  if (targets.size < merged.length) throw new FilterError('two filters for one resource or domain')
  if (merged.length > bounds.filters) throw new FilterError(`more than ${bounds.filters} filters`)
  if (merged.flatMap(expressionsOf).length > bounds.expressions) {
    throw new FilterError(`more than ${bounds.expressions} expressions`)
  }
  return merged
}

/** The filter that applies to a resource: one of its own goes before one for its domain (RFC 4660 §3.3.2). */
export function filterFor(
  filters: readonly Filter[],
  isOwn: (uri: string | undefined) => boolean,
  domain: string,
): Filter | undefined {
  const enabled = filters.filter(filter => filter.isEnabled)
  return (
    enabled.find(filter => filter.domain === undefined && isOwn(filter.uri)) ??
    enabled.find(filter => filter.domain === domain.toLowerCase())
  )
}
