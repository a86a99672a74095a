/** RFC 4662 §7 and the back-end legs to other servers: identity, loops by way of several servers, and what goes wrong there. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type HeaderField, respond, type SipRequest } from '../../../src/protocols/sip/message.ts'
import { listDocument, listsType, type Service, servicesDocument, servicesType } from '../../actors/list-owner.ts'
import type { ListTable } from '../../actors/list-table.ts'
import type { Subscription, Wishes } from '../../actors/watcher.ts'
import { Boxes } from '../../simulation/boxes.ts'

const bob = 'bob@a.example'
const friends = 'sip:friends@a.example'

async function keep(
  boxes: Boxes,
  owner: string,
  services: readonly Service[],
  members?: readonly string[],
): Promise<void> {
  const domain = owner.slice(owner.indexOf('@') + 1)
  const root = `http://${domain}/xcap-root`
  if (members !== undefined) {
    const target = `/xcap-root/resource-lists/users/sip:${owner}/index`
    assert.ok((await boxes.put(domain, target, listsType, listDocument(members))) < 300)
  }
  const target = `/xcap-root/rls-services/users/sip:${owner}/index`
  assert.ok((await boxes.put(domain, target, servicesType, servicesDocument(`sip:${owner}`, services, root))) < 300)
}

async function watch(boxes: Boxes, uri = friends, name = bob, wishes: Wishes = {}): Promise<Subscription> {
  const { watcher } = boxes.person(name)
  const subscription = watcher.subscribe(uri, 'presence', 3600, boxes.now(), { toList: true, ...wishes })
  await boxes.pass(2_000)
  assert.equal(subscription.exchange.final?.status, 200)
  return subscription
}

async function publish(boxes: Boxes, name: string, basic: string, note: string): Promise<void> {
  const { source } = boxes.person(name)
  if (source.entityTag === undefined) source.publish(basic, note, 3600, boxes.now())
  else source.modify(basic, note, 3600, boxes.now())
  await boxes.pass(2_000)
}

function check(boxes: Boxes, ...subscriptions: Subscription[]): void {
  for (const { faults } of subscriptions) assert.deepEqual(faults, [])
  assert.deepEqual(boxes.faults, [])
}

function subscribes(boxes: Boxes, target: string): SipRequest[] {
  return boxes.seen.filter(({ method, uri }) => method === 'SUBSCRIBE' && uri === target)
}

describe('back-end subscriptions to other servers', () => {
  test('a member elsewhere is subscribed to, and his state comes through as it is', async () => {
    const boxes = new Boxes(1, ['a.example', 'b.example'])
    await publish(boxes, 'dora@b.example', 'open', 'over there')
    await keep(boxes, bob, [{ uri: friends, inline: ['sip:alice@a.example', 'sip:dora@b.example'] }])
    const subscription = await watch(boxes)
    assert.equal(subscription.list!.state('sip:alice@a.example'), 'active closed')
    assert.equal(subscription.list!.state('sip:dora@b.example'), 'active open over there')
    assert.deepEqual([...subscription.list!.documents[0]!.uris].sort(), ['sip:alice@a.example', 'sip:dora@b.example'])
    await publish(boxes, 'dora@b.example', 'closed', 'gone')
    assert.equal(subscription.list!.state('sip:dora@b.example'), 'active closed gone')
    check(boxes, subscription)
  })

  test('§7.1.1, RLS-13: in the name of who subscribes to the list, display name included', async () => {
    const boxes = new Boxes(2, ['a.example', 'b.example'])
    await keep(boxes, bob, [{ uri: friends, inline: ['sip:dora@b.example'] }])
    await watch(boxes)
    const [request] = subscribes(boxes, 'sip:dora@b.example')
    assert.match(request!.header('From')!, /<sip:bob@a.example>;tag=/)
    assert.equal(request!.header('P-Asserted-Identity'), '<sip:bob@a.example>')
    assert.equal(request!.hasHeader('Privacy'), false)
    const winfo = boxes.person('dora@b.example').watcher
    const watchers = winfo.subscribe('sip:dora@b.example', 'presence.winfo', 600, boxes.now())
    await boxes.pass(2_000)
    assert.deepEqual(watchers.notifications.at(-1)!.watchers, ['sip:bob@a.example active subscribe'])
  })

  test('RLS-14: who wants to be anonymous is so on every leg', async () => {
    const boxes = new Boxes(3, ['a.example', 'b.example'])
    await keep(boxes, bob, [{ uri: friends, inline: ['sip:dora@b.example'] }])
    await watch(boxes, friends, bob, { headers: [['Privacy', 'id']] })
    const [request] = subscribes(boxes, 'sip:dora@b.example')
    assert.match(request!.header('From')!, /^"Anonymous" <sip:anonymous@anonymous.invalid>;tag=/)
    assert.equal(request!.header('Privacy'), 'id')
  })

  test('§7.2, RLS-12: two watchers of one list have two back-end subscriptions', async () => {
    const boxes = new Boxes(4, ['a.example', 'b.example'])
    await keep(boxes, bob, [{ uri: friends, inline: ['sip:dora@b.example'] }])
    const both = [await watch(boxes), await watch(boxes, friends, 'carl@a.example')]
    const from = subscribes(boxes, 'sip:dora@b.example').map(request => request.header('P-Asserted-Identity'))
    assert.deepEqual(new Set(from), new Set(['<sip:bob@a.example>', '<sip:carl@a.example>']))
    check(boxes, ...both)
  })

  test('§7.3: that he takes sealed bodies is passed on, and what he takes of other things is not', async () => {
    const boxes = new Boxes(8, ['a.example', 'b.example'])
    await keep(boxes, bob, [{ uri: friends, inline: ['sip:dora@b.example'] }])
    const accept = 'multipart/related, application/rlmi+xml, application/pidf+xml, multipart/signed, text/x-other'
    await watch(boxes, friends, bob, { accept })
    const types = subscribes(boxes, 'sip:dora@b.example')[0]!.headers('Accept')
    assert.deepEqual(types, ['application/pidf+xml', 'multipart/related', 'application/rlmi+xml', 'multipart/signed'])
  })

  test('a domain that no way leads to is told as rejected', async () => {
    const boxes = new Boxes(5, ['a.example'])
    await keep(boxes, bob, [{ uri: friends, inline: ['sip:dora@nowhere.example'] }])
    const { list } = await watch(boxes)
    assert.equal(list!.state('sip:dora@nowhere.example'), 'terminated rejected')
  })

  test('refreshed before it ends, and ended with the list', async () => {
    const boxes = new Boxes(6, ['a.example', 'b.example'])
    await keep(boxes, bob, [{ uri: friends, inline: ['sip:dora@b.example'] }])
    const subscription = await watch(boxes)
    for (let hour = 0; hour < 3; hour++) {
      await boxes.pass(1_800_000)
      boxes.person(bob).watcher.refresh(subscription, 3600, boxes.now())
      await boxes.pass(1_800_000)
    }
    await publish(boxes, 'dora@b.example', 'open', 'still there')
    assert.equal(subscription.list!.state('sip:dora@b.example'), 'active open still there')
    boxes.person(bob).watcher.refresh(subscription, 0, boxes.now())
    await boxes.pass(60_000)
    await boxes.pass(9 * 86_400_000)
    assert.deepEqual(boxes.leftovers('a.example'), {})
    assert.deepEqual(boxes.leftovers('b.example'), {})
    check(boxes, subscription)
  })

  test('a list that another server keeps is shown as a list, whole at first and then kept up', async () => {
    const boxes = new Boxes(7, ['a.example', 'b.example'])
    const team = 'sip:team@b.example'
    await keep(boxes, 'dora@b.example', [{ uri: team, inline: ['sip:dora@b.example', 'sip:emil@b.example'] }])
    await keep(boxes, bob, [{ uri: friends, inline: [team] }])
    const subscription = await watch(boxes)
    const inner = () => subscription.list!.rows.get(team)!.list!
    assert.equal(inner().uri, team)
    assert.equal(inner().state('sip:emil@b.example'), 'active closed')
    await publish(boxes, 'emil@b.example', 'open', 'one')
    await publish(boxes, 'dora@b.example', 'open', 'two')
    assert.equal(inner().state('sip:emil@b.example'), 'active open one')
    assert.equal(inner().state('sip:dora@b.example'), 'active open two')
    check(boxes, subscription)
  })
})

describe('§5.6 lists that other servers keep', () => {
  const team = 'sip:team@b.example'
  const members = Array.from({ length: 300 }, (_, at) => `sip:m${String(at).padStart(3, '0')}@b.example`)

  async function watchTeam(
    uris: readonly string[],
    wishes: Wishes = {},
  ): Promise<{ boxes: Boxes; subscription: Subscription; inner(): ListTable }> {
    const boxes = new Boxes(9, ['a.example', 'b.example'])
    await keep(boxes, 'dora@b.example', [{ uri: team, inline: uris }])
    await keep(boxes, bob, [{ uri: friends, inline: [team, 'sip:alice@a.example'] }])
    const subscription = await watch(boxes, friends, bob, wishes)
    await boxes.pass(10_000)
    return { boxes, subscription, inner: () => subscription.list!.rows.get(team)!.list! }
  }

  test('RLS-33: one that no datagram holds comes in pieces, at first and at each refresh', async () => {
    const { boxes, subscription, inner } = await watchTeam(members)
    const isWhole = () => {
      assert.deepEqual([...inner().rows.keys()].sort(), members)
      for (const uri of members) assert.equal(inner().state(uri), 'active closed', uri)
    }
    isWhole()
    boxes.person(bob).watcher.refresh(subscription, 3600, boxes.now())
    await boxes.pass(10_000)
    isWhole()
    assert.ok(subscription.notifications.length > 4)
    for (const { body } of subscription.notifications) assert.ok(body.length < 63_000, String(body.length))
    check(boxes, subscription)
  })

  test('what has changed of one is told alone, who has gone as terminated; a killed box goes on', async () => {
    const { boxes, subscription, inner } = await watchTeam(members)
    const before = subscription.notifications.length
    await publish(boxes, 'm005@b.example', 'open', 'here')
    assert.equal(inner().state('sip:m005@b.example'), 'active open here')
    assert.equal(subscription.notifications.length, before + 1)
    assert.ok(subscription.notifications.at(-1)!.body.length < 2_000)
    assert.deepEqual(inner().documents.at(-1), { fullState: false, uris: ['sip:m005@b.example'] })
    await boxes.restart('a.example')
    await keep(boxes, 'dora@b.example', [{ uri: team, inline: members.slice(1) }])
    await boxes.pass(5_000)
    assert.equal(inner().state(members[0]!), 'terminated noresource')
    assert.equal(inner().state('sip:m005@b.example'), 'active open here')
    await keep(boxes, 'dora@b.example', [{ uri: team, inline: members }])
    await boxes.pass(5_000)
    assert.equal(inner().state(members[0]!), 'active closed')
    await publish(boxes, 'm007@b.example', 'open', 'too')
    assert.equal(inner().state('sip:m007@b.example'), 'active open too')
    boxes.person(bob).watcher.refresh(subscription, 0, boxes.now())
    await boxes.pass(9 * 86_400_000)
    for (const domain of ['a.example', 'b.example']) assert.deepEqual(boxes.leftovers(domain), {}, domain)
    check(boxes, subscription)
  })

  test('one that is lost and comes back, or is left out and put in again, is told whole', async () => {
    const { boxes, subscription, inner } = await watchTeam(members.slice(0, 3))
    const services = (inline: readonly string[]) => keep(boxes, bob, [{ uri: friends, inline }])
    await services(['sip:alice@a.example'])
    await boxes.pass(2_000)
    assert.equal(subscription.list!.state(team), 'terminated noresource')
    await services([team, 'sip:alice@a.example'])
    await boxes.pass(5_000)
    assert.deepEqual([...inner().rows.keys()].sort(), members.slice(0, 3))
    await publish(boxes, 'm001@b.example', 'open', 'back')
    assert.equal(inner().state(members[1]!), 'active open back')
    boxes.network.cut.add('10.0.1.1:5060')
    await boxes.pass(3_000_000)
    boxes.person(bob).watcher.refresh(subscription, 7200, boxes.now())
    await boxes.pass(700_000)
    assert.match(subscription.list!.state(team), /^terminated/)
    boxes.network.cut.delete('10.0.1.1:5060')
    await boxes.pass(3_600_000)
    assert.deepEqual([...inner().rows.keys()].sort(), members.slice(0, 3))
    check(boxes, subscription)
  })
})

describe('a server elsewhere that has its ways (RLS-15)', () => {
  const dora = 'sip:dora@peer.example'
  const pidf = (note: string) =>
    `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${dora}"><tuple id="t"><status><basic>open</basic></status><note>${note}</note></tuple></presence>`

  /** A box with dora on Bob's list, and a peer that answers SUBSCRIBEs as told. */
  async function against(
    answer: (request: SipRequest, count: number) => number | undefined,
    refusalFields: readonly HeaderField[] = [],
  ) {
    const boxes = new Boxes(11, ['a.example'])
    const peer = boxes.peer('peer.example')
    const asked: { request: SipRequest; at: number }[] = []
    let cseq = 0
    const notify = (request: SipRequest, state: string, note?: string, instead: readonly HeaderField[] = []) =>
      peer.send(
        'NOTIFY',
        /<([^>]*)>/.exec(request.header('Contact')!)![1]!,
        [
          ['From', `${request.header('To')!.replace(/;tag=.*/, '')};tag=peer`],
          ['To', request.header('From')!],
          ['Call-ID', request.callId],
          ['CSeq', `${++cseq} NOTIFY`],
          ['Event', 'presence'],
          ['Subscription-State', state],
          ...(note === undefined || instead.length > 0
            ? instead
            : ([['Content-Type', 'application/pidf+xml']] as const)),
        ],
        boxes.now(),
        note === undefined || note.startsWith('--x') ? note : pidf(note),
      )
    peer.handlers.set('SUBSCRIBE', request => {
      asked.push({ request, at: boxes.now() })
      const status = answer(request, asked.length)
      if (status === undefined) return undefined
      const headers = [['Expires', request.header('Expires')!] as const, ['Contact', '<sip:10.2.0.1:5060>'] as const]
      return respond(request, status, { toTag: 'peer', headers: status < 300 ? headers : refusalFields })
    })
    await keep(boxes, bob, [{ uri: friends, inline: [dora] }])
    const subscription = await watch(boxes)
    return { boxes, peer, asked, notify, subscription, list: subscription.list! }
  }

  test('NOTIFY before the answer to SUBSCRIBE makes the dialog (RFC 6665 §4.1.2.4)', async () => {
    const { boxes, asked, notify, list, subscription } = await against(() => undefined)
    notify(asked[0]!.request, 'active;expires=3600', 'early')
    await boxes.pass(1_000)
    assert.equal(list.state(dora), 'active open early')
    check(boxes, subscription)
  })

  test('while nothing is known there is no instance; after Timer N it is probation, and tried again', async () => {
    const { boxes, asked, list } = await against(() => 200)
    assert.equal(list.state(dora), 'unknown')
    await boxes.pass(33_000)
    assert.equal(list.state(dora), 'terminated probation')
    const before = asked.length
    await boxes.pass(120_000)
    assert.ok(asked.length > before)
  })

  test('deactivated is begun anew at once, rejected and noresource are not, probation after the time said', async () => {
    for (const [state, becomes, againMs] of [
      ['terminated;reason=deactivated', 'terminated deactivated', 2_000],
      ['terminated;reason=rejected', 'terminated rejected', undefined],
      ['terminated;reason=noresource', 'terminated noresource', undefined],
      ['terminated;reason=probation;retry-after=100', 'terminated probation', 115_000],
    ] as const) {
      const { boxes, asked, notify, list, subscription } = await against(() => 200)
      notify(asked[0]!.request, 'active;expires=3600', 'here')
      await boxes.pass(1_000)
      assert.equal(list.state(dora), 'active open here', state)
      const before = asked.length
      notify(asked[0]!.request, state)
      await boxes.pass(100)
      assert.equal(list.state(dora), becomes, state)
      await boxes.pass(againMs ?? 3_000_000)
      assert.equal(asked.length > before, againMs !== undefined, state)
      check(boxes, subscription)
    }
  })

  test('what is invariant is shown as it is, and not asked for again', async () => {
    const { boxes, asked, notify, list, subscription } = await against(() => 200)
    notify(asked[0]!.request, 'active;expires=3600', 'before')
    await boxes.pass(1_000)
    notify(asked[0]!.request, 'terminated;reason=invariant', 'for ever')
    await boxes.pass(1_000)
    boxes.person(bob).watcher.refresh(subscription, 7200, boxes.now())
    await boxes.pass(3_500_000)
    assert.equal(list.state(dora), 'terminated invariant open for ever')
    assert.equal(asked.length, 1)
    check(boxes, subscription)
  })

  test('refusals are told by a reason that fits', async () => {
    for (const [status, reason] of [
      [403, 'rejected'],
      [603, 'rejected'],
      [489, 'rejected'],
      [404, 'noresource'],
      [410, 'noresource'],
      [482, 'noresource'],
      [503, 'probation'],
    ] as const) {
      const { list } = await against(() => status)
      assert.equal(list.state(dora), `terminated ${reason}`, String(status))
    }
  })

  test('481 to a refresh begins a new subscription, and the watcher sees the member again', async () => {
    const { boxes, asked, notify, list } = await against((request, count) => (count === 2 && request.toTag ? 481 : 200))
    notify(asked[0]!.request, 'active;expires=60', 'here')
    await boxes.pass(62_000)
    const last = asked.at(-1)!.request
    assert.equal(last.toTag, undefined)
    notify(last, 'active;expires=3600', 'again')
    await boxes.pass(1_000)
    assert.equal(list.state(dora), 'active open again')
  })

  test('a notifier that has said when to come again is not asked before, be the list refreshed or not (RFC 3261 §20.33)', async () => {
    for (const [status, isAskedAgain] of [
      [503, false],
      [403, true],
    ] as const) {
      const { boxes, asked, subscription, list } = await against(() => status, [['Retry-After', '600']])
      for (let again = 0; again < 3; again++) {
        boxes.person(bob).watcher.refresh(subscription, 3600, boxes.now())
        await boxes.pass(1_000)
      }
      assert.equal(asked.length > 1, isAskedAgain, String(status))
      await boxes.pass(700_000)
      assert.ok(asked.length > 1)
      assert.match(list.state(dora), /^terminated/)
      check(boxes, subscription)
    }
  })

  test('a state of a kind that was not asked for, or that cannot be decoded, is answered 415 and changes nothing', async () => {
    const { boxes, asked, notify, list, subscription } = await against(() => 200)
    notify(asked[0]!.request, 'active;expires=3600', 'good')
    await boxes.pass(1_000)
    for (const fields of [
      [['Content-Type', 'application/pidf-diff+xml']],
      [['Content-Type', 'text/html']],
      [
        ['Content-Type', 'application/pidf+xml'],
        ['Content-Encoding', 'gzip'],
      ],
    ] as const) {
      const exchange = notify(asked[0]!.request, 'active;expires=3600', 'other', fields)
      await boxes.pass(1_000)
      assert.equal(exchange.final?.status, 415)
      assert.ok(exchange.final!.headers('Accept').includes('application/pidf+xml'))
      assert.equal(list.state(dora), 'active open good')
    }
    notify(asked[0]!.request, 'active;expires=3600', 'still')
    await boxes.pass(1_000)
    assert.equal(list.state(dora), 'active open still')
    check(boxes, subscription)
  })

  test('who is pending again is told without the state that was granted before', async () => {
    const { boxes, asked, notify, list, subscription } = await against(() => 200)
    notify(asked[0]!.request, 'active;expires=3600', 'granted')
    await boxes.pass(1_000)
    notify(asked[0]!.request, 'pending;expires=3600')
    await boxes.pass(1_000)
    assert.equal(list.state(dora), 'pending')
    boxes.person(bob).watcher.refresh(subscription, 3600, boxes.now())
    await boxes.pass(1_000)
    assert.equal(list.state(dora), 'pending')
    assert.doesNotMatch(subscription.notifications.at(-1)!.body, /granted/)
    check(boxes, subscription)
  })

  test('a notifier that grants more than was asked for is asked again all the same (RFC 6665 §4.1.2.1)', async () => {
    const { boxes, asked, notify } = await against(() => 200)
    notify(asked[0]!.request, 'active;expires=999999999', 'for ever')
    await boxes.pass(3_600_000)
    assert.ok(asked.length > 1)
  })

  test('COMPAT(kamailio): one that answers a refresh without full state is asked for it once, not on and on (RLS-06)', async () => {
    const rlmi = (version: number, fullState: boolean) =>
      `--x\r\nContent-Type: application/rlmi+xml\r\n\r\n<list xmlns="urn:ietf:params:xml:ns:rlmi" uri="${dora}" version="${version}" fullState="${fullState}"><resource uri="sip:emil@peer.example"><instance id="1" state="active"/></resource></list>\r\n--x--\r\n`
    const type = [['Content-Type', 'multipart/related;type="application/rlmi+xml";boundary=x']] as const
    const { boxes, asked, notify, list, subscription } = await against(() => 200)
    notify(asked[0]!.request, 'active;expires=3600', rlmi(0, true), type)
    await boxes.pass(1_000)
    // Active without state, which it must not be: told without instance, since ours must not be so (§5.5).
    assert.equal(list.rows.get(dora)!.list!.state('sip:emil@peer.example'), 'unknown')
    for (const version of [2, 4, 6, 8]) {
      notify(asked[0]!.request, 'active;expires=3600', rlmi(version, false), type)
      await boxes.pass(1_000)
    }
    assert.equal(asked.length, 2)
    check(boxes, subscription)
  })

  test('members who come and go by the second are no harm where their notifier is silent about it', async () => {
    const { boxes, asked, notify, list, subscription } = await against(request =>
      request.expires === 0 ? undefined : 200,
    )
    const services = (inline: readonly string[]) => keep(boxes, bob, [{ uri: friends, inline }])
    for (let turn = 0; turn < 4; turn++) {
      notify(asked.findLast(({ request }) => request.toTag === undefined)!.request, 'active;expires=3600', `${turn}`)
      await boxes.pass(1_000)
      assert.equal(list.state(dora), `active open ${turn}`)
      await services([])
      await boxes.pass(1_000)
      assert.equal(list.state(dora), 'terminated noresource')
      await services([dora])
      await boxes.pass(1_000)
    }
    check(boxes, subscription)
  })

  test('a killed box goes on with the dialogs it has', async () => {
    const { boxes, asked, notify, list, subscription } = await against(() => 200)
    notify(asked[0]!.request, 'active;expires=3600', 'before')
    await boxes.pass(1_000)
    await boxes.restart('a.example')
    notify(asked[0]!.request, 'active;expires=3600', 'after')
    await boxes.pass(5_000)
    assert.equal(list.state(dora), 'active open after')
    check(boxes, subscription)
  })

  test('a body that is no multipart it says it is changes nothing and harms nothing', async () => {
    const { boxes, peer, asked, notify, list, subscription } = await against(() => 200)
    notify(asked[0]!.request, 'active;expires=3600', 'good')
    await boxes.pass(1_000)
    const { request } = asked[0]!
    const exchange = peer.send(
      'NOTIFY',
      /<([^>]*)>/.exec(request.header('Contact')!)![1]!,
      [
        ['From', `${request.header('To')!.replace(/;tag=.*/, '')};tag=peer`],
        ['To', request.header('From')!],
        ['Call-ID', request.callId],
        ['CSeq', '99 NOTIFY'],
        ['Event', 'presence'],
        ['Subscription-State', 'active;expires=3600'],
        ['Require', 'eventlist'],
        ['Content-Type', 'multipart/related;type="application/rlmi+xml";boundary=x'],
      ],
      boxes.now(),
      '--x\r\nContent-Type: application/rlmi+xml\r\n\r\n<list',
    )
    await boxes.pass(1_000)
    assert.equal(exchange.final?.status, 200)
    check(boxes, subscription)
    notify(request, 'active;expires=3600', 'good')
    assert.ok(list.rows.has(dora))
  })
})

