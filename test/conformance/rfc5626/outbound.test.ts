/** RFC 5626 §5.3, §6, §7 and §11: client-initiated connections at registrar and proxy (SIP-05). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storedRegistration } from '../../../src/entities/sip-ip-core/bindings.ts'
import type { HeaderField } from '../../../src/protocols/sip/message.ts'
import { answerOf, Core, type Origin, responseTo, sentOf } from '../../unit/entities/sip-ip-core/core.ts'

const instance = 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6'
const outbound = ['Supported', 'path, outbound'] as const
const tcp = { transport: 'tcp', flow: 'tcp:1:run' } as const
const bob = 'sip:bob@box.example'

function contact(regId: number | undefined, host = '10.0.0.2', id = instance): string {
  return `<sip:bob@${host};transport=tcp;ob>${regId === undefined ? '' : `;reg-id=${regId}`};+sip.instance="<${id}>"`
}

function bindings(core: Core) {
  return core.store.transact(db => storedRegistration(db, bob)?.bindings ?? [])
}

function behind(proxy: string): readonly HeaderField[] {
  const vias = ['SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKp', 'SIP/2.0/TCP 10.0.0.2;branch=z9hG4bKc']
  return [['Via', vias.join(', ')], ...(proxy === '' ? [] : [['Path', proxy] as const])]
}

test('§6: a binding with instance and reg-id is answered with Require: outbound and a Flow-Timer', () => {
  for (const [transport, timer] of [
    ['tcp', '120'],
    ['tls', '120'],
    ['udp', '30'],
  ] as const) {
    const response = new Core().register('bob', [contact(1)], [outbound], { transport })
    assert.equal(response.header('Require'), 'outbound')
    assert.equal(response.header('Flow-Timer'), timer, transport)
    assert.match(response.header('Contact')!, /;reg-id=1;\+sip\.instance=/)
  }
})

test('§6: without reg-id, or without an instance, outbound is not applied and not required', () => {
  const core = new Core()
  for (const value of [contact(undefined), '<sip:bob@10.0.0.2>;reg-id=1']) {
    const response = core.register('bob', [value], [outbound], tcp)
    assert.equal(response.status, 200)
    assert.equal(response.hasHeader('Require') || response.hasHeader('Flow-Timer'), false)
  }
  assert.deepEqual(
    bindings(core).map(({ regId }) => regId),
    [undefined, undefined],
  )
})

test('§6: a client that does not support outbound gets no Require', () => {
  assert.equal(new Core().register('bob', [contact(1)], [], tcp).hasHeader('Require'), false)
})

test('§6: flows of one instance are kept by reg-id, and a registration of the same replaces contact and flow', () => {
  const core = new Core()
  core.register('bob', [contact(1)], [outbound], tcp)
  core.register('bob', [contact(2)], [outbound], { ...tcp, flow: 'tcp:2:run' })
  core.register('bob', [contact(1, '10.0.0.9')], [outbound], { ...tcp, flow: 'tcp:3:run' })
  assert.deepEqual(
    bindings(core).map(({ regId, flow, uri }) => [regId, flow, uri]),
    [
      [1, 'tcp:3:run', 'sip:bob@10.0.0.9;transport=tcp;ob'],
      [2, 'tcp:2:run', 'sip:bob@10.0.0.2;transport=tcp;ob'],
    ],
  )
})

test('§6: more than one contact to keep, one of them a flow, gets 400; others may be removed with it', () => {
  const core = new Core()
  core.register('bob', ['<sip:bob@192.0.2.77>'], [], tcp)
  assert.equal(core.register('bob', [contact(1), '<sip:bob@192.0.2.9>'], [outbound], tcp).status, 400)
  const both = [contact(1), '<sip:bob@192.0.2.77>;expires=0']
  assert.equal(core.register('bob', both, [outbound], tcp).status, 200)
  assert.deepEqual(
    bindings(core).map(({ regId }) => regId),
    [1],
  )
})

test('§11.6: behind a first hop that does not support outbound a client that counts on it gets 439', () => {
  for (const proxy of ['', '<sip:edge.example;lr>'])
    assert.equal(new Core().register('bob', [contact(1)], [outbound, ...behind(proxy)]).status, 439, proxy)
})

test('§6: behind such a hop reg-id is ignored for a client that does not ask for outbound', () => {
  const core = new Core()
  const fields = [['Supported', 'path'] as const, ...behind('<sip:edge.example;lr>')]
  assert.equal(core.register('bob', [contact(1)], fields).status, 200)
  assert.deepEqual(
    bindings(core).map(({ regId, flow }) => [regId, flow]),
    [[undefined, undefined]],
  )
})

test('§6: behind an edge proxy with ob in its Path outbound is applied; the flow is the edge proxy’s', () => {
  const core = new Core()
  const response = core.register('bob', [contact(1)], [outbound, ...behind('<sip:token@edge.example;lr;ob>')])
  assert.equal(response.header('Require'), 'outbound')
  assert.equal(response.hasHeader('Flow-Timer'), false)
  assert.deepEqual(
    bindings(core).map(({ regId, flow }) => [regId, flow]),
    [[1, undefined]],
  )
})

test('§6: reg-id is a number from 1 to 2**31-1: 400', () => {
  for (const value of ['0', '2147483648', 'x']) {
    const text = `<sip:bob@10.0.0.2>;reg-id=${value};+sip.instance="<${instance}>"`
    assert.equal(new Core().register('bob', [text], [outbound], tcp).status, 400, value)
  }
})

test('§7: a request goes by the flow of the registration, over connections and over UDP', () => {
  for (const origin of [tcp, { transport: 'udp', address: '198.51.100.2', port: 33000 }] as Origin[]) {
    const core = new Core()
    core.register('bob', [contact(1)], [outbound], origin)
    const [sent] = sentOf(core.request('proxy', core.received('MESSAGE', bob)))
    assert.equal(sent!.flow, origin.flow ?? 'udp:192.0.2.1:5060:198.51.100.2:33000')
  }
})

test('§7: the target set has one flow of an instance; another is tried only after 430 or 408', () => {
  for (const [status, tried] of [
    [430, 1],
    [408, 1],
    [486, 0],
    [200, 0],
  ] as const) {
    const core = new Core()
    core.register('bob', [contact(1)], [outbound], tcp)
    core.now += 1000
    core.register('bob', [contact(2)], [outbound], { ...tcp, flow: 'tcp:2:run' })
    const sent = sentOf(core.request('proxy', core.received('INVITE', bob)))
    assert.deepEqual(
      sent.map(({ flow }) => flow),
      ['tcp:2:run'],
    )
    const next = sentOf(core.answer('proxy', sent[0]!.token, responseTo(sent[0]!, status)))
    assert.deepEqual(
      next.map(({ flow }) => flow),
      tried === 0 ? [] : ['tcp:1:run'],
      String(status),
    )
  }
})

test('§7: a connection that closes voids every binding that uses it, of whatever user, and no other', () => {
  const core = new Core()
  const carol = '<sip:carol@10.0.0.2;transport=tcp;ob>;reg-id=1;+sip.instance="<urn:uuid:c>"'
  core.register('bob', [contact(1)], [outbound], tcp)
  core.register('bob', [contact(2)], [outbound], { ...tcp, flow: 'tcp:2:run' })
  core.register('carol', [carol], [outbound], tcp)
  core.wakes.clear()
  core.turn('registrar', turn => core.registrar.flowClosed('tcp:1:run', turn))
  assert.deepEqual(
    bindings(core).map(({ regId }) => regId),
    [2],
  )
  assert.equal(
    core.store.transact(db => storedRegistration(db, 'sip:carol@box.example')),
    undefined,
  )
  assert.ok([...core.wakes.values()].some(({ token }) => token === 'resource presence sip:carol@box.example'))
  assert.deepEqual(
    core.turn('registrar', turn => core.registrar.flowClosed('tcp:1:run', turn)),
    [],
  )
})

test('§7: a binding that has moved to another flow outlives its old one', () => {
  const core = new Core()
  core.register('bob', [contact(1)], [outbound], tcp)
  core.register('bob', [contact(1)], [outbound], { ...tcp, flow: 'tcp:2:run' })
  core.turn('registrar', turn => core.registrar.flowClosed('tcp:1:run', turn))
  assert.deepEqual(
    bindings(core).map(({ flow }) => flow),
    ['tcp:2:run'],
  )
})

test('§7: connections do not outlive a restart, so neither do flows over them; those over UDP do', () => {
  const core = new Core()
  core.register('bob', [contact(1)], [outbound], tcp)
  core.register('bob', [contact(2)], [outbound], { transport: 'udp', address: '198.51.100.2' })
  core.store.committed()
  const next = core.restarted()
  next.turn('registrar', turn => next.registrar.start(turn))
  next.pass(0)
  assert.deepEqual(
    bindings(next).map(({ regId }) => regId),
    [2],
  )
})

test('§7: a flow registered after the restart, before the old ones are looked for, is kept', () => {
  const core = new Core()
  core.register('bob', [contact(1)], [outbound], tcp)
  core.store.committed()
  const next = core.restarted()
  next.turn('registrar', turn => next.registrar.start(turn))
  next.register('bob', [contact(1)], [outbound, ['CSeq', '99 REGISTER']], { ...tcp, flow: 'tcp:1:nextrun' })
  next.pass(0)
  assert.deepEqual(
    bindings(next).map(({ flow }) => flow),
    ['tcp:1:nextrun'],
  )
})

test('a removed flow is known by its reg-id, whatever its contact says', () => {
  const core = new Core()
  core.register('bob', [contact(1)], [outbound], tcp)
  core.register('bob', [contact(2)], [outbound], tcp)
  core.register('bob', [`${contact(1, '10.9.9.9')};expires=0`], [outbound], tcp)
  assert.deepEqual(
    bindings(core).map(({ regId }) => regId),
    [2],
  )
})

test('a client on a connection that knows nothing of outbound is reached by the connection it registered over', () => {
  const core = new Core()
  core.register('bob', ['<sip:bob@10.0.0.2:5062;transport=tcp>'], [], tcp)
  assert.equal(sentOf(core.request('proxy', core.received('MESSAGE', bob)))[0]!.flow, 'tcp:1:run')
})

test('a contact over UDP is reached at its address, unless that is private and not where it registered from', () => {
  const origin = { address: '198.51.100.2', port: 33000 }
  for (const [uri, byFlow] of [
    ['sip:bob@198.51.100.2:5060', false],
    ['sip:bob@203.0.113.9', false],
    ['sip:bob@phone.example', false],
    ['sip:bob@192.168.1.7:5060', true],
    ['sip:bob@172.31.0.1', true],
    ['sip:bob@172.32.0.1', false],
    ['sip:bob@[fd00::1]', true],
    ['sip:bob@df7jal23ls0d.invalid', true],
  ] as const) {
    const core = new Core()
    core.register('bob', [`<${uri}>`], [], origin)
    const [sent] = sentOf(core.request('proxy', core.received('MESSAGE', bob)))
    assert.equal(sent!.flow !== undefined, byFlow, uri)
  }
})

test('a user whose every flow has closed is unavailable: 480', () => {
  const core = new Core()
  core.register('bob', [contact(1)], [outbound], tcp)
  core.turn('registrar', turn => core.registrar.flowClosed('tcp:1:run', turn))
  assert.equal(answerOf(core.request('proxy', core.received('MESSAGE', bob))).status, 480)
})
