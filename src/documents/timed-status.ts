/** Timed presence: a status that held or will hold (RFC 4481), as a child of a tuple, and other elements that end by themselves. */

import { omaDataExtensionNamespace, omaPresenceNamespace } from './oma-presence.ts'
import { rpidNamespace } from './rpid.ts'

export const timedStatusNamespace = 'urn:ietf:params:xml:ns:pidf:timed-status'

/**
 * True for an attribute `until` that ends its element: that of the OMA extension, or an unqualified one on the elements
 * defined to have it. On an element that we do not know it may mean anything.
 */
export function isUntil(elementNamespace: string, attributeNamespace: string): boolean {
  if (attributeNamespace === omaDataExtensionNamespace) return true
  return (
    attributeNamespace === '' &&
    (elementNamespace === rpidNamespace ||
      elementNamespace === timedStatusNamespace ||
      elementNamespace === omaPresenceNamespace)
  )
}
