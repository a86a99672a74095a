import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import { publishedPidf } from '../../../src/documents/published-pidf.ts'
import { defaultXmlLimits, XmlError } from '../../../src/documents/xml/parse.ts'

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
const open = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:op="urn:oma:xml:prs:pidf:oma-pres" xmlns:pde="urn:oma:xml:pde:pidf:ext" xmlns:x="urn:example" entity="sip:alice@box.example">`
const tuple = '<tuple id="t1"><status><basic>open</basic></status></tuple>'
const inPresence = (content: string) => Buffer.from(`${declaration}${open}${content}</presence>`, 'utf8')
const sendable = (content: string) => publishedPidf(inPresence(content)).sendable

describe('the summary of a published document', () => {
  it('says where its entity stands and where a tuple can be added', () => {
    const bytes = inPresence(`${tuple}<note>n</note>`)
    const summary = publishedPidf(bytes)
    assert.equal(bytes.toString('utf8', summary.entityStart, summary.entityEnd), 'sip:alice@box.example')
    assert.equal(bytes.toString('utf8', summary.tuplesEnd), '<note>n</note></presence>')
    assert.deepEqual([summary.sendable, summary.declared, summary.hasTuples, summary.until], [true, true, true, 0])
  })

  it('counts octets where the document is not ASCII', () => {
    const bytes = Buffer.from(
      `<!-- \u{1F600} --><p:presence x:é="entity='no'" xmlns:x="u" xmlns:p="urn:ietf:params:xml:ns:pidf" entity = 'pres:a@b'><p:tuple id="t"><p:status/><p:note>ü</p:note></p:tuple>\n</p:presence>`,
    )
    const summary = publishedPidf(bytes)
    assert.equal(bytes.toString('utf8', summary.entityStart, summary.entityEnd), 'pres:a@b')
    assert.equal(bytes.toString('utf8', summary.tuplesEnd), '\n</p:presence>')
    assert.equal(summary.declared, false)
  })

  it('has the place behind the start tag where there is no tuple', () => {
    const bytes = inPresence('<note>n</note>')
    const summary = publishedPidf(bytes)
    assert.equal(bytes.toString('utf8', summary.tuplesEnd), '<note>n</note></presence>')
    assert.equal(summary.hasTuples, false)
  })

  it('has the earliest end of what ends by itself (OP-11): RPID, timed status, OMA', () => {
    const at = (day: number) => `2026-11-${day}T00:00:00Z`
    const person = (attributes: string) => `<dm:person id="p"><r:mood ${attributes}><r:happy/></r:mood></dm:person>`
    assert.equal(publishedPidf(inPresence(person(`until="${at(20)}"`))).until, Date.UTC(2026, 10, 20))
    assert.equal(publishedPidf(inPresence(person(`from="${at(20)}"`))).until, 0)
    assert.equal(publishedPidf(inPresence(person('until="soon"'))).until, 0)
    const several = `<dm:person id="p"><r:mood until="${at(21)}"/><op:overriding-willingness pde:until="${at(19)}"/></dm:person>`
    assert.equal(publishedPidf(inPresence(several)).until, Date.UTC(2026, 10, 19))
    assert.equal(publishedPidf(inPresence(`<x:unknown until="${at(20)}"/>`)).until, 0)
    const timed = `<tuple id="t"><status/><ts:timed-status xmlns:ts="urn:ietf:params:xml:ns:pidf:timed-status" from="${at(18)}" until="${at(20)}"/></tuple>`
    assert.equal(publishedPidf(inPresence(timed)).until, Date.UTC(2026, 10, 20))
  })
})

describe('a published document that cannot be sent as it is', () => {
  const repaired: readonly (readonly [what: string, content: string])[] = [
    ['an id that begins with a digit (PS-62)', '<tuple id="1"><status/></tuple>'],
    ['an id with a blank', '<tuple id="a b"><status/></tuple>'],
    ['an empty id', '<tuple id=""><status/></tuple>'],
    ['the id of the tuple that the registrar uses', '<tuple id="registration-state"><status/></tuple>'],
    ['a person with the id of a tuple (RFC 4479 §3.5)', `${tuple}<dm:person id="t1"/>`],
    ['a person without id', '<dm:person/>'],
    ['activities with the id of their person', '<dm:person id="p"><r:activities id="p"/></dm:person>'],
    [
      'two occurrences of one device (PS-83)',
      '<dm:device id="a"><dm:deviceID>urn:x:1</dm:deviceID></dm:device><dm:device id="b"><dm:deviceID>urn:x:1</dm:deviceID></dm:device>',
    ],
    ['a priority out of range (PS-60)', '<tuple id="t"><status/><contact priority="1.5">sip:a@b</contact></tuple>'],
    ['a priority with four decimals', '<tuple id="t"><status/><contact priority="0.1234">sip:a@b</contact></tuple>'],
    ['a timestamp that is none', '<tuple id="t"><status/><timestamp>today</timestamp></tuple>'],
    ['a timestamp of a person that is none', '<dm:person id="p"><dm:timestamp>today</dm:timestamp></dm:person>'],
    [
      'two timestamps of a person',
      '<dm:person id="p"><dm:timestamp>2026-11-20T00:00:00Z</dm:timestamp><dm:timestamp>2026-11-20T00:00:00Z</dm:timestamp></dm:person>',
    ],
    ['a tuple behind a note', `<note>n</note>${tuple}`],
    ['a person before a tuple', `<dm:person id="p"/>${tuple}`],
    ['a contact before the status', '<tuple id="t"><contact>sip:a@b</contact><status/></tuple>'],
    ['an extension behind the contact', '<tuple id="t"><status/><contact>sip:a@b</contact><x:y/></tuple>'],
    ['an extension before basic', '<tuple id="t"><status><x:y/><basic>open</basic></status></tuple>'],
    ['an activity behind the note of a person', '<dm:person id="p"><dm:note>n</dm:note><r:activities/></dm:person>'],
  ]
  for (const [what, content] of repaired) it(what, () => assert.equal(sendable(content), false))

  it('something that must be understood in a document of which something ends (PS-61)', () => {
    const marked =
      '<dm:person id="p"><x:y pidf:mustUnderstand="1" xmlns:pidf="urn:ietf:params:xml:ns:pidf"/></dm:person>'
    assert.equal(sendable(marked), true)
    assert.equal(sendable(marked.replace('<x:y', '<r:mood until="2026-11-20T00:00:00Z"/><x:y')), false)
  })

  it('an empty root, a byte order mark, an encoding that is only declared', () => {
    const text = `${open}${tuple}</presence>`
    assert.equal(publishedPidf(Buffer.from(`${open.slice(0, -1)}/>`)).sendable, false)
    assert.equal(publishedPidf(Buffer.from(`\ufeff${text}`)).sendable, false)
    assert.equal(publishedPidf(Buffer.from(`<?xml version="1.0" encoding="us-ascii"?>${text}`)).sendable, false)
    assert.equal(publishedPidf(Buffer.from(text)).sendable, true)
  })
})

describe('a published document that can be sent as it is', () => {
  const fine: readonly (readonly [what: string, content: string])[] = [
    ['nothing in it', ''],
    ['an empty status, as OMA tuples have it', '<tuple id="t"><status/></tuple>'],
    [
      'unknown elements where they belong (PS-61)',
      `<tuple id="t"><status><basic>open</basic><x:y/></status><x:z><x:tuple/></x:z></tuple><x:y/>`,
    ],
    [
      'white space around values',
      '<tuple id="t"><status><basic>\n open </basic></status><timestamp> 2026-11-20T00:00:00Z </timestamp></tuple>',
    ],
    ['a value in CDATA', '<tuple id="t"><status><basic><![CDATA[open]]></basic></status></tuple>'],
    ['comments', '<!-- a --><tuple id="t"><!-- b --><status><basic>op<!-- c -->en</basic></status></tuple>'],
    [
      'elements of the data model in order',
      '<dm:person id="p"><r:activities id="a"/><dm:note>n</dm:note><dm:timestamp>2026-11-20T00:00:00Z</dm:timestamp></dm:person><dm:device id="d"><r:class>c</r:class><dm:deviceID>urn:x:1</dm:deviceID></dm:device>',
    ],
    ['words that mean something elsewhere', '<x:y><tuple/><basic>no</basic><dm:person id="t"/></x:y>'],
  ]
  for (const [what, content] of fine) it(what, () => assert.equal(sendable(content), true))
})

describe('a published document that is refused, and what its publisher is told', () => {
  const refused: readonly (readonly [document: string, why: RegExp])[] = [
    ['<presence entity="sip:a@b"/>', /root element is not presence of urn:ietf:params:xml:ns:pidf/],
    ['<tuple xmlns="urn:ietf:params:xml:ns:pidf"/>', /root element is not presence/],
    ['<presence xmlns="urn:ietf:params:xml:ns:pidf"/>', /no entity/],
    ['<presence xmlns="urn:ietf:params:xml:ns:pidf" entity=" "/>', /no entity/],
    ['<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:x="u" x:entity="sip:a@b"/>', /no entity/],
    [`${open}<tuple><status/></tuple></presence>`, /tuple has no id/],
    [`${open}${tuple}${tuple}</presence>`, /two tuples have the id t1/],
    [`${open}<tuple id="t"/></presence>`, /tuple t has no status/],
    [`${open}<tuple id="t"><status/><status/></tuple></presence>`, /tuple t has two status elements/],
    [`${open}<tuple id="t"><status><basic/></status></tuple></presence>`, /basic of tuple t is neither/],
    [`${open}<tuple id="t"><status><basic>Open</basic></status></tuple></presence>`, /basic of tuple t is neither/],
    [`${open}<tuple id="t"><status><basic>open</basic><basic>closed</basic></status></tuple></presence>`, /two basic/],
    [`${open}<tuple id="t"><status/><contact>a:b</contact><contact>a:b</contact></tuple></presence>`, /two contact/],
    [`${open}<tuple id="t"><status/><timestamp/><timestamp/></tuple></presence>`, /two timestamp/],
    ['presence', /outside of root/],
    ['', /root element/],
  ]
  for (const [document, why] of refused) {
    it(String(why), () => {
      assert.throws(
        () => publishedPidf(Buffer.from(document)),
        (error: unknown) => error instanceof XmlError && why.test(error.why),
      )
    })
  }

  it('at the limits that are given', () => {
    const bytes = inPresence(tuple)
    assert.throws(() => publishedPidf(bytes, { ...defaultXmlLimits, bytes: bytes.length - 1 }), XmlError)
    assert.throws(() => publishedPidf(bytes, { ...defaultXmlLimits, depth: 3 }), XmlError)
    assert.ok(publishedPidf(bytes, { ...defaultXmlLimits, depth: 4 }))
  })
})
