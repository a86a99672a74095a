/** RFC 5025 §9 on the whole box: rules put by XCAP, a watcher by SIP, and what the one does to the other. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Appliance } from '../../../src/appliance.ts'
import { addUser } from '../../../src/entities/sip-ip-core/accounts.ts'
import { openMemoryStore } from '../../../src/platform/storage/memory.ts'
import type { HttpResponse } from '../../../src/protocols/http/message.ts'
import { udpFlow, udpFlowId } from '../../../src/protocols/sip/flow.ts'
import { defaultSettings } from '../../../src/settings.ts'
import { SeededRandom } from '../../simulation/random.ts'
import { one, rule, ruleset } from '../../unit/entities/presence-server/rules/rules-of.ts'

const services = '<provide-services><all-services/></provide-services>'
const directory = '/xcap-root/pres-rules/users/sip:alice@box.example'

class Box {
  now = Date.UTC(2026, 10, 20)
  readonly #store = openMemoryStore({ now: () => this.now })
  readonly #appliance: Appliance
  readonly #settings = defaultSettings({
    'auth.required': false,
    'xcap.defaultDocuments': false,
    'presence.minNotifyIntervalSeconds': 0,
  })
  #serial = 0
  /** Datagrams that the box has sent. */
  readonly sent: string[] = []

  constructor() {
    for (const name of ['alice', 'bob']) {
      this.#store.transact(db =>
        addUser(db, { address: name, password: 'p' }, { domain: 'box.example', realm: 'box.example' }, this.now),
      )
    }
    this.#appliance = new Appliance({
      store: this.#store,
      random: new SeededRandom(1),
      settings: () => this.#settings,
      secret: 'secret',
      listening: [{ transport: 'udp', address: '10.0.0.1', port: 5060 }],
      log: {
        fault: (where, error) => {
          throw new Error(`${where}: ${(error as Error).stack}`)
        },
      },
    })
    this.#appliance.start(this.now)
  }

  async http(method: string, target: string, body = '', type = 'application/auth-policy+xml'): Promise<HttpResponse> {
    const identity = '"sip:alice@box.example"'
    const response = this.#appliance.http(
      {
        method,
        target,
        headers: { 'content-type': type, 'x-3gpp-intended-identity': identity },
        body: Buffer.from(body),
        source: { address: '10.0.0.2', isSecure: true },
      },
      'exchange',
      this.now,
    )
    await this.#rest()
    return response!
  }

  async sip(method: string, from: string, headers: readonly string[], body = ''): Promise<void> {
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
      body,
    ]
    this.#receive(lines.join('\r\n'))
    await this.#rest()
  }

  /** What the last NOTIFY says: the state of the subscription and its body. */
  get notified(): string {
    const last = this.sent.findLast(message => message.startsWith('NOTIFY'))!
    const state = /Subscription-State: (\w+)/i.exec(last)![1]
    const body = last.slice(last.indexOf('\r\n\r\n') + 4)
    return [state, ...body.matchAll(/<basic>\w+<\/basic>|<note>.*?<\/note>/g)].join(' ')
  }

  async #rest(): Promise<void> {
    while (this.#appliance.pending()) {
      const batch = await this.#appliance.commit(this.now)
      for (const transmit of this.#appliance.release(batch, this.now)) {
        if (transmit.kind !== 'send') continue
        const message = Buffer.from(transmit.bytes).toString()
        this.sent.push(message)
        if (message.startsWith('NOTIFY')) this.#receive(okTo(message))
      }
    }
  }

  #receive(message: string): void {
    const flow = udpFlow(udpFlowId('10.0.0.1', 5060, '10.0.0.2', 5060))!
    this.#appliance.receive(Buffer.from(message), flow, this.now)
  }
}

function okTo(request: string): string {
  const copied = request.split('\r\n').filter(line => /^(?:Via|From|To|Call-ID|CSeq):/i.test(line))
  return ['SIP/2.0 200 OK', ...copied, 'Content-Length: 0', '', ''].join('\r\n')
}

test('§9.7: documents below pres-rules/users/<xui> decide, from the moment they are put', async () => {
  const box = new Box()
  await box.sip(
    'PUBLISH',
    'alice',
    ['Event: presence', 'Content-Type: application/pidf+xml'],
    '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@box.example"><tuple id="t"><status><basic>open</basic></status><note>secret</note></tuple></presence>',
  )
  const put = async (document: string, status: number) =>
    assert.equal((await box.http('PUT', `${directory}/index`, document)).status, status)
  await put(ruleset(rule(one('sip:bob@box.example'), 'confirm', services)), 201)
  await box.sip('SUBSCRIBE', 'bob', ['Event: presence', 'Contact: <sip:bob@10.0.0.2>'])
  assert.equal(box.notified, 'pending')
  await put(ruleset(rule(one('sip:bob@box.example'), 'allow', services)), 200)
  assert.equal(box.notified, 'active <basic>open</basic>')
  const note = `${directory}/index/~~/cp:ruleset/cp:rule/cp:transformations/provide-note?xmlns(cp=urn:ietf:params:xml:ns:common-policy)`
  const element = '<provide-note xmlns="urn:ietf:params:xml:ns:pres-rules">true</provide-note>'
  assert.equal((await box.http('PUT', note, element, 'application/xcap-el+xml')).status, 201)
  assert.equal(box.notified, 'active <basic>open</basic> <note>secret</note>')
  await put(ruleset(rule(one('sip:bob@box.example'), 'polite-block')), 200)
  assert.equal(box.notified, 'active <basic>closed</basic>')
  assert.equal((await box.http('DELETE', `${directory}/index`)).status, 200)
  assert.equal(box.notified, 'terminated')
})

test('§9.2: a document that is not of the schema changes nothing', async () => {
  const box = new Box()
  const answer = await box.http(
    'PUT',
    `${directory}/index`,
    ruleset(rule(one('sip:bob@box.example'), 'maybe', services)),
  )
  assert.equal(answer.status, 409)
  assert.match(
    Buffer.from(answer.body!).toString(),
    /\/ruleset\/rule\/actions\/sub-handling: (?:"|&quot;)maybe(?:"|&quot;) is not block, confirm, polite-block or allow/,
  )
  await box.sip('SUBSCRIBE', 'bob', ['Event: presence', 'Contact: <sip:bob@10.0.0.2>'])
  assert.match(box.sent.at(-1)!, /^SIP\/2.0 403 /)
})
