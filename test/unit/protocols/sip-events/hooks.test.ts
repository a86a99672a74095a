/** What event packages may ask of the notifier beside a body: options, a last document, turns before a NOTIFY, one subscriber. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SipRequest, SipResponse } from '../../../../src/protocols/sip/message.ts'
import type { EventPackage } from '../../../../src/protocols/sip-events/event-package.ts'
import { Notifier } from '../../../../src/protocols/sip-events/notifier.ts'
import type { Output, SipEntity, Turn } from '../../../../src/turn.ts'
import { EntityWorld } from './entity-world.ts'

const room = 'sip:room@box.example'
const body = (text: string) => ({ contentType: 'text/plain', body: Buffer.from(text) })

interface Room {
  readonly heard: Map<string, string>
  readonly happened: string[]
  intervalMs: number
  urgent: boolean
  sent: () => number
}

class RoomEntity implements SipEntity {
  readonly notifier: Notifier
  readonly #room: Room

  constructor(state: Room) {
    this.#room = state
    const eventPackage: EventPackage = {
      name: 'room',
      contentTypes: ['text/plain'],
      requiredOptions: ['chatter'],
      defaultExpiresSeconds: 600,
      minNotifyIntervalMs: () => state.intervalMs,
      isUrgent: () => state.urgent,
      resource: () => room,
      authorize: () => 'active',
      body: ({ id }, _turn, { full }) => {
        const news = state.heard.get(id)
        state.heard.delete(id)
        return full ? body('welcome') : news === undefined ? 'unchanged' : body(news)
      },
      lastBody: (_subscription, _turn, isWished) => body(isWished ? 'goodbye' : 'thrown out'),
      subscribed: ({ id }, request, turn) => {
        state.happened.push(`subscribed ${request.cseq.number}`)
        return [{ kind: 'wake', at: turn.now, token: `before ${id}` }]
      },
      ended: () => {
        state.happened.push('ended')
        return []
      },
    }
    this.notifier = new Notifier({ owner: 'rooms', packages: [eventPackage], address: () => '192.0.2.1:5060' })
  }

  request(request: SipRequest, turn: Turn): Output[] {
    return this.notifier.subscribe(request, turn)
  }

  response(token: string, response: SipResponse, turn: Turn): Output[] {
    return this.notifier.response(token, response, turn)
  }

  wake(token: string, turn: Turn): Output[] {
    if (token.startsWith('before')) this.#room.happened.push(`before NOTIFY ${this.#room.sent() + 1}`)
    return this.notifier.wake(token, turn)
  }
}

/** Subscribers of a room hear what has been said to each of them. */
class Rooms extends EntityWorld {
  readonly room: Room

  constructor() {
    const state: Room = { heard: new Map(), happened: [], intervalMs: 0, urgent: false, sent: () => 0 }
    super(() => new RoomEntity(state))
    state.sent = () => this.sent.length
    this.room = state
  }

  get notifier(): Notifier {
    return (this.entity as RoomEntity).notifier
  }

  join(headers: [string, string][] = [['Supported', 'chatter']]) {
    return this.request('SUBSCRIBE', room, { headers: [['Event', 'room'], ...headers] })
  }

  again(accepted: ReturnType<Rooms['join']>, expires: number) {
    return this.request('SUBSCRIBE', accepted.header('Contact')!.slice(1, -1), {
      cseq: accepted.cseq.number + 1,
      headers: [
        ['From', accepted.header('From')!],
        ['To', accepted.header('To')!],
        ['Call-ID', accepted.callId],
        ['Event', 'room'],
        ['Supported', 'chatter'],
        ['Expires', String(expires)],
      ],
    })
  }

  said(): string[] {
    return this.sent.map(({ request }) => Buffer.from(request.body).toString())
  }
}

test('without a required option 421 names it; with it every answer and NOTIFY requires it', () => {
  const world = new Rooms()
  const refused = world.join([['Supported', 'other']])
  assert.equal(refused.status, 421)
  assert.equal(refused.header('Require'), 'chatter')
  const accepted = world.join()
  assert.equal(accepted.header('Require'), 'chatter')
  world.again(accepted, 0)
  assert.deepEqual(
    world.sent.map(({ request }) => request.header('Require')),
    ['chatter', 'chatter'],
  )
})

test('the first NOTIFY is made after what the package asked for, and a refresh says everything too', () => {
  const world = new Rooms()
  const accepted = world.join()
  assert.deepEqual(world.room.happened, [`subscribed ${accepted.cseq.number}`, 'before NOTIFY 1'])
  world.again(accepted, 600)
  assert.deepEqual(world.said(), ['welcome', 'welcome'])
})

test('a subscription ends with the last document of its package, and the package is told', () => {
  const world = new Rooms()
  world.again(world.join(), 0)
  world.join()
  world.pass(601)
  assert.deepEqual(world.said(), ['welcome', 'goodbye', 'welcome', 'thrown out'])
  assert.deepEqual(world.room.happened.filter(what => what === 'ended').length, 2)
})

test('what concerns one subscriber wakes him alone', () => {
  const world = new Rooms()
  const first = world.join()
  world.join()
  world.room.heard.set(first.toTag!, 'psst')
  world.act(turn => world.notifier.notifySubscription('room', room, first.toTag!, turn))
  assert.deepEqual(world.said(), ['welcome', 'welcome', 'psst'])
  assert.equal(world.sent[2]!.request.fromTag, first.toTag)
})

test('news during a NOTIFY follows its answer, and keeps the interval unless it is urgent', () => {
  const world = new Rooms()
  const joined = world.join()
  const tell = (what: string) => {
    world.room.heard.set(joined.toTag!, what)
    world.act(turn => world.notifier.notifySubscription('room', room, joined.toTag!, turn))
  }
  world.peer = () => undefined
  tell('one')
  tell('two')
  assert.deepEqual(world.said(), ['welcome', 'one'])
  world.peer = () => 200
  world.answer(world.sent[1]!, 200)
  assert.deepEqual(world.said(), ['welcome', 'one', 'two'])
  world.room.intervalMs = 5000
  tell('three')
  assert.equal(world.said().length, 3)
  world.pass(5)
  assert.equal(world.said()[3], 'three')
  world.room.urgent = true
  tell('four')
  assert.equal(world.said()[4], 'four')
})
