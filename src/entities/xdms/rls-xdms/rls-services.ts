/**
 * Application usage `rls-services` (RFC 4826 §4.4): each user's list services, no two of the server with one URI, and the
 * global index of them all.
 */

import { rlsServicesGrammar } from '../../../documents/grammar/rls-services.ts'
import { isAbsoluteHttp } from '../../../documents/resource-lists.ts'
import { type RlsService, rlsServices, rlsServicesNamespace, rlsServicesType } from '../../../documents/rls-services.ts'
import { parseXml } from '../../../documents/xml/parse.ts'
import { newElement, type XmlElement } from '../../../documents/xml/tree.ts'
import { serializeXml } from '../../../documents/xml/write.ts'
import { limits } from '../../../limits.ts'
import { constraintFailure, uniquenessFailure } from '../../../protocols/xcap/errors.ts'
import { selectorOf } from '../../../protocols/xcap/select.ts'
import { type Transaction, type Turn, table } from '../../../turn.ts'
import type { ApplicationUsage, ConstraintContext, DerivedDocument } from '../application-usage.ts'
import { type DocumentAddress, documentAt } from '../documents.ts'
import { checkLists } from '../lists.ts'
import { addressOfList, serviceUriOf } from './service-uri.ts'

const auid = 'rls-services'
/** Documents of this name make up the global index (§4.4.7). */
const indexed = 'index'

/** Whose service a URI is: keyed [canonical URI], over all documents of the usage. */
const serviceUris = table<{ readonly xui: string; readonly path: string }>('rls-service-uris', 'hard')

export const rlsServicesUsage: ApplicationUsage = {
  auid,
  contentType: rlsServicesType,
  defaultNamespace: rlsServicesNamespace,
  grammar: rlsServicesGrammar,
  trees: ['users', 'global'],
  newUsers: { path: indexed },
  // It says about everybody who his friends are (§4.4.9).
  globalReaders: 'operators',
  constrain(root, context) {
    const services = rlsServices(root)
    if (services.length > limits.lists.servicesPerUser)
      throw constraintFailure(`there are more than ${limits.lists.servicesPerUser} services`)
    if (context.address.path === indexed) for (const service of services) checkDomain(service, context)
    checkUnique(root, services, context)
    for (const service of services) {
      if (service.resourceList !== undefined) checkReference(service, context)
      if (service.list !== undefined) checkLists(root, [service.list], rlsServicesNamespace)
    }
  },
  changed({ xui, path }, previous, next, db) {
    const uris = new Set(next === undefined ? [] : rlsServices(next).map(({ uri }) => serviceUriOf(uri)))
    for (const { uri } of previous === undefined ? [] : rlsServices(previous))
      if (!uris.has(serviceUriOf(uri))) db.delete(serviceUris, [serviceUriOf(uri)])
    for (const uri of uris) db.put(serviceUris, [uri], { xui, path })
  },
  derived: ({ xui, path }, _request, turn) => (xui === '' && path === indexed ? globalIndex(turn) : undefined),
}

/** Where the service with this canonical URI stands (`serviceUri`); undefined when it is in no document of the index (§4.4.9). */
export function placeOfService(db: Transaction, uri: string): DocumentAddress | undefined {
  const place = db.get(serviceUris, [uri])
  return place?.path === indexed ? { auid, ...place } : undefined
}

/** A service is one of this server; a URI of another domain is what that domain makes of it (§4.4.5). */
function checkDomain({ element, uri }: RlsService, { userOf }: ConstraintContext): void {
  if (!/^\s*sips?:/i.test(uri) || userOf(uri.trim()) === undefined)
    throw constraintFailure('uri is no SIP URI of a name in this domain', element)
}

/** §4.4.5: unique among all services of the server, and nobody's own address. */
function checkUnique(root: XmlElement, services: readonly RlsService[], context: ConstraintContext): void {
  const here = new Set<string>()
  const exists = services.flatMap(({ element, uri }) => {
    const key = serviceUriOf(uri)
    const isTaken = here.has(key) || isElsewhere(key, context)
    here.add(key)
    if (!isTaken) return []
    const field = selectorOf(root, element, rlsServicesNamespace, { namespace: '', name: 'uri' })
    return [{ field, alternatives: freeUris(uri, here, context) }]
  })
  if (exists.length > 0) throw uniquenessFailure(exists, 'A service needs a URI that nothing else has')
}

function isElsewhere(key: string, { address, turn, isUser }: ConstraintContext): boolean {
  // A user's address with a parameter is his to use alone.
  const whose = addressOfList(key)
  if (whose !== undefined && address.xui !== '' && whose !== address.xui) return true
  // That of the lists that come with a request is the server's own.
  if (key === `sip:${turn.settings.lists.requestUser}@${turn.settings.domain}`) return true
  const service = turn.db.get(serviceUris, [key])
  if (service !== undefined) return service.xui !== address.xui || service.path !== address.path
  // In a laboratory anybody is a user, so that no address would be free.
  return turn.settings.auth.required && isUser(key)
}

function freeUris(uri: string, here: ReadonlySet<string>, context: ConstraintContext): string[] {
  const at = uri.indexOf('@')
  if (at === -1) return []
  const owner = /^sips?:([\w.+-]+)@/.exec(context.address.xui)?.[1] ?? 'list'
  const suggestions = [`-${owner}`, ...Array.from({ length: 8 }, (_, index) => `-${owner}-${index + 2}`)]
  return suggestions
    .map(suffix => uri.slice(0, at) + suffix + uri.slice(at))
    .filter(suggestion => !here.has(serviceUriOf(suggestion)) && !isElsewhere(serviceUriOf(suggestion), context))
    .slice(0, 3)
}

/**
 * §4.4.5: an absolute URI of a list of the same user. Checked by its text alone; the root is whatever precedes the
 * application usage. COMPAT(RCS): templates have another root in this document than in the others (XDM-41).
 */
function checkReference({ element, resourceList }: RlsService, { address, userOf }: ConstraintContext): void {
  const match = isAbsoluteHttp(resourceList!)
    ? /\/resource-lists\/users\/([^/]+)\/[^?]+$/.exec(resourceList!.split('?')[0]!)
    : null
  if (match === null)
    throw constraintFailure('resource-list is not an absolute URI of a list below resource-lists/users', element)
  let xui: string | undefined
  try {
    xui = userOf(decodeURIComponent(match[1]!))
  } catch {
    xui = undefined
  }
  if (address.xui !== '' && xui !== address.xui)
    throw constraintFailure('resource-list is a list of another user', element)
}

/** The union of all users' `index` documents, as they are now (§4.4.8). */
function globalIndex(turn: Turn): DerivedDocument {
  const owners = new Set<string>()
  for (const [, { xui, path }] of turn.db.range(serviceUris, {})) if (path === indexed) owners.add(xui)
  const etags: string[] = []
  const services: XmlElement[] = []
  for (const xui of owners) {
    const stored = documentAt(turn.db, address(xui))
    if (stored === undefined) continue
    etags.push(stored.etag)
    const root = parseXml(stored.body, { limits: limits.xcapDocument, instructions: true })
    services.push(...rlsServices(root).map(({ element }) => element))
  }
  return {
    etag: turn.fingerprint('rls-services', ...etags),
    body: serializeXml(newElement(rlsServicesNamespace, 'rls-services', {}, services)),
  }
}

function address(xui: string): DocumentAddress {
  return { auid, xui, path: indexed }
}
