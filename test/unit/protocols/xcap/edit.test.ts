import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { defaultXmlLimits, parseXml } from '../../../../src/documents/xml/parse.ts'
import { HttpRefusal } from '../../../../src/protocols/http/errors.ts'
import { deleteNode, putAttribute, putElement } from '../../../../src/protocols/xcap/edit.ts'
import { XcapConflict } from '../../../../src/protocols/xcap/errors.ts'
import { parseNodeSelector } from '../../../../src/protocols/xcap/node-selector.ts'
import { selectedText } from '../../../../src/protocols/xcap/select.ts'

const context = { limits: defaultXmlLimits, ancestor: (steps: number) => `ancestor ${steps}` }

function edit(document: string, selector: string, body: string | undefined, query = ''): string {
  const root = parseXml(Buffer.from(document), { instructions: true })
  const node = parseNodeSelector(encodeURI(selector), encodeURI(query), '')
  if (body === undefined) return deleteNode(root, node, context).bytes.toString()
  const bytes = Buffer.from(body)
  if (node.terminal?.kind === 'attribute')
    return putAttribute(root, node.steps, node.terminal, bytes, context).bytes.toString()
  return putElement(root, node.steps, bytes, context).bytes.toString()
}

function conflict(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof XcapConflict) return error.report.condition
    if (error instanceof HttpRefusal) return String(error.status)
    throw error
  }
  return 'none'
}

/** RFC 4825 §8.2.3. */
const example = `<?xml version="1.0"?>
<root>
 <el1 att="first"/>
 <el1 att="second"/>
 <!-- comment -->
 <el2 att="first"/>
</root>
`

describe('RFC 4825 §8.2.3: where a new element goes', () => {
  const third = example.replace('<el1 att="second"/>', '<el1 att="second"/><el1 att="third"/>')
  for (const selector of ['root/el1[@att="third"]', 'root/el1[3][@att="third"]', 'root/*[3][@att="third"]'])
    it(`${selector}: behind the last of its name, before comment and white space`, () =>
      assert.equal(edit(example, selector, '<el1 att="third"/>'), third))

  it('root/el3: as the last of all, behind comment, text and instructions', () =>
    assert.equal(
      edit(example, 'root/el3', '<el3 att="first"/>'),
      example.replace('\n</root>', '\n<el3 att="first"/></root>'),
    ))

  for (const selector of ['root/el2[@att="2"]', 'root/el2[2][@att="2"]'])
    it(`${selector}: behind the last el2`, () =>
      assert.equal(
        edit(example, selector, '<el2 att="2"/>'),
        example.replace('<el2 att="first"/>', '<el2 att="first"/><el2 att="2"/>'),
      ))

  it('root/*[2][@att="2"]: as the second of all', () =>
    assert.equal(
      edit(example, 'root/*[2][@att="2"]', '<el2 att="2"/>'),
      example.replace('<el1 att="first"/>', '<el1 att="first"/><el2 att="2"/>'),
    ))

  it('root/el2[1][@att="2"]: just before the first el2', () =>
    assert.equal(
      edit(example, 'root/el2[1][@att="2"]', '<el2 att="2"/>'),
      example.replace('<el2 att="first"/>', '<el2 att="2"/><el2 att="first"/>'),
    ))

  it('root/*[1][@att="2"]: just before all', () =>
    assert.equal(
      edit(example, 'root/*[1][@att="2"]', '<el2 att="2"/>'),
      example.replace('<el1 att="first"/>', '<el2 att="2"/><el1 att="first"/>'),
    ))

  it('a wildcard with an attribute that nobody has: the last of all', () =>
    assert.equal(
      edit(example, 'root/*[@att="x"]', '<el1 att="x"/>'),
      example.replace('\n</root>', '\n<el1 att="x"/></root>'),
    ))

  it('an empty-element tag is opened, its attributes as they were', () =>
    assert.equal(edit("<a  x='1' />", 'a/b', '<b/>'), "<a  x='1' ><b/></a>"))

  it('with too few before it, an element cannot be the n-th (cannot-insert)', () => {
    for (const selector of ['root/el1[4][@att="x"]', 'root/el3[2]', 'root/*[9][@att="x"]'])
      assert.equal(
        conflict(() => edit(example, selector, '<el1 att="x"/>')),
        'cannot-insert',
        selector,
      )
    assert.equal(
      conflict(() => edit('<a/>', 'a/b[2]', '<b/>')),
      'cannot-insert',
    )
  })
})

