/**
 * SigComp with the built box (RFC 5049, RFC 3486): over UDP, TCP and TLS, across a restart, and with those who mean harm. Who
 * speaks plainly notices nothing of any of it.
 */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { assemble } from '../../src/protocols/sigcomp/assembler.ts'
import type { SipResponse } from '../../src/protocols/sip/message.ts'
import { Mutator } from '../fuzz/mutator.ts'
import { porchlight, RunningBox, statusOf, temporaryData } from './box.ts'
import { type CompressingClient, CompressingDatagramClient, CompressingStreamClient } from './compressing-client.ts'
import { DatagramClient, type RawRequest, type User } from './raw-client.ts'

const alice: User = { name: 'alice', password: 'secret of alice' }
const bob: User = { name: 'bob', password: 'secret of bob' }

/** What an own address may stand for where many clients share one: the box charges work to addresses. */
const attacker = '127.0.0.66'

interface Status {
  readonly pid: number
  readonly memoryOctets: number
  readonly compartments: number
  readonly compressionStates: number
  readonly counters: Readonly<Record<string, number>>
}

async function open(t: TestContext, settings: readonly string[] = []) {
  const data = temporaryData(t)
  const users = join(data, '..', 'users.csv')
  writeFileSync(users, [alice, bob].map(({ name, password }) => `sip:${name}@box.example,${password}\n`).join(''))
  assert.equal((await porchlight(['user', 'import', users, '--data', data])).status, 0)
  const set = ['presence.defaultHandling=allow', 'presence.minNotifyIntervalSeconds=0', ...settings]
  const box = await RunningBox.start(t, data, set)
  const status = () => statusOf<Status>(data)
  return { data, set, box, status }
}

function register(seconds = 3600): RawRequest {
  return {
    method: 'REGISTER',
    uri: 'sip:box.example',
    fields: { To: '<sip:alice@box.example>', Expires: `${seconds}` },
  }
}

function publish(note: string): RawRequest {
  const body = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:bob@box.example"><tuple id="t"><status><basic>open</basic></status><note>${note}</note></tuple></presence>`
  return {
    method: 'PUBLISH',
    uri: 'sip:bob@box.example',
    fields: { Event: 'presence', Expires: '3600', 'Content-Type': 'application/pidf+xml' },
    body,
  }
}

const subscribe: RawRequest = {
  method: 'SUBSCRIBE',
  uri: 'sip:bob@box.example',
  fields: { Event: 'presence', Expires: '3600' },
}

/** Registers, watches Bob, who publishes by another client, and is notified. */
async function converse(client: CompressingClient, publisher: DatagramClient): Promise<void> {
  const registered = await client.askAs(alice, register())
  assert.equal(registered.status, 200)
  const options = await client.ask({ method: 'OPTIONS', uri: 'sip:box.example' })
  assert.match(options.header('Contact')!, /;comp=sigcomp;sigcomp-id=urn:uuid:[-0-9a-f]{36}>$/, 'RFC 3486 §4.1')
  assert.match(registered.header('Service-Route')!, /;comp=sigcomp;sigcomp-id=urn:uuid:[-0-9a-f]{36}>$/)
  const subscribed = await client.askAs(alice, subscribe)
  assert.equal(subscribed.status, 200)
  assert.match(subscribed.header('Contact')!, /;comp=sigcomp;sigcomp-id=urn:uuid:[-0-9a-f]{36}>$/)
  client.answer(await client.request('NOTIFY'), 200)
  for (const note of ['on the train', 'at work', 'at lunch', 'back at work']) {
    assert.equal((await publisher.askAs(bob, publish(note))).status, 200)
    const notify = await client.request('NOTIFY')
    assert.ok(Buffer.from(notify.body).includes(note))
    assert.equal(notify.topVia.params.get('comp'), 'sigcomp')
    client.answer(notify, 200)
  }
}

test('a client that asks for it is spoken to in SigComp over UDP, TCP and TLS, and nobody else', async t => {
  const { box, data, status } = await open(t)
  const ca = readFileSync(join(data, 'self-signed-certificate.pem'), 'utf8')
  const publisher = await DatagramClient.open(t, box.port('udp'))
  const clients = [
    await CompressingDatagramClient.open(t, 'datagrams', box.port('udp')),
    await CompressingStreamClient.open(t, 'tcp', box.port('tcp')),
    await CompressingStreamClient.openTls(t, 'tls', box.port('tls'), ca),
  ]
  for (const client of clients) {
    await converse(client, publisher)
    const { transport, wireOctets, textOctets, compressed, plain, nacks } = client as unknown as Record<string, number>
    assert.deepEqual(nacks, [])
    assert.ok(compressed! >= 7, `${transport}: ${compressed} messages were compressed`)
    // What answers a request that has not proven whose it is.
    assert.ok(plain! <= 2, `${transport}: ${plain} were not`)
    assert.ok(wireOctets! < 0.55 * textOctets!, `${transport}: ${wireOctets} of ${textOctets} octets`)
  }
  const { compartments, counters } = await status()
  assert.equal(compartments, clients.length)
  assert.equal(counters.sigcompFailures, 0)
  assert.ok(counters.sigcompSentOctets! < counters.sigcompSentText! / 2)
})

