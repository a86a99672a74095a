/** RFC 3261 §16: the stateful proxy, request validation to response processing (SIP-08, SIP-18). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../../src/limits.ts'
import type { HeaderField, SipResponse } from '../../../../src/protocols/sip/message.ts'
import type { Output } from '../../../../src/turn.ts'
import { answerOf, Core, responseTo, type Sent, sentOf } from '../../../unit/entities/sip-ip-core/core.ts'

const caller = ['Contact', '<sip:alice@192.0.2.100:5060>'] as const

/** A core in which Bob has registered these contacts. */
function withBob(...contacts: string[]): Core {
  const core = new Core()
  core.register('bob', contacts.length > 0 ? contacts : ['<sip:bob@192.0.2.200:5060>'])
  return core
}

function forward(
  core: Core,
  method = 'INVITE',
  fields: readonly HeaderField[] = [caller],
  uri = 'sip:bob@box.example',
) {
  const request = core.received(method, uri, fields)
  const outputs = core.request('proxy', request)
  return { request, outputs, sent: sentOf(outputs) }
}

function statusOf(core: Core, method: string, uri: string, fields: readonly HeaderField[] = []): number {
  return answerOf(core.request('proxy', core.received(method, uri, fields))).status
}

function responses(outputs: readonly Output[]): SipResponse[] {
  return outputs.flatMap(output => (output.kind === 'respond' ? [output.response] : []))
}

function cancelled(outputs: readonly Output[]): string[] {
  return outputs.flatMap(output => (output.kind === 'cancel' ? [output.token] : []))
}

test('§16.3 step 2: a Request-URI of another scheme gets 416', () => {
  assert.equal(statusOf(withBob(), 'INVITE', 'tel:+358501234567'), 416)
})

test('§16.3 step 3: Max-Forwards 0 gets 483', () => {
  assert.equal(statusOf(withBob(), 'INVITE', 'sip:bob@box.example', [['Max-Forwards', '0']]), 483)
})

test('§16.3 step 4: a request that comes back unchanged gets 482; one for somebody else is a spiral', () => {
  const core = withBob('<sip:bob@192.0.2.200>')
  const { request, sent } = forward(core)
  const via = ['Via', `SIP/2.0/UDP 192.0.2.200;branch=z9hG4bKb, SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKours`] as const
  const same = [via, ['Call-ID', request.callId], ['CSeq', `${request.cseq.number} INVITE`]] as const
  assert.equal(statusOf(core, 'INVITE', 'sip:bob@box.example', [...same]), 482)
  core.register('carol', ['<sip:carol@192.0.2.201>'])
  const spiral = core.received('INVITE', 'sip:carol@box.example', [...same, ['To', '<sip:bob@box.example>']])
  assert.equal(sentOf(core.request('proxy', spiral)).length, 1)
  assert.equal(sent.length, 1)
})

test('§16.3: a merged request, which has not been here before, is no error', () => {
  const core = withBob()
  const { request } = forward(core)
  const again = [caller, ['Call-ID', request.callId], ['CSeq', `${request.cseq.number} INVITE`]] as const
  const other = ['Via', 'SIP/2.0/UDP p.example;branch=z9hG4bKother'] as const
  assert.equal(forward(core, 'INVITE', [...again, other]).sent.length, 1)
})

test('§16.3 step 5: Proxy-Require with an option that is not understood gets 420 with Unsupported', () => {
  const response = answerOf(forward(withBob(), 'INVITE', [['Proxy-Require', 'foo, bar']]).outputs)
  assert.equal(response.status, 420)
  assert.equal(response.header('Unsupported'), 'foo, bar')
})

test('§16.4: a Request-URI that we put into Record-Route gives way to the last Route value', () => {
  const core = withBob()
  const { request, sent } = forward(core)
  const [recorded] = sent[0]!.request.headers('Record-Route')
  const own = recorded!.slice(1, -1)
  const ack = core.received('BYE', own, [
    ['Call-ID', request.callId],
    ['To', '<sip:bob@box.example>;tag=b'],
    ['Route', '<sip:bob@192.0.2.200:5060>'],
  ])
  const [strict] = sentOf(core.request('proxy', ack))
  assert.equal(strict!.request.uri, 'sip:bob@192.0.2.200:5060')
  assert.equal(strict!.request.hasHeader('Route'), false)
})

