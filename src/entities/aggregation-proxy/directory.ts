/** Application usage `org.openmobilealliance.xcap-directory`: all documents of a user, over all XDMSs (AP-08, XDM-47). */

import { hash } from 'node:crypto'
import { xcapDirectoryGrammar } from '../../documents/grammar/xcap-directory.ts'
import {
  type DirectoryFolder,
  writeXcapDirectory,
  xcapDirectoryNamespace,
  xcapDirectoryType,
} from '../../documents/xcap-directory.ts'
import { authorityOf } from '../../protocols/http/authority.ts'
import type { HttpRequest } from '../../protocols/http/message.ts'
import { pathSegment } from '../../protocols/xcap/document-selector.ts'
import type { Turn } from '../../turn.ts'
import type { ApplicationUsage } from '../xdms/application-usage.ts'
import { documentsOf } from '../xdms/documents.ts'
import { foldersOf, type Part } from './gathering.ts'

export const directoryAuid = 'org.openmobilealliance.xcap-directory'

/** `gathered` tells what XDMSs elsewhere have answered for a request; none when all usages are here. */
export function directory(
  usages: readonly ApplicationUsage[],
  gathered: (request: HttpRequest) => readonly Part[],
): ApplicationUsage {
  return {
    auid: directoryAuid,
    contentType: xcapDirectoryType,
    defaultNamespace: xcapDirectoryNamespace,
    grammar: xcapDirectoryGrammar,
    isReadOnly: true,
    names: { 'directory.xml': 'directory.xml' },
    derived({ xui }, request, turn) {
      const root = rootUri(request, turn)
      const parts = gathered(request)
      const elsewhere = new Set(parts.flatMap(({ remote }) => remote.auids))
      const here = usages.filter(({ auid }) => !elsewhere.has(auid))
      const body = writeXcapDirectory([
        ...here.flatMap(usage => folderOf(usage, xui, root, turn)),
        ...parts.flatMap(part => foldersOf(part, root)),
      ])
      return { etag: hash('sha256', body, 'hex').slice(0, 16), body }
    },
  }
}

/** Usages that a user has no documents under are left out, and views of others, whose documents are listed there. */
function folderOf({ auid, viewOf }: ApplicationUsage, xui: string, root: string, turn: Turn): DirectoryFolder[] {
  if (viewOf !== undefined) return []
  const entries = [...documentsOf(turn.db, auid, xui)].map(({ path, document }) => ({
    uri: `${root}/${auid}/users/${pathSegment(xui)}/${path.split('/').map(pathSegment).join('/')}`,
    etag: `"${document.etag}"`,
    lastModified: document.modifiedAt,
    size: document.body.length,
  }))
  return entries.length === 0 ? [] : [{ auid, entries }]
}

/** The XCAP root as the client knows it. */
function rootUri(request: HttpRequest, { settings }: Turn): string {
  const authority = authorityOf(request)
  return authority === undefined
    ? settings.xcap.root
    : `${request.source.isSecure ? 'https' : 'http'}://${authority.text}${settings.xcap.root}`
}
