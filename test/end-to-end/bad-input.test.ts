/**
 * Bad input against the built box: each kind is answered as its standard says, or dropped and counted; and after
 * all of it the same process stands, with bounded memory and everything that was stored.
 */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { SipResponse } from '../../src/protocols/sip/message.ts'
import { type Health, porchlight, RunningBox, statusOf, temporaryData } from './box.ts'
import { DatagramClient, type RawRequest, StreamClient, type User } from './raw-client.ts'

/** Resident memory of the box after everything here, octets: 80 MiB are its own, and the rest is bounded by limits.ts. */
const memoryBound = 160 * 2 ** 20

const alice: User = { name: 'alice', password: 'secret of alice' }
const bob: User = { name: 'bob', password: 'secret of bob' }
const aliceUri = 'sip:alice@box.example'
const probe: RawRequest = { method: 'OPTIONS', uri: 'sip:box.example' }

function document(inner = ''): string {
  return `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${aliceUri}"><tuple id="t"><status><basic>open</basic></status>${inner}</tuple></presence>`
}

function publish(body: string | Uint8Array, fields: Readonly<Record<string, string | undefined>> = {}): RawRequest {
  const type = body.length > 0 ? { 'Content-Type': 'application/pidf+xml' } : {}
  return { method: 'PUBLISH', uri: aliceUri, fields: { Event: 'presence', Expires: '3600', ...type, ...fields }, body }
}

interface Status extends Health {
  readonly publications: number
  readonly registrations: number
  readonly connections: number
  readonly counters: Readonly<Record<string, number>>
}

