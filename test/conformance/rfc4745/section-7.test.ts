/** RFC 4745 §7 (conditions) and §10 (combining permissions), with the examples of the RFC. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, one, rule, ruleset, setOf } from '../../unit/entities/presence-server/rules/rules-of.ts'

function handled(conditions: string, watcher: string, given: Parameters<typeof ask>[2] = {}): boolean {
  return ask(setOf('common-policy', ruleset(rule(conditions, 'allow'))), watcher, given).handling === 'allow'
}

function identity(content: string, watcher: string): boolean {
  return handled(`<cr:identity>${content}</cr:identity>`, watcher)
}

describe('§7: a child of conditions that is not known evaluates to FALSE', () => {
  test('whatever else holds', () => {
    assert.equal(handled(`${one('sip:bob@example.com')}<x xmlns="urn:x"/>`, 'sip:bob@example.com'), false)
    assert.equal(handled(`${one('sip:bob@example.com')}<cr:location/>`, 'sip:bob@example.com'), false)
  })
  test('no conditions at all apply to any user, authenticated or not (§7.1.1)', () => {
    assert.equal(handled('', 'sip:bob@example.com'), true)
    assert.equal(handled('', ''), true)
  })
})

describe('§7.1 identity', () => {
  const three =
    '<cr:one id="sip:alice@example.com"/><cr:one id="tel:+1-212-555-1234"/><cr:one id="mailto:bob@example.net"/>'
  test('§7.1.2: one of several', () => {
    assert.equal(identity(three, 'sip:alice@example.com'), true)
    assert.equal(identity(three, 'tel:+12125551234'), true)
    assert.equal(identity(three, 'mailto:bob@example.net'), true)
    assert.equal(identity(three, 'sip:bob@example.net'), false)
    assert.equal(identity(three, ''), false)
  })
  test('§7.1.1: a child that is not known evaluates to FALSE, others may still hold', () => {
    assert.equal(identity('<x xmlns="urn:x"/>', 'sip:alice@example.com'), false)
    assert.equal(identity('<x xmlns="urn:x"/><cr:one id="sip:alice@example.com"/>', 'sip:alice@example.com'), true)
  })
  test('§7.1.3.1: <many/> matches any authenticated user', () => {
    assert.equal(identity('<cr:many/>', 'sip:x@y.example'), true)
    assert.equal(identity('<cr:many/>', 'tel:+1'), true)
    assert.equal(identity('<cr:many/>', ''), false)
  })
  test('§7.1.3.2: except enumerated domains and identities', () => {
    const many =
      '<cr:many><cr:except domain="example.com"/><cr:except domain="example.org"/>' +
      '<cr:except id="sip:alice@bad.example.net"/><cr:except id="sip:bob@good.example.net"/>' +
      '<cr:except id="tel:+1-212-555-1234"/><cr:except id="sip:alice@example.com"/></cr:many>'
    for (const excepted of [
      'sip:carol@example.com',
      'sip:carol@example.org',
      'sip:alice@bad.example.net',
      'sip:bob@good.example.net',
      'tel:+12125551234',
    ])
      assert.equal(identity(many, excepted), false, excepted)
    for (const matched of ['sip:bob@bad.example.net', 'sip:carol@sub.example.com', 'tel:+12125551235'])
      assert.equal(identity(many, matched), true, matched)
  })
  test('§7.1.3.3: within a domain, except enumerated identities', () => {
    const many =
      '<cr:many domain="Example.COM"><cr:except id="sip:alice@example.com"/><cr:except id="sip:bob@example.com"/></cr:many>'
    assert.equal(identity(many, 'sip:carol@example.com'), true)
    assert.equal(identity(many, 'sip:alice@example.com'), false)
    assert.equal(identity(many, 'sip:carol@example.org'), false)
    assert.equal(identity(many, 'sip:carol@notexample.com'), false)
  })
  test('§7.1.3: domains are compared as ASCII, escapes undone', () => {
    assert.equal(identity('<cr:many domain="b%C3%BCro.example"/>', 'sip:a@xn--bro-hoa.example'), true)
    assert.equal(identity('<cr:many domain="bÜro.example"/>', 'sip:a@xn--bro-hoa.example'), true)
  })
  test('whom an exception means cannot be told: nobody matches (PS-75)', () => {
    assert.equal(identity('<cr:many><cr:except id="::"/></cr:many>', 'sip:a@b.example'), false)
    assert.equal(identity('<cr:many><x xmlns="urn:x"/></cr:many>', 'sip:a@b.example'), false)
  })
})

describe('§7.3 sphere', () => {
  test('one of several tokens, compared without regard to case', () => {
    const home = '<cr:sphere value="home Work"/>'
    assert.equal(handled(home, 'sip:a@b', { sphere: 'work' }), true)
    assert.equal(handled(home, 'sip:a@b', { sphere: 'home' }), true)
    assert.equal(handled(home, 'sip:a@b', { sphere: 'travel' }), false)
    assert.equal(handled(home, 'sip:a@b', { sphere: undefined }), false)
  })
  test('the example: which rule holds depends on the sphere', () => {
    const set = setOf(
      'common-policy',
      ruleset(
        rule(`<cr:sphere value="work"/>${one('sip:andrew@example.com')}`, 'allow'),
        rule(`<cr:sphere value="home"/>${one('sip:allison@example.com')}`, 'allow'),
        rule(`${one('sip:john@doe.example.com')}<cr:sphere value="home work"/>`, 'allow'),
      ),
    )
    const seen = (sphere: string) =>
      ['sip:andrew@example.com', 'sip:allison@example.com', 'sip:john@doe.example.com'].filter(
        watcher => ask(set, watcher, { sphere }).handling === 'allow',
      )
    assert.deepEqual(seen('work'), ['sip:andrew@example.com', 'sip:john@doe.example.com'])
    assert.deepEqual(seen('home'), ['sip:allison@example.com', 'sip:john@doe.example.com'])
  })
})

describe('§7.4 validity', () => {
  const pairs =
    '<cr:validity><cr:from>2003-08-15T10:20:00.000-05:00</cr:from><cr:until>2003-09-15T10:20:00.000-05:00</cr:until>' +
    '<cr:from>2004-01-01T00:00:00Z</cr:from><cr:until>2004-01-02T00:00:00Z</cr:until></cr:validity>'
  const at = (instant: string) => handled(pairs, 'sip:a@b', { now: Date.parse(instant) })
  test('TRUE at or after a from and before the until after it', () => {
    assert.equal(at('2003-08-15T15:19:59Z'), false)
    assert.equal(at('2003-08-15T15:20:00Z'), true)
    assert.equal(at('2003-09-15T15:19:59Z'), true)
    assert.equal(at('2003-09-15T15:20:00Z'), false)
    assert.equal(at('2004-01-01T12:00:00Z'), true)
  })
  test('several validity elements have to hold together', () => {
    const other =
      '<cr:validity><cr:from>2004-01-01T06:00:00Z</cr:from><cr:until>2005-01-01T00:00:00Z</cr:until></cr:validity>'
    assert.equal(handled(pairs + other, 'sip:a@b', { now: Date.parse('2004-01-01T05:00:00Z') }), false)
    assert.equal(handled(pairs + other, 'sip:a@b', { now: Date.parse('2004-01-01T07:00:00Z') }), true)
  })
})

describe('§10 combining permissions', () => {
  test('§10.3: the example: rules 3 and 5 fire, each permission combined by itself', () => {
    const [a1, a2, a3] = ['2003-12-24T17:00:00+01:00', '2003-12-24T21:00:00+01:00', '2003-12-24T23:30:00+01:00']
    const [b1, b2] = ['2003-12-22T17:00:00+01:00', '2003-12-23T17:00:00+01:00']
    // X is a boolean (mood), Y a number (sub-handling), Z one as well (user-input: - is false, o bare, + full).
    const row = (who: string, sphere: string, from: string, until: string, x: string, y: string, z: string) =>
      rule(
        `${one(`sip:${who}@example.com`)}<cr:sphere value="${sphere}"/><cr:validity><cr:from>${from}</cr:from><cr:until>${until}</cr:until></cr:validity>`,
        y,
        `${x === '' ? '' : `<provide-mood>${x}</provide-mood>`}<provide-user-input>${z}</provide-user-input>`,
      )
    const set = setOf(
      'common-policy',
      ruleset(
        row('bob', 'home', a1, a2, 'true', 'polite-block', 'bare'),
        row('alice', 'work', a1, a2, 'false', 'confirm', 'full'),
        row('bob', 'work', a1, a2, 'true', 'block', 'false'),
        row('tom', 'work', a1, a2, 'true', 'confirm', 'full'),
        row('bob', 'work', a1, a3, '', 'allow', 'bare'),
        row('bob', 'work', b1, b2, 'false', 'polite-block', 'false'),
      ),
    )
    const { handling, permissions } = ask(set, 'sip:bob@example.com', {
      now: Date.parse('2003-12-24T17:15:00+01:00'),
      sphere: 'work',
    })
    assert.equal(handling, 'allow')
    assert.equal(permissions.attributes, 8)
    assert.equal(permissions.userInput, 10)
  })
  test('§10.2: sets are united', () => {
    const devices = (content: string) => rule('', 'allow', `<provide-devices>${content}</provide-devices>`)
    const set = setOf(
      'common-policy',
      ruleset(
        devices('<deviceID>urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6</deviceID><class>biz</class>'),
        devices('<class>home</class><class>biz</class>'),
      ),
    )
    assert.deepEqual([...(ask(set, 'sip:a@b').permissions.devices as ReadonlySet<string>)].sort(), [
      'class biz',
      'class home',
      'deviceID urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    ])
  })
})
