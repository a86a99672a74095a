/**
 * Properties of the privacy filter: applying it again changes nothing (RFC 5025 §4), more permission shows more, and what it
 * makes is valid.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { presenceGrammar } from '../../../../../src/documents/grammar/presence.ts'
import { validate } from '../../../../../src/documents/grammar/validate.ts'
import { parsePidf } from '../../../../../src/documents/pidf-parts.ts'
import { attributePermissions, type Permissions, unionOf } from '../../../../../src/documents/presence-rules.ts'
import { parseXml } from '../../../../../src/documents/xml/parse.ts'
import { filterPresence } from '../../../../../src/entities/presence-server/rules/filter.ts'
import { canonical, full, outline } from './filtered.ts'

const members = fc
  .subarray([
    'occurrence-id t1',
    'occurrence-id p1',
    'class biz',
    'class home',
    'service-uri-scheme sip',
    'deviceID urn:uuid:d1',
    'service-id org.openmobilealliance:PoC-session',
  ])
  .map(picked => new Set(picked))
const selection = fc.oneof(members, fc.constant('all' as const))
const permissions: fc.Arbitrary<Permissions> = fc.record({
  devices: selection,
  persons: selection,
  services: selection,
  attributes: fc.nat({ max: 2 ** 18 - 1 }),
  userInput: fc.constantFrom(0, 10, 20, 30),
  unknown: fc
    .subarray([
      'foo urn:vendor-specific:foo-namespace',
      'inner urn:vendor-specific:foo-namespace',
      'service-description urn:oma:xml:prs:pidf:oma-pres',
    ])
    .map(names => new Set(names)),
  allAttributes: fc.constantFrom(false, false, false, true),
})

function seen(document: string, granted: Permissions): string {
  return Buffer.from(filterPresence(parsePidf(Buffer.from(document)), granted)).toString()
}

describe('the privacy filter', () => {
  test('the document of these tests is valid', () => validate(parseXml(Buffer.from(full)), presenceGrammar))

  test('RFC 5025 §4: D = F(D), octet for octet, where what selects a component can be seen in it', () => {
    fc.assert(
      fc.property(permissions, granted => {
        const selects = {
          ...granted,
          attributes: granted.attributes | attributePermissions.class,
          unknown: new Set([...granted.unknown, 'service-description urn:oma:xml:prs:pidf:oma-pres']),
        }
        const once = seen(full, selects)
        assert.equal(seen(once, selects), once)
      }),
      { numRuns: 300 },
    )
  })

  test('what anybody is sent is valid by the schemas', () => {
    fc.assert(
      fc.property(permissions, granted => validate(parseXml(Buffer.from(seen(full, granted))), presenceGrammar)),
      { numRuns: 300 },
    )
  })

  test('RFC 4745 §10: of two permissions together nothing is hidden that one of them shows', () => {
    const lines = (document: string) => new Set(pieces(outline(document)))
    fc.assert(
      fc.property(permissions, permissions, (a, b) => {
        const both = lines(seen(full, unionOf(a, b)))
        for (const line of lines(seen(full, a))) assert.ok(both.has(line), line)
      }),
      { numRuns: 300 },
    )
  })

  test('PS-111: what a watcher may not see does not change what he sees', () => {
    const hidden = [
      ['<rpid:happy/>', '<rpid:sad/>', { attributes: ~attributePermissions.mood & (2 ** 18 - 1) }],
      ['tuple note', 'another', { attributes: ~attributePermissions.note & (2 ** 18 - 1) }],
      ['idle-threshold="600"', 'idle-threshold="900"', { userInput: 10 }],
      ['<foo:foo>bar</foo:foo>', '', { unknown: new Set<string>() }],
      ['<gp:location-info/>', '<gp:location-info><foo:here/></gp:location-info>', { attributes: 0 }],
    ] as const
    fc.assert(
      fc.property(permissions, fc.constantFrom(...hidden), (granted, [before, after, withheld]) => {
        const less = { ...granted, ...withheld, allAttributes: false }
        assert.ok(full.includes(before))
        assert.equal(canonical(seen(full.replace(before, after), less)), canonical(seen(full, less)))
      }),
      { numRuns: 300 },
    )
  })
})

/** Each component and what it has, but for what stands in a status, which is one of several things. */
function pieces(lines: readonly string[]): string[] {
  return lines.flatMap(line => {
    const [id, rest = ''] = line.split(': ')
    return [id!, ...(rest.match(/[^ ()]+/g) ?? []).map(name => `${id} ${name}`)]
  })
}
