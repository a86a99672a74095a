import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import { byteOffset, defaultXmlLimits, parseXml, XmlError } from '../../../../src/documents/xml/parse.ts'
import {
  attributeSpan,
  childElement,
  childElements,
  textContent,
  type XmlElement,
} from '../../../../src/documents/xml/tree.ts'

const read = (text: string, options = {}) => parseXml(Buffer.from(text, 'utf8'), options)

function refused(bytes: string | Uint8Array, why: RegExp, options = {}): XmlError {
  let found: XmlError | undefined
  assert.throws(
    () => parseXml(typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes, options),
    (error: unknown) => {
      assert.ok(error instanceof XmlError, String(error))
      assert.match(error.why, why)
      found = error
      return true
    },
  )
  return found!
}

describe('reading XML: the tree', () => {
  it('gives names by namespace and local name, whatever the prefixes (PS-63)', () => {
    for (const text of [
      '<a xmlns="u:1"><b/></a>',
      '<x:a xmlns:x="u:1"><x:b/></x:a>',
      '<x:a xmlns:x="u:1"><b xmlns="u:1"/></x:a>',
    ]) {
      const root = read(text)
      assert.deepEqual([root.namespace, root.name], ['u:1', 'a'])
      assert.ok(childElement(root, 'u:1', 'b'), text)
    }
  })

  it('gives an attribute without prefix no namespace (Namespaces in XML §6.2)', () => {
    const { attributes } = read('<a xmlns="u:1" xmlns:p="u:2" x="1" p:x="2"/>')
    assert.deepEqual(attributes, [
      { prefix: '', name: 'x', namespace: '', value: '1' },
      { prefix: 'p', name: 'x', namespace: 'u:2', value: '2' },
    ])
  })

  it('keeps text, CDATA, comments and, if asked to, instructions, each with its place', () => {
    const text =
      '<?xml version="1.0"?>\n<!--before--><a>t&amp;\r\n<b/><![CDATA[<]]><!--c--><?p body?>é<d></d ></a><!--after-->'
    const root = read(text, { instructions: true })
    const places = root.children.map(node => {
      const { start, end } = node.kind === 'element' ? node.source! : node
      return text.slice(start, end)
    })
    assert.deepEqual(places, ['t&amp;\r\n', '<b/>', '<![CDATA[<]]>', '<!--c-->', '<?p body?>', 'é', '<d></d >'])
    assert.equal(textContent(root), 't&\n<é')
    const { start, contentStart, contentEnd, end } = root.source!
    assert.equal(text.slice(start, contentStart), '<a>')
    assert.equal(text.slice(contentEnd, end), '</a>')
  })

  it('gives places that lead to octets, behind characters of several octets and a byte order mark', () => {
    const bytes = Buffer.from('\ufeff<a>\u{1F600}é<b/></a>', 'utf8')
    const root = parseXml(bytes)
    const { text, start, end } = childElements(root)[0]!.source!
    assert.equal(bytes.subarray(byteOffset(text, start), byteOffset(text, end)).toString(), '<b/>')
  })

  it('finds an attribute in its start tag, also behind one whose value looks like it', () => {
    const text = `<a  o=' x="no" ' p:x = "1"\n x='yes'>`
    const place = attributeSpan(text, 0, text.length, 'x')!
    assert.equal(text.slice(place.start, place.end), 'yes')
    assert.equal(attributeSpan(text, 0, text.length, 'y'), undefined)
    assert.equal(attributeSpan('<a/>', 0, 4, 'y'), undefined)
  })

  it('knows the bindings in force at an element', () => {
    const inner = childElements(read('<a xmlns="u:1" xmlns:p="u:2"><b xmlns="" xmlns:p="u:3"/></a>'))[0]!
    assert.deepEqual([inner.scope.lookup(''), inner.scope.lookup('p'), inner.scope.lookup('q')], ['', 'u:3', ''])
    assert.deepEqual(
      [...inner.scope.bindings()],
      [
        ['', ''],
        ['p', 'u:3'],
      ],
    )
  })
})

