/**
 * Who gets what by a presentity's rules: RFC 4745 §10 for the usage `pres-rules`, the precedence of OMA for the other (PS-72).
 * Whatever cannot be found out makes the answer the one that reveals least (PS-75, RFC 5025 §10).
 */

import type { Conditions, IdentityCondition, Many } from '../../../documents/common-policy.ts'
import {
  intersectionOf,
  lessOf,
  moreOf,
  type Notification,
  noPermissions,
  type Permissions,
  subHandlings,
  unionOf,
} from '../../../documents/presence-rules.ts'
import type { Instant } from '../../../turn.ts'
import { type Outcome, outcomeOf, type RankedRule, type RuleSet } from './rule-set.ts'

/** One question: who asks, and how things are. */
export interface WatcherRequest {
  /** Canonical URIs, each of which may match (PS-76); none: anonymous (PS-77). */
  readonly identities: readonly string[]
  readonly now: Instant
  /** The presentity's sphere in lower case; undefined when there is none or several (RFC 5025 §3.1.2). */
  readonly sphere: string | undefined
  /** The canonical URIs of a list; undefined when it cannot be had, `awaited` when that may be over soon. */
  listMembers(list: string): ReadonlySet<string> | undefined | 'awaited'
}

/** Whether something holds; `unknown` when that depends on a list which cannot be had, `awaited` when it may be had soon. */
type Truth = 'yes' | 'no' | 'unknown' | 'awaited'

/** What the rules grant to the one who asks. Nothing that holds is a block (DEC-02). */
export function evaluate(set: RuleSet, request: WatcherRequest): Outcome {
  const { used, perhaps, isAwaited } = holding(set, request)
  return combined(set, used, perhaps, isAwaited)
}

/**
 * What rules that go before others grant; where none of them is about the one who asks, what the others do (PS-92). Of those that
 * perhaps are about him, what they grant less is not granted.
 */
export function overriding(set: RuleSet, request: WatcherRequest, others: () => Outcome): Outcome {
  const { used, perhaps } = holding(set, request)
  if (used.length > 0) return combined(set, used, perhaps, false)
  const outcome = others()
  if (perhaps.length === 0) return outcome
  const rules = perhaps.map(place => set.rules[place]!)
  return outcomeOf(
    Math.min(subHandlings[outcome.handling], ...rules.map(rule => rule.handling)),
    rules.reduce((least, rule) => intersectionOf(least, rule.permissions), outcome.permissions),
    rules.reduce((least, rule) => lessOf(least, rule.notification), outcome.notification),
  )
}

/** The places of the rules that count, and of those that perhaps do. */
interface Holding {
  readonly used: readonly number[]
  readonly perhaps: readonly number[]
  /** Whether one more may hold that grants something, once a list is there. */
  readonly isAwaited: boolean
}

function holding(set: RuleSet, request: WatcherRequest): Holding {
  return set.combining === 'common-policy' ? byCommonPolicy(set, request) : byPrecedence(set, request)
}

/** More combinations of rules than a presentity has kinds of watchers; beyond them the remembered ones are forgotten. */
const rememberedOutcomes = 256

/** RFC 4745 §10.2: all rules that hold are combined. `other-identity` depends on other rules, which nothing here does. */
function byCommonPolicy(set: RuleSet, request: WatcherRequest): Holding {
  const used: number[] = []
  let isAwaited = false
  for (const [place, { conditions, handling }] of set.rules.entries()) {
    const truth = conditions.otherIdentity ? 'no' : holds(conditions, request)
    if (truth === 'yes') used.push(place)
    if (truth === 'awaited' && handling > subHandlings.block) isAwaited = true
  }
  return { used, perhaps: [], isAwaited }
}

/** The rules of the lowest rank at which one holds. Of others that may hold as well, what they grant less is not granted. */
function byPrecedence(set: RuleSet, request: WatcherRequest): Holding {
  const isNamed = set.usesOtherIdentity ? namedBy(set.rules, request) : 'no'
  let rank = Number.POSITIVE_INFINITY
  let used: number[] = []
  const perhaps: number[] = []
  let isAwaited = false
  for (let place = 0; place < set.rules.length; place++) {
    const rule = set.rules[place]!
    const isOther = rule.conditions.otherIdentity && isNamed !== 'no'
    const truth = isOther ? (isNamed === 'awaited' ? isNamed : 'no') : holdsByClass(rule, request)
    if (truth === 'awaited' && rule.handling > subHandlings.block) isAwaited = true
    if (truth === 'unknown' || (truth === 'awaited' && !isOther)) perhaps.push(place)
    if (truth !== 'yes' || rule.rank > rank) continue
    if (rule.rank < rank) used = []
    rank = rule.rank
    used.push(place)
  }
  if (perhaps.length === 0) return { used, perhaps, isAwaited }
  // Beside rules that hold, one of the same rank only adds; one of a higher rank does not count.
  return { used, perhaps: perhaps.filter(place => set.rules[place]!.rank < rank), isAwaited }
}

