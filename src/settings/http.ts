/** Where clients manage documents: HTTP and HTTPS. */

import { listening, type RowsOf } from './row.ts'

export interface HttpSettings {
  readonly listen: string
}

export const httpRows: RowsOf<'http', HttpSettings> = {
  'http.listen': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Http', 'Listen'],
    default: '127.0.0.1:8080',
    meaning: 'where XCAP over HTTP without TLS listens; by default for this machine alone',
  },
}

export interface HttpsSettings {
  readonly listen: string
}

export const httpsRows: RowsOf<'https', HttpsSettings> = {
  'https.listen': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Https', 'Listen'],
    default: '0.0.0.0:8443',
    meaning: 'where XCAP over HTTPS listens',
  },
}
