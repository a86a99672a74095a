/** RFC 3261 §18.1.1 for notifications (PS-141): one of more than 1300 octets to a subscriber on UDP goes by TCP, or else by UDP all the same. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Appliance, type Transmit } from '../../../src/appliance.ts'
import { addUser } from '../../../src/entities/sip-ip-core/accounts.ts'
import { openMemoryStore } from '../../../src/platform/storage/memory.ts'
import { type Flow, udpFlow, udpFlowId } from '../../../src/protocols/sip/flow.ts'
import { respond, type SipRequest, type SipResponse } from '../../../src/protocols/sip/message.ts'
import { parseMessage } from '../../../src/protocols/sip/parse.ts'
import { defaultSettings } from '../../../src/settings.ts'
import { SeededRandom } from '../../simulation/random.ts'

const handset = '10.0.0.2'
const udp = udpFlow(udpFlowId('10.0.0.1', 5060, handset, 5060))!

/** A box on UDP and TCP, and Bob's handset, who watches Alice over UDP. */
class Box {
  now = Date.UTC(2026, 10, 20)
  readonly transmits: Transmit[] = []
  readonly #appliance: Appliance
  #serial = 0
  #tag: string | undefined

  constructor() {
    const store = openMemoryStore({ now: () => this.now })
    const settings = defaultSettings({
      'auth.required': false,
      'xcap.defaultDocuments': false,
      'presence.defaultHandling': 'allow',
      'presence.minNotifyIntervalSeconds': 0,
    })
    for (const name of ['alice', 'bob'])
      store.transact(db =>
        addUser(db, { address: name, password: 'p' }, { domain: 'box.example', realm: 'box.example' }, this.now),
      )
    this.#appliance = new Appliance({
      store,
      random: new SeededRandom(1),
      settings: () => settings,
      secret: 'secret',
      listening: [
        { transport: 'udp', address: '10.0.0.1', port: 5060 },
        { transport: 'tcp', address: '10.0.0.1', port: 5060 },
      ],
      log: {
        fault: (where, error) => {
          throw new Error(`${where}: ${(error as Error).stack}`)
        },
        alarm: () => {},
      },
    })
    this.#appliance.start(this.now)
  }

  /** What this input makes the box send, and open. */
  async input(act: (appliance: Appliance) => void): Promise<Transmit[]> {
    const before = this.transmits.length
    act(this.#appliance)
    while (this.#appliance.pending()) {
      const batch = await this.#appliance.commit(this.now)
      this.transmits.push(...this.#appliance.release(batch, this.now))
    }
    return this.transmits.slice(before)
  }

  async pass(milliseconds: number): Promise<Transmit[]> {
    const before = this.transmits.length
    const end = this.now + milliseconds
    for (let next = this.#appliance.deadline(); next !== undefined && next <= end; next = this.#appliance.deadline()) {
      this.now = Math.max(this.now, next)
      await this.input(appliance => appliance.expire(this.now))
    }
    this.now = end
    return this.transmits.slice(before)
  }

  subscribe(contact = `sip:bob@${handset}:5060`, sentBy = `${handset}:5060`): Promise<Transmit[]> {
    const headers = ['Event: presence', `Contact: <${contact}>`, 'Expires: 3600']
    return this.#request('SUBSCRIBE', 'bob', headers, '', sentBy)
  }

  /** Alice publishes a document with a note of so many characters. */
  async publish(characters: number): Promise<Transmit[]> {
    const body = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@box.example"><tuple id="t"><status><basic>open</basic></status><note>${'x'.repeat(characters)}</note></tuple></presence>`
    const headers = ['Event: presence', 'Content-Type: application/pidf+xml']
    if (this.#tag !== undefined) headers.push(`SIP-If-Match: ${this.#tag}`)
    const sent = await this.#request('PUBLISH', 'alice', headers, body)
    const answer = sent.filter(isSend).map(({ bytes }) => parseMessage(bytes)) as SipResponse[]
    this.#tag = answer.find(message => 'status' in message && message.cseq.method === 'PUBLISH')!.header('SIP-ETag')
    return sent
  }

  answer(request: SipRequest, flow: Flow): Promise<Transmit[]> {
    return this.input(appliance => appliance.receive(respond(request, 200).toBytes(), flow, this.now))
  }

  #request(
    method: string,
    from: string,
    headers: readonly string[],
    body: string,
    sentBy = `${handset}:5060`,
  ): Promise<Transmit[]> {
    const id = ++this.#serial
    const text = [
      `${method} sip:alice@box.example SIP/2.0`,
      `Via: SIP/2.0/UDP ${sentBy};branch=z9hG4bK${id};rport`,
      `From: <sip:${from}@box.example>;tag=${id}`,
      'To: <sip:alice@box.example>',
      `Call-ID: ${id}`,
      `CSeq: 1 ${method}`,
      'Max-Forwards: 70',
      ...headers,
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n')
    return this.input(appliance => appliance.receive(Buffer.from(text), udp, this.now))
  }
}

type Send = Extract<Transmit, { kind: 'send' }>

function isSend(transmit: Transmit): transmit is Send {
  return transmit.kind === 'send'
}

/** The NOTIFY among what was sent, with the flow it took. */
function notifyIn(transmits: readonly Transmit[]): { request: SipRequest; flow: string; octets: number } | undefined {
  for (const { bytes, flow } of transmits.filter(isSend)) {
    if (!bytes.toString('latin1').startsWith('NOTIFY')) continue
    return { request: parseMessage(bytes) as SipRequest, flow, octets: bytes.length }
  }
  return undefined
}

function connectIn(transmits: readonly Transmit[]): Extract<Transmit, { kind: 'connect' }> | undefined {
  return transmits.find(transmit => transmit.kind === 'connect')
}

const connection: Flow = {
  id: 'tcp:1:handset',
  transport: 'tcp',
  localAddress: '10.0.0.1',
  localPort: 40_001,
  remoteAddress: handset,
  remotePort: 5060,
}

/** Subscribed, with the first NOTIFY answered. */
async function subscribed(contact?: string, sentBy?: string): Promise<Box> {
  const box = new Box()
  const { request, flow } = notifyIn(await box.subscribe(contact, sentBy))!
  assert.equal(flow, udp.id)
  await box.answer(request, udp)
  return box
}

describe('RFC 3261 §18.1.1: a large NOTIFY to a subscriber on UDP', () => {
  test('"MUST be sent using [...] TCP" to his Contact, with TCP in Via; what is not large goes by UDP', async () => {
    const box = await subscribed()
    const small = notifyIn(await box.publish(100))!
    assert.equal(small.flow, udp.id)
    await box.answer(small.request, udp)
    const opening = await box.publish(1300)
    assert.equal(notifyIn(opening), undefined)
    const { transport, address, port, connection: name } = connectIn(opening)!
    assert.deepEqual([transport, address, port], ['tcp', handset, 5060])
    const sent = notifyIn(await box.input(appliance => appliance.connected(name, connection, box.now)))!
    assert.equal(sent.flow, connection.id)
    assert.equal(sent.request.topVia.transport, 'TCP')
    assert.ok(sent.octets > 1300)
    await box.answer(sent.request, connection)
    const next = await box.publish(1400)
    assert.equal(connectIn(next), undefined, 'the connection that stands is used')
    assert.equal(notifyIn(next)!.flow, connection.id)
    await box.answer(notifyIn(next)!.request, connection)
    assert.equal(notifyIn(await box.publish(10))!.flow, udp.id)
  })

  test('"SHOULD retry the request, using UDP" when the connection is refused: whole, once, and the next one at once', async () => {
    const box = await subscribed()
    const { connection: name } = connectIn(await box.publish(1300))!
    const sent = notifyIn(await box.input(appliance => appliance.disconnected(name, 'ECONNREFUSED', box.now)))!
    assert.equal(sent.flow, udp.id)
    assert.equal(sent.request.topVia.transport, 'UDP')
    assert.deepEqual(sent.request.headers('Via').length, 1)
    assert.ok(sent.octets > 1300)
    await box.answer(sent.request, udp)
    const next = await box.publish(1400)
    assert.equal(connectIn(next), undefined)
    assert.equal(notifyIn(next)!.flow, udp.id)
  })

  test('also when it does not open, and the subscription lives', async () => {
    const box = await subscribed()
    await box.publish(1300)
    const sent = notifyIn(await box.pass(10_000))!
    assert.equal(sent.flow, udp.id)
    await box.answer(sent.request, udp)
    assert.equal(notifyIn(await box.publish(10))!.flow, udp.id)
  })

  test('behind a NAT, where no connection leads, and to whom the flow alone reaches: by UDP', async () => {
    const box = await subscribed('sip:bob@192.168.1.5:5060', '192.168.1.5:5060')
    const sent = await box.publish(1300)
    assert.equal(connectIn(sent), undefined)
    assert.equal(notifyIn(sent)!.flow, udp.id)
  })

  test('RFC 3486: one that leaves compressed may be twice as long before, since it is then no longer than a datagram may be', async () => {
    const contact = `sip:bob@${handset}:5060;comp=sigcomp`
    const box = new Box()
    await box.publish(1300)
    const sent = await box.subscribe(contact)
    assert.equal(connectIn(sent), undefined)
    const [notify] = sent.filter(isSend).filter(({ bytes }) => bytes[0]! >= 0xf8)
    assert.equal(notify!.flow, udp.id)
    assert.ok(notify!.bytes.length <= 1300)
    const large = new Box()
    await large.publish(2600)
    assert.ok(connectIn(await large.subscribe(contact)))
  })
})