describe('reading XML: what is refused', () => {
  const cases: readonly (readonly [what: string, document: string, why: RegExp])[] = [
    ['nothing', '', /root element/],
    ['white space alone', ' \r\n\r', /root element/],
    ['two roots', '<a/><b/>', /one root/],
    ['text behind the root', '<a/>x', /outside of root/],
    ['CDATA behind the root', '<a/><![CDATA[ ]]>', /outside of/],
    ['an element left open', '<a><b></a>', /unexpected close tag/],
    ['a document that ends early', '<a><b>', /unclosed tag/],
    ['a prefix bound to nothing', '<p:a/>', /unbound namespace prefix/],
    ['an attribute twice', '<a x="1" x="2"/>', /duplicate attribute/],
    ['an attribute twice under two prefixes', '<a xmlns:p="u" xmlns:q="u" p:x="1" q:x="2"/>', /duplicate attribute/],
    ['an attribute without quotes', '<a x=1/>', /unquoted/],
    ['a bare ampersand', '<a>& b;</a>', /disallowed character in entity/],
    ['an ampersand that no semicolon ends', '<a>&</a>', /unclosed tag/],
    ['an entity that is not predefined', '<a>&nbsp;</a>', /undefined entity/],
    ['an entity named like a property of objects', '<a>&constructor;</a>', /undefined entity/],
    ['a reference to no character', '<a>&#0;</a>', /malformed character/],
    ['a control character', '<a>\u0001</a>', /disallowed character/],
    ['`]]>` in text', '<a>]]></a>', /disallowed in char data/],
    ['a document type declaration', '<!DOCTYPE a><a/>', /document type/],
    ['entity declarations', '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]><a>&d;</a>', /document type/],
    ['an external entity', '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', /document type/],
    ['one behind a comment', '\ufeff<?xml version="1.0"?><!-- <!-> -->\n<!DOCTYPE a><a/>', /document type/],
    [
      'an entity in a start tag, or what is not closed, behind one',
      '<!DOCTYPE a [<!ENTITY b "c">]><a x="&b;"',
      /document type/,
    ],
    ['a processing instruction', '<a><?p q?></a>', /processing instruction/],
    ['XML 1.1', '<?xml version="1.1"?><a/>', /XML 1\.0/],
    ['an encoding that changes the characters', '<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>', /not UTF-8/],
    ['a declaration of UTF-16 that is not true', '<?xml version="1.0" encoding="UTF-16"?><a/>', /not UTF-8/],
    ['a declaration that is not at the start', ' <?xml version="1.0"?><a/>', /XML declaration/],
  ]
  for (const [what, document, why] of cases) it(what, () => void refused(document, why))

  it('UTF-16, with and without byte order mark', () => {
    const bigEndian = Buffer.from('\ufeff<a/>', 'utf16le').swap16()
    for (const bytes of [Buffer.from('\ufeff<a/>', 'utf16le'), bigEndian, Buffer.from('<a/>', 'utf16le')]) {
      refused(bytes, /UTF-16/)
    }
  })

  it('octets that are not UTF-8, with their place: overlong, cut off, surrogates, Latin-1', () => {
    for (const wrong of [[0xc0, 0xaf], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xe9], [0xf5, 0x80, 0x80, 0x80]]) {
      const bytes = Buffer.concat([Buffer.from('<a>\né\ufffd'), Buffer.from(wrong), Buffer.from('</a>')])
      const error = refused(bytes, /UTF-8/)
      assert.deepEqual([error.offset, error.line, error.column], [9, 2, 3])
    }
  })

  it('an octet 0', () => void refused('<a>\0</a>', /octet 0/))

  it('with line and column from 1 and the octet', () => {
    const error = refused('<a>\n  é<b></a>', /unexpected close tag/)
    assert.deepEqual([error.line, error.column], [2, 10])
    assert.equal(error.offset, 15)
    assert.equal(error.message, 'line 2, column 10: unexpected close tag')
  })

  it('takes a comment or an instruction that speaks of a document type', () => {
    assert.equal(read('<!-- <!DOCTYPE a> --><?x <!DOCTYPE a>?><a/>', { instructions: true }).name, 'a')
  })

  it('takes a declared encoding that makes no difference', () => {
    assert.equal(read('<?xml version="1.0" encoding="ISO-8859-1"?><a>e</a>').name, 'a')
    assert.equal(read('<?xml version="1.0" encoding="utf-8"?><a>é</a>').name, 'a')
  })
})

