/** Fuzz targets of rules and grammars: any document is accepted or refused, and whatever is accepted can be evaluated. */

import { strict as assert } from 'node:assert'
import type { Grammar } from '../../src/documents/grammar/grammar.ts'
import { groupGrammar } from '../../src/documents/grammar/group.ts'
import { presenceGrammar } from '../../src/documents/grammar/presence.ts'
import { presenceRulesGrammar } from '../../src/documents/grammar/presence-rules.ts'
import { resourceListsGrammar } from '../../src/documents/grammar/resource-lists.ts'
import { rlsServicesGrammar } from '../../src/documents/grammar/rls-services.ts'
import { userProfileGrammar } from '../../src/documents/grammar/user-profile.ts'
import { GrammarError, validate } from '../../src/documents/grammar/validate.ts'
import { xcapDirectoryGrammar } from '../../src/documents/grammar/xcap-directory.ts'
import { parsePidf } from '../../src/documents/pidf-parts.ts'
import {
  allPermissions,
  type PresenceRule,
  readPresenceRules,
  subHandlings,
  unionOf,
} from '../../src/documents/presence-rules.ts'
import { readPublicationRules } from '../../src/documents/publication-rules.ts'
import { publishedPidf } from '../../src/documents/published-pidf.ts'
import { parseXml, XmlError } from '../../src/documents/xml/parse.ts'
import type { XmlElement } from '../../src/documents/xml/tree.ts'
import { canonicalUri } from '../../src/entities/presence-server/authorize.ts'
import { evaluate } from '../../src/entities/presence-server/rules/evaluate.ts'
import { filterPresence, withheldFrom } from '../../src/entities/presence-server/rules/filter.ts'
import { membersOf } from '../../src/entities/presence-server/rules/lists.ts'
import { nextBoundary, ranked, ruleSet } from '../../src/entities/presence-server/rules/rule-set.ts'
import { checkListNames } from '../../src/entities/xdms/shared-xdms/list-names.ts'
import { HttpRefusal } from '../../src/protocols/http/errors.ts'

export type FuzzTarget = {
  readonly name: string
  /** Throws only when something is wrong with us. */
  run(bytes: Uint8Array): void
  readonly seeds: readonly Uint8Array[]
}

const roomy = { bytes: 1_000_000, depth: 64, nodes: 50_000, attributes: 64, nameLength: 256 }

const grammars: readonly Grammar[] = [
  presenceRulesGrammar,
  resourceListsGrammar,
  rlsServicesGrammar,
  presenceGrammar,
  groupGrammar,
  userProfileGrammar,
  xcapDirectoryGrammar,
]

const ruleDocument = `<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:o="urn:oma:xml:xdm:common-policy" xmlns:p="urn:oma:xml:prs:pub-rules">
<cr:rule id="a"><cr:conditions><cr:identity><cr:one id="sip:a@b"/><cr:many domain="b"><cr:except id="tel:+1"/><cr:except domain="c"/></cr:many></cr:identity>
<cr:sphere value="home work"/><cr:validity><cr:from>2026-01-01T00:00:00Z</cr:from><cr:until>2027-01-01T00:00:00Z</cr:until></cr:validity></cr:conditions>
<cr:actions><sub-handling>allow</sub-handling><p:pub-handling>allow</p:pub-handling></cr:actions>
<cr:transformations><provide-services><all-services/></provide-services><provide-persons><class>x</class></provide-persons><provide-devices><deviceID>urn:uuid:1</deviceID></provide-devices><provide-mood>true</provide-mood><provide-user-input>bare</provide-user-input><provide-unknown-attribute name="a" ns="b">true</provide-unknown-attribute><p:allow-services>true</p:allow-services></cr:transformations></cr:rule>
<cr:rule id="b"><cr:conditions><o:external-list><o:entry anc="http://h/xcap-root/resource-lists/users/sip:a@b/index/~~/resource-lists/list%5b1%5d"/></o:external-list></cr:conditions><cr:actions><sub-handling>polite-block</sub-handling></cr:actions></cr:rule>
<cr:rule id="c"><cr:conditions><o:other-identity/></cr:conditions><cr:actions><sub-handling>confirm</sub-handling></cr:actions></cr:rule>
<cr:rule id="d"><cr:conditions><o:anonymous-request/></cr:conditions></cr:rule></cr:ruleset>`

const reservedLists =
  '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="oma_grantedcontacts"><external anchor="http://h/resource-lists/users/x/index/~~/*/list%5b3%5d"/></list><list name="oma_blockedcontacts"/><list name="ext_b.c_d"><external anchor="h:/resource-lists/users/x/index/~~/*/list%5b@name=%22oma_blockedcontacts%22%5d"/></list></resource-lists>'

const listDocument =
  '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="a"><display-name xml:lang="en">A</display-name><entry uri="sip:a@b"/><list><external anchor="http://h/xcap-root/resource-lists/users/x/index"/><entry-ref ref="resource-lists/users/x/index/~~/resource-lists/list/entry"/></list></list></resource-lists>'

const pidf =
  '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:a@b"><tuple id="t"><status><basic>open</basic></status><r:user-input idle-threshold="1">idle</r:user-input><contact>sip:a@b</contact><note>n</note></tuple><dm:person id="p"><r:class>x</r:class><r:mood><r:sad/></r:mood></dm:person><dm:device id="d"><dm:deviceID>urn:uuid:1</dm:deviceID></dm:device></presence>'