test('§16.4: our own maddr is stripped with port and transport; another one leads elsewhere', () => {
  const core = withBob()
  const uri = 'sip:bob@box.example;maddr=192.0.2.1;transport=udp'
  assert.equal(forward(core, 'MESSAGE', [], uri).sent[0]!.request.uri, 'sip:bob@192.0.2.200:5060')
  assert.equal(statusOf(core, 'MESSAGE', 'sip:bob@box.example;maddr=198.51.100.1'), 403)
})

test('§16.4: a first Route value that is ours is removed', () => {
  const core = withBob()
  for (const route of ['<sip:192.0.2.1:5060;lr>', '<sip:box.example;lr>', '<sip:192.0.2.1;lr>']) {
    const { sent } = forward(core, 'MESSAGE', [['Route', route]])
    assert.equal(sent[0]?.request.hasHeader('Route'), false, route)
  }
})

test('§16.5: an unknown user gets 404, a user without contacts 480', () => {
  const core = new Core()
  assert.equal(statusOf(core, 'MESSAGE', 'sip:nobody@box.example'), 404)
  assert.equal(statusOf(core, 'MESSAGE', 'sip:bob@box.example'), 480)
})

test('§16.5: a target is used once, whatever its spelling', () => {
  const core = withBob('<sip:bob@192.0.2.200>', '<sip:%62ob@192.0.2.200>;q=1')
  assert.equal(forward(core).sent.length, 1)
})

test('§16.5: a contact that is another user of ours stands for his contacts, however it was registered', () => {
  for (const [contact, transport] of [
    ['<sip:carol@box.example>', 'udp'],
    ['<sip:carol@192.0.2.1:5060>', 'tcp'],
  ] as const) {
    const core = withBob('<sip:bob@192.0.2.200>')
    core.register('bob', [contact], [], { transport })
    core.register('carol', ['<sip:carol@192.0.2.201>'])
    const uris = forward(core, 'MESSAGE').sent.map(({ request }) => request.uri)
    assert.deepEqual(uris.sort(), ['sip:bob@192.0.2.200', 'sip:carol@192.0.2.201'], contact)
  }
})

test('§16.5: users who forward to each other alone get 482; one who forwards to nobody in reach, 480', () => {
  const core = withBob('<sip:carol@box.example>')
  assert.equal(statusOf(core, 'MESSAGE', 'sip:bob@box.example'), 480)
  core.register('carol', ['<sip:alice@box.example>'])
  core.register('alice', ['<sip:bob@box.example>'])
  assert.equal(statusOf(core, 'MESSAGE', 'sip:bob@box.example'), 482)
  core.register('alice', ['<sip:alice@192.0.2.202>'])
  assert.deepEqual(
    forward(core, 'MESSAGE').sent.map(({ request }) => request.uri),
    ['sip:alice@192.0.2.202'],
  )
})

test('§16.5: a chain of users is followed as far as the limit, and no further', () => {
  for (const [length, status] of [
    [limits.usersForwardedTo, 200],
    [limits.usersForwardedTo + 1, 482],
  ] as const) {
    const core = new Core()
    for (let i = 1; i <= length; i++) {
      core.addUser(`u${i}`)
      core.register(`u${i}`, [i === length ? '<sip:end@192.0.2.200>' : `<sip:u${i + 1}@box.example>`])
    }
    const outputs = core.request('proxy', core.received('MESSAGE', 'sip:u1@box.example'))
    if (status === 200) assert.equal(sentOf(outputs)[0]?.request.uri, 'sip:end@192.0.2.200')
    else assert.equal(answerOf(outputs).status, status)
  }
})

test('§16.5: a request to sips reaches only contacts that are (RFC 5630 §5.3)', () => {
  const core = withBob('<sip:bob@192.0.2.200>', '<sips:bob@192.0.2.201>')
  const { sent } = forward(core, 'MESSAGE', [], 'sips:bob@box.example')
  assert.deepEqual(
    sent.map(({ request }) => request.uri),
    ['sips:bob@192.0.2.201'],
  )
})