describe('§7.4 infinite loops', () => {
  test('RLS-11: a list that contains itself by way of three servers ends where it comes again', async () => {
    const domains = ['a.example', 'b.example', 'c.example']
    const boxes = new Boxes(21, domains)
    const circle = (at: number) => `sip:circle@${domains[at % 3]}`
    for (const [at, domain] of domains.entries())
      await keep(boxes, `bob@${domain}`, [{ uri: circle(at), inline: [`sip:alice@${domain}`, circle(at + 1)] }])
    const subscription = await watch(boxes, circle(0))
    await boxes.pass(60_000)
    let { list } = subscription
    for (let depth = 0; depth < 3; depth++) {
      assert.equal(list!.state(`sip:alice@${domains[depth]}`), 'active closed', String(depth))
      const next: string = circle(depth + 1)
      if (depth === 2) assert.equal(list!.state(next), 'terminated noresource')
      else list = list!.rows.get(next)!.list
    }
    const asked = boxes.seen.filter(({ method }) => method === 'SUBSCRIBE').length
    assert.ok(asked <= 8, `${asked} SUBSCRIBEs`)
    await publish(boxes, 'alice@c.example', 'open', 'around')
    const deepest = subscription.list!.rows.get(circle(1))!.list!.rows.get(circle(2))!.list!
    assert.equal(deepest.state('sip:alice@c.example'), 'active open around')
    check(boxes, subscription)
  })

  test('where a server drops our mark, Max-Forwards ends it', async () => {
    const boxes = new Boxes(22, ['a.example'])
    await keep(boxes, bob, [{ uri: friends, inline: ['sip:mirror@peer.example'] }])
    const peer = boxes.peer('peer.example')
    let hops = 0
    peer.handlers.set('SUBSCRIBE', request => {
      hops++
      // It asks for the list it was asked from, as a list server that knows nothing of loops would.
      const fields = [
        ['Max-Forwards', String(request.maxForwards! - 1)] as const,
        ['From', `<sip:peer${hops}@a.example>;tag=p${hops}`] as const,
        ['Event', 'presence'] as const,
        ['Supported', 'eventlist'] as const,
        ['Accept', 'multipart/related, application/rlmi+xml'] as const,
      ]
      peer.send('SUBSCRIBE', friends, fields, boxes.now())
      return respond(request, 200, {
        toTag: `t${hops}`,
        headers: [
          ['Expires', '600'],
          ['Contact', '<sip:10.2.0.1>'],
        ],
      })
    })
    await watch(boxes)
    await boxes.pass(20_000)
    assert.ok(hops > 1 && hops < 16, String(hops))
    assert.deepEqual(boxes.faults, [])
  })
})
