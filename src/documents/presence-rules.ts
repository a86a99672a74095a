/**
 * Presence authorization rules (RFC 5025, with the extensions of OMA Presence XDM): what a rule grants, as a value that can be
 * combined with that of others. Every permission is a positive grant; what is not known grants nothing.
 */

import {
  type CanonicalUri,
  type Conditions,
  commonPolicyNamespace,
  permissionsOf,
  readConditions,
  rulesOf,
} from './common-policy.ts'
import { deviceKey } from './data-model.ts'
import { requireRoot } from './xml/read.ts'
import { attributeValue, childElements, trimmedText, type XmlElement } from './xml/tree.ts'

export const presenceRulesNamespace = 'urn:ietf:params:xml:ns:pres-rules'
export const omaPresenceRulesNamespace = 'urn:oma:xml:prs:pres-rules'
export const presenceRulesContentType = 'application/auth-policy+xml'

/** `sub-handling` by its values (RFC 5025 §3.2.1): the greatest counts. */
export const subHandlings = { block: 0, confirm: 10, 'polite-block': 20, allow: 30 } as const
export type SubHandling = keyof typeof subHandlings

/** `provide-user-input` by its values (RFC 5025 §3.3.2.12). */
export const userInputs = { false: 0, bare: 10, thresholds: 20, full: 30 } as const

/** The boolean permissions, each a bit of `Permissions.attributes`, by the local name behind `provide-`. */
export const attributePermissions = {
  activities: 1,
  class: 2,
  deviceID: 4,
  mood: 8,
  'place-is': 16,
  'place-type': 32,
  privacy: 64,
  relationship: 128,
  sphere: 256,
  'status-icon': 512,
  'time-offset': 1024,
  note: 2048,
  // OMA Presence XDM.
  willingness: 4096,
  'network-availability': 8192,
  'session-participation': 16384,
  'registration-state': 32768,
  'barring-state': 65536,
  geopriv: 131072,
} as const
export type AttributePermission = keyof typeof attributePermissions

const omaPermissions: ReadonlySet<string> = new Set([
  'willingness',
  'network-availability',
  'session-participation',
  'registration-state',
  'barring-state',
])

/** Of which components of a kind something is told: all, or those that one of the members picks. */
export type Selection = 'all' | ReadonlySet<Member>

/** `class biz`, `occurrence-id 1`, `deviceID urn:x`, `service-uri sip:a@b`, `service-uri-scheme sip`, `service-id x`. */
export type Member = string

/** The transformations of one rule, or of several together. */
export interface Permissions {
  readonly devices: Selection
  readonly persons: Selection
  readonly services: Selection
  /** Bits of `attributePermissions`. */
  readonly attributes: number
  readonly userInput: number
  /** Of `provide-unknown-attribute`: local name, a blank, namespace. */
  readonly unknown: ReadonlySet<string>
  readonly allAttributes: boolean
}

export interface PresenceRule {
  readonly id: string
  readonly conditions: Conditions
  readonly handling: number
  readonly permissions: Permissions
  readonly notification: Notification
  /** Its place among ordered rules, of which the first that holds counts (AD-A §6.1.5.1); undefined for others. */
  readonly order?: number | undefined
}

/** Which changes a watcher is told of, and how often at most (AD-A §6.1.5.3, PS-140). */
export interface Notification {
  /** Least time between two notifications that changes have caused. */
  readonly intervalMs: number
  /** Local names of the attributes whose change is told; the others go along when something is. */
  readonly triggers: 'all' | ReadonlySet<string>
}

export const everyChange: Notification = { intervalMs: 0, triggers: 'all' }

/** The namespace of our own action `notify`: `<notify interval="60"><on>basic</on><on>activities</on></notify>`. */
export const notificationRulesNamespace = 'urn:porchlight:xml:notification-rules'

/**
 * The namespace of our own action `order`: with a whole number the ordered lists of the older architecture, reject before accept
 * for instance, are written as rules of the OMA usage (DEC-01, PS-73). `last` is a rule that gives way to all others: allowing a
 * whole domain is an `identity` to OMA, and would override lists of blocked contacts.
 */
export const ruleOrderNamespace = 'urn:porchlight:xml:rule-order'

/** `PresenceRule.order` of `last`: behind the classes, which are behind the places of nine digits. */
export const lastPlace = 2e9

export const noPermissions: Permissions = {
  devices: new Set(),
  persons: new Set(),
  services: new Set(),
  attributes: 0,
  userInput: 0,
  unknown: new Set(),
  allAttributes: false,
}

/** What somebody may see who may see everything. */
export const allPermissions: Permissions = {
  ...noPermissions,
  devices: 'all',
  persons: 'all',
  services: 'all',
  allAttributes: true,
}

