/**
 * The reference points of the OMA Presence SIMPLE architecture (the newer draft's names), one row each: between whom, in
 * which protocol, and where our end of it stands. A missing row does not compile.
 */

export type ReferencePoint =
  | `PRS-${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15}`
  | `XDM-${1 | 2 | 3 | 4 | 8}`
  | 'IP-1'
  | 'DM-1'

/** The functional entities of the architecture, and the clients in handsets. */
export type FunctionalEntity =
  | 'Presence Source'
  | 'Watcher'
  | 'XDM Client'
  | 'SIP/IP Core'
  | 'Presence Server'
  | 'Resource List Server'
  | 'Presence XDMS'
  | 'RLS XDMS'
  | 'Shared XDMS'
  | 'Aggregation Proxy'
  | 'Content Server'
  | 'Cross-Network Proxy'
  | 'Remote Presence Network'
  | 'DM Client'
  | 'DM Server'

export interface ReferencePointRow {
  readonly between: readonly [FunctionalEntity, FunctionalEntity]
  readonly protocol: 'SIP' | 'XCAP' | 'HTTP' | 'OMA DM'
  /** What crosses it. */
  readonly carries: string
  /** Folder below `src` of the entity that answers it; undefined while we have none. */
  readonly at: string | undefined
}

export const referencePoints = {
  'PRS-1': {
    between: ['Presence Source', 'SIP/IP Core'],
    protocol: 'SIP',
    carries: 'publications, from the handset',
    at: 'entities/sip-ip-core',
  },
  'PRS-2': {
    between: ['Watcher', 'SIP/IP Core'],
    protocol: 'SIP',
    carries: 'subscriptions to presence, presence lists and watcher information, and their notifications',
    at: 'entities/sip-ip-core',
  },
  'PRS-3': {
    between: ['SIP/IP Core', 'Presence Server'],
    protocol: 'SIP',
    carries: 'publications, presence and watcher-information subscriptions, document-change subscriptions',
    at: 'entities/presence-server',
  },
  'PRS-4': {
    between: ['SIP/IP Core', 'Resource List Server'],
    protocol: 'SIP',
    carries: 'list subscriptions in, back-end presence subscriptions out',
    at: 'entities/resource-list-server',
  },
  'PRS-5': {
    between: ['Presence Server', 'Shared XDMS'],
    protocol: 'XCAP',
    carries: 'URI lists named in presence rules',
    at: 'entities/xdm-client',
  },
  'PRS-6': {
    between: ['Presence XDMS', 'SIP/IP Core'],
    protocol: 'SIP',
    carries: 'subscriptions to changes of presence documents',
    at: 'entities/xdms',
  },
  'PRS-7': {
    between: ['Aggregation Proxy', 'Presence XDMS'],
    protocol: 'XCAP',
    carries: 'management of presence documents',
    at: 'entities/xdms',
  },
  'PRS-8': {
    between: ['Presence Server', 'Presence XDMS'],
    protocol: 'XCAP',
    carries: 'presence rules and hard state',
    at: 'entities/xdm-client',
  },
  'PRS-9': {
    between: ['Resource List Server', 'Shared XDMS'],
    protocol: 'XCAP',
    carries: 'URI lists',
    at: 'entities/xdm-client',
  },
  'PRS-10': {
    between: ['Resource List Server', 'RLS XDMS'],
    protocol: 'XCAP',
    carries: 'presence lists',
    at: 'entities/xdm-client',
  },
  'PRS-11': {
    between: ['RLS XDMS', 'SIP/IP Core'],
    protocol: 'SIP',
    carries: 'subscriptions to changes of presence lists',
    at: 'entities/xdms',
  },
  'PRS-12': {
    between: ['Aggregation Proxy', 'RLS XDMS'],
    protocol: 'XCAP',
    carries: 'management of presence lists',
    at: 'entities/xdms',
  },
  'PRS-13': {
    between: ['Presence Source', 'Content Server'],
    protocol: 'HTTP',
    carries: 'MIME objects stored',
    at: 'entities/content-server',
  },
  'PRS-14': {
    between: ['Watcher', 'Content Server'],
    protocol: 'HTTP',
    carries: 'MIME objects fetched',
    at: 'entities/content-server',
  },
  'PRS-15': {
    between: ['Presence Server', 'Content Server'],
    protocol: 'HTTP',
    carries: 'MIME objects fetched and stored',
    at: 'entities/content-server',
  },
  'XDM-1': {
    between: ['XDM Client', 'SIP/IP Core'],
    protocol: 'SIP',
    carries: 'subscriptions to changes of documents',
    at: 'entities/sip-ip-core',
  },
  'XDM-2': {
    between: ['Shared XDMS', 'SIP/IP Core'],
    protocol: 'SIP',
    carries: 'change notifications of shared documents',
    at: 'entities/xdms',
  },
  'XDM-3': {
    between: ['XDM Client', 'Aggregation Proxy'],
    protocol: 'XCAP',
    carries: 'all user document management',
    at: 'entities/aggregation-proxy',
  },
  'XDM-4': {
    between: ['Aggregation Proxy', 'Shared XDMS'],
    protocol: 'XCAP',
    carries: 'management of shared documents',
    at: 'entities/xdms',
  },
  'XDM-8': {
    between: ['Aggregation Proxy', 'Cross-Network Proxy'],
    protocol: 'XCAP',
    carries: 'documents of users of other networks, fetched',
    at: 'entities/aggregation-proxy',
  },
  'IP-1': {
    between: ['SIP/IP Core', 'Remote Presence Network'],
    protocol: 'SIP',
    carries: 'federation with another core',
    at: undefined,
  },
  'DM-1': {
    between: ['DM Client', 'DM Server'],
    protocol: 'OMA DM',
    carries: 'provisioning of the box',
    at: undefined,
  },
} satisfies Record<ReferencePoint, ReferencePointRow>
