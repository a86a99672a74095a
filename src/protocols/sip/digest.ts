/**
 * Digest authentication (RFC 7616, in SIP by RFC 8760 and RFC 3261 §22): challenges and credentials as header field values,
 * what is computed from them, and the client's answer. The server's side is in digest-server.ts and nonces.ts.
 */

import { hash, timingSafeEqual } from 'node:crypto'
import { isToken, quote, splitList, unquote } from './characters.ts'
import { ParseError } from './errors.ts'

export type DigestAlgorithm = 'MD5' | 'SHA-256' | 'SHA-512-256'

/** Every algorithm, the one we prefer first (RFC 8760 §2.3; MD5 is there for old clients alone). */
export const digestAlgorithms: readonly DigestAlgorithm[] = ['SHA-256', 'SHA-512-256', 'MD5']

const hashNames: Readonly<Record<DigestAlgorithm, string>> = {
  MD5: 'md5',
  'SHA-256': 'sha256',
  'SHA-512-256': 'sha512-256',
}

/** A WWW-Authenticate or Proxy-Authenticate value of the scheme Digest. */
export type Challenge = {
  readonly realm: string
  readonly nonce: string
  /** Undefined when it is one we do not know. */
  readonly algorithm: DigestAlgorithm | undefined
  /** The `-sess` variant of the algorithm. */
  readonly isSession: boolean
  /** Empty from a server that knows RFC 2069 only. */
  readonly qop: readonly string[]
  readonly opaque: string | undefined
  readonly stale: boolean
}

/** An Authorization or Proxy-Authorization value of the scheme Digest. */
export type Credentials = {
  readonly username: string
  readonly realm: string
  readonly nonce: string
  readonly uri: string
  /** Hexadecimal, lower case. */
  readonly response: string
  /** Undefined when it is one we do not know. */
  readonly algorithm: DigestAlgorithm | undefined
  readonly isSession: boolean
  readonly qop: 'auth' | 'auth-int' | undefined
  readonly cnonce: string | undefined
  /** Eight hexadecimal digits, as written: so they are digested. */
  readonly nc: string | undefined
  readonly opaque: string | undefined
}

/** What the client knows and chooses to answer a challenge. */
export type ClientSecret = {
  readonly username: string
  readonly password: string
  readonly method: string
  /** The Request-URI as it stands in the request (RFC 8760 §2.6). */
  readonly uri: string
  /** A fresh random text. */
  readonly cnonce: string
  /** 1 for the first use of a nonce, one more for each that follows. */
  readonly nonceCount: number
  readonly body?: Uint8Array
}

/**
 * The Authorization value that answers the topmost challenge we can answer (RFC 8760 §2.4).
 * @throws ParseError when there is none
 */
export function answerChallenge(challenges: readonly string[], secret: ClientSecret): string {
  const challenge = chooseChallenge(challenges)
  if (challenge === undefined) throw new ParseError('no challenge that can be answered')
  return answer(challenge, secret)
}

/** The topmost challenge whose scheme, algorithm and qop we know; those we do not are ignored (RFC 8760 §2.4). */
export function chooseChallenge(challenges: readonly string[]): Challenge | undefined {
  for (const text of challenges) {
    try {
      const challenge = parseChallenge(text)
      if (challenge?.algorithm === undefined) continue
      if (challenge.qop.length === 0 || challenge.qop.includes('auth') || challenge.qop.includes('auth-int')) {
        return challenge
      }
    } catch (error) {
      if (!(error instanceof ParseError)) throw error
    }
  }
  return undefined
}

