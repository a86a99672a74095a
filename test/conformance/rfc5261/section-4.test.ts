/** RFC 5261 §4: locating, namespace mangling, adding, replacing and removing; with the examples of appendix A. */

import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import { parseXml } from '../../../src/documents/xml/parse.ts'
import { applyPatch, type PatchOptions } from '../../../src/documents/xml/patch.ts'
import { childElements } from '../../../src/documents/xml/tree.ts'
import { canonical, readDocument } from '../../actors/xml-patcher.ts'

const read = (text: string) => parseXml(Buffer.from(text, 'utf8'), { instructions: true })

function patched(target: string, operations: string, declarations = '', options: PatchOptions = {}): string {
  const diff = read(`<diff ${declarations}>${operations}</diff>`)
  return applyPatch(read(target), childElements(diff), options).replace('<?xml version="1.0" encoding="UTF-8"?>\n', '')
}

function check(target: string, operations: string, expected: string, declarations = '', options: PatchOptions = {}) {
  const text = patched(target, operations, declarations, options)
  assert.equal(text.trimEnd(), expected)
  assert.equal(canonical(readDocument(text)), canonical(readDocument(expected)))
}

describe('RFC 5261 appendix A: the examples', () => {
  const note = '<doc>\n  <note>This is a sample document</note>\n</doc>'
  const foo = '<doc>\n  <note>This is a sample document</note>\n<foo id="ert4773">This is a new child</foo></doc>'
  const sample = '<doc>\n  <foo a="1">This is a sample document</foo>\n</doc>'

  it('A.1 adding an element', () => {
    check(note, '<add sel="doc"><foo id="ert4773">This is a new child</foo></add>', foo)
  })
  it('A.2 adding an attribute', () => {
    check(
      foo,
      `<add sel="doc/foo[@id='ert4773']" type="@user">Bob</add>`,
      foo.replace('"ert4773"', '"ert4773" user="Bob"'),
    )
  })
  it('A.3 adding a prefixed namespace declaration', () => {
    check(
      foo,
      '<add sel="doc" type="namespace::pref">urn:ns:xxx</add>',
      foo.replace('<doc>', '<doc xmlns:pref="urn:ns:xxx">'),
    )
  })
  it('A.4 adding a comment node with the pos attribute', () => {
    check(
      foo,
      `<add sel="doc/foo[@id='ert4773']" pos="before"><!-- comment --></add>`,
      foo.replace('<foo', '<!-- comment --><foo'),
    )
  })
  it('A.5 adding multiple nodes', () => {
    check(
      foo,
      `<add sel="doc/foo[@id='ert4773']" pos="after">\n  <!-- comment -->\n  <foo id="xyz">x</foo></add>`,
      foo.replace('</doc>', '\n  <!-- comment -->\n  <foo id="xyz">x</foo></doc>'),
    )
  })
  it('A.6 replacing an element', () => {
    check(sample, `<replace sel="doc/foo[@a='1']"><bar a="2"/></replace>`, '<doc>\n  <bar a="2"/>\n</doc>')
  })
  it('A.7 replacing an attribute value', () => {
    check(
      '<doc a="test"><foo a="1">x</foo></doc>',
      '<replace sel="doc/@a">new value</replace>',
      '<doc a="new value"><foo a="1">x</foo></doc>',
    )
  })
  it('A.8 replacing a namespace declaration URI', () => {
    check(
      '<doc xmlns:pref="urn:test"><foo/></doc>',
      '<replace sel="doc/namespace::pref">urn:new:xxx</replace>',
      '<doc xmlns:pref="urn:new:xxx"><foo/></doc>',
    )
  })
  it('A.9 replacing a comment node', () => {
    check(
      '<doc><foo/><!-- c --></doc>',
      '<replace sel="doc/comment()[1]"><!-- new\n --></replace>',
      '<doc><foo/><!-- new\n --></doc>',
    )
  })
  it('A.10 replacing a processing instruction node', () => {
    const operation = `<replace sel='doc/processing-instruction("test")'><?test bar="foobar"?></replace>`
    const text = patched('<doc><foo/><?test foo="bar"?></doc>', operation)
    assert.equal(text.trimEnd(), '<doc><foo/><?test bar="foobar"?></doc>')
  })
  it('A.11 replacing a text node', () => {
    check(
      sample,
      '<replace sel="doc/foo/text()[1]">This is the new text content</replace>',
      sample.replace('a sample document', 'the new text content'),
    )
  })
  it('A.12 removing an element', () => {
    check(sample, `<remove sel="doc/foo[@a='1']" ws="after"/>`, '<doc>\n  </doc>')
  })
  it('A.13 removing an attribute', () => {
    check('<doc a="foo"><foo a="1"/></doc>', '<remove sel="doc/@a"/>', '<doc><foo a="1"/></doc>')
  })
  it('A.14 removing a prefixed namespace declaration', () => {
    check(
      '<doc><foo a="1" xmlns:pref="urn:test">x</foo></doc>',
      '<remove sel="doc/foo/namespace::pref"/>',
      '<doc><foo a="1">x</foo></doc>',
    )
  })
  it('A.15 removing a comment node', () => {
    check(
      '<doc>\n  <foo/>\n  <!-- c -->\n</doc>',
      '<remove sel="doc/comment()[1]" ws="after"/>',
      '<doc>\n  <foo/>\n  </doc>',
    )
  })
  it('A.16 removing a processing instruction node', () => {
    check(
      '<doc>\n  <foo/>\n  <?test?>\n</doc>',
      `<remove sel='doc/processing-instruction("test")'/>`,
      '<doc>\n  <foo/>\n  \n</doc>',
    )
  })
  it('A.17 removing a text node', () => {
    check(sample, '<remove sel="doc/foo/text()[1]"/>', '<doc>\n  <foo a="1"/>\n</doc>')
  })
  it('A.18 several patches with namespace mangling', () => {
    const target = `<doc xmlns="urn:ietf:params:xml:ns:xxx" xmlns:z="urn:ietf:params:xml:ns:yyy">
  <note>This is a sample document</note>
  <elem a="foo">
    <child/>
  </elem>
  <elem a="bar">
    <z:child/>
  </elem>
</doc>`
    const operations = `
<p:add sel="doc/elem[@a='foo']">  <!-- This is a new child -->
    <child id="ert4773">
      <y:node/>
    </child>
  </p:add>
<p:replace sel="doc/note/text()">Patched doc</p:replace>
<p:remove sel="*/elem[@a='bar']/y:child" ws="both"/>
<p:add sel="*/elem[@a='bar']" type="@b">new attr</p:add>
`
    const expected = `<doc xmlns="urn:ietf:params:xml:ns:xxx" xmlns:z="urn:ietf:params:xml:ns:yyy">
  <note>Patched doc</note>
  <elem a="foo">
    <child/>
    <!-- This is a new child -->
    <child id="ert4773">
      <z:node/>
    </child>
  </elem>
  <elem a="bar" b="new attr"/>
</doc>`
    check(
      target,
      operations,
      expected,
      'xmlns="urn:ietf:params:xml:ns:xxx" xmlns:y="urn:ietf:params:xml:ns:yyy" xmlns:p="urn:ietf:params:xml:ns:diff"',
    )
  })
})

