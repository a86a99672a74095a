/** RFC 3858: the watcher information document. */

import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { XMLParser } from 'fast-xml-parser'
import {
  formatWatcherinfo,
  parseWatcherinfo,
  type WatcherInformation,
  watcherEvents,
  watcherStatuses,
} from '../../../src/documents/watcherinfo.ts'
import { parseXml, XmlError } from '../../../src/documents/xml/parse.ts'

const section5 = `<?xml version="1.0"?>
<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo"
             version="0" state="full">
  <watcher-list resource="sip:professor@example.net" package="presence">
    <watcher status="active"
             id="8ajksjda7s"
             duration-subscribed="509"
             event="approved" >sip:userA@example.net</watcher>
    <watcher status="pending"
             id="hh8juja87s997-ass7"
             display-name="Mr. Subscriber"
             event="subscribe">sip:userB@example.org</watcher>
  </watcher-list>
</watcherinfo>`

const read = (text: string) => parseWatcherinfo(Buffer.from(text))

describe('RFC 3858 §3: structure of watcher information', () => {
  it('the example of §5 is read as it says', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(read(section5))), {
      version: 0,
      state: 'full',
      lists: [
        {
          resource: 'sip:professor@example.net',
          package: 'presence',
          watchers: [
            {
              id: '8ajksjda7s',
              uri: 'sip:userA@example.net',
              status: 'active',
              event: 'approved',
              durationSubscribedSeconds: 509,
            },
            {
              id: 'hh8juja87s997-ass7',
              uri: 'sip:userB@example.org',
              status: 'pending',
              event: 'subscribe',
              displayName: 'Mr. Subscriber',
            },
          ],
        },
      ],
    })
  })

  it('documents are XML 1.0 in UTF-8, in the namespace, with version and state (PS-50, PS-55)', () => {
    const bytes = formatWatcherinfo({ version: 0, state: 'partial', lists: [] })
    assert.ok(bytes.toString().startsWith('<?xml version="1.0" encoding="UTF-8"?>'))
    const root = parseXml(bytes)
    assert.deepEqual([root.namespace, root.name], ['urn:ietf:params:xml:ns:watcherinfo', 'watcherinfo'])
    assert.deepEqual(
      root.attributes.map(({ name, value }) => [name, value]),
      [
        ['version', '0'],
        ['state', 'partial'],
      ],
    )
  })

  it('elements and attributes of other namespaces are ignored', () => {
    const extended = section5
      .replace('<watcher-list', '<x:watcher-list xmlns:x="urn:x"/><watcher-list')
      .replace('<watcher status', '<watcher xmlns:y="urn:y" y:id="no" status')
    assert.deepEqual(read(extended), read(section5))
  })

  it('version takes 32 bits and no more; status, event, id, resource and package are mandatory', () => {
    assert.equal(read(section5.replace('version="0"', 'version="4294967295"')).version, 4_294_967_295)
    const wrong = [
      ['version="0"', 'version="4294967296"'],
      ['version="0"', 'version="-1"'],
      ['version="0"', ''],
      ['state="full"', 'state="most"'],
      ['status="active"', ''],
      ['status="active"', 'status="init"'],
      ['event="approved"', 'event="accepted"'],
      ['id="8ajksjda7s"', ''],
      ['resource="sip:professor@example.net"', ''],
      ['package="presence"', ''],
      ['duration-subscribed="509"', 'duration-subscribed="long"'],
      ['watcherinfo"', 'reginfo"'],
    ] as const
    for (const [from, to] of wrong) assert.throws(() => read(section5.replace(from, to)), XmlError, `${from} → ${to}`)
  })

  it('what is written is read the same, by us and by another reader, whatever the names (PS-58)', () => {
    // XML 1.0 has no way to say these.
    const text = fc
      .string({ unit: 'grapheme' })
      .map(value => value.replaceAll(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]/gu, ''))
    const seconds = fc.option(fc.nat(), { nil: undefined })
    const watcher = fc.record({
      id: fc.stringMatching(/^[A-Za-z0-9.!%*_+`'~-]{1,12}$/),
      uri: fc.constantFrom('sip:bob@box.example', "sip:o'neil@box.example?a=b&c=%22", 'tel:+49301234'),
      status: fc.constantFrom(...watcherStatuses),
      event: fc.constantFrom(...watcherEvents),
      displayName: fc.option(text, { nil: undefined }),
      expirationSeconds: seconds,
      durationSubscribedSeconds: seconds,
    })
    const information: fc.Arbitrary<WatcherInformation> = fc.record({
      version: fc.nat(0xffffffff),
      state: fc.constantFrom('full', 'partial'),
      lists: fc.array(
        fc.record({
          resource: fc.constant('sip:a&b@box.example'),
          package: fc.constant('presence'),
          watchers: fc.array(watcher, { maxLength: 4 }),
        }),
        { maxLength: 2 },
      ),
    })
    const parser = new XMLParser({
      ignoreAttributes: false,
      attributeNamePrefix: '',
      parseTagValue: false,
      parseAttributeValue: false,
      trimValues: false,
      isArray: name => name === 'watcher' || name === 'watcher-list',
    })
    fc.assert(
      fc.property(information.map(plain), value => {
        const bytes = formatWatcherinfo(value)
        assert.deepEqual(parseWatcherinfo(bytes), value)
        const other = parser.parse(bytes).watcherinfo
        const uris = (other['watcher-list'] ?? []).map((list: { watcher?: { '#text': string }[] }) =>
          (list.watcher ?? []).map(each => each['#text']),
        )
        assert.deepEqual(
          uris,
          value.lists.map(list => list.watchers.map(each => each.uri)),
        )
      }),
    )
  })
})

/** Records of fast-check have no prototype, which deepEqual sees. */
function plain<T>(value: T): T {
  return structuredClone(value)
}
