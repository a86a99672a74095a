/** Where clients manage documents: HTTP and HTTPS. */

import { listening, type RowsOf, wholeNumber } from './row.ts'

const rate = { format: 'int', effect: 'at once', ...wholeNumber(0, 100_000) } as const

export interface HttpSettings {
  readonly listen: string
  readonly requestsPerSecondPerAddress: number
  readonly requestsPerSecondPerUser: number
}

export const httpRows: RowsOf<'http', HttpSettings> = {
  'http.listen': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Http', 'Listen'],
    default: '127.0.0.1:8080',
    meaning: 'where XCAP over HTTP without TLS listens; by default for this machine alone',
  },
  'http.requestsPerSecondPerAddress': {
    ...rate,
    path: ['Vendor', 'Porchlight', 'Http', 'RequestsPerAddress'],
    default: 500,
    meaning:
      'requests a second of one address (this machine aside) for long, and ten times as many at once; 429 beyond, 0: no limit',
  },
  'http.requestsPerSecondPerUser': {
    ...rate,
    path: ['Vendor', 'Porchlight', 'Http', 'RequestsPerUser'],
    default: 50,
    meaning: 'the same of one user',
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
