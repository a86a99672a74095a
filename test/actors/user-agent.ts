/**
 * A user agent without I/O, for tests: our SIP stack in the client's place, digest credentials, and what it has seen. The
 * Presence Source, the Watcher and their like (OMA Presence SIMPLE AD §5.1) are functions over it in this folder.
 */

import { answerChallenge } from '../../src/protocols/sip/digest.ts'
import type { Flow } from '../../src/protocols/sip/flow.ts'
import { type HeaderField, respond, SipRequest, type SipResponse } from '../../src/protocols/sip/message.ts'
import { SipStack, type StackOutput } from '../../src/protocols/sip/stack.ts'
import { asksForCompressionAs } from '../../src/protocols/sip-sigcomp/asked.ts'
import { type Effect, SipCompression } from '../../src/protocols/sip-sigcomp/compression.ts'
import type { Instant, Random } from '../../src/turn.ts'
import { handsetCompression } from './handset-compression.ts'

export interface UserAgentOptions {
  /** As flows call it: `Alice`. */
  readonly name: string
  /** `sip:alice@box.example`. */
  readonly aor: string
  readonly password: string
  readonly local: Endpoint
  /** Where the box listens: every request goes there first. */
  readonly box: Endpoint
  readonly random: Random
  /** Whether it speaks SigComp with the box, its outbound proxy, whose URI says so (RFC 3486 §4.1). */
  readonly compresses?: boolean
}

export interface Endpoint {
  readonly address: string
  readonly port: number
}

/** One request of ours and what came of it; a challenge is answered inside. */
export interface Exchange {
  readonly request: SipRequest
  readonly responses: SipResponse[]
  /** The final answer after any challenge; a silent box is a 408. */
  final: SipResponse | undefined
}

/** How a request that reaches the agent is answered. */
export type Handler = (request: SipRequest, now: Instant) => SipResponse | undefined

/** What the agent's transport is to do. */
export type Transmit = Extract<StackOutput, { kind: 'send' | 'connect' | 'close' | 'resolve' }>

export class UserAgent {
  readonly options: UserAgentOptions
  readonly stack: SipStack
  /** By method; a method without one is answered 405 (RFC 3261 §8.2.1). */
  readonly handlers = new Map<string, Handler>()
  /** Requests received, by method, for flows to look at. */
  readonly received: SipRequest[] = []
  /** While true the agent hears nothing and says nothing: its radio is gone. */
  silent = false
  /** Whether it writes header names in their compact forms (RFC 3261 §7.3.3). */
  abbreviates = false
  readonly compression: SipCompression | undefined
  readonly #asking: { readonly uri: string; readonly via: string }
  /** How requests go out: through the box, as configured, then as the box has said (RFC 3608). */
  #route: string
  readonly #exchanges = new Map<string, Exchange>()
  #tokens = 0
  #cseq = 0
  #transmits: Transmit[] = []

  constructor(options: UserAgentOptions) {
    this.options = options
    const { address, port } = options.box
    this.#asking = options.compresses ? asksForCompressionAs(options.aor) : { uri: '', via: '' }
    this.#route = `<sip:${address}:${port};lr${options.compresses ? ';comp=sigcomp' : ''}>`
    this.compression = options.compresses ? new SipCompression(handsetCompression) : undefined
    this.stack = new SipStack({
      random: options.random,
      listening: [{ transport: 'udp', address: options.local.address, port: options.local.port }],
      compression: this.#asking.via,
    })
  }

  get contact(): string {
    const user = this.options.aor.slice(4, this.options.aor.indexOf('@'))
    return `<sip:${user}@${this.options.local.address}:${this.options.local.port}${this.#asking.uri}>`
  }

  token(characters = 10): string {
    return this.options.random.token(characters)
  }

