/** The SIP/IP core without a stack: requests go in, outputs come out, time is a number. For the tests of its entities. */

import { createHmac } from 'node:crypto'
import { addUser } from '../../../../src/entities/sip-ip-core/accounts.ts'
import { Home } from '../../../../src/entities/sip-ip-core/home.ts'
import { StatefulProxy } from '../../../../src/entities/sip-ip-core/proxy.ts'
import { Registrar } from '../../../../src/entities/sip-ip-core/registrar.ts'
import { openMemoryStore } from '../../../../src/platform/storage/memory.ts'
import { SipRefusal } from '../../../../src/protocols/sip/errors.ts'
import {
  type HeaderField,
  refuse,
  respond,
  SipRequest,
  type SipResponse,
} from '../../../../src/protocols/sip/message.ts'
import { parseMessage } from '../../../../src/protocols/sip/parse.ts'
import type { SettingName } from '../../../../src/settings/table.ts'
import { defaultSettings } from '../../../../src/settings.ts'
import type { EntityName, Instant, Output, SipEntity, Turn } from '../../../../src/turn.ts'
import { SeededRandom } from '../../../simulation/random.ts'

export const beginning: Instant = Date.UTC(2026, 10, 20, 12)

export type Sent = Extract<Output, { kind: 'request' }>

/** Where a request comes from, when it matters. */
export interface Origin {
  readonly transport?: 'udp' | 'tcp' | 'tls'
  readonly address?: string
  readonly port?: number
  readonly flow?: string
}

export class Core {
  now = beginning
  readonly store = openMemoryStore()
  readonly random = new SeededRandom(7)
  readonly settings
  readonly home: Home
  readonly registrar: Registrar
  readonly proxy: StatefulProxy
  /** Wakes asked for and not yet fired, by entity, time and token: equal ones are one. */
  readonly wakes = new Map<string, { readonly entity: EntityName; readonly at: Instant; readonly token: string }>()
  /** Requests that entities have sent and that have no final response. */
  readonly inProgress = new Set<string>()
  #serial = 0

  constructor(settings: Partial<Record<SettingName, string | number | boolean>> = {}) {
    this.settings = defaultSettings({ domain: 'box.example', ...settings })
    this.home = new Home({
      domain: 'box.example',
      listening: [
        { transport: 'udp', address: '192.0.2.1', port: 5060 },
        { transport: 'tcp', address: '192.0.2.1', port: 5060 },
        { transport: 'tls', address: '192.0.2.1', port: 5061 },
      ],
      compression: ';comp=sigcomp;sigcomp-id=urn:uuid:the-box',
    })
    this.registrar = new Registrar(this.home)
    this.proxy = new StatefulProxy(this.home)
    for (const name of ['alice', 'bob', 'carol']) this.addUser(name)
  }

  addUser(name: string, password = `secret of ${name}`): void {
    const domain = { domain: 'box.example', realm: 'box.example' }
    this.store.transact(db => addUser(db, { address: name, password }, domain, this.now))
  }

  turn(entity: EntityName, work: (turn: Turn) => Output[]): Output[] {
    const outputs = this.store.transact(db =>
      work({
        now: this.now,
        db,
        random: this.random,
        settings: this.settings,
        inProgress: token => this.inProgress.has(`${entity} ${token}`),
        fingerprint: (...parts) =>
          `f${createHmac('sha256', 'secret').update(parts.join('\0')).digest('hex').slice(0, 16)}`,
      }),
    )
    for (const output of outputs) {
      if (output.kind === 'request') this.inProgress.add(`${entity} ${output.token}`)
      if (output.kind !== 'wake') continue
      const wake = { entity: output.entity ?? entity, at: output.at, token: output.token }
      this.wakes.set(`${wake.at} ${wake.entity} ${wake.token}`, wake)
    }
    return outputs
  }

  /** Gives a request to an entity; a refusal becomes the response it stands for. */
  request(entity: 'registrar' | 'proxy', request: SipRequest): Output[] {
    try {
      return this.turn(entity, turn => this[entity].request(request, turn))
    } catch (error) {
      if (!(error instanceof SipRefusal)) throw error
      return [{ kind: 'respond', transaction: request.transaction, response: refuse(request, error, 'refused') }]
    }
  }

  /** Gives an entity the answer to a request it has sent. */
  answer(entity: 'registrar' | 'proxy', token: string, response: SipResponse): Output[] {
    if (response.status >= 200) this.inProgress.delete(`${entity} ${token}`)
    return this.turn(entity, turn => (this[entity] as SipEntity).response(token, response, turn))
  }

