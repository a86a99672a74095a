/** The three XDMSs of the architecture, each with its application usages. */

import { presenceUsages } from './presence-xdms/usages.ts'
import { rlsUsages } from './rls-xdms/usages.ts'
import { sharedUsages } from './shared-xdms/usages.ts'
import { Xdms, type XdmsOptions } from './xdms.ts'

export type XdmsContext = Omit<XdmsOptions, 'name' | 'usages'>

export function managementServers(context: XdmsContext): Xdms[] {
  return [
    new Xdms({ ...context, name: 'presence-xdms', usages: presenceUsages }),
    new Xdms({ ...context, name: 'rls-xdms', usages: rlsUsages }),
    new Xdms({ ...context, name: 'shared-xdms', usages: sharedUsages }),
  ]
}
