/** The addon, where it is built; and what no system can be made to do: to take no more, or only a part. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { newTransportCounters } from '../../src/platform/transport/transport.ts'
import { BatchedUdp } from '../../src/platform/transport/udp-batch/batched-udp.ts'
import {
  LENGTH,
  type NativeSocket,
  type NativeUdp,
  nativeUdp,
  OFFSET,
  WORDS,
} from '../../src/platform/transport/udp-batch/native.ts'
import { Recorder } from '../unit/platform/transport/recorder.ts'
import { udpContract } from './udp.ts'

if (nativeUdp === undefined) test('the addon is not built', { skip: true }, () => {})
else {
  const addon = nativeUdp
  udpContract('recvmmsg and sendmmsg', (options, user) => BatchedUdp.open(options, user, addon))
}

const EAGAIN = -11
const ENOBUFS = -105

/** An addon whose system takes what `takes` says, one answer for each call; afterwards everything. */
class StubbornAddon implements NativeUdp {
  readonly takes: number[] = []
  readonly sent: string[] = []
  awaited = 0
  writable = () => {}

  open(...given: Parameters<NativeUdp['open']>): NativeSocket {
    this.writable = given[6]
    return {} as NativeSocket
  }
  port(): number {
    return 5060
  }
  send(_socket: NativeSocket, octets: Buffer, words: Int32Array, first: number, end: number): number {
    const taken = Math.min(this.takes.shift() ?? end - first, end - first)
    for (let at = first * WORDS; at < (first + taken) * WORDS; at += WORDS)
      this.sent.push(octets.toString('latin1', words[at + OFFSET], words[at + OFFSET]! + words[at + LENGTH]!))
    return taken
  }
  awaitWritable(): void {
    this.awaited++
  }
  close(_socket: NativeSocket, closed: () => void): void {
    closed()
  }
  parse(): boolean {
    return true
  }
  format(): string {
    return '192.0.2.1'
  }
}

async function stubborn() {
  const addon = new StubbornAddon()
  const counters = newTransportCounters()
  const options = { address: '127.0.0.1', port: 5060, receiveBufferOctets: 1, flowsRemembered: 10, counters }
  const user = new Recorder()
  const udp = await BatchedUdp.open(options, user, addon)
  const send = (text: string) => udp.send('udp:127.0.0.1:5060:192.0.2.1:5060', Buffer.from(text))
  return { addon, counters, user, udp, send }
}

describe('a system that takes no more for now', () => {
  test('what it has not taken leaves in order when it takes more', async () => {
    const { addon, udp, send } = await stubborn()
    addon.takes.push(1, EAGAIN)
    for (const text of ['a', 'b', 'c']) send(text)
    udp.flush()
    assert.deepEqual(addon.sent, ['a'])
    send('d')
    udp.flush()
    assert.deepEqual(addon.sent, ['a'])
    assert.equal(addon.awaited, 1)
    addon.writable()
    assert.deepEqual(addon.sent, ['a', 'b', 'c', 'd'])
  })

  test('what finds no room to wait is dropped and counted, and no flow is told to have failed', async () => {
    const { addon, counters, user, udp, send } = await stubborn()
    addon.takes.push(EAGAIN)
    const texts = Array.from({ length: 100 }, (_, index) => `${index}`)
    for (const text of texts) send(text)
    assert.equal(counters.udpDropped, 36)
    addon.writable()
    udp.flush()
    assert.deepEqual(addon.sent, texts.slice(0, 64))
    send('later')
    udp.flush()
    assert.equal(addon.sent.at(-1), 'later')
    assert.deepEqual([user.heard, counters.udpSendErrors], [[], 0])
  })

  test('what waits takes a bounded number of octets', async () => {
    const { addon, counters, udp, send } = await stubborn()
    addon.takes.push(EAGAIN)
    for (let index = 0; index < 10; index++) send('x'.repeat(60_000))
    udp.flush()
    assert.equal(counters.udpDropped, 6)
    addon.writable()
    assert.equal(addon.sent.length, 4)
  })

  test('a datagram for which it has no memory is lost alone', async () => {
    const { addon, counters, user, udp, send } = await stubborn()
    addon.takes.push(ENOBUFS)
    for (const text of ['a', 'b']) send(text)
    udp.flush()
    assert.deepEqual(addon.sent, ['b'])
    assert.deepEqual([counters.udpDropped, counters.udpSendErrors, user.heard], [1, 0, []])
  })
})
