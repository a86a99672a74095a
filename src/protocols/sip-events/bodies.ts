/** The parts of a SUBSCRIBE: its body, or of a `multipart/mixed` (RFC 5621 §3) the bodies in it, by their types. */

import { MultipartError, parseMultipart, type ReadPart } from '../../documents/multipart.ts'
import { badRequest } from '../sip/errors.ts'
import type { SipRequest } from '../sip/message.ts'
import { Params } from '../sip/params.ts'

/** What carries several bodies in one request. */
export const mixedType = 'multipart/mixed'

/** The bodies of a type that a request brings, in order. Throws 400 for a multipart body that is none. */
export function bodiesOf(request: SipRequest, type: string): Pick<ReadPart, 'body' | 'headers'>[] {
  if (request.body.length === 0) return []
  const { type: outer, params } = request.contentType ?? { type: '', params: Params.none }
  if (outer === type) {
    const disposition = request.header('Content-Disposition')
    const headers = new Map(disposition === undefined ? [] : [['content-disposition', disposition]])
    return [{ body: request.body, headers }]
  }
  if (outer !== mixedType) return []
  try {
    return parseMultipart(request.body, params.get('boundary') ?? '', partLimits).filter(
      ({ contentType }) => contentType.split(';', 1)[0]!.trim().toLowerCase() === type,
    )
  } catch (error) {
    if (error instanceof MultipartError) throw badRequest(`Multipart Body: ${error.message}`)
    throw error
  }
}

const partLimits = { parts: 32, headerOctets: 2_048 }
