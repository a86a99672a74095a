/** RFC 5262 §6: the examples, a whole document and what becomes of it. */

import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import { patchedPidf, pidfDiff, readPidfDiff } from '../../../src/documents/pidf-diff.ts'
import { parsePidf } from '../../../src/documents/pidf-parts.ts'
import { canonical, readDocument } from '../../actors/xml-patcher.ts'

const full = `<?xml version="1.0" encoding="UTF-8"?>
<p:pidf-full xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:c="urn:ietf:params:xml:ns:pidf:caps" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" entity="pres:someone@example.com" version="567">

 <tuple id="sg89ae">
  <status>
   <basic>open</basic>
  </status>
  <contact priority="0.8">tel:09012345678</contact>
 </tuple>

 <tuple id="cg231jcr">
  <status>
   <basic>open</basic>
  </status>
  <contact priority="1.0">im:pep@example.com</contact>
 </tuple>

 <tuple id="r1230d">
  <status>
   <basic>closed</basic>
  </status>
  <contact priority="0.9">sip:pep@example.com</contact>
 </tuple>

 <note xml:lang="en">Full state presence document</note>

 <dm:person id="p123">
  <r:activities>
   <r:on-the-phone/>
   <r:busy/>
  </r:activities>
 </dm:person>

</p:pidf-full>`

const diff = `<?xml version="1.0" encoding="UTF-8"?>
<p:pidf-diff xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" entity="pres:someone@example.com" version="568">

<p:add sel="presence/note" pos="before"><tuple id="ert4773">
  <status>
   <basic>open</basic>
  </status>
  <contact priority="0.4">mailto:pep@example.com</contact>
 </tuple>

 </p:add>

<p:replace sel="*/tuple[@id='r1230d']/status/basic/text()">open</p:replace>

<p:remove sel="*/d:person/r:activities/r:busy" ws="after"/>

<p:replace sel="*/tuple[@id='cg231jcr']/contact/@priority">0.7</p:replace>

</p:pidf-diff>`

test('RFC 5262 §6: the partial document updates the full one as shown', () => {
  const whole = readPidfDiff(Buffer.from(full))
  assert.equal(whole.kind, 'full')
  const partial = readPidfDiff(Buffer.from(diff))
  assert.ok(partial.kind === 'diff' && whole.kind === 'full')
  const updated = Buffer.from(patchedPidf(whole.document, partial.operations)).toString()
  const expected = full
    .replace('p:pidf-full', 'presence')
    .replace('</p:pidf-full>', '</presence>')
    .replace(' version="567"', '')
    .replace(
      ' <note',
      ' <tuple id="ert4773">\n  <status>\n   <basic>open</basic>\n  </status>\n  <contact priority="0.4">mailto:pep@example.com</contact>\n </tuple>\n\n <note',
    )
    .replace('>closed<', '>open<')
    .replace('\n   <r:busy/>\n  ', '\n   ')
    .replace('"1.0">im', '"0.7">im')
  assert.equal(canonical(readDocument(updated)), canonical(readDocument(expected)))
})

test('RFC 5262 §3.2, §5.2: what changes is told without what may be left out, and is read as what it is', () => {
  const document = (basic: string, more = '') =>
    parsePidf(
      Buffer.from(
        `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:a@b.example"><tuple id="t"><status><basic>${basic}</basic></status></tuple>${more}</presence>`,
      ),
    ).root
  const changed = pidfDiff(document('open'), document('closed'))!.with(7)
  assert.equal(
    Buffer.from(changed).toString(),
    `<pidf-diff xmlns="urn:ietf:params:xml:ns:pidf-diff" version="7"><replace sel="*/*/*/*/text()">closed</replace></pidf-diff>`,
  )
  const added = pidfDiff(document('open'), document('open', '<note>x</note>'))!.with(8)
  assert.equal(
    Buffer.from(added).toString(),
    `<p:pidf-diff xmlns:p="urn:ietf:params:xml:ns:pidf-diff" xmlns="urn:ietf:params:xml:ns:pidf" version="8"><p:add sel="*"><note>x</note></p:add></p:pidf-diff>`,
  )
  for (const diff of [changed, added]) assert.equal(readPidfDiff(diff).kind, 'diff')
})
