/** RFC 5261 §5: what cannot be unambiguously fulfilled is an error with a name, and changes nothing. */

import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import { writePatchError } from '../../../src/documents/patch-ops-error.ts'
import { parseXml } from '../../../src/documents/xml/parse.ts'
import { applyPatch, PatchError, type PatchOptions } from '../../../src/documents/xml/patch.ts'
import { childElements } from '../../../src/documents/xml/tree.ts'
import { readDocument } from '../../actors/xml-patcher.ts'

const read = (text: string) => parseXml(Buffer.from(text, 'utf8'), { instructions: true })

function errorOf(target: string, operations: string, declarations = '', options: PatchOptions = {}): PatchError {
  const diff = read(`<diff ${declarations}>${operations}</diff>`)
  try {
    applyPatch(read(target), childElements(diff), options)
  } catch (error) {
    assert.ok(error instanceof PatchError)
    return error
  }
  assert.fail(`${operations} applies`)
}

function check(condition: string, target: string, operations: string, declarations = '') {
  const error = errorOf(target, operations, declarations)
  assert.equal(error.condition, condition, error.message)
  assert.notEqual(error.phrase, '')
}

describe('RFC 5261 §5.1: error elements', () => {
  it('invalid-attribute-value: content of sel, type, ws or pos that is not allowed', () => {
    for (const sel of [
      '',
      '/',
      'a//b',
      'a[',
      'a[@b]',
      "a[@b='c]",
      'a/text()/b',
      '../a',
      'count(a)',
      'a[last()]',
      "a[b!='c']",
      'a|b',
    ])
      check('invalid-attribute-value', '<a/>', `<remove sel="${sel}"/>`)
    check('invalid-attribute-value', '<a/>', '<remove/>')
    check('invalid-attribute-value', '<a/>', '<add sel="a" type="b">x</add>')
    check('invalid-attribute-value', '<a/>', '<add sel="a" pos="inside"/>')
    check('invalid-attribute-value', '<a> <b/></a>', '<remove sel="a/b" ws="all"/>')
    check('invalid-attribute-value', '<a b=""/>', '<add sel="a/@b">x</add>')
  })
  it('invalid-attribute-value: CDATA sections or markup where an attribute was to be added, or one there already', () => {
    check('invalid-attribute-value', '<a/>', '<add sel="a" type="@b"><![CDATA[x]]></add>')
    check('invalid-attribute-value', '<a/>', '<add sel="a" type="@b"><c/></add>')
    check('invalid-attribute-value', '<a b=""/>', '<add sel="a" type="@b">x</add>')
  })
  it('invalid-namespace-prefix: a prefix that is not declared, or in use when its declaration is to go', () => {
    check('invalid-namespace-prefix', '<a/>', '<remove sel="p:a"/>')
    check('invalid-namespace-prefix', '<a/>', '<add sel="a" type="@p:b">x</add>')
    check('invalid-namespace-prefix', '<a xmlns:p="1:"><p:b/></a>', '<remove sel="a/namespace::p"/>')
    check(
      'invalid-namespace-prefix',
      '<a xmlns:p="1:"><b><p:c/></b></a>',
      '<add sel="a/b" type="namespace::p">2:</add>',
    )
    check('invalid-namespace-prefix', '<a xmlns:p="1:"/>', '<add sel="a" type="namespace::p">1:</add>')
    check('invalid-namespace-prefix', '<a/>', '<add sel="a" type="namespace::xml">1:</add>')
  })
  it('invalid-namespace-uri: not valid, or not declared in the target', () => {
    check('invalid-namespace-uri', '<a/>', '<add sel="a"><p:b/></add>', 'xmlns:p="1:"')
    check('invalid-namespace-uri', '<a xmlns:q="2:"/>', '<add sel="a"><b p:c=""/></add>', 'xmlns:p="1:"')
    check(
      'invalid-namespace-uri',
      '<a xmlns="1:"/>',
      '<d:add sel="p:a" type="@p:b">x</d:add>',
      'xmlns:p="1:" xmlns:d="d:"',
    )
    check('invalid-namespace-uri', '<a/>', '<add sel="a" type="namespace::p"> </add>')
  })
  it('invalid-node-types: a replacement of another kind, or several', () => {
    check('invalid-node-types', '<a><b/></a>', '<replace sel="a/b">x</replace>')
    check('invalid-node-types', '<a><b/></a>', '<replace sel="a/b"><c/><d/></replace>')
    check('invalid-node-types', '<a><b/></a>', '<replace sel="a/b"/>')
    check('invalid-node-types', '<a>x</a>', '<replace sel="a/text()"><c/></replace>')
    check('invalid-node-types', '<a><!--x--></a>', '<replace sel="a/comment()">x</replace>')
  })
  it('invalid-patch-directive: a directive that is not understood', () => {
    check('invalid-patch-directive', '<a/>', '<move sel="a"/>')
    check('invalid-patch-directive', '<a/>', '<add sel="a" to="b"/>')
    check('invalid-patch-directive', '<a>x</a>', '<add sel="a/text()"><b/></add>')
    check('invalid-patch-directive', '<a/>', '<add sel="a" pos="after" type="@b">x</add>')
    check('invalid-patch-directive', '<a><b/></a>', '<remove sel="a/b"><b/></remove>')
  })
  it('invalid-root-element-operation: the root element stays, and has no sibling', () => {
    check('invalid-root-element-operation', '<a/>', '<remove sel="a"/>')
    check('invalid-root-element-operation', '<a/>', '<add sel="a" pos="after"><b/></add>')
  })
  it('invalid-xml-prolog-operation: no text beside the root element', () => {
    check('invalid-xml-prolog-operation', '<a/>', '<add sel="a" pos="before">x</add>')
  })
  it('invalid-whitespace-directive: white space that does not exist', () => {
    check('invalid-whitespace-directive', '<a><b/> </a>', '<remove sel="a/b" ws="both"/>')
    check('invalid-whitespace-directive', '<a><b/>x</a>', '<remove sel="a/b" ws="after"/>')
    check('invalid-whitespace-directive', '<a b=""/>', '<remove sel="a/@b" ws="after"/>')
    check('invalid-whitespace-directive', '<a>x</a>', '<remove sel="a/text()" ws="after"/>')
  })
  it('unlocated-node: no node, or several', () => {
    for (const sel of [
      'b',
      'a/c',
      'a/b',
      'a/*',
      'a/b[3]',
      'a/b[0]',
      'a/@c',
      'a/b/text()',
      'a/namespace::p',
      '@a',
      'a/b/comment()',
    ])
      check('unlocated-node', '<a><b>1</b><b>2</b></a>', `<remove sel="${sel}"/>`)
    check('unlocated-node', '<a xmlns:p="1:"><b/></a>', '<remove sel="a/b/namespace::p"/>')
  })
  it('unsupported-id-function: where it is not known which attributes are IDs', () => {
    check('unsupported-id-function', '<a id="x"/>', `<remove sel="id('x')"/>`)
    assert.equal(errorOf('<a/>', `<remove sel="id('x')"/>`, '', { isId: () => true }).condition, 'unlocated-node')
  })
  it('refuses more operations, and more searching, than it was told to', () => {
    const many = '<replace sel="a/@b">x</replace>'.repeat(5)
    assert.equal(errorOf('<a b=""/>', many, '', { maximumOperations: 4 }).condition, 'invalid-diff-format')
    const wide = `<a>${'<b><c/></b>'.repeat(100)}</a>`
    assert.equal(
      errorOf(wide, `<remove sel="a/b[c='x']"/>`, '', { maximumSteps: 150 }).condition,
      'invalid-diff-format',
    )
  })
})

