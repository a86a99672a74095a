/**
 * Two stacks over a simulated network that loses, duplicates, delays and reorders datagrams, by seed: whatever the network
 * does, each request has exactly one final response, reaches the other user at most once, and nothing is left behind.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Flow, udpFlowId } from '../../../../src/protocols/sip/flow.ts'
import { respond, SipRequest } from '../../../../src/protocols/sip/message.ts'
import { SipStack, type StackOutput } from '../../../../src/protocols/sip/stack.ts'
import { seededRandom } from './stack-fixture.ts'

const addresses = ['192.0.2.1', '192.0.2.2'] as const
type Side = 0 | 1

type Event = { at: number; order: number; run: () => void }

class World {
  readonly random: ReturnType<typeof seededRandom>
  readonly stacks: readonly SipStack[]
  readonly lossPercent: number
  now = 1_000_000
  #events: Event[] = []
  #order = 0
  /** Final responses by side and token. */
  readonly finals = new Map<string, number[]>()
  readonly provisionals = new Map<string, number>()
  /** How often the user of the other side was given a request, by Call-ID. */
  readonly deliveries = new Map<string, number>()
  readonly cancelsHeard = new Map<string, number>()
  readonly acksHeard = new Map<string, number>()

  constructor(seed: number, lossPercent: number) {
    this.random = seededRandom(seed)
    this.lossPercent = lossPercent
    this.stacks = addresses.map(
      address =>
        new SipStack({
          random: this.random,
          listening: [{ transport: 'udp', address, port: 5060 }],
          timers: { timerCMs: 60_000 },
        }),
    )
  }

  at(delayMs: number, run: () => void): void {
    this.#events.push({ at: this.now + delayMs, order: this.#order++, run })
  }

  do(side: Side, outputs: readonly StackOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'send') this.#carry(side, output.bytes)
      else if (output.kind === 'request') this.#serve(side, output.request)
      else if (output.kind === 'cancel') this.#hearCancel(side, output.transaction)
      else if (output.kind === 'response') this.#hearResponse(side, output.token, output.response.status)
      else assert.fail(`unexpected ${output.kind}`)
    }
  }

  send(side: Side, method: string, token: string): void {
    const request = new SipRequest(method, `sip:user@${addresses[1 - side]}`, [
      ['Max-Forwards', '70'],
      ['From', `<sip:user@${addresses[side]}>;tag=t${token}`],
      ['To', `<sip:user@${addresses[1 - side]}>`],
      ['Call-ID', `${side}-${token}`],
      ['CSeq', `1 ${method}`],
    ])
    this.do(side, this.stacks[side]!.request(request, token, undefined, this.now))
  }

  run(): void {
    for (let turns = 0; turns < 200_000; turns++) {
      let next = this.#events.reduce<Event | undefined>(
        (first, event) =>
          !first || event.at < first.at || (event.at === first.at && event.order < first.order) ? event : first,
        undefined,
      )
      for (const side of [0, 1] as const) {
        const deadline = this.stacks[side]!.deadline()
        if (deadline === undefined || (next && next.at <= deadline)) continue
        next = {
          at: Math.max(deadline, this.now),
          order: -1,
          run: () => this.do(side, this.stacks[side]!.expire(this.now)),
        }
      }
      if (!next) return
      this.now = next.at
      this.#events = this.#events.filter(event => event !== next)
      next.run()
    }
    assert.fail('it does not end')
  }

  #carry(from: Side, bytes: Buffer): void {
    if (this.random.below(100) < this.lossPercent) return
    const copies = this.random.below(100) < 20 ? 2 : 1
    const to: Side = from === 0 ? 1 : 0
    const flow: Flow = {
      id: udpFlowId(addresses[to], 5060, addresses[from], 5060),
      transport: 'udp',
      localAddress: addresses[to],
      localPort: 5060,
      remoteAddress: addresses[from],
      remotePort: 5060,
    }
    for (let copy = 0; copy < copies; copy++) {
      // Most arrive soon, some late enough to be overtaken: less than T4, "the time the network will take to clear messages".
      const delayMs = this.random.below(10) === 0 ? this.random.below(4000) : this.random.below(100)
      this.at(delayMs, () => this.do(to, this.stacks[to]!.received(Buffer.from(bytes), flow, this.now)))
    }
  }

  #serve(side: Side, request: SipRequest): void {
    if (request.method === 'ACK') {
      this.acksHeard.set(request.callId, (this.acksHeard.get(request.callId) ?? 0) + 1)
      return
    }
    this.deliveries.set(request.callId, (this.deliveries.get(request.callId) ?? 0) + 1)
    const answer = (status: number) =>
      this.do(
        side,
        this.stacks[side]!.respond(request.transaction, respond(request, status, { toTag: 'served' }), this.now),
      )
    if (request.method === 'INVITE' && this.random.below(2) === 0) this.at(this.random.below(1000), () => answer(180))
    const silent = this.random.below(10) === 0
    const status = [200, 200, 404, 486, 500][this.random.below(5)]!
    if (!silent) this.at(this.random.below(6000), () => answer(status))
  }

  #hearCancel(side: Side, transaction: string): void {
    this.cancelsHeard.set(transaction, (this.cancelsHeard.get(transaction) ?? 0) + 1)
    assert.ok(side === 0 || side === 1)
  }

  #hearResponse(side: Side, token: string, status: number): void {
    const key = `${side}-${token}`
    if (status < 200) {
      assert.equal(this.finals.has(key), false, 'no provisional response after the final one')
      this.provisionals.set(key, (this.provisionals.get(key) ?? 0) + 1)
      assert.notEqual(status, 100)
      return
    }
    this.finals.set(key, [...(this.finals.get(key) ?? []), status])
  }
}