test('who does not ask is answered plainly, also when he sends SigComp; and it can be switched off', async t => {
  const { box } = await open(t)
  const client = await CompressingDatagramClient.open(t, 'shy', box.port('udp'))
  client.write(
    client
      .octets({ method: 'OPTIONS', uri: 'sip:box.example' })
      .toString()
      .replace(/;comp=[^\r\n]*/g, ''),
  )
  assert.equal((await client.response()).status, 200)
  assert.deepEqual([client.plain, client.compressed], [1, 0])
  const { box: without } = await open(t, ['sigcomp.enabled=false'])
  const other = await DatagramClient.open(t, without.port('udp'))
  const via = `SIP/2.0/UDP ${other.sentBy};branch=z9hG4bKplain;rport;comp=sigcomp;sigcomp-id="urn:uuid:0"`
  const answer = await other.ask({ method: 'OPTIONS', uri: 'sip:box.example', fields: { Via: via } })
  assert.equal(answer.status, 200)
})

test('a box that was killed knows whom to notify compressed; what it has lost is found out by NACKs', async t => {
  const { box, data, set } = await open(t)
  const publisher = await DatagramClient.open(t, box.port('udp'))
  const client = await CompressingDatagramClient.open(t, 'across a restart', box.port('udp'))
  await converse(client, publisher)
  // The box answers in order: it has taken the answer to its last NOTIFY.
  await client.settled()
  const at = `sip.udp=127.0.0.1:${box.port('udp')}`
  const before = client.compressed
  await box.stop('SIGKILL')
  const again = await RunningBox.start(t, data, [...set, at])
  assert.equal(again.port('udp'), box.port('udp'))
  // The box tells at once what it may have told in vain.
  const notify = await client.request('NOTIFY')
  assert.ok(client.compressed > before, 'the NOTIFY came compressed')
  // The answer refers to states that are gone: a NACK says so, and the answer to the repeated NOTIFY does not any more.
  client.answer(notify, 200)
  assert.equal((await client.nack())!.reason, 'STATE_NOT_FOUND')
  client.answer(await client.request('NOTIFY'), 200)
  assert.equal((await publisher.askAs(bob, publish('after the restart'))).status, 200)
  const next = await client.request('NOTIFY')
  assert.ok(Buffer.from(next.body).includes('after the restart'), next.toBytes().toString())
  client.answer(next, 200)
  assert.deepEqual(client.nacks, [])
  assert.equal((await client.askAs(alice, register())).status, 200)
})

/** A message whose bytecode does `source` with the input behind it. */
function harm(source: string, input: Uint8Array = new Uint8Array(0)): Buffer {
  const { bytes } = assemble(source, 128)
  return Buffer.concat([Uint8Array.of(0xf8, bytes.length >> 4, ((bytes.length & 15) << 4) | 1), bytes, input])
}

