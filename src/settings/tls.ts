/** Certificates: our own, and whose we believe. */

import type { RowsOf } from './row.ts'

export interface TlsSettings {
  readonly certificate: string
  readonly key: string
  readonly authorities: string
}

export const tlsRows: RowsOf<'tls', TlsSettings> = {
  'tls.certificate': {
    path: ['Vendor', 'Porchlight', 'Tls', 'Certificate'],
    format: 'chr',
    default: '',
    meaning: 'file of the certificate chain (PEM); empty: the box signs its own for the domain',
    allowed: 'a file name, or empty',
    effect: 'at once',
  },
  'tls.key': {
    path: ['Vendor', 'Porchlight', 'Tls', 'Key'],
    format: 'chr',
    default: '',
    meaning: 'file of the private key of tls.certificate (PEM)',
    allowed: 'a file name, or empty',
    effect: 'at once',
  },
  'tls.authorities': {
    path: ['Vendor', 'Porchlight', 'Tls', 'Authorities'],
    format: 'chr',
    default: '',
    meaning: 'file of certificates (PEM) trusted beside the public authorities when the box connects to others',
    allowed: 'a file name, or empty',
    effect: 'at once',
  },
}
