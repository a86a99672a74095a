/** RFC 5025 §3.3 (transformations) and §6 (the example), with the permissions of OMA Presence XDM (PS-105..110). */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { filtered, full, outline } from '../../unit/entities/presence-server/rules/filtered.ts'

const services = '<provide-services><all-services/></provide-services>'
const persons = '<provide-persons><all-persons/></provide-persons>'
const devices = '<provide-devices><all-devices/></provide-devices>'
const all = services + persons + devices

function outlined(transformations: string): string[] {
  return outline(filtered(transformations))
}

describe('§3.3.1 which components are told', () => {
  test('without any permission, none (PS-91: an empty document)', () => {
    assert.equal(
      filtered(''),
      '<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@example.com">\n</presence>\n',
    )
  })
  const cases: readonly (readonly [string, string, string[]])[] = [
    ['provide-services', '<service-uri-scheme>mailto</service-uri-scheme>', ['t2']],
    ['provide-services', '<service-uri-scheme>MAILTO</service-uri-scheme>', []],
    ['provide-services', '<service-uri>SIP:Alice@example.COM</service-uri>', ['t1']],
    ['provide-services', '<service-uri>sip:alice@example.com</service-uri>', []],
    ['provide-services', '<occurrence-id>t2</occurrence-id><class>biz</class>', ['t1', 't2']],
    ['provide-services', '<class>BIZ</class>', []],
    ['provide-services', '<op:service-id>org.openmobilealliance:PoC-session</op:service-id>', ['t1']],
    ['provide-services', '<all-services/>', ['t1', 't2']],
    ['provide-persons', '<occurrence-id>p1</occurrence-id>', ['p1']],
    ['provide-persons', '<class>home</class>', ['p1']],
    ['provide-persons', '<class>biz</class>', []],
    ['provide-persons', '<all-persons/>', ['p1']],
    ['provide-devices', '<deviceID>URN:UUID:D1</deviceID>', ['d1']],
    ['provide-devices', '<deviceID>urn:uuid:d2</deviceID>', []],
    ['provide-devices', '<class>biz</class>', ['d1']],
    ['provide-devices', '<occurrence-id>d1</occurrence-id>', ['d1']],
    ['provide-devices', '<all-devices/>', ['d1']],
    ['provide-devices', '<x xmlns="urn:x"/>', []],
  ]
  for (const [permission, members, seen] of cases) {
    test(`${permission}: ${members}: ${seen.join(' ') || 'nothing'}`, () => {
      const ids = outlined(`<${permission}>${members}</${permission}>`).map(line => line.split(':')[0])
      assert.deepEqual(ids, seen)
    })
  }
})

