import assert from 'node:assert/strict'
import { test } from 'node:test'
import { duration } from '../../../src/command-line/status.ts'

test('a duration is told in its two largest units', () => {
  const told = [0, 59, 60, 3599, 3600, 86_399, 86_400, 90_061].map(duration)
  assert.deepEqual(told, ['0 s', '59 s', '1 min 0 s', '59 min 59 s', '1 h 0 min', '23 h 59 min', '1 d 0 h', '1 d 1 h'])
})