describe('RFC 5261 §4.1: locating the target', () => {
  it('starts from the root, with or without a slash', () => {
    check('<a><b/></a>', '<remove sel="/a/b"/>', '<a/>')
    check('<a><b/></a>', '<remove sel="a/b"/>', '<a/>')
  })
  it('filters by attribute, child, own text and position, one after the other and in any order', () => {
    const target = '<a><b i="1"><c>x</c></b><b i="1"><c>y</c></b><b i="2"><c>y</c></b></a>'
    check(target, `<remove sel="a/b[@i='1'][2]"/>`, '<a><b i="1"><c>x</c></b><b i="2"><c>y</c></b></a>')
    check(target, `<remove sel='a/b[c="y"][@i="2"]'/>`, '<a><b i="1"><c>x</c></b><b i="1"><c>y</c></b></a>')
    check(
      target,
      `<remove sel="a/*[2][@i='1']/c[.='y']"/>`,
      '<a><b i="1"><c>x</c></b><b i="1"/><b i="2"><c>y</c></b></a>',
    )
  })
  it('counts positions among the children of each element', () => {
    check('<a><b><c/></b><b><c/><c n="2"/></b></a>', '<remove sel="a/b/c[2]"/>', '<a><b><c/></b><b><c/></b></a>')
  })
  it('finds attributes of type ID, and xml:id, with id()', () => {
    const isId = (element: { name: string }, attribute: { name: string }) =>
      element.name === 'b' && attribute.name === 'i'
    check('<a><b i="x"><c/></b></a>', `<remove sel="id('x')/c"/>`, '<a><b i="x"/></a>', '', { isId })
    check('<a><b xml:id="x" n=""/></a>', `<remove sel='id("x")/@n'/>`, '<a><b xml:id="x"/></a>')
  })
  it('sees text with CDATA sections in it as one node', () => {
    check('<a>x<![CDATA[y]]>z<b/>w</a>', '<remove sel="a/text()[1]"/>', '<a><b/>w</a>')
  })
})

