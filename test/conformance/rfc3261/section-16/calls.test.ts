/** RFC 3261 §16 end to end: phones with our own stack call each other through the assembled box, over UDP and over connections. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Appliance, type Transmit } from '../../../../src/appliance.ts'
import { addUser } from '../../../../src/entities/sip-ip-core/accounts.ts'
import { openMemoryStore } from '../../../../src/platform/storage/memory.ts'
import { answerChallenge } from '../../../../src/protocols/sip/digest.ts'
import { connectionFlowId, type Flow, udpFlow, udpFlowId } from '../../../../src/protocols/sip/flow.ts'
import { type HeaderField, respond, SipRequest, type SipResponse } from '../../../../src/protocols/sip/message.ts'
import { SipStack, type StackOutput } from '../../../../src/protocols/sip/stack.ts'
import { formatUri } from '../../../../src/protocols/sip/uri.ts'
import { defaultSettings } from '../../../../src/settings.ts'
import { SeededRandom } from '../../../simulation/random.ts'
import { beginning } from '../../../unit/entities/sip-ip-core/core.ts'

const boxAddress = '192.0.2.1'

/** The box and a network without delay. */
class Town {
  now = beginning
  readonly random = new SeededRandom(3)
  readonly faults: string[] = []
  readonly box: Appliance
  readonly phones: Phone[] = []
  /** The other end of each connection, by the name of this one. */
  readonly pipes = new Map<string, { readonly phone: Phone; readonly atBox: Flow; readonly atPhone: Flow }>()
  #serial = 0

  constructor() {
    const store = openMemoryStore()
    const settings = defaultSettings({ domain: 'box.example' })
    store.transact(db => {
      for (const address of ['alice', 'bob'])
        addUser(db, { address, password: address }, { domain: 'box.example', realm: 'box.example' }, this.now)
    })
    this.box = new Appliance({
      store,
      random: this.random,
      settings: () => settings,
      secret: 'a secret of the box, long enough',
      listening: [
        { transport: 'udp', address: boxAddress, port: 5060 },
        { transport: 'tcp', address: boxAddress, port: 5060 },
      ],
      log: {
        fault: (where, error) => this.faults.push(`${where}: ${(error as Error).stack}`),
        alarm: (name, text) => this.faults.push(`${name}: ${text}`),
      },
    })
    this.box.start(this.now)
  }

  /** Lets everything that is under way arrive. */
  async settle(): Promise<void> {
    for (let isQuiet = false; !isQuiet; ) {
      isQuiet = true
      for (const phone of this.phones)
        for (const output of phone.outputs.splice(0)) {
          isQuiet = false
          this.#fromPhone(phone, output)
        }
      while (this.box.pending()) {
        isQuiet = false
        const batch = await this.box.commit(this.now)
        for (const transmit of this.box.release(batch, this.now)) this.#fromBox(transmit)
      }
    }
    assert.deepEqual(this.faults, [])
  }

  async pass(seconds: number): Promise<void> {
    this.now += seconds * 1000
    for (const phone of this.phones) phone.take(phone.stack.expire(this.now))
    this.box.expire(this.now)
    await this.settle()
  }