describe('RFC 4825 §8.2: PUT of elements', () => {
  it('replaces an element whole, what is around it kept to the octet', () =>
    assert.equal(
      edit("<a>\r\n<b  y = '1'>x</b><!-- é --> </a >", 'a/b', '<b>2</b>'),
      '<a>\r\n<b>2</b><!-- é --> </a >',
    ))

  it('keeps redundant namespace declarations of the body (§8.2.3)', () =>
    assert.equal(edit('<a xmlns:p="u"/>', 'a/b', '<b xmlns:p="u"/>'), '<a xmlns:p="u"><b xmlns:p="u"/></a>'))

  it('lets the body use prefixes that the document binds around it', () =>
    assert.equal(edit('<a xmlns:p="u"></a>', 'a/q:b', '<p:b/>', 'xmlns(q=u)'), '<a xmlns:p="u"><p:b/></a>'))

  it('stores no white space, byte order mark or text declaration around the element', () =>
    assert.equal(edit('<a></a>', 'a/b', '\ufeff<?xml version="1.0" encoding="UTF-8"?>\n <b/>\n'), '<a><b/></a>'))

  it('refuses what is not one balanced element (not-xml-frag)', () => {
    const bodies = ['', 'text', '<b>', '</b>', '<b/><b/>', '<b/>text', '<!--c--><b/>', '<b/><!--', '<b></a><a></b>']
    bodies.push('</a><a>', '<b x="', '<![CDATA[', '<?x?><b/>', '<p:b/>', '<b/></a><a><b/>', '<b a="1" a="2"/>')
    for (const body of bodies)
      assert.equal(
        conflict(() => edit('<a><c y="1"/><!--x--></a>', 'a/b', body)),
        'not-xml-frag',
        body,
      )
  })

  it('refuses what its own selector would not select (cannot-insert)', () => {
    const refused: ReadonlyArray<readonly [string, string]> = [
      ['root/el3', '<el4/>'],
      ['root/el1[@att="third"]', '<el1 att="fourth"/>'],
      ['root/el1[@att="third"]', '<el1/>'],
      ['root/el1', '<el1 att="third"/>'],
      ['root/el1[@att="first"]', '<el1 att="other"/>'],
      ['root/el1[1]', '<el2/>'],
      ['other', '<other/>'],
    ]
    for (const [selector, body] of refused)
      assert.equal(
        conflict(() => edit(example, selector, body)),
        'cannot-insert',
        selector,
      )
  })

  it('refuses an element whose parent is missing, and says how far the selector leads (no-parent)', () => {
    assert.throws(
      () => edit(example, 'root/el1[@att="first"]/x/y', '<y/>'),
      (error: XcapConflict) => error.report.condition === 'no-parent' && error.report.ancestor === 'ancestor 2',
    )
    assert.equal(
      conflict(() => edit(example, 'other/x', '<x/>')),
      'no-parent',
    )
    assert.equal(
      conflict(() => edit(example, 'root/el1/x', '<x/>')),
      'no-parent',
    )
  })

  it('says where in the body it goes wrong', () =>
    assert.throws(() => edit(example, 'root/x', '<x>\n <y>\n</x>'), /line 3, column \d+: /))

  it('refuses a body that is not UTF-8, and one that makes the document too deep', () => {
    const root = parseXml(Buffer.from('<a/>'))
    const { steps } = parseNodeSelector('a/b', '', '')
    assert.equal(
      conflict(() => putElement(root, steps, Buffer.from('<b x="\xe9"/>', 'latin1'), context)),
      'not-utf-8',
    )
    const deep = `${'<b>'.repeat(40)}${'</b>'.repeat(40)}`
    assert.equal(
      conflict(() => edit('<a/>', 'a/b', deep)),
      'local-constraint-failure',
    )
    assert.equal(
      conflict(() => edit('<a/>', 'a/b', `<b>${'x'.repeat(70_000)}</b>`)),
      '413',
    )
  })
})

describe('RFC 4825 §7.7, §8.2: PUT of attributes', () => {
  it('sets a value with the quotes it is written in, and adds one behind the others', () => {
    assert.equal(edit('<a><b x = "1"  y="2" /></a>', 'a/b/@x', "'3&amp;\"'"), '<a><b x = \'3&amp;"\'  y="2" /></a>')
    assert.equal(edit('<a><b y="2" /></a>', 'a/b/@x', '"3"'), '<a><b y="2" x="3" /></a>')
    assert.equal(edit('<a><b></b></a>', 'a/b/@x', '"3"'), '<a><b x="3"></b></a>')
  })

  it('writes a namespace by the prefix that the document has for it', () => {
    const document = '<a xmlns:p="u"><b/></a>'
    assert.equal(edit(document, 'a/b/@q:x', '"3"', 'xmlns(q=u)'), '<a xmlns:p="u"><b p:x="3"/></a>')
    assert.equal(
      conflict(() => edit(document, 'a/b/@q:x', '"3"', 'xmlns(q=v)')),
      'cannot-insert',
    )
    assert.equal(edit(document, 'a/b/@xml:lang', '"de"'), '<a xmlns:p="u"><b xml:lang="de"/></a>')
  })

  it('refuses what is not an attribute value in quotes (not-xml-att-value)', () => {
    for (const body of ['', '3', '"3', '"', '"<"', '"&"', '"&x;"', '"1" y="2"', '\'1"', '"1"2"'])
      assert.equal(
        conflict(() => edit('<a><b/></a>', 'a/b/@x', body)),
        'not-xml-att-value',
        body,
      )
  })

  it('refuses a value with which the selector selects the attribute no longer (§7.7: cannot-insert)', () => {
    assert.equal(
      conflict(() => edit('<a><b x="1"/></a>', 'a/b[@x="1"]/@x', '"2"')),
      'cannot-insert',
    )
    assert.equal(edit('<a><b x="1"/></a>', 'a/b[@x="1"]/@x', '"1"'), '<a><b x="1"/></a>')
  })

  it('refuses an attribute of an element that is not there, and one that would bind a prefix', () => {
    assert.equal(
      conflict(() => edit('<a/>', 'a/b/@x', '"1"')),
      'no-parent',
    )
    assert.equal(
      conflict(() => edit('<a><b/></a>', 'a/b/@xmlns', '"u"')),
      'cannot-insert',
    )
  })
})

