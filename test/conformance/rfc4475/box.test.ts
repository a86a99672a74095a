/**
 * RFC 4475 end to end: what the box does, as registrar, proxy and server, with each message that arrives as a datagram or on
 * a connection. A row says why where our answer is not the RFC's.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messages, octets } from '../../fixtures/rfc4475/messages.ts'
import { boxTests, type Reaction, type Row, TortureBox } from '../torture-box.ts'

const asked = 'the box as delivered asks who it is first: 401 as registrar, 407 as proxy (RFC 3261 §22)'
const elsewhere = 'its Route leads to another domain, and the box serves none but its own'

/** A request for a user: challenged, and in the laboratory sent on to him. */
function forUser(callee: string, check?: (reaction: Reaction) => void): Row {
  return { box: 407, laboratory: 'forwarded', callee, why: asked, ...(check && { check }) }
}

function refused(status: number): Row {
  return { box: status, laboratory: status }
}

const silence: Row = { box: 'nothing', laboratory: 'nothing' }
/** What stands between here and the next message on a connection cannot be told: it is answered and the connection closed. */
const unframed = { done: 400, isClosed: true } as const
/** On a connection the rest is awaited, until its time is over. */
const awaited = { done: 'nothing', isClosed: false } as const

const rows: Readonly<Record<string, Row>> = {
  wsinv: { box: 407, laboratory: 403, domain: 'chair-dnrc.example.com', why: `${asked}; ${elsewhere}` },
  intmeth: forUser(
    "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
    ({ forwarded }) => {
      const { request } = forwarded[0]!
      assert.equal(request.method, "!interesting-Method0123456789_*+`.%indeed'~")
      assert.equal(request.header("extensionHeader-!.%*+_`'~"), '\ufeff大停電')
    },
  ),
  esc01: { ...forUser('sip:sips%3Auser%40example.com@example.net'), domain: 'example.net' },
  escnull: {
    box: 401,
    laboratory: 200,
    why: asked,
    check: ({ responses }) =>
      assert.deepEqual(
        responses[0]!.headers('Contact').map(value => value.split(';', 1)[0]),
        ['<sip:%00@host5.example.com>', '<sip:%00%00@host5.example.com>'],
      ),
  },
  // "An endpoint would reject this message with a 501": its Request-URI is the box itself.
  esc02: { box: 501, laboratory: 501, domain: 'registrar.example.com' },
  lwsdisp: forUser('sip:user@example.com'),
  longreq: forUser('sip:user@example.com', ({ forwarded }) => {
    // 33 further Vias below ours and the sender's.
    assert.equal(forwarded[0]!.request.headers('Via').length, 35)
    assert.equal(forwarded[0]!.request.callId, `longreq.one${'really'.repeat(20)}longcallid`)
  }),
  dblreq: {
    box: 401,
    laboratory: 200,
    // The RFC speaks of a datagram. On a stream two requests follow each other, which are answered, and then what is none.
    tcp: { done: { box: [401, 407], laboratory: [200, 480] }, isClosed: true },
    why: asked,
  },
  semiuri: forUser('sip:user;par=u%40example.net@example.com'),
  transports: forUser('sip:user@example.com'),
  mpart01: { box: 407, laboratory: 403, domain: 'example.org', why: `${asked}; ${elsewhere}` },
  unreason: silence,
  noreason: silence,
  badinv01: refused(400),
  clerr: { ...refused(400), tcp: awaited },
  ncl: { ...refused(400), tcp: unframed },
  scalar02: refused(400),
  scalarlg: silence,
  quotbal: refused(400),
  ltgtruri: refused(400),
  lwsruri: refused(400),
  lwsstart: refused(400),
  trws: refused(400),
  escruri: refused(400),
  baddate: forUser('sip:user@example.com'),
  regbadct: { box: 401, laboratory: 400, why: asked },
  badaspec: { ...refused(400), domain: 'example.org' },
  // The archive has it without the empty line behind its header fields; with it, see below.
  baddn: { ...refused(400), domain: 'example.org', tcp: awaited },
  badvers: { ...refused(505), domain: 'example.org' },
  mismatch01: refused(400),
  mismatch02: refused(501),
  bigcode: silence,
  badbranch: refused(400),
  insuf: refused(400),
  unkscm: { box: 407, laboratory: 416, why: asked },
  novelsc: { box: 407, laboratory: 416, why: asked },
  unksm2: { box: 401, laboratory: 400, why: asked },
  bext01: {
    box: 407,
    laboratory: 420,
    why: asked,
    check: ({ responses }) =>
      assert.deepEqual(responses[0]!.headers('Unsupported').sort(), [
        'noProxiesSupportThis',
        'norDoAnyProxiesSupportThis',
      ]),
  },
  // "A proxy receiving this request would process it just as it would any other INVITE."
  invut: forUser('sip:user@example.com', ({ forwarded }) =>
    assert.equal(forwarded[0]!.request.contentType?.type, 'application/unknownformat'),
  ),
  regaut01: { box: 401, laboratory: 200 },
  multi01: { ...refused(400), domain: 'company.com' },
  mcl01: { ...refused(400), tcp: unframed },
  // "proxies should drop such": no transaction of ours has asked for it.
  bcast: silence,
  zeromf: { box: 407, laboratory: 483, why: asked },
  cparam01: {
    box: 401,
    laboratory: 200,
    why: asked,
    check: ({ responses }) =>
      assert.match(responses[0]!.header('Contact')!, /^<sip:\+19725552222@gw1\.example\.net>.*;unknownparam\b/),
  },
  cparam02: {
    box: 401,
    laboratory: 200,
    why: asked,
    check: ({ responses }) =>
      assert.match(responses[0]!.header('Contact')!, /^<sip:\+19725552222@gw1\.example\.net;unknownparam>/),
  },
  regescrt: {
    box: 401,
    laboratory: 403,
    why: `${asked}; then: the contact is the registered address itself, and a proxy that turned to it would turn to itself for ever, since header fields in a contact do not go into a Request-URI (§16.6)`,
  },
  // A proxy does not look at Accept.
  sdp01: forUser('sip:user@example.com'),
  inv2543: { ...forUser('sip:UserB@example.com'), tcp: unframed },
}

