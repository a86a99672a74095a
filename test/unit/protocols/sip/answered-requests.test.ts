import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AnsweredRequests } from '../../../../src/protocols/sip/answered-requests.ts'
import { Bench, kinds, requestBytes, seededRandom, summary, udp } from './stack-fixture.ts'

const flow = udp().id
const unmerged = { mergeDigest: 0, mergeCheck: 0 }

describe('answered requests, outside the heap', () => {
  it('finds each of them until it is forgotten, the oldest first, however long they are', () => {
    const { below } = seededRandom(7)
    const answered = new AnsweredRequests(2 ** 30, 1)
    const kept: { key: string; bytes: Buffer; endsAt: number; mergeDigest: number; mergeCheck: number }[] = []
    for (let step = 0; step < 5_000; step++) {
      if (kept.length > 0 && below(3) === 0) {
        const first = kept.shift()!
        assert.equal(answered.firstEnd, first.endsAt)
        const { mergeDigest, mergeCheck } = first
        assert.deepEqual(answered.removeFirst(), { mergeDigest, mergeCheck })
        assert.equal(answered.find(first.key), undefined)
      } else {
        const length = below(50) === 0 ? below(100_000) : below(500)
        const record = {
          key: `z9hG4bK${step} ${'ü'.repeat(below(5))} PUBLISH`,
          bytes: Buffer.alloc(length, step & 255),
          endsAt: step,
          mergeDigest: below(2 ** 30),
          mergeCheck: below(2 ** 30),
        }
        answered.add(record.key, `${flow}${step}`, record.bytes, record, record.endsAt)
        kept.push(record)
      }
      assert.equal(answered.size, kept.length)
      const any = kept[below(kept.length)]
      if (any !== undefined)
        assert.deepEqual(answered.find(any.key), { flow: `${flow}${any.endsAt}`, bytes: any.bytes })
    }
  })

  it('goes on when its chunks are counted round', () => {
    const answered = new AnsweredRequests(2 ** 30, 1)
    const bytes = Buffer.alloc(60_000)
    for (let index = 0; index < 2 ** 14 + 10; index++) {
      answered.add(`key ${index}`, flow, bytes, unmerged, index)
      if (index >= 2) answered.removeFirst()
    }
    assert.equal(answered.find(`key ${2 ** 14 + 9}`)?.bytes.length, 60_000)
    assert.equal(answered.find(`key ${2 ** 14 + 7}`), undefined)
  })
})

describe('a key of tens of thousands of characters, as only an attacker sends it', () => {
  it('is found, and so are the answers to the requests that follow it', () => {
    const answered = new AnsweredRequests(2 ** 30, 1)
    const long = `z9hG4bK${'x'.repeat(70_000)} PUBLISH`
    answered.add(long, flow, Buffer.alloc(400, 1), unmerged, 1)
    for (let index = 0; index < 100; index++) answered.add(`key ${index}`, flow, Buffer.from(`${index}`), unmerged, 2)
    assert.equal(answered.find(long)?.bytes.length, 400)
    for (let index = 0; index < 100; index++) assert.equal(answered.find(`key ${index}`)?.bytes.toString(), `${index}`)
    for (let left = 101; left > 0; left--) answered.removeFirst()
    assert.equal(answered.size, 0)
  })
})

describe('bounds of the stack, for answered requests', () => {
  it('more octets of answers than the limit: the oldest is forgotten before its time', () => {
    const bench = new Bench({ limits: { answeredOctets: 1_000 } })
    for (let index = 0; index < 5; index++) {
      bench.receive(requestBytes({ branch: `z9hG4bK${index}`, callId: `call-${index}` }))
      bench.answer(200)
    }
    assert.ok(bench.stack.counters.forgottenEarly > 0)
    assert.deepEqual(summary(bench.receive(requestBytes({ branch: 'z9hG4bK4', callId: 'call-4' }))), [
      `send 200 ${flow}`,
    ])
    assert.deepEqual(kinds(bench.receive(requestBytes({ branch: 'z9hG4bK0', callId: 'call-0' }))), ['request'])
  })
})

describe('a request that was answered', () => {
  it('is found by a CANCEL, which changes nothing (RFC 3261 §9.2)', () => {
    const bench = new Bench()
    bench.receive(requestBytes({ branch: 'z9hG4bKanswered' }))
    bench.answer(200)
    assert.deepEqual(summary(bench.receive(requestBytes({ method: 'CANCEL', branch: 'z9hG4bKanswered' }))), [
      `send 200 ${flow}`,
    ])
    assert.deepEqual(summary(bench.receive(requestBytes({ method: 'CANCEL', branch: 'z9hG4bKunknown' }))), [
      `send 481 ${flow}`,
    ])
  })
})
