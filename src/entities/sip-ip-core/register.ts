/**
 * Handles REGISTER (RFC 3261 §10.3) with Path (RFC 3327), Service-Route (RFC 3608), GRUUs (RFC 5627) and outbound (RFC 5626).
 */

import { limits } from '../../limits.ts'
import {
  badExtension,
  badRequest,
  forbidden,
  intervalTooBrief,
  notFound,
  SipRefusal,
} from '../../protocols/sip/errors.ts'
import { parseDeltaSeconds } from '../../protocols/sip/header-values.ts'
import { type HeaderField, respond, type SipRequest } from '../../protocols/sip/message.ts'
import { formatNameAddr, type NameAddr, parseNameAddr } from '../../protocols/sip/name-addr.ts'
import { formatUri, isSipUri, parseUri, sameUri } from '../../protocols/sip/uri.ts'
import { asksForCompression } from '../../protocols/sip/via.ts'
import type { Output, Turn } from '../../turn.ts'
import { isUser } from './accounts.ts'
import {
  type Binding,
  currentBindings,
  type Registration,
  replaceRegistration,
  storedRegistration,
} from './bindings.ts'
import { noteEnded } from './ended-bindings.ts'
import { instanceId, isGruu, newInstanceGruus, publicGruu, temporaryGruu } from './gruu.ts'
import type { Home } from './home.ts'
import { assertedIdentity } from './identity.ts'
import { flowTo, isFirstHop, type Outbound, outboundOf, regIdOf } from './outbound.ts'

const supportedExtensions: ReadonlySet<string> = new Set(['path', 'gruu', 'outbound'])

/**
 * Handles REGISTER as registrar of the domain, by the steps of RFC 3261 §10.3 (1 and 3 are done when it arrives here).
 *
 * Throws 420 (step 2), 403 (step 4), 404 (step 5), 400, 403 or 420 for contacts and paths that cannot be bound, 423 (step 7),
 * 439 (RFC 5626 §6) and 500 when the request is older than what it would change; then nothing has changed.
 */
export function register(request: SipRequest, home: Home, turn: Turn): Output[] {
  requireSupported(request) // step 2
  const aor = registeredAddress(request, home, turn) // steps 4 and 5
  const supported = new Set(request.headers('Supported').map(tag => tag.toLowerCase()))
  const previous = storedRegistration(turn.db, aor)

  let current = currentBindings(turn.db, aor, turn.now)
  let registration: Registration | undefined = previous
  let outbound: Outbound = { isApplied: false, isRequired: false }
  const path = pathOf(request, supported, turn)
  const outputs: Output[] = []
  const { contacts } = request
  if (contacts === '*') {
    checkWildcard(request, current) // step 6
    registration = undefined
    current = []
  } else if (contacts.length > 0) {
    const wanted = contacts.map(contact => ({ contact, seconds: grantedSeconds(request, contact, turn) })) // step 7
    const kept = wanted.filter(({ seconds }) => seconds > 0).map(({ contact }) => contact)
    for (const contact of kept) checkContact(contact, aor, home)
    outbound = outboundOf(request, kept, path, supported)
    current = updatedBindings(request, wanted, current, outbound.isApplied, path, turn)
    if (current.length > limits.bindingsPerUser) throw forbidden('Too Many Contacts')
    registration = withGruus(request, previous, current, kept, supported, turn)
  }
  if (registration !== previous) {
    outputs.push(...replaceRegistration(turn.db, aor, previous, registration, turn.now))
    outputs.push(...ended(previous?.bindings ?? [], current, aor, turn))
  }
  return [accepted(request, aor, current, registration, supported, outbound, path, home, turn), ...outputs] // step 8
}

/** Step 2: 420 for an extension in Require that is none of ours (RFC 3261 §8.2.2.3). */
function requireSupported(request: SipRequest): void {
  if (!request.hasHeader('Require')) return
  const unsupported = request.headers('Require').filter(tag => !supportedExtensions.has(tag.toLowerCase()))
  if (unsupported.length > 0) throw badExtension(unsupported)
}

