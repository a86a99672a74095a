/** The two requests that a client makes from its INVITE for the next hop alone: ACK to a failure, and CANCEL (RFC 3261 §17.1.1.3, §9.1). */

import { type HeaderField, SipRequest, type SipResponse } from './message.ts'

/** The ACK to a final response other than 2xx (§17.1.1.3): To is the response's. */
export function ackTo(invite: SipRequest, response: SipResponse): SipRequest {
  return hopByHop('ACK', invite, response.header('To') ?? invite.header('To')!)
}

/** The CANCEL of an INVITE (§9.1): To is the INVITE's. */
export function cancelOf(invite: SipRequest): SipRequest {
  return hopByHop('CANCEL', invite, invite.header('To')!)
}

/** An ACK (§17.1.1.3) or CANCEL (§9.1) that belongs to this INVITE: its Request-URI, topmost Via, From, Call-ID, CSeq number and Route. */
function hopByHop(method: 'ACK' | 'CANCEL', invite: SipRequest, to: string): SipRequest {
  const fields: HeaderField[] = [
    ['Via', invite.headers('Via')[0]!],
    ['From', invite.header('From')!],
    ['To', to],
    ['Call-ID', invite.callId],
    ['CSeq', `${invite.cseq.number} ${method}`],
    ['Max-Forwards', invite.header('Max-Forwards') ?? '70'],
  ]
  for (const route of invite.headers('Route')) fields.push(['Route', route])
  return new SipRequest(method, invite.uri, fields)
}
