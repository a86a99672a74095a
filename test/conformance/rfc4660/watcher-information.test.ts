/** RFC 4660 §7.2: filters of watcher information. */

import { strict as assert } from 'node:assert'
import { beforeEach, describe, it } from 'node:test'
import { parseWatcherinfo } from '../../../src/documents/watcherinfo.ts'
import type { HeaderField, SipResponse } from '../../../src/protocols/sip/message.ts'
import { alice, bob, carol, PresenceWorld } from '../../unit/entities/presence-server/presence-world.ts'

let world: PresenceWorld
let step = 0

beforeEach(() => {
  world = new PresenceWorld({ 'presence.defaultHandling': 'confirm' })
})

function set(filters: string): string {
  return `<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="wi" urn="urn:ietf:params:xml:ns:watcherinfo"/></ns-bindings>${filters}</filter-set>`
}

function filter(content: string, attributes = ''): string {
  return set(`<filter id="123"${attributes}>${content}</filter>`)
}

function include(expression: string): string {
  return `<what><include>${expression}</include></what>`
}

const ofPresence = '/wi:watcherinfo/wi:watcher-list[@package="presence"]/\n wi:watcher'

function watchOwn(body: string, headers: HeaderField[] = []): SipResponse {
  return world.request('SUBSCRIBE', alice, {
    from: alice,
    headers: [['Event', 'presence.winfo'], ['Content-Type', 'application/simple-filter+xml'], ...headers],
    body,
  })
}

function refresh(accepted: SipResponse, body?: string): SipResponse {
  return world.resubscribe(accepted, {
    cseq: accepted.cseq.number + ++step,
    headers: [
      ['Event', 'presence.winfo'],
      ...(body === undefined ? [] : [['Content-Type', 'application/simple-filter+xml'] as const]),
    ],
    ...(body === undefined ? {} : { body }),
  })
}

function decide(handling: string): void {
  world.set('presence.defaultHandling', handling)
  world.wake({ kind: 'wake', at: world.now, token: 'policies' })
}

/** What NOTIFYs of watcher information have said since `index`: version, state, and whom they showed in which state. */
function told(index = 0): string[] {
  return world.sent
    .filter(({ request }) => request.header('Event') === 'presence.winfo')
    .slice(index)
    .map(({ request }) => {
      if (request.body.length === 0) return 'nothing'
      const { version, state, lists } = parseWatcherinfo(request.body)
      const watchers = lists.flatMap(list => list.watchers.map(({ uri, status }) => `${uri.slice(4, -12)} ${status}`))
      // They stand in the order of their subscriptions' tags, which is chance.
      return [`${version} ${state}`, ...watchers.sort()].join(', ')
    })
}

describe('RFC 4660 §7.2.1: all the information about active watchers', () => {
  it('shows those who are active, and whoever becomes or ceases to be', () => {
    world.subscribe({ from: bob })
    watchOwn(filter(include(`${ofPresence}[@status="active"]`), ` uri="${alice}"`))
    assert.deepEqual(told(), ['nothing'])
    decide('allow')
    const accepted = world.subscribe({ from: carol })
    assert.deepEqual(told(1), ['0 full, bob active', '1 full, bob active, carol active'])
    const [last] = parseWatcherinfo(
      world.sent.findLast(({ request }) => request.header('Event') === 'presence.winfo')!.request.body,
    ).lists
    assert.deepEqual([last?.resource, last?.package, last?.watchers[0]?.event], [alice, 'presence', 'approved'])
    world.resubscribe(accepted, { expires: 0 })
    assert.deepEqual(told(3), ['2 full, bob active'])
  })
  it('what does not fit causes no NOTIFY', () => {
    watchOwn(filter(include(`${ofPresence}[@status="active"]`)))
    world.subscribe({ from: bob })
    world.subscribe({ from: carol, expires: 0 })
    assert.deepEqual(told(), ['nothing'])
  })
  it('when the last one is gone, a list of nobody says so', () => {
    world.set('presence.defaultHandling', 'allow')
    const accepted = world.subscribe({ from: bob })
    watchOwn(filter(include(`${ofPresence}[@status="active"]`)))
    world.resubscribe(accepted, { expires: 0 })
    assert.deepEqual(told(), ['0 full, bob active', '1 full'])
  })
  it('the same refreshed, changed, and removed', () => {
    world.subscribe({ from: bob })
    const accepted = watchOwn(filter(include(`${ofPresence}[@status="active"]`)))
    assert.equal(refresh(accepted).status, 200)
    assert.equal(refresh(accepted, filter(include(`${ofPresence}[@status="pending"]`))).status, 200)
    assert.equal(refresh(accepted, set('<filter id="123" remove="true"/>')).status, 200)
    world.subscribe({ from: carol })
    assert.deepEqual(told(), [
      'nothing',
      'nothing',
      '0 full, bob pending',
      '1 full, bob pending',
      '2 partial, carol pending',
    ])
  })
  it('survives a restart', () => {
    watchOwn(filter(include(`${ofPresence}[@status="active"]`)))
    world.pass(120)
    world.restart()
    world.subscribe({ from: bob })
    assert.deepEqual(told(), ['nothing'])
    decide('allow')
    assert.deepEqual(told(1), ['0 full, bob active'])
  })
})