/** The Authorization value for a challenge whose algorithm is known; may be used again with a higher nonce count. */
export function answer(challenge: Challenge, secret: ClientSecret): string {
  const algorithm = challenge.algorithm!
  const qop = challenge.qop.includes('auth') ? 'auth' : challenge.qop.includes('auth-int') ? 'auth-int' : undefined
  const credentials: Omit<Credentials, 'response'> = {
    username: secret.username,
    realm: challenge.realm,
    nonce: challenge.nonce,
    uri: secret.uri,
    algorithm,
    isSession: challenge.isSession,
    qop,
    // RFC 3261 §22.4 item 8: no cnonce where there is no qop; but a session needs one.
    cnonce: qop === undefined && !challenge.isSession ? undefined : secret.cnonce,
    nc: qop === undefined ? undefined : secret.nonceCount.toString(16).padStart(8, '0'),
    opaque: challenge.opaque,
  }
  const passwordHash = passwordDigest(algorithm, secret.username, challenge.realm, secret.password)
  const response = responseDigest(credentials, passwordHash, secret.method, secret.body)
  return formatCredentials({ ...credentials, response })
}

/** H(username:realm:password), hexadecimal: all a server needs to keep of a password (RFC 7616 §3.4.2, §5.2). */
export function passwordDigest(algorithm: DigestAlgorithm, username: string, realm: string, password: string): string {
  return hash(hashNames[algorithm], `${username}:${realm}:${password}`, 'hex')
}

/**
 * The response that these credentials should have (RFC 7616 §3.4.1; without qop RFC 2617 §3.2.2.1). The algorithm must be
 * known.
 */
export function responseDigest(
  credentials: Omit<Credentials, 'response'>,
  passwordHash: string,
  method: string,
  body: Uint8Array = noBody,
): string {
  const { nonce, nc = '', cnonce = '', qop, uri } = credentials
  const hashName = hashNames[credentials.algorithm!]
  const secret = credentials.isSession ? hash(hashName, `${passwordHash}:${nonce}:${cnonce}`, 'hex') : passwordHash
  const resource = qop === 'auth-int' ? `${method}:${uri}:${hash(hashName, body, 'hex')}` : `${method}:${uri}`
  const resourceHash = hash(hashName, resource, 'hex')
  if (qop === undefined) return hash(hashName, `${secret}:${nonce}:${resourceHash}`, 'hex')
  return hash(hashName, `${secret}:${nonce}:${nc}:${cnonce}:${qop}:${resourceHash}`, 'hex')
}

const noBody = new Uint8Array(0)

/**
 * Whether the credentials prove knowledge of the password. A user that does not exist (`passwordHash` undefined) takes as
 * long as one who does.
 */
export function isRightResponse(
  credentials: Credentials,
  passwordHash: string | undefined,
  method: string,
  body?: Uint8Array,
): boolean {
  if (credentials.algorithm === undefined) return false
  const expected = Buffer.from(responseDigest(credentials, passwordHash ?? nobody, method, body))
  const response = Buffer.from(credentials.response)
  return response.length === expected.length && timingSafeEqual(response, expected) && passwordHash !== undefined
}

const nobody = '0'.repeat(64)

/** A challenge as text. The quotes are those of RFC 7616 §3.3; qop is always sent (RFC 8760 §2.6 item 8). */
export function formatChallenge(challenge: {
  readonly realm: string
  readonly nonce: string
  readonly algorithm: DigestAlgorithm
  readonly stale?: boolean
  readonly opaque?: string
}): string {
  const opaque = challenge.opaque === undefined ? '' : `, opaque=${quote(challenge.opaque)}`
  const stale = challenge.stale === true ? ', stale=true' : ''
  return `Digest realm=${quote(challenge.realm)}, nonce=${quote(challenge.nonce)}, algorithm=${challenge.algorithm}, qop="auth"${opaque}${stale}`
}

/**
 * Reads a challenge; undefined if its scheme is not Digest.
 * @throws ParseError
 */
export function parseChallenge(text: string): Challenge | undefined {
  const parameters = parseDigest(text)
  if (parameters === undefined) return undefined
  const { algorithm, isSession } = readAlgorithm(parameters.get('algorithm'))
  return {
    realm: required(parameters, 'realm'),
    nonce: required(parameters, 'nonce'),
    algorithm,
    isSession,
    qop: splitList((parameters.get('qop') ?? '').toLowerCase()),
    opaque: parameters.get('opaque'),
    stale: parameters.get('stale')?.toLowerCase() === 'true',
  }
}

