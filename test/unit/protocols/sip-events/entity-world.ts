/**
 * One SIP entity in a world of its own: a store, a clock, the turn loop and the peers its requests reach. Messages are values
 * here; the stack is not needed.
 */

import { createHmac } from 'node:crypto'
import { type MemoryStore, openMemoryStore } from '../../../../src/platform/storage/memory.ts'
import { failedAnswer, type HttpAnswer, type OutgoingHttpRequest } from '../../../../src/protocols/http/message.ts'
import { ParseError, SipRefusal } from '../../../../src/protocols/sip/errors.ts'
import { type HeaderField, refuse, respond, SipRequest, SipResponse } from '../../../../src/protocols/sip/message.ts'
import type { SettingName } from '../../../../src/settings/table.ts'
import { defaultSettings } from '../../../../src/settings.ts'
import type { Instant, Output, Random, SipEntity, Transaction, Turn } from '../../../../src/turn.ts'

export interface Sent {
  readonly at: Instant
  readonly token: string
  readonly flow: string | undefined
  readonly request: SipRequest
}

/** What a peer does with a request of the entity: a status, a response made from it, or nothing, which is a 408 after 32 s. */
export type Peer = (sent: Sent) => number | SipResponse | undefined

/** What a server does with an HTTP request of the entity; nothing is a timeout after 10 s. */
export type HttpServer = (request: OutgoingHttpRequest) => HttpAnswer | undefined

const constant: Random = {
  bytes: count => new Uint8Array(count),
  token: characters => 'a'.repeat(characters),
  below: () => 0,
}

export class EntityWorld {
  now: Instant = Date.UTC(2026, 0, 1)
  store: MemoryStore = openMemoryStore()
  settings: ReturnType<typeof defaultSettings>
  entity: SipEntity
  /** Requests the entity has sent. */
  readonly sent: Sent[] = []
  /** How peers answer; 200 unless told otherwise. */
  peer: Peer = () => 200
  /** HTTP requests that the entity has sent. */
  readonly asked: OutgoingHttpRequest[] = []
  /** By origin; who is not there is unreachable. */
  readonly servers = new Map<string, HttpServer>()
  /** Alarms that stand, by name. */
  readonly alarms = new Map<string, string>()
  random: Random = constant
  readonly #make: () => SipEntity
  readonly #values: Partial<Record<SettingName, string | number | boolean>>
  #wakes = new Map<string, Instant>()
  #inProgress = new Map<string, Instant>()
  #answers: { readonly token: string; readonly response: SipResponse | HttpAnswer }[] = []
  #serial = 0