describe('RFC 5261 §4.2: namespaces', () => {
  it('§4.2.1: looks up prefixes in the diff document', () => {
    check('<x:a xmlns:x="foo:"><x:bar/></x:a>', '<remove sel="a:a/a:bar"/>', '<x:a xmlns:x="foo:"/>', 'xmlns:a="foo:"')
  })
  it('§4.2.1: a name without prefix is in the default namespace of the diff document', () => {
    check('<x:a xmlns:x="foo:"><x:bar/></x:a>', '<remove sel="a/bar"/>', '<x:a xmlns:x="foo:"/>', 'xmlns="foo:"')
  })
  it('§4.2.1: without default namespace it is in none', () => {
    check('<a><bar/><bar xmlns="foo:"/></a>', '<remove sel="a/bar"/>', '<a><bar xmlns="foo:"/></a>')
  })
  it('§4.2.3: new content takes the prefix the target has for its namespace', () => {
    check(
      '<doc xmlns:b="foo:"/>',
      '<add sel="doc"><a:bar/></add>',
      '<doc xmlns:b="foo:"><b:bar/></doc>',
      'xmlns:a="foo:"',
    )
    check(
      '<doc xmlns="foo:"/>',
      '<d:add sel="a:doc"><a:bar/></d:add>',
      '<doc xmlns="foo:"><bar/></doc>',
      'xmlns:a="foo:" xmlns:d="d:"',
    )
  })
  it('§4.2.3: first its own prefix, if the target has it for the same namespace', () => {
    check(
      '<x:doc xmlns:x="foo:" xmlns:a="foo:"/>',
      '<add sel="a:doc"><a:bar/></add>',
      '<x:doc xmlns:x="foo:" xmlns:a="foo:"><a:bar/></x:doc>',
      'xmlns:a="foo:"',
    )
  })
  it('§4.2.3: secondly the prefix of the evaluation context node', () => {
    check(
      '<y:doc xmlns:x="foo:" xmlns:y="foo:"/>',
      '<add sel="a:doc"><a:bar/></add>',
      '<y:doc xmlns:x="foo:" xmlns:y="foo:"><y:bar/></y:doc>',
      'xmlns:a="foo:"',
    )
  })
  it('§4.2.3: lastly the closest just before it in the alphabet, or else the first', () => {
    const target = '<doc xmlns:x="foo:" xmlns:y="foo:"/>'
    const result = (prefix: string) => `<doc xmlns:x="foo:" xmlns:y="foo:"><${prefix}:bar/></doc>`
    check(target, '<add sel="doc"><xx:bar/></add>', result('x'), 'xmlns:xx="foo:"')
    check(target, '<add sel="doc"><yy:bar/></add>', result('y'), 'xmlns:yy="foo:"')
    check(target, '<add sel="doc"><a:bar/></add>', result('x'), 'xmlns:a="foo:"')
  })
  it('§4.2.3: a default declaration comes before all prefixes, though not for attributes', () => {
    const target = '<q:doc xmlns:q="q:" xmlns="foo:" xmlns:x="foo:"/>'
    check(
      target,
      '<add sel="q:doc"><a:bar a:c=""/></add>',
      '<q:doc xmlns:q="q:" xmlns="foo:" xmlns:x="foo:"><bar x:c=""/></q:doc>',
      'xmlns:a="foo:" xmlns:q="q:"',
    )
    check(
      target,
      '<add sel="q:doc" type="@a:c">1</add>',
      '<q:doc xmlns:q="q:" xmlns="foo:" xmlns:x="foo:" x:c="1"/>',
      'xmlns:a="foo:" xmlns:q="q:"',
    )
  })
  it('§4.2.3: declarations within new content are copied unaltered', () => {
    check(
      '<doc xmlns:b="foo:"/>',
      '<add sel="doc"><a:bar xmlns:a="foo:"><a:c/></a:bar></add>',
      '<doc xmlns:b="foo:"><a:bar xmlns:a="foo:"><a:c/></a:bar></doc>',
    )
  })
  it('§4.2.3: a prefix that the content itself declares otherwise is not taken for another namespace', () => {
    check(
      '<doc xmlns:b="foo:"/>',
      '<add sel="doc"><a:bar xmlns:b="other:"><b:c/></a:bar></add>',
      '<doc xmlns:b="foo:"><a:bar xmlns:b="other:" xmlns:a="foo:"><b:c/></a:bar></doc>',
      'xmlns:a="foo:"',
    )
  })
  it('keeps an element of no namespace out of the default namespace of the target', () => {
    check(
      '<doc xmlns="foo:"/>',
      '<add sel="f:doc"><bar><c/></bar></add>',
      '<doc xmlns="foo:"><bar xmlns=""><c/></bar></doc>',
      'xmlns:f="foo:"',
    )
  })
})

