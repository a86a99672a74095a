/** What a filter leaves of watcher information (RFC 4660 §7.2), and what must be left of it (RFC 3858 §3). */

import { type DocumentKind, filteredDocument } from './filtered.ts'
import type { Filter } from './simple-filter.ts'
import { watcherinfoNamespace } from './watcherinfo.ts'
import type { XmlElement } from './xml/tree.ts'

/** The document as the filter shows it; see `filteredDocument`. */
export function filteredWatcherinfo(
  root: XmlElement,
  filter: Filter,
  maximumSteps: number,
): ReturnType<typeof filteredDocument> {
  return filteredDocument(root, filter, watcherinfo, maximumSteps)
}

const mandatory: Readonly<Record<string, readonly string[]>> = {
  watcherinfo: ['version', 'state'],
  'watcher-list': ['resource', 'package'],
  watcher: ['id', 'status', 'event'],
}

const watcherinfo: DocumentKind = {
  isMandatory: () => false,
  isMandatoryAttribute: ({ namespace, name }, attribute) =>
    namespace === watcherinfoNamespace && attribute.namespace === '' && !!mandatory[name]?.includes(attribute.name),
  // Without his URI nobody knows whom it is about.
  isMandatoryText: ({ namespace, name }) => namespace === watcherinfoNamespace && name === 'watcher',
  componentDepth: 2,
}
