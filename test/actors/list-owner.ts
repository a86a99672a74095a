/** The XDM Client of somebody who keeps presence lists (RFC 4826): a service and the list it leads to. */

import type { World } from '../flows/world.ts'

export const listsType = 'application/resource-lists+xml'
export const servicesType = 'application/rls-services+xml'

/** A document of resource lists with one list, `members`, of these entries or whatever else is given as elements. */
export function listDocument(entries: readonly string[], name = 'members'): string {
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">` +
    `<list name="${name}">${entries.map(element).join('')}</list></resource-lists>`
  )
}

/** An entry, for what is a URI; elements stay what they are. */
function element(entry: string): string {
  return entry.startsWith('<') ? entry : `<entry uri="${entry}"/>`
}

export interface Service {
  readonly uri: string
  readonly packages?: readonly string[] | undefined
  /** Elements of the list within the service; without them it refers to the list `members`. */
  readonly inline?: readonly string[] | undefined
}

export function servicesDocument(
  owner: string,
  services: readonly Service[],
  root = 'http://box.example/xcap-root',
): string {
  const list = `${root}/resource-lists/users/${owner}/index/~~/resource-lists/list%5b@name=%22members%22%5d`
  const texts = services.map(({ uri, packages = ['presence'], inline }) => {
    const members =
      inline === undefined ? `<resource-list>${list}</resource-list>` : `<list>${inline.map(inner).join('')}</list>`
    return `<service uri="${uri}">${members}<packages>${packages.map(name => `<package>${name}</package>`).join('')}</packages></service>`
  })
  return `<?xml version="1.0" encoding="UTF-8"?>\n<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">${texts.join('')}</rls-services>`
}

function inner(entry: string): string {
  const namespace = 'urn:ietf:params:xml:ns:resource-lists'
  return element(entry).replace(/^<([\w-]+)/, `<$1 xmlns="${namespace}"`)
}

/** Stores the list `members` of somebody. */
export function putList(world: World, name: string, entries: readonly string[]): Promise<number> {
  const { aor } = world.person(name)
  return world.put(name, `/xcap-root/resource-lists/users/${aor}/index`, listsType, listDocument(entries))
}

/** Stores somebody's services. */
export function putServices(world: World, name: string, services: readonly Service[]): Promise<number> {
  const { aor } = world.person(name)
  return world.put(name, `/xcap-root/rls-services/users/${aor}/index`, servicesType, servicesDocument(aor, services))
}
