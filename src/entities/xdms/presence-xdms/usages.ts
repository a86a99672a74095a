/** The application usages of the Presence XDMS (PRS-7). */

import type { ApplicationUsage } from '../application-usage.ts'
import { pidfManipulation } from './pidf-manipulation.ts'
import { presContent } from './presence-content.ts'
import { omaPresRules, presRules } from './presence-rules.ts'
import { pubRules, pubRulesView } from './publication-rules.ts'

export const presenceUsages: readonly ApplicationUsage[] = [
  presRules,
  omaPresRules,
  pidfManipulation,
  presContent,
  pubRules,
  pubRulesView,
]
