/**
 * Every setting of the box, one row each: its dotted name, where it stands in the management tree (OMA DM, TND §6), its
 * format, unit, default and meaning. The groups stand in files of their own; this puts them together.
 */

import { isDomainName } from './addresses.ts'
import { type AuthSettings, authRows } from './auth.ts'
import { type ContentSettings, contentRows, storeRows } from './content.ts'
import { type HttpSettings, type HttpsSettings, httpRows, httpsRows } from './http.ts'
import { type ListsSettings, listsRows } from './lists.ts'
import { type LogSettings, logRows } from './log.ts'
import type { RemoteServer, ServerListener } from './other-servers.ts'
import { type PresenceSettings, presenceRows } from './presence.ts'
import { type RegistrarSettings, registrarRows } from './registrar.ts'
import type { NamesOf, Row, ValueAt } from './row.ts'
import { type SigcompSettings, sigcompRows } from './sigcomp.ts'
import { type SipSettings, sipRows } from './sip.ts'
import { type TlsSettings, tlsRows } from './tls.ts'
import { type XcapSettings, xcapRows, xdmsRows } from './xcap.ts'
import { proxyRows, readerRows, type XdmPoint, type XdmSettings, xdmRows } from './xdm-points.ts'

export interface Settings {
  readonly domain: string
  readonly sip: SipSettings
  readonly http: HttpSettings
  readonly https: HttpsSettings
  readonly xcap: XcapSettings
  readonly xdms: ServerListener
  /** Presence Server to Shared XDMS and Presence XDMS. */
  readonly prs5: XdmPoint
  readonly prs8: XdmPoint
  /** Resource List Server to Shared XDMS and RLS XDMS. */
  readonly prs9: XdmPoint
  readonly prs10: XdmPoint
  readonly xdm: XdmSettings
  /** Aggregation Proxy to Presence XDMS, RLS XDMS and Shared XDMS. */
  readonly prs7: RemoteServer
  readonly prs12: RemoteServer
  readonly xdm4: RemoteServer
  /** Aggregation Proxy to Cross-Network Proxy. */
  readonly xdm8: RemoteServer
  readonly content: ContentSettings
  /** Presence Server to Content Server. */
  readonly prs15: RemoteServer
  readonly tls: TlsSettings
  readonly auth: AuthSettings
  readonly registrar: RegistrarSettings
  readonly presence: PresenceSettings
  readonly sigcomp: SigcompSettings
  readonly lists: ListsSettings
  readonly log: LogSettings
}

export type SettingName = NamesOf<Settings>

/** A row missing here, or of another type than in `Settings`, does not compile. The order is that of `settings list`. */
export const rows: { readonly [Name in SettingName]: Row<ValueAt<Settings, Name>> } = {
  domain: {
    path: ['Vendor', 'Porchlight', 'Domain', 'Name'],
    format: 'chr',
    default: 'box.example',
    meaning: 'the SIP domain whose users live here',
    allowed: 'a domain name in lower case',
    isAllowed: isDomainName,
    effect: 'at the next start',
  },
  ...sipRows,
  ...httpRows,
  ...httpsRows,
  ...xcapRows,
  ...xdmsRows,
  ...readerRows,
  ...xdmRows,
  ...proxyRows,
  ...contentRows,
  ...storeRows,
  ...tlsRows,
  ...authRows,
  ...registrarRows,
  ...presenceRows,
  ...sigcompRows,
  ...listsRows,
  ...logRows,
}

/** Pairs of which the first must not exceed the second. */
export const ascending: readonly (readonly [SettingName, SettingName])[] = [
  ['registrar.minSeconds', 'registrar.defaultSeconds'],
  ['registrar.defaultSeconds', 'registrar.maxSeconds'],
  ['presence.publicationMinSeconds', 'presence.publicationDefaultSeconds'],
  ['presence.publicationDefaultSeconds', 'presence.publicationMaxSeconds'],
  ['presence.subscriptionMinSeconds', 'presence.subscriptionDefaultSeconds'],
  ['presence.subscriptionDefaultSeconds', 'presence.subscriptionMaxSeconds'],
]
