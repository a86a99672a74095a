/** Application usage `xcap-caps`, for all XDMSs together, those elsewhere included (RFC 4825 §12, AP-08). */

import { hash } from 'node:crypto'
import { xcapCapsGrammar } from '../../documents/grammar/xcap-caps.ts'
import { writeXcapCaps, xcapCapsNamespace, xcapCapsType } from '../../documents/xcap-caps.ts'
import { xcapDirectoryNamespace } from '../../documents/xcap-directory.ts'
import type { HttpRequest } from '../../protocols/http/message.ts'
import type { ApplicationUsage, DerivedDocument } from '../xdms/application-usage.ts'
import { directoryAuid } from './directory.ts'
import { capabilitiesOf, type Part } from './gathering.ts'

const auid = 'xcap-caps'

/** `gathered` tells what XDMSs elsewhere have answered for a request; none when all usages are here. */
export function capabilities(
  usages: readonly ApplicationUsage[],
  gathered: (request: HttpRequest) => readonly Part[],
): ApplicationUsage {
  const all = documentOf(usages, [])
  return {
    auid,
    contentType: xcapCapsType,
    defaultNamespace: xcapCapsNamespace,
    grammar: xcapCapsGrammar,
    trees: ['global'],
    isReadOnly: true,
    derived: ({ path }, request) => {
      if (path !== 'index') return undefined
      const parts = gathered(request)
      return parts.length === 0 ? all : documentOf(usages, parts)
    },
  }
}

function documentOf(usages: readonly ApplicationUsage[], parts: readonly Part[]): DerivedDocument {
  const elsewhere = new Set(parts.flatMap(({ remote }) => remote.auids))
  const here = usages.filter(usage => !elsewhere.has(usage.auid))
  const body = writeXcapCaps({
    auids: [...new Set([auid, directoryAuid, ...here.map(usage => usage.auid), ...elsewhere])],
    extensions: [...new Set(parts.flatMap(part => capabilitiesOf(part, 'extensions')))],
    namespaces: [
      ...new Set([
        xcapCapsNamespace,
        xcapDirectoryNamespace,
        ...here.flatMap(({ grammar }) => grammar.vocabularies.map(({ namespace }) => namespace)),
        ...parts.flatMap(part => capabilitiesOf(part, 'namespaces')),
      ]),
    ],
  })
  return { etag: hash('sha256', body, 'hex').slice(0, 16), body }
}
