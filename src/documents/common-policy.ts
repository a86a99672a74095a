/**
 * Common policy documents (RFC 4745): rules with their conditions as values, ready to be asked about a watcher. What we do not
 * know makes a condition that never holds, so that reading less only reveals less (RFC 4745 §7, PS-75).
 */

import type { Instant } from '../turn.ts'
import { parseDateTime } from './date-time.ts'
import { attributeValue, childElements, trimmedText, type XmlElement } from './xml/tree.ts'

export const commonPolicyNamespace = 'urn:ietf:params:xml:ns:common-policy'
export const omaCommonPolicyNamespace = 'urn:oma:xml:xdm:common-policy'

/** What all must hold for a rule to be used; absent lists hold. */
export interface Conditions {
  /** Something that is not known stands among the conditions: the rule never holds. */
  readonly impossible: boolean
  readonly identities: readonly IdentityCondition[]
  /** Of each, the values of which one has to be the presentity's sphere, in lower case. */
  readonly spheres: readonly (readonly string[])[]
  /** Of each, the periods of which one has to be now. */
  readonly validities: readonly (readonly Period[])[]
  /** Of each, the lists of which one has to contain the watcher: absolute XCAP URIs (OMA). */
  readonly externalLists: readonly (readonly string[])[]
  /** No other rule names the watcher (OMA). */
  readonly otherIdentity: boolean
  /** The watcher is not known (OMA). */
  readonly anonymousRequest: boolean
}

/** One `identity` (RFC 4745 §7.1): holds for each of these. */
export interface IdentityCondition {
  /** Canonical URIs. */
  readonly ones: ReadonlySet<string>
  readonly many: readonly Many[]
  /** An empty element: only a watcher who is not authenticated (RFC 5025 §3.1.1.2). */
  readonly isEmpty: boolean
}

/** Everybody authenticated, or of one domain, but for those excepted (RFC 4745 §7.1.3). */
export interface Many {
  readonly domain: string | undefined
  readonly exceptIds: ReadonlySet<string>
  readonly exceptDomains: ReadonlySet<string>
}

/** From `from` on and before `until`. */
export interface Period {
  readonly from: Instant
  readonly until: Instant
}

/** The canonical text of a URI, by which the watcher is known as well; undefined when it is none. */
export type CanonicalUri = (uri: string) => string | undefined

/** The `rule` elements of a ruleset. */
export function rulesOf(ruleset: XmlElement): XmlElement[] {
  return childElements(ruleset, commonPolicyNamespace, 'rule')
}

/** Actions or transformations of a rule. */
export function permissionsOf(rule: XmlElement, part: 'actions' | 'transformations'): XmlElement[] {
  return childElements(rule, commonPolicyNamespace, part).flatMap(element => childElements(element))
}

export function readConditions(rule: XmlElement, canonical: CanonicalUri): Conditions {
  const identities: IdentityCondition[] = []
  const spheres: string[][] = []
  const validities: Period[][] = []
  const externalLists: string[][] = []
  let impossible = false
  let otherIdentity = false
  let anonymousRequest = false
  for (const conditions of childElements(rule, commonPolicyNamespace, 'conditions')) {
    for (const condition of childElements(conditions)) {
      const { namespace, name } = condition
      if (namespace === commonPolicyNamespace && name === 'identity') {
        identities.push(readIdentity(condition, canonical))
      } else if (namespace === commonPolicyNamespace && name === 'sphere') {
        spheres.push(tokens(attributeValue(condition, 'value') ?? ''))
      } else if (namespace === commonPolicyNamespace && name === 'validity') {
        validities.push(readValidity(condition))
      } else if (namespace === omaCommonPolicyNamespace && name === 'external-list') {
        externalLists.push(
          childElements(condition, omaCommonPolicyNamespace, 'entry').flatMap(
            entry => attributeValue(entry, 'anc')?.trim() || [],
          ),
        )
      } else if (namespace === omaCommonPolicyNamespace && name === 'other-identity') otherIdentity = true
      else if (namespace === omaCommonPolicyNamespace && name === 'anonymous-request') anonymousRequest = true
      else impossible = true
    }
  }
  return { impossible, identities, spheres, validities, externalLists, otherIdentity, anonymousRequest }
}

/** A child that is not known does not hold (RFC 4745 §7.1.1); nor does one that has something unknown in it. */
function readIdentity(identity: XmlElement, canonical: CanonicalUri): IdentityCondition {
  const ones = new Set<string>()
  const many: Many[] = []
  const children = childElements(identity)
  for (const child of children) {
    if (child.namespace !== commonPolicyNamespace) continue
    if (child.name === 'one' && childElements(child).length === 0) {
      const uri = canonical(attributeValue(child, 'id') ?? '')
      if (uri !== undefined) ones.add(uri)
    } else if (child.name === 'many') {
      const read = readMany(child, canonical)
      if (read !== undefined) many.push(read)
    }
  }
  return { ones, many, isEmpty: children.length === 0 }
}

/** Undefined when somebody is excepted whom we cannot tell: then nobody is meant. */
function readMany(element: XmlElement, canonical: CanonicalUri): Many | undefined {
  const domain = attributeValue(element, 'domain')
  const own = domain === undefined ? undefined : canonicalDomain(domain)
  if (domain !== undefined && own === undefined) return undefined
  const exceptIds = new Set<string>()
  const exceptDomains = new Set<string>()
  for (const except of childElements(element)) {
    if (except.namespace !== commonPolicyNamespace || except.name !== 'except') return undefined
    const id = attributeValue(except, 'id')
    const exceptDomain = attributeValue(except, 'domain')
    if (id !== undefined) {
      const uri = canonical(id)
      if (uri === undefined) return undefined
      exceptIds.add(uri)
    }
    if (exceptDomain !== undefined) {
      const excepted = canonicalDomain(exceptDomain)
      if (excepted === undefined) return undefined
      exceptDomains.add(excepted)
    }
  }
  return { domain: own, exceptIds, exceptDomains }
}

/** Pairs of `from` and the `until` behind it (RFC 4745 §7.4); one that cannot be read is never now. */
function readValidity(validity: XmlElement): Period[] {
  const periods: Period[] = []
  let from: Instant | undefined
  for (const child of childElements(validity, commonPolicyNamespace)) {
    const instant = parseDateTime(trimmedText(child)!)
    if (child.name === 'from') from = instant
    else if (child.name === 'until') {
      if (from !== undefined && instant !== undefined) periods.push({ from, until: instant })
      from = undefined
    }
  }
  return periods
}

/** RFC 4745 §7.3: separated by blanks, compared without regard to case. */
function tokens(value: string): string[] {
  return value
    .toLowerCase()
    .split(/[ \t\n\r]+/)
    .filter(part => part !== '')
}

/** A domain as it is compared: escapes undone, as ASCII, in lower case (RFC 4745 §7.1.3). Undefined when it is none. */
export function canonicalDomain(domain: string): string | undefined {
  const text = domain.trim()
  if (/^[A-Za-z0-9.-]+$/.test(text)) return text.toLowerCase()
  if (/^\[[0-9A-Fa-f:.]+\]$/.test(text)) return text.toLowerCase()
  if (text === '' || /[/?#@:\\\s]/.test(text)) return undefined
  return URL.canParse(`http://${text}/`) ? new URL(`http://${text}/`).hostname : undefined
}
