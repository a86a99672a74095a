/** The list of a user's documents, `application/vnd.oma.xcap-directory+xml` (OMA XDM Core, XDM-47). */

import { attributeValue, childElement, childElements, newElement, trimmedText, type XmlElement } from './xml/tree.ts'
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
  readonly lastModified?: number | undefined
  /** Octets. */
  readonly size?: number | undefined
}

/** The folders of a directory that another XDMS has written; what is malformed is left out. */
export function readXcapDirectory(directory: XmlElement): DirectoryFolder[] {
  return childElements(directory, xcapDirectoryNamespace, 'folder').flatMap((folder): DirectoryFolder[] => {
    const auid = attributeValue(folder, 'auid')
    if (auid === undefined) return []
    const errorCode = trimmedText(childElement(folder, xcapDirectoryNamespace, 'error-code'))
    if (errorCode !== undefined) return [{ auid, errorCode }]
    const entries = childElements(folder, xcapDirectoryNamespace, 'entry').flatMap(entry => {
      const [uri, etag] = [attributeValue(entry, 'uri'), attributeValue(entry, 'etag')]
      if (uri === undefined || etag === undefined) return []
      const [modified, size] = [attributeValue(entry, 'last-modified'), attributeValue(entry, 'size')]
      return [{ uri, etag, lastModified: finite(Date.parse(modified ?? '')), size: finite(Number(size ?? 'none')) }]
    })
    return [{ auid, entries }]
  })
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined
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
                  ...(lastModified === undefined
                    ? {}
                    : { 'last-modified': `${new Date(lastModified).toISOString().slice(0, 19)}Z` }),
                  ...(size === undefined ? {} : { size: String(size) }),
                }),
              ),
        ),
      ),
    ),
  )
}
