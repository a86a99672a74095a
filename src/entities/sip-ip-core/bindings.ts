/**
 * The location service: which contacts each address-of-record is bound to (RFC 3261 §10). The registrar writes it, the proxy
 * forwards by it, and the Presence Server reads from it who is registered (OMA PRS network agent, 24.141 §5.3.5).
 */

import { resourceWake } from '../../protocols/sip-events/notifier.ts'
import { type FlowId, type Instant, type Output, type Transaction, table } from '../../turn.ts'
import { presenceWakes } from '../presence-server/wakes.ts'
import { type EndEvent, nextRevision, noteEnded } from './ended-bindings.ts'

export interface Binding {
  /** Names the binding within its address-of-record, for as long as it lives: the `id` of a contact in reginfo. */
  readonly id: string
  /** The contact's URI as registered. */
  readonly uri: string
  readonly displayName?: string
  /** Contact header parameters as registered, but for those below and `expires`. */
  readonly params: string
  /** Preference in thousandths (RFC 3261 §20.10). */
  readonly q: number
  /** Instance-ID, a URN without angle brackets (RFC 5626 §4.1). */
  readonly instance?: string
  /** Present when the binding is one of the flows of an instance (RFC 5626 §6). */
  readonly regId?: number
  /** Proxies on the way to the contact, topmost first (RFC 3327 §5.3). */
  readonly path?: readonly string[]
  /** The flow the registration came by, when no proxy stood between and requests are to take it. */
  readonly flow?: FlowId
  readonly callId: string
  readonly cseq: number
  readonly registeredAt: Instant
  readonly refreshedAt: Instant
  readonly expiresAt: Instant
  /** The revision of the registration that last told its watchers of this binding; absent if nobody watched. */
  readonly revision?: number
}

/** Numbers the temporary GRUUs of one instance (RFC 5627 appendix A.2, RFC 5628 §5). */
export interface InstanceGruus {
  readonly index: string
  /** CSeq of the registration that brought the first temporary GRUU that is still valid. */
  readonly firstCseq: number
}

export interface Registration {
  readonly bindings: readonly Binding[]
  /** By instance-ID; only of instances that are bound and know GRUUs. */
  readonly gruus?: Readonly<Record<string, InstanceGruus>>
}

/** Keyed [address-of-record]. */
const registrations = table<Registration>('registrations', 'soft')

/** Keyed [index]: whose temporary GRUUs carry that index (RFC 5627 appendix A.2). */
const temporaryGruus = table<{ readonly aor: string; readonly instance: string }>('temporary-gruus', 'soft')

/** The registration as stored; bindings in it may have expired. */
export function storedRegistration(db: Transaction, aor: string): Registration | undefined {
  return db.get(registrations, [aor])
}

/** The bindings of an address-of-record that are in force now. */
export function currentBindings(db: Transaction, aor: string, now: Instant): readonly Binding[] {
  const bindings = db.get(registrations, [aor])?.bindings
  if (bindings === undefined) return []
  return bindings.every(binding => binding.expiresAt > now)
    ? bindings
    : bindings.filter(binding => binding.expiresAt > now)
}

/** Every registration, in order of address-of-record, from `after` on; at most `limit`. */
export function* someRegistrations(
  db: Transaction,
  after: string,
  limit: number,
): Iterable<{ readonly aor: string; readonly registration: Registration }> {
  for (const [key, registration] of db.range(registrations, { from: [after], limit }))
    yield { aor: key[0] as string, registration }
}

/** Whom a temporary GRUU with this index stands for; undefined when it is no longer valid. */
export function ownerOfTemporaryGruu(
  db: Transaction,
  index: string,
): { readonly aor: string; readonly instance: string } | undefined {
  return db.get(temporaryGruus, [index])
}

/** What the Presence Server, as network agent of a user, tells of his registration now (SIP-10, OP-04). */
export function registrationState(db: Transaction, aor: string, now: Instant): 'active' | 'terminated' {
  return currentBindings(db, aor, now).length > 0 ? 'active' : 'terminated'
}

/**
 * Replaces what is stored of an address-of-record by `next` and returns whom that wakes: the registrar when the first binding
 * expires, and, if contacts have come, gone or changed, the Presence Server and the watchers of the registration.
 *
 * A wake at or before the earliest expiry is always pending: a registration that only lasts longer needs no other one.
 */
