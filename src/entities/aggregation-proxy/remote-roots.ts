/**
 * XDMSs that are elsewhere (RP-33): which application usages lead to which XCAP root, as the settings of PRS-7, PRS-12 and
 * XDM-4 say, and before them the routes of single usages.
 */

import type { HttpCredentials } from '../../protocols/http/message.ts'
import type { Settings } from '../../settings/table.ts'
import { usageRoutes } from '../../settings/xcap.ts'
import type { Xdms } from '../xdms/xdms.ts'

export interface RemoteRoot {
  /** Absolute URI without a slash at its end. */
  readonly uri: string
  readonly credentials: HttpCredentials | undefined
  /** The usages that are there. */
  readonly auids: readonly string[]
}

export class RemoteRoots {
  readonly #servers: readonly Xdms[]
  /** As of the settings they were read from, which are others after each change. */
  #known: { readonly settings: Settings; readonly roots: readonly RemoteRoot[] } | undefined

  constructor(servers: readonly Xdms[]) {
    this.#servers = servers
  }

  /** Every root that a usage leads to; none when all documents are here. */
  all(settings: Settings): readonly RemoteRoot[] {
    if (this.#known?.settings !== settings) this.#known = { settings, roots: rootsOf(settings, this.#servers) }
    return this.#known.roots
  }

  /** Where documents of users of other domains are fetched (XDM-8); undefined when they are not. */
  beyond({ xdm8: { root, username, password } }: Settings): RemoteRoot | undefined {
    return root === '' ? undefined : { uri: root, auids: [], credentials: credentialsOf(username, password) }
  }

  /** Where a usage leads to; undefined when it is here. */
  of(auid: string, settings: Settings): RemoteRoot | undefined {
    return this.all(settings).find(({ auids }) => auids.includes(auid))
  }
}

function credentialsOf(username: string, password: string): HttpCredentials | undefined {
  return username === '' ? undefined : { username, password }
}

function rootsOf(settings: Settings, servers: readonly Xdms[]): readonly RemoteRoot[] {
  const routes = usageRoutes(settings.xcap.routes) ?? new Map<string, string>()
  const { prs7, prs12, xdm4 } = settings
  const points: ReadonlyMap<string, typeof prs7> = new Map([
    ['presence-xdms', prs7],
    ['rls-xdms', prs12],
    ['shared-xdms', xdm4],
  ])
  const roots: RemoteRoot[] = []
  for (const { name, usages } of servers) {
    const point = points.get(name)
    if (point === undefined || point.root === '') continue
    const { root: uri, username, password } = point
    const auids = [...usages.keys()].filter(auid => !routes.has(auid))
    roots.push({ uri, auids, credentials: credentialsOf(username, password) })
  }
  for (const uri of new Set(routes.values())) {
    if (uri === '') continue
    roots.push({
      uri,
      credentials: undefined,
      auids: [...routes].filter(([, root]) => root === uri).map(([auid]) => auid),
    })
  }
  return roots
}
