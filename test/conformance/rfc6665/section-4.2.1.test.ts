/** RFC 6665 §4.2.1: how a notifier establishes and maintains subscriptions. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SipRequest } from '../../../src/protocols/sip/message.ts'
import { CounterWorld, counter } from '../../unit/protocols/sip-events/toy-package.ts'

describe('§4.2.1.1 initial SUBSCRIBE', () => {
  test('PS-33: 200 with Expires and Contact, and a NOTIFY at once in the dialog it makes', () => {
    const world = new CounterWorld()
    const accepted = world.subscribe({ headers: [['Expires', '600']] })
    assert.equal(accepted.status, 200)
    assert.equal(accepted.header('Expires'), '600')
    assert.equal(accepted.header('Allow-Events'), 'counter, other')
    const { request } = world.sent[0]!
    assert.equal(request.method, 'NOTIFY')
    assert.equal(request.uri, 'sip:agent@192.0.2.7:5060')
    assert.equal(request.callId, accepted.callId)
    assert.equal(request.header('To'), accepted.header('From'))
    assert.equal(request.header('From'), accepted.header('To'))
    assert.ok(request.fromTag)
    assert.equal(request.header('Event'), 'counter')
    assert.equal(request.header('Subscription-State'), 'active;expires=600')
    assert.equal(request.header('Content-Type'), 'text/plain')
    assert.equal(Buffer.from(request.body).toString(), '0')
  })

  test('PS-34: 202 is never generated, not even for a pending subscription', () => {
    const world = new CounterWorld()
    world.toy.decision = 'pending'
    assert.equal(world.subscribe().status, 200)
  })

  test('PS-33: a pending subscription is notified at once too, without a document', () => {
    const world = new CounterWorld()
    world.toy.decision = 'pending'
    world.subscribe()
    assert.match(world.sent[0]!.request.header('Subscription-State')!, /^pending;expires=3600$/)
    assert.equal(world.sent[0]!.request.body.length, 0)
  })

  test('PS-32: an event package that is not understood, or none, is answered 489 with Allow-Events', () => {
    const world = new CounterWorld()
    for (const name of ['dialog', 'Counter', 'counter.winfo', 'counter, other']) {
      const response = world.subscribe({ headers: [['Event', name]] })
      assert.equal(response.status, 489, name)
      assert.equal(response.header('Allow-Events'), 'counter, other')
    }
    assert.equal(world.request('SUBSCRIBE', counter).status, 489)
  })

  test('PS-32: an unknown resource is answered 404, a refused subscriber 403', () => {
    const world = new CounterWorld()
    assert.equal(world.subscribe({ uri: 'sip:unknown@box.example' }).status, 404)
    world.toy.decision = 'forbidden'
    assert.equal(world.subscribe().status, 403)
    assert.equal(world.sent.length, 0)
  })

  test('PS-32: an interval above zero, below an hour and below the minimum is answered 423 with Min-Expires', () => {
    const world = new CounterWorld()
    const response = world.subscribe({ headers: [['Expires', '59']] })
    assert.equal(response.status, 423)
    assert.equal(response.header('Min-Expires'), '60')
    assert.equal(world.subscribe({ headers: [['Expires', '60']] }).status, 200)
  })

  test('"the server MAY shorten the interval but MUST NOT lengthen it"; without Expires the default of the package', () => {
    const world = new CounterWorld()
    assert.equal(world.subscribe({ headers: [['Expires', '100000']] }).header('Expires'), '7200')
    assert.equal(world.subscribe({ headers: [['Expires', '100']] }).header('Expires'), '100')
    assert.equal(world.subscribe().header('Expires'), '3600')
  })

  test('§4.1.2.1: an Accept that names nothing we can send is answered 406; otherwise the preferred type is sent', () => {
    const world = new CounterWorld()
    assert.equal(world.subscribe({ headers: [['Accept', 'application/pdf']] }).status, 406)
    assert.equal(world.subscribe({ headers: [['Accept', 'text/plain;q=0, text/html;q=0']] }).status, 406)
    for (const [accept, expected] of [
      ['text/html', 'text/html'],
      ['text/html;q=0.5, text/plain', 'text/plain'],
      ['text/html, text/plain;q=0.5', 'text/html'],
      ['text/*', 'text/plain'],
      ['*/*;q=0.1, text/html', 'text/html'],
      ['application/pdf, TEXT/HTML', 'text/html'],
    ]) {
      world.subscribe({ headers: [['Accept', accept!]] })
      assert.equal(world.sent.at(-1)!.request.header('Content-Type'), expected, accept)
    }
  })

  test('a body of a type the package does not define for SUBSCRIBE is answered 415', () => {
    const world = new CounterWorld()
    const headers: [string, string][] = [
      ['Event', 'counter'],
      ['Content-Type', 'application/simple-filter+xml'],
    ]
    assert.equal(world.request('SUBSCRIBE', counter, { headers, body: '<filter-set/>' }).status, 415)
  })

  test('a SUBSCRIBE without one usable Contact is answered 400', () => {
    const world = new CounterWorld()
    for (const contact of ['*', '<mailto:a@b>', '<sip:a@192.0.2.7>, <sip:b@192.0.2.7>']) {
      assert.equal(world.subscribe({ headers: [['Contact', contact]] }).status, 400, contact)
    }
  })

  test('a resource with as many subscriptions as we keep is answered 503 with Retry-After', () => {
    const world = new CounterWorld({ subscriptionsPerResource: 2 })
    world.subscribe()
    const second = world.subscribe()
    const third = world.subscribe()
    assert.equal(third.status, 503)
    assert.ok(third.header('Retry-After'))
    world.refresh(second, [['Expires', '0']])
    assert.equal(world.subscribe().status, 200)
  })
})

