/**
 * Globally routable user agent URIs (RFC 5627): the public one of an instance is its address-of-record with the instance-ID
 * in `gr`; temporary ones hide both behind a keyed cipher and need one stored index per instance, however many are given
 * out (appendix A).
 */

import { parseUri, type SipUri } from '../../protocols/sip/uri.ts'
import type { Turn } from '../../turn.ts'
import { type InstanceGruus, ownerOfTemporaryGruu } from './bindings.ts'

const PREFIX = 'tgruu.'
/** Hexadecimal digits: 80 bits that make each GRUU another one, 48 of the index, 64 of the seal. */
const DISTINGUISHER = 20
const INDEX = 12
const SEAL = 16

/** What resolves to one instance of one user. */
export interface Instance {
  readonly aor: string
  readonly instance: string
}

/** The public GRUU of an instance (RFC 5627 §5.1, appendix A.1). */
export function publicGruu(aor: string, instance: string): string {
  const uri = parseUri(aor) as SipUri
  return `${aor}${uri.params.with('gr', instance)}`
}

/** A new index under which the temporary GRUUs of an instance will be given out; all earlier ones are void. */
export function newInstanceGruus(turn: Turn, cseq: number): InstanceGruus {
  let index: string
  do index = Buffer.from(turn.random.bytes(INDEX / 2)).toString('hex')
  while (ownerOfTemporaryGruu(turn.db, index) !== undefined)
  return { index, firstCseq: cseq }
}

/** One more temporary GRUU of the instance that has this index; no two are alike (RFC 5627 §5.1). */
export function temporaryGruu(turn: Turn, index: string, domain: string): string {
  const distinguisher = Buffer.from(turn.random.bytes(DISTINGUISHER / 2)).toString('hex')
  const cipher = masked(turn, distinguisher, index)
  return `sip:${PREFIX}${distinguisher}${cipher}${sealOf(turn, distinguisher, cipher)}@${domain};gr`
}

/**
 * Whom a GRUU of this domain stands for; `user` is its user part. `aor` is the address-of-record that the URI without `gr`
 * would be. Undefined when it is not valid (RFC 5627 §6.1: 404).
 */
export function instanceOf(turn: Pick<Turn, 'db' | 'fingerprint'>, uri: SipUri, aor: string): Instance | undefined {
  if (!isTemporaryGruu(uri)) {
    const instance = uri.params.get('gr')
    return instance ? { aor, instance } : undefined
  }
  const text = uri.user!.slice(PREFIX.length)
  if (text.length !== DISTINGUISHER + INDEX + SEAL) return undefined
  const distinguisher = text.slice(0, DISTINGUISHER)
  const cipher = text.slice(DISTINGUISHER, DISTINGUISHER + INDEX)
  if (sealOf(turn, distinguisher, cipher) !== text.slice(DISTINGUISHER + INDEX)) return undefined
  return ownerOfTemporaryGruu(turn.db, masked(turn, distinguisher, cipher))
}

/** Whether a URI of ours names an instance rather than a user: a device of his, or an entity that holds a dialog for him. */
export function isGruu(uri: SipUri): boolean {
  return uri.params.has('gr') || isTemporaryGruu(uri)
}

/** Clients may lose the `gr` of a temporary GRUU, as in From; the user part alone says what it is. */
function isTemporaryGruu(uri: SipUri): boolean {
  return uri.user?.startsWith(PREFIX) === true
}

/** The instance-ID of a `+sip.instance` parameter: the URN between the angle brackets (RFC 5626 §4.1). */
export function instanceId(parameter: string | undefined): string | undefined {
  if (parameter === undefined) return undefined
  const urn = parameter.startsWith('<') && parameter.endsWith('>') ? parameter.slice(1, -1) : parameter
  return urn === '' ? undefined : urn
}

/** The user that a URI's user belongs to, when the URI may be a GRUU of ours. */
export function userBehind(turn: Pick<Turn, 'db' | 'fingerprint'>, uri: SipUri, aor: string): string | undefined {
  return isTemporaryGruu(uri) ? instanceOf(turn, uri, aor)?.aor : aor
}

/** Index to cipher and back: one time pad from the keyed fingerprint of a number that is used once. */
function masked(turn: Pick<Turn, 'fingerprint'>, distinguisher: string, index: string): string {
  const pad = turn.fingerprint('temporary GRUU index', distinguisher).slice(1, 1 + INDEX)
  return (BigInt(`0x${index}`) ^ BigInt(`0x${pad}`)).toString(16).padStart(INDEX, '0')
}

function sealOf(turn: Pick<Turn, 'fingerprint'>, distinguisher: string, cipher: string): string {
  return turn.fingerprint('temporary GRUU seal', distinguisher, cipher).slice(1, 1 + SEAL)
}