const others = [
  '<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="sip:l@b"><resource-list>http://h/x</resource-list><packages><package>presence</package></packages></service></rls-services>',
  '<group xmlns="urn:oma:xml:poc:list-service"><list-service uri="sip:g@b"><invite-members>true</invite-members><max-participant-count>3</max-participant-count></list-service></group>',
  '<user-profiles xmlns="urn:oma:xml:xdm:user-profile"><user-profile uri="sip:a@b"><birth-date>1970-01-01</birth-date><hobbies><hobby>x</hobby></hobbies></user-profile></user-profiles>',
  '<xcap-directory xmlns="urn:oma:xml:xdm:xcap-directory"><folder auid="a"><entry uri="/a" etag="e" last-modified="2026-01-01T00:00:00Z" size="1"/></folder></xcap-directory>',
]

const seeds = (documents: readonly string[]) => documents.map(text => Buffer.from(text, 'utf8'))

export const targets: readonly FuzzTarget[] = [
  {
    name: 'grammars',
    seeds: seeds([ruleDocument, listDocument, pidf, ...others]),
    run(bytes) {
      const root = parsed(bytes)
      if (root === undefined) return
      for (const grammar of grammars) {
        try {
          validate(root, grammar)
        } catch (error) {
          assert.ok(error instanceof GrammarError)
          assert.ok(error.path.startsWith('/') && error.why.startsWith(error.path) && error.line >= 1)
        }
      }
    },
  },
  {
    name: 'presence-rules',
    seeds: seeds([ruleDocument]),
    run(bytes) {
      const root = parsed(bytes)
      if (root === undefined) return
      const rules = [...attempted(root, readPresenceRules), ...attempted(root, readPublicationRules)]
      for (const combining of ['common-policy', 'precedence'] as const) {
        const set = ruleSet(combining, ranked(rules))
        nextBoundary(set, 0)
        for (const identities of [[], ['sip:a@b'], ['sip:x@y', 'tel:+1']]) {
          const ask = (listMembers: (list: string) => ReadonlySet<string> | undefined) =>
            evaluate(set, { identities, now: Date.UTC(2026, 5, 1), sphere: 'home', listMembers })
          const [without, outcome] = [ask(() => undefined), ask(() => new Set(['sip:a@b']))]
          // Nothing is ever granted that no rule grants, and less when lists cannot be had.
          assert.ok(
            rules.some(({ handling }) => handling >= subHandlings[outcome.handling]) || outcome.handling === 'block',
          )
          assert.ok(subHandlings[without.handling] <= Math.max(0, ...rules.map(({ handling }) => handling)))
          unionOf(outcome.permissions, without.permissions)
          const document = filterPresence(parsePidf(Buffer.from(pidf)), outcome.permissions)
          assert.equal(publishedPidf(document).declared, true)
        }
      }
    },
  },
  {
    name: 'privacy-filter',
    seeds: seeds([pidf, pidf.replace('</status>', '</status><status><basic>closed</basic></status>')]),
    run(bytes) {
      const document = attempt(() => parsePidf(bytes, roomy))
      if (document === undefined) return
      const granted = readPresenceRules(parseXml(Buffer.from(ruleDocument)), canonicalUri)[0]!.permissions
      const filtered = filterPresence(document, { ...granted, persons: 'all', devices: 'all' })
      // What is shown can be read, and shown again it is the same.
      const again = filterPresence(parsePidf(filtered, { ...roomy, attributes: 4_096 }), {
        ...granted,
        persons: 'all',
        devices: 'all',
      })
      assert.equal(Buffer.from(again).toString(), Buffer.from(filtered).toString())
      // What is let through is not withheld, and whoever may write everything is kept from nothing.
      const writes = { ...granted, persons: 'all', devices: 'all', services: 'all', userInput: 0 } as const
      const written = parsePidf(filterPresence(document, writes), { ...roomy, attributes: 4_096 })
      assert.deepEqual(withheldFrom(written, writes), [])
      assert.deepEqual(withheldFrom(document, allPermissions), [])
    },
  },
  {
    name: 'external-lists',
    seeds: seeds([listDocument, reservedLists]),
    run(bytes) {
      const root = parsed(bytes)
      if (root === undefined) return
      const source = { root: '/xcap-root', canonical: canonicalUri, read: () => root }
      for (const uri of [
        'http://h/xcap-root/resource-lists/users/x/index',
        '/xcap-root/resource-lists/users/x/index/~~/*/*',
      ])
        membersOf(uri, source)
      const address = { auid: 'resource-lists', xui: 'x', path: 'index' }
      const context = { address, userOf: (xui: string) => xui }
      try {
        checkListNames(root, context)
      } catch (error) {
        if (!(error instanceof HttpRefusal)) throw error
        assert.equal(error.status, 409)
      }
    },
  },
]

function parsed(bytes: Uint8Array): XmlElement | undefined {
  return attempt(() => parseXml(bytes, { limits: roomy, instructions: true }))
}

function attempted(root: XmlElement, read: typeof readPresenceRules): PresenceRule[] {
  return attempt(() => read(root, canonicalUri)) ?? []
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof XmlError) return undefined
    throw error
  }
}
