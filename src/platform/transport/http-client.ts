/**
 * HTTP and HTTPS as a client (RFC 9110): what entities ask of other servers, over connections that are kept. Every request has
 * one answer within its time, and a body is never larger than was asked for.
 */

import { Resolver } from 'node:dns/promises'
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { isIP, type LookupFunction } from 'node:net'
import { gunzipSync } from 'node:zlib'
import {
  failedAnswer,
  type HttpAnswer,
  type HttpFailure,
  type OutgoingHttpRequest,
} from '../../protocols/http/message.ts'
import { answer as answerTo, type Challenge, chooseChallenge } from '../../protocols/sip/digest.ts'
import type { Random } from '../../turn.ts'
import { hostAddresses } from './dns.ts'
import { isPublicAddress } from './public-address.ts'
import { type Credentials, clientContext } from './tls.ts'

export interface HttpClientLimits {
  /** Requests that have no answer yet; a further one is answered `busy`. */
  readonly requests: number
  /** Connections to one server at once; requests beyond wait for one of them. */
  readonly connectionsPerServer: number
  /** Connections at once; the same. */
  readonly connections: number
  /** Octets of the body of an answer; `too-large` beyond. */
  readonly bodyOctets: number
  /** How long an exchange may take from the moment it was asked for, with a second try for a challenge; `timeout` beyond. */
  readonly patienceMs: number
  /** How long a connection that nobody uses is kept. */
  readonly idleMs: number
  /** Servers whose challenge is remembered, to be answered before it is made; beyond it the oldest is forgotten. */
  readonly challengesRemembered: number
}

export interface HttpClientOptions {
  readonly limits: HttpClientLimits
  readonly random: Random
  readonly credentials: Credentials
  /** What became of the request sent with `token`; never called from within `send`. */
  readonly answered: (token: string, answer: HttpAnswer) => void
}

/** node:http is loaded when first needed: it takes about 5 MiB that a box without remote servers has better use for. */
interface Http {
  readonly plain: typeof import('node:http')
  readonly secure: typeof import('node:https')
  /** Connections that were let lead anywhere are not lent to requests that may not. */
  readonly agents: Readonly<Record<Reach, { readonly plain: Agent; readonly secure: Agent }>>
}

type Reach = NonNullable<OutgoingHttpRequest['reach']>

class Failed extends Error {
  readonly failure: HttpFailure

  constructor(failure: HttpFailure) {
    super(failure)
    this.failure = failure
  }
}

/** An answer with the challenges it makes. */
interface Exchanged extends HttpAnswer {
  readonly challenges: readonly string[]
}

export class HttpClient {
  readonly #options: HttpClientOptions
  readonly #resolver = new Resolver({ timeout: 2000, tries: 2 })
  readonly #challenges = new Map<string, { readonly challenge: Challenge; uses: number }>()
  readonly #open = new Set<ClientRequest>()
  #credentials: Credentials
  #http: Promise<Http> | undefined
  #inProgress = 0

  constructor(options: HttpClientOptions) {
    this.#options = options
    this.#credentials = options.credentials
  }

  send(token: string, request: OutgoingHttpRequest): void {
    const { limits, answered } = this.#options
    if (this.#inProgress >= limits.requests) {
      setImmediate(answered, token, failedAnswer('busy'))
      return
    }
    this.#inProgress++
    this.#answerOf(request)
      .catch(error => failedAnswer(failureOf(error)))
      .then(({ status, headers, body, failure }) => {
        this.#inProgress--
        answered(token, { status, headers, body, ...(failure === undefined ? {} : { failure }) })
      })
  }

  /** New connections show and trust these. */
  renew(credentials: Credentials): void {
    this.#credentials = credentials
    // Those of before end by themselves when they have been idle.
    this.#http = undefined
  }