describe('reading XML: limits', () => {
  it('octets', () => {
    const document = `<a>${'x'.repeat(93)}</a>`
    assert.ok(read(document, { limits: { ...defaultXmlLimits, bytes: 100 } }))
    assert.equal(refused(document, /more than 99 octets/, { limits: { ...defaultXmlLimits, bytes: 99 } }).offset, 99)
  })

  it('depth', () => {
    const nested = (depth: number) => `${'<a>'.repeat(depth)}${'</a>'.repeat(depth)}`
    assert.ok(read(nested(32)))
    assert.equal(refused(nested(33), /more than 32 deep/).offset, 99)
    refused('<a>'.repeat(20_000), /deep/)
  })

  it('nodes, of every kind', () => {
    for (const node of ['<b/>', 'x<b/>', '<!---->', '<![CDATA[]]>']) {
      refused(`<a>${node.repeat(8_200)}</a>`, /more than 8192 nodes/, {
        limits: { ...defaultXmlLimits, bytes: 200_000 },
      })
    }
  })

  it('attributes of one element, declarations included', () => {
    const attributes = (count: number, name: string) =>
      Array.from({ length: count }, (_, index) => ` ${name}${index}="u:1"`).join('')
    assert.equal(read(`<a${attributes(64, 'x')}/>`).attributes.length, 64)
    refused(`<a${attributes(65, 'x')}/>`, /more than 64 attributes/)
    refused(`<a${attributes(65, 'xmlns:p')}/>`, /more than 64 attributes/)
  })

  it('names', () => {
    assert.ok(read(`<${'a'.repeat(256)}/>`))
    refused(`<${'a'.repeat(257)}/>`, /longer than 256/)
    refused(`<a ${'b'.repeat(257)}=""/>`, /longer than 256/)
  })

  it('does not take long over the worst documents of its size', () => {
    const deepest = '<a xmlns:p="u" p:b="">'.repeat(32)
    const documents = [
      `<a>${'&lt;'.repeat(16_000)}</a>`,
      `<a ${Array.from({ length: 9_000 }, (_, index) => `x${index}=""`).join(' ')}/>`,
      `${deepest}${'<p:c/>'.repeat(8_000)}${'</a>'.repeat(32)}`,
      `<a>${']'.repeat(65_000)}</a>`,
      `<!--${'- '.repeat(32_000)}--><a/>`,
    ]
    const before = process.cpuUsage()
    for (const document of documents) {
      try {
        read(document.slice(0, 65_536))
      } catch (error) {
        assert.ok(error instanceof XmlError)
      }
    }
    const { user, system } = process.cpuUsage(before)
    assert.ok(user + system < 2_000_000, `${user + system} µs`)
  })
})

describe('reading XML: hostile names', () => {
  it('an attribute or prefix named like a property of objects is one like any other', () => {
    const root: XmlElement = read('<a xmlns:__proto__="u:1" constructor="c" __proto__:x="y"><__proto__:b/></a>')
    assert.deepEqual(
      root.attributes.map(({ name, namespace }) => [name, namespace]),
      [
        ['constructor', ''],
        ['x', 'u:1'],
      ],
    )
    assert.equal(childElements(root, 'u:1', 'b').length, 1)
  })
})
