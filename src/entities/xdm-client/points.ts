/** The reference points at which a functional entity is the client of an XDMS: PRS-5, 8, 9 and 10 (RP-05, RP-08 to RP-10). */

import type { Settings } from '../../settings/table.ts'
import type { XdmPoint as PointSettings } from '../../settings/xdm-points.ts'
import { presenceUsages } from '../xdms/presence-xdms/usages.ts'
import { rlsUsages } from '../xdms/rls-xdms/usages.ts'
import { sharedUsages } from '../xdms/shared-xdms/usages.ts'

export type XdmPoint = 'prs5' | 'prs8' | 'prs9' | 'prs10'

/** The entities that read documents, each with the point that leads to the usages it reads. */
const usages: Readonly<Record<XdmPoint, ReadonlySet<string>>> = {
  prs5: new Set(sharedUsages.map(({ auid }) => auid)),
  prs8: new Set(presenceUsages.map(({ auid }) => auid)),
  prs9: new Set(sharedUsages.map(({ auid }) => auid)),
  prs10: new Set(rlsUsages.map(({ auid }) => auid)),
}

export const presenceServerPoints: readonly XdmPoint[] = ['prs5', 'prs8']
export const resourceListServerPoints: readonly XdmPoint[] = ['prs9', 'prs10']

/** Documents whose names a usage fixes; of others only those that are asked for are known (RFC 5025 §9.7, RFC 4827 §9, OMA). */
export const wellKnownNames: Readonly<Record<string, readonly string[] | undefined>> = {
  'pres-rules': ['index'],
  'org.openmobilealliance.pres-rules': ['pres-rules'],
  'org.openmobilealliance.pub-rules': ['pub-rules'],
  'pidf-manipulation': ['index', 'perm-presence'],
}

/** Where the documents of a point are, when not in this box. */
export function remoteAt(point: XdmPoint, settings: Settings): PointSettings | undefined {
  return settings[point].root === '' ? undefined : settings[point]
}

/** The one of `points` that leads to a usage. */
export function pointOf(auid: string, points: readonly XdmPoint[]): XdmPoint | undefined {
  return points.find(point => usages[point].has(auid))
}

/** The usages of a point. */
export function usagesOf(point: XdmPoint): ReadonlySet<string> {
  return usages[point]
}

export const xdmPoints = Object.keys(usages) as readonly XdmPoint[]

export function isPoint(text: string): text is XdmPoint {
  return Object.hasOwn(usages, text)
}
