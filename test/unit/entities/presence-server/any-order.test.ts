/**
 * Whatever users, peers and the machine do, in whatever order: who may see a presentity ends with the current view, CSeq and
 * versions only grow, nobody is told what is not for him, and when all has expired nothing is left.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseWatcherinfo } from '../../../../src/documents/watcherinfo.ts'
import type { SipResponse } from '../../../../src/protocols/sip/message.ts'
import { alice, bob, carol, PresenceWorld, text } from './presence-world.ts'

type Step =
  | { readonly kind: 'publish'; readonly basic: string; readonly expires: number }
  | { readonly kind: 'modify' | 'refresh'; readonly which: number; readonly expires: number }
  | { readonly kind: 'remove'; readonly which: number }
  | { readonly kind: 'subscribe'; readonly from: string; readonly event: string; readonly expires: number }
  | { readonly kind: 'resubscribe'; readonly which: number; readonly expires: number }
  | { readonly kind: 'peers'; readonly answer: number | undefined }
  | { readonly kind: 'handling'; readonly handling: string }
  | { readonly kind: 'pass'; readonly seconds: number }
  | { readonly kind: 'restart' }

const which = fc.nat(5)
const expires = fc.constantFrom(60, 90, 300)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('publish' as const), basic: fc.constantFrom('open', 'closed'), expires }),
  fc.record({ kind: fc.constantFrom('modify' as const, 'refresh' as const), which, expires }),
  fc.record({ kind: fc.constant('remove' as const), which }),
  fc.record({
    kind: fc.constant('subscribe' as const),
    from: fc.constantFrom(alice, bob, carol),
    event: fc.constantFrom('presence', 'presence', 'presence.winfo'),
    expires: fc.constantFrom(0, 60, 90, 300),
  }),
  fc.record({ kind: fc.constant('resubscribe' as const), which, expires: fc.constantFrom(0, 60, 300) }),
  fc.record({ kind: fc.constant('peers' as const), answer: fc.constantFrom(200, 200, 200, undefined, 481, 500) }),
  fc.record({
    kind: fc.constant('handling' as const),
    handling: fc.constantFrom('allow', 'polite-block', 'confirm', 'block'),
  }),
  fc.record({ kind: fc.constant('pass' as const), seconds: fc.constantFrom(1, 4, 40, 70) }),
  fc.constant({ kind: 'restart' as const }),
)

for (const minNotifyIntervalSeconds of [0, 5]) {
  test(`with ${minNotifyIntervalSeconds} s between notifications`, async () => {
    const steps = fc.array(step, { minLength: 1, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(steps, async steps => play(steps, minNotifyIntervalSeconds)),
      { numRuns: 150 },
    )
  })
}

async function play(steps: readonly Step[], minNotifyIntervalSeconds: number): Promise<void> {
  const world = new PresenceWorld(
    { 'presence.minNotifyIntervalSeconds': minNotifyIntervalSeconds, 'presence.publicationMinSeconds': 0 },
    { notificationsPerTurn: 2 },
  )
  const tags: (string | undefined)[] = []
  const dialogs: { readonly event: string; readonly accepted: SipResponse; cseq: number }[] = []
  let handling = 'allow'
  for (const step of steps) {
    switch (step.kind) {
      case 'publish':
        tags.push(world.publish(step.basic, { expires: step.expires }).header('SIP-ETag'))
        break
      case 'modify':
      case 'refresh': {
        const at = step.which % Math.max(tags.length, 1)
        const basic = step.kind === 'modify' ? 'open' : undefined
        const response = world.publish(basic, { tag: tags[at] ?? 'none', expires: step.expires })
        if (response.status === 200) tags[at] = response.header('SIP-ETag')
        break
      }
      case 'remove':
        world.publish(undefined, { tag: tags[step.which] ?? 'none', expires: 0 })
        break
      case 'subscribe': {
        const response = world.subscribe({ from: step.from, event: step.event, expires: step.expires })
        if (response.status === 200) dialogs.push({ event: step.event, accepted: response, cseq: response.cseq.number })
        break
      }
      case 'resubscribe': {
        const dialog = dialogs[step.which]
        if (dialog === undefined) break
        const headers: [string, string][] = [['Event', dialog.event]]
        world.resubscribe(dialog.accepted, { expires: step.expires, cseq: ++dialog.cseq, headers })
        break
      }
      case 'peers':
        world.peer = () => step.answer
        break
      case 'handling':
        handling = step.handling
        world.set('presence.defaultHandling', handling)
        world.wake({ kind: 'wake', at: world.now, token: 'policies' })
        break
      case 'pass':
        world.pass(step.seconds)
        break
      case 'restart':
        world.restart()
    }
  }
  world.peer = () => 200
  world.pass(33)
  world.registered.add(alice)
  world.wake({ kind: 'wake', at: world.now, token: `resource presence ${alice}` })
  world.pass(10)
  checkViews(world, handling)
  checkNumbers(world)
  world.pass(8 * 86_400)
  assert.equal(await world.size(), 0)
  assert.equal(world.wakesPending, 0)
}

/** What each live subscription was told last is what is to be seen now; watcher information tells which ones live. */
function checkViews(world: PresenceWorld, handling: string): void {
  const before = world.sent.length
  world.subscribe({ from: alice, expires: 0 })
  const current = text(world.sent[before]!.request.body)
  world.subscribe({ from: alice, event: 'presence.winfo', expires: 0 })
  const { watchers } = parseWatcherinfo(world.sent[before + 1]!.request.body).lists[0]!
  for (const { id, uri, status } of watchers) {
    if (status === 'waiting') {
      assert.equal(handling, 'confirm')
      continue
    }
    const { request } = world.sent.findLast(sent => sent.request.fromTag === id)!
    assert.ok(request.header('Subscription-State')!.startsWith(status))
    const body = text(request.body)
    if (uri === alice || handling === 'allow') assert.equal(body, current)
    else if (handling === 'polite-block') assert.equal(body, world.neutral())
    else assert.equal(body, '', `nobody may see anything with ${handling}`)
  }
}

function checkNumbers(world: PresenceWorld): void {
  const cseqs = new Map<string, number>()
  const versions = new Map<string, number>()
  for (const { request } of world.sent) {
    const tag = request.fromTag!
    const number = request.cseq.number
    assert.ok(number > (cseqs.get(tag) ?? 0), `CSeq ${number} after ${cseqs.get(tag)}`)
    cseqs.set(tag, number)
    if (request.header('Event') !== 'presence.winfo' || request.body.length === 0) continue
    const { version } = parseWatcherinfo(request.body)
    assert.equal(version, (versions.get(tag) ?? -1) + 1)
    versions.set(tag, version)
  }
}