  /** Ends what is in progress. */
  close(): void {
    this.#resolver.cancel()
    for (const request of this.#open) request.destroy(new Failed('unreachable'))
    this.#http?.then(({ agents }) => {
      for (const { plain, secure } of Object.values(agents)) {
        plain.destroy()
        secure.destroy()
      }
    })
    this.#http = undefined
  }

  /** One exchange, or two when the server challenges and we have what it asks for (RFC 7616 §3.3, §3.6). */
  async #answerOf(request: OutgoingHttpRequest): Promise<HttpAnswer> {
    const { patienceMs } = this.#options.limits
    const signal = AbortSignal.timeout(Math.min(request.patienceMs ?? patienceMs, patienceMs))
    const url = new URL(request.uri)
    const known = this.#authorization(request, url)
    const first = await this.#exchange(request, url, known, signal)
    if (first.status !== 401 || request.credentials === undefined) return first
    const challenge = chooseChallenge(first.challenges)
    if (challenge === undefined) return first
    this.#remember(keyOf(request, url), challenge)
    return this.#exchange(request, url, this.#authorization(request, url), signal)
  }

  #authorization({ credentials, method, body }: OutgoingHttpRequest, url: URL): string | undefined {
    const known = credentials && this.#challenges.get(`${url.origin} ${credentials.username}`)
    if (known === undefined) return undefined
    return answerTo(known.challenge, {
      ...credentials!,
      method,
      uri: pathOf(url),
      cnonce: this.#options.random.token(12),
      nonceCount: ++known.uses,
      ...(body === undefined ? {} : { body }),
    })
  }

  #remember(key: string, challenge: Challenge): void {
    this.#challenges.delete(key)
    this.#challenges.set(key, { challenge, uses: 0 })
    for (const oldest of this.#challenges.keys()) {
      if (this.#challenges.size <= this.#options.limits.challengesRemembered) break
      this.#challenges.delete(oldest)
    }
  }

  async #exchange(
    request: OutgoingHttpRequest,
    url: URL,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<Exchanged> {
    this.#http ??= this.#load()
    const http = await this.#http
    for (;;) {
      const { sent, response } = this.#send(http, request, url, authorization, signal)
      let hasAnswered = false
      try {
        const received = await response
        hasAnswered = true
        return await this.#read(received, request, sent, signal)
      } catch (error) {
        // RFC 9110 §9.2.2: the server had closed the connection we kept, before it could read anything.
        const isStale = sent.reusedSocket && !hasAnswered && codeOf(error) === 'ECONNRESET'
        if (!isStale || signal.aborted) throw error
      } finally {
        this.#open.delete(sent)
      }
    }
  }

  #send(
    { plain, secure, agents }: Http,
    { method, headers, body, reach = 'anywhere' }: OutgoingHttpRequest,
    url: URL,
    authorization: string | undefined,
    signal: AbortSignal,
  ) {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (reach === 'public' && isIP(host) !== 0 && !isPublicAddress(host)) throw new Failed('forbidden')
    const isSecure = url.protocol === 'https:'
    if (!isSecure && url.protocol !== 'http:') throw new Failed('forbidden')
    const length =
      body === undefined && (method === 'GET' || method === 'HEAD' || method === 'DELETE') ? {} : lengthOf(body)
    const options: RequestOptions = {
      method,
      host,
      port: url.port || (isSecure ? 443 : 80),
      path: pathOf(url),
      headers: {
        ...headers,
        Host: url.host,
        'Accept-Encoding': 'gzip',
        ...length,
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      },
      agent: isSecure ? agents[reach].secure : agents[reach].plain,
      // Where a name leads is looked at when the connection is made: it may lead elsewhere the next time.
      lookup: lookup(this.#resolver, reach === 'public' ? isPublicAddress : undefined),
      signal,
    }
    const sent = (isSecure ? secure : plain).request(options)
    this.#open.add(sent)
    const response = new Promise<IncomingMessage>((resolve, reject) => sent.on('response', resolve).on('error', reject))
    sent.end(body)
    return { sent, response }
  }

  async #read(
    response: IncomingMessage,
    request: OutgoingHttpRequest,
    sent: ClientRequest,
    signal: AbortSignal,
  ): Promise<Exchanged> {
    const most = Math.min(request.bodyOctets ?? Number.POSITIVE_INFINITY, this.#options.limits.bodyOctets)
    const pieces: Buffer[] = []
    let octets = 0
    const announced = request.method === 'HEAD' ? 0 : Number(response.headers['content-length'] ?? 0)
    try {
      if (announced > most) throw new Failed('too-large')
      for await (const piece of response as AsyncIterable<Buffer>) {
        octets += piece.length
        if (octets > most) throw new Failed('too-large')
        pieces.push(piece)
      }
    } catch (error) {
      sent.destroy()
      throw signal.aborted ? new Failed('timeout') : error
    }
    return {
      status: response.statusCode!,
      headers: response.headers as HttpAnswer['headers'],
      body: decoded(Buffer.concat(pieces), response.headers['content-encoding'], most),
      challenges: (response.headersDistinct['www-authenticate'] ?? []).flatMap(challengesIn),
    }
  }

  async #load(): Promise<Http> {
    const [plain, secure] = await Promise.all([import('node:http'), import('node:https')])
    const { connectionsPerServer, connections, idleMs } = this.#options.limits
    const options = {
      keepAlive: true,
      maxSockets: connectionsPerServer,
      maxTotalSockets: connections,
      maxFreeSockets: connectionsPerServer,
      scheduling: 'lifo',
      timeout: idleMs,
    } as const
    const secureContext = clientContext(this.#credentials)
    const pair = () => ({ plain: new plain.Agent(options), secure: new secure.Agent({ ...options, secureContext }) })
    return { plain, secure, agents: { anywhere: pair(), public: pair() } }
  }
}

