/**
 * Client-initiated connections at the registrar (RFC 5626 §6): whether a registration binds a flow of an instance, and when
 * it must be refused.
 */

import { badRequest, firstHopLacksOutbound } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import type { NameAddr } from '../../protocols/sip/name-addr.ts'
import { isSipUri, parseIpv4, parseIpv6, type Uri } from '../../protocols/sip/uri.ts'
import type { FlowId } from '../../turn.ts'

export interface Outbound {
  /** Whether `reg-id` counts: the way to the client is one that keeps its flow. */
  readonly isApplied: boolean
  /** Whether the response says `Require: outbound`. */
  readonly isRequired: boolean
}

const notApplied: Outbound = { isApplied: false, isRequired: false }

/**
 * Decides for one REGISTER; `kept` are its contacts with an expiration above zero, `path` its Path values, topmost first.
 * Throws 439 when the client counts on outbound and its first hop lacks it, 400 when several contacts share one flow.
 */
export function outboundOf(
  request: SipRequest,
  kept: readonly NameAddr[],
  path: readonly NameAddr[],
  supported: ReadonlySet<string>,
): Outbound {
  const flows = kept.filter(contact => regIdOf(contact) !== undefined)
  if (flows.length === 0) return notApplied
  if (!isFirstHop(request) && !path.some(({ uri }) => isSipUri(uri) && uri.params.has('ob'))) {
    if (supported.has('outbound')) throw firstHopLacksOutbound()
    return notApplied
  }
  if (kept.length > 1) throw badRequest('More than one contact registered on a flow')
  return { isApplied: true, isRequired: supported.has('outbound') }
}

/** The reg-id of a contact that also has an instance-ID; without that, reg-id is ignored (RFC 5626 §6). */
export function regIdOf(contact: NameAddr): number | undefined {
  if (!contact.params.get('+sip.instance')) return undefined
  const text = contact.params.get('reg-id')
  if (text === undefined) return undefined
  const regId = /^\d{1,10}$/.test(text) ? Number(text) : 0
  if (regId < 1 || regId > 2 ** 31 - 1) throw badRequest('reg-id is not a number from 1 to 2**31-1')
  return regId
}

/** Whether the request came from its client without a proxy between. */
export function isFirstHop(request: SipRequest): boolean {
  return request.headers('Via').length === 1
}

/**
 * The flow by which requests must reach a contact that registered over it: always with outbound and on connections, which
 * cannot be opened from our side; and where the contact names a private address from which the registration has not come,
 * since then it stands behind an address translator.
 */
export function flowTo(request: SipRequest, contact: Uri, isOutbound: boolean): FlowId | undefined {
  const { source, flow } = request
  if (source === undefined || flow === '' || !isFirstHop(request)) return undefined
  if (isOutbound || source.transport !== 'udp' || !isSipUri(contact)) return flow
  if (contact.params.get('transport')?.toLowerCase() === 'tcp' || contact.scheme === 'sips') return undefined
  // RFC 7118 §5: a client that has no address says so.
  if (contact.host.endsWith('.invalid')) return flow
  const isElsewhere = contact.host !== source.address && contact.host !== `[${source.address}]`
  return isElsewhere && isPrivate(contact.host) ? flow : undefined
}

/** Addresses that mean something only where they are used: RFC 1918, RFC 6598, loopback, link-local, RFC 4193. */
function isPrivate(host: string): boolean {
  const v4 = parseIpv4(host)
  if (v4 !== undefined) {
    const [a, b] = v4 as [number, number, number, number]
    if (a === 10 || a === 127) return true
    if (a === 172) return b >= 16 && b <= 31
    if (a === 192) return b === 168
    if (a === 100) return b >= 64 && b <= 127
    return a === 169 && b === 254
  }
  if (!host.startsWith('[')) return false
  const v6 = parseIpv6(host.slice(1, -1))
  if (v6 === undefined) return false
  return (
    (v6[0]! & 0xfe00) === 0xfc00 ||
    (v6[0]! & 0xffc0) === 0xfe80 ||
    v6.every((group, at) => group === (at === 7 ? 1 : 0))
  )
}
