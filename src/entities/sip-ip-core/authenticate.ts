/**
 * Admits requests: establishes by digest who sends each one (RFC 3261 §22, RFC 8760), sees to it that he speaks in his own
 * name, and asserts it to everyone behind (RFC 3325 §5). In a laboratory (`auth.required` false) identity is what From says.
 */

import { limits } from '../../limits.ts'
import { type DigestAlgorithm, parseCredentials } from '../../protocols/sip/digest.ts'
import { type CredentialCheck, challenges, checkCredentials } from '../../protocols/sip/digest-server.ts'
import { forbidden, proxyAuthenticationRequired, serviceUnavailable, unauthorized } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import { parseNameAddr } from '../../protocols/sip/name-addr.ts'
import { Nonces } from '../../protocols/sip/nonces.ts'
import { addressOfRecord, isSipUri, parseUri, type Uri } from '../../protocols/sip/uri.ts'
import type { Transaction, Turn } from '../../turn.ts'
import { accountOf } from './accounts.ts'
import { challengeOrder } from './compatibility.ts'
import { Failures } from './failures.ts'
import { userBehind } from './gruu.ts'
import type { Home } from './home.ts'
import { assertIdentity, removeTrustedFields } from './identity.ts'
import { leadsHere } from './recipient.ts'
import { isRouteToken, openRouteToken } from './record-route.ts'

/** Who asks for credentials: a server 401 for itself, a proxy 407 (RFC 3261 §22.2, §22.3); nobody, where none are needed. */
export type Asking = 'server' | 'proxy' | 'nobody'

type CredentialsHeader = 'Authorization' | 'Proxy-Authorization'

export class Admission {
  readonly #home: Home
  readonly #secret: Uint8Array
  readonly #failures = new Failures(limits.failuresRemembered)
  #nonces: { readonly lifetimeSeconds: number; readonly nonces: Nonces } | undefined

  /** `secret` seals nonces: at least 128 bits that others cannot guess. */
  constructor(home: Home, secret: string) {
    this.#home = home
    this.#secret = Buffer.from(secret)
  }

  /**
   * Admits a request, or throws: 401 or 407 without good credentials, the same for unknown users and wrong passwords (AP-14);
   * 503 with Retry-After after too many of these; 403 when it speaks for somebody else; ParseError for malformed credentials.
   *
   * Afterwards P-Asserted-Identity is the box's word on who sent it, or absent when nobody was asked or proved it.
   */
  admit(request: SipRequest, asks: Asking, turn: Turn): void {
    removeTrustedFields(request)
    if (asks === 'nobody' || request.method === 'ACK' || this.#isWithinAdmittedDialog(request, turn)) return
    const identity = turn.settings.auth.required
      ? this.#authenticated(request, asks, turn)
      : this.#claimed(request, turn)
    if (identity === undefined) return
    this.#requireOwnName(request, identity, turn)
    assertIdentity(request, identity)
  }

  /**
   * A dialog admitted here carries our sealed Route value, which only its peers know; asking in its midst would lock out peers
   * of other domains, and those that cannot answer a challenge of a BYE.
   */
  #isWithinAdmittedDialog(request: SipRequest, turn: Turn): boolean {
    if (!request.hasHeader('Route') || request.toTag === undefined) return false
    const [first] = request.headers('Route')
    if (first === undefined || !leadsHere(first, this.#home)) return false
    const { uri } = parseNameAddr(first)
    return isSipUri(uri) && isRouteToken(uri.user) && openRouteToken(turn, uri.user!, request.callId) !== undefined
  }

  /** RFC 3261 §10.3 step 3: the address in From, taken at its word. */
  #claimed(request: SipRequest, turn: Turn): string | undefined {
    return this.#userIn(request.from.uri, turn)
  }

  #authenticated(request: SipRequest, asks: 'server' | 'proxy', turn: Turn): string {
    const realm = turn.settings.auth.realm || turn.settings.domain
    const nonces = this.#noncesFor(turn)
    const address = request.source?.address ?? ''
    let user: string | undefined
    let lockedSeconds = 0
    const algorithms = turn.settings.auth.algorithms.split(',') as DigestAlgorithm[]
    const policy = {
      realm,
      nonces,
      algorithms,
      passwordDigest: (username: string, algorithm: DigestAlgorithm) => {
        user = userNamed(username, this.#home.domain)
        lockedSeconds = this.#failures.lockedSeconds(address, user ?? username, turn.now, turn.settings.auth)
        if (lockedSeconds > 0 || user === undefined) return undefined
        return passwordDigestOf(turn.db, user, username, realm, algorithm)
      },
      acceptsUri: (uri: Uri) => this.#meansTheSame(uri, request.requestUri),
    }
    const check = this.#check(request, asks, policy, turn)
    if (check.outcome === 'accepted') {
      if (asks === 'proxy') removeCredentials(request, realm)
      return user!
    }
    if (lockedSeconds > 0) throw serviceUnavailable(lockedSeconds)
    if (check.outcome === 'wrong') this.#failures.failed(address, user ?? check.username, turn.now, turn.settings.auth)
    const offered = challenges({
      realm,
      nonce: nonces.issue(turn.now, turn.random.token(8)),
      stale: check.outcome === 'stale' || check.outcome === 'replayed',
      algorithms: challengeOrder(request, algorithms),
    })
    throw asks === 'proxy' ? proxyAuthenticationRequired(offered) : unauthorized(offered)
  }

  /** Credentials may stand in the header field of the other kind: clients keep them by realm, not by who asked. */
  #check(
    request: SipRequest,
    asks: 'server' | 'proxy',
    policy: Parameters<typeof checkCredentials>[2],
    turn: Turn,
  ): CredentialCheck {
    const headers: readonly CredentialsHeader[] =
      asks === 'proxy' ? ['Proxy-Authorization', 'Authorization'] : ['Authorization', 'Proxy-Authorization']
    for (const header of headers) {
      if (!request.hasHeader(header)) continue
      const check = checkCredentials(request, header, policy, turn.now)
      if (check.outcome !== 'missing') return check
    }
    return { outcome: 'missing' }
  }

