/** RFC 6665 §4.4 and §4.5: fetching, ending dialogs, Allow-Events, and the URI of the notifier. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SipRequest } from '../../../src/protocols/sip/message.ts'
import { CounterWorld, counter } from '../../unit/protocols/sip-events/toy-package.ts'

describe('§4.4.3 polling', () => {
  test('PS-35: Expires 0 outside a dialog gives one NOTIFY with the state, terminated;reason=timeout, and leaves nothing', async () => {
    const world = new CounterWorld()
    world.toy.value = 8
    for (let poll = 1; poll <= 3; poll++) {
      const response = world.subscribe({ headers: [['Expires', '0']] })
      assert.equal(response.status, 200)
      assert.equal(response.header('Expires'), '0')
      assert.equal(world.sent.length, poll)
    }
    assert.deepEqual(world.bodies(), ['8', '8', '8'])
    assert.deepEqual(world.log(), Array(3).fill('NOTIFY terminated;reason=timeout 1'))
    assert.equal(world.sent[0]!.request.header('Subscription-State'), 'terminated;reason=timeout')
    assert.equal(await world.size(), 0)
    assert.equal(world.wakesPending, 0)
    assert.deepEqual(world.toy.watchers, [], 'RFC 3857 §4.7.2: transient states are not told')
  })

  test('§4.1.3: a terminated NOTIFY carries no expires', () => {
    const world = new CounterWorld()
    const accepted = world.subscribe()
    world.refresh(accepted, [['Expires', '0']])
    assert.equal(world.sent.at(-1)!.request.header('Subscription-State'), 'terminated;reason=timeout')
  })

  test('a poll that is refused says nothing', () => {
    const world = new CounterWorld()
    world.toy.decision = 'forbidden'
    assert.equal(world.subscribe({ headers: [['Expires', '0']] }).status, 403)
    assert.equal(world.sent.length, 0)
  })

  test('a poll that is not decided upon gets no state', () => {
    const world = new CounterWorld()
    world.toy.decision = 'pending'
    world.subscribe({ headers: [['Expires', '0']] })
    assert.deepEqual(world.bodies(), [''])
  })
})

describe('§4.5.1 PS-38: the local target is a GRUU', () => {
  test('Contact of 200 and NOTIFY has the gr parameter and tells the resource', () => {
    const world = new CounterWorld()
    const accepted = world.subscribe()
    assert.equal(accepted.header('Contact'), '<sip:counter@192.0.2.1:5060;gr=counters>')
    assert.equal(world.sent[0]!.request.header('Contact'), accepted.header('Contact'))
  })

  test('RFC 3261 §12.1.1: it is a sips URI when the Request-URI was one, and repeats the transport', () => {
    const world = new CounterWorld()
    const accepted = world.request('SUBSCRIBE', 'sips:counter@box.example', { headers: [['Event', 'counter']] })
    assert.match(accepted.header('Contact')!, /^<sips:counter@/)
    const request = subscribeBy('tcp', [])
    const overTcp = deliverOver(world, request, 'tcp')
    assert.equal(overTcp.header('Contact'), '<sip:counter@192.0.2.1:5060;transport=tcp;gr=counters>')
  })
})

describe('where NOTIFY goes', () => {
  test('by the flow the SUBSCRIBE came by: a connection always, UDP with rport', () => {
    const world = new CounterWorld()
    world.subscribe()
    assert.equal(world.sent[0]!.flow, 'udp:192.0.2.1:5060:192.0.2.7:5060')
    deliverOver(world, subscribeBy('tcp', []), 'tcp')
    assert.equal(world.sent[1]!.flow, 'tcp:7:x')
  })

  test('over UDP without rport to the Contact, and by the flow if that is where it leads', () => {
    const world = new CounterWorld()
    deliverOver(world, subscribeBy('udp', [], '<sip:a@192.0.2.7:5070>'), 'udp')
    assert.equal(world.sent[0]!.flow, undefined)
    deliverOver(world, subscribeBy('udp', [], '<sip:a@192.0.2.7:5060>'), 'udp')
    assert.equal(world.sent[1]!.flow, 'udp:7:x')
  })

  test('to the Contact when a proxy between does not want to stay on the path', () => {
    const world = new CounterWorld()
    const request = subscribeBy('tcp', [])
    request.append('Via', 'SIP/2.0/TCP 192.0.2.99;branch=z9hG4bKb')
    deliverOver(world, request, 'tcp')
    assert.equal(world.sent[0]!.flow, undefined)
  })

  test('RFC 3261 §12.1.1: by the recorded route, which the 200 repeats', () => {
    const world = new CounterWorld()
    const request = subscribeBy('tcp', [
      ['Record-Route', '<sip:p2.example;lr>, <sip:p1.example;lr>'],
      ['Via', 'SIP/2.0/TCP 192.0.2.99;branch=z9hG4bKb'],
    ])
    const accepted = deliverOver(world, request, 'tcp')
    assert.deepEqual(accepted.headers('Record-Route'), ['<sip:p2.example;lr>', '<sip:p1.example;lr>'])
    const notify = world.sent[0]!
    assert.equal(notify.flow, 'tcp:7:x')
    assert.equal(notify.request.uri, 'sip:agent@192.0.2.7')
    assert.deepEqual(notify.request.headers('Route'), ['<sip:p2.example;lr>', '<sip:p1.example;lr>'])
  })

  test('RFC 3261 §12.2.1.1: to the first hop of the route, by the flow only if that leads there', () => {
    const flowFor = (transport: 'udp' | 'tcp', hop: string) => {
      const world = new CounterWorld()
      const request = subscribeBy(transport, [
        ['Record-Route', `<sip:${hop};lr>`],
        ['Via', `SIP/2.0/${transport.toUpperCase()} 192.0.2.99;branch=z9hG4bKb`],
      ])
      deliverOver(world, request, transport)
      return world.sent[0]!.flow
    }
    assert.equal(flowFor('udp', '192.0.2.7'), 'udp:7:x')
    assert.equal(flowFor('udp', '192.0.2.7:5070'), undefined)
    assert.equal(flowFor('udp', '192.0.2.8'), undefined, 'the hop before the last has recorded itself')
    assert.equal(flowFor('tcp', '192.0.2.7:5070'), 'tcp:7:x', 'a connection comes from any port')
    assert.equal(flowFor('tcp', '192.0.2.8'), undefined)
    assert.equal(flowFor('udp', 'p1.example'), 'udp:7:x', 'a name that may be his')
  })

  test('RFC 3261 §12.2.1.1: a strict router gets its own URI as Request-URI, and the target last', () => {
    const world = new CounterWorld()
    const request = subscribeBy('tcp', [['Record-Route', '<sip:p2.example>, <sip:p1.example;lr>']])
    deliverOver(world, request, 'tcp')
    const notify = world.sent[0]!.request
    assert.equal(notify.uri, 'sip:p2.example')
    assert.deepEqual(notify.headers('Route'), ['<sip:p1.example;lr>', '<sip:agent@192.0.2.7>'])
  })
})

let serial = 0

function subscribeBy(transport: string, headers: [string, string][], contact = '<sip:agent@192.0.2.7>'): SipRequest {
  serial++
  return new SipRequest('SUBSCRIBE', counter, [
    ['Via', `SIP/2.0/${transport.toUpperCase()} 192.0.2.7;branch=z9hG4bKs${serial}`],
    ['From', `<sip:bob@box.example>;tag=s${serial}`],
    ['To', `<${counter}>`],
    ['Call-ID', `s${serial}`],
    ['CSeq', '1 SUBSCRIBE'],
    ['Contact', contact],
    ['Event', 'counter'],
    ...headers,
  ])
}

function deliverOver(world: CounterWorld, request: SipRequest, transport: 'udp' | 'tcp') {
  return world.deliver(request, `${transport}:7:x`, { transport, address: '192.0.2.7', port: 5060 })
}
