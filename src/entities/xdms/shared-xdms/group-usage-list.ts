/** Application usage `org.openmobilealliance.group-usage-list` (OMA Shared XDM 1.1 §5.2.2): lists of groups, by value only. */

import { resourceListsGrammar } from '../../../documents/grammar/resource-lists.ts'
import { resourceListsNamespace } from '../../../documents/resource-lists.ts'
import { attributeValue, childElements, type XmlElement } from '../../../documents/xml/tree.ts'
import { constraintFailure } from '../../../protocols/xcap/errors.ts'
import type { ApplicationUsage } from '../application-usage.ts'
import { checkLists } from '../lists.ts'

export const groupUsageList: ApplicationUsage = {
  auid: 'org.openmobilealliance.group-usage-list',
  contentType: 'application/vnd.oma.group-usage-list+xml',
  defaultNamespace: resourceListsNamespace,
  grammar: resourceListsGrammar,
  constrain(root) {
    for (const list of childElements(root, resourceListsNamespace, 'list')) checkMembers(list)
    checkLists(root, [root], resourceListsNamespace)
  },
}

function checkMembers(list: XmlElement): void {
  if (attributeValue(list, 'name') === undefined) throw constraintFailure('a list of groups has a name', list)
  for (const member of childElements(list, resourceListsNamespace)) {
    if (member.name === 'external' || member.name === 'entry-ref')
      throw constraintFailure(`${member.name} cannot stand in a list of groups`, member)
    if (member.name === 'list') checkMembers(member)
  }
}
