/** Application usage `org.openmobilealliance.pub-rules`, and the view of it that can only be read (OMA Presence XDM 2.0). */

import { publicationRulesGrammar } from '../../../documents/grammar/publication-rules.ts'
import type { ApplicationUsage } from '../application-usage.ts'

export const pubRules: ApplicationUsage = {
  auid: 'org.openmobilealliance.pub-rules',
  contentType: 'application/auth-policy+xml',
  defaultNamespace: 'urn:ietf:params:xml:ns:common-policy',
  grammar: publicationRulesGrammar,
}

export const pubRulesView: ApplicationUsage = {
  ...pubRules,
  auid: `${pubRules.auid}-view`,
  viewOf: pubRules.auid,
  isReadOnly: true,
}