/** The rules of a document, in its order. Throws XmlError when the root is another. */
export function readPresenceRules(ruleset: XmlElement, canonical: CanonicalUri): PresenceRule[] {
  requireRoot(ruleset, commonPolicyNamespace, 'ruleset')
  return rulesOf(ruleset).map(rule => {
    const order = readOrder(rule)
    const conditions = readConditions(rule, canonical)
    return {
      id: attributeValue(rule, 'id') ?? '',
      // A place that cannot be read may be any, and so the rule is not used.
      conditions: Number.isNaN(order) ? { ...conditions, impossible: true } : conditions,
      handling: readHandling(rule),
      permissions: readPermissions(rule),
      notification: readNotification(rule),
      order: Number.isNaN(order) ? undefined : order,
    }
  })
}

/** RFC 4745 §10.2: of two permissions the one that grants what either does. */
export function unionOf(a: Permissions, b: Permissions): Permissions {
  return {
    devices: unionOfSelections(a.devices, b.devices),
    persons: unionOfSelections(a.persons, b.persons),
    services: unionOfSelections(a.services, b.services),
    attributes: a.attributes | b.attributes,
    userInput: Math.max(a.userInput, b.userInput),
    unknown: unionOfSets(a.unknown, b.unknown),
    allAttributes: a.allAttributes || b.allAttributes,
  }
}

/** The permission that grants only what both do: of two that may be meant, when it is not known which. */
export function intersectionOf(a: Permissions, b: Permissions): Permissions {
  const every = Object.values(attributePermissions).reduce((bits, bit) => bits | bit, 0)
  return {
    devices: intersectionOfSelections(a.devices, b.devices),
    persons: intersectionOfSelections(a.persons, b.persons),
    services: intersectionOfSelections(a.services, b.services),
    attributes: (a.allAttributes ? every : a.attributes) & (b.allAttributes ? every : b.attributes),
    userInput: Math.min(
      a.allAttributes ? userInputs.full : a.userInput,
      b.allAttributes ? userInputs.full : b.userInput,
    ),
    unknown: a.allAttributes ? b.unknown : b.allAttributes ? a.unknown : intersectionOfSets(a.unknown, b.unknown),
    allAttributes: a.allAttributes && b.allAttributes,
  }
}

/** A text that is the same for permissions that grant the same, and only for these. */
export function permissionsKey({ devices, persons, services, ...rest }: Permissions): string {
  const { attributes, userInput, unknown, allAttributes } = rest
  const granted = allAttributes ? 'all' : `${attributes.toString(36)} ${userInput} ${sorted(unknown)}`
  return [selectionKey(devices), selectionKey(persons), selectionKey(services), granted].join('|')
}

export function seesEverything({ devices, persons, services, allAttributes }: Permissions): boolean {
  return allAttributes && devices === 'all' && persons === 'all' && services === 'all'
}

/** Of two notification rules the one that tells whatever either does, as often as either does (RFC 4745 §10.2). */
export function moreOf(a: Notification, b: Notification): Notification {
  return { intervalMs: Math.min(a.intervalMs, b.intervalMs), triggers: unionOfSelections(a.triggers, b.triggers) }
}

/** The one that tells only what both do. */
export function lessOf(a: Notification, b: Notification): Notification {
  return {
    intervalMs: Math.max(a.intervalMs, b.intervalMs),
    triggers: intersectionOfSelections(a.triggers, b.triggers),
  }
}

/** An interval that cannot be read is the longest; several actions of one rule limit together. */
function readNotification(rule: XmlElement): Notification {
  let notification = everyChange
  for (const action of permissionsOf(rule, 'actions')) {
    if (action.namespace !== notificationRulesNamespace || action.name !== 'notify') continue
    const interval = attributeValue(action, 'interval')?.trim() ?? '0'
    const seconds = /^[0-9]{1,5}$/.test(interval) ? Number(interval) : longestIntervalSeconds
    const names = childElements(action, notificationRulesNamespace, 'on').map(on => trimmedText(on)!)
    notification = lessOf(notification, {
      intervalMs: Math.min(seconds, longestIntervalSeconds) * 1000,
      triggers: names.length === 0 ? 'all' : new Set(names),
    })
  }
  return notification
}

/** A day: subscriptions do not live longer without being asked for again, which brings the whole document. */
const longestIntervalSeconds = 86_400

/** NaN for what is neither a whole number nor `last`. */
function readOrder(rule: XmlElement): number | undefined {
  const orders = permissionsOf(rule, 'actions').filter(
    ({ namespace, name }) => namespace === ruleOrderNamespace && name === 'order',
  )
  if (orders.length === 0) return undefined
  const text = trimmedText(orders[0])!
  if (orders.length === 1 && text === 'last') return lastPlace
  return orders.length === 1 && /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN
}

/** The least of several, if a rule says more than one. Absent: block (RFC 5025 §3.2.1). */
function readHandling(rule: XmlElement): number {
  let handling: number | undefined
  for (const action of permissionsOf(rule, 'actions')) {
    if (action.namespace !== presenceRulesNamespace || action.name !== 'sub-handling') continue
    const read = subHandlings[trimmedText(action) as SubHandling] ?? subHandlings.block
    handling = Math.min(handling ?? read, read)
  }
  return handling ?? subHandlings.block
}