describe('RFC 4660 §7.2.2: watchers by the duration of their subscriptions', () => {
  it('shows who has subscribed for longer, in a fetch', () => {
    world.subscribe({ from: bob })
    world.pass(400)
    world.subscribe({ from: carol })
    world.pass(200)
    watchOwn(filter(include(`${ofPresence}[@duration-subscribed&gt;500]`)), [['Expires', '0']])
    assert.deepEqual(told(), ['0 full, bob pending'])
  })
})

describe('RFC 4660 §7.2.3: specific information on specific triggers', () => {
  const what = include(`${ofPresence}[@status="terminated" and @event="rejected"]`)
  const trigger = '<trigger><changed from="pending" to="terminated">//@status</changed></trigger>'

  it('tells who was rejected, when somebody pending is', () => {
    world.subscribe({ from: bob })
    watchOwn(filter(what + trigger))
    assert.deepEqual(told(), ['nothing'])
    world.subscribe({ from: carol })
    assert.deepEqual(told(1), [])
    decide('block')
    assert.deepEqual(told(1)[0], '0 full, bob terminated, carol terminated')
    assert.equal(told().length, 2)
  })
  it('added: whoever comes new is told of, no other change', () => {
    watchOwn(filter('<trigger><added>//wi:watcher</added></trigger>'))
    world.subscribe({ from: bob })
    decide('allow')
    world.subscribe({ from: carol })
    assert.deepEqual(told(), ['0 full', '1 full, bob pending', '2 full, bob active, carol active'])
  })
})

describe('RFC 4661 §3.5: documents stay valid (RFC 3858 §3)', () => {
  it('what a watcher cannot be without is there, whatever is selected or excluded', () => {
    world.subscribe({ from: bob })
    watchOwn(filter(include('//wi:watcher/@display-name')))
    watchOwn(
      filter('<what><exclude>//@id</exclude><exclude>//@package</exclude><exclude>//@expiration</exclude></what>'),
    )
    const [list] = parseWatcherinfo(world.sent.at(-1)!.request.body).lists
    assert.deepEqual(
      [list?.package, list?.watchers[0]?.uri, list?.watchers[0]?.expirationSeconds],
      ['presence', bob, undefined],
    )
    assert.match(list!.watchers[0]!.id, /./)
  })
  for (const [why, body] of [
    [
      'a filter for presence',
      filter(include('//wi:watcher')).replace('<filter-set ', '<filter-set package="presence" '),
    ],
    [
      'two filters for one resource',
      set(
        `<filter id="1">${include('//wi:watcher')}</filter><filter id="2" uri="${alice}">${include('//wi:watcher')}</filter>`,
      ),
    ],
    ['a prefix without binding', filter(include('//w:watcher'))],
  ] as const) {
    it(`RFC 4660 §5.4: ${why} is answered 488`, () => assert.equal(watchOwn(body).status, 488))
  }
})
