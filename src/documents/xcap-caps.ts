/** What an XCAP server can do, `application/xcap-caps+xml` (RFC 4825 §12). */

import { newElement, type XmlElement } from './xml/tree.ts'
import { serializeXml } from './xml/write.ts'

export const xcapCapsNamespace = 'urn:ietf:params:xml:ns:xcap-caps'
export const xcapCapsType = 'application/xcap-caps+xml'

export interface XcapCapabilities {
  readonly auids: readonly string[]
  readonly extensions: readonly string[]
  readonly namespaces: readonly string[]
}

export function writeXcapCaps({ auids, extensions, namespaces }: XcapCapabilities): Buffer {
  const list = (name: string, item: string, values: readonly string[]): XmlElement =>
    newElement(
      xcapCapsNamespace,
      name,
      {},
      values.map(value => newElement(xcapCapsNamespace, item, {}, [value])),
    )
  return serializeXml(
    newElement(xcapCapsNamespace, 'xcap-caps', {}, [
      list('auids', 'auid', auids),
      list('extensions', 'extension', extensions),
      list('namespaces', 'namespace', namespaces),
    ]),
  )
}
