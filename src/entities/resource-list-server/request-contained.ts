/**
 * Lists that come with the SUBSCRIBE (RFC 5367, RFC 5363): to the URI of the server itself, for as long as the subscription
 * lasts, and never by a later request. We give no URI to manipulate such a list by (RFC 5367 §6, MAY): who can edit lists over HTTP
 * keeps one, and subscribes to that.
 */

import { resourceListsType } from '../../documents/resource-lists.ts'
import { simpleFilterContentType } from '../../documents/simple-filter.ts'
import { suppressionContentType } from '../../documents/suppression-filter.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import { badRequest, extensionRequired, forbidden, unsupportedMediaType } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import { bodiesOf, mixedType } from '../../protocols/sip-events/bodies.ts'
import type { Turn } from '../../turn.ts'
import type { ListContext } from './context.ts'
import { type List, listOfBodies } from './list.ts'

/** RFC 5367 §4. */
export const requestContainedOption = 'recipient-list-subscribe'
/** What a SUBSCRIBE may carry; of a multipart the lists in it count (RFC 5363 §4.2), and filters (RFC 4660). */
export const listBodyTypes: readonly string[] = [
  resourceListsType,
  simpleFilterContentType,
  suppressionContentType,
  mixedType,
]

/** The URI that such requests go to, canonical. */
export function requestUri({ settings }: Pick<Turn, 'settings'>): string {
  return `sip:${settings.lists.requestUser}@${settings.domain}`
}

/**
 * The list in a request. Throws 421 without the option, 400 without a list or for one that cannot be read, 415 for a body of
 * another kind, 403 for one with too many members.
 */
export function requestContainedList(request: SipRequest, owner: string, context: ListContext, turn: Turn): List {
  const required = request.headers('Require').map(option => option.toLowerCase())
  if (!required.includes(requestContainedOption)) throw extensionRequired([requestContainedOption])
  const bodies = listBodies(request)
  if (bodies.length === 0) throw badRequest('A List of Resources Is Expected')
  let list: List | 'too-long'
  try {
    list = listOfBodies(bodies, owner, context, turn)
  } catch (error) {
    if (error instanceof XmlError) throw badRequest(`List ${error.message.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)}`)
    throw error
  }
  if (list === 'too-long') throw tooLong(turn)
  return list
}

/** Throws 415 when a request brings a list where there can be none (RFC 5367 §5.1, RLS-29). */
export function refuseList(request: SipRequest): void {
  if (bodiesOf(request, resourceListsType).length > 0)
    throw unsupportedMediaType([simpleFilterContentType, suppressionContentType])
}

/** The answer to who wants more members than are served (RLS-23). */
export function tooLong({ settings }: Turn) {
  return forbidden(`List Has More Than ${settings.lists.membersMax} Members`)
}

function listBodies(request: SipRequest): Uint8Array[] {
  return bodiesOf(request, resourceListsType)
    .filter(({ headers }) => isRecipientList(headers.get('content-disposition')))
    .map(({ body }) => body)
}

/** RFC 5363 §3. COMPAT(watchers): one who requires the option and leaves out the disposition can mean nothing else. */
function isRecipientList(disposition: string | undefined): boolean {
  return disposition === undefined || disposition.split(';', 1)[0]!.trim().toLowerCase() === 'recipient-list'
}
