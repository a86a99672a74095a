/** RFC 6446: the rate of notifications as subscribers want it, with any event package. */

import { strict as assert } from 'node:assert'
import { beforeEach, describe, it } from 'node:test'
import { respond, type SipResponse } from '../../../src/protocols/sip/message.ts'
import { CounterWorld } from '../../unit/protocols/sip-events/toy-package.ts'

let world: CounterWorld

beforeEach(() => {
  world = new CounterWorld()
})

function subscribe(params: string, expires = 3600): SipResponse {
  const response = world.subscribe({
    headers: [
      ['Event', `counter${params}`],
      ['Expires', String(expires)],
    ],
  })
  assert.equal(response.status, 200)
  return response
}

function refresh(accepted: SipResponse, params: string, steps = 1): void {
  const response = world.refresh(
    accepted,
    [
      ['Event', `counter${params}`],
      ['Expires', '3600'],
    ],
    accepted.cseq.number + steps,
  )
  assert.equal(response.status, 200)
}

/** The rates that the last NOTIFY tells. */
function told(): string {
  return world.sent
    .at(-1)!
    .request.header('Subscription-State')!
    .replace(/^active;expires=\d+/, '')
}

/** Seconds after `start` at which NOTIFYs were sent, from the one with index `from` on. */
function times(start: number, from = 0): number[] {
  return world.sent.slice(from).map(({ at }) => (at - start) / 1000)
}

describe('RFC 6446 §9.2: grammar', () => {
  for (const [params, echoed] of [
    [';max-rate=1', ';max-rate=1'],
    [';max-rate=0.05;min-rate=0.02', ';max-rate=0.05;min-rate=0.02'],
    [';Max-Rate=0.5', ';max-rate=0.5'],
    [';adaptive-min-rate=0.0123456789', ';adaptive-min-rate=0.0123456789'],
    [';id=7;max-rate=20', ';max-rate=20'],
    [';max-rate=0', ''],
    [';max-rate=0.0', ''],
    [';max-rate=100', ''],
    [';max-rate=1.', ''],
    [';max-rate=.5', ''],
    [';max-rate=-1', ''],
    [';max-rate=1e1', ''],
    [';max-rate', ''],
    [';max-rate=0.12345678901', ''],
    [';unknown=1', ''],
    [';throttle=20', ';max-rate=0.05'],
    [';min-interval=10', ';max-rate=0.1'],
    [';max-rate=0.2;min-interval=10', ';max-rate=0.2'],
  ] as const) {
    it(`Event: counter${params} is answered by Subscription-State${echoed === '' ? ' without rate' : `: active;...${echoed}`}`, () => {
      subscribe(params)
      assert.equal(told(), echoed)
    })
  }
})

describe('RFC 6446 §5.3: what the notifier adjusts', () => {
  it('§6.3: a maximum rate that would allow no NOTIFY in the time that is left becomes the reciprocal of that time', () => {
    subscribe(';max-rate=0.0000000001', 1000)
    assert.equal(told(), ';max-rate=0.001')
  })
  it('§6.2: local policy may allow less', () => {
    world.toy.intervalMs = 20_000
    subscribe(';max-rate=1')
    assert.equal(told(), ';max-rate=0.05')
  })
  it('§7.3: of NOTIFYs without news we send so many and no more', () => {
    subscribe(';min-rate=5')
    assert.equal(told(), ';min-rate=0.1')
  })
  it('§9: a minimum above the maximum comes down to it', () => {
    subscribe(';max-rate=0.01;min-rate=0.05')
    assert.equal(told(), ';max-rate=0.01;min-rate=0.01')
    subscribe(';max-rate=0.01;adaptive-min-rate=0.05')
    assert.equal(told(), ';max-rate=0.01;adaptive-min-rate=0.01')
  })
  it('§9: a minimum that is not below the adaptive one is not considered', () => {
    subscribe(';min-rate=0.05;adaptive-min-rate=0.05')
    assert.equal(told(), ';adaptive-min-rate=0.05')
    subscribe(';min-rate=0.01;adaptive-min-rate=0.05')
    assert.equal(told(), ';min-rate=0.01;adaptive-min-rate=0.05')
  })
})

