/** What a filter leaves of a presence document (RFC 4660 §5.3.1), and what must be left of one (RFC 3863 §4.4, RFC 4479 §5). */

import { dataModelNamespace } from './data-model.ts'
import { type DocumentKind, filteredDocument } from './filtered.ts'
import { presenceGrammar } from './grammar/presence.ts'
import { validate } from './grammar/validate.ts'
import { pidfNamespace } from './pidf.ts'
import type { Filter } from './simple-filter.ts'
import { XmlError } from './xml/errors.ts'
import { parseXml, type XmlLimits } from './xml/parse.ts'
import { isNamed, type XmlElement } from './xml/tree.ts'

/** The document as the filter shows it; see `filteredDocument`. */
export function filteredPidf(
  root: XmlElement,
  filter: Filter,
  limits: XmlLimits,
  maximumSteps: number,
): ReturnType<typeof filteredDocument> {
  return filteredDocument(root, filter, { ...pidf, isValid: bytes => isValid(bytes, limits) }, maximumSteps)
}

const pidf: DocumentKind = {
  isMandatory(parent, child) {
    if (parent.namespace === pidfNamespace && parent.name === 'tuple') return isNamed(child, pidfNamespace, 'status')
    return isNamed(parent, dataModelNamespace, 'device') && isNamed(child, dataModelNamespace, 'deviceID')
  },
  isMandatoryAttribute({ namespace, name }, attribute) {
    if (attribute.namespace !== '') return false
    if (namespace === pidfNamespace && name === 'presence') return attribute.name === 'entity'
    const isComponent = namespace === pidfNamespace ? name === 'tuple' : namespace === dataModelNamespace
    return isComponent && attribute.name === 'id'
  },
  // Tuples, persons and devices lie right below the root; what is in them is shown whole.
  componentDepth: 2,
}

function isValid(bytes: Uint8Array, limits: XmlLimits): boolean {
  try {
    validate(parseXml(bytes, { limits }), presenceGrammar)
    return true
  } catch (error) {
    if (error instanceof XmlError) return false
    throw error
  }
}
