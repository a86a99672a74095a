import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headerIdAt, headerIdCount, headerName, headerNameOf } from '../../../../src/protocols/sip/headers.ts'

test('every name is found in octets and in text, by its long and compact form, in any case', () => {
  for (let id = 1; id < headerIdCount; id++) {
    const { name, compact } = headerNameOf(id)
    for (const text of compact === undefined ? [name] : [name, compact]) {
      for (const spelled of [text, text.toLowerCase(), text.toUpperCase()]) {
        const bytes = Buffer.from(`: ${spelled}:`)
        assert.equal(headerIdAt(bytes, 2, bytes.length - 1), id, spelled)
        assert.equal(headerName(spelled).id, id, spelled)
      }
    }
  }
})

test('RFC 3261 §7.3.3 and its extensions: the compact forms', () => {
  const forms = 'acuimeloyfrbjdxsktv'
  const names = [...forms].map(form => headerName(form).name)
  assert.equal(new Set(names).size, forms.length)
  assert.deepEqual(names.slice(0, 7), [
    'Accept-Contact',
    'Content-Type',
    'Allow-Events',
    'Call-ID',
    'Contact',
    'Content-Encoding',
    'Content-Length',
  ])
})

test('what is not in the table keeps its spelling', () => {
  for (const text of ['X-Vendor', 'Fro', 'Fromm', 'w', 'FRO\x0d', 'C%6Fntact']) {
    const bytes = Buffer.from(text)
    assert.equal(headerIdAt(bytes, 0, bytes.length), 0, text)
    assert.deepEqual([headerName(text).id, headerName(text).name], [0, text])
  }
})