  /**
   * Sends a request outside a dialog, or inside one when `fields` carry its From, To and Call-ID. What is not given is
   * filled in: From and To our own address-of-record, a new Call-ID, the next CSeq, a Route through the box.
   */
  send(method: string, uri: string, fields: readonly HeaderField[], now: Instant, body?: string): Exchange {
    const given = new Set(fields.map(([name]) => name.toLowerCase()))
    const filled: HeaderField[] = [
      ['Max-Forwards', '70'],
      ['From', `<${this.options.aor}>;tag=${this.token()}`],
      ['To', `<${uri}>`],
      ['Call-ID', `${this.token(16)}@${this.options.name.toLowerCase()}`],
      ['CSeq', `${++this.#cseq} ${method}`],
      ['Contact', this.contact],
      ['Route', this.#route],
    ]
    const request = new SipRequest(
      method,
      uri,
      [...filled.filter(([name]) => !given.has(name.toLowerCase())), ...fields],
      body === undefined ? undefined : Buffer.from(body),
    )
    const exchange: Exchange = { request, responses: [], final: undefined }
    this.#send(exchange, request, now)
    return exchange
  }

  #send(exchange: Exchange, request: SipRequest, now: Instant): void {
    const token = `x${++this.#tokens}`
    this.#exchanges.set(token, exchange)
    request.isCompact = this.abbreviates
    this.#take(this.stack.request(request, token, undefined, now), now)
  }

  receive(bytes: Buffer, flow: Flow, now: Instant): void {
    if (this.silent) return
    const read = (text: Buffer): void => this.#take(this.stack.received(text, flow, now), now)
    if (this.compression) this.#effects(this.compression.received(bytes, flow, now, read), now)
    else read(bytes)
  }

  expire(now: Instant): void {
    this.#take(this.stack.expire(now), now)
  }

  deadline(): Instant | undefined {
    return this.stack.deadline()
  }

  /** What the agent wants sent, taken away. */
  transmits(): Transmit[] {
    const transmits = this.#transmits
    this.#transmits = []
    return this.silent ? [] : transmits
  }

  #take(outputs: readonly StackOutput[], now: Instant): void {
    for (const output of outputs) {
      if (output.kind === 'request') {
        // Everything a handset hears is from its outbound proxy.
        this.compression?.admitted(output.request, () => 'the box', now)
        this.#request(output.request, now)
      } else if (output.kind === 'response') {
        this.compression?.answered(output.response, now)
        this.#response(output.token, output.response, now)
      } else if (output.kind === 'send') {
        const bytes = this.compression ? this.compression.leaving(output.bytes, output.flow, now) : output.bytes
        if (bytes) this.#transmits.push({ ...output, bytes })
      } else if (output.kind !== 'cancel') this.#transmits.push(output)
    }
  }

  #effects(effects: readonly Effect[], now: number): void {
    for (const effect of effects) {
      if (effect.kind === 'send') this.#transmits.push(effect)
      else this.#take(this.stack.lost(effect.flow, now), now)
    }
  }

  #request(request: SipRequest, now: Instant): void {
    this.received.push(request)
    const handler = this.handlers.get(request.method)
    const answer = handler
      ? handler(request, now)
      : respond(request, 405, { toTag: this.token(), headers: [['Allow', [...this.handlers.keys()].join(', ')]] })
    if (answer) answer.isCompact = this.abbreviates
    if (answer && request.method !== 'ACK') this.#take(this.stack.respond(request.transaction, answer, now), now)
  }

  #response(token: string, response: SipResponse, now: Instant): void {
    const exchange = this.#exchanges.get(token)
    if (!exchange) return
    exchange.responses.push(response)
    if (response.status < 200) return
    this.#exchanges.delete(token)
    const again = this.#credentials(exchange, response)
    if (again) {
      this.#send(exchange, again, now)
      return
    }
    exchange.final = response
    const [serviceRoute] = response.status < 300 ? response.headers('Service-Route') : []
    if (this.compression && serviceRoute !== undefined) this.#route = serviceRoute
  }

  /** The request again with credentials, when the answer is a first challenge (RFC 3261 §22.2). */
  #credentials(exchange: Exchange, response: SipResponse): SipRequest | undefined {
    const challenges =
      response.status === 401
        ? response.headers('WWW-Authenticate')
        : response.status === 407
          ? response.headers('Proxy-Authenticate')
          : []
    const attempts = exchange.responses.filter(({ status }) => status === 401 || status === 407).length
    if (challenges.length === 0 || attempts > 1) return undefined
    const again = exchange.request.copy()
    again.remove('Via')
    again.set('CSeq', `${++this.#cseq} ${again.method}`)
    again.set(
      response.status === 401 ? 'Authorization' : 'Proxy-Authorization',
      answerChallenge(challenges, {
        username: this.options.aor.slice(4, this.options.aor.indexOf('@')),
        password: this.options.password,
        method: again.method,
        uri: again.uri,
        cnonce: this.token(),
        nonceCount: 1,
      }),
    )
    return again
  }
}
