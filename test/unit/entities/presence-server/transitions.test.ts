/**
 * Every transition of a subscription, and of what its presentity is told of her watchers, when her rules change (RFC 5025 §3.2.1,
 * RFC 3857 §4.7.1; PS-95 to PS-98): from each handling to each other, for a live subscription and for a waiting watcher.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { putDocument } from '../../../../src/entities/xdms/documents.ts'
import { alice, bob, PresenceWorld, text } from './presence-world.ts'
import { one, rule, ruleset } from './rules/rules-of.ts'

const services = '<provide-services><all-services/></provide-services>'

class World extends PresenceWorld {
  #etag = 0

  constructor() {
    super({ 'presence.minNotifyIntervalSeconds': 0 })
    this.publish('open')
    this.request('SUBSCRIBE', alice, {
      from: alice,
      headers: [
        ['Event', 'presence.winfo'],
        ['Expires', '3600'],
      ],
    })
  }

  rules(handling: string): void {
    const etag = `e${++this.#etag}`
    const address = { auid: 'pres-rules', xui: alice, path: 'index' }
    const body = Buffer.from(ruleset(rule(one(bob), handling, services)))
    this.act(turn => {
      putDocument(turn.db, address, { etag, body, modifiedAt: turn.now })
      return this.server.documentChanged({ address, previousEtag: undefined, etag }, turn)
    })
    this.pass(10)
  }

  /** What has been told since: to Bob as state and document, to Alice as what Bob is. */
  since(place: number): { readonly bob: string[]; readonly alice: string[] } {
    const told = this.sent.slice(place).map(({ request }) => ({
      isWinfo: request.header('Event')!.startsWith('presence.winfo'),
      state: request.header('Subscription-State')!.replace(/;expires=\d+/, ''),
      body: text(request.body),
    }))
    const watcher = /<watcher(?=[^>]* status="([^"]*)")(?=[^>]* event="([^"]*)")/
    return {
      bob: told
        .filter(({ isWinfo }) => !isWinfo)
        .map(({ state, body }) => {
          const shown =
            body === '' ? '' : body === this.neutral() ? ' nobody there' : ` ${/<basic>(\w+)/.exec(body)?.[1]}`
          return state + shown
        }),
      alice: told
        .filter(({ isWinfo }) => isWinfo)
        .flatMap(({ body }) => {
          const [, status, event] = watcher.exec(body) ?? []
          return status === undefined ? [] : [`${status} ${event}`]
        }),
    }
  }
}

type Told = ReturnType<World['since']>

const nothing: Told = { bob: [], alice: [] }
const rejected: Told = { bob: ['terminated;reason=rejected'], alice: ['terminated rejected'] }

const live: Readonly<Record<string, Readonly<Record<string, Told>>>> = {
  allow: {
    allow: nothing,
    'polite-block': { bob: ['active nobody there'], alice: [] },
    confirm: { bob: ['pending'], alice: ['pending subscribe'] },
    block: rejected,
  },
  'polite-block': {
    allow: { bob: ['active open'], alice: [] },
    'polite-block': nothing,
    confirm: { bob: ['pending'], alice: ['pending subscribe'] },
    block: rejected,
  },
  confirm: {
    allow: { bob: ['active open'], alice: ['active approved'] },
    'polite-block': { bob: ['active nobody there'], alice: ['active approved'] },
    confirm: nothing,
    block: rejected,
  },
}

describe('a live subscription', () => {
  for (const [from, others] of Object.entries(live))
    for (const [to, expected] of Object.entries(others))
      test(`from ${from} to ${to}`, () => {
        const world = new World()
        world.rules(from)
        assert.equal(world.subscribe({ expires: 3600 }).status, 200)
        world.pass(10)
        const place = world.sent.length
        world.rules(to)
        assert.deepEqual(world.since(place), expected)
      })

  test('from block there is none: a SUBSCRIBE is refused, and nobody is told', () => {
    const world = new World()
    world.rules('block')
    const place = world.sent.length
    assert.equal(world.subscribe().status, 403)
    for (const handling of ['confirm', 'allow', 'polite-block', 'block']) world.rules(handling)
    assert.deepEqual(world.since(place), nothing)
  })
})

describe('a watcher who waits', () => {
  for (const [to, expected] of [
    ['allow', ['terminated approved']],
    ['polite-block', ['terminated approved']],
    ['confirm', []],
    ['block', ['terminated rejected']],
  ] as const)
    test(`from confirm to ${to}`, () => {
      const world = new World()
      world.rules('confirm')
      world.subscribe({ expires: 60 })
      world.pass(120)
      const place = world.sent.length
      world.rules(to)
      assert.deepEqual(world.since(place), { bob: [], alice: expected })
    })
})