  constructor(make: () => SipEntity, settings: Partial<Record<SettingName, string | number | boolean>> = {}) {
    this.#make = make
    this.#values = { 'auth.required': false, 'presence.minNotifyIntervalSeconds': 0, ...settings }
    this.settings = defaultSettings(this.#values)
    this.entity = make()
  }

  set(name: SettingName, value: string | number | boolean): void {
    this.#values[name] = value
    this.settings = defaultSettings(this.#values)
  }

  /** Sends a request to the entity and lets everything happen that happens at once. */
  request(
    method: string,
    uri: string,
    options: {
      from?: string
      headers?: HeaderField[]
      body?: string | Uint8Array
      cseq?: number
      branch?: string
    } = {},
  ): SipResponse {
    const serial = ++this.#serial
    const { from = 'sip:alice@box.example', headers = [], body, cseq = serial } = options
    const has = (name: string) => headers.some(([other]) => other === name)
    const fields: HeaderField[] = [
      ['Via', `SIP/2.0/UDP 192.0.2.7:5060;branch=${options.branch ?? `z9hG4bK${serial}`};rport`],
      ['Max-Forwards', '70'],
    ]
    if (!has('From')) fields.push(['From', `<${from}>;tag=f${serial}`])
    if (!has('To')) fields.push(['To', `<${uri}>`])
    if (!has('Call-ID')) fields.push(['Call-ID', `call-${serial}`])
    if (!has('Contact') && method === 'SUBSCRIBE') fields.push(['Contact', '<sip:agent@192.0.2.7:5060>'])
    fields.push(['CSeq', `${cseq} ${method}`], ...headers)
    const request = new SipRequest(method, uri, fields, body === undefined ? undefined : Buffer.from(body))
    return this.deliver(request)
  }

  /** Delivers a request as it is, for instance once more. */
  deliver(
    request: SipRequest,
    flow = 'udp:192.0.2.1:5060:192.0.2.7:5060',
    source: SipRequest['source'] = { transport: 'udp', address: '192.0.2.7', port: 5060 },
  ): SipResponse {
    request.transaction = `transaction-${++this.#serial}`
    request.flow = flow
    request.source = source
    const answers: SipResponse[] = []
    try {
      this.#turn(turn => this.entity.request(request, turn), answers)
    } catch (error) {
      if (error instanceof SipRefusal) return refuse(request, error, 'refused')
      if (error instanceof ParseError) return respond(request, 400, { reason: error.message, toTag: 'refused' })
      throw error
    }
    if (answers.length !== 1) throw new Error(`${answers.length} answers to ${request.method}`)
    this.settle()
    return answers[0]!
  }

  /** Runs wakes that are due and delivers answers until nothing is left for this moment. */
  settle(): void {
    for (;;) {
      const answer = this.#answers.shift()
      if (answer !== undefined) {
        this.#inProgress.delete(answer.token)
        const { token, response } = answer
        this.#turn(turn =>
          response instanceof SipResponse
            ? this.entity.response(token, response, turn)
            : this.entity.httpResponse!(token, response, turn),
        )
        continue
      }
      const due = [...this.#wakes].find(([, at]) => at <= this.now)
      if (due === undefined) return
      this.#wakes.delete(due[0])
      this.#turn(turn => this.entity.wake(due[0].slice(due[0].indexOf(' ') + 1), turn))
    }
  }

  /** Fires a wake, as another entity or the administration would. */
  wake(output: Output): void {
    if (output.kind !== 'wake') throw new Error('not a wake')
    this.#turn(turn => this.entity.wake(output.token, turn))
    this.settle()
  }

  /** Lets time pass, step by step from one due moment to the next. */
  pass(seconds: number): void {
    const end = this.now + seconds * 1000
    for (;;) {
      const next = Math.min(end, ...this.#wakes.values(), ...this.#inProgress.values())
      this.now = Math.max(this.now, next)
      for (const [token, at] of this.#inProgress) {
        if (at > this.now) continue
        const sent = this.sent.findLast(sent => sent.token === token)
        this.#answers.push({
          token,
          response: sent === undefined ? failedAnswer('timeout') : respond(sent.request, 408),
        })
      }
      this.settle()
      if (this.now >= end && ![...this.#inProgress.values()].some(at => at <= this.now)) return
    }
  }

  /** Answers a request that its peer has left without an answer. */
  answer(sent: Sent, status: number, headers: HeaderField[] = []): void {
    this.#answers.push({ token: sent.token, response: respond(sent.request, status, { headers }) })
    this.settle()
  }

  /** The process is killed and starts again: what was committed is there, what was in progress is not. */
  restart(): void {
    void this.store.committed()
    this.store = this.store.crash()
    this.#inProgress.clear()
    this.#answers = []
    this.entity = this.#make()
    this.#turn(turn => this.entity.start?.(turn) ?? [])
    this.settle()
  }

  read<T>(work: (db: Transaction) => T): T {
    return this.store.transact(work)
  }

  /** One turn by hand. */
  act(work: (turn: Turn) => Output[]): void {
    this.#turn(work)
    this.settle()
  }

  /** Records in all tables: 0 when everything has expired. */
  async size(): Promise<number> {
    await this.store.committed()
    return this.store.size
  }

  get wakesPending(): number {
    return this.#wakes.size
  }

  /** Requests sent since `index`, as `NOTIFY active 2`: method, state, and the place of its CSeq among those of its dialog. */
  log(index = 0): string[] {
    return this.sent.slice(index).map(({ request }) => {
      const state = request.header('Subscription-State') ?? ''
      return `${request.method} ${state.replace(/;expires=\d+/, '')} ${this.#place(request)}`
    })
  }

  #place({ callId, fromTag, cseq }: SipRequest): number {
    const dialog = this.sent
      .map(({ request }) => request)
      .filter(one => one.callId === callId && one.fromTag === fromTag)
    return new Set(dialog.map(one => one.cseq.number).filter(number => number <= cseq.number)).size
  }

  #turn(work: (turn: Turn) => Output[], answers: SipResponse[] = []): void {
    const outputs = this.store.transact(db =>
      work({
        now: this.now,
        db,
        random: this.random,
        settings: this.settings,
        inProgress: token => this.#inProgress.has(token),
        fingerprint: (...parts) =>
          `f${createHmac('sha256', 'key').update(parts.join('\0')).digest('hex').slice(0, 16)}`,
      }),
    )
    for (const output of outputs) {
      if (output.kind === 'respond') answers.push(output.response)
      else if (output.kind === 'wake') this.#wakes.set(`${output.at} ${output.token}`, output.at)
      else if (output.kind === 'request') this.#send(output)
      else if (output.kind === 'http') this.#ask(output)
      else if (output.kind === 'alarm' && output.text === undefined) this.alarms.delete(output.name)
      else if (output.kind === 'alarm') this.alarms.set(output.name, output.text!)
    }
  }

  #ask({ request, token }: Extract<Output, { kind: 'http' }>): void {
    if (this.#inProgress.has(token)) throw new Error(`a request with token '${token}' is in progress`)
    this.asked.push(request)
    this.#inProgress.set(token, this.now + 10_000)
    const server = this.servers.get(new URL(request.uri).origin)
    const response = server === undefined ? failedAnswer('unreachable') : server(request)
    if (response !== undefined) this.#answers.push({ token, response })
  }

  #send({ request, token, flow }: Extract<Output, { kind: 'request' }>): void {
    if (this.#inProgress.has(token)) throw new Error(`a request with token '${token}' is in progress`)
    const sent: Sent = { at: this.now, token, flow, request }
    this.sent.push(sent)
    this.#inProgress.set(token, this.now + 32_000)
    const answer = this.peer(sent)
    if (answer === undefined) return
    const response = typeof answer === 'number' ? respond(request, answer, { toTag: 'peer' }) : answer
    this.#answers.push({ token, response })
  }
}