test('no open relay: a request for another domain, or with a Route beyond this box, gets 403', () => {
  const core = withBob()
  assert.equal(statusOf(core, 'MESSAGE', 'sip:eve@other.example'), 403)
  assert.equal(statusOf(core, 'MESSAGE', 'sip:bob@192.0.2.200:5060'), 403)
  assert.equal(statusOf(core, 'MESSAGE', 'sip:bob@box.example', [['Route', '<sip:proxy.other.example;lr>']]), 403)
  const forged = ['Route', '<sip:rr.0123456789abcdef@192.0.2.1:5060;lr>'] as const
  const fields = [forged, ['To', '<sip:eve@other.example>;tag=t']] as const
  assert.equal(statusOf(core, 'BYE', 'sip:eve@other.example', [...fields]), 403)
})

test('no open relay: the Route value of one dialog is worth nothing in another', () => {
  const core = withBob()
  const { sent } = forward(core)
  const route = ['Route', sent[0]!.request.headers('Record-Route').join(', ')] as const
  assert.equal(statusOf(core, 'BYE', 'sip:eve@other.example', [route, ['To', '<sip:bob@box.example>;tag=b']]), 403)
})

test('§16.6 steps 1 to 3: all else stays, the Request-URI is the target, Max-Forwards is one less or 70', () => {
  const core = withBob()
  const fields = [
    caller,
    ['Subject', 'lunch'],
    ['X-Unknown', 'one'],
    ['X-Unknown', 'two'],
    ['Max-Forwards', '10'],
  ] as const
  const request = core.received('INVITE', 'sip:bob@box.example', fields, {}, 'v=0')
  const [sent] = sentOf(core.request('proxy', request))
  const copy = sent!.request
  assert.equal(copy.uri, 'sip:bob@192.0.2.200:5060')
  assert.equal(copy.header('Max-Forwards'), '9')
  assert.deepEqual(copy.headers('X-Unknown'), ['one', 'two'])
  assert.equal(Buffer.from(copy.body).toString(), 'v=0')
  for (const name of ['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Contact', 'Subject'])
    assert.deepEqual(copy.headers(name), request.headers(name), name)

  const without = core.received('MESSAGE', 'sip:bob@box.example')
  without.remove('Max-Forwards')
  assert.equal(sentOf(core.request('proxy', without))[0]!.request.header('Max-Forwards'), '70')
})

test('§16.6 step 4: Record-Route is inserted before any other, with lr, for methods that form dialogs only', () => {
  const core = withBob()
  const earlier = ['Record-Route', '<sip:edge.example;lr>'] as const
  const [own, other, ...rest] = forward(core, 'INVITE', [caller, earlier]).sent[0]!.request.headers('Record-Route')
  assert.match(own!, /^<sip:rr\.[0-9a-f]{16}@192\.0\.2\.1:5060;lr>$/)
  assert.equal(other, '<sip:edge.example;lr>')
  assert.deepEqual(rest, [])
  for (const method of ['MESSAGE', 'OPTIONS', 'BYE', 'WONDER'])
    assert.equal(forward(core, method, [caller]).sent[0]!.request.hasHeader('Record-Route'), false, method)
})

test('§16.6 step 4 and RFC 5658 §5: where transports differ there is one value for each side', () => {
  const core = new Core()
  core.register('bob', ['<sip:bob@10.0.0.2:40000;transport=tcp>'], [], { transport: 'tcp', flow: 'tcp:7:run' })
  const [sent] = forward(core).sent
  assert.equal(sent!.flow, 'tcp:7:run')
  const [downstream, upstream] = sent!.request.headers('Record-Route')
  assert.match(downstream!, /^<sip:rr\.[0-9a-f]{16}\.[\w-]+@192\.0\.2\.1:5060;transport=tcp;lr>$/)
  assert.match(upstream!, /^<sip:rr\.[0-9a-f]{16}@192\.0\.2\.1:5060;lr>$/)
})

