/**
 * Content codings of bodies (RFC 3261 §20.2, §20.12): `deflate`, the zlib format, which clients on small links send and offer.
 */

import { constants, deflateSync, inflateSync } from 'node:zlib'
import { badRequest, requestEntityTooLarge, unsupportedMediaType } from '../sip/errors.ts'
import type { SipRequest } from '../sip/message.ts'
import { Params } from '../sip/params.ts'
import { isOptional } from './bodies.ts'

/** What bodies may be sent to us in. */
export const contentCodings: readonly string[] = ['deflate', 'identity']

/**
 * The request with its body as it was before it was encoded; one in a coding we do not know, which may be ignored, is left out
 * (RFC 3261 §8.2.3). Throws 415 with Accept-Encoding for another such, 413 when more than `maxOctets` come out, 400 when nothing
 * does.
 */
export function decodeContent(request: SipRequest, accepted: readonly string[], maxOctets: number): void {
  if (request.body.length === 0 || !request.hasHeader('Content-Encoding')) return
  const codings = request
    .headers('Content-Encoding')
    .map(coding => coding.toLowerCase())
    .filter(coding => coding !== 'identity')
  if (codings.length > 1 || codings.some(coding => coding !== 'deflate')) {
    if (!isOptional(request.header('Content-Disposition'))) throw unsupportedMediaType(accepted, contentCodings)
    request.body = noBody
    return
  }
  request.remove('Content-Encoding')
  if (codings.length === 0) return
  try {
    request.body = inflateSync(request.body, { maxOutputLength: maxOctets })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw requestEntityTooLarge()
    throw badRequest('Body Is Not Deflated')
  }
}

const noBody = new Uint8Array(0)

/** Whether the sender of a request takes deflated bodies (RFC 3261 §20.2). */
export function takesDeflate(request: SipRequest): boolean {
  if (!request.hasHeader('Accept-Encoding')) return false
  return request.headers('Accept-Encoding').some(text => {
    const semicolon = text.indexOf(';')
    const coding = (semicolon === -1 ? text : text.slice(0, semicolon)).trim().toLowerCase()
    if (coding !== 'deflate' && coding !== '*') return false
    return semicolon === -1 || Number(Params.parse(text.slice(semicolon)).get('q') ?? 1) !== 0
  })
}

/** In 32 KiB windows of little memory: bodies are texts that say the same over and over. */
export function deflated(body: Uint8Array): Buffer {
  return deflateSync(body, { level: constants.Z_DEFAULT_COMPRESSION, memLevel: 8 })
}
