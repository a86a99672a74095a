/** RFC 3903 §6: the steps by which the Event State Compositor processes PUBLISH. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { limits } from '../../../src/limits.ts'
import type { SipRequest } from '../../../src/protocols/sip/message.ts'
import { alice, carol, PresenceWorld, pidf, said } from '../../unit/entities/presence-server/presence-world.ts'

const event: readonly [string, string] = ['Event', 'presence']
const type: readonly [string, string] = ['Content-Type', 'application/pidf+xml']

describe('step 1', () => {
  test('PS-02: a Request-URI that is not ours to keep state for is answered 404', () => {
    const world = new PresenceWorld()
    assert.equal(world.publish('open', { of: 'sip:nobody@box.example' }).status, 404)
    assert.equal(world.publish('open', { of: 'sip:alice@elsewhere.example' }).status, 404)
  })

  test('404 comes before whatever else is wrong', () => {
    const world = new PresenceWorld()
    assert.equal(world.request('PUBLISH', 'sip:nobody@box.example', { headers: [['SIP-If-Match', 'a b']] }).status, 404)
  })
})

describe('step 2', () => {
  test('PS-03: without Event, or with one not served for publication, 489 with Allow-Events', () => {
    const world = new PresenceWorld()
    for (const headers of [
      [],
      [['Event', 'dialog'] as const],
      [['Event', 'Presence'] as const],
      [['Event', 'presence.winfo'] as const],
    ]) {
      const response = world.request('PUBLISH', alice, { headers: [...headers, ['SIP-If-Match', 'unknown']] })
      assert.equal(response.status, 489)
      assert.equal(response.header('Allow-Events'), 'presence')
    }
  })
})

describe('step 3', () => {
  test('PS-04: more than one entity-tag is answered 400', () => {
    const world = new PresenceWorld()
    for (const tag of ['a, b', 'a b', '']) {
      assert.equal(world.request('PUBLISH', alice, { headers: [event, ['SIP-If-Match', tag]] }).status, 400)
    }
    const twice = world.request('PUBLISH', alice, {
      headers: [event, ['SIP-If-Match', 'a'], ['SIP-If-Match', 'b']],
    })
    assert.equal(twice.status, 400)
  })

  test('PS-04: an entity-tag that is not stored is answered 412', () => {
    const world = new PresenceWorld()
    const current = world.publish('open').header('SIP-ETag')!
    const name = current.split('.')[0]!
    for (const tag of ['unknown', `${current}x`, name, `${name}.x`]) {
      assert.equal(world.publish(undefined, { tag }).status, 412, tag)
    }
  })

  test('an entity-tag of another presentity is answered 412', () => {
    const world = new PresenceWorld()
    const tag = world.publish('open').header('SIP-ETag')
    assert.equal(world.publish(undefined, { tag, of: carol }).status, 412)
  })

  test('an entity-tag that has been replaced is answered 412', () => {
    const world = new PresenceWorld()
    const first = world.publish('open').header('SIP-ETag')
    assert.equal(world.publish(undefined, { tag: first }).status, 200)
    assert.equal(world.publish('closed', { tag: first }).status, 412)
  })

  test('an entity-tag whose publication has expired is answered 412', () => {
    const world = new PresenceWorld()
    const tag = world.publish('open', { expires: 100 }).header('SIP-ETag')
    world.now += 100_000
    assert.equal(world.publish(undefined, { tag }).status, 412)
  })

  test('412 comes before 423 and 415', () => {
    const world = new PresenceWorld()
    const response = world.request('PUBLISH', alice, {
      headers: [event, ['SIP-If-Match', 'unknown'], ['Expires', '1'], ['Content-Type', 'text/plain']],
      body: 'hello',
    })
    assert.equal(response.status, 412)
  })
})

describe('step 4', () => {
  test('PS-05: a longer lifetime than the longest is shortened, never lengthened', () => {
    const world = new PresenceWorld({ 'presence.publicationMaxSeconds': 7200 })
    assert.equal(world.publish('open', { expires: 100_000 }).header('Expires'), '7200')
    assert.equal(world.publish('open', { expires: 100 }).header('Expires'), '100')
  })

  test('PS-05: more than 0 and less than our minimum is answered 423 with Min-Expires', () => {
    const world = new PresenceWorld({ 'presence.publicationMinSeconds': 60 })
    const response = world.publish('open', { expires: 59 })
    assert.equal(response.status, 423)
    assert.equal(response.header('Min-Expires'), '60')
    assert.equal(world.publish('open', { expires: 60 }).status, 200)
    assert.equal(world.publish('open', { expires: 0 }).status, 200)
  })

  test('423 comes before 415', () => {
    const world = new PresenceWorld()
    const headers: [string, string][] = [
      ['Event', 'presence'],
      ['Expires', '1'],
      ['Content-Type', 'text/plain'],
    ]
    assert.equal(world.request('PUBLISH', alice, { headers, body: 'hello' }).status, 423)
  })
})

describe('step 5', () => {
  test('PS-06: a body of another type is answered 415 with Accept', () => {
    const world = new PresenceWorld()
    const response = world.request('PUBLISH', alice, {
      headers: [event, ['Content-Type', 'text/plain']],
      body: 'hello',
    })
    assert.equal(response.status, 415)
    assert.equal(
      response.header('Accept'),
      'application/pidf+xml, application/pidf-diff+xml, multipart/related, multipart/mixed, multipart/alternative',
    )
  })

  test('PS-06: an initial publication without a body is answered 400', () => {
    assert.equal(new PresenceWorld().publish(undefined).status, 400)
  })

  test('an encoded body is answered 415 with Accept-Encoding', () => {
    const world = new PresenceWorld()
    const response = world.request('PUBLISH', alice, {
      headers: [event, type, ['Content-Encoding', 'gzip']],
      body: 'not readable',
    })
    assert.equal(response.status, 415)
    assert.equal(response.header('Accept-Encoding'), 'deflate, identity')
  })

  test('a body that is not a presence document is answered 400 with where and why', () => {
    const world = new PresenceWorld()
    for (const body of ['<presence', '<!DOCTYPE x><x/>', '<x/>', `${pidf('open')}\n<y/>`, pidf('perhaps')]) {
      const response = world.request('PUBLISH', alice, { headers: [event, type], body })
      assert.equal(response.status, 400, body)
      assert.match(response.reason, /^PIDF line \d+, column \d+: /)
      response.toBytes()
    }
  })

  test('a larger body than we keep is answered 413', () => {
    const world = new PresenceWorld()
    const body = pidf('open').replace('</presence>', `<note>${'x'.repeat(limits.publicationOctets)}</note></presence>`)
    assert.equal(world.request('PUBLISH', alice, { headers: [event, type], body }).status, 413)
  })

  test('PS-08: what is refused has changed nothing', () => {
    const world = new PresenceWorld()
    const tag = world.publish('open').header('SIP-ETag')
    const headers: [string, string][] = [
      ['Event', 'presence'],
      ['SIP-If-Match', tag!],
      ['Content-Type', 'application/pidf+xml'],
    ]
    assert.equal(world.request('PUBLISH', alice, { headers, body: '<x/>' }).status, 400)
    assert.equal(world.publish(undefined, { tag }).status, 200)
    world.subscribe()
    assert.equal(said(world.sent.at(-1)), 'open')
  })

  test('PS-09: Expires 0 removes at once and stores nothing, even with a body', async () => {
    const world = new PresenceWorld()
    const response = world.publish('open', { expires: 0 })
    assert.equal(response.status, 200)
    assert.equal(response.header('Expires'), '0')
    assert.equal(await world.size(), 0)
    const tag = world.publish('open').header('SIP-ETag')
    assert.equal(world.publish('closed', { tag, expires: 0 }).status, 200)
    assert.equal(
      world.read(db => world.server.counts(db, world.now).publications),
      0,
    )
    world.subscribe()
    assert.notEqual(said(world.sent.at(-1)), 'open')
  })
})

describe('step 6', () => {
  test('PS-07: every success has a new entity-tag and the granted Expires', () => {
    const world = new PresenceWorld()
    const tags = new Set<string>()
    let tag: string | undefined
    for (let round = 0; round < 50; round++) {
      const response = world.publish(round % 3 === 0 ? 'open' : undefined, { tag, expires: 600 })
      assert.equal(response.status, 200)
      assert.equal(response.header('Expires'), '600')
      tag = response.header('SIP-ETag')!
      assert.match(tag, /^[A-Za-z0-9.]+$/)
      assert.equal(tags.has(tag), false)
      tags.add(tag)
    }
  })

  test('PS-07: a client that begins again with the same Call-ID, CSeq and branch gets another entity-tag', () => {
    const world = new PresenceWorld()
    const again = (body: string) =>
      world.request('PUBLISH', alice, {
        branch: 'z9hG4bKsame',
        cseq: 1,
        headers: [event, type, ['Call-ID', 'same'], ['From', `<${alice}>;tag=same`]],
        body,
      })
    const first = again(pidf('open'))
    const second = again(pidf('closed'))
    assert.equal(second.status, 200)
    assert.notEqual(second.header('SIP-ETag'), first.header('SIP-ETag'))
    world.publish(undefined, { tag: first.header('SIP-ETag'), expires: 0 })
    world.publish(undefined, { tag: second.header('SIP-ETag'), expires: 0 })
    world.pass(3600)
    assert.notEqual(again(pidf('open')).header('SIP-ETag'), first.header('SIP-ETag'))
  })
})

describe('what a restart may lose is the answer only', () => {
  const steps = ['initial', 'refresh', 'modify', 'remove'] as const
  for (const step of steps) {
    test(`PS-15: ${step} repeated after a restart is answered as before and changes nothing`, () => {
      const world = new PresenceWorld()
      let last: SipRequest | undefined
      const original = world.deliver.bind(world)
      world.deliver = (request: SipRequest) => {
        last = request.copy()
        return original(request)
      }
      let response = world.publish('open', { expires: 600 })
      const tag = () => response.header('SIP-ETag')
      if (step !== 'initial') response = world.publish(undefined, { tag: tag(), expires: 700 })
      if (step === 'modify') response = world.publish('closed', { tag: tag(), expires: 800 })
      if (step === 'remove') response = world.publish(undefined, { tag: tag(), expires: 0 })
      world.restart()
      world.now += 20_000
      const repeated = world.deliver(last!)
      assert.equal(repeated.status, 200)
      assert.equal(repeated.header('SIP-ETag'), tag())
      assert.equal(repeated.header('Expires'), response.header('Expires'))
      assert.equal(
        world.read(db => world.server.counts(db, world.now).publications),
        step === 'remove' ? 0 : 1,
      )
      if (step !== 'remove') assert.equal(world.publish(undefined, { tag: tag() }).status, 200)
      else assert.equal(world.publish(undefined, { tag: tag() }).status, 412)
    })
  }

  test('PS-07, PS-15: publications and entity-tags go on after a restart', () => {
    const world = new PresenceWorld()
    const tag = world.publish('open').header('SIP-ETag')
    world.restart()
    const modified = world.publish('closed', { tag })
    assert.equal(modified.status, 200)
    assert.notEqual(modified.header('SIP-ETag'), tag)
    world.subscribe()
    assert.equal(said(world.sent.at(-1)), 'closed')
  })
})

test('§6: nothing is left in the store when every publication has expired or been removed', async () => {
  const world = new PresenceWorld()
  world.publish('open', { expires: 100 })
  const tag = world.publish('open', { expires: 4000 }).header('SIP-ETag')
  const shorter = world.publish('closed', { tag, expires: 200 }).header('SIP-ETag')
  world.pass(150)
  assert.equal(
    world.read(db => world.server.counts(db, world.now).publications),
    1,
  )
  world.pass(51)
  assert.equal(await world.size(), 0, 'a publication shortened by a refresh ends then, not when it would have')
  assert.equal(world.publish(undefined, { tag: shorter }).status, 412)
  const other = world.publish('open').header('SIP-ETag')
  world.publish(undefined, { tag: other, expires: 0 })
  world.pass(100)
  assert.equal(await world.size(), 0)
})

test('§9: too many publications of one presentity are answered 503 with Retry-After', () => {
  const world = new PresenceWorld()
  for (let count = 0; count < limits.publicationsPerPresentity; count++) {
    assert.equal(world.publish('open', { expires: 100 + count }).status, 200)
  }
  const response = world.publish('open')
  assert.equal(response.status, 503)
  assert.equal(response.header('Retry-After'), '100')
  world.pass(100)
  assert.equal(world.publish('open').status, 200)
})

test('§9, PS-13: a source that publishes sooner than it may is answered 503 with Retry-After; it may refresh and remove', () => {
  const world = new PresenceWorld({ 'presence.minPublishIntervalSeconds': 10 })
  let tag = world.publish('open').header('SIP-ETag')
  world.pass(4)
  const response = world.publish('closed', { tag })
  assert.equal(response.status, 503)
  assert.equal(response.header('Retry-After'), '6')
  tag = world.publish(undefined, { tag }).header('SIP-ETag')
  world.pass(6)
  tag = world.publish('closed', { tag }).header('SIP-ETag')
  assert.equal(world.publish(undefined, { tag, expires: 0 }).status, 200)
})
