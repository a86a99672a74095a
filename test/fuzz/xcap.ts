/** Fuzz targets of HTTP and XCAP: octets become requests, answers or refusals, and nothing else. */

import { strict as assert } from 'node:assert'
import { parseXml } from '../../src/documents/xml/parse.ts'
import { nodeOf, resolveSelection } from '../../src/entities/xdms/change-subscriptions/selection.ts'
import { authorityOf } from '../../src/protocols/http/authority.ts'
import { HttpRefusal } from '../../src/protocols/http/errors.ts'
import { HttpReader, type ReadRequest } from '../../src/protocols/http/reader.ts'
import { SipRefusal } from '../../src/protocols/sip/errors.ts'
import { parseXcapUri } from '../../src/protocols/xcap/document-selector.ts'
import { deleteNode, putAttribute, putElement, readDocument } from '../../src/protocols/xcap/edit.ts'
import { parseNodeSelector } from '../../src/protocols/xcap/node-selector.ts'
import { selectedText } from '../../src/protocols/xcap/select.ts'

export type FuzzTarget = {
  readonly name: string
  /** Throws only when something is wrong with us. */
  run(bytes: Uint8Array): void
  readonly seeds: readonly Uint8Array[]
}

const limits = { bytes: 100_000, depth: 32, nodes: 8_192, attributes: 64, nameLength: 256 }
const document = Buffer.from(
  `<?xml version="1.0"?><!--b--><r xmlns="u:d" xmlns:p="u:p"><l n="1"/><l n="2" p:x='&lt;'><e u="a"/> <e u="b"/></l><p:l/><!--c--></r>`,
)
const usages = new Map([
  ['tests', { auid: 'tests', contentType: '', defaultNamespace: 'u:d', grammar: { root: '', vocabularies: [] } }],
])
const root = parseXml(document, { limits, instructions: true })
const context = { limits, ancestor: String }

export const targets: readonly FuzzTarget[] = [
  {
    name: 'http',
    seeds: [
      'PUT /a?b HTTP/1.1\r\nHost: c\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabcGET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
      'PUT / HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nA: b\r\n\r\n\r\nGET / HTTP/1.1\r\nhost:\r\n\r\n',
    ].map(text => Buffer.from(text)),
    run(bytes) {
      // Whole or octet by octet, the same requests and the same refusal.
      assert.deepEqual(readHttp(bytes, 1), readHttp(bytes, bytes.length))
    },
  },
  {
    name: 'xcap uri',
    seeds: [
      '/resource-lists/users/sip:a@b/index/~~/r/l%5b2%5d%5b@n=%222%22%5d/@p:x?xmlns(p=u:p)',
      '/a/global/i/~~/*/q:l/namespace::*?element(/1)xmlns(q=u^)p)',
      "/a/users/%C3%A9/i/%7e~/r/*[1][@n='&#x31;']/e",
    ].map(text => Buffer.from(text)),
    run(bytes) {
      const target = Buffer.from(bytes).toString('latin1')
      refusable(() => {
        const uri = parseXcapUri(target, '')
        assert.ok(!uri.path.split('/').some(segment => segment === '' || segment === '..' || segment === '.'))
        if (uri.node !== undefined) selectedText(root, parseNodeSelector(uri.node, uri.query, 'u:d'))
      })
    },
  },
  {
    name: 'xcap selection',
    seeds: [
      'tests/users/sip:a@b/index\nhttp://c/tests/users/a/\n/tests/global/d/~~/r/@p:x?xmlns(p=u:p)',
      'tests/\n\n/\n%zz/\ntests/users/\ntests/users/a/index/~~/*/l%5b1%5d',
    ].map(text => Buffer.from(text)),
    run(bytes) {
      const uris = Buffer.from(bytes).toString('latin1').split('\n')
      const userOf = (xui: string) => (xui === '' ? undefined : 'sip:a@b')
      try {
        const selected = resolveSelection(uris, { usages, root: '', subscriber: 'sip:a@b', userOf })
        // What was resolved can be kept, and read again later.
        for (const one of selected) if (one.kind === 'component') selectedText(root, nodeOf(one.sel, usages))
      } catch (error) {
        if (!(error instanceof SipRefusal)) throw error
        assert.ok(error.status === 400 || error.status === 413)
      }
    },
  },
  {
    name: 'xcap element',
    seeds: ['r/l\n<l n="3"/>', 'r/*[2][@n="9"]\n<p:l n="9"><e u="c"/></p:l>', 'r/l[1]/e\n<e u="x"> <!--y--></e>'].map(
      text => Buffer.from(text),
    ),
    run: bytes =>
      editing(bytes, (selector, body) => {
        const node = parseNodeSelector(selector, 'xmlns(p=u:p)', 'u:d')
        if (node.terminal !== undefined) return
        const { bytes: edited } = putElement(root, node.steps, body, context)
        // GET(PUT(x)) is an element of x, and the rest is as it was.
        const text = selectedText(readDocument(edited, limits), node)!
        assert.ok(Buffer.from(body).toString('utf8').includes(text))
      }),
  },
  {
    name: 'xcap attribute',
    seeds: ['r/l[2]/@n\n"3"', "r/l[1]/@p:x\n'&quot;'", 'r/p:l/@a\n"b"'].map(text => Buffer.from(text)),
    run: bytes =>
      editing(bytes, (selector, body) => {
        const node = parseNodeSelector(selector, 'xmlns(p=u:p)', 'u:d')
        if (node.terminal?.kind !== 'attribute') return
        const { bytes: edited } = putAttribute(root, node.steps, node.terminal, body, context)
        const text = selectedText(readDocument(edited, limits), node)!
        assert.ok(Buffer.from(body).toString('utf8').includes(text))
        assert.equal(edited.toString('utf8').split('<').length, document.toString('utf8').split('<').length)
      }),
  },
  {
    name: 'xcap delete',
    seeds: ['r/l[2]/e[2]', 'r/*[3]', 'r/l[2]/@p:x', 'r/l[@n="1"]'].map(text => Buffer.from(text)),
    run: bytes =>
      editing(bytes, selector => {
        const node = parseNodeSelector(selector, 'xmlns(p=u:p)', 'u:d')
        const { bytes: edited } = deleteNode(root, node, context)
        assert.equal(selectedText(readDocument(edited, limits), node), undefined)
      }),
  },
]

function readHttp(bytes: Uint8Array, step: number): readonly (readonly unknown[])[] {
  const reader = new HttpReader({ headerOctets: 500, bodyOctets: 500 })
  const seen: unknown[][] = []
  try {
    for (let at = 0; at < bytes.length; at += step) {
      reader.push(Buffer.from(bytes.subarray(at, at + step)))
      for (let request: ReadRequest | undefined = reader.next(); request !== undefined; request = reader.next())
        seen.push([
          request.method,
          request.target,
          { ...request.headers },
          Buffer.from(request.body).toString('latin1'),
          authorityOf(request)?.host,
        ])
    }
  } catch (error) {
    if (!(error instanceof HttpRefusal)) throw error
    seen.push([error.status])
  }
  return seen
}

/** The first line is a selector, what follows it a body. */
function editing(bytes: Uint8Array, edit: (selector: string, body: Uint8Array) => void): void {
  const end = bytes.indexOf(10)
  const selector = Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString('utf8')
  refusable(() => edit(encodeURI(selector.toWellFormed()), end === -1 ? new Uint8Array(0) : bytes.subarray(end + 1)))
}

function refusable(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof HttpRefusal)) throw error
    assert.ok(error.status >= 400 && error.status < 500)
  }
}
