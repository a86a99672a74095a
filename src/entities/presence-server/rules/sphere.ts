/** The sphere a presentity is in, which conditions ask for (RFC 5025 §3.1.2). */

import { parsePidf } from '../../../documents/pidf-parts.ts'
import { rpidNamespace } from '../../../documents/rpid.ts'
import { withoutEnded } from '../../../documents/until.ts'
import { XmlError } from '../../../documents/xml/errors.ts'
import { childElements, trimmedText, type XmlElement } from '../../../documents/xml/tree.ts'
import type { Instant } from '../../../turn.ts'

/** In lower case; undefined when no person element of the documents says, or they do not agree. */
export function sphereOf(documents: Iterable<Uint8Array>, now: Instant): string | undefined {
  let sphere: string | undefined
  for (const bytes of documents) {
    for (const person of personsOf(bytes)) {
      const current = withoutEnded(person, now).element
      for (const element of current === undefined ? [] : childElements(current, rpidNamespace, 'sphere')) {
        const value = spokenBy(element)
        if (value === undefined || (sphere !== undefined && sphere !== value)) return undefined
        sphere = value
      }
    }
  }
  return sphere
}

function personsOf(bytes: Uint8Array): readonly XmlElement[] {
  try {
    return parsePidf(bytes).persons
  } catch (error) {
    if (error instanceof XmlError) return []
    throw error
  }
}

/**
 * `<sphere><work/></sphere>` (RFC 4480 §3.12).
 *
 * COMPAT(drafts of RPID): `<sphere>work</sphere>`.
 */
function spokenBy(sphere: XmlElement): string | undefined {
  const children = childElements(sphere)
  if (children.length > 1) return undefined
  const value = children[0]?.name ?? trimmedText(sphere)
  return value ? value.toLowerCase() : undefined
}
