/**
 * What is about all XDMSs, where some are elsewhere (AP-08): each is asked for its part, and the answer waits for the last of
 * them. One that does not answer shows as such.
 */

import { xcapCapsNamespace } from '../../documents/xcap-caps.ts'
import { type DirectoryFolder, readXcapDirectory } from '../../documents/xcap-directory.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import { parseXml } from '../../documents/xml/parse.ts'
import { childElements, newElement, trimmedText, type XmlElement } from '../../documents/xml/tree.ts'
import { limits } from '../../limits.ts'
import type { HttpAnswer } from '../../protocols/http/message.ts'
import type { RemoteRoot } from './remote-roots.ts'

/** One XDMS with what it has said; `undefined` when that cannot be had. */
export interface Part {
  readonly remote: RemoteRoot
  readonly document: XmlElement | undefined
}

/** The document in an answer. */
export function partOf(remote: RemoteRoot, { status, body }: HttpAnswer): Part {
  // A directory that is not there is one without documents.
  if (status === 404) return { remote, document: newElement('', 'none', {}, []) }
  if (status !== 200) return { remote, document: undefined }
  try {
    return { remote, document: parseXml(body, { limits: limits.xcapDocument, instructions: true }) }
  } catch (error) {
    if (error instanceof XmlError) return { remote, document: undefined }
    throw error
  }
}

/** The values of one list of xcap-caps: `auids`, `extensions` or `namespaces`. */
export function capabilitiesOf({ document }: Part, list: string): string[] {
  if (document === undefined) return []
  return childElements(document, xcapCapsNamespace, list)
    .flatMap(element => childElements(element, xcapCapsNamespace))
    .map(element => trimmedText(element) ?? '')
    .filter(text => text !== '')
}

/** The folders of the usages that are there, with URIs below `root`, ours. */
export function foldersOf({ remote, document }: Part, root: string): DirectoryFolder[] {
  if (document === undefined) return remote.auids.map(auid => ({ auid, errorCode: 'unavailable' }))
  return readXcapDirectory(document)
    .filter(({ auid }) => remote.auids.includes(auid))
    .map(folder =>
      'errorCode' in folder
        ? folder
        : {
            ...folder,
            entries: folder.entries.map(entry => ({ ...entry, uri: belowOurs(entry.uri, folder.auid, root) })),
          },
    )
}

/** An XDMS writes URIs below its own root; clients know ours alone. */
function belowOurs(uri: string, auid: string, root: string): string {
  const at = uri.indexOf(`/${auid}/users/`)
  return at === -1 ? uri : root + uri.slice(at)
}
