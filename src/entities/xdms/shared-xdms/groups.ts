/** Application usage `org.openmobilealliance.groups` (OMA Shared Group XDM 1.0): groups of a user, and those for everybody. */

import { groupGrammar } from '../../../documents/grammar/group.ts'
import type { ApplicationUsage } from '../application-usage.ts'

export const groups: ApplicationUsage = {
  auid: 'org.openmobilealliance.groups',
  contentType: 'application/vnd.oma.poc.groups+xml',
  defaultNamespace: 'urn:oma:xml:poc:list-service',
  grammar: groupGrammar,
  trees: ['users', 'global'],
}
