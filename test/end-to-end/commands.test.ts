/** The operator's commands, while the box runs and while it does not. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { porchlight, RunningBox, statusOf, temporaryData } from './box.ts'

test('wrong use: one clear line and status 2; --help: status 0', async t => {
  const data = temporaryData(t)
  for (const words of [
    ['frobnicate'],
    ['user', 'add'],
    ['status', '--no'],
    ['serve', '--set', 'x=1'],
    ['user', 'import', '/no/such/file'],
    ['user', 'add', 'not a name'],
    ['settings', 'get', 'presence.frobnicate'],
    ['settings', 'set', 'presence.frobnicate', '1'],
    ['settings', 'set', 'auth.required', 'perhaps'],
  ]) {
    const { status, output, errors } = await porchlight([...words, '--data', data])
    assert.equal(status, 2, words.join(' '))
    assert.equal(output, '')
    assert.match(errors, /^porchlight: [^\n]+\n$/)
  }
  const help = await porchlight(['serve', '--help'])
  assert.equal(help.status, 0)
  assert.match(help.output, /--set NAME=VALUE/)
})

test('a data directory that is a file is named in one line', async t => {
  const file = join(temporaryData(t), '..', 'file')
  writeFileSync(file, '')
  for (const words of [['status'], ['user', 'list'], ['user', 'add', 'carol'], ['serve']]) {
    const { status, errors } = await porchlight([...words, '--data', file])
    assert.equal(status, 1, words.join(' '))
    assert.match(errors, /^porchlight: cannot use the data directory .*: it is a file\n$/)
  }
})

test('a data directory that cannot be made, or is not there yet, is named in one line', async t => {
  for (const words of [['serve'], ['user', 'add', 'carol']]) {
    const { status, errors } = await porchlight([...words, '--data', '/proc/no/such'])
    assert.equal(status, 1, words.join(' '))
    assert.match(errors, /^porchlight: cannot use the data directory \/proc\/no\/such: [^\n]*\n$/)
  }
  const { status, output, errors } = await porchlight(['user', 'list', '--data', temporaryData(t)])
  assert.deepEqual([status, output], [0, ''])
  assert.match(errors, /^porchlight: nothing is stored in [^\n]* yet\n$/)
})

test('users: the same commands with the same words, running and not', async t => {
  const data = temporaryData(t)
  const commands = async (): Promise<string[]> => {
    const said: string[] = []
    for (const [words, input] of [
      [['user', 'add', 'carol', '--password-stdin', '--name', 'Carol'], 'secret\n'],
      [['user', 'add', 'carol', '--password-stdin'], 'secret\n'],
      [['user', 'add', 'carol@elsewhere.example', '--password-stdin'], 'secret\n'],
      [['user', 'password', 'sip:carol@box.example', '--password-stdin'], 'other\n'],
      [['user', 'password', 'nobody', '--password-stdin'], 'other\n'],
      [['user', 'add', 'empty', '--password-stdin'], ''],
      [['user', 'list'], ''],
      [['user', 'remove', 'carol'], ''],
      [['user', 'remove', 'carol'], ''],
    ] as const) {
      const { status, output, errors } = await porchlight([...words, '--data', data], input)
      said.push(`${status} ${output}${errors}`)
    }
    return said
  }
  const stopped = await commands()
  assert.deepEqual(stopped, [
    '0 added sip:carol@box.example\n',
    '1 porchlight: sip:carol@box.example exists already\n',
    "2 porchlight: 'carol@elsewhere.example' is not in the domain box.example\n",
    '0 changed the password of sip:carol@box.example\n',
    '1 porchlight: sip:nobody@box.example does not exist\n',
    '1 porchlight: the password of sip:empty@box.example is empty\n',
    '0 sip:carol@box.example  Carol\n',
    '0 removed carol\n',
    '1 porchlight: sip:carol@box.example does not exist\n',
  ])
  const box = await RunningBox.start(t, data, [])
  for (const name of ['alice', 'bob']) await porchlight(['user', 'remove', name, '--data', data])
  assert.deepEqual(await commands(), stopped)
  await box.stop()
})

test('without --password-stdin and without a terminal a password is made up and printed', async t => {
  const { status, output } = await porchlight(['user', 'add', 'carol', '--data', temporaryData(t)])
  assert.equal(status, 0)
  assert.match(output, /^added sip:carol@box\.example with password \w{12}\n$/)
})

test('user import: 10,000 users in under 10 s while the box runs; errors by line, all or nothing', async t => {
  const data = temporaryData(t)
  const file = join(data, '..', 'users.csv')
  const box = await RunningBox.start(t, data)
  const lines = Array.from({ length: 10_000 }, (_, index) => `sip:u${index}@box.example,secret${index}\n`)
  writeFileSync(file, [...lines.slice(0, 5000), 'sip:bad@elsewhere.example,x\n', ...lines.slice(5000)].join(''))
  const refused = await porchlight(['user', 'import', file, '--data', data])
  assert.equal(refused.status, 1)
  assert.match(refused.errors, /^porchlight: line 5001: .*elsewhere\.example.*\n$/)
  const status = () => statusOf<{ users: number }>(data)
  assert.equal((await status()).users, 2)
  writeFileSync(file, lines.join(''))
  const started = performance.now()
  const imported = await porchlight(['user', 'import', file, '--data', data])
  assert.ok(performance.now() - started < 10_000, `${performance.now() - started} ms`)
  assert.equal(imported.output, 'imported 10000 users: 10000 added, 0 changed\n')
  assert.equal((await status()).users, 10_002)
  const again = await porchlight(['user', 'import', '-', '--data', data], 'u1,new\nzoe,pass,"Zoe, the last"\n')
  assert.equal(again.output, 'imported 2 users: 1 added, 1 changed\n')
  await box.stop()
})

test('settings: listed with unit, default and meaning; set at once or for the next start; refused in one line', async t => {
  const data = temporaryData(t)
  const set = (...words: string[]) => porchlight(['settings', 'set', ...words, '--data', data])
  const get = async (name: string) => (await porchlight(['settings', 'get', name, '--data', data])).output
  // There is no data directory yet: the defaults are shown, and nothing is made.
  assert.match(
    (await porchlight(['settings', 'list', '--data', data])).output,
    /^presence\.minNotifyIntervalSeconds = 5 s {2}\[default\]$/m,
  )
  assert.equal(await get('presence.minNotifyIntervalSeconds'), '5\n')
  const box = await RunningBox.start(t, data, ['log.level=info'])
  assert.match((await set('presence.minNotifyIntervalSeconds', '0')).output, /takes effect at once/)
  assert.equal(await get('presence.minNotifyIntervalSeconds'), '0\n')
  assert.match((await set('domain', 'other.example')).output, /takes effect at the next start/)
  assert.equal(await get('domain'), 'box.example\n')
  assert.match((await set('log.level', 'debug')).output, /without --set/)
  assert.match(
    (await porchlight(['settings', 'list', '--data', data])).output,
    /^domain = box\.example .*other\.example from the next start/m,
  )
  assert.match((await set('prs8.password', 'sesame')).output, /^prs8\.password is now '\*{8}'/)
  assert.equal(await get('prs8.password'), '********\n')
  assert.equal((await porchlight(['settings', 'get', '--reveal', 'prs8.password', '--data', data])).output, 'sesame\n')
  const refused = await set('presence.defaultHandling', 'maybe')
  assert.equal(refused.status, 2)
  assert.match(
    refused.errors,
    /^porchlight: presence\.defaultHandling cannot be 'maybe': it is one of allow, polite-block, confirm, block\n$/,
  )
  assert.match((await set('presence.frobnicate', '1')).errors, /no setting is called 'presence\.frobnicate'/)
  assert.match((await set('tls.certificate', '/no/such.pem')).output, /takes effect at once/)
  const unreadable = await set('tls.key', '/no/such.pem')
  assert.equal(unreadable.status, 1)
  assert.match(unreadable.errors, /the certificate in use stays: tls\.certificate: cannot read \/no\/such\.pem: ENOENT/)
  for (const name of ['tls.key', 'tls.certificate']) await set(name, '')
  await box.stop()
  assert.equal(await get('domain'), 'other.example\n')
  const again = await RunningBox.start(t, data)
  assert.match(again.greeting, /serves the domain other\.example/)
  await again.stop()
})

test('status: what an operator asks first, as lines and as JSON; status 3 when no box runs', async t => {
  const data = temporaryData(t)
  const absent = await porchlight(['status', '--json', '--data', data])
  assert.equal(absent.status, 3)
  assert.deepEqual(JSON.parse(absent.output), { running: false })
  const box = await RunningBox.start(t, data)
  const { output } = await porchlight(['status', '--data', data])
  for (const word of [
    'users',
    'registrations',
    'publications',
    'subscriptions',
    'memory',
    'store',
    'last error',
    'running',
  ])
    assert.match(output, new RegExp(`^${word} `, 'm'))
  const status = await statusOf<Record<string, unknown>>(data)
  assert.equal(status.running, true)
  assert.equal(status.users, 2)
  assert.equal(status.lastError, null)
  assert.ok(Number(status.memoryOctets) > 1e6)
  assert.ok(Number(status.storeOctets) > 0)
  await box.stop()
})

test('backup: a copy taken while the box runs, and one taken while it does not, start as data directories', async t => {
  const data = temporaryData(t)
  const [running, stopped] = [join(data, '..', 'running'), join(data, '..', 'stopped')]
  const box = await RunningBox.start(t, data)
  await porchlight(['user', 'add', 'carol', '--data', data])
  const first = await porchlight(['backup', running, '--data', data])
  assert.equal(first.status, 0, first.errors)
  assert.match((await porchlight(['backup', running, '--data', data])).errors, /exists already/)
  await box.stop()
  assert.equal((await porchlight(['backup', stopped, '--data', data])).status, 0)
  for (const copy of [running, stopped]) {
    const restored = await RunningBox.start(t, copy)
    assert.doesNotMatch(restored.greeting, /password/)
    assert.match((await porchlight(['user', 'list', '--data', copy])).output, /^sip:carol@box\.example$/m)
    await restored.stop()
  }
})