test('RFC 5626 §5.3: within a dialog each side is reached by the flow its Route value names, in both directions', () => {
  const core = new Core()
  const bob = { transport: 'tcp', flow: 'tcp:7:run', address: '198.51.100.2' } as const
  const alice = { transport: 'tls', flow: 'tls:9:run', address: '198.51.100.1' } as const
  core.register('bob', ['<sip:bob@10.0.0.2:40000;transport=tcp>'], [], bob)
  const invite = core.received('INVITE', 'sip:bob@box.example', [['Contact', '<sip:alice@10.0.0.1>']], alice)
  const [sent] = sentOf(core.request('proxy', invite))
  const recorded = sent!.request.headers('Record-Route')
  const fields = (route: string[], to: string): HeaderField[] => [
    ['Call-ID', invite.callId],
    ['Route', route.join(', ')],
    ['To', to],
  ]
  const fromCaller = core.received(
    'BYE',
    'sip:bob@10.0.0.2:40000;transport=tcp',
    fields(recorded.toReversed(), '<sip:bob@box.example>;tag=b'),
    alice,
  )
  const [toBob] = sentOf(core.request('proxy', fromCaller))
  assert.equal(toBob!.flow, 'tcp:7:run')
  assert.equal(toBob!.request.uri, 'sip:bob@10.0.0.2:40000;transport=tcp')
  assert.equal(toBob!.request.hasHeader('Route'), false)
  const fromCallee = core.received('BYE', 'sip:alice@10.0.0.1', fields(recorded, '<sip:alice@box.example>;tag=a'), bob)
  const [toAlice] = sentOf(core.request('proxy', fromCallee))
  assert.equal(toAlice!.flow, 'tls:9:run')
})

test('two users on one connection are each reached by it', () => {
  const core = new Core()
  const both = { transport: 'tcp', flow: 'tcp:7:run', address: '198.51.100.2' } as const
  core.register('bob', ['<sip:bob@10.0.0.2;transport=tcp>'], [], both)
  const contact = ['Contact', '<sip:alice@10.0.0.2;transport=tcp>'] as const
  const invite = core.received('INVITE', 'sip:bob@box.example', [contact], both)
  const recorded = sentOf(core.request('proxy', invite))[0]!.request.headers('Record-Route')
  for (const route of [recorded, recorded.toReversed()]) {
    const bye = core.received(
      'BYE',
      'sip:bob@10.0.0.2;transport=tcp',
      [
        ['Call-ID', invite.callId],
        ['Route', route.join(', ')],
        ['To', '<sip:bob@box.example>;tag=b'],
      ],
      both,
    )
    assert.equal(sentOf(core.request('proxy', bye))[0]!.flow, 'tcp:7:run')
  }
})

test('§16.6 step 6: a next hop without lr gets its URI as Request-URI and the target last in Route', () => {
  const core = withBob()
  const { request, sent } = forward(core)
  const own = sent[0]!.request.headers('Record-Route')
  const bye = core.received('BYE', 'sip:bob@192.0.2.200', [
    ['Call-ID', request.callId],
    ['To', '<sip:bob@box.example>;tag=b'],
    ['Route', [...own, '<sip:strict.example>', '<sip:next.example;lr>'].join(', ')],
  ])
  const [copy] = sentOf(core.request('proxy', bye))
  assert.equal(copy!.request.uri, 'sip:strict.example')
  assert.deepEqual(copy!.request.headers('Route'), ['<sip:next.example;lr>', '<sip:bob@192.0.2.200>'])
})

test('§16.6: targets of equal q are tried at once, of lower q when those before have failed', () => {
  const core = withBob('<sip:a@192.0.2.201>;q=0.5', '<sip:b@192.0.2.202>', '<sip:c@192.0.2.203>')
  const { sent } = forward(core)
  assert.deepEqual(sent.map(({ request }) => request.uri).sort(), ['sip:b@192.0.2.202', 'sip:c@192.0.2.203'])
  assert.deepEqual(core.answer('proxy', sent[0]!.token, responseTo(sent[0]!, 486)), [])
  const [last] = sentOf(core.answer('proxy', sent[1]!.token, responseTo(sent[1]!, 480)))
  assert.equal(last!.request.uri, 'sip:a@192.0.2.201')
})

test('§16.7 steps 3 and 5: provisional responses but 100 are forwarded at once, without our Via', () => {
  const core = withBob()
  const { request, sent } = forward(core)
  const outputs = core.answer('proxy', sent[0]!.token, responseTo(sent[0]!, 180))
  const [ringing] = responses(outputs)
  assert.equal(ringing!.status, 180)
  assert.deepEqual(ringing!.headers('Via'), request.headers('Via'))
  assert.equal(outputs[0]!.kind === 'respond' && outputs[0]!.transaction, request.transaction)
  assert.deepEqual(core.answer('proxy', sent[0]!.token, responseTo(sent[0]!, 100)), [])
})