describe('RFC 4825 §8.4: DELETE', () => {
  it('leaves the white space around an element', () =>
    assert.equal(edit(example, 'root/el2', undefined), example.replace('<el2 att="first"/>', '')))

  it('takes an attribute with the white space before it', () => {
    assert.equal(edit("<a><b x = '1'\n y='2'/></a>", 'a/b/@x', undefined), "<a><b\n y='2'/></a>")
    assert.equal(edit("<a><b x='1'\n y='2'/></a>", 'a/b/@y', undefined), "<a><b x='1'/></a>")
  })

  it('refuses when the selector would then select the next one (cannot-delete)', () => {
    assert.equal(
      conflict(() => edit(example, 'root/el1[1]', undefined)),
      'cannot-delete',
    )
    assert.equal(
      conflict(() => edit(example, 'root/*[2]', undefined)),
      'cannot-delete',
    )
    assert.equal(
      conflict(() => edit(example, 'root', undefined)),
      'cannot-delete',
    )
    assert.notEqual(edit(example, 'root/el1[2]', undefined), example)
    assert.notEqual(edit(example, 'root/*[1][@att="first"]', undefined), example)
  })

  it('finds nothing where none or several are selected: 404', () => {
    for (const selector of ['root/el3', 'root/el1', 'root/el1[3]', 'root/el2/@x', 'x'])
      assert.equal(
        conflict(() => edit(example, selector, undefined)),
        '404',
        selector,
      )
  })
})

describe('any edit that succeeds', () => {
  const name = fc.constantFrom('b', 'c', 'd')
  const attributes = fc.option(fc.constantFrom('1', '2', '3'), { nil: undefined })
  const leaf = fc.tuple(name, attributes).map(([tag, x]) => `<${tag}${x === undefined ? '' : ` x="${x}"`}/>`)
  const filler = fc.constantFrom('', ' ', '\r\n', '<!-- é -->', 'text', '<![CDATA[<b/>]]>', '<?i ü?>')
  const document = fc
    .array(fc.tuple(filler, leaf, filler), { maxLength: 6 })
    .map(parts => `<a>${parts.flat().join('')}</a>`)
  const selector = fc
    .tuple(fc.constantFrom('b', 'c', '*'), fc.option(fc.nat(7)), attributes)
    .map(([tag, n, x]) => `a/${tag}${n === null ? '' : `[${n}]`}${x === undefined ? '' : `[@x="${x}"]`}`)

  it('GET(PUT(x)) == x, and nothing else has changed', () =>
    fc.assert(
      fc.property(document, selector, leaf, (text, select, body) => {
        let edited: string
        try {
          edited = edit(text, select, body)
        } catch (error) {
          assert.ok(error instanceof HttpRefusal, String(error))
          return
        }
        const node = parseNodeSelector(encodeURI(select), '', '')
        assert.equal(selectedText(parseXml(Buffer.from(edited), { instructions: true }), node), body)
        const before = selectedText(parseXml(Buffer.from(text), { instructions: true }), node)
        // Without the element, it is the old document without the one it replaces.
        const places = [...edited.matchAll(new RegExp(body.replace(/[\]/?*[]/g, '\\$&'), 'g'))]
        assert.ok(
          places.some(({ index }) => {
            const rest = [edited.slice(0, index), edited.slice(index + body.length)]
            return rest.join(before ?? '') === text
          }),
          edited,
        )
        assert.equal(edit(edited, select, body), edited)
      }),
      { numRuns: 2_000 },
    ))

  it('after a DELETE its selector selects nothing', () =>
    fc.assert(
      fc.property(document, selector, (text, select) => {
        let edited: string
        try {
          edited = edit(text, select, undefined)
        } catch (error) {
          assert.ok(error instanceof HttpRefusal, String(error))
          return
        }
        const node = parseNodeSelector(encodeURI(select), '', '')
        assert.equal(selectedText(parseXml(Buffer.from(edited), { instructions: true }), node), undefined)
      }),
      { numRuns: 2_000 },
    ))
})
