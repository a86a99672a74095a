/** Application usage `org.openmobilealliance.pres-content` (OMA Presence Content XDM 1.0 §5.1.2): status icons. */

import { presenceContentGrammar } from '../../../documents/grammar/presence-content.ts'
import type { ApplicationUsage } from '../application-usage.ts'

export const presContent: ApplicationUsage = {
  auid: 'org.openmobilealliance.pres-content',
  contentType: 'application/vnd.oma.pres-content+xml',
  defaultNamespace: 'urn:oma:xml:prs:pres-content',
  grammar: presenceContentGrammar,
  directory: 'oma_status-icon',
}
