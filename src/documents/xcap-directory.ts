/** The list of a user's documents, `application/vnd.oma.xcap-directory+xml` (OMA XDM Core, XDM-47). */

import { newElement } from './xml/tree.ts'
import { serializeXml } from './xml/write.ts'

export const xcapDirectoryNamespace = 'urn:oma:xml:xdm:xcap-directory'
export const xcapDirectoryType = 'application/vnd.oma.xcap-directory+xml'

/** The documents under one application usage, or why they cannot be listed. */
export type DirectoryFolder =
  | { readonly auid: string; readonly entries: readonly DirectoryEntry[] }
  | { readonly auid: string; readonly errorCode: string }

export interface DirectoryEntry {
  readonly uri: string
  readonly etag: string
  /** Milliseconds since the Unix epoch. */
  readonly lastModified: number
  /** Octets. */
  readonly size: number
}

export function writeXcapDirectory(folders: readonly DirectoryFolder[]): Buffer {
  const element = (name: string, attributes: Record<string, string>, children: Parameters<typeof newElement>[3] = []) =>
    newElement(xcapDirectoryNamespace, name, attributes, children)
  return serializeXml(
    element(
      'xcap-directory',
      {},
      folders.map(folder =>
        element(
          'folder',
          { auid: folder.auid },
          'errorCode' in folder
            ? [element('error-code', {}, [folder.errorCode])]
            : folder.entries.map(({ uri, etag, lastModified, size }) =>
                element('entry', {
                  uri,
                  etag,
                  'last-modified': `${new Date(lastModified).toISOString().slice(0, 19)}Z`,
                  size: String(size),
                }),
              ),
        ),
      ),
    ),
  )
}