describe('RFC 5261 §4.3: add', () => {
  it('appends, prepends, and adds before and after', () => {
    const target = '<a><b/></a>'
    check(target, '<add sel="a"><c/><d/></add>', '<a><b/><c/><d/></a>')
    check(target, '<add sel="a" pos="prepend"><c/></add>', '<a><c/><b/></a>')
    check(target, '<add sel="a/b" pos="before">x<c/></add>', '<a>x<c/><b/></a>')
    check(target, '<add sel="a/b" pos="after"><!--x--></add>', '<a><b/><!--x--></a>')
  })
  it('§4.3.5: added text joins the text beside it', () => {
    check(
      '<a><foo>x<b/>y<c/></foo></a>',
      '<add sel="*/foo/text()[2]" pos="after">new<bar/>elem</add><replace sel="a/foo/text()[2]">joined</replace>',
      '<a><foo>x<b/>joined<bar/>elem<c/></foo></a>',
    )
    check('<a>x</a>', '<add sel="a">y</add><replace sel="a/text()">z</replace>', '<a>z</a>')
  })
  it('§4.3.5: moves CDATA sections unaltered', () => {
    check('<a/>', '<add sel="a">x<![CDATA[<y>]]></add>', '<a>x<![CDATA[<y>]]></a>')
  })
  it('adds comments and instructions beside the root element', () => {
    assert.equal(
      patched(
        '<!--1--><a/>',
        '<add sel="a" pos="before"><?x?></add><add sel="comment()" pos="before"><!--0--></add>',
      ).trimEnd(),
      '<!--0-->\n<!--1-->\n<?x?>\n<a/>',
    )
  })
  it('adds declarations of no consequence for what is there', () => {
    check(
      '<a xmlns:p="1:"><b/></a>',
      '<add sel="a/b" type="namespace::p">2:</add>',
      '<a xmlns:p="1:"><b xmlns:p="2:"/></a>',
    )
  })
})

describe('RFC 5261 §4.4: replace', () => {
  it('replaces the root element, declarations and all', () => {
    check('<a xmlns:p="1:"/>', '<replace sel="a"><b xmlns:q="2:"/></replace>', '<b xmlns:q="2:"/>')
  })
  it('§4.4.2: an empty operation leaves an empty attribute', () => {
    check('<a b="1"/>', '<replace sel="a/@b"/>', '<a b=""/>')
  })
  it('§4.4.6: an empty operation removes a text node', () => {
    check('<a>x</a>', '<replace sel="a/text()"/>', '<a/>')
  })
  it('§4.4.3: names with the prefix are of the new namespace', () => {
    const operations = '<replace sel="a/namespace::p">new:</replace><remove sel="a/n:b"/>'
    check('<a xmlns:p="old:"><p:b/></a>', operations, '<a xmlns:p="new:"/>', 'xmlns:n="new:"')
  })
})

describe('RFC 5261 §4.5: remove', () => {
  it('removes the white space before, after and on both sides', () => {
    check('<a> <b/>\n</a>', '<remove sel="a/b" ws="before"/>', '<a>\n</a>')
    check('<a> <b/>\n</a>', '<remove sel="a/b" ws="both"/>', '<a/>')
  })
  it('§4.5.6: text on both sides of what goes becomes one node', () => {
    check('<a>x<b/>y</a>', '<remove sel="a/b"/><replace sel="a/text()">z</replace>', '<a>z</a>')
  })
  it('removes comments beside the root element', () => {
    check('<!--1--><a/><!--2-->', '<remove sel="comment()[1]"/><remove sel="/comment()"/>', '<a/>')
  })
})
