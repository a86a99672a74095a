import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Log, type LogLevel } from '../../../src/platform/log.ts'

function collect(level: LogLevel, journal = false) {
  const lines: string[] = []
  return { lines, log: new Log({ level, journal, write: line => lines.push(line) }) }
}

test('on a terminal: time, level, message, fields', () => {
  const { lines, log } = collect('info')
  log.warning('a peer does not read', { address: '192.0.2.1', why: 'two words' })
  assert.match(lines[0]!, /^\d\d:\d\d:\d\d warning a peer does not read address=192\.0\.2\.1 why="two words"\n$/)
})

test('under the journal: JSON behind the priority of RFC 5424', () => {
  const { lines, log } = collect('info', true)
  log.error('full', { store: 1 })
  assert.equal(lines[0], '<3>{"message":"full","store":1}\n')
})

test('lines below the level are not written; the level may change', () => {
  const { lines, log } = collect('warning')
  log.notice('no')
  log.level = 'debug'
  log.debug('yes')
  assert.equal(lines.length, 1)
})

test('what a peer sent cannot forge a line of its own', () => {
  const { lines, log } = collect('info')
  log.info('from a peer\n00:00:00 error forged', { name: 'a\r\nb\u001b[2J' })
  assert.equal(lines.length, 1)
  assert.doesNotMatch(lines[0]!.slice(0, -1), /[\r\n\u001b]/)
})

test('the latest error is kept for status', () => {
  const { log } = collect('error')
  assert.equal(log.lastError, undefined)
  log.fault('a turn', new Error('oops'))
  assert.match(log.lastError!.message, /^fault in a turn: oops/)
})
