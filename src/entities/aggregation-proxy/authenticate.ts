/**
 * Establishes who sends an HTTP request: Digest with the accounts of the box (RFC 7616, AP-02, AP-12, AP-14). What a request
 * says about its sender in asserted-identity header fields counts for nothing (AP-04).
 */

import { limits } from '../../limits.ts'
import { identities } from '../../protocols/http/asserted-identity.ts'
import {
  badRequest,
  forbidden,
  serviceUnavailable,
  tooManyRequests,
  unauthorized,
} from '../../protocols/http/errors.ts'
import type { HttpRequest } from '../../protocols/http/message.ts'
import {
  type Credentials,
  type DigestAlgorithm,
  isRightResponse,
  parseCredentials,
} from '../../protocols/sip/digest.ts'
import { challenges } from '../../protocols/sip/digest-server.ts'
import { ParseError } from '../../protocols/sip/errors.ts'
import { Flood } from '../../protocols/sip/flood.ts'
import { Nonces } from '../../protocols/sip/nonces.ts'
import { originForm } from '../../protocols/xcap/document-selector.ts'
import type { Instant, Turn } from '../../turn.ts'
import { passwordDigestOf, userNamed } from '../sip-ip-core/authenticate.ts'
import { Failures, subnetOf } from '../sip-ip-core/failures.ts'
import type { XdmsOptions } from '../xdms/xdms.ts'

export class HttpAdmission {
  readonly #secret: Uint8Array
  readonly #userOf: XdmsOptions['userOf']
  readonly #failures = new Failures(limits.failuresRemembered)
  readonly #fromAddress = new Rate()
  readonly #ofUser = new Rate()
  #nonces: { readonly lifetimeSeconds: number; readonly nonces: Nonces } | undefined

  /** `secret` seals nonces: at least 128 bits that others cannot guess. `userOf`: the user that an identity means. */
  constructor(secret: string, userOf: XdmsOptions['userOf']) {
    this.#secret = Buffer.from(secret)
    this.#userOf = userOf
  }

  /**
   * The address-of-record of the sender. Throws 401 with challenges without good credentials, the same for unknown users and
   * wrong passwords; 503 with Retry-After after too many of these; 429 with Retry-After for an address or a user with too many
   * requests; 400 for malformed credentials; 403 when it asks to act as somebody else.
   *
   * In a laboratory (`auth.required` false) nobody is asked: it is whoever X-3GPP-Intended-Identity says, or undefined.
   */
  admit(request: HttpRequest, turn: Turn): string | undefined {
    if (!turn.settings.auth.required) return this.#intended(request)
    const { address } = request.source
    const { requestsPerSecondPerAddress, requestsPerSecondPerUser } = turn.settings.http
    // This machine is where a proxy for many may stand, and does itself no harm.
    if (!isLoopback(address) && !this.#fromAddress.admits(subnetOf(address), requestsPerSecondPerAddress, turn.now))
      throw tooManyRequests(1)
    const user = this.#authenticated(request, turn)
    if (!this.#ofUser.admits(user, requestsPerSecondPerUser, turn.now)) throw tooManyRequests(1)
    this.#intended(request, user)
    return user
  }

  /**
   * The user that X-3GPP-Intended-Identity means (3GPP TS 33.222), if it is there. AP-03: only identities that `user` may use; a
   * user of the box has one address, however it is written. Throws 403.
   */
  #intended(request: HttpRequest, user?: string): string | undefined {
    const value = request.headers['x-3gpp-intended-identity']
    if (value === undefined) return undefined
    const users = new Set(identities(value).map(uri => this.#userOf(uri)))
    const [intended] = users
    if (intended === undefined || users.size > 1 || (user !== undefined && intended !== user))
      throw forbidden('The intended identity is not one that the user may use')
    return intended
  }

  #authenticated(request: HttpRequest, turn: Turn): string {
    const realm = turn.settings.auth.realm || turn.settings.domain
    const algorithms = turn.settings.auth.algorithms.split(',') as DigestAlgorithm[]
    const nonces = this.#noncesFor(turn)
    const challenge = (stale: boolean) =>
      unauthorized(challenges({ realm, nonce: nonces.issue(turn.now, turn.random.token(8)), stale, algorithms }))
    const credentials = credentialsFor(request, realm)
    if (credentials === undefined) throw challenge(false)
    const { username, algorithm, nonce, qop, nc } = credentials
    const user = userNamed(username, turn.settings.domain)
    const { address } = request.source
    const lockedSeconds = this.#failures.lockedSeconds(address, user ?? username, turn.now, turn.settings.auth)
    if (lockedSeconds > 0) throw serviceUnavailable(lockedSeconds)
    const isAccepted = algorithm !== undefined && algorithms.includes(algorithm)
    const passwordHash =
      user === undefined || !isAccepted ? undefined : passwordDigestOf(turn.db, user, username, realm, algorithm)
    // First the response: only someone who knows the password is told that his nonce is stale (RFC 7616 §3.3).
    if (!isRightResponse(credentials, passwordHash, request.method, request.body)) {
      this.#failures.failed(address, user ?? username, turn.now, turn.settings.auth)
      throw challenge(false)
    }
    if (!isSameResource(credentials.uri, request.target))
      throw badRequest('The uri of the credentials is not the one of the request')
    // Without qop the count is not covered by the response, so it counts for nothing.
    const count = qop === undefined || nc === undefined ? undefined : Number.parseInt(nc, 16)
    if (nonces.use(nonce, count, turn.now) !== 'fresh') throw challenge(true)
    return user!
  }

  #noncesFor(turn: Turn): Nonces {
    const lifetimeSeconds = turn.settings.auth.nonceSeconds
    if (this.#nonces?.lifetimeSeconds !== lifetimeSeconds) {
      const lifetimeMs = lifetimeSeconds * 1000
      const nonces = new Nonces({ key: this.#secret, lifetimeMs, remembered: limits.noncesRemembered })
      this.#nonces = { lifetimeSeconds, nonces }
    }
    return this.#nonces.nonces
  }
}

/** How often somebody may ask, as the settings say at the time (AP-14). */
class Rate {
  #flood: { readonly perSecond: number; readonly flood: Flood } | undefined

  admits(who: string, perSecond: number, now: Instant): boolean {
    if (perSecond === 0) return true
    if (this.#flood?.perSecond !== perSecond) {
      const flood = new Flood({ perSecond, burst: perSecond * 10, addresses: limits.httpSendersRemembered })
      this.#flood = { perSecond, flood }
    }
    return this.#flood.flood.admits(who, now)
  }
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127\./.test(address)
}

/** Throws 400. */
function credentialsFor(request: HttpRequest, realm: string): Credentials | undefined {
  const text = request.headers.authorization
  if (text === undefined) return undefined
  try {
    const credentials = parseCredentials(text)
    return credentials?.realm === realm ? credentials : undefined
  } catch (error) {
    throw error instanceof ParseError ? badRequest(error.message) : error
  }
}

/** RFC 7616 §3.4.6: the same resource; its characters may have been escaped otherwise on the way. */
function isSameResource(uri: string, target: string): boolean {
  if (uri === target) return true
  const [left, right] = [originForm(uri), originForm(target)]
  return left === right || decoded(left) === decoded(right)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
