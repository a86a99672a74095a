/** The two evaluators: precedence of OMA (PS-72), external lists (PS-90), the templates of RCS (PS-91), and failing closed (PS-75). */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  attributePermissions,
  intersectionOf,
  noPermissions,
  type Permissions,
  permissionsKey,
  subHandlings,
  unionOf,
} from '../../../../../src/documents/presence-rules.ts'
import { nextBoundary, type Outcome } from '../../../../../src/entities/presence-server/rules/rule-set.ts'
import { ask, one, rule, ruleset, setOf } from './rules-of.ts'

const bob = 'sip:bob@example.com'
const carol = 'sip:carol@example.com'
const other = '<ocp:other-identity/>'
const anonymous = '<ocp:anonymous-request/>'

function list(...uris: string[]): string {
  return `<ocp:external-list>${uris.map(uri => `<ocp:entry anc="${uri}"/>`).join('')}</ocp:external-list>`
}

function having(lists: Record<string, string[]>) {
  return { listMembers: (uri: string) => (lists[uri] === undefined ? undefined : new Set(lists[uri])) }
}

describe('PS-72: only the first class with a rule that holds counts', () => {
  const set = setOf(
    'precedence',
    ruleset(
      rule(other, 'allow'),
      rule(list('friends'), 'polite-block'),
      rule(one(bob), 'confirm'),
      rule(anonymous, 'polite-block'),
    ),
  )
  const lists = having({ friends: [bob, carol] })
  test('identity before external-list before other-identity', () => {
    assert.equal(ask(set, bob, lists).handling, 'confirm')
    assert.equal(ask(set, carol, lists).handling, 'polite-block')
    assert.equal(ask(set, 'sip:dave@example.com', lists).handling, 'allow')
  })
  test('anonymous requests have a class of their own, and no other rule is for them (DEC-07)', () => {
    assert.equal(ask(set, '', lists).handling, 'polite-block')
    assert.equal(ask(setOf('precedence', ruleset(rule(other, 'allow'), rule('', 'allow'))), '').handling, 'block')
  })
  test('within a class rules are combined (RFC 4745 §10)', () => {
    const both = setOf(
      'precedence',
      ruleset(
        rule(one(bob), 'block', '<provide-mood>true</provide-mood>'),
        rule(one(bob), 'allow'),
        rule(other, 'confirm'),
      ),
    )
    const { handling, permissions } = ask(both, bob)
    assert.equal(handling, 'allow')
    assert.equal(permissions.attributes, attributePermissions.mood)
  })
  test('other-identity: nobody whom another rule names, even if that rule does not hold now', () => {
    const later = `${one(bob)}<cr:validity><cr:from>2030-01-01T00:00:00Z</cr:from><cr:until>2031-01-01T00:00:00Z</cr:until></cr:validity>`
    const set = setOf('precedence', ruleset(rule(later, 'allow'), rule(other, 'confirm')))
    assert.equal(ask(set, bob).handling, 'block')
    assert.equal(ask(set, carol).handling, 'confirm')
  })
  test('a rule for everybody gives way to those that name somebody', () => {
    const set = setOf('precedence', ruleset(rule('', 'allow'), rule(one(bob), 'block')))
    assert.equal(ask(set, bob).handling, 'block')
    assert.equal(ask(set, carol).handling, 'allow')
  })
  test('DEC-02: rules of which none holds: block', () => {
    assert.equal(ask(setOf('precedence', ruleset(rule(one(bob), 'allow'))), carol).handling, 'block')
    assert.equal(ask(setOf('common-policy', ruleset()), carol).handling, 'block')
  })
  test('PS-76: any asserted URI may match; a number is not the same as a SIP URI', () => {
    const set = setOf('precedence', ruleset(rule(one('tel:+4930123456'), 'allow')))
    assert.equal(ask(set, [bob, 'tel:+4930123456']).handling, 'allow')
    assert.equal(ask(set, 'sip:+4930123456@example.com').handling, 'block')
  })
})

