/**
 * External lists (OMA common policy, PS-90): the URIs of which one lets a rule be about a watcher, from the resource lists that
 * its entries refer to, and those that these refer to.
 */

import type { CanonicalUri } from '../../../documents/common-policy.ts'
import { attributeValue } from '../../../documents/xml/tree.ts'
import { limits } from '../../../limits.ts'
import { type ListSource, walkLists } from '../../xdms/list-walk.ts'

/**
 * The canonical URIs of all entries of a list, those of lists within it and of lists it refers to included. Undefined when one
 * of them cannot be had, or there are more than the limits allow: then nobody knows who is not on it.
 */
export function membersOf(
  uri: string,
  source: ListSource & { readonly canonical: CanonicalUri },
): ReadonlySet<string> | undefined {
  const members = new Set<string>()
  const isWhole = walkLists(uri, source, {
    entry(element) {
      const written = attributeValue(element, 'uri')
      const member = written === undefined ? undefined : source.canonical(written.trim())
      if (member !== undefined) members.add(member)
      return members.size <= limits.externalLists.members
    },
    unavailable: () => false,
  })
  return isWhole ? members : undefined
}