function check(seed: number, lossPercent: number): World {
  const world = new World(seed, lossPercent)
  const methods = ['NOTIFY', 'PUBLISH', 'MESSAGE', 'INVITE']
  const sent: { key: string; method: string }[] = []
  for (let i = 0; i < 12; i++) {
    const side: Side = world.random.below(2) === 0 ? 0 : 1
    const method = methods[world.random.below(methods.length)]!
    const token = `r${i}`
    sent.push({ key: `${side}-${token}`, method })
    world.at(world.random.below(3000), () => {
      world.send(side, method, token)
      const cancelled = method === 'INVITE' && world.random.below(3) === 0
      if (cancelled)
        world.at(world.random.below(5000), () => world.do(side, world.stacks[side]!.cancel(token, world.now)))
    })
  }
  world.run()
  for (const { key, method } of sent) {
    const finals = world.finals.get(key) ?? []
    // Each copy of a 2xx to INVITE is the user's (RFC 6026 §7.2); of all else there is one.
    const once = method === 'INVITE' && finals.length > 1 ? finals.every(status => status === 200) : finals.length === 1
    assert.ok(once, `${method} ${key} ended in ${finals}`)
    assert.ok((world.deliveries.get(key) ?? 0) <= 1, `${method} ${key} was delivered more than once`)
  }
  for (const count of world.cancelsHeard.values()) assert.equal(count, 1)
  for (const stack of world.stacks) {
    assert.deepEqual(stack.sizes, { serverTransactions: 0, clientTransactions: 0, connections: 0, timers: 0 })
    assert.equal(stack.deadline(), undefined)
    assert.equal(stack.counters.malformed, 0)
  }
  return world
}

describe('two stacks over a bad network', () => {
  for (const lossPercent of [0, 10, 30, 60, 100]) {
    it(`keep every promise with ${lossPercent} % of datagrams lost`, () => {
      for (let seed = 1; seed <= 40; seed++) {
        try {
          check(seed, lossPercent)
        } catch (error) {
          throw new Error(`seed ${seed}, ${lossPercent} % lost`, { cause: error })
        }
      }
    })
  }

  it('the network of these tests is as bad as it says', () => {
    const world = check(3, 30)
    const absorbed = world.stacks.reduce((sum, stack) => sum + stack.counters.requestRetransmissions, 0)
    const repeated = world.stacks.reduce((sum, stack) => sum + stack.counters.retransmissions, 0)
    assert.ok(absorbed > 5 && repeated > 5)
  })

  it('with nothing but loss, everything times out as a 408', () => {
    const world = check(5, 100)
    // An INVITE that is cancelled before it was answered times out too.
    for (const finals of world.finals.values()) assert.deepEqual(finals, [408])
    assert.equal(world.deliveries.size, 0)
  })
})