test('bad input', { timeout: 110_000 }, async t => {
  const data = temporaryData(t)
  const users = join(data, '..', 'users.csv')
  writeFileSync(users, [alice, bob].map(({ name, password }) => `sip:${name}@box.example,${password}\n`).join(''))
  assert.equal((await porchlight(['user', 'import', users, '--data', data])).status, 0)
  const box = await RunningBox.start(t, data)
  const status = () => statusOf<Status>(data)
  const datagrams = (one: TestContext, address?: string) => DatagramClient.open(one, box.port('udp'), address)
  const stream = (one: TestContext, address?: string) => StreamClient.open(one, box.port('tcp'), address)
  /** The counters that grew while `work` ran, by how much. */
  const counted = async (work: () => Promise<unknown>): Promise<Record<string, number>> => {
    const { counters: before } = await status()
    await work()
    const { counters } = await status()
    return Object.fromEntries(
      Object.entries(counters)
        .map(([name, count]) => [name, count - before[name]!] as const)
        .filter(([, growth]) => growth > 0),
    )
  }

  const before = await status()
  const published = await (await datagrams(t)).askAs(alice, publish(document('<note>from before</note>')))
  assert.equal(published.status, 200)
  const entityTag = published.header('SIP-ETag')!

  await t.test('malformed start lines: refused where there is a Via, else dropped, and all counted', async one => {
    const client = await datagrams(one)
    const lines: ReadonlyArray<readonly [line: string, status: number | undefined]> = [
      ['OPTIONS', undefined],
      ['OPTIONS sip:box.example', undefined],
      ['OPTIONS sip:box.example SIP/3.0', 505],
      ['OPTIONS\tsip:box.example\tSIP/2.0', undefined],
      ['OPTIONS sip:box. example SIP/2.0', 400],
      ['OPTIONS  sip:box.example SIP/2.0', 400],
      ['OPTIONS :: SIP/2.0', 400],
      ['OPTIONS sip: SIP/2.0', 400],
      ['GET / HTTP/1.1', undefined],
      ['SIP/2.0 2000 OK', undefined],
      ['', undefined],
    ]
    const growth = await counted(async () => {
      for (const [line, expected] of lines) {
        client.write(client.octets(probe).toString().replace(/^.*/, line))
        if (expected !== undefined) assert.equal((await client.response()).status, expected, line)
      }
      for (const noise of ['INVITE', 'INVITE sip:x SIP/2.0\r\n\r\n', 'SIP/2.0', '\0'.repeat(100)]) client.write(noise)
      await client.settled()
    })
    assert.equal(growth.malformed, lines.length + 4)
    assert.equal(growth.refused, lines.filter(([, expected]) => expected !== undefined).length)
  })

  await t.test('truncated body in a datagram: 400 (RFC 3261 §18.3)', async one => {
    const client = await datagrams(one)
    client.write(client.octets(publish(document())).subarray(0, -20))
    assert.equal((await client.response()).status, 400)
  })

  await t.test('filters: those that select nothing or everything are served, bad ones are told why', async one => {
    const client = await datagrams(one)
    const set = (content: string) =>
      `<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="p" urn="urn:ietf:params:xml:ns:pidf"/></ns-bindings><filter id="1">${content}</filter></filter-set>`
    const what = (content: string) => set(`<what>${content}</what>`)
    const suppression = (expression: string) =>
      `<suppnot-filter-set xmlns="urn:oma:xml:prs:suppnot-filter"><suppnot-filter id="1"><presattrib><suppress-if-match>${expression}</suppress-if-match></presattrib></suppnot-filter></suppnot-filter-set>`
    const filter = 'application/simple-filter+xml'
    const asked: ReadonlyArray<readonly [body: string, status: number, shown?: RegExp | undefined, type?: string]> = [
      [what('<include>//*</include>'), 200, /<basic>open/],
      [what('<exclude>//*</exclude>'), 200, /^$/],
      [what('<include>//p:nothing</include>'), 200, /^$/],
      [what(`<include>${'//*'.repeat(30)}</include>`), 200, /^$/],
      [what('<include>p:relative</include>'), 488],
      [what(`<include>//p:tuple[${'('.repeat(500)}p:note="n"</include>`), 488],
      [`<!DOCTYPE x [<!ENTITY a "aaaa">]>${what('<include>&a;</include>')}`, 488],
      [what(`<include>//p:${'x'.repeat(20_000)}</include>`), 413],
      [set('<trigger><changed by="much">//p:basic</changed></trigger>'), 488],
      [suppression('//*'), 200, /<basic>open/, 'application/vnd.oma.suppnot+xml'],
      [suppression('count(//*)'), 488, undefined, 'application/vnd.oma.suppnot+xml'],
      [suppression('//*'), 488],
      ['<filter-set/>', 415, undefined, 'application/xml'],
    ]
    for (const [body, expected, shown, type = filter] of asked) {
      const fields = { Event: 'presence', Expires: '0', 'Content-Type': type }
      const answer = await client.askAs(alice, { method: 'SUBSCRIBE', uri: aliceUri, fields, body })
      assert.equal(answer.status, expected, body.slice(0, 200))
      if (shown === undefined) continue
      const notify = await client.request('NOTIFY')
      client.answer(notify, 200)
      assert.match(Buffer.from(notify.body).toString(), shown, body.slice(0, 200))
    }
  })

  await t.test(
    'oversized datagram: 413 for its document, 400 for its header fields (RFC 3903 §6 step 5)',
    async one => {
      const client = await datagrams(one)
      const refused = await client.askAs(alice, publish(document(`<note>${'x'.repeat(50_000)}</note>`)))
      assert.equal(refused.status, 413)
      assert.equal((await client.ask({ ...probe, fields: { Subject: 'x'.repeat(50_000) } })).status, 400)
    },
  )

  await t.test(
    'oversized message on a stream: 413 before its body has come; endless header fields: closed',
    async one => {
      const large = await stream(one)
      large.write(large.octets(publish('', { 'Content-Length': '300000' })))
      assert.equal((await large.response()).status, 413)
      await large.closed()
      const endless = await stream(one)
      const growth = await counted(async () => {
        endless.write(`OPTIONS sip:box.example SIP/2.0\r\n${`Subject: ${'x'.repeat(1000)}\r\n`.repeat(100)}`)
        await endless.closed()
      })
      assert.equal(growth.malformed, 1)
    },
  )

  await t.test('one octet at a time: served when it is complete, and so is who comes meanwhile', async one => {
    const [slow, other] = [await stream(one), await stream(one)]
    for (const octet of slow.octets(probe)) {
      slow.write(Uint8Array.of(octet))
      await setImmediate()
    }
    assert.equal((await slow.response()).status, 200)
    const half = slow.octets(probe)
    slow.write(half.subarray(0, 100))
    await other.settled()
    slow.write(half.subarray(100))
    assert.equal((await slow.response()).status, 200)
  })

  await t.test('wrong Content-Length on a stream: 400 and closed, or the peer has itself to blame', async one => {
    for (const length of ['-1', 'many', '1, 2', '4294967297', '99999999999999999999']) {
      const client = await stream(one)
      client.write(client.octets({ ...probe, fields: { 'Content-Length': length } }))
      const { status: answered } = await client.response()
      assert.equal(answered, length.startsWith('4') || length.startsWith('9') ? 413 : 400, length)
      await client.closed()
    }
    const without = await stream(one)
    without.write(without.octets({ ...probe, fields: { 'Content-Length': undefined } }))
    assert.equal((await without.response()).status, 400)
    await without.closed()
    // Too small: what follows is no message, but what stood before it is answered.
    const small = await stream(one)
    small.write(small.octets({ ...probe, body: 'not a message\r\n\r\n', fields: { 'Content-Length': '0' } }))
    assert.equal((await small.response()).status, 200)
    await small.closed()
    // Too large: the next message is taken for the body; the one after it is served.
    const large = await stream(one)
    const swallowed = large.octets(probe)
    large.write(large.octets({ ...probe, fields: { 'Content-Length': String(swallowed.length) } }))
    const { callId } = large
    large.write(swallowed)
    assert.equal((await large.response(callId)).status, 200)
    await large.settled()
  })

  await t.test(
    'XML: nested too deep, a document type, an entity bomb, an external entity: 400, and nothing is read',
    async one => {
      const client = await datagrams(one)
      const entities = Array.from({ length: 9 }, (_, n) => `<!ENTITY e${n + 1} "${`&e${n};`.repeat(10)}">`).join('')
      for (const body of [
        document(`${'<a>'.repeat(2000)}${'</a>'.repeat(2000)}`),
        `<!DOCTYPE presence>${document()}`,
        `<!DOCTYPE p [<!ENTITY e0 "ha">${entities}]>${document('<note>&e9;</note>')}`,
        `<!DOCTYPE p [<!ENTITY e SYSTEM "file:///etc/passwd">]>${document('<note>&e;</note>')}`,
        document('<note>&undefined;</note>'),
        document().slice(0, -5),
        'no XML',
      ]) {
        const refused = await client.askAs(alice, publish(body))
        assert.equal(refused.status, 400, body.slice(0, 60))
        assert.match(refused.reason, /^PIDF /)
      }
    },
  )

  await t.test(
    'octets that are not UTF-8: 400, in a document as in a header field (RFC 3261 §25.1 TEXT-UTF8)',
    async one => {
      const client = await datagrams(one)
      const body = Buffer.from(document('<note>caf\xe9 \xc0\x80 \xed\xa0\x80</note>'), 'latin1')
      assert.equal((await client.askAs(alice, publish(body))).status, 400)
      const text = client.octets({ ...probe, fields: { Subject: 'caf\xe9 \xc0\x80' } }).toString()
      client.write(Buffer.from(text, 'latin1'))
      assert.equal((await client.response()).status, 400)
    },
  )

  await t.test('10,000 header fields: 400 in a datagram, closed on a stream', async one => {
    const many = { ...probe, fields: { A: `1${'\r\nA:1'.repeat(10_000)}` } }
    assert.equal((await (await datagrams(one)).ask(many)).status, 400)
    const client = await stream(one)
    client.write(client.octets(many))
    await client.closed()
  })

  await t.test('forged Via: the answer goes to the true source (RFC 3261 §18.2.1, RFC 3581 §4)', async one => {
    const client = await datagrams(one)
    for (const forged of [
      'SIP/2.0/UDP 203.0.113.66:9;branch=z9hG4bKforged;rport',
      'SIP/2.0/UDP 203.0.113.66:9;branch=z9hG4bKforged;rport=7;received=203.0.113.67',
      'SIP/2.0/UDP victim.example;branch=z9hG4bKforged;received=203.0.113.67;rport',
    ]) {
      const answer = await client.ask({ ...probe, fields: { Via: forged } })
      assert.equal(answer.topVia.params.get('received'), '127.0.0.1')
      assert.equal(answer.topVia.params.get('rport'), String(client.socket.address().port))
    }
    // Without rport the port is the one in Via, but the address still the true one.
    const listener = await datagrams(one)
    const via = `SIP/2.0/UDP 203.0.113.66:${listener.socket.address().port};branch=z9hG4bKport`
    client.write(client.octets({ ...probe, fields: { Via: via } }))
    assert.equal((await listener.response(client.callId)).topVia.params.get('received'), '127.0.0.1')
  })

  await t.test(
    'a nonce and a nonce count that come again: challenged anew as stale, and nothing is done (RFC 7616 §3.3)',
    async one => {
      const client = await datagrams(one)
      const request = publish('', { Expires: '600', 'SIP-If-Match': 'none' })
      const challenged = await client.ask(request)
      const first = client.answering(alice, request, challenged)
      assert.equal((await client.ask(first)).status, 412, 'the credentials are good, the tag is not')
      const overheard = await client.ask(first)
      assert.equal(overheard.status, 401)
      assert.match(overheard.header('WWW-Authenticate')!, /stale=true/i)
      // Counts may overtake each other, since datagrams do, but each counts once.
      for (const [count, expected] of [
        [5, 412],
        [4, 412],
        [5, 401],
        [4, 401],
        [6, 412],
      ] as const)
        assert.equal((await client.ask(client.answering(alice, request, challenged, count))).status, expected)
      // One that the box has not made.
      const credentials = first.fields!.Authorization!.replace(/nonce="[^"]*"/, 'nonce="AAAAAAAAAAAAAAAAAAAAAAAA"')
      assert.equal(
        (await client.ask({ ...first, fields: { ...first.fields, Authorization: credentials } })).status,
        401,
      )
    },
  )

  await t.test('30,000 datagrams from one address: another client is served meanwhile', async one => {
    const [flood, other] = [await datagrams(one, '127.0.0.3'), await datagrams(one, '127.0.0.2')]
    const growth = await counted(async () => {
      let isOver = false
      const flooding = (async () => {
        for (let sent = 0; sent < 30_000; sent++) {
          flood.write(flood.octets(probe))
          if (sent % 100 === 0) await setImmediate()
        }
        isOver = true
      })()
      let served = 0
      while (!isOver || served < 10) {
        assert.equal((await repeating(other, probe)).status, 200)
        served++
      }
      await flooding
    })
    // The system drops what its buffer cannot hold; of what it hands on each is answered, or dropped and counted.
    const heard = (growth.received ?? 0) + (growth.flooded ?? 0)
    assert.ok(heard >= 1000, `${heard}`)
  })

  await t.test(
    '1,000 idle connections, and one too many from an address: closed and counted; others are served',
    async one => {
      const addresses = Array.from({ length: 5 }, (_, n) => `127.0.0.${n + 11}`)
      const idle = await Promise.all(
        addresses.flatMap(address => Array.from({ length: 200 }, () => stream(one, address))),
      )
      assert.ok((await status()).connections >= 1000)
      const growth = await counted(async () => {
        const surplus = await stream(one, addresses[0])
        await surplus.closed()
      })
      assert.equal(growth.refusedOverLimit, 1)
      await (await stream(one)).settled()
      await (await datagrams(one)).settled()
      await idle[500]!.settled()
      for (const client of idle) client.close()
    },
  )

  await t.test('what speaks no TLS on the port for it: closed and counted', async one => {
    const growth = await counted(async () => {
      for (const garbage of ['GET / HTTP/1.1\r\n\r\n', '\0'.repeat(1000), '\x16\x03\x01\xff\xff'.repeat(50)]) {
        const client = await StreamClient.open(one, box.port('tls'))
        client.write(Buffer.from(garbage, 'latin1'))
        await client.closed()
      }
    })
    assert.equal(growth.tlsHandshakeErrors, 3)
  })

  await t.test('unknown methods: to the box 501, to a user who is away 480, unasked 407', async one => {
    const client = await datagrams(one)
    for (const method of ['FROBNICATE', '!%*_+`.~-', 'X'.repeat(500)]) {
      assert.equal((await client.ask({ method, uri: 'sip:bob@box.example' })).status, 407)
      assert.equal((await client.askAs(alice, { method, uri: 'sip:bob@box.example' })).status, 480)
      assert.equal((await client.ask({ method, uri: 'sip:box.example' })).status, 501)
    }
  })

  await t.test(
    "SIP-If-Match that is none, or names what is another's: 400 or 412, and nothing changes (RFC 3903 §6 step 3)",
    async one => {
      const client = await datagrams(one)
      for (const [tag, expected] of [
        ['*', 412],
        ['"; DROP TABLE', 400],
        [`${entityTag}, other`, 400],
        [`${entityTag} other`, 400],
        ['', 400],
        ['../../etc/passwd', 412],
        ['%00', 412],
        [entityTag.toUpperCase(), 412],
        [entityTag.slice(0, -1), 412],
        ['x'.repeat(5000), 412],
      ] as const)
        assert.equal(
          (await client.askAs(alice, publish('', { 'SIP-If-Match': tag }))).status,
          expected,
          tag.slice(0, 40),
        )
      const bobs: RawRequest = { ...publish('', { 'SIP-If-Match': entityTag }), uri: 'sip:bob@box.example' }
      assert.equal((await client.askAs(bob, bobs)).status, 412)
      assert.equal((await client.askAs(bob, publish('', { 'SIP-If-Match': entityTag, Expires: '0' }))).status, 403)
    },
  )

  await t.test(
    'absurd Expires: never more than the longest lifetime; what cannot be read counts as none',
    async one => {
      const client = await datagrams(one)
      for (const [expires, granted] of [
        ['99999999999999999999', '86400'],
        ['4294967296', '86400'],
        ['-1', '3600'],
        ['1e3', '3600'],
        ['0x10', '3600'],
        ['soon', '3600'],
      ] as const) {
        const answer = await client.askAs(bob, {
          ...publish(document().replaceAll('alice', 'bob'), { Expires: expires }),
          uri: 'sip:bob@box.example',
        })
        assert.deepEqual([answer.status, answer.header('Expires')], [200, granted], expires)
        const removal = publish('', { 'SIP-If-Match': answer.header('SIP-ETag')!, Expires: '0' })
        assert.equal((await client.askAs(bob, { ...removal, uri: 'sip:bob@box.example' })).status, 200)
      }
    },
  )

  await t.test('Require of an extension that nobody knows: 420 with Unsupported (RFC 3261 §8.2.2.3)', async one => {
    const client = await datagrams(one)
    const fields = { Require: 'frobnication, path', Event: 'presence', To: `<${aliceUri}>` }
    for (const [method, uri] of [
      ['PUBLISH', aliceUri],
      ['SUBSCRIBE', aliceUri],
      ['REGISTER', 'sip:box.example'],
    ] as const) {
      const refused = await client.askAs(alice, { method, uri, fields })
      assert.equal(refused.status, 420, method)
      assert.match(refused.header('Unsupported')!, /frobnication/)
    }
    assert.equal((await client.ask({ ...probe, fields: { Require: 'frobnication' } })).status, 420)
  })

  await t.test('a giant display name in From: 400; a large one is carried', async one => {
    const client = await datagrams(one)
    const named = (length: number): RawRequest => ({
      ...probe,
      fields: { From: `"${'n'.repeat(length)}" <sip:nobody@box.example>;tag=1` },
    })
    assert.equal((await client.ask(named(50_000))).status, 400)
    const answer = await client.ask(named(5000))
    assert.deepEqual([answer.status, answer.from.displayName?.length], [200, 5000])
  })

  await t.test('control characters: 400, and none comes back', async one => {
    const client = await datagrams(one)
    for (const character of ['\0', '\x01', '\x07', '\x0b', '\x1b']) {
      for (const request of [
        { ...probe, fields: { From: `"a${character}b" <sip:nobody@box.example>;tag=1` } },
        { ...probe, fields: { Subject: `a${character}b` } },
        { ...probe, uri: `sip:a${character}b@box.example` },
      ])
        assert.equal((await client.ask(request)).status, 400)
    }
    const answer = await client.ask({ ...probe, uri: 'sip:a\x07b@box.example' })
    assert.doesNotMatch(answer.reason, /\x07/)
  })

  await t.test('CR and LF in URIs add no header field, neither to an answer nor to what is sent on', async one => {
    const [client, phone] = [await datagrams(one), await datagrams(one)]
    const evil = '%0d%0aEvil:%201%0d%0a%0d%0a'
    const register: RawRequest = {
      method: 'REGISTER',
      uri: 'sip:box.example',
      fields: {
        To: '<sip:bob@box.example>',
        Contact: `"${evil}" <sip:${evil}@${phone.sentBy};p=${evil}>;q=1`,
        Expires: '600',
      },
    }
    const registered = await phone.askAs(bob, register)
    assert.equal(registered.status, 200)
    assert.equal(registered.header('Evil'), undefined)
    const message = { method: 'MESSAGE', uri: 'sip:bob@box.example', fields: { Subject: evil } }
    const challenged = await client.ask({
      ...message,
      fields: { ...message.fields, From: `<${aliceUri}>;tag=${evil}` },
    })
    assert.equal(challenged.header('Evil'), undefined)
    client.write(client.octets(client.answering(alice, message, challenged)))
    const arrived = await phone.request('MESSAGE')
    assert.equal(arrived.header('Evil'), undefined)
    assert.match(arrived.uri, /%0d%0a/i)
    for (const uri of [`sip:bob${evil}@box.example`, `sip:bob@box.example${evil}`, `sip:bob@box.example;x=${evil}`]) {
      const answer = await client.ask({ method: 'MESSAGE', uri })
      assert.ok(answer.status >= 400, uri)
      assert.equal(answer.header('Evil'), undefined)
    }
    const removal = { ...register.fields, Contact: '*', Expires: '0' }
    assert.equal((await phone.askAs(bob, { ...register, fields: removal })).status, 200)
  })

  await t.test(
    'after all of it: the same process, bounded memory, everything stored, and counters that tell',
    async one => {
      const after = await status()
      assert.equal(after.pid, before.pid)
      assert.equal(box.child.exitCode, null)
      assert.equal(after.lastError, null)
      assert.ok(after.memoryOctets < memoryBound, `${after.memoryOctets / 2 ** 20} MiB`)
      assert.equal(after.publications, 1)
      assert.equal(after.counters.faults, 0)
      const { malformed, refused, refusals, refusedOverLimit, tlsHandshakeErrors } = after.counters
      for (const count of [malformed, refused, refusals, refusedOverLimit, tlsHandshakeErrors]) assert.ok(count! > 0)
      const client = await datagrams(one)
      const refreshed = await client.askAs(alice, publish('', { 'SIP-If-Match': entityTag }))
      assert.equal(refreshed.status, 200, 'what was published before is still there')
      const subscribed = await client.askAs(alice, {
        method: 'SUBSCRIBE',
        uri: aliceUri,
        fields: { Event: 'presence', Expires: '0' },
      })
      assert.ok(subscribed.status < 300)
      assert.match(Buffer.from((await client.request('NOTIFY')).body).toString(), /from before/)
    },
  )

  const ended = await box.stop()
  assert.equal(ended.status, 0, ended.errors)
})

/** A request over UDP, repeated as a client repeats it (RFC 3261 §17.1.2.2) until it is answered. */
async function repeating(client: DatagramClient, request: RawRequest): Promise<SipResponse> {
  const octets = client.octets(request)
  client.write(octets)
  const timer = setInterval(() => client.write(octets), 500)
  try {
    return await client.response()
  } finally {
    clearInterval(timer)
  }
}