describe('RFC 5261 §5.1: the error document', () => {
  it('contains the condition with its phrase, and in it the operation at fault with its namespaces', () => {
    const error = errorOf(
      '<a/>',
      `<p:add sel='id("ert4773")'>\n <p:note>some text added</p:note></p:add>`,
      'xmlns:p="urn:ietf:params:xml:ns:pidf-diff" xmlns="urn:x"',
      { isId: () => false },
    )
    const root = readDocument(writePatchError(error).toString())
    assert.equal(root.name, 'patch-ops-error')
    assert.equal(root.attributes.get('xmlns'), 'urn:ietf:params:xml:ns:patch-ops-error')
    const [condition] = root.children
    assert.ok(condition && 'name' in condition)
    assert.equal(condition.name, 'unlocated-node')
    assert.equal(condition.attributes.get('phrase'), error.phrase)
    const [operation] = condition.children
    assert.ok(operation && 'name' in operation)
    assert.equal(operation.name, 'p:add')
    assert.equal(operation.attributes.get('xmlns:p'), 'urn:ietf:params:xml:ns:pidf-diff')
    assert.equal(operation.attributes.get('sel'), 'id("ert4773")')
    assert.equal(operation.children.length, 2)
  })
  it('leaves out the content of an operation that is long', () => {
    const error = errorOf('<a/>', `<add sel="b">${'x'.repeat(5000)}</add>`)
    assert.ok(writePatchError(error).length < 500)
  })
  it('names no operation when the document as a whole is at fault', () => {
    const text = writePatchError(new PatchError('invalid-diff-format', 'not well-formed')).toString()
    assert.match(text, /<invalid-diff-format phrase="not well-formed"\/>/)
  })
})
