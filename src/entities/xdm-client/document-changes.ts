/**
 * Subscriptions to changes of documents elsewhere (RFC 5875; PRS-6 and XDM-2 from the other side): one for each user at a
 * reference point, over all his documents that may matter there.
 */

import { resourceListsNamespace, resourceListsType } from '../../documents/resource-lists.ts'
import { readToldDocuments, type ToldDocument, xcapDiffType } from '../../documents/xcap-diff.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import { parseXml } from '../../documents/xml/parse.ts'
import { newElement } from '../../documents/xml/tree.ts'
import { serializeXml } from '../../documents/xml/write.ts'
import { limits } from '../../limits.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import { isSipUri, parseUri } from '../../protocols/sip/uri.ts'
import type { Subject } from '../../protocols/sip-events/subscriber.ts'
import { pathSegment } from '../../protocols/xcap/document-selector.ts'
import type { Settings } from '../../settings/table.ts'
import { isPoint, remoteAt, usagesOf, type XdmPoint } from './points.ts'

/** Whose documents a subscription is about; the global tree's when `xui` is empty. */
export interface Watched {
  readonly point: XdmPoint
  readonly xui: string
}

export function keyOf({ point, xui }: Watched): string {
  return `${point}|${encodeURIComponent(xui)}`
}

export function watchedBy(key: string): Watched | undefined {
  const [point = '', xui = ''] = key.split('|')
  return isPoint(point) ? { point, xui: decodeURIComponent(xui) } : undefined
}

/** Undefined where changes are not notified. */
export function subjectOf({ point, xui }: Watched, settings: Settings): Subject | undefined {
  const remote = remoteAt(point, settings)
  if (remote === undefined || remote.notifier === '') return undefined
  const { notifier, username, password } = remote
  // Who proves to be somebody speaks in his name; else we speak for the user, and are believed as a network element is.
  const from = username === '' ? xui || `sip:${settings.domain}` : addressOfUser(username, notifier, settings.domain)
  return {
    target: notifier,
    from,
    event: 'xcap-diff;diff-processing=no-patching',
    accept: xcapDiffType,
    expiresSeconds: 3600,
    headers: username === '' && xui !== '' ? [['P-Asserted-Identity', `<${xui}>`]] : [],
    body: { contentType: resourceListsType, bytes: listOf(point, xui) },
    credentials: username === '' ? undefined : { username, password },
  }
}

function addressOfUser(username: string, notifier: string, domain: string): string {
  if (username.includes('@')) return `sip:${username}`
  const uri = parseUri(notifier)
  return `sip:${encodeURIComponent(username)}@${isSipUri(uri) ? uri.host : domain}`
}

/** Collections, so that documents which do not exist yet are told of too (RFC 5875 §4.4). */
function listOf(point: XdmPoint, xui: string): Buffer {
  const home = xui === '' ? 'global/' : `users/${pathSegment(xui)}/`
  const entries = [...usagesOf(point)].map(auid =>
    newElement(resourceListsNamespace, 'entry', { uri: `${auid}/${home}` }, []),
  )
  return serializeXml(
    newElement(resourceListsNamespace, 'resource-lists', {}, [newElement(resourceListsNamespace, 'list', {}, entries)]),
  )
}

/** What a NOTIFY tells of documents, by AUID and path; undefined when it cannot be read, or says nothing. */
export function toldBy(request: SipRequest, xui: string, sameUser: (xui: string) => string | undefined) {
  if (request.body.length === 0) return undefined
  let told: ToldDocument[] | undefined
  try {
    told = readToldDocuments(parseXml(request.body, { limits: limits.xcapDocument, instructions: true }))
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
  }
  return told?.flatMap(({ sel, newEtag }) => {
    const [auid = '', tree, ...rest] = sel.split('/').map(decoded)
    const owner = tree === 'users' ? rest.shift() : ''
    const isHis = owner === xui || (owner !== undefined && owner !== '' && sameUser(owner) === xui)
    const isDocument = rest.length > 0 && !rest.includes('')
    return isHis && isDocument ? [{ auid, path: rest.join('/'), newEtag }] : []
  })
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
