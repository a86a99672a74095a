/** The rules of one presentity, of whatever documents they come, in the form in which they are evaluated. */

import {
  everyChange,
  type Notification,
  type Permissions,
  type PresenceRule,
  permissionsKey,
  type SubHandling,
  subHandlings,
} from '../../../documents/presence-rules.ts'
import type { Instant } from '../../../turn.ts'

/**
 * Which rules count (DEC-01). `common-policy`: all that hold (RFC 4745 §10). `precedence`: of those that hold, the ones of the
 * first class (OMA, PS-72) or of the first list (AD-A §6.1.5.1, PS-73).
 */
export type Combining = 'common-policy' | 'precedence'

export interface RankedRule extends PresenceRule {
  /** Where precedence counts, rules of a lower rank go before those of a higher. */
  readonly rank: number
}

export interface RuleSet {
  readonly combining: Combining
  readonly rules: readonly RankedRule[]
  /** Whether the presentity's sphere matters. */
  readonly usesSphere: boolean
  /** Whether it matters who is named by any rule. */
  readonly usesOtherIdentity: boolean
  /** What each combination of rules comes to, by their places. */
  readonly outcomes: Map<string, Outcome>
}

/** What a watcher gets. Equal keys mean the same document, on the same changes, for whoever has them. */
export interface Outcome {
  readonly handling: SubHandling
  readonly permissions: Permissions
  readonly notification: Notification
  readonly key: string
}

/** The classes of OMA rules in the order of their precedence (PS-72). */
const classRanks = { anonymousRequest: 0, identity: 1, externalList: 2, otherIdentity: 3 } as const

export function ruleSet(combining: Combining, rules: readonly RankedRule[]): RuleSet {
  return {
    combining,
    rules,
    usesSphere: rules.some(({ conditions }) => conditions.spheres.length > 0),
    usesOtherIdentity: rules.some(({ conditions }) => conditions.otherIdentity),
    outcomes: new Map(),
  }
}

/**
 * Rules with the rank of their class, or their place in an order of their own, which goes before all classes. A rule without
 * any identity is for those whom no other names, so that it overrides nothing.
 */
export function ranked(rules: readonly PresenceRule[]): RankedRule[] {
  return rules.map(rule => ({ ...rule, rank: rule.order ?? behindOrdered + classOf(rule) }))
}

/** Behind the places of nine digits that rules can have in an order. */
const behindOrdered = 1e9

function classOf({ conditions }: PresenceRule): number {
  if (conditions.anonymousRequest) return classRanks.anonymousRequest
  if (conditions.identities.length > 0) return classRanks.identity
  return conditions.externalLists.length > 0 ? classRanks.externalList : classRanks.otherIdentity
}

/** The next instant at which a rule may begin or cease to hold because of its validity (RFC 4745 §7.4, PS-99). */
export function nextBoundary({ rules }: RuleSet, now: Instant): Instant | undefined {
  let next = Number.POSITIVE_INFINITY
  for (const { conditions } of rules) {
    for (const { from, until } of conditions.validities.flat()) {
      if (from > now) next = Math.min(next, from)
      if (until > now) next = Math.min(next, until)
    }
  }
  return next === Number.POSITIVE_INFINITY ? undefined : next
}

/** The external lists that the rules refer to. */
export function listsOf({ rules }: RuleSet): Set<string> {
  return new Set(rules.flatMap(({ conditions }) => conditions.externalLists.flat()))
}

export function outcomeOf(handling: number, permissions: Permissions, notification = everyChange): Outcome {
  const name = handlingNames.find(known => subHandlings[known] === handling) ?? 'block'
  // Nothing is shown to anybody else, so that what might have been does not tell them apart.
  if (name !== 'allow') return { handling: name, permissions, notification, key: name }
  const { triggers } = notification
  const told = triggers === 'all' ? '' : ` on ${[...triggers].sort().join(' ')}`
  return { handling: name, permissions, notification, key: `allow ${permissionsKey(permissions)}${told}` }
}

const handlingNames = Object.keys(subHandlings) as SubHandling[]