/** Rules without any identity are for those who have one; the others have a class of their own. */
function holdsByClass({ conditions }: RankedRule, request: WatcherRequest): Truth {
  const { identities, externalLists, anonymousRequest } = conditions
  if (request.identities.length === 0 && identities.length === 0 && externalLists.length === 0 && !anonymousRequest)
    return 'no'
  return holds(conditions, request)
}

/** Who may be let in once a list is there is not turned away before: he waits, and is shown nothing. */
function combined(
  { rules, outcomes }: RuleSet,
  used: readonly number[],
  perhaps: readonly number[],
  isAwaited: boolean,
): Outcome {
  if (isAwaited && used.length === 0) return outcomeOf(subHandlings.confirm, noPermissions)
  const key = used.length === 1 && perhaps.length === 0 ? `${used[0]}?` : `${used.join()}?${perhaps.join()}`
  let outcome = outcomes.get(key)
  if (outcome === undefined) {
    let handling: number = subHandlings.block
    let permissions: Permissions = noPermissions
    let notification: Notification | undefined
    for (const place of used) {
      const rule = rules[place]!
      handling = Math.max(handling, rule.handling)
      permissions = unionOf(permissions, rule.permissions)
      notification = moreOf(notification ?? rule.notification, rule.notification)
    }
    for (const place of perhaps) {
      const rule = rules[place]!
      handling = Math.min(handling, rule.handling)
      permissions = intersectionOf(permissions, rule.permissions)
      notification = lessOf(notification ?? rule.notification, rule.notification)
    }
    outcome = outcomeOf(handling, permissions, notification)
    if (outcomes.size >= rememberedOutcomes) outcomes.clear()
    outcomes.set(key, outcome)
  }
  return outcome
}

/** Whether a rule names the watcher, by identity or list, whether or not it holds otherwise. */
function namedBy(rules: readonly RankedRule[], request: WatcherRequest): Truth {
  let truth: Truth = 'no'
  for (const { conditions } of rules) {
    if (conditions.identities.length === 0 && conditions.externalLists.length === 0) continue
    const named = isMeant(conditions, request)
    if (named === 'yes') return 'yes'
    if (named !== 'no' && truth !== 'awaited') truth = named
  }
  return truth
}

/** RFC 4745 §10.1: all conditions have to. */
function holds(conditions: Conditions, request: WatcherRequest): Truth {
  const { impossible, spheres, validities, otherIdentity, anonymousRequest } = conditions
  const isAnonymous = request.identities.length === 0
  if (impossible || (anonymousRequest && !isAnonymous) || (otherIdentity && isAnonymous)) return 'no'
  for (const values of spheres) if (request.sphere === undefined || !values.includes(request.sphere)) return 'no'
  const { now } = request
  for (const periods of validities) if (!periods.some(({ from, until }) => from <= now && now < until)) return 'no'
  return isMeant(conditions, request)
}

function isMeant({ identities, externalLists }: Conditions, request: WatcherRequest): Truth {
  for (const identity of identities) if (!isIdentified(identity, request.identities)) return 'no'
  let truth: Truth = 'yes'
  for (const lists of externalLists) {
    const listed = isListed(lists, request)
    if (listed === 'no') return 'no'
    // One that is unknown for good leaves nothing to wait for.
    if (listed !== 'yes' && truth !== 'unknown') truth = listed
  }
  return truth
}

/** RFC 5025 §3.1.1.2: if any of the URIs matches a `one` or an `except`, the watcher does. */
function isIdentified({ ones, many, isEmpty }: IdentityCondition, watcher: readonly string[]): boolean {
  if (watcher.length === 0) return isEmpty
  for (const identity of watcher) if (ones.has(identity)) return true
  for (const condition of many) if (isAmong(condition, watcher)) return true
  return false
}

function isAmong({ domain, exceptIds, exceptDomains }: Many, watcher: readonly string[]): boolean {
  if (domain !== undefined && !watcher.some(identity => domainOf(identity) === domain)) return false
  if (exceptIds.size === 0 && exceptDomains.size === 0) return true
  return !watcher.some(identity => exceptIds.has(identity) || exceptDomains.has(domainOf(identity)))
}

/** The domain of a canonical URI; '' of one without, such as a tel URI. */
function domainOf(identity: string): string {
  if (identity.startsWith('tel:')) return ''
  return identity.slice(Math.max(identity.lastIndexOf('@'), identity.indexOf(':')) + 1)
}

function isListed(lists: readonly string[], { identities, listMembers }: WatcherRequest): Truth {
  if (identities.length === 0) return 'no'
  let truth: Truth = 'no'
  for (const list of lists) {
    const members = listMembers(list)
    if (members === 'awaited') truth = members
    else if (members === undefined) truth = truth === 'awaited' ? truth : 'unknown'
    else if (identities.some(identity => members.has(identity))) return 'yes'
  }
  return truth
}
