import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { computePatch } from '../../../../src/documents/xml/diff.ts'
import { parseXml } from '../../../../src/documents/xml/parse.ts'
import { applyPatch } from '../../../../src/documents/xml/patch.ts'
import { childElements, type XmlElement } from '../../../../src/documents/xml/tree.ts'
import { declarationText } from '../../../../src/documents/xml/write.ts'
import { applyOperations, canonical, readDocument } from '../../../actors/xml-patcher.ts'

const read = (text: string): XmlElement => parseXml(Buffer.from(text, 'utf8'), { instructions: true })

/** The diff document between two documents; undefined when there is none. */
function diffOf(a: string, b: string): string | undefined {
  const patch = computePatch(read(a), read(b))
  if (patch === undefined) return undefined
  const declarations = [...patch.namespaces].map(([prefix, namespace]) => declarationText(prefix, namespace)).join('')
  const written = patch.write('z')
  assert.ok(patch.length <= written.length)
  return `<z:d xmlns:z="u:diff"${declarations}>${written}</z:d>`
}

/** Checks that the diff makes `a` into `b`, by our patcher and by the other one; returns the operations. */
function check(a: string, b: string): string | undefined {
  const diff = diffOf(a, b)
  if (diff === undefined) return undefined
  const expected = canonical(readDocument(b))
  const ours = applyPatch(read(a), childElements(read(diff)))
  assert.equal(canonical(readDocument(ours)), expected, diff)
  const theirs = readDocument(a)
  applyOperations(theirs, readDocument(diff))
  assert.equal(canonical(theirs), expected, diff)
  return diff.slice(diff.indexOf('>') + 1, -'</z:d>'.length)
}