/**
 * Steps 4 and 5: the address-of-record in To, which must be the user's own: 403; and one of this domain: 404. It "MUST be a
 * SIP URI or SIPS URI" (§10.2): 400 (RFC 4475 §3.3.4).
 */
function registeredAddress(request: SipRequest, home: Home, turn: Turn): string {
  if (!isSipUri(request.to.uri)) throw badRequest('To is not a SIP or SIPS URI')
  const aor = home.userOf(request.to.uri)
  const identity = assertedIdentity(request)
  if (aor === undefined && identity === undefined) throw notFound()
  if (aor === undefined || aor !== identity) throw forbidden('Only your own address can be registered')
  if (!isUser(turn, aor)) throw notFound()
  return aor
}

/** Step 6: `*` stands alone and with Expires 0, else 400; 500 when the request is older than a binding it would remove. */
function checkWildcard(request: SipRequest, current: readonly Binding[]): void {
  if (request.expires !== 0 || request.header('Expires') === undefined) throw badRequest('Contact * without Expires 0')
  for (const binding of current) checkOrder(request, binding)
}

/** Step 7: a request with the same Call-ID must have a higher CSeq than the one that made the binding. */
function checkOrder(request: SipRequest, binding: Binding): void {
  if (binding.callId === request.callId && request.cseq.number <= binding.cseq)
    throw new SipRefusal(500, { reason: 'CSeq Out Of Order' })
}

/** Step 7: what a contact is granted, in seconds; 0 removes it. 423 below the minimum, but never for an hour or more. */
function grantedSeconds(request: SipRequest, contact: NameAddr, turn: Turn): number {
  const { defaultSeconds, minSeconds, maxSeconds } = turn.settings.registrar
  const parameter = contact.params.get('expires')
  // RFC 3261 §20.10: a malformed value counts as an hour; a malformed Expires header field likewise (§20.19).
  const requested =
    parameter !== undefined
      ? (parseDeltaSeconds(parameter) ?? 3600)
      : request.hasHeader('Expires')
        ? (request.expires ?? 3600)
        : defaultSeconds
  if (requested > 0 && requested < 3600 && requested < minSeconds) throw intervalTooBrief(minSeconds)
  return Math.min(requested, maxSeconds)
}

/** What can be bound: no address that leads back to this address-of-record (RFC 5627 §5.1: 403), and nothing oversized. */
function checkContact(contact: NameAddr, aor: string, home: Home): void {
  const { uri } = contact
  if (isSipUri(uri)) {
    if (home.userOf(uri) === aor || (isGruu(uri) && home.isOurs(uri)))
      throw forbidden('A contact cannot be the registered address itself')
  } else if (contact.params.has('+sip.instance')) throw forbidden('A contact with an instance must be a SIP URI')
  if (formatUri(uri).length + contact.params.toString().length > limits.contactOctets)
    throw badRequest('Contact too long')
}

/** Path values, topmost first (RFC 3327 §5.3): 420 when the client does not know of it and policy insists; 400 without `lr`. */
function pathOf(request: SipRequest, supported: ReadonlySet<string>, turn: Turn): readonly NameAddr[] {
  if (!request.hasHeader('Path')) return []
  if (turn.settings.registrar.pathMustBeSupported && !supported.has('path')) throw badExtension(['path'])
  const path = request.headers('Path').map(parseNameAddr)
  if (path.length > limits.pathValues) throw badRequest('Path too long')
  for (const { uri } of path)
    if (!isSipUri(uri) || !uri.params.has('lr')) throw badRequest('Path without loose routing')
  return path
}

