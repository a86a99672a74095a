/** The application usages of the RLS XDMS (PRS-12). */

import type { ApplicationUsage } from '../application-usage.ts'
import { rlsServicesUsage } from './rls-services.ts'

export const rlsUsages: readonly ApplicationUsage[] = [rlsServicesUsage]
