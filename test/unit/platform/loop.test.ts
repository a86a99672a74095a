import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Loop, type Looped } from '../../../src/platform/loop.ts'
import { failedAnswer, type HttpAnswer } from '../../../src/protocols/http/message.ts'
import type { Flow } from '../../../src/protocols/sip/flow.ts'

const flow = { id: 'udp:x' } as Flow

/** An appliance that answers each input with itself, and may set off a further commit. */
class Echo implements Looped<string[], string> {
  waiting: string[] = []
  commits: string[][] = []
  expired = 0
  next: number | undefined
  again = 0
  hold: Promise<void> | undefined

  receive(bytes: Buffer): void {
    this.waiting.push(bytes.toString())
  }
  connected(): void {}
  disconnected(): void {}
  resolved(): void {}
  answered(token: string, { status }: HttpAnswer): void {
    this.waiting.push(`${token} ${status}`)
  }
  expire(): void {
    this.expired++
    this.next = undefined
    this.waiting.push('expired')
  }
  deadline(): number | undefined {
    return this.next
  }
  pending(): boolean {
    return this.waiting.length > 0
  }
  async commit(): Promise<string[]> {
    const batch = this.waiting
    this.waiting = []
    this.commits.push(batch)
    await this.hold
    return batch
  }
  release(batch: string[]): string[] {
    if (this.again-- > 0) this.waiting.push('again')
    return batch
  }
}

function start(appliance: Echo) {
  const sent: string[] = []
  const failures: unknown[] = []
  const faults: unknown[] = []
  const loop = new Loop({
    appliance,
    clock: { now: () => Math.floor(performance.now()) },
    transmit: (what: readonly string[]) => void sent.push(...what),
    failed: error => failures.push(error),
    faulted: error => faults.push(error),
  })
  return { loop, sent, failures, faults }
}

test('a burst of datagrams shares one commit, and nothing is sent before it', async () => {
  const appliance = new Echo()
  const { loop, sent } = start(appliance)
  for (const text of ['a', 'b', 'c']) loop.received(Buffer.from(text), flow)
  assert.deepEqual(sent, [])
  await loop.settled()
  assert.deepEqual(appliance.commits, [['a', 'b', 'c']])
  assert.deepEqual(sent, ['a', 'b', 'c'])
})

test('what comes during a commit waits for the next one; what a release sets off too', async () => {
  const appliance = new Echo()
  const { loop, sent } = start(appliance)
  let letGo: (() => void) | undefined
  appliance.hold = new Promise(resolve => {
    letGo = resolve
  })
  appliance.again = 1
  loop.received(Buffer.from('a'), flow)
  await new Promise(setImmediate)
  loop.received(Buffer.from('b'), flow)
  assert.deepEqual(sent, [])
  letGo?.()
  await loop.settled()
  assert.deepEqual(appliance.commits, [['a'], ['b', 'again']])
  assert.deepEqual(sent, ['a', 'b', 'again'])
})

test('one timer stands for the earliest deadline', async () => {
  const appliance = new Echo()
  const { loop, sent } = start(appliance)
  appliance.next = Math.floor(performance.now()) + 5
  await loop.settled()
  await new Promise<void>(resolve => {
    const look = (): void => {
      if (sent.includes('expired')) resolve()
      else setImmediate(look)
    }
    look()
  })
  assert.equal(appliance.expired, 1)
})

test('after stop nothing is taken in, and what was in has left', async () => {
  const appliance = new Echo()
  const { loop, sent } = start(appliance)
  loop.received(Buffer.from('last'), flow)
  await loop.stop()
  assert.deepEqual(sent, ['last'])
  loop.received(Buffer.from('late'), flow)
  assert.deepEqual(appliance.waiting, [])
})

test('a store that fails ends the loop: nothing of that batch is sent', async () => {
  const appliance = new Echo()
  const { loop, sent, failures } = start(appliance)
  appliance.commit = () => Promise.reject(new Error('disk full'))
  loop.received(Buffer.from('a'), flow)
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  assert.equal(failures.length, 1)
  assert.deepEqual(sent, [])
})

test('a fault of ours that a message meets is told, the message dropped, and the next one served', async () => {
  const appliance = new Echo()
  const { loop, sent, faults } = start(appliance)
  const receive = appliance.receive
  appliance.receive = () => {
    appliance.receive = receive
    throw new Error('a bug')
  }
  loop.received(Buffer.from('a'), flow)
  loop.received(Buffer.from('b'), flow)
  await loop.settled()
  assert.equal(faults.length, 1)
  assert.deepEqual(sent, ['b'])
})

test('what became of an HTTP request is an input like any other', async () => {
  const { loop, sent } = start(new Echo())
  loop.answered('xdm 1', failedAnswer('timeout'))
  await loop.settled()
  assert.deepEqual(sent, ['xdm 1 504'])
})
