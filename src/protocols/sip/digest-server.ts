/** The server's side of digest authentication: challenges, and whether a request's credentials are good (RFC 8760 §2.3, §2.6). */

import {
  type Credentials,
  type DigestAlgorithm,
  digestAlgorithms,
  formatChallenge,
  isRightResponse,
  parseCredentials,
} from './digest.ts'
import { ParseError } from './errors.ts'
import type { SipRequest } from './message.ts'
import type { Nonces } from './nonces.ts'
import { addressOfRecord, parseUri, sameUri, type Uri } from './uri.ts'

export type CredentialPolicy = {
  readonly realm: string
  readonly nonces: Nonces
  /** H(username:realm:password) of a user, by algorithm; undefined for a user that does not exist. */
  passwordDigest(username: string, algorithm: DigestAlgorithm): string | undefined
  /** Those accepted; all by default. */
  readonly algorithms?: readonly DigestAlgorithm[]
  /**
   * Whether credentials for this URI are good for a request whose Request-URI means another one, as after forwarding
   * (RFC 8760 §2.6 item 6). By default not.
   */
  acceptsUri?(uri: Uri, request: SipRequest): boolean
}

/**
 * `accepted`; `missing`: no credentials for the realm; `wrong`: no such user, wrong password or algorithm not accepted, one
 * not to be told from another; `stale` and `replayed`: right, but the nonce is old or was used: challenge with `stale`.
 */
export type CredentialCheck =
  | {
      readonly outcome: 'accepted' | 'stale' | 'replayed'
      readonly username: string
      readonly credentials: Credentials
    }
  | { readonly outcome: 'wrong'; readonly username: string }
  | { readonly outcome: 'missing' }

/**
 * Checks the credentials that a request carries for the realm.
 * @throws ParseError (400) when they are malformed, or made for another resource than the request is for (RFC 7616 §3.4.6)
 */
export function checkCredentials(
  request: SipRequest,
  header: 'Authorization' | 'Proxy-Authorization',
  policy: CredentialPolicy,
  now: number,
): CredentialCheck {
  const credentials = credentialsFor(request, header, policy.realm)
  if (credentials === undefined) return { outcome: 'missing' }
  const { username, algorithm, nonce, qop, nc } = credentials
  const isAccepted = algorithm !== undefined && (policy.algorithms ?? digestAlgorithms).includes(algorithm)
  const passwordHash = isAccepted ? policy.passwordDigest(username, algorithm) : undefined
  // First the response: only someone who knows the password is told that his nonce is stale (RFC 7616 §3.3).
  if (!isRightResponse(credentials, passwordHash, request.method, request.body)) return { outcome: 'wrong', username }
  checkResource(credentials.uri, request, policy)
  // Without qop the count is not covered by the response, so it counts for nothing.
  const use = policy.nonces.use(nonce, qop === undefined || nc === undefined ? undefined : Number.parseInt(nc, 16), now)
  return { outcome: use === 'fresh' ? 'accepted' : use, username, credentials }
}

/** One challenge per algorithm, preferred first: each goes into a header field of its own (RFC 8760 §2.3). */
export function challenges(options: {
  readonly realm: string
  readonly nonce: string
  readonly stale?: boolean
  readonly algorithms?: readonly DigestAlgorithm[]
}): string[] {
  const { realm, nonce, stale = false, algorithms = digestAlgorithms } = options
  return algorithms.map(algorithm => formatChallenge({ realm, nonce, algorithm, stale }))
}

/** Credentials of other schemes and for other realms are not ours to judge (RFC 3261 §22.3, RFC 4475 §3.3.7). */
function credentialsFor(
  request: SipRequest,
  header: 'Authorization' | 'Proxy-Authorization',
  realm: string,
): Credentials | undefined {
  for (const text of request.headers(header)) {
    const credentials = parseCredentials(text)
    if (credentials?.realm === realm) return credentials
  }
  return undefined
}

function checkResource(text: string, request: SipRequest, policy: CredentialPolicy): void {
  if (text === request.uri) return
  const uri = parseUri(text)
  const { requestUri } = request
  // Parameters and port say how to get there, not what is asked for.
  if (sameUri(uri, requestUri) || addressOfRecord(uri) === addressOfRecord(requestUri)) return
  if (policy.acceptsUri?.(uri, request) === true) return
  throw new ParseError('digest uri does not fit the Request-URI')
}
