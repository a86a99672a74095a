/**
 * Application usages `org.openmobilealliance.user-profile`, which the user writes, and `...locked-user-profile`, which the
 * operator does (OMA Shared Profile XDM).
 */

import { userProfileGrammar } from '../../../documents/grammar/user-profile.ts'
import { attributeValue, childElements } from '../../../documents/xml/tree.ts'
import { constraintFailure } from '../../../protocols/xcap/errors.ts'
import type { ApplicationUsage } from '../application-usage.ts'

const namespace = 'urn:oma:xml:xdm:user-profile'

export const userProfile: ApplicationUsage = {
  auid: 'org.openmobilealliance.user-profile',
  contentType: 'application/vnd.oma.user-profile+xml',
  defaultNamespace: namespace,
  grammar: userProfileGrammar,
  constrain(root, { address, userOf }) {
    for (const profile of childElements(root, namespace, 'user-profile')) {
      if (userOf(attributeValue(profile, 'uri') ?? '') !== address.xui)
        throw constraintFailure(`uri of a profile is its user's, ${address.xui}`, profile)
    }
  },
}

export const lockedUserProfile: ApplicationUsage = {
  ...userProfile,
  auid: 'org.openmobilealliance.locked-user-profile',
  writers: 'operators',
}