boxTests('RFC 4475', messages, octets, rows)

test('RFC 4475 §3.1.2.15 baddn with the empty line that the archive lacks is refused on a connection too, which stays', async () => {
  const reaction = await new TortureBox({ domain: 'example.org' }).feed(
    Buffer.concat([octets('baddn'), Buffer.from('\r\n')]),
    'tcp',
  )
  assert.deepEqual([reaction.statuses, reaction.isClosed], [[400], false])
})

test('RFC 4475 §3.3.14 regescrt: a contact elsewhere keeps its escaped header fields, which do not go into a Request-URI', async () => {
  const torture = new TortureBox({ domain: 'example.com', isLaboratory: true })
  const text = octets('regescrt').toString('latin1').replace('<sip:user@example.com?', '<sip:user@192.0.2.9?')
  const { responses } = await torture.feed(Buffer.from(text, 'latin1'), 'udp')
  assert.match(responses[0]!.header('Contact')!, /^<sip:user@192\.0\.2\.9\?Route=%3Csip:sip\.example\.com%3E>/)
  const { forwarded } = await torture.feed(octets('lwsdisp'), 'udp')
  assert.deepEqual(
    forwarded.map(({ request, to }) => [request.uri, to, request.hasHeader('Route')]),
    [['sip:user@192.0.2.9', '192.0.2.9', false]],
  )
})

test('RFC 4475 §3.1.2.2 clerr on a connection: "there is not much": when the rest does not come in time, the connection closes', async () => {
  const torture = new TortureBox({ domain: 'example.com' })
  await torture.feed(octets('clerr'), 'tcp')
  torture.now = torture.appliance.deadline()!
  torture.appliance.expire(torture.now)
  const transmits = torture.appliance.release(await torture.appliance.commit(torture.now), torture.now)
  assert.deepEqual(
    transmits.map(({ kind }) => kind),
    ['close'],
  )
})

test('every message, one behind the other, into one box: no fault, and nothing kept but what was registered', async () => {
  const torture = new TortureBox({ domain: 'example.com', isLaboratory: true })
  for (const { name } of messages)
    for (const transport of ['udp', 'tcp'] as const) await torture.feed(octets(name), transport)
  assert.deepEqual(torture.faults, [])
  assert.ok(
    torture.appliance.stack.counters.malformed >=
      2 * messages.filter(({ verdict }) => verdict !== 'accepted').length - 2,
  )
  for (
    let at = torture.appliance.deadline();
    at !== undefined && at < torture.now + 120_000;
    at = torture.appliance.deadline()
  ) {
    torture.now = Math.max(torture.now, at)
    torture.appliance.expire(torture.now)
    torture.appliance.release(await torture.appliance.commit(torture.now), torture.now)
  }
  const { serverTransactions, clientTransactions } = torture.appliance.stack.sizes
  assert.deepEqual([serverTransactions, clientTransactions], [0, 0])
})
