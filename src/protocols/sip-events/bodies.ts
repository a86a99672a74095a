/** The parts of a SUBSCRIBE: its body, or of a `multipart/mixed` (RFC 5621 §3) the bodies in it, by their types. */

import { MultipartError, parseMultipart, type ReadPart } from '../../documents/multipart.ts'
import { badRequest } from '../sip/errors.ts'
import type { SipRequest } from '../sip/message.ts'

/** What carries several bodies in one request. */
export const mixedType = 'multipart/mixed'

/**
 * Whether all that a request brings is of types that are taken. Of a multipart body each part must be, unless it may be ignored by
 * its own words (RFC 5621 §6, RFC 3261 §20.11). Throws 400 for a multipart body that is none.
 */
export function areBodiesTaken(request: SipRequest, accepted: readonly string[]): boolean {
  const type = request.contentType?.type
  if (type === undefined || !accepted.includes(type)) return false
  if (type !== mixedType) return true
  return partsOf(request).every(
    ({ contentType, headers }) =>
      accepted.includes(typeOf(contentType)) || isOptional(headers.get('content-disposition')),
  )
}

/** Whether a body may be ignored by who does not understand it: by the Content-Disposition it has (RFC 3261 §20.11). */
export function isOptional(disposition: string | undefined): boolean {
  return /;\s*handling\s*=\s*optional\b/i.test(disposition ?? '')
}

/** The bodies of a type that a request brings, in order. Throws 400 for a multipart body that is none. */
export function bodiesOf(request: SipRequest, type: string): Pick<ReadPart, 'body' | 'headers'>[] {
  if (request.body.length === 0) return []
  const outer = request.contentType?.type
  if (outer === type) {
    const disposition = request.header('Content-Disposition')
    const headers = new Map(disposition === undefined ? [] : [['content-disposition', disposition]])
    return [{ body: request.body, headers }]
  }
  return outer === mixedType ? partsOf(request).filter(({ contentType }) => typeOf(contentType) === type) : []
}

function typeOf(contentType: string): string {
  return contentType.split(';', 1)[0]!.trim().toLowerCase()
}

function partsOf(request: SipRequest): ReadPart[] {
  try {
    return parseMultipart(request.body, request.contentType?.params.get('boundary') ?? '', partLimits)
  } catch (error) {
    if (error instanceof MultipartError) throw badRequest(`Multipart Body: ${error.message}`)
    throw error
  }
}

const partLimits = { parts: 32, headerOctets: 2_048 }
