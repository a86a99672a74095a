/**
 * An assembled box that is fed single messages as they stand on the wire, and what it does with each: the conformance tests
 * of RFC 4475 and RFC 5118 look at it from outside.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Appliance } from '../../src/appliance.ts'
import { addUser } from '../../src/entities/sip-ip-core/accounts.ts'
import { openMemoryStore } from '../../src/platform/storage/memory.ts'
import { connectionFlowId, type Flow, udpFlow, udpFlowId } from '../../src/protocols/sip/flow.ts'
import { SipRequest, SipResponse } from '../../src/protocols/sip/message.ts'
import { parseMessage } from '../../src/protocols/sip/parse.ts'
import { defaultSettings } from '../../src/settings.ts'
import type { TortureMessage } from '../fixtures/rfc4475/messages.ts'
import { SeededRandom } from '../simulation/random.ts'
import { beginning } from '../unit/entities/sip-ip-core/core.ts'

/** Where the box listens, by the family of the sender. */
const ipv4 = { box: '192.0.2.1', sender: '198.51.100.7', contact: '198.51.100.50' }
const ipv6 = { box: '2001:db8::10', sender: '2001:db8::9:1', contact: '2001:db8::50' }

export interface BoxOptions {
  readonly domain: string
  /** Names of users with accounts: `bob`, not `sip:bob@…`. */
  readonly users?: readonly string[]
  /** `auth.required=false`: identity is From. */
  readonly isLaboratory?: boolean
  readonly isIpv6?: boolean
}

/** What left the box because of one input. */
export interface Reaction {
  /** Statuses of the responses that left for the sender, in order. */
  readonly statuses: readonly number[]
  readonly responses: readonly SipResponse[]
  /** Requests that were sent on, with the address they left for. */
  readonly forwarded: ReadonlyArray<{ readonly request: SipRequest; readonly to: string }>
  /** The connection the message came by was closed. */
  readonly isClosed: boolean
}

export class TortureBox {
  readonly appliance: Appliance
  readonly faults: string[] = []
  now = beginning
  readonly #ends: typeof ipv4
  #serial = 0

