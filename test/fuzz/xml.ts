/** Fuzz targets of everything that reads XML: octets become a value or an XmlError, and nothing else. */

import { strict as assert } from 'node:assert'
import { parsePidf } from '../../src/documents/pidf-parts.ts'
import { publishedPidf } from '../../src/documents/published-pidf.ts'
import { parseReginfo } from '../../src/documents/reginfo.ts'
import { parseWatcherinfo } from '../../src/documents/watcherinfo.ts'
import { canonicalText } from '../../src/documents/xml/compare.ts'
import { parseXml, XmlError } from '../../src/documents/xml/parse.ts'
import { scanPlain } from '../../src/documents/xml/plain.ts'
import { scanAny } from '../../src/documents/xml/scan.ts'
import { withChildren, type XmlElement } from '../../src/documents/xml/tree.ts'
import { serializeXml } from '../../src/documents/xml/write.ts'
import { compose } from '../../src/entities/presence-server/compose.ts'
import { Recorder } from '../unit/documents/xml/recorder.ts'

export type FuzzTarget = {
  readonly name: string
  /** Throws only when something is wrong with us. */
  run(bytes: Uint8Array): void
  readonly seeds: readonly Uint8Array[]
}

/** Larger than the reader's own bound, so that the bound is met as well. */
const roomy = { bytes: 1_000_000, depth: 64, nodes: 50_000, attributes: 64, nameLength: 256 }

const documents = [
  '<a/>',
  '\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n<!-- c --><a xmlns="u:1" xmlns:p="u:2" p:x=\'"\'>&lt;&#x1F600;<p:b><![CDATA[<>]]></p:b></a>\n',
  '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
  '<a><?target body?><b xml:lang="de" xml:space="preserve"> </b></a>',
  `<?xml version="1.0" encoding="UTF-8"?>
<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:o="urn:oma:xml:prs:pidf:oma-pres" xmlns:e="urn:oma:xml:pde:pidf:ext" entity="pres:a@b">
 <p:tuple id="1t"><p:status><p:basic>open</p:basic></p:status><o:willingness o:u="" e:until="2026-01-01T00:00:00Z"><o:basic>open</o:basic></o:willingness><p:contact priority="2">sip:a@b</p:contact><p:timestamp>2026-01-01T00:00:00Z</p:timestamp></p:tuple>
 <dm:person id="p"><r:activities until="2027-01-01T00:00:00Z" id="x"><r:away/></r:activities><dm:note>n</dm:note></dm:person>
 <dm:device id="d"><dm:deviceID>urn:uuid:1</dm:deviceID></dm:device><p:note>n</p:note>
</p:presence>`,
  '<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="0" state="full"><watcher-list resource="sip:a@b" package="presence"><watcher id="1" status="active" event="approved">sip:c@d</watcher></watcher-list></watcherinfo>',
  '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="0" state="partial"><registration aor="sip:a@b" id="1" state="active"><contact id="2" state="active" event="created" expires="3"><uri>sip:c@d</uri></contact></registration></reginfo>',
]
const seeds = documents.map(text => Buffer.from(text, 'utf8'))

export const targets: readonly FuzzTarget[] = [
  {
    name: 'xml',
    seeds,
    run(bytes) {
      checkPlain(Buffer.from(bytes).toString('utf8'))
      const root = parsed(() => parseXml(bytes, { limits: roomy, instructions: true }))
      if (root === undefined) return
      checkPlaces(root)
      // What was read can be written and read again, copied from its source or built from its parts.
      const text = canonicalText(root)
      assert.equal(canonicalText(parseXml(serializeXml(root), { limits: roomy, instructions: true })), text)
      assert.equal(canonicalText(parseXml(serializeXml(rebuilt(root)), { limits: roomy, instructions: true })), text)
    },
  },
  {
    name: 'pidf',
    seeds,
    run(bytes) {
      const summary = parsed(() => publishedPidf(bytes, roomy))
      if (summary === undefined) return
      // What passes the check has parts, and composes to what can be sent.
      assert.equal(parsed(() => parsePidf(bytes, roomy)) === undefined, false)
      const source = { key: 'k', kind: 'soft', bytes, since: 0, publishedAt: 0, summary } as const
      const options = { now: Date.UTC(2026, 5, 1), maximumOctets: 2_000_000, xml: roomy }
      const { bytes: composed } = compose('sip:a@b', [source], undefined, options)
      assert.equal(publishedPidf(composed, { ...roomy, bytes: 2_000_000, attributes: 4_096 }).sendable, true)
    },
  },
  { name: 'watcherinfo', seeds, run: bytes => void parsed(() => parseWatcherinfo(bytes, roomy)) },
  { name: 'reginfo', seeds, run: bytes => void parsed(() => parseReginfo(bytes, roomy)) },
]

function parsed<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
    assert.ok(error.line >= 1 && error.column >= 1 && error.offset >= 0)
    return undefined
  }
}

/** What the quick reader takes, it reads as the one for all of XML does. */
function checkPlain(text: string): void {
  const [plain, any] = [new Recorder(), new Recorder()]
  if (!scanPlain(text, roomy, plain.listen)) return
  scanAny(text, Buffer.from(text), roomy, any.listen)
  assert.deepEqual(plain.events, any.events)
}

/** Every node lies in its parent, behind its predecessor. */
function checkPlaces(element: XmlElement): void {
  const source = element.source!
  assert.equal(source.text[source.start], '<')
  assert.equal(source.text[source.end - 1], '>')
  let at = source.contentStart
  for (const node of element.children) {
    const place = node.kind === 'element' ? node.source! : node
    assert.equal(place.start, at)
    assert.ok(place.end >= place.start)
    at = place.end
    if (node.kind === 'element') checkPlaces(node)
  }
  assert.equal(at, source.contentEnd)
}

function rebuilt(element: XmlElement): XmlElement {
  return withChildren(
    element,
    element.children.map(node => (node.kind === 'element' ? rebuilt(node) : node)),
  )
}