describe('RFC 6446 §6: maximum rate', () => {
  it('§6.2: no notification within the reciprocal of the rate; what changes meanwhile is told in one', () => {
    subscribe(';max-rate=0.05')
    const start = world.now
    for (let i = 0; i < 6; i++) {
      world.pass(3)
      world.count()
    }
    assert.deepEqual(times(start), [0])
    world.pass(10)
    assert.deepEqual(times(start), [0, 20])
    assert.deepEqual(world.bodies(), ['0', '6'])
    world.pass(100)
    assert.equal(world.sent.length, 2)
    world.count()
    assert.equal(world.sent.length, 3)
  })
  it('§6.2: slows one subscriber only', () => {
    subscribe(';max-rate=0.01')
    subscribe('')
    world.count()
    assert.deepEqual(world.bodies(), ['0', '0', '1'])
    world.pass(100)
    assert.deepEqual(world.bodies(), ['0', '0', '1', '1'])
  })
  it('§6.2: not for the answer to a SUBSCRIBE, the change from pending to active, and the last one', () => {
    world.toy.decision = 'pending'
    const accepted = subscribe(';max-rate=0.01')
    world.toy.decision = 'active'
    world.count()
    refresh(accepted, ';max-rate=0.01')
    assert.equal(
      world.refresh(
        accepted,
        [
          ['Event', 'counter'],
          ['Expires', '0'],
        ],
        accepted.cseq.number + 2,
      ).status,
      200,
    )
    assert.deepEqual(world.log(), [
      'NOTIFY pending;max-rate=0.01 1',
      'NOTIFY active;max-rate=0.01 2',
      'NOTIFY active;max-rate=0.01 3',
      'NOTIFY terminated;reason=timeout 4',
    ])
  })
  it('§6.1: a later SUBSCRIBE changes it, and takes it away by not naming it', () => {
    const accepted = subscribe(';max-rate=0.01')
    refresh(accepted, ';max-rate=0.1')
    assert.equal(told(), ';max-rate=0.1')
    refresh(accepted, '', 2)
    assert.equal(told(), '')
    const before = world.sent.length
    world.count()
    world.count()
    assert.equal(world.sent.length, before + 2)
  })
  it('lasts through a restart', () => {
    subscribe(';max-rate=0.01')
    world.pass(50)
    world.restart()
    world.count()
    const before = world.sent.length
    world.pass(49)
    assert.equal(world.sent.length, before)
    world.pass(2)
    assert.equal(world.sent.length, before + 1)
  })
})

describe('RFC 6446 §5.2, §9.3: Event in the 200 to a NOTIFY', () => {
  function answering(event: string, status = 200): void {
    world.peer = ({ request }) => respond(request, status, { headers: [['Event', event]] })
  }

  it('says anew what the rates are, and what it leaves out is taken away', () => {
    answering('counter;max-rate=0.01')
    subscribe(';min-rate=0.02')
    world.peer = () => 200
    world.count()
    assert.equal(world.sent.length, 1)
    world.pass(101)
    assert.equal(world.sent.length, 2)
    assert.equal(told(), ';max-rate=0.01')
  })
  it('takes all of them away when it names none', () => {
    answering('counter')
    subscribe(';max-rate=0.01')
    world.count()
    assert.equal(told(), '')
    answering('counter;max-rate=0.01')
    world.count()
    world.count()
    assert.equal(world.sent.length, 3, 'who has asked for a rate in SUBSCRIBE may do so again')
  })
  it('counts for nothing when SUBSCRIBE has asked for no rate, for another event, and in a refusal', () => {
    answering('counter;max-rate=0.01')
    subscribe('')
    world.count()
    assert.equal(world.sent.length, 2)
    for (const [event, status] of [
      ['other;max-rate=0.01', 200],
      ['counter;max-rate=0.01;"', 200],
      ['counter;max-rate=0.01', 500],
    ] as const) {
      world = new CounterWorld()
      answering(event, status)
      subscribe(';max-rate=0.5')
      world.peer = () => 200
      world.pass(3)
      world.count()
      assert.equal(world.sent.length, 2)
      assert.equal(told(), ';max-rate=0.5')
    }
  })
  it('lets out at once what had to wait', () => {
    subscribe(';max-rate=0.01')
    world.peer = () => undefined
    world.pass(100)
    world.count()
    world.count()
    answering('counter;max-rate=50')
    world.answer(world.sent.at(-1)!, 200, [['Event', 'counter;max-rate=50']])
    world.pass(1)
    assert.deepEqual(world.bodies(), ['0', '1', '2'])
  })
})

