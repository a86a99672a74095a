import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalText, equalElements } from '../../../../src/documents/xml/compare.ts'
import { escapeAttribute, escapeText } from '../../../../src/documents/xml/escape.ts'
import { parseXml } from '../../../../src/documents/xml/parse.ts'
import {
  attributeValue,
  childElements,
  NamespaceScope,
  newElement,
  textContent,
  withAttribute,
  withChildren,
  type XmlElement,
} from '../../../../src/documents/xml/tree.ts'
import { serializeXml, writeElement } from '../../../../src/documents/xml/write.ts'

const read = (text: string) => parseXml(Buffer.from(text, 'utf8'))
const only = (root: XmlElement) => childElements(root)[0]!

describe('writing XML', () => {
  it('copies an element that is as it was read, to the octet', () => {
    const text = `<a  x = '1"'>&#x41;<![CDATA[b]]><!-- c --><d></d >\r\n</a >`
    assert.equal(writeElement(read(text)), text)
  })

  it('gives a moved element the declarations it had around it, and only those missing where it goes', () => {
    const moved = only(read('<p:a xmlns:p="u:1" xmlns:q="u:2" xmlns:r="u:3"><p:b r:x="1"><q:c/></p:b></p:a>'))
    const there = new NamespaceScope(
      new Map([
        ['', 'u:9'],
        ['p', 'u:1'],
        ['q', 'u:8'],
      ]),
    )
    assert.equal(writeElement(moved, there), '<p:b xmlns:q="u:2" xmlns:r="u:3" r:x="1"><q:c/></p:b>')
  })

  it('keeps an element of no namespace out of the default namespace where it goes', () => {
    const there = new NamespaceScope(new Map([['', 'u:9']]))
    assert.equal(writeElement(only(read('<a><b/></a>')), there), '<b xmlns=""/>')
    assert.equal(
      writeElement(only(read('<p:a xmlns:p="u:1"><p:b><c/></p:b></p:a>')), there),
      '<p:b xmlns:p="u:1" xmlns=""><c/></p:b>',
    )
    assert.equal(writeElement(only(read('<p:a xmlns:p="u:1"><p:b>c</p:b></p:a>')), there), '<p:b xmlns:p="u:1">c</p:b>')
  })

  it('changes an attribute and leaves the inside of the element as it was', () => {
    const root = read('<a x="1" y="2"><b  z="&lt;"/>&gt;</a>')
    assert.equal(
      writeElement(withAttribute(root, 'x', `'"<&\n`)),
      '<a x="&#39;&quot;&lt;&amp;&#10;" y="2"><b  z="&lt;"/>&gt;</a>',
    )
    assert.equal(writeElement(withAttribute(root, 'y', undefined)), '<a x="1"><b  z="&lt;"/>&gt;</a>')
    assert.equal(withAttribute(root, 'y', '2'), root)
    assert.equal(withAttribute(root, 'z', undefined), root)
  })

  it('writes new elements into the namespace they are made for', () => {
    const element = newElement('u:1', 'a', { id: 'x' }, [
      't<',
      newElement('u:1', 'b'),
      newElement('u:2', 'c', {}, [], 'q'),
    ])
    assert.equal(writeElement(element), '<a xmlns="u:1" id="x">t&lt;<b/><q:c xmlns:q="u:2"/></a>')
    assert.equal(serializeXml(element).toString(), `<?xml version="1.0" encoding="UTF-8"?>\n${writeElement(element)}\n`)
  })

  it('brings any text through an attribute and through content, but for what is no XML character', () => {
    const allowed = (text: string) =>
      [...text]
        .map(c =>
          /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(c) || (c.length === 1 && /[\ud800-\udfff]/.test(c))
            ? '\ufffd'
            : c,
        )
        .join('')
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        const root = read(`<a x="${escapeAttribute(text)}">${escapeText(text)}</a>`)
        assert.equal(attributeValue(root, 'x'), allowed(text))
        assert.equal(textContent(root), allowed(text))
      }),
    )
  })
})

describe('comparing elements', () => {
  const equal: readonly (readonly [string, string, string])[] = [
    ['prefixes', '<a xmlns="u"><b/></a>', '<p:a xmlns:p="u"><p:b/></p:a>'],
    ['the order of attributes', '<a x="1" y="2"/>', '<a y="2" x="1"/>'],
    ['white space between elements', '<a><b/><c/></a>', '<a>\n <b/>\n <c/>\n</a>'],
    ['white space around a value', '<a><b>open</b></a>', '<a><b> open\n</b></a>'],
    ['comments', '<a>x<!--c-->y</a>', '<a>xy</a>'],
    ['how a character is written', '<a>&lt;é</a>', '<a><![CDATA[<]]>&#233;</a>'],
    ['how emptiness is written', '<a/>', '<a></a>'],
  ]
  for (const [what, a, b] of equal) it(`takes no account of ${what}`, () => assert.ok(equalElements(read(a), read(b))))

  const different: readonly (readonly [string, string, string])[] = [
    ['namespaces', '<a xmlns="u"/>', '<a xmlns="v"/>'],
    ['names', '<a/>', '<b/>'],
    ['attribute values', '<a x="1"/>', '<a x="2"/>'],
    ['white space within a value', '<a>o pen</a>', '<a>open</a>'],
    ['the order of elements', '<a><b/><c/></a>', '<a><c/><b/></a>'],
    ['text before and behind an element', '<a>x<b/></a>', '<a><b/>x</a>'],
    ['preserved white space', '<a xml:space="preserve"> </a>', '<a xml:space="preserve"/>'],
    ['text that imitates structure', '<a>3:b"/</a>', '<a><b/></a>'],
  ]
  for (const [what, a, b] of different) it(`sees ${what}`, () => assert.ok(!equalElements(read(a), read(b))))

  it('is the same for an element rebuilt from its parts', () => {
    const root = read('<a xmlns="u" x="1"><b>&amp; </b><p:c xmlns:p="v" p:y="2"/></a>')
    const rebuilt = withChildren(
      root,
      root.children.map(node => (node.kind === 'element' ? withChildren(node, node.children) : node)),
    )
    assert.equal(canonicalText(parseXml(serializeXml(rebuilt))), canonicalText(root))
  })
})
