/** RFC 3680 §5: the registration information document; GRUUs in it by RFC 5628. */

import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  contactEvents,
  formatReginfo,
  parseReginfo,
  type RegistrationInformation,
  registrationStates,
} from '../../../src/documents/reginfo.ts'
import { parseXml, XmlError } from '../../../src/documents/xml/parse.ts'

const section53 = `<?xml version="1.0"?>
    <reginfo xmlns="urn:ietf:params:xml:ns:reginfo"
        xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
                 version="0" state="full">
      <registration aor="sip:user@example.com" id="as9"
                    state="active">
        <contact id="76" state="active" event="registered"
                 duration-registered="7322"
                 q="0.8">
                 <uri>sip:user@pc887.example.com</uri>
        </contact>
        <contact id="77" state="terminated" event="expired"
                 duration-registered="3600"
                 q="0.5">
                 <uri>sip:user@university.edu</uri>
        </contact>
      </registration>
    </reginfo>`

const read = (text: string) => parseReginfo(Buffer.from(text))

describe('RFC 3680 §5.1: structure of registration information', () => {
  it('the example of §5.3 is read as it says', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(read(section53))), {
      version: 0,
      state: 'full',
      registrations: [
        {
          aor: 'sip:user@example.com',
          id: 'as9',
          state: 'active',
          contacts: [
            {
              id: '76',
              state: 'active',
              event: 'registered',
              uri: 'sip:user@pc887.example.com',
              durationRegisteredSeconds: 7322,
              q: '0.8',
              unknownParams: [],
            },
            {
              id: '77',
              state: 'terminated',
              event: 'expired',
              uri: 'sip:user@university.edu',
              durationRegisteredSeconds: 3600,
              q: '0.5',
              unknownParams: [],
            },
          ],
        },
      ],
    })
  })

  it('elements of other namespaces are ignored; what is mandatory is demanded', () => {
    assert.deepEqual(
      read(section53.replace('<contact id="76"', '<x:contact xmlns:x="urn:x" id="1"/><contact id="76"')),
      read(section53),
    )
    const wrong = [
      ['version="0"', ''],
      ['state="full"', ''],
      ['aor="sip:user@example.com"', ''],
      ['id="as9"', ''],
      ['state="active">', '>'],
      ['id="76"', ''],
      ['event="registered"', ''],
      ['event="registered"', 'event="lost"'],
      ['<uri>sip:user@university.edu</uri>', ''],
      ['duration-registered="7322"', 'duration-registered="1.5"'],
    ] as const
    for (const [from, to] of wrong) assert.throws(() => read(section53.replace(from, to)), XmlError, `${from} → ${to}`)
  })

  it('children of contact stand in the order of the schema (§5.4)', () => {
    const bytes = formatReginfo({
      version: 1,
      state: 'partial',
      registrations: [
        {
          aor: 'sip:a@b',
          id: 'r',
          state: 'active',
          contacts: [
            {
              id: 'c',
              state: 'active',
              event: 'shortened',
              uri: 'sip:a@192.0.2.1',
              displayName: 'A',
              expiresSeconds: 30,
              retryAfterSeconds: 1,
              callId: 'x@y',
              cseq: 7,
              unknownParams: [['methods', '"INVITE"']],
              publicGruu: 'sip:a@b;gr=1',
              temporaryGruu: { uri: 'sip:t@b;gr', firstCseq: 5 },
            },
          ],
        },
      ],
    })
    const contact = parseXml(bytes).children.find(node => node.kind === 'element')!
    const names = (contact.kind === 'element' ? contact.children : [])
      .flatMap(node => (node.kind === 'element' ? node.children : []))
      .flatMap(node => (node.kind === 'element' ? [node.name] : []))
    assert.deepEqual(names, ['uri', 'display-name', 'unknown-param', 'pub-gruu', 'temp-gruu'])
    assert.match(bytes.toString(), /event="shortened" expires="30"/)
  })

  it('what is written is read the same', () => {
    const text = fc.string().map(value => value.trim())
    const whole = fc.option(fc.nat(), { nil: undefined })
    const contact = fc.record({
      id: text,
      state: fc.constantFrom('active' as const, 'terminated' as const),
      event: fc.constantFrom(...contactEvents),
      uri: fc.constantFrom('sip:a@192.0.2.1', 'sip:a@[2001:db8::1];x="<&"'),
      displayName: fc.option(text, { nil: undefined }),
      durationRegisteredSeconds: whole,
      expiresSeconds: whole,
      retryAfterSeconds: whole,
      q: fc.option(fc.constantFrom('1', '0.8'), { nil: undefined }),
      callId: fc.option(text, { nil: undefined }),
      cseq: whole,
      unknownParams: fc.array(fc.tuple(text, text), { maxLength: 2 }),
      publicGruu: fc.option(text, { nil: undefined }),
      temporaryGruu: fc.option(fc.record({ uri: text, firstCseq: fc.nat() }), { nil: undefined }),
    })
    const information: fc.Arbitrary<RegistrationInformation> = fc.record({
      version: fc.nat(0xffffffff),
      state: fc.constantFrom('full', 'partial'),
      registrations: fc.array(
        fc.record({
          aor: text,
          id: text,
          state: fc.constantFrom(...registrationStates),
          contacts: fc.array(contact, { maxLength: 3 }),
        }),
        { maxLength: 2 },
      ),
    })
    fc.assert(fc.property(information.map(plain), value => assert.deepEqual(parseReginfo(formatReginfo(value)), value)))
  })
})

/** Records of fast-check have no prototype, which deepEqual sees. */
function plain<T>(value: T): T {
  return structuredClone(value)
}