test('those who mean harm get a NACK or nothing, nothing of theirs is kept, and nobody else is disturbed', {
  timeout: 110_000,
}, async t => {
  const { box, status } = await open(t)
  const publisher = await DatagramClient.open(t, box.port('udp'))
  const victim = await CompressingDatagramClient.open(t, 'victim', box.port('udp'))
  await converse(victim, publisher)
  const captured = victim.lastSent
  const before = await status()
  const enemy = await CompressingDatagramClient.open(t, 'enemy', box.port('udp'), attacker)
  const served = async () => assert.equal((await victim.askAs(alice, register())).status, 200)

  await t.test('endless loops and bombs fail with their reason (RFC 4077 §3.2)', async () => {
    const loop = ':loop\nJUMP (loop)'
    const bomb = ':loop\nOUTPUT (0, 6000)\nJUMP (loop)'
    // Each round copies all there is: what it puts out doubles, were there no bound.
    const copies = 'LOAD (64, 128)\nLOAD (66, 7000)\n:loop\nCOPY (128, 6000, 200)\nJUMP (loop)'
    const hashes = ':loop\nSHA-1 (128, 0, 4000)\nJUMP (loop)'
    const sorts = ':loop\nSORT-ASCENDING (1000, 1, 2000)\nJUMP (loop)'
    for (const source of [loop, copies, hashes, sorts]) {
      enemy.send(harm(source))
      assert.equal((await enemy.nack())!.reason, 'CYCLES_EXHAUSTED', source)
    }
    enemy.send(harm(bomb, Buffer.alloc(1200)))
    assert.match((await enemy.nack())!.reason!, /OUTPUT_OVERFLOW|CYCLES_EXHAUSTED/)
    await served()
  })

  await t.test('states of somebody who has proven nothing are not kept, however many', async () => {
    const [{ sigcompNotKept = 0 }, held] = [before.counters, before.compressionStates]
    const texts = Array.from({ length: 100 }, () => enemy.octets({ method: 'OPTIONS', uri: 'sip:box.example' }))
    for (const [i, text] of texts.entries()) {
      const creates = [0, 1, 2, 3].map(n => `STATE-CREATE (1000, ${1000 + 200 * n + i}, 0, 6, 1)`).join('\n')
      const read = `INPUT-BYTES (${text.length}, 1000, end)\n${creates}\nOUTPUT (1000, ${text.length})`
      enemy.send(harm(`${read}\n:end\nEND-MESSAGE (0, 0, 0, 0, 0, 0, 0)`, text))
      // One by one: a socket that is not read meanwhile has room for fewer answers than these, and drops the rest.
      const callId = /Call-ID: (.*)/.exec(text.toString())![1]!
      await enemy.next(one => one.callId === callId.trim())
    }
    const after = await status()
    assert.equal(after.compressionStates, held)
    assert.equal(after.compartments, before.compartments)
    assert.ok(after.counters.sigcompNotKept! >= sigcompNotKept + 100)
    await served()
  })

  await t.test('a message of another that is played again does nothing to his compartment', async () => {
    const held = (await status()).compartments
    for (let i = 0; i < 50; i++) enemy.send(captured)
    // Guessed identifiers of states: 6 octets of which nobody knows any.
    for (let i = 0; i < 20; i++)
      enemy.send(Buffer.concat([Uint8Array.of(0xf9), Buffer.alloc(6, i), Buffer.from('text')]))
    assert.equal((await enemy.nack())!.reason, 'STATE_NOT_FOUND')
    // Under the victim's name, by somebody who proves to be another: a compartment of his own.
    const thief = await CompressingDatagramClient.open(t, 'victim', box.port('udp'), attacker)
    const fields = { To: '<sip:bob@box.example>' }
    assert.equal((await thief.askAs(bob, { ...register(), fields })).status, 200)
    assert.equal((await status()).compartments, held + 1)
    await served()
    assert.equal(victim.nacks.length, 0, 'the victim can go on with its states')
  })

  await t.test('NACKs that answer nothing are ignored, and NACKs are not a weapon', async () => {
    const forged = Buffer.concat([Uint8Array.of(0xf8, 0, 1, 1, 0, 0, 0), Buffer.alloc(20, 7), Buffer.alloc(6, 7)])
    for (let i = 0; i < 200; i++) enemy.send(forged)
    const { counters } = await status()
    const noise = Uint8Array.of(0xf8, 0xff, 0xf1, 1, 2, 3)
    for (let i = 0; i < 2000; i++) enemy.send(noise)
    await served()
    const after = (await status()).counters
    assert.ok(after.sigcompNacksReceived! > 0)
    const sent = after.sigcompNacksSent! - counters.sigcompNacksSent!
    assert.ok(sent < 200, `${sent} NACKs for 2000 messages`)
  })

  await t.test('fuzzed bytecode', async () => {
    const mutator = new Mutator(20, [captured, harm(':loop\nJUMP (loop)'), victim.lastSent])
    for (let i = 0; i < 3000; i++) {
      const octets = Buffer.from(mutator.next()).subarray(0, 1400)
      if (octets.length > 0) octets[0]! |= 0xf8
      enemy.send(octets)
      if (i % 500 === 0) await served()
    }
    await served()
  })

  await t.test('a stream that is lost is told so and closed; one that never ends is not waited for', async one => {
    const lost = await CompressingStreamClient.open(one, 'lost', box.port('tcp'))
    lost.socket.write(Buffer.from('f80011ff80', 'hex'))
    assert.equal((await lost.nack())!.reason, 'FRAMING_ERROR')
    await lost.closed()
    const large = await CompressingStreamClient.open(one, 'large', box.port('tcp'))
    large.socket.write(Buffer.concat([Uint8Array.of(0xf8), Buffer.alloc(70_000)]))
    assert.equal((await large.nack())!.reason, 'OUTPUT_OVERFLOW')
    await large.closed()
    await served()
  })

  const after = await status()
  assert.equal(after.pid, before.pid)
  assert.equal(after.counters.faults, 0)
  assert.ok(after.memoryOctets < 200 * 2 ** 20, `${after.memoryOctets} octets`)
  const plain = await DatagramClient.open(t, box.port('udp'), attacker)
  const answer: SipResponse = await plain.ask({ method: 'OPTIONS', uri: 'sip:box.example' })
  assert.equal(answer.status, 200, 'the address that did it may still speak plainly')
})
