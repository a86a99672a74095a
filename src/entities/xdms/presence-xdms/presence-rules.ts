/**
 * Application usages `pres-rules` (RFC 5025 §9) and `org.openmobilealliance.pres-rules` (OMA Presence XDM §5.1.1.2): who may
 * see what of a presentity. Both have the root `ruleset` of common policy, yet names without a prefix mean another namespace
 * in each (XDM-40).
 */

import { presenceRulesGrammar } from '../../../documents/grammar/presence-rules.ts'
import type { ApplicationUsage } from '../application-usage.ts'
import { defaultRules } from './default-rules.ts'

/** The operator's rules, in the global tree, which go before those of every presentity (PS-92). */
export const operatorRulesPath = 'operator'

const contentType = 'application/auth-policy+xml'

export const presRules: ApplicationUsage = {
  auid: 'pres-rules',
  contentType,
  defaultNamespace: 'urn:ietf:params:xml:ns:pres-rules',
  grammar: presenceRulesGrammar,
}

export const omaPresRules: ApplicationUsage = {
  auid: 'org.openmobilealliance.pres-rules',
  contentType,
  defaultNamespace: 'urn:ietf:params:xml:ns:common-policy',
  grammar: presenceRulesGrammar,
  newUsers: { path: 'pres-rules', template: defaultRules },
  globalNames: [operatorRulesPath],
  // They may say about whom the operator is suspicious.
  globalReaders: 'operators',
}
