/**
 * URIs of objects: `BASE/users/OWNER/NAME`, with the owner as an XCAP User Identifier is written, and the search for such URIs
 * in presence documents, by which an object is shown to watchers.
 */

import type { ObjectAddress } from './objects.ts'

/** The user that a decoded identifier means; undefined when it means none. */
type UserOf = (identifier: string) => string | undefined

/** Characters of a name; a longer one is none. */
const longestName = 128

/** Below `BASE/users/`, as a path of two segments, percent-encoded. */
export function objectPath({ owner, name }: ObjectAddress): string {
  return `${segment(owner)}/${segment(name)}`
}

/** Reads what follows `BASE/users/`: the owner, and the name, empty when there is none. Undefined when it is no such path. */
export function readObjectPath(path: string, userOf: UserOf): ObjectAddress | undefined {
  const parts = path.split('/')
  if (parts.length !== 2) return undefined
  const [identifier, name] = parts.map(decoded)
  if (identifier === undefined || name === undefined) return undefined
  if (name.length > longestName || name === '.' || name === '..' || /[\x00-\x1f\x7f/]/.test(name)) return undefined
  const owner = userOf(identifier)
  return owner === undefined ? undefined : { owner, name }
}

/** Whether a document refers to an object: to its path, whatever the host is called. */
export function refersTo(document: string, root: string, { owner, name }: ObjectAddress, userOf: UserOf): boolean {
  const start = `${root}/users/`
  for (let at = document.indexOf(start); at !== -1; at = document.indexOf(start, at + start.length)) {
    const path = /^[^\s"'<>?#&]*/.exec(document.slice(at + start.length, at + start.length + 1_024))![0]
    const address = readObjectPath(path, userOf)
    if (address?.owner === owner && address.name === name) return true
  }
  return false
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** RFC 3986 §3.3: what may stand in a segment stays as it is. */
function segment(text: string): string {
  return encodeURIComponent(text).replace(/%(?:3A|40|24|2B|2C|3B|3D)/g, decodeURIComponent)
}
