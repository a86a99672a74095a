/** An HTTP client on sockets, for the built box. */

import { Agent, type IncomingMessage, request } from 'node:http'
import { request as requestTls } from 'node:https'
import type { TestContext } from 'node:test'
import { answerChallenge } from '../../src/protocols/sip/digest.ts'

export interface HttpUser {
  readonly username: string
  readonly password: string
}

const alice: HttpUser = { username: 'alice', password: 'wonderland' }

export interface Seen {
  readonly status: number
  readonly etag: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly bytes: Buffer
  /** The same as text. */
  readonly body: string
  readonly challenges: readonly string[]
}

/** Answers digest challenges; plain connections are kept. */
export class HttpClient {
  readonly #port: number
  readonly #isSecure: boolean
  readonly #agent: Agent | undefined
  readonly #user: HttpUser

  constructor(t: TestContext, port: number, isSecure = false, user: HttpUser = alice) {
    this.#user = user
    this.#port = port
    this.#isSecure = isSecure
    if (isSecure) return
    const agent = new Agent({ keepAlive: true })
    this.#agent = agent
    t.after(() => agent.destroy())
  }

  async ask(
    method: string,
    path: string,
    body: string | Uint8Array = '',
    headers: Record<string, string> = {},
  ): Promise<Seen> {
    const first = await this.#once(method, path, body, headers)
    if (first.status !== 401) return first
    const secret = { ...this.#user, method, uri: path, cnonce: 'c', nonceCount: 1 }
    return this.#once(method, path, body, { ...headers, authorization: answerChallenge(first.challenges, secret) })
  }

  async #once(method: string, path: string, body: string | Uint8Array, headers: Record<string, string>): Promise<Seen> {
    const common = { host: '127.0.0.1', port: this.#port, method, path, headers }
    const asked = this.#isSecure
      ? requestTls({ ...common, rejectUnauthorized: false })
      : request({ ...common, ...(this.#agent === undefined ? {} : { agent: this.#agent }) })
    const answered = new Promise<IncomingMessage>((resolve, reject) =>
      asked.on('response', resolve).on('error', reject),
    )
    asked.end(body)
    const response = await answered
    const parts: Buffer[] = []
    for await (const part of response) parts.push(part as Buffer)
    const bytes = Buffer.concat(parts)
    return {
      status: response.statusCode!,
      etag: response.headers.etag,
      headers: response.headers,
      bytes,
      body: bytes.toString('utf8'),
      challenges: response.headersDistinct['www-authenticate'] ?? [],
    }
  }
}
