/** RFC 6665 §4.1: what a subscriber does. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerChallenge, parseCredentials } from '../../../src/protocols/sip/digest.ts'
import { type HeaderField, respond, type SipRequest, type SipResponse } from '../../../src/protocols/sip/message.ts'
import { Subscriber } from '../../../src/protocols/sip-events/subscriber.ts'
import type { Output, SipEntity, Turn } from '../../../src/turn.ts'
import { SeededRandom } from '../../simulation/random.ts'
import { EntityWorld } from '../../unit/protocols/sip-events/entity-world.ts'

const target = 'sip:notifier@elsewhere.example'
const contact = 'sip:notifier@198.51.100.1:5060'

/** An entity that wants one subscription, and writes down what it hears. */
class Wanting implements SipEntity {
  readonly heard: string[]
  readonly subscriber: Subscriber
  readonly wanted: { is: boolean; target?: string }

  constructor(heard: string[], wanted: { is: boolean; target?: string }, credentials: boolean) {
    this.heard = heard
    this.wanted = wanted
    this.subscriber = new Subscriber({
      owner: 'xdm-client',
      address: transport => (transport === 'tls' || transport === 'sips' ? '192.0.2.1:5061' : '192.0.2.1:5060'),
      subject: () =>
        wanted.is
          ? {
              target: wanted.target ?? target,
              from: 'sip:alice@box.example',
              event: 'xcap-diff;diff-processing=no-patching',
              accept: 'application/xcap-diff+xml',
              expiresSeconds: 3600,
              headers: [['P-Asserted-Identity', '<sip:alice@box.example>']],
              body: { contentType: 'text/plain', bytes: Buffer.from('list') },
              credentials: credentials ? { username: 'ps', password: 'secret' } : undefined,
            }
          : undefined,
      notified: (key, request, isAll) => {
        heard.push(`${key} ${Buffer.from(request.body).toString()}${isAll ? ' all' : ''}`)
        return []
      },
      lost: (key, why) => {
        heard.push(`${key} lost ${why}`)
        return []
      },
    })
  }

  request(request: SipRequest, turn: Turn): Output[] {
    return this.subscriber.notify(request, turn)
  }

  response(token: string, response: SipResponse, turn: Turn): Output[] {
    return this.subscriber.response(token, response, turn)
  }

  wake(token: string, turn: Turn): Output[] {
    return this.subscriber.wake(token, turn)
  }
}

class SubscriberWorld extends EntityWorld {
  readonly heard: string[]
  readonly wanted: { is: boolean; target?: string }
  #cseq = 0

  constructor(options: { readonly credentials?: boolean } = {}) {
    const heard: string[] = []
    const wanted: { is: boolean; target?: string } = { is: true }
    super(() => new Wanting(heard, wanted, options.credentials ?? false))
    this.heard = heard
    this.wanted = wanted
    this.random = new SeededRandom(3)
    this.peer = ({ request }) => this.accepted(request)
  }

  accepted(request: SipRequest, expires = 3600): SipResponse {
    const headers: HeaderField[] = [
      ['Contact', `<${contact}>`],
      ['Expires', String(expires)],
    ]
    return respond(request, 200, { toTag: 'theirs', headers })
  }

  subscribe(): SipRequest {
    this.act(turn => (this.entity as Wanting).subscriber.subscribe('k', turn))
    return this.last
  }

  get last(): SipRequest {
    return this.sent.at(-1)!.request
  }