  constructor({ domain, users = [], isLaboratory = false, isIpv6 = false }: BoxOptions) {
    const store = openMemoryStore()
    const settings = defaultSettings({ domain, 'auth.required': !isLaboratory })
    store.transact(db => {
      for (const address of users) addUser(db, { address, password: address }, { domain, realm: domain }, this.now)
    })
    this.#ends = isIpv6 ? ipv6 : ipv4
    this.appliance = new Appliance({
      store,
      random: new SeededRandom(3),
      settings: () => settings,
      secret: 'a secret of the box, long enough',
      listening: [
        { transport: 'udp', address: this.#ends.box, port: 5060 },
        { transport: 'tcp', address: this.#ends.box, port: 5060 },
        // RFC 5118 §4.4 has a request for this port.
        { transport: 'udp', address: this.#ends.box, port: 5070 },
        { transport: 'tcp', address: this.#ends.box, port: 5070 },
      ],
      log: {
        fault: (where, error) => this.faults.push(`${where}: ${(error as Error).stack}`),
        alarm: (name, text) => this.faults.push(`${name}: ${text}`),
      },
    })
    this.appliance.start(this.now)
  }

  /** One datagram, or one connection on which `octets` come and then nothing more. */
  async feed(octets: Buffer, transport: 'udp' | 'tcp'): Promise<Reaction> {
    const flow = transport === 'udp' ? this.#datagram() : this.#connection()
    this.appliance.receive(octets, flow, this.now)
    const reaction = {
      statuses: [] as number[],
      responses: [] as SipResponse[],
      forwarded: [] as Array<{ request: SipRequest; to: string }>,
      isClosed: false,
    }
    while (this.appliance.pending()) {
      const batch = await this.appliance.commit(this.now)
      for (const transmit of this.appliance.release(batch, this.now)) {
        if (transmit.kind === 'close' && transmit.flow === flow.id) reaction.isClosed = true
        // A peer without TCP: what is too large for a datagram leaves as one after all.
        if (transmit.kind === 'connect') this.appliance.disconnected(transmit.connection, 'refused', this.now)
        if (transmit.kind === 'resolve') this.appliance.resolved(transmit.query, undefined, this.now)
        if (transmit.kind !== 'send') continue
        const message = parseMessage(transmit.bytes)
        if (message instanceof SipRequest) {
          reaction.forwarded.push({ request: message, to: udpFlow(transmit.flow)?.remoteAddress ?? transmit.flow })
        } else if (message instanceof SipResponse) {
          reaction.responses.push(message)
          reaction.statuses.push(message.status)
        }
      }
    }
    return reaction
  }

  /** Somebody who speaks for himself binds a contact to `uri`; returns the address of that contact. */
  async register(uri: string): Promise<string> {
    const { contact, box } = this.#ends
    const host = (address: string) => (address.includes(':') ? `[${address}]` : address)
    const lines = [
      `REGISTER ${uri.replace(/:.*@/, ':')} SIP/2.0`,
      `Via: SIP/2.0/UDP ${host(box)};branch=z9hG4bKregister`,
      'Max-Forwards: 70',
      `From: <${uri}>;tag=1`,
      `To: <${uri}>`,
      'Call-ID: register',
      'CSeq: 1 REGISTER',
      `Contact: <sip:${host(contact)}>`,
      'Content-Length: 0',
    ]
    const { statuses } = await this.feed(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), 'udp')
    if (statuses[0] !== 200) throw new Error(`${uri} was not registered: ${statuses}`)
    return contact
  }

  #datagram(): Flow {
    return udpFlow(udpFlowId(this.#ends.box, 5060, this.#ends.sender, 5060))!
  }

  #connection(): Flow {
    return {
      id: connectionFlowId('tcp', ++this.#serial, 'torture'),
      transport: 'tcp',
      localAddress: this.#ends.box,
      localPort: 5060,
      remoteAddress: this.#ends.sender,
      remotePort: 40_000 + this.#serial,
    }
  }
}

/** What the box does with a message: the status it answers, or sends it on, or keeps silent. */
export type Done = number | 'forwarded' | 'nothing'

export interface Row {
  /** The box as it is delivered: whoever sends something is asked who he is. */
  readonly box: Done
  /** The box without `auth.required`, where the message gets as far as its RFC wants it to. */
  readonly laboratory: Done
  /** Over TCP, in either box, where a stream makes a difference; undefined: as over UDP. */
  readonly tcp?: {
    /** The statuses by box, in any order, when the stream carries more than one request. */
    readonly done: Done | Readonly<Record<'box' | 'laboratory', readonly number[]>>
    readonly isClosed: boolean
  }
  /** The domain of the box; `example.com` unless the message is for another. */
  readonly domain?: string
  /** Has a contact at the box when the message arrives. */
  readonly callee?: string
  /** Why our answer is not the one of the RFC's example. */
  readonly why?: string
  /** What else the RFC says of the reaction in the laboratory. */
  readonly check?: (reaction: Reaction) => void
}

/** A test for each message in each kind of box, over UDP and over TCP. */
export function boxTests(
  document: string,
  messages: readonly TortureMessage[],
  octets: (name: string) => Buffer,
  rows: Readonly<Record<string, Row>>,
  isIpv6 = false,
): void {
  test(`${document}: every message has a row`, () => {
    assert.deepEqual(Object.keys(rows).sort(), messages.map(({ name }) => name).sort())
  })
  for (const { name, section, title } of messages) {
    const { box, laboratory, tcp, domain = 'example.com', callee, check } = rows[name]!
    for (const [isLaboratory, expected] of [
      [false, box],
      [true, laboratory],
    ] as const)
      for (const transport of ['udp', 'tcp'] as const) {
        const place = isLaboratory ? 'laboratory' : 'box'
        const streamed = transport === 'tcp' && tcp !== undefined ? tcp.done : expected
        const done = typeof streamed === 'object' ? streamed[place] : streamed
        test(`${document} §${section} ${title} (${name}), ${place}, ${transport}: ${done}`, async () => {
          const torture = new TortureBox({ domain, isLaboratory, isIpv6 })
          const contact = isLaboratory && callee !== undefined ? await torture.register(callee) : undefined
          const reaction = await torture.feed(octets(name), transport)
          assert.deepEqual(torture.faults, [])
          const statuses = typeof done === 'number' ? [done] : typeof done === 'object' ? done : []
          assert.deepEqual([...reaction.statuses].sort(), [...statuses].sort())
          assert.deepEqual(
            reaction.forwarded.map(({ to }) => to),
            done === 'forwarded' ? [contact] : [],
          )
          assert.equal(reaction.isClosed, transport === 'tcp' && tcp?.isClosed === true)
          if (isLaboratory && done === laboratory) check?.(reaction)
          assert.deepEqual((await torture.feed(probe(domain), 'udp')).statuses, [200], 'the box goes on')
        })
      }
  }
}

/** An OPTIONS that anyone may send to the box itself. */
function probe(domain: string): Buffer {
  const lines = [
    `OPTIONS sip:${domain} SIP/2.0`,
    'Via: SIP/2.0/UDP sender.invalid;branch=z9hG4bKprobe',
    'Max-Forwards: 70',
    'From: <sip:probe@sender.invalid>;tag=1',
    `To: <sip:${domain}>`,
    'Call-ID: probe',
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}
