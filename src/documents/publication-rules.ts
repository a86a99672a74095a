/**
 * Publication rules (OMA Presence SIMPLE 2.0, PS-112): who besides the presentity may publish for him, and what of it counts;
 * and, by an action of its own, who may set his permanent presence. They are rules like those about watchers, so they are read
 * into the same values: `allow` or `block`, and what is let through.
 */

import { type CanonicalUri, commonPolicyNamespace, permissionsOf, readConditions, rulesOf } from './common-policy.ts'
import {
  type AttributePermission,
  attributePermissions,
  everyChange,
  type Permissions,
  type PresenceRule,
  subHandlings,
} from './presence-rules.ts'
import { requireRoot } from './xml/read.ts'
import { attributeValue, trimmedText, type XmlElement } from './xml/tree.ts'

const publicationRulesNamespace = 'urn:oma:xml:prs:pub-rules'

/** The attributes that have a permission to be published; any other needs `allow-all-attributes`. */
const publishable: ReadonlySet<string> = new Set([
  'activities',
  'class',
  'mood',
  'place-type',
  'status-icon',
  'time-offset',
  'note',
  'willingness',
  'network-availability',
  'session-participation',
  'registration-state',
  'barring-state',
  'geopriv',
] satisfies AttributePermission[])

/** The rules of a document about PUBLISH, in its order. Throws XmlError when the root is another. */
export function readPublicationRules(ruleset: XmlElement, canonical: CanonicalUri): PresenceRule[] {
  return readRules(ruleset, canonical, 'pub-handling')
}

/** The same about permanent presence, which is set by XCAP (RFC 4827). */
export function readPermanentPresenceRules(ruleset: XmlElement, canonical: CanonicalUri): PresenceRule[] {
  return readRules(ruleset, canonical, 'perm-handling')
}

type Action = 'pub-handling' | 'perm-handling'

function readRules(ruleset: XmlElement, canonical: CanonicalUri, action: Action): PresenceRule[] {
  requireRoot(ruleset, commonPolicyNamespace, 'ruleset')
  return rulesOf(ruleset).map(rule => ({
    id: attributeValue(rule, 'id') ?? '',
    conditions: readConditions(rule, canonical),
    handling: readHandling(rule, action),
    permissions: readPermissions(rule),
    notification: everyChange,
  }))
}

function readHandling(rule: XmlElement, action: Action): number {
  const handlings = permissionsOf(rule, 'actions').filter(
    ({ namespace, name }) => namespace === publicationRulesNamespace && name === action,
  )
  const isAllowed = handlings.length > 0 && handlings.every(handling => trimmedText(handling) === 'allow')
  return isAllowed ? subHandlings.allow : subHandlings.block
}

function readPermissions(rule: XmlElement): Permissions {
  const allowed = new Set<string>()
  const unknown = new Set<string>()
  let attributes = 0
  for (const permission of permissionsOf(rule, 'transformations')) {
    if (permission.namespace !== publicationRulesNamespace || !permission.name.startsWith('allow-')) continue
    const name = permission.name.slice('allow-'.length)
    const text = trimmedText(permission)
    if (name !== 'all-attributes' && text !== 'true' && text !== '1') continue
    if (publishable.has(name)) attributes |= attributePermissions[name as AttributePermission]
    else if (name === 'unknown-attribute') {
      const [local, ns] = [attributeValue(permission, 'name'), attributeValue(permission, 'ns')]
      if (local && ns !== undefined) unknown.add(`${local} ${ns}`)
    } else allowed.add(name)
  }
  const all = (component: string) => (allowed.has(component) ? 'all' : new Set<string>())
  return {
    services: all('services'),
    devices: all('devices'),
    persons: all('persons'),
    attributes,
    userInput: 0,
    unknown,
    allAttributes: allowed.has('all-attributes'),
  }
}