describe('computing a patch (RFC 5261)', () => {
  it('changes the text of one element', () => {
    const document = (basic: string) =>
      `<p xmlns="u:1"><t id="a"><s><b>${basic}</b></s></t><t id="b"><s><b>x</b></s></t></p>`
    assert.equal(
      check(document('open'), document('closed')),
      `<z:replace sel="*/*[@id='a']/*/*/text()">closed</z:replace>`,
    )
  })

  it('says nothing of equal documents', () => {
    assert.equal(check('<a><b c="1" d="2"/></a>', '<a><b d="2" c="1"></b></a>'), '')
  })

  it('adds, removes and replaces attributes', () => {
    assert.equal(
      check('<a><b c="1" d="2"/></a>', '<a><b d="3" e=""/></a>'),
      '<z:replace sel="*/*"><b d="3" e=""/></z:replace>',
    )
    const many = '<c>a long text that it would be a waste to repeat</c>'.repeat(5)
    assert.equal(
      check(`<a><b c="1" d="2">${many}</b></a>`, `<a><b d="'&quot;&lt;" e="">${many}</b></a>`),
      `<z:remove sel="*/*/@c"/><z:replace sel="*/*/@d">'"&lt;</z:replace><z:add sel="*/*" type="@e">-</z:add><z:replace sel="*/*/@e"/>`,
    )
  })

  it('removes an element with the white space behind it, and adds one with its white space', () => {
    const [a, b] = ['<a>\n <b id="1"/>\n <b id="2"/>\n <b id="3"/>\n</a>', '<a>\n <b id="1"/>\n <b id="3"/>\n</a>']
    assert.equal(check(a, b), `<z:remove sel="*/*[@id='2']" ws="after"/>`)
    assert.equal(check(b, a), `<z:add sel="*/*[@id='3']" pos="before"><b id="2"/>\n </z:add>`)
  })

  it('says of a reordering what has moved, not what has stayed', () => {
    const tuple = (id: string) => `<t id="${id}"><s>${id}${id}${id}</s></t>`
    const [x, y, w] = [tuple('x'), tuple('y'), tuple('w')]
    assert.equal(
      check(`<a>${x}${y}${w}</a>`, `<a>${w}${x}${y}</a>`),
      `<z:add sel="*" pos="prepend">${w}</z:add><z:remove sel="*/*[4]"/>`,
    )
  })

  it('declares what the new document declares, and forgets what it does not', () => {
    assert.equal(
      check('<a xmlns="u:1" xmlns:p="u:2"><p:b/></a>', '<a xmlns="u:1" xmlns:q="u:3"><q:c/></a>'),
      '<z:add sel="*" type="namespace::q">u:3</z:add><z:add sel="*"><q:c/></z:add><z:remove sel="*/*[1]"/><z:remove sel="*/namespace::p"/>',
    )
  })

  it('needs no more namespaces than its contents have, and says where there must be no default one', () => {
    const needed = (a: string, b: string) => Object.fromEntries(computePatch(read(a), read(b))!.namespaces)
    const document = (inner: string) => `<a xmlns="u:1" xmlns:p="u:2" xmlns:q="u:3">${inner}<p:c>x</p:c></a>`
    assert.deepEqual(needed(document('<p:b><q:d>1</q:d></p:b>'), document('<p:b><q:d>2</q:d></p:b>')), {})
    assert.deepEqual(needed(document(''), document('<b q:e="1"/>')), { '': 'u:1', q: 'u:3' })
    assert.deepEqual(needed('<p:a xmlns:p="u:1"/>', '<p:a xmlns:p="u:1"><b/></p:a>'), { '': '' })
  })

  it('does without when a prefix means something else, or the default namespace is another', () => {
    assert.equal(check('<a xmlns:p="u:1"/>', '<a xmlns:p="u:2"/>'), undefined)
    assert.equal(check('<a xmlns="u:1"/>', '<a xmlns="u:2"/>'), undefined)
    assert.equal(check('<p:a xmlns:p="u:1" xmlns:q="u:1"/>', '<q:a xmlns:p="u:1" xmlns:q="u:1"/>'), undefined)
  })

  it('finds one change in a list of a thousand', () => {
    const list = (changed: string) => {
      let text = ''
      for (let i = 0; i < 1000; i++) text += `<e uri="sip:${i}@x">${i === 100 || i === 700 ? changed : i}</e>\n`
      return `<l>\n${text}</l>`
    }
    const ids = (skip: number, extra: string) => list('same').replace(`<e uri="sip:${skip}@x">${skip}</e>\n`, extra)
    assert.ok(check(list('one'), list('two'))!.length < 200)
    assert.ok(check(ids(5, ''), ids(900, '<f/>'))!.length < 250)
  })

  const text = fc.constantFrom('x', 'y', ' ', '\n ', 'a&lt;b', '<![CDATA[c]]>', '&#13;', "'")
  const name = fc.constantFrom('e', 'e', 'f', 'p:e', 'q:f')
  const value = fc.constantFrom('1', '2', '', "'", '&quot;', '&#10;', '&lt;')
  const attributes = fc
    .uniqueArray(fc.tuple(fc.constantFrom('id', 'a', 'p:a', 'xml:lang'), value), {
      maxLength: 3,
      selector: ([key]) => key,
    })
    .map(all => all.map(([key, said]) => ` ${key}="${said}"`).join(''))
  const declarations = fc.constantFrom('', '', '', '', ' xmlns="u:3"', ' xmlns=""', ' xmlns:q="u:4"', ' xmlns:p="u:1"')
  const node: fc.Memo<string> = fc.memo(depth =>
    depth <= 1
      ? text
      : fc.oneof(
          { weight: 2, arbitrary: text },
          { weight: 1, arbitrary: fc.constantFrom('<!--c-->', '<!--d-->') },
          {
            weight: 4,
            arbitrary: fc
              .tuple(name, declarations, attributes, fc.array(node(depth - 1), { maxLength: 4 }))
              .map(([tag, own, pairs, inner]) => `<${tag}${own}${pairs}>${inner.join('')}</${tag}>`),
          },
        ),
  )
  const roots = fc.constantFrom(
    ' xmlns:p="u:1" xmlns:q="u:2"',
    ' xmlns:p="u:1" xmlns:q="u:2" xmlns:s="u:5"',
    ' xmlns="u:3" xmlns:p="u:1" xmlns:q="u:2"',
  )
  const children = fc.array(node(4), { maxLength: 6 })
  const document = (root: string, inner: readonly string[]) => `<r${root}>${inner.join('')}</r>`

  it('makes any document into any other, exactly', () => {
    fc.assert(
      fc.property(roots, children, roots, children, (rootA, a, rootB, b) => {
        check(document(rootA, a), document(rootB, b))
      }),
      { numRuns: 500 },
    )
  })

  it('makes a document into one with pieces moved, taken away and added, exactly', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(), fc.option(node(3), { nil: '' })), { maxLength: 4 })
    fc.assert(
      fc.property(roots, children, edits, (root, a, changes) => {
        const b = a.slice()
        for (const [from, to, extra] of changes) {
          const [moved = ''] = b.splice(from % (b.length + 1), 1)
          b.splice(to % (b.length + 1), 0, moved, extra)
        }
        assert.notEqual(check(document(root, a), document(root, b)), undefined)
      }),
      { numRuns: 500 },
    )
  })
})
