/** Application usage `xcap-caps`, for all XDMSs together (RFC 4825 §12, AP-08). */

import { hash } from 'node:crypto'
import { xcapCapsGrammar } from '../../documents/grammar/xcap-caps.ts'
import { writeXcapCaps, xcapCapsNamespace, xcapCapsType } from '../../documents/xcap-caps.ts'
import { xcapDirectoryNamespace } from '../../documents/xcap-directory.ts'
import type { ApplicationUsage, DerivedDocument } from '../xdms/application-usage.ts'
import { directoryAuid } from './directory.ts'

const auid = 'xcap-caps'

export function capabilities(usages: readonly ApplicationUsage[]): ApplicationUsage {
  const body = writeXcapCaps({
    auids: [...new Set([auid, directoryAuid, ...usages.map(usage => usage.auid)])],
    extensions: [],
    namespaces: [
      ...new Set([
        xcapCapsNamespace,
        xcapDirectoryNamespace,
        ...usages.flatMap(({ grammar }) => grammar.vocabularies.map(({ namespace }) => namespace)),
      ]),
    ],
  })
  const document: DerivedDocument = { etag: hash('sha256', body, 'hex').slice(0, 16), body }
  return {
    auid,
    contentType: xcapCapsType,
    defaultNamespace: xcapCapsNamespace,
    grammar: xcapCapsGrammar,
    trees: ['global'],
    isReadOnly: true,
    derived: ({ path }) => (path === 'index' ? document : undefined),
  }
}
