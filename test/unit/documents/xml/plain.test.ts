/** The quick reader of plain XML tells what the complete one tells, and accepts nothing that the other refuses. */

import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { SaxesParser } from 'saxes'
import { scanPlainXml } from '../../../../src/documents/xml/plain.ts'
import { defaultXmlLimits, type XmlEvents, type XmlTag } from '../../../../src/documents/xml/scan.ts'

type Told = readonly unknown[]

function shown({ name, prefix, local, uri, isSelfClosing, attributes, ns }: XmlTag) {
  const list = Object.keys(attributes).map(key => {
    const { name, prefix, local, uri, value } = attributes[key]!
    return [name, prefix, local, uri, value]
  })
  return [name, prefix, local, uri, isSelfClosing, list, Object.entries(ns)]
}

function recorder(told: Told[]): XmlEvents {
  return {
    open: (tag, position) => told.push(['open', ...shown(tag), position]),
    close: (tag, position) => told.push(['close', ...shown(tag), position]),
    text: (text, position) => told.push(['text', text, position]),
  }
}

/** What the quick reader tells; undefined when it leaves the document to the other. */
function plain(text: string, limits = defaultXmlLimits): Told[] | undefined {
  const told: Told[] = []
  return scanPlainXml(text, limits, reader => {
    const events = recorder(told)
    return {
      ...events,
      open(tag, position) {
        if (told.length === 0) told.push(['declaration', reader.declaration()?.version, reader.declaration()?.encoding])
        events.open(tag, position)
      },
    }
  })
    ? told
    : undefined
}

/** What saxes tells of the same document; undefined when it refuses it. */
function complete(text: string): Told[] | undefined {
  const told: Told[] = []
  const parser = new SaxesParser({ xmlns: true, position: false })
  const events = recorder(told)
  let depth = 0
  parser.on('opentag', tag => {
    if (told.length === 0) told.push(['declaration', parser.xmlDecl.version, parser.xmlDecl.encoding])
    depth++
    events.open(tag as XmlTag, parser.position)
  })
  parser.on('closetag', tag => {
    depth--
    events.close(tag as XmlTag, parser.position)
  })
  parser.on('text', value => {
    if (depth > 0) events.text?.(value, parser.position)
  })
  try {
    parser.write(text)
    parser.close()
    return told
  } catch {
    return undefined
  }
}

const pidf =
  `<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" ` +
  `xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' entity="sip:a@b.example">\n <tuple id="t1"  xml:lang="en"><status><basic>open</basic></status>` +
  `<dm:x a="1" dm:a="2"/><note >In a meeting &gt; noon</note ></tuple><dm:person id="p"/>\n</presence>\n`.replace(
    '&gt;',
    '>',
  )

const pieces = [
  ...['<', '>', '/', '</', '/>', '=', '"', "'", ' ', '\n', '\t', '\r', '&', '&amp;', ']]>', '<!', '<!--c-->', '<?p?>'],
  ...[
    'xmlns',
    'xmlns:',
    'xmlns=""',
    'xmlns:a=""',
    'xmlns:dm=" "',
    'xmlns:xml="u"',
    ':',
    '::',
    'dm:',
    'q:',
    'xml:lang="x"',
  ],
  ...[
    'a="1" dm:a="1"',
    ' a="1" a="2"',
    '<a>',
    '</a>',
    '<a/>',
    '<__proto__/>',
    ' __proto__="1"',
    ' constructor="1"',
    '-',
    '1',
  ],
  ...['\u0001', '\u007f', 'version="1.1"', ' standalone="yes"', 'http://www.w3.org/2000/xmlns/', 'x'.repeat(70)],
]

describe('reading plain XML', () => {
  it('tells of a presence document what the complete reader tells', () => {
    assert.ok(plain(pidf) !== undefined, 'it is plain')
    assert.deepEqual(plain(pidf), complete(pidf))
  })

  it('never accepts a changed document that the complete reader refuses, and tells the same of the others', () => {
    let accepted = 0
    const place = fc.nat(pidf.length)
    const change = fc.tuple(place, fc.nat(6), fc.oneof(fc.constantFrom(...pieces), fc.constant('')))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), changes => {
        let text = pidf
        for (const [at, removed, put] of changes) text = text.slice(0, at) + put + text.slice(at + removed)
        const told = plain(text)
        if (told === undefined) return
        accepted++
        assert.deepEqual(told, complete(text), JSON.stringify(text))
      }),
      { numRuns: 5_000 },
    )
    assert.ok(accepted > 200, `only ${accepted} were plain`)
  })

  it('tells the same of any row of pieces of XML', () => {
    const row = fc.array(fc.constantFrom(...pieces, 'text', '<dm:b xmlns:dm="u">', '</dm:b>', '<a xmlns="v">'), {
      maxLength: 12,
    })
    fc.assert(
      fc.property(row, parts => {
        const told = plain(`<a>${parts.join('')}</a>`)
        if (told !== undefined) assert.deepEqual(told, complete(`<a>${parts.join('')}</a>`))
      }),
      { numRuns: 5_000 },
    )
  })

  it('leaves to the complete reader whatever passes a limit, so that this one says so', () => {
    assert.ok(plain('<a><b/></a>', { ...defaultXmlLimits, depth: 2 }))
    assert.equal(plain('<a><b/></a>', { ...defaultXmlLimits, depth: 1 }), undefined)
    assert.equal(plain('<a>t<b/></a>', { ...defaultXmlLimits, nodes: 2 }), undefined)
    assert.equal(plain('<a b="1" c="2"/>', { ...defaultXmlLimits, attributes: 1 }), undefined)
    assert.equal(plain('<abc/>', { ...defaultXmlLimits, nameLength: 2 }), undefined)
  })

  it('leaves a document that its listener refuses to the complete reader', () => {
    const refusing = scanPlainXml('<a/>', defaultXmlLimits, reader => ({
      open: () => reader.refuse('no'),
      close() {},
    }))
    assert.equal(refusing, false)
  })
})