  #fromPhone(phone: Phone, output: StackOutput): void {
    if (output.kind === 'connect') {
      const serial = ++this.#serial
      const ends = { localPort: 50_000 + serial, remotePort: 5060 }
      const atPhone: Flow = {
        id: connectionFlowId('tcp', serial, phone.name),
        transport: 'tcp',
        localAddress: phone.address,
        localPort: ends.localPort,
        remoteAddress: boxAddress,
        remotePort: ends.remotePort,
      }
      const atBox: Flow = {
        id: connectionFlowId('tcp', serial, 'box'),
        transport: 'tcp',
        localAddress: boxAddress,
        localPort: ends.remotePort,
        remoteAddress: phone.natAddress ?? phone.address,
        remotePort: ends.localPort,
      }
      const pipe = { phone, atBox, atPhone }
      this.pipes.set(atBox.id, pipe)
      this.pipes.set(atPhone.id, pipe)
      phone.take(phone.stack.connected(output.connection, atPhone, this.now))
    } else if (output.kind === 'send') {
      const pipe = this.pipes.get(output.flow)
      if (pipe !== undefined) this.box.receive(output.bytes, pipe.atBox, this.now)
      else this.box.receive(output.bytes, udpFlow(udpFlowId(boxAddress, 5060, phone.address, 5060))!, this.now)
    }
  }

  #fromBox(transmit: Transmit): void {
    assert.equal(transmit.kind, 'send', 'the box never has to connect to a phone')
    if (transmit.kind !== 'send') return
    const pipe = this.pipes.get(transmit.flow)
    if (pipe !== undefined) {
      pipe.phone.take(pipe.phone.stack.received(transmit.bytes, pipe.atPhone, this.now))
      return
    }
    const flow = udpFlow(transmit.flow)!
    const phone = this.phones.find(({ address }) => address === flow.remoteAddress)
    phone?.take(
      phone.stack.received(transmit.bytes, udpFlow(udpFlowId(phone.address, 5060, boxAddress, 5060))!, this.now),
    )
  }
}

class Phone {
  readonly town: Town
  readonly name: string
  readonly address: string
  readonly transport: 'udp' | 'tcp'
  readonly natAddress: string | undefined
  readonly stack: SipStack
  readonly outputs: StackOutput[] = []
  readonly requests: SipRequest[] = []
  readonly cancelled: string[] = []
  readonly responses = new Map<string, SipResponse[]>()
  #cseq = 0

  constructor(town: Town, name: string, address: string, transport: 'udp' | 'tcp', natAddress?: string) {
    this.town = town
    this.name = name
    this.address = address
    this.transport = transport
    this.natAddress = natAddress
    this.stack = new SipStack({ random: town.random, listening: [{ transport, address, port: 5060 }] })
    town.phones.push(this)
  }

  get contact(): string {
    return `<sip:${this.name}@${this.address}:5060${this.transport === 'tcp' ? ';transport=tcp' : ''}>`
  }

