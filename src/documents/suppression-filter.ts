/**
 * Filters by which a watcher has notifications suppressed while he himself is in some state, `application/vnd.oma.suppnot+xml`
 * (OMA Presence SIMPLE 2.0, PS-138): expressions over his own presence document, such as one that finds him in a meeting.
 */

import { Evaluation, ExpressionError, parseExpression } from './filter-expression.ts'
import { suppressionFilterGrammar } from './grammar/suppression-filter.ts'
import { validate } from './grammar/validate.ts'
import { type FilterBounds, FilterError } from './simple-filter.ts'
import { parseXml, XmlError } from './xml/parse.ts'
import { attributeValue, childElements, trimmedText, type XmlElement } from './xml/tree.ts'

export const suppressionContentType = 'application/vnd.oma.suppnot+xml'
const namespace = 'urn:oma:xml:prs:suppnot-filter'

/** One filter, which suppresses while one of its expressions matches. Plain data, fit to be stored. */
export interface SuppressionFilter {
  readonly id: string
  /** What the prefixes in its expressions mean. */
  readonly bindings: Readonly<Record<string, string>>
  readonly expressions: readonly string[]
}

/** The filters of a document; one without any ends the suppression. Throws FilterError for one that is not of the grammar or beyond the bounds. */
export function readSuppressionFilters(bytes: Uint8Array, bounds: FilterBounds): SuppressionFilter[] {
  let root: XmlElement
  try {
    root = parseXml(bytes, { limits: bounds.xml })
    validate(root, suppressionFilterGrammar)
  } catch (error) {
    if (error instanceof XmlError) throw new FilterError(error.message)
    throw error
  }
  const filters = childElements(root, namespace, 'suppnot-filter').map(readFilter)
  const ids = new Set(filters.map(({ id }) => id))
  if (ids.size < filters.length) throw new FilterError('set has two filters of one id')
  if (filters.length > bounds.filters) throw new FilterError(`set has more than ${bounds.filters} filters`)
  const expressions = filters.flatMap(filter => filter.expressions.map(text => [filter, text] as const))
  if (expressions.length > bounds.expressions)
    throw new FilterError(`set has more than ${bounds.expressions} expressions`)
  for (const [filter, text] of expressions) {
    if (text.length > bounds.expressionCharacters)
      throw new FilterError(`${filter.id} has an expression of more than ${bounds.expressionCharacters} characters`)
    expressionOf(text, filter)
  }
  return filters
}

function readFilter(element: XmlElement): SuppressionFilter {
  const attributes = childElements(element, namespace, 'presattrib')
  const matches = attributes.flatMap(one => childElements(one, namespace, 'suppress-if-match'))
  const bindings: Record<string, string> = {}
  // As in any document a prefix means what is declared around it.
  for (const { scope } of [element, ...matches])
    for (const [prefix, urn] of scope.bindings()) if (prefix !== '') bindings[prefix] = urn
  const expressions = matches.map(match => trimmedText(match)!).filter(text => text !== '')
  return { id: attributeValue(element, 'id')!, bindings, expressions }
}

function expressionOf(text: string, { id, bindings }: SuppressionFilter) {
  try {
    return parseExpression(text, bindings)
  } catch (error) {
    if (error instanceof ExpressionError) throw new FilterError(`${id}: ${error.message}`)
    throw error
  }
}

/** Whether one of the filters matches this presence document. One that takes too long does not. */
export function suppresses(filters: readonly SuppressionFilter[], own: XmlElement, maximumSteps: number): boolean {
  try {
    const evaluation = new Evaluation(own, maximumSteps)
    return filters.some(filter =>
      filter.expressions.some(text => evaluation.select(expressionOf(text, filter)).length > 0),
    )
  } catch (error) {
    if (error instanceof ExpressionError) return false
    throw error
  }
}