describe('RFC 6446 §7: minimum rate', () => {
  it('§7.2: a notification with the state when there was none for the reciprocal of the rate', () => {
    subscribe(';min-rate=0.02')
    const start = world.now
    world.pass(30)
    world.count()
    world.pass(120)
    assert.deepEqual(times(start), [0, 30, 80, 130])
    assert.deepEqual(world.bodies(), ['0', '1', '1', '1'])
  })
  it('ends with the subscription, and with the wish', () => {
    const accepted = subscribe(';min-rate=0.02')
    refresh(accepted, '')
    const before = world.sent.length
    world.pass(500)
    assert.equal(world.sent.length, before)
    subscribe(';min-rate=0.02', 100)
    world.pass(4000)
    const after = world.sent.length
    world.pass(4000)
    assert.equal(world.sent.length, after)
  })
  it('waits for the answer to the one before', () => {
    subscribe(';min-rate=0.1')
    world.peer = () => undefined
    world.pass(31)
    assert.equal(world.sent.length, 2)
    world.peer = () => 200
    world.answer(world.sent.at(-1)!, 200)
    world.pass(20)
    assert.ok(world.sent.length > 2)
  })
  it('goes on after a restart', () => {
    subscribe(';min-rate=0.01')
    world.pass(40)
    world.restart()
    const before = world.sent.length
    world.pass(100)
    assert.ok(world.sent.length > before)
  })
})

describe('RFC 6446 §8: adaptive minimum rate', () => {
  it('§8.4: at first, and as long as nothing changes, the rate itself', () => {
    subscribe(';adaptive-min-rate=0.02')
    const start = world.now
    world.pass(1000)
    const intervals = times(start).map((at, index, all) => at - (all[index - 1] ?? 0))
    assert.ok(Math.abs(times(start).length - 21) <= 2, String(times(start)))
    for (const interval of intervals.slice(1)) assert.ok(interval > 40 && interval < 60, String(intervals))
  })
  it('§8.4: after many changes a longer time without, and then the rate again', () => {
    subscribe(';adaptive-min-rate=0.02')
    for (let i = 0; i < 20; i++) world.count()
    const [burst, start] = [world.sent.length, world.now]
    world.pass(3500)
    const [first, ...later] = times(start, burst)
    assert.ok(first! > 100, String(first))
    const last = later.slice(-5)
    for (const [index, at] of last.entries()) {
      if (index > 0) assert.ok(at - last[index - 1]! > 40 && at - last[index - 1]! < 65, String(last))
    }
  })
  it('§8.4 (2): never more often than the maximum rate', () => {
    subscribe(';max-rate=0.02;adaptive-min-rate=0.02')
    const start = world.now
    world.pass(1000)
    for (const [index, at] of times(start).entries()) {
      if (index > 0) assert.ok(at - times(start)[index - 1]! >= 50)
    }
  })
  it('§9: with a minimum rate, at least that', () => {
    subscribe(';min-rate=0.01;adaptive-min-rate=0.02')
    for (let i = 0; i < 20; i++) world.count()
    const [burst, start] = [world.sent.length, world.now]
    world.pass(150)
    assert.equal(times(start, burst)[0], 100)
  })
})