describe('PS-73: ordered lists of the older architecture, written as rules with an order', () => {
  const ordered = (place: string, conditions: string, handling: string, id: string) =>
    rule(conditions, handling, '', id).replace(
      '</cr:actions>',
      `<order xmlns="urn:porchlight:xml:rule-order">${place}</order></cr:actions>`,
    )
  const lists = having({ rejected: [carol], accepted: [bob, carol] })
  const policy = [
    ordered('2', list('accepted'), 'allow', 'a'),
    ordered('1', list('rejected'), 'block', 'r'),
    ordered('3', '<cr:identity><cr:many domain="example.com"/></cr:identity>', 'polite-block', 'd'),
    rule(anonymous, 'confirm', '', 'n'),
  ]
  test('the first list that matches decides: reject before accept, whatever each grants', () => {
    const set = setOf('precedence', ruleset(...policy))
    assert.equal(ask(set, carol, lists).handling, 'block')
    assert.equal(ask(set, bob, lists).handling, 'allow')
    assert.equal(ask(set, 'sip:dave@example.com', lists).handling, 'polite-block')
    assert.equal(ask(set, '', lists).handling, 'confirm', 'the policy for anonymous requests')
  })
  test('without a default policy the rest is rejected; with one it decides', () => {
    assert.equal(ask(setOf('precedence', ruleset(...policy)), 'sip:x@else.example', lists).handling, 'block')
    const withDefault = setOf('precedence', ruleset(...policy, rule('', 'confirm')))
    assert.equal(ask(withDefault, 'sip:x@else.example', lists).handling, 'confirm')
  })
  test('PS-75: a list before the one that matches cannot be had: the lesser of both', () => {
    const set = setOf('precedence', ruleset(...policy))
    assert.equal(ask(set, bob, having({ accepted: [bob] })).handling, 'block')
    assert.equal(ask(set, carol, having({ rejected: [carol] })).handling, 'block')
  })
  test('a rule for a domain that comes last overrides neither identities nor lists, and other-identity is not for its users', () => {
    const set = setOf(
      'precedence',
      ruleset(
        ordered('last', '<cr:identity><cr:many domain="example.com"/></cr:identity>', 'allow', 'domain'),
        rule(other, 'confirm'),
        rule(list('blocked'), 'block'),
        rule(one(bob), 'block'),
      ),
    )
    const blocked = having({ blocked: [carol] })
    assert.equal(ask(set, bob, blocked).handling, 'block')
    assert.equal(ask(set, carol, blocked).handling, 'block')
    assert.equal(ask(set, 'sip:dave@example.com', blocked).handling, 'allow')
    assert.equal(ask(set, 'sip:dave@else.example', blocked).handling, 'confirm')
    assert.equal(ask(set, 'sip:dave@example.com', having({})).handling, 'block', 'he may be on the list')
  })
  test('an order that cannot be read: the rule is not used', () => {
    const set = setOf('precedence', ruleset(ordered('first', one(bob), 'allow', 'x')))
    assert.equal(ask(set, bob).handling, 'block')
  })
  test('RFC 4745 knows no order', () => {
    const set = setOf(
      'common-policy',
      ruleset(ordered('1', one(bob), 'block', 'x'), ordered('2', one(bob), 'allow', 'y')),
    )
    assert.equal(ask(set, bob).handling, 'allow')
  })
})

test('RFC 4745 has no other-identity: in its mode such a rule never holds', () => {
  const set = setOf('common-policy', ruleset(rule(other, 'allow')))
  assert.equal(ask(set, bob).handling, 'block')
})

test('RFC 5025 §3.1.1.2: who is not authenticated matches only an empty identity', () => {
  const set = setOf('common-policy', ruleset(rule('<cr:identity/>', 'confirm'), rule(one(bob), 'allow')))
  assert.equal(ask(set, '').handling, 'confirm')
  assert.equal(ask(set, carol).handling, 'block')
})

