/**
 * Lists that come with the SUBSCRIBE (RFC 5367, RFC 5363): to the URI of the server itself, for as long as the subscription
 * lasts, and never by a later request.
 */

import { MultipartError, parseMultipart } from '../../documents/multipart.ts'
import { resourceListsType } from '../../documents/resource-lists.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import { badRequest, extensionRequired, forbidden, unsupportedMediaType } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import { Params } from '../../protocols/sip/params.ts'
import type { Turn } from '../../turn.ts'
import type { ListContext } from './context.ts'
import { type List, listOfBodies } from './list.ts'

/** RFC 5367 §4. */
export const requestContainedOption = 'recipient-list-subscribe'
/** What a SUBSCRIBE may carry; of a multipart the lists in it count (RFC 5363 §4.2). */
export const listBodyTypes: readonly string[] = [resourceListsType, 'multipart/mixed']

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
  if (request.body.length > 0 && listBodyTypes.includes(request.contentType?.type ?? '')) throw unsupportedMediaType([])
}

/** The answer to who wants more members than are served (RLS-23). */
export function tooLong({ settings }: Turn) {
  return forbidden(`List Has More Than ${settings.lists.membersMax} Members`)
}

function listBodies(request: SipRequest): Uint8Array[] {
  if (request.body.length === 0) return []
  const { type, params } = request.contentType ?? { type: '', params: Params.none }
  if (type === resourceListsType) return isRecipientList(request.header('Content-Disposition')) ? [request.body] : []
  if (type !== 'multipart/mixed') throw unsupportedMediaType(listBodyTypes)
  try {
    return parseMultipart(request.body, params.get('boundary') ?? '', { parts: 32, headerOctets: 2_048 })
      .filter(
        ({ contentType, headers }) =>
          contentType.split(';', 1)[0]!.trim().toLowerCase() === resourceListsType &&
          isRecipientList(headers.get('content-disposition')),
      )
      .map(({ body }) => body)
  } catch (error) {
    if (error instanceof MultipartError) throw badRequest(`Multipart Body: ${error.message}`)
    throw error
  }
}

/** RFC 5363 §3. COMPAT(watchers): one who requires the option and leaves out the disposition can mean nothing else. */
function isRecipientList(disposition: string | undefined): boolean {
  return disposition === undefined || disposition.split(';', 1)[0]!.trim().toLowerCase() === 'recipient-list'
}
