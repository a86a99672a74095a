/**
 * From a URI of ours to the contacts it stands for, in the order to try them (RFC 3261 §16.5, RFC 5626 §7, RFC 5627 §6.1).
 */

import { limits } from '../../limits.ts'
import { loopDetected, notFound, SipRefusal, temporarilyUnavailable } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import { formatUri, isSipUri, parseUri, type SipUri } from '../../protocols/sip/uri.ts'
import type { FlowId, Turn } from '../../turn.ts'
import { isUser } from './accounts.ts'
import { type Binding, currentBindings } from './bindings.ts'
import { instanceOf, isGruu } from './gruu.ts'
import type { Home } from './home.ts'

/** Where a request may be sent. */
export interface Target {
  /** What the Request-URI becomes. */
  readonly uri: string
  /** Proxies to pass first (RFC 3327 §5.4). */
  readonly path: readonly string[]
  readonly flow: FlowId | undefined
  /** Other flows or contacts of the same instance, to be tried in this one's place if it cannot be reached. */
  readonly instead: readonly Target[]
}

/** What of a turn it takes to look up contacts. */
type Lookup = Pick<Turn, 'db' | 'now' | 'settings' | 'fingerprint'>

/**
 * The targets of a URI that is ours: groups to be tried one after the other, each in parallel, by falling preference.
 * Throws 404 for a user or GRUU that does not exist, 480 for one without a contact that can be reached, 482 when all his
 * contacts lead back to him.
 */
export function locate(uri: SipUri, home: Home, turn: Lookup): Target[][] {
  return contactsOf(uri, home, turn, new Set())
}

/** `passed`: the users whose contacts have been looked up already; each is asked once. */
function contactsOf(uri: SipUri, home: Home, turn: Lookup, passed: Set<string>): Target[][] {
  let aor = home.userOf(uri)
  let instance: string | undefined
  if (aor !== undefined && isGruu(uri)) {
    const found = instanceOf(turn, uri, aor)
    if (found === undefined) throw notFound()
    aor = found.aor
    instance = found.instance
  }
  if (aor === undefined || !isUser(turn, aor)) throw notFound()
  if (passed.has(aor) || passed.size >= limits.usersForwardedTo) throw loopDetected()
  passed.add(aor)
  const bindings = currentBindings(turn.db, aor, turn.now).filter(
    binding => (instance === undefined || binding.instance === instance) && isReachable(binding, uri),
  )
  if (bindings.length === 0) throw temporarilyUnavailable()
  return forwarded(groupsOf(bindings), home, turn, passed)
}

/**
 * A contact may be another user of ours (RFC 3261 §10: a binding forwards). His contacts are looked up here: a request that
 * went out and came in again would have lost its credentials on the way (§22.3) and be challenged.
 */
function forwarded(groups: Target[][], home: Home, turn: Lookup, passed: Set<string>): Target[][] {
  let refusal: SipRefusal | undefined
  const found = groups.map(group =>
    group.flatMap(target => {
      const uri = parseUri(target.uri)
      const aor = home.userOf(uri)
      if (!isSipUri(uri) || aor === undefined || !isUser(turn, aor)) return [target]
      try {
        return contactsOf(uri, home, turn, passed).flat()
      } catch (error) {
        if (!(error instanceof SipRefusal)) throw error
        refusal ??= error
        return []
      }
    }),
  )
  const reached = found.filter(group => group.length > 0)
  if (reached.length === 0) throw refusal!
  return reached
}

/**
 * Readies a request made in this box for a client whose Contact is one of our GRUUs, such as a NOTIFY: its Request-URI becomes
 * the registered contact, with the path there. Returns the flow to send it by; `flow` is the one it would have taken. A request
 * to anyone else, or to an instance that is not registered, stays as it is.
 */
export function towardsOwnInstance(
  request: SipRequest,
  flow: FlowId | undefined,
  home: Home,
  turn: Lookup,
): FlowId | undefined {
  if (!request.uri.includes(';gr') && !request.uri.includes('tgruu.')) return flow
  const uri = request.requestUri
  if (request.hasHeader('Route') || !isSipUri(uri) || !home.isOurs(uri) || !isGruu(uri)) return flow
  try {
    const [[target] = []] = locate(uri, home, turn)
    if (target === undefined) return flow
    request.uri = target.uri
    if (target.path.length === 0) return target.flow ?? flow
    request.set('Route', target.path.join(', '))
    return undefined
  } catch (error) {
    if (error instanceof SipRefusal) return flow
    throw error
  }
}

/** A request to sips goes only to contacts that are (RFC 5630 §5.3); to anything but SIP this proxy cannot forward. */
function isReachable(binding: Binding, requested: SipUri): boolean {
  const secure = binding.uri.startsWith('sips:')
  return secure || (requested.scheme === 'sip' && binding.uri.startsWith('sip:'))
}

/** One target per instance, that of the latest registration, with the others in its stead; then by preference. */
function groupsOf(bindings: readonly Binding[]): Target[][] {
  const instances = new Map<string, Binding[]>()
  for (const binding of [...bindings].sort((a, b) => b.refreshedAt - a.refreshedAt)) {
    const key = binding.instance ?? `contact ${binding.id}`
    const known = instances.get(key)
    if (known === undefined) instances.set(key, [binding])
    else known.push(binding)
  }
  const groups = new Map<number, Target[]>()
  for (const [binding, ...others] of instances.values()) {
    const target = targetOf(binding!, others)
    const group = groups.get(binding!.q)
    if (group === undefined) groups.set(binding!.q, [target])
    else group.push(target)
  }
  return [...groups].sort(([a], [b]) => b - a).map(([, group]) => group)
}

function targetOf(binding: Binding, others: readonly Binding[]): Target {
  return {
    uri: requestUriOf(binding.uri),
    path: binding.path ?? [],
    flow: binding.flow,
    instead: others.map(other => targetOf(other, [])),
  }
}

/** Without what a Request-URI may not carry: a method, header fields (RFC 3261 §16.6 step 2, §19.1.1 table 1). */
function requestUriOf(contact: string): string {
  if (!contact.includes('?') && !contact.toLowerCase().includes(';method=')) return contact
  const uri = parseUri(contact)
  if (!isSipUri(uri)) return contact
  return formatUri({ ...uri, params: uri.params.without('method'), headers: '' })
}
