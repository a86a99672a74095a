/** Reference points whose other end may be an XDMS elsewhere (RP-33): where it is, and how its documents are kept. */

import { type RemoteServer, remoteServer } from './other-servers.ts'
import { type RowsOf, seconds, wholeNumber } from './row.ts'

/** An XDMS elsewhere for those who read documents by themselves, and learn of changes. */
export interface XdmPoint extends RemoteServer {
  readonly notifier: string
}

export interface XdmSettings {
  readonly pollSeconds: number
  readonly keepSeconds: number
}

/** How documents elsewhere are kept. */
export const xdmRows: RowsOf<'xdm', XdmSettings> = {
  'xdm.pollSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Xdm', 'PollInterval'],
    default: 300,
    meaning: 'how often documents elsewhere are asked for again while their changes are not notified',
    ...wholeNumber(10, 86_400),
  },
  'xdm.keepSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Xdm', 'KeepTime'],
    default: 3600,
    meaning: 'how long documents elsewhere count while it cannot be found out whether they have changed',
    ...wholeNumber(0, 2_147_483),
  },
}

/** Of those who read documents by themselves. */
export const readerRows = {
  ...remoteXdms('prs5', 'the Shared XDMS that the Presence Server reads lists in'),
  'prs5.notifier': notifierOf('prs5'),
  ...remoteXdms('prs8', 'the Presence XDMS that the Presence Server reads rules and permanent presence in'),
  'prs8.notifier': notifierOf('prs8'),
  ...remoteXdms('prs9', 'the Shared XDMS that the Resource List Server reads lists in'),
  'prs9.notifier': notifierOf('prs9'),
  ...remoteXdms('prs10', 'the RLS XDMS that the Resource List Server reads list services in'),
  'prs10.notifier': notifierOf('prs10'),
}

const crossNetworkProxy = remoteXdms('xdm8', 'the Cross-Network Proxy')
const crossNetwork = {
  ...crossNetworkProxy,
  'xdm8.root': {
    ...crossNetworkProxy['xdm8.root'],
    meaning:
      'XCAP root of the Cross-Network Proxy, by which documents of users of other domains are fetched; empty: they are not found',
  },
}

/** Of the Aggregation Proxy. */
export const proxyRows = {
  ...remoteXdms('prs7', 'the Presence XDMS that the Aggregation Proxy sends clients to'),
  ...remoteXdms('prs12', 'the RLS XDMS that the Aggregation Proxy sends clients to'),
  ...remoteXdms('xdm4', 'the Shared XDMS that the Aggregation Proxy sends clients to'),
  ...crossNetwork,
}

function remoteXdms<P extends string>(point: P, which: string) {
  return remoteServer(point, `XCAP root of ${which}`)
}

function notifierOf(point: string) {
  return {
    path: ['Vendor', 'Porchlight', point.toUpperCase(), 'Notifier'],
    format: 'chr',
    default: '',
    meaning: `where subscriptions to changes of documents at ${point}.root are sent (xcap-diff); empty: it is asked now and then`,
    allowed: 'a sip or sips URI, or empty',
    isAllowed: (text: string): boolean => text === '' || /^sips?:[\w.+%~-]*@?[\w.:[\]-]+(?:;[\w=.-]+)*$/.test(text),
    effect: 'at once',
  } as const
}