/** Step 7: the bindings as they are when every contact of the request has been added, updated or removed in turn. */
function updatedBindings(
  request: SipRequest,
  wanted: ReadonlyArray<{ readonly contact: NameAddr; readonly seconds: number }>,
  before: readonly Binding[],
  isOutbound: boolean,
  path: readonly NameAddr[],
  turn: Turn,
): readonly Binding[] {
  const bindings = [...before]
  for (const { contact, seconds } of wanted) {
    const regId = isOutbound || seconds === 0 ? regIdOf(contact) : undefined
    let at = bindings.findIndex(binding => isBindingOf(binding, contact, regId))
    // A contact that goes is found by its URI even if its reg-id had not counted, or is not told.
    if (at === -1 && seconds === 0) at = bindings.findIndex(({ uri }) => sameUri(parseUri(uri), contact.uri))
    const existing = bindings[at]
    if (existing !== undefined && before.includes(existing)) checkOrder(request, existing)
    if (seconds === 0) {
      if (at !== -1) bindings.splice(at, 1)
      continue
    }
    const binding = bindingOf(request, contact, seconds, regId, path, existing, turn)
    if (at === -1) bindings.push(binding)
    else bindings[at] = binding
  }
  return bindings
}

/** Bindings of flows are known by instance and reg-id (RFC 5626 §6), others by their URI (RFC 3261 §10.3 step 7). */
function isBindingOf(binding: Binding, contact: NameAddr, regId: number | undefined): boolean {
  if (regId !== undefined && binding.regId !== undefined)
    return binding.regId === regId && binding.instance === instanceId(contact.params.get('+sip.instance'))
  return (regId === undefined) === (binding.regId === undefined) && sameUri(parseUri(binding.uri), contact.uri)
}

function bindingOf(
  request: SipRequest,
  contact: NameAddr,
  seconds: number,
  regId: number | undefined,
  path: readonly NameAddr[],
  existing: Binding | undefined,
  turn: Turn,
): Binding {
  const { displayName } = contact
  const instance = instanceId(contact.params.get('+sip.instance'))
  const flow = flowTo(request, contact.uri, regId !== undefined)
  // pub-gruu and temp-gruu are ours to say (RFC 5627 §5.1); a reg-id that does not count is not repeated.
  let params = contact.params.without('expires').without('q').without('pub-gruu').without('temp-gruu')
  if (regId === undefined) params = params.without('reg-id')
  return {
    id: existing?.id ?? turn.random.token(8),
    uri: formatUri(contact.uri),
    ...(displayName ? { displayName } : {}),
    params: params.toString(),
    q: preference(contact.params.get('q')),
    ...(instance === undefined ? {} : { instance }),
    ...(regId === undefined ? {} : { regId }),
    ...(path.length === 0 ? {} : { path: path.map(formatNameAddr) }),
    ...(flow === undefined ? {} : { flow }),
    callId: request.callId,
    cseq: request.cseq.number,
    registeredAt: existing?.registeredAt ?? turn.now,
    refreshedAt: turn.now,
    expiresAt: turn.now + seconds * 1000,
    ...(existing?.revision === undefined ? {} : { revision: existing.revision }),
  }
}

/** Thousandths; 1 when absent (RFC 3261 §20.10 leaves it open). */
function preference(text: string | undefined): number {
  if (text === undefined) return 1000
  if (!/^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text)) throw badRequest('q is not a number from 0 to 1')
  return Math.round(Number(text) * 1000)
}

/**
 * The registration with the GRUU numbers of its instances. A new Call-ID of an instance, or of one of its flows, voids the
 * temporary GRUUs given out before (RFC 5627 §5.1); so does the end of its last contact (§5.3).
 */
function withGruus(
  request: SipRequest,
  previous: Registration | undefined,
  bindings: readonly Binding[],
  kept: readonly NameAddr[],
  supported: ReadonlySet<string>,
  turn: Turn,
): Registration | undefined {
  if (bindings.length === 0) return undefined
  const gruus = { ...previous?.gruus }
  for (const instance of Object.keys(gruus))
    if (!bindings.some(binding => binding.instance === instance)) delete gruus[instance]
  for (const contact of kept) {
    const instance = instanceId(contact.params.get('+sip.instance'))
    if (instance === undefined) continue
    const latest = latestOf(previous?.bindings ?? [], instance, regIdOf(contact), turn)
    if (latest !== undefined && latest.callId !== request.callId) delete gruus[instance]
    if (gruus[instance] === undefined && supported.has('gruu'))
      gruus[instance] = newInstanceGruus(turn, request.cseq.number)
  }
  return Object.keys(gruus).length === 0 ? { bindings } : { bindings, gruus }
}