describe('PS-91: the templates of RCS', () => {
  const all =
    '<provide-services><all-services/></provide-services><provide-persons><all-persons/></provide-persons>' +
    '<provide-devices><all-devices/></provide-devices><provide-all-attributes/>'
  const template = ruleset(
    rule(one('sip:alice@example.com'), 'allow', all, 'wp_prs_allow_own'),
    rule(other, 'confirm', '', 'wp_prs_unlisted'),
    rule(list('granted'), 'allow', all, 'wp_prs_grantedcontacts'),
    rule(list('blocked'), 'block', '', 'wp_prs_blockedcontacts'),
    rule(anonymous, 'block', '', 'wp_prs_block_anonymous'),
  )
  const set = setOf('precedence', template)
  const lists = having({ granted: [bob], blocked: [carol] })
  const cases: readonly (readonly [watcher: string, handling: string])[] = [
    ['sip:alice@example.com', 'allow'],
    [bob, 'allow'],
    [carol, 'block'],
    ['sip:dave@example.com', 'confirm'],
    ['', 'block'],
  ]
  for (const [watcher, handling] of cases) {
    test(`${watcher || 'anonymous'}: ${handling}`, () => assert.equal(ask(set, watcher, lists).handling, handling))
  }
  test('PS-75: a list that cannot be had never lets anybody see more', () => {
    const noBlocked = having({ granted: [bob] })
    assert.equal(ask(set, carol, noBlocked).handling, 'block')
    assert.equal(ask(set, 'sip:dave@example.com', noBlocked).handling, 'block')
    assert.equal(ask(set, bob, noBlocked).handling, 'allow')
    const noGranted = having({ blocked: [carol] })
    assert.equal(ask(set, bob, noGranted).handling, 'block')
    assert.equal(ask(set, 'sip:alice@example.com', having({})).handling, 'allow', 'is not asked for')
  })
})

test('RFC 4745 §7.4: the next boundary is the nearest from or until ahead, of whatever rule', () => {
  const valid = (from: string, until: string) =>
    `<cr:validity><cr:from>${from}</cr:from><cr:until>${until}</cr:until></cr:validity>`
  const set = setOf(
    'precedence',
    ruleset(
      rule(valid('2026-01-01T00:00:00Z', '2026-03-01T00:00:00Z'), 'allow'),
      rule(valid('2026-02-01T00:00:00Z', '2026-04-01T00:00:00Z'), 'allow'),
    ),
  )
  assert.equal(nextBoundary(set, Date.UTC(2025, 0, 1)), Date.UTC(2026, 0, 1))
  assert.equal(nextBoundary(set, Date.UTC(2026, 0, 1)), Date.UTC(2026, 1, 1))
  assert.equal(nextBoundary(set, Date.UTC(2026, 2, 1)), Date.UTC(2026, 3, 1))
  assert.equal(nextBoundary(set, Date.UTC(2026, 3, 1)), undefined)
})

// Random rules over a small world, so that they meet.
const uris = [bob, carol, 'sip:dave@other.example', 'tel:+4930123456']
const listNames = ['l1', 'l2']
const conditions = fc
  .array(
    fc.oneof(
      fc.constantFrom(...uris).map(one),
      fc.constantFrom('', ' domain="example.com"').map(domain => `<cr:identity><cr:many${domain}/></cr:identity>`),
      fc.constantFrom(...uris).map(uri => `<cr:identity><cr:many><cr:except id="${uri}"/></cr:many></cr:identity>`),
      fc.subarray(listNames, { minLength: 1 }).map(names => list(...names)),
      fc.constantFrom('<cr:sphere value="work"/>', '<x xmlns="urn:x"/>', anonymous, other),
    ),
    { maxLength: 2 },
  )
  .map(parts => parts.join(''))
const transformations = fc
  .array(
    fc.constantFrom(
      '<provide-mood>true</provide-mood>',
      '<provide-note>true</provide-note>',
      '<provide-user-input>bare</provide-user-input>',
      '<provide-user-input>full</provide-user-input>',
      '<provide-all-attributes/>',
      '<provide-services><all-services/></provide-services>',
      '<provide-services><class>a</class></provide-services>',
      '<provide-services><class>b</class><service-uri>sip:x@y</service-uri></provide-services>',
      '<provide-unknown-attribute name="a" ns="urn:a">true</provide-unknown-attribute>',
    ),
    { maxLength: 4 },
  )
  .map(parts => parts.join(''))
const rules = fc.array(
  fc
    .tuple(conditions, fc.constantFrom(...Object.keys(subHandlings)), transformations)
    .map(([when, handling, what]) => rule(when, handling, what)),
  { maxLength: 5 },
)
const watchers = fc.constantFrom('', ...uris, 'sip:eve@example.com')
const known = fc
  .record({ l1: fc.subarray(uris), l2: fc.subarray(uris) })
  .map(lists => ({ ...having(lists), sphere: 'work' }))

/** Whether `less` grants nothing that `more` does not. */
function isWithin(less: Outcome, more: Outcome): boolean {
  const bySet = permissionsKey(unionOf(less.permissions, more.permissions))
  return (
    subHandlings[less.handling] <= subHandlings[more.handling] &&
    (less.handling !== 'allow' || bySet === permissionsKey(more.permissions))
  )
}

