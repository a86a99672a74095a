import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ParseError } from '../../../../src/protocols/sip/errors.ts'
import { Params } from '../../../../src/protocols/sip/params.ts'

test('values are found by name in any case; a name without value has the value ""', () => {
  const params = Params.parse(';Tag=a ; q = 0.5;lr;+sip.instance="<urn:uuid:1>";x="a\\"b;c"')
  assert.equal(params.get('tag'), 'a')
  assert.equal(params.get('Q'), '0.5')
  assert.equal(params.get('lr'), '')
  assert.equal(params.get('+sip.instance'), '<urn:uuid:1>')
  assert.equal(params.getAsWritten('+sip.instance'), '"<urn:uuid:1>"')
  assert.equal(params.get('x'), 'a"b;c')
  assert.equal(params.get('c'), undefined)
  assert.equal(params.has('LR'), true)
  assert.equal(params.has('l'), false)
  assert.deepEqual(
    [...params].map(([name]) => name),
    ['Tag', 'q', 'lr', '+sip.instance', 'x'],
  )
})

test('names differ by more than the case bit', () => {
  assert.equal(Params.parse(';a`=1').get('a@'), undefined)
  assert.equal(Params.parse(';a^=1'.replace('^', '~')).get('a^'), undefined)
})

test('with replaces in place, else appends; without removes; the original stays', () => {
  const params = Params.parse(';a=1;b;A=2;c="x y"')
  assert.equal(params.with('a', '3').toString(), ';a=3;b;c="x y"')
  assert.equal(params.with('d').toString(), ';a=1;b;A=2;c="x y";d')
  assert.equal(params.without('A').toString(), ';b;c="x y"')
  assert.equal(params.without('z'), params)
  assert.equal(Params.parse(';a').without('a'), Params.none)
  assert.equal(params.toString(), ';a=1;b;A=2;c="x y"')
})

test('in a header a value is quoted when it must be, in a URI escaped', () => {
  assert.equal(Params.none.with('received', '2001:db8::1').toString(), ';received=2001:db8::1')
  assert.equal(Params.none.with('gr', 'urn:uuid:f81d').toString(), ';gr=urn:uuid:f81d')
  assert.equal(Params.none.with('reason', 'a "b"').toString(), ';reason="a \\"b\\""')
  assert.equal(Params.none.with('p', '<sip:a@b>').toString(), ';p="<sip:a@b>"')
  assert.equal(Params.noneInUri.with('x', 'a;b=c ä').toString(), ';x=a%3Bb%3Dc%20%C3%A4')
  assert.equal(Params.parseInUri(';x=a%3Bb').get('x'), 'a;b')
})

for (const text of [
  ';',
  ';;a',
  ';a;',
  'a',
  ';=b',
  ';a="b',
  ';a=b c',
  ';a=b,c',
  ';a=b"c"',
  ';a="b"c',
  ';a b',
  ';a=<b>',
  ';(a)=b',
]) {
  test(`refused in a header: ${text}`, () => assert.throws(() => Params.parse(text), ParseError))
}
for (const text of [
  ';',
  ';;a',
  ';a;',
  'a',
  ';=b',
  ';a=b=c',
  ';a="b"',
  ';a=%2',
  ';a=%zz',
  '; a',
  ';a =b',
  ';a=\u00e4',
  ';a=@',
]) {
  test(`refused in a URI: ${text}`, () => assert.throws(() => Params.parseInUri(text), ParseError))
}

test('more than 64 parameters are refused', () => {
  assert.equal([...Params.parse(';a=long'.repeat(64))].length, 64)
  assert.throws(() => Params.parse(';a=long'.repeat(65)), ParseError)
  assert.equal([...Params.parse(';a'.repeat(64))].length, 64)
  assert.throws(() => Params.parse(';a'.repeat(65)), ParseError)
  assert.throws(() => Params.parse(' ;a'.repeat(65)), ParseError)
  assert.throws(() => Params.parseInUri(';a=long'.repeat(65)), ParseError)
})

test('an empty value is let pass', () => {
  assert.equal(Params.parse(';a=;b').get('a'), '')
  assert.equal(Params.parse(';a=;b').toString(), ';a=;b')
})

const name = fc.stringMatching(/^[a-z][-a-z0-9.]{0,8}$/)
const value = fc.string({ unit: 'grapheme' }).map(text => text.replace(/[\r\n\x00-\x1f]/g, ' '))

test('property: what is put in comes out, by both syntaxes and after reading again', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 6 }), pairs => {
      let header = Params.none
      let uri = Params.noneInUri
      const expected = new Map<string, string>()
      for (const [key, text] of pairs) {
        header = header.with(key, text)
        uri = uri.with(key, text)
        expected.set(key, text)
      }
      for (const params of [header, Params.parse(header.toString()), uri, Params.parseInUri(uri.toString())]) {
        assert.deepEqual(new Map(params), expected)
        for (const [key, text] of expected) assert.equal(params.get(key.toUpperCase()), text)
      }
    }),
  )
})