/** Credentials as text. The quotes are those of RFC 7616 §3.4. */
function formatCredentials(credentials: Credentials): string {
  const { username, realm, nonce, uri, response, algorithm, isSession, qop, cnonce, nc, opaque } = credentials
  let text = `Digest username=${quote(username)}, realm=${quote(realm)}, nonce=${quote(nonce)}, uri=${quote(uri)}`
  text += `, response="${response}"`
  if (algorithm !== undefined) text += `, algorithm=${algorithm}${isSession ? '-sess' : ''}`
  if (cnonce !== undefined) text += `, cnonce=${quote(cnonce)}`
  if (qop !== undefined) text += `, qop=${qop}, nc=${nc}`
  if (opaque !== undefined) text += `, opaque=${quote(opaque)}`
  return text
}

/**
 * Reads credentials; undefined if their scheme is not Digest, and for those of a client that has no nonce yet and sends
 * empty ones (RFC 8760 §2.7).
 * @throws ParseError
 */
export function parseCredentials(text: string): Credentials | undefined {
  const parameters = parseDigest(text)
  if (parameters === undefined) return undefined
  const response = required(parameters, 'response').toLowerCase()
  const nonce = required(parameters, 'nonce')
  if (response === '' || nonce === '') return undefined
  const { algorithm, isSession } = readAlgorithm(parameters.get('algorithm'))
  const qop = parameters.get('qop')?.toLowerCase()
  if (qop !== undefined && qop !== 'auth' && qop !== 'auth-int') throw new ParseError('digest qop unknown')
  const nc = parameters.get('nc')
  // RFC 7616 §3.4: with a qop, both are there. COMPAT(libpurple): nc without qop is let pass, and not used.
  if (qop !== undefined && !/^[0-9a-f]{8}$/i.test(nc ?? '')) throw new ParseError('digest nc missing or malformed')
  if ((qop !== undefined || isSession) && !parameters.has('cnonce')) throw new ParseError('digest cnonce missing')
  return {
    username: required(parameters, 'username'),
    realm: required(parameters, 'realm'),
    nonce,
    uri: required(parameters, 'uri'),
    response,
    algorithm,
    isSession,
    qop,
    cnonce: parameters.get('cnonce'),
    nc,
    opaque: parameters.get('opaque'),
  }
}

/** The parameters of a value of the scheme Digest, names in lower case, unquoted; undefined for another scheme. */
function parseDigest(text: string): ReadonlyMap<string, string> | undefined {
  if (!/^digest[ \t]/i.test(text)) return undefined
  const parameters = new Map<string, string>()
  for (const parameter of splitList(text.slice(7).trim())) {
    const equals = parameter.indexOf('=')
    const name = parameter.slice(0, Math.max(equals, 0)).trimEnd().toLowerCase()
    const value = parameter.slice(equals + 1).trimStart()
    if (!isToken(name)) throw new ParseError('digest parameter malformed')
    if (value.startsWith('"') && (value.length < 2 || !value.endsWith('"'))) {
      throw new ParseError(`digest ${name} without its closing quote`)
    }
    if (parameters.has(name)) throw new ParseError(`digest ${name} repeated`)
    parameters.set(name, unquote(value))
  }
  return parameters
}

function required(parameters: ReadonlyMap<string, string>, name: string): string {
  const value = parameters.get(name)
  if (value === undefined) throw new ParseError(`digest ${name} missing`)
  return value
}

/** MD5 when there is none (RFC 7616 §3.3); undefined when it is unknown. */
function readAlgorithm(text = 'MD5'): { algorithm: DigestAlgorithm | undefined; isSession: boolean } {
  const name = text.toUpperCase()
  const isSession = name.endsWith('-SESS')
  const base = isSession ? name.slice(0, -5) : name
  return { algorithm: digestAlgorithms.find(algorithm => algorithm === base), isSession }
}
