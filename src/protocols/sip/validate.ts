/**
 * What every element checks of a message before anything is done with it (RFC 3261 §8.1.1, §8.2, §16.3 step 1, §18.1.2).
 * The parser has seen to the form of the message; this sees to the header fields that transactions and routing stand on.
 */

import { ParseError } from './errors.ts'
import type { SipMessage, SipRequest, SipResponse } from './message.ts'
import { isKnownMethod } from './parse.ts'
import { isSipUri } from './uri.ts'

/**
 * Checks that the request can be handled: Via, From, To, Call-ID and CSeq are there and well-formed, no field that must be
 * single is repeated, the CSeq method is the request's, Max-Forwards is a number, and the Request-URI is a URI without
 * header fields. Max-Forwards, the From tag and the branch may be missing, as RFC 2543 had it (RFC 4475 §3.4.1).
 * @throws ParseError with the request; 400, or 501 where the method is unknown and CSeq is at odds with it
 */
export function validateRequest(request: SipRequest): void {
  try {
    checkCommonFields(request)
    if (request.cseq.method !== request.method) {
      // RFC 4475 §3.1.2.18: 501 says more than 400 about a method that nobody knows.
      const statusHint = isKnownMethod(request.method) ? 400 : 501
      throw new ParseError('CSeq method differs from the request method', { statusHint })
    }
    // RFC 4475 §3.2.1: the branch says it identifies the transaction, and does not.
    if (request.topVia.params.get('branch') === 'z9hG4bK') throw new ParseError('branch without transaction identifier')
    request.maxForwards
    const { requestUri } = request
    // RFC 3261 §19.1.1, table 1.
    if (isSipUri(requestUri) && requestUri.headers !== '') throw new ParseError('header fields in the Request-URI')
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    throw new ParseError(error.message, { statusHint: error.statusHint, request })
  }
}

/**
 * Checks that the response can be matched and forwarded: as for a request.
 * @throws ParseError; a response in error is dropped (RFC 3261 §18.1.2, RFC 4475 §3.1.2.5)
 */
export function validateResponse(response: SipResponse): void {
  checkCommonFields(response)
}

function checkCommonFields(message: SipMessage): void {
  const repeated = message.repeatedField()
  if (repeated !== undefined) throw new ParseError(`${repeated} header field repeated`)
  message.topVia
  message.from
  message.to
  message.callId
  message.cseq
}
