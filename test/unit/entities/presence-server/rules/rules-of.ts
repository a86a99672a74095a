/** Rule documents as text, evaluated. */

import { readPresenceRules } from '../../../../../src/documents/presence-rules.ts'
import { parseXml } from '../../../../../src/documents/xml/parse.ts'
import { canonicalUri } from '../../../../../src/entities/presence-server/authorize.ts'
import { evaluate, type WatcherRequest } from '../../../../../src/entities/presence-server/rules/evaluate.ts'
import {
  type Combining,
  type Outcome,
  type RuleSet,
  ranked,
  ruleSet,
} from '../../../../../src/entities/presence-server/rules/rule-set.ts'

const start =
  '<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy" ' +
  'xmlns:ocp="urn:oma:xml:xdm:common-policy" xmlns:op="urn:oma:xml:prs:pres-rules">'

/** A ruleset of these rules. Prefixes: `cr` common policy, none RFC 5025, `ocp` and `op` OMA. */
export function ruleset(...rules: readonly string[]): string {
  return `${start}${rules.join('')}</cr:ruleset>`
}

/** A rule with what stands in its three parts. */
export function rule(conditions: string, handling = '', transformations = '', id = 'r'): string {
  const actions = handling === '' ? '' : `<sub-handling>${handling}</sub-handling>`
  return (
    `<cr:rule id="${id}"><cr:conditions>${conditions}</cr:conditions><cr:actions>${actions}</cr:actions>` +
    `<cr:transformations>${transformations}</cr:transformations></cr:rule>`
  )
}

/** The condition that the watcher is this one. */
export function one(uri: string): string {
  return `<cr:identity><cr:one id="${uri}"/></cr:identity>`
}

export function setOf(combining: Combining, ...documents: readonly string[]): RuleSet {
  const rules = documents.flatMap(text => readPresenceRules(parseXml(Buffer.from(text)), canonicalUri))
  return ruleSet(combining, ranked(rules))
}

export function ask(set: RuleSet, watcher: string | readonly string[], given: Partial<WatcherRequest> = {}): Outcome {
  return evaluate(set, {
    identities: typeof watcher === 'string' ? (watcher === '' ? [] : [watcher]) : watcher,
    now: Date.UTC(2026, 10, 20),
    sphere: undefined,
    listMembers: () => undefined,
    ...given,
  })
}
