import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Timed, Timers, timerLengths } from '../../../../src/protocols/sip/timers.ts'

type Owner = Timed & { name: number }
const owner = (name: number): Owner => ({
  name,
  deadline: 0,
  queue: -1,
  previousTimed: undefined,
  nextTimed: undefined,
})

describe('timers', () => {
  it('RFC 3261 appendix A and RFC 4320: everything derives from T1, T2 and T4', () => {
    const usual = timerLengths()
    assert.equal(usual.transactionMs, 32_000)
    assert.equal(usual.timerDMs, 32_000)
    assert.equal(usual.quietMs, 3500)
    assert.ok(usual.timerCMs > 180_000, 'timer C is more than three minutes (§16.6 step 11)')
    assert.equal(timerLengths({ t1Ms: 100 }).timerDMs, 32_000, 'timer D is at least 32 s')
    assert.equal(timerLengths({ t1Ms: 1000 }).timerDMs, 64_000)
  })

  it('end in order of time and not before, whatever was started, started anew or stopped, in whatever queue', () => {
    const step = fc.record({
      who: fc.nat(9),
      what: fc.constantFrom('start', 'start', 'start', 'stop', 'pass'),
      queue: fc.nat(3),
      ms: fc.nat(1000),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const timers = new Timers<Owner>()
        const owners = Array.from({ length: 10 }, (_, name) => owner(name))
        const model = new Map<number, number>()
        let now = 0
        for (const { who, what, queue, ms } of steps) {
          if (what === 'start') {
            timers.start(owners[who]!, queue, now + ms)
            model.set(who, now + ms)
          } else if (what === 'stop') {
            timers.stop(owners[who]!)
            model.delete(who)
          } else {
            now += ms
            let last = 0
            for (let due = timers.due(now); due; due = timers.due(now)) {
              assert.equal(due.deadline, model.get(due.name))
              assert.ok(due.deadline >= last && due.deadline <= now)
              last = due.deadline
              model.delete(due.name)
            }
            assert.ok(
              [...model.values()].every(deadline => deadline > now),
              'none was left out',
            )
          }
          assert.equal(timers.size, model.size)
          assert.equal(timers.deadline(), model.size === 0 ? undefined : Math.min(...model.values()))
        }
      }),
    )
  })
})
