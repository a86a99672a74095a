import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Nonces } from '../../../../src/protocols/sip/nonces.ts'

const start = 1_700_000_000_000
const make = (remembered = 100) => new Nonces({ key: Buffer.alloc(32, 1), lifetimeMs: 60_000, remembered })

test('a nonce is good until its lifetime ends, and then stale', () => {
  const nonces = make()
  const nonce = nonces.issue(start, 'salt')
  assert.equal(nonces.use(nonce, 1, start), 'fresh')
  assert.equal(nonces.use(nonce, 2, start + 59_999), 'fresh')
  assert.equal(nonces.use(nonce, 3, start + 60_000), 'stale')
})

test('a nonce of another server, a changed one and a made-up one are stale', () => {
  const nonces = make()
  const other = new Nonces({ key: Buffer.alloc(32, 2), lifetimeMs: 60_000 })
  const nonce = nonces.issue(start, 'salt')
  const [time, salt, seal] = nonce.split('.')
  for (const forged of [
    other.issue(start, 'salt'),
    `${(start + 1).toString(36)}.${salt}.${seal}`,
    `${time}.other.${seal}`,
    `${time}.${salt}.${seal!.slice(1)}`,
    `${nonce}.`,
    `.${nonce}`,
    '',
    '..',
    'x',
  ]) {
    assert.equal(nonces.use(forged, 1, start), 'stale', forged)
  }
  assert.equal(nonces.size, 0, 'nothing is remembered of them')
})

test('a nonce from the future is stale', () => {
  const nonces = make()
  assert.equal(nonces.use(nonces.issue(start + 1, 's'), 1, start), 'stale')
})

test('counts may come out of order by less than 32, each once', () => {
  const nonces = make()
  const nonce = nonces.issue(start, 's')
  assert.equal(nonces.use(nonce, 40, start), 'fresh')
  assert.equal(nonces.use(nonce, 9, start), 'fresh')
  assert.equal(nonces.use(nonce, 8, start), 'replayed')
  assert.equal(nonces.use(nonce, 9, start), 'replayed')
  assert.equal(nonces.use(nonce, 0xffffffff, start), 'fresh')
  assert.equal(nonces.use(nonce, 0xffffffff, start), 'replayed')
  assert.equal(nonces.use(nonce, 0, start), 'replayed')
})

test('property: no count is ever good twice, and rising counts are always good', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 200 }), counts => {
      const nonces = make()
      const nonce = nonces.issue(start, 's')
      const good = new Set<number>()
      let highest = 0
      for (const count of counts) {
        const use = nonces.use(nonce, count, start)
        if (count > highest) assert.equal(use, 'fresh')
        if (use === 'fresh') {
          assert(!good.has(count))
          good.add(count)
        } else assert(good.has(count) || count <= highest - 32)
        highest = Math.max(highest, count)
      }
    }),
  )
})

test('memory is bounded, and what was forgotten cannot be replayed', () => {
  const nonces = make(10)
  const used = Array.from({ length: 50 }, (_, at) => nonces.issue(start + at, `s${at}`))
  for (const nonce of used) assert.equal(nonces.use(nonce, 1, start + 100), 'fresh')
  assert.equal(nonces.size, 10)
  for (const nonce of used) assert.notEqual(nonces.use(nonce, 1, start + 100), 'fresh')
  assert.equal(nonces.use(used[49]!, 2, start + 100), 'fresh', 'one still remembered goes on')
  assert.equal(nonces.use(nonces.issue(start + 100, 'new'), 1, start + 100), 'fresh')
})

test('expired nonces make room without making others stale', () => {
  const nonces = make(10)
  for (let at = 0; at < 10; at++) nonces.use(nonces.issue(start, `s${at}`), 1, start)
  const unused = nonces.issue(start + 30_000, 'unused')
  for (let at = 0; at < 5; at++) nonces.use(nonces.issue(start + 61_000, `t${at}`), 1, start + 61_000)
  assert.equal(nonces.use(unused, 1, start + 61_000), 'fresh')
})

test('without a count (RFC 2069) a nonce is good once, and not after a first count', () => {
  const nonces = make()
  const [bare, counted] = [nonces.issue(start, 'a'), nonces.issue(start, 'b')]
  assert.equal(nonces.use(bare, undefined, start), 'fresh')
  assert.equal(nonces.use(bare, undefined, start + 1), 'replayed')
  assert.equal(nonces.use(bare, 2, start + 1), 'fresh')
  assert.equal(nonces.use(counted, 1, start), 'fresh')
  assert.equal(nonces.use(counted, undefined, start + 1), 'replayed')
  assert.equal(nonces.use(nonces.issue(start, 'c'), undefined, start + 60_000), 'stale')
})
