/** RFC 4827: presence set by hand, with its example; and the other name of the document (DEC-04). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DocumentBox } from '../../unit/entities/xdms/box.ts'

const at = '/pidf-manipulation/users/sip:bill@example.com/index'
const type = 'application/pidf+xml'

const example = `<?xml version="1.0" encoding="UTF-8"?>
      <presence xmlns="urn:ietf:params:xml:ns:pidf"
           xmlns:rp="urn:ietf:params:xml:ns:pidf:rpid"
           xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
           xmlns:ci="urn:ietf:params:xml:ns:pidf:cipid"
           entity="sip:bill@example.com">
        <tuple id="x8eg92m">
          <status>
            <basic>closed</basic>
          </status>
          <rp:user-input>idle</rp:user-input>
          <rp:class>auth-1</rp:class>
          <contact priority="0.5">sip:user@example.com</contact>
          <note>I'm available only by e-mail.</note>
          <timestamp>2004-02-06T16:49:29Z</timestamp>
        </tuple>
        <tuple id="x8eg92n">
          <status>
            <basic>open</basic>
          </status>
          <rp:class>auth-1</rp:class>
          <contact priority="1.0">mailto:someone@example.com</contact>
          <note>I'm reading mail a couple of times a week</note>
        </tuple>
        <dm:person id="p1">
           <rp:class>auth-A</rp:class>
           <ci:homepage>http://www.example.com/~someone</ci:homepage>
           <rp:activities>
               <rp:vacation/>
           </rp:activities>
        </dm:person>
      </presence>
`

test('§11: the document is created, and then its note replaced', () => {
  const box = new DocumentBox()
  const created = box.put(at, example, type)
  assert.equal(created.status, 201, created.body)
  const note = "<note>I'm reading mails on Tuesdays and Fridays</note>"
  const target = `${at}/~~/presence/tuple%5b@id='x8eg92n'%5d/note`
  const replaced = box.putNode(target, note, { headers: { 'if-match': created.etag } })
  assert.equal(replaced.status, 200)
  assert.equal(box.get(at).body, example.replace("<note>I'm reading mail a couple of times a week</note>", note))
})

test('§9, DEC-04: a user has one document, under two names and no third', () => {
  const box = new DocumentBox()
  const { etag } = box.put(at.replace('index', 'perm-presence'), example, type)
  assert.equal(box.get(at).etag, etag)
  assert.equal(box.put(at, example, type).etag, etag)
  assert.equal(box.put(at.replace('index', 'other'), example, type).conflict.name, 'constraint-failure')
  assert.equal(box.get(at.replace('index', 'other')).status, 404)
})