  take(outputs: readonly StackOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'request') this.requests.push(output.request)
      else if (output.kind === 'cancel') this.cancelled.push(output.transaction)
      else if (output.kind === 'response') {
        const known = this.responses.get(output.token)
        if (known) known.push(output.response)
        else this.responses.set(output.token, [output.response])
      } else this.outputs.push(output)
    }
  }

  /** Sends a request through the box and answers its challenge; returns the name under which its responses are found. */
  async send(method: string, uri: string, fields: readonly HeaderField[] = []): Promise<string> {
    const transport = this.transport === 'tcp' ? ';transport=tcp' : ''
    const given = new Set(fields.map(([name]) => name))
    const filled: HeaderField[] = [
      ['Route', `<sip:${boxAddress}:5060${transport};lr>`],
      ['Max-Forwards', '70'],
      ['From', `<sip:${this.name}@box.example>;tag=${this.town.random.token(8)}`],
      ['To', `<${uri}>`],
      ['Call-ID', this.town.random.token(16)],
      ['Contact', this.contact],
    ]
    const all = [...filled.filter(([name]) => !given.has(name)), ...fields]
    let token = ''
    for (const credentials of ['', 'answered']) {
      const cseq = ++this.#cseq
      const request = new SipRequest(method, uri, [...all, ['CSeq', `${cseq} ${method}`]])
      const challenge = this.responses.get(token)?.at(-1)
      if (credentials !== '' && challenge !== undefined) {
        const isProxy = challenge.status === 407
        const secret = { username: this.name, password: this.name, method, uri, cnonce: 'c', nonceCount: 1 }
        const offered = challenge.headers(isProxy ? 'Proxy-Authenticate' : 'WWW-Authenticate')
        request.append(isProxy ? 'Proxy-Authorization' : 'Authorization', answerChallenge(offered, secret))
      }
      token = `${method} ${cseq}`
      this.take(this.stack.request(request, token, undefined, this.town.now))
      await this.town.settle()
      const status = this.statusOf(token)
      if (status !== 401 && status !== 407) break
    }
    return token
  }

  statusOf(token: string): number | undefined {
    return this.responses.get(token)?.at(-1)?.status
  }

  /** The latest request of a method that has arrived. */
  got(method: string): SipRequest | undefined {
    return this.requests.findLast(request => request.method === method)
  }

  async answer(request: SipRequest, status: number): Promise<void> {
    const headers: HeaderField[] = [['Contact', this.contact]]
    for (const value of request.headers('Record-Route')) headers.push(['Record-Route', value])
    const response = respond(request, status, { toTag: `${this.name}s-tag`, headers })
    this.take(this.stack.respond(request.transaction, response, this.town.now))
    await this.town.settle()
  }

  /** The fields of a request within the dialog that `response` to a request of ours has made (RFC 3261 §12.2.1.1). */
  inDialog(response: SipResponse): { readonly uri: string; readonly fields: HeaderField[] } {
    const route = response.headers('Record-Route').reverse()
    const { contacts } = response
    return {
      uri: contacts === '*' ? '' : formatUri(contacts[0]!.uri),
      fields: [
        ...(route.length > 0 ? [['Route', route.join(', ')] as const] : []),
        ['From', response.header('From')!],
        ['To', response.header('To')!],
        ['Call-ID', response.callId],
      ],
    }
  }

  /** The same for a request of the peer's. */
  inDialogOf(request: SipRequest): { readonly uri: string; readonly fields: HeaderField[] } {
    const { contacts } = request
    return {
      uri: contacts === '*' ? '' : formatUri(contacts[0]!.uri),
      fields: [
        ...(request.hasHeader('Record-Route') ? [['Route', request.headers('Record-Route').join(', ')] as const] : []),
        ['From', `${request.header('To')};tag=${this.name}s-tag`],
        ['To', request.header('From')!],
        ['Call-ID', request.callId],
      ],
    }
  }
}

for (const [caller, callee] of [
  ['udp', 'udp'],
  ['udp', 'tcp'],
  ['tcp', 'udp'],
  ['tcp', 'tcp'],
] as const)
  test(`a call from ${caller} to ${callee}: INVITE, ringing, answer, ACK, and BYE from either side`, async () => {
    const town = new Town()
    const alice = new Phone(town, 'alice', '192.0.2.10', caller, caller === 'tcp' ? '198.51.100.1' : undefined)
    const bob = new Phone(town, 'bob', '192.0.2.20', callee, callee === 'tcp' ? '198.51.100.2' : undefined)
    for (const phone of [alice, bob])
      assert.equal(
        phone.statusOf(await phone.send('REGISTER', 'sip:box.example', [['To', `<sip:${phone.name}@box.example>`]])),
        200,
      )

    const call = await alice.send('INVITE', 'sip:bob@box.example')
    const invite = bob.got('INVITE')!
    assert.deepEqual(invite.headers('P-Asserted-Identity'), ['<sip:alice@box.example>'])
    assert.equal(invite.hasHeader('Proxy-Authorization'), false)
    await bob.answer(invite, 180)
    assert.equal(alice.statusOf(call), 180)
    await bob.answer(invite, 200)
    assert.equal(alice.statusOf(call), 200)

    const response = alice.responses.get(call)!.at(-1)!
    const { uri, fields } = alice.inDialog(response)
    const ack: HeaderField[] = [...fields, ['Max-Forwards', '70'], ['CSeq', `${response.cseq.number} ACK`]]
    alice.take(alice.stack.ack(new SipRequest('ACK', uri, ack), undefined, town.now))
    await town.settle()
    assert.equal(bob.got('ACK')?.callId, invite.callId)

    const back = bob.inDialogOf(invite)
    const info = await bob.send('INFO', back.uri, back.fields)
    await alice.answer(alice.got('INFO')!, 200)
    assert.equal(bob.statusOf(info), 200)

    const bye = await alice.send('BYE', uri, fields)
    await bob.answer(bob.got('BYE')!, 200)
    assert.equal(alice.statusOf(bye), 200)
    await town.pass(40)
    assert.equal(town.box.entities.proxy.contexts, 1, 'lingers until the next request')
    await alice.send('MESSAGE', 'sip:bob@box.example')
    await bob.answer(bob.got('MESSAGE')!, 200)
    assert.equal(town.box.entities.proxy.contexts, 0)
  })

