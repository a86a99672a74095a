import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { XMLParser } from 'fast-xml-parser'
import { omaPresenceNamespace } from '../../../../src/documents/oma-presence.ts'
import { pidfNamespace, registrationTupleId } from '../../../../src/documents/pidf.ts'
import { basicStatus, parsePidf, timestampOf } from '../../../../src/documents/pidf-parts.ts'
import { publishedPidf } from '../../../../src/documents/published-pidf.ts'
import { canonicalText } from '../../../../src/documents/xml/compare.ts'
import {
  attributeValue,
  childElement,
  childElements,
  trimmedText,
  type XmlElement,
} from '../../../../src/documents/xml/tree.ts'
import {
  type ComposeOptions,
  compose,
  type PresenceSource,
  type RegistrationReport,
} from '../../../../src/entities/presence-server/compose.ts'

const alice = 'sip:alice@box.example'
const now = Date.UTC(2026, 10, 20, 12)
const options: ComposeOptions = { now, maximumOctets: 65_536 }
const declarations =
  'xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:op="urn:oma:xml:prs:pidf:oma-pres" xmlns:pde="urn:oma:xml:pde:pidf:ext" xmlns:x="urn:example"'

function document(content: string, entity = alice): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<presence ${declarations} entity="${entity}">${content}</presence>`
}

/** The n-th source, published n minutes after the first. */
function source(n: number, text: string, more: Partial<PresenceSource> = {}): PresenceSource {
  const bytes = Buffer.from(text, 'utf8')
  return {
    key: `k${n}`,
    kind: 'soft',
    bytes,
    since: n * 60_000,
    publishedAt: n * 60_000,
    summary: publishedPidf(bytes),
    ...more,
  }
}

const sourcesOf = (...contents: string[]) => contents.map((content, n) => source(n, document(content)))
const composed = (sources: readonly PresenceSource[], registration?: RegistrationReport) =>
  parsePidf(compose(alice, sources, registration, options).bytes)
const idOf = (element: XmlElement) => attributeValue(element, 'id')
const canonical = (elements: readonly XmlElement[]) => elements.map(element => canonicalText(element))
const element = (content: string) => childElements(parsePidf(Buffer.from(document(content))).root)[0]!

const status = '<status><basic>open</basic></status>'
const tuple = (id: string, rest: string, first = status) => `<tuple id="${id}">${first}${rest}</tuple>`

describe('composition: one source', () => {
  it('passes a document on as its own octets', () => {
    const only = source(1, document(`${tuple('t', '')}<x:y> &lt;</x:y>`))
    assert.equal(compose(alice, [only], undefined, options).bytes, only.bytes)
  })

  it('does the same when it has to check the document itself', () => {
    const only = source(1, document(tuple('t', '')), { summary: undefined })
    assert.equal(compose(alice, [only], undefined, options).bytes, only.bytes)
  })

  it('writes the presentity into entity and leaves every other octet', () => {
    const text = document(`${tuple('t', '<note>é</note>')}`, 'pres:alice@box.example')
    const { bytes } = compose("sip:al'ice@box.example", [source(1, text)], undefined, options)
    assert.equal(Buffer.from(bytes).toString(), text.replace('pres:alice@', 'sip:al&#39;ice@'))
  })

  it('adds the XML declaration that RFC 3863 §4.1 demands', () => {
    const text = document(tuple('t', '')).slice(39)
    const { bytes } = compose(alice, [source(1, text)], undefined, options)
    assert.equal(Buffer.from(bytes).toString(), document(tuple('t', '')))
  })

  it('rewrites ids that strict peers refuse, the same each time (PS-62, PS-84)', () => {
    const only = [source(1, document(`${tuple('1a', '')}<dm:person id="1a"/><dm:person/>`))]
    const { tuples, persons } = composed(only)
    const ids = [...tuples, ...persons].map(idOf)
    assert.equal(new Set(ids).size, 3)
    for (const id of ids) assert.match(id!, /^i[0-9a-f]{12}$/)
    const changed = source(1, document(`${tuple('1a', '<note>n</note>')}<dm:person id="1a"/>`))
    assert.deepEqual(composed([changed]).tuples.map(idOf), tuples.map(idOf))
  })

  it('puts elements in the order of the schema and leaves out what is not valid', () => {
    const text = document(
      '<note>n</note><dm:person id="p"><dm:timestamp>x</dm:timestamp><dm:note>m</dm:note><r:mood/></dm:person><tuple id="t"><contact priority="7">sip:a@b</contact><x:y/><status><x:z/><basic>open</basic></status><timestamp>x</timestamp></tuple>',
    )
    const { root } = composed([source(1, text)])
    assert.deepEqual(
      canonical(childElements(root)),
      canonical([
        element(`<tuple id="t"><status><basic>open</basic><x:z/></status><x:y/><contact>sip:a@b</contact></tuple>`),
        element('<note>n</note>'),
        element('<dm:person id="p"><r:mood/><dm:note>m</dm:note></dm:person>'),
      ]),
    )
  })

  it('keeps the language that the root gave to notes', () => {
    const text = document(
      '<note>n</note><dm:person id="p"><dm:note xml:lang="fr">m</dm:note></dm:person><tuple id="1"><status/><note>o</note></tuple>',
    ).replace('entity=', 'xml:lang="de" entity=')
    const { notes, tuples, persons } = composed([source(1, text)])
    assert.deepEqual(canonical(notes), canonical([element('<note xml:lang="de">n</note>')]))
    assert.equal(
      canonicalText(childElement(tuples[0]!, pidfNamespace, 'note')!),
      canonicalText(element('<note xml:lang="de">o</note>')),
    )
    assert.ok(canonicalText(persons[0]!).includes('2:fr'))
  })
})

describe('composition: what ends by itself (OP-11)', () => {
  const willing = (until: string) =>
    `<dm:person id="p"><op:overriding-willingness pde:until="${until}"><op:basic>closed</op:basic></op:overriding-willingness></dm:person>`

  it('is there until then, and the caller is told when', () => {
    const only = source(1, document(willing('2026-11-20T12:00:01Z')))
    const before = compose(alice, [only], undefined, options)
    assert.equal(before.bytes, only.bytes)
    assert.equal(before.changesAt, now + 1_000)
    const after = compose(alice, [only], undefined, { ...options, now: now + 1_000 })
    assert.deepEqual(canonical(parsePidf(after.bytes).persons), canonical([element('<dm:person id="p"/>')]))
    assert.equal(after.changesAt, undefined)
  })

  it('is told for the earliest of all sources', () => {
    const sources = sourcesOf(
      willing('2026-11-20T13:00:00Z'),
      willing('2026-11-20T12:30:00Z'),
      willing('2026-11-20T11:00:00Z'),
    )
    assert.equal(compose(alice, sources, undefined, options).changesAt, Date.UTC(2026, 10, 20, 12, 30))
  })
})

describe('composition: tuples (PS-80, PS-81, PS-85)', () => {
  const service = (id: string, version: string, description = '') =>
    `<op:service-description><op:service-id>${id}</op:service-id><op:version>${version}</op:version>${description}</op:service-description>`
  const contact = (uri: string, priority = '') => `<contact${priority}>${uri}</contact>`
  const apart: readonly (readonly [what: string, a: string, b: string])[] = [
    ['contacts differ', contact('sip:a@1'), contact('sip:a@2')],
    ['only one has a contact', contact('sip:a@1'), ''],
    ['services differ', service('org.3gpp.cs-speech', '1.0'), service('org.gsma.videoshare', '1.0')],
    [
      'versions of a service differ (OP-12)',
      service('org.gsma.videoshare', '1.0'),
      service('org.gsma.videoshare', '2.0'),
    ],
    ['only one has a service', service('org.3gpp.cs-speech', '1.0'), ''],
    ['classes differ', '<r:class>work</r:class>', '<r:class>home</r:class>'],
    ['only one has a class', '<r:class>work</r:class>', ''],
    ['devices differ (PS-85)', '<dm:deviceID>urn:x:1</dm:deviceID>', '<dm:deviceID>urn:x:2</dm:deviceID>'],
    ['only one has a device', '<dm:deviceID>urn:x:1</dm:deviceID>', ''],
    [
      'an element has another value',
      '<op:barring-state>active</op:barring-state>',
      '<op:barring-state>terminated</op:barring-state>',
    ],
    ['an element has other attributes', '<x:y a="1"/>', '<x:y a="2"/>'],
    ['notes differ', '<note>at home</note>', '<note>at work</note>'],
  ]
  for (const [what, a, b] of apart) {
    it(`stay apart when ${what}`, () => {
      const { tuples } = composed(sourcesOf(tuple('a', a), tuple('b', b)))
      assert.deepEqual(canonical(tuples), canonical([element(tuple('a', a)), element(tuple('b', b))]))
    })
  }

  it('stay apart when their status differs', () => {
    const { tuples } = composed(sourcesOf(tuple('a', ''), tuple('b', '', '<status><basic>closed</basic></status>')))
    assert.deepEqual(tuples.map(basicStatus), ['open', 'closed'])
  })

  it('of one source stay apart, as their publisher meant them', () => {
    const { tuples } = composed(sourcesOf(`${tuple('a', '')}${tuple('b', '')}`, tuple('c', '')))
    assert.deepEqual(tuples.map(idOf), ['a', 'b'])
  })

  it('merge when nothing differs: equal elements once, the others together, in the order of the schema', () => {
    const a = tuple('a', `<x:y/><op:willingness><op:basic>open</op:basic></op:willingness>${contact('sip:a@1')}`)
    const b = tuple('b', `<x:z/><x:y></x:y>${contact(' sip:a@1 ')}<note>n</note>`)
    const { tuples } = composed(sourcesOf(a, b))
    assert.deepEqual(
      canonical(tuples),
      canonical([
        element(
          tuple(
            'a',
            `<x:y/><op:willingness><op:basic>open</op:basic></op:willingness><x:z/>${contact('sip:a@1')}<note>n</note>`,
          ),
        ),
      ]),
    )
  })

  it('stay apart when one differs from what another has added', () => {
    const { tuples } = composed(sourcesOf(tuple('a', ''), tuple('b', '<x:y>1</x:y>'), tuple('c', '<x:y>2</x:y>')))
    assert.deepEqual(
      canonical(tuples),
      canonical([element(tuple('a', '<x:y>1</x:y>')), element(tuple('c', '<x:y>2</x:y>'))]),
    )
  })

  it('merge whatever their prefixes (PS-63), keeping what prefixes in values meant', () => {
    const other = `<?xml version="1.0"?><p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns:x="urn:other" xmlns:y="urn:example" entity="${alice}"><p:tuple id="b"><p:status><p:basic>open</p:basic></p:status><y:y/><x:z>x:value</x:z></p:tuple></p:presence>`
    const { tuples } = composed([source(0, document(tuple('a', '<x:y/>'))), source(1, other)])
    assert.equal(tuples.length, 1)
    const z = childElement(tuples[0]!, 'urn:other', 'z')!
    assert.deepEqual([z.scope.lookup('x'), trimmedText(z)], ['urn:other', 'x:value'])
  })

  it('merge with the highest priority, absent and wrong ones counting as the lowest', () => {
    const priorities = ['', ' priority="0.3"', ' priority="0.25"', ' priority="9"']
    const { tuples } = composed(
      sourcesOf(...priorities.map((priority, n) => tuple(`t${n}`, contact('sip:a@1', priority)))),
    )
    assert.equal(tuples.length, 1)
    assert.equal(attributeValue(childElement(tuples[0]!, pidfNamespace, 'contact')!, 'priority'), '0.3')
  })

  it('merge with the newest timestamp, wherever it was published', () => {
    const at = (time: string) => tuple(`t${time.length}`, `<timestamp>${time}</timestamp>`)
    const { tuples } = composed(
      sourcesOf(
        at('2026-11-20T10:00:00Z'),
        at('2026-11-20T12:30:00+01:00'),
        at('2026-11-20T11:00:00.0Z'),
        tuple('t', ''),
      ),
    )
    assert.equal(tuples.length, 1)
    assert.equal(timestampOf(tuples[0]!), Date.UTC(2026, 10, 20, 11, 30))
  })

  it('merge with at most one description, that of the newest publication that has one', () => {
    const describe = (text: string) =>
      service('org.openmobilealliance:IM-session', '1.0', text && `<op:description>${text}</op:description>`)
    const { tuples } = composed(
      sourcesOf(
        tuple('a', describe('chat')),
        tuple('b', describe('talk').replace('IM-session', 'im-Session')),
        tuple('c', describe('')),
      ),
    )
    assert.equal(tuples.length, 1)
    const merged = childElement(tuples[0]!, omaPresenceNamespace, 'service-description')!
    assert.deepEqual(childElements(merged, omaPresenceNamespace, 'description').map(trimmedText), ['talk'])
  })
})

describe('composition: persons and devices (PS-82, PS-83)', () => {
  const person = (id: string, content: string) => `<dm:person id="${id}">${content}</dm:person>`
  const device = (id: string, content: string, urn = 'urn:uuid:00000000-0000-0000-0000-00000000000A') =>
    `<dm:device id="${id}">${content}<dm:deviceID>${urn}</dm:deviceID></dm:device>`
  const stamp = (hour: number) => `<dm:timestamp>2026-11-20T${hour}:00:00Z</dm:timestamp>`

  it('persons of one class merge when nothing conflicts, with the newest timestamp', () => {
    const { persons } = composed(
      sourcesOf(
        person('a', `<r:class>c</r:class><r:mood><r:happy/></r:mood>${stamp(11)}`),
        person('b', `<r:class> c </r:class><r:activities><r:away/></r:activities>${stamp(10)}`),
      ),
    )
    assert.deepEqual(
      canonical(persons),
      canonical([
        element(
          person(
            'a',
            `<r:class>c</r:class><r:mood><r:happy/></r:mood><r:activities><r:away/></r:activities>${stamp(11)}`,
          ),
        ),
      ]),
    )
  })

  it('otherwise both stay', () => {
    for (const [a, b] of [
      ['<r:mood><r:happy/></r:mood>', '<r:mood><r:sad/></r:mood>'],
      ['<r:class>c</r:class>', ''],
      ['<r:class>c</r:class>', '<r:class>d</r:class>'],
    ] as const) {
      const { persons } = composed(sourcesOf(person('a', a), person('b', b)))
      assert.deepEqual(canonical(persons), canonical([element(person('a', a)), element(person('b', b))]))
    }
  })

  it('occurrences of one device always merge; where they differ the newest publication has it', () => {
    const sources = [
      source(0, document(device('a', '<r:class>old</r:class><x:only>a</x:only>')), { publishedAt: 9 }),
      source(1, document(device('b', '<r:class>new</r:class>', 'urn:uuid:00000000-0000-0000-0000-00000000000a')), {
        publishedAt: 10,
      }),
    ]
    const { devices } = composed(sources)
    assert.deepEqual(canonical(devices), canonical([element(device('a', '<x:only>a</x:only><r:class>new</r:class>'))]))
    const older = [{ ...sources[0]!, publishedAt: 11 }, sources[1]!]
    assert.deepEqual(
      canonical(composed(older).devices),
      canonical([element(device('a', '<r:class>old</r:class><x:only>a</x:only>'))]),
    )
  })

  it('other devices stay', () => {
    assert.equal(
      composed(sourcesOf(device('a', ''), device('b', '', 'urn:x:2'), '<dm:device id="c"/>', '<dm:device id="d"/>'))
        .devices.length,
      4,
    )
  })

  it('notes and extensions of the presentity are there once when they are equal', () => {
    const { notes, extensions } = composed(
      sourcesOf('<note>n</note><x:y/>', '<note>n</note><x:y/>', '<note xml:lang="de">n</note><x:y>1</x:y>'),
    )
    assert.deepEqual([notes.length, extensions.length], [2, 2])
  })
})

describe('composition: ids (PS-84)', () => {
  const home = tuple('t', '<contact>sip:a@1</contact>')
  const work = tuple('t', '<contact>sip:a@2</contact>')

  it('the older source keeps an id that two use, the other gets one that stays', () => {
    const [a, b] = sourcesOf(home, work) as [PresenceSource, PresenceSource]
    const first = composed([a, b]).tuples.map(idOf)
    assert.equal(first[0], 't')
    assert.match(first[1]!, /^i[0-9a-f]{12}$/)
    const modified = source(1, document(tuple('t', '<contact>sip:a@2</contact><note>n</note>')), { publishedAt: 9e9 })
    const refreshed = { ...a, publishedAt: 9e9 + 1 }
    assert.deepEqual(composed([modified, refreshed]).tuples.map(idOf), first)
    const third = source(2, document(tuple('t', '<contact>sip:a@3</contact>')))
    assert.deepEqual(composed([third, b, a]).tuples.map(idOf).slice(0, 2), first)
  })

  it('an id that was made does not depend on other sources that need one', () => {
    const [a, b, c] = sourcesOf(home, work, work.replace('@2', '@3')) as [
      PresenceSource,
      PresenceSource,
      PresenceSource,
    ]
    assert.deepEqual(composed([a, c]).tuples.map(idOf)[1], composed([a, b, c]).tuples.map(idOf)[2])
  })

  it('are unique over tuples, persons and devices, and elements in these (RFC 4479 §3.5)', () => {
    const everywhere =
      '<tuple id="x"><status/></tuple><dm:person id="x"><r:activities id="x"/></dm:person><dm:device id="x"><dm:deviceID>urn:x:1</dm:deviceID></dm:device>'
    const text = Buffer.from(
      compose(
        alice,
        sourcesOf(everywhere, everywhere.replace('<status/>', status).replace('activities', 'mood')),
        { state: 'active' },
        options,
      ).bytes,
    ).toString()
    const ids = [...text.matchAll(/ id="([^"]*)"/g)].map(match => match[1])
    assert.ok(ids.length >= 6)
    assert.equal(new Set(ids).size, ids.length)
  })

  it('that of the registrar is not left to a publication', () => {
    const { tuples } = composed(sourcesOf(tuple(registrationTupleId, '')), { state: 'active' })
    assert.equal(tuples.length, 2)
    assert.equal(idOf(tuples[1]!), registrationTupleId)
    assert.notEqual(idOf(tuples[0]!), registrationTupleId)
  })
})

describe('composition: registration (PS-86, SIP-10)', () => {
  const state = (tuples: readonly XmlElement[]) => {
    const own = tuples.find(each => idOf(each) === registrationTupleId)
    return own && [trimmedText(childElement(own, omaPresenceNamespace, 'registration-state')), basicStatus(own)]
  }

  it('says open only of a user who has published nothing', () => {
    assert.deepEqual(state(composed([], { state: 'active' }).tuples), ['active', 'open'])
    assert.deepEqual(
      state(composed(sourcesOf(tuple('t', '', '<status><basic>closed</basic></status>')), { state: 'active' }).tuples),
      ['active', undefined],
    )
    assert.deepEqual(state(composed(sourcesOf('', ''), { state: 'active' }).tuples), ['active', undefined])
  })

  it('says open beside stored state that is silent about availability, and not beside such that is not', () => {
    const hard = (content: string) => source(0, document(content), { kind: 'hard' })
    assert.deepEqual(state(composed([hard('<dm:person id="p"/>')], { state: 'active' }).tuples), ['active', 'open'])
    assert.deepEqual(state(composed([hard(tuple('t', ''))], { state: 'active' }).tuples), ['active', undefined])
  })

  it('says terminated beside what is still published', () => {
    const { tuples } = composed(sourcesOf(tuple('t', '')), { state: 'terminated', changedAt: now })
    assert.deepEqual(tuples.map(idOf), ['t', registrationTupleId])
    assert.deepEqual(state(tuples), ['terminated', undefined])
    assert.equal(timestampOf(tuples[1]!), now)
  })

  it('stands behind the last tuple, before notes, whatever prefixes the document uses', () => {
    const text = `<?xml version="1.0"?><p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns="urn:x" entity="${alice}"><p:tuple id="t"><p:status/></p:tuple><p:note>n</p:note></p:presence>`
    const { bytes } = compose(alice, [source(1, text)], { state: 'active' }, options)
    const names = childElements(parsePidf(bytes).root).map(child => [
      child.namespace === pidfNamespace,
      child.name,
      idOf(child),
    ])
    assert.deepEqual(names, [
      [true, 'tuple', 't'],
      [true, 'tuple', registrationTupleId],
      [true, 'note', undefined],
    ])
  })
})

describe('composition: nothing known (PS-124)', () => {
  it('is one closed tuple, or none if so chosen, of the presentity', () => {
    const closed = composed([])
    assert.deepEqual([closed.entity, closed.tuples.map(basicStatus)], [alice, ['closed']])
    const { bytes } = compose(alice, [], undefined, { ...options, neutral: 'no-tuple' })
    assert.deepEqual([parsePidf(bytes).entity, parsePidf(bytes).tuples.length], [alice, 0])
    assert.equal(publishedPidf(bytes).sendable, true)
  })

  it('is the same for a user who has gone', () => {
    assert.deepEqual(
      compose(alice, [], { state: 'terminated' }, options).bytes,
      compose(alice, [], undefined, options).bytes,
    )
  })

  it('is the same when the only source cannot be read', () => {
    const broken: PresenceSource = { key: 'k', kind: 'soft', bytes: Buffer.from('<'), since: 0, publishedAt: 0 }
    assert.deepEqual(compose(alice, [broken], undefined, options), compose(alice, [], undefined, options))
  })
})

describe('composition: largest document', () => {
  const big = (n: number) =>
    source(n, document(tuple(`t${n}`, `<contact>sip:a@${n}</contact><note>${'x'.repeat(1_000)}</note>`)))

  it('holds the newest sources that fit', () => {
    const sources = [big(1), big(2), big(3), { ...big(0), publishedAt: 9e9 }]
    const { bytes } = compose(alice, sources, { state: 'active' }, { ...options, maximumOctets: 4_000 })
    assert.ok(bytes.length <= 4_000)
    assert.deepEqual(parsePidf(bytes).tuples.map(idOf), ['t0', 't3', registrationTupleId])
  })

  it('does without what the registrar says before it does without the last source', () => {
    const only = big(1)
    const { bytes } = compose(alice, [only], { state: 'active' }, { ...options, maximumOctets: only.bytes.length + 10 })
    assert.deepEqual(parsePidf(bytes).tuples.map(idOf), ['t1'])
  })

  it('does without a source that is too large by itself', () => {
    const small = source(0, document(tuple('s', '')))
    const { bytes } = compose(alice, [big(1), small], undefined, { ...options, maximumOctets: 1_000 })
    assert.deepEqual(parsePidf(bytes).tuples.map(idOf), ['s'])
    assert.deepEqual(
      compose(alice, [big(1)], undefined, { ...options, maximumOctets: 1_000 }).bytes,
      compose(alice, [], undefined, options).bytes,
    )
  })
})

describe('composition: properties', () => {
  const pick = (...values: readonly string[]) => fc.constantFrom(...values)
  const id = pick('a', 'b', '1', 'registration-state')
  const time = pick(
    '',
    '<timestamp>2026-11-20T10:00:00Z</timestamp>',
    '<timestamp>2026-11-20T11:00:00+02:00</timestamp>',
    '<timestamp>?</timestamp>',
  )
  const anyTuple = fc
    .tuple(
      id,
      pick('<status><basic>open</basic></status>', '<status><basic>closed</basic></status>', '<status/>'),
      pick('', '<r:class>c</r:class>', '<r:class>d</r:class>'),
      pick('', '<dm:deviceID>urn:x:1</dm:deviceID>'),
      pick(
        '',
        '<op:willingness pde:until="2026-11-20T11:00:00Z"/>',
        '<op:willingness><op:basic>open</op:basic></op:willingness>',
        '<x:y xmlns:x="urn:local" x:a="1"/>',
      ),
      pick(
        '',
        '<contact>sip:a@1</contact>',
        '<contact priority="0.5">sip:a@1</contact>',
        '<contact priority="5">sip:a@2</contact>',
      ),
      pick('', '<note>n</note>', '<note xml:lang="de">n &amp; <![CDATA[<m>]]></note>'),
      time,
    )
    .map(([name, ...parts]) => `<tuple id="${name}">${parts.join('')}</tuple>`)
  const anyPerson = fc
    .tuple(
      id,
      pick('', '<r:class>c</r:class>'),
      pick('', '<r:mood id="a"><r:happy/></r:mood>', '<r:mood until="2026-11-20T12:30:00Z"/>'),
      pick('', '<dm:note>n</dm:note>'),
    )
    .map(([name, ...parts]) => `<dm:person id="${name}">${parts.join('')}</dm:person>`)
  const anyDevice = fc
    .tuple(id, pick('', '<r:class>c</r:class>', '<r:class>d</r:class>'), pick('urn:x:1', 'urn:x:2'))
    .map(([name, first, urn]) => `<dm:device id="${name}">${first}<dm:deviceID>${urn}</dm:deviceID></dm:device>`)
  const content = fc
    .tuple(
      fc.uniqueArray(anyTuple, { maxLength: 3, selector: text => text.slice(0, 14) }),
      fc.array(fc.oneof(anyPerson, anyDevice, pick('<note>n</note>', '<x:y/>', '<x:y>z</x:y>', '<y xmlns=""/>')), {
        maxLength: 4,
      }),
      fc.boolean(),
    )
    .map(([tuples, others, swapped]) => (swapped ? [...others, ...tuples] : [...tuples, ...others]).join('\n'))
  const prefixed = (text: string) =>
    text
      .replaceAll(/(<\/?)(presence|tuple|status|basic|contact|note|timestamp)\b/g, '$1pidf:$2')
      .replace('xmlns="urn:ietf', 'xmlns:pidf="urn:ietf')
      .replace('xmlns:x="urn:example"', 'xmlns:r2="urn:x" xmlns:x="urn:example2"')
  const anySource = fc
    .record({ content, prefix: fc.boolean(), since: fc.nat(3), publishedAt: fc.nat(3), hard: fc.boolean() })
    .map(({ content, prefix, since, publishedAt, hard }) => ({
      text: prefix ? prefixed(document(content)) : document(content),
      since,
      publishedAt,
      hard,
    }))
  const anySources = fc
    .array(anySource, { maxLength: 4 })
    .map(list =>
      list.map(({ text, since, publishedAt, hard }, n) =>
        source(n, text, { since, publishedAt, kind: hard ? 'hard' : 'soft' }),
      ),
    )
  const anyRegistration = fc.constantFrom<RegistrationReport | undefined>(
    undefined,
    { state: 'active' },
    { state: 'terminated', changedAt: now },
  )

  /** Our own tuple has an id that publications may not have. */
  const asPublished = (bytes: Uint8Array) =>
    Buffer.from(Buffer.from(bytes).toString().replace(`id="${registrationTupleId}"`, 'id="ours"'))

  it('the order in which sources are given does not matter (PS-87)', () => {
    fc.assert(
      fc.property(
        anySources.chain(sources =>
          fc.tuple(fc.constant(sources), fc.shuffledSubarray(sources, { minLength: sources.length })),
        ),
        anyRegistration,
        ([sources, shuffled], registration) => {
          assert.deepEqual(
            compose(alice, shuffled, registration, options),
            compose(alice, sources, registration, options),
          )
        },
      ),
    )
  })

  it('the document can be sent to anybody: valid, ids unique, nothing in it has ended', () => {
    fc.assert(
      fc.property(anySources, anyRegistration, (sources, registration) => {
        const { bytes, changesAt } = compose(alice, sources, registration, options)
        const summary = publishedPidf(asPublished(bytes))
        assert.ok(summary.sendable, Buffer.from(bytes).toString())
        assert.equal(parsePidf(bytes).entity, alice)
        assert.equal(summary.until || undefined, changesAt)
        assert.ok(changesAt === undefined || changesAt > now)
      }),
    )
  })

  it('a composed document composes to itself', () => {
    fc.assert(
      fc.property(anySources, sources => {
        const { bytes } = compose(alice, sources, undefined, options)
        assert.equal(
          compose(alice, [source(0, Buffer.from(bytes).toString())], undefined, options).bytes.length,
          bytes.length,
        )
        // And again beside itself, since everything in it is equal.
        const twice = compose(
          alice,
          [source(0, Buffer.from(bytes).toString()), source(1, Buffer.from(bytes).toString())],
          undefined,
          options,
        )
        assert.deepEqual(canonical(parsePidf(twice.bytes).tuples), canonical(parsePidf(bytes).tuples))
        assert.deepEqual(canonical(parsePidf(twice.bytes).persons), canonical(parsePidf(bytes).persons))
        assert.deepEqual(canonical(parsePidf(twice.bytes).devices), canonical(parsePidf(bytes).devices))
      }),
    )
  })

  it('every child of every tuple is in the result, and nothing that was not said', () => {
    const children = (elements: readonly XmlElement[]) =>
      new Set(
        elements
          .flatMap(each => childElements(each))
          .filter(child => !['contact', 'timestamp', 'willingness'].includes(child.name))
          .map(child => canonicalText(child)),
      )
    fc.assert(
      fc.property(anySources, sources => {
        const said = children(sources.flatMap(each => parsePidf(each.bytes).tuples))
        if (sources.length > 0) assert.deepEqual(children(composed(sources).tuples), said)
      }),
    )
  })

  it('another reader finds the same in it', () => {
    fc.assert(
      fc.property(anySources, anyRegistration, (sources, registration) => {
        const { bytes } = compose(alice, sources, registration, options)
        assert.deepEqual(readElsewhere(Buffer.from(bytes).toString()), readHere(parsePidf(bytes).root))
      }),
    )
  })
})

type Plain = { name: string; attributes: Record<string, string>; children: (Plain | string)[] }

function readElsewhere(text: string): Plain {
  const parser = new XMLParser({
    preserveOrder: true,
    ignoreAttributes: false,
    attributeNamePrefix: '',
    trimValues: true,
    parseTagValue: false,
    parseAttributeValue: false,
    ignoreDeclaration: true,
  })
  const plain = (node: Record<string, unknown>): Plain | string => {
    const name = Object.keys(node).find(key => key !== ':@')!
    if (name === '#text') return String(node[name])
    const attributes = Object.entries((node[':@'] as Record<string, string>) ?? {}).filter(
      ([key]) => !/^xmlns(:|$)/.test(key),
    )
    return {
      name: name.slice(name.indexOf(':') + 1),
      attributes: Object.fromEntries(attributes),
      children: joined((node[name] as Record<string, unknown>[]).map(plain)),
    }
  }
  return plain(parser.parse(text)[0]) as Plain
}

function readHere(read: XmlElement): Plain {
  const attributes = read.attributes.map(({ prefix, name, value }) => [
    prefix === '' ? name : `${prefix}:${name}`,
    value,
  ])
  const children = read.children.flatMap((node): (Plain | string)[] =>
    node.kind === 'element' ? [readHere(node)] : node.kind === 'comment' ? [] : [node.value.trim()],
  )
  return {
    name: read.name,
    attributes: Object.fromEntries(attributes),
    children: joined(children),
  }
}

/** Neighbouring texts as one, empty ones left out: readers cut them differently. */
function joined(children: readonly (Plain | string)[]): (Plain | string)[] {
  const result: (Plain | string)[] = []
  for (const child of children) {
    if (typeof child === 'string' && typeof result.at(-1) === 'string') result.push(`${result.pop()}${child}`)
    else if (child !== '') result.push(child)
  }
  return result
}
