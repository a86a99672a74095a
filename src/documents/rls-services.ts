/** RLS services documents (RFC 4826 §4): which URIs are lists that a Resource List Server serves, and of what they consist. */

import { resourceListsNamespace } from './resource-lists.ts'
import { attributeValue, childElement, childElements, trimmedText, type XmlElement } from './xml/tree.ts'

export const rlsServicesNamespace = 'urn:ietf:params:xml:ns:rls-services'
export const rlsServicesType = 'application/rls-services+xml'

/** One service as the document says it. */
export interface RlsService {
  readonly element: XmlElement
  readonly uri: string
  /** The URI of the list, when it is kept elsewhere. */
  readonly resourceList: string | undefined
  /** The list itself, when it stands in the service. */
  readonly list: XmlElement | undefined
  /** Event packages it may be subscribed to with; undefined for all. */
  readonly packages: readonly string[] | undefined
}

/** The services of a valid document, in its order. */
export function rlsServices(root: XmlElement): RlsService[] {
  return childElements(root, rlsServicesNamespace, 'service').map(element => {
    const packages = childElement(element, rlsServicesNamespace, 'packages')
    return {
      element,
      uri: attributeValue(element, 'uri') ?? '',
      resourceList: trimmedText(childElement(element, rlsServicesNamespace, 'resource-list')),
      list:
        childElement(element, rlsServicesNamespace, 'list') ?? childElement(element, resourceListsNamespace, 'list'),
      packages: packages && childElements(packages, rlsServicesNamespace, 'package').map(name => trimmedText(name)!),
    }
  })
}