test('§16.10: the caller gives up: CANCEL goes on to the callee, and the 487 comes back', async () => {
  const town = new Town()
  const alice = new Phone(town, 'alice', '192.0.2.10', 'udp')
  const bob = new Phone(town, 'bob', '192.0.2.20', 'udp')
  await bob.send('REGISTER', 'sip:box.example', [['To', '<sip:bob@box.example>']])
  const call = await alice.send('INVITE', 'sip:bob@box.example')
  const invite = bob.got('INVITE')!
  await bob.answer(invite, 180)
  alice.take(alice.stack.cancel(call, town.now))
  await town.settle()
  assert.deepEqual(bob.cancelled, [invite.transaction])
  await bob.answer(invite, 487)
  assert.equal(alice.statusOf(call), 487)
  assert.equal(town.box.entities.proxy.contexts, 0)
})

test('two phones of one user ring together; one answers, and the other stops', async () => {
  const town = new Town()
  const alice = new Phone(town, 'alice', '192.0.2.10', 'udp')
  const desk = new Phone(town, 'bob', '192.0.2.20', 'udp')
  const mobile = new Phone(town, 'bob', '192.0.2.21', 'tcp')
  for (const phone of [desk, mobile]) await phone.send('REGISTER', 'sip:box.example', [['To', '<sip:bob@box.example>']])
  const call = await alice.send('INVITE', 'sip:bob@box.example')
  await desk.answer(desk.got('INVITE')!, 180)
  await mobile.answer(mobile.got('INVITE')!, 180)
  await mobile.answer(mobile.got('INVITE')!, 200)
  assert.equal(alice.statusOf(call), 200)
  assert.equal(desk.cancelled.length, 1)
  await desk.answer(desk.got('INVITE')!, 487)
  assert.equal(alice.statusOf(call), 200)
})

test('a phone that is gone: the caller of INVITE is told, the sender of MESSAGE hears nothing (RFC 4320 §4.2)', async () => {
  const town = new Town()
  const alice = new Phone(town, 'alice', '192.0.2.10', 'udp')
  const bob = new Phone(town, 'bob', '192.0.2.20', 'udp')
  await bob.send('REGISTER', 'sip:box.example', [['To', '<sip:bob@box.example>']])
  town.phones.pop()
  const call = await alice.send('INVITE', 'sip:bob@box.example')
  const message = await alice.send('MESSAGE', 'sip:bob@box.example')
  for (let n = 0; n < 80; n++) await town.pass(0.5)
  assert.equal(alice.statusOf(call), 408)
  assert.equal(alice.responses.get(message)?.filter(({ status }) => status !== 407).length ?? 0, 1)
  assert.equal(alice.statusOf(message), 408, 'made by her own stack')
  assert.equal(town.box.entities.proxy.contexts, 0)
})

test('a connection that closes makes the user behind it unavailable at once', async () => {
  const town = new Town()
  const alice = new Phone(town, 'alice', '192.0.2.10', 'udp')
  const bob = new Phone(town, 'bob', '192.0.2.20', 'tcp')
  const instance = `${bob.contact};reg-id=1;+sip.instance="<urn:uuid:1>"`
  await bob.send('REGISTER', 'sip:box.example', [
    ['To', '<sip:bob@box.example>'],
    ['Contact', instance],
    ['Supported', 'outbound, path'],
  ])
  const [pipe] = town.pipes.values()
  town.box.disconnected(pipe!.atBox.id, 'closed by peer', town.now)
  await town.settle()
  assert.equal(alice.statusOf(await alice.send('INVITE', 'sip:bob@box.example')), 480)
})
