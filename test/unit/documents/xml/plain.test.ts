import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { XmlError } from '../../../../src/documents/xml/errors.ts'
import { scanPlain } from '../../../../src/documents/xml/plain.ts'
import { defaultXmlLimits, scanAny, type XmlLimits } from '../../../../src/documents/xml/scan.ts'
import { Recorder } from './recorder.ts'

/** What each reader tells of a document; undefined when it is not plain, or is refused. */
function told(text: string, limits: XmlLimits = defaultXmlLimits, refuseAt?: number) {
  const [plain, any] = [new Recorder(refuseAt), new Recorder(refuseAt)]
  const isPlain = scanPlain(text, limits, plain.listen)
  let isWellFormed = true
  try {
    scanAny(text, Buffer.from(text), limits, any.listen)
  } catch (error) {
    assert.ok(error instanceof XmlError, String(error))
    isWellFormed = false
  }
  return { plain: isPlain ? plain.events : undefined, any: isWellFormed ? any.events : undefined }
}

function areAlike(text: string, limits?: XmlLimits, refuseAt?: number): boolean {
  const { plain, any } = told(text, limits, refuseAt)
  if (plain !== undefined) assert.deepEqual(plain, any, JSON.stringify(text))
  return plain !== undefined
}

const plainDocuments = [
  '<a/>',
  '<a></a>',
  '  \n<a >\n</a  >\n ',
  '<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:a@b">\n  <tuple id="t1"><status><basic>open</basic></status><contact priority="0.8">sip:a@b</contact><note xml:lang="de">Grüße, 你好</note></tuple>\n  <dm:person id="p1"><rpid:activities><rpid:meeting/></rpid:activities></dm:person>\n</presence>\n',
  "<?xml version='1.0' encoding='utf-8'?><a b='\"' c=\"'\" d='>'/>",
  '<?xml version="1.0"?><p:a xmlns:p="u:1"><p:b xmlns:p="u:2" p:c="1" c="2"/><b xmlns="u:3"><c/></b><p:d/></p:a>',
  '<a xmlns:p="u:1" xmlns:q="u:2" p:x="1" q:x="2" p:y="3">a > b ] ]] "c"</a>',
  '<_a.b-c1 d_e.f-g1=""/>',
]

describe('reading plain XML', () => {
  it('tells of a plain document what the reader for all of XML does', () => {
    for (const text of plainDocuments) assert.ok(areAlike(text), text)
  })

  it('leaves what is not plain, or not well-formed, to that reader', () => {
    for (const text of [
      '',
      'a',
      '<a>',
      '</a>',
      '<a></b>',
      '<a></ab>',
      '<ab></a>',
      '<a/><b/>',
      '<a/>b',
      'b<a/>',
      '<a>&amp;</a>',
      '<a>\t</a>',
      '<a>\r\n</a>',
      '<a>\u0000</a>',
      '<a>\ufffe</a>',
      '<a>\u{1f600}</a>',
      '\ufeff<a/>',
      '<a><!-- b --></a>',
      '<a><![CDATA[b]]></a>',
      '<a>]]></a>',
      '<a><?b c?></a>',
      '<!DOCTYPE a><a/>',
      '<?xml version="1.1"?><a/>',
      '<?xml version="1.0" encoding="latin1"?><a/>',
      '<?xml version="1.0" standalone="yes"?><a/>',
      '<a b/>',
      '<a b=c/>',
      '<a b = "c"/>',
      '<a b="c"d="e"/>',
      '<a b="c" b="d"/>',
      '<a b="<"/>',
      '<a b="\n"/>',
      '<a b="c/>',
      '<a/ >',
      '< a/>',
      '<é/>',
      '<:a/>',
      '<a:/>',
      '<a:b/>',
      '<a:b:c xmlns:a="u:1"/>',
      '<a:1b xmlns:a="u:1"/>',
      '<a xmlns=""/>',
      '<a xmlns:p=""/>',
      '<a xmlns=" u:1"/>',
      '<a xmlns:xml="http://www.w3.org/XML/1998/namespace"/>',
      '<a xmlns:p="http://www.w3.org/XML/1998/namespace"/>',
      '<a xmlns="http://www.w3.org/2000/xmlns/"/>',
      '<a xmlns:xmlns="u:1"/>',
      '<xmlns:a/>',
      '<a xmlns:p="u:1" xmlns:q="u:1" p:x="1" q:x="2"/>',
      '<a xmlns:p="u:1" xmlns:p="u:2"/>',
      '<a p:b="1"/>',
      '<a><p:b xmlns:p="u:1"/><p:c/></a>',
      '<a constructor="1" __proto__="2"/>',
      '<a xmlns:__proto__="u:1"/>',
    ])
      assert.equal(scanPlain(text, defaultXmlLimits, new Recorder().listen), false, text)
  })

  it('leaves a document beyond a limit to that reader, which says so', () => {
    const text = '<a b="1" c="2"><d><e/></d>text<f/></a>'
    const bounds: readonly Partial<XmlLimits>[] = [{ depth: 2 }, { nodes: 4 }, { attributes: 1 }]
    for (const bound of bounds) {
      const { plain, any } = told(text, { ...defaultXmlLimits, ...bound })
      assert.deepEqual([plain, any], [undefined, undefined], JSON.stringify(bound))
    }
    assert.equal(told('<abc/>', { ...defaultXmlLimits, nameLength: 2 }).plain, undefined)
    for (let nodes = 1; nodes < 12; nodes++) {
      const { plain, any } = told(text, { ...defaultXmlLimits, nodes })
      if (plain !== undefined) assert.deepEqual(plain, any)
    }
  })

  it('leaves it to that reader to say where a listener has refused a document', () => {
    for (let at = 0; at < 8; at++) areAlike(plainDocuments[3]!, defaultXmlLimits, at)
    assert.equal(areAlike(plainDocuments[3]!, defaultXmlLimits, 5), false)
  })

  it('is never wrong, whatever stands in a document', () => {
    const pieces = [
      ...[
        '<',
        '>',
        '/',
        '</',
        '/>',
        '=',
        '"',
        "'",
        ' ',
        '\n',
        '\t',
        '&',
        '&amp;',
        ':',
        '!',
        '?',
        ']]>',
        '-->',
        '<!--',
        'é',
      ],
      ...['a', 'b', 'p:a', 'q:b', 'xmlns', 'xmlns:p', 'xmlns:q', 'xml:lang', 'u:1', 'u:2', '="u:1"', " b='c'"],
      ...['<a>', '</a>', '<a/>', '<p:a>', '</p:a>', ' xmlns:p="u:1"', ' xmlns="u:2"', '<?xml version="1.0"?>', 'text'],
    ]
    const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 24 }).map(all => all.join(''))
    let plain = 0
    const count = (text: string) => {
      if (areAlike(text)) plain++
    }
    fc.assert(fc.property(texts, count), { numRuns: 3_000 })
    // Plain ones with something changed.
    const places = fc.tuple(fc.constantFrom(...plainDocuments), fc.nat(), fc.nat(3), fc.constantFrom('', ...pieces))
    fc.assert(
      fc.property(places, ([text, place, length, piece]) => {
        const at = place % (text.length + 1)
        count(text.slice(0, at) + piece + text.slice(at + length))
      }),
      { numRuns: 6_000 },
    )
    assert.ok(plain > 500, `${plain} plain documents`)
  })
})
