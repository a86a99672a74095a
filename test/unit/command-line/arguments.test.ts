import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CommandLine, commands, parseCommandLine, UsageError } from '../../../src/command-line/arguments.ts'
import { overridesOf } from '../../../src/command-line/overrides.ts'

function parsed(text: string): CommandLine {
  const line = parseCommandLine(text.split(' ').filter(word => word !== ''))
  assert.ok(!('help' in line))
  return line
}

test('a command, its arguments and options, in any order', () => {
  const line = parsed('--data /tmp/x user add alice --password-stdin')
  assert.equal(line.command, 'user add')
  assert.deepEqual(line.arguments, ['alice'])
  assert.equal(line.data, '/tmp/x')
  assert.deepEqual([...line.flags], ['password-stdin'])
  assert.equal(parsed('user list').data, 'data')
  assert.deepEqual(parsed('settings --data=d set sip.udp 127.0.0.1:5060').arguments, ['sip.udp', '127.0.0.1:5060'])
})

test('--set may be repeated; the later of two for one name holds', () => {
  const { set } = parsed('serve --set domain=a.example --set sip.tls= --set domain=b.example')
  assert.deepEqual(
    [...overridesOf(set)],
    [
      ['domain', 'b.example'],
      ['sip.tls', ''],
    ],
  )
})

test('an empty or negative value is an argument like any other', () => {
  const line = parseCommandLine(['settings', 'set', 'sip.tls', ''])
  assert.ok(!('help' in line))
  assert.deepEqual(line.arguments, ['sip.tls', ''])
})

test('wrong use is one clear line', () => {
  const wrong: ReadonlyArray<readonly [words: string[], said: RegExp]> = [
    [['frobnicate'], /there is no command 'frobnicate'/],
    [['user'], /'user' is followed by add, list, remove, password, import/],
    [['user', 'frobnicate', 'x'], /'user' is followed by/],
    [['user', 'add'], /AOR is missing/],
    [['user', 'add', 'a', 'b'], /'b' is too much/],
    [['settings', 'set', 'sip.udp'], /VALUE is missing/],
    [['status', '--jsn'], /Unknown option '--jsn'/],
    [['serve', '--json'], /Unknown option '--json'/],
    [['serve', '--data'], /argument missing|ambiguous/],
    [['serve', '--data='], /--data needs a directory/],
    [['serve', 'now'], /'now' is too much/],
    [['--data', 'x'], /no command/],
    [['--frobnicate'], /no command/],
  ]
  for (const [words, said] of wrong)
    assert.throws(
      () => parseCommandLine(words),
      (error: Error) => {
        assert.ok(error instanceof UsageError, words.join(' '))
        assert.match(error.message, said)
        assert.doesNotMatch(error.message, /\n/)
        return true
      },
    )
})

test('--set that names no setting, or gives it an impossible value, is wrong use', () => {
  assert.throws(() => overridesOf(['domain']), UsageError)
  assert.throws(() => overridesOf(['=x']), UsageError)
  assert.throws(() => overridesOf(['frobnicate=1']), /no setting is called 'frobnicate'/)
  assert.throws(() => overridesOf(['auth.required=perhaps']), /true or false/)
})

test('--help everywhere: alone, with a group, with every command, and no words at all', () => {
  for (const words of [[], ['--help'], ['-h'], ['help'], ['user', '--help'], ['help', 'settings']]) {
    const line = parseCommandLine(words)
    assert.ok('help' in line, words.join(' '))
    assert.match(line.help, /porchlight COMMAND/)
  }
  for (const name of Object.keys(commands)) {
    const line = parseCommandLine([...name.split(' '), '--help'])
    assert.ok('help' in line)
    assert.match(line.help, new RegExp(`^porchlight ${name}\\b`))
    assert.match(line.help, /--data DIR/)
  }
})
