/**
 * What a server does with the topmost Via: notes where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4), tells
 * transactions apart by it (§17.2.3), and sends responses where it says (§18.2.2).
 */

import { createHash } from 'node:crypto'
import { defaultPort, type Flow, numericAddress, udpFlowId } from './flow.ts'
import type { SipRequest } from './message.ts'
import { formatVia, type Via } from './via.ts'

/**
 * Writes `received` and `rport` into the topmost Via. Values that came with the request are overwritten: a forged Via must
 * not lead responses astray.
 */
export function noteSource(request: SipRequest, via: Via, flow: Flow): void {
  const { params } = via
  const rport = params.get('rport')
  const hasReceived = params.has('received')
  // "MUST insert a "received" parameter [...] even if it is identical to the value of the "sent-by" component" (RFC 3581 §4)
  if (rport === undefined && !hasReceived && numericAddress(via.host) === flow.remoteAddress) return
  const start = `SIP/2.0/${via.transport} ${via.host}${via.port === undefined ? '' : `:${via.port}`}`
  // The usual case, an rport without value, takes no more than writing the text.
  const text = params.toString()
  const at = rport === '' && !hasReceived ? text.indexOf(';rport') : -1
  const end = at + ';rport'.length
  if (at !== -1 && (end === text.length || text.charCodeAt(end) === 0x3b)) {
    const noted = `;rport=${flow.remotePort};received=${flow.remoteAddress}`
    request.replaceFirstValue('Via', start + text.slice(0, at) + noted + text.slice(end))
    return
  }
  const received = params.with('received', flow.remoteAddress)
  const noted = rport === undefined ? received : received.with('rport', String(flow.remotePort))
  request.replaceFirstValue('Via', start + noted.toString())
}

/**
 * The flow on which responses leave (§18.2.2): the connection the request came by; for UDP the source address, and of ports
 * the source's where `rport` was asked for, else that of sent-by. `via` is as it came or as `noteSource` left it.
 */
export function responseFlow(via: Via, flow: Flow): string {
  if (flow.transport !== 'udp') return flow.id
  const multiaddress = via.params.get('maddr')
  const port = via.port ?? defaultPort('udp')
  if (multiaddress !== undefined && multiaddress !== '') {
    const address = numericAddress(multiaddress)
    if (address !== undefined) return udpFlowId(flow.localAddress, flow.localPort, address, port)
  }
  if (via.params.has('rport') || port === flow.remotePort) return flow.id
  return udpFlowId(flow.localAddress, flow.localPort, flow.remoteAddress, port)
}

/** Longer keys are kept as a digest, so that what a peer makes us remember is bounded. */
const longestKey = 200

/**
 * Names the server transaction of a request (§17.2.3): branch, sent-by and method, or for a client of RFC 2543 what its
 * requests have in common. To be asked before `noteSource` has changed the Via. An ACK has the name of its INVITE; for one
 * without the magic cookie the To tag must be compared besides.
 *
 * COMPAT(libpurple): it repeats a challenged request under the branch it had, so the number of CSeq, which a retransmission,
 * an ACK and a CANCEL share with their request, is part of the name (test/interop/libpurple.test.ts).
 */
export function transactionKey(request: SipRequest, method: string = request.method): string {
  const via = request.topVia
  const branch = via.params.get('branch')
  const of = method === 'ACK' ? 'INVITE' : method
  // Joined rather than added up: a sum keeps its parts alive for as long as the transaction, and with them the whole message.
  const key =
    branch !== undefined && hasCookie(branch)
      ? [branch, via.host, via.port ?? '', request.cseq.number, of].join(' ')
      : oldTransactionKey(request, of)
  return key.length <= longestKey ? key : createHash('sha256').update(key).digest('base64')
}

/** Whether the request comes from a client that knows RFC 3261: "MUST begin with the magic cookie" (§8.1.1.7). */
export function hasMagicCookie(request: SipRequest): boolean {
  return hasCookie(request.topVia.params.get('branch') ?? '')
}

function hasCookie(branch: string): boolean {
  return branch.startsWith('z9hG4bK') || branch.slice(0, 7).toLowerCase() === 'z9hg4bk'
}

/** "if the Request-URI, To tag, From tag, Call-ID, CSeq [...], and top Via header field match" (§17.2.3). */
function oldTransactionKey(request: SipRequest, method: string): string {
  const toTag = method === 'INVITE' ? '' : (request.toTag ?? '')
  return [
    request.uri,
    toTag,
    request.fromTag ?? '',
    request.callId,
    request.cseq.number,
    formatVia(request.topVia),
    method,
  ].join(' ')
}

/** An address as it stands in `received`: IPv6 without brackets (RFC 3261 §25.1 via-received). */
export function receivedFrom(via: Via): string | undefined {
  const received = via.params.get('received')
  return received === undefined || received === '' ? undefined : numericAddress(received)
}
