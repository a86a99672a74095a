/** Whether two published documents come from the same source (PS-17), as far as the ids in them tell. */

import { pidfNamespace } from '../../documents/pidf.ts'
import { parseXml } from '../../documents/xml/parse.ts'
import { attributeValue, childElements } from '../../documents/xml/tree.ts'

/** True when the documents have a tuple id in common: a source keeps its ids (RFC 3903 §10.4). Both have been checked before. */
export function isSameSource(a: Uint8Array, b: Uint8Array): boolean {
  const ids = tupleIds(a)
  return tupleIds(b).some(id => ids.includes(id))
}

function tupleIds(document: Uint8Array): string[] {
  return childElements(parseXml(document), pidfNamespace, 'tuple').map(tuple => attributeValue(tuple, 'id') ?? '')
}
