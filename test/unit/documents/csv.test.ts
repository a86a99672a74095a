/** Tables as text, as RFC 4180 §2 has them and as spreadsheets write them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CsvError, csvRecords } from '../../../src/documents/csv.ts'

test('quotes hold separators, line breaks and doubled quotes; each record knows its line', () => {
  assert.deepEqual(
    [...csvRecords('\ufeffa, b ,"c,""d""\r\ne"\r\n\r\n,f\n"",')],
    [
      { line: 1, fields: ['a', 'b', 'c,"d"\r\ne'] },
      { line: 4, fields: ['', 'f'] },
      { line: 5, fields: ['', ''] },
    ],
  )
  assert.deepEqual([...csvRecords('a;"b;c";d,e', ';')], [{ line: 1, fields: ['a', 'b;c', 'd,e'] }])
})

test('a quote that is not closed, or followed by text, is refused with its line', () => {
  for (const [text, message] of [
    ['a\n"b', 'line 2: a quote is not closed'],
    ['a\n"b"c', 'line 2: text follows a closing quote'],
  ] as const)
    assert.throws(
      () => [...csvRecords(text)],
      (error: Error) => error instanceof CsvError && error.message === message,
    )
})
