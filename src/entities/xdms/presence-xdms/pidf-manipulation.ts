/**
 * Application usage `pidf-manipulation` (RFC 4827): the presence a user has set by hand, which never expires. One document
 * for each user, called `index`. Others write in it what `perm-handling` of his publication rules lets them (PS-112).
 */

import { presenceGrammar } from '../../../documents/grammar/presence.ts'
import { pidfContentType, pidfNamespace } from '../../../documents/pidf.ts'
import type { ApplicationUsage } from '../application-usage.ts'

export const pidfManipulation: ApplicationUsage = {
  auid: 'pidf-manipulation',
  contentType: pidfContentType,
  defaultNamespace: pidfNamespace,
  grammar: presenceGrammar,
  writers: 'others',
  // COMPAT(RCS): clients of the OMA call the same document perm-presence (DEC-04).
  names: { index: 'index', 'perm-presence': 'index' },
}
