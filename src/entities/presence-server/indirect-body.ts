/**
 * Content indirection towards the Presence Server (RFC 4483): a PUBLISH whose document its source has stored on the Content Server
 * before. What lies anywhere else is never asked for, so that nobody can make the box ask anything of anyone: that is 415, and
 * the type is not advertised (§5.2, §5.3).
 */

import { hash } from 'node:crypto'
import { type HttpAnswer, mediaType, type OutgoingHttpRequest } from '../../protocols/http/message.ts'
import { badRequest, SipRefusal, serviceUnavailable, unsupportedMediaType } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import type { Params } from '../../protocols/sip/params.ts'
import type { Turn } from '../../turn.ts'
import type { CarriedBody, CarriedObject } from './published-objects.ts'

export const indirectType = 'message/external-body'

/** What a URI leads to: an object, what has to be asked for it, none, or a place that is not the Content Server's. */
export type Named = CarriedObject | OutgoingHttpRequest | 'missing' | 'elsewhere'

/** The URI that a `message/external-body` names (§5.4); undefined when it does not, by http or https. */
export function externalUri(params: Params): string | undefined {
  const uri = params.get('url') ?? params.get('URL')
  const isUrl = params.get('access-type')?.toUpperCase() === 'URL'
  return isUrl && uri !== undefined && /^https?:\/\/[^\s"<>]+$/i.test(uri) ? uri : undefined
}

/**
 * The document that an indirect body stands for, or the request by which it is to be had first. `fetched` is what that was answered
 * with. Throws 415 for what is not on the Content Server, 400 for what is not there, has expired, or is not what was said.
 */
export function indirectBody(
  request: SipRequest,
  named: (uri: string) => Named,
  fetched: HttpAnswer | undefined,
  accepted: readonly string[],
  turn: Turn,
): CarriedBody | OutgoingHttpRequest {
  const { params } = request.contentType!
  const uri = externalUri(params)
  if (uri === undefined) throw refusedFor(badRequest('External Body Without URL'), 'No URL of http or https', turn)
  // CS-05: without an expiration it is taken for one that has just been made.
  const expiration = Date.parse(params.get('expiration') ?? '')
  if (expiration <= turn.now) throw refusedFor(badRequest('Indirect Content Expired'), 'It has expired', turn)
  const place = fetched === undefined ? named(uri) : answered(fetched)
  if (place === 'elsewhere')
    throw refusedFor(unsupportedMediaType(accepted), 'Only the Content Server of this box is asked', turn)
  if (place === 'missing') throw refusedFor(badRequest('No Indirect Content'), 'There is no such object', turn)
  if ('uri' in place) return place
  const { bytes } = place
  const size = params.get('size')
  const sha1 = params.get('hash')
  if (size !== undefined && Number(size) !== bytes.length) throw badRequest('Indirect Content of Another Size')
  if (sha1 !== undefined && sha1.toLowerCase() !== hash('sha1', bytes, 'hex'))
    throw badRequest('Indirect Content of Another Hash')
  const said = /^Content-Type:[ \t]*([^\r\n]+)/im.exec(Buffer.from(request.body).toString('latin1'))?.[1]
  const type = mediaType(place.type)
  if (said !== undefined && mediaType(said) !== type) throw badRequest('Indirect Content of Another Type')
  return { type, document: bytes, objects: [] }
}

/** Throws 503 while the server of it cannot say. */
function answered({ status, headers, body }: HttpAnswer): CarriedObject | 'missing' {
  if (status === 200) return { type: headers['content-type'] ?? '', bytes: body }
  if (status === 404 || status === 410) return 'missing'
  throw serviceUnavailable(30)
}

/** RFC 3261 §20.43: 399, for a person to read. */
function refusedFor({ status, reason, headers }: SipRefusal, why: string, { settings }: Turn): SipRefusal {
  return new SipRefusal(status, { reason, headers: [...headers, ['Warning', `399 ${settings.domain} "${why}"`]] })
}
