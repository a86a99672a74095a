/**
 * Fuzz targets of XML patches: operations apply or are refused by name, and what is computed between two documents leads from
 * one to the other.
 */

import { strict as assert } from 'node:assert'
import { writePatchError } from '../../src/documents/patch-ops-error.ts'
import { computePatch } from '../../src/documents/xml/diff.ts'
import { parseXml, XmlError } from '../../src/documents/xml/parse.ts'
import { applyPatch, PatchError } from '../../src/documents/xml/patch.ts'
import { childElements, type XmlElement } from '../../src/documents/xml/tree.ts'
import { declarationText, serializeXml } from '../../src/documents/xml/write.ts'

export type FuzzTarget = {
  readonly name: string
  /** Throws only when something is wrong with us. */
  run(bytes: Uint8Array): void
  readonly seeds: readonly Uint8Array[]
}

const limits = { bytes: 1_000_000, depth: 64, nodes: 50_000, attributes: 4_096, nameLength: 256 }
const read = (text: string) => parseXml(Buffer.from(text), { limits, instructions: true })

/** A document, and behind it what is done to it. */
const cases = [
  `<doc><foo id="x" a="1">text<![CDATA[<]]></foo> <!--c--><?pi v?></doc><add sel="doc/foo[@id='x']" type="@user">B</add><add sel="doc/foo" pos="before"><!--n--><b/>t</add><replace sel="doc/foo/text()">x</replace><remove sel="*/comment()[1]"/><remove sel='doc/processing-instruction("pi")'/>`,
  `<d:doc xmlns:d="u:1" xmlns="u:2" xmlns:p="u:3"><e><p:f/> </e></d:doc><q:add xmlns:q="u:1" sel="q:doc"><q:n><p:x xmlns:p="u:3"/></q:n></q:add><add xmlns:b="u:2" sel="*/b:e" type="namespace::z">u:9</add><remove sel="*/*[1]/*[.='']" ws="after"/>`,
  `<a><b i="1"><c>x</c></b><b i="2"><c>y</c></b></a><remove sel="a/b[c='y'][@i='2'][1]" /><replace sel="/a/b"><a/></replace><add sel="id('x')/@y"/>`,
]
const pairs = [
  '<a> <b id="1">x</b> <b id="2">y</b>t</a><a> <b id="2">z</b><c/> <b id="1">x</b></a>',
  '<p:a xmlns:p="u:1" xmlns="u:2"><b c="" d="1"/><!--x--></p:a><p:a xmlns:p="u:1" xmlns="u:2" xmlns:q="u:3"><b c="&lt;\'" q:e=""/><q:b/></p:a>',
]

export const targets: readonly FuzzTarget[] = [
  {
    name: 'patch',
    seeds: cases.map(text => Buffer.from(`<all>${text}</all>`)),
    run(bytes) {
      const [target, ...operations] = elementsOf(bytes)
      if (target === undefined) return
      try {
        // What comes out can be read, or could not but for a prefix that means another namespace now.
        readable(applyPatch(target, operations))
      } catch (error) {
        if (!(error instanceof PatchError)) throw error
        read(writePatchError(error).toString())
      }
    },
  },
  {
    name: 'diff',
    seeds: pairs.map(text => Buffer.from(`<all>${text}</all>`)),
    run(bytes) {
      const [from, to] = elementsOf(bytes)
      const patch = from && to && computePatch(from, to)
      if (from === undefined || to === undefined || patch === undefined || patch.namespaces.has('zz')) return
      const declarations = [...patch.namespaces]
        .map(([prefix, namespace]) => declarationText(prefix, namespace))
        .join('')
      const operations = childElements(read(`<zz:d xmlns:zz="u:diff"${declarations}>${patch.write('zz')}</zz:d>`))
      const applied = read(applyPatch(from, operations, { maximumOperations: 10_000, maximumSteps: 1e9 }))
      assert.equal(computePatch(applied, to)?.length, 0)
    },
  },
]

/** The children of the root, each as the root of a document of its own. */
function elementsOf(bytes: Uint8Array): XmlElement[] {
  try {
    const [first, ...others] = childElements(parseXml(bytes, { limits, instructions: true }))
    if (first === undefined) return []
    const alone = read(serializeXml(first).toString())
    return [alone, ...others.map((other, index) => (index === 0 ? read(serializeXml(other).toString()) : other))]
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
    return []
  }
}

function readable(text: string): void {
  try {
    read(text)
  } catch (error) {
    if (!(error instanceof XmlError) || !/attribute/.test(error.message)) throw error
  }
}
