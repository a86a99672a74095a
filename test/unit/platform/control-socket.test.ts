import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import {
  ControlClient,
  ControlServer,
  LineReader,
  NotRunningError,
  parseRequest,
} from '../../../src/platform/control-socket.ts'

const limits = { controlLineOctets: 1000, controlConnections: 2 }

function socketPath(t: TestContext, deep = 0): string {
  const root = mkdtempSync(join(tmpdir(), 'control-'))
  t.after(() => rmSync(root, { recursive: true }))
  const directory = join(root, 'd'.repeat(deep))
  mkdirSync(directory, { recursive: true })
  return join(directory, 'control')
}

async function serve(t: TestContext, path: string): Promise<void> {
  const server = await ControlServer.open(path, limits, async request =>
    request.command === 'fail' ? { error: 'as asked' } : { result: request },
  )
  t.after(() => server.close())
}

test('framing: lines come out whole however the octets are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(fc.nat(40)), (texts, cuts) => {
      const lines = texts.map(text => text.replaceAll('\n', ' '))
      const bytes = Buffer.from(lines.map(line => `${line}\n`).join(''))
      const reader = new LineReader(10_000)
      const found: string[] = []
      let at = 0
      for (const cut of [...cuts, bytes.length]) {
        found.push(...(reader.push(bytes.subarray(at, Math.min(at + cut, bytes.length))) ?? ['too long']))
        at = Math.min(at + cut, bytes.length)
      }
      assert.deepEqual(found, lines)
    }),
  )
})

test('framing: a line over the limit is refused, in one piece or in many', () => {
  assert.equal(new LineReader(4).push(Buffer.from('12345\n')), undefined)
  const reader = new LineReader(4)
  assert.deepEqual(reader.push(Buffer.from('1234')), [])
  assert.equal(reader.push(Buffer.from('5')), undefined)
  assert.deepEqual(new LineReader(4).push(Buffer.from('1234\n1234\n')), ['1234', '1234'])
})

test('a line that is no request is none', () => {
  for (const line of [
    '',
    'null',
    '[]',
    '{}',
    '{"command":1,"arguments":{}}',
    '{"command":"x","arguments":[]}',
    '{"command',
  ])
    assert.equal(parseRequest(line), undefined, line)
  assert.deepEqual(parseRequest('{"command":"x","arguments":{"a":1}}'), { command: 'x', arguments: { a: 1 } })
})

test('a command is answered, an error is told, and answers keep the order of commands', async t => {
  const path = socketPath(t)
  await serve(t, path)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const client = await ControlClient.connect(path)
  const answers = await Promise.all([
    client.ask({ command: 'one', arguments: { text: 'line\nbreak' } }),
    client.ask({ command: 'fail', arguments: {} }),
    client.ask({ command: 'two', arguments: {} }),
  ])
  assert.deepEqual(answers, [
    { result: { command: 'one', arguments: { text: 'line\nbreak' } } },
    { error: 'as asked' },
    { result: { command: 'two', arguments: {} } },
  ])
  client.close()
})

test('a data directory deeper than a socket address is long serves all the same', async t => {
  const path = socketPath(t, 200)
  await serve(t, path)
  const client = await ControlClient.connect(path)
  assert.ok('result' in (await client.ask({ command: 'deep', arguments: {} })))
  client.close()
})

test('a socket file that a killed box has left is replaced, and nobody behind it means: not running', async t => {
  const path = socketPath(t)
  await assert.rejects(ControlClient.connect(path), NotRunningError)
  await assert.rejects(ControlClient.connect(join(path, 'no-such-directory', 'control')), NotRunningError)
  await serve(t, path)
  await serve(t, path)
  const client = await ControlClient.connect(path)
  assert.ok('result' in (await client.ask({ command: 'again', arguments: {} })))
  client.close()
})

test('what is no command, or is too long, is answered with an error; a surplus connection is closed', async t => {
  const path = socketPath(t)
  await serve(t, path)
  const said = (octets: string): Promise<string> =>
    new Promise(resolve => {
      let text = ''
      const socket = connect(path, () => socket.end(octets))
      socket.on('data', part => {
        text += part
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(text))
    })
  assert.deepEqual(JSON.parse(await said('hello\n')), { error: 'not a command' })
  assert.match(await said('x'.repeat(2000)), /longer than 1000 octets/)
  const first = await ControlClient.connect(path)
  const second = await ControlClient.connect(path)
  await Promise.all([first, second].map(client => client.ask({ command: 'x', arguments: {} })))
  assert.equal(await said('{"command":"x","arguments":{}}\n'), '')
  first.close()
  second.close()
})
