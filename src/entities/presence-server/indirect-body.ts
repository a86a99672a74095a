/**
 * Content indirection towards the Presence Server (RFC 4483): a PUBLISH whose document its source has stored on the Content Server
 * before. What lies anywhere else is never asked for, so that nobody can make the box ask anything of anyone: that is 415, and
 * the type is not advertised (§5.2, §5.3).
 */

import { hash } from 'node:crypto'
import { type HttpAnswer, mediaType, type OutgoingHttpRequest } from '../../protocols/http/message.ts'
import {
  badRequest,
  ParseError,
  SipRefusal,
  serviceUnavailable,
  unsupportedMediaType,
} from '../../protocols/sip/errors.ts'
import { Params } from '../../protocols/sip/params.ts'
import type { Instant, Turn } from '../../turn.ts'
import type { CarriedObject } from './published-objects.ts'

export const indirectType = 'message/external-body'

/** What a URI leads to: an object, what has to be asked for it, none, or a place that is not the Content Server's. */
export type Named = CarriedObject | OutgoingHttpRequest | 'missing' | 'elsewhere'

/** What was asked, and answered. */
export interface Fetched {
  readonly uri: string
  readonly answer: HttpAnswer
}

/** The parameters of a Content-Type. Throws 400. */
export function contentParams(contentType: string): Params {
  const semicolon = contentType.indexOf(';')
  try {
    return semicolon === -1 ? Params.none : Params.parse(contentType.slice(semicolon))
  } catch (error) {
    throw error instanceof ParseError ? badRequest(error.message) : error
  }
}

/** The URI that a `message/external-body` names (§5.4); undefined when it does not, by http or https. */
export function externalUri(params: Params): string | undefined {
  const uri = params.get('url') ?? params.get('URL')
  const isUrl = params.get('access-type')?.toUpperCase() === 'URL'
  return isUrl && uri !== undefined && /^https?:\/\/[^\s"<>]+$/i.test(uri) ? uri : undefined
}

/** Whether what it names is no longer there (§5.7); without an expiration it is taken for one that has just been made (CS-05). */
export function hasExpired(params: Params, now: Instant): boolean {
  return Date.parse(params.get('expiration') ?? '') <= now
}

/** A field of the header within (§5.6, §5.8), unfolded. */
export function fieldWithin(inner: Uint8Array, name: 'Content-ID' | 'Content-Type'): string | undefined {
  const header = Buffer.from(inner)
    .toString('latin1')
    .replace(/\r?\n[ \t]+/g, ' ')
  return new RegExp(`^${name}[ \\t]*:[ \\t]*([^\\r\\n]+)`, 'im').exec(header)?.[1]?.trim()
}

/**
 * What an indirect body stands for, or the request by which it is to be had first. `inner` is the header it has in it; `fetched` is
 * what such a request has come to. Throws 415 for what is not on the Content Server, 400 for what is not there, has expired, or is
 * not what was said, 503 while the server of it cannot say.
 */
export function indirectContent(
  params: Params,
  inner: Uint8Array,
  named: (uri: string) => Named,
  fetched: Fetched | undefined,
  accepted: readonly string[],
  turn: Turn,
): CarriedObject | OutgoingHttpRequest {
  const uri = externalUri(params)
  if (uri === undefined) throw refusedFor(badRequest('External Body Without URL'), 'No URL of http or https', turn)
  if (hasExpired(params, turn.now)) throw refusedFor(badRequest('Indirect Content Expired'), 'It has expired', turn)
  let place = named(uri)
  if (typeof place === 'object' && 'uri' in place && fetched !== undefined) {
    if (fetched.uri !== place.uri) throw badRequest('Several Indirect Bodies')
    place = answered(fetched.answer)
  }
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
  const said = fieldWithin(inner, 'Content-Type')
  if (said !== undefined && mediaType(said) !== mediaType(place.type))
    throw badRequest('Indirect Content of Another Type')
  return place
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
