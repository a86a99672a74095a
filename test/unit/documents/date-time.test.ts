import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatDateTime, parseDateTime } from '../../../src/documents/date-time.ts'

describe('xs:dateTime', () => {
  it('reads zones, fractions and no zone', () => {
    const noon = Date.UTC(2026, 10, 20, 12)
    for (const text of [
      '2026-11-20T12:00:00Z',
      '2026-11-20T13:00:00+01:00',
      '2026-11-20T04:30:00-07:30',
      '2026-11-20T12:00:00',
      '2026-11-20T12:00:00.000Z',
    ]) {
      assert.equal(parseDateTime(text), noon, text)
    }
    assert.equal(parseDateTime('2026-11-20T12:00:00.5Z'), noon + 500)
    assert.equal(parseDateTime('2026-11-20T12:00:00.1239Z'), noon + 123)
    assert.equal(parseDateTime('2024-02-29T00:00:00Z'), Date.UTC(2024, 1, 29))
  })

  it('refuses what is none: no capitals (RFC 3863 §4.1.7), no such day, no such time', () => {
    const wrong = [
      '',
      'now',
      '2026-11-20',
      '2026-11-20 12:00:00Z',
      '2026-11-20t12:00:00z',
      '2026-11-20T12:00:00z',
      '2026-13-01T00:00:00Z',
      '2026-04-31T00:00:00Z',
      '2025-02-29T00:00:00Z',
      '2026-01-00T00:00:00Z',
      '2026-01-01T24:01:00Z',
      '2026-01-01T00:60:00Z',
      '2026-01-01T00:00:60Z',
      '2026-01-01T00:00:00.Z',
      '2026-01-01T00:00:00+15:00',
      '2026-01-01T00:00:00+0100',
      '0000-01-01T00:00:00Z',
      '2026-01-01T00:00:00ZZ',
      '2026-01-01T00:00:0',
      ' 2026-01-01T00:00:00Z',
      '2026-01-01T-1:00:00Z',
    ]
    for (const text of wrong) assert.equal(parseDateTime(text), undefined, text)
  })

  it('writes what it reads', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1000, 0), max: Date.UTC(9000, 0) }), instant => {
        assert.equal(parseDateTime(formatDateTime(instant)), instant)
      }),
    )
    assert.equal(formatDateTime(Date.UTC(2026, 10, 20, 12)), '2026-11-20T12:00:00Z')
  })
})
