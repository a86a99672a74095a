import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConflictReport, type PlainCondition, writeConflictReport } from '../../../src/documents/xcap-error.ts'
import { equalElements } from '../../../src/documents/xml/compare.ts'
import { parseXml } from '../../../src/documents/xml/parse.ts'

function same(report: ConflictReport, document: string): void {
  const written = writeConflictReport(report)
  assert.ok(equalElements(parseXml(written), parseXml(Buffer.from(document))), written.toString())
}

test('RFC 4825 §11.1: the example, a service whose URI exists already', () =>
  same(
    {
      condition: 'uniqueness-failure',
      exists: [{ field: 'rls-services/service/@uri', alternatives: ['sip:mybuddies@example.com'] }],
    },
    `<?xml version="1.0" encoding="UTF-8"?>
<xcap-error xmlns="urn:ietf:params:xml:ns:xcap-error">
 <uniqueness-failure>
  <exists field="rls-services/service/@uri">
    <alt-value>sip:mybuddies@example.com</alt-value>
  </exists>
 </uniqueness-failure>
</xcap-error>`,
  ))

test('RFC 4825 §11.2: no-parent has its ancestor, the plain conditions a phrase', () => {
  const root = (inner: string) => `<xcap-error xmlns="urn:ietf:params:xml:ns:xcap-error">${inner}</xcap-error>`
  same(
    { condition: 'no-parent', ancestor: '/r/a?x', phrase: 'p' },
    root('<no-parent phrase="p"><ancestor>/r/a?x</ancestor></no-parent>'),
  )
  same({ condition: 'no-parent' }, root('<no-parent/>'))
  const plain: readonly PlainCondition[] = [
    'not-well-formed',
    'not-xml-frag',
    'schema-validation-error',
    'not-xml-att-value',
    'cannot-insert',
    'cannot-delete',
    'constraint-failure',
    'not-utf-8',
  ]
  for (const condition of plain) {
    same({ condition, phrase: '<"&' }, root(`<${condition} phrase="&lt;&quot;&amp;"/>`))
    same({ condition }, root(`<${condition}/>`))
  }
})

test('XDM-21: a limit of local policy stands in extension, with values that would do and a description', () =>
  same(
    {
      condition: 'local-constraint-failure',
      phrase: 'p',
      alternatives: [{ field: 'a/@b', value: 'v' }],
      description: 'd',
    },
    `<xcap-error xmlns="urn:ietf:params:xml:ns:xcap-error"><extension>
      <local-constraint-failure xmlns="urn:oma:xml:xdm:xcap-error" phrase="p">
        <alt-value field="a/@b">v</alt-value><description>d</description>
      </local-constraint-failure></extension></xcap-error>`,
  ))
