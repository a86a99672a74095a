/** Watcher information (RFC 3858): who watches a resource, whole or only what changed. */

import { escapeAttribute, escapeText } from './xml/escape.ts'
import { defaultXmlLimits, parseXml, type XmlLimits } from './xml/parse.ts'
import { readState, readVersion, readWhole, required, requiredOneOf, requireRoot } from './xml/read.ts'
import { attributeValue, childElements, trimmedText, type XmlElement } from './xml/tree.ts'

export const watcherinfoNamespace = 'urn:ietf:params:xml:ns:watcherinfo'
export const watcherinfoContentType = 'application/watcherinfo+xml'

/** RFC 3857 §4.7.1; `init` is never reported. */
export const watcherStatuses = ['pending', 'active', 'waiting', 'terminated'] as const
export type WatcherStatus = (typeof watcherStatuses)[number]

export const watcherEvents = [
  'subscribe',
  'approved',
  'deactivated',
  'probation',
  'rejected',
  'timeout',
  'giveup',
  'noresource',
] as const
export type WatcherEvent = (typeof watcherEvents)[number]

/** One subscription (RFC 3858 §3). */
export type Watcher = {
  /** A SIP token, unique in the winfo subscription and the same in all its documents. */
  readonly id: string
  /** The watcher's address-of-record. */
  readonly uri: string
  readonly status: WatcherStatus
  readonly event: WatcherEvent
  readonly displayName?: string | undefined
  /** Until the subscription expires. */
  readonly expirationSeconds?: number | undefined
  /** Since the SUBSCRIBE that created it. */
  readonly durationSubscribedSeconds?: number | undefined
}

export type WatcherList = {
  readonly resource: string
  /** The event package, `presence`. */
  readonly package: string
  readonly watchers: readonly Watcher[]
}

export type WatcherInformation = {
  /** From 0, one more for each document of a winfo subscription; 32 bits. */
  readonly version: number
  readonly state: 'full' | 'partial'
  readonly lists: readonly WatcherList[]
}

/** The document as UTF-8, valid by the schema of RFC 3858 §6. */
export function formatWatcherinfo(information: WatcherInformation): Buffer {
  let text = `<?xml version="1.0" encoding="UTF-8"?>\n<watcherinfo xmlns="${watcherinfoNamespace}" version="${information.version}" state="${information.state}">\n`
  for (const list of information.lists) {
    text += `<watcher-list resource="${escapeAttribute(list.resource)}" package="${escapeAttribute(list.package)}">\n`
    for (const watcher of list.watchers) text += formatWatcher(watcher)
    text += '</watcher-list>\n'
  }
  return Buffer.from(`${text}</watcherinfo>\n`, 'utf8')
}

/** Reads a document; elements and attributes of other namespaces are ignored (§3). Throws XmlError. */
export function parseWatcherinfo(bytes: Uint8Array, limits: XmlLimits = defaultXmlLimits): WatcherInformation {
  const root = parseXml(bytes, { limits, instructions: true })
  requireRoot(root, watcherinfoNamespace, 'watcherinfo')
  return {
    version: readVersion(root),
    state: readState(root),
    lists: childElements(root, watcherinfoNamespace, 'watcher-list').map(list => ({
      resource: required(list, 'resource'),
      package: required(list, 'package'),
      watchers: childElements(list, watcherinfoNamespace, 'watcher').map(readWatcher),
    })),
  }
}

function formatWatcher(watcher: Watcher): string {
  let text = `<watcher id="${escapeAttribute(watcher.id)}" status="${watcher.status}" event="${watcher.event}"`
  if (watcher.displayName !== undefined) text += ` display-name="${escapeAttribute(watcher.displayName)}"`
  if (watcher.expirationSeconds !== undefined) text += ` expiration="${watcher.expirationSeconds}"`
  if (watcher.durationSubscribedSeconds !== undefined) {
    text += ` duration-subscribed="${watcher.durationSubscribedSeconds}"`
  }
  return `${text}>${escapeText(watcher.uri)}</watcher>\n`
}

function readWatcher(element: XmlElement): Watcher {
  return {
    id: required(element, 'id'),
    uri: trimmedText(element)!,
    status: requiredOneOf(element, 'status', watcherStatuses),
    event: requiredOneOf(element, 'event', watcherEvents),
    displayName: attributeValue(element, 'display-name'),
    expirationSeconds: readWhole(element, 'expiration'),
    durationSubscribedSeconds: readWhole(element, 'duration-subscribed'),
  }
}
