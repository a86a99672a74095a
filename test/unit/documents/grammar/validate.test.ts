/** What documents are refused, and how the fault is described (RFC 4825 §8.2.5, §11). */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Grammar } from '../../../../src/documents/grammar/grammar.ts'
import { groupGrammar } from '../../../../src/documents/grammar/group.ts'
import { presenceGrammar } from '../../../../src/documents/grammar/presence.ts'
import { presenceRulesGrammar } from '../../../../src/documents/grammar/presence-rules.ts'
import { resourceListsGrammar } from '../../../../src/documents/grammar/resource-lists.ts'
import { GrammarError, validate } from '../../../../src/documents/grammar/validate.ts'
import { parseXml } from '../../../../src/documents/xml/parse.ts'

function faultOf(text: string, grammar: Grammar): string | undefined {
  try {
    validate(parseXml(Buffer.from(text)), grammar)
  } catch (error) {
    assert.ok(error instanceof GrammarError)
    return error.message
  }
  return undefined
}

function lists(content: string): string | undefined {
  return faultOf(
    `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:x="urn:x">${content}</resource-lists>`,
    resourceListsGrammar,
  )
}

function rules(content: string): string | undefined {
  return faultOf(
    `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:x="urn:x">${content}</ruleset>`,
    presenceRulesGrammar,
  )
}

function presence(content: string): string | undefined {
  return faultOf(
    `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:a@b">${content}</presence>`,
    presenceGrammar,
  )
}

describe('a fault says where, what, and what was expected', () => {
  const cases: readonly (readonly [title: string, found: string | undefined, expected: RegExp])[] = [
    [
      'an unknown element',
      lists('\n<list>\n <entry uri="sip:a@b"/>\n <entri uri="sip:c@d"/>\n</list>'),
      /^line 4, column 2: \/resource-lists\/list\/entri: entri cannot stand here; expected list, external, entry, entry-ref, an element of another namespace or the end of list$/,
    ],
    [
      'one of several equal names, by its position',
      lists('<list name="a"/><list name="b"><entry/></list>'),
      /: \/resource-lists\/list\[2\]\/entry: attribute uri is missing$/,
    ],
    [
      'a wrong value',
      lists('<list><entry uri="%zz"/></list>'),
      /: \/resource-lists\/list\/entry: attribute uri: "%zz" is not a URI$/,
    ],
    [
      'an attribute too many',
      lists('<list><entry uri="sip:a@b" name="x"/></list>'),
      /attribute name cannot stand here; entry has only uri, those of other namespaces$/,
    ],
    ['text between elements', lists('<list>hello</list>'), /list: text cannot stand here: "hello"$/],
    [
      'an element that ends too early',
      rules('<rule id="a"><conditions><validity><from>2026-01-01T00:00:00Z</from></validity></conditions></rule>'),
      /validity: ends too early; expected until$/,
    ],
    [
      'a wrong order',
      rules('<rule id="a"><actions/><conditions/></rule>'),
      /rule\/conditions: conditions cannot stand here; expected transformations or the end of rule$/,
    ],
    [
      'a value of an enumeration',
      rules('<rule id="a"><actions><pr:sub-handling>maybe</pr:sub-handling></actions></rule>'),
      /sub-handling: "maybe" is not block, confirm, polite-block or allow$/,
    ],
    [
      'a place in an order that is none (PS-73)',
      rules('<rule id="a"><actions><order xmlns="urn:porchlight:xml:rule-order">first</order></actions></rule>'),
      /actions\/order: "first" is not a whole number of at most 9 digits or last$/,
    ],
    [
      'a notification rule with another member (PS-140)',
      rules(
        '<rule id="a"><actions><notify xmlns="urn:porchlight:xml:notification-rules" interval="60"><off/></notify></actions></rule>',
      ),
      /notify\/off: off cannot stand here; expected on or the end of notify$/,
    ],
    [
      'an ID given twice',
      rules('<rule id="a"/><rule id=" a "/>'),
      /ruleset\/rule\[2\]: attribute id: " a " is also the ID of another element$/,
    ],
    [
      'something in an empty element',
      rules(
        '<rule id="a"><transformations><pr:provide-all-attributes> </pr:provide-all-attributes></transformations></rule>',
      ),
      /provide-all-attributes is empty; text cannot stand here$/,
    ],
    [
      'an element where there is only text',
      presence('<note>a<note/></note>'),
      /note\/note: note cannot stand in note, which has only text$/,
    ],
    [
      'another root',
      faultOf('<resource-lists/>', resourceListsGrammar),
      /^line 1, column 1: \/resource-lists: the root element is not resource-lists of urn:ietf:params:xml:ns:resource-lists$/,
    ],
    [
      'a long choice, cut',
      presence('<dm:person id="p"><r:activities><r:idle/></r:activities></dm:person>'),
      /idle cannot stand here; expected note, unknown, appointment, away, .* and others$/,
    ],
  ]
  for (const [title, found, expected] of cases) test(title, () => assert.match(found ?? 'valid', expected))
})

describe('XDM-17: elements of other namespaces', () => {
  test('unknown ones are accepted where the schema lets them in', () => {
    assert.equal(lists('<list><x:anything y="z">text<x:more/></x:anything></list>'), undefined)
    assert.equal(rules('<rule id="a"><conditions><x:weather/></conditions></rule>'), undefined)
  })
  test('and not where it does not', () => {
    assert.match(lists('<x:anything/>') ?? '', /anything of urn:x cannot stand here/)
  })
  test('ones that are known must be as their schema says, however deep they stand', () => {
    assert.match(
      rules('<rule id="a"><actions><x:a><x:b><pr:provide-mood>yes</pr:provide-mood></x:b></x:a></actions></rule>') ??
        '',
      /a\/b\/provide-mood: "yes" is not true or false$/,
    )
  })
  test('elements without namespace are none of another namespace', () => {
    assert.match(lists('<list><y xmlns=""/></list>') ?? '', /y of no namespace cannot stand here/)
  })
  test('attributes of known namespaces are checked as well', () => {
    const entry = (count: string) =>
      lists(`<list><entry uri="sip:a@b" xmlns:cc="urn:ietf:params:xml:ns:copycontrol" cc:count="${count}"/></list>`)
    assert.equal(entry('2'), undefined)
    assert.match(entry('-2') ?? '', /attribute count: "-2" is not a whole number, 0 or more$/)
  })
  test('a schema location may stand anywhere', () => {
    const location = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"'
    assert.equal(lists(`<list ${location}/>`), undefined)
    assert.equal(rules(`<rule id="a" ${location}/>`), undefined)
  })
})

test('an IPv6 address is as good a host as any (RFC 3986 §3.2.2)', () => {
  assert.equal(lists('<list><entry uri="sip:a@[2001:db8::1]:5060;transport=tcp"/></list>'), undefined)
})

test('lists within lists, and rules within groups, are checked by their own grammar', () => {
  assert.match(lists('<list><list><list><entry/></list></list></list>') ?? '', /list\/list\/list\/entry: attribute uri/)
  const group = (rule: string) =>
    `<group xmlns="urn:oma:xml:poc:list-service"><list-service uri="sip:g@b"><ruleset xmlns="urn:ietf:params:xml:ns:common-policy">${rule}</ruleset></list-service></group>`
  assert.equal(faultOf(group('<rule id="a"/>'), groupGrammar), undefined)
  assert.match(faultOf(group('<rule/>'), groupGrammar) ?? '', /ruleset\/rule: attribute id is missing$/)
})
