/** The Aggregation Proxy and its XDMSs without sockets: requests go in, answers come out. For the tests of documents. */

import { createHmac } from 'node:crypto'
import { parseXml } from '../../../../src/documents/xml/parse.ts'
import { childElements, type XmlElement } from '../../../../src/documents/xml/tree.ts'
import { AggregationProxy } from '../../../../src/entities/aggregation-proxy/aggregation-proxy.ts'
import { addUser, isUser } from '../../../../src/entities/sip-ip-core/accounts.ts'
import { Home } from '../../../../src/entities/sip-ip-core/home.ts'
import type { DocumentChange } from '../../../../src/entities/xdms/documents.ts'
import { managementServers, type XdmsContext } from '../../../../src/entities/xdms/servers.ts'
import { userOfXui } from '../../../../src/entities/xdms/user-identifier.ts'
import { openMemoryStore } from '../../../../src/platform/storage/memory.ts'
import { HttpRefusal, refusalResponse } from '../../../../src/protocols/http/errors.ts'
import {
  failedAnswer,
  type HttpAnswer,
  type HttpResponse,
  type HttpSource,
  type OutgoingHttpRequest,
} from '../../../../src/protocols/http/message.ts'
import { answerChallenge } from '../../../../src/protocols/sip/digest.ts'
import type { SettingName } from '../../../../src/settings/table.ts'
import { defaultSettings } from '../../../../src/settings.ts'
import type { Output, Turn } from '../../../../src/turn.ts'
import { SeededRandom } from '../../../simulation/random.ts'

export const beginning = Date.UTC(2026, 10, 20, 12)

export interface Asking {
  readonly body?: string | Uint8Array
  readonly type?: string
  /** Where it comes from; a client of its own unless given. */
  readonly source?: HttpSource
  readonly headers?: Readonly<Record<string, string>>
  /** Whose credentials it carries; `bill` unless given, nobody's when undefined. */
  readonly user?: string | undefined
  readonly password?: string
  readonly algorithm?: 'SHA-256' | 'MD5'
}

export class Answer {
  readonly status: number
  readonly headers: HttpResponse['headers']
  readonly bytes: Uint8Array

  constructor({ status, headers, body }: HttpResponse) {
    this.status = status
    this.headers = headers
    this.bytes = body ?? new Uint8Array(0)
  }

  get body(): string {
    return Buffer.from(this.bytes).toString('utf8')
  }

  get type(): string {
    return String(this.headers['Content-Type'])
  }

  get etag(): string {
    return String(this.headers.ETag)
  }

  /** The error element of a conflict report. */
  get conflict(): XmlElement {
    return childElements(parseXml(this.bytes))[0]!
  }
}

export class DocumentBox {
  now = beginning
  /** Where requests come from. */
  address = '192.0.2.7'
  readonly store = openMemoryStore()
  readonly changes: DocumentChange[] = []
  readonly outputs: Output[] = []
  /** XDMSs elsewhere, by origin. */
  readonly servers = new Map<string, (request: OutgoingHttpRequest) => HttpAnswer>()
  /** What they were asked. */
  readonly asked: OutgoingHttpRequest[] = []
  readonly settings
  readonly #random = new SeededRandom(11)
  readonly #proxy: AggregationProxy

  constructor(settings: Partial<Record<SettingName, string | number | boolean>> = {}) {
    this.settings = defaultSettings({ domain: 'example.com', 'xcap.root': '', ...settings })
    const home = new Home({ domain: 'example.com', listening: [] })
    const context: XdmsContext = {
      userOf: xui => userOfXui(xui, home),
      isUser,
      listeners: [
        ({ address, previousEtag, etag }) => {
          this.changes.push({ address, previousEtag, etag })
          return []
        },
      ],
    }
    this.#proxy = new AggregationProxy({ ...context, secret: 'of the test', servers: managementServers(context) })
    for (const name of ['bill', 'joe', '+15551234']) this.addUser(name)
  }

  /** A user without the documents that administration gives to new ones. */
  addUser(name: string): void {
    this.store.transact(db =>
      addUser(db, { address: name, password: `of ${name}` }, { domain: 'example.com', realm: 'example.com' }, this.now),
    )
  }