test('RFC 4320 §4.1: a provisional response to anything but INVITE goes no further', () => {
  const core = withBob()
  const { sent } = forward(core, 'MESSAGE')
  assert.deepEqual(core.answer('proxy', sent[0]!.token, responseTo(sent[0]!, 182)), [])
})

test('§16.7 steps 5 and 10: 2xx is forwarded at once and the other branches are cancelled; later 2xx are forwarded too', () => {
  const core = withBob('<sip:a@192.0.2.201>', '<sip:b@192.0.2.202>')
  const { sent } = forward(core)
  const [a, b] = sent as [Sent, Sent]
  const first = core.answer('proxy', a.token, responseTo(a, 200, [], 'a'))
  assert.deepEqual(
    responses(first).map(({ toTag }) => toTag),
    ['a'],
  )
  assert.deepEqual(cancelled(first), [b.token])
  assert.deepEqual(responses(core.answer('proxy', a.token, responseTo(a, 200, [], 'a'))).length, 1)
  assert.deepEqual(
    responses(core.answer('proxy', b.token, responseTo(b, 200, [], 'b'))).map(({ toTag }) => toTag),
    ['b'],
  )
  assert.equal(core.proxy.contexts, 1)
  core.now += 32_000
  forward(core, 'MESSAGE')
  assert.equal(core.proxy.contexts, 1)
})

test('§16.7 step 5: of a request that is not INVITE only one final response goes upstream', () => {
  const core = withBob('<sip:a@192.0.2.201>', '<sip:b@192.0.2.202>')
  const { sent } = forward(core, 'MESSAGE')
  const [a, b] = sent as [Sent, Sent]
  assert.equal(responses(core.answer('proxy', a.token, responseTo(a, 200))).length, 1)
  assert.deepEqual(core.answer('proxy', b.token, responseTo(b, 200)), [])
  assert.equal(core.proxy.contexts, 0)
})

test('§16.7 step 5: a 6xx cancels the other branches, starts no new ones and is forwarded when they have ended', () => {
  const core = withBob('<sip:a@192.0.2.201>', '<sip:b@192.0.2.202>', '<sip:c@192.0.2.203>;q=0.1')
  const { sent } = forward(core)
  const [a, b] = sent as [Sent, Sent]
  const declined = core.answer('proxy', a.token, responseTo(a, 603))
  assert.deepEqual(cancelled(declined), [b.token])
  assert.deepEqual(responses(declined), [])
  const ended = core.answer('proxy', b.token, responseTo(b, 487))
  assert.deepEqual(
    responses(ended).map(({ status }) => status),
    [603],
  )
  assert.deepEqual(sentOf(ended), [])
})

/** The status that goes upstream when branches end with these. */
function best(...statuses: number[]): SipResponse {
  const contacts = statuses.map((_, at) => `<sip:bob@192.0.2.${at + 10}>`)
  const core = withBob(...contacts)
  const { sent } = forward(core)
  let outputs: Output[] = []
  for (const [at, status] of statuses.entries()) {
    const challenge = ['WWW-Authenticate', `Digest realm="r${at}", nonce="n"`] as const
    outputs = core.answer('proxy', sent[at]!.token, responseTo(sent[at]!, status, status === 401 ? [challenge] : []))
  }
  assert.equal(core.proxy.contexts, 0)
  return answerOf(outputs)
}

test('§16.7 step 6: a 6xx if there is one, else the lowest class, and within 4xx what helps the caller', () => {
  assert.equal(best(404, 600, 302).status, 600)
  assert.equal(best(500, 404, 302).status, 302)
  assert.equal(best(503, 407, 501, 404).status, 407)
  assert.equal(best(404, 415).status, 415)
  assert.equal(best(408, 486).status, 486)
})

test('§16.7 step 6: a 503 alone becomes 500', () => {
  assert.equal(best(503).status, 500)
  assert.equal(best(503, 501).status, 501)
})

test('RFC 5626 §11.5: a 430 never reaches an endpoint', () => {
  assert.equal(best(430).status, 480)
})