function readPermissions(rule: XmlElement): Permissions {
  let { devices, persons, services, userInput, allAttributes } = noPermissions
  let attributes = 0
  const unknown = new Set<string>()
  for (const permission of permissionsOf(rule, 'transformations')) {
    const { namespace, name } = permission
    const provided = name.startsWith('provide-') ? name.slice(8) : ''
    if (namespace === presenceRulesNamespace) {
      switch (provided) {
        case 'devices':
          devices = unionOfSelections(devices, readSelection(permission, 'all-devices'))
          break
        case 'persons':
          persons = unionOfSelections(persons, readSelection(permission, 'all-persons'))
          break
        case 'services':
          services = unionOfSelections(services, readSelection(permission, 'all-services'))
          break
        case 'user-input':
          userInput = Math.max(userInput, userInputs[trimmedText(permission) as keyof typeof userInputs] ?? 0)
          break
        case 'unknown-attribute': {
          const [local, ns] = [attributeValue(permission, 'name'), attributeValue(permission, 'ns')]
          if (local && ns !== undefined && isTrue(permission)) unknown.add(`${local} ${ns}`)
          break
        }
        case 'all-attributes':
          allAttributes = true
          break
        default:
          if (!omaPermissions.has(provided) && provided !== 'geopriv' && isTrue(permission))
            attributes |= bitOf(provided)
      }
    } else if (namespace === omaPresenceRulesNamespace) {
      if (provided === 'geopriv') attributes |= trimmedText(permission) === 'full' ? attributePermissions.geopriv : 0
      else if (omaPermissions.has(provided) && isTrue(permission)) attributes |= bitOf(provided)
    }
  }
  return { devices, persons, services, attributes, userInput, unknown, allAttributes }
}

function bitOf(name: string): number {
  return Object.hasOwn(attributePermissions, name) ? attributePermissions[name as AttributePermission] : 0
}

function isTrue(element: XmlElement): boolean {
  const text = trimmedText(element)
  return text === 'true' || text === '1'
}

/** The members of a set (RFC 5025 §3.3.1) that we know; any other picks nothing. */
function readSelection(permission: XmlElement, all: string): Selection {
  const members = new Set<Member>()
  for (const child of childElements(permission)) {
    const { namespace, name } = child
    const text = trimmedText(child)!
    if (namespace === omaPresenceRulesNamespace && name === 'service-id') members.add(`service-id ${text}`)
    if (namespace !== presenceRulesNamespace) continue
    if (name === all) return 'all'
    if (name === 'class' || name === 'occurrence-id' || name === 'service-uri-scheme') members.add(`${name} ${text}`)
    if (name === 'deviceID' || name === 'service-uri') members.add(`${name} ${comparableUri(text)}`)
  }
  return members
}

/**
 * A URI so that equivalent ones are equal (RFC 3986 §6.2.2.1): scheme, host and what a URN has of these in lower case. Where
 * the scheme knows more ways to say the same, such as the order of parameters, they count as different.
 */
export function comparableUri(uri: string): string {
  const text = deviceKey(uri)
  const colon = text.indexOf(':')
  if (colon === -1) return text
  const scheme = text.slice(0, colon).toLowerCase()
  const rest = text.slice(colon + 1)
  if (scheme === 'urn') return `urn:${rest.replace(/^[^:]*/, identifier => identifier.toLowerCase())}`
  if (scheme === 'tel') return `tel:${rest}`
  // What is before the host has an end that it cannot contain.
  const host = /^(?:\/\/)?(?:[^@/?;]*@)?/.exec(rest)![0].length
  const end = rest.slice(host).search(/[/?;#]/)
  const tail = end === -1 ? '' : rest.slice(host + end)
  return `${scheme}:${rest.slice(0, host)}${rest.slice(host, rest.length - tail.length).toLowerCase()}${tail}`
}

function unionOfSelections(a: Selection, b: Selection): Selection {
  return a === 'all' || b === 'all' ? 'all' : unionOfSets(a, b)
}

function intersectionOfSelections(a: Selection, b: Selection): Selection {
  if (a === 'all') return b
  return b === 'all' ? a : intersectionOfSets(a, b)
}

function unionOfSets(a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> {
  if (a.size === 0) return b
  return b.size === 0 ? a : new Set([...a, ...b])
}

function intersectionOfSets(a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...a].filter(member => b.has(member)))
}

function selectionKey(selection: Selection): string {
  return selection === 'all' ? 'all' : sorted(selection)
}

/** Each with its length, so that no member can pass for two. */
function sorted(members: ReadonlySet<string>): string {
  return [...members]
    .sort()
    .map(member => `${member.length}:${member}`)
    .join('')
}
