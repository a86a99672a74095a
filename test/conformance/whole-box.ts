/** The whole box without sockets: HTTP and SIP go in, answers and NOTIFYs come out, its watchers answer 200, and servers it asks are functions. */

import { administer } from '../../src/administration.ts'
import { Appliance } from '../../src/appliance.ts'
import { accountOf, addUser } from '../../src/entities/sip-ip-core/accounts.ts'
import { openMemoryStore } from '../../src/platform/storage/memory.ts'
import {
  failedAnswer,
  type HttpAnswer,
  type HttpResponse,
  type HttpSource,
  type OutgoingHttpRequest,
} from '../../src/protocols/http/message.ts'
import { udpFlow, udpFlowId } from '../../src/protocols/sip/flow.ts'
import type { SipRequest } from '../../src/protocols/sip/message.ts'
import { parseMessage } from '../../src/protocols/sip/parse.ts'
import type { SettingName } from '../../src/settings/table.ts'
import { defaultSettings } from '../../src/settings.ts'
import type { Instant, Store } from '../../src/turn.ts'
import { SeededRandom } from '../simulation/random.ts'

export interface Asking {
  readonly body?: string | Uint8Array
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Who asks; alice unless given. */
  readonly user?: string
  /** Where it comes from; a client unless given. */
  readonly source?: HttpSource
}

/** Users alice, bob and carol; nobody is asked for credentials. */
export class WholeBox {
  now = Date.UTC(2026, 10, 20)
  diskIsFull = false
  readonly #store: Store & { counts?(): Readonly<Record<string, number>> }
  readonly #appliance: Appliance
  readonly #settings
  #serial = 0
  /** Datagrams that the box has sent. */
  readonly sent: string[] = []
  /** Servers elsewhere by origin; one that is not there is unreachable, one that says `later` takes its time. */
  readonly servers = new Map<string, (request: OutgoingHttpRequest) => HttpAnswer | 'later'>()
  /** What the box has asked of them. */
  readonly asked: OutgoingHttpRequest[] = []
  /** Troubles that stand. */
  readonly alarms = new Map<string, string>()
  readonly #answers = new Map<string, HttpResponse>()