/** The binding of this instance, and of this flow if it is one, that was registered last. */
function latestOf(
  bindings: readonly Binding[],
  instance: string,
  regId: number | undefined,
  turn: Turn,
): Binding | undefined {
  let latest: Binding | undefined
  for (const binding of bindings) {
    if (binding.instance !== instance || binding.expiresAt <= turn.now) continue
    if (regId !== undefined && binding.regId !== undefined && binding.regId !== regId) continue
    if (latest === undefined || binding.refreshedAt >= latest.refreshedAt) latest = binding
  }
  return latest
}

/** Tells of the bindings that this request removed, and of those whose expiry it was first to notice. */
function ended(before: readonly Binding[], after: readonly Binding[], aor: string, turn: Turn): Output[] {
  const gone = before.filter(binding => !after.some(({ id }) => id === binding.id))
  const expired = gone.filter(({ expiresAt }) => expiresAt <= turn.now)
  const removed = gone.filter(({ expiresAt }) => expiresAt > turn.now)
  return [
    ...noteEnded(turn.db, aor, expired, 'expired', turn.now),
    ...noteEnded(turn.db, aor, removed, 'unregistered', turn.now),
  ]
}

/** Step 8: 200 with every binding in force, and what the extensions add. */
function accepted(
  request: SipRequest,
  aor: string,
  bindings: readonly Binding[],
  registration: Registration | undefined,
  supported: ReadonlySet<string>,
  outbound: Outbound,
  path: readonly NameAddr[],
  home: Home,
  turn: Turn,
): Output {
  const headers: HeaderField[] = bindings.map(binding => [
    'Contact',
    contactValue(aor, binding, supported.has('gruu') ? registration : undefined, home, turn),
  ])
  headers.push(['Date', new Date(turn.now).toUTCString()])
  if (path.length > 0) headers.push(['Path', path.map(formatNameAddr).join(', ')])
  if (request.source !== undefined) {
    const route = home.routeUri(request.source.transport, undefined, asksForCompression(request.topVia))
    headers.push(['Service-Route', `<${route}>`])
  }
  if (outbound.isRequired) {
    headers.push(['Require', 'outbound'])
    if (isFirstHop(request)) headers.push(['Flow-Timer', String(flowTimerSeconds(request))])
  }
  headers.push(['Supported', 'path, outbound'])
  const response = respond(request, 200, { toTag: turn.random.token(8), headers })
  return { kind: 'respond', transaction: request.transaction, response }
}

function contactValue(
  aor: string,
  binding: Binding,
  registration: Registration | undefined,
  home: Home,
  turn: Turn,
): string {
  const name = binding.displayName === undefined ? '' : `${quoted(binding.displayName)} `
  const q = binding.q === 1000 ? '' : `;q=${binding.q / 1000}`
  const gruus = binding.instance === undefined ? undefined : registration?.gruus?.[binding.instance]
  let value = `${name}<${binding.uri}>${binding.params}${q};expires=${Math.ceil((binding.expiresAt - turn.now) / 1000)}`
  if (registration !== undefined && binding.instance !== undefined)
    value += `;pub-gruu="${publicGruu(aor, binding.instance)}"`
  if (gruus !== undefined) value += `;temp-gruu="${temporaryGruu(turn, gruus.index, home.domain)}"`
  return value
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** How long the box is prepared to wait for keep-alives on a flow: SIP-05's customary rates (RFC 5626 §4.4). */
function flowTimerSeconds(request: SipRequest): number {
  return request.source?.transport === 'udp' ? limits.flowTimerUdpSeconds : limits.flowTimerConnectionSeconds
}
