import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { IdleMemory } from '../../../src/platform/idle-memory.ts'

describe('memory of an idle box', () => {
  it('is given back once when a busy time is over, and not before', () => {
    let turns = 100
    let collected = 0
    const memory = new IdleMemory(
      () => turns,
      () => collected++,
    )
    const lookAfter = (more: number) => {
      turns += more
      memory.look()
      return collected
    }
    assert.equal(lookAfter(0), 0, 'it has done nothing yet')
    assert.equal(lookAfter(20_000), 0, 'it is busy')
    assert.equal(lookAfter(5_000), 0, 'it still is')
    assert.equal(lookAfter(3), 1, 'it is idle: a few phones refresh')
    assert.equal(lookAfter(3), 1, 'there is nothing new to give back')
    for (let look = 0; look < 400; look++) lookAfter(10)
    assert.equal(collected, 1)
    for (let look = 0; look < 400; look++) lookAfter(10)
    assert.equal(collected, 2, 'many quiet hours make a busy one')
    memory.close()
  })
})