  /** RFC 8760 §2.6 item 6: another name for the same user of ours, or for the box. */
  #meansTheSame(a: Uri, b: Uri): boolean {
    const place = this.#home.placeOf(a)
    return place !== 'elsewhere' && place === this.#home.placeOf(b) && this.#home.userOf(a) === this.#home.userOf(b)
  }

  /**
   * From is the sender's own address, or anonymous where that may be (RFC 3323 §4.1.1.3). What a request is about is for the
   * entity to compare: To for the registrar, the Request-URI for the Presence Server.
   */
  #requireOwnName(request: SipRequest, identity: string, turn: Turn): void {
    const { method } = request
    const isOwn = this.#userIn(request.from.uri, turn) === identity
    if (!isOwn && !(method !== 'REGISTER' && method !== 'PUBLISH' && isAnonymous(request.from.uri)))
      throw forbidden('From Is Not the Authenticated User')
  }

  /** The user of ours that a URI names, be it by a GRUU. */
  #userIn(uri: Uri, turn: Turn): string | undefined {
    const user = this.#home.userOf(uri)
    return user !== undefined && isSipUri(uri) ? userBehind(turn, uri, user) : undefined
  }

  #noncesFor(turn: Turn): Nonces {
    const lifetimeSeconds = turn.settings.auth.nonceSeconds
    if (this.#nonces?.lifetimeSeconds !== lifetimeSeconds) {
      const nonces = new Nonces({
        key: this.#secret,
        lifetimeMs: lifetimeSeconds * 1000,
        remembered: limits.noncesRemembered,
      })
      this.#nonces = { lifetimeSeconds, nonces }
    }
    return this.#nonces.nonces
  }
}

function isAnonymous(uri: Uri): boolean {
  return isSipUri(uri) && uri.host === 'anonymous.invalid'
}

/** The user whom a digest username means: `alice` or `alice@box.example`; undefined for a name of another domain. */
export function userNamed(username: string, domain: string): string | undefined {
  const at = username.lastIndexOf('@')
  if (at !== -1 && username.slice(at + 1).toLowerCase() !== domain) return undefined
  const name = at === -1 ? username : username.slice(0, at)
  if (/^[\w.+-]+$/.test(name)) return `sip:${name}@${domain}`
  try {
    return addressOfRecord(parseUri(`sip:${encodeURIComponent(name)}@${domain}`))
  } catch {
    return undefined
  }
}

/** H(username:realm:password) of a user; undefined when there is none for this realm. */
export function passwordDigestOf(
  db: Transaction,
  aor: string,
  username: string,
  realm: string,
  algorithm: DigestAlgorithm,
): string | undefined {
  const account = accountOf(db, aor)
  if (account?.realm !== realm) return undefined
  return (username.includes('@') ? account.addressDigests : account.digests)[algorithm]
}

/** Credentials for our realm have done their work here (RFC 3261 §22.3); those for others stay. */
function removeCredentials(request: SipRequest, realm: string): void {
  for (const header of ['Proxy-Authorization', 'Authorization'] as const) {
    const all = request.headers(header)
    const others = all.filter(text => parseCredentials(text)?.realm !== realm)
    if (others.length === all.length) continue
    request.remove(header)
    for (const text of others) request.append(header, text)
  }
}