test('§16.7 step 7: a 401 carries the challenges of all branches, unchanged', () => {
  const response = best(401, 404, 401)
  assert.deepEqual(response.headers('WWW-Authenticate'), [
    'Digest realm="r0", nonce="n"',
    'Digest realm="r2", nonce="n"',
  ])
})

test('§16.7 step 6: the To tag of a forwarded final response is that of the branch', () => {
  const core = withBob()
  const { sent } = forward(core)
  assert.equal(answerOf(core.answer('proxy', sent[0]!.token, responseTo(sent[0]!, 486, [], 'bobs'))).toTag, 'bobs')
})

test('§16.10: a CANCEL cancels every pending branch, and starts no more; the 487 of the branches is the answer', () => {
  const core = withBob('<sip:a@192.0.2.201>', '<sip:b@192.0.2.202>', '<sip:c@192.0.2.203>;q=0.1')
  const { request, sent } = forward(core)
  const outputs = core.turn('proxy', turn => core.proxy.cancel(request.transaction, turn))
  assert.deepEqual(
    cancelled(outputs),
    sent.map(({ token }) => token),
  )
  assert.deepEqual(core.answer('proxy', sent[0]!.token, responseTo(sent[0]!, 487)), [])
  const last = core.answer('proxy', sent[1]!.token, responseTo(sent[1]!, 487))
  assert.deepEqual(sentOf(last), [])
  assert.equal(answerOf(last).status, 487)
})

test('§16.10: a cancelled branch that never answers is a 487 too', () => {
  const core = withBob()
  const { request, sent } = forward(core)
  core.turn('proxy', turn => core.proxy.cancel(request.transaction, turn))
  assert.equal(answerOf(core.answer('proxy', sent[0]!.token, responseTo(sent[0]!, 408))).status, 487)
})

test('a CANCEL for nothing we know, or after the answer, does nothing', () => {
  const core = withBob()
  const { request, sent } = forward(core)
  core.answer('proxy', sent[0]!.token, responseTo(sent[0]!, 200))
  for (const transaction of [request.transaction, 'none'])
    assert.deepEqual(
      core.turn('proxy', turn => core.proxy.cancel(transaction, turn)),
      [],
    )
})

test('an ACK for a 2xx follows the route of its dialog and is never answered', () => {
  const core = withBob()
  const { request, sent } = forward(core)
  const ack = core.received('ACK', 'sip:bob@192.0.2.200:5060', [
    ['Call-ID', request.callId],
    ['Route', sent[0]!.request.headers('Record-Route').join(', ')],
    ['To', '<sip:bob@box.example>;tag=b'],
  ])
  const [output] = core.request('proxy', ack)
  assert.equal(output?.kind, 'ack')
  assert.equal(output?.kind === 'ack' && output.request.uri, 'sip:bob@192.0.2.200:5060')
  assert.equal(output?.kind === 'ack' && output.request.hasHeader('Route'), false)
})

test('RFC 3325 §7: Privacy id hides the asserted identity from the user at the other end, and nothing else does', () => {
  const core = withBob()
  const asserted = ['P-Asserted-Identity', '<sip:alice@box.example>'] as const
  const told = (privacy: string | undefined): boolean => {
    const fields = privacy === undefined ? [asserted] : [asserted, ['Privacy', privacy] as const]
    return forward(core, 'MESSAGE', fields).sent[0]!.request.hasHeader('P-Asserted-Identity')
  }
  assert.equal(told(undefined), true)
  assert.equal(told('none'), true)
  assert.equal(told('id'), false)
  assert.equal(told('header;id'), false)
})

test('SIP-18: critical privacy that this proxy cannot give gets 500', () => {
  assert.equal(statusOf(withBob(), 'MESSAGE', 'sip:bob@box.example', [['Privacy', 'session;critical']]), 500)
  assert.equal(forward(withBob(), 'MESSAGE', [['Privacy', 'id;critical']]).sent.length, 1)
})

test('an answer that comes after a restart is for nobody', () => {
  const core = withBob()
  const { sent } = forward(core)
  core.store.committed()
  assert.deepEqual(core.restarted().answer('proxy', sent[0]!.token, responseTo(sent[0]!, 200)), [])
})
