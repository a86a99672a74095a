/** How users prove who they are (RFC 7616, RFC 8760). */

import { type RowsOf, seconds, wholeNumber } from './row.ts'

export interface AuthSettings {
  readonly required: boolean
  readonly realm: string
  readonly algorithms: string
  readonly nonceSeconds: number
  readonly failuresPerAddress: number
  readonly failuresPerUser: number
  readonly lockSeconds: number
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
  'auth.failuresPerAddress': {
    path: ['Vendor', 'Porchlight', 'Auth', 'FailuresPerAddress'],
    format: 'int',
    default: 30,
    meaning: 'wrong credentials of one address within auth.lockSeconds; then it is answered 503 until they are over',
    ...wholeNumber(3, 100_000),
    effect: 'at once',
  },
  'auth.failuresPerUser': {
    path: ['Vendor', 'Porchlight', 'Auth', 'FailuresPerUser'],
    format: 'int',
    default: 100,
    meaning: 'wrong credentials in the name of one user within auth.lockSeconds, from wherever; then the same',
    ...wholeNumber(3, 100_000),
    effect: 'at once',
  },
  'auth.lockSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Auth', 'LockTime'],
    default: 60,
    meaning: 'how long wrong credentials count, from the first of them on',
    ...wholeNumber(1, 86_400),
  },
}

/** One or more of `words`, none twice, separated by commas. */
function isListOf(text: string, words: readonly string[]): boolean {
  const listed = text.split(',')
  return new Set(listed).size === listed.length && listed.every(word => words.includes(word))
}