export function replaceRegistration(
  db: Transaction,
  aor: string,
  previous: Registration | undefined,
  next: Registration | undefined,
  now: Instant,
): Output[] {
  for (const [instance, { index }] of Object.entries(previous?.gruus ?? {}))
    if (next?.gruus?.[instance]?.index !== index) db.delete(temporaryGruus, [index])
  for (const [instance, { index }] of Object.entries(next?.gruus ?? {}))
    if (previous?.gruus?.[instance]?.index !== index) db.put(temporaryGruus, [index], { aor, instance })

  const outputs: Output[] = []
  if (next !== undefined && next.bindings.length > 0) {
    db.put(registrations, [aor], withRevision(db, aor, previous, next))
    const earliest = earliestExpiry(next)
    if (previous === undefined || earliest < earliestExpiry(previous)) outputs.push(wakeForExpiry(aor, earliest))
  } else if (previous !== undefined) db.delete(registrations, [aor])

  if (haveContactsChanged(previous?.bindings ?? [], next?.bindings ?? [])) outputs.push(...wakeWatchers(db, aor, now))
  return outputs
}

/**
 * Ends every binding of an address-of-record for `event`, as an administrator does. Returns whom that wakes.
 */
export function removeRegistration(db: Transaction, aor: string, event: EndEvent, now: Instant): Output[] {
  const previous = storedRegistration(db, aor)
  if (previous === undefined) return wakeWatchers(db, aor, now)
  return [
    ...replaceRegistration(db, aor, previous, undefined, now),
    ...noteEnded(db, aor, previous.bindings, event, now),
  ]
}

/** Ends the bindings whose time has come, and asks for a wake at the next expiry. */
export function expireBindings(db: Transaction, aor: string, now: Instant): Output[] {
  const previous = storedRegistration(db, aor)
  if (previous === undefined) return []
  const bindings = previous.bindings.filter(binding => binding.expiresAt > now)
  if (bindings.length === previous.bindings.length) return [wakeForExpiry(aor, earliestExpiry(previous))]
  return endBindings(db, aor, previous, bindings, 'expired', now)
}

/** Keeps only `bindings` of a registration; the others end for `event`. */
export function endBindings(
  db: Transaction,
  aor: string,
  previous: Registration,
  bindings: readonly Binding[],
  event: EndEvent,
  now: Instant,
): Output[] {
  const next = withBindings(previous, bindings)
  const ended = previous.bindings.filter(binding => !bindings.includes(binding))
  const outputs = replaceRegistration(db, aor, previous, next, now)
  if (next !== undefined) outputs.push(wakeForExpiry(aor, earliestExpiry(next)))
  outputs.push(...noteEnded(db, aor, ended, event, now))
  return outputs
}

/** `registration` with other bindings, and GRUUs only of the instances they belong to (RFC 5627 §5.3); undefined without any. */
function withBindings(registration: Registration, bindings: readonly Binding[]): Registration | undefined {
  if (bindings.length === 0) return undefined
  const gruus = Object.entries(registration.gruus ?? {}).filter(([instance]) =>
    bindings.some(binding => binding.instance === instance),
  )
  return gruus.length === 0 ? { bindings } : { bindings, gruus: Object.fromEntries(gruus) }
}

function earliestExpiry(registration: Registration): Instant {
  let earliest = Number.POSITIVE_INFINITY
  for (const { expiresAt } of registration.bindings) earliest = Math.min(earliest, expiresAt)
  return earliest
}

function haveContactsChanged(before: readonly Binding[], after: readonly Binding[]): boolean {
  return before.length !== after.length || before.some(binding => hasChanged(binding, after))
}

/** Whether a binding has come, or tells something else than it did in `others`; a refresh alone is no change. */
function hasChanged(binding: Binding, others: readonly Binding[]): boolean {
  const other = others.find(({ id }) => id === binding.id)
  return (
    other === undefined ||
    other.uri !== binding.uri ||
    other.params !== binding.params ||
    other.q !== binding.q ||
    other.instance !== binding.instance ||
    other.displayName !== binding.displayName
  )
}

/** Marks what has changed with the revision that will tell of it, if anybody watches. */
function withRevision(
  db: Transaction,
  aor: string,
  previous: Registration | undefined,
  next: Registration,
): Registration {
  const revision = nextRevision(db, aor)
  if (revision === undefined) return next
  const before = previous?.bindings ?? []
  const bindings = next.bindings.map(binding => (hasChanged(binding, before) ? { ...binding, revision } : binding))
  return { ...next, bindings }
}

/** The registrar's wakes for expiry have this word and the address-of-record as their token. */
export const EXPIRY = 'bindings'

function wakeForExpiry(aor: string, at: Instant): Output {
  return { kind: 'wake', entity: 'registrar', at, token: `${EXPIRY} ${aor}` }
}

/** Those who show what is registered: the Presence Server to watchers of presence, the registrar to those of `reg`. */
function wakeWatchers(db: Transaction, aor: string, now: Instant): Output[] {
  const outputs: Output[] = [presenceWakes.sourceChanged(aor, now)]
  if (nextRevision(db, aor) !== undefined) outputs.push(resourceWake('reg', aor, now, 'registrar'))
  return outputs
}
