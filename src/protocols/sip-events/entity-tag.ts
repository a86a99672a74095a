/**
 * Entity-tags of publications (RFC 3903 §4.1, §8.3). A tag is `<publication>.<request>`: the first part names the publication
 * for as long as it lives, the second is another for every request, so a tag finds its publication and never comes again.
 */

import type { Turn } from '../../turn.ts'
import { badRequest } from '../sip/errors.ts'
import type { SipRequest } from '../sip/message.ts'

/** The tag of SIP-If-Match; undefined without one. Throws 400 when it is not a single entity-tag (RFC 3903 §6 step 3). */
export function ifMatch(request: SipRequest): string | undefined {
  const text = request.header('SIP-If-Match')
  if (text === undefined) return undefined
  if (text === '' || /[\s,]/.test(text) || request.headers('SIP-If-Match').length > 1) {
    throw badRequest('One Entity-Tag Expected in SIP-If-Match')
  }
  return text
}

/**
 * What the request contributes to the tag it will get: the same when the same request comes again. The tag it names is never
 * used twice, so what builds on it is not either; the first of a publication builds on `period`, for a client that has
 * forgotten what it sent may choose the same Call-ID again.
 */
export function requestFingerprint(request: SipRequest, period: string, turn: Turn): string {
  const { callId, cseq, topVia } = request
  const condition = request.header('SIP-If-Match') ?? period
  return turn.fingerprint('publish', callId, String(cseq.number), topVia.params.get('branch') ?? '', condition)
}

export function entityTag(publication: string, fingerprint: string): string {
  return `${publication}.${fingerprint}`
}

/** The publication that a tag names. */
export function publicationOf(tag: string): string {
  const dot = tag.indexOf('.')
  return dot === -1 ? tag : tag.slice(0, dot)
}