describe('§3.3.2 which attributes are told', () => {
  test('PS-108: contact, service-class, basic and timestamp of services, timestamp of persons, timestamp and deviceID of devices always are', () => {
    assert.deepEqual(outlined(all), [
      't1: status(basic) service-class contact timestamp',
      't2: status(basic) contact',
      'p1: timestamp',
      'd1: deviceID timestamp',
    ])
  })

  /** What a permission adds to that. */
  const added: readonly (readonly [permission: string, added: string[]])[] = [
    ['<provide-activities>true</provide-activities>', ['p1 activities']],
    ['<provide-activities>1</provide-activities>', ['p1 activities']],
    ['<provide-activities>false</provide-activities>', []],
    ['<provide-class>true</provide-class>', ['t1 class', 'p1 class', 'd1 class']],
    ['<provide-deviceID>true</provide-deviceID>', ['t1 deviceID']],
    ['<provide-mood>true</provide-mood>', ['p1 mood']],
    ['<provide-place-is>true</provide-place-is>', ['p1 place-is']],
    ['<provide-place-type>true</provide-place-type>', ['p1 place-type']],
    ['<provide-privacy>true</provide-privacy>', ['t1 privacy']],
    ['<provide-relationship>true</provide-relationship>', ['t1 relationship']],
    ['<provide-sphere>true</provide-sphere>', ['p1 sphere']],
    ['<provide-status-icon>true</provide-status-icon>', ['t1 status-icon']],
    ['<provide-time-offset>true</provide-time-offset>', ['p1 time-offset']],
    ['<provide-note>true</provide-note>', ['t1 note', 'note', 'p1 note', 'd1 note']],
    ['<provide-user-input>false</provide-user-input>', []],
    ['<provide-user-input>bare</provide-user-input>', ['t1 user-input']],
    ['<op:provide-willingness>true</op:provide-willingness>', ['t1 willingness', 'p1 overriding-willingness']],
    ['<op:provide-network-availability>true</op:provide-network-availability>', ['d1 network-availability']],
    ['<op:provide-session-participation>true</op:provide-session-participation>', ['t1 session-participation']],
    ['<op:provide-registration-state>true</op:provide-registration-state>', ['t1 registration-state']],
    ['<op:provide-barring-state>true</op:provide-barring-state>', ['t1 barring-state']],
    ['<op:provide-geopriv>full</op:provide-geopriv>', ['t1 status(basic geopriv)']],
    ['<op:provide-geopriv>false</op:provide-geopriv>', []],
    // In the wrong namespace it is another permission, which we do not know.
    ['<provide-willingness>true</provide-willingness>', []],
    ['<op:provide-mood>true</op:provide-mood>', []],
    [unknown('foo', 'urn:vendor-specific:foo-namespace'), ['t1 foo']],
    [unknown('foo', 'urn:vendor-specific:foo-namespace', 'false'), []],
    [unknown('foo', 'urn:other'), []],
    [unknown('inner', 'urn:vendor-specific:foo-namespace'), ['t1 status(basic inner)']],
    [unknown('extension', 'urn:vendor-specific:foo-namespace'), ['extension']],
    [unknown('service-description', 'urn:oma:xml:prs:pidf:oma-pres'), ['t1 service-description']],
    // PS-109: what has a permission of its own cannot be had by this one.
    [unknown('mood', 'urn:ietf:params:xml:ns:pidf:rpid'), []],
    [unknown('willingness', 'urn:oma:xml:prs:pidf:oma-pres'), []],
    [unknown('geopriv', 'urn:ietf:params:xml:ns:pidf:geopriv10'), []],
    [unknown('note', 'urn:ietf:params:xml:ns:pidf'), []],
  ]
  const least = pieces(outlined(all))
  for (const [permission, expected] of added) {
    test(`${permission}: ${expected.join(', ') || 'nothing'}`, () => {
      assert.deepEqual(
        pieces(outlined(all + permission)).filter(piece => !least.includes(piece)),
        expected,
      )
    })
  }

  test('§3.3.2.12: user-input without its attributes, with the threshold only, or whole', () => {
    const seen = (how: string) =>
      /<rpid:user-input[^>]*>/.exec(filtered(`${all}<provide-user-input>${how}</provide-user-input>`))?.[0]
    assert.equal(seen('bare'), '<rpid:user-input id="u">')
    assert.equal(seen('thresholds'), '<rpid:user-input idle-threshold="600">')
    assert.equal(seen('full'), '<rpid:user-input id="u" idle-threshold="600" last-input="2026-11-20T10:00:00Z">')
  })

  test('PS-110: notes within activities belong to them', () => {
    const seen = filtered(`${all}<provide-activities>true</provide-activities>`)
    assert.match(seen, /inner note/)
    assert.doesNotMatch(seen, /person note/)
  })

  test('§3.3.2.15: provide-all-attributes: everything of the components that are told', () => {
    const document = outline(full)
    assert.deepEqual(outlined(`${all}<provide-all-attributes/>`), document)
    assert.deepEqual(
      outlined(`${persons}<provide-all-attributes/>`),
      document.filter(line => !/^[td]/.test(line)),
    )
  })
})

test('§6: the example: services by scheme, persons, activities, bare user input and foo', () => {
  assert.deepEqual(
    outlined(
      '<provide-services><service-uri-scheme>sip</service-uri-scheme><service-uri-scheme>mailto</service-uri-scheme></provide-services>' +
        `${persons}<provide-activities>true</provide-activities><provide-user-input>bare</provide-user-input>` +
        unknown('foo', 'urn:vendor-specific:foo-namespace'),
    ),
    [
      't1: status(basic) service-class user-input foo contact timestamp',
      't2: status(basic) contact',
      'p1: activities timestamp',
    ],
  )
})

describe('what is left out leaves no trace', () => {
  test('neither comments nor gaps nor declarations', () => {
    const seen = filtered(services)
    assert.doesNotMatch(seen, /<!--|foo|geopriv|oma|data-model|\n\s*\n/)
  })
  test('whoever sees as much twice sees the same', () => {
    assert.equal(filtered(all), filtered(all, full.replace('<rpid:away/>', '<rpid:busy/>').replace('secret', 'gone')))
  })
})

function unknown(name: string, ns: string, value = 'true'): string {
  return `<provide-unknown-attribute name="${name}" ns="${ns}">${value}</provide-unknown-attribute>`
}

/** `t1: a b` as `t1 a`, `t1 b`. */
function pieces(lines: readonly string[]): string[] {
  return lines.flatMap(line => {
    const colon = line.indexOf(': ')
    if (colon === -1) return [line]
    const names = line.slice(colon + 2).match(/[^ (]+(?:\([^)]*\))?/g)!
    return names.map(name => `${line.slice(0, colon)} ${name}`)
  })
}
