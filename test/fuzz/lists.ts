/** Fuzz targets of what lists bring: meta-information, bodies of several parts, and a SUBSCRIBE with a list in it. */

import assert from 'node:assert/strict'
import { deflateSync } from 'node:zlib'
import { formatRelated, MultipartError, parseMultipart } from '../../src/documents/multipart.ts'
import { formatRlmi, parseRlmi } from '../../src/documents/rlmi.ts'
import { XmlError } from '../../src/documents/xml/errors.ts'
import { formatRemoteList, mergedList } from '../../src/entities/resource-list-server/remote-list.ts'
import { ParseError, SipRefusal } from '../../src/protocols/sip/errors.ts'
import { SipRequest } from '../../src/protocols/sip/message.ts'
import { decodeContent } from '../../src/protocols/sip-events/content-coding.ts'
import type { FuzzTarget } from './run.ts'

const rlmi = Buffer.from(
  '<?xml version="1.0"?><list xmlns="urn:ietf:params:xml:ns:rlmi" uri="sip:l@b" version="7" fullState="true" cid="x"><name xml:lang="en">Buddies</name><resource uri="sip:a@b"><name>A</name><instance id="1" state="active" cid="a@b"/></resource><resource uri="sip:c@d"><instance id="2" state="terminated" reason="rejected"/></resource></list>',
)
const related = formatRelated([
  { contentType: 'application/rlmi+xml', contentId: 'r@b', body: rlmi },
  { contentType: 'application/pidf+xml', contentId: 'a@b', body: Buffer.from('<presence/>') },
]).body

export const targets: readonly FuzzTarget[] = [
  {
    name: 'rlmi',
    seeds: [rlmi],
    run(bytes) {
      try {
        const list = parseRlmi(bytes)
        // XML has characters that are written otherwise than they were read; what was read once is stable.
        const again = parseRlmi(formatRlmi(list))
        assert.deepEqual(parseRlmi(formatRlmi(again)), again)
      } catch (error) {
        if (!(error instanceof XmlError)) throw error
      }
    },
  },
  {
    name: 'multipart',
    seeds: [
      related,
      Buffer.from('p\r\n--b \r\nContent-Type: a/b;\r\n c=d\r\n\r\n--bb\r\n--b\r\n\r\n\r\n--b--\r\n--b'),
      Buffer.from('--b\nA:1\n\nx\n--b--'),
    ],
    run(bytes) {
      try {
        const parts = parseMultipart(bytes, 'b', { parts: 100, headerOctets: 1_000 })
        const written = formatRelated(parts.map(part => ({ ...part, contentId: 'x', contentType: 'a/b' })))
        const boundary = /boundary=(.*)$/.exec(written.contentType)![1]!
        const again = parseMultipart(written.body, boundary, { parts: 100, headerOctets: 1_000 })
        assert.deepEqual(
          again.map(({ body }) => Buffer.from(body)),
          parts.map(({ body }) => Buffer.from(body)),
        )
      } catch (error) {
        if (!(error instanceof MultipartError)) throw error
      }
    },
  },
  {
    name: 'remote-list',
    seeds: [related, Buffer.from(related.toString().replace('fullState="true"', 'fullState="false"'))],
    run(bytes) {
      const type = 'multipart/related;type="application/rlmi+xml";start="<r@b>";boundary="b"'
      const before = mergedList(undefined, type, related)
      try {
        const list = mergedList(before, type, bytes)
        assert.ok(list.version >= before.version || list.isWhole)
        // What was understood can be told again, and is understood the same.
        const { contentType, body } = formatRemoteList(list, 1, 'x')
        const again = mergedList(undefined, contentType, body)
        assert.deepEqual(
          again.resources.map(({ uri }) => uri),
          mergedList(undefined, contentType, formatRemoteList(again, 1, 'x').body).resources.map(({ uri }) => uri),
        )
      } catch (error) {
        if (!(error instanceof XmlError || error instanceof MultipartError || error instanceof ParseError)) throw error
      }
    },
  },
  {
    name: 'deflate',
    seeds: [deflateSync(rlmi), deflateSync(Buffer.alloc(100_000))],
    run(bytes) {
      const request = new SipRequest('SUBSCRIBE', 'sip:l@b', [['Content-Encoding', 'deflate']], bytes)
      try {
        decodeContent(request, [], 50_000)
        assert.ok(request.body.length <= 50_000 || bytes.length > 50_000)
      } catch (error) {
        if (!(error instanceof SipRefusal)) throw error
      }
    },
  },
]
