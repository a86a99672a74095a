/** Values of simple types (XML Schema part 2). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  anyUri,
  boolean,
  date,
  dateTime,
  id,
  integer,
  language,
  nonNegativeInteger,
  oneOf,
  positiveInteger,
  priority,
  type SimpleType,
  tokenOf,
} from '../../../../src/documents/grammar/simple-types.ts'

const cases: readonly (readonly [name: string, type: SimpleType, good: readonly string[], bad: readonly string[]])[] = [
  ['boolean', boolean, ['true', 'false', '0', '1', ' true\n'], ['TRUE', 'yes', '', '2']],
  [
    'anyURI',
    anyUri,
    [
      '',
      'a',
      'sip:a@b',
      'sip:a@[::1]',
      'http://[::1]:80/a',
      'tel:+1-2',
      '//h/p',
      'a b',
      'x:%41',
      'http://a/b?c#d',
      'x/ü:ä',
    ],
    [
      '%',
      '%4',
      '%zz',
      'a#b#c',
      '1a:b',
      'http://a:b/',
      'http://[::1',
      'a[b]',
      'http://a]b/',
      'a?b[c]',
      'http://a@b@c[d]/',
    ],
  ],
  ['ID', id, ['a', '_', 'a-b.c1', ' a ', 'é', '\u{10000}'], ['', '1', '-a', 'a b', 'a:b', '·a']],
  [
    'dateTime',
    dateTime,
    [
      '2026-11-20T10:00:00Z',
      ' 2026-11-20T10:00:00.123456-14:00 ',
      '2024-02-29T00:00:00',
      '2026-01-01T24:00:00.0',
      '-0044-03-15T00:00:00Z',
      '12026-01-01T00:00:00Z',
    ],
    [
      '2026-11-20',
      '2026-11-20T10:00Z',
      '2026-13-20T10:00:00Z',
      '2026-02-29T10:00:00Z',
      '1900-02-29T10:00:00Z',
      '2026-01-01T24:00:01Z',
      '2026-01-01T10:60:00Z',
      '2026-01-01T10:00:00+14:01',
      '2026-01-01T10:00:00.Z',
      '0000-01-01T00:00:00Z',
      '012026-01-01T00:00:00Z',
      '2026-04-31T00:00:00Z',
    ],
  ],
  ['date', date, ['2000-02-29', '1970-01-31Z', '1970-01-31+01:00'], ['2001-02-29', '1970-1-31', '1970-01-31T00:00:00']],
  ['integer', integer, ['0', '-60', '+5', ' 7 ', '99999999999999999999'], ['', '1.0', '1e3', '- 1']],
  ['nonNegativeInteger', nonNegativeInteger, ['0', '-0', '+1', '17'], ['-1', '1.5', '']],
  ['positiveInteger', positiveInteger, ['1', '+10', '007'], ['0', '-1', '+0']],
  ['language', language, ['en', 'en-GB', 'i-klingon', 'x'], ['', 'en_GB', 'abcdefghi', 'en-']],
  ['qvalue', priority, ['0', '1', '0.5', '1.000', '0.123', '0.'], ['2', '0.1234', '1.001', '.5', '-0', '']],
  ['an enumeration of strings', oneOf('open', 'closed'), ['open', 'closed'], [' open', 'Open', '']],
  [
    'an enumeration of tokens',
    tokenOf('allow', 'polite-block'),
    [' allow ', 'polite-block'],
    ['Allow', 'polite block'],
  ],
]

for (const [name, type, good, bad] of cases) {
  test(`${name} accepts what it should and nothing else`, () => {
    assert.deepEqual(
      good.filter(value => !type.accepts(value)),
      [],
      'refused',
    )
    assert.deepEqual(
      bad.filter(value => type.accepts(value)),
      [],
      'accepted',
    )
  })
}
