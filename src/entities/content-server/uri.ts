/**
 * URIs of objects: `BASE/users/OWNER/NAME`, with the owner as an XCAP User Identifier is written, and the search for such URIs
 * in presence documents, by which an object is shown to watchers.
 */

import { hash } from 'node:crypto'
import { scanXml } from '../../documents/xml/scan.ts'
import { limits } from '../../limits.ts'
import type { Settings } from '../../settings/table.ts'
import { hostNames } from '../../settings/xcap.ts'
import type { ObjectAddress } from './objects.ts'

/** The user that a decoded identifier means; undefined when it means none. */
type UserOf = (identifier: string) => string | undefined

/** Characters of a name, and of a path as written; a longer one is none. */
const longestName = 128
const longestPath = 2_048

/** Where the icons are that are documents of the Presence XDMS too, which is where they are managed (XDM-04, DEC-09). */
export const iconDirectory = 'oma_status-icon'
const contentUsage = 'org.openmobilealliance.pres-content'

export function isIcon({ name }: ObjectAddress): boolean {
  return name.startsWith(`${iconDirectory}/`)
}

/** Below `BASE/users/`, percent-encoded. */
export function objectPath({ owner, name }: ObjectAddress): string {
  return `${segment(owner)}/${segment(name)}`
}

/** Below `BASE/views/`: what a watcher is shown of a presentity, in one version. */
export function viewPath(presentity: string, version: string): string {
  return `${segment(presentity)}/${version}`
}

/** Reads what follows `BASE/views/`; undefined when it is no such path. */
export function readViewPath(
  path: string,
  userOf: UserOf,
): { readonly presentity: string; readonly version: string } | undefined {
  const [identifier, version, ...rest] = path.split('/').map(decoded)
  const presentity = identifier === undefined ? undefined : userOf(identifier)
  return presentity === undefined || !version || rest.length > 0 ? undefined : { presentity, version }
}

/** A name for a document as a watcher is shown it; another document has another. */
export function versionOf(document: Uint8Array): string {
  return hash('sha256', document, 'hex').slice(0, 32)
}

/** Reads what follows `BASE/users/`: the owner, and the name, empty when there is none. Undefined when it is no such path. */
export function readObjectPath(path: string, userOf: UserOf): ObjectAddress | undefined {
  const [identifier, ...names] = path.split('/').map(decoded)
  const last = names.at(-1)
  if (identifier === undefined || last === undefined) return undefined
  if (names.length !== 1 && !(names.length === 2 && names[0] === iconDirectory && last !== '')) return undefined
  if (last.length > longestName || last === '.' || last === '..' || /[\x00-\x1f\x7f/]/.test(last)) return undefined
  const owner = userOf(identifier)
  return owner === undefined ? undefined : { owner, name: names.join('/') }
}

/** What follows `BASE/users/` in a URI at this box, by its domain, the name that peers are told, another of its names, or a number; else undefined. */
export function pathHere(
  uri: string,
  settings: Pick<Settings, 'content' | 'domain' | 'sip' | 'xcap'>,
): string | undefined {
  if (!URL.canParse(uri)) return undefined
  const { protocol, hostname, pathname, username, search } = new URL(uri)
  const host = hostname.replace(/^\[|\]$/g, '')
  const isOurs =
    host === settings.domain ||
    host === settings.sip.advertisedHost ||
    hostNames(settings.xcap.hosts).includes(host) ||
    /^[\d.]+$|:/.test(host)
  const start = `${settings.content.root}/users/`
  const isHttp = protocol === 'http:' || protocol === 'https:'
  return isHttp && isOurs && username === '' && search === '' && pathname.startsWith(start)
    ? pathname.slice(start.length)
    : undefined
}

/**
 * Whether a presence document refers to an object, or to the document that it is too: to its path, whatever the host is called, in
 * the text of an element or in an attribute, as these are read.
 */
export function refersTo(
  document: Uint8Array,
  { content, xcap }: Pick<Settings, 'content' | 'xcap'>,
  address: ObjectAddress,
  userOf: UserOf,
): boolean {
  const starts = [`${content.root}/users/`]
  if (isIcon(address)) starts.push(`${xcap.root}/${contentUsage}/users/`)
  let isFound = false
  const look = (value: string): void => {
    isFound ||= starts.some(start => refersBelow(value, start, address, userOf))
  }
  let text = ''
  const collect = (piece: string): void => {
    text += piece
  }
  const lookAtText = (): void => {
    look(text)
    text = ''
  }
  scanXml(document, limits.composedXml, () => ({
    open({ attributes }) {
      lookAtText()
      for (const name in attributes) look(attributes[name]!.value)
    },
    close: lookAtText,
    text: collect,
    cdata: collect,
    instruction() {},
  }))
  return isFound
}

function refersBelow(value: string, start: string, { owner, name }: ObjectAddress, userOf: UserOf): boolean {
  for (let at = value.indexOf(start); at !== -1; at = value.indexOf(start, at + start.length)) {
    const path = /^[^\s"<>?#]*/.exec(value.slice(at + start.length, at + start.length + longestPath))![0]
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
