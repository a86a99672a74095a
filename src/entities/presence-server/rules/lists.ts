/**
 * External lists (OMA common policy, PS-90): the URIs of which one lets a rule be about a watcher, from the resource lists that
 * its entries refer to, and those that these refer to.
 */

import type { CanonicalUri } from '../../../documents/common-policy.ts'
import { attributeValue } from '../../../documents/xml/tree.ts'
import { limits } from '../../../limits.ts'
import { type ListSource, walkLists } from '../../xdms/list-walk.ts'

export interface ListMembers {
  /**
   * The canonical URIs of all entries of a list, those of lists within it and of lists it refers to included. Undefined when one
   * of them cannot be had, or there are more entries than allowed: then nobody knows who is not on it.
   */
  readonly members: ReadonlySet<string> | undefined
  /** How many entries were looked at. */
  readonly entries: number
}

/** The members of a list, as far as `limit` entries go. */
export function membersOf(
  uri: string,
  source: ListSource & { readonly canonical: CanonicalUri },
  limit: number = limits.externalLists.members,
): ListMembers {
  const members = new Set<string>()
  let entries = 0
  const isWhole = walkLists(uri, source, {
    entry(element) {
      if (++entries > limit) return false
      const written = attributeValue(element, 'uri')
      const member = written === undefined ? undefined : source.canonical(written.trim())
      if (member !== undefined) members.add(member)
      return true
    },
    unavailable: () => false,
  })
  return { members: isWhole ? members : undefined, entries }
}