  /** A NOTIFY of the notifier in the dialog of a SUBSCRIBE. */
  notify(
    subscribe: SipRequest,
    state: string,
    options: {
      body?: string
      tag?: string
      cseq?: number
      headers?: HeaderField[]
      event?: string
      type?: string
    } = {},
  ): SipResponse {
    const { body = 'news', tag = 'theirs', cseq = ++this.#cseq, headers = [], event = 'xcap-diff' } = options
    const { type = 'application/xcap-diff+xml' } = options
    return this.request('NOTIFY', 'sip:xdm-client@192.0.2.1:5060;gr=xdm-client', {
      cseq,
      headers: [
        ['From', `<${target}>;tag=${tag}`],
        ['To', subscribe.header('From')!],
        ['Call-ID', subscribe.callId],
        ['Contact', `<${contact}>`],
        ['Event', event],
        ['Subscription-State', state],
        ['Content-Type', type],
        ...headers,
      ],
      body,
    })
  }
}

test('§4.1.2.1: SUBSCRIBE names package and duration, and what a NOTIFY may carry', () => {
  const world = new SubscriberWorld()
  const request = world.subscribe()
  assert.equal(request.uri, target)
  assert.equal(request.header('Event'), 'xcap-diff;diff-processing=no-patching')
  assert.equal(request.header('Expires'), '3600')
  assert.equal(request.header('Accept'), 'application/xcap-diff+xml')
  assert.equal(request.header('Contact'), '<sip:xdm-client@192.0.2.1:5060;gr=xdm-client>')
  assert.equal(request.header('P-Asserted-Identity'), '<sip:alice@box.example>')
  assert.equal(Buffer.from(request.body).toString(), 'list')
  // There is one already.
  world.act(turn => (world.entity as Wanting).subscriber.subscribe('k', turn))
  assert.equal(world.sent.length, 1)
})

test('RFC 3261 §8.1.1.8, §12.1.1.2: NOTIFYs are to come as safely as the SUBSCRIBE went', () => {
  for (const [to, contact] of [
    ['sip:n@elsewhere.example;transport=tcp', '<sip:xdm-client@192.0.2.1:5060;transport=tcp;gr=xdm-client>'],
    ['sip:n@elsewhere.example;transport=TLS', '<sip:xdm-client@192.0.2.1:5061;transport=tls;gr=xdm-client>'],
    ['sips:n@elsewhere.example', '<sips:xdm-client@192.0.2.1:5061;gr=xdm-client>'],
  ] as const) {
    const world = new SubscriberWorld()
    world.wanted.target = to
    assert.equal(world.subscribe().header('Contact'), contact)
  }
})

test('§4.1.2.4: the NOTIFY makes the dialog, also before the 2xx (PS-39)', () => {
  const world = new SubscriberWorld()
  world.peer = () => undefined
  const subscribe = world.subscribe()
  assert.equal(world.notify(subscribe, 'active;expires=3600').status, 200)
  world.answer(world.sent[0]!, 200, [
    ['Contact', `<${contact}>`],
    ['Expires', '3600'],
  ])
  assert.deepEqual(world.heard, ['k news all'])
  assert.equal(world.notify(subscribe, 'active;expires=3000', { body: 'more' }).status, 200)
  assert.deepEqual(world.heard, ['k news all', 'k more'])
})

test('§4.1.2.4: a SUBSCRIBE that forked makes no second dialog here', () => {
  const world = new SubscriberWorld()
  const subscribe = world.subscribe()
  world.notify(subscribe, 'active')
  assert.equal(world.notify(subscribe, 'active', { tag: 'other' }).status, 481)
  assert.equal(world.heard.length, 1)
})

test('§4.1.2.1, Timer N: without a NOTIFY within 64*T1 there is no subscription, and it is tried again', () => {
  const world = new SubscriberWorld()
  const first = world.subscribe()
  world.pass(31)
  assert.deepEqual(world.heard, [])
  world.pass(2)
  assert.deepEqual(world.heard, ['k lost no NOTIFY'])
  world.pass(60)
  assert.equal(world.sent.length, 2)
  assert.notEqual(world.last.callId, first.callId)
  assert.equal(world.notify(first, 'active').status, 481)
})

test('§4.1.2.2: it is refreshed before it ends, in its dialog, and lasts on', () => {
  const world = new SubscriberWorld()
  const first = world.subscribe()
  world.notify(first, 'active;expires=3600')
  world.pass(2_900)
  assert.equal(world.sent.length, 1)
  world.pass(200)
  assert.equal(world.sent.length, 2)
  assert.equal(world.last.uri, contact)
  assert.equal(world.last.callId, first.callId)
  assert.equal(world.last.header('To'), `<${target}>;tag=theirs`)
  assert.ok(world.last.cseq.number > first.cseq.number)
  assert.equal(Buffer.from(world.last.body).toString(), 'list')
  world.notify(first, 'active;expires=3600', { body: 'again' })
  assert.deepEqual(world.heard, ['k news all', 'k again all'])
  world.pass(3_100)
  assert.equal(world.sent.length, 3)
})

test('§4.1.2.2: the notifier may grant less, and then it is refreshed sooner', () => {
  const world = new SubscriberWorld()
  world.notify(world.subscribe(), 'active;expires=100')
  world.pass(110)
  assert.ok(world.sent.length >= 2)
  assert.deepEqual(world.heard, ['k news all'])
})

test('§4.1.2.2: a refresh that is answered 481 means a new subscription', () => {
  const world = new SubscriberWorld()
  const first = world.subscribe()
  world.notify(first, 'active;expires=3600')
  world.peer = ({ request }) => (request.toTag === undefined ? world.accepted(request) : 481)
  world.pass(3_010)
  assert.equal(world.sent.length, 3)
  assert.equal(world.last.toTag, undefined)
  assert.notEqual(world.last.callId, first.callId)
  assert.deepEqual(world.heard, ['k news all', 'k lost 481'])
})

test('§4.1.2.2: a refresh that fails otherwise leaves the subscription valid, and is sent again while it lasts', () => {
  const world = new SubscriberWorld()
  const first = world.subscribe()
  world.notify(first, 'active;expires=3600')
  world.peer = () => 500
  world.pass(3_400)
  assert.ok(world.sent.length > 2 && world.sent.length < 8, String(world.sent.length))
  assert.equal(world.last.callId, first.callId)
  world.notify(first, 'active', { body: 'still' })
  assert.deepEqual(world.heard.slice(0, 1), ['k news all'])
  assert.match(world.heard[1]!, /^k still/)
  world.peer = ({ request }) => world.accepted(request)
  world.pass(200)
  assert.equal(world.heard.length, 2)
})

test('§4.1.2.2: one that is refused for good ends it', () => {
  const world = new SubscriberWorld()
  world.notify(world.subscribe(), 'active;expires=3600')
  world.peer = () => 404
  world.pass(3_010)
  assert.deepEqual(world.heard, ['k news all', 'k lost 404'])
})

test('a refresh whose answer a restart has swallowed is sent again', () => {
  const world = new SubscriberWorld()
  world.notify(world.subscribe(), 'active;expires=3600')
  world.peer = () => undefined
  world.pass(3_010)
  assert.equal(world.sent.length, 2)
  world.restart()
  world.peer = ({ request }) => world.accepted(request)
  world.pass(100)
  assert.equal(world.sent.length, 3)
  assert.ok(world.sent[2]!.request.cseq.number > world.sent[1]!.request.cseq.number)
})

test('RFC 3261 §8.2.3: a NOTIFY with what was not asked for, or in a coding, is answered 415 and makes no dialog', () => {
  const world = new SubscriberWorld()
  const subscribe = world.subscribe()
  const refused = world.notify(subscribe, 'active', { type: 'text/html' })
  assert.deepEqual([refused.status, refused.header('Accept')], [415, 'application/xcap-diff+xml'])
  assert.equal(world.notify(subscribe, 'active', { headers: [['Content-Encoding', 'gzip']] }).status, 415)
  assert.deepEqual(world.heard, [])
  assert.equal(world.notify(subscribe, 'active', { type: 'Application/XCAP-diff+xml;charset=utf-8' }).status, 200)
  // What ends it ends it, whatever it brings.
  assert.equal(world.notify(subscribe, 'terminated;reason=noresource', { type: 'text/html' }).status, 200)
})

test('§4.1.3: NOTIFYs of a subscription that is not ours, of another package, without a state or out of order', () => {
  const world = new SubscriberWorld()
  const subscribe = world.subscribe()
  const stranger = { ...{}, header: () => '<sip:alice@box.example>;tag=x', callId: 'x' } as unknown as SipRequest
  assert.equal(world.notify(stranger, 'active').status, 481)
  assert.equal(world.notify(subscribe, 'active', { event: 'presence' }).status, 489)
  assert.equal(world.notify(subscribe, 'active', { cseq: 100 }).status, 200)
  assert.equal(world.notify(subscribe, 'active', { cseq: 99 }).status, 500)
  assert.equal(world.notify(subscribe, 'active', { cseq: 100, body: 'twice' }).status, 200)
  assert.deepEqual(world.heard, ['k news all'])
  const bare = world.request('NOTIFY', 'sip:xdm-client@192.0.2.1:5060;gr=xdm-client', {
    headers: [
      ['From', `<${target}>;tag=theirs`],
      ['To', subscribe.header('From')!],
      ['Call-ID', subscribe.callId],
      ['Event', 'xcap-diff'],
    ],
  })
  assert.equal(bare.status, 400)
})

for (const [reason, afterSeconds] of [
  ['deactivated', 0],
  ['timeout', 0],
  ['probation;retry-after=500', 500],
  ['giveup', 30],
  ['unheard-of', 30],
] as const) {
  test(`§4.1.3, RLS-15: ended with reason ${reason}, it is tried again after ${afterSeconds} s`, () => {
    const world = new SubscriberWorld()
    world.notify(world.subscribe(), 'active')
    world.notify(world.last, `terminated;reason=${reason}`)
    if (afterSeconds > 0) {
      world.pass(afterSeconds - 1)
      assert.equal(world.sent.length, 1)
      world.pass(afterSeconds * 0.1 + 2)
    } else world.pass(0)
    assert.equal(world.sent.length, 2)
    assert.equal(world.last.toTag, undefined)
  })
}

for (const reason of ['rejected', 'noresource', 'invariant']) {
  test(`§4.1.3, RLS-15: ended with reason ${reason}, it is not tried again`, async () => {
    const world = new SubscriberWorld()
    world.notify(world.subscribe(), 'active')
    world.notify(world.last, `terminated;reason=${reason}`)
    world.pass(100_000)
    assert.equal(world.sent.length, 1)
    assert.equal(await world.size(), 0)
  })
}

test('a notifier that ends every subscription at once is not asked without a pause', () => {
  const world = new SubscriberWorld()
  world.subscribe()
  for (let round = 0; round < 50; round++) {
    world.notify(world.last, 'active')
    world.notify(world.last, 'terminated;reason=deactivated')
    world.pass(10)
  }
  assert.ok(world.sent.length < 20, `${world.sent.length} requests in 500 s`)
})

test('refusals: with Retry-After when it says, for good after an hour, others with growing pauses', () => {
  const times = (status: number, headers: HeaderField[] = []) => {
    const world = new SubscriberWorld()
    const start = world.now
    world.peer = ({ request }) => respond(request, status, { toTag: 'theirs', headers })
    world.subscribe()
    world.pass(8_000)
    return world.sent.map(({ at }) => Math.floor((at - start) / 1000))
  }
  const [, second] = times(503, [['Retry-After', '90']])
  assert.ok(second! >= 90 && second! <= 100)
  assert.ok(times(403)[1]! >= 3600)
  const pauses = times(500)
  assert.ok(pauses[1]! >= 30 && pauses[1]! <= 34)
  assert.ok(pauses[2]! - pauses[1]! >= 60)
  assert.ok(pauses.length < 11)
})

test('423: asks for the least the notifier grants', () => {
  const world = new SubscriberWorld()
  world.peer = ({ request }) =>
    request.header('Expires') === '3600'
      ? respond(request, 423, { toTag: 'theirs', headers: [['Min-Expires', '7200']] })
      : world.accepted(request, 7200)
  world.subscribe()
  assert.equal(world.last.header('Expires'), '7200')
  assert.equal(world.sent.length, 2)
})

test('a challenge is answered once, with credentials that are right', () => {
  const world = new SubscriberWorld({ credentials: true })
  const challenge = 'Digest realm="elsewhere", nonce="n", algorithm=SHA-256, qop="auth"'
  world.peer = ({ request }) => respond(request, 401, { toTag: 'theirs', headers: [['WWW-Authenticate', challenge]] })
  world.subscribe()
  assert.equal(world.sent.length, 2)
  const { cnonce } = parseCredentials(world.last.header('Authorization')!)!
  const secret = { username: 'ps', password: 'secret', method: 'SUBSCRIBE', uri: target, nonceCount: 1 }
  assert.equal(world.last.header('Authorization'), answerChallenge([challenge], { ...secret, cnonce: cnonce! }))
})

test('what is no longer wanted ends with Expires 0, and leaves nothing behind', async () => {
  const world = new SubscriberWorld()
  world.notify(world.subscribe(), 'active;expires=3600')
  world.wanted.is = false
  world.pass(3_100)
  assert.equal(world.last.header('Expires'), '0')
  assert.equal(world.last.header('Event'), 'xcap-diff;diff-processing=no-patching')
  assert.equal(world.notify(world.last, 'terminated;reason=timeout').status, 481)
  assert.equal(await world.size(), 0)
})
