/** Where SIP is spoken, and by what name the box is reached. */

import { isHost } from './addresses.ts'
import { listening, type RowsOf } from './row.ts'

export interface SipSettings {
  readonly udp: string
  readonly tcp: string
  readonly tls: string
  readonly advertisedHost: string
}

export const sipRows: RowsOf<'sip', SipSettings> = {
  'sip.udp': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Sip', 'Udp'],
    default: '0.0.0.0:5060',
    meaning: 'where SIP over UDP listens',
  },
  'sip.tcp': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Sip', 'Tcp'],
    default: '0.0.0.0:5060',
    meaning: 'where SIP over TCP listens',
  },
  'sip.tls': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Sip', 'Tls'],
    default: '0.0.0.0:5061',
    meaning: 'where SIP over TLS listens',
  },
  'sip.advertisedHost': {
    path: ['Vendor', 'Porchlight', 'Sip', 'AdvertisedHost'],
    format: 'chr',
    default: '',
    meaning: 'host that peers are told to reach this box by (Via, Contact, Record-Route); empty: the listening address',
    allowed: 'a host name or IP address, or empty',
    isAllowed: text => text === '' || isHost(text),
    effect: 'at the next start',
  },
}
