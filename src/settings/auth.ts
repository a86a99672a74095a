/** How users prove who they are (RFC 7616, RFC 8760). */

import { type RowsOf, seconds, wholeNumber } from './row.ts'

export interface AuthSettings {
  readonly required: boolean
  readonly realm: string
  readonly algorithms: string
  readonly nonceSeconds: number
}

export const authRows: RowsOf<'auth', AuthSettings> = {
  'auth.required': {
    path: ['Vendor', 'Porchlight', 'Auth', 'Required'],
    format: 'bool',
    default: true,
    meaning: 'whether users prove who they are; false is for laboratories: identity is whatever From says',
    allowed: 'true or false',
    effect: 'at once',
  },
  'auth.realm': {
    path: ['Vendor', 'Porchlight', 'Auth', 'Realm'],
    format: 'chr',
    default: '',
    meaning:
      'realm of digest challenges; empty: the domain. Passwords are kept as digests of it: set them anew after a change',
    allowed: 'text without quotes and control characters, or empty',
    isAllowed: text => /^[^"\\\x00-\x1f\x7f]*$/.test(text),
    effect: 'at the next start',
  },
  'auth.algorithms': {
    path: ['Vendor', 'Porchlight', 'Auth', 'Algorithms'],
    format: 'chr',
    default: 'SHA-256,SHA-512-256,MD5',
    meaning: 'digest algorithms accepted, preferred first; without MD5, clients that know no other stay outside',
    allowed: 'SHA-256, SHA-512-256 and MD5, separated by commas',
    isAllowed: text => isListOf(text, ['SHA-256', 'SHA-512-256', 'MD5']),
    effect: 'at once',
  },
  'auth.nonceSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Auth', 'NonceLifetime'],
    default: 300,
    meaning: 'how long a nonce may be used before it is stale',
    ...wholeNumber(10, 86_400),
  },
}

/** One or more of `words`, none twice, separated by commas. */
function isListOf(text: string, words: readonly string[]): boolean {
  const listed = text.split(',')
  return new Set(listed).size === listed.length && listed.every(word => words.includes(word))
}
