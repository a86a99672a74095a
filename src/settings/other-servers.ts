/** Servers elsewhere at the other end of a reference point (RP-33): where they are, and which are let in and believed. */

import { isAddressRange, isDomainName, isXcapRoot } from './addresses.ts'
import { listening } from './row.ts'

/** Where the documents or objects of one reference point are: here when `root` is empty. */
export interface RemoteServer {
  readonly root: string
  readonly username: string
  readonly password: string
}

/** A way in for servers elsewhere, who say of whom a request is. */
export interface ServerListener {
  readonly listen: string
  readonly listenTls: string
  readonly trusted: string
  readonly trustedNames: string
}

/** The settings of a reference point whose other end may be elsewhere; `what` its root is. */
export function remoteServer<P extends string>(point: P, what: string) {
  const node = point.toUpperCase()
  const credential = { format: 'chr', default: '', effect: 'at once' } as const
  const rows = {
    root: {
      path: ['Vendor', 'Porchlight', node, 'Root'],
      format: 'chr',
      default: '',
      meaning: `${what}; empty: the one of this box`,
      allowed: 'an http or https URI without a slash at its end, or empty',
      isAllowed: (text: string): boolean => text === '' || isXcapRoot(text),
      effect: 'at once',
    },
    username: {
      ...credential,
      path: ['Vendor', 'Porchlight', node, 'Username'],
      meaning: `user name for digest challenges at ${point}.root; empty: it is enough who we are`,
      allowed: 'text without control characters, or empty',
      isAllowed: (text: string): boolean => !/[\x00-\x1f\x7f]/.test(text),
    },
    password: {
      ...credential,
      path: ['Vendor', 'Porchlight', node, 'Password'],
      meaning: `password for digest challenges at ${point}.root`,
      allowed: 'text, or empty',
      isSecret: true,
    },
  } as const
  return Object.fromEntries(Object.entries(rows).map(([name, row]) => [`${point}.${name}`, row])) as {
    [Name in keyof typeof rows as `${P}.${Name}`]: (typeof rows)[Name]
  }
}

/** The settings of a way in, at a node of the management tree: which server of ours is reached, by which of others. */
export function serverListener<G extends string>(group: G, node: string, ours: string, others: string) {
  const rows = {
    listen: {
      ...listening,
      path: ['Vendor', 'Porchlight', node, 'Listen'],
      default: '',
      meaning: `where ${ours} of this box is reached by ${others} elsewhere, over HTTP`,
    },
    listenTls: {
      ...listening,
      path: ['Vendor', 'Porchlight', node, 'ListenTls'],
      default: '',
      meaning: 'the same over HTTPS, where they show a certificate',
    },
    trusted: {
      path: ['Vendor', 'Porchlight', node, 'Trusted'],
      format: 'chr',
      default: '',
      meaning: `addresses of ${others} whose X-3GPP-Asserted-Identity and X-XCAP-Asserted-Identity are believed`,
      allowed: 'addresses or ADDRESS/LENGTH, separated by commas, or empty',
      isAllowed: (text: string): boolean => text === '' || text.split(',').every(part => isAddressRange(part.trim())),
      effect: 'at once',
    },
    trustedNames: {
      path: ['Vendor', 'Porchlight', node, 'TrustedNames'],
      format: 'chr',
      default: '',
      meaning: 'host names of such, proved by certificates that tls.authorities or the public ones have signed',
      allowed: 'host names separated by commas, or empty',
      isAllowed: (text: string): boolean =>
        text === '' || text.split(',').every(part => isDomainName(part.trim().toLowerCase())),
      effect: 'at once',
    },
  } as const
  return Object.fromEntries(Object.entries(rows).map(([name, row]) => [`${group}.${name}`, row])) as {
    [Name in keyof typeof rows as `${G}.${Name}`]: (typeof rows)[Name]
  }
}
