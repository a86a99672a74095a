/** What an XCAP diff document tells of documents (RFC 5874 §3). */

import { attributeValue, childElements, trimXml, type XmlElement } from './xml/tree.ts'

const xcapDiffNamespace = 'urn:ietf:params:xml:ns:xcap-diff'

/** Without `newEtag` it has been removed; with it, it exists in that version. */
export interface ToldDocument {
  /** Relative to the XCAP root, as written. */
  readonly sel: string
  readonly newEtag: string | undefined
}

/** The documents in the order in which they are told of; undefined when it is no XCAP diff document. */
export function readToldDocuments(root: XmlElement): ToldDocument[] | undefined {
  if (root.name !== 'xcap-diff' || root.namespace !== xcapDiffNamespace) return undefined
  return childElements(root, xcapDiffNamespace, 'document').flatMap(element => {
    const sel = attributeValue(element, 'sel')
    // COMPAT(xcap): entity-tags are also seen with the quotes they have in HTTP.
    const etag = attributeValue(element, 'new-etag')
      ?.trim()
      .replace(/^"(.*)"$/, '$1')
    return sel === undefined ? [] : [{ sel: trimXml(sel).replace(/^\//, ''), newEtag: etag }]
  })
}
