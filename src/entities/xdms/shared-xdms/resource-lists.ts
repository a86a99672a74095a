/** Application usage `resource-lists` (RFC 4826 §3.4). */

import { resourceListsGrammar } from '../../../documents/grammar/resource-lists.ts'
import { resourceListsNamespace, resourceListsType } from '../../../documents/resource-lists.ts'
import type { ApplicationUsage } from '../application-usage.ts'
import { checkLists } from '../lists.ts'
import { checkListNames } from './list-names.ts'

export const resourceLists: ApplicationUsage = {
  auid: 'resource-lists',
  contentType: resourceListsType,
  defaultNamespace: resourceListsNamespace,
  grammar: resourceListsGrammar,
  newUsers: { path: 'index' },
  constrain(root, context) {
    checkLists(root, [root], resourceListsNamespace)
    checkListNames(root, context)
  },
}