function keyOf({ credentials }: OutgoingHttpRequest, url: URL): string {
  return `${url.origin} ${credentials?.username}`
}

function pathOf({ pathname, search }: URL): string {
  return pathname + search
}

function lengthOf(body: Uint8Array | undefined): { 'Content-Length': number } {
  return { 'Content-Length': body?.length ?? 0 }
}

/** RFC 7616 §3.7: one field may carry several challenges, after commas as between their parameters. */
function challengesIn(field: string): string[] {
  return field.split(/,\s*(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+ +[!#$%&'*+.^_`|~0-9A-Za-z-]+ *=)/)
}

function decoded(body: Buffer, coding: string | undefined, most: number): Uint8Array {
  if (coding === undefined || coding === 'identity' || body.length === 0) return body
  if (coding !== 'gzip' && coding !== 'x-gzip') throw new Failed('malformed')
  try {
    return gunzipSync(body, { maxOutputLength: most })
  } catch (error) {
    throw new Failed(codeOf(error) === 'ERR_BUFFER_TOO_LARGE' ? 'too-large' : 'malformed')
  }
}

/** Names by our own resolver: the system's would wait in the threads that the store writes with. */
function lookup(resolver: Resolver, isAllowed: ((address: string) => boolean) | undefined): LookupFunction {
  return (name, options, callback) => {
    hostAddresses(resolver, name).then(
      addresses => {
        const allowed = isAllowed === undefined ? addresses : addresses.filter(isAllowed)
        const found = allowed.map(address => ({ address, family: isIP(address) }))
        if (found.length === 0) callback(new Failed('forbidden'), '')
        else if (options.all === true) callback(null, found)
        else callback(null, found[0]!.address, found[0]!.family)
      },
      error => callback(error, ''),
    )
  }
}

function failureOf(error: unknown): HttpFailure {
  if (error instanceof Failed) return error.failure
  const code = codeOf(error)
  if (code === 'ERR_INVALID_URL') return 'forbidden'
  // The signal of the patience.
  if (code === 'ABORT_ERR' || (error as Error).name === 'TimeoutError') return 'timeout'
  if (code.startsWith('HPE_')) return 'malformed'
  return /CERT|ERR_TLS|UNABLE_TO|HOSTNAME/.test(code) ? 'untrusted' : 'unreachable'
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code ?? '')
}