  /** Lets time pass; wakes of the registrar fire when they are due. Returns what they have asked for, but for wakes. */
  pass(seconds: number): Output[] {
    const end = this.now + seconds * 1000
    const outputs: Output[] = []
    for (;;) {
      const due = [...this.wakes]
        .filter(([, { entity, at }]) => entity === 'registrar' && at <= end)
        .sort(([, a], [, b]) => a.at - b.at)[0]
      if (due === undefined) break
      const [key, wake] = due
      this.wakes.delete(key)
      this.now = Math.max(this.now, wake.at)
      outputs.push(...this.turn('registrar', turn => this.registrar.wake(wake.token, turn)))
    }
    this.now = end
    return outputs.filter(({ kind }) => kind !== 'wake')
  }

  /** Restarts the box on what it has committed. */
  restarted(): Core {
    const next = new Core()
    const store = this.store.crash()
    return Object.assign(next, { store, now: this.now, wakes: this.wakes })
  }

  /** A request as the stack would deliver it. What `fields` does not name is filled in. */
  received(
    method: string,
    uri: string,
    fields: readonly HeaderField[] = [],
    origin: Origin = {},
    body = '',
  ): SipRequest {
    const { transport = 'udp', address = '192.0.2.100', port = 5060 } = origin
    const serial = ++this.#serial
    const given = new Set(fields.map(([name]) => name.toLowerCase()))
    const filled: HeaderField[] = [
      ['Via', `SIP/2.0/${transport.toUpperCase()} ${address}:${port};branch=z9hG4bK${serial}`],
      ['Max-Forwards', '70'],
      ['From', '<sip:alice@box.example>;tag=a'],
      ['To', `<${uri}>`],
      ['Call-ID', `call-${serial}`],
      ['CSeq', `${serial} ${method}`],
    ]
    const all = [...filled.filter(([name]) => !given.has(name.toLowerCase())), ...fields]
    const built = new SipRequest(method, uri, all, Buffer.from(body))
    // Through the parser, as every request comes.
    const request = parseMessage(built.toBytes()) as SipRequest
    request.transaction = `t${serial}`
    request.source = { transport, address, port }
    request.flow = origin.flow ?? (transport === 'udp' ? `udp:192.0.2.1:5060:${address}:${port}` : `${transport}:1:run`)
    return request
  }

  /** A REGISTER by `user`, admitted. */
  register(
    user: string,
    contacts: readonly string[],
    fields: readonly HeaderField[] = [],
    origin: Origin = {},
  ): SipResponse {
    return answerOf(this.request('registrar', this.registration(user, contacts, fields, origin)))
  }

  registration(
    user: string,
    contacts: readonly string[],
    fields: readonly HeaderField[] = [],
    origin: Origin = {},
  ): SipRequest {
    const aor = `sip:${user}@box.example`
    const all: HeaderField[] = [
      ['From', `<${aor}>;tag=r`],
      ['To', `<${aor}>`],
      ['P-Asserted-Identity', `<${aor}>`],
      ...contacts.map(contact => ['Contact', contact] as const),
      ...fields,
    ]
    const last = new Map(all.map(([name]) => [name, all.filter(([other]) => other === name)]))
    for (const name of ['From', 'To', 'P-Asserted-Identity']) last.set(name, [last.get(name)!.at(-1)!])
    if (!last.has('Call-ID')) last.set('Call-ID', [['Call-ID', `registration of ${user}`.replaceAll(' ', '-')]])
    return this.received('REGISTER', 'sip:box.example', [...last.values()].flat(), origin)
  }
}

/** The final answer among outputs. */
export function answerOf(outputs: readonly Output[]): SipResponse {
  for (const output of outputs) if (output.kind === 'respond' && output.response.status >= 200) return output.response
  throw new Error('no final answer')
}

/** The requests among outputs. */
export function sentOf(outputs: readonly Output[]): Sent[] {
  return outputs.filter(output => output.kind === 'request')
}

/** What the stack would make of `sent` before the peer answers it with `status`: our Via is on top. */
export function responseTo(
  sent: Sent,
  status: number,
  fields: readonly HeaderField[] = [],
  toTag = 'peer',
): SipResponse {
  const request = sent.request.copy()
  request.prepend('Via', 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKours')
  return respond(request, status, { toTag, headers: fields })
}
