import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeResponse } from '../../../../src/protocols/http/writer.ts'

test('RFC 9110 §5.5: no value ends its line, also not by characters whose last octet is a line end', () => {
  const context = { date: 'Sat, 28 Nov 2026 18:56:15 GMT', isHead: false, keepsConnection: true }
  const headers = { A: 'x\u010d\u010aB: y', C: ['x\r\nD: y', 'plain\tü'] }
  for (const body of [undefined, Buffer.from('body')]) {
    const written = writeResponse({ status: 200, headers, body }, context)
    const text = Buffer.from(written as string, 'latin1').toString('latin1')
    assert.deepEqual(text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n').slice(2, 5), [
      'A: x??B: y',
      'C: x??D: y',
      'C: plain\tü',
    ])
    assert.doesNotMatch(text, /^[BD]:/m)
  }
})