  /** One turn by hand. */
  act<T>(work: (turn: Turn) => T): T {
    return this.store.transact(db => work(this.#turn(db)))
  }

  get(target: string, asking: Asking = {}): Answer {
    return this.ask('GET', target, asking)
  }

  put(target: string, body: string | Uint8Array, type: string, asking: Asking = {}): Answer {
    return this.ask('PUT', target, { ...asking, body, type })
  }

  /** An element when the selector ends in one, else an attribute. */
  putNode(target: string, body: string | Uint8Array, asking: Asking = {}): Answer {
    const last = target.slice(target.lastIndexOf('/') + 1)
    return this.put(target, body, last.startsWith('@') ? 'application/xcap-att+xml' : 'application/xcap-el+xml', asking)
  }

  delete(target: string, asking: Asking = {}): Answer {
    return this.ask('DELETE', target, asking)
  }

  /** Answers the challenge as a client does, unless the request carries its own credentials. */
  ask(method: string, target: string, asking: Asking = {}): Answer {
    const first = this.askOnce(method, target, asking)
    const user = 'user' in asking ? asking.user : 'bill'
    if (first.status !== 401 || user === undefined) return first
    const challenges = first.headers['WWW-Authenticate'] as readonly string[]
    const { algorithm } = asking
    const authorization = answerChallenge(
      algorithm === undefined ? challenges : challenges.filter(text => text.includes(`algorithm=${algorithm},`)),
      {
        username: user,
        password: asking.password ?? `of ${user}`,
        method,
        uri: target,
        cnonce: 'c',
        nonceCount: 1,
      },
    )
    return this.askOnce(method, target, { ...asking, headers: { ...asking.headers, authorization } })
  }

  askOnce(method: string, target: string, { body = '', type, headers = {}, source }: Asking = {}): Answer {
    const request = {
      method,
      target,
      headers: { host: 'xcap.example.com', ...(type === undefined ? {} : { 'content-type': type }), ...headers },
      body: typeof body === 'string' ? Buffer.from(body, 'utf8') : body,
      source: source ?? { address: this.address, isSecure: true },
    }
    try {
      const { response, outputs } = this.store.transact(db => this.#proxy.handle(request, 'x', this.#turn(db)))
      this.outputs.push(...outputs)
      return new Answer(response ?? this.#later(outputs))
    } catch (error) {
      if (error instanceof HttpRefusal) return new Answer(refusalResponse(error))
      throw error
    }
  }

  /** The same request as an XDMS elsewhere gets it from a proxy at this address. */
  askAsXdms({ method, uri, headers, body }: OutgoingHttpRequest, address: string): HttpAnswer {
    const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
    const asking = { body: body ?? '', headers: lower, source: { address, isSecure: false, listener: 'xdms' as const } }
    const { status, headers: given, bytes } = this.askOnce(method, new URL(uri).pathname, asking)
    const entries = Object.entries(given).map(([name, value]) => [name.toLowerCase(), String(value)])
    return { status, headers: Object.fromEntries(entries), body: bytes }
  }

  /** Asks whom the proxy wants to ask, until it answers. */
  #later(outputs: readonly Output[]): HttpResponse {
    const waiting = [...outputs]
    for (let output = waiting.shift(); output; output = waiting.shift()) {
      if (output.kind === 'answer') return output.response
      if (output.kind !== 'http') continue
      const { request, token } = output
      this.asked.push(request)
      const answer = this.servers.get(new URL(request.uri).origin)?.(request) ?? failedAnswer('unreachable')
      waiting.push(...this.store.transact(db => this.#proxy.httpResponse(token, answer, this.#turn(db))))
    }
    throw new Error('the proxy has not answered')
  }

  #turn(db: Turn['db']): Turn {
    return {
      now: this.now,
      db,
      random: this.#random,
      settings: this.settings,
      inProgress: () => false,
      fingerprint: (...parts) => `f${createHmac('sha256', 'k').update(parts.join('\0')).digest('hex').slice(0, 16)}`,
    }
  }
}
