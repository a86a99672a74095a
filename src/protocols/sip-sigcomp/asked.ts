/** Who asks for compression in a message, and under which name: `comp` (RFC 3486) and `sigcomp-id` (RFC 5049 §9.1). */

import { hash } from 'node:crypto'
import { type SipRequest, SipResponse } from '../sip/message.ts'
import { nextHop } from '../sip/next-hop.ts'
import type { Params } from '../sip/params.ts'
import { parseMessage } from '../sip/parse.ts'

/** The application behind a Via or a URI. */
export interface Application {
  /** Whether it says `comp=sigcomp`: send to it compressed. */
  readonly asks: boolean
  /** Its SIP/SigComp identifier, compared as RFC 5049 §9.2 says; undefined for one that has none (legacy). */
  readonly id: string | undefined
}

const longestId = 200

/** What the parameters of a Via or a SIP URI say of the application that they name. */
export function applicationOf(params: Params): Application {
  const id = params.get('sigcomp-id')
  return {
    asks: params.get('comp')?.toLowerCase() === 'sigcomp',
    id: id === undefined || id === '' || id.length > longestId ? undefined : comparable(id),
  }
}

/** UUIDs are equal whatever the case of their letters (RFC 4122 §3); of other URNs that is sure of `urn:` and the namespace. */
function comparable(id: string): string {
  if (/^urn:uuid:/i.test(id)) return id.toLowerCase()
  return id.replace(/^urn:[^:]*:/i, prefix => prefix.toLowerCase())
}

/**
 * How an application asks for compression itself, in its URIs and in its Via: with an identifier, a UUID that is always the
 * same for the same `secret`, from which nobody learns anything of that (RFC 5049 §9.1).
 */
export function asksForCompressionAs(secret: string): { readonly uri: string; readonly via: string } {
  const h = hash('sha256', secret, 'hex')
  const uuid = `${h.slice(0, 8)}-${h.slice(8, 12)}-8${h.slice(13, 16)}-8${h.slice(17, 20)}-${h.slice(20, 32)}`
  return {
    uri: `;comp=sigcomp;sigcomp-id=urn:uuid:${uuid}`,
    via: `;comp=sigcomp;sigcomp-id="urn:uuid:${uuid}"`,
  }
}

/** A message of ours on its way out. */
export interface Leaving extends Application {
  readonly isResponse: boolean
  /** Of the topmost Via: ours in a request. */
  readonly branch: string
}

/**
 * Who is to get a message: for a request the next hop's URI says it (RFC 3486 §4), for a response the topmost Via (§5).
 * Undefined for what is no message, such as a keep-alive, and for one that leads nowhere.
 */
export function recipientOf(octets: Buffer): Leaving | undefined {
  if (octets.length < 16) return undefined
  const message = parseMessage(octets)
  const { params } = message.topVia
  const branch = params.get('branch') ?? ''
  if (message instanceof SipResponse) return { ...applicationOf(params), isResponse: true, branch }
  const next = nextHop(message as SipRequest)
  return typeof next === 'number' ? undefined : { ...applicationOf(next.uri.params), isResponse: false, branch }
}

/** Whether somebody may be asking for compression in the header of this message: a quick look that spares most a second reading. */
export function mayAsk(octets: Buffer): boolean {
  const end = octets.indexOf('\r\n\r\n')
  return /=sigcomp/i.test(octets.toString('latin1', 0, end === -1 ? octets.length : end))
}