describe('properties', () => {
  test('RFC 4745 §10: another rule never reveals less', () => {
    fc.assert(
      fc.property(rules, rules, watchers, known, (some, more, watcher, given) => {
        const before = ask(setOf('common-policy', ruleset(...some)), watcher, given)
        const after = ask(setOf('common-policy', ruleset(...some, ...more)), watcher, given)
        assert.ok(isWithin(before, after))
      }),
      { numRuns: 400 },
    )
  })

  test('PS-71: the order of rules does not matter, in either mode', () => {
    fc.assert(
      fc.property(
        rules,
        watchers,
        known,
        fc.constantFrom('common-policy', 'precedence'),
        (some, watcher, given, mode) => {
          const one = ask(setOf(mode, ruleset(...some)), watcher, given)
          const two = ask(setOf(mode, ruleset(...some.toReversed())), watcher, given)
          assert.equal(one.key, two.key)
        },
      ),
      { numRuns: 400 },
    )
  })

  test('PS-75, SEC-03: whatever lists cannot be had, nobody sees more than with them', () => {
    const modes = fc.constantFrom('common-policy', 'precedence')
    fc.assert(
      fc.property(rules, watchers, known, fc.subarray(listNames), modes, (some, watcher, given, kept, mode) => {
        const set = setOf(mode, ruleset(...some))
        const full = ask(set, watcher, given)
        const listMembers = (uri: string) => (kept.includes(uri) ? given.listMembers(uri) : undefined)
        assert.ok(isWithin(ask(set, watcher, { ...given, listMembers }), full))
      }),
      { numRuns: 2000 },
    )
  })

  test('unions and intersections of permissions: what both grant, what either does', () => {
    const sets = fc.subarray(['class a', 'class b', 'occurrence-id 1']).map(members => new Set(members))
    const selections = fc.oneof(sets, fc.constant('all' as const))
    const permissions: fc.Arbitrary<Permissions> = fc.record({
      devices: selections,
      persons: selections,
      services: selections,
      attributes: fc.nat({ max: 2 ** 18 - 1 }),
      userInput: fc.constantFrom(0, 10, 20, 30),
      unknown: fc.subarray(['a urn:a', 'b urn:b']).map(names => new Set(names)),
      allAttributes: fc.boolean(),
    })
    const key = permissionsKey
    fc.assert(
      fc.property(permissions, permissions, permissions, (a, b, c) => {
        assert.equal(key(unionOf(a, b)), key(unionOf(b, a)))
        assert.equal(key(unionOf(a, unionOf(b, c))), key(unionOf(unionOf(a, b), c)))
        assert.equal(key(unionOf(a, a)), key(a))
        assert.equal(key(intersectionOf(a, b)), key(intersectionOf(b, a)))
        assert.equal(key(unionOf(a, intersectionOf(a, b))), key(a), 'an intersection is within each')
      }),
    )
  })
})

test('who may be let in by a list that is awaited waits; who is decided upon without it does not', () => {
  const list = '<ocp:external-list><ocp:entry anc="l"/></ocp:external-list>'
  const listMembers = () => 'awaited' as const
  for (const combining of ['common-policy', 'precedence'] as const) {
    const set = setOf(combining, ruleset(rule(list, 'allow', '', 'a'), rule(one('sip:c@b'), 'block', '', 'b')))
    const awaited = ask(set, 'sip:w@b', { listMembers })
    assert.deepEqual([awaited.handling, awaited.permissions], ['confirm', noPermissions])
    assert.equal(ask(set, 'sip:w@b', { listMembers: () => undefined }).handling, 'block')
    assert.equal(ask(set, 'sip:w@b', { listMembers: () => new Set() }).handling, 'block')
    // Whoever would be blocked by the list is blocked without it.
    assert.equal(ask(setOf(combining, ruleset(rule(list, 'block'))), 'sip:w@b', { listMembers }).handling, 'block')
  }
  const named = setOf('precedence', ruleset(rule(list, 'allow', '', 'a'), rule(one('sip:c@b'), 'block', '', 'b')))
  assert.equal(ask(named, 'sip:c@b', { listMembers }).handling, 'block')
  const other = setOf(
    'precedence',
    ruleset(rule(list, 'block', '', 'a'), rule('<ocp:other-identity/>', 'allow', '', 'b')),
  )
  assert.equal(ask(other, 'sip:w@b', { listMembers }).handling, 'confirm')
})