  /** On a store in memory of its own, unless one is given; users who are in that one stay. */
  constructor(settings: Partial<Record<SettingName, string | number | boolean>> = {}, store?: Store, now?: Instant) {
    if (now !== undefined) this.now = now
    this.#store = store ?? openMemoryStore({ now: () => this.now })
    this.#settings = defaultSettings({
      'auth.required': false,
      'xcap.defaultDocuments': false,
      'presence.minNotifyIntervalSeconds': 0,
      ...settings,
    })
    for (const name of ['alice', 'bob', 'carol']) {
      this.#store.transact(
        db =>
          accountOf(db, `sip:${name}@box.example`) ??
          addUser(db, { address: name, password: 'p' }, { domain: 'box.example', realm: 'box.example' }, this.now),
      )
    }
    this.#appliance = new Appliance({
      store: this.#store,
      random: new SeededRandom(1),
      settings: () => this.#settings,
      secret: 'secret',
      diskIsFull: () => this.diskIsFull,
      listening: [{ transport: 'udp', address: '10.0.0.1', port: 5060 }],
      log: {
        fault: (where, error) => {
          throw new Error(`${where}: ${(error as Error).stack}`)
        },
        alarm: (name, text) => {
          if (text === undefined) this.alarms.delete(name)
          else this.alarms.set(name, text)
        },
      },
    })
    this.#appliance.start(this.now)
  }

  async http(method: string, target: string, asking: Asking = {}): Promise<HttpResponse> {
    const { body = '', type, headers = {}, user = 'alice', source = { address: '10.0.0.2', isSecure: true } } = asking
    const identity = `"sip:${user}@box.example"`
    const exchange = `exchange${++this.#serial}`
    const response = this.#appliance.http(
      {
        method,
        target,
        headers: {
          host: 'box.example',
          ...(type === undefined ? {} : { 'content-type': type }),
          'x-3gpp-intended-identity': identity,
          ...headers,
        },
        body: typeof body === 'string' ? Buffer.from(body) : body,
        source,
      },
      exchange,
      this.now,
    )
    await this.#rest()
    if (response !== undefined) return response
    const later = this.#answers.get(exchange)
    this.#answers.delete(exchange)
    return later!
  }

  /** Answers what another box asks at a listener for servers, from this address. */
  serve(
    { method, uri, headers, body }: OutgoingHttpRequest,
    listener: 'xdms' | 'content',
    address: string,
  ): HttpAnswer {
    const { pathname, search } = new URL(uri)
    const names = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
    const request = {
      method,
      target: pathname + search,
      headers: { host: new URL(uri).host, ...(Object.fromEntries(names) as Record<string, string>) },
      body: body ?? new Uint8Array(0),
      source: { address, isSecure: false, listener },
    }
    const { status, headers: said, body: given } = this.#appliance.http(request, 'of a server', this.now)!
    const fields = Object.entries(said).map(([name, value]) => [name.toLowerCase(), [value].flat().join(', ')])
    void this.#rest()
    const answered = method === 'HEAD' ? undefined : given
    return { status, headers: Object.fromEntries(fields), body: answered ?? new Uint8Array(0) }
  }

  /** Lets time pass, with whatever falls due in it. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds
    for (;;) {
      const next = this.#appliance.deadline()
      if (next === undefined || next > end) break
      this.now = Math.max(this.now, next)
      this.#appliance.expire(this.now)
      await this.#rest()
    }
    this.now = end
  }

  /** A command of the administrator's. */
  administer(command: string, given: Readonly<Record<string, unknown>>): unknown {
    return administer({ appliance: this.#appliance, overrides: new Map() }, command, given, this.now)
  }

  /** How many records a table has. */
  count(table: string): number {
    return this.#store.counts?.()[table] ?? 0
  }

  /** A request about alice; its answer and what it sets off are in `sent`. Octets of a text body are its characters. */
  async sip(method: string, from: string, headers: readonly string[], body: string | Buffer = ''): Promise<void> {
    const id = ++this.#serial
    const lines = [
      `${method} sip:alice@box.example SIP/2.0`,
      `Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK${id}`,
      `From: <sip:${from}@box.example>;tag=${id}`,
      'To: <sip:alice@box.example>',
      `Call-ID: ${id}`,
      `CSeq: 1 ${method}`,
      'Max-Forwards: 70',
      ...headers,
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      '',
    ]
    this.#receive(Buffer.concat([Buffer.from(lines.join('\r\n')), Buffer.from(body)]))
    await this.#rest()
  }

  /** What the last NOTIFY says: the state of the subscription and its body. */
  get notified(): string {
    const last = this.sent.findLast(message => message.startsWith('NOTIFY'))!
    const state = /Subscription-State: (\w+)/i.exec(last)![1]
    const body = last.slice(last.indexOf('\r\n\r\n') + 4)
    return [state, ...body.matchAll(/<basic>\w+<\/basic>|<note>.*?<\/note>/g)].join(' ')
  }

  /** The last NOTIFY as a message. */
  get lastNotify(): SipRequest {
    const last = this.sent.findLast(message => message.startsWith('NOTIFY'))!
    return parseMessage(Buffer.from(last)) as SipRequest
  }

  async #rest(): Promise<void> {
    while (this.#appliance.pending()) {
      const batch = await this.#appliance.commit(this.now)
      for (const transmit of this.#appliance.release(batch, this.now)) {
        if (transmit.kind === 'answer') this.#answers.set(transmit.exchange, transmit.response)
        if (transmit.kind === 'http') {
          this.asked.push(transmit.request)
          const server = this.servers.get(new URL(transmit.request.uri).origin)
          const answer = server?.(transmit.request) ?? failedAnswer('unreachable')
          if (answer !== 'later') this.#appliance.answered(transmit.token, answer, this.now)
        }
        if (transmit.kind !== 'send') continue
        const message = Buffer.from(transmit.bytes).toString()
        this.sent.push(message)
        if (message.startsWith('NOTIFY')) this.#receive(okTo(message))
      }
    }
  }

  #receive(message: string | Buffer): void {
    const flow = udpFlow(udpFlowId('10.0.0.1', 5060, '10.0.0.2', 5060))!
    this.#appliance.receive(Buffer.from(message), flow, this.now)
  }
}

function okTo(request: string): string {
  const copied = request.split('\r\n').filter(line => /^(?:Via|From|To|Call-ID|CSeq):/i.test(line))
  return ['SIP/2.0 200 OK', ...copied, 'Content-Length: 0', '', ''].join('\r\n')
}