describe('§4.2.1.4 refresh and end', () => {
  test('PS-33: a refresh is confirmed by a NOTIFY with the lifetime that is left', () => {
    const world = new CounterWorld()
    const accepted = world.subscribe({ headers: [['Expires', '100']] })
    world.pass(50)
    assert.equal(world.refresh(accepted, [['Expires', '200']]).header('Expires'), '200')
    assert.deepEqual(world.log(), ['NOTIFY active 1', 'NOTIFY active 2'])
    assert.equal(world.sent[1]!.request.header('Subscription-State'), 'active;expires=200')
    world.pass(199)
    assert.equal(world.subscriptions(), 1)
    world.pass(1)
    assert.equal(world.subscriptions(), 0)
  })

  test('a refresh may shorten: the subscription ends then', async () => {
    const world = new CounterWorld()
    const accepted = world.subscribe({ headers: [['Expires', '3600']] })
    world.refresh(accepted, [['Expires', '60']])
    world.pass(60)
    assert.equal(world.log().at(-1), 'NOTIFY terminated;reason=timeout 3')
    world.pass(4000)
    assert.equal(world.log().length, 3)
    assert.equal(await world.size(), 0)
  })

  test('PS-36: nobody having refreshed it, it ends with reason timeout', async () => {
    const world = new CounterWorld()
    world.subscribe({ headers: [['Expires', '60']] })
    world.pass(60)
    assert.deepEqual(world.log(), ['NOTIFY active 1', 'NOTIFY terminated;reason=timeout 2'])
    assert.equal(world.sent[1]!.request.body.length, 0)
    assert.equal(await world.size(), 0)
    assert.equal(world.toy.unwatched, 1)
  })

  test('PS-35: Expires 0 in a dialog ends it, at once even while a NOTIFY waits for its answer', () => {
    const world = new CounterWorld()
    world.peer = () => undefined
    const accepted = world.subscribe()
    assert.equal(world.refresh(accepted, [['Expires', '0']]).header('Expires'), '0')
    assert.deepEqual(world.log(), ['NOTIFY active 1', 'NOTIFY terminated;reason=timeout 2'])
    assert.equal(world.subscriptions(), 0)
  })

  test('PS-42: a refresh of an unknown dialog is answered 481', () => {
    const world = new CounterWorld()
    const accepted = world.subscribe()
    world.refresh(accepted, [['Expires', '0']])
    assert.equal(world.refresh(accepted, [], 9).status, 481)
    const other = world.subscribe()
    assert.equal(world.refresh(other).status, 200)
    const strange = world.request('SUBSCRIBE', other.header('Contact')!.slice(1, -1), {
      headers: [
        ['Event', 'counter'],
        ['From', '<sip:bob@box.example>;tag=strange'],
        ['To', other.header('To')!],
        ['Call-ID', other.callId],
      ],
      cseq: 99,
    })
    assert.equal(strange.status, 481)
  })

  test('RFC 3261 §12.2.2: a CSeq lower than the last is answered 500, and the same one is the same request', () => {
    const world = new CounterWorld()
    const accepted = world.subscribe({ cseq: 10 })
    assert.equal(world.refresh(accepted, [['Expires', '1000']], 12).status, 200)
    assert.equal(world.refresh(accepted, [['Expires', '60']], 11).status, 500)
    assert.equal(world.refresh(accepted, [['Expires', '1000']], 12).status, 200)
    world.pass(61)
    assert.equal(world.subscriptions(), 1)
  })

  test('RFC 3261 §12.2.2: Contact of a refresh is where NOTIFYs go from then on', () => {
    const world = new CounterWorld()
    const accepted = world.subscribe()
    world.refresh(accepted, [['Contact', '<sip:moved@192.0.2.9;transport=tcp>']])
    assert.equal(world.sent.at(-1)!.request.uri, 'sip:moved@192.0.2.9;transport=tcp')
  })

  test('§4.5.2: a second subscription in one dialog is answered 403', () => {
    const world = new CounterWorld()
    const accepted = world.subscribe()
    for (const event of ['other', 'counter;id=7']) {
      const response = world.refresh(accepted, [['Event', event]], 20)
      assert.equal(response.status, 403)
      assert.equal(response.reason, 'Dialog Sharing Not Supported')
    }
  })

  test('somebody else cannot refresh a subscription', () => {
    const world = new CounterWorld()
    const accepted = world.subscribe({ headers: [['P-Asserted-Identity', '<sip:bob@box.example>']] })
    const other = world.refresh(accepted, [['P-Asserted-Identity', '<sip:mallory@box.example>']])
    assert.equal(other.status, 403)
  })

  test('libpurple: a refresh addressed to the address-of-record is found by its tags', () => {
    const world = new CounterWorld()
    const accepted = world.subscribe()
    const response = world.request('SUBSCRIBE', counter, {
      cseq: 20,
      headers: [
        ['Event', 'counter'],
        ['From', accepted.header('From')!],
        ['To', accepted.header('To')!],
        ['Call-ID', accepted.callId],
      ],
    })
    assert.equal(response.status, 200)
    assert.equal(world.subscriptions(), 1)
  })

  test('a refresh is found by our Contact although To names the resource differently', () => {
    const world = new CounterWorld()
    const accepted = world.subscribe({ headers: [['To', 'The counter <sip:alias@other.example>']] })
    assert.equal(world.refresh(accepted).status, 200)
    const far = world.subscribe({ uri: 'sip:counter@far.example', headers: [['To', '<sip:alias@other.example>']] })
    assert.match(far.header('Contact')!, /^<sip:sip%3Acounter%40far\.example@192\.0\.2\.1:5060;gr=counters>$/)
    assert.equal(world.refresh(far).status, 200)
  })

  test('§4.5.2: the id of Event is echoed in every NOTIFY and needed in every refresh', () => {
    const world = new CounterWorld()
    const accepted = world.subscribe({ headers: [['Event', 'counter;id=17']] })
    assert.equal(world.sent[0]!.request.header('Event'), 'counter;id=17')
    assert.equal(world.refresh(accepted, [['Event', 'counter;id=17']]).status, 200)
    assert.equal(world.refresh(accepted, [], 30).status, 403)
  })
})

describe('creation is idempotent under the dialog identifier', () => {
  test('PS-41: a SUBSCRIBE repeated after a restart creates nothing and CSeq goes on', () => {
    const world = new CounterWorld()
    let first: SipRequest | undefined
    const original = world.deliver.bind(world)
    world.deliver = (request: SipRequest) => {
      first ??= request.copy()
      return original(request)
    }
    const accepted = world.subscribe()
    world.count()
    world.restart()
    const repeated = world.deliver(first!)
    assert.equal(repeated.header('To'), accepted.header('To'))
    assert.equal(world.subscriptions(), 1)
    const places = world.log().map(line => Number(line.split(' ').at(-1)))
    assert.deepEqual(places, [1, 2, 3, 4])
  })

  test('§4.1.2.1: subscriptions of several dialogs are separate', () => {
    const world = new CounterWorld()
    const tags = [world.subscribe(), world.subscribe(), world.subscribe()].map(({ toTag }) => toTag)
    assert.equal(new Set(tags).size, 3)
    assert.equal(world.subscriptions(), 3)
  })
})
