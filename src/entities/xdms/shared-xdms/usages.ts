/** The application usages of the Shared XDMS (XDM-4). */

import type { ApplicationUsage } from '../application-usage.ts'
import { groupUsageList } from './group-usage-list.ts'
import { groups } from './groups.ts'
import { resourceLists } from './resource-lists.ts'
import { lockedUserProfile, userProfile } from './user-profile.ts'

export const sharedUsages: readonly ApplicationUsage[] = [
  resourceLists,
  groupUsageList,
  groups,
  userProfile,
  lockedUserProfile,
]
