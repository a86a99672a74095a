/** Documents by XCAP: the root, who may do what, and where Aggregation Proxies elsewhere find our XDMSs. */

import { isDomainName, isXcapRoot } from './addresses.ts'
import { type ServerListener, serverListener } from './other-servers.ts'
import type { RowsOf } from './row.ts'

export interface XcapSettings {
  readonly root: string
  readonly hosts: string
  readonly operators: string
  readonly defaultDocuments: boolean
  readonly routes: string
}

export const xcapRows: RowsOf<'xcap', XcapSettings> = {
  'xcap.root': {
    path: ['Vendor', 'Porchlight', 'Xcap', 'Root'],
    format: 'chr',
    default: '/xcap-root',
    meaning: 'path of the XCAP root: documents are below it',
    allowed: 'a path such as /xcap-root, without a slash at its end; empty for the top',
    isAllowed: text => /^(?:\/[\w.-]+)*$/.test(text),
    effect: 'at once',
  },
  'xcap.hosts': {
    path: ['Vendor', 'Porchlight', 'Xcap', 'Hosts'],
    format: 'chr',
    default: '',
    meaning:
      'names by which clients reach documents and objects, beside the domain, names below it, names of the machine and addresses; a request for another name is answered 404',
    allowed: 'host names separated by commas, * for any name, or empty',
    isAllowed: text => text === '' || hostNames(text).every(name => name === '*' || isDomainName(name)),
    effect: 'at once',
  },
  'xcap.operators': {
    path: ['Vendor', 'Porchlight', 'Xcap', 'Operators'],
    format: 'chr',
    default: '',
    meaning: 'users who read and write the documents of all users, and the global ones',
    allowed: 'addresses of users separated by commas, or empty',
    effect: 'at once',
  },
  'xcap.defaultDocuments': {
    path: ['Vendor', 'Porchlight', 'Xcap', 'DefaultDocuments'],
    format: 'bool',
    default: true,
    meaning: 'whether a user who is added gets documents out of the templates, such as presence rules',
    allowed: 'true or false',
    effect: 'at once',
  },
  'xcap.routes': {
    path: ['Vendor', 'Porchlight', 'Xcap', 'Routes'],
    format: 'chr',
    default: '',
    meaning:
      'application usages whose documents are elsewhere, each with its XCAP root, before what prs7, prs12 and xdm4 say',
    allowed: 'AUID=URI, several separated by commas, or empty; AUID= for one whose documents are here',
    isAllowed: text => usageRoutes(text) !== undefined,
    effect: 'at once',
  },
}

export const xdmsRows: RowsOf<'xdms', ServerListener> = serverListener(
  'xdms',
  'Xdms',
  'the XDMSs',
  'Aggregation Proxies',
)

/** Reads names separated by commas. */
export function hostNames(text: string): string[] {
  return text === '' ? [] : text.split(',').map(name => name.trim().toLowerCase())
}

/** Reads `AUID=URI`, several separated by commas; the URI is empty for what is here. Undefined if malformed. */
export function usageRoutes(text: string): ReadonlyMap<string, string> | undefined {
  const routes = new Map<string, string>()
  for (const part of text === '' ? [] : text.split(',')) {
    const [, auid, root] = /^\s*([\w.-]+)=(\S*)\s*$/.exec(part) ?? []
    if (auid === undefined || routes.has(auid) || (root !== '' && !isXcapRoot(root!))) return undefined
    routes.set(auid, root!)
  }
  return routes
}
