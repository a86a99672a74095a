/** RFC 3863 §4: XML-encoded presence data format, as the compositor reads it. */

import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import { pidfNamespace } from '../../../src/documents/pidf.ts'
import {
  basicStatus,
  contactPriority,
  hasUnknownMandatory,
  parsePidf,
  timestampOf,
} from '../../../src/documents/pidf-parts.ts'
import { publishedPidf } from '../../../src/documents/published-pidf.ts'
import { XmlError } from '../../../src/documents/xml/parse.ts'
import { childElement, childElements, isNamed, trimmedText } from '../../../src/documents/xml/tree.ts'

const default431 = `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf"
     xmlns:im="urn:ietf:params:xml:ns:pidf:im"
     xmlns:myex="http://id.example.com/presence/"
     entity="pres:someone@example.com">
  <tuple id="bs35r9">
    <status>
      <basic>open</basic>
      <im:im>busy</im:im>
      <myex:location>home</myex:location>
    </status>
    <contact priority="0.8">im:someone@mobilecarrier.net</contact>
    <note xml:lang="en">Don't Disturb Please!</note>
    <note xml:lang="fr">Ne derangez pas, s'il vous plait</note>
    <timestamp>2001-10-27T16:49:29Z</timestamp>
  </tuple>
  <tuple id="eg92n8">
    <status>
      <basic>open</basic>
    </status>
    <contact priority="1.0">mailto:someone@example.com</contact>
  </tuple>
  <note>I'll be in Tokyo next week</note>
</presence>`

const prefixed433 = `<?xml version="1.0" encoding="UTF-8"?>
<impp:presence xmlns:impp="urn:ietf:params:xml:ns:pidf"
     xmlns:myex="http://id.mycompany.com/presence/"
     entity="pres:someone@example.com">
  <impp:tuple id="tj25ds">
    <impp:status>
      <impp:basic>open</impp:basic>
    </impp:status>
    <myex:complexExtension>
      <myex:ex1 impp:mustUnderstand="1">val1</myex:ex1>
      <myex:ex2>val2</myex:ex2>
    </myex:complexExtension>
    <impp:contact priority="0.725">tel:+09012345678</impp:contact>
  </impp:tuple>
  <myex:mytag>My extended presentity information</myex:mytag>
</impp:presence>`

const read = (text: string) => parsePidf(Buffer.from(text))
const check = (text: string) => publishedPidf(Buffer.from(text))

describe('RFC 3863 §4.1: XML format definitions', () => {
  it('§4.1: a PIDF object is well-formed and in UTF-8, which everyone accepts', () => {
    assert.equal(check(default431).sendable, true)
    assert.throws(() => check(default431.slice(0, -1)), XmlError)
  })

  it('§4.1.1: tuples, notes and extensions of the presentity; entity is mandatory (PS-60)', () => {
    const document = read(default431)
    assert.equal(document.entity, 'pres:someone@example.com')
    assert.deepEqual([document.tuples.length, document.notes.length, document.extensions.length], [2, 1, 0])
    assert.throws(() => check(default431.replace('entity=', 'identity=')), XmlError)
  })

  it('§4.1.2: a tuple id is unique in the document (PS-60)', () => {
    assert.throws(() => check(default431.replace('eg92n8', 'bs35r9')), XmlError)
  })

  it('§4.1.4: basic is open or closed', () => {
    const [tuple] = read(default431).tuples
    assert.equal(basicStatus(tuple!), 'open')
    assert.throws(() => check(default431.replace('>open<', '>away<')), XmlError)
  })

  it('§4.1.5: priority is a decimal from 0 to 1 with at most three decimals; else as if it were absent, and absent is lowest', () => {
    const priority = (text: string) =>
      contactPriority(childElement(read(default431.replace('"0.8"', text)).tuples[0]!, pidfNamespace, 'contact'))
    for (const [text, value] of [
      ['"0"', 0],
      ['"0.021"', 0.021],
      ['"0.5"', 0.5],
      ['"1.00"', 1],
      ['"1.001"', 0],
      ['"2"', 0],
      ['"-1"', 0],
      ['"0.1234"', 0],
      ['"high"', 0],
    ] as const) {
      assert.equal(priority(text), value, text)
    }
    assert.equal(
      contactPriority(
        childElement(read(default431.replace(' priority="0.8"', '')).tuples[0]!, pidfNamespace, 'contact'),
      ),
      0,
    )
    assert.equal(contactPriority(undefined), 0)
  })

  it('§4.1.7: timestamp is a date and time with capital T and Z', () => {
    assert.equal(timestampOf(read(default431).tuples[0]!), Date.UTC(2001, 9, 27, 16, 49, 29))
    assert.equal(timestampOf(read(default431.replace('29Z', '29z')).tuples[0]!), undefined)
    assert.equal(timestampOf(read(default431).tuples[1]!), undefined)
  })
})

describe('RFC 3863 §4.2: extensibility', () => {
  it('§4.2.2: whatever the prefix, the namespace decides (PS-63)', () => {
    const document = read(prefixed433)
    assert.equal(document.tuples.length, 1)
    assert.equal(basicStatus(document.tuples[0]!), 'open')
    assert.equal(check(prefixed433).sendable, true)
    assert.equal(
      check(
        default431
          .replaceAll(/(<\/?)(presence|tuple|status|basic|contact|note|timestamp)/g, '$1ep:$2')
          .replace('xmlns=', 'xmlns:ep='),
      ).sendable,
      true,
    )
  })

  it('§4.2.3: an element with an unrecognized name is ignored with all that is in it, and kept (PS-61)', () => {
    const document = default431.replace('<im:im>busy</im:im>', '<im:tuple><tuple id="bs35r9"/></im:tuple>')
    assert.equal(check(document).sendable, true)
    const status = childElement(read(document).tuples[0]!, pidfNamespace, 'status')!
    assert.deepEqual(
      childElements(status).map(child => child.name),
      ['basic', 'tuple', 'location'],
    )
  })

  it('§4.2.3, §4.3.3: with something that must be understood and is not, the whole extension counts as unrecognized', () => {
    const extension = read(prefixed433).tuples[0]!.children.find(node =>
      isNamed(node, 'http://id.mycompany.com/presence/', 'complexExtension'),
    )
    assert.ok(extension?.kind === 'element' && hasUnknownMandatory(extension))
    const [tag] = read(prefixed433).extensions
    assert.ok(tag !== undefined && !hasUnknownMandatory(tag))
    assert.equal(trimmedText(tag), 'My extended presentity information')
  })

  it('§4.2.3: mustUnderstand="0" demands nothing', () => {
    const extension = read(prefixed433.replace('mustUnderstand="1"', 'mustUnderstand="0"')).tuples[0]!
    assert.equal(hasUnknownMandatory(extension), false)
  })
})
